//! Where a token comes from: one of three variables, and nothing else.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use super::Effective;
use crate::cli::problem::Problem;

/// The variables a token may come from; exactly one may be set.
pub(super) const TOKENS: [&str; 3] = [
    "RESCIND_TOKEN",
    "RESCIND_TOKEN_FILE",
    "RESCIND_TOKEN_COMMAND",
];

/// The one place a token comes from. What it yields is up to whoever reads it.
#[derive(Clone, Debug)]
#[cfg_attr(not(test), expect(dead_code, reason = "for the commands that send"))]
pub(crate) enum TokenSource {
    /// The token itself (`RESCIND_TOKEN`).
    Text(SecretString),
    /// A file that holds it (`RESCIND_TOKEN_FILE`).
    File(PathBuf),
    /// A command whose first line of output it is (`RESCIND_TOKEN_COMMAND`),
    /// not yet split into words. Its arguments may be secret.
    Command(SecretString),
}

impl Effective {
    /// Where the token comes from, if anything was given.
    ///
    /// # Errors
    /// More than one source, or one that is empty.
    pub(crate) fn token(&self) -> Result<Option<TokenSource>, Problem> {
        let (name, value) = match self.tokens.as_slice() {
            [] => return Ok(None),
            [one] => one,
            several => {
                let names: Vec<_> = several.iter().map(|(name, _)| *name).collect();
                let message = format!("more than one token is given: {}", names.join(", "));
                return Err(Problem::usage(message).hint("set exactly one of them"));
            }
        };
        if value.expose_secret().trim().is_empty() {
            let message = format!("{name} is empty");
            return Err(Problem::usage(message).hint("give it a value, or unset it"));
        }
        Ok(Some(match *name {
            "RESCIND_TOKEN_FILE" => TokenSource::File(PathBuf::from(value.expose_secret())),
            "RESCIND_TOKEN_COMMAND" => TokenSource::Command(value.clone()),
            _ => TokenSource::Text(value.clone()),
        }))
    }
}
