//! A process that is stopped while a call waits for its turn, as by SIGSTOP
//! or in a frozen container.

use std::{path::Path, thread, time::Duration};

use rusqlite::{Connection, OpenFlags};
use rustix::process::Signal;

use crate::support::process::{Site, until};

/// When calls were recorded that were sent or are about to be, in order.
fn recorded(run: &Path) -> Vec<Duration> {
    let path = run.join("journal.db");
    let journal = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut calls = journal
        .prepare("SELECT recorded_at FROM call ORDER BY recorded_at")
        .unwrap();
    let calls = calls.query_map([], |row| row.get::<_, i64>(0)).unwrap();
    calls
        .map(|at| Duration::from_millis(at.unwrap().cast_unsigned()))
        .collect()
}

/// On waking, the record of the call that waited is too old: the next process
/// would count it as sent long before it was.
#[test]
fn no_call_of_a_stopped_process_goes_out_on_an_old_record() {
    let site = Site::new("");
    let list = site.list(1001..1005);
    // A call in three seconds: each is recorded well before its turn.
    let running = site.start(&format!(
        "run --base-url {} {list} --batch-size 1 --workers 1 --verify off --rate 20/m",
        site.url
    ));
    until("a call that is on record waits for its turn", || {
        let run = site.runs().pop()?;
        let waits = || {
            (2..4).contains(&site.truth().calls.len())
                && recorded(&run).len() > site.truth().calls.len()
        };
        if !waits() {
            return None;
        }
        running.signal(Signal::STOP);
        if waits() {
            return Some(());
        }
        running.signal(Signal::CONT);
        None
    });
    thread::sleep(Duration::from_secs(5));
    running.signal(Signal::CONT);
    running.end().with(0);
    let (recorded, arrived) = (recorded(&site.the_run()), site.truth().calls);
    assert_eq!(recorded.len(), arrived.len());
    for (recorded, arrived) in recorded.iter().zip(arrived) {
        let age = arrived.at.saturating_sub(*recorded);
        assert!(age < Duration::from_secs(4), "recorded {age:?} before");
    }
}
