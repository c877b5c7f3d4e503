//! Progress of a batch: a bar on a terminal, otherwise a few lines.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressStyle};

use super::super::failure::printable;

/// Without a bar, a line is written after each of this many equal parts of the work.
const PARTS: usize = 20;

pub(super) struct Progress {
    bar: Option<ProgressBar>,
    done: usize,
    failed: usize,
    all: usize,
}

impl Progress {
    /// Creates the display; nothing is shown for a single image.
    pub(super) fn new(all: usize) -> Self {
        let bar = (std::io::stderr().is_terminal() && all > 1).then(|| {
            let bar = ProgressBar::new(all as u64);
            if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {eta} {wide_msg}") {
                bar.set_style(style);
            }
            bar
        });
        Self { bar, done: 0, failed: 0, all }
    }

    /// Counts an image, and prints its error message first if it failed.
    pub(super) fn count(&mut self, name: &str, failure: Option<&str>) {
        if let Some(failure) = failure {
            self.failed += 1;
            self.print(&format!("image-origin: {failure}"));
        }
        self.done += 1;
        match &self.bar {
            Some(bar) => {
                bar.set_message(printable(name).into_owned());
                bar.inc(1);
            }
            None if is_due(self.done, self.all) => eprintln!("{} of {}, {} failed", self.done, self.all, self.failed),
            None => {}
        }
    }

    /// Prints a line to standard error, above the bar.
    pub(super) fn print(&self, line: &str) {
        let line = printable(line);
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{line}")),
            None => eprintln!("{line}"),
        }
    }

    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Whether a line is due: a further part is done, but not the last, which the summary reports.
fn is_due(done: usize, all: usize) -> bool {
    done < all && done * PARTS / all > (done - 1) * PARTS / all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_at_every_twentieth() {
        let due = |all| (1..=all).filter(|done| is_due(*done, all)).collect::<Vec<_>>();
        assert!(due(1).is_empty());
        assert_eq!(due(3), [1, 2]);
        assert_eq!(due(20_000).len(), 19);
        assert_eq!(due(20_000)[0], 1000);
    }
}
