//! Where a list's bytes come from: a file, standard input, or any reader;
//! plain or compressed, told by the first bytes and not by the name.
//!
//! Owns the digest of the bytes as they are stored, so that it equals what
//! `sha256sum` says of the file.

use std::{
    fmt,
    fmt::Write,
    fs::File,
    io::{self, BufReader, Chain, Cursor, Read},
    path::PathBuf,
};

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::ListError;

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

/// How a list is compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Compression {
    /// gzip, of one or several members.
    Gzip,
    /// Zstandard, of one or several frames.
    Zstd,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

/// Compressed bytes are taken from the file in steps of this size.
const STEP: usize = 128 * 1024;

/// The bytes of a list, decompressed.
pub(super) struct Source {
    name: String,
    len: Option<u64>,
    bytes: Bytes,
}

enum Bytes {
    Plain(Digested),
    Gzip(Box<MultiGzDecoder<BufReader<Digested>>>),
    Zstd(Box<zstd::Decoder<'static, BufReader<Digested>>>),
}

impl Source {
    pub(super) fn open(input: &Input) -> Result<Self, ListError> {
        let name = input.to_string();
        let Input::Path(path) = input else {
            return Self::new(name, None, Box::new(io::stdin()));
        };
        let opened = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
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
        let len = metadata.is_file().then_some(metadata.len());
        Self::new(name, len, Box::new(file))
    }

    pub(super) fn new(
        name: String,
        len: Option<u64>,
        mut reader: Box<dyn Read + Send>,
    ) -> Result<Self, ListError> {
        // A pipe may hand over its first bytes one at a time.
        let mut head = Vec::with_capacity(4);
        if let Err(source) = reader.by_ref().take(4).read_to_end(&mut head) {
            return Err(ListError::Read { name, source });
        }
        let compression = match head[..] {
            [0x1f, 0x8b, ..] => Some(Compression::Gzip),
            // A frame, or a skippable frame as parallel compressors write
            // (RFC 8878, 3.1).
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Some(Compression::Zstd),
            _ => None,
        };
        let stored = Digested {
            bytes: Cursor::new(head).chain(reader),
            sha256: Sha256::new(),
        };
        let bytes = match compression {
            None => Bytes::Plain(stored),
            Some(Compression::Gzip) => Bytes::Gzip(Box::new(MultiGzDecoder::new(
                BufReader::with_capacity(STEP, stored),
            ))),
            Some(Compression::Zstd) => {
                let stored = BufReader::with_capacity(STEP, stored);
                match zstd::Decoder::with_buffer(stored) {
                    Ok(decoder) => Bytes::Zstd(Box::new(decoder)),
                    Err(source) => return Err(ListError::Read { name, source }),
                }
            }
        };
        Ok(Self { name, len, bytes })
    }

    /// How errors name the list.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The size of the file in bytes, compressed as it may be.
    pub(super) fn len(&self) -> Option<u64> {
        self.len
    }

    /// Reads some bytes; none are left when it returns 0.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ListError> {
        let (result, compression) = match &mut self.bytes {
            Bytes::Plain(bytes) => (read_some(bytes, buffer), None),
            Bytes::Gzip(bytes) => (read_some(bytes, buffer), Some(Compression::Gzip)),
            Bytes::Zstd(bytes) => (read_some(bytes, buffer), Some(Compression::Zstd)),
        };
        result.map_err(|source| {
            let name = self.name.clone();
            match compression {
                // The system's own errors carry a code, a decoder's do not.
                Some(compression) if source.raw_os_error().is_none() => {
                    if source.kind() == io::ErrorKind::UnexpectedEof {
                        ListError::CutOff { name, compression }
                    } else {
                        ListError::Damaged {
                            name,
                            compression,
                            source,
                        }
                    }
                }
                _ => ListError::Read { name, source },
            }
        })
    }

    /// Reads what is left and returns the SHA-256 of the bytes as stored.
    pub(super) fn finish(mut self) -> Result<String, ListError> {
        let stored = match &mut self.bytes {
            Bytes::Plain(bytes) => bytes,
            Bytes::Gzip(bytes) => bytes.get_mut().get_mut(),
            Bytes::Zstd(bytes) => bytes.get_mut().get_mut(),
        };
        if let Err(source) = io::copy(stored, &mut io::sink()) {
            return Err(ListError::Read {
                name: self.name,
                source,
            });
        }
        Ok(hex(&stored.sha256.finalize_reset()))
    }
}

fn read_some(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// The stored bytes, digested on the way.
struct Digested {
    bytes: Chain<Cursor<Vec<u8>>, Box<dyn Read + Send>>,
    sha256: Sha256,
}

impl Read for Digested {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(buffer)?;
        self.sha256.update(&buffer[..read]);
        Ok(read)
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
