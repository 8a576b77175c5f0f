//! A token kept on disk between processes, where somebody asked for it: so
//! that not every run logs in and ends another session with it.
//!
//! The file is its owner's alone from its first instant on, it is replaced
//! whole and at once, and neither reading nor writing follows a symbolic link.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rustix::fs::OFlags;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::{BaseUrl, Credentials, Token};

/// Far more than any token; a device must not fill the memory.
const LARGEST: usize = 64 * 1024;

/// The file for the token of one user at one address.
#[derive(Clone, Debug)]
pub struct TokenCache {
    path: PathBuf,
    base_url: String,
    name: String,
    cid: String,
}

/// What the file holds.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TokenRecord<'a> {
    token: &'a str,
    expiration_time: String,
    base_url: &'a str,
    name: &'a str,
    cid: &'a str,
}

/// The same, read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CachedToken {
    token: SecretString,
    expiration_time: String,
    base_url: String,
    name: String,
    cid: String,
}

impl TokenCache {
    /// The file at `path`, for the tokens that `credentials` get at
    /// `base_url`.
    #[must_use]
    pub fn new(path: PathBuf, base_url: &BaseUrl, credentials: &Credentials) -> Self {
        Self {
            path,
            base_url: base_url.to_string(),
            name: credentials.name.clone(),
            cid: credentials.cid.clone(),
        }
    }

    /// The token that was kept and its expiry, if there is one for this user
    /// at this address that is good at the time `now`.
    ///
    /// # Errors
    ///
    /// If there is a file and it cannot be read, is not its owner's alone, or
    /// holds something else.
    pub fn read(&self, now: Timestamp) -> Result<Option<(Token, Timestamp)>, CacheError> {
        let open = OpenOptions::new()
            .read(true)
            // What is no file is refused, and not waited for.
            .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
            .open(&self.path);
        let file = match open {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed("read", error)),
        };
        let metadata = file
            .metadata()
            .map_err(|error| self.failed("read", error))?;
        let own = metadata.uid() == rustix::process::geteuid().as_raw();
        if !own || !metadata.is_file() || metadata.mode() & 0o077 != 0 {
            return Err(CacheError::Open {
                path: self.path.clone(),
            });
        }
        // Large enough not to grow and leave a copy behind.
        let mut text = Zeroizing::new(Vec::with_capacity(LARGEST));
        file.take(LARGEST as u64)
            .read_to_end(&mut text)
            .map_err(|error| self.failed("read", error))?;
        // What is wrong with it may be quoted by the parser.
        let foreign = || CacheError::Foreign {
            path: self.path.clone(),
        };
        let found: CachedToken = serde_json::from_slice(&text).map_err(|_| foreign())?;
        let expires: Timestamp = found.expiration_time.parse().map_err(|_| foreign())?;
        let ours =
            found.base_url == self.base_url && found.name == self.name && found.cid == self.cid;
        if !ours || expires <= now {
            return Ok(None);
        }
        let token = Token::new(found.token.expose_secret(), "the kept token");
        let token = token.map_err(|_| foreign())?;
        Ok(Some((token, expires)))
    }

    /// Keeps a token in the place of whatever the file held before.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn keep(&self, token: &Token, expires: Timestamp) -> Result<(), CacheError> {
        let kept = TokenRecord {
            token: token.expose(),
            expiration_time: expires.to_string(),
            base_url: &self.base_url,
            name: &self.name,
            cid: &self.cid,
        };
        // Large enough not to grow and leave a copy behind.
        let room = 256
            + 6 * (token.expose().len() + self.base_url.len())
            + 6 * (self.name.len() + self.cid.len());
        let mut text = Zeroizing::new(Vec::with_capacity(room));
        serde_json::to_writer(&mut *text, &kept)
            .unwrap_or_else(|error| unreachable!("text is JSON: {error}"));
        self.replace(&text)
            .map_err(|error| self.failed("write", error))
    }

    fn replace(&self, text: &[u8]) -> io::Result<()> {
        let parent = self.path.parent();
        let folder = parent.filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        // Made with mode 0600, and gone again if anything fails.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text)?;
        file.as_file().sync_all()?;
        file.persist(&self.path).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()
    }

    fn failed(&self, what: &'static str, source: io::Error) -> CacheError {
        CacheError::File {
            what,
            path: self.path.clone(),
            source,
        }
    }
}

/// What is wrong with a kept token's file. Nothing it holds is repeated.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// It cannot be read or written.
    #[error("cannot {what} the token cache {}", path.display())]
    File {
        /// What was tried, as a verb.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others may have read or written it.
    #[error("the token cache {} is not a file that its owner alone can read and write (mode 0600)", path.display())]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// It is something else.
    #[error("{} holds no kept token", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _, os::unix::fs::symlink};

    use super::*;
    use crate::api::login::tests::credentials;

    const NOW: &str = "2026-11-23T02:00:00Z";
    const LATER: &str = "2026-11-23T03:20:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn token() -> Token {
        Token::new("s3cret", "test").unwrap()
    }

    fn cache(path: &Path, base_url: &str, edit: impl FnOnce(&mut Credentials)) -> TokenCache {
        let mut credentials = credentials("password", "sec");
        edit(std::sync::Arc::get_mut(&mut credentials).unwrap());
        TokenCache::new(
            path.to_owned(),
            &BaseUrl::parse(base_url).unwrap(),
            &credentials,
        )
    }

    fn ours(path: &Path) -> TokenCache {
        cache(path, "https://a.example/v1", |_| {})
    }

    #[test]
    fn a_token_is_kept_for_one_user_at_one_address_until_it_expires() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("token.json");
        let ours = ours(&path);
        assert_eq!(ours.read(at(NOW)).unwrap(), None);
        ours.keep(&token(), at(LATER)).unwrap();
        assert_eq!(ours.read(at(NOW)).unwrap(), Some((token(), at(LATER))));
        assert_eq!(ours.read(at(LATER)).unwrap(), None);
        for others in [
            cache(&path, "https://b.example/v1", |_| {}),
            cache(&path, "https://a.example/v1", |c| c.name = "other".into()),
            cache(&path, "https://a.example/v1", |c| c.cid = "9".into()),
        ] {
            assert_eq!(others.read(at(NOW)).unwrap(), None);
        }
        let text = fs::read_to_string(&path).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let keys: Vec<_> = json.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["baseUrl", "cid", "expirationTime", "name", "token"]);
    }

    #[test]
    fn the_file_is_its_owners_alone_and_nothing_is_left_beside_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("token.json");
        fs::write(&path, "open to all").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        ours(&path).keep(&token(), at(LATER)).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_others_may_have_written_is_not_believed() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("token.json");
        ours(&path).keep(&token(), at(LATER)).unwrap();
        for mode in [0o640, 0o604, 0o660, 0o602] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = ours(&path).read(at(NOW)).unwrap_err();
            assert!(matches!(error, CacheError::Open { .. }), "{error}");
        }
    }

    #[test]
    fn a_pipe_in_its_place_is_refused_and_not_waited_for() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};

        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("pipe");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let error = ours(&path).read(at(NOW)).unwrap_err();
        assert!(matches!(error, CacheError::Open { .. }), "{error}");
    }

    #[test]
    fn a_symbolic_link_in_the_way_is_not_followed() {
        let home = tempfile::tempdir().unwrap();
        let (path, target) = (home.path().join("link"), home.path().join("target"));
        ours(&target).keep(&token(), at(LATER)).unwrap();
        let before = fs::read(&target).unwrap();
        symlink(&target, &path).unwrap();
        let error = ours(&path).read(at(NOW)).unwrap_err();
        assert!(matches!(error, CacheError::File { .. }), "{error}");
        let other = Token::new("other", "test").unwrap();
        ours(&path).keep(&other, at(LATER)).unwrap();
        assert!(!fs::symlink_metadata(&path).unwrap().is_symlink());
        assert_eq!(fs::read(&target).unwrap(), before);
    }

    #[test]
    fn what_is_no_kept_token_is_not_repeated() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("token.json");
        ours(&path).keep(&token(), at(LATER)).unwrap();
        let whole = fs::read_to_string(&path).unwrap();
        for text in [
            "",
            "s3cret",
            &whole[..whole.len() - 3],
            &whole.replace("s3cret", "s3cret s3cret"),
            &whole.replace("2026-11-23T03", "s3cret"),
            &whole.replace("\"s3cret\"", "[\"s3cret\"]"),
        ] {
            fs::write(&path, text).unwrap();
            let error = ours(&path).read(at(NOW)).unwrap_err();
            assert!(matches!(error, CacheError::Foreign { .. }), "{error}");
            assert!(
                !format!("{error} {error:?}").contains("s3cret"),
                "{error:?}"
            );
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("absent").join("token.json");
        assert_eq!(ours(&path).read(at(NOW)).unwrap(), None);
        let error = ours(&path).keep(&token(), at(LATER)).unwrap_err();
        assert!(error.to_string().contains("cannot write the token cache"));
    }
}
