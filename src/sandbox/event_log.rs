//! The world's file: one event a line, appended with a single write before
//! anything follows from it.
//!
//! A process that is killed loses nothing it had written; no promise is made
//! for a power cut. A last line without its end is what a kill in the middle
//! of a write leaves: it is cut off at the next opening.

use std::{
    fs::{File, TryLockError},
    io::{self, BufRead, BufReader, Read, Seek, Write},
    path::Path,
};

use crate::journal::open_private;

use super::world::SandboxError;
use crate::sandbox::state::{Event, SandboxState};

/// The first line; whatever does not begin with it is no world and is left
/// alone.
const HEADER: &[u8] = b"{\"rescind_sandbox_world\":1}\n";

/// Where events go.
pub(super) enum EventLog {
    /// Nowhere.
    Memory,
    /// To a file.
    File(File),
    /// Nowhere any more: a write failed, and another one might follow a torn
    /// line.
    Broken,
}

impl EventLog {
    /// Opens or creates a file and tells `facts` what it holds.
    pub(super) fn open(path: &Path, facts: &mut SandboxState) -> Result<Self, SandboxError> {
        let io = |source| SandboxError::File {
            path: path.to_owned(),
            source,
        };
        // It lies among the files of a run, and is nobody else's either.
        let mut file = open_private(path, true).map_err(io)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => SandboxError::InUse(path.to_owned()),
            TryLockError::Error(source) => io(source),
        })?;
        let good = replay(&mut file, path, facts)?;
        file.set_len(good).map_err(io)?;
        if good == 0 {
            file.write_all(HEADER).map_err(io)?;
        }
        Ok(Self::File(file))
    }

    /// Tells `facts` what a file holds, without touching it.
    pub(super) fn look(path: &Path, facts: &mut SandboxState) -> Result<Self, SandboxError> {
        let mut file = File::open(path).map_err(|source| SandboxError::File {
            path: path.to_owned(),
            source,
        })?;
        replay(&mut file, path, facts)?;
        Ok(Self::Memory)
    }

    pub(super) fn write(&mut self, event: &Event) -> io::Result<()> {
        match self {
            Self::Memory => Ok(()),
            Self::Broken => Err(io::Error::other("an earlier write failed")),
            Self::File(file) => {
                let mut line = serde_json::to_vec(event)?;
                line.push(b'\n');
                let written = file.write_all(&line);
                if written.is_err() {
                    *self = Self::Broken;
                }
                written
            }
        }
    }
}

/// Replays a file from its beginning and returns how much of it is whole.
fn replay(file: &mut File, path: &Path, facts: &mut SandboxState) -> Result<u64, SandboxError> {
    let io = |source| SandboxError::File {
        path: path.to_owned(),
        source,
    };
    file.rewind().map_err(io)?;
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    let limit = HEADER.len() as u64;
    (&mut reader)
        .take(limit)
        .read_to_end(&mut line)
        .map_err(io)?;
    if line != HEADER {
        return if HEADER.starts_with(&line) {
            Ok(0)
        } else {
            Err(SandboxError::NoWorld(path.to_owned()))
        };
    }
    let mut good = limit;
    let mut number = 1;
    loop {
        line.clear();
        number += 1;
        let length = reader.read_until(b'\n', &mut line).map_err(io)?;
        if line.last() != Some(&b'\n') {
            return Ok(good);
        }
        let event = serde_json::from_slice(&line).map_err(|source| SandboxError::Damaged {
            path: path.to_owned(),
            line: number,
            source,
        })?;
        facts.apply(event);
        good += length as u64;
    }
}
