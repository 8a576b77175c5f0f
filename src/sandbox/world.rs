//! The world: its state behind one lock, and the order in which a request is
//! read, counted, let in, spoilt and answered.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use hyper::Request;
use tokio::time::Instant;

use super::faults::Fault;
use super::population::PermissionStatus;
use super::rules::Rules;
use super::sessions::TokenCheck;
use crate::list::PermissionId;
use crate::sandbox::audit::{Audit, Mistake};
use crate::sandbox::event_log::EventLog;
use crate::sandbox::request::{Ask, Kind};
use crate::sandbox::response::Reply;
use crate::sandbox::seeded_rng::SeededRng;
use crate::sandbox::state::{Event, Moment, SandboxState};
use crate::sandbox::validate::InvalidRules;

/// Why a world could not be opened, kept or served.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Its rules cannot be followed.
    #[error("the rules of the sandbox cannot be followed")]
    Rules(#[from] InvalidRules),
    /// Its file cannot be read or written.
    #[error("the sandbox's world {} cannot be used", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// The file is something else; it was left alone.
    #[error("{} is not the world of a sandbox", .0.display())]
    NoWorld(PathBuf),
    /// A line of the file, other than a torn last one, cannot be read.
    #[error("the sandbox's world {} is damaged at line {line}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Another sandbox has the file open.
    #[error("another sandbox is using the world {}", .0.display())]
    InUse(PathBuf),
    /// The sandbox is for this machine only.
    #[error("{0} is not a loopback address, and the sandbox is served on no other")]
    NotLoopback(std::net::SocketAddr),
    /// It could not be served.
    #[error("the sandbox cannot listen")]
    Listen(#[source] io::Error),
    /// What a test wanted to set could not be written.
    #[error("the sandbox's world cannot be written")]
    Write(#[source] io::Error),
}

/// A simulated API. Clones are the same world.
#[derive(Clone)]
pub struct World(Arc<WorldInner>);

struct WorldInner {
    clock: WorldClock,
    token: Option<String>,
    state: Mutex<WorldState>,
}

/// Wall time at the beginning, tokio's time from then on.
struct WorldClock {
    began: Moment,
    instant: Instant,
}

/// What is behind the lock.
pub(super) struct WorldState {
    pub(super) rules: Rules,
    pub(super) facts: SandboxState,
    ledger: EventLog,
}

impl World {
    /// Opens a world, kept in `file` if one is given: what happened in it
    /// before is replayed, and a last line that was torn by a crash is cut
    /// off. The file belongs to this world until its last clone is dropped.
    ///
    /// Seed, population and the like are not kept: give the same rules again.
    ///
    /// # Errors
    ///
    /// Rules that contradict themselves; a file that cannot be read or
    /// written, is in use by another world, or holds something else.
    pub fn open(rules: Rules, file: Option<&Path>) -> Result<Self, SandboxError> {
        Self::start(rules, |facts| match file {
            Some(path) => EventLog::open(path, facts),
            None => Ok(EventLog::Memory),
        })
    }

    /// A copy in memory of the world that is kept in `file`, as it is now:
    /// for reading the [`Audit`] while another process has the world open.
    /// Whatever happens to the copy is not kept.
    ///
    /// # Errors
    ///
    /// Like [`World::open`], but that the file may be in use.
    pub fn look(rules: Rules, file: &Path) -> Result<Self, SandboxError> {
        Self::start(rules, |facts| EventLog::look(file, facts))
    }

    pub(super) fn start(
        rules: Rules,
        ledger: impl FnOnce(&mut SandboxState) -> Result<EventLog, SandboxError>,
    ) -> Result<Self, SandboxError> {
        rules.check()?;
        let mut facts = SandboxState::new(&rules.faults.script);
        let ledger = ledger(&mut facts)?;
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = u64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or_default();
        // Time never runs backwards, whatever the machine's clock says.
        let began = now.max(facts.latest());
        let token = rules.token.clone();
        let mut state = WorldState {
            rules,
            facts,
            ledger,
        };
        if state.facts.born == 0 {
            state
                .record(Event::Born { at: began })
                .map_err(SandboxError::Write)?;
        }
        Ok(Self(Arc::new(WorldInner {
            clock: WorldClock {
                began,
                instant: Instant::now(),
            },
            token,
            state: Mutex::new(state),
        })))
    }

    /// The token of the rules, which is always accepted.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.0.token.as_deref()
    }

    /// The time on the world's clock, since the Unix epoch; comparable with
    /// the times of the [`Audit`].
    #[must_use]
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.0.clock.now())
    }

    /// The instant of tokio's clock at which the world's clock showed `at`;
    /// none before the process could have seen it.
    #[must_use]
    pub fn instant(&self, at: Duration) -> Option<Instant> {
        let clock = &self.0.clock;
        let began = Duration::from_nanos(clock.began);
        if at >= began {
            clock.instant.checked_add(at.saturating_sub(began))
        } else {
            clock.instant.checked_sub(began.saturating_sub(at))
        }
    }

    /// Answers one request. It is executed before this returns for the first
    /// time; the wait for the latency comes after, so dropping the future
    /// takes nothing back.
    pub async fn handle(&self, request: Request<Bytes>) -> Reply {
        let decided = {
            let (mut state, now) = self.lock();
            state.decide(&request, now)
        };
        match decided {
            Ok((latency, reply)) => {
                if !latency.is_zero() {
                    tokio::time::sleep(latency).await;
                }
                reply
            }
            Err(error) => {
                tracing::error!(%error, "the sandbox's world cannot be written");
                Reply::text(500, "the sandbox cannot keep its world")
            }
        }
    }

    /// The status of a permission now; `None` if the world does not know it.
    #[must_use]
    pub fn status(&self, id: PermissionId) -> Option<PermissionStatus> {
        self.settled().status(id)
    }

    /// Everything that happened so far.
    #[must_use]
    pub fn truth(&self) -> Audit {
        self.settled().facts.truth()
    }

    /// Says what a permission is, whatever the rules and the past say;
    /// `None`: unknown.
    ///
    /// # Errors
    ///
    /// The world's file cannot be written.
    pub fn set(
        &self,
        id: PermissionId,
        status: Option<PermissionStatus>,
    ) -> Result<(), SandboxError> {
        let event = Event::Set { id, status };
        self.settled().record(event).map_err(SandboxError::Write)
    }

    /// Makes the world refuse to revoke a permission.
    ///
    /// # Errors
    ///
    /// The world's file cannot be written.
    pub fn protect(&self, id: PermissionId) -> Result<(), SandboxError> {
        let event = Event::Protect { id };
        self.settled().record(event).map_err(SandboxError::Write)
    }

    /// Adds to the script of a kind of call: the faults of the next calls, in
    /// the order in which they arrive. A script is not kept in the file.
    pub fn script(&self, kind: Kind, faults: impl IntoIterator<Item = Fault>) {
        let (mut state, _) = self.lock();
        let script = state.facts.script.entry(kind).or_default();
        // One that has no meaning here is left out, as it is by chance.
        script.extend(faults.into_iter().map(|fault| {
            if fault.befalls(kind) {
                fault
            } else {
                Fault::None
            }
        }));
    }

    fn lock(&self) -> (MutexGuard<'_, WorldState>, Moment) {
        let state = self.0.state.lock();
        let state = state.unwrap_or_else(PoisonError::into_inner);
        // Read under the lock: calls are recorded in the order of time.
        (state, self.0.clock.now())
    }

    /// The state after everything that is due by now.
    fn settled(&self) -> MutexGuard<'_, WorldState> {
        let (mut state, now) = self.lock();
        if let Err(error) = state.settle(now) {
            tracing::error!(%error, "the sandbox's world cannot be written");
        }
        state
    }
}

impl WorldClock {
    fn now(&self) -> Moment {
        crate::sandbox::state::after(self.began, self.instant.elapsed())
    }
}

impl WorldState {
    /// Writes an event down, then lets it happen.
    pub(super) fn record(&mut self, event: Event) -> io::Result<()> {
        self.ledger.write(&event)?;
        self.facts.apply(event);
        Ok(())
    }

    /// Executes what is due by now. Nobody can see the world between that
    /// moment and this one, so it makes no difference that it is done late.
    fn settle(&mut self, now: Moment) -> io::Result<()> {
        while let Some((due, _)) = self.facts.late.front()
            && *due <= now
        {
            let (due, ids) = (*due, self.facts.late[0].1.clone());
            // Doing it twice, if a crash comes between these two, does no more
            // than doing it once.
            self.revoke(&ids, SeededRng::new(self.rules.seed), due)?;
            self.record(Event::LateOver)?;
        }
        self.let_others_in(now)
    }

    /// Does all that a request brings about at once, and says how long the
    /// answer takes.
    fn decide(&mut self, request: &Request<Bytes>, now: Moment) -> io::Result<(Duration, Reply)> {
        self.settle(now)?;
        let kind = Kind::of(request.uri().path());
        let mut ask = Ask::read(kind, request);
        let access = self.access(kind, request.headers(), now);
        let key = match &ask {
            Ok(ask) => ask.key(kind),
            Err(_) => SeededRng::new(kind as u64).with(u64::MAX).number(),
        };
        let dice = SeededRng::new(self.rules.seed)
            .with(key)
            .with(self.facts.asked(key));
        self.record(Event::Call { at: now, kind, key })?;
        if let Ok(Ask::Revoke(revoke)) = &ask {
            self.note_again(&revoke.ids)?;
        }
        if let (Ok(Ask::Renew(session)), Ok(TokenCheck::Granted(known))) = (&mut ask, &access) {
            *session = *known;
        }
        let ask = match (ask, access) {
            (Ok(ask), Ok(access)) => Ok((ask, access)),
            (Err(wrong), _) | (_, Err(wrong)) => Err(wrong),
        };
        if let Err(wrong) = &ask {
            let (status, what) = (wrong.status, wrong.what.clone());
            self.record(Event::Mistake(Mistake { status, what }))?;
        }
        let latency = self.latency(dice);
        // Whoever calls during a lockout has done so, whether anybody is there
        // to say it or not.
        let locked = self.locked(now)?;
        if let Some(reply) = self.down(kind, dice, now)?.or(locked) {
            return Ok((latency, reply));
        }
        if let Some(reply) = self.crowded(now)? {
            return Ok((latency, reply));
        }
        let ask = match ask {
            Ok((ask, TokenCheck::Granted(_))) => ask,
            Ok((_, TokenCheck::Spent)) => return Ok((latency, self.refusal(401))),
            Err(wrong) => return Ok((latency, Reply::text(wrong.status, wrong.what))),
        };
        if let Some(reply) = self.denied(kind) {
            return Ok((latency, reply));
        }
        if let Some(reply) = self.locked_out(&ask, now)? {
            return Ok((latency, reply));
        }
        if let Some(reply) = self.penalised(kind, key, &ask, now)? {
            return Ok((latency, reply));
        }
        let fault = self.fault(kind, dice, now)?;
        let reply = self.spoil(fault, kind, &ask, key, dice, now)?;
        let extra = match fault {
            Fault::Slow => self.rules.faults.slow_by,
            _ => Duration::ZERO,
        };
        Ok((latency + extra, reply))
    }

    /// Notes which of these IDs the world has revoked already.
    fn note_again(&mut self, ids: &[PermissionId]) -> io::Result<()> {
        let again = ids.iter().copied();
        let again: Vec<_> = again
            .filter(|id| self.facts.revoked_at(*id).is_some())
            .collect();
        if again.is_empty() {
            return Ok(());
        }
        self.record(Event::Again { ids: again })
    }

    /// What goes wrong with this call, by the script or by chance.
    fn fault(&mut self, kind: Kind, dice: SeededRng, now: Moment) -> io::Result<Fault> {
        let scripted = self
            .facts
            .script
            .get(&kind)
            .and_then(|s| s.front().copied());
        let fault = scripted.unwrap_or_else(|| self.rules.faults.draw(kind, dice));
        if scripted.is_some() || fault != Fault::None {
            self.record(Event::Fault {
                at: now,
                kind,
                fault,
                scripted: scripted.is_some(),
            })?;
        }
        Ok(fault)
    }

    fn latency(&self, dice: SeededRng) -> Duration {
        let latency = self.rules.latency;
        let spread = latency.max.saturating_sub(latency.min);
        latency.min + spread.mul_f64(dice.with(2).unit())
    }
}
