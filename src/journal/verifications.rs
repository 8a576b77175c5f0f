//! Reading what was seen of permissions: before they were sent, and by
//! verifications. Nothing here writes.

use std::collections::HashMap;

use rusqlite::{OptionalExtension, Row};

use super::{BatchId, Evidence, JournalError, JournalReader, PriorStatus, State};
use crate::journal::rows::{damaged, numbers, state};
use crate::list::PermissionId;

/// What a verification found of one ID.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EvidenceRow {
    /// The ID.
    pub id: PermissionId,
    /// The state it was claimed to be in.
    pub claimed: State,
    /// What was found.
    pub found: Evidence,
}

impl JournalReader {
    /// Whether the run has seen permissions before it sent them.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn has_sightings(&self) -> Result<bool, JournalError> {
        self.with(|db| {
            db.query_row("SELECT EXISTS (SELECT 1 FROM sighting)", [], |row| {
                row.get(0)
            })
        })
    }

    /// How a permission was shown before it was first sent, if it was read
    /// then.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn sighting(&self, id: PermissionId) -> Result<Option<PriorStatus>, JournalError> {
        self.with(|db| {
            db.prepare_cached(
                "SELECT account_id, user_id, status FROM sighting WHERE permission_id = ?1",
            )?
            .query_row([id.get()], |row| {
                Ok(PriorStatus {
                    id,
                    account: row.get(0)?,
                    user: row.get(1)?,
                    status: row.get::<_, String>(2)?.into(),
                })
            })
            .optional()
        })
    }

    /// What the verification `process` found: how many IDs that were claimed
    /// to be in which state.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn evidence(&self, process: i64) -> Result<Vec<(State, Evidence, u64)>, JournalError> {
        self.with(|db| {
            db.prepare(
                "SELECT claimed, found, sum(ids) FROM evidence WHERE process = ?1
                 GROUP BY claimed, found",
            )?
            .query_map([process], |row| {
                let ids = row.get::<_, i64>(2)?.cast_unsigned();
                Ok((state(row, 0)?, evidence(row, 1)?, ids))
            })?
            .collect()
        })
    }

    /// Hands what the verification `process` found to `visit`: for each of the
    /// list's own batches that it came to, its IDs in the order of the list.
    ///
    /// # Errors
    /// If the journal cannot be read, or what `visit` answers.
    pub fn each_evidence<E: From<JournalError>>(
        &self,
        process: i64,
        mut visit: impl FnMut(&[EvidenceRow]) -> Result<(), E>,
    ) -> Result<(), E> {
        let read = |source| E::from(JournalError::read(&self.path, source));
        let mut statement = self
            .connection
            .prepare(
                "SELECT e.root, e.claimed, e.found, CASE e.some WHEN '' THEN m.ids ELSE e.some END
                 FROM evidence e JOIN member m ON m.batch = e.batch
                 WHERE e.process = ?1 ORDER BY e.root, e.batch, e.found",
            )
            .map_err(read)?;
        let mut rows = statement.query([process]).map_err(read)?;
        let mut at: Option<BatchId> = None;
        let (mut of_root, mut parts) = (Vec::new(), 0);
        while let Some(row) = rows.next().map_err(read)? {
            let root = row.get(0).map_err(read)?;
            if let Some(before) = at.replace(root).filter(|before| *before != root) {
                self.put_in_order(before, parts, &mut of_root)?;
                visit(&of_root)?;
                of_root.clear();
                parts = 0;
            }
            parts += 1;
            let (claimed, found) = (state(row, 1), evidence(row, 2));
            let (claimed, found) = (claimed.map_err(read)?, found.map_err(read)?);
            let ids: Vec<PermissionId> = numbers(row, 3).map_err(read)?;
            let ids = ids.into_iter();
            of_root.extend(ids.map(|id| EvidenceRow { id, claimed, found }));
        }
        if let Some(root) = at {
            self.put_in_order(root, parts, &mut of_root)?;
            visit(&of_root)?;
        }
        Ok(())
    }

    /// Puts what was found, in several parts, into the order of the list.
    fn put_in_order(
        &self,
        root: BatchId,
        parts: usize,
        rows: &mut [EvidenceRow],
    ) -> Result<(), JournalError> {
        if parts < 2 {
            return Ok(());
        }
        let ids: Vec<PermissionId> = self.with(|db| {
            db.prepare_cached("SELECT ids FROM member WHERE batch = ?1")?
                .query_row([root], |row| numbers(row, 0))
        })?;
        let places: HashMap<_, _> = ids.into_iter().zip(0_usize..).collect();
        rows.sort_by_key(|row| places.get(&row.id).copied());
        Ok(())
    }
}

fn evidence(row: &Row<'_>, column: usize) -> rusqlite::Result<Evidence> {
    let word = row.get_ref(column)?.as_str()?;
    Evidence::from_word(word).ok_or_else(|| damaged(column, format!("nothing is found {word}")))
}
