//! Where calls go: the API's environments and their base URLs.
//!
//! The same number can be a different permission in another environment
//! (partner pages: *environments*), so the environment is an explicit choice
//! and part of everything recorded. This module owns the names, the addresses
//! and the rule which addresses are allowed at all; asking a person before a
//! real environment is touched is left to the caller of
//! [`Environment::is_real`].

use std::{fmt, str::FromStr};

use reqwest::Url;

use crate::address::{is_loopback, normalise};

/// One of the API's worlds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Environment {
    /// The simulated API; nothing real is revoked.
    Sandbox,
    /// Evaluation accounts and their permissions.
    Demo,
    /// Funded accounts and their permissions.
    Live,
    /// The vendor's rehearsal of [`Demo`](Self::Demo).
    StagingDemo,
    /// The vendor's rehearsal of [`Live`](Self::Live).
    StagingLive,
    /// A base URL given instead of a name. It is recorded, never chosen.
    Custom,
}

impl Environment {
    /// Those that can be chosen by name.
    pub const CHOICES: [Self; 5] = [
        Self::Sandbox,
        Self::Demo,
        Self::Live,
        Self::StagingDemo,
        Self::StagingLive,
    ];

    /// The name, as it is chosen and recorded.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Demo => "demo",
            Self::Live => "live",
            Self::StagingDemo => "staging-demo",
            Self::StagingLive => "staging-live",
            Self::Custom => "custom",
        }
    }

    /// The vendor's address for it (partner pages: *environments*). The
    /// sandbox is wherever it was started, and a custom one must be given.
    #[must_use]
    pub fn base_url(self) -> Option<BaseUrl> {
        let address = match self {
            Self::Demo => "https://demo.tradovateapi.com/v1",
            Self::Live => "https://live.tradovateapi.com/v1",
            Self::StagingDemo => "https://demo-api.staging.ninjatrader.dev/v1",
            Self::StagingLive => "https://live-api.staging.ninjatrader.dev/v1",
            Self::Sandbox | Self::Custom => return None,
        };
        Some(BaseUrl::parse(address).unwrap_or_else(|error| unreachable!("{address}: {error}")))
    }

    /// Whether somebody's real permissions are at stake: everything but the
    /// sandbox and loopback addresses.
    #[must_use]
    pub fn is_real(self, base_url: Option<&BaseUrl>) -> bool {
        self != Self::Sandbox && !base_url.is_some_and(BaseUrl::is_loopback)
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Environment {
    type Err = UnknownEnvironment;

    /// Reads every recorded name, `custom` included; a choice is one of
    /// [`Environment::CHOICES`].
    fn from_str(name: &str) -> Result<Self, UnknownEnvironment> {
        Self::CHOICES
            .into_iter()
            .chain([Self::Custom])
            .find(|environment| environment.name() == name)
            .ok_or_else(|| UnknownEnvironment(name.to_owned()))
    }
}

/// A word that names no environment.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{0}` is none of sandbox, demo, live, staging-demo, staging-live")]
pub struct UnknownEnvironment(String);

/// The address that the API's paths are appended to, without a slash at its
/// end.
///
/// It is `https`, or `http` to a loopback address, so that a token never
/// crosses a network in the clear; and it carries no user info, query or
/// fragment, so that it can be recorded and shown.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct BaseUrl(Url);

impl BaseUrl {
    /// Reads an address.
    ///
    /// # Errors
    ///
    /// Everything that the type promises not to be. The error does not
    /// repeat the text, which may hold a password.
    pub fn parse(text: &str) -> Result<Self, InvalidBaseUrl> {
        // The URL standard drops tabs and line breaks wherever they stand;
        // in a setting they are a mistake.
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(InvalidBaseUrl::Blank);
        }
        let mut url = Url::parse(text).map_err(|_| InvalidBaseUrl::NotAUrl)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidBaseUrl::UserInfo);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidBaseUrl::QueryOrFragment);
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => return Err(InvalidBaseUrl::Clear),
            _ => return Err(InvalidBaseUrl::Scheme),
        }
        normalise(&mut url);
        Ok(Self(url))
    }

    /// Whether the host is this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }

    /// Whether calls are encrypted.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The address of an endpoint; `path` starts without a slash.
    pub(super) fn endpoint(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}/{path}", self.0.path().trim_end_matches('/')));
        url
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL standard gives an empty path a slash.
        f.pad(self.0.as_str().trim_end_matches('/'))
    }
}

impl FromStr for BaseUrl {
    type Err = InvalidBaseUrl;

    fn from_str(text: &str) -> Result<Self, InvalidBaseUrl> {
        Self::parse(text)
    }
}

/// Why a text is no base URL.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidBaseUrl {
    /// Not an absolute URL.
    #[error("not an absolute URL")]
    NotAUrl,
    /// Blanks, line breaks or control characters.
    #[error("a blank or control character in the URL")]
    Blank,
    /// Neither `https` nor `http`.
    #[error("the scheme must be https")]
    Scheme,
    /// `http` to another machine.
    #[error("plain http is allowed to a loopback address only; use https")]
    Clear,
    /// A user name or password.
    #[error("a user name or password in the URL; secrets have settings of their own")]
    UserInfo,
    /// A query or fragment.
    #[error("a query or fragment in the URL")]
    QueryOrFragment,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_only_named_environments_are_choices() {
        for environment in Environment::CHOICES
            .into_iter()
            .chain([Environment::Custom])
        {
            assert_eq!(environment.to_string().parse(), Ok(environment));
        }
        assert!(!Environment::CHOICES.contains(&Environment::Custom));
        for word in ["", "Live", "prod", "live ", "staging"] {
            assert!(word.parse::<Environment>().is_err(), "{word:?}");
        }
    }

    #[test]
    fn each_environment_has_the_vendors_address() {
        let address = |name: &str| {
            let environment: Environment = name.parse().unwrap();
            environment.base_url().map(|url| url.to_string())
        };
        let expected = [
            ("live", "https://live.tradovateapi.com/v1"),
            ("demo", "https://demo.tradovateapi.com/v1"),
            (
                "staging-live",
                "https://live-api.staging.ninjatrader.dev/v1",
            ),
            (
                "staging-demo",
                "https://demo-api.staging.ninjatrader.dev/v1",
            ),
        ];
        for (name, url) in expected {
            assert_eq!(address(name).as_deref(), Some(url));
        }
        assert_eq!(address("sandbox"), None);
        assert_eq!(address("custom"), None);
    }

    #[test]
    fn real_is_all_but_the_sandbox_and_loopback() {
        let loopback = BaseUrl::parse("http://127.0.0.1:8080").unwrap();
        let remote = BaseUrl::parse("https://example.com").unwrap();
        assert!(!Environment::Sandbox.is_real(None));
        assert!(!Environment::Custom.is_real(Some(&loopback)));
        assert!(Environment::Custom.is_real(Some(&remote)));
        for environment in &Environment::CHOICES[1..] {
            assert!(environment.is_real(environment.base_url().as_ref()));
        }
    }

    #[test]
    fn a_base_url_is_normalised_and_joins_paths() {
        for (text, shown, joined) in [
            ("https://a.b/v1", "https://a.b/v1", "https://a.b/v1/x/y"),
            ("https://a.b/v1/", "https://a.b/v1", "https://a.b/v1/x/y"),
            ("https://A.b/v1//", "https://a.b/v1", "https://a.b/v1/x/y"),
            ("https://a.b.//v1", "https://a.b/v1", "https://a.b/v1/x/y"),
            ("https://a.b", "https://a.b", "https://a.b/x/y"),
            ("http://[::1]:80/", "http://[::1]", "http://[::1]/x/y"),
            (
                "http://127.1:8080",
                "http://127.0.0.1:8080",
                "http://127.0.0.1:8080/x/y",
            ),
        ] {
            let base = BaseUrl::parse(text).unwrap();
            assert_eq!(base.to_string(), shown);
            assert_eq!(base.endpoint("x/y").as_str(), joined);
            assert_eq!(BaseUrl::parse(&base.to_string()), Ok(base));
        }
    }

    #[test]
    fn plain_http_goes_to_this_machine_only() {
        for text in [
            "http://127.0.0.1",
            "http://127.9.8.7:1",
            "http://[::1]:8080",
            "http://localhost:8080/v1",
            "http://LOCALHOST",
            "http://localhost.:8080",
            "http://[::ffff:127.0.0.1]:8080",
        ] {
            assert!(BaseUrl::parse(text).unwrap().is_loopback(), "{text}");
        }
        for text in [
            "http://live.tradovateapi.com/v1",
            "http://128.0.0.1",
            "http://0.0.0.0",
            "http://[::]",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "http://notlocalhost",
        ] {
            assert_eq!(BaseUrl::parse(text), Err(InvalidBaseUrl::Clear), "{text}");
        }
        assert!(!BaseUrl::parse("https://example.com").unwrap().is_loopback());
    }

    #[test]
    fn secrets_queries_and_other_schemes_are_refused() {
        use InvalidBaseUrl::{Blank, NotAUrl, QueryOrFragment, Scheme, UserInfo};
        for (text, expected) in [
            ("https://user:hunter2@a.b/v1", UserInfo),
            ("https://user@a.b/v1", UserInfo),
            ("http://localhost@evil.example/", UserInfo),
            ("https://a.b/v1?x=1", QueryOrFragment),
            ("https://a.b/v1?", QueryOrFragment),
            ("https://a.b/v1#x", QueryOrFragment),
            ("ftp://a.b", Scheme),
            ("file:///etc/passwd", Scheme),
            ("a.b/v1", NotAUrl),
            ("", NotAUrl),
            ("https://", NotAUrl),
            (" https://a.b", Blank),
            ("https://a.b/\nv1", Blank),
        ] {
            let error = BaseUrl::parse(text).unwrap_err();
            assert_eq!(error, expected, "{text:?}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }
}
