//! What a run claims, compared with what the world knows.

use std::{collections::BTreeMap, fs};

use rescind::{
    journal::{BatchRow, JournalError, JournalReader, RunFolder, State},
    list::PermissionId,
    sandbox::{Kind, PermissionStatus},
};

use super::rig::{List, Nature, Sandbox, Site};

/// What is read back in a run, which says how much of its claims is proven.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verify {
    All,
    Doubtful,
    Off,
}

impl Verify {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Doubtful => "doubtful",
            Self::Off => "off",
        }
    }
}

/// What has to hold of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) verify: Verify,
    /// Whether the journal holds all that it said it had recorded: a cut
    /// power line may take a part of it, a kill may not.
    pub(crate) whole: bool,
}

impl Terms {
    /// Nothing is posted again that is revoked already; not where nothing is
    /// read back, or the record of the sending was lost.
    fn posts_once(self) -> bool {
        self.whole && self.verify != Verify::Off
    }

    fn allows(self, nature: Nature, row: &BatchRow) -> bool {
        match row.batch.state {
            // Accepted, with an ID that the API passed over in silence: that
            // shows in the read that is still owed.
            State::Revoked if row.owed && nature == Nature::Unknown => true,
            State::Revoked => matches!(nature, Nature::Plain | Nature::RevokedBefore),
            // Without a read the API's refusal is all that is known.
            State::Refused if self.verify == Verify::Off => {
                !matches!(nature, Nature::Plain | Nature::RevokedBefore)
            }
            State::Refused => matches!(nature, Nature::Protected | Nature::Declined),
            State::Missing => nature == Nature::Unknown,
            _ => true,
        }
    }
}

/// How many IDs a process left in doubt.
pub(crate) struct Left {
    pub(crate) in_flight: u64,
    pub(crate) unknown: u64,
}

/// Compares the journal, as it is, with the world's truth.
pub(crate) fn examine(run: &RunFolder, sandbox: &Sandbox, list: &List, terms: Terms) -> Left {
    let archive = JournalReader::open(&run.journal()).unwrap();
    let world = sandbox.look();
    let truth = world.truth();
    assert_eq!(truth.mistakes, [], "every request keeps to the API");

    let tally = archive.tally().unwrap();
    let facts = archive.facts().unwrap();
    assert_eq!(tally.total(), facts.rows_distinct);
    assert_eq!(facts.rows_distinct, list.natures.len() as u64);

    let mut seen = BTreeMap::new();
    let visit = |row: BatchRow| {
        let state = row.batch.state;
        for id in &row.batch.ids {
            let nature = list.natures[id];
            let before = seen.insert(*id, state);
            assert_eq!(before, None, "{id} is in two batches");
            assert!(terms.allows(nature, &row), "{id} is {nature:?}: {row:?}");
            let revoked = world.status(*id) == Some(PermissionStatus::Revoked);
            if state == State::Revoked {
                let proven = revoked || nature == Nature::Unknown;
                assert!(proven, "claimed, and not so: {row:?}");
            } else if terms.posts_once() && truth.revoked.contains_key(id) {
                let doubted = state.is_doubtful() || state == State::Exhausted && row.owed;
                assert!(doubted, "{id} is revoked, and nothing says so: {row:?}");
            }
        }
        Ok::<_, JournalError>(())
    };
    archive.each_batch(visit).unwrap();
    assert!(seen.keys().eq(list.natures.keys()), "an ID is lost");

    if terms.whole {
        let recorded = archive.calls().unwrap();
        let count = |kind| truth.count(kind) as u64;
        let (sent, read) = (
            count(Kind::Revoke),
            count(Kind::Items) + count(Kind::Item) + count(Kind::List),
        );
        assert!(sent <= recorded.revoke, "{sent} sent, {recorded:?}");
        assert!(read <= recorded.read, "{read} read, {recorded:?}");
    }
    if terms.posts_once() {
        assert_eq!(truth.posted_again(), BTreeMap::new());
    }
    Left {
        in_flight: tally.of(State::InFlight),
        unknown: tally.of(State::Unknown),
    }
}

/// What a finished run says of an ID: its line, state and reason.
type RecordedState = (u64, String, String);

/// Reads the results of a finished run: every ID once, in the state that is
/// its due.
pub(crate) fn settled(
    site: &Site,
    list: &List,
    terms: Terms,
) -> BTreeMap<PermissionId, RecordedState> {
    let run = site.run().unwrap();
    let mut claims = BTreeMap::new();
    let mut reader = csv::Reader::from_path(run.path().join("permissions.csv")).unwrap();
    for row in reader.deserialize() {
        let (id, line, state, reason, _): (i64, u64, String, String, String) = row.unwrap();
        let id = PermissionId::try_from(id).unwrap();
        let due = match list.natures[&id] {
            Nature::Plain | Nature::RevokedBefore => "revoked",
            Nature::Protected | Nature::Declined => "refused",
            Nature::Unknown if terms.verify == Verify::Off => "refused",
            Nature::Unknown => "missing",
        };
        assert_eq!(state, due, "{id}, {reason}");
        // What was read and what was not differs where reading is not the
        // rule.
        let reason = match terms.verify {
            Verify::All => reason,
            Verify::Doubtful | Verify::Off => String::new(),
        };
        let before = claims.insert(id, (line, state, reason));
        assert_eq!(before, None, "{id} stands there twice");
    }
    assert!(claims.keys().eq(list.natures.keys()), "an ID is lost");
    let summary = fs::read(run.path().join("summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&summary).unwrap();
    assert_eq!(summary["outcome"], "partial");
    assert_eq!(summary["rows"]["distinct"], claims.len());
    assert_eq!(summary["rows"]["duplicate"], list.duplicate);
    assert_eq!(summary["rows"]["invalid"], list.invalid);
    let revoked = claims.values().filter(|claim| claim.1 == "revoked").count();
    assert_eq!(summary["ids"]["revoked"], revoked);
    claims
}
