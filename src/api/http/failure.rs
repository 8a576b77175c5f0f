//! Why there is no answer, told by what failed: whether something may have
//! been sent, of what kind the failure is, and in words for a person, which
//! hold no URL.

use std::{error::Error, io, time::Duration};

use rustls::{CertificateError, Error as TlsError};

use crate::api::{Answer, Failure, FailureKind, message::one_line};

/// A request that came to nothing. It is judged by the phase: a request is
/// only written once a connection with its TLS handshake stands.
pub(super) fn of_request(error: reqwest::Error, connect_timeout: Duration) -> Answer {
    let error = error.without_url();
    if !error.is_connect() && !error.is_builder() {
        return Answer::NoAnswer(lost(&error));
    }
    let (kind, detail) = if error.is_timeout() {
        let limit = connect_timeout.as_secs_f64();
        (
            FailureKind::Connect,
            format!("no connection within {limit} s"),
        )
    } else if let Some(tls) = find::<TlsError>(&error) {
        (FailureKind::Tls, tls_words(tls))
    } else if by_proxy(&error) {
        let root = root(&error);
        let why = root.strip_prefix(TUNNEL).unwrap_or(&root);
        let detail = format!("the proxy did not connect: {why}");
        (FailureKind::Connect, detail)
    } else if of_kind(&error, &[io::ErrorKind::UnexpectedEof]) {
        let detail = "the connection was closed within the TLS handshake";
        (FailureKind::Tls, detail.to_owned())
    } else {
        (FailureKind::Connect, root(&error))
    };
    Answer::NotSent(Failure { kind, detail })
}

/// A failure after the request may have been sent.
pub(super) fn lost(error: &reqwest::Error) -> Failure {
    let damaged = [io::ErrorKind::InvalidInput, io::ErrorKind::InvalidData];
    let (kind, detail) = if error.is_timeout() {
        let detail = "no complete answer within the time-out".to_owned();
        (FailureKind::Timeout, detail)
    } else {
        // What the connection says about itself: cut off, or not HTTP.
        // Without its word, the compression is damaged.
        match find::<hyper::Error>(error) {
            Some(http) if http.is_parse() => (FailureKind::Unreadable, root(error)),
            // Chunks that are none.
            Some(_) if of_kind(error, &damaged) => (FailureKind::Unreadable, root(error)),
            None if error.is_decode() => (FailureKind::Unreadable, root(error)),
            // TLS says it at length, and with an address.
            _ if of_kind(error, &[io::ErrorKind::UnexpectedEof]) => {
                (FailureKind::Reset, "the answer was cut off".to_owned())
            }
            _ => (FailureKind::Reset, root(error)),
        }
    };
    Failure { kind, detail }
}

/// What is wrong with a certificate, in the words of whoever has to do
/// something about it.
fn tls_words(error: &TlsError) -> String {
    use CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
        NotValidYetContext, Revoked, UnknownIssuer,
    };
    let TlsError::InvalidCertificate(certificate) = error else {
        return one_line(&error.to_string());
    };
    let words = match certificate {
        Expired | ExpiredContext { .. } => "the server's certificate has expired",
        NotValidYet | NotValidYetContext { .. } => {
            "the server's certificate is not valid yet; is this host's clock right?"
        }
        NotValidForName | NotValidForNameContext { .. } => {
            "the server's certificate is for another host"
        }
        UnknownIssuer => {
            "the server's certificate is not signed by a trusted authority; --ca-cert FILE adds one"
        }
        Revoked => "the server's certificate was revoked",
        other => return one_line(&other.to_string()),
    };
    words.to_owned()
}

/// How the words of a proxy's failure begin. Its type is nobody else's.
const TUNNEL: &str = "tunnel error: ";

/// Whether it was a proxy that failed, and not the API.
fn by_proxy(error: &reqwest::Error) -> bool {
    causes(error).any(|cause| {
        let words = cause.to_string();
        words.starts_with(TUNNEL) || words.contains("socks proxy")
    })
}

fn of_kind(error: &reqwest::Error, kinds: &[io::ErrorKind]) -> bool {
    causes(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| kinds.contains(&cause.kind()))
}

fn find<T: Error + 'static>(error: &reqwest::Error) -> Option<&T> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// The error and what is below it. An I/O error that wraps another is not
/// among the sources of anything, so it is unwrapped here.
fn causes<'a>(error: &'a reqwest::Error) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let first: &'a (dyn Error + 'static) = error;
    std::iter::successors(Some(first), |&cause| {
        let wrapped = cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        wrapped
            .map(|inner| inner as &(dyn Error + 'static))
            .or_else(|| cause.source())
    })
}

/// The bottom of it all in words; the layers above only say that something
/// failed.
fn root(error: &reqwest::Error) -> String {
    one_line(
        &causes(error)
            .last()
            .map(ToString::to_string)
            .unwrap_or_default(),
    )
}
