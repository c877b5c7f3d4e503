//! VP8 frames from outside: beside another decoder, cut short, damaged and cancelled.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::cell::Cell;
use std::ops::ControlFlow;

use image_origin_vp8::DecodeError;
use image_origin_vp8::lossy::{DecodeOptions, Sink, decode, size};

/// The file that the fixtures share, and the frame in it, which follows the header of its only chunk.
fn photo() -> (Vec<u8>, Vec<u8>) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/photo.webp");
    let file = std::fs::read(path).unwrap();
    assert_eq!(&file[12..16], b"VP8 ");
    let frame = file[20..].to_vec();
    (file, frame)
}

/// Keeps all rows.
#[derive(Default, PartialEq)]
struct Planes {
    luma: Vec<u8>,
    chroma: [Vec<u8>; 2],
    pairs: usize,
}

impl Sink for Planes {
    fn pair(&mut self, luma: [&[u8]; 2], chroma: [&[u8]; 2]) {
        luma.iter().for_each(|row| self.luma.extend_from_slice(row));
        self.chroma.iter_mut().zip(chroma).for_each(|(plane, row)| plane.extend_from_slice(row));
        self.pairs += 1;
    }
}

fn decoded(frame: &[u8], options: &DecodeOptions<'_>) -> Result<Planes, DecodeError> {
    let mut planes = Planes::default();
    decode(frame, options, &mut planes).map(|()| planes)
}

#[test]
fn luma_is_that_of_another_decoder() {
    let (file, frame) = photo();
    let theirs = image::load_from_memory_with_format(&file, image::ImageFormat::WebP).unwrap().into_rgb8();
    let (width, height) = size(&frame).unwrap();
    assert_eq!((width, height), theirs.dimensions());
    let ours = decoded(&frame, &DecodeOptions::default()).unwrap();
    assert_eq!(ours.pairs, height.div_ceil(2) as usize);
    let chroma = width.div_ceil(2) as usize * ours.pairs;
    assert!(ours.chroma.iter().all(|plane| plane.len() == chroma));
    // What is clipped on the way to RGB has no way back.
    let luma = theirs.pixels().map(|pixel| {
        let [r, g, b] = pixel.0.map(f64::from);
        let is_clipped = pixel.0.iter().any(|sample| [0, 255].contains(sample));
        (!is_clipped).then_some(16.0 + (65.738 * r + 129.057 * g + 25.064 * b) / 256.0)
    });
    let pairs = ours.luma.iter().zip(luma).filter_map(|(ours, theirs)| Some((f64::from(*ours), theirs?)));
    let most = pairs.map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f64::max);
    assert!(most < 2.0, "{most}");
}

#[test]
fn fewer_rows_are_the_same_rows() {
    let (_, frame) = photo();
    let width = size(&frame).unwrap().0 as usize;
    for filtered in [true, false] {
        let options = DecodeOptions::default().filtered(filtered);
        let whole = decoded(&frame, &options).unwrap();
        for rows in [1, 16, 33] {
            let part = decoded(&frame, &options.rows(rows)).unwrap();
            assert!((rows..rows + 32).contains(&(part.luma.len() / width)), "{rows}: {}", part.luma.len() / width);
            assert!(whole.luma.starts_with(&part.luma) && whole.chroma[0].starts_with(&part.chroma[0]));
        }
    }
}

#[test]
fn a_frame_that_is_cut_is_shown_as_far_as_it_goes() {
    let (_, frame) = photo();
    let whole = decoded(&frame, &DecodeOptions::default()).unwrap();
    let mut same = 0;
    for end in (0..frame.len()).step_by(frame.len() / 40) {
        match decoded(&frame[..end], &DecodeOptions::default()) {
            Ok(part) => {
                assert_eq!(part.luma.len(), whole.luma.len());
                let equal = part.luma.iter().zip(&whole.luma).take_while(|(part, whole)| part == whole).count();
                assert!(equal >= same, "{end}: {equal} of the samples are there, and {same} were");
                same = equal;
            }
            Err(error) => assert!(matches!(error, DecodeError::Damaged(_)) && same == 0, "{end}: {error}"),
        }
    }
    assert!(same > whole.luma.len() / 2, "{same}");
}

#[test]
fn damage_is_survived() {
    let (_, frame) = photo();
    let options = DecodeOptions::default().rows(32);
    for place in 0..200 {
        for value in [0, 0xff, frame[place] ^ 0x10] {
            let mut broken = frame.clone();
            broken[place] = value;
            // A side that was made longer would take long to decode.
            if size(&broken).is_ok_and(|(width, _)| width > 2000) {
                continue;
            }
            if let Err(error) = decoded(&broken, &options) {
                assert!(matches!(error, DecodeError::Damaged(_)), "{place} {value}: {error}");
            }
        }
    }
}

#[test]
fn a_stop_is_obeyed_at_once() {
    let (_, frame) = photo();
    for stop_after in 0..5 {
        let asked = Cell::new(0);
        let check = || {
            asked.set(asked.get() + 1);
            if asked.get() > stop_after { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let outcome = decoded(&frame, &DecodeOptions::default().check(&check)).err();
        assert_eq!((outcome, asked.get()), (Some(DecodeError::Cancelled), stop_after + 1));
    }
}
