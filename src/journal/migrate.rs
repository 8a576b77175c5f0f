//! Bringing a journal of an older format to the one that is written now.
//!
//! A partial run survives an upgrade of the program: its journal is migrated
//! when it is opened for writing, in one transaction, and read as it is
//! otherwise.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use super::log_state::{STATE_TABLE, beside};

/// The oldest format that is still read.
pub(super) const OLDEST_FORMAT: i32 = 5;

/// Format 5 kept rows, facts and settings twice, the boot of the host, and the
/// number of its transactions in a file beside it.
const FROM_5: &str = "
    ALTER TABLE batch DROP COLUMN twin;
    ALTER TABLE hold DROP COLUMN twin;
    ALTER TABLE process DROP COLUMN settings_sha256;
    ALTER TABLE process DROP COLUMN boot_id;
    ALTER TABLE process DROP COLUMN booted_at;
    DELETE FROM fact WHERE name = 'seal';
    DROP TABLE written;
    PRAGMA user_version = 6;";

/// Migrates the journal at `path` if it is of format 5.
pub(super) fn migrate(database: &Connection, path: &Path) -> rusqlite::Result<()> {
    let format: i32 = database.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if format != OLDEST_FORMAT {
        return Ok(());
    }
    let written =
        database.execute_batch(&format!("BEGIN IMMEDIATE; {FROM_5} {STATE_TABLE} COMMIT;"));
    if written.is_err() && !database.is_autocommit() {
        let _ = database.execute_batch("ROLLBACK");
    }
    written?;
    // What it says of the journal is in the journal now.
    let _ = fs::remove_file(beside(path, "-mark"));
    Ok(())
}
