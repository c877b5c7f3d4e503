//! PngSuite by Willem van Schaik, as far as the source of the package pypng contains it, against pypng as the other reader.

use image_origin::codec::{Area, Budget, Cancellation, Channels, DecodeOptions, Format, Raster, Samples, open};

use crate::common::python;

/// Any raster as RGBA of 16 bits.
fn rgba(raster: &Raster) -> Vec<u16> {
    let samples: Vec<u16> = match raster.samples() {
        Samples::U8(samples) => samples.iter().map(|sample| u16::from(*sample) * 257).collect(),
        Samples::U16(samples) => samples.clone(),
    };
    let pixels = samples.chunks_exact(raster.channels().count());
    let pixel = |pixel: &[u16]| match (raster.channels(), pixel) {
        (Channels::L, &[l]) => [l, l, l, u16::MAX],
        (Channels::La, &[l, a]) => [l, l, l, a],
        (Channels::Rgb, &[r, g, b]) => [r, g, b, u16::MAX],
        (Channels::Rgba, &[r, g, b, a]) => [r, g, b, a],
        other => panic!("{other:?}"),
    };
    pixels.flat_map(pixel).collect()
}

fn bytes(digits: &str) -> Vec<u8> {
    let digit = |digit: u8| (digit as char).to_digit(16).unwrap() as u8;
    digits.as_bytes().chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

#[test]
#[ignore = "downloads pypng: cargo test --test all -- --ignored"]
fn its_pixels_are_those_that_another_reader_sees() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/png_suite.py");
    let source = python::source("pypng==0.20220715.0");
    let run = std::process::Command::new("python3").arg(script).arg(source).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let listing = String::from_utf8(run.stdout).unwrap();
    let mut count = 0;
    for line in listing.lines() {
        let [name, width, height, file, samples] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let (file, size) = (bytes(file), (width.parse().unwrap(), height.parse().unwrap()));
        let cancellation = Cancellation::unbounded();
        let image = open(&file, Budget::UNLIMITED, &cancellation).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (header, area) = (image.header(), Area::whole(size.0, size.1));
        assert_eq!((header.format, header.width, header.height), (Format::Png, size.0, size.1), "{name}");
        let decoded = image.decode(&DecodeOptions::new(area, Budget::UNLIMITED, &cancellation)).unwrap();
        let seen: Vec<u16> =
            bytes(samples).chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
        assert_eq!((decoded.flaw, rgba(&decoded.raster) == seen), (None, true), "{name}");
        count += 1;
    }
    assert!(count >= 25, "{count} files");
}
