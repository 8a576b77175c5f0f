//! The built binary in a folder of its own, with a served sandbox beside it.
//!
//! A [`Site`] is the folder and the sandbox; what a run claims is compared
//! with [`Site::truth`], what its sandbox really did.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rescind::sandbox::{Audit, Kind, Rules, World};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};
use serde_json::Value;
use tempfile::TempDir;

use super::scratch;
use super::summary_schema::described;

/// Nothing here takes nearly so long, not even on a busy machine.
const DEADLINE: Duration = Duration::from_mins(5);

/// Settings that make waits short. What matters to a test comes after them:
/// the last one wins.
const BRISK: &str = "--rate unlimited --retry-initial 5ms --retry-max 20ms --timeout 10s \
                     --lockout-wait 100ms --penalty-margin 10ms";

/// Looks until something is so.
pub(crate) fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within(DEADLINE, what, look)
}

fn within<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < limit, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(3));
    }
}

/// The binary, without the settings of whoever runs the tests. Loopback is
/// never reached through a proxy, so one that does not exist does no harm.
pub(crate) fn rescind(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rescind"));
    clean(&mut command, home);
    command
}

/// A shell for command lines as a person types them, likewise.
pub(crate) fn shell(home: &Path) -> Command {
    let mut command = Command::new("sh");
    clean(&mut command, home);
    command
}

fn clean(command: &mut Command, home: &Path) {
    forget_settings(command);
    command
        .env("http_proxy", "http://127.0.0.1:9")
        .env("https_proxy", "http://127.0.0.1:9")
        .current_dir(home);
}

/// The binary where the tests are run, without the settings of whoever runs
/// them.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rescind"));
    forget_settings(&mut command);
    command
}

fn forget_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("RESCIND_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
}

/// How a process ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// Asserts the exit code; shows what was said if it is another.
    #[track_caller]
    pub(crate) fn with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self
    }

    /// Asserts that standard error says this.
    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        assert!(
            self.err.contains(words),
            "{words:?} is not in:\n{}",
            self.err
        );
        self
    }

    /// Asserts that standard output says this. A terminal's width may break
    /// the words anywhere.
    #[track_caller]
    pub(crate) fn shows(self, words: &str) -> Self {
        let plain = self.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(plain.contains(words), "{words:?} is not in:\n{}", self.out);
        self
    }
}

/// A process that goes on.
pub(crate) struct Running {
    child: Child,
    readers: Option<[Option<JoinHandle<String>>; 2]>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::start_onto(command, Stdio::piped(), Stdio::piped())
    }

    /// Starts it with these outputs; only pipes of ours are read.
    pub(crate) fn start_onto(command: &mut Command, out: Stdio, err: Stdio) -> Self {
        let mut child = command.stdout(out).stderr(err).spawn().unwrap();
        // The command keeps its ends of pipes and terminals otherwise.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let out = child.stdout.take().map(reader);
        let err = child.stderr.take().map(reader);
        Self {
            child,
            readers: Some([out, err]),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Its standard input, if that is a pipe of ours.
    pub(crate) fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().unwrap()
    }

    /// Waits for the end.
    pub(crate) fn end(self) -> Ended {
        self.end_within(DEADLINE)
    }

    /// Waits for the end, so long.
    pub(crate) fn end_within(mut self, limit: Duration) -> Ended {
        let status = within(limit, "the process ends", || self.child.try_wait().unwrap());
        let text = |reader: Option<JoinHandle<_>>| reader.map(|r| r.join().unwrap());
        let [out, err] = self.readers.take().unwrap().map(text);
        let [out, err] = [out, err].map(Option::unwrap_or_default);
        Ended {
            code: status.code(),
            out,
            err,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn reader(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        from.read_to_string(&mut text).unwrap();
        text
    })
}

/// Does something where modes of files mean something: to the superuser they
/// do not, unless the process has lost the capability to pass them over.
pub(crate) fn unprivileged<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    // What is lost is lost for this thread, and what it starts.
    let bereft = || {
        if rustix::process::geteuid().is_root() {
            for capability in [CapabilitySet::DAC_OVERRIDE, CapabilitySet::DAC_READ_SEARCH] {
                remove_capability_from_bounding_set(capability).unwrap();
            }
        }
        work()
    };
    thread::scope(|scope| scope.spawn(bereft).join().unwrap())
}

/// A folder to work in, and a served sandbox whose world is kept there.
pub(crate) struct Site {
    home: TempDir,
    rules: Rules,
    sandbox: Child,
    pub(crate) url: String,
}

impl Site {
    /// Serves a world with these rules (TOML).
    pub(crate) fn new(rules: &str) -> Self {
        Self::serving(rules, "--rules", toml::from_str(rules).unwrap())
    }

    /// Serves a world from a file with this text, named by this option; it is
    /// to have these rules.
    pub(crate) fn serving(text: &str, option: &str, rules: Rules) -> Self {
        let home = scratch();
        let (sandbox, url) = serve(home.path(), FILES, text, option, "127.0.0.1:0");
        Self {
            home,
            rules,
            sandbox,
            url,
        }
    }

    /// Changes the world behind everybody's back, as between two days: the
    /// sandbox is served again at the same address.
    pub(crate) fn amend(&mut self, change: impl FnOnce(&World)) {
        self.sandbox.kill().unwrap();
        self.sandbox.wait().unwrap();
        let world = World::open(self.rules.clone(), Some(&self.home().join("world"))).unwrap();
        change(&world);
        drop(world);
        let rules = fs::read_to_string(self.home().join("rules.toml")).unwrap();
        let address = self.url.trim_start_matches("http://");
        let address = address.trim_end_matches("/v1").to_owned();
        (self.sandbox, _) = serve(self.home(), FILES, &rules, "--rules", &address);
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn runs_dir(&self) -> PathBuf {
        self.home().join("runs")
    }

    /// Writes a file and returns its name.
    pub(crate) fn file(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        fs::write(self.home().join(name), text).unwrap();
        name.to_owned()
    }

    /// Writes a list of these IDs and returns its name.
    pub(crate) fn list(&self, ids: impl IntoIterator<Item = i64>) -> String {
        let rows = ids.into_iter().map(|id| format!("{id}\n"));
        self.file(
            "list.csv",
            format!("permissionId\n{}", rows.collect::<String>()),
        )
    }

    /// A command line, split at blanks, with the sandbox's token.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = rescind(self.home());
        command.args(line.split_whitespace());
        command.env("RESCIND_TOKEN", "sandbox");
        command
    }

    /// `run`, against the sandbox and with short waits.
    pub(crate) fn run_line(&self, rest: &str) -> String {
        format!("run --base-url {} {BRISK} {rest}", self.url)
    }

    pub(crate) fn start(&self, line: &str) -> Running {
        Running::start(&mut self.command(line))
    }

    pub(crate) fn call(&self, line: &str) -> Ended {
        self.start(line).end()
    }

    /// `run`, against the sandbox and with short waits, to its end.
    pub(crate) fn run(&self, rest: &str) -> Ended {
        self.call(&self.run_line(rest))
    }

    /// What really happened in the world so far.
    pub(crate) fn truth(&self) -> Audit {
        World::look(self.rules.clone(), &self.home().join("world"))
            .unwrap()
            .truth()
    }

    /// The IDs that the world revoked.
    pub(crate) fn revoked(&self) -> BTreeSet<i64> {
        self.truth().revoked.keys().map(|id| id.get()).collect()
    }

    /// Waits until so many revocations have arrived.
    pub(crate) fn until_posted(&self, count: usize) {
        until("revocations arrive", || {
            (self.truth().count(Kind::Revoke) >= count).then_some(())
        });
    }

    /// The folders of the runs, oldest first.
    pub(crate) fn runs(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.runs_dir()) else {
            return Vec::new();
        };
        let paths = entries.map(|entry| entry.unwrap().path());
        let mut runs: Vec<_> = paths
            .filter(|path| path.join("journal.db").exists())
            .collect();
        runs.retain(|path| !path.is_symlink());
        runs.sort();
        runs
    }

    /// The folder of the only run.
    pub(crate) fn the_run(&self) -> PathBuf {
        let mut runs = self.runs();
        assert_eq!(runs.len(), 1, "{runs:?}");
        runs.remove(0)
    }

    /// Asserts that no call arrived and that there is no run.
    #[track_caller]
    pub(crate) fn is_untouched(&self) {
        assert!(self.truth().calls.is_empty());
        assert!(self.runs().is_empty());
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.sandbox.kill();
        let _ = self.sandbox.wait();
    }
}

/// A site's rules and world.
const FILES: [&str; 2] = ["rules.toml", "world"];

/// Serves a sandbox with a file of rules (or settings) and one for its world;
/// the process and its address.
pub(crate) fn serve(
    home: &Path,
    [rules, world]: [&str; 2],
    text: &str,
    option: &str,
    listen: &str,
) -> (Child, String) {
    fs::write(home.join(rules), text).unwrap();
    let mut sandbox = rescind(home)
        .args(["sandbox", "--world", world, "--listen", listen])
        .args([option, rules])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut url = String::new();
    BufReader::new(sandbox.stdout.take().unwrap())
        .read_line(&mut url)
        .unwrap();
    assert!(url.starts_with("http://127.0.0."), "{url:?}");
    (sandbox, url.trim().to_owned())
}

/// `summary.json` of a run, which is what its schema says.
#[track_caller]
pub(crate) fn summary(run: &Path) -> Value {
    described(serde_json::from_slice(&fs::read(run.join("summary.json")).unwrap()).unwrap())
}

/// Asserts that a summary adds up, says `outcome` with `code`, and counts
/// `ids` (state and number; the others are 0).
#[track_caller]
pub(crate) fn ended_so(run: &Path, outcome: &str, code: i32, ids: &[(&str, u64)]) {
    let summary = summary(run);
    adds_up(&summary);
    assert_eq!(summary["outcome"], outcome, "{summary:#}");
    assert_eq!(summary["exit_code"], code);
    for (state, count) in summary["ids"].as_object().unwrap() {
        let wanted = ids.iter().find(|(name, _)| name == state);
        assert_eq!(*count, wanted.map_or(0, |(_, count)| *count), "{summary:#}");
    }
}

/// Asserts the identities of a summary: promise 1.
#[track_caller]
pub(crate) fn adds_up(summary: &Value) {
    let rows = |part: &str| summary["rows"][part].as_u64().unwrap();
    assert_eq!(
        rows("total"),
        rows("distinct") + rows("duplicate") + rows("invalid"),
        "{summary:#}"
    );
    let ids = summary["ids"].as_object().unwrap().values();
    let ids: u64 = ids.map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(ids, rows("distinct"), "{summary:#}");
}

/// The records of a CSV file, the header first.
pub(crate) fn table(path: &Path) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_path(path)
        .unwrap();
    let records = reader.records().map(|record| {
        let record = record.unwrap();
        record.iter().map(str::to_owned).collect()
    });
    records.collect()
}

/// Asserts that what a run claims of its IDs is what the world holds:
/// promise 2, and that nothing was posted again that was revoked.
#[track_caller]
pub(crate) fn claims_hold(site: &Site, run: &Path) {
    let permissions = table(&run.join("permissions.csv"));
    let claimed = permissions.iter().filter(|row| row[2] == "revoked");
    let claimed: BTreeSet<i64> = claimed.map(|row| row[0].parse().unwrap()).collect();
    let truth = site.truth();
    assert_eq!(claimed, site.revoked());
    assert!(
        truth.posted_again().is_empty(),
        "{:?}",
        truth.posted_again()
    );
    assert!(truth.mistakes.is_empty(), "{:?}", truth.mistakes);
    assert_eq!(truth.touched, 0, "a call was made during a lockout");
    let calls = &summary(run)["requests"];
    assert_eq!(calls["revoke"], truth.count(Kind::Revoke));
}
