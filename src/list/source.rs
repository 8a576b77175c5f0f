//! Where a list's bytes come from: a file, standard input, or any reader; and
//! the text that they are, in UTF-8, whatever they are stored as.

use std::{
    fmt,
    fmt::Write,
    fs::{File, OpenOptions},
    io::{self, Cursor, Read},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::{
    ListError,
    foreign::recognise,
    unpack::{Failure, Unpacked},
    utf16::Utf16,
};

/// How long a named pipe may have nobody who writes to it.
const NO_WRITER: Duration = Duration::from_secs(10);

/// How often a waiting reader looks for one.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// So many bytes are enough to see what a file is.
const HEAD: usize = 256;

/// A list as it is named on the command line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// A file.
    Path(PathBuf),
    /// Standard input.
    Stdin,
}

impl From<PathBuf> for Input {
    /// `-` is standard input, as usual on a command line.
    fn from(path: PathBuf) -> Self {
        if path.as_os_str() == "-" {
            Self::Stdin
        } else {
            Self::Path(path)
        }
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Stdin => f.write_str("standard input"),
        }
    }
}

/// The text of a list, decompressed and in UTF-8.
pub(super) struct Source {
    name: String,
    len: Option<u64>,
    /// The first bytes, as long as they have not been handed on.
    head: Cursor<Vec<u8>>,
    bytes: Unpacked,
    utf16: Option<Utf16>,
}

impl Source {
    pub(super) fn open(input: &Input) -> Result<Self, ListError> {
        let name = input.to_string();
        let Input::Path(path) = input else {
            return Self::new(name, None, Box::new(io::stdin()));
        };
        // A named pipe would hold up whoever opens it until somebody writes.
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(path)
            .and_then(|file| Ok((file.metadata()?, file)));
        let (metadata, file) = match opened {
            Ok(opened) => opened,
            Err(source) => {
                return Err(match source.kind() {
                    io::ErrorKind::NotFound => ListError::NotFound { name },
                    io::ErrorKind::PermissionDenied => ListError::Denied { name },
                    io::ErrorKind::IsADirectory => ListError::Directory { name },
                    _ => ListError::Open { name, source },
                });
            }
        };
        if metadata.is_dir() {
            return Err(ListError::Directory { name });
        }
        let failed = |source| ListError::Read {
            name: name.clone(),
            source,
        };
        let begun = if metadata.file_type().is_fifo() {
            match await_writer(&file, NO_WRITER).map_err(failed)? {
                Some(begun) => begun,
                None => return Err(ListError::NoWriter { name }),
            }
        } else {
            Vec::new()
        };
        fcntl_getfl(&file)
            .and_then(|flags| fcntl_setfl(&file, flags.difference(OFlags::NONBLOCK)))
            .map_err(|errno| failed(errno.into()))?;
        let len = metadata.is_file().then_some(metadata.len());
        Self::new(name, len, Box::new(Cursor::new(begun).chain(file)))
    }

    pub(super) fn new(
        name: String,
        len: Option<u64>,
        reader: Box<dyn Read + Send>,
    ) -> Result<Self, ListError> {
        let mut bytes = match Unpacked::new(Box::new(OneEnd(Some(reader)))) {
            Ok(bytes) => bytes,
            Err(source) => return Err(ListError::Read { name, source }),
        };
        let mut head = vec![0; HEAD];
        let mut known = 0;
        while known < HEAD {
            match bytes.read(&mut head[known..]) {
                Ok(0) => break,
                Ok(read) => known += read,
                Err(failure) => return Err(failed(&name, failure)),
            }
        }
        head.truncate(known);
        if let Some(foreign) = recognise(&head) {
            return Err(ListError::Foreign { name, foreign });
        }
        let utf16 = Utf16::detect(&head);
        Ok(Self {
            name,
            len,
            head: Cursor::new(head),
            bytes,
            utf16,
        })
    }

    /// How errors name the list.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The size of the file in bytes, compressed as it may be.
    pub(super) fn len(&self) -> Option<u64> {
        self.len
    }

    /// Reads some text; none is left when it returns 0.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ListError> {
        let (head, bytes) = (&mut self.head, &mut self.bytes);
        let mut stored = |buffer: &mut [u8]| match head.read(buffer) {
            Ok(read) if read > 0 => Ok(read),
            _ => bytes.read(buffer),
        };
        let result = match &mut self.utf16 {
            None => stored(buffer),
            Some(utf16) => utf16.read(buffer, stored),
        };
        result.map_err(|failure| failed(&self.name, failure))
    }

    /// Reads what is left and returns the SHA-256 of the bytes as stored.
    pub(super) fn finish(self) -> Result<String, ListError> {
        let name = self.name;
        self.bytes
            .finish()
            .map_err(|source| ListError::Read { name, source })
    }
}

/// A reader that ends once: a terminal has an end with every Ctrl-D, and goes
/// on behind it.
struct OneEnd(Option<Box<dyn Read + Send>>);

impl Read for OneEnd {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(reader) = &mut self.0 else {
            return Ok(0);
        };
        let read = reader.read(buffer)?;
        if read == 0 && !buffer.is_empty() {
            self.0 = None;
        }
        Ok(read)
    }
}

fn failed(name: &str, failure: Failure) -> ListError {
    let name = name.to_owned();
    match failure {
        Failure::Read(source) => ListError::Read { name, source },
        Failure::CutOff(compression) => ListError::CutOff { name, compression },
        Failure::Damaged(compression, source) => ListError::Damaged {
            name,
            compression,
            source,
        },
        Failure::Bomb(compression) => ListError::Bomb { name, compression },
    }
}

/// Waits until somebody writes to a pipe that was opened without waiting, and
/// returns what was read on the occasion; `None` if nobody came.
fn await_writer(pipe: &File, patience: Duration) -> io::Result<Option<Vec<u8>>> {
    let begun = Instant::now();
    let mut first = [0; 1];
    loop {
        match (&*pipe).read(&mut first) {
            // Without a writer a pipe has an end; with a silent one it has not.
            Ok(0) if begun.elapsed() >= patience => return Ok(None),
            Ok(0) => thread::sleep(LOOK_AGAIN),
            Ok(_) => return Ok(Some(first.to_vec())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Some(Vec::new())),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}
