//! Folders for tests.

use std::path::Path;

use tempfile::TempDir;

/// A file system in memory, where the system has one.
const IN_MEMORY: &str = "/dev/shm";

/// What has to be free there.
const ROOM: u64 = 1 << 30;

/// A folder that is gone with the test. In memory where there is room: a test
/// that kills no machine needs no disk to wait for.
pub(crate) fn scratch() -> TempDir {
    let memory = Path::new(IN_MEMORY);
    let room = rustix::fs::statvfs(memory).is_ok_and(|fs| fs.f_bavail * fs.f_frsize >= ROOM);
    if room && let Ok(folder) = tempfile::tempdir_in(memory) {
        return folder;
    }
    tempfile::tempdir().unwrap()
}
