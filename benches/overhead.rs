//! What does a request cost beside the pixels: reading the query, planning, and the facts of `info=true`?

#![allow(clippy::expect_used)] // a query that fails is no measurement

mod measure;
mod pictures;

use std::hint::black_box;
use std::time::Duration;

use criterion::Criterion;
use image_origin::codec::{Format, Orientation};
use image_origin::query::{self, Presets, Transform};
use image_origin::transform::{Original, Plan, Render};
use pictures::{BUDGET, ENCODING};

const QUERIES: [&str; 3] = [
    "w=300",
    "w=640&h=480&dpr=2&fit=cover&gravity=attention&format=auto&q=75",
    "utm_source=mail&utm_medium=link&fbclid=abc%20def&width=300&crop=0.1,0.1,0.8,0.8&sharpen=0.5&bg=ff8800&preset=card",
];

fn queries(criterion: &mut Criterion) {
    let presets = Presets::from([("card".to_owned(), "h=200&fit=cover&format=auto".to_owned())]);
    let mut group = criterion.benchmark_group("query");
    for (place, text) in QUERIES.into_iter().enumerate() {
        measure::bench(&mut group, &format!("parse {}", place + 1), text.len(), || {
            query::parse(black_box(text), &presets)
        });
        let transform = query::parse(text, &presets).expect("the query is right");
        let canonical = transform.canonical().len();
        measure::bench(&mut group, &format!("canonical text of {}", place + 1), canonical, || {
            black_box(&transform).canonical()
        });
    }
    group.finish();
}

fn planning(criterion: &mut Criterion) {
    let original = Original { width: 4000, height: 3000, orientation: Orientation::from_exif(6) };
    let transform: Transform = "w=640&h=480&fit=cover&crop=0.1,0.1,0.8,0.8".parse().expect("the query is right");
    let mut group = criterion.benchmark_group("plan");
    measure::bench(&mut group, "cover", size_of::<Original>(), || {
        let original = black_box(original);
        original.crop(transform.crop, (0.5, 0.5)).and_then(|crop| Plan::new(original, crop, &transform, None))
    });
    group.finish();
}

fn info(criterion: &mut Criterion) {
    let photo = pictures::photo(12);
    let mut group = criterion.benchmark_group("info");
    for format in [Format::Jpeg, Format::Png] {
        let bytes = pictures::encoded(&photo, format, ENCODING);
        measure::bench(&mut group, &format!("12 MP {format}"), bytes.len(), || {
            Render::new(&bytes).limits(BUDGET).inspect().expect("the original is whole")
        });
    }
    group.finish();
}

fn main() {
    let criterion = Criterion::default().sample_size(20).warm_up_time(Duration::from_millis(300));
    let mut criterion = criterion.measurement_time(Duration::from_secs(1)).configure_from_args();
    queries(&mut criterion);
    planning(&mut criterion);
    info(&mut criterion);
    criterion.final_summary();
}
