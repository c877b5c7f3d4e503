//! The encoder, read back by this project's decoder and by another, and beside `cjpeg` (libjpeg-turbo).

use std::cell::Cell;
use std::ops::ControlFlow;

use image_origin_jpeg::{
    DecodeOptions, EncodeError, EncodeOptions, Image, Picture, PixelFormat, Pixels, Process, Scale, decode, encode,
    read_header,
};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use zune_jpeg::zune_core::bytestream::ZCursor;

use super::peers::{self, Recorded, checksum};
use crate::fixtures;

/// The lowest quality at which these tests keep the full resolution of chroma.
const FULL_CHROMA: u8 = 91;

/// How many samples a pixel has.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Channels {
    L = 1,
    Rgb = 3,
}

/// Samples row by row.
#[derive(Debug)]
struct Raster {
    width: u32,
    height: u32,
    channels: Channels,
    samples: Vec<u8>,
}

impl Raster {
    fn picture(&self) -> Picture<'_> {
        let pixels = if self.channels == Channels::L { Pixels::Grey } else { Pixels::Rgb };
        Picture::new(self.width as u16, self.height as u16, pixels(&self.samples)).unwrap()
    }
}

fn options(quality: u8, progressive: bool) -> EncodeOptions<'static> {
    EncodeOptions::default().quality(quality).full_chroma(quality >= FULL_CHROMA).progressive(progressive)
}

fn encoded(raster: &Raster, quality: u8, progressive: bool) -> Vec<u8> {
    encode(&raster.picture(), &options(quality, progressive)).unwrap()
}

/// The whole picture; it must be without damage.
fn decoded(bytes: &[u8]) -> Image {
    let image = decode(bytes, &DecodeOptions::default()).unwrap();
    assert_eq!(image.warnings, []);
    image
}

/// A picture in which each sample is made from its column, row and channel.
fn picture(width: u32, height: u32, channels: Channels, sample: impl Fn(u32, u32, u32) -> u8) -> Raster {
    let mut samples = Vec::new();
    for y in 0..height {
        for x in 0..width {
            samples.extend((0..channels as u32).map(|channel| sample(x, y, channel)));
        }
    }
    Raster { width, height, channels, samples }
}

fn noise(x: u32, y: u32, channel: u32) -> u8 {
    let mixed = (x ^ y.rotate_left(11) ^ channel.rotate_left(22)).wrapping_mul(0x9E37_79B1);
    ((mixed ^ mixed >> 15).wrapping_mul(0x85EB_CA6B) >> 24) as u8
}

/// Soft slopes with a hard edge, and some grain.
fn scene(width: u32, height: u32, channels: Channels) -> Raster {
    picture(width, height, channels, |x, y, channel| {
        let slope = [x * 150 / width, y * 150 / height, (x + y) * 75 / (width + height)][channel as usize];
        (slope + if x + y > width { 60 } else { 0 }) as u8 + noise(x, y, channel) / 16
    })
}

/// Peak signal to noise ratio in decibels.
fn psnr(one: &[u8], other: &[u8]) -> f64 {
    assert_eq!(one.len(), other.len());
    let squares = one.iter().zip(other).map(|(&a, &b)| f64::from(a.abs_diff(b)).powi(2)).sum::<f64>();
    10.0 * (255.0 * 255.0 * one.len() as f64 / squares.max(1.0)).log10()
}

/// What `cjpeg` makes of a picture: the length of the file, and its pixels.
fn cjpeg(raster: &Raster, quality: u8, progressive: bool) -> String {
    let sampling = if quality >= FULL_CHROMA { "1x1" } else { "2x2" };
    let quality = quality.to_string();
    let mut arguments = vec!["-quality", &quality, "-baseline", "-optimize", "-dct", "int", "-sample", sampling];
    if progressive {
        arguments.push("-progressive");
    }
    let kind = if raster.channels == Channels::L { "P5" } else { "P6" };
    let head = format!("{kind}\n{} {}\n255\n", raster.width, raster.height);
    let file = peers::cjpeg(&[head.as_bytes(), raster.samples.as_slice()].concat(), &arguments);
    format!("{} {}", file.len(), checksum(&decoded(&file).pixels))
}

/// Checks that the file has the pixels of `cjpeg`'s and is no larger.
fn compare_with_cjpeg(peer: &mut Recorded, name: &str, raster: &Raster, quality: u8, progressive: bool) {
    let way = if progressive { "progressive" } else { "baseline" };
    let case = format!("{name} {}x{} {:?} {quality} {way}", raster.width, raster.height, raster.channels);
    let (length, pixels) = peer.answer(&case, || cjpeg(raster, quality, progressive)).split_once(' ').unwrap();
    let length: usize = length.parse().unwrap();
    let ours = encoded(raster, quality, progressive);
    assert_eq!(checksum(&decoded(&ours).pixels), pixels, "{case}: other pixels");
    // Zero bytes after bytes of ones are a matter of chance.
    let allowed = length + length / 4000;
    assert!(ours.len() <= allowed, "{case}: {} bytes, and cjpeg {length}", ours.len());
}

#[test]
fn small_sizes_equal_the_peer() {
    let mut peer = Recorded::open("cjpeg-sizes.txt");
    for width in 1..=33 {
        for height in [1, 8, 15, 17, 24] {
            for (channels, quality) in [(Channels::Rgb, 80), (Channels::Rgb, 95), (Channels::L, 80)] {
                let scene = scene(width, height, channels);
                compare_with_cjpeg(&mut peer, "scene", &scene, quality, (width + height) % 2 == 0);
            }
        }
    }
    peer.close(33 * 5 * 3);
}

#[test]
fn qualities_equal_the_peer() {
    const QUALITIES: [u8; 17] = [1, 2, 3, 7, 10, 25, 49, 50, 51, 66, 75, 80, 90, 91, 95, 99, 100];
    let mut peer = Recorded::open("cjpeg-qualities.txt");
    for quality in QUALITIES {
        for (name, raster) in [
            ("scene", scene(70, 43, Channels::Rgb)),
            ("scene", scene(70, 43, Channels::L)),
            ("noise", picture(50, 43, Channels::Rgb, noise)),
        ] {
            for progressive in [false, true] {
                compare_with_cjpeg(&mut peer, name, &raster, quality, progressive);
            }
        }
    }
    peer.close(QUALITIES.len() * 6);
}

#[test]
fn photographs_equal_the_peer() {
    const FILES: [&str; 4] = ["photo.jpg", "jpeg/444.jpg", "jpeg/grey.jpg", "orientation/1.jpg"];
    let mut peer = Recorded::open("cjpeg-photographs.txt");
    for file in FILES {
        let scale = if file == "photo.jpg" { Scale::Quarter } else { Scale::Full };
        let image = decode(&std::fs::read(fixtures().join(file)).unwrap(), &DecodeOptions::default().scale(scale));
        let image = image.unwrap();
        let channels = if image.format == PixelFormat::Grey { Channels::L } else { Channels::Rgb };
        let photo = Raster { width: image.width as u32, height: image.height as u32, channels, samples: image.pixels };
        for (quality, progressive) in [(80, false), (80, true), (92, false)] {
            compare_with_cjpeg(&mut peer, file, &photo, quality, progressive);
        }
    }
    peer.close(FILES.len() * 3);
}

#[test]
fn pictures_of_all_small_sizes_come_back() {
    for width in 1..=40 {
        for height in 1..=40 {
            let channels = if (width + height) % 3 == 0 { Channels::L } else { Channels::Rgb };
            let flat = picture(width, height, channels, |_, _, channel| [200, 60, 90][channel as usize]);
            let image = decoded(&encoded(&flat, [80, 95][height as usize % 2], width % 2 == 0));
            assert_eq!((image.width, image.height), (width as usize, height as usize));
            let most = image.pixels.iter().zip(&flat.samples).map(|(&a, &b)| a.abs_diff(b)).max();
            assert!(most <= Some(3), "{width}x{height} {channels:?}: {most:?}");
        }
    }
}

#[test]
fn quality_is_what_it_costs() {
    for channels in [Channels::L, Channels::Rgb] {
        let scene = scene(150, 131, channels);
        let mut before = (0, 0.0);
        for quality in [1, 10, 25, 50, 75, 90, 91, 100] {
            let baseline = encoded(&scene, quality, false);
            let progressive = encoded(&scene, quality, true);
            assert_eq!(read_header(&progressive).unwrap().process, Process::Progressive);
            let image = decoded(&baseline);
            assert!(image.pixels == decoded(&progressive).pixels, "{quality}");
            let now = (baseline.len(), psnr(&image.pixels, &scene.samples));
            assert!(now.0 > before.0 && now.1 > before.1, "{channels:?} {quality}: {before:?}, then {now:?}");
            before = now;
        }
        assert!(before.1 > 45.0, "{before:?}");
    }
}

#[test]
fn another_decoder_sees_the_same() {
    for (width, height, quality) in [(150, 131, 100), (33, 17, 91), (400, 300, 60)] {
        for progressive in [false, true] {
            let bytes = encoded(&scene(width, height, Channels::Rgb), quality, progressive);
            let theirs = zune_jpeg::JpegDecoder::new(ZCursor::new(&bytes)).decode().unwrap();
            let similarity = psnr(&decoded(&bytes).pixels, &theirs);
            assert!(similarity > 40.0, "{width}x{height} {quality} {progressive}: {similarity}");
        }
    }
}

/// Y, Cb and Cr as JFIF defines them, chroma with half of the columns and rows. Grey has no use for the last two.
fn planes(raster: &Raster) -> [Vec<u8>; 3] {
    let (width, height) = (raster.width, raster.height);
    let rgb: Vec<[u8; 3]> = match raster.channels {
        Channels::L => raster.samples.iter().map(|&grey| [grey; 3]).collect(),
        Channels::Rgb => raster.samples.as_chunks::<3>().0.to_vec(),
    };
    let plane = |factors: [i32; 3], level: i32| -> Vec<u8> {
        let sum = |pixel: &[u8; 3]| pixel.iter().zip(factors).map(|(&c, factor)| i32::from(c) * factor).sum::<i32>();
        rgb.iter().map(|pixel| ((sum(pixel) + level) >> 16) as u8).collect()
    };
    let centre = (128 << 16) + (1 << 15) - 1;
    let half = |plane: &[u8]| {
        let at = |x: u32, y: u32| u32::from(plane[(y.min(height - 1) * width + x.min(width - 1)) as usize]);
        let half = picture(width.div_ceil(2), height.div_ceil(2), Channels::L, |x, y, _| {
            let sum = at(2 * x, 2 * y) + at(2 * x + 1, 2 * y) + at(2 * x, 2 * y + 1) + at(2 * x + 1, 2 * y + 1);
            ((sum + 1 + x % 2) / 4) as u8
        });
        half.samples
    };
    let (cb, cr) = (plane([-11_059, -21_709, 32_768], centre), plane([32_768, -27_439, -5_329], centre));
    [plane([19_595, 38_470, 7_471], 1 << 15), half(&cb), half(&cr)]
}

#[test]
fn planes_are_coded_like_the_pixels_that_they_come_from() {
    let sizes = [(16, 16), (32, 31), (48, 33), (16, 1), (96, 98), (17, 31), (1, 1), (99, 40)];
    for (width, height, progressive) in sizes.map(|(width, height)| (width, height, height % 2 == 0)) {
        let scene = scene(width, height, Channels::Rgb);
        let [luma, cb, cr] = planes(&scene);
        let planes = Pixels::Planes([&luma, &cb, &cr]);
        let picture = Picture::new(width as u16, height as u16, planes).unwrap();
        let from_planes = encode(&picture, &options(80, progressive)).unwrap();
        let from_pixels = encoded(&scene, 80, progressive);
        if width % 16 == 0 {
            assert!(from_planes == from_pixels, "{width}x{height}");
        } else {
            // What fills the last MCU, beyond the picture, may be rounded otherwise.
            let similarity = psnr(&decoded(&from_planes).pixels, &decoded(&from_pixels).pixels);
            assert!(similarity > 40.0, "{width}x{height}: {similarity}");
        }
    }
}

#[test]
fn extreme_pictures_are_coded() {
    /// A wave of black and white that is in step with one cosine of the transform.
    fn wave(frequency: u32, at: u32) -> bool {
        (std::f64::consts::PI / 16.0 * f64::from((2 * (at % 8) + 1) * frequency)).cos() < 0.0
    }
    for quality in [91, 100] {
        for (across, down) in (0..8).flat_map(|across| (0..8).map(move |down| (across, down))) {
            // Blocks and their negatives by turns, so that all differences of means are as large as they can be.
            let waves = picture(48, 48, Channels::L, |x, y, _| {
                let is_black = wave(across, x) ^ wave(down, y) ^ ((x / 8 + y / 8) % 2 == 0);
                if is_black { 0 } else { 255 }
            });
            for progressive in [false, true] {
                let image = decoded(&encoded(&waves, quality, progressive));
                assert!(psnr(&image.pixels, &waves.samples) > 30.0, "{across} {down} {quality}");
            }
        }
    }
    let checks = |x: u32, y: u32, _| if (x + y).is_multiple_of(2) { 0 } else { 255 };
    for sample in [checks, noise, |_, _, _| 0, |_, _, _| 255] {
        let extreme = picture(65, 67, Channels::Rgb, sample);
        for quality in [1, 90, 100] {
            assert_eq!(decoded(&encoded(&extreme, quality, false)), decoded(&encoded(&extreme, quality, true)));
        }
    }
}

#[test]
fn the_longest_sides_are_coded() {
    for (width, height) in [(65_535, 3), (3, 65_535)] {
        for progressive in [false, true] {
            let long = picture(width, height, Channels::L, |x, y, _| ((x + y) / 300) as u8);
            let image = decoded(&encoded(&long, 80, progressive));
            assert_eq!((image.width, image.height), (width as usize, height as usize));
            assert!(psnr(&image.pixels, &long.samples) > 40.0);
        }
    }
}

#[test]
fn samples_that_do_not_fill_the_picture_are_refused() {
    let bytes = [0; 100];
    let cases = [
        ((0, 4), Pixels::Grey(&[]), EncodeError::Empty),
        ((4, 0), Pixels::Rgb(&[]), EncodeError::Empty),
        ((5, 4), Pixels::Grey(&bytes[..19]), EncodeError::SampleCount { expected: 20, actual: 19 }),
        ((5, 4), Pixels::Rgb(&bytes[..61]), EncodeError::SampleCount { expected: 60, actual: 61 }),
        (
            (5, 3),
            Pixels::Planes([&bytes[..15], &bytes[..6], &bytes[..5]]),
            EncodeError::SampleCount { expected: 6, actual: 5 },
        ),
        ((65_535, 65_535), Pixels::Rgb(&[]), EncodeError::SampleCount { expected: 12_884_508_675, actual: 0 }),
    ];
    for ((width, height), pixels, expected) in cases {
        assert_eq!(Picture::new(width, height, pixels).err(), Some(expected), "{width}x{height}");
    }
}

#[test]
fn a_stop_is_obeyed_at_once() {
    let scene = scene(300, 300, Channels::Rgb);
    for progressive in [false, true] {
        for stop_after in 0..20 {
            let asked = Cell::new(0);
            let check = || {
                asked.set(asked.get() + 1);
                if asked.get() > stop_after { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            let outcome = encode(&scene.picture(), &options(80, progressive).check(&check));
            assert_eq!((outcome, asked.get()), (Err(EncodeError::Cancelled), stop_after + 1));
        }
    }
}

#[test]
fn memory_is_bounded() {
    let scene = scene(300, 300, Channels::Rgb);
    for progressive in [false, true] {
        let whole = encoded(&scene, 80, progressive);
        let within = |max_bytes| encode(&scene.picture(), &options(80, progressive).max_bytes(max_bytes));
        for max_bytes in [0, 10_000, whole.len() as u64] {
            assert!(matches!(within(max_bytes), Err(EncodeError::TooLarge { .. })), "{max_bytes}");
        }
        assert_eq!(within(4 << 20), Ok(whole));
    }
}

/// The largest difference of two samples in one place, and the mean of all differences.
fn differences(one: &[u8], other: &[u8]) -> (u8, f64) {
    assert_eq!(one.len(), other.len());
    let differences = one.iter().zip(other).map(|(a, b)| a.abs_diff(*b));
    let sum: u64 = differences.clone().map(u64::from).sum();
    (differences.max().unwrap_or(0), sum as f64 / one.len() as f64)
}

/// At quality 100 all steps are 1: what is lost is the rounding of the transform and of the colours, and the halves of
/// chroma, which these pictures change slowly in.
#[test]
fn any_picture_comes_back() {
    let config = ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let pictures = (1u32..=70, 1u32..=70, 0usize..4, any::<bool>(), any::<[u8; 3]>(), any::<u32>());
    let outcome = runner.run(&pictures, |(width, height, layout, progressive, base, grain)| {
        let channels = if layout == 0 { Channels::L } else { Channels::Rgb };
        let raster = picture(width, height, channels, |x, y, channel| {
            let slope = u32::from(base[channel as usize]) * 3 / 4 + (x + y) / 4;
            // Grain is luma's alone unless chroma is whole.
            let own = if layout == 1 { channel } else { 0 };
            (slope + u32::from(noise(x ^ grain, y, own)) / 16) as u8
        });
        let options = options(100, progressive).full_chroma(layout == 1);
        let luma_and_chroma = planes(&raster);
        let file = match layout {
            3 => {
                let [luma, cb, cr] = &luma_and_chroma;
                let planes = Pixels::Planes([luma, cb, cr]);
                encode(&Picture::new(width as u16, height as u16, planes).unwrap(), &options).unwrap()
            }
            _ => encode(&raster.picture(), &options).unwrap(),
        };
        let image = decoded(&file);
        prop_assert_eq!((image.width as u32, image.height as u32), (width, height));
        let (most, mean) = differences(&image.pixels, &raster.samples);
        let (allowed, allowed_mean) = [(1, 0.5), (5, 1.0), (8, 1.5), (8, 1.5)][layout];
        prop_assert!(most <= allowed && mean <= allowed_mean, "{}x{} {}: {} {}", width, height, layout, most, mean);
        Ok(())
    });
    outcome.unwrap();
}
