//! Keeping `results.csv` and `summary.json` up to date while a run goes on.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rescind::journal::{Pinned, RunFolder};
use rescind::report;

/// The files are not written anew sooner than this.
const LEAST: Duration = Duration::from_secs(2);

/// Writing may cost so many times less than it rests.
const SHARE: u32 = 20;

/// Writes both files now and then, on a thread of its own, until dropped.
pub(super) struct Snapshots {
    over: Option<mpsc::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Snapshots {
    /// Nothing is written where one of the `pinned` files is another by now.
    pub(super) fn start(folder: RunFolder, pinned: Vec<Pinned>) -> Self {
        let (over, ended) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("snapshots".into())
            .spawn(move || {
                let mut rest = LEAST;
                while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(rest) {
                    if pinned.iter().any(|file| file.check().is_err()) {
                        continue;
                    }
                    let begun = Instant::now();
                    if let Err(error) = report::refresh(&folder) {
                        tracing::warn!(%error, "the results could not be brought up to date");
                    }
                    rest = LEAST.max(begun.elapsed() * SHARE);
                }
            });
        Self {
            over: Some(over),
            // Without a thread the files are written at the end only.
            thread: thread.ok(),
        }
    }
}

impl Drop for Snapshots {
    fn drop(&mut self) {
        drop(self.over.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
