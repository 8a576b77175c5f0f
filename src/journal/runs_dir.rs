//! The runs folder and the folders of its runs.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{OFlags, statfs, statvfs};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::{JournalError, JournalReader};

/// The journal's name within a run's folder.
pub(super) const JOURNAL: &str = "journal.db";

/// A run's folder and lock, its twelve files, and the results once more while
/// they are replaced.
const FILES: u64 = 24;

/// How the folder of a run begins that is being removed; no run's ID begins
/// so.
pub(super) const REMOVING: &str = ".removing-";

/// How the folder of a run in the making begins; no run's ID begins so.
const SCRATCH: &str = ".freezing-";

/// A run's ID: UTC time and a short digest of the list,
/// `20261123T020000Z-3f2a9c`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RunId(String);

impl RunId {
    pub(super) fn new(created: Timestamp, list_sha256: &str) -> Self {
        let time = created.strftime("%Y%m%dT%H%M%SZ");
        Self(format!("{time}-{list_sha256:.6}"))
    }

    /// The ID to try when this one is taken.
    pub(super) fn next(&self) -> Self {
        let digest = Sha256::digest(self.0.as_bytes());
        let (time, _) = self.0.split_at(self.0.len() - 6);
        Self(format!(
            "{time}{:02x}{:02x}{:02x}",
            digest[0], digest[1], digest[2]
        ))
    }

    /// The ID that `name` is, if it has an ID's form.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let bytes = name.as_bytes();
        let form = b"dddddddd\x54dddddd\x5a-hhhhhh";
        let fits = bytes.len() == form.len()
            && bytes.iter().zip(form).all(|(byte, form)| match form {
                b'd' => byte.is_ascii_digit(),
                b'h' => byte.is_ascii_digit() || (b'a'..=b'f').contains(byte),
                _ => byte == form,
            });
        fits.then(|| Self(name.to_owned()))
    }

    /// The ID as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part that tells when the list was frozen, to the second.
    fn second(&self) -> &str {
        self.0.split('-').next().unwrap_or_default()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The folder that holds the runs.
#[derive(Clone, Debug)]
pub struct RunsDir(PathBuf);

impl RunsDir {
    /// The folder at `path`, made if need be, readable by its owner only.
    ///
    /// # Errors
    /// If it cannot be made, or is on a network file system.
    pub fn create(path: &Path) -> Result<Self, JournalError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(JournalError::folder("create", path))?;
        let kind = statfs(path)
            .map_err(|errno| JournalError::folder("examine", path)(errno.into()))?
            .f_type;
        if let Some(kind) = network_kind(kind) {
            return Err(JournalError::Network {
                path: path.to_owned(),
                kind,
            });
        }
        Ok(Self(path.to_owned()))
    }

    /// The folder at `path` as it is; it need not exist.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Whether there is no such folder.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        fs::metadata(&self.0).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Refuses to begin where there is not enough room for a run.
    ///
    /// # Errors
    /// If less than `needed` bytes are free, or too few inodes.
    pub fn check_room(&self, needed: u64) -> Result<(), JournalError> {
        let stat = statvfs(&self.0)
            .map_err(|errno| JournalError::folder("examine", &self.0)(errno.into()))?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        if free < needed {
            return Err(JournalError::NoRoom {
                path: self.0.clone(),
                free_mib: free >> 20,
                needed_mib: needed.div_ceil(1 << 20),
            });
        }
        // Where there are none at all, files are not counted.
        if stat.f_files > 0 && stat.f_favail < FILES {
            return Err(JournalError::NoInodes {
                path: self.0.clone(),
                free: stat.f_favail,
                needed: FILES,
            });
        }
        Ok(())
    }

    /// A folder for a run in the making. While the file that comes with it is
    /// open, nobody clears it away.
    pub(super) fn scratch(&self) -> Result<(tempfile::TempDir, File), JournalError> {
        loop {
            let folder = tempfile::Builder::new()
                .prefix(SCRATCH)
                .permissions(fs::Permissions::from_mode(0o700))
                .tempdir_in(&self.0)
                .map_err(JournalError::folder("create a folder in", &self.0))?;
            // It may be cleared away before it is locked.
            let locked = File::open(folder.path()).and_then(|file| file.lock().map(|()| file));
            match locked {
                Ok(file) if folder.path().exists() => return Ok((folder, file)),
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(JournalError::folder("lock", folder.path())(source));
                }
                _ => {}
            }
        }
    }

    /// Clears away what a process left that was cut off while freezing or
    /// removing a run. What another one is at work on stays.
    ///
    /// # Errors
    /// If the folder cannot be listed or cleared.
    pub fn clear_scratch(&self) -> Result<(), JournalError> {
        for name in self.names()? {
            if !name.starts_with(SCRATCH) && !name.starts_with(REMOVING) {
                continue;
            }
            let path = self.0.join(name);
            // Whoever gave it its name, or cleared it away, was faster.
            let Ok(file) = File::open(&path) else {
                continue;
            };
            match file.try_lock() {
                Ok(()) if path.exists() => {
                    fs::remove_dir_all(&path).map_err(JournalError::folder("remove", &path))?;
                }
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => {
                    return Err(JournalError::folder("lock", &path)(source));
                }
            }
        }
        Ok(())
    }

    /// The folder of `run`.
    #[must_use]
    pub fn folder(&self, run: &RunId) -> RunFolder {
        RunFolder {
            path: self.0.join(run.as_str()),
            run: run.clone(),
        }
    }

    /// The runs, oldest first. A folder without a journal is no run; one that
    /// may not be entered counts as one.
    ///
    /// # Errors
    /// If the folder cannot be listed.
    pub fn list(&self) -> Result<Vec<RunFolder>, JournalError> {
        let mut runs: Vec<RunFolder> = self
            .names()?
            .iter()
            .filter_map(|name| RunId::parse(name))
            .map(|run| self.folder(&run))
            .filter(RunFolder::may_be_a_run)
            .collect();
        runs.sort_by(|a, b| a.run.cmp(&b.run));
        // An ID tells the second; within one, the journals know the order.
        for of_a_second in runs.chunk_by_mut(|a, b| a.run.second() == b.run.second()) {
            if of_a_second.len() > 1 {
                of_a_second.sort_by_cached_key(RunFolder::created);
            }
        }
        Ok(runs)
    }

    /// The run that `wanted` names: an ID, an unambiguous prefix of one, or
    /// `latest`; also as a path of the run's folder.
    ///
    /// # Errors
    /// If none answers to it, or several do.
    pub fn find(&self, wanted: &str) -> Result<RunFolder, JournalError> {
        let mut runs = self.list()?;
        if runs.is_empty() {
            return Err(JournalError::NoRun {
                path: self.0.clone(),
            });
        }
        let none = || JournalError::NoSuchRun {
            wanted: wanted.to_owned(),
            path: self.0.clone(),
        };
        let wanted = self.name_in(wanted).ok_or_else(none)?;
        if wanted == "latest" {
            return runs.pop().ok_or_else(none);
        }
        runs.retain(|folder| !wanted.is_empty() && folder.run.as_str().starts_with(wanted));
        if runs.len() > 1 {
            return Err(JournalError::AmbiguousRun {
                wanted: wanted.to_owned(),
                candidates: runs.iter().map(|folder| folder.run.to_string()).collect(),
            });
        }
        runs.pop().ok_or_else(none)
    }

    /// The name that `wanted` gives, by itself or as a path within this folder.
    fn name_in<'a>(&self, wanted: &'a str) -> Option<&'a str> {
        let wanted = wanted.trim_end_matches('/');
        match wanted.rsplit_once('/') {
            None => Some(wanted),
            Some((folder, name)) => {
                let folder = fs::canonicalize(folder).ok()?;
                (folder == fs::canonicalize(&self.0).ok()?).then_some(name)
            }
        }
    }

    /// Points the link `latest` at `run`, at once. For people: the program
    /// never reads it.
    ///
    /// # Errors
    /// If the link cannot be made.
    pub fn point_latest(&self, run: &RunId) -> Result<(), JournalError> {
        let link = self.0.join("latest");
        let aside = self.0.join(format!(".latest-{run}"));
        let failed = || JournalError::folder("link", &link);
        let _ = fs::remove_file(&aside);
        symlink(run.as_str(), &aside).map_err(failed())?;
        fs::rename(&aside, &link).map_err(failed())
    }

    pub(super) fn names(&self) -> Result<Vec<String>, JournalError> {
        let failed = || JournalError::folder("list", &self.0);
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed()(error)),
        };
        entries
            .map(|entry| Ok(entry.map_err(failed())?.file_name()))
            .filter_map(|name| name.map(|name| name.into_string().ok()).transpose())
            .collect()
    }
}

/// The folder of one run, or of a plan.
#[derive(Clone, Debug)]
pub struct RunFolder {
    pub(super) path: PathBuf,
    pub(super) run: RunId,
}

impl RunFolder {
    /// The run's ID.
    #[must_use]
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the folder is called.
    pub(super) fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    fn may_be_a_run(&self) -> bool {
        match fs::metadata(self.journal()) {
            Ok(journal) => journal.is_file(),
            Err(error) => error.kind() == std::io::ErrorKind::PermissionDenied,
        }
    }

    /// When the list was frozen, as the journal has it, if it can be read.
    fn created(&self) -> Option<Timestamp> {
        let archive = JournalReader::open(&self.journal()).ok()?;
        archive.facts().ok().map(|facts| facts.created)
    }

    /// The run's journal.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.path.join(JOURNAL)
    }
}

/// Opens a file that lies among those of a run, for reading and writing, and
/// makes it if need be: the owner's alone from its first instant, and never
/// at the end of a symbolic link. With `append` all is written at its end.
///
/// # Errors
/// If it cannot be opened, or a symbolic link has its name.
pub fn open_private(path: &Path, append: bool) -> io::Result<File> {
    let opened = OpenOptions::new()
        .read(true)
        .write(!append)
        .append(append)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path);
    opened.map_err(|error| {
        if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) {
            io::Error::other("it is a symbolic link, and nothing is written through one")
        } else {
            error
        }
    })
}

/// Makes the names in a folder durable.
pub(super) fn sync_dir(path: &Path) -> Result<(), JournalError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(JournalError::folder("sync", path))
}

/// The kinds of file system on which SQLite's write-ahead log is unsafe,
/// because hosts do not share memory (SQLite, *Write-Ahead Logging*). The
/// numbers are `statfs(2)`'s.
fn network_kind(magic: rustix::fs::FsWord) -> Option<&'static str> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the numbers are 32 bits wide, on some systems sign-extended"
    )]
    match magic as u32 {
        0x6969 => Some("NFS"),
        0x517B | 0xFF53_4D42 | 0xFE53_4D42 => Some("SMB"),
        0x0102_1997 => Some("9P"),
        0x5346_414F | 0x6B41_4653 => Some("AFS"),
        0x00C3_6400 => Some("Ceph"),
        0x0BD0_0BD0 => Some("Lustre"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{NewRun, RunMeta};
    use super::*;

    #[test]
    fn an_id_is_time_and_digest() {
        let created: Timestamp = "2026-11-23T02:00:00.7Z".parse().unwrap();
        let run = RunId::new(created, "3f2a9c77ab");
        assert_eq!(run.as_str(), "20261123T020000Z-3f2a9c");
        assert_eq!(RunId::parse(run.as_str()), Some(run.clone()));
        let next = run.next();
        assert_ne!(next, run);
        assert_eq!(RunId::parse(next.as_str()), Some(next));
    }

    #[test]
    fn other_names_are_no_ids() {
        for name in [
            "latest",
            "20261123T020000Z",
            "20261123T020000Z-3F2A9C",
            ".freezing-x",
        ] {
            assert_eq!(RunId::parse(name), None, "{name}");
        }
    }

    /// The lock is an environment's, the folder everybody's.
    #[test]
    fn only_what_nobody_is_freezing_is_cleared_away() {
        let home = tempfile::tempdir().unwrap();
        let runs = RunsDir::create(home.path()).unwrap();
        let left = home.path().join(format!("{SCRATCH}left"));
        fs::create_dir(&left).unwrap();
        let new = NewRun::begin(&runs).unwrap();
        runs.clear_scratch().unwrap();
        assert!(!left.exists());
        assert_eq!(runs.names().unwrap().len(), 1);
        drop(new);
        assert!(runs.names().unwrap().is_empty());
    }

    #[test]
    fn a_folder_without_a_journal_is_no_run() {
        let home = tempfile::tempdir().unwrap();
        let runs = RunsDir::create(home.path()).unwrap();
        fs::create_dir(home.path().join("20261123T020000Z-3f2a9c")).unwrap();
        assert!(runs.list().unwrap().is_empty());
    }

    #[test]
    fn runs_of_one_second_keep_their_order() {
        let home = tempfile::tempdir().unwrap();
        let runs = RunsDir::create(home.path()).unwrap();
        let freeze = |created: &str, list_sha256: &str| {
            let facts = RunMeta {
                created: created.parse().unwrap(),
                environment: "demo".into(),
                base_url: String::new(),
                input_path: "-".into(),
                input_sha256: String::new(),
                list_sha256: list_sha256.into(),
                column: "id".into(),
                batch_size: 100,
                rows_total: 0,
                rows_distinct: 0,
                rows_duplicate: 0,
                rows_invalid: 0,
                batches: 0,
                note: String::new(),
            };
            let new = NewRun::begin(&runs).unwrap();
            new.commit(&facts).unwrap().run().clone()
        };
        let first = freeze("2026-11-23T02:00:00.100Z", "ffffff");
        let second = freeze("2026-11-23T02:00:00.200Z", "000000");
        let third = freeze("2026-11-23T02:00:00.300Z", "888888");
        let listed: Vec<_> = runs.list().unwrap().into_iter().map(|f| f.run).collect();
        assert_eq!(listed, [first, second, third.clone()]);
        assert_eq!(runs.find("latest").unwrap().run, third);
    }

    /// A shell completes the path of a run's folder.
    #[test]
    fn a_run_may_be_named_by_the_path_of_its_folder() {
        let home = tempfile::tempdir().unwrap();
        let runs = RunsDir::create(home.path()).unwrap();
        assert!(matches!(
            runs.find("latest"),
            Err(JournalError::NoRun { .. })
        ));
        let name = "20261123T020000Z-3f2a9c";
        fs::create_dir(home.path().join(name)).unwrap();
        fs::write(home.path().join(name).join(JOURNAL), "").unwrap();
        let path = home.path().join(name).display().to_string();
        let latest = home.path().join("latest/").display().to_string();
        for wanted in [name, "latest", "latest/", &path, &latest, "2026"] {
            assert_eq!(runs.find(wanted).unwrap().run.as_str(), name, "{wanted}");
        }
        let elsewhere = format!("/{name}");
        for wanted in ["", "/", &elsewhere, "nowhere/latest"] {
            let error = runs.find(wanted).unwrap_err();
            assert!(matches!(error, JournalError::NoSuchRun { .. }), "{wanted}");
        }
    }

    #[test]
    fn a_run_that_may_not_fit_is_refused_beforehand() {
        let home = tempfile::tempdir().unwrap();
        let runs = RunsDir::create(home.path()).unwrap();
        runs.check_room(1).unwrap();
        let error = runs.check_room(u64::MAX).unwrap_err();
        assert!(matches!(error, JournalError::NoRoom { .. }), "{error}");
    }

    #[test]
    fn file_systems_of_the_network_are_told_from_local_ones() {
        // ext4, tmpfs, btrfs, xfs, overlayfs
        for local in [0xEF53, 0x0102_1994, 0x9123_683E, 0x5846_5342, 0x794C_7630] {
            assert_eq!(network_kind(local), None, "{local:x}");
        }
        for (remote, kind) in [(0x6969, "NFS"), (0xFE53_4D42, "SMB"), (0x0102_1997, "9P")] {
            assert_eq!(network_kind(remote), Some(kind));
        }
    }
}
