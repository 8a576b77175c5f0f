//! Killing a run again and again, at moments drawn from a seed and in phases
//! that are waited for, and comparing what it claims with what the world
//! knows.

use std::{collections::BTreeMap, path::Path, thread, time::Duration};

use fastrand::Rng;
use jiff::Timestamp;
use rescind::{
    journal::{JournalReader, RunFolder},
    sandbox::{
        Audit, Fault, Faults, Kind, Latency, Odds, RefusalForm, RefusalRule, Rules, Unknown,
    },
};
use rusqlite::{Connection, OpenFlags};

use crate::support::crash::{
    claims::{Terms, Verify, examine, settled},
    finish::{ended, finish, finished, window},
    phase::{Before, Phase, phases},
    rig::{List, Moment, Sandbox, Site, gentle},
};

/// The time-out of every call. What the world executes late it executes
/// within it: a read that comes after the time-out sees it, and nothing has
/// to be posted twice.
const TIMEOUT: &str = "1s";
const LATE_BY: Duration = Duration::from_millis(150);

/// A run that was killed so often is left to finish.
const KILLS: usize = 9;

/// In so many runs every phase is met that is waited for.
const RUNS: usize = 40;

/// A campaign of so many kills has met every phase.
const LONG: usize = 500;

/// A call that was on its way when its process was killed arrives so much
/// later at the most.
const ON_ITS_WAY: Duration = Duration::from_millis(250);

/// What a campaign did.
#[derive(Default, Debug)]
pub(crate) struct Figures {
    pub(crate) runs: usize,
    pub(crate) kills: usize,
    /// Kills by the phase that they cut off; it may be more than one.
    pub(crate) phases: BTreeMap<Phase, usize>,
    /// Kills that left batches in flight, and how many IDs were in doubt.
    pub(crate) in_flight: usize,
    pub(crate) doubtful_ids: u64,
    /// Kills within a wait that the next process had to keep.
    pub(crate) waits_kept: usize,
    /// Processes that ended by themselves, by exit code.
    pub(crate) ended: BTreeMap<i32, usize>,
    /// Faults the worlds struck with, and calls they saw.
    pub(crate) faults: usize,
    pub(crate) calls: usize,
    /// IDs posted again where that is allowed: nothing was read back.
    pub(crate) posted_again: usize,
}

impl Figures {
    fn ended(&mut self, codes: impl IntoIterator<Item = i32>) {
        for code in codes {
            *self.ended.entry(code).or_default() += 1;
        }
    }

    /// The phases that no kill has cut off yet.
    pub(crate) fn missed(&self) -> Vec<Phase> {
        let every = Phase::EVERY.into_iter();
        every
            .filter(|phase| !self.phases.contains_key(phase))
            .collect()
    }
}

/// One of the many ways for a run to go.
struct Course {
    verify: Verify,
    workers: &'static str,
    /// Whether the world holds calls back, with penalties and lockouts.
    holds: bool,
    /// Whether the run logs in, and whether it keeps the token for the next
    /// process.
    log_in: Option<bool>,
    rules: Rules,
}

impl Course {
    fn draw(rng: &mut Rng) -> Self {
        let verify = match rng.u32(0..10) {
            0 => Verify::Off,
            1 | 2 => Verify::Doubtful,
            _ => Verify::All,
        };
        let holds = rng.u32(0..3) == 0;
        let log_in = rng.bool().then(|| rng.bool());
        Self {
            verify,
            workers: rng.choice(["1", "4", "8"]).unwrap(),
            holds,
            log_in,
            rules: Rules {
                token: log_in.is_none().then(|| "sandbox".into()),
                ..world(rng, verify, holds)
            },
        }
    }

    /// Whether a run of this course comes to such a phase.
    fn has(&self, phase: Phase) -> bool {
        match phase {
            Phase::LoggingIn | Phase::Renewing => self.log_in.is_some(),
            Phase::Penalty | Phase::Lockout => self.holds,
            Phase::ReadingBack => self.verify == Verify::All,
            Phase::Settling | Phase::Verifying => self.verify != Verify::Off,
            _ => true,
        }
    }

    fn site(&self, home: &Path, name: &str) -> Site {
        let mut site = Site::new(home, name, &options(self.verify, self.workers));
        if let Some(kept) = self.log_in {
            let who = "--login-name sandbox --login-cid 1 --login-app-id x --login-app-version 1 \
                       --login-limit 900/h --renewal-limit 900/h";
            site.access.extend(who.split(' ').map(str::to_owned));
            if kept {
                let file = site.home.join("token").display().to_string();
                site.access.extend(["--token-cache".to_owned(), file]);
            }
            site.secrets = vec![
                ("RESCIND_LOGIN_PASSWORD", "sandbox"),
                ("RESCIND_LOGIN_SEC", "sandbox"),
            ];
        }
        site
    }
}

/// A world of many faults, and how it is met.
fn world(rng: &mut Rng, verify: Verify, holds: bool) -> Rules {
    let ms = Duration::from_millis;
    let mut revoke = Odds::from([
        (Fault::ServerErrorBefore, 0.03),
        (Fault::ServerErrorAfter, 0.03),
        (Fault::ResetBefore, 0.02),
        (Fault::ResetAfter, 0.03),
        (Fault::Truncated, 0.02),
        (Fault::Late, 0.02),
        (Fault::NotJson, 0.01),
        (Fault::Status(503), 0.01),
    ]);
    if holds {
        revoke.extend([(Fault::Penalty, 0.02), (Fault::Status(429), 0.015)]);
    }
    Rules {
        // Where nothing shows that an ID is unknown, the answer has to.
        unknown: if verify != Verify::All || rng.bool() {
            Unknown::Refuse
        } else {
            Unknown::Ignore
        },
        refusal: if rng.bool() {
            RefusalRule::AllOrNothing
        } else {
            RefusalRule::Partial
        },
        refusal_form: if rng.bool() {
            RefusalForm::Text
        } else {
            RefusalForm::Violations
        },
        latency: Latency {
            min: ms(0),
            max: ms(rng.u64(2..20)),
        },
        faults: Faults {
            revoke,
            read: Odds::from([
                (Fault::Omit, 0.05),
                (Fault::Reorder, 0.1),
                (Fault::Duplicate, 0.02),
                (Fault::ServerErrorBefore, 0.03),
                (Fault::Truncated, 0.02),
            ]),
            late_by: LATE_BY,
            ..Faults::default()
        },
        penalty: Duration::from_secs(1),
        lockout: Duration::from_secs(1),
        // Killed processes leave sessions open, and their log-ins without an
        // answer.
        endpoint_limits: Vec::new(),
        sessions: 1000,
        token_lifetime: Duration::from_secs(3),
        ..gentle(rng.u64(..))
    }
}

fn options(verify: Verify, workers: &str) -> [&str; 26] {
    [
        "--batch-size",
        "20",
        "--read-size",
        "60",
        "--workers",
        workers,
        "--rate",
        "unlimited",
        "--timeout",
        TIMEOUT,
        "--retry-initial",
        "20ms",
        "--retry-max",
        "100ms",
        "--lockout-wait",
        "1100ms",
        "--penalty-margin",
        "100ms",
        "--max-consecutive-failures",
        "8",
        "--verify",
        verify.word(),
        "--progress",
        "never",
        "--max-attempts",
        "6",
    ]
}

/// A moment to kill at; `first`, when there is no run yet.
fn moment(rng: &mut Rng, course: &Course, first: bool) -> Moment {
    let file = |rng: &mut Rng| {
        let files = [
            "results.csv",
            "permissions.csv",
            "rejected.csv",
            "summary.json",
        ];
        rng.choice(files).unwrap()
    };
    match rng.u32(0..100) {
        0..6 => Moment::Written(file(rng)),
        6..8 => Moment::Sent,
        8..18 => Moment::After(Duration::from_millis(rng.u64(0..120))),
        18..28 => Moment::After(Duration::from_millis(rng.u64(0..2_500))),
        // A call is some two hundred bytes of the world's log: this is from
        // the first read to the last.
        28..38 => Moment::Happened(rng.u64(1..2_000)),
        38..60 => Moment::Happened(rng.u64(1..40_000)),
        _ => {
            let early = matches!(rng.u32(0..2), 0 if first);
            let phases = if early {
                &Phase::EVERY[..5]
            } else {
                &Phase::EVERY[..]
            };
            let phases = phases.iter().filter(|phase| course.has(**phase));
            let phase = rng.choice(phases.collect::<Vec<_>>()).unwrap();
            aimed(rng, *phase)
        }
    }
}

/// A moment within a phase.
fn aimed(rng: &mut Rng, phase: Phase) -> Moment {
    let most = match phase {
        Phase::Penalty | Phase::Lockout | Phase::Window => 600_000,
        Phase::Verifying => 100_000,
        Phase::FullPool | Phase::ReadingBack | Phase::FirstBatch => 10_000,
        _ => 1_500,
    };
    let most = if rng.bool() { most } else { 1 };
    Moment::In(phase, Duration::from_micros(rng.u64(0..most)))
}

/// Kills runs until there were `kills`, each run in a world of its own, and
/// sees each of them through to its end. Where there are `targets`, every run
/// comes to them, and is killed in them alone.
pub(crate) fn campaign(seed: u64, kills: usize, targets: &[Phase]) -> Figures {
    let mut rng = Rng::with_seed(seed);
    let mut figures = Figures::default();
    while figures.kills < kills {
        let most = KILLS.min(kills - figures.kills);
        let one = run_with(&mut rng, targets);
        round(seed, one, &Plan::Often { most, targets }, &mut figures);
    }
    let missed = figures.missed();
    assert!(
        kills < LONG || !targets.is_empty() || missed.is_empty(),
        "no kill was in {missed:?}: {figures:#?}"
    );
    figures
}

/// Kills runs until every phase was cut off at least once.
pub(crate) fn every_phase(seed: u64) -> Figures {
    let mut rng = Rng::with_seed(seed);
    let mut figures = Figures::default();
    loop {
        let missed = figures.missed();
        if missed.is_empty() {
            return figures;
        }
        assert!(
            figures.runs < RUNS,
            "no kill was in {missed:?}: {figures:#?}"
        );
        let one = run_with(&mut rng, &missed);
        round(seed, one, &Plan::Once(&missed), &mut figures);
    }
}

/// What a run is to be put through.
enum Plan<'a> {
    /// So many kills at the most, at moments that are drawn; within `targets`
    /// where there are any.
    Often { most: usize, targets: &'a [Phase] },
    /// One kill in each of these phases, if the run comes to it.
    Once(&'a [Phase]),
}

/// The seed of a run that comes to such phases.
fn run_with(rng: &mut Rng, phases: &[Phase]) -> u64 {
    loop {
        let one = rng.u64(..);
        let course = Course::draw(&mut Rng::with_seed(one));
        if phases.iter().all(|phase| course.has(*phase)) {
            return one;
        }
    }
}

/// One run, from its freezing to its end.
fn round(seed: u64, one: u64, plan: &Plan<'_>, figures: &mut Figures) {
    let home = tempfile::tempdir().unwrap();
    let told = format!("campaign of seed {seed}, run {} ({one})", figures.runs);
    if let Err(cause) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        one_run(home.path(), one, plan, figures);
    })) {
        let kept = home.keep();
        panic!("{told}: {}\nevidence in {}", words(&*cause), kept.display());
    }
    figures.runs += 1;
}

fn words(cause: &(dyn std::any::Any + Send)) -> &str {
    let text = cause.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| cause.downcast_ref::<&str>().copied())
        .unwrap_or("?")
}

/// A time in which no call may arrive.
#[derive(Clone, Copy, Debug)]
struct Silence {
    from: Duration,
    until: Duration,
}

/// A run that is being killed.
struct Victim<'a> {
    course: Course,
    site: Site,
    sandbox: Sandbox,
    list: List,
    silences: Vec<Silence>,
    figures: &'a mut Figures,
}

impl Victim<'_> {
    fn terms(&self) -> Terms {
        Terms {
            verify: self.course.verify,
            whole: true,
        }
    }

    /// Starts a process to be killed, and looks at what it left. Tells whether
    /// it was; it may have been quicker.
    fn strike(
        &mut self,
        moment: Moment,
        command: impl FnOnce(&Self) -> std::process::Command,
    ) -> bool {
        let avoids = matches!(moment, Moment::In(Phase::Window, _));
        let calls = |victim: &Self| victim.sandbox.look().truth().calls.len();
        if avoids {
            self.site.config = Some(window(&self.site.home, true));
            // What the one that was killed had sent arrives before this one.
            thread::sleep(ON_ITS_WAY);
        }
        let called = calls(self);
        let before = Before::of(&self.site);
        let command = command(self);
        if avoids {
            self.site.config = Some(window(&self.site.home, false));
        }
        if let Some(status) = self.site.until(moment, command, &self.sandbox) {
            let code = status.code().unwrap();
            ended(&self.site, code);
            self.figures.ended([code]);
            return false;
        }
        assert!(!avoids || called == calls(self), "a call within a window");
        self.figures.kills += 1;
        let now = since_epoch(Timestamp::now());
        // Whoever looks first takes back what is half written.
        if let Some(run) = self.site.run() {
            JournalReader::open(&run.journal()).unwrap();
        }
        for phase in phases(&self.site, &before).unwrap() {
            *self.figures.phases.entry(phase).or_default() += 1;
        }
        let Some(run) = self.site.run() else {
            assert_eq!(self.sandbox.look().truth().calls.len(), 0);
            return true;
        };
        let left = examine(&run, &self.sandbox, &self.list, self.terms());
        self.figures.in_flight += usize::from(left.in_flight > 0);
        self.figures.doubtful_ids += left.in_flight + left.unknown;
        keep_silent(&self.sandbox.look().truth(), &self.silences);
        if let Some(until) = held_until(&run) {
            let silence = Silence {
                from: now + ON_ITS_WAY,
                until,
            };
            if silence.from < until {
                // A call of the next process is told from one that was on its
                // way.
                thread::sleep(ON_ITS_WAY);
                self.figures.waits_kept += 1;
            }
            self.silences.push(silence);
        }
        true
    }
}

fn one_run(home: &Path, seed: u64, plan: &Plan<'_>, figures: &mut Figures) {
    let mut rng = Rng::with_seed(seed);
    let course = Course::draw(&mut rng);
    let terms = Terms {
        verify: course.verify,
        whole: true,
    };
    let list = List::write(home.join("list.csv"), &mut rng, 1_200, 3);
    let sandbox = Sandbox::serve(home, "killed", course.rules.clone());
    let site = course.site(home, "killed");
    let already = figures.kills;
    let mut victim = Victim {
        course,
        site,
        sandbox,
        list,
        silences: Vec::new(),
        figures,
    };
    let mut wanted = match plan {
        Plan::Once(phases) => phases.to_vec(),
        Plan::Often { .. } => Vec::new(),
    };
    loop {
        let moment = match plan {
            Plan::Often { most, .. } if victim.figures.kills - already >= *most => break,
            Plan::Often { targets, .. } if !targets.is_empty() => {
                let target = *rng.choice(*targets).unwrap();
                aimed(&mut rng, target)
            }
            Plan::Often { .. } => moment(&mut rng, &victim.course, victim.site.run().is_none()),
            Plan::Once(_) => {
                // Each once, if it comes: the next one is waited for in the
                // next process.
                wanted.retain(|phase| !victim.figures.phases.contains_key(phase));
                wanted.retain(|phase| *phase != Phase::Verifying);
                if wanted.is_empty() {
                    break;
                }
                aimed(&mut rng, wanted.remove(0))
            }
        };
        let killed = victim.strike(moment, |on| on.site.command(&on.list, &on.sandbox));
        if !killed && finished(&victim.site) {
            break;
        }
    }
    let codes = finish(&victim.site, &victim.sandbox, &victim.list);
    victim.figures.ended(codes);
    examine(
        &victim.site.run().unwrap(),
        &victim.sandbox,
        &victim.list,
        terms,
    );
    let claims = settled(&victim.site, &victim.list, terms);
    keep_silent(&victim.sandbox.look().truth(), &victim.silences);

    // Where nothing was read, it would find what the API only said.
    let verified = matches!(plan, Plan::Once(_)) || rng.u32(0..3) == 0;
    if victim.course.verify != Verify::Off && verified {
        verify(&mut victim, &mut rng);
    }

    // Nobody kills this one. Its world is the same, and so is its end.
    let calm = Sandbox::serve(home, "calm", victim.course.rules.clone());
    let beside = victim.course.site(home, "calm");
    finish(&beside, &calm, &victim.list);
    assert_eq!(claims, settled(&beside, &victim.list, terms));

    let truth = victim.sandbox.look().truth();
    victim.figures.faults += truth.faults.len();
    victim.figures.calls += truth.calls.len();
    victim.figures.posted_again += truth.posted_again().len();
}

/// Kills verifications of a finished run, and sees one through: nothing is
/// revoked, and every claim stands.
fn verify(victim: &mut Victim<'_>, rng: &mut Rng) {
    let posts = |victim: &Victim<'_>| victim.sandbox.look().truth().count(Kind::Revoke);
    let before = posts(victim);
    for _ in 0..2 {
        let moment = aimed(rng, Phase::Verifying);
        victim.strike(moment, |on| on.site.verify());
        if rng.bool() {
            // Nothing is left to do for it.
            let codes = finish(&victim.site, &victim.sandbox, &victim.list);
            victim.figures.ended(codes);
        }
    }
    let status = victim
        .site
        .until(Moment::Never, victim.site.verify(), &victim.sandbox);
    let code = status.unwrap().code();
    assert_eq!(code, Some(0), "{}", victim.site.said());
    let run = victim.site.run().unwrap();
    examine(&run, &victim.sandbox, &victim.list, victim.terms());
    settled(&victim.site, &victim.list, victim.terms());
    keep_silent(&victim.sandbox.look().truth(), &victim.silences);
    assert_eq!(posts(victim), before, "a verification revokes nothing");
}

fn since_epoch(at: Timestamp) -> Duration {
    Duration::try_from(at.as_duration()).unwrap()
}

/// Until when the journal says that no call may start. A window to avoid is
/// a setting, and no wait that was imposed.
fn held_until(run: &RunFolder) -> Option<Duration> {
    let journal = Connection::open_with_flags(run.journal(), OpenFlags::SQLITE_OPEN_READ_ONLY);
    let until: Option<i64> = journal
        .unwrap()
        .query_row(
            "SELECT max(until) FROM hold WHERE ended_at IS NULL AND cause <> 'window'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    until.map(|ms| Duration::from_millis(ms.cast_unsigned()))
}

/// A wait that was on record when a process was killed is kept by the next
/// ones.
fn keep_silent(truth: &Audit, silences: &[Silence]) {
    for silence in silences {
        let early = truth
            .calls
            .iter()
            .find(|call| silence.from < call.at && call.at < silence.until);
        assert!(early.is_none(), "{early:?} within {silence:?}");
    }
}
