//! Logging in: who logs in, and the request that does it.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

/// Who logs in, as the API wants to know it (partner pages: *access token
/// request*). The API key is the pair of `cid` and `sec`.
#[derive(Debug)]
pub struct Credentials {
    /// The user's name.
    pub name: String,
    /// The user's password.
    pub password: SecretString,
    /// The application's name, as the API key was made for.
    pub app_id: String,
    /// The application's version.
    pub app_version: String,
    /// The ID of the API key. The schema and the vendor's own clients send
    /// it as text, the examples of the pages as a number: it is sent as text.
    pub cid: String,
    /// The secret of the API key.
    pub sec: SecretString,
    /// The device, where one is given.
    pub device_id: Option<String>,
}

/// The body of a log-in. It is wiped from memory with its last clone, and its
/// `Debug` shows nothing of it.
#[derive(Clone)]
pub struct LogIn {
    credentials: Arc<Credentials>,
    body: Bytes,
}

impl LogIn {
    /// A log-in with `credentials`; `ticket` answers a time penalty that the
    /// same body drew (partner pages: *penalty tickets*).
    #[must_use]
    pub fn new(credentials: &Arc<Credentials>, ticket: Option<&str>) -> Self {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct LogInBody<'a> {
            name: &'a str,
            password: &'a str,
            app_id: &'a str,
            app_version: &'a str,
            cid: &'a str,
            sec: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            device_id: Option<&'a str>,
            #[serde(rename = "p-ticket", skip_serializing_if = "Option::is_none")]
            ticket: Option<&'a str>,
        }
        let body = LogInBody {
            name: &credentials.name,
            password: credentials.password.expose_secret(),
            app_id: &credentials.app_id,
            app_version: &credentials.app_version,
            cid: &credentials.cid,
            sec: credentials.sec.expose_secret(),
            device_id: credentials.device_id.as_deref(),
            ticket,
        };
        let texts = [
            body.name,
            body.password,
            body.app_id,
            body.app_version,
            body.cid,
            body.sec,
        ];
        let texts = texts.into_iter().chain(body.device_id).chain(body.ticket);
        // A byte takes six at the most in JSON, and the keys have their room:
        // a buffer that grew would leave a copy of the secrets behind.
        let room = 256 + 6 * texts.map(str::len).sum::<usize>();
        let mut bytes = Zeroizing::new(Vec::with_capacity(room));
        serde_json::to_writer(&mut *bytes, &body)
            .unwrap_or_else(|error| unreachable!("text is JSON: {error}"));
        debug_assert!(bytes.len() <= room);
        Self {
            credentials: Arc::clone(credentials),
            body: Bytes::from_owner(bytes),
        }
    }

    /// The body: JSON, secrets included.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// What nobody may read in an answer that repeats what it was sent.
    pub(super) fn secrets(&self) -> [&SecretString; 2] {
        [&self.credentials.password, &self.credentials.sec]
    }
}

impl fmt::Debug for LogIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogIn(…)")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::api) fn credentials(password: &str, sec: &str) -> Arc<Credentials> {
        Arc::new(Credentials {
            name: "clerk".to_owned(),
            password: password.into(),
            app_id: "Clean-up".to_owned(),
            app_version: "1.0".to_owned(),
            cid: "8".to_owned(),
            sec: sec.into(),
            device_id: None,
        })
    }

    #[test]
    fn the_body_is_as_the_schema_has_it() {
        let log_in = LogIn::new(&credentials("p\"w", "k\u{e9}y"), None);
        assert_eq!(
            log_in.body(),
            r#"{"name":"clerk","password":"p\"w","appId":"Clean-up","appVersion":"1.0","cid":"8","sec":"kéy"}"#
        );
    }

    #[test]
    fn a_ticket_is_all_that_tells_a_body_from_the_one_that_drew_it() {
        let mut credentials = credentials("password", "sec");
        Arc::get_mut(&mut credentials).unwrap().device_id = Some("host-1".to_owned());
        let plain = LogIn::new(&credentials, None);
        let again = LogIn::new(&credentials, Some("t1"));
        let plain = std::str::from_utf8(plain.body()).unwrap();
        let begun = plain.strip_suffix('}').unwrap();
        assert!(begun.ends_with(r#""deviceId":"host-1""#), "{begun}");
        assert_eq!(again.body(), &format!("{begun},\"p-ticket\":\"t1\"}}"));
    }

    #[test]
    fn the_worst_of_texts_has_room() {
        let worst = "\u{1}".repeat(500);
        let log_in = LogIn::new(&credentials(&worst, &worst), Some(&worst));
        assert!(log_in.body().len() > 9_000);
    }

    #[test]
    fn debug_hides_every_secret() {
        let credentials = credentials("s3cret-password", "s3cret-sec");
        let log_in = LogIn::new(&credentials, Some("s3cret-ticket"));
        let call = crate::api::Call::LogIn(log_in.clone());
        let shown = format!("{credentials:?} {log_in:?} {call:?}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
