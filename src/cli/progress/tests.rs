//! What an observer of entries shows, and where.

use std::{
    borrow::Cow,
    fs::File,
    io::{Read, Seek},
};

use jiff::Timestamp;
use rescind::journal::{
    Batch, CallKind, Evidence, HoldCause, Move, Part, State, TokenOrigin, VerificationResult,
    Verified, Waited,
};
use serde_json::Value;
use tokio::time::advance;

use super::*;
use crate::cli::{
    logging,
    printer::tests::Printed,
    settings::{LogFormat, Verbosity},
};

struct Stage {
    printed: Printed,
    file: File,
    tally: Tally,
    only_reads: bool,
    clock: Clock,
    mortal: bool,
}

impl Stage {
    fn new(ids: u64) -> Self {
        let mut tally = Tally::default();
        tally.add(State::Pending, ids);
        Self {
            printed: Printed::new(),
            file: tempfile::tempfile().unwrap(),
            tally,
            only_reads: false,
            clock: Clock::starting("2026-11-23T02:00:00Z".parse().unwrap()),
            mortal: false,
        }
    }

    /// A screen whose events are kept until the guard is dropped.
    fn screen(&self, draw: bool) -> (Screen, tracing::subscriber::DefaultGuard) {
        self.screen_with(draw, None, HashMap::new())
    }

    fn screen_with(
        &self,
        draw: bool,
        hold: Option<&Remaining>,
        parts: HashMap<BatchId, String>,
    ) -> (Screen, tracing::subscriber::DefaultGuard) {
        let terminal = Terminal::onto(self.printed.printer, draw, || 80, false);
        let log = Some(self.file.try_clone().unwrap());
        let log = logging::subscriber(log, LogFormat::Text, Verbosity::Normal, terminal);
        let guard = tracing::subscriber::set_default(log);
        let beginning = Beginning {
            tally: &self.tally,
            only_reads: self.only_reads,
            rate: &[],
            batches: 40,
            parts,
            hold,
            mortal: self.mortal,
            clock: self.clock,
            timetable: &TimeLimits::default(),
            takes: Duration::from_mins(1),
        };
        (Screen::start(terminal, beginning), guard)
    }

    fn raw(&self) -> String {
        self.printed.text()
    }

    /// What was shown since the last time, without the dates.
    fn shown(&self) -> Vec<String> {
        let text = self.raw();
        self.printed.clear();
        let undated = |line: &str| line.split_once(' ').unwrap().1.trim_start().to_owned();
        text.lines().map(undated).collect()
    }

    fn logged(&mut self) -> Vec<Value> {
        let mut text = String::new();
        self.file.rewind().unwrap();
        self.file.read_to_string(&mut text).unwrap();
        let lines = text.lines();
        lines.map(|l| serde_json::from_str(l).unwrap()).collect()
    }
}

fn moved(batch: BatchId, to: State, reason: &'static str, message: &str) -> Entry {
    Entry::Moved(Move {
        batch,
        ids: 100,
        from: State::InFlight,
        to,
        reason: Cow::Borrowed(reason),
        message: message.to_owned(),
        http_status: Some(500),
        verified: Verified::No,
        owed: false,
        at: Timestamp::UNIX_EPOCH,
    })
}

fn call(number: i64, status: Option<u16>, verdict: &'static str) -> [Entry; 2] {
    [
        Entry::Begun {
            call: number,
            kind: CallKind::Revoke,
            batch: Some(7),
            ids: 100,
            at: Timestamp::UNIX_EPOCH,
        },
        Entry::Answered {
            call: number,
            at: Timestamp::UNIX_EPOCH,
            elapsed_us: 38_400,
            status,
            verdict,
            message: "slow\u{1b}[31m down\nforged".to_owned(),
        },
    ]
}

fn held(clock: Clock, hold: i64, (cause, detail): (HoldCause, &str), seconds: i64) -> Entry {
    let began = clock.now();
    Entry::Held {
        hold,
        cause,
        detail: detail.to_owned(),
        began,
        until: began + jiff::SignedDuration::from_secs(seconds),
        full_ms: seconds * 1_000,
    }
}

/// Where nothing is carried out, what was read counts, and what is not as
/// claimed is told at once.
#[tokio::test(start_paused = true)]
async fn a_verification_counts_what_it_reads() {
    let mut stage = Stage::new(300);
    stage.tally.shift(State::Pending, State::Revoked, 300);
    stage.only_reads = true;
    let (screen, _guard) = stage.screen(false);
    assert_eq!(stage.shown(), ["INFO 0 of 300 IDs read; 0.0 calls/s"]);
    let examined = |batch, found, ids| {
        Entry::Examined(VerificationResult {
            batch,
            root: batch,
            claimed: State::Revoked,
            found,
            ids,
            some: Vec::new(),
        })
    };
    screen.recorded(&[examined(1, Evidence::Revoked, 100)], &stage.tally);
    advance(COUNT_EVERY).await;
    screen.recorded(&[examined(2, Evidence::Unreadable, 100)], &stage.tally);
    let news = [
        examined(3, Evidence::Revoked, 98),
        examined(3, Evidence::Active, 2),
    ];
    screen.recorded(&news, &stage.tally);
    screen.finish();
    assert_eq!(
        stage.shown(),
        [
            "WARN unreadable batch=2 ids=100 claimed=revoked found=unreadable",
            "INFO 200 of 300 IDs read: 100 unreadable; 0.0 calls/s; about 5s left",
            "WARN not as claimed batch=3 ids=2 claimed=revoked found=active",
            "INFO 300 of 300 IDs read: 2 not as claimed, 100 unreadable; 0.0 calls/s",
        ]
    );
    let line = lock(&screen.figures).view().line(80);
    assert!(line.contains("300/300"), "{line}");
}

#[tokio::test(start_paused = true)]
async fn counter_lines_come_at_both_ends_and_every_ten_seconds() {
    let mut stage = Stage::new(4_020);
    let (screen, _guard) = stage.screen(false);
    assert_eq!(
        stage.shown(),
        ["INFO 0 of 4,020 IDs settled; 0.0 calls/s"],
        "at the start"
    );
    for second in 0..25 {
        advance(Duration::from_secs(1)).await;
        stage.tally.shift(State::Pending, State::Revoked, 100);
        screen.recorded(&call(second, Some(200), "accepted"), &stage.tally);
    }
    assert_eq!(
        stage.shown(),
        [
            "INFO 1,000 of 4,020 IDs settled: 1,000 revoked; 1.0 calls/s; about 31s left",
            "INFO 2,000 of 4,020 IDs settled: 2,000 revoked; 1.0 calls/s; about 21s left",
        ]
    );
    stage.tally.shift(State::Pending, State::Refused, 1_520);
    screen.recorded(&[Entry::Waited(Waited::default())], &stage.tally);
    let last =
        ["INFO 4,020 of 4,020 IDs settled: 2,500 revoked, 1,520 refused; 1.0 calls/s".to_owned()];
    assert_eq!(stage.shown(), last, "all settled");
    screen.finish();
    assert!(stage.shown().is_empty(), "not said twice");
}

const LOCKOUT: (HoldCause, &str) = (HoldCause::Lockout, "429");

#[tokio::test(start_paused = true)]
async fn a_hold_is_a_warning_once_with_its_cause_and_end() {
    let mut stage = Stage::new(400);
    let (screen, _guard) = stage.screen(false);
    stage.shown();
    let mut entries = call(1, Some(429), "lockout").to_vec();
    entries.push(held(stage.clock, 1, LOCKOUT, 3_600));
    screen.recorded(&entries, &stage.tally);
    // A call that was under way prolongs it.
    let mut entries = call(2, Some(200), "accepted").to_vec();
    entries.push(held(stage.clock, 1, LOCKOUT, 3_605));
    screen.recorded(&entries, &stage.tally);
    let shown = stage.shown();
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert!(
        shown[0].starts_with("WARN lockout (429): no call for 01:00:00 hold=1 until=2026-11-23T"),
        "{shown:?}"
    );

    advance(Duration::from_secs(3_607)).await;
    screen.recorded(&call(3, None, "in_doubt"), &stage.tally);
    let early = stage.shown();
    assert!(early.iter().all(|line| !line.contains("over")), "{early:?}");
    // Its time is over before somebody calls.
    let at = stage.clock.now();
    screen.recorded(&[Entry::Released { hold: 1, at }], &stage.tally);
    assert_eq!(
        stage.shown()[0],
        "INFO lockout (429): over after 01:00:07, calls go on hold=1"
    );

    let mut entries = call(5, Some(200), "penalty").to_vec();
    entries.push(held(stage.clock, 2, (HoldCause::Penalty, ""), 16));
    screen.recorded(&entries, &stage.tally);
    assert!(stage.shown()[0].starts_with("WARN time penalty: no call for 00:00:16 hold=2"));
    entries[2] = held(stage.clock, 3, (HoldCause::Lockout, "captcha"), 16);
    screen.recorded(&entries, &stage.tally);
    assert!(stage.shown()[0].starts_with("WARN lockout (captcha): no call for 00:00:16 hold=3"));
    entries[2] = held(stage.clock, 4, (HoldCause::Window, "maintenance"), 3_600);
    screen.recorded(&entries, &stage.tally);
    let window = "WARN window to avoid (maintenance): no call for 01:00:00 hold=4";
    assert!(stage.shown()[0].starts_with(window));
    let prolonged = "the wait is longer now: 01:00:05 in all";
    assert!(
        stage
            .logged()
            .iter()
            .any(|line| line["message"] == prolonged)
    );
}

#[tokio::test(start_paused = true)]
async fn a_hold_left_by_an_earlier_process_is_told_of_at_the_start() {
    let stage = Stage::new(400);
    let hold = Remaining {
        cause: HoldCause::Lockout,
        detail: "429".to_owned(),
        left: Duration::from_secs(90),
    };
    let (screen, _guard) = stage.screen_with(false, Some(&hold), HashMap::new());
    let shown = stage.shown();
    assert!(
        shown[0].starts_with(
            "WARN lockout (429) from before: no call for 00:01:30 until=2026-11-23T02:01:30"
        ),
        "{shown:?}"
    );
    assert!(shown[1].starts_with("INFO 0 of 400 IDs"), "{shown:?}");
    advance(Duration::from_secs(90)).await;
    let at = stage.clock.now();
    screen.recorded(&[Entry::Released { hold: 1, at }], &stage.tally);
    assert_eq!(
        stage.shown()[0],
        "INFO lockout (429): over after 00:01:30, calls go on"
    );
}

fn bearing(clock: Clock, provenance: TokenOrigin, minutes: Option<u64>) -> Entry {
    let now = Instant::now();
    Entry::Bearing {
        provenance,
        expires: minutes.map(|minutes| clock.at(now + Duration::from_mins(minutes))),
        at: clock.now(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_the_token_may_not_outlast_says_how_it_will_end() {
    const END: &str = "; the token was handed in and may have expired by then: if so, the run \
                       ends with 8, and a resume with a new one carries on";
    let (lockout, penalty) = (HoldCause::Lockout, HoldCause::Penalty);
    let (given, renewal) = (TokenOrigin::Given, TokenOrigin::Renewal);
    for (mortal, token, cause, seconds, says) in [
        // Nobody knows when it expires.
        (true, (given, None), lockout, 3_600, true),
        (true, (given, None), penalty, 3_600, true),
        (true, (given, None), penalty, 16, false),
        // Once it was renewed, that is known.
        (true, (renewal, Some(50)), lockout, 3_600, true),
        (true, (renewal, Some(70)), lockout, 3_600, false),
        // Somebody else gets it anew.
        (false, (TokenOrigin::LogIn, Some(50)), lockout, 3_600, false),
        (false, (TokenOrigin::File, None), lockout, 3_600, false),
    ] {
        let stage = Stage {
            mortal,
            ..Stage::new(400)
        };
        let (screen, _guard) = stage.screen(false);
        screen.recorded(&[bearing(stage.clock, token.0, token.1)], &stage.tally);
        stage.shown();
        screen.recorded(&[held(stage.clock, 1, (cause, ""), seconds)], &stage.tally);
        assert_eq!(stage.shown()[0].contains(END), says, "{token:?} {cause:?}");
    }
    for mortal in [true, false] {
        let stage = Stage {
            mortal,
            ..Stage::new(400)
        };
        let hold = Remaining {
            cause: lockout,
            detail: String::new(),
            left: Duration::from_mins(30),
        };
        let (_screen, _guard) = stage.screen_with(false, Some(&hold), HashMap::new());
        let shown = stage.shown();
        assert_eq!(
            shown[0].contains(&format!("no call for 00:30:00{END}")),
            mortal
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_got_anew_is_news_with_its_end() {
    let mut stage = Stage::new(400);
    let (screen, _guard) = stage.screen(false);
    stage.shown();
    let clock = stage.clock;
    let entries = [
        bearing(clock, TokenOrigin::File, None),
        bearing(clock, TokenOrigin::Kept, Some(20)),
        bearing(clock, TokenOrigin::LogIn, Some(80)),
        bearing(clock, TokenOrigin::Renewal, None),
        bearing(clock, TokenOrigin::File, None),
        bearing(clock, TokenOrigin::Command, None),
    ];
    screen.recorded(&entries, &stage.tally);
    let shown = stage.shown();
    assert_eq!(shown.len(), 4, "{shown:?}");
    assert!(
        shown[0].starts_with("INFO logged in until=2026-11-23T"),
        "{shown:?}"
    );
    assert_eq!(shown[1], "INFO the token was renewed");
    assert_eq!(shown[2], "INFO the token file was read again");
    assert_eq!(shown[3], "INFO the token command was run again");
    // The log has all of them.
    let logged = stage.logged();
    let known = logged.iter().filter_map(|line| line["source"].as_str());
    assert_eq!(known.collect::<Vec<_>>(), ["file", "kept"]);
}

#[tokio::test(start_paused = true)]
async fn trouble_with_a_batch_is_shown_with_its_path_reason_and_words() {
    let mut stage = Stage::new(400);
    let parts = HashMap::from([(44, "9.1".to_owned())]);
    let (screen, _guard) = stage.screen_with(false, None, parts);
    stage.shown();
    let part = |id, state, reason| Part {
        batch: Batch {
            id,
            path: format!("8.{}", id - 40),
            root: 8,
            state,
            ids: vec![5.try_into().unwrap()],
            lines: vec![1],
        },
        reason: Cow::Borrowed(reason),
        message: String::new(),
        verified: Verified::No,
        owed: false,
    };
    let entries = [
        moved(7, State::Unknown, "timeout", "no answer"),
        moved(7, State::Pending, "", ""),
        moved(7, State::Revoked, "", ""),
        Entry::Divided {
            batch: 8,
            from: State::Unknown,
            parts: vec![
                part(41, State::Revoked, ""),
                part(42, State::Missing, "absent"),
                // A half of what was refused is a step, and not told.
                part(43, State::Unknown, ""),
            ],
            at: Timestamp::UNIX_EPOCH,
        },
        moved(41, State::Exhausted, "http_500", "\u{1b}[2Jsorry\nERROR"),
        moved(44, State::Refused, "violations", ""),
        moved(45, State::Refused, "violations", ""),
    ];
    screen.recorded(&entries, &stage.tally);
    assert_eq!(
        stage.shown(),
        [
            r#"INFO in doubt batch=7 ids=100 reason=timeout status=500 said="no answer""#,
            r"WARN missing batch=8.2 ids=1 reason=absent",
            r#"WARN exhausted batch=8.1 ids=100 reason=http_500 status=500 said="\u{1b}[2Jsorry\nERROR""#,
            r"WARN refused batch=9.1 ids=100 reason=violations status=500",
            r"WARN refused batch=#45 ids=100 reason=violations status=500",
        ]
    );
    let logged = stage.logged();
    let divided = logged.iter().find(|line| line["message"] == "divided");
    assert_eq!(divided.unwrap()["parts"], 3);
}

#[tokio::test(start_paused = true)]
async fn of_many_troubles_alike_the_rest_is_only_in_run_log() {
    let mut stage = Stage::new(4_000);
    let (screen, _guard) = stage.screen(false);
    stage.shown();
    for batch in 1..=40 {
        let refused = moved(batch, State::Refused, "violations", "");
        let missing = moved(batch, State::Missing, "absent", "");
        screen.recorded(&[refused], &stage.tally);
        if batch <= 20 {
            screen.recorded(&[missing], &stage.tally);
        }
    }
    let shown = stage.shown();
    let alike = |words: &str| shown.iter().filter(|line| line.contains(words)).count();
    assert_eq!(alike("WARN refused batch"), 20);
    assert_eq!(alike("WARN missing batch"), 20);
    assert_eq!(shown.len(), 41, "{shown:?}");
    assert_eq!(
        shown[40],
        "INFO refused: further lines like these are only in run.log reason=violations"
    );
    screen.finish();
    assert_eq!(
        stage.shown()[0],
        "INFO refused: 20 more lines like these are in run.log reason=violations"
    );
    let logged = stage.logged();
    let refused = logged.iter().filter(|line| line["message"] == "refused");
    assert_eq!(refused.count(), 40);
}

#[tokio::test(start_paused = true)]
async fn run_log_has_every_call_and_every_change_of_state() {
    let mut stage = Stage::new(400);
    let (screen, _guard) = stage.screen(false);
    let mut entries = call(12, Some(200), "accepted").to_vec();
    entries.push(moved(7, State::Revoked, "unverified", ""));
    entries.push(Entry::Withdrawn { call: 13 });
    screen.recorded(&entries, &stage.tally);
    assert_eq!(stage.shown().len(), 1, "the counter line");
    let logged = stage.logged();
    let call = &logged[1];
    assert_eq!(call["message"], "answered");
    for (field, value) in [
        ("call", Value::from(12)),
        ("kind", "revoke".into()),
        ("batch", "7".into()),
        ("ids", 100.into()),
        ("status", 200.into()),
        ("verdict", "accepted".into()),
        ("ms", 38.into()),
        ("said", "slow\u{1b}[31m down\nforged".into()),
    ] {
        assert_eq!(call[field], value, "{field}");
    }
    assert_eq!(logged[2]["message"], "revoked");
    assert_eq!(logged[3]["call"], 13);
}

#[tokio::test(start_paused = true)]
async fn of_what_was_never_sent_only_what_cannot_be_read_is_shown() {
    let mut stage = Stage::new(2);
    stage.only_reads = true;
    let (screen, _guard) = stage.screen(false);
    stage.shown();
    for (batch, found) in [(1, Evidence::Absent), (2, Evidence::Unreadable)] {
        let examined = Entry::Examined(VerificationResult {
            batch,
            root: batch,
            claimed: State::Pending,
            found,
            ids: 1,
            some: Vec::new(),
        });
        screen.recorded(&[examined], &stage.tally);
    }
    screen.finish();
    assert_eq!(
        stage.shown(),
        [
            "WARN unreadable batch=2 ids=1 claimed=pending found=unreadable",
            "INFO 2 of 2 IDs read: 1 absent, 1 unreadable; 0.0 calls/s",
        ]
    );
    let logged = stage.logged();
    let absent = |line: &serde_json::Value| line["message"] == "absent";
    assert!(logged.iter().any(absent), "{logged:?}");
}

#[tokio::test]
async fn lines_print_above_the_bar_and_the_bar_goes_at_the_end() {
    let mut stage = Stage::new(400);
    let (screen, _guard) = stage.screen(true);
    let bar = "0/400 IDs · 0.0/s · 0 in flight · ETA ?";
    assert!(stage.raw().contains(bar), "{:?}", stage.raw());
    stage.printed.clear();

    screen.recorded(&[moved(7, State::Refused, "why", "")], &stage.tally);
    let raw = stage.raw();
    let (before, after) = raw.split_once("WARN").unwrap();
    assert!(before.contains("\r\u{1b}[J"), "erased first: {raw:?}");
    let (line, after) = after.split_once('\n').unwrap();
    assert!(line.ends_with("reason=why status=500"), "{raw:?}");
    assert!(after.contains(bar), "drawn again: {raw:?}");

    screen.finish();
    let raw = stage.raw();
    let (_, left) = raw.rsplit_once("\r\u{1b}[J").unwrap();
    assert_eq!(left, "", "{raw:?}");
    let counters = stage.logged();
    let counters = counters
        .iter()
        .filter(|line| line["message"].as_str().unwrap().contains(" IDs settled"));
    assert_eq!(counters.count(), 1, "they go to run.log all the same");
}
