//! The nights in a row: what they came to, and which need a look.

use std::fs;

use super::page::{all, parsed, words};
use super::{assert_same, placed};
use crate::journal::{RunMeta, RunsDir, State, Verified, Waited};
use crate::report::fixture::{Fixture, REVOKED, SampleOutcome, facts, plain};
use crate::report::tone::Tone;
use crate::report::*;

const LIVE: &str = "https://live.tradovateapi.com/v1";

/// What a night is like; most are like the default.
struct Plan {
    environment: &'static str,
    ids: i64,
    /// IDs that are refused.
    refused: i64,
    seconds: i64,
    waited: Waited,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            environment: "live",
            ids: 400,
            refused: 0,
            seconds: 300,
            waited: Waited {
                rate: 120.0,
                ..Waited::default()
            },
        }
    }
}

impl Plan {
    fn refusing(refused: i64) -> Self {
        Self {
            refused,
            ..Self::default()
        }
    }
}

struct Stage {
    _home: tempfile::TempDir,
    runs: RunsDir,
}

impl Stage {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let runs = RunsDir::create(&home.path().join("runs")).unwrap();
        Self { _home: home, runs }
    }

    /// A night as it begins: two batches, the second of what will be refused.
    fn begin(&self, day: u32, plan: &Plan) -> Fixture {
        let url = if plan.environment == "live" { LIVE } else { "" };
        let facts = RunMeta {
            created: format!("2026-11-{day:02}T02:00:00Z").parse().unwrap(),
            ..facts(plan.environment, url)
        };
        let ids: Vec<i64> = (1..=plan.ids).collect();
        let lines: Vec<u64> = (2..).take(ids.len()).collect();
        let (good, bad) = ids.split_at(usize::try_from(plan.ids - plan.refused).unwrap());
        let (good_lines, bad_lines) = lines.split_at(good.len());
        let batches = [(good, good_lines), (bad, bad_lines)];
        let batches = batches.iter().filter(|(ids, _)| !ids.is_empty());
        let batches: Vec<(&[i64], &[u64])> = batches.copied().collect();
        let mut run = Fixture::among(&self.runs, facts, &batches, &[]);
        run.process("run", "{}");
        run
    }

    fn night(&self, day: u32, plan: &Plan) {
        let mut run = self.begin(day, plan);
        let good = plan.ids - plan.refused;
        let mut next = 1;
        let refused = SampleOutcome {
            reason: "refused",
            ..plain(State::Refused)
        };
        for (ids, fate) in [(good, &REVOKED), (plan.refused, &refused)] {
            if ids > 0 {
                run.deliver(next, ids.cast_unsigned(), fate);
                next += 1;
            }
        }
        run.waited(plan.waited);
        run.pass(plan.seconds);
        match (plan.ids, plan.refused) {
            (0, _) => run.end("empty", 4, ""),
            (_, 0) => run.end("complete", 0, ""),
            _ => run.end("partial", 3, ""),
        }
    }

    fn history(&self) -> History {
        History::of(&self.runs, Restriction::default()).unwrap()
    }

    /// What is said of the newest night.
    fn remarks(&self) -> Vec<String> {
        let night = self.history().nights.swap_remove(0);
        night.remarks.into_iter().map(|one| one.words).collect()
    }
}

/// A month of everything that can be the matter.
fn month() -> Stage {
    let stage = Stage::new();
    for day in 1..=3 {
        stage.night(day, &Plan::default());
    }
    stage.night(4, &Plan::refusing(1));
    stage.night(
        5,
        &Plan {
            ids: 4_000,
            seconds: 3_000,
            ..Plan::default()
        },
    );
    stage.night(
        6,
        &Plan {
            seconds: 5_400,
            waited: Waited {
                rate: 100.0,
                retry: 12.5,
                penalty: 61.0,
                lockout: 3_600.0,
                window: 0.0,
            },
            ..Plan::default()
        },
    );
    stage.night(7, &Plan::refusing(37));
    let held = Plan {
        ids: 90_000,
        ..Plan::default()
    };
    stage.begin(8, &held).end("held", 7, "too many");
    let mut mismatch = stage.begin(9, &Plan::refusing(1));
    let active = SampleOutcome {
        reason: "verification_mismatch",
        verified: Verified::Active,
        ..plain(State::Unknown)
    };
    mismatch.deliver(1, 399, &REVOKED);
    mismatch.deliver(2, 1, &active);
    mismatch.end("mismatch", 9, "");
    let owed = SampleOutcome {
        owed: true,
        reason: "unverified",
        ..plain(State::Revoked)
    };
    let mut unread = stage.begin(
        10,
        &Plan {
            refused: 0,
            ..Plan::default()
        },
    );
    unread.deliver(1, 400, &owed);
    unread.end("interrupted", 143, "");
    let mut killed = stage.begin(
        11,
        &Plan {
            refused: 0,
            ..Plan::default()
        },
    );
    killed.deliver(1, 400, &REVOKED);
    killed.kill();
    stage.night(
        12,
        &Plan {
            ids: 0,
            refused: 0,
            ..Plan::default()
        },
    );
    stage.night(
        13,
        &Plan {
            environment: "demo",
            refused: 0,
            ..Plan::default()
        },
    );
    stage
        .begin(
            14,
            &Plan {
                environment: "demo",
                ..Plan::default()
            },
        )
        .end("stopped", 6, "");
    stage
}

#[test]
fn the_nights_in_a_row_read_as_expected() {
    let stage = month();
    let damaged = stage.runs.path().join("20261115T020000Z-abcdef");
    fs::create_dir(&damaged).unwrap();
    fs::write(damaged.join("journal.db"), "not a database, but a file").unwrap();
    let run = stage.begin(16, &Plan::default());
    let history = stage.history();
    let whole = Style {
        width: usize::MAX,
        ..Style::PLAIN
    };
    assert_same("history.txt", &placed(&run, &history.text(whole)));
    for width in [120, 100, 80] {
        let text = history.text(Style { width, ..whole });
        let table = text.lines().skip_while(|line| !line.starts_with("RUN"));
        let too_long = table
            .filter(|line| !line.contains("rescind resume") && !line.contains("journal.db"))
            .find(|line| line.chars().count() > width);
        assert_eq!(too_long, None);
    }
    let painted = Style {
        colour: true,
        ..whole
    };
    let plain = ["1", "31", "32", "33", "0"]
        .iter()
        .fold(history.text(painted), |text, code| {
            text.replace(&format!("\u{1b}[{code}m"), "")
        });
    assert_eq!(
        plain,
        history.text(whole),
        "nothing is said by colour alone"
    );
}

#[test]
fn only_the_nights_that_are_asked_for_are_shown() {
    let stage = month();
    let of = |environment: Option<&str>, url: Option<&str>| {
        let restriction = Restriction {
            environment: environment.map(str::to_owned),
            base_url: url.map(str::to_owned),
        };
        History::of(&stage.runs, restriction).unwrap()
    };
    assert_eq!(of(None, None).nights.len(), 14);
    assert_eq!(of(Some("demo"), None).nights.len(), 2);
    assert_eq!(of(None, Some(LIVE)).nights.len(), 12);
    let none = of(Some("demo"), Some(LIVE));
    assert_eq!(
        none.text(Style::PLAIN),
        format!("There are no runs on demo at {LIVE}.\n")
    );
}

#[test]
fn a_night_like_the_others_needs_no_look() {
    let stage = Stage::new();
    for day in 1..=9 {
        stage.night(day, &Plan::default());
    }
    let history = stage.history();
    assert_eq!(history.remarkable(), 0, "{:#?}", history.nights);
    let text = history.text(Style::PLAIN);
    assert!(text.starts_with(
        "9 runs: 3,600 of 3,600 IDs revoked in all runs together; none needs a look."
    ));
}

/// As its own report, which says that it is not safe to forget.
#[test]
fn a_night_with_ids_that_are_not_revoked_needs_a_look() {
    let stage = Stage::new();
    stage.night(1, &Plan::refusing(1));
    assert_eq!(stage.remarks(), ["1 of 400 IDs are not revoked"]);
    assert_eq!(stage.history().worst(), Some(Tone::Wary));
    stage.night(2, &Plan::refusing(40));
    assert_eq!(stage.remarks(), ["40 of 400 IDs are not revoked: 10%"]);
    assert_eq!(stage.history().worst(), Some(Tone::Bad));
}

/// Twice as much, or half, of a list that is long enough to tell.
#[test]
fn an_unusual_volume_is_measured_by_the_nights_before() {
    let unusual = |earlier: &[i64], ids: i64| {
        let stage = Stage::new();
        for (day, ids) in (1..).zip(earlier) {
            let plan = Plan {
                ids: *ids,
                seconds: ids / 2,
                ..Plan::default()
            };
            stage.night(day, &plan);
        }
        // Of another environment, which is not measured by.
        for day in 20..27 {
            stage.night(
                day,
                &Plan {
                    environment: "demo",
                    ids: 7,
                    ..Plan::default()
                },
            );
        }
        stage.night(
            28,
            &Plan {
                ids,
                seconds: ids / 2,
                ..Plan::default()
            },
        );
        let remarks = stage.remarks();
        assert!(remarks.len() < 2, "{remarks:?}");
        remarks.into_iter().next()
    };
    let words = |ids: &str, nights: u32, median: &str| {
        Some(format!(
            "unusual volume: {ids} IDs, where the median of the {nights} nights before is {median}"
        ))
    };
    assert_eq!(unusual(&[400, 400, 400], 799), None);
    assert_eq!(unusual(&[400, 400, 400], 800), words("800", 3, "400"));
    assert_eq!(unusual(&[400, 400, 400], 201), None);
    assert_eq!(unusual(&[400, 400, 400], 200), words("200", 3, "400"));
    assert_eq!(
        unusual(&[400, 401, 9_000, 40], 801),
        words("801", 4, "400.5")
    );
    // Too few nights, too few IDs.
    assert_eq!(unusual(&[400, 400], 4_000), None);
    assert_eq!(unusual(&[40, 40, 40], 99), None);
    assert_eq!(unusual(&[40, 40, 40], 100), words("100", 3, "40"));
    // What is older than a week of nights is forgotten.
    let week = [9_000, 9_000, 9_000, 400, 400, 400, 400, 400, 400, 400];
    assert_eq!(unusual(&week, 401), None);
}

#[test]
fn waits_and_slowness_are_told_apart() {
    let last = |seconds: i64, lost: f64| {
        let stage = Stage::new();
        for day in 1..=3 {
            stage.night(day, &Plan::default());
        }
        let waited = Waited {
            rate: 500.0,
            lockout: lost,
            ..Waited::default()
        };
        stage.night(
            4,
            &Plan {
                seconds,
                waited,
                ..Plan::default()
            },
        );
        stage.remarks()
    };
    // The seconds at work come with the few that the fixture takes.
    let none: [String; 0] = [];
    assert_eq!(last(590, 0.0), none);
    let slow = last(620, 0.0);
    assert!(
        slow[0].starts_with("slower than usual: 25m 59s for 1,000 IDs"),
        "{slow:?}"
    );
    assert_eq!(slow.len(), 1);
    // An hour's lockout makes a night long, and no slower.
    let waited = last(300 + 3_600, 3_600.0);
    assert_eq!(
        waited,
        ["many waits: 1h 00m for lockouts; 1h 05m at work in all"]
    );
    assert_eq!(last(590, 59.0), none, "not worth a word");
    assert_eq!(last(590, 140.0), none, "not a quarter");
    assert_eq!(last(590, 160.0).len(), 1);
}

#[test]
fn the_page_says_what_the_text_says() {
    let stage = month();
    let damaged = stage.runs.path().join("20261115T020000Z-abcdef");
    fs::create_dir(&damaged).unwrap();
    fs::write(damaged.join("journal.db"), "not a database, but a file").unwrap();
    let run = stage.begin(16, &Plan::default());
    let history = stage.history();
    let html = placed(&run, &history.html());
    assert_same("history.html", &html);
    let page = parsed(&html);
    let table = all(&page, "#nights tbody tr");
    assert_eq!(table.len(), history.nights.len());
    let looks = all(&page, "#look .nights > li");
    assert_eq!(looks.len(), history.remarkable());
    let told: String = looks.iter().map(|look| words(*look)).collect();
    for (row, night) in table.iter().zip(&history.nights) {
        assert!(words(*row).contains(&night.run), "newest first");
        for remark in &night.remarks {
            assert!(told.contains(&remark.words), "{}", remark.words);
        }
    }
    // A place each, with two drawings that have their words.
    assert_eq!(all(&page, "svg.drawing").len(), 4);
    for drawing in all(&page, "svg.drawing") {
        let labels = drawing.attr("aria-labelledby").unwrap();
        for name in labels.split(' ') {
            let named = all(&page, &format!("#{name}"));
            assert_eq!(named.len(), 1, "{name}");
            assert!(!words(named[0]).is_empty(), "{name}");
        }
    }
    assert!(words(all(&page, "#unreadable")[0]).contains("20261115T020000Z-abcdef"));
}

#[test]
fn a_page_without_nights_is_sound_and_its_band_says_where() {
    let stage = Stage::new();
    let restriction = Restriction {
        environment: Some("live".to_owned()),
        base_url: None,
    };
    let history = History::of(&stage.runs, restriction).unwrap();
    let html = history.html();
    let page = parsed(&html);
    assert!(words(all(&page, "h1")[0]).contains("There are no runs."));
    assert!(words(all(&page, ".band")[0]).starts_with("LIVE"));
    assert!(all(&page, "svg.drawing, table").is_empty());
}

/// What is told of a run may come from a journal of somebody else.
#[test]
fn nothing_from_outside_does_anything_on_the_page() {
    let stage = Stage::new();
    let hostile = RunMeta {
        created: "2026-11-01T02:00:00Z".parse().unwrap(),
        ..facts(
            "<script>alert(1)</script>",
            "\"><img src=x onerror=alert(1)>",
        )
    };
    let mut run = Fixture::among(&stage.runs, hostile, &[(&[1], &[2])], &[]);
    run.process("run", "{}");
    run.end("</style><b>done", 6, "");
    let html = stage.history().html();
    let page = parsed(&html);
    assert!(all(&page, "img, main script, main b b, [onerror]").is_empty());
    assert_eq!(all(&page, "script").len(), 1);
    assert!(words(all(&page, "main")[0]).contains("<script>alert(1)</script>"));
}
