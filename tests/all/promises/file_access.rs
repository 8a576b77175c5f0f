//! What a run leaves belongs to its owner alone from its first instant, goes
//! where it says and nowhere else, and is told to nobody on the way.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write},
    os::{
        fd::AsRawFd,
        unix::fs::{PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use crate::support::process::{Running, Site, rescind, summary};
use crate::support::scratch;

/// The binary under a mask that takes nothing away.
fn unmasked(home: &Path, line: &str) -> Command {
    let plain = rescind(home);
    let mut command = Command::new("sh");
    command
        .args(["-c", "umask 0; exec \"$@\"", "sh"])
        .arg(plain.get_program())
        .args(line.split_whitespace())
        .current_dir(home)
        .stdin(std::process::Stdio::null());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

fn mode(path: &Path) -> io::Result<u32> {
    Ok(fs::symlink_metadata(path)?.permissions().mode() & 0o777)
}

/// Looks at everything below `path`; what is gone by then was not there.
fn look(path: &Path, seen: &mut BTreeSet<String>) -> Result<(), String> {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if metadata.is_symlink() {
        return Ok(());
    }
    let mode = metadata.permissions().mode() & 0o777;
    let wanted = if metadata.is_dir() { 0o700 } else { 0o600 };
    if mode != wanted {
        return Err(format!("{} had mode {mode:o}", path.display()));
    }
    let name = path.file_name().unwrap().to_string_lossy();
    let kind = name
        .split_once("freezing-")
        .map_or(&*name, |(kind, _)| kind);
    seen.insert(kind.to_owned());
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        look(&entry.path(), seen)?;
    }
    Ok(())
}

#[test]
fn every_file_is_its_owners_alone_from_its_first_instant() {
    let home = scratch();
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/small.csv");
    let line = format!(
        "run {} --env sandbox --runs-dir deep/runs --batch-size 2 --workers 1 --rate 100/s",
        list.display()
    );
    let over = AtomicBool::new(false);
    let top = home.path().join("deep");
    let seen = thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = BTreeSet::new();
            while !over.load(Ordering::Relaxed) {
                look(&top, &mut seen)?;
            }
            look(&top, &mut seen).map(|()| seen)
        });
        let ended = Running::start(&mut unmasked(home.path(), &line)).end();
        over.store(true, Ordering::Relaxed);
        ended.with(0);
        watcher.join().unwrap().unwrap()
    });
    for name in [
        "deep",
        "runs",
        ".lock-sandbox",
        "journal.db",
        "journal.db-wal",
        "journal.db-shm",
        "run.log",
        "sandbox.world",
        "results.csv",
        "permissions.csv",
        "remaining.csv",
        "rejected.csv",
        "summary.json",
    ] {
        assert!(seen.contains(name), "{name} was not seen: {seen:?}");
    }

    let report = "report --runs-dir deep/runs --format csv --output here.csv";
    let here = home.path().join("here.csv");
    Running::start(&mut unmasked(home.path(), report))
        .end()
        .with(0);
    assert_eq!(mode(&here).unwrap(), 0o600);
    // Whoever may read it now may read it afterwards.
    fs::set_permissions(&here, fs::Permissions::from_mode(0o640)).unwrap();
    Running::start(&mut unmasked(home.path(), report))
        .end()
        .with(0);
    assert_eq!(mode(&here).unwrap(), 0o640);
}

const THEIRS: &str = "somebody else's\n";

/// A run that stopped early, and a file that is none of its business.
fn stopped() -> (Site, PathBuf, PathBuf) {
    let site = Site::new("faults.script = { revoke = ['401', '401', '401'] }");
    let list = site.list(1001..1004);
    site.run(&list).with(8);
    let run = site.the_run();
    let victim = site.home().join("victim");
    fs::write(&victim, THEIRS).unwrap();
    (site, run, victim)
}

fn resume(site: &Site) -> Running {
    site.start("resume latest --rate unlimited --retry-initial 5ms --retry-max 20ms")
}

#[test]
fn files_that_are_written_anew_take_the_place_of_a_link() {
    let (site, run, victim) = stopped();
    let names = [
        "results.csv",
        "permissions.csv",
        "remaining.csv",
        "rejected.csv",
        "summary.json",
    ];
    for name in names {
        fs::remove_file(run.join(name)).unwrap();
        symlink(&victim, run.join(name)).unwrap();
        symlink(&victim, run.join(format!(".{name}.new"))).unwrap();
    }
    resume(&site).end().with(0);
    assert_eq!(summary(&run)["outcome"], "complete");
    for name in names {
        assert!(!run.join(name).is_symlink(), "{name}");
        assert_eq!(mode(&run.join(name)).unwrap(), 0o600, "{name}");
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), THEIRS);
}

/// What is made with other modes and then given its own is everybody's for an
/// instant that no watcher is sure to see.
#[test]
fn nothing_is_given_its_mode_after_it_was_made() {
    fn look(folder: &Path, seen: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                look(&path, seen);
            } else if path.file_name().unwrap() != "tests.rs" && !path.ends_with("tests/mod.rs") {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
                let changes = ["set_permissions", "chmod"];
                if changes.iter().any(|change| code.contains(change)) {
                    seen.push(path.file_name().unwrap().to_str().unwrap().to_owned());
                }
            }
        }
    }
    let mut seen = Vec::new();
    look(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut seen,
    );
    // A report that somebody names takes over the mode of the file in whose
    // place it comes.
    assert_eq!(seen, ["atomic_file.rs"]);
}

#[test]
fn files_that_are_written_on_are_not_looked_for_behind_a_link() {
    for name in ["run.log", "journal.db"] {
        let (site, run, victim) = stopped();
        let posted = site.truth().calls.len();
        let path = run.join(name);
        if name == "journal.db" {
            // A good journal, but not where it says.
            fs::copy(&path, &victim).unwrap();
        }
        fs::remove_file(&path).unwrap();
        symlink(&victim, &path).unwrap();
        let before = fs::read(&victim).unwrap();
        resume(&site)
            .end()
            .with(1)
            .says("symbolic link, and nothing is written through one");
        assert_eq!(fs::read(&victim).unwrap(), before, "{name}");
        assert!(!site.home().join("victim-wal").exists());
        assert_eq!(site.truth().calls.len(), posted, "{name}");
    }
}

#[test]
fn what_belongs_to_the_journal_is_not_looked_for_behind_a_link() {
    for name in ["journal.db-wal", "journal.db-shm"] {
        let (site, run, victim) = stopped();
        symlink(&victim, run.join(name)).unwrap();
        let ended = resume(&site).end();
        assert!(matches!(ended.code, Some(0 | 1)), "{}", ended.err);
        assert_eq!(fs::read_to_string(&victim).unwrap(), THEIRS, "{name}");
    }
}

#[test]
fn lock_latest_and_freezing_leftovers_lead_nowhere_else() {
    let (site, _, victim) = stopped();
    let runs = site.runs_dir();
    let outside = site.home().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), THEIRS).unwrap();
    fs::remove_file(runs.join("latest")).unwrap();
    symlink(&outside, runs.join("latest")).unwrap();
    symlink(&outside, runs.join(".freezing-link")).unwrap();
    let list = site.file("other.csv", "2001\n");
    site.run(&list).with(0);
    let latest = fs::read_link(runs.join("latest")).unwrap();
    assert!(latest.is_relative() && runs.join(latest).join("journal.db").exists());
    assert_eq!(fs::read_to_string(outside.join("file")).unwrap(), THEIRS);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);

    let locks = fs::read_dir(&runs)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let lock = locks
        .filter(|path| path.to_string_lossy().contains("/.lock-"))
        .collect::<Vec<_>>();
    let [lock] = &lock[..] else {
        panic!("{lock:?}");
    };
    fs::remove_file(lock).unwrap();
    symlink(&victim, lock).unwrap();
    let posted = site.truth().calls.len();
    site.run(&list)
        .with(1)
        .says("error: the lock cannot be taken")
        .says("symbolic link, and nothing is written through one");
    assert_eq!(fs::read_to_string(&victim).unwrap(), THEIRS);
    assert_eq!(site.truth().calls.len(), posted);
}

#[test]
fn a_report_goes_to_the_file_that_was_named_and_through_no_link() {
    let site = Site::new("");
    let list = site.list(1001..1004);
    site.run(&list).with(0);
    let victim = site.home().join("victim");
    fs::write(&victim, THEIRS).unwrap();
    symlink("victim", site.home().join("link")).unwrap();
    symlink("nowhere", site.home().join("dangling")).unwrap();
    for name in ["link", "dangling"] {
        site.call(&format!("report --output {name}"))
            .with(1)
            .says(&format!("error: cannot write {name}"))
            .says("symbolic link, and nothing is written through one")
            .says("hint: name the file itself");
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), THEIRS);
    assert!(!site.home().join("nowhere").exists());
    // Where it leads to a pipe it is one of the usual names of that pipe.
    let piped = site
        .call("report --format json --output /dev/stdout")
        .with(0);
    assert!(piped.out.starts_with('{'), "{}", piped.out);
    // A report that cannot be made leaves the old one as it was.
    fs::write(site.the_run().join("journal.db"), "no journal").unwrap();
    site.call("report --output victim").with(1);
    assert_eq!(fs::read_to_string(&victim).unwrap(), THEIRS);
    let left = fs::read_dir(site.home()).unwrap();
    let left = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(left.filter(|name| name.starts_with(".rescind")).count(), 0);
}

/// It gets nothing of the list: no name, no content, no open file.
#[test]
fn the_token_command_is_told_nothing_of_the_list() {
    for from_stdin in [false, true] {
        let site = Site::new("");
        let list = site.file("mArKeD-list.csv", "permissionId\n1008067\n1008068\n");
        let named = if from_stdin { "-" } else { &list };
        let mut command = site.command(&site.run_line(named));
        command.env_remove("RESCIND_TOKEN").env(
            "RESCIND_TOKEN_COMMAND",
            "sh -c 'exec 3>told; tr \"\\0\" \"\\n\" </proc/self/environ >&3; \
             tr \"\\0\" \" \" </proc/$$/cmdline >&3; cat >&3; ls -l /proc/$$/fd >&3; echo sandbox'",
        );
        let (from, mut to) = io::pipe().unwrap();
        let pipe = format!("/proc/self/fd/{}", from.as_raw_fd());
        let pipe = fs::read_link(pipe).unwrap();
        let running = Running::start(command.stdin(from));
        drop(command);
        if from_stdin {
            to.write_all(&fs::read(site.home().join(&list)).unwrap())
                .unwrap();
        }
        drop(to);
        running.end().with(0);
        let told = fs::read_to_string(site.home().join("told")).unwrap();
        for secret in ["mArKeD", "1008067", "journal.db", "run.log", ".freezing"] {
            assert!(!told.contains(secret), "{secret}:\n{told}");
        }
        let targets: Vec<_> = told
            .lines()
            .filter_map(|line| line.split_once(" -> "))
            .collect();
        assert!(targets.len() > 2, "{told}");
        let ours = site.home().join("told");
        for (file, target) in targets {
            assert_ne!(target, pipe.to_str().unwrap(), "{told}");
            assert!(!file.ends_with(" 0") || target == "/dev/null", "{told}");
            let in_the_site = Path::new(target).starts_with(site.home());
            assert!(!in_the_site || target == ours.to_str().unwrap(), "{told}");
        }
    }
}
