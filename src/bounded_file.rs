//! Reading the small files that people name: settings, tokens, certificates.
//!
//! They may name anything, by mistake or on purpose (`<(command)` is a pipe).
//! Nothing here waits for a writer that does not come, nor longer than
//! [`LIMIT`] for one that is silent, nor fills the memory from a device; and
//! what was read is wiped when it is dropped, no copy of it left behind on the
//! way.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use secrecy::zeroize::Zeroizing;

/// How long reading may take: as long as a command that hands out a token.
pub const LIMIT: Duration = Duration::from_secs(30);

/// How often a silent pipe is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The bytes of the file at `path`, which may be at most `most`.
///
/// # Errors
/// If it cannot be read, or is longer.
pub fn bytes(path: &Path, most: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let read = start_of(path, most)?;
    if read.len() > most {
        let what = format!("it is longer than {} KiB", most >> 10);
        return Err(io::Error::other(what));
    }
    Ok(read)
}

/// The bytes of the file at `path`; of one that is longer than `most`, the
/// first ones and one more.
///
/// # Errors
/// If it cannot be read within [`LIMIT`].
pub fn start_of(path: &Path, most: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    start_within(LIMIT, path, most)
}

fn start_within(limit: Duration, path: &Path, most: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let (mut reading, begun) = (BoundedRead::begin(path, most)?, Instant::now());
    while !reading.go_on()? {
        if begun.elapsed() >= limit {
            return Err(silent());
        }
        thread::sleep(LOOK_AGAIN);
    }
    Ok(reading.read)
}

/// As [`start_of`], in a task, which may be dropped at any time.
///
/// # Errors
/// If it cannot be read within [`LIMIT`].
pub async fn start_of_in_task(path: &Path, most: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut reading = BoundedRead::begin(path, most)?;
    let read = async {
        while !reading.go_on()? {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(reading.read)
    };
    let read = tokio::time::timeout(LIMIT, read).await;
    read.unwrap_or_else(|_| Err(silent()))
}

/// A text, likewise.
///
/// # Errors
/// As [`bytes()`], and if it is not UTF-8.
pub fn text(path: &Path, most: usize) -> io::Result<Zeroizing<String>> {
    let read = bytes(path, most)?;
    let text = std::str::from_utf8(&read)
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not UTF-8"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// A file that is being read.
struct BoundedRead {
    file: File,
    most: usize,
    read: Zeroizing<Vec<u8>>,
}

impl BoundedRead {
    /// A pipe without a writer opens at once, and is empty.
    fn begin(path: &Path, most: usize) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(path)?;
        // Large enough not to grow and leave a copy behind.
        let read = Zeroizing::new(Vec::with_capacity(most + 1));
        Ok(Self { file, most, read })
    }

    /// Reads what there is, up to one byte more than `most`. `false` if there
    /// may be more later.
    fn go_on(&mut self) -> io::Result<bool> {
        let room = self.most + 1 - self.read.len();
        let mut part = (&self.file).take(room as u64);
        match part.read_to_end(&mut self.read) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            read => read.map(|_| true),
        }
    }
}

fn silent() -> io::Error {
    let what = format!(
        "its writer did not finish within {} seconds",
        LIMIT.as_secs()
    );
    io::Error::new(ErrorKind::TimedOut, what)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::path::PathBuf;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    fn file(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        fs::write(&path, content).unwrap();
        (home, path)
    }

    #[test]
    fn a_file_is_read_whole_or_not_at_all() {
        let (_home, path) = file(b"1234");
        assert_eq!(bytes(&path, 4).unwrap().as_slice(), b"1234");
        assert_eq!(text(&path, 5).unwrap().as_str(), "1234");
        assert!(bytes(&path, 3).is_err());
        let (_home, path) = file(b"\xff");
        assert_eq!(bytes(&path, 3).unwrap().as_slice(), b"\xff");
        assert_eq!(text(&path, 3).unwrap_err().kind(), ErrorKind::InvalidData);
        assert!(bytes(Path::new("/"), 3).is_err());
    }

    #[test]
    fn a_device_without_an_end_does_not_fill_the_memory() {
        let error = bytes(Path::new("/dev/zero"), 64 << 10).unwrap_err();
        assert_eq!(error.to_string(), "it is longer than 64 KiB");
    }

    #[test]
    fn a_pipe_is_read_and_one_without_a_writer_is_empty() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("pipe");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert!(bytes(&path, 10).unwrap().is_empty());

        // Both ends are open before anything is read.
        let mut reading = BoundedRead::begin(&path, 10).unwrap();
        let mut writer = OpenOptions::new().write(true).open(&path).unwrap();
        assert!(!reading.go_on().unwrap());
        writer.write_all(b"la").unwrap();
        assert!(!reading.go_on().unwrap());
        let writing = thread::spawn(move || writer.write_all(b"te"));
        writing.join().unwrap().unwrap();
        assert!(reading.go_on().unwrap());
        assert_eq!(reading.read.as_slice(), b"late");
    }

    #[test]
    fn a_pipe_whose_writer_is_silent_is_given_up() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("pipe");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let _writer = File::options().read(true).write(true).open(&path).unwrap();
        let error = start_within(Duration::from_millis(30), &path, 10).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_gives_a_silent_pipe_up_and_can_be_interrupted() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("pipe");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let _writer = File::options().read(true).write(true).open(&path).unwrap();
        let begun = tokio::time::Instant::now();
        let interrupted = tokio::time::timeout(Duration::from_secs(1), start_of_in_task(&path, 10));
        assert!(interrupted.await.is_err());
        assert_eq!(begun.elapsed(), Duration::from_secs(1));
        let error = start_of_in_task(&path, 10).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(begun.elapsed(), Duration::from_secs(31));
    }
}
