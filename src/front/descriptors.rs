//! The limit on file descriptors, and the number of connections that it allows.

/// The number of descriptors that are reserved for other files.
const RESERVE: u64 = 64;

/// The number of descriptors for each connection: its socket and the original that is read.
const EACH: u64 = 2;

/// The upper limit for the number of connections. More of them would only wait for the same workers.
const MOST: u64 = 10_000;

/// Raises the soft limit of this process to the hard limit. Programs that use `select` must not do this; this one does
/// not use it.
#[cfg(unix)]
pub fn raise_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // Some systems reject the hard limit that they report.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
}

/// Does nothing on systems without this limit.
#[cfg(not(unix))]
pub fn raise_limit() {}

/// The number of connections that the limit on descriptors allows.
pub(super) fn connections() -> usize {
    #[cfg(unix)]
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    #[cfg(not(unix))]
    let limit = None;
    within(limit.unwrap_or(u64::MAX))
}

fn within(limit: u64) -> usize {
    // If the limit is low, half of it is reserved.
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
