//! How a process gets access: a token from one of three variables, or a
//! log-in. What is secret comes from variables and files, never from an
//! option or a settings file.

use std::path::PathBuf;

use rescind::api::{Credentials, TokenError, TokenSource, unread_file};
use rescind::bounded_file;
use secrecy::{ExposeSecret, SecretString};

use super::{Key, Resolved, layers::LayerValue};
use crate::cli::error::CliError;

/// The variables a token may come from; exactly one may be set.
pub(super) const TOKENS: [&str; 3] = [
    "RESCIND_TOKEN",
    "RESCIND_TOKEN_FILE",
    "RESCIND_TOKEN_COMMAND",
];

const PASSWORD: &str = "RESCIND_LOGIN_PASSWORD";
const SEC: &str = "RESCIND_LOGIN_SEC";

/// Every variable that holds or leads to a secret.
pub(super) const SECRETS: [&str; 5] = [TOKENS[0], TOKENS[1], TOKENS[2], PASSWORD, SEC];

/// The settings that say who logs in.
const LOG_IN: [&str; 7] = [
    "login-name",
    "login-app-id",
    "login-app-version",
    "login-cid",
    "login-device-id",
    "login-password-file",
    "login-sec-file",
];

/// Far more than any password; a device must not fill the memory.
const LARGEST: usize = 64 * 1024;

/// Who logs in, apart from what is secret.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct LogInSettings {
    /// The user's name.
    pub(crate) name: Option<String>,
    /// The application's name.
    pub(crate) app_id: Option<String>,
    /// The application's version.
    pub(crate) app_version: Option<String>,
    /// The ID of the API key.
    pub(crate) cid: Option<String>,
    /// The device.
    pub(crate) device_id: Option<String>,
    /// The file with the password.
    pub(crate) password_file: Option<PathBuf>,
    /// The file with the API key's secret.
    pub(crate) sec_file: Option<PathBuf>,
}

/// How a process gets access.
#[derive(Debug)]
pub(crate) enum Access {
    /// A token is handed in; a file or command is not tried yet.
    Token(TokenSource),
    /// By logging in; files are not read yet.
    LogIn(LogInPlan),
}

/// A log-in of which everything is known but what is in files.
#[derive(Debug)]
pub(crate) struct LogInPlan {
    name: String,
    app_id: String,
    app_version: String,
    cid: String,
    device_id: Option<String>,
    password: Secret,
    sec: Secret,
}

#[derive(Debug)]
enum Secret {
    Value(SecretString),
    File(PathBuf),
}

impl LogInPlan {
    /// Who logs in, secrets included.
    ///
    /// # Errors
    /// A file that cannot be read or holds no secret.
    pub(crate) fn credentials(self) -> Result<Credentials, CliError> {
        Ok(Credentials {
            password: self.password.read("login-password-file")?,
            sec: self.sec.read("login-sec-file")?,
            name: self.name,
            app_id: self.app_id,
            app_version: self.app_version,
            cid: self.cid,
            device_id: self.device_id,
        })
    }
}

impl Secret {
    fn read(self, key: &str) -> Result<SecretString, CliError> {
        let path = match self {
            Self::Value(value) => return Ok(value),
            Self::File(path) => path,
        };
        let text = bounded_file::text(&path, LARGEST).map_err(|error| {
            let file = unread_file("the file", &path, "it");
            CliError::usage(format!("{key}: cannot read {file}")).caused_by(&error)
        })?;
        // An editor ends the line; blanks may be part of a password.
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() || line.contains(char::is_control) {
            return Err(CliError::usage(format!(
                "{key}: {} does not hold exactly one line of text",
                path.display()
            )));
        }
        Ok(line.into())
    }
}

impl Resolved {
    /// How the process gets access, if anything was said about it. No file or
    /// command is tried yet.
    ///
    /// # Errors
    /// More than one way, one that is incomplete, or one that cannot be used.
    pub(crate) fn access(&self) -> Result<Option<Access>, CliError> {
        let log_in = self.log_in()?;
        let token = self.token()?;
        if log_in.is_none()
            && let Some(path) = &self.settings.token_cache
        {
            return Err(CliError::usage(format!(
                "{}: {} keeps a token that a log-in brought, and there are no log-in settings",
                self.subject("token-cache"),
                path.display()
            ))
            .hint("leave it out, or say who logs in"));
        }
        match (token, log_in) {
            (Some(_), Some(_)) => Err(CliError::usage(format!(
                "a token and a log-in are both given: {} and {}",
                self.set_secrets(&TOKENS).join(", "),
                self.log_in_settings().join(", ")
            ))
            .hint("hand a token in, or say who logs in, not both")),
            (token, log_in) => Ok(token.map(Access::Token).or(log_in.map(Access::LogIn))),
        }
    }

    /// Drops what the journal says of a log-in where this process is handed a
    /// token and says nothing of a log-in itself; and the journal's file of a
    /// secret where a variable holds that secret.
    pub(super) fn forget_log_in(&mut self, given: &[Vec<LayerValue>]) {
        let mut names = given.iter().flatten().map(|entry| entry.key.name);
        let log_in = &mut self.settings.log_in;
        if self.secrets.iter().any(|(name, _)| TOKENS.contains(name))
            && !names.any(|name| LOG_IN.contains(&name))
        {
            *log_in = LogInSettings::default();
            self.settings.token_cache = None;
        }
        for (variable, file) in [
            (PASSWORD, &mut log_in.password_file),
            (SEC, &mut log_in.sec_file),
        ] {
            if self.secrets.iter().any(|(name, _)| *name == variable) {
                *file = None;
            }
        }
    }

    /// Whether anything was said about a log-in.
    pub(super) fn logs_in(&self) -> bool {
        !self.log_in_settings().is_empty()
    }

    /// What was said about a log-in, by the names of the settings.
    fn log_in_settings(&self) -> Vec<String> {
        let keys = LOG_IN.iter().filter_map(|name| Key::named(name));
        let keys = keys.filter(|key| key.texts(&self.settings).is_some());
        let mut given: Vec<_> = keys.map(|key| self.subject(key.name)).collect();
        given.extend(self.set_secrets(&[PASSWORD, SEC]));
        given
    }

    fn set_secrets(&self, names: &[&'static str]) -> Vec<String> {
        let set = self.secrets.iter();
        let set = set.filter(|(name, _)| names.contains(name));
        set.map(|(name, _)| (*name).to_owned()).collect()
    }

    fn secret(&self, wanted: &str) -> Option<&SecretString> {
        let found = self.secrets.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, value)| value)
    }

    fn token(&self) -> Result<Option<TokenSource>, CliError> {
        let lookup = |wanted: &str| self.secret(wanted).map(|v| v.expose_secret().into());
        TokenSource::from_env(lookup).map_err(|error| {
            let hint = match error {
                TokenError::Several { .. } => "set exactly one of them",
                TokenError::Empty { .. } => "give it a value, or unset it",
                TokenError::CommandLine => {
                    "write a program and its arguments as for a shell, which is not used"
                }
                _ => "set it to the token alone, without quotes or line breaks",
            };
            CliError::usage(error.to_string()).hint(hint)
        })
    }

    fn log_in(&self) -> Result<Option<LogInPlan>, CliError> {
        if !self.logs_in() {
            return Ok(None);
        }
        let LogInSettings {
            name,
            app_id,
            app_version,
            cid,
            device_id,
            password_file,
            sec_file,
        } = self.settings.log_in.clone();
        let password = self.either("login-password-file", password_file, PASSWORD)?;
        let sec = self.either("login-sec-file", sec_file, SEC)?;
        match (name, app_id, app_version, cid, password, sec) {
            (Some(name), Some(app_id), Some(app_version), Some(cid), Some(password), Some(sec)) => {
                Ok(Some(LogInPlan {
                    name,
                    app_id,
                    app_version,
                    cid,
                    device_id,
                    password,
                    sec,
                }))
            }
            (name, app_id, app_version, cid, password, sec) => {
                let missing = [
                    (name.is_none(), "login-name".to_owned()),
                    (app_id.is_none(), "login-app-id".to_owned()),
                    (app_version.is_none(), "login-app-version".to_owned()),
                    (cid.is_none(), "login-cid".to_owned()),
                    (
                        password.is_none(),
                        format!("{PASSWORD} or login-password-file"),
                    ),
                    (sec.is_none(), format!("{SEC} or login-sec-file")),
                ];
                let missing = missing.into_iter().filter(|(missing, _)| *missing);
                let missing: Vec<_> = missing.map(|(_, name)| name).collect();
                Err(CliError::usage(format!(
                    "the log-in is incomplete: {} given, but not {}",
                    self.log_in_settings().join(", "),
                    missing.join(", ")
                ))
                .hint("say all of it, or nothing and hand a token in"))
            }
        }
    }

    /// A secret from its file or from its variable.
    fn either(
        &self,
        key: &str,
        file: Option<PathBuf>,
        variable: &str,
    ) -> Result<Option<Secret>, CliError> {
        let value = self.secret(variable);
        if value.is_some_and(|value| value.expose_secret().is_empty()) {
            return Err(CliError::usage(format!("{variable} is empty"))
                .hint("give it a value, or unset it"));
        }
        match (file, value) {
            (Some(_), Some(_)) => Err(CliError::usage(format!(
                "{} and {variable} exclude each other",
                self.subject(key)
            ))
            .hint("leave one of them out")),
            (file, value) => Ok(file
                .map(Secret::File)
                .or_else(|| value.cloned().map(Secret::Value))),
        }
    }
}
