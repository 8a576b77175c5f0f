//! What happened, as events, and what follows from them.
//!
//! Everything a world knows beyond its rules is the fold of its events. What
//! happens now and what is replayed from a file take the same path,
//! [`SandboxState::apply`], so that a restarted world cannot differ from the one that
//! went before.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

use super::faults::Fault;
use super::population::PermissionStatus;
use super::sessions::Sessions;
use crate::list::PermissionId;
use crate::sandbox::audit::{Audit, Mistake, RecordedCall, Revocation, Struck};
use crate::sandbox::request::Kind;

/// A moment on the world's clock: nanoseconds since the Unix epoch, which
/// last until the year 2554.
pub(super) type Moment = u64;

/// `length` after `at`.
pub(super) fn after(at: Moment, length: Duration) -> Moment {
    at.saturating_add(u64::try_from(length.as_nanos()).unwrap_or(u64::MAX))
}

/// `length` before `at`.
pub(super) fn before(at: Moment, length: Duration) -> Moment {
    at.saturating_sub(u64::try_from(length.as_nanos()).unwrap_or(u64::MAX))
}

/// Something that happened; one line of the world's file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Event {
    /// The world began.
    Born { at: Moment },
    /// A call arrived.
    Call { at: Moment, kind: Kind, key: u64 },
    /// A request was wrong.
    Mistake(Mistake),
    /// A fault struck, or a script let a call pass.
    Fault {
        at: Moment,
        kind: Kind,
        fault: Fault,
        scripted: bool,
    },
    /// Permissions were revoked.
    Revoked { at: Moment, ids: Vec<PermissionId> },
    /// IDs arrived in a revocation although they were revoked before.
    Again { ids: Vec<PermissionId> },
    /// A revocation will be executed later.
    Late { due: Moment, ids: Vec<PermissionId> },
    /// The first of those was executed.
    LateOver,
    /// A lockout began or was touched.
    Lockout {
        until: Moment,
        status: u16,
        touched: bool,
    },
    /// A penalty was drawn.
    Penalty {
        kind: Kind,
        key: u64,
        ticket: String,
        until: Moment,
        impatient: bool,
        captcha: bool,
    },
    /// A penalty was served.
    Served { kind: Kind, key: u64 },
    /// A log-in failed.
    LogInFailed { at: Moment },
    /// Log-ins were locked, or one was tried while they were.
    Locked { until: Moment, touched: bool },
    /// A session was opened, and others closed for it.
    Session {
        at: Moment,
        others: bool,
        closed: Vec<u64>,
    },
    /// A token was issued.
    Token {
        token: String,
        expires: Moment,
        session: Option<u64>,
    },
    /// A test said what a permission is.
    Set {
        id: PermissionId,
        status: Option<PermissionStatus>,
    },
    /// A test protected a permission.
    Protect { id: PermissionId },
}

/// A lockout: whoever calls before its end is answered with its status.
#[derive(Clone, Copy)]
pub(super) struct Lockout {
    pub(super) until: Moment,
    pub(super) status: u16,
}

/// The penalty an endpoint is under.
#[derive(Clone, Copy, Default)]
pub(super) struct EndpointPenalty {
    pub(super) until: Moment,
    /// How often somebody came back too early, since one was last served.
    pub(super) level: u32,
    /// Whether it asks for a captcha.
    pub(super) captcha: bool,
}

/// What is known of one permission beyond its origin.
pub(super) struct Held {
    pub(super) status: Option<PermissionStatus>,
    revoked: Option<Revocation>,
}

/// All that follows from the events so far.
#[derive(Default)]
pub(super) struct SandboxState {
    held: FxHashMap<PermissionId, Held>,
    protected: FxHashSet<PermissionId>,
    pub(super) late: VecDeque<(Moment, Vec<PermissionId>)>,
    pub(super) calls: Vec<(Moment, Kind)>,
    asked: FxHashMap<u64, u64>,
    faults: Vec<Struck>,
    mistakes: Vec<Mistake>,
    pub(super) script: BTreeMap<Kind, VecDeque<Fault>>,
    pub(super) lockout: Option<Lockout>,
    lockouts: usize,
    touched: usize,
    /// The newest ticket of each body that owes one.
    pub(super) tickets: FxHashMap<u64, String>,
    pub(super) penalties: BTreeMap<Kind, EndpointPenalty>,
    pub(super) drawn: usize,
    impatient: usize,
    pub(super) sessions: Sessions,
    /// When the world began; 0 before it did.
    pub(super) born: Moment,
}

impl SandboxState {
    /// Nothing has happened, and this is to happen to the first calls.
    pub(super) fn new(script: &BTreeMap<Kind, Vec<Fault>>) -> Self {
        let script = script.iter();
        Self {
            script: script
                .map(|(kind, faults)| (*kind, faults.iter().copied().collect()))
                .collect(),
            ..Self::default()
        }
    }

    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Born { at } => self.born = at,
            Event::Call { at, kind, key } => {
                self.calls.push((at, kind));
                *self.asked.entry(key).or_default() += 1;
            }
            Event::Mistake(mistake) => self.mistakes.push(mistake),
            Event::Fault {
                at,
                kind,
                fault,
                scripted,
            } => {
                if scripted && let Some(script) = self.script.get_mut(&kind) {
                    script.pop_front();
                }
                if fault != Fault::None {
                    let at = Duration::from_nanos(at);
                    self.faults.push(Struck { at, kind, fault });
                }
            }
            Event::Revoked { at, ids } => {
                for id in ids {
                    let held = Held {
                        status: Some(PermissionStatus::Revoked),
                        revoked: Some(Revocation {
                            at: Duration::from_nanos(at),
                            posted_again: 0,
                        }),
                    };
                    self.held.insert(id, held);
                }
            }
            Event::Again { ids } => {
                for id in ids {
                    let held = self.held.get_mut(&id);
                    if let Some(revoked) = held.and_then(|held| held.revoked.as_mut()) {
                        revoked.posted_again += 1;
                    }
                }
            }
            Event::Late { due, ids } => self.late.push_back((due, ids)),
            Event::LateOver => {
                self.late.pop_front();
            }
            Event::Lockout {
                until,
                status,
                touched,
            } => {
                self.lockout = Some(Lockout { until, status });
                self.count_lockout(touched);
            }
            Event::Penalty {
                kind,
                key,
                ticket,
                until,
                impatient,
                captcha,
            } => {
                self.drawn += 1;
                self.tickets.insert(key, ticket);
                let penalty = self.penalties.entry(kind).or_default();
                penalty.until = penalty.until.max(until);
                penalty.captcha = captcha;
                if impatient {
                    self.impatient += 1;
                    penalty.level += 1;
                }
            }
            Event::Served { kind, key } => {
                self.tickets.remove(&key);
                if let Some(penalty) = self.penalties.get_mut(&kind) {
                    penalty.level = 0;
                }
            }
            Event::LogInFailed { at } => self.sessions.fail(at),
            Event::Locked { until, touched } => {
                self.sessions.lock(until);
                self.count_lockout(touched);
            }
            Event::Session { at, others, closed } => self.sessions.open(at, others, &closed),
            Event::Token {
                token,
                expires,
                session,
            } => self.sessions.issue(token, expires, session),
            Event::Set { id, status } => {
                let revoked = self.held.remove(&id).and_then(|held| held.revoked);
                self.held.insert(id, Held { status, revoked });
            }
            Event::Protect { id } => {
                self.protected.insert(id);
            }
        }
    }

    fn count_lockout(&mut self, touched: bool) {
        let counter = if touched {
            &mut self.touched
        } else {
            &mut self.lockouts
        };
        *counter += 1;
    }

    /// What a permission has become, if anything happened to it.
    pub(super) fn held(&self, id: PermissionId) -> Option<&Held> {
        self.held.get(&id)
    }

    /// When the world revoked a permission that still is.
    pub(super) fn revoked_at(&self, id: PermissionId) -> Option<Moment> {
        let held = self.held.get(&id)?;
        let revoked = held.revoked?;
        let at = u64::try_from(revoked.at.as_nanos()).ok()?;
        (held.status == Some(PermissionStatus::Revoked)).then_some(at)
    }

    pub(super) fn is_protected(&self, id: PermissionId) -> bool {
        self.protected.contains(&id)
    }

    /// The IDs that something happened to, in order.
    pub(super) fn ids(&self) -> Vec<PermissionId> {
        let mut ids: Vec<_> = self.held.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// How often a call with this key arrived.
    pub(super) fn asked(&self, key: u64) -> u64 {
        self.asked.get(&key).copied().unwrap_or_default()
    }

    /// The latest moment that anything tells of.
    pub(super) fn latest(&self) -> Moment {
        self.calls.last().map_or(self.born, |(at, _)| *at)
    }

    pub(super) fn truth(&self) -> Audit {
        let revoked = self.held.iter();
        Audit {
            revoked: revoked
                .filter_map(|(id, held)| Some((*id, held.revoked?)))
                .collect(),
            calls: self
                .calls
                .iter()
                .map(|(at, kind)| RecordedCall {
                    at: Duration::from_nanos(*at),
                    kind: *kind,
                })
                .collect(),
            faults: self.faults.clone(),
            mistakes: self.mistakes.clone(),
            lockouts: self.lockouts,
            touched: self.touched,
            penalties: self.drawn,
            impatient: self.impatient,
            evicted: self.sessions.evicted,
        }
    }
}
