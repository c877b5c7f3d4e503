//! How long it takes to strip and to report a photograph's metadata.
//!
//! The peer is the machine itself: copying the file's bytes once, which no way of reading it all can beat. Where the
//! folder `../shared/corpus` is at hand, its 12-megapixel JPEG is used, else one made up in its size.

mod measure;

use std::hint::black_box;
use std::io::Cursor;
use std::path::Path;
use std::time::Duration;

use criterion::Criterion;
use image_origin::codec::Cancellation;
use image_origin::metadata::{self, Keep};
use image_origin::transform;

/// A JPEG of 1.3 MB whose entropy-coded data has a stuffed byte in every 256, as real ones have, and Exif to remove.
fn made_up() -> Vec<u8> {
    let mut file =
        b"\xff\xd8\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0".to_vec();
    file.extend(b"\xff\xc0\x00\x0b\x08\x0b\xb8\x0f\xa0\x01\x01\x11\x00\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00");
    for index in 0..1_300_000_u32 {
        file.push((index.wrapping_mul(2_654_435_761) >> 24) as u8);
        if file.last() == Some(&0xff) {
            file.push(0);
        }
    }
    file.extend(b"\xff\xd9");
    file
}

fn photograph() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus/photos/12mp-baseline.jpg");
    std::fs::read(path).unwrap_or_else(|_| made_up())
}

fn strip(criterion: &mut Criterion) {
    let plain = photograph();
    let with_exif = made_up();
    let plan = |file: &[u8]| metadata::strip(&mut Cursor::new(file), Keep::None, &Cancellation::unbounded());
    let mut group = criterion.benchmark_group("strip a 12-megapixel JPEG");
    measure::bench(&mut group, "plan, nothing to remove", plain.len(), || plan(&plain));
    measure::bench(&mut group, "plan, Exif to remove", with_exif.len(), || plan(&with_exif));
    measure::bench(&mut group, "plan and write, Exif to remove", with_exif.len(), || {
        let mut out = Vec::with_capacity(with_exif.len());
        plan(&with_exif).and_then(|plan| Ok(plan.write_to(Cursor::new(&with_exif), &mut out)?)).map(|_| out)
    });
    measure::bench(&mut group, "peer: one copy of the file", with_exif.len(), || with_exif.clone());
    group.finish();
}

/// Prints how far the process grows while a file is stripped, the stripped copy included.
fn memory() {
    let file = made_up();
    let growth = growth(|| {
        let mut out = Vec::with_capacity(file.len());
        let mut source = Cursor::new(&file);
        let written = metadata::strip(&mut source, Keep::None, &Cancellation::unbounded())
            .map(|plan| plan.write_to(source, &mut out));
        black_box((written.is_ok(), out));
    });
    match growth {
        Some(growth) => println!("memory for stripping a file of {} KiB: {growth} KiB", file.len() / 1024),
        None => println!("memory for stripping: not measured, since this system has no /proc"),
    }
}

/// By how many KiB `work` raises the memory of this process at its peak (proc(5): `clear_refs`, `VmHWM`).
fn growth(work: impl FnOnce()) -> Option<u64> {
    let status = |field: &str| {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(field))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    let before = status("VmRSS")?;
    work();
    Some(status("VmHWM")?.saturating_sub(before))
}

fn report(criterion: &mut Criterion) {
    let file = made_up();
    let mut group = criterion.benchmark_group("report");
    // Its segments, not its scan.
    measure::bench(&mut group, "of a 12-megapixel JPEG", 64, || transform::report(&file, &Cancellation::unbounded()));
    group.finish();
}

fn main() {
    let criterion = Criterion::default().sample_size(20).warm_up_time(Duration::from_millis(200));
    let mut criterion = criterion.measurement_time(Duration::from_secs(1)).configure_from_args();
    memory();
    strip(&mut criterion);
    report(&mut criterion);
    criterion.final_summary();
}
