//! Our decoder's pixels of streams as libwebp's encoder writes them, against the `image` crate's decoder.

use libwebp_sys::WebPConfig;

use image_origin_vp8::DecodeError;
use image_origin_vp8::lossless::{DecodeOptions, Header, Picture, decode, decode_rows};

use super::super::container::{Picture as Found, file_of};
use super::super::libwebp::{Pixels, encode_with_libwebp};
use crate::{Area, Budget, Cancellation, Channels, DecodeOptions as Options, Flaw, MISSING};

type Pixel = [u8; 4];

/// The stream of a picture, as an encoder of that effort writes it.
fn stream_of(pixels: &[Pixel], width: u32, effort: i32) -> Vec<u8> {
    let mut config = WebPConfig::new().unwrap();
    (config.lossless, config.exact) = (1, 1);
    (config.method, config.quality) = (effort.min(6), if effort > 6 { 100.0 } else { 70.0 });
    let (height, samples) = (pixels.len() as u32 / width, pixels.concat());
    let file = encode_with_libwebp(
        Pixels::Rgba(&samples),
        width,
        height,
        &config,
        Budget::UNLIMITED,
        &Cancellation::unbounded(),
    )
    .unwrap();
    let Ok(Found::Lossless(found)) = Found::find(&file) else { panic!("a lossless picture") };
    found.stream.to_vec()
}

/// The pixels by another decoder.
fn oracle(stream: &[u8]) -> Vec<u8> {
    let file = file_of(&[(*b"VP8L", stream)]);
    image::load_from_memory_with_format(&file, image::ImageFormat::WebP).unwrap().into_rgba8().into_raw()
}

/// Decodes the whole picture, and again row by row, which must give the same.
fn decoded(stream: &[u8]) -> Result<Picture, DecodeError> {
    let (options, mut rows) = (DecodeOptions::default().max_bytes(16 << 20), Vec::new());
    let picture = decode(stream, &options);
    let height = Header::read(stream).map_or(1, |header| header.height as usize);
    let count = decode_rows(stream, &options, &mut |row| rows.extend_from_slice(row));
    match (&picture, count) {
        (Ok(picture), Ok(count)) => {
            assert_eq!(count, picture.rows);
            assert!(picture.samples[..picture.samples.len() / height * count] == rows);
        }
        // They take different memory.
        (Err(DecodeError::TooLarge { .. }), _) | (_, Err(DecodeError::TooLarge { .. })) => {}
        (picture, count) => assert_eq!(picture.as_ref().err(), count.as_ref().err()),
    }
    picture
}

#[test]
fn the_first_rows_are_enough() {
    let (width, mut pictures) = (40, pictures(40, 30));
    let stream = stream_of(&pictures.remove(7).1, width, 4);
    let whole = decoded(&stream).unwrap();
    for wanted in [1, 4, 5, 29, 30, 99] {
        let mut rows = Vec::new();
        let options = DecodeOptions::default().rows(wanted);
        let count = decode_rows(&stream, &options, &mut |row| rows.extend_from_slice(row)).unwrap();
        assert_eq!(count, wanted.min(30));
        assert!(rows == whole.samples[..count * width as usize * 4], "{wanted}");
    }
}

/// Pictures that encoders store in different ways.
fn pictures(width: u32, height: u32) -> Vec<(&'static str, Vec<Pixel>)> {
    let picture = |pixel: &dyn Fn(u32, u32) -> Pixel| {
        (0..width * height).map(|index| pixel(index % width, index / width)).collect::<Vec<_>>()
    };
    let noise = |x: u32, y: u32| (x * 7919 + y * 104_729).wrapping_mul(2_654_435_761) >> 24;
    vec![
        ("one colour", picture(&|_, _| [9, 8, 7, 255])),
        ("two colours", picture(&|x, y| if (x / 3 + y / 2) % 2 == 0 { [255; 4] } else { [1, 2, 3, 255] })),
        ("four colours", picture(&|x, y| [[0; 4], [90; 4], [1, 2, 3, 4], [255; 4]][(x / 2 + y) as usize % 4])),
        ("16 colours", picture(&|x, y| [(noise(x, y) % 16) as u8 * 17, 5, 0, 255])),
        ("200 colours", picture(&|x, y| [(noise(x, y) % 200) as u8, 5, 0, 255])),
        ("a slope", picture(&|x, y| [(x * 3) as u8, (y * 5) as u8, (x + y) as u8, 255])),
        ("a slope with alpha", picture(&|x, y| [(x * 3) as u8, (x * 4) as u8, (x * 2) as u8, (y * 7) as u8])),
        (
            "noise",
            picture(&|x, y| [noise(x, y) as u8, noise(y, x) as u8, noise(x + 9, y) as u8, noise(x, y + 3) as u8]),
        ),
        ("tiles", picture(&|x, y| [noise(x % 16, y % 16) as u8, noise(x % 8, y) as u8, (x / 40 * 99) as u8, 255])),
    ]
}

#[test]
fn pixels_are_those_of_another_decoder() {
    for (width, height) in [(1, 1), (2, 1), (1, 9), (17, 5), (97, 83), (130, 21)] {
        for (name, pixels) in pictures(width, height) {
            for effort in [0, 4, 9] {
                let stream = stream_of(&pixels, width, effort);
                let picture = decoded(&stream).unwrap();
                let opaque = !Header::read(&stream).unwrap().has_alpha;
                assert_eq!(picture.rows, height as usize);
                let (ours, theirs) = (picture.samples.as_chunks::<4>().0, oracle(&stream));
                for (index, (ours, theirs)) in ours.iter().zip(theirs.as_chunks::<4>().0).enumerate() {
                    let ours = if opaque { [ours[0], ours[1], ours[2], 255] } else { *ours };
                    assert_eq!(ours, *theirs, "{name} {width}x{height} with effort {effort} at {index}");
                }
            }
        }
    }
}

#[test]
fn what_is_there_of_a_stream_is_shown() {
    for (name, pixels) in pictures(24, 20) {
        let stream = stream_of(&pixels, 24, 4);
        let (whole, mut rows) = (decoded(&stream).unwrap(), 0);
        for end in 0..stream.len() {
            match decoded(&stream[..end]) {
                Ok(part) => {
                    assert!(part.rows >= rows, "{name} {end}");
                    rows = part.rows;
                    assert_eq!(part.samples[..rows * 96], whole.samples[..rows * 96], "{name} {end}");
                    assert!(part.samples[rows * 96..].iter().all(|sample| *sample == 0), "{name} {end}");
                }
                Err(DecodeError::Damaged { .. }) => assert_eq!(rows, 0, "{name} {end}"),
                Err(error) => panic!("{name} {end}: {error}"),
            }
        }
        assert!(rows > 14 || stream.len() < 100, "{name}: {rows} of {} bytes", stream.len());
    }
}

#[test]
fn damage_is_survived() {
    for (_, pixels) in pictures(24, 18) {
        let stream = stream_of(&pixels, 24, 4);
        for place in 0..stream.len().min(120) {
            for value in [0, 0xff, stream[place] ^ 0x10] {
                let mut broken = stream.clone();
                broken[place] = value;
                match decoded(&broken) {
                    Ok(_) | Err(DecodeError::Damaged { .. } | DecodeError::TooLarge { .. }) => {}
                    Err(error) => panic!("{place} {value}: {error}"),
                }
            }
        }
    }
}

#[test]
fn pictures_become_smaller_while_they_are_decoded() {
    let (width, height) = (24, 21);
    for (name, pixels) in pictures(width, height) {
        let stream = stream_of(&pixels, width, 4);
        let file = file_of(&[(*b"VP8L", &stream[..stream.len() * 3 / 4])]);
        let Ok(Found::Lossless(picture)) = Found::find(&file) else { panic!("a lossless picture") };
        let cancellation = Cancellation::unbounded();
        let area = Area::whole(width, height);
        let options = Options::new(area, Budget::UNLIMITED, &cancellation);
        let (Ok(whole), Ok(small)) = (
            super::decode(&picture, &file, &options),
            super::decode(&picture, &file, &Options { scale: 0.1, ..options }),
        ) else {
            continue;
        };
        assert_eq!((small.raster.width(), small.raster.height(), small.area), (5, 5, Area::whole(25, 25)), "{name}");
        assert_eq!((small.flaw, small.raster.channels()), (whole.flaw, whole.raster.channels()), "{name}");
        if whole.raster.channels() == Channels::Rgb {
            let samples = whole.raster.samples().as_bytes();
            let columns = (0..3).map(|channel| (0..25).map(move |at| samples[(at / 5 * 24 + at % 5) * 3 + channel]));
            let means = columns.map(|column| ((column.map(u32::from).sum::<u32>() + 12) / 25) as u8);
            let small = small.raster.samples().as_bytes();
            assert_eq!(small[..3], means.collect::<Vec<_>>(), "{name}");
            assert!(whole.flaw != Some(Flaw::CutShort) || small[72..] == [MISSING; 3], "{name}");
        }
    }
}
