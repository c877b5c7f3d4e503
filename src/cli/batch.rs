//! `transform`: one file or many. A bad file does not stop the others; the exit code tells.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use image_origin::codec::Work;
use image_origin::config::Layer;
use image_origin::query::{self, Answer, Transform};
use image_origin::transform::{self as pixels, Accepted, Limits, Rendered};
use indicatif::{ProgressBar, ProgressStyle};

use super::{Failure, read, resolve};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The images, and after them the query such as 'w=300&format=webp'; - is standard input
    #[arg(required = true, num_args = 2.., value_names = ["IN", "QUERY"])]
    plain: Vec<String>,
    /// Where to write the result of a single image; - is standard output
    #[arg(short, long, value_name = "OUT", conflicts_with = "out_dir")]
    output: Option<PathBuf>,
    /// Folder for the results, which keep their names and get the ending of their format
    #[arg(long, value_name = "DIR")]
    out_dir: Option<PathBuf>,
    #[command(flatten)]
    settings: Layer,
}

pub(super) fn transform(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { mut plain, output, out_dir, settings } = arguments;
    let settings = resolve(settings)?;
    let query = plain.pop().unwrap_or_default();
    let transform = query::parse(query.trim_start_matches('?'), &settings.presets)
        .map_err(|error| format!("{error}\nimage-origin grammar lists all parameters"))?;
    if transform.answer != Answer::Picture {
        return Err("transform makes pictures; use `image-origin info` or `image-origin exif` for facts".to_owned());
    }
    let job = Job { transform, limits: settings.limits, most: settings.max_source_bytes };
    match (output, out_dir) {
        (Some(output), _) => match plain.as_slice() {
            [input] => job.run(Path::new(input)).and_then(|rendered| write(&output, &rendered.bytes)),
            _ => Err("-o takes a single image; use --out-dir for several".to_owned()),
        },
        (None, Some(folder)) => job.run_all(&plain, &folder),
        (None, None) => Err("name the output with -o or --out-dir".to_owned()),
    }
}

struct Job {
    transform: Transform,
    limits: Limits,
    most: u64,
}

impl Job {
    fn run(&self, input: &Path) -> Result<Rendered, Failure> {
        let bytes = read(input, self.most)?;
        pixels::render(&bytes, &self.transform, Accepted::default(), self.limits, &Work::unbounded())
            .map_err(|error| format!("{}: {error}", input.display()))
    }

    fn run_all(&self, inputs: &[String], folder: &Path) -> Result<(), Failure> {
        std::fs::create_dir_all(folder).map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
        let bar = ProgressBar::new(inputs.len() as u64);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {wide_msg}") {
            bar.set_style(style);
        }
        let (mut bytes, mut failures) = (0, 0);
        for input in inputs {
            bar.set_message(input.clone());
            match self.run_into(Path::new(input), folder) {
                Ok(length) => bytes += length,
                Err(failure) => {
                    failures += 1;
                    bar.suspend(|| eprintln!("image-origin: {failure}"));
                }
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        let done = inputs.len() - failures;
        eprintln!("{done} of {} images written to {}, {bytes} bytes", inputs.len(), folder.display());
        if failures == 0 { Ok(()) } else { Err(format!("{failures} of {} images failed", inputs.len())) }
    }

    fn run_into(&self, input: &Path, folder: &Path) -> Result<usize, Failure> {
        let rendered = self.run(input)?;
        let stem = input.file_stem().filter(|stem| *stem != "-").unwrap_or("stdin".as_ref());
        let mut name = stem.to_owned();
        name.push(".");
        name.push(rendered.format.extension());
        let output = folder.join(name);
        if same_file(input, &output) {
            return Err(format!("{} would overwrite its own original; choose another --out-dir", input.display()));
        }
        write(&output, &rendered.bytes)?;
        Ok(rendered.bytes.len())
    }
}

fn same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn write(output: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let written =
        if output == Path::new("-") { std::io::stdout().write_all(bytes) } else { std::fs::write(output, bytes) };
    written.map_err(|error| format!("{} cannot be written: {error}", output.display()))
}
