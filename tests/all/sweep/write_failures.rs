//! What cannot be recorded is not done: a journal that breaks, a worker that
//! panics, a transition that is not allowed.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use rescind::{
    api::{Answer, Api, Call, Token},
    journal::{
        Batch, Entry, Journal, JournalError, JournalReader, Move, Part, Pick, State, Tally,
        Verified,
    },
    sandbox::Rules,
    sweep::{Clock, JournalHandle, Observer, Past, Reason, Shutdown, Sweep, TokenProvider},
};

use crate::{
    support::audit::audit,
    support::in_process::{Stage, plain_ids},
    sweep::breaker::slow,
};

#[derive(Clone, Default)]
struct Nobody;

impl Observer for Nobody {
    fn recorded(&self, _: &[Entry], _: &Tally) {}
}

/// Counts the calls, and those that come after the journal broke.
struct Meter<A> {
    inner: A,
    journal: Arc<Mutex<Journal>>,
    path: std::path::PathBuf,
    seen: Arc<Mutex<Vec<bool>>>,
    break_at: usize,
}

impl<A: Api> Api for Meter<A> {
    async fn call(&self, call: &Call) -> Answer {
        let number = {
            let mut seen = self.seen.lock().unwrap();
            let broken = seen.len() > self.break_at;
            seen.push(broken);
            seen.len() - 1
        };
        let answer = self.inner.call(call).await;
        if number == self.break_at {
            // Waits for whoever is writing.
            let _whole = self.journal.lock().unwrap();
            let other = rusqlite::Connection::open(&self.path).unwrap();
            other.execute_batch("DROP TABLE call").unwrap();
        }
        answer
    }

    fn bear(&self, token: &Token) {
        self.inner.bear(token);
    }
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_cannot_be_written_ends_the_sending() {
    for break_at in [0, 1, 2, 3, 7, 12] {
        let ids = plain_ids(400);
        let stage = Stage::new(slow(), &ids, 10);
        let journal = Journal::open(&stage.journal).unwrap();
        let journal = Arc::new(Mutex::new(journal));
        let seen = Arc::<Mutex<Vec<bool>>>::default();
        let api = Meter {
            inner: stage.wire.clone(),
            journal: Arc::clone(&journal),
            path: stage.journal.clone(),
            seen: Arc::clone(&seen),
            break_at,
        };
        let (stop, past) = (Shutdown::default(), Past::default());
        let sweep = Sweep::prepare(
            api,
            TokenProvider::default(),
            JournalHandle::inline(Arc::clone(&journal)),
            stage.policy.clone(),
            Clock::starting(stage.now()),
            stop.clone(),
            &past,
        );
        sweep.await.unwrap().run(&Nobody).await;
        assert!(
            matches!(stop.reason(), Some(Reason::Error(_))),
            "{break_at}"
        );
        // Those under way at that moment had been recorded before.
        let calls = stage.wire.calls();
        let broke = calls[break_at].back.unwrap();
        assert!(calls.iter().all(|call| call.sent <= broke), "{break_at}");
        let after = seen.lock().unwrap().len();
        assert!(
            after <= break_at + stage.policy.workers,
            "{break_at}: {after}"
        );
        drop(journal);
        audit(&stage, &ids);
    }
}

/// An API that fails in a way it must not.
struct Panicking;

impl Api for Panicking {
    async fn call(&self, _: &Call) -> Answer {
        panic!("on purpose")
    }

    fn bear(&self, _: &Token) {}
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_panics_ends_the_run_and_not_in_silence() {
    let ids = plain_ids(40);
    let stage = Stage::new(Rules::default(), &ids, 10);
    let journal = Arc::new(Mutex::new(Journal::open(&stage.journal).unwrap()));
    let (stop, past) = (Shutdown::default(), Past::default());
    let sweep = Sweep::prepare(
        Panicking,
        TokenProvider::default(),
        JournalHandle::inline(journal),
        stage.policy.clone(),
        Clock::starting(stage.now()),
        stop.clone(),
        &past,
    );
    let sweep = sweep.await.unwrap();
    let over = tokio::time::timeout(Duration::from_hours(1), sweep.run(&Nobody));
    over.await.unwrap();
    assert!(matches!(stop.reason(), Some(Reason::Error(_))));
}

const ALL: [State; 8] = [
    State::Pending,
    State::InFlight,
    State::Revoked,
    State::Refused,
    State::Missing,
    State::Exhausted,
    State::Unknown,
    State::Divided,
];

fn moved(batch: &Batch, from: State, to: State, stage: &Stage) -> Entry {
    Entry::Moved(Move {
        batch: batch.id,
        ids: batch.len(),
        from,
        to,
        reason: "".into(),
        message: String::new(),
        http_status: None,
        verified: Verified::No,
        owed: false,
        at: stage.now(),
    })
}

/// The journal refuses what the states do not allow, and a group of entries
/// of which one is refused leaves no trace.
#[tokio::test(start_paused = true)]
async fn the_journal_allows_the_contracts_transitions_and_no_other() {
    let stage = Stage::new(Rules::default(), &plain_ids(2), 1);
    let mut journal = Journal::open(&stage.journal).unwrap();
    let other = rusqlite::Connection::open(&stage.journal).unwrap();
    let set = |state: State| {
        let sql = "UPDATE batch SET state = ?1 WHERE id = 1";
        other.execute(sql, [state.word()]).unwrap();
    };
    let batch = journal.batches(Pick::Sendable, 0, 1, 1).unwrap().remove(0);
    let mut refused = 0;
    for from in ALL {
        for to in ALL.into_iter().filter(|to| *to != State::Divided) {
            set(from);
            // One that is fine goes before.
            let second = Batch {
                id: 2,
                ..batch.clone()
            };
            let group = [
                moved(&second, State::Pending, State::Exhausted, &stage),
                moved(&batch, from, to, &stage),
            ];
            let written = journal.write(&group);
            let held = |id: i64| -> String {
                let sql = "SELECT state FROM batch WHERE id = ?1";
                other.query_row(sql, [id], |row| row.get(0)).unwrap()
            };
            if from.may_become(to) {
                written.unwrap();
                assert_eq!(held(1), to.word());
                other
                    .execute("UPDATE batch SET state = 'pending' WHERE id = 2", [])
                    .unwrap();
            } else {
                refused += 1;
                assert!(matches!(written, Err(JournalError::Contradiction { .. })));
                assert_eq!(
                    (held(1).as_str(), held(2).as_str()),
                    (from.word(), "pending")
                );
            }
        }
    }
    assert_eq!(refused, 19);

    // What is settled cannot be made sendable by dividing it either.
    for (from, part) in [
        (State::Revoked, State::Pending),
        (State::Refused, State::Pending),
        (State::Revoked, State::Exhausted),
        (State::Missing, State::Pending),
    ] {
        set(from);
        let part = Part {
            batch: Batch {
                id: 3,
                state: part,
                ..batch.clone()
            },
            reason: "".into(),
            message: String::new(),
            verified: Verified::No,
            owed: false,
        };
        let divided = Entry::Divided {
            batch: 1,
            from,
            parts: vec![part],
            at: stage.now(),
        };
        let written = journal.write(&[divided]);
        assert!(
            matches!(written, Err(JournalError::Contradiction { .. })),
            "{from}"
        );
    }
    // A batch that is not where it was thought to be.
    set(State::Revoked);
    let outdated = moved(&batch, State::Pending, State::Exhausted, &stage);
    let written = journal.write(&[outdated]);
    assert!(matches!(written, Err(JournalError::Contradiction { .. })));
}

/// Found by drawn bytes: such a journal was read without an end.
#[tokio::test(start_paused = true)]
async fn batches_that_are_each_others_parents_are_read_to_an_end() {
    let ids = plain_ids(20);
    let stage = Stage::new(Rules::default(), &ids, 10);
    stage.run().await;
    let journal = Journal::open(&stage.journal).unwrap();
    alter(&stage, "UPDATE batch SET parent = 3 - id");
    let batches = journal.batches(Pick::Proven, 0, i64::MAX, 10).unwrap();
    assert!(!batches.is_empty());
    for batch in batches {
        assert!(journal.doubt(batch).unwrap().recorded.is_some());
    }
}

/// Likewise: they were added up.
#[tokio::test(start_paused = true)]
async fn sizes_that_no_batch_has_are_no_figures() {
    let ids = plain_ids(20);
    for size in ["9223372036854775807", "-1", "0"] {
        let stage = Stage::new(Rules::default(), &ids, 10);
        stage.run().await;
        alter(
            &stage,
            &format!("UPDATE batch SET ids = {size} WHERE id = 1"),
        );
        let error = JournalReader::open(&stage.journal)
            .unwrap()
            .tally()
            .unwrap_err();
        assert!(error.is_damage(), "{size}: {error}");
    }
}

fn alter(stage: &Stage, sql: &str) {
    let journal = rusqlite::Connection::open(&stage.journal).unwrap();
    assert!(journal.execute(sql, []).unwrap() > 0);
}
