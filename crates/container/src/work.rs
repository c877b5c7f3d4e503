//! The right to go on working: a deadline, and whether anybody still waits.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// The work was given up before it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the deadline for this picture has passed")]
pub struct Stopped;

/// Asked between pieces of work, each of a few milliseconds at most, whether to go on.
#[derive(Debug, Clone, Default)]
pub struct Work {
    deadline: Option<Instant>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    cancelled: AtomicBool,
    steps: AtomicU64,
    memory: AtomicU64,
}

/// What reading the structure of files has cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// Steps, as [`Meter`](super::Meter) counts them.
    pub steps: u64,
    /// Bytes that were allocated, whether or not they were given back.
    pub memory: u64,
}

impl Work {
    /// Work that must end by `deadline`.
    pub fn until(deadline: Instant) -> Self {
        Self { deadline: Some(deadline), shared: Arc::default() }
    }

    /// Work without a deadline.
    pub fn unbounded() -> Self {
        Self::default()
    }

    /// Tells the worker that nobody waits for the result any more.
    pub fn cancel(&self) {
        self.shared.cancelled.store(true, Ordering::Relaxed);
    }

    /// What has been spent on it.
    pub fn spent(&self) -> Spent {
        let Shared { steps, memory, .. } = &*self.shared;
        Spent { steps: steps.load(Ordering::Relaxed), memory: memory.load(Ordering::Relaxed) }
    }

    /// Adds to what has been spent on it.
    pub(crate) fn add(&self, Spent { steps, memory }: Spent) {
        self.shared.steps.fetch_add(steps, Ordering::Relaxed);
        self.shared.memory.fetch_add(memory, Ordering::Relaxed);
    }

    /// Whether to go on.
    ///
    /// # Errors
    /// [`Stopped`] once the deadline has passed or the work was cancelled.
    pub fn check(&self) -> Result<(), Stopped> {
        let late = self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if late || self.shared.cancelled.load(Ordering::Relaxed) { Err(Stopped) } else { Ok(()) }
    }

    /// [`Work::check`] as the codecs in crates of their own ask it.
    pub fn go_on(&self) -> ControlFlow<()> {
        if self.check().is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
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
