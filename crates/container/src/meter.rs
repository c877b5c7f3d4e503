//! Limits on the cost of parsing the structure of a file: steps, memory, and time.

use std::cell::Cell;

use super::{Cancellation, Cancelled};
use crate::cancellation::Spent;

/// The number of steps allowed for any file.
const BASE_STEPS: u64 = 1 << 20;
/// The additional steps allowed per byte of the file: containers, directories and trees are traversed a few times each.
const STEPS_PER_BYTE: u64 = 64;
/// The memory in bytes allowed for any file.
const BASE_MEMORY: u64 = 4 << 20;
/// The additional memory in bytes allowed per byte of the file: a table entry in memory is several times larger than in
/// the file.
const MEMORY_PER_BYTE: u64 = 24;
/// The maximum memory for the structure of a file of any length, in bytes. Metadata is limited to 16 MiB.
const MAX_MEMORY: u64 = 64 << 20;
/// The number of steps between two checks for cancellation; a step takes 2 to 50 nanoseconds.
const STEPS_BETWEEN_CHECKS: u64 = 1 << 14;

/// Why parsing was aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Exhausted {
    /// The deadline has passed or the work was cancelled.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// Parsing exceeded the budget that follows from the length of the file.
    #[error("{what} of this file is more than {allowed}")]
    TooMuch {
        /// The exceeded resource.
        what: &'static str,
        /// The limit.
        allowed: u64,
    },
}

/// Counts the steps and the memory for parsing the structure of a file (containers, metadata, profiles, but not
/// pixels), and aborts if they exceed what a file of this length can need, or if the work is cancelled.
///
/// Every parser of an upload takes a meter, directly or within its [`Input`](crate::Input). Memory is counted when it
/// is allocated and never subtracted, since parsed data lives until parsing is done.
#[derive(Debug)]
pub struct Meter<'w> {
    cancellation: &'w Cancellation,
    max_steps: u64,
    max_memory: u64,
    steps: Cell<u64>,
    memory: Cell<u64>,
    next_check: Cell<u64>,
}

impl<'w> Meter<'w> {
    /// Creates a meter for a file of this many bytes.
    pub fn new(file_len: u64, cancellation: &'w Cancellation) -> Self {
        let memory = BASE_MEMORY.saturating_add(file_len.saturating_mul(MEMORY_PER_BYTE)).min(MAX_MEMORY);
        Self {
            cancellation,
            max_steps: BASE_STEPS.saturating_add(file_len.saturating_mul(STEPS_PER_BYTE)),
            max_memory: memory,
            steps: Cell::new(0),
            memory: Cell::new(0),
            next_check: Cell::new(0),
        }
    }

    /// Counts one step, such as visiting a table entry.
    ///
    /// # Errors
    /// [`Exhausted`]; the same applies to all other methods.
    pub fn step(&self) -> Result<(), Exhausted> {
        self.steps(1)
    }

    /// Counts several steps.
    pub fn steps(&self, count: u64) -> Result<(), Exhausted> {
        let steps = self.steps.get().saturating_add(count);
        self.steps.set(steps);
        if steps >= self.next_check.get() {
            self.next_check.set(steps.saturating_add(STEPS_BETWEEN_CHECKS));
            self.cancellation.check()?;
            if steps > self.max_steps {
                return Err(Exhausted::TooMuch {
                    what: "the structure, in steps to read it,",
                    allowed: self.max_steps,
                });
            }
        }
        Ok(())
    }

    /// Counts bytes that are about to be allocated.
    pub fn hold(&self, bytes: u64) -> Result<(), Exhausted> {
        let memory = self.memory.get().saturating_add(bytes);
        self.memory.set(memory);
        if memory > self.max_memory {
            return Err(Exhausted::TooMuch { what: "the metadata, in bytes of memory,", allowed: self.max_memory });
        }
        Ok(())
    }

    /// Counts one entry of a list: a step and its memory.
    pub fn entry<T>(&self) -> Result<(), Exhausted> {
        // Lists grow by doubling.
        self.hold(2 * size_of::<T>() as u64)?;
        self.step()
    }
}

impl Drop for Meter<'_> {
    fn drop(&mut self) {
        self.cancellation.add(Spent { steps: self.steps.get(), memory: self.memory.get() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_pays_by_its_length() {
        let cancellation = Cancellation::unbounded();
        for len in [0, 1000, 1 << 20] {
            let meter = Meter::new(len, &cancellation);
            let steps = BASE_STEPS + len * STEPS_PER_BYTE;
            assert_eq!(meter.steps(steps), Ok(()));
            assert!(matches!(meter.steps(STEPS_BETWEEN_CHECKS), Err(Exhausted::TooMuch { .. })));
            let memory = (BASE_MEMORY + len * MEMORY_PER_BYTE).min(MAX_MEMORY);
            assert_eq!(meter.hold(memory), Ok(()));
            assert!(matches!(meter.hold(1), Err(Exhausted::TooMuch { .. })));
        }
        assert!(Meter::new(u64::MAX, &cancellation).hold(MAX_MEMORY + 1).is_err());
    }

    #[test]
    fn the_work_is_told_what_was_spent() {
        let cancellation = Cancellation::unbounded();
        for _ in 0..2 {
            let meter = Meter::new(100, &cancellation);
            meter.steps(7).unwrap();
            meter.hold(5).unwrap();
        }
        assert_eq!(cancellation.clone().spent(), Spent { steps: 14, memory: 10 });
    }

    #[test]
    fn work_that_is_stopped_ends_the_reading() {
        let cancellation = Cancellation::unbounded();
        let meter = Meter::new(1 << 30, &cancellation);
        assert_eq!(meter.step(), Ok(()));
        cancellation.cancel();
        let outcome = (0..=STEPS_BETWEEN_CHECKS).try_for_each(|_| meter.step());
        assert_eq!(outcome, Err(Exhausted::Cancelled(Cancelled)));
    }
}
