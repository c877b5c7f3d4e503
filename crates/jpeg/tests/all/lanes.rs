//! Blocks are looked for at several places of the data at once if a file is long. What is found must be what a file has that
//! is read from the beginning to the end. A file counts as long with bytes behind its end, too.

use image_origin_jpeg::{DecodeOptions, Planes, Rect, Scale, Warning, decode, decode_planes};
use jpeg_encoder::{ColorType, SamplingFactor};

use super::samples::Sample;

/// The length from which on a file is long.
const LONG: usize = 64 << 10;

fn samples() -> Vec<Vec<u8>> {
    let small = Sample { width: 420, height: 380, ..Sample::default() };
    let samples = [
        small,
        Sample { width: 500, ..small },
        Sample { sampling: SamplingFactor::R_4_2_2, ..small },
        Sample { sampling: SamplingFactor::R_4_4_4, ..small },
        Sample { width: 700, colour: ColorType::Luma, ..small },
        Sample { width: 530, restart_interval: 500, ..small },
    ];
    samples.iter().map(Sample::encode).collect()
}

/// The planes at 1/8, or the pixels where there are no planes, and the warnings.
fn decoded(file: &[u8], region: Option<Rect>) -> Option<(Vec<Vec<u8>>, Vec<Warning>)> {
    let options = DecodeOptions::default().scale(Scale::Eighth).region(region);
    match decode_planes(file, &options).ok()? {
        Some(Planes { planes, warnings, .. }) => {
            Some((planes.into_iter().map(|plane| plane.samples).collect(), warnings))
        }
        None => decode(file, &options).ok().map(|image| (vec![image.pixels], image.warnings)),
    }
}

/// Whether a file gives the same with bytes behind its end.
fn is_same_when_long(file: &[u8], region: Option<Rect>) -> bool {
    let long = [file, &[0; LONG]].concat();
    decoded(&long, region) == decoded(file, region)
}

#[test]
fn whole_files_give_the_same() {
    let region = Rect { x: 100, y: 90, width: 70, height: 150 };
    for (number, file) in samples().iter().enumerate() {
        assert!((16 << 10..LONG).contains(&file.len()), "{number}: {}", file.len());
        assert!(decoded(file, None).is_some_and(|(_, warnings)| warnings.is_empty()), "{number}");
        assert!(is_same_when_long(file, None), "{number}");
        assert!(is_same_when_long(file, Some(region)), "a region of {number}");
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
        for _ in 0..60 {
            let mut damaged = file.clone();
            for _ in 0..1 + random(4) {
                // The end marker stays, so that the data end where they did.
                let at = scan + random(file.len() - 4 - scan);
                match random(4) {
                    0 => damaged[at] = random(256) as u8,
                    1 => damaged[at] ^= 1 << random(8),
                    2 => damaged[at..].iter_mut().take(random(3000)).for_each(|byte| *byte &= 0x7F),
                    _ => damaged[at..].rotate_left(1),
                }
                let end = damaged.len() - 2;
                damaged[end..].copy_from_slice(&[0xFF, 0xD9]);
            }
            assert!(is_same_when_long(&damaged, None), "{number}");
        }
    }
}
