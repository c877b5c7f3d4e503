//! `transform --watch`: detects originals that have changed since they were transformed.
//!
//! Folders are polled. Polling uses a tenth of a core at most, and works on every file system, including those of
//! networks and containers, which send no change notifications. A file is processed when two consecutive polls found it
//! in the same state, so that files that are still being written are skipped.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use super::Failure;
use super::inputs::{Input, Inputs};

/// The minimum time between two polls.
const PAUSE: Duration = Duration::from_millis(500);

/// A poll may take one part in this many of the time.
const SHARE: u32 = 10;

/// The interval in which the stop flag is checked.
const STEP: Duration = Duration::from_millis(50);

/// The state of a file, for change detection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    modified: Option<SystemTime>,
    length: u64,
}

impl State {
    fn of(path: &Path) -> Option<Self> {
        let metadata = path.metadata().ok()?;
        Some(Self { modified: metadata.modified().ok(), length: metadata.len() })
    }
}

/// The known states of the originals.
#[derive(Debug, Default)]
pub(super) struct Watcher {
    /// The states that were processed, successfully or not.
    done: HashMap<PathBuf, State>,
    /// The states of the last poll.
    seen: HashMap<PathBuf, State>,
    /// What could not be read at the last poll, and has been told.
    unreadable: HashSet<PathBuf>,
}

impl Watcher {
    /// Creates the watcher; the inputs count as processed, and what of them cannot be read as told.
    pub(super) fn new(inputs: &Inputs) -> Self {
        Self { done: states(&inputs.files), seen: HashMap::new(), unreadable: paths(inputs) }
    }

    /// Polls the files of `list` until `stop`, and calls `make` with all originals and the changed ones. Errors of
    /// either are printed.
    pub(super) fn watch(
        mut self,
        stop: &AtomicBool,
        list: impl Fn() -> Result<Inputs, Failure>,
        make: impl Fn(&[Input], &HashSet<PathBuf>) -> Result<(), Failure>,
    ) {
        eprintln!("watching for changes; press Ctrl-C to stop");
        let mut pause = PAUSE;
        // A repeated error is printed once.
        let mut told = None;
        while !sleep(pause, stop) {
            let started = Instant::now();
            let inputs = match list() {
                Ok(inputs) => inputs,
                Err(failure) => {
                    if told.as_ref() != Some(&failure.message) {
                        told = Some(failure.message.clone());
                        failure.print();
                    }
                    continue;
                }
            };
            told = None;
            for unreadable in inputs.unreadable.iter().filter(|found| !self.unreadable.contains(&found.path)) {
                Failure::from(unreadable.reason.clone()).print();
            }
            self.unreadable = paths(&inputs);
            let changed = self.changed(&inputs.files);
            pause = PAUSE.max(started.elapsed() * SHARE);
            if !changed.is_empty() {
                make(&inputs.files, &changed).unwrap_or_else(Failure::print);
            }
        }
    }

    /// The files whose state is new and was the same in the last poll. They count as processed from now on.
    fn changed(&mut self, inputs: &[Input]) -> HashSet<PathBuf> {
        let now = states(inputs);
        let is_settled = |path: &PathBuf, state: &State| self.seen.get(path) == Some(state);
        let is_new = |path: &PathBuf, state: &State| self.done.get(path) != Some(state);
        let changed: HashSet<PathBuf> = now
            .iter()
            .filter(|(path, state)| is_new(path, state) && is_settled(path, state))
            .map(|(path, _)| path.clone())
            .collect();
        // A file that is deleted and created again is new.
        self.done.retain(|path, _| now.contains_key(path));
        self.done.extend(changed.iter().filter_map(|path| Some((path.clone(), *now.get(path)?))));
        self.seen = now;
        changed
    }
}

fn paths(inputs: &Inputs) -> HashSet<PathBuf> {
    inputs.unreadable.iter().map(|unreadable| unreadable.path.clone()).collect()
}

fn states(inputs: &[Input]) -> HashMap<PathBuf, State> {
    inputs.iter().filter_map(|input| Some((input.path.clone(), State::of(&input.path)?))).collect()
}

/// Sleeps, and returns whether the stop flag was set.
fn sleep(pause: Duration, stop: &AtomicBool) -> bool {
    let end = Instant::now() + pause;
    while !stop.load(Ordering::Relaxed) {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        std::thread::sleep(left.min(STEP));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_counts_when_it_has_changed_and_stays_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let input = |name: &str| Input { path: path(name), below: name.into() };
        std::fs::write(path("a"), "1").unwrap();
        let mut watcher = Watcher::new(&Inputs { files: vec![input("a")], ..Inputs::default() });
        let mut changed = |names: &[&str]| {
            let inputs: Vec<_> = names.iter().map(|name| input(name)).collect();
            let mut changed: Vec<_> = watcher.changed(&inputs).into_iter().collect();
            changed.sort();
            changed
        };
        assert!(changed(&["a"]).is_empty() && changed(&["a"]).is_empty(), "its result is there");
        std::fs::write(path("a"), "22").unwrap();
        assert!(changed(&["a"]).is_empty(), "it may still be written");
        std::fs::write(path("a"), "333").unwrap();
        std::fs::write(path("b"), "1").unwrap();
        assert!(changed(&["a", "b"]).is_empty(), "it was");
        assert_eq!(changed(&["a", "b"]), [path("a"), path("b")]);
        assert!(changed(&["a", "b"]).is_empty(), "once is enough");
        std::fs::remove_file(path("b")).unwrap();
        assert!(changed(&["a", "b"]).is_empty(), "it is gone");
        std::fs::write(path("b"), "1").unwrap();
        assert!(changed(&["a", "b"]).is_empty());
        assert_eq!(changed(&["a", "b"]), [path("b")], "it is back");
    }
}
