//! Addresses: their normal form, and which of them are one server.
//!
//! A lock, a budget and a lockout belong to a server and not to a spelling of
//! its address.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

use reqwest::Url;

/// Brings an address to its normal form, on top of what the URL standard asks
/// for (lower case, no default port): no dot at the end of the host, no empty
/// segments in the path.
pub(crate) fn normalise(url: &mut Url) {
    let host = url.host_str().and_then(|host| host.strip_suffix('.'));
    if let Some(host) = host.map(str::to_owned) {
        // What is no host without its dot stays as it is.
        let _ = url.set_host(Some(&host));
    }
    let segments = url.path().split('/').filter(|segment| !segment.is_empty());
    let path = segments.collect::<Vec<_>>().join("/");
    url.set_path(&path);
}

/// Whether the host is this machine: 127.0.0.0/8, `[::1]` or `localhost`. The
/// URL standard has normalised it by now: `127.1` and `0x7f000001` read
/// `127.0.0.1`, and names are in lower case.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.strip_suffix('.').unwrap_or(host) == "localhost"
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

/// What all addresses of one server have in common, and no other: the normal
/// form, in which all names of loopback are one. What is no address stands
/// for itself.
#[must_use]
pub fn server(address: &str) -> Cow<'_, str> {
    let Ok(mut url) = Url::parse(address) else {
        return Cow::Borrowed(address);
    };
    normalise(&mut url);
    if is_loopback(&url) {
        let _ = url.set_ip_host(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    Cow::Owned(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_has_one_name_however_its_address_is_spelt() {
        for (one, spellings) in [
            (
                "https://api.example.com/v1",
                &[
                    "https://api.example.com/v1/",
                    "https://api.example.com./v1",
                    "https://API.example.COM:443//v1//",
                    "HTTPS://api.example.com//v1",
                ][..],
            ),
            (
                "http://127.0.0.1:8080/v1",
                &[
                    "http://localhost:8080/v1",
                    "http://LOCALHOST.:8080/v1/",
                    "http://[::1]:8080//v1",
                    "http://[::ffff:127.0.0.1]:8080/v1",
                    "http://127.9.8.7:8080/v1",
                    "http://127.1:8080/v1",
                    "http://127.0.0.1.:8080/v1",
                ],
            ),
            (
                "http://127.0.0.1",
                &["http://localhost:80/", "http://[::1]"],
            ),
        ] {
            assert_eq!(server(one), one);
            for spelling in spellings {
                assert_eq!(server(spelling), one, "{spelling}");
            }
        }
    }

    #[test]
    fn other_servers_have_other_names() {
        let names = [
            "sandbox",
            "",
            "https://api.example.com/v1",
            "https://api.example.com/v2",
            "https://api.example.com/V1",
            "https://api.example.com:8443/v1",
            "https://example.com/v1",
            "http://127.0.0.1:1/v1",
            "http://127.0.0.1:2/v1",
            "https://127.0.0.1:2/v1",
            "https://localhost.example.com/v1",
        ];
        for (index, name) in names.iter().enumerate() {
            assert!(
                names[..index]
                    .iter()
                    .all(|other| server(other) != server(name))
            );
        }
    }
}
