//! `compare`: the visual similarity of two images.
//!
//! Both are rotated upright, converted to sRGB and flattened on white by the pipeline of requests, and the resulting
//! pixels are scored. The score is SSIMULACRA2 (github.com/cloudinary/ssimulacra2): 100 means identical, and there is
//! no minimum.

use std::path::{Path, PathBuf};

use clap::Args;
use fast_ssim2::{PixelDescriptor, PixelSlice, compute_ssimulacra2};
use image_origin::codec::{self, Area, DecodeOptions, Format};
use image_origin::query::Transform;
use image_origin::transform::Render;
use serde::Serialize;

use super::settings::{Given, Inspecting};
use super::{Failure, print_json, print_line, read};

#[derive(Debug, Args)]
#[command(after_help = "\
Both pictures must have one size; of animations the first frames are compared. Of SSIMULACRA2, 90 is a difference that hardly
anybody sees side by side, 70 high quality, 50 medium, 30 low.

Examples:
  image-origin transform photo.jpg 'w=800&format=png' -o right.png
  image-origin transform photo.jpg 'w=800&format=webp' -o small.webp
  image-origin compare right.png small.webp")]
pub(super) struct Arguments {
    /// The reference image; - is standard input
    #[arg(value_name = "A")]
    expected: PathBuf,
    /// The image to compare with it
    #[arg(value_name = "B")]
    picture: PathBuf,
    /// Fail with exit code 1 if the score is lower
    #[arg(long, value_name = "SCORE", value_parser = score, allow_negative_numbers = true)]
    at_least: Option<f64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Given<Inspecting>,
}

/// One of the two images.
#[derive(Debug, Serialize)]
struct Picture {
    file: String,
    format: &'static str,
    width: u32,
    height: u32,
    bytes: usize,
    /// The pixels in 8-bit RGB.
    #[serde(skip)]
    samples: Vec<u8>,
}

#[derive(Debug, Serialize)]
struct Comparison {
    a: Picture,
    b: Picture,
    ssimulacra2: f64,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let a = Picture::read(&arguments.expected, &arguments.settings)?;
    let b = Picture::read(&arguments.picture, &arguments.settings)?;
    if (a.width, a.height) != (b.width, b.height) {
        let (one, other) = (a.size(), b.size());
        let message = format!("cannot compare images of different sizes: {} is {one}, {} is {other}", a.file, b.file);
        return Err(Failure::usage(message));
    }
    refuse_too_large(&a, arguments.settings.resolve()?.origin.limits.budget.memory)?;
    let score = compute_ssimulacra2(&a.slice()?, &b.slice()?);
    let ssimulacra2 = score.map_err(|error| format!("cannot compare {} and {}: {error}", a.file, b.file))?;
    let comparison = Comparison { a, b, ssimulacra2: (ssimulacra2 * 100.0).round() / 100.0 };
    if arguments.json {
        print_json(&comparison)?;
    } else {
        print_line(&comparison.table())?;
    }
    match arguments.at_least {
        Some(least) if ssimulacra2 < least => {
            Err(format!("the score of {} is {:.2}, below {least}", comparison.b.file, ssimulacra2).into())
        }
        _ => Ok(()),
    }
}

/// Parses a score. There is no lower limit.
fn score(text: &str) -> Result<f64, String> {
    let score = text.parse().ok().filter(|score: &f64| score.is_finite() && *score <= 100.0);
    score.ok_or_else(|| "expected a number up to 100".to_owned())
}

/// Bytes that scoring takes for each pixel, as measured: planes of floating point in several sizes.
const BYTES_PER_PIXEL: u64 = 150;

fn refuse_too_large(picture: &Picture, memory: u64) -> Result<(), Failure> {
    let needs = u64::from(picture.width) * u64::from(picture.height) * BYTES_PER_PIXEL;
    if needs <= memory {
        return Ok(());
    }
    let size = picture.size();
    Err(Failure::usage(format!("comparing {size} pixels takes {needs} bytes of memory; raise --request-memory")))
}

impl Picture {
    fn read(file: &Path, given: &Given<Inspecting>) -> Result<Self, Failure> {
        let settings = given.resolve_and_load()?;
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let bytes = read(file, settings.origin.max_source_bytes)?;
        let cancellation = given.time_limit(&settings).cancellation();
        let shown: Transform = "format=png&bg=fff&page=0".parse().map_err(|error| failed(&error))?;
        let render = Render::new(&bytes)
            .transform(shown)
            .limits(settings.origin.limits)
            .cancellation(given.time_limit(&settings).cancellation());
        let shown = render.run().map_err(|error| failed(&error))?;
        let (width, height) = (shown.width, shown.height);
        let area = Area { x: 0.0, y: 0.0, width: width.into(), height: height.into() };
        let options = DecodeOptions::new(area, settings.origin.limits.budget, &cancellation);
        let decoder = codec::decoder_for(&shown.bytes).map_err(|error| failed(&error))?;
        let raster = decoder.decode(&shown.bytes, &options).map_err(|error| failed(&error))?.raster;
        // A PNG is grey or RGB; after flattening on white, alpha is opaque.
        let step = raster.channels().count();
        let colours = |pixel: &[u8]| if step < 3 { [pixel[0]; 3] } else { [pixel[0], pixel[1], pixel[2]] };
        let samples = raster.samples().as_bytes().chunks_exact(step).flat_map(colours).collect();
        let format = codec::sniff(&bytes).map_or("", Format::name);
        Ok(Self { file: file.display().to_string(), format, width, height, bytes: bytes.len(), samples })
    }

    fn size(&self) -> String {
        format!("{} × {}", self.width, self.height)
    }

    fn slice(&self) -> Result<PixelSlice<'_>, Failure> {
        let row = self.width as usize * 3;
        let slice = PixelSlice::new(&self.samples, self.width, self.height, row, PixelDescriptor::RGB8_SRGB);
        Ok(slice.map_err(|error| format!("{}: {error}", self.file))?)
    }
}

impl Comparison {
    fn table(&self) -> String {
        let Self { a, b, ssimulacra2 } = self;
        let share = b.bytes as f64 * 100.0 / a.bytes.max(1) as f64;
        let width = a.file.chars().count().max(12);
        let row = |name: &str, one: &str, other: &str| format!("{name:<12} {one:<width$}  {other}\n");
        row("", &a.file, &b.file)
            + &row("format", a.format, b.format)
            + &row("size", &a.size(), &b.size())
            + &row("bytes", &a.bytes.to_string(), &format!("{} ({share:.0} %)", b.bytes))
            + &format!("{:<12} {ssimulacra2:.2}: {}", "SSIMULACRA2", meaning(*ssimulacra2))
    }
}

/// The meaning of a score, by the ranges of SSIMULACRA2's authors.
fn meaning(score: f64) -> &'static str {
    match score {
        100.0.. => "identical",
        90.0.. => "no visible difference side by side",
        70.0.. => "high quality",
        50.0.. => "medium quality",
        30.0.. => "low quality",
        _ => "clearly worse, or a different image",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_have_a_meaning() {
        let table = [
            (100.0, "identical"),
            (90.0, "no visible"),
            (89.99, "high"),
            (50.0, "medium"),
            (30.0, "low"),
            (-50.0, "clearly"),
        ];
        for (score, expected) in table {
            assert!(meaning(score).contains(expected), "{score}");
        }
    }
}
