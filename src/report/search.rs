//! What every run knows of single permissions.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use jiff::Timestamp;
use rustc_hash::FxHashSet;
use serde::Serialize;

use super::serialize::{optional_time, time};
use super::{InputFigures, ReportError, json};
use crate::journal::{
    BatchRow, CallRow, IdHistory, JournalError, JournalReader, PriorStatus, RejectRow, RunFolder,
    RunsDir, State,
};
use crate::list::PermissionId;
use crate::report::format::{chain, visible};

/// What the runs know of some permissions.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Search {
    /// How many runs were looked through.
    pub searched: u64,
    /// The permissions, in the order in which they were asked for.
    pub permissions: Vec<PermissionHistory>,
    /// Runs whose journals cannot be read, so that nobody knows whether they
    /// had one of the permissions.
    pub unreadable: Vec<UnreadableRun>,
}

/// What the runs know of one permission.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct PermissionHistory {
    /// Its ID.
    pub permission_id: i64,
    /// The runs whose list names it, newest first.
    pub runs: Vec<RunHit>,
}

/// What a run knows of a permission.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RunHit {
    /// The run's ID.
    pub run: String,
    /// The environment's name.
    pub environment: String,
    /// The base URL that calls go to.
    pub base_url: String,
    /// When the list was frozen.
    #[serde(rename = "frozen_at", serialize_with = "time")]
    pub frozen: Timestamp,
    /// Where the list came from.
    pub input: InputFigures,
    /// What became of it; `None` if only rejected rows name it.
    pub fate: Option<PermissionFate>,
    /// The rows that name it and gave no ID to send.
    pub rejected: Vec<RejectedRow>,
}

/// What became of a permission in a run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PermissionFate {
    /// Where its row starts in the list.
    pub line: u64,
    /// The batch or part that it is in: `7`, or `7.2.1`.
    pub batch: String,
    /// The batches that it was in before, which were divided.
    pub divided: Vec<String>,
    /// Its state.
    #[serde(serialize_with = "super::serialize::word")]
    pub state: State,
    /// Why, in a word; may be empty.
    pub reason: String,
    /// The server's own words, or what else helps.
    pub message: String,
    /// The last answer's HTTP status.
    pub http_status: Option<u16>,
    /// How many POSTs carried it.
    pub attempts: u32,
    /// When it was first sent.
    #[serde(rename = "first_sent_at", serialize_with = "optional_time")]
    pub first_sent: Option<Timestamp>,
    /// When its state was settled.
    #[serde(rename = "settled_at", serialize_with = "optional_time")]
    pub settled: Option<Timestamp>,
    /// What a read showed: `revoked`, `active`, `absent`, `unreadable`, or
    /// nothing.
    pub verified: &'static str,
    /// Whether it is still to be read.
    pub owed: bool,
    /// How it was shown before it was first sent, where that was read.
    pub before: Option<Before>,
    /// The revocations that carried it, in order.
    pub calls: Vec<CallFigures>,
}

/// How a permission was shown before it was first sent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Before {
    /// The API's word for its status.
    pub status: String,
    /// The account it is for, where the API said so.
    pub account_id: Option<i64>,
    /// The user who holds it, where the API said so.
    pub user_id: Option<i64>,
}

/// A revocation that carried a permission.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CallFigures {
    /// The call's number.
    pub call: i64,
    /// The batch or part that it carried.
    pub batch: String,
    /// How many IDs that was.
    pub ids: u64,
    /// When it was decided upon.
    #[serde(rename = "recorded_at", serialize_with = "time")]
    pub recorded: Timestamp,
    /// When it was answered; `None` if that was not recorded.
    #[serde(rename = "answered_at", serialize_with = "optional_time")]
    pub answered: Option<Timestamp>,
    /// From sending to the end of the answer, in milliseconds.
    pub elapsed_ms: Option<u64>,
    /// The HTTP status, where there was one.
    pub http_status: Option<u16>,
    /// How it was judged, in a word.
    pub verdict: String,
    /// The server's own words, or what failed.
    pub message: String,
}

/// A row that names a permission and gave no ID to send.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RejectedRow {
    /// Where it starts.
    pub line: u64,
    /// What stood there.
    pub value: String,
    /// `duplicate`, or `invalid: …`.
    pub reason: String,
}

/// A run that could not be looked through.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct UnreadableRun {
    /// The run's ID.
    pub run: String,
    /// Why.
    pub error: String,
}

impl Search {
    /// Looks through all runs for the `wanted` permissions.
    ///
    /// # Errors
    /// If the folder cannot be listed. A run that cannot be read is named.
    pub fn of(runs: &RunsDir, wanted: &[PermissionId]) -> Result<Self, ReportError> {
        let mut folders = runs.list()?;
        folders.reverse();
        let set: FxHashSet<PermissionId> = wanted.iter().copied().collect();
        let mut permissions: Vec<PermissionHistory> = Vec::new();
        for id in wanted.iter().map(|id| id.get()) {
            // Asked for twice it is still one.
            if permissions.iter().all(|one| one.permission_id != id) {
                let runs = Vec::new();
                permissions.push(PermissionHistory {
                    permission_id: id,
                    runs,
                });
            }
        }
        let mut unreadable = Vec::new();
        for (folder, found) in folders.iter().zip(look_through(&folders, &set)) {
            match found {
                Ok(mut mentions) => {
                    for permission in &mut permissions {
                        let mention = mentions.remove(&permission.permission_id);
                        permission.runs.extend(mention);
                    }
                }
                // It was removed just now.
                Err(_) if !folder.path().exists() => {}
                Err(error) => unreadable.push(UnreadableRun {
                    run: folder.run().to_string(),
                    error: chain(&error),
                }),
            }
        }
        Ok(Self {
            searched: (folders.len() - unreadable.len()) as u64,
            permissions,
            unreadable,
        })
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> String {
        json::pretty(self)
    }
}

type Found = Result<HashMap<i64, RunHit>, JournalError>;

/// Looks through each of the folders, several at once.
fn look_through(folders: &[RunFolder], wanted: &FxHashSet<PermissionId>) -> Vec<Found> {
    let next = AtomicUsize::new(0);
    let take = || {
        let mut found = Vec::new();
        while let Some((index, folder)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            folders.get(index).map(|folder| (index, folder))
        } {
            found.push((index, mentions(folder, wanted)));
        }
        found
    };
    let hands = thread::available_parallelism().map_or(1, usize::from);
    let mut found: Vec<(usize, Found)> = thread::scope(|scope| {
        let others: Vec<_> = (1..hands.min(folders.len()))
            .map(|_| scope.spawn(take))
            .collect();
        let own = take();
        let others = others.into_iter().flat_map(|hand| {
            hand.join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        own.into_iter().chain(others).collect()
    });
    found.sort_unstable_by_key(|(index, _)| *index);
    found.into_iter().map(|(_, found)| found).collect()
}

fn mentions(folder: &RunFolder, wanted: &FxHashSet<PermissionId>) -> Found {
    let archive = JournalReader::open(&folder.journal())?;
    let mut fates: HashMap<i64, PermissionFate> = HashMap::new();
    for trace in archive.look_for(wanted)? {
        let before = archive.sighting(trace.id)?;
        let fate = PermissionFate::of(&trace, before.as_ref());
        fates.extend(fate.map(|fate| (trace.id.get(), fate)));
    }
    let mut rejected: HashMap<i64, Vec<RejectedRow>> = HashMap::new();
    for (id, row) in archive.rejects_of(wanted)? {
        let row = RejectedRow::of(&row);
        rejected.entry(id.get()).or_default().push(row);
    }
    let facts = archive.facts()?;
    let mut mentions = HashMap::new();
    for id in wanted.iter().map(|id| id.get()) {
        let (fate, rejected) = (fates.remove(&id), rejected.remove(&id));
        if fate.is_none() && rejected.is_none() {
            continue;
        }
        let mention = RunHit {
            run: folder.run().to_string(),
            environment: visible(&facts.environment).into_owned(),
            base_url: visible(&facts.base_url).into_owned(),
            frozen: facts.created,
            input: InputFigures::of(&facts),
            fate,
            rejected: rejected.unwrap_or_default(),
        };
        mentions.insert(id, mention);
    }
    Ok(mentions)
}

impl PermissionFate {
    fn of(trace: &IdHistory, before: Option<&PriorStatus>) -> Option<Self> {
        let (last, divided) = trace.trail.split_last()?;
        let path = |row: &BatchRow| row.batch.path.clone();
        let calls = trace.calls.iter().map(|call| {
            let mut trail = trace.trail.iter();
            let carried = trail.find(|row| row.batch.id == call.batch);
            CallFigures::of(call, carried.map(path).unwrap_or_default())
        });
        Some(Self {
            line: trace.line,
            batch: path(last),
            divided: divided.iter().map(path).collect(),
            state: last.batch.state,
            reason: visible(&last.reason).into_owned(),
            message: visible(&last.message).into_owned(),
            http_status: last.http_status,
            attempts: last.attempts,
            first_sent: last.first_sent,
            settled: last.settled,
            verified: last.verified.word(),
            owed: last.owed,
            before: before.map(|before| Before {
                status: visible(&before.status).into_owned(),
                account_id: before.account,
                user_id: before.user,
            }),
            calls: calls.collect(),
        })
    }
}

impl CallFigures {
    fn of(call: &CallRow, batch: String) -> Self {
        Self {
            call: call.call,
            batch,
            ids: call.ids,
            recorded: call.recorded,
            answered: call.answered,
            elapsed_ms: call.elapsed_us.map(|us| us / 1_000),
            http_status: call.http_status,
            verdict: visible(&call.verdict).into_owned(),
            message: visible(&call.message).into_owned(),
        }
    }
}

impl RejectedRow {
    fn of(row: &RejectRow) -> Self {
        Self {
            line: row.line,
            value: visible(&row.value).into_owned(),
            reason: visible(&row.reason).into_owned(),
        }
    }
}
