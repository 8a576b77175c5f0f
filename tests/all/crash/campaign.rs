//! Killing a run again and again, at moments drawn from a seed, and comparing
//! what it claims with what the world knows.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use fastrand::Rng;
use rescind::{
    journal::{Archive, BatchRow, JournalError, RunFolder, State},
    list::PermissionId,
    report::is_finished,
    sandbox::{Fault, Faults, Kind, Latency, Odds, Refusal, RefusalForm, Rules, Status, Unknown},
};
use rusqlite::{Connection, OpenFlags};

use super::rig::{List, Moment, Nature, Sandbox, Site, gentle};

/// The time-out of every call. What the world executes late it executes
/// within it: a read that comes after the time-out sees it, and nothing has
/// to be posted twice.
const TIMEOUT: &str = "500ms";
const LATE_BY: Duration = Duration::from_millis(150);

/// A run that was killed so often is left to finish.
const KILLS: usize = 9;

/// A run that is not killed has to finish in so many processes: one may stop
/// early because the first batch or several in a row met too many faults.
const PROCESSES: usize = 12;

/// What is read back in a run, which says how much of its claims is proven.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verify {
    All,
    Doubtful,
    Off,
}

impl Verify {
    const fn word(self) -> &'static str {
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

/// What a campaign did.
#[derive(Default, Debug)]
pub(crate) struct Figures {
    pub(crate) runs: usize,
    pub(crate) kills: usize,
    /// Kills by what they cut off.
    pub(crate) phases: BTreeMap<&'static str, usize>,
    /// Kills that left batches in flight, and how many IDs were in doubt.
    pub(crate) in_flight: usize,
    pub(crate) doubtful_ids: u64,
    /// Processes that ended by themselves, by exit code.
    pub(crate) ended: BTreeMap<i32, usize>,
    /// Faults the worlds struck with, and calls they saw.
    pub(crate) faults: usize,
    pub(crate) calls: usize,
    /// IDs posted again where that is allowed: nothing was read back.
    pub(crate) posted_again: usize,
}

/// A world of many faults, and how it is met.
fn world(rng: &mut Rng, verify: Verify) -> Rules {
    let ms = Duration::from_millis;
    Rules {
        // Where nothing shows that an ID is unknown, the answer has to.
        unknown: if verify != Verify::All || rng.bool() {
            Unknown::Refuse
        } else {
            Unknown::Ignore
        },
        refusal: if rng.bool() {
            Refusal::AllOrNothing
        } else {
            Refusal::Partial
        },
        refusal_form: if rng.bool() {
            RefusalForm::Text
        } else {
            RefusalForm::Violations
        },
        latency: Latency {
            min: ms(0),
            max: ms(rng.u64(2..20)),
        },
        faults: Faults {
            revoke: Odds::from([
                (Fault::ServerErrorBefore, 0.03),
                (Fault::ServerErrorAfter, 0.03),
                (Fault::ResetBefore, 0.02),
                (Fault::ResetAfter, 0.03),
                (Fault::Truncated, 0.02),
                (Fault::Late, 0.02),
                (Fault::NotJson, 0.01),
                (Fault::Status(503), 0.01),
            ]),
            read: Odds::from([
                (Fault::Omit, 0.05),
                (Fault::Reorder, 0.1),
                (Fault::Duplicate, 0.02),
                (Fault::ServerErrorBefore, 0.03),
                (Fault::Truncated, 0.02),
            ]),
            late_by: LATE_BY,
            ..Faults::default()
        },
        ..gentle(rng.u64(..))
    }
}

fn options(verify: Verify, workers: &str) -> [&str; 22] {
    [
        "--batch-size",
        "20",
        "--read-size",
        "60",
        "--workers",
        workers,
        "--rate",
        "unlimited",
        "--timeout",
        TIMEOUT,
        "--retry-initial",
        "20ms",
        "--retry-max",
        "100ms",
        "--max-consecutive-failures",
        "8",
        "--verify",
        verify.word(),
        "--progress",
        "never",
        "--max-attempts",
        "6",
    ]
}

/// A moment to kill at; `first`, when there is no run yet.
fn moment(rng: &mut Rng, first: bool) -> Moment {
    let file = |rng: &mut Rng| {
        let files = [
            "results.csv",
            "permissions.csv",
            "rejected.csv",
            "summary.json",
        ];
        rng.choice(files).unwrap()
    };
    match rng.u32(0..100) {
        0..12 if first => Moment::Frozen,
        0..7 => Moment::Written(file(rng)),
        7..10 => Moment::Sent,
        10..25 => Moment::After(Duration::from_millis(rng.u64(0..120))),
        25..40 => Moment::After(Duration::from_millis(rng.u64(0..2_500))),
        // A call is some two hundred bytes of the world's log: this is from
        // the first read to the last.
        40..60 => Moment::Happened(rng.u64(1..2_000)),
        _ => Moment::Happened(rng.u64(1..40_000)),
    }
}

/// Kills runs until there were `kills`, each run in a world of its own, and
/// sees each of them through to its end.
pub(crate) fn campaign(seed: u64, kills: usize) -> Figures {
    let mut rng = Rng::with_seed(seed);
    let mut figures = Figures::default();
    while figures.kills < kills {
        let home = tempfile::tempdir().unwrap();
        let one = rng.u64(..);
        let most = KILLS.min(kills - figures.kills);
        let verify = match rng.u32(0..10) {
            0 => Verify::Off,
            1 | 2 => Verify::Doubtful,
            _ => Verify::All,
        };
        let told = format!(
            "campaign of seed {seed}, run {} ({one}, {verify:?})",
            figures.runs
        );
        if let Err(cause) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            one_run(home.path(), one, verify, most, &mut figures);
        })) {
            let kept = home.keep();
            panic!("{told}: {}\nevidence in {}", words(&*cause), kept.display());
        }
        figures.runs += 1;
    }
    figures
}

fn words(cause: &(dyn std::any::Any + Send)) -> &str {
    let text = cause.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| cause.downcast_ref::<&str>().copied())
        .unwrap_or("?")
}

fn one_run(home: &Path, seed: u64, verify: Verify, most: usize, figures: &mut Figures) {
    let mut rng = Rng::with_seed(seed);
    let rules = world(&mut rng, verify);
    let list = List::write(home.join("list.csv"), &mut rng, 1_500, 3);
    let sandbox = Sandbox::serve(home, "killed", rules.clone());
    let workers = rng.choice(["1", "4", "8"]).unwrap();
    let site = Site::new(home, "killed", &options(verify, workers));
    let terms = Terms {
        verify,
        whole: true,
    };
    let mut killed = 0;
    while killed < most {
        let moment = moment(&mut rng, site.run().is_none());
        let ended = site.until(moment, site.command(&list, &sandbox), &sandbox);
        if let Some(status) = ended {
            let code = status.code().unwrap();
            *figures.ended.entry(code).or_default() += 1;
            assert!(matches!(code, 3 | 6), "exit {code}: {}", site.said());
            if finished(&site) {
                break;
            }
            continue;
        }
        killed += 1;
        figures.kills += 1;
        let Some(run) = site.run() else {
            *figures.phases.entry("freezing").or_default() += 1;
            assert_eq!(sandbox.look().truth().calls.len(), 0);
            continue;
        };
        *figures.phases.entry(phase(&run)).or_default() += 1;
        let left = examine(&run, &sandbox, &list, terms);
        figures.in_flight += usize::from(left.in_flight > 0);
        figures.doubtful_ids += left.in_flight + left.unknown;
    }
    finish(&site, &sandbox, &list, figures);
    examine(&site.run().unwrap(), &sandbox, &list, terms);
    let claims = settled(&site, &list, terms);

    // Nobody kills this one. Its world is the same, and so is its end.
    let calm = Sandbox::serve(home, "calm", rules);
    let beside = Site::new(home, "calm", &options(verify, workers));
    finish(&beside, &calm, &list, &mut Figures::default());
    assert_eq!(claims, settled(&beside, &list, terms));

    let truth = sandbox.look().truth();
    figures.faults += truth.faults.len();
    figures.calls += truth.calls.len();
    figures.posted_again += truth.posted_again().len();
}

/// Carries a run on, undisturbed, until nothing is left to do.
pub(crate) fn finish(site: &Site, sandbox: &Sandbox, list: &List, figures: &mut Figures) {
    for _ in 0..PROCESSES {
        let ended = site.until(Moment::Never, site.command(list, sandbox), sandbox);
        let code = ended.unwrap().code().unwrap();
        *figures.ended.entry(code).or_default() += 1;
        assert!(matches!(code, 3 | 6), "exit {code}: {}", site.said());
        if finished(site) {
            assert_eq!(code, 3, "the list has invalid rows");
            return;
        }
    }
    panic!("it does not finish: {}", site.said());
}

fn finished(site: &Site) -> bool {
    let archive = Archive::open(&site.run().unwrap().journal()).unwrap();
    is_finished(&archive.tally().unwrap(), archive.owed().unwrap())
}

/// How many IDs a process left in doubt.
pub(crate) struct Left {
    pub(crate) in_flight: u64,
    pub(crate) unknown: u64,
}

/// Compares the journal, as it is, with the world's truth.
pub(crate) fn examine(run: &RunFolder, sandbox: &Sandbox, list: &List, terms: Terms) -> Left {
    let archive = Archive::open(&run.journal()).unwrap();
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
            let revoked = world.status(*id) == Some(Status::Revoked);
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
type Claim = (u64, String, String);

/// Reads the results of a finished run: every ID once, in the state that is
/// its due.
pub(crate) fn settled(site: &Site, list: &List, terms: Terms) -> BTreeMap<PermissionId, Claim> {
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

/// What a kill cut off, as far as the journal tells.
fn phase(run: &RunFolder) -> &'static str {
    let journal = Connection::open_with_flags(run.journal(), OpenFlags::SQLITE_OPEN_READ_ONLY);
    let journal = journal.unwrap();
    let count = |sql: &str| {
        journal
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    let last = "process = (SELECT max(id) FROM process)";
    if count("SELECT count(*) FROM process") == 0 {
        return "frozen, not begun";
    }
    if count(
        "SELECT count(*) FROM process WHERE id = (SELECT max(id) FROM process) AND ended_at IS NOT NULL",
    ) == 1
    {
        return "writing files, or starting anew";
    }
    let posts = count(&format!(
        "SELECT count(*) FROM call WHERE kind = 'revoke' AND {last}"
    ));
    let open = count(
        "SELECT count(*) FROM batch WHERE state IN ('pending', 'in_flight', 'exhausted', 'unknown')",
    );
    let owed = count("SELECT count(*) FROM batch WHERE owed = 1 AND state <> 'divided'");
    let parts = count(
        "SELECT count(*) FROM batch WHERE parent IS NOT NULL AND state IN ('pending', 'in_flight')",
    );
    let first = count("SELECT count(*) FROM process") == 1;
    match (posts, open, owed) {
        (_, 0, 0) => "ending",
        (0, _, _) if first => "reading the first batch",
        (0, 0, _) => "verifying",
        (0, _, _) => "settling",
        (1..=2, _, _) => "the first batch",
        (_, 0, _) => "verifying",
        _ if parts > 0 => "dividing",
        _ => "the full pool",
    }
}
