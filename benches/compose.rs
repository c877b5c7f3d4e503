//! What do an overlay, round corners, padding and faces cost beside the same picture without them?
//!
//! One group; the first line is `w=800` alone, and the last ones are a square around the middle and around a face. The
//! overlay is decoded once and kept, as a server keeps it.

#![allow(clippy::expect_used)] // an answer that fails is no measurement

mod measure;
mod pictures;

use std::time::Duration;

use criterion::{Criterion, Throughput};
use image_origin::codec::Format;
use image_origin::query::Transform;
use image_origin::transform::{OverlayCache, OverlayFile, Render};
use pictures::{BUDGET, ENCODING};

const MARK: &[u8] = include_bytes!("../fixtures/overlays/mark.png");

const QUERIES: [&str; 9] = [
    "w=800",
    "w=800&overlay=a&overlay_w=0.2&overlay_gravity=southeast",
    "w=800&overlay=a&overlay_w=0.1&overlay_tile&overlay_opacity=0.3",
    "w=800&radius=40",
    "w=800&pad=20",
    "w=800&pad=20&extend=mirror",
    "w=800&h=800&fit=contain&extend=blur",
    "w=400&h=400&fit=cover",
    "w=400&h=400&fit=cover&gravity=face",
];

/// A photograph with a face where there is one, or a made picture without any.
fn original() -> (Vec<u8>, u64) {
    let found = pictures::photographs().and_then(|folder| std::fs::read(folder.join("12mp-baseline.jpg")).ok());
    let made = || {
        let photo = pictures::photo(12);
        let pixels = u64::from(photo.width()) * u64::from(photo.height());
        (pictures::encoded(&photo, Format::Jpeg, ENCODING), pixels)
    };
    found.map_or_else(made, |bytes| (bytes, 12_000_000))
}

fn main() {
    let criterion = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(200));
    let mut criterion = criterion.measurement_time(Duration::from_millis(700)).configure_from_args();
    let (original, pixels) = original();
    let cache = OverlayCache::new(32 << 20);
    let mark = OverlayFile { bytes: MARK, cache: Some((&cache, "mark")) };
    let mut group = criterion.benchmark_group("compose");
    group.throughput(Throughput::Elements(pixels));
    for query in QUERIES {
        let transform: Transform = format!("{query}&format=jpeg").parse().expect("the query is right");
        measure::bench(&mut group, query, original.len(), || {
            let render = Render::new(&original).overlay(Some(mark)).transform(transform.clone());
            render.limits(BUDGET).run().expect("the original is whole")
        });
    }
    group.finish();
    criterion.final_summary();
}
