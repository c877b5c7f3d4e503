//! `transform --watch`: originals that have changed since their results were made.
//!
//! Folders are looked through again and again. That takes a tenth of a core at most, and works on every file system, those of
//! networks and containers included, whose changes the system does not tell. A file is taken when two looks in a row have
//! found it in the same state, so that one that is still being written is waited for.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use super::Failure;
use super::inputs::Input;

/// The shortest time between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// A look may take this part of the time.
const SHARE: u32 = 10;

/// How soon it is noticed that there is to be an end.
const STEP: Duration = Duration::from_millis(50);

/// What tells one state of a file from another.
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

/// What is known of the originals.
#[derive(Debug, Default)]
pub(super) struct Watcher {
    /// The states of which there are results, or failures that were told.
    done: HashMap<PathBuf, State>,
    /// The states that the last look has found.
    seen: HashMap<PathBuf, State>,
}

impl Watcher {
    /// Of these files results are about to be made.
    pub(super) fn new(inputs: &[Input]) -> Self {
        Self { done: states(inputs), seen: HashMap::new() }
    }

    /// Until `stop`, looks at what `list` gives, and hands all originals and those that have changed to `make`. What either
    /// fails with is printed.
    pub(super) fn watch(
        mut self,
        stop: &AtomicBool,
        list: impl Fn() -> Result<Vec<Input>, Failure>,
        make: impl Fn(&[Input], &HashSet<PathBuf>) -> Result<(), Failure>,
    ) {
        eprintln!("watching for changes; Ctrl-C ends it");
        let mut pause = PAUSE;
        // The same failure is told once, and not twice a second.
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
            let changed = self.changed(&inputs);
            pause = PAUSE.max(started.elapsed() * SHARE);
            if !changed.is_empty() {
                make(&inputs, &changed).unwrap_or_else(Failure::print);
            }
        }
    }

    /// The files whose state is new and was the same at the last look. They count as done from now on.
    fn changed(&mut self, inputs: &[Input]) -> HashSet<PathBuf> {
        let now = states(inputs);
        let is_settled = |path: &PathBuf, state: &State| self.seen.get(path) == Some(state);
        let is_new = |path: &PathBuf, state: &State| self.done.get(path) != Some(state);
        let changed: HashSet<PathBuf> = now
            .iter()
            .filter(|(path, state)| is_new(path, state) && is_settled(path, state))
            .map(|(path, _)| path.clone())
            .collect();
        // A file that is gone and comes back is a new one.
        self.done.retain(|path, _| now.contains_key(path));
        self.done.extend(changed.iter().filter_map(|path| Some((path.clone(), *now.get(path)?))));
        self.seen = now;
        changed
    }
}

fn states(inputs: &[Input]) -> HashMap<PathBuf, State> {
    inputs.iter().filter_map(|input| Some((input.path.clone(), State::of(&input.path)?))).collect()
}

/// Waits, and says whether there is to be an end.
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
        let mut watcher = Watcher::new(&[input("a")]);
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
