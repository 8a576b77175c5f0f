//! Where a list's bytes come from: a file, standard input, or any reader; and
//! the text that they are, in UTF-8, whatever they are stored as.

use std::{
    fmt,
    fs::{self, File, Metadata},
    io::{self, Chain, Cursor, Read},
    os::{fd::AsFd, unix::fs::MetadataExt},
    path::PathBuf,
    sync::{Arc, Mutex},
};

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};
use encoding_rs_io::{DecodeReaderBytes, DecodeReaderBytesBuilder};

use super::ListError;
use crate::list::decompress::{ReadFailure, Stored, Unpacked, locked};
use crate::list::file_type::recognise;

/// So many bytes are enough to see what a file is.
const HEAD: usize = 256;

/// Text that is not in UTF-8 is taken in steps of this size.
const STEP: usize = 64 * 1024;

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
pub(super) struct ListText {
    name: String,
    file: Option<ListFile>,
    text: DecodeReaderBytes<Chain<Cursor<Vec<u8>>, Unpacked>, Vec<u8>>,
    stored: Arc<Mutex<Stored>>,
}

impl ListText {
    pub(super) fn open(input: &Input) -> Result<Self, ListError> {
        let name = input.to_string();
        let opened = match input {
            // Only looked at: the lock on standard input keeps its buffer.
            Input::Stdin => io::stdin().as_fd().try_clone_to_owned().map(File::from),
            Input::Path(path) => File::open(path),
        };
        let opened = opened.and_then(|file| Ok((file.metadata()?, file)));
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
        let watched = ListFile::of(&file, &metadata, input).map_err(|source| ListError::Open {
            name: name.clone(),
            source,
        })?;
        Self::new(name, watched, Box::new(file))
    }

    pub(super) fn new(
        name: String,
        file: Option<ListFile>,
        reader: Box<dyn Read + Send>,
    ) -> Result<Self, ListError> {
        let read = |source| failed(&name, source);
        let mut bytes = Unpacked::new(Box::new(OneEnd(Some(reader)))).map_err(read)?;
        let stored = bytes.stored();
        let mut head = Vec::with_capacity(HEAD);
        bytes
            .by_ref()
            .take(HEAD as u64)
            .read_to_end(&mut head)
            .map_err(read)?;
        if let Some(foreign) = recognise(&head) {
            return Err(ListError::Foreign { name, foreign });
        }
        let text = DecodeReaderBytesBuilder::new()
            .encoding(utf_16_without_mark(&head))
            .utf8_passthru(true)
            .strip_bom(true)
            .build_with_buffer(Cursor::new(head).chain(bytes), vec![0; STEP])
            .map_err(read)?;
        Ok(Self {
            name,
            file,
            text,
            stored,
        })
    }

    /// How errors name the list.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The size of the file in bytes, compressed as it may be; none where it is
    /// no file, and may have no end.
    pub(super) fn len(&self) -> Option<u64> {
        self.file.as_ref().map(|file| file.stamp.0)
    }

    /// Reads some text; none is left when it returns 0.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ListError> {
        let read = self.text.read(buffer);
        read.map_err(|error| failed(&self.name, error))
    }

    /// Reads what is left and returns the SHA-256 of the bytes as stored.
    pub(super) fn finish(mut self) -> Result<String, ListError> {
        let changed = io::copy(&mut self.text, &mut io::sink())
            .and_then(|_| self.file.as_ref().map_or(Ok(false), ListFile::has_changed));
        let name = self.name;
        match changed {
            Ok(false) => Ok(locked(&self.stored).sha256()),
            Ok(true) => Err(ListError::Changed { name }),
            Err(error) => Err(failed(&name, error)),
        }
    }
}

/// Size, and seconds and nanoseconds of the last change.
type Stamp = (u64, i64, i64);

fn stamp(metadata: &Metadata) -> Stamp {
    (metadata.size(), metadata.mtime(), metadata.mtime_nsec())
}

/// A regular file that is being read, and how it was when it was opened.
pub(super) struct ListFile {
    file: File,
    path: Option<PathBuf>,
    stamp: Stamp,
    identity: (u64, u64),
}

impl ListFile {
    fn of(file: &File, metadata: &Metadata, input: &Input) -> io::Result<Option<Self>> {
        if !metadata.is_file() {
            return Ok(None);
        }
        Ok(Some(Self {
            file: file.try_clone()?,
            path: match input {
                Input::Path(path) => Some(path.clone()),
                Input::Stdin => None,
            },
            stamp: stamp(metadata),
            identity: (metadata.dev(), metadata.ino()),
        }))
    }

    /// Whether it was written to since, or another file was put in its place. One
    /// that was removed has been read as it was.
    fn has_changed(&self) -> io::Result<bool> {
        if stamp(&self.file.metadata()?) != self.stamp {
            return Ok(true);
        }
        let there = self.path.as_ref().and_then(|path| fs::metadata(path).ok());
        Ok(there.is_some_and(|there| (there.dev(), there.ino()) != self.identity))
    }
}

/// The encoding of a text that begins with `head`, if it is UTF-16 without a
/// byte-order mark: its first two characters are Latin. No text in UTF-8 has a
/// NUL beside each of them.
fn utf_16_without_mark(head: &[u8]) -> Option<&'static Encoding> {
    match *head {
        [a, 0, b, 0, ..] if a != 0 && b != 0 => Some(UTF_16LE),
        [0, a, 0, b, ..] if a != 0 && b != 0 => Some(UTF_16BE),
        _ => None,
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

fn failed(name: &str, error: io::Error) -> ListError {
    let name = name.to_owned();
    match error.downcast() {
        Ok(ReadFailure::CutOff(compression)) => ListError::CutOff { name, compression },
        Ok(ReadFailure::Damaged(compression, source)) => ListError::Damaged {
            name,
            compression,
            source,
        },
        Ok(ReadFailure::Bomb(compression)) => ListError::Bomb { name, compression },
        Err(source) => ListError::Read { name, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str, big: bool) -> Vec<u8> {
        let to_bytes = |unit: u16| {
            if big {
                unit.to_be_bytes()
            } else {
                unit.to_le_bytes()
            }
        };
        text.encode_utf16().flat_map(to_bytes).collect()
    }

    fn decoded(stored: &[u8]) -> Vec<u8> {
        let reader = Box::new(Cursor::new(stored.to_vec()));
        let mut source = ListText::new("list".to_owned(), None, reader).unwrap();
        let mut text = Vec::new();
        let mut buffer = [0; 16];
        loop {
            match source.read(&mut buffer).unwrap() {
                0 => return text,
                read => text.extend_from_slice(&buffer[..read]),
            }
        }
    }

    #[test]
    fn utf_16_is_read_with_and_without_a_byte_order_mark() {
        let text = "permissionId\tИмя\n10\t漢字 𝄞 ü\n";
        let long = "1234567890\r\n".repeat(STEP);
        for big in [false, true] {
            for mark in ["", "\u{feff}"] {
                for text in [text, &long] {
                    let stored = bytes(&format!("{mark}{text}"), big);
                    assert_eq!(decoded(&stored), text.as_bytes(), "{big} {mark:?}");
                }
            }
            let mut cut_off = bytes("12\n34", big);
            cut_off.pop();
            assert_eq!(decoded(&cut_off), "12\n3\u{fffd}".as_bytes());
        }
    }

    #[test]
    fn other_bytes_are_left_as_they_are() {
        for text in [
            &b""[..],
            b"1",
            b"1\0",
            b"1\n2\n",
            b"1\0\0\0",
            b"\0\0\x001",
            b"\xff1\xfe2",
            b"12\xff",
        ] {
            assert_eq!(decoded(text), text);
        }
        assert_eq!(decoded(b"\xef\xbb\xbf12\xff"), b"12\xff");
    }
}
