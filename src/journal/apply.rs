//! Writing one entry: which rows it changes, and what it must find there.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::batch_ids;
use super::{
    ALREADY_REVOKED, BatchId, Entry, Move, Part, PriorStatus, State, TokenOrigin,
    VerificationResult, Waited,
};

/// Why an entry cannot be written.
pub(super) enum ApplyError {
    Database(rusqlite::Error),
    Contradiction(String),
}

impl From<rusqlite::Error> for ApplyError {
    fn from(source: rusqlite::Error) -> Self {
        Self::Database(source)
    }
}

/// Writes one entry, within the transaction that `db` is in.
pub(super) fn write_entry(db: &Connection, process: i64, entry: &Entry) -> Result<(), ApplyError> {
    match entry {
        Entry::Begun {
            call,
            kind,
            batch,
            ids,
            at,
        } => {
            db.prepare_cached(
                "INSERT INTO call (id, process, kind, batch, ids, recorded_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                call,
                process,
                kind.word(),
                batch,
                ids.cast_signed(),
                at.as_millisecond()
            ])?;
        }
        Entry::Withdrawn { call } => {
            db.prepare_cached("DELETE FROM call WHERE id = ?1 AND answered_at IS NULL")?
                .execute([call])?;
        }
        Entry::Answered {
            call,
            at,
            elapsed_us,
            status,
            verdict,
            message,
        } => {
            db.prepare_cached(
                "UPDATE call SET answered_at = ?2, elapsed_us = ?3, http_status = ?4,
                     verdict = ?5, message = ?6 WHERE id = ?1",
            )?
            .execute(params![
                call,
                at.as_millisecond(),
                elapsed_us.cast_signed(),
                status,
                verdict,
                message
            ])?;
        }
        Entry::Sending {
            batch, from, at, ..
        } => write_sending(db, *batch, *from, *at)?,
        Entry::Unsent { batch, back_to, .. } => write_unsent(db, *batch, *back_to)?,
        Entry::Moved(change) => write_move(db, change)?,
        Entry::Divided {
            batch,
            from,
            parts,
            at,
        } => write_parts(db, *batch, *from, parts, *at)?,
        Entry::Held {
            hold,
            cause,
            detail,
            began,
            until,
            full_ms,
        } => {
            db.prepare_cached(
                "INSERT OR REPLACE INTO hold (id, process, cause, began_at, until, full_ms, detail)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                hold,
                process,
                cause.word(),
                began.as_millisecond(),
                until.as_millisecond(),
                full_ms,
                detail
            ])?;
        }
        Entry::Released { hold, at } => write_release(db, process, *hold, *at)?,
        Entry::Bearing {
            provenance,
            expires,
            at,
        } => write_bearing(db, process, *provenance, *expires, *at)?,
        Entry::Examined(testimony) => write_testimony(db, process, testimony)?,
        Entry::Sighted(permissions) => write_sightings(db, permissions)?,
        Entry::Waited(waited) => write_waited(db, process, waited)?,
    }
    Ok(())
}

fn write_bearing(
    db: &Connection,
    process: i64,
    provenance: TokenOrigin,
    expires: Option<Timestamp>,
    at: Timestamp,
) -> Result<(), ApplyError> {
    db.prepare_cached(
        "INSERT INTO token (process, provenance, borne_at, expires_at)
         VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![
        process,
        provenance.word(),
        at.as_millisecond(),
        expires.map(Timestamp::as_millisecond)
    ])?;
    Ok(())
}

fn write_testimony(
    db: &Connection,
    process: i64,
    testimony: &VerificationResult,
) -> Result<(), ApplyError> {
    let some = match testimony.some.as_slice() {
        [] => String::new(),
        some => batch_ids::json_array(some.iter().map(|id| id.get()), some.len()),
    };
    db.prepare_cached(
        "INSERT INTO evidence (process, root, batch, claimed, found, ids, some)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        process,
        testimony.root,
        testimony.batch,
        testimony.claimed.word(),
        testimony.found.word(),
        testimony.ids.cast_signed(),
        some
    ])?;
    Ok(())
}

/// The holds of earlier processes were waited out before this one.
fn write_release(
    db: &Connection,
    process: i64,
    hold: i64,
    at: Timestamp,
) -> Result<(), ApplyError> {
    db.prepare_cached(
        "UPDATE hold SET ended_at = ?2 WHERE ended_at IS NULL AND (id = ?1 OR process < ?3)",
    )?
    .execute(params![hold, at.as_millisecond(), process])?;
    Ok(())
}

fn write_sightings(db: &Connection, permissions: &[PriorStatus]) -> Result<(), ApplyError> {
    let mut insert = db.prepare_cached(
        "INSERT OR IGNORE INTO sighting (permission_id, account_id, user_id, status)
         VALUES (?1, ?2, ?3, ?4)",
    )?;
    for one in permissions {
        insert.execute(params![one.id.get(), one.account, one.user, one.status])?;
    }
    Ok(())
}

/// What is owed stays so: should the call not be made after all, the batch
/// goes back to where it was.
fn write_sending(
    db: &Connection,
    batch: BatchId,
    from: State,
    at: Timestamp,
) -> Result<(), ApplyError> {
    allowed(batch, from, State::InFlight)?;
    let changed = db
        .prepare_cached(
            "UPDATE batch SET state = 'in_flight', attempts = attempts + 1,
                 first_sent_at = coalesce(first_sent_at, ?3), settled_at = NULL, verified = ''
             WHERE id = ?1 AND state = ?2",
        )?
        .execute(params![batch, from.word(), at.as_millisecond()])?;
    exactly_one(changed, batch, from)
}

fn write_unsent(db: &Connection, batch: BatchId, back_to: State) -> Result<(), ApplyError> {
    allowed(batch, State::InFlight, back_to)?;
    let changed = db
        .prepare_cached(
            "UPDATE batch SET state = ?2, attempts = attempts - 1,
                 first_sent_at = CASE WHEN attempts = 1 THEN NULL ELSE first_sent_at END
             WHERE id = ?1 AND state = 'in_flight'",
        )?
        .execute(params![batch, back_to.word()])?;
    exactly_one(changed, batch, State::InFlight)
}

/// A state that stays keeps the time at which it was settled: to be read back
/// is no news.
fn write_move(db: &Connection, change: &Move) -> Result<(), ApplyError> {
    allowed(change.batch, change.from, change.to)?;
    let changed = db
        .prepare_cached(
            "UPDATE batch SET state = ?3,
                 reason = CASE WHEN ?4 = ?10 AND attempts > 0 THEN '' ELSE ?4 END, message = ?5, verified = ?6, owed = ?7,
                 settled_at = CASE WHEN state = ?3 AND ?8 IS NOT NULL
                                   THEN coalesce(settled_at, ?8) ELSE ?8 END,
                 http_status = coalesce(?9, http_status)
             WHERE id = ?1 AND state = ?2",
        )?
        .execute(params![
            change.batch,
            change.from.word(),
            change.to.word(),
            change.reason,
            change.message,
            change.verified.word(),
            change.owed,
            change.to.is_settled().then(|| change.at.as_millisecond()),
            change.http_status,
            ALREADY_REVOKED,
        ])?;
    exactly_one(changed, change.batch, change.from)
}

fn write_parts(
    db: &Connection,
    whole: BatchId,
    from: State,
    parts: &[Part],
    at: Timestamp,
) -> Result<(), ApplyError> {
    allowed(whole, from, State::Divided)?;
    let changed = db
        .prepare_cached(
            "UPDATE batch SET state = 'divided', owed = 0
             WHERE id = ?1 AND state = ?2 AND ids = ?3",
        )?
        .execute(params![
            whole,
            from.word(),
            parts
                .iter()
                .map(|part| part.batch.len())
                .sum::<u64>()
                .cast_signed()
        ])?;
    exactly_one(changed, whole, from)?;
    for part in parts {
        let batch = &part.batch;
        allowed(whole, from, batch.state)?;
        db.prepare_cached(
            "INSERT INTO batch (id, path, parent, root, ids, first_line, last_line, state, reason,
                 message, http_status, attempts, first_sent_at, settled_at, verified, owed)
             SELECT ?2, ?3, ?1, root, ?4, ?5, ?6, ?7,
                 CASE WHEN ?8 = ?14 AND attempts > 0 THEN '' ELSE ?8 END, ?9,
                 http_status, attempts, first_sent_at,
                 CASE WHEN ?13 AND ?10 IS NOT NULL THEN coalesce(settled_at, ?10) ELSE ?10 END,
                 ?11, ?12
             FROM batch WHERE id = ?1",
        )?
        .execute(params![
            whole,
            batch.id,
            batch.path,
            batch.len().cast_signed(),
            batch_ids::first_line(&batch.lines),
            batch_ids::last_line(&batch.lines),
            batch.state.word(),
            part.reason,
            part.message,
            batch.state.is_settled().then(|| at.as_millisecond()),
            part.verified.word(),
            part.owed,
            batch.state == from,
            ALREADY_REVOKED,
        ])?;
        batch_ids::insert_member(db, batch.id, &batch.ids, &batch.lines)?;
    }
    // Not before the parts have taken over what they keep of it.
    db.prepare_cached("UPDATE batch SET settled_at = ?2 WHERE id = ?1")?
        .execute(params![whole, at.as_millisecond()])?;
    Ok(())
}

fn write_waited(db: &Connection, process: i64, waited: &Waited) -> Result<(), ApplyError> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a wait fits i64 milliseconds"
    )]
    let ms = |seconds: f64| (seconds * 1000.0).round() as i64;
    db.prepare_cached(
        "UPDATE process SET waited_rate = ?2, waited_retry = ?3, waited_penalty = ?4,
             waited_lockout = ?5, waited_window = ?6 WHERE id = ?1",
    )?
    .execute(params![
        process,
        ms(waited.rate),
        ms(waited.retry),
        ms(waited.penalty),
        ms(waited.lockout),
        ms(waited.window)
    ])?;
    Ok(())
}

fn allowed(batch: BatchId, from: State, to: State) -> Result<(), ApplyError> {
    if from.may_become(to) {
        Ok(())
    } else {
        Err(ApplyError::Contradiction(format!(
            "batch {batch} may not go from {from} to {to}"
        )))
    }
}

fn exactly_one(changed: usize, batch: BatchId, from: State) -> Result<(), ApplyError> {
    if changed == 1 {
        Ok(())
    } else {
        Err(ApplyError::Contradiction(format!(
            "batch {batch} is not {from} as it was thought to be"
        )))
    }
}
