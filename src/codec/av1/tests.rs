use rusty_av1d::rust_api::{Decoder, PixelLayout, PlanarImageComponent as Component, Settings as DecoderSettings};

use super::inverse::Kind;
use super::size::Size;
use super::*;

const THOROUGH: Effort =
    Effort { smallest: 2, halves_up_to: 5, patience: 10.0, modes: 4, chroma_modes: 3, kinds_of_each: true };

const FAST: Effort =
    Effort { smallest: 3, halves_up_to: 0, patience: 1.0, modes: 2, chroma_modes: 1, kinds_of_each: false };

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
fn unfiltered(picture: &Picture<'_>, quantizer: u8, effort: &Effort) -> (Vec<u8>, Vec<Vec<u8>>) {
    let with_matrices = quantizer >= FINEST_WITH_MATRICES;
    let (tile, symbols) =
        code(picture, quantizer, with_matrices, effort, Budget::UNLIMITED, &Work::unbounded()).unwrap();
    let planes = tile.frame.iter().enumerate().map(|(i, plane)| {
        let shift = u32::from(i > 0 && picture.is_halved);
        let [width, height] = picture.size.map(|side| side.div_ceil(1 << shift));
        plane.samples.chunks(plane.stride).take(height).flat_map(|row| &row[..width]).copied().collect()
    });
    (headers(picture, quantizer, with_matrices, 0).stream(&symbols), planes.collect())
}

#[test]
fn decoders_show_what_the_encoder_has_reckoned_with() {
    for size in [[1, 1], [9, 7], [65, 21], [26, 70]] {
        for (count, is_halved) in [(1, false), (3, true), (3, false)] {
            let planes = planes(size, count, is_halved);
            let picture = Picture { size, planes: &planes, is_halved, colour: [1, 13, 6] };
            for (quantizer, effort) in [(0, FAST), (10, FAST), (60, THOROUGH), (130, FAST), (255, THOROUGH)] {
                let (stream, reckoned) = unfiltered(&picture, quantizer, &effort);
                let shown = decoded(&stream);
                assert!(shown == reckoned, "{size:?}, {count} planes, quantizer {quantizer}, {effort:?}");
                assert!(quantizer > 0 || shown == planes, "{size:?}, {count} planes: lossy");
            }
        }
    }
}

#[test]
fn flat_pictures_take_few_bytes_and_keep_their_colour() {
    let planes = [vec![200; 300 * 200], vec![90; 150 * 100], vec![140; 150 * 100]];
    let picture = Picture { size: [300, 200], planes: &planes, is_halved: true, colour: [1, 13, 6] };
    let stream = encode(&picture, 120, &FAST, Budget::UNLIMITED, &Work::unbounded()).unwrap();
    assert!(stream.units.len() < 100, "{} bytes", stream.units.len());
    for (shown, planes) in decoded(&stream.units).iter().zip(&planes) {
        assert!(shown.iter().zip(planes).all(|(a, b)| a.abs_diff(*b) <= 2));
    }
}

#[test]
fn finer_quantizers_lose_less_and_cost_more() {
    let size = [64, 40];
    let planes = planes(size, 3, true);
    let picture = Picture { size, planes: &planes, is_halved: true, colour: [1, 13, 6] };
    let mut before = (usize::MAX, 0.0);
    for quantizer in [1, 40, 110, 200] {
        let stream = encode(&picture, quantizer, &FAST, Budget::UNLIMITED, &Work::unbounded()).unwrap().units;
        let shown = decoded(&stream);
        let squares = shown[0].iter().zip(&planes[0]).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum::<f64>();
        let loss = squares / shown[0].len() as f64;
        assert!(stream.len() < before.0 && loss > before.1, "{quantizer}: {} bytes, {loss}", stream.len());
        assert!(quantizer > 1 || loss < 1.0, "{loss}");
        before = (stream.len(), loss);
    }
}

#[test]
fn work_stops_when_nobody_waits() {
    let planes = planes([200, 200], 1, false);
    let picture = Picture { size: [200, 200], planes: &planes, is_halved: false, colour: [1, 13, 6] };
    let work = Work::unbounded();
    work.cancel();
    assert!(encode(&picture, 100, &FAST, Budget::UNLIMITED, &work).is_err());
}

#[test]
fn forward_transforms_are_the_inverse_of_inverse_transforms() {
    for size in Size::transforms() {
        let kinds = if size.longest() > 4 { 1 } else { 4 };
        for kind in (0..kinds).map(Kind) {
            // Low frequencies alone, since the high ones of 64 samples are not coded.
            let wave = |i: usize| {
                let (x, y) =
                    ((i % size.width()) as f32 / size.width() as f32, (i / size.width()) as f32 / size.height() as f32);
                60.0 * (x * 2.0 + y).sin() - 20.0 * (y * 2.0).cos()
            };
            let differences: Vec<f32> = (0..size.area()).map(wave).collect();
            let mut coefficients = vec![0.0; size.coded().area()];
            forward::transform(&differences, size, kind, &mut coefficients);
            // At the scale of the inverse transform (7.12.3).
            let scale = match size.w + size.h {
                11.. => 4.0,
                9..=10 if size.longest() > 4 => 2.0,
                _ => 1.0,
            };
            let mut levels: Vec<i32> = coefficients.iter().map(|value| (value / scale).round() as i32).collect();
            let mut samples = vec![128; size.area()];
            inverse::add(&mut levels, size, kind, &mut samples, size.width());
            for (sample, difference) in samples.iter().zip(&differences) {
                let error = f32::from(*sample) - 128.0 - difference;
                assert!(error.abs() <= 1.5, "{size:?} {kind:?}: {error}");
            }
        }
    }
}
