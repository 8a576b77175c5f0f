//! Exit 5, by the built binary: a wait or a run that does not fit the time
//! allowed ends at once, says when to resume, and a resume carries on.

use std::{io::Write as _, path::Path, process::Stdio, thread, time::Duration};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use rescind::sandbox::Kind;
use rustix::process::Signal;

use crate::support::process::{Ended, Running, Site, claims_hold, ended_so, summary, until};

/// The time of day so many minutes from now, by UTC.
fn minutes_from_now(minutes: i64) -> String {
    let moment = Timestamp::now() + SignedDuration::from_mins(minutes);
    let shown = TimeZone::UTC.to_datetime(moment);
    shown.strftime("%H:%M").to_string()
}

/// How long it is until the moment that the summary says to resume at.
fn resume_in(run: &Path) -> Duration {
    let at = summary(run)["resume_at"].as_str().unwrap().to_owned();
    let at: Timestamp = at.parse().unwrap();
    Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default()
}

#[track_caller]
fn between(span: Duration, least: u64, most: u64) {
    let seconds = span.as_secs();
    assert!((least..=most).contains(&seconds), "{span:?}");
}

/// Resumes the newest run, and returns how many calls that took.
#[track_caller]
fn resumed(site: &Site, options: &str, code: i32) -> (Ended, usize) {
    let before = site.truth().calls.len();
    let ended = site.call(&format!("resume latest {options}")).with(code);
    (ended, site.truth().calls.len() - before)
}

#[test]
fn exit_5_what_does_not_fit_max_duration_is_left_to_resume() {
    let site = Site::new("");
    let list = site.list(1001..1041);
    let options = "--batch-size 1 --rate 2/s --timeout 4s --max-duration 8s";
    site.call(&format!("run --base-url {} {list} {options}", site.url))
        .with(5)
        .shows("--max-duration 8s")
        .shows("rescind resume");
    let run = site.the_run();
    let summary = summary(&run);
    assert_eq!(
        (&summary["outcome"], &summary["exit_code"]),
        (&"deferred".into(), &5.into())
    );
    let some = site.truth().count(Kind::Revoke);
    assert!((1..=8).contains(&some), "{some} within four seconds");
    // It is counted anew from the start of each process, and kept as it was.
    let (ended, calls) = resumed(&site, "", 5);
    ended.shows("--max-duration 8s");
    assert!((1..=9).contains(&calls), "{calls} within four seconds");
    resumed(&site, "--max-duration off --rate unlimited", 0);
    ended_so(&run, "complete", 0, &[("revoked", 40)]);
    claims_hold(&site, &run);
}

#[test]
fn exit_5_what_would_not_be_answered_by_finish_by_is_not_begun() {
    let site = Site::new("");
    let list = site.list(1001..1011);
    let by = minutes_from_now(5);
    let line = format!("{list} --timeout 10m --finish-by {by} --time-zone UTC");
    site.run(&line)
        .with(5)
        .shows("no call could be answered any more before")
        .shows(&format!("{by}:00 UTC (--finish-by {by})"))
        .shows("rescind resume");
    let run = site.the_run();
    ended_so(&run, "deferred", 5, &[("pending", 10)]);
    assert!(site.truth().calls.is_empty());
    let (_, calls) = resumed(&site, "", 5);
    assert_eq!(calls, 0);
    resumed(&site, "--finish-by off", 0);
    ended_so(&run, "complete", 0, &[("revoked", 10)]);
    claims_hold(&site, &run);
}

/// Whoever asks for an end at a time of day would otherwise get that of the
/// next day, if the list or the lock came late.
#[test]
fn exit_5_the_time_allowed_counts_from_the_command() {
    let site = Site::new("");
    let allowed = Duration::from_secs(2);
    let line = format!(
        "run - --base-url {} --timeout 1s --max-duration 2s",
        site.url
    );
    let mut running = Running::start(site.command(&line).stdin(Stdio::piped()));
    let mut list = running.stdin();
    // The command was given before it began with anything.
    until("it begins", || site.runs_dir().exists().then_some(()));
    thread::sleep(allowed);
    list.write_all(b"1001\n1002\n").unwrap();
    drop(list);
    running.end().with(5).shows("--max-duration 2s");
    ended_so(&site.the_run(), "deferred", 5, &[("pending", 2)]);
    assert!(site.truth().calls.is_empty());
}

#[test]
fn exit_5_a_lockout_longer_than_max_wait_is_kept_by_resume() {
    let deferred = |lockout: &str, max_wait: &str| {
        let site = Site::new("lockout = '50ms'\nfaults.script = { revoke = ['none', '429'] }");
        let list = site.list(1001..1011);
        let options = "--batch-size 2 --workers 1";
        let ended = site.run(&format!(
            "{list} {options} --lockout-wait {lockout} --max-wait {max_wait}"
        ));
        (site, ended)
    };
    let (site, ended) = deferred("1h", "30m");
    ended
        .with(5)
        .says("lockout (429)")
        .shows("the lockout (429) lasts until")
        .shows("longer than --max-wait allows")
        .shows("continues; not before");
    let run = site.the_run();
    ended_so(&run, "deferred", 5, &[("revoked", 2), ("pending", 8)]);
    between(resume_in(&run), 3_000, 3_600);
    // Not before, whoever asks; the lock is free.
    let (ended, calls) = resumed(&site, "", 5);
    ended.shows("longer than --max-wait allows");
    assert_eq!(calls, 0);

    // A shorter one is sat through.
    let (site, ended) = deferred("2s", "1s");
    ended.with(5);
    let run = site.the_run();
    resumed(&site, "--max-wait 1h", 0);
    ended_so(&run, "complete", 0, &[("revoked", 10)]);
    assert_eq!(site.truth().touched, 0);
    claims_hold(&site, &run);
}

#[test]
fn exit_5_an_hours_lockout_does_not_fit_into_ten_minutes() {
    let site = Site::new("faults.script = { revoke = ['none', '423'] }");
    let list = site.list(1001..1011);
    let options = "--batch-size 2 --workers 1 --lockout-wait 1h --max-duration 10m";
    site.run(&format!("{list} {options}"))
        .with(5)
        .shows("the lockout (423) lasts until")
        .shows("(--max-duration 10m)")
        .shows("continues; not before");
    let run = site.the_run();
    between(resume_in(&run), 3_000, 3_600);
    let (_, calls) = resumed(&site, "", 5);
    assert_eq!(calls, 0);
    between(resume_in(&run), 2_700, 3_600);
    // Another run at this address waits no shorter.
    let other = site.list(2001..2003);
    site.run(&format!("{other} --max-wait 10m"))
        .with(5)
        .shows("longer than --max-wait allows");
    assert_eq!(site.truth().count(Kind::Revoke), 2);
}

#[test]
fn exit_5_a_retry_after_of_days_is_not_sat_through() {
    for (kind, status, revoked) in [("items", 503, 0), ("revoke", 503, 0), ("revoke", 429, 0)] {
        let site = Site::new(&format!(
            "retry_after = '72h'\nfaults.script = {{ {kind} = ['{status}'] }}"
        ));
        let list = site.list(1001..1011);
        site.run(&list)
            .with(5)
            .shows("longer than --max-wait allows");
        let run = site.the_run();
        assert_eq!(summary(&run)["exit_code"], 5);
        between(resume_in(&run), 72 * 3_600 - 600, 72 * 3_600);
        assert_eq!(site.revoked().len(), revoked);
        // A lockout is kept. A server that was down may be up again before.
        let (_, calls) = resumed(&site, "", if status == 429 { 5 } else { 0 });
        assert_eq!(calls == 0, status == 429);
    }
}

/// Settings with a window that is on now, and for some minutes.
fn window(site: &Site) -> String {
    let (from, to) = (minutes_from_now(-2), minutes_from_now(5));
    let days = "'mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'";
    site.file(
        "my.toml",
        format!(
            "base-url = '{}'\n[[avoid]]\nname = 'upkeep'\ndays = [{days}]\n\
             from = '{from}'\nto = '{to}'\nzone = 'UTC'\n",
            site.url
        ),
    )
}

#[test]
fn a_window_that_is_on_holds_the_run_until_a_signal() {
    let site = Site::new("");
    let list = site.list(1001..1011);
    let config = window(&site);
    let running = site.start(&format!("run {list} --config {config}"));
    until("the window is recorded", || {
        let log = std::fs::read_to_string(site.runs().first()?.join("run.log")).ok()?;
        log.contains("window to avoid (upkeep): no call for")
            .then_some(())
    });
    running.signal(Signal::TERM);
    running
        .end()
        .with(143)
        .says("window to avoid (upkeep): no call for 00:0");
    let run = site.the_run();
    ended_so(&run, "interrupted", 143, &[("pending", 10)]);
    assert!(site.truth().calls.is_empty());
    let waited = summary(&run)["waited"]["window"].as_f64().unwrap();
    assert!(waited > 0.0 && waited < 60.0, "{waited}");

    // The windows are recorded with the run; they hold the next resume, too.
    site.file(
        "none.toml",
        format!("base-url = '{}'\navoid = []\n", site.url),
    );
    let (ended, calls) = resumed(&site, "--max-duration 90s", 5);
    ended
        .shows("the window to avoid (upkeep) lasts until")
        .shows("(--max-duration 1m30s)");
    assert_eq!(calls, 0);
    between(resume_in(&run), 120, 300);
    resumed(&site, "--config none.toml --max-duration off", 0);
    ended_so(&run, "complete", 0, &[("revoked", 10)]);
    claims_hold(&site, &run);
}

/// Of a budget of two calls an hour nothing is left after a moment.
#[test]
fn a_run_says_how_long_it_will_take_and_what_it_waits_for() {
    let site = Site::new("");
    let list = site.list(1001..1011);
    let pace = "--rate 2/h --burst 2 --batch-size 5";
    let url = format!("--base-url {}", site.url);
    let running = site.start(&format!("run {list} {url} {pace} --max-duration 90m"));
    until("the wait is told of", || {
        let log = std::fs::read_to_string(site.runs().first()?.join("run.log")).ok()?;
        log.contains("waiting for the hourly budget: no call for 00:5")
            .then_some(())
    });
    running.signal(Signal::TERM);
    // A read, two revocations, two reads, half an hour apart.
    running
        .end()
        .with(143)
        .says("about 2 h at 2 calls an hour: until ")
        .says("it does not fit --max-duration 1h30m: about 60% of the calls can be made by then")
        .says("waiting for the hourly budget: no call for 00:5");
    assert_eq!(site.truth().calls.len(), 2);
    // What was used counts for whoever plans another run there.
    site.call(&format!("plan {list} {url} {pace}"))
        .with(0)
        .shows("about 3 h at 2 calls an hour: until ")
        .shows("1 h for what was used of the budget before")
        .shows("A run would revoke 10 IDs.");
    site.call(&format!("plan {list} {url} {pace} --max-duration 2h30m"))
        .with(0)
        .shows("WARNING: it does not fit --max-duration 2h30m");
}
