//! The summary of a batch: a line with the outcomes, and a table of sizes before and after.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::inputs::Inputs;
use super::{Failure, Made};

/// A number of images, and their sizes before and after.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    images: usize,
    before: u64,
    after: u64,
}

/// The outcomes of a batch.
#[derive(Debug, Default)]
pub(super) struct Summary {
    all: usize,
    skipped: usize,
    failed: usize,
    /// The written images by the name of their format.
    written: BTreeMap<&'static str, Sum>,
    pub(super) interrupted: bool,
}

impl Summary {
    /// Creates the summary of a batch of this many images.
    pub(super) fn of(all: usize) -> Self {
        Self { all, ..Self::default() }
    }

    pub(super) fn count(&mut self, made: &Result<Made, String>) {
        match made {
            Ok(Made::Written { rendered, input_bytes, .. }) => {
                let sum = self.written.entry(rendered.format.name()).or_default();
                sum.images += 1;
                sum.before += *input_bytes as u64;
                sum.after += rendered.bytes.len() as u64;
            }
            Ok(Made::Skipped { .. }) => self.skipped += 1,
            Err(_) => self.failed += 1,
        }
    }

    fn total(&self) -> Sum {
        self.written.values().fold(Sum::default(), |total, sum| Sum {
            images: total.images + sum.images,
            before: total.before + sum.before,
            after: total.after + sum.after,
        })
    }

    /// The table with a row per format, and a total if there are several formats; empty if nothing was written.
    fn table(&self) -> String {
        let total = ("total", self.total());
        let rows = self.written.iter().map(|(name, sum)| (*name, *sum));
        let rows: Vec<_> = rows.chain((self.written.len() > 1).then_some(total)).collect();
        let mut table = String::new();
        if rows.is_empty() {
            return table;
        }
        // Writing to a String cannot fail.
        let _ = writeln!(table, "{:<6} {:>8} {:>11} {:>11} {:>7}", "format", "images", "originals", "results", "saved");
        for (name, Sum { images, before, after }) in rows {
            let saved = 100.0 - after as f64 * 100.0 / before.max(1) as f64;
            let (before, after) = (size(before), size(after));
            let _ = writeln!(table, "{name:<6} {images:>8} {before:>11} {after:>11} {saved:>5.0} %");
        }
        table
    }

    /// Prints the summary, and returns the exit status.
    pub(super) fn report(&self, folder: &Path, inputs: &Inputs) -> Result<(), Failure> {
        let Self { all, skipped, failed, .. } = self;
        let (others, unreadable) = (inputs.others, inputs.unreadable.len());
        let Sum { images: written, after: bytes, .. } = self.total();
        let mut line = format!("{written} of {all} images written to {}, {bytes} bytes", folder.display());
        if *skipped > 0 {
            line += &format!("; {skipped} results already existed");
        }
        if others > 0 {
            line += &format!("; {others} files in folders are not images");
        }
        eprint!("{line}\n{}", self.table());
        if self.interrupted {
            return Err(Failure::interrupted(format!(
                "{} images were not processed",
                all - written - skipped - failed
            )));
        }
        let images = (*failed > 0).then(|| format!("{failed} of {all} images failed"));
        let paths = (unreadable > 0).then(|| format!("{unreadable} paths in folders cannot be read"));
        let what = images.into_iter().chain(paths).collect::<Vec<_>>().join(", and ");
        match what.as_str() {
            "" => Ok(()),
            _ if failed == all => Err(what.into()),
            _ => Err(Failure::partly(what)),
        }
    }

    /// The exit status after a single image, whose outcome was printed already.
    pub(super) fn of_one(&self) -> Result<(), Failure> {
        match self {
            Self { failed: 0, interrupted: false, .. } => Ok(()),
            Self { failed: 0, .. } => Err(Failure::interrupted("stopped")),
            _ => Err(Failure::told()),
        }
    }
}

/// Formats a size with three or four digits, in powers of 1000.
fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut units = ["kB", "MB", "GB", "TB"].into_iter();
    let mut unit = "bytes";
    while value >= 999.5 {
        let Some(next) = units.next() else { break };
        (value, unit) = (value / 1000.0, next);
    }
    let digits = usize::from(unit != "bytes" && value < 99.95);
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        let table = [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1000, "1.0 kB"),
            (99_940, "99.9 kB"),
            (99_960, "100 kB"),
            (999_499, "999 kB"),
            (999_500, "1.0 MB"),
            (12_345_678_901_234_567, "12346 TB"),
        ];
        for (bytes, expected) in table {
            assert_eq!(size(bytes), expected);
        }
    }

    #[test]
    fn the_table_has_what_was_saved() {
        let mut summary = Summary::of(4);
        assert_eq!(summary.table(), "");
        summary.written.insert("webp", Sum { images: 2, before: 400_000, after: 100_000 });
        let webp = "webp          2      400 kB      100 kB    75 %\n";
        let head = "format   images   originals     results   saved\n";
        assert_eq!(summary.table(), [head, webp].concat());
        summary.written.insert("png", Sum { images: 1, before: 1000, after: 1500 });
        let png = "png           1      1.0 kB      1.5 kB   -50 %\n";
        let total = "total         3      401 kB      102 kB    75 %\n";
        assert_eq!(summary.table(), [head, png, webp, total].concat());
    }
}
