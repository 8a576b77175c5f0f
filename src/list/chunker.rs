//! Freezing a list: one pass that tells distinct IDs from duplicates and
//! invalid rows, and cuts the distinct ones into batches.
//!
//! Promises that every row is handed on exactly once, as part of a batch or
//! as a reject, and that memory grows by the distinct IDs alone. Storing them
//! is left to the sink.

use std::{fmt, num::NonZeroUsize};

use rustc_hash::FxHashSet;
use sha2::{Digest, Sha256};

use super::{InvalidId, ListError, ListWarning, PermissionId, Row, Rows};
use crate::list::hex::hex;
use crate::list::warnings::Lengths;

/// What freezing hands on, in the order of the list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frozen<'a> {
    /// The next batch: full, unless it is the last one.
    Batch {
        /// Its IDs, none of which was in a batch before.
        ids: &'a [PermissionId],
        /// The line of each.
        lines: &'a [u64],
    },
    /// A row that gives no ID to send.
    Reject {
        /// The line at which the row starts.
        line: u64,
        /// What stands there, as far as it can be shown.
        value: &'a str,
        /// Why it is rejected.
        reason: Rejection,
    },
}

/// Why a row gives no ID to send, as `rejected.csv` words it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Rejection {
    /// It holds no ID.
    Invalid(InvalidId),
    /// Its ID stands in an earlier row.
    Duplicate,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(reason) => write!(f, "invalid: {reason}"),
            Self::Duplicate => f.write_str("duplicate"),
        }
    }
}

/// What a list holds. Each figure is counted by itself, none by subtraction:
/// `total = distinct + duplicate + invalid`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListCounts {
    /// All rows.
    pub total: u64,
    /// Rows that gave an ID for the first time.
    pub distinct: u64,
    /// Rows whose ID stands in an earlier row.
    pub duplicate: u64,
    /// Rows that hold no ID.
    pub invalid: u64,
    /// The batches handed on.
    pub batches: u64,
    /// SHA-256 of the input's bytes as they are stored, in hexadecimal: what
    /// `sha256sum` says of the file.
    pub input_sha256: String,
    /// SHA-256 of the distinct IDs in order, each in decimal and followed by
    /// a line feed, in hexadecimal: equal for lists that mean the same.
    pub list_sha256: String,
    /// The column that was read, as [`Rows::column`] has it.
    pub column: String,
    /// What is odd about the distinct IDs.
    pub oddities: Vec<ListWarning>,
}

impl ListCounts {
    /// Whether every row is accounted for. If not, the program is wrong, and
    /// nothing may be sent.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        self.total == self.distinct + self.duplicate + self.invalid
    }

    /// The invalid rows in percent of all; 0 for an empty list.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "exact up to 2^53 hundredths of a row, more than a disk holds"
    )]
    pub fn invalid_percent(&self) -> f64 {
        match self.total {
            0 => 0.0,
            total => (self.invalid * 100) as f64 / total as f64,
        }
    }
}

/// Why a list was not frozen.
#[derive(Debug, thiserror::Error)]
pub enum FreezeError<E> {
    /// The list cannot be read.
    #[error(transparent)]
    List(#[from] ListError),
    /// The sink failed.
    #[error(transparent)]
    Sink(E),
}

/// A rejected value is shown up to this many characters.
const SHOWN: usize = 100;

/// The first batch is not given more room than this before it is needed.
const ROOM: usize = 1024;

/// Reads a list to its end and hands everything on to `sink` as it goes.
///
/// An empty list is no error: its census says so.
///
/// # Errors
///
/// The list cannot be read, or the sink failed. What was handed on by then is
/// only a part of the list and must not be acted on.
pub fn freeze<E>(
    mut rows: Rows,
    batch_size: NonZeroUsize,
    mut sink: impl FnMut(Frozen<'_>) -> Result<(), E>,
) -> Result<ListCounts, FreezeError<E>> {
    let mut seen = FxHashSet::default();
    let mut batch = OpenBatch::with_room(batch_size.get().min(ROOM));
    let mut digest = Sha256::new();
    let mut lengths = Lengths::default();
    let (mut total, mut distinct, mut duplicate, mut invalid, mut batches) = (0, 0, 0, 0, 0);
    while let Some(Row { line, cell, id }) = rows.next_row()? {
        total += 1;
        let reason = match id {
            Ok(id) if seen.insert(id) => {
                distinct += 1;
                lengths.note(id, line);
                batch.push(id, line);
                if batch.ids.len() == batch_size.get() {
                    batches += 1;
                    batch.hand_on(&mut digest, &mut sink)?;
                }
                continue;
            }
            Ok(_) => {
                duplicate += 1;
                Rejection::Duplicate
            }
            Err(reason) => {
                invalid += 1;
                Rejection::Invalid(reason)
            }
        };
        let value = &shown(cell);
        sink(Frozen::Reject {
            line,
            value,
            reason,
        })
        .map_err(FreezeError::Sink)?;
    }
    if !batch.ids.is_empty() {
        batches += 1;
        batch.hand_on(&mut digest, &mut sink)?;
    }
    let oddities = lengths.oddities();
    let (input_sha256, column) = rows.finish()?;
    Ok(ListCounts {
        total,
        distinct,
        duplicate,
        invalid,
        batches,
        input_sha256,
        list_sha256: hex(&digest.finalize()),
        column,
        oddities,
    })
}

/// The batch that is being filled.
struct OpenBatch {
    ids: Vec<PermissionId>,
    lines: Vec<u64>,
    /// The IDs as they are digested.
    text: String,
}

impl OpenBatch {
    fn with_room(room: usize) -> Self {
        Self {
            ids: Vec::with_capacity(room),
            lines: Vec::with_capacity(room),
            text: String::new(),
        }
    }

    fn push(&mut self, id: PermissionId, line: u64) {
        self.ids.push(id);
        self.lines.push(line);
    }

    fn hand_on<E>(
        &mut self,
        digest: &mut Sha256,
        sink: &mut impl FnMut(Frozen<'_>) -> Result<(), E>,
    ) -> Result<(), FreezeError<E>> {
        self.text.clear();
        for id in &self.ids {
            self.text.push_str(itoa::Buffer::new().format(id.get()));
            self.text.push('\n');
        }
        digest.update(&self.text);
        sink(Frozen::Batch {
            ids: &self.ids,
            lines: &self.lines,
        })
        .map_err(FreezeError::Sink)?;
        self.ids.clear();
        self.lines.clear();
        Ok(())
    }
}

/// A cell as text, cut to a length that can be shown.
fn shown(cell: &[u8]) -> String {
    // No character is longer than four bytes.
    let start = &cell[..cell.len().min(4 * (SHOWN + 1))];
    let text = String::from_utf8_lossy(start);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn rows(text: &str) -> Rows {
        let reader = std::io::Cursor::new(text.as_bytes().to_vec());
        Rows::from_reader("list.csv", Box::new(reader), None).unwrap()
    }

    fn size(size: usize) -> NonZeroUsize {
        NonZeroUsize::new(size).unwrap()
    }

    #[test]
    fn each_id_is_batched_once_and_every_other_row_rejected() {
        let mut events = Vec::new();
        let list = "permissionId\n3\n1\n3\n0\n2\n1\n5\n";
        let census = freeze(rows(list), size(2), |frozen| {
            events.push(match frozen {
                Frozen::Batch { ids, lines } => format!("{ids:?} {lines:?}"),
                Frozen::Reject {
                    line,
                    value,
                    reason,
                } => format!("{line} {value} {reason}"),
            });
            Ok::<_, Infallible>(())
        })
        .unwrap();
        assert_eq!(
            events,
            [
                "[PermissionId(3), PermissionId(1)] [2, 3]",
                "4 3 duplicate",
                "5 0 invalid: out of range; an ID is from 1 to 9223372036854775807",
                "7 1 duplicate",
                "[PermissionId(2), PermissionId(5)] [6, 8]",
            ]
        );
        assert_eq!(
            census,
            ListCounts {
                total: 7,
                distinct: 4,
                duplicate: 2,
                invalid: 1,
                batches: 2,
                input_sha256: hex(&Sha256::digest(list)),
                list_sha256: hex(&Sha256::digest("3\n1\n2\n5\n")),
                column: "permissionId".to_owned(),
                oddities: Vec::new(),
            }
        );
        assert!((census.invalid_percent() - 100.0 / 7.0).abs() < 1e-9);
    }

    #[test]
    fn an_empty_list_is_counted_and_no_error() {
        for list in ["", "\n \n", "permissionId\n", "id;userId"] {
            let census = freeze(rows(list), size(1), |_| Err("nothing to hand on")).unwrap();
            assert_eq!((census.total, census.batches), (0, 0), "{list:?}");
            assert!(census.invalid_percent().abs() < f64::EPSILON);
        }
    }

    /// The list is read to its end before anything is said of it.
    #[test]
    fn a_list_that_changes_while_it_is_read_is_refused() {
        use std::{fs, fs::File, io::Write as _, path::Path};
        type Change = fn(&Path);

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.csv");
        let changes: [(&str, Change); 5] = [
            ("nothing", |_| ()),
            ("removed", |path| fs::remove_file(path).unwrap()),
            ("longer", |path| {
                let file = File::options().append(true).open(path);
                file.unwrap().write_all(b"3\n").unwrap();
            }),
            ("touched", |path| {
                let later = std::time::SystemTime::now() + std::time::Duration::from_secs(2);
                File::options()
                    .append(true)
                    .open(path)
                    .unwrap()
                    .set_modified(later)
                    .unwrap();
            }),
            ("replaced", |path| {
                let other = path.with_extension("new");
                fs::write(&other, "1\n2\n").unwrap();
                fs::rename(&other, path).unwrap();
            }),
        ];
        for (name, change) in changes {
            fs::write(&path, "1\n2\n").unwrap();
            let rows = Rows::open(&path.clone().into(), None).unwrap();
            let frozen = freeze(rows, size(1), |frozen| {
                if let Frozen::Batch { lines: [1], .. } = frozen {
                    change(&path);
                }
                Ok::<_, Infallible>(())
            });
            let refused = matches!(frozen, Err(FreezeError::List(ListError::Changed { .. })));
            assert_eq!(refused, !matches!(name, "nothing" | "removed"), "{name}");
        }
    }

    #[test]
    fn a_sink_that_fails_ends_the_freezing() {
        let mut calls = 0;
        let result = freeze(rows("1\n2\n3\n"), size(1), |_| {
            calls += 1;
            Err("disk full")
        });
        assert!(matches!(result, Err(FreezeError::Sink("disk full"))));
        assert_eq!(calls, 1);
    }

    #[test]
    fn a_rejected_value_is_cut_to_what_can_be_shown() {
        assert_eq!(shown(b"1\xff2"), "1\u{fffd}2");
        assert_eq!(shown("é".repeat(100).as_bytes()), "é".repeat(100));
        assert_eq!(
            shown("é".repeat(101).as_bytes()),
            format!("{}…", "é".repeat(100))
        );
        assert_eq!(shown(&[0xff; 9999]), format!("{}…", "\u{fffd}".repeat(100)));
    }
}
