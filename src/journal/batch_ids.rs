//! The IDs and lines of a batch as the journal stores them.

use std::fmt::Write as _;

use rusqlite::{Connection, params};

use super::BatchId;
use crate::list::PermissionId;

/// A JSON array of numbers.
pub(super) fn json_array(numbers: impl Iterator<Item = i64>, length: usize) -> String {
    let mut text = String::with_capacity(length * 11 + 2);
    text.push('[');
    for (index, number) in numbers.enumerate() {
        if index > 0 {
            text.push(',');
        }
        let _ = write!(text, "{number}");
    }
    text.push(']');
    text
}

pub(super) fn insert_member(
    db: &Connection,
    batch: BatchId,
    ids: &[PermissionId],
    lines: &[u64],
) -> rusqlite::Result<()> {
    let consecutive = lines.windows(2).all(|pair| pair[0] + 1 == pair[1]);
    let lines = if consecutive {
        String::new()
    } else {
        json_array(lines.iter().map(|line| line.cast_signed()), lines.len())
    };
    db.prepare_cached("INSERT INTO member (batch, ids, lines) VALUES (?1, ?2, ?3)")?
        .execute(params![
            batch,
            json_array(ids.iter().map(|id| id.get()), ids.len()),
            lines
        ])
        .map(drop)
}

pub(super) fn first_line(lines: &[u64]) -> i64 {
    lines.first().copied().unwrap_or(0).cast_signed()
}

pub(super) fn last_line(lines: &[u64]) -> i64 {
    lines.last().copied().unwrap_or(0).cast_signed()
}
