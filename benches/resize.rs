//! How many megapixels a second go through the resize itself, without decoding and encoding?
//!
//! `Melem/s` are megapixels of the original a second. The time is that of the stage between decoding and encoding, as
//! `Server-Timing` reports it; alpha, where there is any, is premultiplied and divided in it.

#![allow(clippy::expect_used)] // an answer that fails is no measurement

mod pictures;

use std::time::Duration;

use criterion::{Criterion, Throughput};
use image_origin::codec::{Format, Raster, Work};
use image_origin::query::Transform;
use image_origin::transform::{Accepted, render};
use pictures::{BUDGET, ENCODING};

const QUERIES: [&str; 5] = [
    "w=300&format=jpeg",
    "w=800&format=jpeg",
    "w=1600&format=jpeg",
    "w=800&h=800&fit=cover&format=jpeg",
    "w=800&h=800&fit=cover&gravity=attention&format=jpeg",
];

fn measure(criterion: &mut Criterion, name: &str, original: &Raster) {
    // A PNG is always decoded at full size, so that all of its pixels reach the resize.
    let bytes = pictures::encoded(original, Format::Png, ENCODING);
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(u64::from(original.width()) * u64::from(original.height())));
    for query in QUERIES {
        let transform: Transform = query.parse().expect("the query is right");
        group.bench_function(query, |bencher| {
            bencher.iter_custom(|times| {
                let once = || render(&bytes, &transform, Accepted::default(), BUDGET, &Work::unbounded());
                (0..times).map(|_| once().expect("the original is whole").stages.resize).sum()
            });
        });
    }
    group.finish();
}

fn main() {
    let criterion = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(10));
    let mut criterion = criterion.measurement_time(Duration::from_millis(100)).configure_from_args();
    let photo = pictures::photo(12);
    measure(&mut criterion, "resize 12 MP RGB", &photo);
    measure(&mut criterion, "resize 12 MP RGBA", &pictures::faded(&photo));
    criterion.final_summary();
}
