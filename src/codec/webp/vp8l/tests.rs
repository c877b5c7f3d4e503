//! Streams as libwebp's encoder writes them, against the `image` crate's decoder; and streams that are made bit by bit.

use libwebp_sys::WebPConfig;

use super::super::container::{Picture as Found, file_of};
use super::super::encode::{Pixels, encode_with_libwebp};
use super::*;

const BUDGET: Budget = Budget { pixels: 1 << 20, memory: 16 << 20 };

/// The stream of a picture, as an encoder of that effort writes it.
fn stream_of(pixels: &[Pixel], width: u32, effort: i32) -> Vec<u8> {
    let mut config = WebPConfig::new().unwrap();
    (config.lossless, config.exact) = (1, 1);
    (config.method, config.quality) = (effort.min(6), if effort > 6 { 100.0 } else { 70.0 });
    let (height, samples) = (pixels.len() as u32 / width, pixels.concat());
    let file =
        encode_with_libwebp(Pixels::Rgba(&samples), width, height, &config, Budget::UNLIMITED, &Work::unbounded())
            .unwrap();
    let Ok(Found::Lossless(found)) = Found::find(&file) else { panic!("a lossless picture") };
    found.stream.to_vec()
}

/// The pixels by another decoder.
fn oracle(stream: &[u8]) -> Vec<u8> {
    let file = file_of(&[(*b"VP8L", stream)]);
    image::load_from_memory_with_format(&file, image::ImageFormat::WebP).unwrap().into_rgba8().into_raw()
}

fn decoded(stream: &[u8]) -> Result<Picture, Error> {
    decode(stream, BUDGET, &Work::unbounded())
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
    for (width, height) in [(1, 1), (2, 1), (1, 9), (17, 5), (97, 83)] {
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
                Err(Error::Damaged { .. }) => assert_eq!(rows, 0, "{name} {end}"),
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
                    Ok(_) | Err(Error::Damaged { .. } | Error::TooLarge { .. }) => {}
                    Err(error) => panic!("{place} {value}: {error}"),
                }
            }
        }
    }
}

/// Writes bits, the lowest first.
#[derive(Default)]
struct Writer {
    bits: Vec<bool>,
}

impl Writer {
    fn put(&mut self, value: u32, count: u32) -> &mut Self {
        self.bits.extend((0..count).map(|bit| value >> bit & 1 == 1));
        self
    }

    /// Pixels of the first symbol of eleven bits.
    fn black(&mut self) {
        self.bits.resize(self.bits.len() + 64 * 64 * 11, false);
    }

    /// A code of one symbol.
    fn single(&mut self, symbol: u32) -> &mut Self {
        self.put(0b101, 3).put(symbol, 8)
    }

    fn bytes(&self) -> Vec<u8> {
        self.bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |value, bit| value << 1 | u8::from(*bit))).collect()
    }
}

/// The start of a stream of 64 by 64 pixels without transforms, with a colour cache, whose squares of 4 by 4 pixels all
/// have the last of so many groups of codes.
fn start_of(groups: u32) -> Writer {
    let (mut writer, last) = (Writer::default(), groups - 1);
    writer.put(SIGNATURE.into(), 8).put(63, 14).put(63, 14).put(0, 4);
    writer.put(0, 1).put(1, 1).put(11, 4).put(1, 1).put(0, 3).put(0, 1);
    writer.single(last & 0xff).single(last >> 8).single(0).single(0).single(0);
    writer
}

/// Codes whose green has 2048 symbols of eleven bits: of lengths 11 and 16, repeat eleven, in one bit each.
fn put_large_group(writer: &mut Writer) {
    writer.put(0, 1).put(11, 4);
    let order = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11];
    order.iter().for_each(|symbol| _ = writer.put((*symbol == 11 || *symbol == 16).into(), 3));
    writer.put(1, 1).put(4, 3).put(343 - 2, 10).put(0, 1);
    (0..341).for_each(|_| _ = writer.put(1, 1).put(3, 2));
    writer.put(0, 1);
    (0..4).for_each(|_| _ = writer.single(0));
}

#[test]
fn codes_that_no_pixel_uses_take_no_memory() {
    let mut writer = start_of(300);
    (0..300).for_each(|_| put_large_group(&mut writer));
    writer.black();
    // Beside the pixels, and what numbers the groups, one group of 2048 symbols fits, and not 300.
    let pixels = 64 * 64 * 4 + 16 * 16 * 6 + (3 << 16);
    let within = |memory| decode(&writer.bytes(), Budget { memory, ..BUDGET }, &Work::unbounded());
    assert!(within(pixels + 40_000).is_ok());
    assert!(matches!(within(pixels), Err(Error::TooLarge { .. })));
}

#[test]
fn codes_are_held_against_the_budget() {
    // Each of the squares has codes of its own, red and green of which number it.
    let mut writer = Writer::default();
    writer.put(SIGNATURE.into(), 8).put(63, 14).put(63, 14).put(0, 4);
    writer.put(0, 1).put(1, 1).put(11, 4).put(1, 1).put(0, 3).put(0, 1);
    // 256 literals of eight bits for green: length 8 for each, by repeating.
    writer.put(0, 1).put(15, 4);
    let order = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    order.iter().for_each(|symbol| _ = writer.put((*symbol == 8 || *symbol == 16).into(), 3));
    // 8 once, then 42 times six more and once three, which are 256.
    writer.put(1, 1).put(2, 3).put(44 - 2, 6);
    writer.put(0, 1);
    (0..42).for_each(|_| _ = writer.put(1, 1).put(3, 2));
    writer.put(1, 1).put(0, 2);
    (0..4).for_each(|_| _ = writer.single(0));
    (0..256u32).for_each(|square| _ = writer.put(square.reverse_bits() >> 24, 8));
    (0..256).for_each(|_| put_large_group(&mut writer));
    writer.black();
    let bytes = writer.bytes();
    let within = |memory| decode(&bytes, Budget { memory, ..BUDGET }, &Work::unbounded());
    // 256 codes of 2048 entries of four bytes.
    assert!(within(7 << 20).is_ok(), "{:?}", within(7 << 20).err());
    assert!(matches!(within(2 << 20), Err(Error::TooLarge { .. })));
}

#[test]
fn many_codes_can_be_interrupted() {
    let mut writer = start_of(2);
    put_large_group(&mut writer);
    put_large_group(&mut writer);
    let work = Work::unbounded();
    work.cancel();
    assert!(matches!(decode(&writer.bytes(), BUDGET, &work), Err(Error::Stopped(_))));
}

#[test]
fn headers_are_checked() {
    let header = |width, height, has_alpha| Some(Header { width, height, has_alpha });
    for (bytes, expected) in [
        ([0x2f, 0, 0, 0, 0].as_slice(), header(1, 1, false)),
        (&[0x2f, 0xff, 0xff, 0xff, 0x1f], header(16_384, 16_384, true)),
        (&[0x2f, 0x3f, 0xc0, 0x07, 0x10], header(64, 32, true)),
        (&[0x2e, 0, 0, 0, 0], None),
        (&[0x2f, 0, 0, 0, 0x20], None),
        (&[0x2f, 0, 0, 0], None),
    ] {
        assert_eq!(Header::read(bytes).ok(), expected, "{bytes:?}");
    }
}
