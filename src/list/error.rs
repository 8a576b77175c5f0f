//! Why a list cannot be read at all. A damaged row is no error: it is an
//! [`InvalidId`](super::InvalidId).

use std::{fmt, io};

use super::{Compression, FileType};
use crate::list::decompress::RATIO;

/// A list that cannot be read, or whose ID column cannot be told. Nothing
/// has been sent when this happens.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// There is no such file.
    #[error("no such file: {name}")]
    NotFound {
        /// The list.
        name: String,
    },
    /// The path is a directory.
    #[error("{name} is a directory, not a list")]
    Directory {
        /// The list.
        name: String,
    },
    /// The file may not be read.
    #[error("no permission to read {name}")]
    Denied {
        /// The list.
        name: String,
    },
    /// The file cannot be opened for another reason.
    #[error("{name} cannot be opened")]
    Open {
        /// The list.
        name: String,
        /// What the system says.
        source: io::Error,
    },
    /// Reading failed on the way.
    #[error("{name} cannot be read")]
    Read {
        /// The list.
        name: String,
        /// What the system says.
        source: io::Error,
    },
    /// A compressed list ends early, as after a download that broke off.
    #[error("{name} is cut off: its {compression} data ends too early")]
    CutOff {
        /// The list.
        name: String,
        /// Its compression.
        compression: Compression,
    },
    /// A compressed list does not decompress.
    #[error("{name} is damaged: its {compression} data cannot be unpacked")]
    Damaged {
        /// The list.
        name: String,
        /// Its compression.
        compression: Compression,
        /// What the decompressor says.
        source: io::Error,
    },
    /// A small compressed list unpacks to more than any list would.
    #[error("{name} unpacks to more than {RATIO} times its size, as no list does ({compression})")]
    Bomb {
        /// The list.
        name: String,
        /// Its compression.
        compression: Compression,
    },
    /// The file is something else.
    #[error("{name} is {foreign} and cannot be read as a list")]
    Foreign {
        /// The list.
        name: String,
        /// What it is.
        foreign: FileType,
    },
    /// The file was written to, or another one put in its place.
    #[error("{name} changed while it was read")]
    Changed {
        /// The list.
        name: String,
    },
    /// More rows than any list has, from what is no file and may have no end.
    #[error("{name} does not end within {rows} rows")]
    Endless {
        /// The list.
        name: String,
        /// The rows that were read.
        rows: u64,
    },
    /// Most rows hold no ID, in what is no file and may have no end.
    #[error("{invalid} of the first {rows} rows of {name} hold no ID")]
    NoIds {
        /// The list.
        name: String,
        /// The rows that were read.
        rows: u64,
        /// Those without an ID.
        invalid: u64,
    },
    /// A line that may never end, as from a device.
    #[error("line {line} of {name} does not end within 128 MiB")]
    EndlessLine {
        /// The list.
        name: String,
        /// The line.
        line: u64,
    },
    /// The first row of a table cannot be read, so its columns are unknown.
    #[error("the first row of {name} (line {line}) has an unclosed quote")]
    DamagedHeader {
        /// The list.
        name: String,
        /// Where the row starts.
        line: u64,
    },
    /// The first row of a table is too long to be read.
    #[error("the first row of {name} (line {line}) is longer than 64 KiB")]
    LongHeader {
        /// The list.
        name: String,
        /// Where the row starts.
        line: u64,
    },
    /// A table without a header: its columns have no names.
    #[error("{name} has several columns and no header; the cells of its first row are {columns}")]
    NoNames {
        /// The list.
        name: String,
        /// The cells of its first row.
        columns: Columns,
    },
    /// A column was asked for by name, and the list has no header.
    #[error("{name} has no header, so no column is named `{asked}`")]
    NoHeader {
        /// The list.
        name: String,
        /// The column asked for.
        asked: String,
    },
    /// The column asked for is not there.
    #[error("{name} has no column `{asked}`; its columns are {columns}")]
    NoSuchColumn {
        /// The list.
        name: String,
        /// The column asked for.
        asked: String,
        /// The columns of its first row.
        columns: Columns,
    },
    /// More than one column may hold the IDs.
    #[error("{name} has more than one ID column: {matching}; its columns are {columns}")]
    AmbiguousColumn {
        /// The list.
        name: String,
        /// The columns that match.
        matching: Columns,
        /// The columns of its first row.
        columns: Columns,
    },
    /// No column is known to hold the IDs.
    #[error("the ID column of {name} cannot be told; the cells of its first row are {columns}")]
    UnknownColumn {
        /// The list.
        name: String,
        /// The columns of its first row.
        columns: Columns,
    },
}

/// Names of columns, for a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Columns(pub Vec<String>);

impl fmt::Display for Columns {
    /// Short however wide the table is, and free of control characters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 30;
        for (index, name) in self.0.iter().take(SHOWN).enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            let name: String = name.chars().take(60).collect();
            write!(f, "{comma}`{}`", name.escape_debug())?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
