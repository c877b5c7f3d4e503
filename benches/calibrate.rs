//! Where the table in `src/codec/avif/encode.rs` comes from: for each quality, the quantizer at which AVIF has the
//! SSIMULACRA2 of our JPEG of that quality, as the mean over photographs in colour at 600 pixels.
//!
//! `cargo bench --bench calibrate -- PHOTOGRAPH...`

#![allow(clippy::expect_used)] // a picture that cannot be read or written is no measurement

#[path = "pictures/mod.rs"]
mod pictures;

use image_origin::codec::{self, Area, Channels, Encoder, Encoding, Format, Need, Raster, Work, avif};
use image_origin::transform::{Accepted, render};
use pictures::BUDGET;

const QUALITIES: [u8; 14] = [5, 10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 95, 100];
/// Qualities of AVIF that are tried; what lies between is interpolated.
const TRIED: [u8; 14] = [1, 10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 95, 100];

fn main() {
    // `cargo bench` runs all benches, and hands each what is meant for another.
    let photographs = std::env::args().skip(1).filter(|argument| std::path::Path::new(argument).is_file());
    let columns: Vec<Vec<(f64, f64)>> = photographs.map(|path| quantizers(&path)).collect();
    if columns.is_empty() {
        return println!("calibrate: name photographs to compare AVIF with JPEG");
    }
    println!("quality  SSIMULACRA2  quantizer of each, and the mean");
    for (row, quality) in QUALITIES.iter().enumerate() {
        let found: Vec<(f64, f64)> = columns.iter().map(|column| column[row]).collect();
        let mean = |of: fn(&(f64, f64)) -> f64| found.iter().map(of).sum::<f64>() / found.len() as f64;
        let each: Vec<String> = found.iter().map(|(_, quantizer)| format!("{quantizer:3.0}")).collect();
        println!("{quality:7}  {:11.1}  {}  {:3.0}", mean(|f| f.0), each.join(" "), mean(|f| f.1));
    }
}

/// JPEG's score and the quantizer that gives the same, for each of the qualities.
fn quantizers(path: &str) -> Vec<(f64, f64)> {
    let original = std::fs::read(path).expect("the photograph can be read");
    let transform = "w=600&format=png&bg=white".parse().expect("the query is valid");
    let png =
        render(&original, &transform, Accepted::default(), BUDGET, &Work::unbounded()).expect("it is made smaller");
    let picture = decode(&png.bytes, Format::Png);
    let scored = |encoder: &dyn Encoder, quality| {
        let encoding = Encoding { quality, lossless: false, progressive: false };
        let bytes = encoder.encode(&picture, &encoding, &Work::unbounded()).expect("it is encoded");
        let decoded = decode(&bytes, encoder.format());
        let [expected, picture] = [&picture, &decoded].map(|raster| raster.samples().as_bytes());
        pictures::score(expected, picture, decoded.width(), decoded.height())
    };
    let avif = avif::with_speed(avif::DEFAULT_SPEED);
    let tried = TRIED.map(|quality| (scored(avif, quality), f64::from(avif::quantizer(quality))));
    let jpeg = codec::encoder(Format::Jpeg).expect("JPEG is written");
    QUALITIES.map(|quality| scored(jpeg, quality)).map(|score| (score, at(score, &tried))).into()
}

/// The quantizer at a score, in proportion between the two around it.
fn at(score: f64, tried: &[(f64, f64)]) -> f64 {
    let above = tried.iter().position(|(tried, _)| *tried >= score).unwrap_or(tried.len() - 1).max(1);
    let ((low, coarse), (high, fine)) = (tried[above - 1], tried[above]);
    (coarse + (fine - coarse) * (score - low) / (high - low)).clamp(0.0, 255.0)
}

fn decode(bytes: &[u8], format: Format) -> Raster {
    let decoder = codec::decoder(format).expect("it is read");
    let header = decoder.probe(bytes, BUDGET).expect("it has a header");
    let area = Area::whole(header.width, header.height);
    let need = Need { area, scale: 1.0, budget: BUDGET, work: &Work::unbounded() };
    let raster = decoder.decode(bytes, &need).expect("it is decoded").raster;
    assert_eq!(raster.channels(), Channels::Rgb, "photographs have colours");
    raster
}
