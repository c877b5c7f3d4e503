//! Pictures made in memory, the same on every machine and in every run, and the real photographs where there are any.

#![allow(clippy::expect_used)] // a bench without its pictures has nothing to measure
#![allow(dead_code)] // each bench takes the pictures that it needs

use std::path::{Path, PathBuf};

use fast_ssim2::{PixelDescriptor, PixelSlice, compute_ssimulacra2};
use image_origin::codec::{self, Budget, Cancellation, Channels, EncodeOptions, Format, Raster, Samples};

/// Room for every picture here.
pub(crate) const BUDGET: Budget = Budget { pixels: 100_000_000, memory: 2_000_000_000 };

/// Something like a photograph of 4:3: soft light, shapes with edges, texture and grain.
pub(crate) fn photo(megapixels: u32) -> Raster {
    photo_of_width((f64::from(megapixels) * 1e6 * 4.0 / 3.0).sqrt() as u32)
}

/// The same with this many columns.
pub(crate) fn photo_of_width(width: u32) -> Raster {
    let height = width * 3 / 4;
    let scale = 4000.0 / width as f32;
    let mut samples = Vec::with_capacity(width as usize * height as usize * 3);
    for y in 0..height {
        for x in 0..width {
            samples.extend(photo_pixel(x, y, x as f32 * scale, y as f32 * scale));
        }
    }
    rgb(width, height, samples)
}

fn photo_pixel(column: u32, row: u32, x: f32, y: f32) -> [u8; 3] {
    // One shape for every cell of 500 units, a disc of its own size and colour.
    let (cell_x, cell_y) = ((x / 500.0) as u32, (y / 500.0) as u32);
    let shape = hash(cell_x, cell_y, 7);
    let (dx, dy) = (x % 500.0 - 250.0, y % 500.0 - 250.0);
    let radius = 80.0 + (shape % 160) as f32;
    let inside = dx * dx + dy * dy < radius * radius;
    let light = noise(x / 900.0, y / 900.0, 1) * 130.0 + noise(x / 120.0, y / 120.0, 2) * 50.0;
    let texture = noise(x / 11.0, y / 11.0, 3) * if inside { 44.0 } else { 14.0 };
    let grain = (hash(column, row, 4) % 7) as f32;
    let luma = light + texture + grain + if inside { (shape >> 8 & 63) as f32 - 20.0 } else { 10.0 };
    let (warm, green) = (noise(x / 600.0, y / 600.0, 5) * 60.0 - 30.0, noise(x / 400.0, y / 400.0, 6) * 40.0 - 20.0);
    let tint = if inside { (shape >> 16 & 31) as f32 } else { 0.0 };
    [luma + warm + tint, luma + green, luma - warm].map(|sample| sample as u8)
}

/// Value noise in `0..1`, one lattice point a unit.
fn noise(x: f32, y: f32, seed: u32) -> f32 {
    let (column, row) = (x as u32, y as u32);
    let soft = |t: f32| t * t * (3.0 - 2.0 * t);
    let (fx, fy) = (soft(x - column as f32), soft(y - row as f32));
    let at = |dx, dy| (hash(column + dx, row + dy, seed) & 0xffff) as f32 / 65_536.0;
    let mix = |a: f32, b: f32, t: f32| a + (b - a) * t;
    mix(mix(at(0, 0), at(1, 0), fx), mix(at(0, 1), at(1, 1), fx), fy)
}

fn hash(x: u32, y: u32, seed: u32) -> u32 {
    let mut h = x.wrapping_mul(0x9e37_79b1) ^ y.wrapping_mul(0x85eb_ca6b) ^ seed.wrapping_mul(0xc2b2_ae35);
    h = (h ^ h >> 15).wrapping_mul(0x2c1b_3c6d);
    h = (h ^ h >> 12).wrapping_mul(0x297a_2d39);
    h ^ h >> 15
}

/// A chart: flat areas, lines and text-like marks in a dozen colours.
pub(crate) fn drawing(width: u32, height: u32) -> Raster {
    const COLOURS: [[u8; 3]; 6] =
        [[31, 119, 180], [255, 127, 14], [44, 160, 44], [214, 39, 40], [148, 103, 189], [0, 0, 0]];
    let mut samples = Vec::with_capacity(width as usize * height as usize * 3);
    for y in 0..height {
        for x in 0..width {
            let bar = x / 40;
            let tall = hash(bar, 0, 9) % height.max(1);
            let mark = y < 60 && hash(x / 2, y / 3, 10).is_multiple_of(3) && !(y / 12).is_multiple_of(2);
            samples.extend(match (x % 40, y % 50) {
                _ if mark => COLOURS[5],
                (6..34, _) if height - y < tall => COLOURS[bar as usize % 5],
                (_, 0) => [220, 220, 220],
                _ => [255, 255, 255],
            });
        }
    }
    rgb(width, height, samples)
}

fn rgb(width: u32, height: u32, samples: Vec<u8>) -> Raster {
    Raster::new(width, height, Channels::Rgb, Samples::U8(samples)).expect("three samples for every pixel")
}

/// Encodes with the crate's own encoders.
pub(crate) fn encoded(raster: &Raster, format: Format, encoding: EncodeOptions) -> Vec<u8> {
    let encoder = codec::encoder(format).expect("the format is written");
    encoder.encode(raster, &encoding, BUDGET, &Cancellation::unbounded()).expect("nothing stops it")
}

/// The usual way to encode.
pub(crate) const ENCODING: EncodeOptions = EncodeOptions { quality: 90, ..EncodeOptions::DEFAULT };

/// The SSIMULACRA2 of a picture to what it should be, both of red, green and blue in 8 bits.
pub(crate) fn score(expected: &[u8], picture: &[u8], width: u32, height: u32) -> f64 {
    let slice = |samples| {
        PixelSlice::new(samples, width, height, width as usize * 3, PixelDescriptor::RGB8_SRGB).expect("it is whole")
    };
    compute_ssimulacra2(&slice(expected), &slice(picture)).expect("it can be scored")
}

/// The folder of real photographs, when it is there; otherwise a line says that it is not.
pub(crate) fn photographs() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus/photos");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("no real photographs in {}: only made pictures are measured", folder.display());
    None
}

/// The picture, more transparent from left to right.
pub(crate) fn faded(raster: &Raster) -> Raster {
    let (width, height) = (raster.width(), raster.height());
    let alpha = |place: usize| 255 - (place as u32 % width * 255 / width) as u8;
    let pixels = raster.samples().as_bytes().as_chunks().0.iter().enumerate();
    let samples = pixels.flat_map(|(place, &[r, g, b])| [r, g, b, alpha(place)]).collect();
    Raster::new(width, height, Channels::Rgba, Samples::U8(samples)).expect("four samples for every pixel")
}
