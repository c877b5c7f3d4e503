//! Damaged and hostile files: no panic, no hang, no more memory than allowed, and the same verdict at every scale, and
//! of pixels as of planes.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use image_origin_jpeg::{DecodeError, DecodeOptions, Image, Rect, Scale, Warning, decode, decode_planes, read_header};
use proptest::prelude::*;

use super::samples::{FlatBlocks, Sample};
use crate::fixtures;

/// Decodes at all scales; whether there is a picture, and else why not, must not depend on the scale.
fn decode_all(bytes: &[u8]) -> Result<Vec<Image>, DecodeError> {
    decode_at(bytes, &Scale::ALL)
}

fn decode_at(bytes: &[u8], scales: &[Scale]) -> Result<Vec<Image>, DecodeError> {
    let options = |scale| DecodeOptions::default().scale(scale).max_bytes(1 << 20);
    let results: Vec<_> = scales.iter().map(|scale| decode(bytes, &options(*scale))).collect();
    // `None` says nothing but that there are no planes.
    let planes = decode_planes(bytes, &options(Scale::Quarter)).transpose();
    let planes = planes.into_iter().map(|result| result.map(|_| ()));
    let verdicts: Vec<_> = results.iter().cloned().map(|result| result.map(|_| ())).chain(planes).collect();
    let by_memory = |verdict: &Result<(), DecodeError>| matches!(verdict, Err(DecodeError::TooLarge { .. }));
    assert!(verdicts.windows(2).all(|pair| pair[0] == pair[1] || pair.iter().any(by_memory)), "{verdicts:?}");
    results.into_iter().collect()
}

fn samples() -> [Vec<u8>; 4] {
    let sample = Sample { width: 23, height: 17, ..Sample::default() };
    [
        sample.encode(),
        Sample { restart_interval: 2, ..sample }.encode(),
        Sample { progressive: true, ..sample }.encode(),
        FlatBlocks { scans: vec![vec![0], vec![1, 2]], ..FlatBlocks::default() }.encode(),
    ]
}

#[test]
fn truncation_at_every_point() {
    for bytes in samples() {
        let whole = decode_all(&bytes).unwrap();
        let first_scan = bytes.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap();
        for length in 0..bytes.len() {
            match decode_all(&bytes[..length]) {
                Err(error) => {
                    assert!(matches!(error, DecodeError::Damaged(_)), "{error:?} at {length}");
                    assert!(length < first_scan + 14, "no picture at {length}");
                }
                Ok(images) => {
                    for (image, whole) in images.iter().zip(&whole) {
                        // All that may be missing without a word is the end marker and what pads the last byte.
                        let is_told = image.warnings.contains(&Warning::Truncated);
                        assert!(is_told || image.pixels == whole.pixels, "{length} of {}", bytes.len());
                        assert_eq!((image.width, image.height), (whole.width, whole.height));
                    }
                }
            }
        }
    }
}

#[test]
fn what_precedes_a_cut_is_kept() {
    let sample = Sample { width: 160, height: 160, ..Sample::default() };
    let bytes = sample.encode();
    for scale in Scale::ALL {
        let options = DecodeOptions::default().scale(scale);
        let whole = decode(&bytes, &options).unwrap();
        let half = decode(&bytes[..bytes.len() / 2], &options).unwrap();
        assert_eq!(half.warnings, [Warning::Truncated]);
        let third = whole.pixels.len() / 3;
        assert_eq!(half.pixels[..third], whole.pixels[..third]);
        let tail = &half.pixels[half.pixels.len() - 3 * half.width..];
        assert!(tail.iter().all(|&sample| sample == 128));
    }
}

#[test]
fn corruption_of_every_byte() {
    for bytes in samples() {
        let mut bytes = bytes;
        for at in 0..bytes.len() {
            let original = bytes[at];
            bytes[at] = [0xFF, original ^ 0x11][at % 2];
            let _ = decode_at(&bytes, &[Scale::Full, Scale::ALL[at / 2 % 4]]);
            let _ = read_header(&bytes);
            bytes[at] = original;
        }
    }
}

#[test]
fn many_values_of_every_byte_of_one_file() {
    let mut bytes = Sample { width: 17, height: 9, progressive: true, ..Sample::default() }.encode();
    for at in 0..bytes.len() {
        let original = bytes[at];
        for value in (0..=255).step_by(15) {
            bytes[at] = value;
            let _ = decode(&bytes, &DecodeOptions::default().scale(Scale::Eighth).max_bytes(1 << 20));
        }
        bytes[at] = original;
    }
}

#[test]
fn memory_is_bounded_before_it_is_allocated() {
    let mut bytes = FlatBlocks::default().encode();
    let frame = bytes.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    bytes[frame + 5..frame + 9].fill(0xFF);
    for (scale, limit) in [(Scale::Full, 1 << 30), (Scale::Eighth, 64 << 20)] {
        let result = decode(&bytes, &DecodeOptions::default().scale(scale).max_bytes(limit));
        let Err(DecodeError::TooLarge { needed, limit: told }) = result else { panic!("{result:?}") };
        assert!(needed > limit && told == limit);
    }
}

#[test]
fn a_stop_is_obeyed_at_once() {
    for progressive in [false, true] {
        let bytes = Sample { width: 64, height: 640, progressive, ..Sample::default() }.encode();
        for stop_after in 0..40 {
            let asked = Cell::new(0);
            let check = || {
                asked.set(asked.get() + 1);
                if asked.get() > stop_after { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            assert_eq!(decode(&bytes, &DecodeOptions::default().check(&check)), Err(DecodeError::Cancelled));
            assert_eq!(asked.get(), stop_after + 1);
        }
    }
}

#[test]
fn thousands_of_scans_buy_no_time() {
    let sample = Sample { width: 1000, height: 1000, progressive: true, ..Sample::default() };
    let bytes = sample.encode();
    let scan = bytes.windows(2).rposition(|pair| pair == [0xFF, 0xDA]).unwrap();
    let end = bytes.len() - 2;
    let plain = Instant::now();
    decode(&bytes, &DecodeOptions::default()).unwrap();
    let plain = plain.elapsed();
    let mut hostile = bytes[..end].to_vec();
    let mut visits = 0;
    while hostile.len() < 20 << 20 && visits < 5000 {
        hostile.extend_from_slice(&bytes[scan..end]);
        visits += 1;
    }
    let time = Instant::now();
    let image = decode(&hostile, &DecodeOptions::default()).unwrap();
    let time = time.elapsed();
    assert!(image.warnings.contains(&Warning::TooManyScans), "{:?}", image.warnings);
    assert!(time < plain * 100 + Duration::from_secs(1), "{time:?}, with the encoder's scans {plain:?}");
}

#[test]
fn a_scan_that_is_not_needed_is_checked_all_the_same() {
    // The first scan becomes one of AC coefficients with a table that is not there.
    let mut bytes = Sample { progressive: true, ..Sample::default() }.encode();
    let scan = bytes.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap();
    bytes.splice(scan.., [0xFF, 0xDA, 0, 8, 1, bytes[scan + 5], 0x33, 1, 5, 0, 0xFF, 0xD9]);
    assert_eq!(decode_all(&bytes), Err(DecodeError::Damaged("Huffman table missing")));
}

#[test]
fn nonsense_regions_are_refused() {
    let bytes = FlatBlocks::default().encode();
    for region in [(40, 0, 1, 1), (0, 24, 1, 1), (0, 0, 0, 1), (u32::MAX, u32::MAX, u32::MAX, u32::MAX)] {
        let (x, y, width, height) = region;
        let region = Some(Rect { x, y, width, height });
        assert!(decode(&bytes, &DecodeOptions::default().region(region)).is_err());
    }
    let region = Some(Rect { x: 39, y: 23, width: u32::MAX, height: u32::MAX });
    assert!(decode(&bytes, &DecodeOptions::default().region(region)).is_ok());
}

#[test]
fn broken_files_get_a_verdict() {
    let read = |name: &str| std::fs::read(fixtures().join(name)).unwrap();
    let truncated = decode(&read("broken/truncated.jpg"), &DecodeOptions::default()).unwrap();
    assert!(truncated.warnings.contains(&Warning::Truncated));
    for name in ["broken/header-only.jpg", "broken/text.jpg", "broken/empty.jpg", "photo.png"] {
        let verdict = decode_all(&read(name));
        assert!(matches!(verdict, Err(DecodeError::Damaged(_))), "{name}: {:?}", verdict.map(|images| images.len()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn arbitrary_damage_is_survived(
        which in 0usize..4,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = samples()[which].clone();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        let _ = decode_all(&bytes);
    }
}
