//! How long does it take to write a JPEG, from pixels in memory to bytes?
//!
//! One group for each size. `peer` is the crate `jpeg-encoder`, with the same quality, subsampling and optimised Huffman
//! tables. `Melem/s` are megapixels a second.

#![allow(clippy::expect_used)] // a picture that cannot be written is no measurement

mod measure;
mod pictures;

use std::time::Duration;

use criterion::{Criterion, Throughput};
use image_origin::codec::{EncodeOptions, Format, Raster};
use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, Encoder, SamplingFactor};

const BASELINE: EncodeOptions = EncodeOptions::DEFAULT;

/// Quality 95 has chroma at full resolution.
const KINDS: [(&str, EncodeOptions); 3] = [
    ("baseline", BASELINE),
    ("progressive", EncodeOptions { progressive: true, ..BASELINE }),
    ("full chroma", EncodeOptions { quality: 95, ..BASELINE }),
];

fn peer(raster: &Raster) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, BASELINE.quality);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
    encoder.set_optimized_huffman_tables(true);
    let (width, height) = (raster.width() as u16, raster.height() as u16);
    encoder.encode(raster.samples().as_bytes(), width, height, ColorType::Rgb).expect("the size fits");
    bytes
}

fn main() {
    let criterion = Criterion::default().sample_size(20).warm_up_time(Duration::from_millis(200));
    let mut criterion = criterion.measurement_time(Duration::from_secs(1)).configure_from_args();
    for width in [300, 800, 4000] {
        let photo = pictures::photo_of_width(width);
        let bytes = photo.samples().as_bytes().len();
        let mut group = criterion.benchmark_group(format!("JPEG {}x{}", photo.width(), photo.height()));
        group.throughput(Throughput::Elements(u64::from(photo.width()) * u64::from(photo.height())));
        for (name, encoding) in KINDS {
            measure::bench(&mut group, name, bytes, || pictures::encoded(&photo, Format::Jpeg, encoding));
        }
        measure::bench(&mut group, "baseline, peer", bytes, || peer(&photo));
        group.finish();
    }
    criterion.final_summary();
}
