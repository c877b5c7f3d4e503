//! What encoders write is what decoders read, for pictures of all small sizes and all kinds of channels: without a
//! difference where the encoding has no loss, and with a small one elsewhere.

use image_origin::codec::{
    Area, Budget, Cancellation, Channels, DecodeOptions, EncodeOptions, Format, Raster, Samples, decoder, encoder,
};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestCaseError, TestRng, TestRunner};

const LOSSLESS: EncodeOptions = EncodeOptions { quality: 80, lossless: true, ..EncodeOptions::DEFAULT };
const BEST: EncodeOptions = EncodeOptions { quality: 100, ..EncodeOptions::DEFAULT };
const PROGRESSIVE: EncodeOptions = EncodeOptions { progressive: true, ..BEST };

/// What the samples of a picture are like.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Content {
    /// As many colours as a palette holds; pixels are opaque or fully transparent.
    Drawing,
    /// Slopes with some grain, and alpha that is a slope.
    Photograph,
    /// Any samples.
    Noise,
}

/// A picture that is made from its size, its kind and a number alone.
fn picture(width: u32, height: u32, channels: Channels, content: Content, seed: u32) -> Raster {
    let random = |x: u32, y: u32, channel: u32| {
        let mixed = (x ^ y.rotate_left(11) ^ channel.rotate_left(22) ^ seed).wrapping_mul(0x9E37_79B1);
        ((mixed ^ mixed >> 15).wrapping_mul(0x85EB_CA6B) >> 24) as u8
    };
    let count = channels.count() as u32;
    let sample = |x: u32, y: u32, channel: u32| {
        let is_alpha = channels.has_alpha() && channel + 1 == count;
        match content {
            Content::Drawing if is_alpha => [0, 255, 255][usize::from(random(x / 5, y / 3, channel)) % 3],
            Content::Drawing => [0, 40, 90, 170, 255][usize::from(random(x / 4, y / 4, channel)) % 5],
            Content::Photograph if is_alpha => (60 + 2 * x).min(255) as u8,
            Content::Photograph => (40 * channel + x + y) as u8 + random(x, y, 0) / 32,
            Content::Noise => random(x, y, channel),
        }
    };
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let samples = pixels.flat_map(|(x, y)| (0..count).map(move |channel| sample(x, y, channel))).collect();
    Raster::new(width, height, channels, Samples::U8(samples)).unwrap()
}

/// The pixels of a raster; what is fully transparent has no colour.
fn shown(raster: &Raster) -> Vec<[u8; 4]> {
    let pixels = raster.samples().as_bytes().chunks_exact(raster.channels().count());
    let rgba = |pixel: &[u8]| match *pixel {
        [l] => [l, l, l, 255],
        [l, a] => [l, l, l, a],
        [r, g, b] => [r, g, b, 255],
        [r, g, b, a] => [r, g, b, a],
        _ => panic!("a pixel has one to four samples"),
    };
    pixels.map(rgba).map(|pixel| if pixel[3] == 0 { [0; 4] } else { pixel }).collect()
}

fn round_trip(format: Format, raster: &Raster, encoding: &EncodeOptions) -> Raster {
    let cancellation = Cancellation::unbounded();
    let file = encoder(format).unwrap().encode(raster, encoding, Budget::UNLIMITED, &cancellation).unwrap();
    let area = Area::whole(raster.width(), raster.height());
    let options = DecodeOptions::new(area, Budget::UNLIMITED, &cancellation);
    let decoded = decoder(format).unwrap().decode(&file, &options).unwrap();
    assert_eq!(decoded.flaw, None);
    decoded.raster
}

/// Runs a test for pictures of sides from 1 to 70 of any of these channels, the same ones each time.
fn for_pictures(
    cases: u32,
    channels: &'static [Channels],
    contents: &'static [Content],
    test: impl Fn(Raster) -> Result<(), TestCaseError>,
) {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let kinds = (prop::sample::select(channels), prop::sample::select(contents));
    let outcome = runner.run(&(1u32..=70, 1u32..=70, kinds, any::<u32>()), |(width, height, kind, seed)| {
        test(picture(width, height, kind.0, kind.1, seed))
    });
    outcome.unwrap();
}

const ALL: &[Channels] = &[Channels::L, Channels::La, Channels::Rgb, Channels::Rgba];
const OPAQUE: &[Channels] = &[Channels::L, Channels::Rgb];
const ANY: &[Content] = &[Content::Drawing, Content::Photograph, Content::Noise];

#[test]
fn encodings_without_loss_change_nothing() {
    for (format, cases, contents) in [
        (Format::Png, 250, ANY),
        (Format::WebP, 150, ANY),
        (Format::Avif, 60, ANY),
        // A GIF has a palette.
        (Format::Gif, 250, &[Content::Drawing]),
    ] {
        for_pictures(cases, ALL, contents, |raster| {
            let decoded = round_trip(format, &raster, &LOSSLESS);
            prop_assert_eq!((decoded.width(), decoded.height()), (raster.width(), raster.height()));
            prop_assert!(shown(&decoded) == shown(&raster), "{} has changed {:?}", format, raster.channels());
            Ok(())
        });
    }
}

#[test]
fn the_best_of_lossy_encodings_changes_little() {
    for (format, encoding, channels, cases, allowed) in [
        (Format::Jpeg, BEST, OPAQUE, 150, 0.7),
        (Format::Jpeg, PROGRESSIVE, OPAQUE, 150, 0.7),
        (Format::WebP, BEST, ALL, 80, 1.0),
        (Format::Avif, BEST, ALL, 40, 0.8),
    ] {
        for_pictures(cases, channels, &[Content::Photograph], |raster| {
            let decoded = round_trip(format, &raster, &encoding);
            prop_assert_eq!((decoded.width(), decoded.height()), (raster.width(), raster.height()));
            let (ours, meant) = (shown(&decoded), shown(&raster));
            let apart = ours.iter().flatten().zip(meant.iter().flatten()).map(|(a, b)| u32::from(a.abs_diff(*b)));
            let mean = f64::from(apart.sum::<u32>()) / (4 * meant.len()) as f64;
            prop_assert!(mean <= allowed, "{}, {:?}: {}", format, raster.channels(), mean);
            Ok(())
        });
    }
}
