//! Counts MCUs from one restart marker to the next (T.81 E.2.4).

use super::bits::Window;

/// A restart interval, or the whole scan if there are none.
#[derive(Debug)]
pub(super) struct Interval {
    /// MCUs in an interval; 0 for no limit.
    length: usize,
    /// Intervals begun.
    count: usize,
    /// MCUs of the scan that were taken.
    taken: usize,
    /// Whether there is data for the coming MCUs.
    pub(super) is_alive: bool,
}

impl Interval {
    pub(super) const fn new(length: usize) -> Self {
        Self { length, count: 1, taken: 0, is_alive: true }
    }

    /// The number in the scan of the first MCU that is not part of the interval.
    pub(super) const fn end(&self) -> usize {
        if self.length == 0 { usize::MAX } else { self.count * self.length }
    }

    /// Whether a restart marker is due before the next MCU.
    pub(super) const fn is_over(&self) -> bool {
        self.taken == self.end()
    }

    /// Takes at most `mcus` from the interval; returns how many.
    pub(super) fn take(&mut self, mcus: usize) -> usize {
        let taken = mcus.min(self.end() - self.taken);
        self.taken += taken;
        taken
    }

    /// Begins the next interval.
    pub(super) fn restart(&mut self, window: &mut Window<'_>) {
        self.is_alive = window.restart(self.count - 1);
        self.count += 1;
    }
}
