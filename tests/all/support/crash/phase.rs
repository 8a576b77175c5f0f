//! Which phase of a run a kill cut off, shown by what it left: the journal's
//! rows and the files beside it, and nothing that the killer only meant.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::SystemTime,
};

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags};

use super::rig::Site;

/// A phase of a run. At one moment there may be several.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Phase {
    /// The process has left nothing yet.
    Starting,
    /// The list is being frozen: there is a folder for it, and no run.
    Freezing,
    /// The run exists, and nobody has taken it up.
    Frozen,
    /// A log-in is under way.
    LoggingIn,
    /// A renewal of the token is under way.
    Renewing,
    /// A process that took the run up anew has sent nothing yet.
    Resuming,
    /// The first batch of a process, which goes alone: read, sent, read back.
    FirstBatch,
    /// Every worker has a call under way.
    FullPool,
    /// A batch in doubt is being read.
    Settling,
    /// A part of a divided batch is not settled yet.
    Dividing,
    /// In the middle of a time penalty,
    Penalty,
    /// of a lockout,
    Lockout,
    /// of a window to avoid.
    Window,
    /// Nothing is left to send, and reads are owed.
    ReadingBack,
    /// Nothing is left to do, and the process has not said so yet.
    Ending,
    /// The files of the run are being written, at its end
    Writing,
    /// or in its middle.
    Refreshing,
    /// `verify`: reading is all it does.
    Verifying,
    /// All is written and recorded; the process was about to go.
    Leaving,
    /// Under way, and none of the others.
    Between,
}

impl Phase {
    /// Those that a campaign has to cut off, in the order in which a run
    /// comes to them.
    pub(crate) const EVERY: [Self; 16] = [
        Self::Freezing,
        Self::Frozen,
        Self::Window,
        Self::LoggingIn,
        Self::FirstBatch,
        Self::FullPool,
        Self::Settling,
        Self::Dividing,
        Self::Penalty,
        Self::Lockout,
        Self::Renewing,
        Self::Resuming,
        Self::ReadingBack,
        Self::Ending,
        Self::Writing,
        Self::Verifying,
    ];
}

/// What is there before a process starts, so that it is not taken for its
/// doing.
pub(crate) struct Before {
    scratch: BTreeSet<String>,
    run: bool,
    processes: i64,
    drafts: BTreeMap<String, SystemTime>,
}

impl Before {
    pub(crate) fn of(site: &Site) -> Self {
        let run = site.run();
        let journal = run.as_ref().and_then(|run| open(&run.journal()));
        let count =
            |db: &Connection| db.query_row("SELECT count(*) FROM process", [], |r| r.get(0));
        Self {
            scratch: scratch(site),
            run: run.is_some(),
            processes: journal.map_or(0, |db| count(&db).unwrap()),
            drafts: run.map_or_else(BTreeMap::new, |run| drafts(run.path())),
        }
    }
}

fn names(folder: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok())
}

/// Lists in the making.
fn scratch(site: &Site) -> BTreeSet<String> {
    let all = names(site.runs.path());
    all.filter(|name| name.starts_with(".freezing-")).collect()
}

/// Files that were to replace others, and when they were last written to.
fn drafts(run: &Path) -> BTreeMap<String, SystemTime> {
    let drafts =
        names(run).filter(|name| name.starts_with('.') && name.strip_suffix(".new").is_some());
    drafts
        .filter_map(|name| {
            let written = fs::metadata(run.join(&name)).ok()?.modified().ok()?;
            Some((name, written))
        })
        .collect()
}

fn open(journal: &Path) -> Option<Connection> {
    let db = Connection::open_with_flags(journal, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    // One view of it all.
    db.execute_batch("BEGIN").ok()?;
    Some(db)
}

/// The phases that a process is in, or was in when it was killed. `before` is
/// what was there when it started. None if the journal cannot be looked at
/// just now, beside the one who writes it.
pub(crate) fn phases(site: &Site, before: &Before) -> Option<BTreeSet<Phase>> {
    let Some(run) = site.run() else {
        let freezing = scratch(site).difference(&before.scratch).count() > 0;
        let phase = if freezing {
            Phase::Freezing
        } else {
            Phase::Starting
        };
        return Some(BTreeSet::from([phase]));
    };
    let new: Vec<_> = drafts(run.path())
        .into_iter()
        .filter(|(name, written)| before.drafts.get(name) != Some(written))
        .map(|(name, _)| name)
        .collect();
    // The end is recorded after its files; these are refreshed before it, too.
    let refreshed = [".results.csv.new", ".summary.json.new"];
    let writing = new.iter().any(|name| !refreshed.contains(&&**name));
    let drafting = !new.is_empty();
    let found = of_journal(&open(&run.journal())?, site.workers(), before, drafting);
    let mut found = found.ok()?;
    if found.is_empty() {
        found.insert(Phase::Leaving);
    } else if writing {
        found.insert(Phase::Writing);
    }
    Some(found)
}

/// What the journal shows; nothing where its process has ended.
fn of_journal(
    db: &Connection,
    workers: usize,
    before: &Before,
    drafting: bool,
) -> rusqlite::Result<BTreeSet<Phase>> {
    let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0));
    let is = |sql: &str| count(&format!("SELECT EXISTS ({sql})")).map(|found| found == 1);
    if count("SELECT count(*) FROM process")? == before.processes {
        let phase = match (drafting, before.run) {
            // A finished run: its files are written again, and that is all.
            (true, _) => Phase::Writing,
            (_, false) => Phase::Frozen,
            _ => Phase::Starting,
        };
        return Ok(BTreeSet::from([phase]));
    }
    let last = "process = (SELECT max(id) FROM process)";
    let newest = "id = (SELECT max(id) FROM process)";
    let mut found = BTreeSet::new();
    if is(&format!(
        "SELECT 1 FROM process WHERE {newest} AND ended_at IS NOT NULL"
    ))? {
        return Ok(found);
    }
    let mut note = |phase, so| {
        if so {
            found.insert(phase);
        }
    };
    let under_way = format!("FROM call WHERE {last} AND answered_at IS NULL");
    for (phase, kind) in [(Phase::LoggingIn, "login"), (Phase::Renewing, "renew")] {
        note(
            phase,
            is(&format!("SELECT 1 {under_way} AND kind = '{kind}'"))?,
        );
    }
    let now = Timestamp::now().as_millisecond();
    for (phase, cause, whose) in [
        // What was imposed on an earlier process holds the next one, too.
        (Phase::Penalty, "penalty", "true"),
        (Phase::Lockout, "lockout", "true"),
        (Phase::Window, "window", last),
    ] {
        let on = format!("cause = '{cause}' AND ended_at IS NULL AND until > {now} AND {whose}");
        note(phase, is(&format!("SELECT 1 FROM hold WHERE {on}"))?);
    }
    note(Phase::Refreshing, drafting);
    if is(&format!(
        "SELECT 1 FROM process WHERE {newest} AND command = 'verify'"
    ))? {
        note(Phase::Verifying, true);
        return Ok(found);
    }
    let sent = count(&format!(
        "SELECT count(DISTINCT root) FROM call JOIN batch ON batch.id = call.batch
         WHERE kind = 'revoke' AND {last}"
    ))?;
    let calls = is(&format!(
        "SELECT 1 FROM call WHERE {last} AND kind <> 'login'"
    ))?;
    let first = count("SELECT count(*) FROM process")? == 1;
    let left =
        is("SELECT 1 FROM batch WHERE state IN ('pending', 'in_flight', 'exhausted', 'unknown')")?;
    let owed = is("SELECT 1 FROM batch WHERE owed = 1 AND state <> 'divided'")?;
    note(Phase::Resuming, !first && left && sent == 0);
    note(
        Phase::FirstBatch,
        left && (sent == 1 || sent == 0 && first && calls),
    );
    note(
        Phase::FullPool,
        sent > 1
            && usize::try_from(count(&format!("SELECT count(*) {under_way}"))?).unwrap() >= workers,
    );
    // A read of no more than what is in doubt, while there is doubt.
    let doubtful = "SELECT max(ids) FROM batch WHERE state = 'unknown' OR state = 'in_flight'
             AND (SELECT max(process) FROM call WHERE batch = batch.id AND kind = 'revoke')
                 < (SELECT max(id) FROM process)";
    note(
        Phase::Settling,
        is(&format!(
            "SELECT 1 {under_way} AND kind = 'read' AND ids <= ({doubtful})"
        ))?,
    );
    note(
        Phase::Dividing,
        is("SELECT 1 FROM batch WHERE parent IS NOT NULL AND state IN ('pending', 'in_flight')")?,
    );
    note(Phase::ReadingBack, !left && owed);
    note(Phase::Ending, !left && !owed);
    if found.is_empty() {
        found.insert(Phase::Between);
    }
    Ok(found)
}
