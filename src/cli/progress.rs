//! What a person sees while a run goes on: a bar on a terminal, dated counter
//! lines otherwise, and news of batches and waits in both.
//!
//! [`Screen`] is the sweep's observer: it shows what was recorded and nothing
//! else. Where lines go is the [log](super::logging)'s affair, how they share
//! the terminal with the bar the [`Terminal`]'s.

mod bar;
mod cells;
mod log_events;
mod stats;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rescind::journal::{BatchId, Entry, Remaining, Tally};
use rescind::report::{VerificationMark, number};
use rescind::sweep::{Clock, Observer, Quota, TimeLimits, Waits};
use tokio::time::{Instant, sleep};
use tracing::info;

use super::{logging::ONLY_LOGGED, terminal::Terminal};
use crate::cli::progress::log_events::{Narrator, Turn};
use crate::cli::progress::stats::{Figures, WONDERED_AT};

/// A wait for the pace or the next try that is longer is told of.
const LONG: Duration = Duration::from_mins(5);

/// The time between counter lines, at least.
const COUNT_EVERY: Duration = Duration::from_secs(10);

/// After so long a sweep knows what it waits for first.
const SETTLED_IN: Duration = Duration::from_millis(500);

/// How a process finds its run.
#[derive(Debug)]
pub(crate) struct Beginning<'a> {
    /// How the IDs stand.
    pub(crate) tally: &'a Tally,
    /// Whether nothing is carried out, and all is read.
    pub(crate) only_reads: bool,
    /// The limits.
    pub(crate) rate: &'a [Quota],
    /// How many batches the list was cut into.
    pub(crate) batches: u64,
    /// The paths of the parts that earlier processes made.
    pub(crate) parts: HashMap<BatchId, String>,
    /// A hold that is still on.
    pub(crate) hold: Option<&'a Remaining>,
    /// Whether nobody knows when the token expires, and nobody but a person
    /// can bring another.
    pub(crate) mortal: bool,
    /// The sweep's clock.
    pub(crate) clock: Clock,
    /// When calls may start, and the zone of times for people.
    pub(crate) timetable: &'a TimeLimits,
    /// How long a call may take.
    pub(crate) takes: Duration,
}

/// The observer that shows a run. The bar goes with it.
#[derive(Debug)]
pub(crate) struct Screen {
    figures: Arc<Mutex<Figures>>,
    narrator: Mutex<Narrator>,
    /// When counters were said last, and in what words.
    counted: Mutex<(Instant, String)>,
    terminal: Terminal,
}

impl Screen {
    /// Shows a run that is about to be carried on.
    pub(crate) fn start(terminal: Terminal, beginning: Beginning<'_>) -> Self {
        let Beginning {
            tally,
            only_reads,
            rate,
            clock,
            timetable,
            takes,
            ..
        } = beginning;
        let zone = timetable.zone.clone();
        let mut figures = Figures::new(tally, only_reads, rate, clock, timetable.clone(), takes);
        let mut narrator =
            Narrator::new(beginning.batches, beginning.parts, beginning.mortal, zone);
        if let Some(hold) = beginning.hold {
            let until = clock.at(Instant::now() + hold.left);
            figures.turn(narrator.inherit(hold, clock.now(), until));
        }
        let figures = Arc::new(Mutex::new(figures));
        let drawn = Arc::clone(&figures);
        terminal.draw(Some(Arc::new(move || {
            lock(&drawn).view().line(terminal.columns())
        })));
        let screen = Self {
            terminal,
            figures,
            narrator: Mutex::new(narrator),
            counted: Mutex::new((Instant::now(), String::new())),
        };
        screen.count();
        screen
    }

    /// Shows from now on also what the next call waits for.
    pub(crate) fn watch(&self, waits: Waits) {
        lock(&self.figures).watch(waits);
    }

    /// Says of every long wait for the pace or the next try that it is on. It
    /// never ends.
    pub(crate) async fn say_waits(&self) {
        let mut said = self.say_left_behind().await;
        loop {
            sleep(COUNT_EVERY).await;
            let idle = lock(&self.figures).idle(Instant::now(), LONG);
            if let Some((wait, end)) = idle
                && said != Some(end)
            {
                let bar::PauseView { cause, until, left } = wait;
                info!(%until, "{cause}: no call for {}", bar::hours(left));
                said = Some(end);
            }
        }
    }

    /// Says from when on it is read what a process that was killed had under
    /// way: it may still arrive, and until then nothing goes. Returns that
    /// time.
    async fn say_left_behind(&self) -> Option<Instant> {
        if lock(&self.figures).left_behind() == 0 {
            return None;
        }
        sleep(SETTLED_IN).await;
        let figures = lock(&self.figures);
        let left = figures.left_behind();
        let (wait, end) = figures.idle(Instant::now(), WONDERED_AT)?;
        drop(figures);
        if left == 0 {
            return None;
        }
        let (were, they) = if left == 1 {
            ("ID was", "it is")
        } else {
            ("IDs were", "they are")
        };
        info!(
            "{} {were} under way when the process ended; {they} read from {} on",
            number(left),
            wait.until
        );
        Some(end)
    }

    /// Clears the bar and says the last figures, if they were not said yet.
    pub(crate) fn finish(&self) {
        self.terminal.draw(None);
        lock(&self.narrator).finish();
        let words = lock(&self.figures).view().counters();
        if lock(&self.counted).1 != words {
            self.count();
        }
    }

    /// A counter line; below it goes without where there is a bar.
    fn count(&self) {
        let words = lock(&self.figures).view().counters();
        if self.terminal.draws() {
            info!(target: ONLY_LOGGED, "{words}");
        } else {
            info!("{words}");
        }
        *lock(&self.counted) = (Instant::now(), words);
    }
}

impl Observer for Screen {
    fn recorded(&self, entries: &[Entry], tally: &Tally) {
        let mut phase = false;
        {
            let mut narrator = lock(&self.narrator);
            for entry in entries {
                if let Entry::Examined(testimony) = entry {
                    let mark = VerificationMark::of(testimony.claimed, testimony.found);
                    phase |= lock(&self.figures).look(mark, testimony.ids);
                }
                if let Some(turn) = narrator.tell(entry) {
                    phase |= turn == Turn::Released;
                    lock(&self.figures).turn(turn);
                }
            }
        }
        let (mut begun, mut answered, mut withdrawn) = (0, 0, 0);
        for entry in entries {
            match entry {
                Entry::Begun { .. } => begun += 1,
                Entry::Answered { .. } => answered += 1,
                Entry::Withdrawn { .. } => withdrawn += 1,
                _ => {}
            }
        }
        {
            let mut figures = lock(&self.figures);
            figures.calls(begun, answered + withdrawn);
            phase |= figures.update(tally, answered);
        }
        if phase || lock(&self.counted).0.elapsed() >= COUNT_EVERY {
            self.count();
        }
    }
}

/// Everything is written at once, and what is half written is still true.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
