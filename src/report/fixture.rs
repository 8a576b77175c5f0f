//! Journals to report on: built through the journal's own door, with fixed
//! times.

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use crate::journal::{
    Batch, CallKind, Entry, Facts, Journal, Move, NewRun, Part, Process, RunFolder, RunsDir, State,
    Verified, Waited,
};
use crate::list::PermissionId;

/// A run in the making, in a folder of its own.
pub(super) struct Fixture {
    _home: TempDir,
    pub(super) runs: RunsDir,
    pub(super) folder: RunFolder,
    journal: Option<Journal>,
    clock: Timestamp,
    calls: i64,
    last_batch: i64,
}

/// What a batch comes to.
pub(super) struct Fate {
    pub(super) to: State,
    pub(super) reason: &'static str,
    pub(super) message: &'static str,
    pub(super) status: Option<u16>,
    pub(super) verified: Verified,
    pub(super) owed: bool,
}

/// A state with nothing to say about it.
pub(super) const fn plain(to: State) -> Fate {
    Fate {
        to,
        reason: "",
        message: "",
        status: Some(200),
        verified: Verified::No,
        owed: false,
    }
}

/// Revoked and read back.
pub(super) const REVOKED: Fate = Fate {
    verified: Verified::Revoked,
    ..plain(State::Revoked)
};

/// Revoked by an `ok:true` alone.
pub(super) const UNVERIFIED: Fate = Fate {
    reason: "unverified",
    ..plain(State::Revoked)
};

pub(super) fn start() -> Timestamp {
    "2026-11-23T02:00:00Z".parse().unwrap()
}

pub(super) fn facts(environment: &str, base_url: &str) -> Facts {
    Facts {
        created: start(),
        environment: environment.to_owned(),
        base_url: base_url.to_owned(),
        input_path: "lists/november.csv".to_owned(),
        input_sha256: "a1".repeat(32),
        list_sha256: "3f2a9c".repeat(10) + "0000",
        column: "permissionId".to_owned(),
        batch_size: 6,
        rows_total: 0,
        rows_distinct: 0,
        rows_duplicate: 0,
        rows_invalid: 0,
        batches: 0,
        note: String::new(),
    }
}

fn permissions(ids: &[i64]) -> Vec<PermissionId> {
    ids.iter().map(|id| (*id).try_into().unwrap()).collect()
}

impl Fixture {
    /// Freezes `batches` (IDs and their lines) and `rejects`; the row counts
    /// of `facts` are filled in.
    pub(super) fn freeze(
        facts: Facts,
        batches: &[(&[i64], &[u64])],
        rejects: &[(u64, &str, &str)],
    ) -> Self {
        let home = tempfile::tempdir().unwrap();
        let runs = RunsDir::create(&home.path().join("runs")).unwrap();
        let folder = freeze(&runs, facts, batches, rejects);
        Self {
            journal: Some(Journal::open(&folder.journal()).unwrap()),
            _home: home,
            runs,
            folder,
            clock: start(),
            calls: 0,
            last_batch: batches.len().try_into().unwrap(),
        }
    }

    /// A second more every time something happens.
    fn tick(&mut self) -> Timestamp {
        self.clock += SignedDuration::from_millis(1_250);
        self.clock
    }

    fn journal(&mut self) -> &mut Journal {
        self.journal.as_mut().unwrap()
    }

    pub(super) fn process(&mut self, command: &'static str, settings: &str) {
        let started = self.tick();
        if self.journal.is_none() {
            self.journal = Some(Journal::open(&self.folder.journal()).unwrap());
        }
        let process = Process {
            command,
            started,
            operator: "ops".to_owned(),
            host: "night-1".to_owned(),
            pid: 4711,
            version: "0.1.0",
            settings: settings.to_owned(),
        };
        self.journal().begin_process(&process).unwrap();
    }

    pub(super) fn end(&mut self, outcome: &str, code: u8, explanation: &str) {
        let at = self.tick();
        let journal = self.journal.take().unwrap();
        journal.end_process(at, outcome, code, explanation).unwrap();
    }

    /// The process is gone without a word.
    pub(super) fn kill(&mut self) {
        self.journal = None;
    }

    pub(super) fn waited(&mut self, waited: Waited) {
        self.journal().write(&[Entry::Waited(waited)]).unwrap();
    }

    pub(super) fn read(&mut self, ids: u64) {
        let at = self.tick();
        self.calls += 1;
        let call = self.calls;
        self.journal()
            .write(&[Entry::Begun {
                call,
                kind: CallKind::Read,
                batch: None,
                ids,
                at,
            }])
            .unwrap();
    }

    pub(super) fn send(&mut self, batch: i64, ids: u64, from: State) {
        let at = self.tick();
        self.calls += 1;
        let call = self.calls;
        self.journal()
            .write(&[
                Entry::Begun {
                    call,
                    kind: CallKind::Revoke,
                    batch: Some(batch),
                    ids,
                    at,
                },
                Entry::Sending {
                    batch,
                    ids,
                    from,
                    at,
                },
            ])
            .unwrap();
    }

    pub(super) fn settle(&mut self, batch: i64, ids: u64, from: State, fate: &Fate) {
        let at = self.tick();
        self.journal()
            .write(&[Entry::Moved(Move {
                batch,
                ids,
                from,
                to: fate.to,
                reason: fate.reason.into(),
                message: fate.message.to_owned(),
                http_status: fate.status,
                verified: fate.verified,
                owed: fate.owed,
                at,
            })])
            .unwrap();
    }

    /// Sends a batch and settles it.
    pub(super) fn deliver(&mut self, batch: i64, ids: u64, fate: &Fate) {
        self.send(batch, ids, State::Pending);
        self.settle(batch, ids, State::InFlight, fate);
    }

    /// Divides a batch that is in flight; the parts get the next numbers.
    pub(super) fn divide(
        &mut self,
        batch: i64,
        path: &str,
        root: i64,
        parts: &[(&[i64], &[u64], Fate)],
    ) {
        let at = self.tick();
        let mut made = Vec::new();
        for (step, (ids, lines, fate)) in (1..).zip(parts) {
            self.last_batch += 1;
            made.push(Part {
                batch: Batch {
                    id: self.last_batch,
                    path: format!("{path}.{step}"),
                    root,
                    state: fate.to,
                    ids: permissions(ids),
                    lines: lines.to_vec(),
                },
                reason: fate.reason.into(),
                message: fate.message.to_owned(),
                verified: fate.verified,
                owed: fate.owed,
            });
        }
        self.journal()
            .write(&[Entry::Divided {
                batch,
                from: State::InFlight,
                parts: made,
                at,
            }])
            .unwrap();
    }
}

/// Freezes a run into `runs`.
pub(super) fn freeze(
    runs: &RunsDir,
    mut facts: Facts,
    batches: &[(&[i64], &[u64])],
    rejects: &[(u64, &str, &str)],
) -> RunFolder {
    let mut run = NewRun::begin(runs).unwrap();
    for (ids, lines) in batches {
        run.batch(&permissions(ids), lines).unwrap();
        facts.rows_distinct += ids.len() as u64;
    }
    for (line, value, reason) in rejects {
        run.reject(*line, value, reason).unwrap();
        let duplicate = u64::from(*reason == "duplicate");
        facts.rows_duplicate += duplicate;
        facts.rows_invalid += 1 - duplicate;
    }
    facts.batches += batches.len() as u64;
    facts.rows_total += facts.rows_distinct + facts.rows_duplicate + facts.rows_invalid;
    run.commit(&facts).unwrap()
}

/// A run of two batches and one duplicate that went through.
pub(super) fn complete(environment: &str, base_url: &str, fate: &Fate, verify: &str) -> Fixture {
    let batches: [(&[i64], &[u64]); 2] = [(&[101, 102], &[2, 3]), (&[103], &[5])];
    let mut run = Fixture::freeze(
        facts(environment, base_url),
        &batches,
        &[(4, "101", "duplicate")],
    );
    run.process("run", &format!(r#"{{"verify":"{verify}"}}"#));
    run.deliver(1, 2, fate);
    run.deliver(2, 1, fate);
    run.end("complete", 0, "");
    run
}

/// A run on LIVE with every state in it, a batch divided three levels deep,
/// words from a hostile server and cells from a hostile list. It was
/// interrupted, and its resume was killed.
pub(super) fn mixed() -> Fixture {
    let batches: [(&[i64], &[u64]); 9] = [
        (&[1001, 1002, 1003, 1004], &[2, 3, 4, 5]),
        (&[2001, 2002], &[7, 8]),
        (
            &[3001, 3002, 3003, 3004, 3005, 3006],
            &[9, 10, 12, 13, 14, 15],
        ),
        (&[4001], &[16]),
        (&[5001, 5002], &[17, 18]),
        (&[6001, 6002, 6003], &[19, 20, 21]),
        (&[7001], &[22]),
        (&[8001, 8002, 8003, 8004, 8005], &[23, 24, 25, 26, 27]),
        (&[9_007_199_254_740_993], &[28]),
    ];
    let rejects = [
        (6, "1001", "duplicate"),
        (11, "=1+1", "invalid: not a number"),
        (29, "1.02E+09", "invalid: scientific notation"),
        (30, "-7,\"\u{1b}[2J\"", "invalid: not a number"),
    ];
    let facts = Facts {
        note: "month end\u{1b}]0;owned\u{7}".to_owned(),
        ..facts("live", "https://live.tradovateapi.com/v1")
    };
    let mut run = Fixture::freeze(facts, &batches, &rejects);
    run.process("run", r#"{"verify":"all"}"#);
    run.read(4);
    run.deliver(1, 4, &UNVERIFIED);
    run.read(4);
    run.settle(1, 4, State::Revoked, &REVOKED);

    let late = Fate {
        reason: "http_500",
        status: Some(500),
        ..plain(State::Unknown)
    };
    run.deliver(2, 2, &late);
    run.read(2);
    run.settle(2, 2, State::Unknown, &plain(State::Pending));
    run.deliver(2, 2, &REVOKED);
    divided(&mut run);
    run.waited(Waited {
        rate: 350.1,
        retry: 1.2,
        penalty: 0.0,
        lockout: 0.0,
    });
    run.end("interrupted", 143, "");

    run.process("resume", r#"{"verify":"all"}"#);
    let fates = [
        Fate {
            reason: "absent",
            verified: Verified::Absent,
            ..plain(State::Missing)
        },
        Fate {
            reason: "http_400",
            message: "\u{1b}[31mbad\u{1b}[0m request\r\nDONE on LIVE: all IDs are revoked.",
            status: Some(400),
            ..plain(State::Exhausted)
        },
        Fate {
            reason: "timeout",
            message: "no answer within 60 s",
            status: None,
            verified: Verified::Unreadable,
            ..plain(State::Unknown)
        },
    ];
    for ((batch, fate), (ids, _)) in (4..).zip(&fates).zip(&batches[3..]) {
        run.deliver(batch, ids.len() as u64, fate);
    }
    run.send(7, 1, State::Pending);
    let owed = Fate {
        owed: true,
        ..UNVERIFIED
    };
    run.deliver(9, 1, &owed);
    run.waited(Waited {
        rate: 12.0,
        retry: 0.0,
        penalty: 16.0,
        lockout: 3600.0,
    });
    run.kill();
    run
}

/// Batch 3 of [`mixed`]: two IDs were revoked all the same, two of the
/// others go through by themselves, the last two are refused each alone.
fn divided(run: &mut Fixture) {
    run.send(3, 6, State::Pending);
    run.divide(
        3,
        "3",
        3,
        &[
            (&[3001, 3004], &[9, 13], REVOKED),
            (
                &[3002, 3003, 3005, 3006],
                &[10, 12, 14, 15],
                plain(State::Pending),
            ),
        ],
    );
    run.send(11, 4, State::Pending);
    run.divide(
        11,
        "3.2",
        3,
        &[
            (&[3002, 3005], &[10, 14], plain(State::Pending)),
            (&[3003, 3006], &[12, 15], plain(State::Pending)),
        ],
    );
    run.deliver(12, 2, &REVOKED);
    run.send(13, 2, State::Pending);
    run.divide(
        13,
        "3.2.2",
        3,
        &[
            (&[3003], &[12], plain(State::Pending)),
            (&[3006], &[15], plain(State::Pending)),
        ],
    );
    let refused = |message| Fate {
        reason: "refused",
        message,
        ..plain(State::Refused)
    };
    run.deliver(14, 1, &refused("=cmd|' /C calc'!A0"));
    run.deliver(15, 1, &refused("<script>alert(1)</script> `a|b`, \"c\""));
}
