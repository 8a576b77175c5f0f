//! What was recorded, told as log events: every call and every change of
//! state for `run.log`, and what a person should know for standard error.
//!
//! The server's words are always a quoted field (`said`), never part of a
//! line's own text: whatever control characters they hold come out escaped.

use std::collections::HashMap;
use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};
use rescind::journal::{
    BatchId, CallId, CallKind, Entry, HoldCause, Move, Remaining, State, TokenOrigin,
    VerificationResult, Verified,
};
use rescind::report::VerificationMark;
use tracing::{debug, info, warn};

use crate::cli::logging::{LOCAL, ONLY_LOGGED};
use crate::cli::progress::bar::hours;

/// So many lines about batches that ended alike are shown; `run.log` has all.
const SHOWN: u64 = 20;

/// A time penalty shorter than this is not worth a word about the token.
const LONG: Duration = Duration::from_mins(10);

/// Said where a hold begins that a token handed in by value may not outlast.
const MORTAL: &str = "; the token was handed in and may have expired by then: \
                      if so, the run ends with 8, and a resume with a new one carries on";

/// A call that is under way.
#[derive(Debug)]
struct Begun {
    kind: CallKind,
    batch: Option<BatchId>,
    ids: u64,
}

/// What a hold means for the progress line.
#[derive(PartialEq, Eq, Debug)]
pub(in crate::cli::progress) enum Turn {
    /// Nobody calls, for this reason (also in words), until then.
    Held(HoldCause, String, Timestamp),
    /// Calls go again.
    Released,
}

/// What is remembered to tell the entries as events.
#[derive(Debug)]
pub(in crate::cli::progress) struct Narrator {
    /// The zone of times for people.
    zone: TimeZone,
    /// How many batches the list was cut into.
    batches: u64,
    /// The paths of parts.
    parts: HashMap<BatchId, String>,
    calls: HashMap<CallId, Begun>,
    /// The newest hold that was told of: its number, where it is one of this
    /// process, its cause in words, and when it began.
    hold: Option<(Option<i64>, String, Timestamp)>,
    /// Whether nobody but a person can bring a token after this one.
    mortal: bool,
    /// Whether a token was told of, and when the last one expires, if that is
    /// known.
    borne: bool,
    expires: Option<Timestamp>,
    /// Lines about batches, by what they say and the reason.
    told: HashMap<(&'static str, String), u64>,
}

impl Narrator {
    pub(in crate::cli::progress) fn new(
        batches: u64,
        parts: HashMap<BatchId, String>,
        mortal: bool,
        zone: TimeZone,
    ) -> Self {
        Self {
            zone,
            batches,
            parts,
            mortal,
            borne: false,
            expires: None,
            calls: HashMap::new(),
            hold: None,
            told: HashMap::new(),
        }
    }

    /// Tells of a hold that an earlier process left.
    pub(in crate::cli::progress) fn inherit(
        &mut self,
        hold: &Remaining,
        now: Timestamp,
        until: Timestamp,
    ) -> Turn {
        let words = hold.cause.in_words(&hold.detail);
        let (shown, left) = (self.local(until), hours(hold.left));
        let end = self.end_at(hold.cause, hold.left, until);
        warn!(until = %shown, "{words} from before: no call for {left}{end}");
        self.hold = Some((None, words.clone(), now));
        Turn::Held(hold.cause, words, until)
    }

    fn local(&self, moment: Timestamp) -> String {
        let zoned = moment.to_zoned_datetime(self.zone.clone());
        zoned.strftime(LOCAL).to_string()
    }

    fn path(&self, batch: BatchId) -> String {
        match self.parts.get(&batch) {
            Some(path) => path.clone(),
            None if batch.cast_unsigned() <= self.batches => batch.to_string(),
            // A part made by an earlier process.
            None => format!("#{batch}"),
        }
    }

    /// Tells one entry. What it means for everybody comes back.
    pub(in crate::cli::progress) fn tell(&mut self, entry: &Entry) -> Option<Turn> {
        match entry {
            Entry::Begun {
                call,
                kind,
                batch,
                ids,
                ..
            } => {
                let begun = Begun {
                    kind: *kind,
                    batch: *batch,
                    ids: *ids,
                };
                self.calls.insert(*call, begun);
            }
            Entry::Withdrawn { call } => {
                self.calls.remove(call);
                debug!(call, "withdrawn");
            }
            Entry::Answered {
                call,
                elapsed_us,
                status,
                verdict,
                message,
                ..
            } => {
                let begun = self.calls.remove(call);
                debug!(
                    call,
                    kind = begun.as_ref().map(|begun| tracing::field::display(begun.kind.word())),
                    batch = begun
                        .as_ref()
                        .and_then(|begun| begun.batch)
                        .map(|batch| tracing::field::display(self.path(batch))),
                    ids = begun.as_ref().map(|begun| begun.ids),
                    status,
                    %verdict,
                    ms = elapsed_us / 1_000,
                    said = said(message),
                    "answered"
                );
            }
            Entry::Moved(change) => self.moved(change),
            Entry::Divided {
                batch, from, parts, ..
            } => {
                let path = self.path(*batch);
                debug!(batch = %path, %from, parts = parts.len(), "divided");
                self.parts.remove(batch);
                for part in parts {
                    let (id, state) = (part.batch.id, part.batch.state);
                    self.parts.insert(id, part.batch.path.clone());
                    self.moved(&Move {
                        batch: id,
                        ids: part.batch.len(),
                        from: State::Divided,
                        to: state,
                        reason: part.reason.clone(),
                        message: part.message.clone(),
                        http_status: None,
                        verified: part.verified,
                        owed: part.owed,
                        at: Timestamp::UNIX_EPOCH,
                    });
                }
            }
            Entry::Held {
                hold,
                cause,
                detail,
                began,
                until,
                ..
            } => {
                return Some(self.held(*hold, *cause, detail, *began, *until));
            }
            Entry::Released { at, .. } => return Some(self.released(*at)),
            Entry::Bearing {
                provenance,
                expires,
                ..
            } => {
                self.expires = *expires;
                let again = std::mem::replace(&mut self.borne, true);
                bearing(*provenance, expires.map(|at| self.local(at)), again);
            }
            Entry::Examined(testimony) => self.examined(testimony),
            Entry::Sending { .. } | Entry::Unsent { .. } | Entry::Sighted(_) | Entry::Waited(_) => {
            }
        }
        None
    }

    /// Tells what a verification found; what is not as claimed is shown.
    fn examined(&mut self, testimony: &VerificationResult) {
        let path = self.path(testimony.batch);
        let (claimed, found, ids) = (testimony.claimed, testimony.found, testimony.ids);
        let mark = VerificationMark::of(claimed, found);
        let what = match mark {
            VerificationMark::AsClaimed => {
                debug!(batch = %path, ids, claimed = %claimed, found = %found.word(), "as claimed");
                return;
            }
            VerificationMark::Active => "not as claimed",
            VerificationMark::Absent => "absent",
            VerificationMark::Unreadable => "unreadable",
        };
        // What was never sent claims nothing; the summary counts it.
        let expected = claimed == State::Pending && mark == VerificationMark::Absent;
        if !expected && self.may_show(what, claimed.word()) {
            warn!(batch = %path, ids, claimed = %claimed, found = %found.word(), "{what}");
        } else {
            warn!(target: ONLY_LOGGED, batch = %path, ids, claimed = %claimed, found = %found.word(), "{what}");
        }
    }

    fn held(
        &mut self,
        hold: i64,
        cause: HoldCause,
        detail: &str,
        began: Timestamp,
        until: Timestamp,
    ) -> Turn {
        let words = cause.in_words(detail);
        let length = until.duration_since(began).try_into().unwrap_or_default();
        let wait = hours(length);
        let shown = self.local(until);
        match &self.hold {
            // What was said stays true, unless something weightier came.
            Some((Some(known), said, _)) if *known == hold && *said == words => {
                debug!(hold, until = %shown, "the wait is longer now: {wait} in all");
            }
            _ => {
                let end = self.end_at(cause, length, until);
                warn!(hold, until = %shown, "{words}: no call for {wait}{end}");
                self.hold = Some((Some(hold), words.clone(), began));
            }
        }
        Turn::Held(cause, words, until)
    }

    fn released(&mut self, at: Timestamp) -> Turn {
        if let Some((hold, words, began)) = self.hold.take() {
            let lasted = at.duration_since(began).try_into().unwrap_or_default();
            info!(hold, "{words}: over after {}, calls go on", hours(lasted));
        }
        Turn::Released
    }

    /// How a hold will end, where the token may not outlast it.
    fn end_at(&self, cause: HoldCause, length: Duration, until: Timestamp) -> &'static str {
        let long = cause > HoldCause::Penalty || length >= LONG;
        let outlasts = self.expires.is_some_and(|expires| expires > until);
        if long && self.mortal && !outlasts {
            MORTAL
        } else {
            ""
        }
    }

    /// Tells of a change of a batch's state. Trouble is shown: what is
    /// settled that way as a warning, what will be looked into as news.
    fn moved(&mut self, change: &Move) {
        let path = self.path(change.batch);
        let news = change.from != change.to;
        let doubtful = change.to == State::Unknown && change.verified == Verified::No;
        // A refusal is looked into at once, step by step: what comes of it is
        // told, not every step. The halves of a batch have no reason yet.
        let step = doubtful
            && matches!(
                change.reason.as_ref(),
                "" | "refused" | "violation" | "http_409" | "http_422"
            );
        let trouble = !step
            && matches!(
                change.to,
                State::Refused | State::Missing | State::Exhausted | State::Unknown
            );
        let what = if doubtful {
            "in doubt"
        } else {
            change.to.word()
        };
        let shown = news && trouble && self.may_show(what, &change.reason);
        macro_rules! tell {
            ($target:expr, $level:ident, $words:literal, $($args:tt)*) => {
                tracing::event!(
                    target: $target,
                    tracing::Level::$level,
                    batch = %path,
                    ids = change.ids,
                    reason = (!change.reason.is_empty())
                        .then(|| tracing::field::display(&change.reason)),
                    status = change.http_status,
                    verified = word(change.verified),
                    said = said(&change.message),
                    $words,
                    $($args)*
                )
            };
        }
        match (news && trouble, doubtful, shown) {
            (true, true, true) => tell!(module_path!(), INFO, "{}", what),
            (true, true, false) => tell!(ONLY_LOGGED, INFO, "{}", what),
            (true, false, true) => tell!(module_path!(), WARN, "{}", what),
            (true, false, false) => tell!(ONLY_LOGGED, WARN, "{}", what),
            (false, ..) => tell!(module_path!(), DEBUG, "{}", change.to),
        }
    }

    /// Counts a line about a batch, and tells whether it is to be shown.
    fn may_show(&mut self, what: &'static str, reason: &str) -> bool {
        let told = self.told.entry((what, reason.to_owned())).or_default();
        *told += 1;
        if *told == SHOWN + 1 {
            info!(%reason, "{what}: further lines like these are only in run.log");
        }
        *told <= SHOWN
    }

    /// Tells how many lines were not shown.
    pub(in crate::cli::progress) fn finish(&self) {
        for ((what, reason), told) in &self.told {
            if let Some(more @ 1..) = told.checked_sub(SHOWN) {
                info!(%reason, "{what}: {more} more lines like these are in run.log");
            }
        }
    }
}

/// The words of a server, or of what failed; quoted wherever they appear.
fn said(message: &str) -> Option<&str> {
    (!message.is_empty()).then_some(message)
}

fn word(verified: Verified) -> Option<&'static str> {
    (verified != Verified::No).then(|| verified.word())
}

/// Tells of a token that was got anew. What a process begins with is no news.
fn bearing(provenance: TokenOrigin, expires: Option<String>, again: bool) {
    let until = expires.map(tracing::field::display);
    match provenance {
        TokenOrigin::LogIn => info!(until, "logged in"),
        TokenOrigin::Renewal => info!(until, "the token was renewed"),
        TokenOrigin::File if again => info!("the token file was read again"),
        TokenOrigin::Command if again => info!("the token command was run again"),
        _ => debug!(until, source = provenance.word(), "token"),
    }
}
