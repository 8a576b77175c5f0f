//! The figures of a run, as `summary.json` shows them.

use jiff::Timestamp;
use serde::Serialize;

use super::ReportError;
use super::outcome::{Outcome, ending, is_finished, open_ids};
use super::process_outcome::{how_it_ended, is_concluded, last_carried, resumes, verify_of};
use super::serialize::{optional_time, states, time};
use super::verification::Verification;
use super::waits::WaitTotals;
use crate::journal::{
    CallCounts, JournalReader, ProcessRow, RunFolder, RunMeta, State, Tally, VERIFICATION_MISMATCH,
};
use crate::report::approvals::{BreachFigures, release};
use crate::report::format::visible;
use crate::report::totals;
use crate::report::totals::{Account, OutcomeFigures, RejectFigures};

/// Raised where a field of `summary.json` goes, or comes to mean something
/// else; one that is added raises nothing.
const SCHEMA_VERSION: u32 = 1;

/// The figures of a run. Everything counted was counted batch by batch and
/// row by row, and was found to add up. Text from outside is on one line and
/// free of control characters; it is still not to be trusted as markup.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Summary {
    /// The version of the form in which this is shown: `summary.schema.json`.
    pub schema_version: u32,
    /// The run's ID.
    pub run: String,
    /// The program's version, as of the last process that carried it out.
    pub version: String,
    /// The environment's name.
    pub environment: String,
    /// The base URL that calls go to.
    pub base_url: String,
    /// Where the list came from.
    pub input: InputFigures,
    /// The operator's note.
    pub note: String,
    /// Who started that process.
    pub operator: String,
    /// Where it ran.
    pub host: String,
    /// How it ended, in a word: `running` while some process goes on,
    /// `interrupted` if it ended without saying how. Once a verification has
    /// come over a finished run, how that leaves it.
    pub outcome: String,
    /// The last process's exit code, if it has one.
    pub exit_code: Option<u8>,
    /// A sentence on why the last process ended so; may be empty.
    pub explanation: String,
    /// What guards found, in the order in which they did.
    pub breaches: Vec<BreachFigures>,
    /// What `--approve` has to name, if guards hold the run.
    pub approve: Option<String>,
    /// Whether nothing is open and no read is owed.
    pub finished: bool,
    /// Whether a resume has nothing to do but to show it: it is finished, and
    /// its last process has recorded that its files are in place.
    #[serde(skip)]
    pub concluded: bool,
    /// When the first process started.
    #[serde(serialize_with = "time")]
    pub started_at: Timestamp,
    /// When the last process ended, if it said so.
    #[serde(serialize_with = "optional_time")]
    pub finished_at: Option<Timestamp>,
    /// Where the last process was deferred: from when on a resume makes sense.
    #[serde(serialize_with = "optional_time")]
    pub resume_at: Option<Timestamp>,
    /// The rows of the input: `total = distinct + duplicate + invalid`.
    pub rows: RowFigures,
    /// The IDs in each state; they add up to `rows.distinct`.
    #[serde(serialize_with = "states")]
    pub ids: Tally,
    /// IDs that are still to be read before the run is finished.
    pub owed: u64,
    /// Revoked IDs that a read showed as revoked.
    pub read_back: u64,
    /// Revoked IDs that no read has shown: a clean `ok:true` is all there is.
    pub unread: u64,
    /// IDs that a read found in a state that they should not be in.
    pub mismatches: u64,
    /// Those of them that count as revoked, and that a verification found
    /// otherwise. They are not to be revoked again unseen: somebody may have
    /// granted them anew.
    pub lost: u64,
    /// What the last verification found, if there was one.
    pub verification: Option<Verification>,
    /// What the last process read back (`--verify`), as its settings say.
    pub verify: Option<String>,
    /// The batches that the list was cut into.
    pub batches: u64,
    /// Batches and parts that were revoked after more than one attempt.
    pub recovered: u64,
    /// Batches of the list whose IDs ended in different states.
    pub divided: u64,
    /// Calls made.
    pub requests: Requests,
    /// How often the run was resumed.
    pub resumes: u64,
    /// Time waited by all processes together, in seconds.
    pub waited: WaitTotals,
    /// The IDs by state and reason, in the order of the accounting.
    pub outcomes: Vec<OutcomeFigures>,
    /// The rows that gave no ID to send, by reason.
    pub rejected: Vec<RejectFigures>,
}

/// Where a list came from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct InputFigures {
    /// The file, or `-` for standard input.
    pub path: String,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
    /// The column the IDs were taken from.
    pub column: String,
}

/// The rows of an input.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct RowFigures {
    /// All rows.
    pub total: u64,
    /// Rows that gave an ID for the first time.
    pub distinct: u64,
    /// Rows that repeat an earlier ID.
    pub duplicate: u64,
    /// Rows that hold no ID.
    pub invalid: u64,
}

/// Calls made; one that may not have been sent counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Requests {
    /// Revocations.
    pub revoke: u64,
    /// Reads.
    pub read: u64,
    /// Log-ins and renewals.
    pub auth: u64,
}

impl Summary {
    /// Counts the figures of the run in `folder`. `live` says that some
    /// process holds the lock and goes on with this run.
    ///
    /// # Errors
    /// If the journal cannot be read, or its figures do not add up.
    pub fn of(folder: &RunFolder, live: bool) -> Result<Self, ReportError> {
        let archive = JournalReader::open(&folder.journal())?;
        let mut account = Account::default();
        totals::each_whole(&archive, |parts| {
            account.whole(parts);
            Ok::<_, ReportError>(())
        })?;
        archive.each_reject(|row| {
            account.reject(&row);
            Ok::<_, ReportError>(())
        })?;
        Self::close(&account, &archive, folder, live)
    }

    /// Makes the figures of a finished count, if they add up.
    pub(super) fn close(
        account: &Account,
        archive: &JournalReader,
        folder: &RunFolder,
        live: bool,
    ) -> Result<Self, ReportError> {
        archive.check_list()?;
        let facts = archive.facts()?;
        let rows = RowFigures::of(&facts);
        account
            .check(
                &facts,
                &archive.tally()?,
                archive.owed()?,
                archive.mismatches()?,
            )
            .map_err(|what| ReportError::DoesNotAddUp {
                run: folder.run().to_string(),
                what,
            })?;
        let processes = archive.processes()?;
        let calls = archive.calls()?;
        let breaches = archive.breaches()?;
        let approve = release(&facts, &breaches);
        let verification = Verification::last(archive, &processes, rows.distinct, live)?;
        let last = last_carried(&processes);
        let text = |of: fn(&ProcessRow) -> &str| {
            last.map_or_else(String::new, |process| visible(of(process)).into_owned())
        };
        let finished = is_finished(&account.tally, account.owed);
        let settled = finished.then(|| {
            ending(
                &account.tally,
                account.owed,
                account.mismatches,
                rows,
                false,
            )
        });
        let (outcome, exit_code) = how_it_ended(&processes, live, settled);
        let concluded = is_concluded(&processes, &outcome, settled);
        let is_its_word = last.is_some_and(|last| last.outcome.as_ref() == Some(&outcome));
        Ok(Self {
            schema_version: SCHEMA_VERSION,
            run: folder.run().to_string(),
            version: text(|process| &process.version),
            environment: visible(&facts.environment).into_owned(),
            base_url: visible(&facts.base_url).into_owned(),
            input: InputFigures::of(&facts),
            note: visible(&facts.note).into_owned(),
            operator: text(|process| &process.operator),
            host: text(|process| &process.host),
            outcome,
            exit_code,
            explanation: if is_its_word {
                text(|process| &process.explanation)
            } else {
                String::new()
            },
            breaches: breaches.0.iter().map(BreachFigures::of).collect(),
            approve,
            finished,
            concluded,
            started_at: processes
                .first()
                .map_or(facts.created, |first| first.started),
            finished_at: last.and_then(|process| process.ended),
            resume_at: last.and_then(|process| process.resume_at),
            rows,
            ids: account.tally,
            owed: account.owed,
            read_back: account.read_back,
            unread: account.unread,
            mismatches: account.mismatches,
            lost: account.lost,
            verification,
            verify: last.and_then(verify_of),
            batches: facts.batches,
            recovered: account.recovered,
            divided: account.divided,
            requests: calls.into(),
            resumes: resumes(&processes),
            waited: WaitTotals::of(&processes),
            outcomes: account.outcomes(),
            rejected: account.rejected(),
        })
    }

    /// How a process ends that nothing stopped and that leaves the run so.
    #[must_use]
    pub const fn ending(&self, allow_empty: bool) -> Outcome {
        ending(
            &self.ids,
            self.owed,
            self.mismatches,
            self.rows,
            allow_empty,
        )
    }

    /// The IDs that are not revoked.
    #[must_use]
    pub fn not_revoked(&self) -> u64 {
        State::SHOWN
            .into_iter()
            .filter(|state| *state != State::Revoked)
            .map(|state| self.ids.of(state))
            .sum()
    }

    /// The IDs that a resume would send or settle.
    #[must_use]
    pub const fn open(&self) -> u64 {
        open_ids(&self.ids)
    }

    /// The IDs that were accepted, and that a read shows as active.
    #[must_use]
    pub fn accepted_in_vain(&self) -> u64 {
        let in_vain = self.outcomes.iter().filter(|figures| {
            figures.state == State::Unknown && figures.reason == VERIFICATION_MISMATCH
        });
        in_vain.map(|figures| figures.ids).sum()
    }

    /// The IDs that a resume may send: those that were accepted in vain only
    /// if it is to `resend` them.
    #[must_use]
    pub fn to_send(&self, resend: bool) -> u64 {
        let kept = if resend { 0 } else { self.accepted_in_vain() };
        self.open().saturating_sub(kept)
    }
}

impl InputFigures {
    pub(super) fn of(facts: &RunMeta) -> Self {
        Self {
            path: visible(&facts.input_path).into_owned(),
            sha256: facts.input_sha256.clone(),
            column: visible(&facts.column).into_owned(),
        }
    }
}

impl Requests {
    /// All calls.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.revoke + self.read + self.auth
    }
}

impl From<CallCounts> for Requests {
    fn from(calls: CallCounts) -> Self {
        Self {
            revoke: calls.revoke,
            read: calls.read,
            auth: calls.auth,
        }
    }
}

impl RowFigures {
    pub(super) fn of(facts: &RunMeta) -> Self {
        Self {
            total: facts.rows_total,
            distinct: facts.rows_distinct,
            duplicate: facts.rows_duplicate,
            invalid: facts.rows_invalid,
        }
    }
}
