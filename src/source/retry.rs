//! When a request to a store is repeated: the number of attempts, and the pauses between them.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

/// The maximum number of attempts.
pub(super) const ATTEMPTS: u32 = 3;

/// The maximum delay before the first retry. It doubles with each further retry.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Whether a response of this status may be followed by a better one.
pub(super) const fn is_passing(status: u16) -> bool {
    matches!(status, 500 | 502 | 503 | 504)
}

/// Waits before the attempt after this one, counted from 1, for a random time, so that concurrent failures are not retried
/// at the same time.
pub(super) async fn pause_after(attempt: u32) {
    tokio::time::sleep(jitter(FIRST_PAUSE * 2_u32.pow(attempt - 1))).await;
}

/// A random fraction of `most`.
fn jitter(most: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    most.mul_f64((random >> 11) as f64 / (1_u64 << 53) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_differ_and_have_an_end() {
        let pauses: Vec<_> = (0..20).map(|_| jitter(FIRST_PAUSE)).collect();
        assert!(pauses.iter().all(|pause| *pause <= FIRST_PAUSE) && pauses.iter().any(|pause| *pause != pauses[0]));
    }
}
