//! Where the tables in `crates/codec/src/avif/encode.rs` and `crates/codec/src/webp/encode.rs` come from: for each quality, the
//! setting of the encoder at which it has the SSIMULACRA2 of our JPEG of that quality, as the mean over photographs in
//! colour at 600 pixels.
//!
//! `cargo bench --bench calibrate -- [avif|webp] PHOTOGRAPH...`

#![allow(clippy::expect_used)] // a picture that cannot be read or written is no measurement

#[path = "pictures/mod.rs"]
mod pictures;

use image_origin::codec::{
    self, Area, Cancellation, Channels, DecodeOptions, EncodeOptions, Format, Raster, avif, webp,
};
use image_origin::query::Transform;
use image_origin::transform::Render;
use pictures::BUDGET;

const QUALITIES: [u8; 16] = [5, 10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 91, 93, 95, 100];
/// Qualities of the encoder that are tried; what lies between is interpolated.
const TRIED: [u8; 16] = [1, 10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 91, 93, 95, 100];

/// An encoder that is held against JPEG.
struct Scale {
    name: &'static str,
    format: Format,
    /// What it is set to for a quality on JPEG's scale, at most `most`.
    setting: fn(u8) -> f64,
    most: f64,
}

const SCALES: [Scale; 2] = [
    Scale { name: "avif", format: Format::Avif, setting: |quality| avif::quantizer(quality).into(), most: 255.0 },
    Scale { name: "webp", format: Format::WebP, setting: |quality| webp::libwebp_quality(quality).into(), most: 100.0 },
];

fn main() {
    // `cargo bench` runs all benches, and hands each what is meant for another.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let photographs = arguments.iter().filter(|argument| std::path::Path::new(argument).is_file());
    let photographs: Vec<Raster> = photographs.map(|path| small(path)).collect();
    if photographs.is_empty() {
        return println!("calibrate: name photographs to compare AVIF and WebP with JPEG");
    }
    let jpeg: Vec<Vec<f64>> =
        photographs.iter().map(|photograph| scores(photograph, Format::Jpeg, &QUALITIES)).collect();
    let named = |scale: &Scale| arguments.iter().any(|argument| argument == scale.name);
    let all = !SCALES.iter().any(named);
    for scale in SCALES.iter().filter(|scale| all || named(scale)) {
        print(scale, &photographs, &jpeg);
    }
}

/// Prints the settings that give the scores of JPEG.
fn print(scale: &Scale, photographs: &[Raster], jpeg: &[Vec<f64>]) {
    let columns: Vec<Vec<(f64, f64)>> =
        photographs.iter().zip(jpeg).map(|(photograph, scores)| settings(scale, photograph, scores)).collect();
    println!("{}: quality  SSIMULACRA2  setting of each, and the mean", scale.name);
    for (row, quality) in QUALITIES.iter().enumerate() {
        let found: Vec<(f64, f64)> = columns.iter().map(|column| column[row]).collect();
        let mean = |of: fn(&(f64, f64)) -> f64| found.iter().map(of).sum::<f64>() / found.len() as f64;
        let each: Vec<String> = found.iter().map(|(_, setting)| format!("{setting:5.1}")).collect();
        println!("{quality:13}  {:11.1}  {}  {:5.1}", mean(|f| f.0), each.join(" "), mean(|f| f.1));
    }
}

/// Each score with the setting that gives it.
fn settings(scale: &Scale, photograph: &Raster, jpeg: &[f64]) -> Vec<(f64, f64)> {
    let scored = scores(photograph, scale.format, &TRIED).into_iter().zip(TRIED.map(scale.setting));
    let mut tried: Vec<(f64, f64)> = scored.collect();
    tried.dedup_by_key(|(_, setting)| *setting);
    jpeg.iter().map(|score| (*score, at(*score, &tried).clamp(0.0, scale.most))).collect()
}

/// The setting at a score, in proportion between the two around it.
fn at(score: f64, tried: &[(f64, f64)]) -> f64 {
    let above = tried.iter().position(|(tried, _)| *tried >= score).unwrap_or(tried.len() - 1).max(1);
    let ((low, from), (high, to)) = (tried[above - 1], tried[above]);
    from + (to - from) * (score - low) / (high - low)
}

/// The photograph at 600 pixels.
fn small(path: &str) -> Raster {
    let original = std::fs::read(path).expect("the photograph can be read");
    let transform: Transform = "w=600&format=png&bg=white".parse().expect("the query is valid");
    let png = Render::new(&original).transform(transform).limits(BUDGET).run().expect("it is made smaller");
    decode(&png.bytes, Format::Png)
}

/// What a photograph scores at each quality.
fn scores(photograph: &Raster, format: Format, qualities: &[u8]) -> Vec<f64> {
    let encoder = codec::encoder(format).expect("it is written");
    let score = |quality: &u8| {
        let encoding = EncodeOptions { quality: *quality, ..EncodeOptions::DEFAULT };
        let bytes = encoder.encode(photograph, &encoding, BUDGET, &Cancellation::unbounded()).expect("it is encoded");
        let decoded = decode(&bytes, format);
        let [expected, picture] = [photograph, &decoded].map(|raster| raster.samples().as_bytes());
        pictures::score(expected, picture, photograph.width(), photograph.height())
    };
    qualities.iter().map(score).collect()
}

fn decode(bytes: &[u8], format: Format) -> Raster {
    let decoder = codec::decoder(format).expect("it is read");
    let header = decoder.probe(bytes, BUDGET, &Cancellation::unbounded()).expect("it has a header");
    let area = Area::whole(header.width, header.height);
    let cancellation = Cancellation::unbounded();
    let options = DecodeOptions::new(area, BUDGET, &cancellation);
    let raster = decoder.decode(bytes, &options).expect("it is decoded").raster;
    assert_eq!(raster.channels(), Channels::Rgb, "photographs have colours");
    raster
}
