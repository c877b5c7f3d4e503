//! File descriptors: how many this process may have, and how many connections that allows.

/// Descriptors that are kept back for what is no connection.
const RESERVE: u64 = 64;

/// A connection is one descriptor, and the original that is read for it another.
const EACH: u64 = 2;

/// Connections beyond which more of them only wait for the same workers.
const MOST: u64 = 10_000;

/// Raises the limit of this process to what the system allows. Programs that use `select` must not do this; this one does
/// not.
#[cfg(unix)]
pub fn raise_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // Some systems do not allow what they name as the maximum.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
}

/// Raises the limit of this process, on systems that have one.
#[cfg(not(unix))]
pub fn raise_limit() {}

/// How many connections there may be with so many descriptors as this process may have.
pub(super) fn connections() -> usize {
    #[cfg(unix)]
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    #[cfg(not(unix))]
    let limit = None;
    within(limit.unwrap_or(u64::MAX))
}

fn within(limit: u64) -> usize {
    // Of few descriptors, half must do for the rest.
    let left = limit - RESERVE.min(limit / 2);
    (left / EACH).clamp(1, MOST) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_kept_back_for_files() {
        let table = [(0, 1), (3, 1), (24, 6), (256, 96), (1024, 480), (65_536, 10_000), (u64::MAX, 10_000)];
        for (limit, connections) in table {
            assert_eq!(within(limit), connections, "{limit}");
        }
    }
}
