//! How long does one picture take, from the bytes of the original to the bytes of the answer?
//!
//! One group for each kind of original, one line for each query. The throughput is in pixels of the original.

#![allow(clippy::expect_used)] // an answer that fails is no measurement

mod measure;
mod pictures;

use std::time::Duration;

use criterion::{Criterion, Throughput};
use image_origin::codec::{EncodeOptions, Format};
use image_origin::query::Transform;
use image_origin::transform::Render;
use pictures::{BUDGET, ENCODING};

const QUERIES: [&str; 4] = ["w=300&format=jpeg", "w=800&format=jpeg", "w=300&format=png", "w=300&format=webp"];

/// Real photographs, and how many pixels they have.
const PHOTOGRAPHS: [(&str, u64); 5] = [
    ("12mp-baseline.jpg", 12_000_000),
    ("12mp-progressive.jpg", 12_000_000),
    ("6mp-real.jpg", 6_016_000),
    ("iphone-8mp.jpg", 7_990_272),
    ("4mp-lossy.webp", 4_000_000),
];

fn measure(criterion: &mut Criterion, name: &str, original: &[u8], pixels: u64) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(pixels));
    for query in QUERIES {
        let transform: Transform = query.parse().expect("the query is right");
        measure::bench(&mut group, query, original.len(), || {
            Render::new(original).transform(transform.clone()).limits(BUDGET).run().expect("the original is whole")
        });
    }
    group.finish();
}

fn made_pictures(criterion: &mut Criterion) {
    let big = pictures::photo(12);
    let pixels = u64::from(big.width()) * u64::from(big.height());
    let progressive = EncodeOptions { progressive: true, ..ENCODING };
    let lossless = EncodeOptions { lossless: true, ..ENCODING };
    for (name, format, encoding) in [
        ("12 MP baseline JPEG", Format::Jpeg, ENCODING),
        ("12 MP progressive JPEG", Format::Jpeg, progressive),
        ("12 MP PNG", Format::Png, ENCODING),
    ] {
        measure(criterion, name, &pictures::encoded(&big, format, encoding), pixels);
    }
    let small = pictures::photo(2);
    let pixels = u64::from(small.width()) * u64::from(small.height());
    for (name, format, encoding) in [
        ("2 MP lossy WebP", Format::WebP, ENCODING),
        ("2 MP lossless WebP", Format::WebP, lossless),
        ("2 MP GIF", Format::Gif, ENCODING),
    ] {
        measure(criterion, name, &pictures::encoded(&small, format, encoding), pixels);
    }
}

fn photographs(criterion: &mut Criterion) {
    let Some(folder) = pictures::photographs() else { return };
    for (name, pixels) in PHOTOGRAPHS {
        match std::fs::read(folder.join(name)) {
            Ok(bytes) => measure(criterion, name, &bytes, pixels),
            Err(error) => println!("{name} is left out: {error}"),
        }
    }
}

fn main() {
    let criterion = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(200));
    let mut criterion = criterion.measurement_time(Duration::from_millis(700)).configure_from_args();
    made_pictures(&mut criterion);
    photographs(&mut criterion);
    criterion.final_summary();
}
