//! The decoder beside `djpeg` (libjpeg-turbo) on real photos. Skips with a printed line where one of them is absent.

use image_origin::codec::jpeg::{Image, Options, Scale, Upsampling, decode};

use super::peers::{PEER_FOLDERS, corpus, djpeg};

/// The share of samples that differ by more than `tolerance`, and the largest difference.
fn difference(image: &Image, (width, height, samples): &(usize, usize, Vec<u8>), tolerance: u8) -> (f64, u8) {
    assert_eq!((image.width, image.height, image.pixels.len()), (*width, *height, samples.len()));
    let differences = image.pixels.iter().zip(samples).map(|(&a, &b)| a.abs_diff(b));
    let beyond = differences.clone().filter(|&difference| difference > tolerance).count();
    (beyond as f64 / samples.len() as f64, differences.max().unwrap_or(0))
}

/// Compares all photos that both decoders make three or one channels of.
fn compare(scale: Scale, upsampling: Upsampling, tolerance: u8, share: f64) {
    let scale_argument = format!("{}/8", scale.eighths());
    let mut arguments = vec!["-scale", &scale_argument];
    if upsampling == Upsampling::Nearest {
        arguments.push("-nosmooth");
    }
    for file in PEER_FOLDERS.into_iter().flat_map(corpus) {
        let options = Options { scale, upsampling, ..Options::default() };
        let Ok(image) = decode(&std::fs::read(&file).unwrap(), &options) else { continue };
        if image.format.channels() == 4 {
            continue;
        }
        let Some(expected) = djpeg(&file, &arguments) else { continue };
        let (beyond, largest) = difference(&image, &expected, tolerance);
        println!("{scale:?} {upsampling:?} {}: {beyond:.6} beyond, largest {largest}", file.display());
        assert!(beyond <= share, "{}: {beyond} of the samples differ by more than {tolerance}", file.display());
    }
}

#[test]
fn full_scale_is_within_one_level() {
    compare(Scale::Full, Upsampling::Nearest, 1, 0.001);
}

#[test]
fn smooth_upsampling_is_within_one_level() {
    compare(Scale::Full, Upsampling::Smooth, 1, 0.001);
}

#[test]
fn eighth_scale_is_within_two_levels() {
    compare(Scale::Eighth, Upsampling::Smooth, 2, 0.0);
}
