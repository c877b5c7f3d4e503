//! Cancellation of a request: by its deadline, or because nobody waits for the result any more.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// The request was cancelled before it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the deadline for this picture has passed")]
pub struct Cancelled;

/// A cancellation token with a deadline. Loops check it every few milliseconds.
#[derive(Debug, Clone, Default)]
pub struct Cancellation {
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

impl Cancellation {
    /// A token that is cancelled at `deadline`.
    pub fn until(deadline: Instant) -> Self {
        Self { deadline: Some(deadline), shared: Arc::default() }
    }

    /// A token without a deadline.
    pub fn unbounded() -> Self {
        Self::default()
    }

    /// Cancels the request for all clones of this token.
    pub fn cancel(&self) {
        self.shared.cancelled.store(true, Ordering::Relaxed);
    }

    /// What reading the structure of files has cost this request so far.
    pub fn spent(&self) -> Spent {
        let Shared { steps, memory, .. } = &*self.shared;
        Spent { steps: steps.load(Ordering::Relaxed), memory: memory.load(Ordering::Relaxed) }
    }

    /// Adds to what [`Self::spent`] returns.
    pub(crate) fn add(&self, Spent { steps, memory }: Spent) {
        self.shared.steps.fetch_add(steps, Ordering::Relaxed);
        self.shared.memory.fetch_add(memory, Ordering::Relaxed);
    }

    /// Checks whether the request is cancelled.
    ///
    /// # Errors
    /// [`Cancelled`] once the deadline has passed or [`Self::cancel`] was called.
    pub fn check(&self) -> Result<(), Cancelled> {
        let late = self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if late || self.shared.cancelled.load(Ordering::Relaxed) { Err(Cancelled) } else { Ok(()) }
    }

    /// [`Cancellation::check`] as the codecs in crates of their own ask it.
    pub fn go_on(&self) -> ControlFlow<()> {
        if self.check().is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_when_late_or_cancelled() {
        assert_eq!(Cancellation::unbounded().check(), Ok(()));
        assert_eq!(Cancellation::until(Instant::now()).check(), Err(Cancelled));
        let cancellation = Cancellation::unbounded();
        cancellation.clone().cancel();
        assert_eq!(cancellation.check(), Err(Cancelled));
    }
}
