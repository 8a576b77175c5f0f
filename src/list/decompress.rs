//! Decompressing a list, told by its first bytes and not by its name.
//!
//! Owns the digest of the bytes as they are stored, so that it equals what
//! `sha256sum` says of the file, and the bound on what a small file may
//! unpack to: a bomb costs no more than a list of its size may.

use std::{
    fmt,
    io::{self, BufReader, Chain, Cursor, Read},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};

use crate::list::hex::hex;

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

/// The largest window of a Zstandard frame, as a power of two: 128 MiB, the
/// decompressor's own default. It bounds the memory that a file can ask for.
const LARGEST_WINDOW: u32 = 27;

/// A compressed list may always unpack to this many bytes, and beyond that to
/// [`RATIO`] times its size. Lists of IDs reach 5 (gzip) to 30 (Zstandard),
/// and 130 where each row repeats a hundred letters.
const FREE: u64 = 64 << 20;
pub(super) const RATIO: u64 = 1_000;

/// The bytes of a list, decompressed.
pub(super) struct Unpacked {
    bytes: Box<dyn Read + Send>,
    compression: Option<Compression>,
    len: u64,
    stored: Arc<Mutex<Stored>>,
}

/// Why compressed data yields no more.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadFailure {
    #[error("the {0} data ends too early")]
    CutOff(Compression),
    #[error("the {0} data cannot be unpacked")]
    Damaged(Compression, #[source] io::Error),
    #[error("the {0} data unpacks to more than any list")]
    Bomb(Compression),
}

impl Unpacked {
    pub(super) fn new(mut reader: Box<dyn Read + Send>) -> io::Result<Self> {
        // A pipe may hand over its first bytes one at a time.
        let mut head = Vec::with_capacity(4);
        reader.by_ref().take(4).read_to_end(&mut head)?;
        let compression = match head[..] {
            [0x1f, 0x8b, ..] => Some(Compression::Gzip),
            // A frame, or a skippable frame as parallel compressors write
            // (RFC 8878, 3.1).
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Some(Compression::Zstd),
            _ => None,
        };
        let stored = Arc::default();
        let bytes = Digested {
            bytes: Cursor::new(head).chain(reader),
            stored: Arc::clone(&stored),
        };
        let bytes: Box<dyn Read + Send> = match compression {
            None => Box::new(bytes),
            Some(Compression::Gzip) => {
                Box::new(MultiGzDecoder::new(BufReader::with_capacity(STEP, bytes)))
            }
            Some(Compression::Zstd) => {
                let bytes = BufReader::with_capacity(STEP, bytes);
                let mut decoder = zstd::Decoder::with_buffer(bytes)?;
                decoder.window_log_max(LARGEST_WINDOW)?;
                Box::new(decoder)
            }
        };
        Ok(Self {
            bytes,
            compression,
            len: 0,
            stored,
        })
    }

    /// What is known of the bytes as they are stored.
    pub(super) fn stored(&self) -> Arc<Mutex<Stored>> {
        Arc::clone(&self.stored)
    }
}

/// What is wrong with compressed data comes as a [`ReadFailure`] within the error.
impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = loop {
            match self.bytes.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        let Some(compression) = self.compression else {
            return result;
        };
        match result {
            Ok(read) => {
                self.len += read as u64;
                if self.len > FREE && self.len / RATIO > locked(&self.stored).len {
                    return Err(io::Error::other(ReadFailure::Bomb(compression)));
                }
                Ok(read)
            }
            // The system's own errors carry a code, a decompressor's do not.
            Err(error) if error.raw_os_error().is_some() => Err(error),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(io::Error::other(ReadFailure::CutOff(compression)))
            }
            Err(error) => Err(io::Error::other(ReadFailure::Damaged(compression, error))),
        }
    }
}

/// What is known of the bytes as they are stored.
#[derive(Default)]
pub(super) struct Stored {
    len: u64,
    sha256: Sha256,
}

impl Stored {
    /// The SHA-256 of the bytes read so far.
    pub(super) fn sha256(&self) -> String {
        hex(&self.sha256.clone().finalize())
    }
}

pub(super) fn locked(stored: &Mutex<Stored>) -> MutexGuard<'_, Stored> {
    stored.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The stored bytes, counted and digested on the way.
struct Digested {
    bytes: Chain<Cursor<Vec<u8>>, Box<dyn Read + Send>>,
    stored: Arc<Mutex<Stored>>,
}

impl Read for Digested {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(buffer)?;
        let mut stored = locked(&self.stored);
        stored.len += read as u64;
        stored.sha256.update(&buffer[..read]);
        Ok(read)
    }
}
