//! The ways out that are not the API's doing: what a run says and leaves that
//! is held, refused, locked out, deferred or cut off.

use rustix::process::Signal;

use super::{MARKED, call, searched};
use crate::support::process::{Running, Site};

const TOKEN: [(&str, &str); 1] = [("RESCIND_TOKEN", MARKED)];

#[test]
fn nothing_is_to_be_found_where_a_run_is_held_empty_or_deferred() {
    let site = Site::new(&format!("token = '{MARKED}'"));
    let list = site.list(1001..1011);
    site.file("empty.csv", "tradingPermissionId\n");
    site.file("keep.csv", "1003\n");
    for (options, code) in [
        (format!("{list} --max-ids 5 --exclude keep.csv -v"), 7),
        ("empty.csv -v".to_owned(), 4),
        (format!("{list} --max-duration 1s --timeout 2s -v"), 5),
        (format!("{list} --exclude absent.csv -v"), 2),
    ] {
        let ended = call(&site, &site.run_line(&options), &TOKEN).with(code);
        searched(&site, &ended, &options);
    }
    let held = "resume latest --approve 000000000000 -v";
    searched(&site, &call(&site, held, &TOKEN), held);
}

#[test]
fn no_secret_is_left_by_a_run_locked_out_or_signalled() {
    for signals in 1..=2 {
        let site = Site::new(&format!("token = '{MARKED}'\nlatency = '1s'"));
        let list = site.list(1001..1041);
        let line = site.run_line(&format!("{list} --batch-size 4 -v"));
        let mut command = site.command(&line);
        let running = Running::start(command.env("RESCIND_TOKEN", MARKED));
        site.until_posted(1);
        let other = call(&site, &line, &TOKEN).with(11);
        for _ in 0..signals {
            running.signal(Signal::TERM);
        }
        let ended = running.end().with(143);
        searched(&site, &other, "the other run");
        searched(&site, &ended, "a run that was cut off");
        let report = call(&site, "report latest", &TOKEN);
        searched(&site, &report, "its report");
    }
}
