//! Why a run stops before it is done, and how everybody learns of it.

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

/// Why a run stopped while something was left to do. The first reason that
/// is raised counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reason {
    /// Something inside failed: the journal cannot be written.
    Error(String),
    /// The token was refused.
    Unauthorized(String),
    /// The first batch or the breaker stopped it.
    Guard(String),
    /// A wait that does not fit.
    Deferred(Deferral),
    /// The signal with this number.
    Signal(i32),
}

/// What a run is deferred for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Deferral {
    /// Why, and from when on it makes sense to carry on; for people.
    pub why: String,
    /// When it makes sense to carry on; `None` if never, as things stand.
    pub resume_at: Option<Timestamp>,
}

/// Work ended because the run stops. What is known was recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stopped;

/// The run's brake. Once raised no new call starts, waits end, and requests
/// under way finish.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    reason: OnceLock<Reason>,
    token: CancellationToken,
}

impl Shutdown {
    /// Stops the run. If it was stopping already, the first reason stays.
    pub fn raise(&self, reason: Reason) {
        let _ = self.0.reason.set(reason);
        self.0.token.cancel();
    }

    /// Why the run stops, if it does.
    #[must_use]
    pub fn reason(&self) -> Option<&Reason> {
        self.0.reason.get()
    }

    /// Returns once the run stops.
    pub async fn raised(&self) {
        self.0.token.cancelled().await;
    }

    /// `Err` once the run stops.
    ///
    /// # Errors
    /// [`Stopped`] if the run stops.
    pub fn check(&self) -> Result<(), Stopped> {
        if self.0.token.is_cancelled() {
            Err(Stopped)
        } else {
            Ok(())
        }
    }
}
