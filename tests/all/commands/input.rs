//! Lists as spreadsheets, databases and people produce them: what is read,
//! what is not, and what is said of it. `tests/fixtures/input/` holds them;
//! the words that are expected stand in `tests/fixtures/said.txt`, to be read
//! in one go.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use flate2::{Compression, write::GzEncoder};
use rustix::fs::{Mode, mkfifoat};

use crate::support::process::{Ended, Running, Site, rescind, unprivileged};
use crate::support::scratch;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn plan(home: &Path, list: &str) -> Ended {
    Running::start(rescind(home).args(["plan", "--env", "sandbox", list])).end()
}

/// What a plan says of the list, and what is said on standard error.
fn said(ended: &Ended) -> String {
    let of_the_list = ended
        .out
        .lines()
        .skip_while(|line| !line.starts_with("List "))
        .take_while(|line| !line.starts_with("Batches "));
    let mut said = format!("exit code {}\n", ended.code.unwrap());
    for line in of_the_list.chain(ended.err.lines()) {
        // Writing to a string cannot fail.
        let _ = writeln!(said, "{line}");
    }
    said
}

/// Every fixture has its words, each of them is to be seen here. With
/// `UPDATE_GOLDENS` in the environment they are written anew.
#[test]
fn every_bad_list_gets_what_is_wrong_where_and_what_to_do() {
    let lists = fixtures().join("input");
    let entries = fs::read_dir(&lists).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.len() > 40, "{names:?}");
    let mut all = String::new();
    for name in &names {
        let ended = plan(&lists, name);
        assert!(
            !ended.out.contains('\u{1b}') && !ended.err.contains('\u{1b}'),
            "{name}"
        );
        let _ = writeln!(all, "== {name}\n{}", said(&ended));
    }
    let expected = fixtures().join("said.txt");
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        fs::write(&expected, &all).unwrap();
    }
    let expected = fs::read_to_string(expected).unwrap();
    for (was, is) in expected.split("== ").zip(all.split("== ")) {
        assert_eq!(was, is);
    }
    assert_eq!(expected, all);
}

/// A run says the same, sends nothing, and leaves nothing.
#[test]
fn a_run_refuses_a_bad_list_with_its_first_bad_rows() {
    let home = scratch();
    let list = fixtures().join("input/scientific-notation.csv");
    let mut command = rescind(home.path());
    let ended = Running::start(command.args(["run", "--env", "sandbox"]).arg(list))
        .end()
        .with(2);
    assert!(
        ended.err.contains(
            "caused by: line 2: \"1.02E+09\" invalid: scientific notation, as a spreadsheet writes it; \
             format the column as text\n"
        ),
        "{}",
        ended.err
    );
    ended.says("3 of 4 rows").says("nothing was sent");
    let left = fs::read_dir(home.path().join("runs")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [".lock-sandbox"]);
}

/// What is odd is said where it can still be stopped; it is sent all the same.
#[test]
fn a_run_says_what_is_odd_about_its_ids_before_it_begins() {
    let site = Site::new("");
    let usual = 1_000_000_001..1_000_000_030;
    let list = site.list(usual.chain([1002]));
    let odd = "note: 1 ID has 4 digits where most have 10: line 31\n";
    let ended = site.run(&list).with(0).says(odd);
    let (said, run) = (ended.err.find(odd), ended.err.find("run 20"));
    assert!(said < run, "{}", ended.err);
    assert_eq!(site.revoked().len(), 30);
    let ended = site.run(&format!("{list} -q")).with(0);
    assert!(!ended.err.contains("note: "), "{}", ended.err);
}

/// The most memory that a plan may ask for, its program and libraries
/// included, in KiB.
const MEMORY: u32 = 256 * 1024;

/// A plan of what is written to it, in bounded memory.
fn bounded(write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static) -> Ended {
    let home = scratch();
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("ulimit -v {MEMORY} && exec \"$@\""), "sh"])
        .arg(env!("CARGO_BIN_EXE_rescind"))
        .args(["plan", "--env", "sandbox", "-"])
        .current_dir(home.path());
    let (from, mut to) = io::pipe().unwrap();
    let running = Running::start(command.stdin(from));
    drop(command);
    // A list that is given up is not read to its end.
    let writer = thread::spawn(move || write(&mut to));
    let ended = running.end();
    match writer.join().unwrap() {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => panic!("{error}"),
        _ => ended,
    }
}

fn repeat(out: &mut dyn Write, text: &str, times: usize) -> io::Result<()> {
    let many = text.repeat(1_000_000_usize.div_ceil(text.len()));
    let mut left = text.len() * times;
    while left > 0 {
        let now = left.min(many.len());
        out.write_all(&many.as_bytes()[..now])?;
        left -= now;
    }
    Ok(())
}

#[test]
fn a_line_of_100_mb_is_one_invalid_row() {
    for (before, after) in [
        ("permissionId\n1020304050\n", "\n1020304051\n"),
        (
            "name,permissionId\nx,1020304050\n",
            ",1020304050\ny,1020304051\n",
        ),
    ] {
        let ended = bounded(move |out| {
            out.write_all(before.as_bytes())?;
            repeat(out, "7", 100_000_000)?;
            out.write_all(after.as_bytes())
        });
        ended
            .with(2)
            .shows("3 rows = 2 distinct + 0 duplicates + 1 invalid")
            .shows("line 3: \"7777")
            .shows("invalid: a row longer than 64 KiB");
    }
}

#[test]
fn a_line_without_an_end_is_given_up() {
    let ended = bounded(|out| {
        loop {
            repeat(out, "\0", 1_000_000)?;
        }
    });
    ended
        .with(2)
        .says("caused by: line 1 of standard input does not end within 128 MiB\n")
        .says("hint: look at how it begins");
}

/// Devices and pipes may have no end; each is given up with a message.
#[test]
fn an_input_without_an_end_is_given_up() {
    let home = scratch();
    for device in ["/dev/zero", "/dev/urandom"] {
        let ended = plan(home.path(), device).with(2);
        assert!(ended.err.contains(device), "{}", ended.err);
    }
    let ended = bounded(|out| {
        loop {
            repeat(out, "y\n", 1_000_000)?;
        }
    });
    ended
        .with(2)
        .says("caused by: 100001 of the first 100001 rows of standard input hold no ID\n")
        .says("hint: look at what writes it");
}

/// The list is open while the excluded IDs are waited for.
#[test]
fn exit_2_a_list_that_is_written_to_while_it_is_read() {
    let home = scratch();
    let list = home.path().join("list.csv");
    fs::write(&list, "1020304050\n").unwrap();
    let pipe = home.path().join("keep");
    mkfifoat(rustix::fs::CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
    let line = ["plan", "list.csv", "--exclude", "keep", "--env", "sandbox"];
    let running = Running::start(rescind(home.path()).args(line));
    let mut keep = File::options().write(true).open(pipe).unwrap();
    let mut list = File::options().append(true).open(list).unwrap();
    list.write_all(b"1020304051\n").unwrap();
    keep.write_all(b"1\n").unwrap();
    drop(keep);
    running
        .end()
        .with(2)
        .says("caused by: list.csv changed while it was read\n")
        .says("hint: wait until it is written completely");
}

#[test]
fn a_million_columns_fail_a_header_and_invalidate_a_row() {
    let ended = bounded(|out| {
        repeat(out, "permissionId,", 1_000_000)?;
        out.write_all(b"\n1\n")
    });
    ended
        .with(2)
        .says("caused by: the first row of standard input (line 1) is longer than 64 KiB\n")
        .says("hint: look at how it begins");
    let ended = bounded(|out| {
        out.write_all(b"permissionId,name\n1020304050,x\n")?;
        repeat(out, "1,", 1_000_000)?;
        out.write_all(b"\n1020304051,y\n")
    });
    ended
        .with(2)
        .shows("3 rows = 2 distinct + 0 duplicates + 1 invalid")
        .shows("line 3: \"1,1,1,1");
}

/// What a compressor makes of a text that is repeated for a gigabyte, or
/// nearly: some 100 KB with Zstandard, and 1 MB with gzip.
#[test]
fn a_bomb_costs_neither_memory_nor_time() {
    let zstd = |text: String| {
        move |out: &mut dyn Write| {
            let mut zstd = zstd::Encoder::new(out, 1)?;
            repeat(&mut zstd, &text, 1_000_000_000 / text.len())?;
            zstd.finish().map(drop)
        }
    };
    let begun = Instant::now();
    // One line, and many.
    for text in ["0".to_owned(), "0".repeat(1_000) + "\n"] {
        bounded(zstd(text))
            .with(2)
            .says("caused by: standard input unpacks to more than 1000 times its size, as no list does (zstd)\n")
            .says("hint: look at what it holds");
    }
    let ended = bounded(|out| {
        let mut gzip = GzEncoder::new(out, Compression::best());
        repeat(&mut gzip, "0", 300_000_000)?;
        gzip.finish().map(drop)
    });
    ended
        .with(2)
        .says("caused by: standard input unpacks to more than 1000 times its size, as no list does (gzip)\n")
        .says("hint: look at what it holds");
    assert!(begun.elapsed() < Duration::from_mins(4));
}

/// A frame that asks for a window of two gigabytes.
#[test]
fn a_frame_that_asks_for_much_memory_does_not_get_it() {
    let ended = bounded(|out| {
        let mut zstd = zstd::Encoder::new(Vec::new(), 1)?;
        zstd.window_log(31)?;
        zstd.long_distance_matching(true)?;
        repeat(&mut zstd, "1020304050\n", 10)?;
        let mut frame = zstd.finish()?;
        // A frame that does not state its size has a window: RFC 8878, 3.1.1.1.
        frame[5] = (31 - 10) << 3;
        out.write_all(&frame)
    });
    ended
        .with(2)
        .says("caused by: standard input is damaged: its zstd data cannot be unpacked\n")
        .says("too much memory");
}

#[test]
fn a_directory_a_missing_and_an_unreadable_file_differ() {
    let home = scratch();
    fs::create_dir(home.path().join("lists")).unwrap();
    let ended = plan(home.path(), "lists").with(2);
    assert_eq!(
        ended.err,
        "error: the list cannot be read\n\
         caused by: lists is a directory, not a list\n\nhint: name the file in it\n"
    );
    let ended = plan(home.path(), "lists/none.csv").with(2);
    assert_eq!(
        ended.err,
        "error: the list cannot be read\n\
         caused by: no such file: lists/none.csv\n\nhint: look at the path; - reads standard input\n"
    );
    // Reading the memory of a process where nothing is mapped fails.
    let ended = plan(home.path(), "/proc/self/mem").with(2);
    ended
        .says("caused by: /proc/self/mem cannot be read\ncaused by: ")
        .says("hint: copy the file to a local disk and try again");
}

#[test]
fn a_list_that_may_not_be_read_is_told_of() {
    let home = scratch();
    let list = home.path().join("list.csv");
    fs::write(&list, "1020304050\n").unwrap();
    fs::set_permissions(&list, fs::Permissions::from_mode(0o000)).unwrap();
    let ended = unprivileged(|| plan(home.path(), "list.csv")).with(2);
    assert_eq!(
        ended.err,
        "error: the list cannot be read\n\
         caused by: no permission to read list.csv\n\n\
         hint: let this user read the file and enter its folders\n"
    );
}

#[test]
fn a_named_pipe_is_read_to_its_end_however_slow_its_writer() {
    let home = scratch();
    let pipe = home.path().join("pipe");
    mkfifoat(rustix::fs::CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
    let running = Running::start(rescind(home.path()).args(["plan", "--env", "sandbox", "pipe"]));
    let writer = thread::spawn(move || {
        let mut out = File::options().write(true).open(pipe).unwrap();
        for line in ["permissionId\n", "1020304050\n", "1020304051\n"] {
            out.write_all(line.as_bytes()).unwrap();
            thread::sleep(Duration::from_millis(50));
        }
    });
    running
        .end()
        .with(0)
        .shows("2 rows = 2 distinct + 0 duplicates + 0 invalid");
    writer.join().unwrap();
}

/// `rescind plan <(…)` of a shell.
#[test]
fn a_pipe_that_a_shell_names_is_read() {
    let home = scratch();
    let (from, mut to) = io::pipe().unwrap();
    let mut command = rescind(home.path());
    command
        .args(["plan", "--env", "sandbox", "/dev/stdin"])
        .stdin(from);
    let running = Running::start(&mut command);
    drop(command);
    to.write_all(b"1020304050\n").unwrap();
    drop(to);
    running.end().with(0).shows("1 row = 1 distinct");
}

/// A terminal's window must not be renamed by the name of a file.
#[test]
fn the_name_of_a_file_does_nothing_to_the_terminal() {
    let home = scratch();
    let name = "\u{1b}]0;owned\u{7}\nerror: forged\u{202e}.csv";
    let shown = "\u{fffd}]0;owned\u{fffd} error: forged\u{fffd}.csv";
    let ended = plan(home.path(), name).with(2);
    assert!(
        ended.err.contains(&format!("no such file: {shown}\n")),
        "{:?}",
        ended.err
    );
    fs::write(home.path().join(name), "1020304050\n").unwrap();
    let ended = plan(home.path(), name).with(0);
    let shown: Vec<_> = shown.split_whitespace().collect();
    ended.shows(&shown.join(" "));
}

#[test]
fn every_byte_of_a_list_may_arrive_by_itself() {
    let home = scratch();
    let mut list = Vec::new();
    File::open(fixtures().join("input/utf-16-little-endian.txt"))
        .and_then(|mut file| file.read_to_end(&mut list))
        .unwrap();
    let mut command = rescind(home.path());
    let mut running = Running::start(
        command
            .args(["plan", "--env", "sandbox", "-"])
            .stdin(Stdio::piped()),
    );
    let mut to = running.stdin();
    for byte in list {
        to.write_all(&[byte]).unwrap();
    }
    drop(to);
    running
        .end()
        .with(2)
        .shows("3 rows = 2 distinct + 0 duplicates + 1 invalid")
        .shows("line 5: \"1.02E+09\"");
}
