//! What reading the structure of one file may cost: steps, memory, and time.

use std::cell::Cell;

use super::{Stopped, Work};
use crate::work::Spent;

/// Steps that every file may take, however short it is.
const BASE_STEPS: u64 = 1 << 20;
/// Steps that each byte of the file pays for: containers, directories and trees are walked a few times each.
const STEPS_PER_BYTE: u64 = 64;
/// Bytes of memory that every file may take.
const BASE_MEMORY: u64 = 4 << 20;
/// Bytes of memory that each byte of the file pays for: an entry of a table takes some times what it takes in the file.
const MEMORY_PER_BYTE: u64 = 24;
/// The most that the structure of a file may take in memory, however long the file is. Metadata are 16 MiB at most.
const MAX_MEMORY: u64 = 64 << 20;
/// Steps between two questions whether to go on; one takes 2 to 50 nanoseconds.
const STEPS_BETWEEN_CHECKS: u64 = 1 << 14;

/// Why reading was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Exhausted {
    /// The deadline has passed, or nobody waits for the answer any more.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The file wants more than its size can pay for.
    #[error("{what} of this file is more than {allowed}")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        allowed: u64,
    },
}

/// Counts the steps and the memory that reading the structure of one file takes (containers, metadata, profiles, not
/// pixels), and ends it when they are more than a file of its length can need, or when the work is stopped.
///
/// Every parser of an upload takes one, directly or within the reader that it gets its bytes from. Memory is counted as
/// it is allocated and not given back, since what a parser has read lives until it is done.
#[derive(Debug)]
pub struct Meter<'w> {
    work: &'w Work,
    max_steps: u64,
    max_memory: u64,
    steps: Cell<u64>,
    memory: Cell<u64>,
    next_check: Cell<u64>,
}

impl<'w> Meter<'w> {
    /// For a file of this many bytes.
    pub fn new(file_len: u64, work: &'w Work) -> Self {
        let memory = BASE_MEMORY.saturating_add(file_len.saturating_mul(MEMORY_PER_BYTE)).min(MAX_MEMORY);
        Self {
            work,
            max_steps: BASE_STEPS.saturating_add(file_len.saturating_mul(STEPS_PER_BYTE)),
            max_memory: memory,
            steps: Cell::new(0),
            memory: Cell::new(0),
            next_check: Cell::new(0),
        }
    }

    /// Counts one step, such as an entry of a table that is looked at.
    ///
    /// # Errors
    /// [`Exhausted`]; so do all other methods.
    pub fn step(&self) -> Result<(), Exhausted> {
        self.steps(1)
    }

    /// Counts several steps at once.
    pub fn steps(&self, count: u64) -> Result<(), Exhausted> {
        let steps = self.steps.get().saturating_add(count);
        self.steps.set(steps);
        if steps >= self.next_check.get() {
            self.next_check.set(steps.saturating_add(STEPS_BETWEEN_CHECKS));
            self.work.check()?;
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

    /// Counts one entry of a list: a step, and its memory.
    pub fn entry<T>(&self) -> Result<(), Exhausted> {
        // Lists grow by doubling.
        self.hold(2 * size_of::<T>() as u64)?;
        self.step()
    }
}

impl Drop for Meter<'_> {
    fn drop(&mut self) {
        self.work.add(Spent { steps: self.steps.get(), memory: self.memory.get() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_pays_by_its_length() {
        let work = Work::unbounded();
        for len in [0, 1000, 1 << 20] {
            let meter = Meter::new(len, &work);
            let steps = BASE_STEPS + len * STEPS_PER_BYTE;
            assert_eq!(meter.steps(steps), Ok(()));
            assert!(matches!(meter.steps(STEPS_BETWEEN_CHECKS), Err(Exhausted::TooMuch { .. })));
            let memory = (BASE_MEMORY + len * MEMORY_PER_BYTE).min(MAX_MEMORY);
            assert_eq!(meter.hold(memory), Ok(()));
            assert!(matches!(meter.hold(1), Err(Exhausted::TooMuch { .. })));
        }
        assert!(Meter::new(u64::MAX, &work).hold(MAX_MEMORY + 1).is_err());
    }

    #[test]
    fn the_work_is_told_what_was_spent() {
        let work = Work::unbounded();
        for _ in 0..2 {
            let meter = Meter::new(100, &work);
            meter.steps(7).unwrap();
            meter.hold(5).unwrap();
        }
        assert_eq!(work.clone().spent(), Spent { steps: 14, memory: 10 });
    }

    #[test]
    fn work_that_is_stopped_ends_the_reading() {
        let work = Work::unbounded();
        let meter = Meter::new(1 << 30, &work);
        assert_eq!(meter.step(), Ok(()));
        work.cancel();
        let outcome = (0..=STEPS_BETWEEN_CHECKS).try_for_each(|_| meter.step());
        assert_eq!(outcome, Err(Exhausted::Stopped(Stopped)));
    }
}
