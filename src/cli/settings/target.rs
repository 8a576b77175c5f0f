//! Where a run goes: an environment by its name, or an address of its own.

use std::fmt;

use rescind::{
    address::server,
    api::{BaseUrl, Environment},
};

use super::values::ValueError;

/// What `--env` or `--base-url` says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    /// One of [`Environment::CHOICES`].
    Named(Environment),
    /// `--base-url` instead of `--env`; the address of no named environment.
    Custom(BaseUrl),
}

impl Target {
    /// What is at an address: a named environment is one, however it was
    /// named, with one lock, one history and one set of limits.
    pub(super) fn at(url: BaseUrl) -> Self {
        let named = Environment::CHOICES
            .into_iter()
            .find(|environment| environment.base_url().as_ref() == Some(&url));
        named.map_or(Self::Custom(url), Self::Named)
    }

    /// The name, as it is recorded: `demo`, or `custom`.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Named(environment) => environment.name(),
            Self::Custom(_) => Environment::Custom.name(),
        }
    }

    /// The base URL; the sandbox inside the process has none of its own.
    pub(crate) fn base_url(&self) -> Option<BaseUrl> {
        match self {
            Self::Named(environment) => environment.base_url(),
            Self::Custom(url) => Some(url.clone()),
        }
    }

    /// Whether calls to both go to one server.
    pub(super) fn is_at(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Custom(one), Self::Custom(other)) => {
                server(&one.to_string()) == server(&other.to_string())
            }
            (one, other) => one == other,
        }
    }

    /// Whether revoking there is real. A real environment asks for a
    /// confirmation.
    pub(crate) fn is_real(&self) -> bool {
        match self {
            Self::Named(environment) => environment.is_real(environment.base_url().as_ref()),
            Self::Custom(url) => Environment::Custom.is_real(Some(url)),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(environment) => environment.fmt(f),
            Self::Custom(url) => url.fmt(f),
        }
    }
}

/// The environments that can be chosen, by their words.
pub(super) fn choices() -> [(&'static str, Environment); 5] {
    Environment::CHOICES.map(|environment| (environment.name(), environment))
}

/// The words for the environments that can be chosen.
pub(crate) fn environments() -> [&'static str; 5] {
    choices().map(|(word, _)| word)
}

/// Reads an address. A complaint never quotes it: it may hold a password.
pub(super) fn address(text: &str) -> Result<BaseUrl, ValueError> {
    BaseUrl::parse(text).map_err(|error| {
        ValueError::new(error.to_string())
            .hint("write it as https://api.example.com/v1 or http://127.0.0.1:8080/v1")
    })
}

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
            let target = Target::Custom(address(text).unwrap());
            assert_eq!(target.base_url().unwrap().to_string(), kept);
            assert_eq!(target.to_string(), kept);
            assert_eq!(target.is_real(), real, "{text}");
            assert_eq!(target.name(), "custom");
        }
    }

    #[test]
    fn the_address_of_a_named_environment_is_that_environment() {
        for environment in Environment::CHOICES {
            let Some(url) = environment.base_url() else {
                continue;
            };
            let text = url.to_string();
            let (host, path) = text["https://".len()..].split_once('/').unwrap();
            let host = host.to_uppercase();
            for text in [
                text.clone(),
                format!("{text}/"),
                format!("HTTPS://{host}/{path}"),
                format!("https://{host}:443/{path}//"),
                format!("https://{host}.//{path}"),
            ] {
                let target = Target::at(address(&text).unwrap());
                assert_eq!(target, Target::Named(environment), "{text}");
            }
            for other in [
                format!("https://{host}:8443/{path}"),
                format!("https://{host}"),
                format!("https://{host}/{path}2"),
                format!("https://{host}.example.com/{path}"),
            ] {
                let target = Target::at(address(&other).unwrap());
                assert_eq!(target.name(), "custom", "{other}");
            }
        }
    }

    #[test]
    fn addresses_of_one_server_are_one_target() {
        let at = |text| Target::at(address(text).unwrap());
        let one = at("http://127.0.0.1:8080/v1");
        assert!(one.is_at(&at("http://localhost:8080//v1/")));
        assert!(!one.is_at(&at("http://localhost:8081/v1")));
        assert!(!one.is_at(&Target::Named(Environment::Sandbox)));
    }

    #[test]
    fn a_leaking_or_misleading_address_is_refused_unquoted() {
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
            let complaint = address(text).unwrap_err();
            assert!(!format!("{complaint:?}").contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn only_the_sandbox_is_unreal_and_has_no_address() {
        for (word, environment) in choices() {
            let target = Target::Named(environment);
            assert_eq!(target.is_real(), word != "sandbox");
            assert_eq!(target.base_url().is_none(), word == "sandbox");
            assert_eq!((target.name(), target.to_string().as_str()), (word, word));
        }
    }
}
