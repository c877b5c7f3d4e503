//! Lossy pictures as libwebp's encoder writes them, against the `image` crate's decoder, which gives libwebp's pixels.

use libwebp_sys::WebPConfig;

use super::libwebp::{Pixels, encode_with_libwebp};
use super::{WebP, container};
use crate::{
    Area, Budget, Cancellation, Channels, DecodeOptions, Decoded, Decoder, EncodeOptions, Encoder, Error, Raster,
    Samples,
};

const BUDGET: Budget = Budget { pixels: 1 << 20, memory: 16 << 20 };

/// Slopes, an edge that is sharp, and noise in one corner.
fn pixels(width: usize, height: usize, channels: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut pixels = Vec::new();
    for y in 0..height {
        for x in 0..width {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = if x * 3 > width && y * 2 > height { state >> 26 } else { 0 };
            let edge = if (x / 13 + y / 9) % 2 == 0 { 90 } else { 0 };
            let slopes = [x * 2 + y, 255 - y.min(150), x * y / 40, 255 - (x + y).min(255)];
            pixels.extend(slopes[..channels].iter().map(|slope| (*slope as u32 / 2 + edge + noise).min(255) as u8));
        }
    }
    pixels
}

fn encoded(width: usize, height: usize, channels: usize, change: impl Fn(&mut WebPConfig)) -> Vec<u8> {
    let mut config = WebPConfig::new().unwrap();
    change(&mut config);
    let pixels = pixels(width, height, channels);
    let (width, height) = (width as u32, height as u32);
    let pixels = if channels == 4 { Pixels::Rgba(&pixels) } else { Pixels::Rgb(&pixels) };
    encode_with_libwebp(pixels, width, height, &config, Budget::UNLIMITED, &Cancellation::unbounded()).unwrap()
}

fn decoded_at(bytes: &[u8], scale: f64, area: Option<Area>) -> Result<Decoded, Error> {
    let header = WebP.probe(bytes, BUDGET, &Cancellation::unbounded())?;
    let area = area.unwrap_or(Area::whole(header.width, header.height));
    let decoded =
        WebP.decode(bytes, &DecodeOptions { scale, ..DecodeOptions::new(area, BUDGET, &Cancellation::unbounded()) })?;
    assert_eq!(decoded.raster.channels(), header.channels);
    Ok(decoded)
}

fn decoded(bytes: &[u8]) -> Vec<u8> {
    decoded_at(bytes, 1.0, None).unwrap().raster.samples().as_bytes().to_vec()
}

fn oracle(bytes: &[u8]) -> Vec<u8> {
    image::load_from_memory_with_format(bytes, image::ImageFormat::WebP).unwrap().into_bytes()
}

#[test]
fn pixels_are_libwebps() {
    type Case = (&'static str, fn(&mut WebPConfig));
    let table: &[Case] = &[
        ("as it comes", |_| ()),
        ("worst", |c| c.quality = 0.0),
        ("coarse", |c| c.quality = 20.0),
        ("fine", |c| c.quality = 90.0),
        ("best", |c| c.quality = 100.0),
        ("fast", |c| c.method = 0),
        ("slow", |c| (c.method, c.pass) = (6, 3)),
        ("unfiltered", |c| c.filter_strength = 0),
        ("weakly filtered", |c| c.filter_strength = 8),
        ("strongly filtered", |c| (c.filter_strength, c.quality) = (100, 10.0)),
        ("sharply filtered", |c| (c.filter_strength, c.filter_sharpness) = (60, 3)),
        ("most sharply filtered", |c| (c.filter_strength, c.filter_sharpness) = (100, 7)),
        ("simply filtered", |c| (c.filter_type, c.filter_strength) = (0, 50)),
        ("simply and sharply filtered", |c| (c.filter_type, c.filter_strength, c.filter_sharpness) = (0, 100, 5)),
        ("one segment", |c| (c.segments, c.sns_strength) = (1, 0)),
        ("two segments", |c| (c.segments, c.sns_strength) = (2, 100)),
        ("four segments", |c| (c.segments, c.sns_strength, c.quality) = (4, 100, 30.0)),
        ("two partitions", |c| c.partitions = 1),
        ("eight partitions", |c| c.partitions = 3),
        ("a small first partition", |c| (c.partition_limit, c.quality) = (100, 90.0)),
    ];
    for (name, change) in table {
        let bytes = encoded(211, 143, 3, change);
        assert!(decoded(&bytes) == oracle(&bytes), "{name}");
    }
}

#[test]
fn pictures_may_be_of_any_size() {
    for width in [1, 2, 3, 15, 16, 17, 31, 32, 33] {
        for height in [1, 2, 3, 15, 16, 17, 33] {
            let bytes = encoded(width, height, 3, |_| ());
            assert!(decoded(&bytes) == oracle(&bytes), "{width}x{height}");
        }
    }
}

#[test]
fn alpha_is_that_of_the_file() {
    for (compression, filtering) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)] {
        for (width, height) in [(1, 1), (5, 40), (67, 33)] {
            let bytes = encoded(width, height, 4, |config| {
                (config.alpha_compression, config.alpha_filtering) = (compression, filtering);
            });
            assert!(container::Picture::find(&bytes).unwrap().has_alpha());
            assert!(decoded(&bytes) == oracle(&bytes), "{compression} {filtering} {width}x{height}");
        }
    }
}

#[test]
fn alpha_of_every_kind_is_that_of_the_file() {
    type Kind = (&'static str, fn(usize) -> u8);
    let kinds: [Kind; 9] = [
        ("flat", |_| 77),
        ("two values", |place| if place % 7 < 3 { 0 } else { 255 }),
        ("three values", |place| [0, 128, 255][place / 5 % 3]),
        ("twelve values", |place| (place / 3 % 12 * 20) as u8),
        ("forty values", |place| (place % 40 * 6) as u8),
        ("all values", |place| (place * 7 / 3) as u8),
        ("slope", |place| (place % 150 + place / 150) as u8),
        ("disc", |place| {
            (200 - (place % 150).abs_diff(75).pow(2) as i32 / 20 - (place as i32 / 150 - 40).pow(2) / 20).clamp(0, 255)
                as u8
        }),
        ("noise", |place| ((place as u32).wrapping_mul(2_654_435_761) >> 24) as u8),
    ];
    let (width, height) = (150, 81);
    for (name, alpha) in kinds {
        for (filtering, method) in [(0, 0), (1, 4), (2, 6)] {
            let mut config = WebPConfig::new().unwrap();
            (config.alpha_filtering, config.method, config.exact) = (filtering, method, 1);
            let mut pixels = pixels(width, height, 4);
            pixels.chunks_exact_mut(4).enumerate().for_each(|(place, pixel)| pixel[3] = alpha(place));
            let size = (width as u32, height as u32);
            let cancellation = Cancellation::unbounded();
            let pixels = Pixels::Rgba(&pixels);
            let bytes = encode_with_libwebp(pixels, size.0, size.1, &config, Budget::UNLIMITED, &cancellation).unwrap();
            assert!(decoded(&bytes) == oracle(&bytes), "{name} {filtering} {method}");
        }
    }
}

#[test]
fn smaller_pictures_are_means() {
    for (width, height, scale, factor) in [(64, 48, 0.25, 2), (61, 47, 0.2, 2), (97, 83, 0.12, 4), (97, 83, 0.05, 10)] {
        let bytes = encoded(width, height, 3, |config| config.quality = 95.0);
        let small = decoded_at(&bytes, scale, None).unwrap();
        let (across, down) = (width.div_ceil(factor), height.div_ceil(factor));
        assert_eq!((small.raster.width() as usize, small.raster.height() as usize), (across, down));
        assert_eq!(small.area, Area::whole((across * factor) as u32, (down * factor) as u32));
        let full = decoded(&bytes);
        for (place, sample) in small.raster.samples().as_bytes().iter().enumerate() {
            let (x, y, channel) = (place / 3 % across * factor, place / 3 / across * factor, place % 3);
            let square: Vec<u32> = (y..(y + factor).min(height))
                .flat_map(|y| (x..(x + factor).min(width)).map(move |x| (y * width + x) * 3 + channel))
                .map(|place| u32::from(full[place]))
                .collect();
            let mean = square.iter().sum::<u32>() / square.len() as u32;
            // Chroma is not interpolated, and nothing is clamped before the mean is taken.
            assert!(mean.abs_diff(u32::from(*sample)) < 24, "{width}x{height} at {place}: {sample} for {mean}");
        }
    }
}

#[test]
fn rows_that_are_not_needed_are_left_out() {
    for channels in [3, 4] {
        let bytes = encoded(50, 117, channels, |_| ());
        for scale in [1.0, 0.25, 0.1] {
            let all = decoded_at(&bytes, scale, None).unwrap();
            let square = all.area.width / f64::from(all.raster.width());
            for (y, height) in [(0.0, 1.0), (3.5, 40.0), (33.0, 16.0), (100.0, 17.0), (116.0, 1.0)] {
                let area = Area { x: 0.0, y, width: 50.0, height };
                let part = decoded_at(&bytes, scale, Some(area)).unwrap();
                assert!(part.area.y <= y && part.area.y + part.area.height >= y + height, "{:?}", part.area);
                assert!(part.area.y > y - square && part.area.height < height + 2.0 * square);
                let row = all.raster.width() as usize * channels;
                let start = (part.area.y / square) as usize * row;
                let samples = part.raster.samples().as_bytes();
                assert!(*samples == all.raster.samples().as_bytes()[start..][..samples.len()], "{scale} {y}");
            }
        }
    }
}

#[test]
fn what_is_missing_is_grey() {
    let bytes = encoded(50, 66, 3, |config| config.partitions = 1);
    let whole = decoded(&bytes);
    let mut most = 0;
    for length in 0..bytes.len() {
        match decoded_at(&bytes[..length], 1.0, None) {
            Ok(picture) => {
                let samples = picture.raster.samples().as_bytes();
                assert_eq!(samples.len(), whole.len());
                let same = samples.iter().zip(&whole).take_while(|(a, b)| a == b).count();
                // A row of macroblocks may yet be changed by the filter of the one below.
                assert!(same + 24 * 50 * 3 >= most, "{length}: {same} after {most}");
                most = most.max(same);
                // Padding and the encoder's last bits may be missing unnoticed.
                assert!(same == whole.len() || samples.ends_with(&[130, 130, 130]), "{length}");
            }
            Err(Error::Damaged { .. }) => assert_eq!(most, 0, "{length}"),
            Err(error) => panic!("{length}: {error}"),
        }
    }
    assert!(most > whole.len() / 2);
}

#[test]
fn damage_is_survived() {
    for channels in [3, 4] {
        let bytes = encoded(33, 18, channels, |_| ());
        for place in 0..bytes.len() {
            for (value, scale) in [(0, 1.0), (0x55, 0.2), (0xff, 1.0), (bytes[place] ^ 1, 0.2)] {
                let mut broken = bytes.clone();
                broken[place] = value;
                match decoded_at(&broken, scale, None) {
                    Ok(picture) => assert!(picture.raster.width() > 0),
                    Err(Error::Damaged { .. } | Error::TooLarge { .. } | Error::Unsupported(_)) => {}
                    Err(error) => panic!("{place} {value}: {error}"),
                }
            }
        }
    }
}

#[test]
fn limits_hold() {
    let bytes = encoded(300, 200, 3, |_| ());
    let cancellation = Cancellation::unbounded();
    let budget = |memory| Budget { memory, ..BUDGET };
    let options = |scale, memory| DecodeOptions {
        scale,
        ..DecodeOptions::new(Area::whole(300, 200), budget(memory), &cancellation)
    };
    assert!(WebP.decode(&bytes, &options(1.0, 220_000)).is_ok());
    assert!(matches!(WebP.decode(&bytes, &options(1.0, 180_000)), Err(Error::TooLarge { .. })));
    assert!(WebP.decode(&bytes, &options(0.1, 40_000)).is_ok(), "smaller pictures need little");
    let small = Budget { pixels: 59_999, ..BUDGET };
    assert!(matches!(WebP.probe(&bytes, small, &Cancellation::unbounded()), Err(Error::TooLarge { .. })));
    cancellation.cancel();
    assert!(matches!(WebP.decode(&bytes, &options(1.0, 1 << 20)), Err(Error::Cancelled(_))));
}

#[test]
fn a_frame_must_be_of_the_announced_size() {
    let mut bytes = encoded(40, 30, 4, |_| ());
    assert_eq!(WebP.probe(&bytes, BUDGET, &Cancellation::unbounded()).unwrap().channels, Channels::Rgba);
    assert_eq!(bytes[12..16], *b"VP8X");
    bytes[24] += 1;
    assert!(matches!(WebP.probe(&bytes, BUDGET, &Cancellation::unbounded()), Err(Error::Damaged { .. })));
}

/// Pictures in which a square wanders over a ramp, transparent in every third.
fn wandering() -> Vec<Raster> {
    let pixel = |frame: u32, x: u32, y: u32| match (x / 4, y / 4) {
        place if place == (frame, frame % 3) && frame % 3 == 2 => [0; 4],
        place if place == (frame, frame % 3) => [250, 10, 90, 255],
        _ => [(x * 5) as u8, (y * 9) as u8, 77, 255],
    };
    let picture = |frame| (0..12 * 33).flat_map(|i| pixel(frame, i % 33, i / 33)).collect();
    (0..8).map(|frame| Raster::new(33, 12, Channels::Rgba, Samples::U8(picture(frame))).unwrap()).collect()
}

#[test]
fn animations_survive() {
    let (cancellation, budget) = (Cancellation::unbounded(), Budget { pixels: 10_000, memory: 1_000_000 });
    let mut pictures = wandering();
    pictures.push(pictures[7].clone());
    for (lossless, plays) in [(true, 0), (false, 3)] {
        let options = EncodeOptions { quality: 90, lossless, ..EncodeOptions::DEFAULT };
        let mut writer = WebP.animate(plays, &options, Budget::UNLIMITED, &cancellation).unwrap();
        pictures.iter().zip(0..).for_each(|(picture, i)| writer.push(picture, i * 7).unwrap());
        let bytes = writer.finish().unwrap();
        let header = WebP.probe(&bytes, budget, &Cancellation::unbounded()).unwrap();
        assert_eq!((header.width, header.height), (33, 12));
        let animation = WebP.animation(&bytes, &cancellation).unwrap().unwrap();
        // Equal frames are merged.
        assert_eq!((animation.plays, animation.delays), (plays, vec![0, 7, 14, 21, 28, 35, 42, 49 + 56]));
        let mut frames = WebP.frames(&bytes, budget, &cancellation).unwrap();
        for (place, picture) in pictures[..8].iter().enumerate() {
            let shown = frames.next_frame().unwrap().unwrap();
            let pairs = shown
                .samples()
                .as_bytes()
                .as_chunks::<4>()
                .0
                .iter()
                .zip(picture.samples().as_bytes().as_chunks::<4>().0);
            let mut error = 0;
            for (shown, meant) in pairs.filter(|(_, meant)| meant[3] != 0) {
                error += shown.iter().zip(meant).map(|(one, other)| u32::from(one.abs_diff(*other))).sum::<u32>();
            }
            assert!(if lossless { error == 0 } else { error < 33 * 12 * 3 * 8 }, "frame {place}: {error}");
        }
        assert!(frames.next_frame().unwrap().is_none());
    }
}

#[test]
fn a_frame_is_prolonged_as_long_as_its_delay_has_room() {
    let (cancellation, pictures) = (Cancellation::unbounded(), wandering());
    const MOST: u32 = (1 << 24) - 1;
    for (delays, expected) in [
        (vec![5, 6, 7], vec![18]),
        (vec![MOST - 1, 1, 1, 9], vec![MOST, 10]),
        (vec![u32::MAX, 0, u32::MAX], vec![MOST, MOST]),
    ] {
        let mut writer = WebP.animate(1, &EncodeOptions::DEFAULT, Budget::UNLIMITED, &cancellation).unwrap();
        writer.push(&pictures[0], 3).unwrap();
        delays.iter().for_each(|delay| writer.push(&pictures[1], *delay).unwrap());
        let animation = WebP.animation(&writer.finish().unwrap(), &cancellation).unwrap().unwrap();
        assert_eq!(animation.delays, [vec![3], expected].concat(), "{delays:?}");
    }
}

#[test]
fn damage_ends_an_animation_but_not_before_its_first_frame() {
    let (cancellation, budget) = (Cancellation::unbounded(), Budget { pixels: 10_000, memory: 1_000_000 });
    let options = EncodeOptions { quality: 90, lossless: true, ..EncodeOptions::DEFAULT };
    let mut writer = WebP.animate(0, &options, Budget::UNLIMITED, &cancellation).unwrap();
    wandering().iter().for_each(|picture| writer.push(picture, 10).unwrap());
    let bytes = writer.finish().unwrap();
    let shown = |bytes: &[u8]| -> Result<usize, Error> {
        let mut frames = WebP.frames(bytes, budget, &cancellation)?;
        let mut count = 0;
        while frames.next_frame()?.is_some() {
            count += 1;
        }
        Ok(count)
    };
    assert_eq!(shown(&bytes), Ok(8));
    assert!((1..8).contains(&shown(&bytes[..bytes.len() - 20]).unwrap()));
    assert!(shown(&bytes[..80]).is_err());
    // The width of the first frame.
    let mut lying = bytes.clone();
    lying[12 + 18 + 14 + 8 + 6] += 1;
    assert!(matches!(shown(&lying), Err(Error::Damaged { .. })));
    let small = Budget { memory: 33 * 12 * 4 - 1, ..budget };
    assert!(matches!(WebP.frames(&bytes, small, &cancellation).err(), Some(Error::TooLarge { .. })));
}

/// Frames of lines of text on one colour, each with a little more of it; all pixels are opaque.
fn typed() -> Vec<Raster> {
    let ink = |x: u32, y: u32, count: u32| {
        (y / 8) * 10 + x / 8 < count && y % 8 < 6 && (x / 2 * 7 + y / 3 * 5).is_multiple_of(4)
    };
    let picture = |count: u32| {
        let pixels = (0..80 * 48).map(|i| ink(i % 80, i / 80, count));
        let samples = pixels.flat_map(|is_ink| if is_ink { [230, 220, 90] } else { [20, 30, 40] }).collect();
        Raster::new(80, 48, Channels::Rgb, Samples::U8(samples)).unwrap()
    };
    [10, 14, 15, 31, 58].map(picture).to_vec()
}

#[test]
fn what_is_drawn_is_written_in_the_shorter_form() {
    let (cancellation, budget) = (Cancellation::unbounded(), Budget { pixels: 10_000, memory: 10_000_000 });
    let noise = |seed: u32| {
        let sample = |i: u32| ((i + seed * 11_520).wrapping_mul(2_654_435_761) >> 24) as u8;
        Raster::new(80, 48, Channels::Rgb, Samples::U8((0..80 * 48 * 3).map(sample).collect())).unwrap()
    };
    for (pictures, is_exact) in [(vec![noise(1), noise(2)], false), (typed(), true)] {
        let mut writer = WebP.animate(0, &EncodeOptions::DEFAULT, Budget::UNLIMITED, &cancellation).unwrap();
        pictures.iter().for_each(|picture| writer.push(picture, 10).unwrap());
        let bytes = writer.finish().unwrap();
        let count = |name: &[u8]| bytes.windows(4).filter(|window| *window == name).count();
        let expected = if is_exact { [0, pictures.len()] } else { [pictures.len(), 0] };
        assert_eq!([count(b"VP8 "), count(b"VP8L")], expected);
        if is_exact {
            let mut frames = WebP.frames(&bytes, budget, &cancellation).unwrap();
            for (place, picture) in pictures.iter().enumerate() {
                let meant: Vec<[u8; 3]> = picture.samples().as_bytes().as_chunks().0.to_vec();
                let colours = |samples: &[u8]| -> Vec<[u8; 3]> {
                    samples.chunks(samples.len() / meant.len()).map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect()
                };
                let shown = frames.next_frame().unwrap().unwrap();
                assert!(colours(shown.samples().as_bytes()) == meant, "frame {place}");
            }
        }
    }
}
