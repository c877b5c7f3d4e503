//! What is told of a file is the same wherever it is told: by `info`, by the report of its metadata, and by both of them
//! of the file without its metadata, whose pixels are the same, too.

use std::io::Cursor;
use std::sync::LazyLock;

use image_origin::codec::{Budget, Cancellation, Channels, EncodeOptions, Format, Raster, Samples, encoder, sniff};
use image_origin::metadata::{self, Keep};
use image_origin::transform::{self, Info, Render};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::common::files;
use crate::metadata::samples::png_chunk;

const BUDGET: Budget = Budget { pixels: 1 << 22, memory: 256 << 20 };

/// The upright size and the orientation.
type Told = (u32, u32, u8);

/// What `info` tells, and that the report tells the same.
fn told(bytes: &[u8], name: &str) -> Option<(Told, Info)> {
    let cancellation = Cancellation::unbounded();
    let info = Render::new(bytes).limits(BUDGET).cancellation(cancellation.clone()).inspect().ok()?;
    let told = (info.width, info.height, info.orientation);
    let report = transform::report(bytes, &cancellation).unwrap_or_else(|error| panic!("{name}: {error}"));
    let reported = (report.width, report.height, report.orientation);
    assert_eq!(reported, (Some(told.0), Some(told.1), told.2), "{name}: the report and info");
    Some((told, info))
}

/// What depends on the pixels alone.
fn of_pixels(info: Info) -> Info {
    Info { bytes: 0, warnings: Vec::new(), alt: None, digital_source_type: None, ..info }
}

/// Holds a file to what is told of it, and returns that.
fn agreed(bytes: &[u8], name: &str) -> Option<Told> {
    let (told_of_it, info) = told(bytes, name)?;
    for keep in [Keep::None, Keep::Copyright] {
        let Ok(plan) = metadata::strip(&mut Cursor::new(bytes), keep, &Cancellation::unbounded()) else { continue };
        let mut stripped = Vec::new();
        plan.write_to(Cursor::new(bytes), &mut stripped).unwrap();
        let told_of_stripped = told(&stripped, name).map(|(told, info)| (told, of_pixels(info)));
        assert_eq!(told_of_stripped, Some((told_of_it, of_pixels(info.clone()))), "{name} without metadata");
    }
    Some(told_of_it)
}

/// An Exif block that says no more than the orientation.
fn exif(orientation: u8) -> Vec<u8> {
    [b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".as_slice(), &[orientation], &[0; 6]].concat()
}

fn with_prefix(exif: &[u8]) -> Vec<u8> {
    [b"Exif\0\0", exif].concat()
}

/// A picture of 12 by 7 pixels.
fn encoded(format: Format, lossless: bool, channels: Channels) -> Vec<u8> {
    let samples = (0..12 * 7 * channels.count() as u32).map(|i| (i * 5 % 251) as u8).collect();
    let raster = Raster::new(12, 7, channels, Samples::U8(samples)).unwrap();
    let encoding = EncodeOptions { quality: 80, lossless, ..EncodeOptions::DEFAULT };
    encoder(format).unwrap().encode(&raster, &encoding, Budget::UNLIMITED, &Cancellation::unbounded()).unwrap()
}

fn png(before: &[Vec<u8>], behind: &[Vec<u8>]) -> Vec<u8> {
    let file = encoded(Format::Png, true, Channels::Rgb);
    let (head, end) = (33, file.len() - 12);
    [&file[..head], &before.concat(), &file[head..end], &behind.concat(), &file[end..]].concat()
}

fn riff_chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut chunk = [name.as_slice(), &(content.len() as u32).to_le_bytes(), content].concat();
    chunk.resize(chunk.len().next_multiple_of(2), 0);
    chunk
}

/// An extended file with an Exif block before or behind its picture.
fn webp(lossless: bool, channels: Channels, exif: &[u8], is_before: bool) -> Vec<u8> {
    let file = encoded(Format::WebP, lossless, channels);
    let picture = match file[12..].strip_prefix(b"VP8X") {
        Some(rest) => &rest[14..],
        None => &file[12..],
    };
    let flags = 0x08 | if channels == Channels::Rgba { 0x10 } else { 0 };
    let header = riff_chunk(b"VP8X", &[flags, 0, 0, 0, 11, 0, 0, 6, 0, 0]);
    let exif = riff_chunk(b"EXIF", exif);
    let (before, behind) = if is_before { (exif.as_slice(), [].as_slice()) } else { ([].as_slice(), exif.as_slice()) };
    let content = [b"WEBP", header.as_slice(), before, picture, behind].concat();
    [b"RIFF", (content.len() as u32).to_le_bytes().as_slice(), &content].concat()
}

fn jpeg(exif: &[u8]) -> Vec<u8> {
    let file = encoded(Format::Jpeg, false, Channels::Rgb);
    let length = (exif.len() as u16 + 2).to_be_bytes();
    [&file[..2], b"\xff\xe1", &length, exif, &file[2..]].concat()
}

/// Files that say which way is up, in places where viewers look and where they do not.
fn turned() -> Vec<(String, Vec<u8>, u8)> {
    let mut files = Vec::new();
    for orientation in [0, 1, 3, 6, 8, 9] {
        let (plain, prefixed) = (exif(orientation), with_prefix(&exif(orientation)));
        let meant = if (1..=8).contains(&orientation) { orientation } else { 1 };
        let chunk = |content: &[u8]| vec![png_chunk(b"eXIf", content)];
        let mut add = |name: &str, file, expected| files.push((format!("{name} {orientation}"), file, expected));
        add("jpeg", jpeg(&prefixed), meant);
        add("png", png(&chunk(&plain), &[]), meant);
        add("png, two", png(&[chunk(&plain), chunk(&exif(2))].concat(), &[]), meant);
        add("png behind pixels", png(&[], &chunk(&plain)), 1);
        add("png with prefix", png(&chunk(&prefixed), &[]), 1);
        for (lossless, channels) in
            [(true, Channels::Rgb), (true, Channels::Rgba), (false, Channels::Rgb), (false, Channels::Rgba)]
        {
            for is_before in [true, false] {
                let name = format!("webp {lossless} {channels:?} {is_before}");
                add(&name, webp(lossless, channels, &plain, is_before), meant);
                add(&format!("{name} with prefix"), webp(lossless, channels, &prefixed, is_before), meant);
            }
        }
    }
    files
}

#[test]
fn orientation_is_read_where_viewers_read_it() {
    for (name, file, orientation) in turned() {
        let size = if orientation >= 5 { (7, 12) } else { (12, 7) };
        assert_eq!(agreed(&file, &name), Some((size.0, size.1, orientation)), "{name}");
    }
}

#[test]
fn fixtures_are_told_of_with_one_voice() {
    for path in files("") {
        let bytes = std::fs::read(&path).unwrap();
        if sniff(&bytes).is_some() {
            agreed(&bytes, &path.display().to_string());
        }
    }
}

/// Small files of the formats of the web.
static SMALL_FILES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let folders = ["jpeg", "png", "webp", "gif", "orientation"];
    let fixtures = folders.iter().flat_map(|folder| files(folder)).map(|path| std::fs::read(path).unwrap());
    fixtures.filter(|file| file.len() < 4000).chain(turned().into_iter().map(|(_, file, _)| file)).collect()
});

proptest! {
    // The same cases everywhere: another seed, or more cases, look for what these do not find.
    #![proptest_config(ProptestConfig { cases: 800, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_are_told_of_with_one_voice(
        file in any::<prop::sample::Index>(),
        changes in prop::collection::vec((0.0f64..1.0, any::<u8>()), 0..4),
        cut in prop::option::of(0.0f64..1.0),
    ) {
        let mut bytes = file.get(&SMALL_FILES).clone();
        for (place, value) in changes {
            // Squared, because sizes and orientation stand in headers.
            let index = (place * place * bytes.len() as f64) as usize;
            bytes[index] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate((cut * bytes.len() as f64) as usize);
        }
        agreed(&bytes, "a damaged file");
    }
}
