use rusty_av1d::rust_api::{Decoder, PixelLayout, PlanarImageComponent as Component, Settings as DecoderSettings};

use std::cell::Cell;
use std::ops::ControlFlow;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use super::inverse::{Shape, Space, TxType};
use super::size::BlockSize;
use super::*;

const THOROUGH: SpeedSettings = SpeedSettings {
    smallest: 2,
    halves_up_to: 5,
    likelier_halves_up_to: 0,
    uneven_up_to: 0,
    patience: 10.0,
    few_modes: false,
    modes: 4,
    chroma_modes: 3,
    tx_types_of_each_mode: true,
};

const FAST: SpeedSettings = SpeedSettings {
    smallest: 3,
    halves_up_to: 0,
    likelier_halves_up_to: 5,
    uneven_up_to: 4,
    patience: 1.0,
    few_modes: true,
    modes: 2,
    chroma_modes: 1,
    tx_types_of_each_mode: false,
};

/// Ramps, edges and noise, so that all ways of coding have a reason.
fn plane([width, height]: [usize; 2], seed: u32) -> Vec<u8> {
    let mut state = seed;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    };
    let sample = |i: usize| {
        let (x, y) = (i % width, i / width);
        let ramp = (x * 3 + y * (2 + seed as usize % 3)) % 200;
        let edge = if (x / 19 + y / 13) % 2 == 0 { 40 } else { 0 };
        let noise = if x > width / 2 { random() % 48 } else { 0 };
        (ramp + edge + noise as usize).min(255) as u8
    };
    (0..width * height).map(sample).collect()
}

fn planes(size: [usize; 2], count: usize, is_halved: bool) -> Vec<Vec<u8>> {
    let of = |i: usize| if i > 0 && is_halved { size.map(|side| side.div_ceil(2)) } else { size };
    (0..count).map(|i| plane(of(i), 77 + i as u32)).collect()
}

/// A picture of one plane, or of three of these samples.
fn picture([width, height]: [usize; 2], planes: &[Vec<u8>], is_halved: bool) -> Picture<'_> {
    let planes = match planes {
        [luma] => Planes::Grey(luma),
        [luma, cb, cr] if is_halved => Planes::Halved([luma, cb, cr]),
        [luma, cb, cr] => Planes::Full([luma, cb, cr]),
        _ => panic!("one plane or three"),
    };
    Picture::new(width as u32, height as u32, planes, Colour::default()).unwrap()
}

fn options(quantizer: u8, speed: SpeedSettings) -> EncodeOptions<'static> {
    EncodeOptions::default().quantizer(quantizer).speed(speed)
}

/// The planes that a decoder shows.
fn decoded(stream: &[u8]) -> Vec<Vec<u8>> {
    let mut settings = DecoderSettings::new();
    settings.set_n_threads(1);
    settings.set_max_frame_delay(1);
    let mut decoder = Decoder::with_settings(&settings).unwrap();
    decoder.send_data(stream.into(), None, None, None).unwrap();
    let picture = decoder.get_picture().or_else(|_| decoder.get_picture()).unwrap();
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let [count, shift] = match picture.pixel_layout() {
        PixelLayout::I400 => [1, 0],
        PixelLayout::I420 => [3, 1],
        _ => [3, 0],
    };
    let components = [Component::Y, Component::U, Component::V].into_iter().take(count).enumerate();
    let planes = components.map(|(i, component)| {
        let shift = if i > 0 { shift } else { 0 };
        let (width, height) = (width.div_ceil(1 << shift), height.div_ceil(1 << shift));
        let rows = picture.plane(component).chunks(picture.stride(component) as usize).take(height);
        rows.flat_map(|row| &row[..width]).copied().collect()
    });
    planes.collect()
}

/// The stream of a picture without the deblocking filter, and the planes that the encoder has reckoned with.
fn unfiltered(picture: &Picture<'_>, options: &EncodeOptions<'_>) -> (Vec<u8>, Vec<Vec<u8>>) {
    let (encoder, symbols) = code(picture, options).unwrap();
    let planes = encoder.frame.iter().enumerate().map(|(i, plane)| {
        let shift = u32::from(i > 0 && picture.is_halved());
        let [width, height] = picture.size.map(|side| side.div_ceil(1 << shift));
        plane.samples.chunks(plane.stride).take(height).flat_map(|row| &row[..width]).copied().collect()
    });
    (headers(picture, options, 0, None).stream(&symbols), planes.collect())
}

#[test]
fn decoders_show_what_the_encoder_has_reckoned_with() {
    for size in [[1, 1], [9, 7], [65, 21], [26, 70]] {
        for (count, is_halved) in [(1, false), (3, true), (3, false)] {
            let planes = planes(size, count, is_halved);
            let picture = picture(size, &planes, is_halved);
            for (quantizer, speed) in [(0, FAST), (10, FAST), (60, THOROUGH), (130, FAST), (255, THOROUGH)] {
                let (stream, reckoned) = unfiltered(&picture, &options(quantizer, speed));
                let shown = decoded(&stream);
                assert!(shown == reckoned, "{size:?}, {count} planes, quantizer {quantizer}, {speed:?}");
                assert!(quantizer > 0 || shown == planes, "{size:?}, {count} planes: lossy");
            }
        }
    }
}

/// All blocks of noise have coefficients.
#[test]
fn the_error_behind_cdef_is_that_of_what_decoders_show() {
    let size = [64, 61];
    let noise = |i: usize| (i as u32).wrapping_mul(2_654_435_761).rotate_left(9) as u8 / 3 + 60;
    let luma: Vec<u8> = (0..size[0] * size[1]).map(noise).collect();
    let planes = [luma.clone(), vec![128; 32 * 31], vec![128; 32 * 31]];
    let (picture, options) = (picture(size, &planes, true), options(150, FAST));
    let (encoder, symbols) = code(&picture, &options).unwrap();
    for (damping, strengths) in [(3, [1, 0]), (4, [3, 1]), (5, [5, 2]), (6, [0, 2]), (6, [15, 0])] {
        let cdef = Cdef { damping, strengths };
        let stream = headers(&picture, &options, 0, Some(cdef)).stream(&symbols);
        let shown = decoded(&stream);
        assert!(shown == decoded_here(&stream), "{cdef:?}");
        let [shown, meant] = [&shown[0], &luma].map(|plane| {
            let rows = plane.chunks(size[0]).enumerate().filter(|(y, _)| y / 8 % 4 == 0);
            rows.flat_map(|(_, row)| row).copied().collect::<Vec<u8>>()
        });
        let error: u64 = shown.iter().zip(&meant).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum();
        assert_eq!(
            Cdef::errors([cdef], &encoder.frame[0], &encoder.source[0], size, options.check),
            ControlFlow::Continue([error]),
            "{cdef:?}"
        );
    }
}

#[test]
fn any_picture_comes_back() {
    let config = ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let layouts = prop::sample::select(vec![(1, false), (3, true), (3, false)]);
    let quantizers = prop_oneof![Just(0u8), 1u8..=255];
    let pictures = ([1usize..=70, 1usize..=70], layouts, quantizers, any::<bool>(), 1u32..1000);
    let outcome = runner.run(&pictures, |(size, (count, is_halved), quantizer, is_thorough, seed)| {
        let side = |i: usize| if i > 0 && is_halved { size.map(|side| side.div_ceil(2)) } else { size };
        let planes: Vec<_> = (0..count).map(|i| plane(side(i), seed + i as u32)).collect();
        let picture = picture(size, &planes, is_halved);
        let speed = if is_thorough && quantizer > 0 { THOROUGH } else { FAST };
        let (stream, reckoned) = unfiltered(&picture, &options(quantizer, speed));
        let shown = decoded(&stream);
        prop_assert!(shown == reckoned, "not what was reckoned with");
        let filtered = decoded(&encode(&picture, &options(quantizer, speed)).unwrap().units);
        if quantizer == 0 {
            prop_assert!(filtered == planes, "lossy");
        }
        for (shown, meant) in filtered.iter().zip(&planes) {
            let sum: u32 = shown.iter().zip(meant).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
            let mean = sum as f32 / meant.len() as f32;
            prop_assert!(mean <= 1.0 + step_of_samples(quantizer) * 0.6, "{} of {}", mean, step_of_samples(quantizer));
        }
        Ok(())
    });
    outcome.unwrap();
}

/// Glyphs, stripes and flat areas of a few colours, some of which are a little off, beside noise.
fn drawn_plane([width, height]: [usize; 2], seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    };
    let colours: [u8; 12] = std::array::from_fn(|_| (random() >> 13) as u8);
    let [count, cell, softness, noise] = [random() % 11 + 2, random() % 9 + 1, random() % 3, random() % 4];
    let glyphs: [u32; 4] = std::array::from_fn(|_| random());
    let sample = |i: usize| {
        let (x, y) = (i % width, i / width);
        let glyph = glyphs[(x / 8 + y / 8 * 3) % 4] >> (x % 8 / 2 + y % 8 / 2 * 4) & 1;
        let number = match (x / 16 + y / 16) % 4 {
            0 => (x / cell as usize + y) as u32,
            1 => glyph * (1 + (x / 32) as u32),
            2 => random() % 7 / 6 * (random() % 12),
            _ => 3,
        };
        let soft = random() % (softness + 1);
        let is_noisy = noise == 1 && x > width / 2;
        colours[(number % count) as usize].saturating_add(soft as u8) ^ if is_noisy { random() as u8 & 63 } else { 0 }
    };
    (0..width * height).map(sample).collect()
}

/// The planes that this crate's decoder shows.
fn decoded_here(stream: &[u8]) -> Vec<Vec<u8>> {
    let decoder = decode::Decoder::new(stream, &|| ControlFlow::Continue(())).unwrap();
    let shown = decoder.decode(&decode::DecodeOptions::default()).unwrap();
    let planes = 0..decoder.sequence().planes();
    let plane = |plane: usize| {
        let rows = 0..shown.plane_size(plane)[1];
        let row = |y: usize| match shown.row(plane, y) {
            decode::Row::Eight(row) => row.to_vec(),
            decode::Row::Sixteen(_) => panic!("8 bits"),
        };
        rows.flat_map(row).collect()
    };
    planes.map(plane).collect()
}

#[test]
fn any_drawing_comes_back() {
    let config = ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let layouts = prop::sample::select(vec![(1, false), (3, true), (3, false)]);
    let kinds = [any::<bool>(), any::<bool>(), any::<bool>()];
    let efforts = prop::sample::select(vec![THOROUGH, FAST]);
    let contents = prop::sample::select(vec![Content::Drawing, Content::Drawing, Content::Lights]);
    let pictures = ([1usize..=70, 1usize..=70], layouts, any::<u8>(), (efforts, contents), kinds, 1u32..1_000_000);
    let outcome = runner.run(&pictures, |(size, (count, is_halved), quantizer, (speed, content), kinds, seed)| {
        let side = |i: usize| if i > 0 && is_halved { size.map(|side| side.div_ceil(2)) } else { size };
        let of = |i: usize| if i == 0 || kinds[i] { drawn_plane } else { plane };
        let planes: Vec<_> = (0..count).map(|i| of(i)(side(i), seed + if kinds[0] { 0 } else { i as u32 })).collect();
        let picture = picture(size, &planes, is_halved);
        let options = options(quantizer, speed).content(content);
        let (stream, reckoned) = unfiltered(&picture, &options);
        prop_assert!(decoded(&stream) == reckoned, "not what was reckoned with");
        prop_assert!(decoded_here(&stream) == reckoned, "not what was reckoned with, here");
        let filtered = encode(&picture, &options).unwrap().units;
        prop_assert!(decoded(&filtered) == decoded_here(&filtered), "decoders differ");
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn pictures_that_cannot_be_coded_are_refused() {
    let samples = vec![0; 4097];
    let (grey, colour) = (|length: usize| Planes::Grey(&samples[..length]), Colour::default());
    let three = [&samples[..12], &samples[..4], &samples[..4]];
    let identity = Colour { matrix: 0, ..colour };
    let cases = [
        (Picture::new(0, 4, grey(0), colour), EncodeError::Dimensions { width: 0, height: 4 }),
        (Picture::new(4097, 1, grey(4097), colour), EncodeError::Dimensions { width: 4097, height: 1 }),
        (Picture::new(4096, 2305, grey(0), colour), EncodeError::Dimensions { width: 4096, height: 2305 }),
        (Picture::new(4, 3, grey(11), colour), EncodeError::SampleCount { expected: 12, actual: 11 }),
        (Picture::new(4, 3, Planes::Full(three), colour), EncodeError::SampleCount { expected: 12, actual: 4 }),
        (Picture::new(4, 3, Planes::Halved(three), identity), EncodeError::HalvedIdentity),
    ];
    for (outcome, expected) in cases {
        assert_eq!(outcome.err(), Some(expected));
    }
    assert!(Picture::new(4, 3, Planes::Halved(three), colour).is_ok());
    assert!(Picture::new(4096, 1, grey(4096), colour).is_ok());
}

#[test]
fn flat_pictures_take_few_bytes_and_keep_their_colour() {
    let planes = [vec![200; 300 * 200], vec![90; 150 * 100], vec![140; 150 * 100]];
    let stream = encode(&picture([300, 200], &planes, true), &options(120, FAST)).unwrap();
    assert!(stream.units.len() < 100, "{} bytes", stream.units.len());
    for (shown, planes) in decoded(&stream.units).iter().zip(&planes) {
        assert!(shown.iter().zip(planes).all(|(a, b)| a.abs_diff(*b) <= 2));
    }
}

#[test]
fn finer_quantizers_lose_less_and_cost_more() {
    let size = [64, 40];
    let planes = planes(size, 3, true);
    let picture = picture(size, &planes, true);
    let mut before = (usize::MAX, 0.0);
    for quantizer in [1, 40, 110, 200] {
        let stream = encode(&picture, &options(quantizer, FAST)).unwrap().units;
        let shown = decoded(&stream);
        let squares = shown[0].iter().zip(&planes[0]).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum::<f64>();
        let loss = squares / shown[0].len() as f64;
        assert!(stream.len() < before.0 && loss > before.1, "{quantizer}: {} bytes, {loss}", stream.len());
        assert!(quantizer > 1 || loss < 1.0, "{loss}");
        before = (stream.len(), loss);
    }
}

#[test]
fn a_stop_is_obeyed_at_once() {
    let planes = planes([200, 200], 1, false);
    for stop_after in [0, 1, 5] {
        let asked = Cell::new(0);
        let check = || {
            asked.set(asked.get() + 1);
            if asked.get() > stop_after { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let outcome = encode(&picture([200, 200], &planes, false), &options(100, FAST).check(&check));
        assert_eq!((outcome, asked.get()), (Err(EncodeError::Cancelled), stop_after + 1));
    }
}

#[test]
fn the_stream_is_held_against_its_ceiling() {
    let planes = planes([200, 200], 1, false);
    let outcome = encode(&picture([200, 200], &planes, false), &options(10, FAST).max_bytes(1000));
    assert!(matches!(outcome, Err(EncodeError::TooLarge { limit: 1000, .. })), "{outcome:?}");
}

#[test]
fn forward_transforms_are_the_inverse_of_inverse_transforms() {
    for size in BlockSize::transforms() {
        let tx_types = if size.longest() > 4 { 1 } else { 4 };
        let identity = (size.longest() <= 4).then_some(TxType::IDENTITY);
        for tx_type in (0..tx_types).map(TxType).chain(identity) {
            // Low frequencies alone, since the high ones of 64 samples are not coded.
            let wave = |i: usize| {
                let (x, y) =
                    ((i % size.width()) as f32 / size.width() as f32, (i / size.width()) as f32 / size.height() as f32);
                60.0 * (x * 2.0 + y).sin() - 20.0 * (y * 2.0).cos()
            };
            let differences: Vec<f32> = (0..size.area()).map(wave).collect();
            let mut coefficients = vec![0.0; size.coded().area()];
            forward::transform(&differences, size, tx_type, &mut coefficients);
            // At the scale of the inverse transform (7.12.3).
            let scale = match size.w + size.h {
                11.. => 4.0,
                9..=10 if size.longest() > 4 => 2.0,
                _ => 1.0,
            };
            // Column by column.
            let [w, h] = [size.coded().width(), size.coded().height()];
            let mut levels: Vec<i32> =
                (0..w * h).map(|i| (coefficients[i % h * w + i / h] / scale).round() as i32).collect();
            let mut samples = vec![128u8; size.area()];
            let shape = Shape { size, tx_type, rows: size.coded().height(), depth: 8 };
            inverse::add(&mut levels, shape, &mut samples, size.width(), &mut Space::new());
            for (sample, difference) in samples.iter().zip(&differences) {
                let error = f32::from(*sample) - 128.0 - difference;
                assert!(error.abs() <= 1.5, "{size:?} {tx_type:?}: {error}");
            }
        }
    }
}
