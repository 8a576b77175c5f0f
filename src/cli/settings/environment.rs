//! Where a run goes: a named environment, or an address of its own.

use std::fmt;

use clap::ValueEnum;
use reqwest::Url;

use super::values::{Complaint, show_word};

/// The environment of a run (partner pages: *environments*). The same number
/// can be a different permission in another one.
#[derive(Clone, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Environment {
    /// The simulated API inside the process; nothing real happens.
    Sandbox,
    /// Evaluation accounts.
    Demo,
    /// Funded accounts.
    Live,
    /// The vendor's staging copy of demo.
    StagingDemo,
    /// The vendor's staging copy of live.
    StagingLive,
    /// `--base-url` instead of `--env`.
    #[value(skip)]
    Custom(BaseUrl),
}

impl Environment {
    /// The name, as it is recorded: `demo`, or `custom`.
    pub(crate) fn name(&self) -> String {
        show_word(self).unwrap_or_else(|| "custom".to_owned())
    }

    /// The base URL; the sandbox inside the process has none of its own.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the commands that send"))]
    pub(crate) fn base_url(&self) -> Option<&str> {
        match self {
            Self::Sandbox => None,
            Self::Demo => Some("https://demo.tradovateapi.com/v1"),
            Self::Live => Some("https://live.tradovateapi.com/v1"),
            Self::StagingDemo => Some("https://demo-api.staging.ninjatrader.dev/v1"),
            Self::StagingLive => Some("https://live-api.staging.ninjatrader.dev/v1"),
            Self::Custom(url) => Some(url.as_str()),
        }
    }

    /// Whether revoking there is real: all but the sandbox and loopback
    /// addresses. A real environment asks for a confirmation.
    pub(crate) fn is_real(&self) -> bool {
        match self {
            Self::Sandbox => false,
            Self::Custom(url) => !url.loopback,
            _ => true,
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Custom(url) => f.write_str(url.as_str()),
            named => f.write_str(&named.name()),
        }
    }
}

/// An address given by `--base-url`: `https`, or `http` to a loopback
/// address; without user info, query, fragment and closing slash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct BaseUrl {
    text: String,
    loopback: bool,
}

impl BaseUrl {
    /// Reads an address. A complaint never quotes it: it may hold a password.
    pub(super) fn parse(text: &str) -> Result<Self, Complaint> {
        let url = Url::parse(text)
            .map_err(|error| Complaint::new(format!("is not a URL: {error}")).hint(EXAMPLE))?;
        // The parser has brought numeric hosts to one form by now, so that
        // `127.1` is known as well.
        let host = url.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let loopback = bare == "localhost"
            || bare
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback());
        let refused = if !url.username().is_empty() || url.password().is_some() {
            "must not carry a user name or password"
        } else if url.query().is_some() || url.fragment().is_some() {
            "must not carry a query or a fragment"
        } else if url.scheme() != "https" && !(url.scheme() == "http" && loopback) {
            "must be https (http only to a loopback address)"
        } else {
            let text = url.as_str().trim_end_matches('/').to_owned();
            return Ok(Self { text, loopback });
        };
        Err(Complaint::new(refused).hint(EXAMPLE))
    }

    /// The address, without a closing slash.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

const EXAMPLE: &str = "write it as https://api.example.com/v1 or http://127.0.0.1:8080/v1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_https_or_loopback() {
        for (text, kept, real) in [
            (
                "https://api.example.com/v1/",
                "https://api.example.com/v1",
                true,
            ),
            ("https://127.0.0.1/v1", "https://127.0.0.1/v1", false),
            (
                "http://127.0.0.1:8080/v1",
                "http://127.0.0.1:8080/v1",
                false,
            ),
            ("http://127.8.9.10:1", "http://127.8.9.10:1", false),
            ("http://[::1]:8080", "http://[::1]:8080", false),
            ("http://localhost:8080/", "http://localhost:8080", false),
        ] {
            let environment = Environment::Custom(BaseUrl::parse(text).unwrap());
            assert_eq!(environment.base_url(), Some(kept));
            assert_eq!(environment.is_real(), real, "{text}");
            assert_eq!(environment.name(), "custom");
        }
    }

    #[test]
    fn an_address_that_leaks_or_misleads_is_refused_without_being_quoted() {
        for text in [
            "",
            "demo",
            "http://api.example.com/v1",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "ftp://127.0.0.1",
            "https://user:hunter2@api.example.com",
            "https://hunter2@api.example.com",
            "https://api.example.com/?token=hunter2",
            "https://api.example.com/#hunter2",
            "hunter2@https://",
        ] {
            let complaint = BaseUrl::parse(text).unwrap_err();
            assert!(!format!("{complaint:?}").contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn only_the_sandbox_is_unreal_and_has_no_address() {
        for environment in Environment::value_variants() {
            let sandbox = *environment == Environment::Sandbox;
            assert_eq!(environment.is_real(), !sandbox);
            assert_eq!(environment.base_url().is_none(), sandbox);
        }
    }
}
