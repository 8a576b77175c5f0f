//! What a crash test needs: a served sandbox, a list for it, and the program
//! itself, each process ended with its owner.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs::{self, File},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use fastrand::Rng;
use rescind::{
    journal::{JournalReader, RunFolder, RunsDir},
    list::PermissionId,
    report::open_ids,
    sandbox::{Population, Rules, World},
};

use super::phase::{Before, Phase, phases};
pub(crate) use crate::support::process::program;
use crate::support::process::{serve, until};

/// How long anything may take before the test gives up on it.
const PATIENCE: Duration = Duration::from_mins(10);

/// Any port of this machine.
pub(crate) const ANY: &str = "127.0.0.1:0";

/// A sandbox served by a process of its own, which dies with this.
pub(crate) struct Sandbox {
    child: Child,
    pub(crate) url: String,
    rules: Rules,
    world: PathBuf,
}

impl Sandbox {
    /// Waits until the sandbox has closed every connection: a call of a killed
    /// process may still be on its way to it.
    pub(crate) fn quiet(&self) {
        let port: u16 = {
            let after = self.url.rsplit(':').next().unwrap();
            after.trim_end_matches("/v1").parse().unwrap()
        };
        let ends = format!(":{port:04X}");
        until("the connections are closed", || {
            let sockets = fs::read_to_string("/proc/net/tcp").unwrap();
            // Established, or closed by the other end alone (Linux,
            // include/net/tcp_states.h).
            let open = sockets.lines().skip(1).any(|socket| {
                let fields: Vec<_> = socket.split_whitespace().collect();
                fields[1].ends_with(&ends) && matches!(fields[3], "01" | "08")
            });
            (!open).then_some(())
        });
    }

    /// Serves a new world with these rules, kept in `home` under `name`.
    pub(crate) fn serve(home: &Path, name: &str, rules: Rules) -> Self {
        Self::serve_at(ANY, home, name, rules)
    }

    /// Serves the world of this name, a new one if there is none yet.
    pub(crate) fn serve_at(listen: &str, home: &Path, name: &str, rules: Rules) -> Self {
        let files = [format!("{name}.toml"), format!("{name}.world")];
        let names = [files[0].as_str(), files[1].as_str()];
        let text = toml::to_string(&rules).unwrap();
        let (child, url) = serve(home, names, &text, "--rules", listen);
        let world = home.join(&files[1]);
        Self {
            child,
            url,
            rules,
            world,
        }
    }

    /// The world as it is now.
    pub(crate) fn look(&self) -> World {
        World::look(self.rules.clone(), &self.world).unwrap()
    }

    /// How many bytes its log holds: a cheap measure of what happened.
    pub(crate) fn happened(&self) -> u64 {
        fs::metadata(&self.world).map_or(0, |file| file.len())
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How an ID of a list behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Nature {
    Plain,
    Protected,
    Unknown,
    RevokedBefore,
    Declined,
}

/// A list with duplicates, invalid rows, and IDs of every nature.
pub(crate) struct List {
    pub(crate) path: PathBuf,
    pub(crate) natures: BTreeMap<PermissionId, Nature>,
    pub(crate) duplicate: usize,
    pub(crate) invalid: usize,
}

impl List {
    /// About `plain` IDs, and `bad` of each other nature.
    pub(crate) fn write(path: PathBuf, rng: &mut Rng, plain: i64, bad: i64) -> Self {
        let endings = [
            (403, Nature::Protected),
            (404, Nature::Unknown),
            (409, Nature::RevokedBefore),
            (410, Nature::Declined),
        ];
        let mut natures = BTreeMap::new();
        for step in 0..plain {
            let id = 1_000_000_000 + step;
            if endings.iter().all(|(ending, _)| id % 10_000 != *ending) {
                natures.insert(PermissionId::try_from(id).unwrap(), Nature::Plain);
            }
        }
        for step in 0..bad {
            for (ending, nature) in endings {
                let id = 2_000_000_000 + step * 10_000 + ending;
                natures.insert(PermissionId::try_from(id).unwrap(), nature);
            }
        }
        let mut rows: Vec<String> = natures.keys().map(ToString::to_string).collect();
        let duplicate = rows.len() / 50;
        for _ in 0..duplicate {
            rows.push(rows[rng.usize(..rows.len())].clone());
        }
        let invalid = rows.len() / 100;
        for _ in 0..invalid {
            let wrong = rng.choice(["1.02E+09", "-7", "n/a", "12.5", "0"]).unwrap();
            rows.push(wrong.to_owned());
        }
        rng.shuffle(&mut rows);
        let mut text = String::from("tradingPermissionId,userId\n");
        for row in &rows {
            writeln!(text, "{row},17").unwrap();
        }
        fs::write(&path, text).unwrap();
        Self {
            path,
            natures,
            duplicate,
            invalid,
        }
    }
}

/// When a process is to be killed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moment {
    /// So long after a phase was seen to be on.
    In(Phase, Duration),
    /// So long after its start.
    After(Duration),
    /// When the world's log has grown by so many bytes.
    Happened(u64),
    /// When a file of the run is written anew.
    Written(&'static str),
    /// When nothing is left to send.
    Sent,
    /// Not at all.
    Never,
}

/// One installation: a runs folder and what works on it.
pub(crate) struct Site {
    pub(crate) home: PathBuf,
    pub(crate) runs: RunsDir,
    /// Options of every command that sends.
    pub(crate) options: Vec<String>,
    /// Options that no journal keeps: every command is given them.
    pub(crate) access: Vec<String>,
    /// The secrets it is given.
    pub(crate) secrets: Vec<(&'static str, &'static str)>,
    /// A settings file that the next commands are given.
    pub(crate) config: Option<PathBuf>,
}

impl Site {
    pub(crate) fn new(home: &Path, name: &str, options: &[&str]) -> Self {
        let home = home.join(name);
        fs::create_dir_all(&home).unwrap();
        Self {
            runs: RunsDir::at(&home.join("runs")),
            home,
            options: options.iter().map(ToString::to_string).collect(),
            access: Vec::new(),
            secrets: vec![("RESCIND_TOKEN", "sandbox")],
            config: None,
        }
    }

    /// How many calls there are at once.
    pub(crate) fn workers(&self) -> usize {
        let mut options = self.options.iter();
        let named = options.find(|option| *option == "--workers");
        named.map_or(4, |_| options.next().unwrap().parse().unwrap())
    }

    /// The one run there is, if there is one.
    pub(crate) fn run(&self) -> Option<RunFolder> {
        let mut runs = self.runs.list().unwrap();
        assert!(runs.len() < 2, "{runs:?}");
        runs.pop()
    }

    /// `rescind run` or, if there is a run, `rescind resume` of it.
    pub(crate) fn command(&self, list: &List, sandbox: &Sandbox) -> Command {
        let mut command = program();
        match self.run() {
            None => command
                .arg("run")
                .arg(&list.path)
                .args(&self.options)
                .args(["--base-url", &sandbox.url]),
            Some(run) => {
                command.args(["resume", run.run().as_str()]);
                // The settings are on record once a process took it up.
                let archive = JournalReader::open(&run.journal()).unwrap();
                if archive.processes().unwrap().is_empty() {
                    command.args(&self.options);
                }
                &mut command
            }
        };
        self.equip(&mut command);
        command
    }

    /// `rescind verify` of the run.
    pub(crate) fn verify(&self) -> Command {
        let mut command = program();
        command.args(["verify", self.run().unwrap().run().as_str()]);
        self.equip(&mut command);
        command
    }

    fn equip(&self, command: &mut Command) {
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        command
            .args(&self.access)
            .arg("--runs-dir")
            .arg(self.runs.path())
            .envs(self.secrets.iter().copied())
            .stdout(Stdio::null())
            .stderr(File::create(self.home.join("stderr.txt")).unwrap());
    }

    /// What the last command said.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.home.join("stderr.txt")).unwrap()
    }

    fn modified(&self, file: &str) -> Option<std::time::SystemTime> {
        let path = self.run()?.path().join(file);
        fs::metadata(path).ok()?.modified().ok()
    }

    fn all_sent(&self) -> bool {
        let archive = self.run().map(|run| JournalReader::open(&run.journal()));
        // A reader beside a run is nothing special; that it comes at a bad
        // moment once is nothing either.
        let tally = archive.and_then(|archive| archive.ok()?.tally().ok());
        tally.is_some_and(|tally| open_ids(&tally) == 0)
    }

    /// Starts a command and kills it at a moment. Returns how it ended, if it
    /// was quicker.
    pub(crate) fn until(
        &self,
        moment: Moment,
        mut command: Command,
        sandbox: &Sandbox,
    ) -> Option<ExitStatus> {
        let before = sandbox.happened();
        let written = match moment {
            Moment::Written(file) => self.modified(file),
            _ => None,
        };
        let left = Before::of(self);
        let mut due_at = None;
        let begun = Instant::now();
        let mut child = command.spawn().unwrap();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return Some(status);
            }
            let due = match moment {
                Moment::In(phase, delay) => {
                    let on = |_: &_| phases(self, &left).is_some_and(|on| on.contains(&phase));
                    due_at = due_at.or_else(|| Some(Instant::now() + delay).filter(on));
                    due_at.is_some_and(|at| at <= Instant::now())
                }
                Moment::After(time) => begun.elapsed() >= time,
                Moment::Happened(bytes) => sandbox.happened() >= before + bytes,
                Moment::Written(file) => self.modified(file) != written,
                Moment::Sent => self.all_sent(),
                Moment::Never => false,
            };
            let hopeless = begun.elapsed() > PATIENCE;
            if due || hopeless {
                child.kill().unwrap();
                let status = child.wait().unwrap();
                assert!(!hopeless, "{moment:?} never came: {}", self.said());
                return (status.signal() != Some(9)).then_some(status);
            }
            thread::sleep(match moment {
                // Some of them are short.
                Moment::In(..) => Duration::from_micros(50),
                _ => Duration::from_micros(300),
            });
        }
    }
}

/// Rules without faults, with the documented endings.
pub(crate) fn gentle(seed: u64) -> Rules {
    Rules {
        seed,
        population: Population::default(),
        ..Rules::default()
    }
}
