//! The right to go on working: a deadline, and whether anybody still waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// The work was given up before it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the deadline for this picture has passed")]
pub struct Stopped;

/// Asked between pieces of work, each of a few milliseconds at most, whether to go on.
#[derive(Debug, Clone, Default)]
pub struct Work {
    deadline: Option<Instant>,
    cancelled: Arc<AtomicBool>,
}

impl Work {
    /// Work that must end by `deadline`.
    pub fn until(deadline: Instant) -> Self {
        Self { deadline: Some(deadline), cancelled: Arc::default() }
    }

    /// Work without a deadline.
    pub fn unbounded() -> Self {
        Self::default()
    }

    /// Tells the worker that nobody waits for the result any more.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether to go on.
    ///
    /// # Errors
    /// [`Stopped`] once the deadline has passed or the work was cancelled.
    pub fn check(&self) -> Result<(), Stopped> {
        let late = self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if late || self.cancelled.load(Ordering::Relaxed) { Err(Stopped) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_when_late_or_cancelled() {
        assert_eq!(Work::unbounded().check(), Ok(()));
        assert_eq!(Work::until(Instant::now()).check(), Err(Stopped));
        let work = Work::unbounded();
        work.clone().cancel();
        assert_eq!(work.check(), Err(Stopped));
    }
}
