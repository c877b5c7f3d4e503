//! The encoder, read back by this project's decoder and by another, and beside `cjpeg` (libjpeg-turbo).

use std::time::{Duration, Instant};

use image_origin::codec::jpeg::{Image, Options, PixelFormat, Process, Scale, decode, read_header};
use image_origin::codec::{self, Budget, Channels, Encoding, Format, Raster, Samples, Work};
use zune_jpeg::zune_core::bytestream::ZCursor;

use super::peers::{self, Recorded, checksum};
use crate::common::fixtures;

/// The lowest quality at which chroma keeps its full resolution.
const FULL_CHROMA: u8 = 91;

fn encode_until(raster: &Raster, quality: u8, progressive: bool, work: &Work) -> Result<Vec<u8>, codec::Error> {
    let encoding = Encoding { quality, lossless: false, progressive };
    codec::encoder(Format::Jpeg).unwrap().encode(raster, &encoding, Budget::UNLIMITED, work)
}

fn encode(raster: &Raster, quality: u8, progressive: bool) -> Vec<u8> {
    encode_until(raster, quality, progressive, &Work::unbounded()).unwrap()
}

/// The whole picture; it must be without damage.
fn decoded(bytes: &[u8]) -> Image {
    let image = decode(bytes, &Options::default()).unwrap();
    assert_eq!(image.warnings, []);
    image
}

fn raster(width: u32, height: u32, channels: Channels, samples: Vec<u8>) -> Raster {
    Raster::new(width, height, channels, Samples::U8(samples)).unwrap()
}

/// A picture in which each sample is made from its column, row and channel.
fn picture(width: u32, height: u32, channels: Channels, sample: impl Fn(u32, u32, u32) -> u8) -> Raster {
    let mut samples = Vec::new();
    for y in 0..height {
        for x in 0..width {
            samples.extend((0..channels.count() as u32).map(|channel| sample(x, y, channel)));
        }
    }
    raster(width, height, channels, samples)
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
    let kind = if raster.channels() == Channels::L { "P5" } else { "P6" };
    let head = format!("{kind}\n{} {}\n255\n", raster.width(), raster.height());
    let file = peers::cjpeg(&[head.as_bytes(), raster.samples().as_bytes()].concat(), &arguments);
    format!("{} {}", file.len(), checksum(&decoded(&file).pixels))
}

/// Checks that the file has the pixels of `cjpeg`'s and is no larger.
fn compare_with_cjpeg(peer: &mut Recorded, name: &str, raster: &Raster, quality: u8, progressive: bool) {
    let way = if progressive { "progressive" } else { "baseline" };
    let case = format!("{name} {}x{} {:?} {quality} {way}", raster.width(), raster.height(), raster.channels());
    let (length, pixels) = peer.answer(&case, || cjpeg(raster, quality, progressive)).split_once(' ').unwrap();
    let length: usize = length.parse().unwrap();
    let ours = encode(raster, quality, progressive);
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
        let image = decode(&std::fs::read(fixtures().join(file)).unwrap(), &Options { scale, ..Options::default() });
        let image = image.unwrap();
        let channels = if image.format == PixelFormat::Grey { Channels::L } else { Channels::Rgb };
        let photo = raster(image.width as u32, image.height as u32, channels, image.pixels);
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
            let image = decoded(&encode(&flat, [80, 95][height as usize % 2], width % 2 == 0));
            assert_eq!((image.width, image.height), (width as usize, height as usize));
            let most = image.pixels.iter().zip(flat.samples().as_bytes()).map(|(&a, &b)| a.abs_diff(b)).max();
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
            let baseline = encode(&scene, quality, false);
            let progressive = encode(&scene, quality, true);
            assert_eq!(read_header(&progressive).unwrap().process, Process::Progressive);
            let image = decoded(&baseline);
            assert!(image.pixels == decoded(&progressive).pixels, "{quality}");
            let now = (baseline.len(), psnr(&image.pixels, scene.samples().as_bytes()));
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
            let bytes = encode(&scene(width, height, Channels::Rgb), quality, progressive);
            let theirs = zune_jpeg::JpegDecoder::new(ZCursor::new(&bytes)).decode().unwrap();
            let similarity = psnr(&decoded(&bytes).pixels, &theirs);
            assert!(similarity > 40.0, "{width}x{height} {quality} {progressive}: {similarity}");
        }
    }
}

#[test]
fn planes_are_coded_like_the_pixels_that_they_come_from() {
    let encoding = Encoding { quality: 80, lossless: false, progressive: false };
    let encoder = codec::encoder(Format::Jpeg).unwrap();
    assert!(encoder.planar(&Encoding { quality: FULL_CHROMA, ..encoding }).is_none());
    let planar = encoder.planar(&encoding).unwrap();
    let sizes = [(16, 16), (32, 31), (48, 33), (16, 1), (96, 98), (17, 31), (1, 1), (99, 40)];
    for (width, height, progressive) in sizes.map(|(width, height)| (width, height, height % 2 == 0)) {
        let scene = scene(width, height, Channels::Rgb);
        let pixels = scene.samples().as_bytes().as_chunks::<3>().0;
        let plane = |factors: [i32; 3], level: i32| -> Vec<u8> {
            let sum =
                |pixel: &[u8; 3]| pixel.iter().zip(factors).map(|(&c, factor)| i32::from(c) * factor).sum::<i32>();
            pixels.iter().map(|pixel| ((sum(pixel) + level) >> 16) as u8).collect()
        };
        let luma = plane([19_595, 38_470, 7_471], 1 << 15);
        let centre = (128 << 16) + (1 << 15) - 1;
        let (cb, cr) = (plane([-11_059, -21_709, 32_768], centre), plane([32_768, -27_439, -5_329], centre));
        let half = |plane: &[u8]| {
            let at = |x: u32, y: u32| u32::from(plane[(y.min(height - 1) * width + x.min(width - 1)) as usize]);
            picture(width.div_ceil(2), height.div_ceil(2), Channels::L, |x, y, _| {
                let sum = at(2 * x, 2 * y) + at(2 * x + 1, 2 * y) + at(2 * x, 2 * y + 1) + at(2 * x + 1, 2 * y + 1);
                ((sum + 1 + x % 2) / 4) as u8
            })
        };
        let planes = [raster(width, height, Channels::L, luma), half(&cb), half(&cr)];
        let encoding = Encoding { progressive, ..encoding };
        let from_planes = planar.encode_planes(&planes, &encoding, Budget::UNLIMITED, &Work::unbounded()).unwrap();
        let from_pixels = encode(&scene, 80, progressive);
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
                let image = decoded(&encode(&waves, quality, progressive));
                assert!(psnr(&image.pixels, waves.samples().as_bytes()) > 30.0, "{across} {down} {quality}");
            }
        }
    }
    let checks = |x: u32, y: u32, _| if (x + y).is_multiple_of(2) { 0 } else { 255 };
    for sample in [checks, noise, |_, _, _| 0, |_, _, _| 255] {
        let extreme = picture(65, 67, Channels::Rgb, sample);
        for quality in [1, 90, 100] {
            assert_eq!(decoded(&encode(&extreme, quality, false)), decoded(&encode(&extreme, quality, true)));
        }
    }
}

#[test]
fn long_sides_are_coded_and_longer_ones_refused() {
    for (width, height) in [(65_535, 3), (3, 65_535)] {
        for progressive in [false, true] {
            let long = picture(width, height, Channels::L, |x, y, _| ((x + y) / 300) as u8);
            let image = decoded(&encode(&long, 80, progressive));
            assert_eq!((image.width, image.height), (width as usize, height as usize));
            assert!(psnr(&image.pixels, long.samples().as_bytes()) > 40.0);
        }
    }
    let longer = picture(65_536, 1, Channels::L, |_, _, _| 0);
    let error = encode_until(&longer, 80, false, &Work::unbounded()).unwrap_err();
    assert!(matches!(error, codec::Error::TooLarge { needs: 65_536, allowed: 65_535, .. }));
}

#[test]
fn a_deadline_ends_the_work() {
    let scene = scene(300, 300, Channels::Rgb);
    for progressive in [false, true] {
        let late = Work::until(Instant::now());
        assert!(matches!(encode_until(&scene, 80, progressive, &late), Err(codec::Error::Stopped(_))));
        // Somewhere in the middle.
        let soon = Work::until(Instant::now() + Duration::from_micros(500));
        let _ = encode_until(&scene, 80, progressive, &soon);
    }
}
