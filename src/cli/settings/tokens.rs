//! Where a token comes from: one of three variables, and nothing else.

use rescind::api::{TokenError, TokenSource};
use secrecy::ExposeSecret;

use super::Effective;
use crate::cli::problem::Problem;

/// The variables a token may come from; exactly one may be set.
pub(super) const TOKENS: [&str; 3] = [
    "RESCIND_TOKEN",
    "RESCIND_TOKEN_FILE",
    "RESCIND_TOKEN_COMMAND",
];

impl Effective {
    /// Where the token comes from, if anything was given. A file or command
    /// is not tried yet.
    ///
    /// # Errors
    /// More than one source, or one that cannot be a source.
    pub(crate) fn token(&self) -> Result<Option<TokenSource>, Problem> {
        let lookup = |wanted: &str| {
            let found = self.tokens.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| value.expose_secret().into())
        };
        TokenSource::from_env(lookup).map_err(|error| {
            let hint = match error {
                TokenError::Several { .. } => "set exactly one of them",
                TokenError::Empty { .. } => "give it a value, or unset it",
                TokenError::CommandLine => {
                    "write a program and its arguments as for a shell, which is not used"
                }
                _ => "set it to the token alone, without quotes or line breaks",
            };
            Problem::usage(error.to_string()).hint(hint)
        })
    }
}
