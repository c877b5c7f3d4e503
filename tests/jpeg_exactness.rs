//! The decoder beside `djpeg` (libjpeg-turbo) on real photos. Skips with a printed line where one of them is absent.

use std::path::{Path, PathBuf};
use std::process::Command;

use image_origin::codec::jpeg::{Image, Options, Scale, Upsampling, decode};

/// A folder of photos beside the repository.
fn corpus(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus").join(folder);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: no folder {}", folder.display());
        return Vec::new();
    };
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "jpg"));
    files.sort();
    files
}

/// What `djpeg` makes of a file: width, height and samples. `None` if it is absent or refuses the file.
fn djpeg(file: &Path, arguments: &[&str]) -> Option<(usize, usize, Vec<u8>)> {
    let output = Command::new("djpeg").args(["-dct", "int"]).args(arguments).arg(file).output();
    let Ok(output) = output.inspect_err(|error| println!("skipped: djpeg: {error}")) else { return None };
    let mut at = 0;
    let mut fields = Vec::new();
    while fields.len() < 4 {
        let end = at + output.stdout.get(at..)?.iter().position(u8::is_ascii_whitespace)?;
        fields.push(std::str::from_utf8(&output.stdout[at..end]).ok()?.to_owned());
        at = end + 1;
    }
    Some((fields[1].parse().ok()?, fields[2].parse().ok()?, output.stdout[at..].to_vec()))
}

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
    for file in ["photos", "orientation", "exif", "formats"].into_iter().flat_map(corpus) {
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
fn half_scale_is_within_two_levels() {
    compare(Scale::Half, Upsampling::Smooth, 2, 0.001);
}

#[test]
fn quarter_scale_is_within_two_levels() {
    compare(Scale::Quarter, Upsampling::Smooth, 2, 0.001);
}

#[test]
fn eighth_scale_is_within_two_levels() {
    compare(Scale::Eighth, Upsampling::Smooth, 2, 0.0);
}
