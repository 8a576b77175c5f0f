//! Where the bearer token comes from, and how it stays secret.
//!
//! A token is handed in through exactly one of three variables, never through
//! an option: arguments are visible to everybody on a host. A [`Token`] never
//! shows itself in `Debug` and has no `Display`, and no error here repeats a
//! value or a command's output.

use std::{
    ffi::OsString,
    fmt, io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::bounded_file;
use crate::journal::TokenOrigin;

/// The variables of [`TokenSource::from_env`].
const TOKEN: &str = "RESCIND_TOKEN";
const FILE: &str = "RESCIND_TOKEN_FILE";
const COMMAND: &str = "RESCIND_TOKEN_COMMAND";

/// How long a command may take to hand out the token.
const COMMAND_LIMIT: Duration = bounded_file::LIMIT;

/// Far more than any token; a device or a runaway command must not fill the
/// memory.
const LARGEST_SOURCE: usize = 64 * 1024;

/// A bearer token. It is opaque: never parsed, logged or stored.
#[derive(Clone, Debug)]
pub struct Token(SecretString);

impl Token {
    /// Takes a token as it stands; `origin` names where it came from, for the
    /// error.
    ///
    /// # Errors
    ///
    /// If it is empty or holds anything but visible ASCII characters, and so
    /// could not be a header's value.
    pub fn new(text: &str, origin: &str) -> Result<Self, TokenError> {
        if text.is_empty() {
            return Err(TokenError::Empty {
                origin: origin.to_owned(),
            });
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::BadRequest {
                origin: origin.to_owned(),
            });
        }
        Ok(Self(SecretString::from(text)))
    }

    /// The token itself, for the one header that carries it.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Token {}

/// Where a token is to be had, now and again later.
#[derive(Clone)]
pub struct TokenSource(SourceKind);

#[derive(Clone)]
enum SourceKind {
    Fixed(Token),
    File(PathBuf),
    Command {
        program: String,
        arguments: Vec<String>,
    },
}

impl TokenSource {
    /// A token that is known already.
    #[must_use]
    pub const fn fixed(token: Token) -> Self {
        Self(SourceKind::Fixed(token))
    }

    /// The source that is set in the environment, if any. `lookup` gives a
    /// variable's value.
    ///
    /// # Errors
    ///
    /// If more than one is set, or the one that is set cannot be a source. A
    /// file or command is only tried by [`obtain`](Self::obtain).
    pub fn from_env(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Option<Self>, TokenError> {
        let mut set = [TOKEN, FILE, COMMAND]
            .into_iter()
            .filter_map(|name| lookup(name).map(|value| (name, value)));
        let Some((name, value)) = set.next() else {
            return Ok(None);
        };
        let others: Vec<_> = set.map(|(other, _)| other).collect();
        if !others.is_empty() {
            return Err(TokenError::Several {
                names: format!("{name}, {}", others.join(", ")),
            });
        }
        if value.is_empty() {
            return Err(TokenError::Empty {
                origin: name.to_owned(),
            });
        }
        let source = match name {
            FILE => SourceKind::File(value.into()),
            COMMAND => command(&value)?,
            _ => SourceKind::Fixed(Token::new(
                value.to_str().ok_or_else(|| TokenError::BadRequest {
                    origin: TOKEN.to_owned(),
                })?,
                TOKEN,
            )?),
        };
        Ok(Some(Self(source)))
    }

    /// Where the token comes from, as it is recorded.
    #[must_use]
    pub const fn provenance(&self) -> TokenOrigin {
        match &self.0 {
            SourceKind::Fixed(_) => TokenOrigin::Given,
            SourceKind::File(_) => TokenOrigin::File,
            SourceKind::Command { .. } => TokenOrigin::Command,
        }
    }

    /// The source in words; no arguments of a command are among them.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.0 {
            SourceKind::Fixed(_) => TOKEN.to_owned(),
            SourceKind::File(path) => format!("the token file {}", path.display()),
            SourceKind::Command { program, .. } => format!("the token command `{program}`"),
        }
    }

    /// Obtains the token. A file that is a pipe is waited for for 30 seconds at
    /// the most. A command runs without a shell, without input, and
    /// for 30 seconds at the most; the first line of its output counts, and
    /// what it says on its standard error is dropped, since nobody knows what
    /// that holds. It needs a runtime with its input and output enabled.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, the command fails, or what they give is no
    /// token.
    pub async fn obtain(&self) -> Result<Token, TokenError> {
        match &self.0 {
            SourceKind::Fixed(token) => Ok(token.clone()),
            SourceKind::File(path) => {
                // One byte more tells what is too long.
                let text = bounded_file::start_of_in_task(path, LARGEST_SOURCE).await;
                let text = text.map_err(|source| TokenError::File {
                    path: path.clone(),
                    source,
                })?;
                self.token(&text, |text| text)
            }
            SourceKind::Command { program, arguments } => {
                let text = run(program, arguments, COMMAND_LIMIT).await?;
                self.token(&text, |text| text.lines().next().unwrap_or_default())
            }
        }
    }

    /// The token in what was read, unless something of that is missing: a
    /// token that is cut off is none.
    fn token(&self, text: &[u8], part: impl Fn(&str) -> &str) -> Result<Token, TokenError> {
        let origin = self.describe();
        if text.len() > LARGEST_SOURCE {
            return Err(TokenError::TooLong { origin });
        }
        match std::str::from_utf8(text) {
            Ok(text) => Token::new(part(text).trim(), &origin),
            Err(_) => Err(TokenError::BadRequest { origin }),
        }
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            SourceKind::Fixed(_) => f.write_str("TokenSource::Fixed"),
            SourceKind::File(path) => write!(f, "TokenSource::File({})", path.display()),
            // Its arguments may be secrets.
            SourceKind::Command { .. } => f.write_str("TokenSource::Command(…)"),
        }
    }
}

fn command(line: &OsString) -> Result<SourceKind, TokenError> {
    let words = line.to_str().and_then(shlex::split);
    let mut words = words.ok_or(TokenError::CommandLine)?.into_iter();
    let program = words.next().ok_or(TokenError::CommandLine)?;
    Ok(SourceKind::Command {
        program,
        arguments: words.collect(),
    })
}

async fn run(
    program: &str,
    arguments: &[String],
    limit: Duration,
) -> Result<Zeroizing<Vec<u8>>, TokenError> {
    let failed = |source| TokenError::Command { source };
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let stdout = child.stdout.take();
    let ended = tokio::time::timeout(limit, async {
        let text = read_output(stdout).await?;
        // Whoever goes on is not listened to any more, and ends for that.
        let over = text.len() > LARGEST_SOURCE;
        let status = if over {
            None
        } else {
            Some(child.wait().await?)
        };
        Ok((text, status))
    })
    .await;
    let Ok(ended) = ended else {
        let program = program.to_owned();
        return Err(match child.try_wait() {
            Ok(Some(_)) => TokenError::Held { program, limit },
            _ => TokenError::TooSlow { program, limit },
        });
    };
    let (text, status) = ended.map_err(failed)?;
    let Some(status) = status else {
        return Ok(text);
    };
    if status.success() {
        Ok(text)
    } else {
        Err(TokenError::Status {
            program: program.to_owned(),
            status,
        })
    }
}

/// Reads to the end, since a command that is cut off after its first line
/// may fail on the second.
async fn read_output(stdout: Option<impl AsyncRead + Unpin>) -> io::Result<Zeroizing<Vec<u8>>> {
    // Large enough not to grow and leave a copy behind.
    let mut text = Zeroizing::new(Vec::with_capacity(LARGEST_SOURCE + 1));
    if let Some(stdout) = stdout {
        let most = LARGEST_SOURCE as u64 + 1;
        stdout.take(most).read_to_end(&mut text).await?;
    }
    Ok(text)
}

/// A file that cannot be read, as `what` it is. What is no file, and in no
/// folder either, may be the secret itself, put there by mistake: then
/// `setting` is named instead.
#[must_use]
pub fn unread_file(what: &str, path: &Path, setting: &str) -> String {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    if path.exists() || folder.is_some_and(Path::is_dir) {
        format!("{what} {}", path.display())
    } else {
        format!("{what} that {setting} names")
    }
}

/// Why there is no token. No variant holds a value or a command's output.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// More than one variable is set.
    #[error("more than one token source is set: {names}")]
    Several {
        /// The variables, separated by commas.
        names: String,
    },
    /// There is nothing in it.
    #[error("{origin} is empty")]
    Empty {
        /// The variable, file or command.
        origin: String,
    },
    /// Blanks, line breaks, control or foreign characters.
    #[error(
        "{origin} holds something that cannot be in a token (a blank, a line break, a control character or a letter beyond ASCII)"
    )]
    BadRequest {
        /// The variable, file or command.
        origin: String,
    },
    /// More than can be a token.
    #[error("{origin} gives more than {} KiB, which is no token", LARGEST_SOURCE >> 10)]
    TooLong {
        /// The file or command.
        origin: String,
    },
    /// The file could not be read.
    #[error("cannot read {}", unread_file("the token file", path, FILE))]
    File {
        /// The file. It is named only where it may be one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The command cannot be split into words.
    #[error("{COMMAND} cannot be split into words (an unclosed quote?)")]
    CommandLine,
    /// The command could not be started or read. It is not named: what is no
    /// program may be a token, put there by mistake.
    #[error("cannot run the first word of {COMMAND} as a program")]
    Command {
        /// What the system said.
        source: io::Error,
    },
    /// The command failed.
    #[error("the token command `{program}` failed ({status}); run it by hand to see what it says")]
    Status {
        /// Its first word.
        program: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// The command was stopped after its time was up.
    #[error("the token command `{program}` did not finish within {} s", limit.as_secs())]
    TooSlow {
        /// Its first word.
        program: String,
        /// The time it had.
        limit: Duration,
    },
    /// The command ended, and its output did not.
    #[error("the token command `{program}` ended, but something that it started held its output open for {} s", limit.as_secs())]
    Held {
        /// Its first word.
        program: String,
        /// The time it had.
        limit: Duration,
    },
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    fn source(set: &[(&str, &str)]) -> Result<Option<TokenSource>, TokenError> {
        TokenSource::from_env(|name| {
            let found = set.iter().find(|(set, _)| *set == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    async fn obtain(name: &str, value: &str) -> Result<Token, TokenError> {
        source(&[(name, value)])?.unwrap().obtain().await
    }

    fn whole(error: &TokenError) -> String {
        let source = error.source().map(ToString::to_string);
        format!("{error} {error:?} {source:?}")
    }

    #[test]
    fn nothing_set_is_no_source() {
        assert!(source(&[]).unwrap().is_none());
    }

    #[test]
    fn two_token_sources_are_an_error_that_names_variables_only() {
        for set in [
            vec![(TOKEN, "s3cret-a"), (FILE, "/s3cret-b")],
            vec![(FILE, "/s3cret-b"), (COMMAND, "s3cret-c")],
            vec![(TOKEN, "s3cret-a"), (FILE, ""), (COMMAND, "s3cret-c")],
        ] {
            let error = source(&set).unwrap_err();
            assert!(matches!(error, TokenError::Several { .. }), "{error}");
            for (name, _) in &set {
                assert!(error.to_string().contains(name), "{error}");
            }
            assert!(!whole(&error).contains("s3cret"), "{error:?}");
        }
    }

    #[tokio::test]
    async fn a_token_is_taken_as_it_stands() {
        let token = obtain(TOKEN, "abc.DEF-123_~+/=").await.unwrap();
        assert_eq!(token.expose(), "abc.DEF-123_~+/=");
    }

    #[test]
    fn what_cannot_be_a_header_is_refused_without_being_repeated() {
        for value in [
            "s3cret s3cret",
            " s3cret",
            "s3cret\n",
            "s3cret\u{1b}[0m",
            "s3crét",
        ] {
            let error = source(&[(TOKEN, value)]).unwrap_err();
            assert!(matches!(error, TokenError::BadRequest { .. }), "{value:?}");
            assert!(error.to_string().contains(TOKEN));
            assert!(!whole(&error).contains("s3cr"), "{error:?}");
        }
        for name in [TOKEN, FILE, COMMAND] {
            let error = source(&[(name, "")]).unwrap_err();
            assert!(matches!(error, TokenError::Empty { .. }), "{name}");
        }
    }

    #[tokio::test]
    async fn a_file_is_read_anew_each_time_without_its_line_break() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let source = source(&[(FILE, path.to_str().unwrap())]).unwrap().unwrap();
        assert!(matches!(
            source.obtain().await.unwrap_err(),
            TokenError::File { .. }
        ));
        for (content, expected) in [("first\n", "first"), ("second\r\n", "second")] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(source.obtain().await.unwrap().expose(), expected);
        }
        for content in ["", "\n", "s3cret one\n", "s3cret\nmore\n"] {
            std::fs::write(&path, content).unwrap();
            let error = source.obtain().await.unwrap_err();
            assert!(error.to_string().contains("token file"), "{error}");
            assert!(!whole(&error).contains("s3cret"), "{error:?}");
        }
    }

    #[tokio::test]
    async fn a_command_gives_the_first_line_of_its_output() {
        let token = obtain(COMMAND, r#"printf '%s\n' "tok\$HOME" 'second line'"#).await;
        // No shell: the words are taken as they stand.
        assert_eq!(token.unwrap().expose(), "tok$HOME");
        let token = obtain(COMMAND, r"sh -c 'echo tok; cat; echo noise >&2'").await;
        assert_eq!(token.unwrap().expose(), "tok");
    }

    #[tokio::test]
    async fn a_command_has_no_input_and_its_standard_error_goes_nowhere() {
        let nowhere = |fd| format!("test /dev/null -ef /dev/fd/{fd}");
        let line = format!("sh -c '{} && {} && echo tok'", nowhere(0), nowhere(2));
        assert_eq!(obtain(COMMAND, &line).await.unwrap().expose(), "tok");
    }

    #[tokio::test]
    async fn a_failing_command_says_so_and_hides_what_it_printed() {
        for line in [
            "sh -c 'echo s3cret; echo s3cret >&2; exit 3'",
            "sh -c 'echo s3cret s3cret'",
            "sh -c 'kill -9 $$' s3cret",
            "/no/such/program s3cret",
            "s3cret",
            "true s3cret",
        ] {
            let error = obtain(COMMAND, line).await.unwrap_err();
            let words = error.to_string();
            assert!(
                words.contains("token command `") || words.contains(COMMAND),
                "{words}"
            );
            assert!(!whole(&error).contains("s3cret"), "{error:?}");
        }
        let error = source(&[(COMMAND, "echo 'unclosed")]).unwrap_err();
        assert!(matches!(error, TokenError::CommandLine), "{error}");
        let error = source(&[(COMMAND, "  ")]).unwrap_err();
        assert!(matches!(error, TokenError::CommandLine), "{error}");
    }

    #[tokio::test]
    async fn a_slow_command_is_stopped() {
        let arguments = ["60".to_owned()];
        let error = run("sleep", &arguments, Duration::from_millis(20)).await;
        assert!(matches!(error.unwrap_err(), TokenError::TooSlow { .. }));
    }

    /// It is no slow command, and to look for why would be in vain.
    #[tokio::test]
    async fn output_that_is_held_open_is_told_from_a_slow_command() {
        let arguments = ["-c", "sleep 60 & echo tok"].map(str::to_owned);
        let error = run("sh", &arguments, Duration::from_millis(500)).await;
        assert!(matches!(error.unwrap_err(), TokenError::Held { .. }));
    }

    #[tokio::test]
    async fn a_flood_is_cut_off() {
        let error = obtain(COMMAND, "yes").await.unwrap_err();
        assert!(matches!(error, TokenError::TooLong { .. }), "{error}");
        // One that does not mind is no better.
        let error = obtain(COMMAND, "sh -c 'trap \"\" PIPE; yes 2>&-; true'").await;
        let error = error.unwrap_err();
        assert!(matches!(error, TokenError::TooLong { .. }), "{error}");
    }

    #[test]
    fn debug_hides_every_secret() {
        let token = Token::new("s3cret", "test").unwrap();
        let fixed = TokenSource::fixed(token.clone());
        let command = source(&[(COMMAND, "vault --password s3cret")]).unwrap();
        let shown = format!("{token:?} {fixed:?} {command:?}");
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(shown.contains("Command"), "{shown}");
    }
}
