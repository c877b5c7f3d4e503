//! What every bench measures by: a piece of work, and the bytes that it cannot do without reading. A figure that no
//! memory could keep up with is one of work that was not done, and ends the bench.

#![allow(dead_code)] // each bench takes what it needs

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use criterion::BenchmarkGroup;
use criterion::measurement::WallTime;

/// Measures work that reads `bytes` bytes at least.
pub(crate) fn bench<T>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    bytes: usize,
    mut work: impl FnMut() -> T,
) {
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|times| {
            let start = Instant::now();
            for _ in 0..times {
                black_box(work());
            }
            let elapsed = start.elapsed();
            check(name, bytes, elapsed.div_f64(times as f64));
            elapsed
        });
    });
}

/// Ends the bench where reading these bytes takes longer than the work is said to have taken.
pub(crate) fn check(name: &str, bytes: usize, time: Duration) {
    let (rate, bandwidth) = (bytes as f64 / time.as_secs_f64().max(1e-12), bandwidth(bytes));
    assert!(
        rate <= bandwidth,
        "{name}: {bytes} bytes in {time:?} are {:.1} GB/s, and memory gives {:.1} GB/s: not all of the work is done",
        rate / 1e9,
        bandwidth / 1e9,
    );
}

/// Bytes a second that a copy of as many bytes moves in this process. Each byte is read and written, so nothing that
/// reads all of them is faster. Small pictures are copied within the caches, as they are worked on.
pub(crate) fn bandwidth(bytes: usize) -> f64 {
    static KNOWN: Mutex<Option<HashMap<usize, f64>>> = Mutex::new(None);
    let bytes = bytes.max(4096).next_power_of_two();
    let mut known = KNOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    *known.get_or_insert_default().entry(bytes).or_insert_with(|| copied(bytes))
}

/// The fastest of the copies that 50 milliseconds have room for, three at least.
fn copied(bytes: usize) -> f64 {
    let (from, mut to) = (vec![1_u8; bytes], vec![0_u8; bytes]);
    let copies = (1 << 22 >> bytes.ilog2()).max(1);
    let (start, mut best, mut rounds) = (Instant::now(), Duration::MAX, 0);
    while rounds < 3 || start.elapsed() < Duration::from_millis(50) {
        let round = Instant::now();
        for _ in 0..copies {
            black_box(&mut to).copy_from_slice(black_box(&from));
        }
        best = best.min(round.elapsed() / copies);
        rounds += 1;
    }
    2.0 * bytes as f64 / best.as_secs_f64()
}

/// Time that this thread has had on a processor. Linux tells it in nanoseconds, as of the last time that it looked,
/// which is when a thread gives way.
pub(crate) fn processor_time() -> Option<Duration> {
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}
