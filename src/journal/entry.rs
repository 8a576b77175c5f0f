//! What can be written into a journal, one fact at a time.

use std::borrow::Cow;

use jiff::Timestamp;

use super::{Evidence, State, Verified};
use crate::list::PermissionId;

/// A batch's number within its journal. The list's own batches are 1 to n.
pub type BatchId = i64;

/// A call's number within its journal.
pub type CallId = i64;

/// A batch with the IDs it is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch {
    /// Its number.
    pub id: BatchId,
    /// Its name in the results: `7`, or `7.2.1` for a part.
    pub path: String,
    /// The list's own batch it comes from.
    pub root: BatchId,
    /// Its state when it was read or made.
    pub state: State,
    /// The IDs, in the order of the list.
    pub ids: Vec<PermissionId>,
    /// For each ID the line of the input where its row starts.
    pub lines: Vec<u64>,
}

impl Batch {
    /// How many IDs it holds.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.ids.len() as u64
    }

    /// Never true: a batch holds at least one ID.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

/// A settled batch whose IDs are still to be read, and what was said of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owed {
    /// The batch.
    pub batch: Batch,
    /// As in [`Move::reason`].
    pub reason: Cow<'static, str>,
    /// As in [`Move::message`].
    pub message: String,
}

/// A batch as it is claimed to be, before a verification reads it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordedState {
    /// The batch.
    pub batch: Batch,
    /// As in [`Move::reason`].
    pub reason: Cow<'static, str>,
    /// As in [`Move::message`].
    pub message: String,
    /// As in [`Move::verified`].
    pub verified: Verified,
    /// As in [`Move::owed`].
    pub owed: bool,
}

/// The kinds of call, as they are counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallKind {
    /// A revocation.
    Revoke,
    /// A read of one or several permissions.
    Read,
    /// A log-in.
    LogIn,
    /// A renewal of the token.
    Renew,
}

impl CallKind {
    /// The word for it in the journal.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Revoke => "revoke",
            Self::Read => "read",
            Self::LogIn => "login",
            Self::Renew => "renew",
        }
    }
}

/// Where a token comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TokenOrigin {
    /// It was handed in by value.
    Given,
    /// A file that was named.
    File,
    /// A command that was named.
    Command,
    /// An earlier process that logged in and kept it.
    Kept,
    /// A log-in.
    LogIn,
    /// A renewal of the token before.
    Renewal,
}

impl TokenOrigin {
    /// The word for it in the journal.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::File => "file",
            Self::Command => "command",
            Self::Kept => "kept",
            Self::LogIn => "login",
            Self::Renewal => "renewal",
        }
    }

    /// What the journal calls so.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        let all = [
            Self::Given,
            Self::File,
            Self::Command,
            Self::Kept,
            Self::LogIn,
            Self::Renewal,
        ];
        all.into_iter().find(|one| one.word() == word)
    }
}

/// What stops every call; a later one outweighs an earlier one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum HoldCause {
    /// A window to keep clear of.
    Window,
    /// A time penalty (a p-ticket).
    Penalty,
    /// A 429, a 423 or a captcha.
    Lockout,
}

impl HoldCause {
    /// The word for it in the journal.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Window => "window",
            Self::Penalty => "penalty",
            Self::Lockout => "lockout",
        }
    }

    /// The cause of this word in the journal.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Window, Self::Penalty, Self::Lockout]
            .into_iter()
            .find(|cause| cause.word() == word)
    }

    /// The cause for people, with what more is known of it.
    #[must_use]
    pub fn in_words(self, detail: &str) -> String {
        let cause = match self {
            Self::Window => "window to avoid",
            Self::Penalty => "time penalty",
            Self::Lockout => "lockout",
        };
        if detail.is_empty() {
            cause.to_owned()
        } else {
            format!("{cause} ({detail})")
        }
    }
}

/// The reason of what was shown as revoked before it was sent: no revocation
/// was spent on it. The journal knows whether any process ever sent it, and
/// then records no such reason: it may have been that one's doing.
pub const ALREADY_REVOKED: &str = "already_revoked";

/// The reason of what was accepted and is shown as active when it is read: it
/// may have been granted anew, so nothing sends it again by itself.
pub const VERIFICATION_MISMATCH: &str = "verification_mismatch";

/// A change of a batch's state.
#[derive(Clone, Debug)]
pub struct Move {
    /// The batch.
    pub batch: BatchId,
    /// How many IDs it holds.
    pub ids: u64,
    /// The state it is in; anything else is an error and nothing is written.
    pub from: State,
    /// The state it goes over to.
    pub to: State,
    /// Why, in a word (`reason` in the results); empty where it says nothing.
    pub reason: Cow<'static, str>,
    /// The server's own words, or what else helps a person.
    pub message: String,
    /// The HTTP status of the answer that led here, where one did.
    pub http_status: Option<u16>,
    /// What a read showed.
    pub verified: Verified,
    /// Whether these IDs have to be read before the run is finished.
    pub owed: bool,
    /// When.
    pub at: Timestamp,
}

/// A part of a batch whose IDs part ways.
#[derive(Clone, Debug)]
pub struct Part {
    /// The part itself, in the state it starts in.
    pub batch: Batch,
    /// As in [`Move::reason`].
    pub reason: Cow<'static, str>,
    /// As in [`Move::message`].
    pub message: String,
    /// As in [`Move::verified`].
    pub verified: Verified,
    /// As in [`Move::owed`].
    pub owed: bool,
}

/// What a verification found of some IDs, against what was claimed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerificationResult {
    /// The batch, as it was before anything came of it.
    pub batch: BatchId,
    /// The list's own batch that it is, or is a part of.
    pub root: BatchId,
    /// The state that its IDs were claimed to be in.
    pub claimed: State,
    /// What was found.
    pub found: Evidence,
    /// How many IDs.
    pub ids: u64,
    /// Which ones; none: all of the batch.
    pub some: Vec<PermissionId>,
}

/// How a permission was shown before it was first sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PriorStatus {
    /// The permission.
    pub id: PermissionId,
    /// The account it is for, where the API said so.
    pub account: Option<i64>,
    /// The user who holds it, where the API said so.
    pub user: Option<i64>,
    /// The API's word for its status.
    pub status: Cow<'static, str>,
}

/// The seconds a process has waited, by cause, so far.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Waited {
    /// Until the pace allowed the next call.
    pub rate: f64,
    /// For a backoff to pass.
    pub retry: f64,
    /// For time penalties.
    pub penalty: f64,
    /// For lockouts.
    pub lockout: f64,
    /// For windows to avoid.
    pub window: f64,
}

/// One fact. A group of them is written in one transaction, in order.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A call is about to be made.
    Begun {
        /// Its number, new.
        call: CallId,
        /// Its kind.
        kind: CallKind,
        /// The batch it carries, where it carries one.
        batch: Option<BatchId>,
        /// How many IDs it carries.
        ids: u64,
        /// When it was decided upon.
        at: Timestamp,
    },
    /// A call begun before was not sent after all; it never was.
    Withdrawn {
        /// Its number.
        call: CallId,
    },
    /// A call was answered, or is known to get no answer.
    Answered {
        /// Its number.
        call: CallId,
        /// When.
        at: Timestamp,
        /// From sending to the end of the answer, in microseconds.
        elapsed_us: u64,
        /// The HTTP status, where there was one.
        status: Option<u16>,
        /// How it was judged, in a word.
        verdict: &'static str,
        /// The server's own words, or what failed.
        message: String,
    },
    /// A batch is about to be sent: it goes over to `in_flight`, with one
    /// attempt more.
    Sending {
        /// The batch.
        batch: BatchId,
        /// How many IDs it holds.
        ids: u64,
        /// The state it is in.
        from: State,
        /// When.
        at: Timestamp,
    },
    /// A batch about to be sent was not: it goes back to where it was, and
    /// the attempt does not count.
    Unsent {
        /// The batch.
        batch: BatchId,
        /// How many IDs it holds.
        ids: u64,
        /// The state it was in before.
        back_to: State,
    },
    /// A batch changes its state.
    Moved(Move),
    /// A batch is replaced by its parts, which inherit its attempts.
    Divided {
        /// The batch.
        batch: BatchId,
        /// The state it is in.
        from: State,
        /// All its IDs, in parts.
        parts: Vec<Part>,
        /// When.
        at: Timestamp,
    },
    /// Every call is held back until a time. The same `hold` again replaces
    /// what was said before.
    Held {
        /// Its number, new or known.
        hold: i64,
        /// Why.
        cause: HoldCause,
        /// What more is known of the cause: the status of the answer, or the
        /// window's name.
        detail: String,
        /// When it began.
        began: Timestamp,
        /// Until when.
        until: Timestamp,
        /// Its full length in milliseconds: never wait longer, whatever the
        /// clock does.
        full_ms: i64,
    },
    /// From now on calls bear another token; which, nobody may know.
    Bearing {
        /// Where it comes from.
        provenance: TokenOrigin,
        /// When it expires, if that is known.
        expires: Option<Timestamp>,
        /// When calls began to bear it.
        at: Timestamp,
    },
    /// What a verification found of IDs of one batch. Each batch and finding
    /// comes once a process.
    Examined(VerificationResult),
    /// How permissions were shown before they are sent. Of one that was seen
    /// before, the first sight stays.
    Sighted(Vec<PriorStatus>),
    /// A hold is over: a call goes.
    Released {
        /// Its number.
        hold: i64,
        /// When.
        at: Timestamp,
    },
    /// What the process has waited so far.
    Waited(Waited),
}
