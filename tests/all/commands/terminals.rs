//! Terminals and pipes at the ends of a process: in Ctrl-S, or not read, they
//! do not hold a run up, nor its signals and its lock; and a list is typed.

use std::fs;
use std::io::{ErrorKind, PipeReader, PipeWriter, Write, pipe};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Stdio;

use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl, open};
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Action, Winsize, tcflow, tcsetwinsize};

use crate::support::process::{Running, Site, claims_hold, ended_so, summary, until};

/// A pipe that takes nothing more, and its reader, who sleeps.
fn full_pipe() -> (PipeWriter, PipeReader) {
    let (reader, mut writer) = pipe().unwrap();
    let flags = fcntl_getfl(&writer).unwrap();
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
    for size in [4096, 1] {
        while writer.write(&vec![b'.'; size]).is_ok() {}
    }
    let full = writer.write(b".").unwrap_err();
    assert_eq!(full.kind(), ErrorKind::WouldBlock);
    fcntl_setfl(&writer, flags).unwrap();
    (writer, reader)
}

/// A terminal in which Ctrl-S was pressed, and its other end.
fn stopped_terminal() -> (OwnedFd, OwnedFd) {
    let (terminal, window) = terminal();
    tcflow(terminal.as_fd(), Action::OOff).unwrap();
    (terminal, window)
}

/// A terminal of 80 columns, and its other end.
fn terminal() -> (OwnedFd, OwnedFd) {
    let window = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&window).unwrap();
    unlockpt(&window).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let terminal = open(ptsname(&window, Vec::new()).unwrap(), flags, Mode::empty()).unwrap();
    let size = Winsize {
        ws_row: 24,
        ws_col: 80,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&terminal, size).unwrap();
    (terminal, window)
}

#[test]
fn a_run_whose_standard_error_is_stuck_goes_on_to_its_end() {
    let (pipe, _reader) = full_pipe();
    let (terminal, _window) = stopped_terminal();
    for stuck in [Stdio::from(pipe), Stdio::from(terminal)] {
        let site = Site::new("");
        let list = site.list(1001..1101);
        let line = site.run_line(&format!("{list} --batch-size 10"));
        let running = Running::start_onto(&mut site.command(&line), Stdio::piped(), stuck);
        running.end().with(0);
        let run = site.the_run();
        ended_so(&run, "complete", 0, &[("revoked", 100)]);
        claims_hold(&site, &run);
        // What could not be printed is counted, and run.log lost nothing.
        let log = fs::read_to_string(run.join("run.log")).unwrap();
        assert!(log.contains("not all lines could be printed"), "{log}");
        let answered = log.matches("\"answered\"").count() as u64;
        let calls = &summary(&run)["requests"];
        let made = calls["revoke"].as_u64().unwrap() + calls["read"].as_u64().unwrap();
        assert_eq!(answered, made, "{log}");
    }
}

#[test]
fn signals_are_heard_whatever_standard_error_is_stuck_in() {
    let (pipe, _reader) = full_pipe();
    let (terminal, _window) = stopped_terminal();
    for stuck in [Stdio::from(pipe), Stdio::from(terminal)] {
        let site = Site::new("latency = '10ms'");
        let list = site.list(1001..1401);
        let line = site.run_line(&format!("{list} --batch-size 1 --workers 1"));
        let running = Running::start_onto(&mut site.command(&line), Stdio::piped(), stuck);
        site.until_posted(5);
        running.signal(Signal::TERM);
        running.end().with(143);
        let posted = site.revoked().len() as u64;
        let ids = [("revoked", posted), ("pending", 400 - posted)];
        ended_so(&site.the_run(), "interrupted", 143, &ids);
    }
}

/// The report has a reader who sleeps: everything is done, and nothing that
/// others wait for is held.
#[test]
fn an_unread_report_holds_no_lock_and_a_signal_ends_it() {
    let site = Site::new("");
    let (pipe, _reader) = full_pipe();
    let line = site.run_line(&site.list(1001..1011));
    let running = Running::start_onto(&mut site.command(&line), pipe.into(), Stdio::piped());
    until("the run is done", || {
        let summary = fs::read_to_string(site.runs().first()?.join("summary.json")).ok()?;
        summary.contains("\"complete\"").then_some(())
    });
    let run = site.the_run();
    let other = site.list(1011..1021);
    site.run(&format!("{other} --lock-wait 30s")).with(0);
    running.signal(Signal::HUP);
    running.signal(Signal::TERM);
    // As the run ended, and as its files say.
    running.end().with(0);
    ended_so(&run, "complete", 0, &[("revoked", 10)]);
}

#[test]
fn a_list_typed_at_a_terminal_ends_with_one_ctrl_d() {
    let site = Site::new("");
    let (terminal, window) = terminal();
    let mut command = site.command(&format!("plan - --base-url {}", site.url));
    let running = Running::start(command.stdin(terminal));
    rustix::io::write(&window, b"1001\n1002\n\x04").unwrap();
    let ended = running.end().with(0).says("Ctrl-D");
    ended.shows("2 rows = 2 distinct");
}
