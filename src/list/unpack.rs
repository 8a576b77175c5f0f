//! Decompressing a list, told by its first bytes and not by its name.
//!
//! Owns the digest of the bytes as they are stored, so that it equals what
//! `sha256sum` says of the file, and the bound on what a small file may
//! unpack to: a bomb costs no more than a list of its size may.

use std::{
    fmt,
    io::{self, BufReader, Chain, Cursor, Read},
};

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::source::hex;

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
    bytes: Bytes,
    unpacked: u64,
}

enum Bytes {
    Plain(Stored),
    Gzip(Box<MultiGzDecoder<BufReader<Stored>>>),
    Zstd(Box<zstd::Decoder<'static, BufReader<Stored>>>),
}

/// Why no more can be read.
pub(super) enum Failure {
    /// The file, or the system's decompressor, says so.
    Read(io::Error),
    /// Compressed data ends early, as after a download that broke off.
    CutOff(Compression),
    /// Compressed data does not decompress.
    Damaged(Compression, io::Error),
    /// It unpacks to more than any list.
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
        let stored = Stored {
            bytes: Cursor::new(head).chain(reader),
            len: 0,
            sha256: Sha256::new(),
        };
        let bytes = match compression {
            None => Bytes::Plain(stored),
            Some(Compression::Gzip) => Bytes::Gzip(Box::new(MultiGzDecoder::new(
                BufReader::with_capacity(STEP, stored),
            ))),
            Some(Compression::Zstd) => {
                let stored = BufReader::with_capacity(STEP, stored);
                let mut decoder = zstd::Decoder::with_buffer(stored)?;
                decoder.window_log_max(LARGEST_WINDOW)?;
                Bytes::Zstd(Box::new(decoder))
            }
        };
        Ok(Self { bytes, unpacked: 0 })
    }

    /// Reads some bytes; none are left when it returns 0.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        let (result, stored, compression) = match &mut self.bytes {
            Bytes::Plain(bytes) => return read_some(bytes, buffer).map_err(Failure::Read),
            Bytes::Gzip(bytes) => (
                read_some(bytes, buffer),
                bytes.get_ref().get_ref().len,
                Compression::Gzip,
            ),
            Bytes::Zstd(bytes) => (
                read_some(bytes, buffer),
                bytes.get_ref().get_ref().len,
                Compression::Zstd,
            ),
        };
        match result {
            Ok(read) => {
                self.unpacked += read as u64;
                if self.unpacked > FREE && self.unpacked / RATIO > stored {
                    return Err(Failure::Bomb(compression));
                }
                Ok(read)
            }
            // The system's own errors carry a code, a decompressor's do not.
            Err(error) if error.raw_os_error().is_some() => Err(Failure::Read(error)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(Failure::CutOff(compression))
            }
            Err(error) => Err(Failure::Damaged(compression, error)),
        }
    }

    /// Reads what is left and returns the SHA-256 of the bytes as stored.
    pub(super) fn finish(mut self) -> io::Result<String> {
        let stored = match &mut self.bytes {
            Bytes::Plain(bytes) => bytes,
            Bytes::Gzip(bytes) => bytes.get_mut().get_mut(),
            Bytes::Zstd(bytes) => bytes.get_mut().get_mut(),
        };
        io::copy(stored, &mut io::sink())?;
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

/// The stored bytes, counted and digested on the way.
struct Stored {
    bytes: Chain<Cursor<Vec<u8>>, Box<dyn Read + Send>>,
    len: u64,
    sha256: Sha256,
}

impl Read for Stored {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(buffer)?;
        self.len += read as u64;
        self.sha256.update(&buffer[..read]);
        Ok(read)
    }
}
