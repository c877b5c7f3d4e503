//! Counts the MCUs of restart intervals (T.81 E.2.4).

use super::bits::Window;

/// A restart interval, or the whole scan if there are none.
#[derive(Debug)]
pub(super) struct Interval {
    /// The number of MCUs in an interval; 0 means no restarts.
    length: usize,
    /// The number of intervals begun.
    count: usize,
    /// The number of processed MCUs of the scan.
    taken: usize,
    /// Whether there is data for the next MCUs.
    pub(super) is_alive: bool,
}

impl Interval {
    pub(super) const fn new(length: usize) -> Self {
        Self { length, count: 1, taken: 0, is_alive: true }
    }

    /// The index in the scan of the first MCU after the interval.
    pub(super) const fn end(&self) -> usize {
        if self.length == 0 { usize::MAX } else { self.count * self.length }
    }

    /// Whether a restart marker is due before the next MCU.
    pub(super) const fn is_over(&self) -> bool {
        self.taken == self.end()
    }

    /// Takes at most `mcus` MCUs from the interval; returns how many.
    pub(super) fn take(&mut self, mcus: usize) -> usize {
        let taken = mcus.min(self.end() - self.taken);
        self.taken += taken;
        taken
    }

    /// Starts the next interval.
    pub(super) fn restart(&mut self, window: &mut Window<'_>) {
        self.is_alive = window.restart(self.count - 1);
        self.count += 1;
    }
}
