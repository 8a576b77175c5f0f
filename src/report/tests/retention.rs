//! Which runs may go. Each promise not to touch a run is broken by a run that
//! nothing else keeps: the oldest of more than enough.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use jiff::Timestamp;

use crate::journal::{HoldCause, Holder, Lock, Lookback, RunMeta, RunsDir, State};
use crate::report::fixture::{Fixture, REVOKED, facts, plain};
use crate::report::*;
use crate::sweep::GROWTH_RUNS;

const HOUR: Duration = Duration::from_hours(1);

fn now() -> Timestamp {
    "2026-11-30T08:00:00Z".parse().unwrap()
}

/// Everything may go that nothing else keeps.
fn all() -> Retention {
    Retention {
        keep: Some(0),
        older_than: None,
        now: now(),
        lookback: Lookback {
            now: now(),
            span: 2 * HOUR,
            timeout: Duration::from_mins(1),
        },
    }
}

struct Stage {
    home: tempfile::TempDir,
    runs: RunsDir,
}

impl Stage {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let runs = RunsDir::create(home.path()).unwrap();
        Self { home, runs }
    }

    /// A run that began in the night of this day, with one ID.
    fn begin(&self, day: u32, environment: &str, url: &str) -> Fixture {
        let facts = RunMeta {
            created: format!("2026-11-{day:02}T02:00:00Z").parse().unwrap(),
            ..facts(environment, url)
        };
        let mut run = Fixture::among(&self.runs, facts, &[(&[1], &[2])], &[]);
        run.process("run", "{}");
        run
    }

    fn finished(&self, day: u32, environment: &str, url: &str) {
        let mut run = self.begin(day, environment, url);
        run.deliver(1, 1, &REVOKED);
        run.end("complete", 0, "");
    }

    /// As many later runs as let an earlier one go.
    fn enough(&self) {
        for day in 11..11 + u32::try_from(GROWTH_RUNS).unwrap() {
            self.finished(day, "demo", "");
        }
    }

    /// Why the oldest run is kept.
    fn oldest(&self, retention: &Retention) -> Option<KeepReason> {
        let listed = list(&self.runs).unwrap();
        retention.decide(&listed).pop().unwrap()
    }
}

#[test]
fn a_finished_run_that_nobody_needs_may_go() {
    let stage = Stage::new();
    stage.enough();
    stage.finished(9, "demo", "");
    stage.finished(8, "demo", "");
    let decided = all().decide(&list(&stage.runs).unwrap());
    let (newest, older) = decided.split_at(GROWTH_RUNS);
    assert!(newest.iter().all(|kept| *kept == Some(KeepReason::Growth)));
    assert_eq!(older, [None, None]);
}

#[test]
fn what_to_keep_is_counted_by_environment_and_age() {
    let stage = Stage::new();
    stage.enough();
    stage.finished(9, "demo", "");
    for day in 20..29 {
        stage.finished(day, "live", "");
    }
    let keep = |keep| Retention {
        keep: Some(keep),
        ..all()
    };
    assert_eq!(stage.oldest(&keep(7)), None);
    assert_eq!(stage.oldest(&keep(8)), Some(KeepReason::Newest));
    // It ended 3.75 seconds after it began.
    let older_than = |age| Retention {
        keep: None,
        older_than: Some(age),
        ..all()
    };
    let age = Duration::from_hours(21 * 24 + 6);
    assert_eq!(stage.oldest(&older_than(age)), Some(KeepReason::Young));
    let age = Duration::from_secs((21 * 24 + 6) * 3_600 - 10);
    assert_eq!(stage.oldest(&older_than(age)), None);
    // Only if both let it.
    let both = Retention {
        keep: Some(8),
        ..older_than(age)
    };
    assert_eq!(stage.oldest(&both), Some(KeepReason::Newest));
    // A time in the future is now, and not long ago.
    let early = Retention {
        now: "2026-11-01T00:00:00Z".parse().unwrap(),
        ..older_than(Duration::ZERO)
    };
    assert_eq!(stage.oldest(&early), Some(KeepReason::Young));
}

#[test]
fn a_run_that_is_not_finished_stays() {
    let stage = Stage::new();
    stage.enough();
    let mut open = stage.begin(9, "demo", "");
    open.deliver(1, 1, &plain(State::Unknown));
    open.end("interrupted", 130, "");
    assert_eq!(stage.oldest(&all()), Some(KeepReason::Unfinished));
}

/// Nothing is open, but nobody has recorded how it ended.
#[test]
fn a_run_whose_last_process_was_cut_off_stays() {
    let stage = Stage::new();
    stage.enough();
    let mut cut = stage.begin(9, "demo", "");
    cut.deliver(1, 1, &REVOKED);
    cut.kill();
    assert_eq!(stage.oldest(&all()), Some(KeepReason::Unfinished));
}

#[test]
fn a_run_that_is_held_stays() {
    let stage = Stage::new();
    stage.enough();
    stage.begin(9, "demo", "").end("held", 7, "too many");
    assert_eq!(stage.oldest(&all()), Some(KeepReason::Held));
    // Also if nothing of it is open.
    let mut held = stage.begin(8, "demo", "");
    held.deliver(1, 1, &REVOKED);
    held.end("held", 7, "too old");
    assert_eq!(stage.oldest(&all()), Some(KeepReason::Held));
}

#[test]
fn a_run_that_goes_on_stays() {
    let stage = Stage::new();
    stage.enough();
    let mut live = stage.begin(9, "demo", "");
    live.deliver(1, 1, &REVOKED);
    let holder = Holder {
        command: "resume".to_owned(),
        pid: 4711,
        host: "night-1".to_owned(),
        since: "2026-11-09T02:00:31Z".to_owned(),
    };
    let _lock = Lock::take(&stage.runs, "demo", "", &holder, Duration::ZERO).unwrap();
    assert_eq!(stage.oldest(&all()), Some(KeepReason::Running));
}

#[test]
fn a_run_whose_calls_or_holds_still_count_stays() {
    let stage = Stage::new();
    stage.enough();
    stage.finished(9, "demo", "");
    let since = |since: &str| Retention {
        lookback: Lookback {
            span: now()
                .duration_since(since.parse().unwrap())
                .try_into()
                .unwrap(),
            ..all().lookback
        },
        ..all()
    };
    // Its only call was made at 02:00:02.5.
    assert_eq!(
        stage.oldest(&since("2026-11-09T02:00:02Z")),
        Some(KeepReason::Counts)
    );
    assert_eq!(stage.oldest(&since("2026-11-09T02:01:00Z")), None);
    let mut held = stage.begin(8, "demo", "");
    held.deliver(1, 1, &REVOKED);
    held.hold(HoldCause::Lockout, 3_600);
    held.end("complete", 0, "");
    let at = |now: &str| Retention {
        lookback: Lookback {
            now: now.parse().unwrap(),
            span: Duration::ZERO,
            ..all().lookback
        },
        ..all()
    };
    assert_eq!(
        stage.oldest(&at("2026-11-08T03:00:00Z")),
        Some(KeepReason::Counts)
    );
    assert_eq!(stage.oldest(&at("2026-11-08T03:02:30Z")), None);
}

/// `--max-growth` measures by the last finished runs of the same environment,
/// and a URL tells one custom environment from another.
#[test]
fn the_last_finished_runs_of_each_environment_stay() {
    let stage = Stage::new();
    stage.enough();
    let urls = ["https://one.example/v1", "https://two.example/v1"];
    for day in 1..=6 {
        stage.finished(20 + day, "custom", urls[0]);
    }
    stage.finished(9, "custom", urls[0]);
    assert_eq!(
        stage.oldest(&all()),
        Some(KeepReason::Growth),
        "the seventh"
    );
    stage.finished(8, "custom", urls[0]);
    assert_eq!(stage.oldest(&all()), None, "the eighth");
    stage.finished(7, "custom", urls[1]);
    assert_eq!(stage.oldest(&all()), Some(KeepReason::Growth));
    stage.finished(6, "live", "");
    assert_eq!(stage.oldest(&all()), Some(KeepReason::Growth));
}

/// Nor can it be measured by an empty list; and a run that is resumed is
/// measured by those before it.
#[test]
fn the_finished_runs_before_one_that_may_be_resumed_stay() {
    let stage = Stage::new();
    stage.enough();
    stage.finished(9, "demo", "");
    assert_eq!(stage.oldest(&all()), None);
    stage.begin(10, "demo", "").end("stopped", 6, "");
    assert_eq!(stage.oldest(&all()), Some(KeepReason::Growth));

    let stage = Stage::new();
    for day in 11..17 {
        stage.finished(day, "demo", "");
    }
    let empty = RunMeta {
        created: "2026-11-09T02:00:00Z".parse().unwrap(),
        ..facts("demo", "")
    };
    let mut empty = Fixture::among(&stage.runs, empty, &[], &[]);
    empty.process("run", "{}");
    empty.end("empty", 4, "");
    assert_eq!(stage.oldest(&all()), None, "it measures nothing");
    stage.finished(8, "demo", "");
    assert_eq!(
        stage.oldest(&all()),
        Some(KeepReason::Growth),
        "the seventh"
    );
}

#[test]
fn what_cannot_be_read_as_a_run_of_ours_stays() {
    let stage = Stage::new();
    stage.enough();
    stage.finished(9, "demo", "");
    let run = list(&stage.runs).unwrap().pop().unwrap().folder;
    // A link to a run that lies somewhere else.
    let elsewhere = tempfile::tempdir().unwrap();
    let moved = elsewhere.path().join("theirs");
    fs::rename(run.path(), &moved).unwrap();
    symlink(&moved, run.path()).unwrap();
    assert_eq!(stage.oldest(&all()), Some(KeepReason::Foreign));
    // A database of somebody else, and a file that is none.
    fs::remove_file(run.path()).unwrap();
    fs::create_dir(run.path()).unwrap();
    fs::write(run.journal(), "not a database, and long enough to be one").unwrap();
    let Some(KeepReason::Unreadable(why)) = stage.oldest(&all()) else {
        panic!("it is damaged");
    };
    assert!(why.contains("not a database"), "{why}");
    // A folder without a journal, and one of another name.
    fs::remove_file(run.journal()).unwrap();
    fs::create_dir(stage.home.path().join("notes")).unwrap();
    let decided = all().decide(&list(&stage.runs).unwrap());
    assert_eq!(decided.len(), GROWTH_RUNS);
}

#[test]
fn what_became_of_the_runs_is_told_by_reason() {
    let fate = |day: u32, kept: Option<KeepReason>| PruneDecision {
        run: format!("202611{day:02}T020000Z-3f2a9c"),
        environment: "demo".to_owned(),
        outcome: "complete".to_owned(),
        bytes: if kept.is_none() { 700_000 } else { 0 },
        kept,
    };
    let mut fates = vec![
        fate(30, Some(KeepReason::Newest)),
        fate(29, Some(KeepReason::Young)),
        fate(28, Some(KeepReason::Growth)),
        fate(27, Some(KeepReason::Growth)),
        fate(26, Some(KeepReason::Running)),
        fate(25, Some(KeepReason::Held)),
        fate(24, Some(KeepReason::Counts)),
        fate(23, Some(KeepReason::Locked)),
        fate(22, Some(KeepReason::Foreign)),
        fate(21, Some(KeepReason::Left)),
        fate(20, Some(KeepReason::Unreadable("it is damaged".to_owned()))),
    ];
    fates.extend((13..20).map(|day| fate(day, Some(KeepReason::Unfinished))));
    fates.extend([fate(12, None), fate(11, None)]);
    super::assert_same("pruned.txt", &pruned(&fates, false, Style::PLAIN));
    super::assert_same("pruned.json", &pruned_json(&fates, false));
    let rehearsed = pruned(&fates, true, Style::PLAIN);
    let first = rehearsed.lines().next().unwrap();
    assert_eq!(
        first,
        "would remove 2 of 20 runs and make 1.3 MiB of room; nothing was removed"
    );
    let kept = pruned(&fates[..2], false, Style::PLAIN);
    assert!(kept.starts_with("none of 2 runs may go\n"), "{kept}");
    assert_eq!(pruned(&[], true, Style::PLAIN), "there are no runs\n");
}
