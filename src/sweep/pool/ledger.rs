//! Where everything is written down: the journal behind a thread of its own,
//! and the workers' way to it.

use std::sync::mpsc as thread_mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::{mpsc, oneshot};

use crate::journal::{Entry, Journal};
use crate::sweep::pool::jobs::Report;
use crate::sweep::shutdown::Stopped;

/// A piece of work on the journal's thread.
type JournalTask = Box<dyn FnOnce(&mut Journal) + Send>;

/// The journal, reached from async code.
///
/// Its disk work is done on a thread of its own. With a paused clock that
/// would let virtual time run ahead while a commit is under way, so a test
/// may keep the journal [inline](Self::inline).
#[derive(Clone, Debug)]
pub struct JournalHandle(Backing);

#[derive(Clone, Debug)]
enum Backing {
    Thread(thread_mpsc::Sender<JournalTask>),
    Inline(Arc<Mutex<Journal>>),
}

impl JournalHandle {
    /// Starts the journal's thread. The second part gives the journal back
    /// when every clone of the first is gone.
    ///
    /// # Errors
    /// If the system has no thread to give.
    pub fn spawn(mut journal: Journal) -> std::io::Result<(Self, thread::JoinHandle<Journal>)> {
        let (errands, inbox) = thread_mpsc::channel::<JournalTask>();
        let thread = thread::Builder::new()
            .name("journal".into())
            .spawn(move || {
                for errand in inbox {
                    errand(&mut journal);
                }
                journal
            })?;
        Ok((Self(Backing::Thread(errands)), thread))
    }

    /// Does the disk work where it is asked for.
    #[must_use]
    pub fn inline(journal: Arc<Mutex<Journal>>) -> Self {
        Self(Backing::Inline(journal))
    }

    /// Does `errand` on the journal. `None` if its thread is gone.
    pub(in crate::sweep) async fn with<T: Send + 'static>(
        &self,
        errand: impl FnOnce(&mut Journal) -> T + Send + 'static,
    ) -> Option<T> {
        match &self.0 {
            Backing::Thread(errands) => {
                let (done, answer) = oneshot::channel();
                let errand: JournalTask = Box::new(move |journal| drop(done.send(errand(journal))));
                errands.send(errand).ok()?;
                answer.await.ok()
            }
            Backing::Inline(journal) => {
                let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
                Some(errand(&mut journal))
            }
        }
    }
}

/// What workers tell the coordinator.
#[derive(Debug)]
pub(in crate::sweep) enum Message {
    /// Write this down, then say so.
    Record {
        entries: Vec<Entry>,
        done: oneshot::Sender<()>,
    },
    /// A job is done, or was stopped; write this down too.
    Finished {
        worker: usize,
        entries: Vec<Entry>,
        report: Report,
    },
}

/// A worker's way to the journal, through the coordinator.
#[derive(Clone, Debug)]
pub(in crate::sweep) struct Recorder(pub(in crate::sweep) mpsc::UnboundedSender<Message>);

impl Recorder {
    /// Returns when `entries` are on the disk. If they cannot be written,
    /// the run stops.
    pub(in crate::sweep) async fn record(&self, entries: Vec<Entry>) -> Result<(), Stopped> {
        let (done, written) = oneshot::channel();
        self.0
            .send(Message::Record { entries, done })
            .map_err(|_| Stopped)?;
        written.await.map_err(|_| Stopped)
    }

    pub(in crate::sweep) fn finished(&self, worker: usize, entries: Vec<Entry>, report: Report) {
        // If nobody listens, the run is over, and the journal shows these
        // batches as in doubt.
        let _ = self.0.send(Message::Finished {
            worker,
            entries,
            report,
        });
    }
}
