//! Reading the small files that people name: settings, tokens, certificates.
//!
//! They may name anything, by mistake or on purpose (`<(command)` is a pipe).
//! Nothing here waits for a writer that does not come, nor fills the memory
//! from a device; and what was read is wiped when it is dropped, no copy of it
//! left behind on the way.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use secrecy::zeroize::Zeroizing;

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
/// If it cannot be read.
pub fn start_of(path: &Path, most: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    start(open(path)?, most)
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

/// A pipe that nobody writes to opens at once, and then is empty.
fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    // One that somebody writes to is waited for.
    let flags = fcntl_getfl(&file)?;
    fcntl_setfl(&file, flags.difference(OFlags::NONBLOCK))?;
    Ok(file)
}

/// What there is, up to one byte more than `most`.
fn start(source: impl Read, most: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut read = Zeroizing::new(Vec::with_capacity(most + 1));
    source.take(most as u64 + 1).read_to_end(&mut read)?;
    Ok(read)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;
    use std::thread;

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
        let reader = open(&path).unwrap();
        let writer = OpenOptions::new().write(true).open(&path).unwrap();
        let writing = thread::spawn(move || io::Write::write_all(&mut &writer, b"late"));
        assert_eq!(start(reader, 10).unwrap().as_slice(), b"late");
        writing.join().unwrap().unwrap();
    }
}
