//! A small file system of its own: it can be full, or read-only, and is gone
//! with the test.
//!
//! It is mounted in a mount namespace of its own, so that nothing of it is to
//! be seen anywhere else: the test is started once more within one, and does
//! its work there. Where nobody may make a namespace, or mount anything in it,
//! the work is done all the same, with an injected fault: a limit on the size
//! of every file that the program writes stands for the end of the disk, and a
//! limit of nothing for a file system that is read-only. `ISLAND=none` tries
//! that out.

use std::{
    env,
    fs::{self, File},
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::{Pid, Resource, Rlimit, prlimit};

/// How many files fit, its folder being one of them.
pub(crate) const INODES: usize = 100;

/// Says to the test's second start where its island is.
const ISLAND: &str = "ISLAND";

/// The file that takes up room.
const FILLER: &str = "filler";

/// What the shell answers that could not mount anything.
const NOTHING_MOUNTED: i32 = 77;

/// What libtest answers where a test has failed.
const FAILED: i32 = 101;

/// The file system, or what stands for it.
pub(crate) struct Island {
    path: PathBuf,
    /// Whether it is one.
    real: bool,
    /// Where it is none: how long a file may grow.
    limit: Option<u64>,
}

/// Does the work of the test of this name (its path within the binary) on an
/// island of so many KiB.
pub(crate) fn on_an_island(kib: u64, test: &str, work: impl FnOnce(&mut Island)) {
    let named = env::var_os(ISLAND);
    if let Some(path) = named.as_ref().filter(|path| *path != "none") {
        let path = PathBuf::from(path);
        let mut island = Island {
            path,
            real: true,
            limit: None,
        };
        return work(&mut island);
    }
    let home = tempfile::tempdir().unwrap();
    if named.is_none() {
        let mut again = Command::new("unshare");
        if !rustix::process::getuid().is_root() {
            again.args(["--user", "--map-root-user"]);
        }
        let mount = format!(
            "mount -t tmpfs -o size={kib}k,nr_inodes={INODES},mode=700 tmpfs \"${ISLAND}\" || exit {NOTHING_MOUNTED}; \
             exec \"$@\""
        );
        let ended = again
            .args(["--mount", "--", "sh", "-c", &mount, "sh"])
            .arg(env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(ISLAND, home.path())
            .output();
        if let Ok(ended) = ended {
            let said = [ended.stdout, ended.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert_ne!(ended.status.code(), Some(FAILED), "{said}");
            if ended.status.success() {
                assert!(said.contains("1 passed"), "{test} is no test: {said}");
                return;
            }
        }
    }
    work(&mut Island {
        path: home.path().to_owned(),
        real: false,
        limit: None,
    });
}

impl Island {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is a file system; otherwise faults are injected.
    pub(crate) const fn is_real(&self) -> bool {
        self.real
    }

    /// The command, as it is to be started here.
    pub(crate) fn start(&self, command: Command) -> Command {
        if self.real {
            return command;
        }
        let mut limited = Command::new("sh");
        let limit = self.limit.map_or("unlimited".to_owned(), |bytes| {
            bytes.div_ceil(512).to_string()
        });
        // The shell counts in blocks of 512 bytes.
        let line = format!("ulimit -S -f {limit}; exec \"$@\"");
        limited.args(["-c", &line, "sh"]);
        limited.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => limited.env(name, value),
                None => limited.env_remove(name),
            };
        }
        limited
    }

    /// Takes up all the room but so many KiB, for the process that is at work
    /// and all later ones.
    pub(crate) fn fill(&mut self, but_kib: u64, at_work: Option<Pid>) {
        if !self.real {
            return self.limit(Some(but_kib << 10), at_work);
        }
        let mut filler = File::create(self.path.join(FILLER)).unwrap();
        let disk = rustix::fs::statvfs(&self.path).unwrap();
        let free = disk.f_bavail * disk.f_frsize;
        // Never more than that, not even for a moment: a write of the process
        // that is at work would fail which the room is for.
        let most = match but_kib {
            0 => u64::MAX,
            kib => free.saturating_sub(kib << 10),
        };
        match io::copy(&mut io::repeat(0).take(most), &mut filler) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// Gives the room back.
    pub(crate) fn make_room(&mut self) {
        if self.real {
            fs::remove_file(self.path.join(FILLER)).unwrap();
        }
        self.limit = None;
    }

    /// Nothing can be written any more, or again.
    pub(crate) fn read_only(&mut self, yes: bool) {
        if !self.real {
            return self.limit(yes.then_some(0), None);
        }
        let how = if yes { "remount,ro" } else { "remount,rw" };
        self.mount(&["-o", how], &self.path);
    }

    /// One file cannot be written any more, or again.
    pub(crate) fn file_read_only(&mut self, file: &Path, yes: bool) {
        if !self.real {
            return self.limit(yes.then_some(0), None);
        }
        if yes {
            self.mount(&["--bind", file.to_str().unwrap()], file);
            self.mount(&["-o", "remount,bind,ro"], file);
        } else {
            let done = Command::new("umount").arg(file).status();
            assert!(done.unwrap().success());
        }
    }

    fn limit(&mut self, bytes: Option<u64>, at_work: Option<Pid>) {
        self.limit = bytes;
        if let Some(pid) = at_work {
            let new = Rlimit {
                current: bytes,
                maximum: None,
            };
            prlimit(Some(pid), Resource::Fsize, new).unwrap();
        }
    }

    fn mount(&self, how: &[&str], at: &Path) {
        let done = Command::new("mount").args(how).arg(at).status();
        assert!(done.unwrap().success(), "{how:?} {}", self.path.display());
    }
}
