//! A second thread reads the second half of a long file where only means of blocks are needed. What comes out must be what one
//! thread gives, whatever is in the file.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use image_origin_jpeg::{DecodeError, DecodeOptions, Permit, Planes, Rect, Scale, Warning, decode, decode_planes};
use jpeg_encoder::{ColorType, SamplingFactor};

use super::samples::Sample;

/// The length in bytes from which on data are worth a second thread.
const LONG: usize = 512 << 10;

/// The samples of all planes, and the warnings.
type Decoded = (Vec<Vec<u8>>, Vec<Warning>);

/// A permit that is counted until it is dropped.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The planes at 1/8, or the pixels where there are no planes.
fn decoded(file: &[u8], options: &DecodeOptions<'_>) -> Result<Decoded, DecodeError> {
    Ok(match decode_planes(file, options)? {
        Some(Planes { planes, warnings, .. }) => (planes.into_iter().map(|plane| plane.samples).collect(), warnings),
        None => decode(file, options).map(|image| (vec![image.pixels], image.warnings))?,
    })
}

/// The same with one thread and with two, if a second one is asked for.
fn both(file: &[u8], region: Option<Rect>) -> (Result<Decoded, DecodeError>, Option<Result<Decoded, DecodeError>>) {
    let (asked, held) = (Cell::new(0), Arc::new(AtomicUsize::new(0)));
    let second_core = || {
        asked.set(asked.get() + 1);
        held.fetch_add(1, Ordering::Relaxed);
        Some(Box::new(Counted(held.clone())) as Permit)
    };
    let options = DecodeOptions::default().scale(Scale::Eighth).region(region);
    let (one, two) = (decoded(file, &options), decoded(file, &options.second_core(&second_core)));
    assert!(asked.get() <= 1);
    assert_eq!(held.load(Ordering::Relaxed), 0, "the permit outlives the decode");
    (one, (asked.get() == 1).then_some(two))
}

fn samples() -> Vec<Vec<u8>> {
    let large = Sample { width: 2500, height: 2100, ..Sample::default() };
    let samples = [
        large,
        Sample { sampling: SamplingFactor::R_4_2_2, ..large },
        Sample { sampling: SamplingFactor::R_4_4_4, width: 2000, ..large },
        Sample { width: 3500, colour: ColorType::Luma, ..large },
    ];
    samples.iter().map(Sample::encode).collect()
}

#[test]
fn whole_files_give_the_same() {
    let region = Rect { x: 100, y: 90, width: 1700, height: 1500 };
    for (number, file) in samples().iter().enumerate() {
        assert!(file.len() > LONG, "{number}: {}", file.len());
        // More behind the end than a file has, and so that the middle is behind it.
        for file in [file.clone(), [file.as_slice(), &vec![1; file.len() / 2]].concat(), [&**file, &**file].concat()] {
            for region in [None, Some(region)] {
                let (one, two) = both(&file, region);
                assert!(one.as_ref().is_ok_and(|(_, warnings)| warnings.is_empty()), "{number}");
                assert!(two.expect("a second thread") == one, "{number} {region:?}");
            }
        }
    }
}

#[test]
fn damaged_files_give_the_same() {
    let mut state = 1u32;
    let mut random = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    for (number, file) in samples().iter().enumerate() {
        let scan = file.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap() + 14;
        for _ in 0..25 {
            let mut damaged = file.clone();
            for _ in 0..1 + random(3) {
                let at = scan + random(damaged.len() - 4 - scan);
                match random(6) {
                    0 => damaged[at] = random(256) as u8,
                    1 => damaged[at] ^= 1 << random(8),
                    2 => damaged[at..].iter_mut().take(random(3000)).for_each(|byte| *byte &= 0x7F),
                    3 => damaged[at..at + 2].copy_from_slice(&[0xFF, 0xD3]),
                    4 => damaged.truncate(at.max(LONG + scan)),
                    _ => damaged[at..].rotate_left(1),
                }
            }
            let (one, two) = both(&damaged, None);
            assert!(two.expect("a second thread") == one, "{number}");
        }
    }
}

#[test]
fn data_that_only_seem_to_be_in_step_give_the_same() {
    // All blocks alike, so that any of them may be taken for any other.
    let file = super::samples::FlatBlocks { width: 16_000, height: 16_000, ..Default::default() }.encode();
    let file = [file.as_slice(), &vec![0; LONG]].concat();
    let (one, two) = both(&file, None);
    assert!(two.is_none_or(|two| two == one));
}

#[test]
fn short_files_other_scales_and_little_memory_have_one_thread() {
    let small = Sample { width: 420, height: 380, ..Sample::default() }.encode();
    assert!(both(&small, None).1.is_none());
    let large = Sample { width: 2500, height: 2100, ..Sample::default() }.encode();
    let second_core = || panic!("a second thread is not of use");
    let options = DecodeOptions::default().second_core(&second_core);
    assert!(decode_planes(&large, &options.scale(Scale::Quarter)).is_ok());
    let Err(DecodeError::TooLarge { needed, .. }) = decode_planes(&large, &options.scale(Scale::Eighth).max_bytes(0))
    else {
        panic!("no memory is enough");
    };
    assert!(decode_planes(&large, &options.scale(Scale::Eighth).max_bytes(needed)).is_ok());
}

#[test]
fn cancellation_ends_both_threads() {
    let file = Sample { width: 2500, height: 2100, ..Sample::default() }.encode();
    let held = Arc::new(AtomicUsize::new(0));
    let second_core = || {
        held.fetch_add(1, Ordering::Relaxed);
        Some(Box::new(Counted(held.clone())) as Permit)
    };
    for most in [1, 60, 80] {
        let checks = Cell::new(0);
        let check = || {
            checks.set(checks.get() + 1);
            if checks.get() > most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let options = DecodeOptions::default().scale(Scale::Eighth).second_core(&second_core).check(&check);
        assert_eq!(decode_planes(&file, &options), Err(DecodeError::Cancelled), "{most}");
        assert_eq!(held.load(Ordering::Relaxed), 0, "{most}");
    }
}
