//! The command `transform`, for one file or many. A failed file does not stop the others; the exit code reports it.

mod inputs;
mod overlays;
mod plan;
mod progress;
mod summary;
mod watch;
mod write;

use std::borrow::Cow;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

use clap::Args;
use image_origin::query::{Answer, FormatChoice, Transform};
use image_origin::transform::{Accepted, Limits, Render, Rendered};
use serde::Serialize;

use super::failure::without_numbers;
use super::query::{looks_like_query, parse_strictly};
use super::settings::{Given, TimeLimit, Transforming};
use super::{Failure, print_line, read};
use inputs::{Inputs, Naming, Unreadable, read_list};
use overlays::Overlays;
use plan::{Ending, Existing, Job, Output, explain_existing, into_folder};
use progress::Progress;
use summary::Summary;
use watch::Watcher;
use write::Written;

/// The text at the end of `transform --help`.
pub(super) const HELP: &str = "\
The query is the last positional argument unless --query is given. Unknown parameters, invalid values and two results with
the same path are errors before anything is written. Results are written atomically.

Exit codes: 0 if all results exist, 1 if all images failed, 2 for invalid arguments, in which case nothing was written, 3 if
some images failed, 130 after Ctrl-C.

Examples:
  image-origin transform photo.jpg 'w=300' -o small.webp
  image-origin transform photos 'w=1200&format=webp' --out-dir small
  image-origin transform photos 'w=1200&format=webp' --out-dir small --skip-existing --watch
  image-origin transform photos 'w=1200&overlay=mark.png&overlay_gravity=southeast' --overlay-dir logos --out-dir out
  find . -name '*.png' -print0 | image-origin transform --files-from - -q 'format=avif' --out-dir avif --keep-paths";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Images and folders of images, followed by the query such as 'w=300&format=webp'; - is standard input
    #[arg(value_names = ["IN", "QUERY"])]
    plain: Vec<OsString>,
    /// The query; all positional arguments are then images. An empty query only changes the format
    #[arg(short, long, value_name = "QUERY")]
    query: Option<String>,
    /// Output file for a single image; its extension selects the format unless the query does. - is standard output
    #[arg(short, long, value_name = "OUT", conflicts_with_all = ["out_dir", "files_from", "keep_paths", "skip_existing"])]
    output: Option<PathBuf>,
    /// Output folder. Results keep the file name, and the path below a folder of images, with the extension of their format
    #[arg(long, value_name = "DIR", required_unless_present = "output")]
    out_dir: Option<PathBuf>,
    /// File with the paths of more images, one per line or NUL-separated; - is standard input
    #[arg(long, value_name = "FILE")]
    files_from: Option<PathBuf>,
    /// Folder that the names of overlays begin in [default: that of each image]
    #[arg(long, value_name = "DIR")]
    overlay_dir: Option<PathBuf>,
    /// Keep the whole paths of the images below --out-dir
    #[arg(long)]
    keep_paths: bool,
    /// Overwrite existing files, including originals
    #[arg(long, conflicts_with = "skip_existing")]
    force: bool,
    /// Skip images whose result already exists
    #[arg(long)]
    skip_existing: bool,
    /// Keep running until Ctrl-C, and transform originals again when they change or are added
    #[arg(long, requires = "out_dir", conflicts_with = "files_from")]
    watch: bool,
    /// Print one line of JSON per image to standard output
    #[arg(long)]
    json: bool,
    /// The Accept header from which format=auto chooses, such as image/avif,image/webp [default: JPEG, PNG and GIF only]
    #[arg(long, value_name = "TYPES")]
    accept: Option<String>,
    #[command(flatten)]
    settings: Given<Transforming>,
}

pub(super) fn transform(arguments: Arguments) -> Result<(), Failure> {
    let settings = arguments.settings.resolve_and_load()?;
    let time = arguments.settings.time_limit(&settings);
    let settings = settings.origin;
    let (names, query) = names_and_query(&arguments)?;
    let mut transform = parse_strictly(&query, &settings.presets).map_err(Failure::usage)?;
    if transform.answer != Answer::Picture {
        let facts = "transform writes pictures; use `image-origin info` or `image-origin exif` for metadata";
        return Err(Failure::usage(facts));
    }
    let existing = match (arguments.force, arguments.skip_existing) {
        (true, _) => Existing::Replace,
        (_, true) => Existing::Skip,
        _ => Existing::Refuse,
    };
    let naming = Naming { keep_paths: arguments.keep_paths, out_dir: arguments.out_dir.as_deref() };
    let inputs = Inputs::collect(names.clone(), &naming)?;
    let watcher = Watcher::new(&inputs);
    let jobs = match (&arguments.output, &arguments.out_dir) {
        (Some(output), _) => vec![single(&inputs, output, existing, &mut transform, arguments.json)?],
        (None, Some(folder)) => into_folder(&inputs.files, folder, transform.output.format, existing)?,
        (None, None) => return Err(Failure::usage("no output given: use -o or --out-dir")),
    };
    if jobs.is_empty() && inputs.unreadable.is_empty() && !arguments.watch {
        return Err(Failure::usage("no images found"));
    }
    let accepted = Accepted::from_header(arguments.accept.as_deref().unwrap_or_default(), &settings.auto_formats);
    let batch = Batch {
        transform,
        accepted,
        avif_speed: settings.avif_speed,
        keep_marks: settings.keep_ai_marks,
        limits: settings.limits,
        overlays: Overlays::new(arguments.overlay_dir.clone(), settings.overlay_cache),
        max_source_bytes: settings.max_source_bytes,
        time,
        existing,
        json: arguments.json,
    };
    let stop = stop_at_ctrl_c();
    batch.tell_unreadable(&inputs.unreadable)?;
    let summary = batch.run(&jobs, settings.workers, &stop)?;
    let Some(folder) = arguments.out_dir.as_deref() else { return summary.of_one() };
    let outcome = summary.report(folder, &inputs);
    if !arguments.watch {
        return outcome;
    }
    outcome.unwrap_or_else(Failure::print);
    let batch = Batch { existing: Existing::Replace, ..batch };
    watcher.watch(
        &stop,
        || Inputs::collect(names.clone(), &naming),
        |all, changed| {
            // Names that two results would share are found among all of them.
            let mut jobs = into_folder(all, folder, batch.transform.output.format, Existing::Replace)?;
            jobs.retain(|job| changed.contains(&job.input));
            batch.run(&jobs, settings.workers, &stop)?.report(folder, &Inputs::default())
        },
    );
    Ok(())
}

/// Separates the images from the query, and appends those of `--files-from`.
fn names_and_query(arguments: &Arguments) -> Result<(Vec<OsString>, String), Failure> {
    let mut names = arguments.plain.clone();
    let query = match &arguments.query {
        Some(query) => query.clone(),
        None => {
            let last = names.pop().unwrap_or_default().to_string_lossy().into_owned();
            if !looks_like_query(&last) {
                let last = if last.is_empty() { last } else { format!(", not {last}") };
                let how = "expected a query such as 'w=300' after the images, or with --query";
                return Err(Failure::usage(format!("{how}{last}")));
            }
            last
        }
    };
    if let Some(list) = &arguments.files_from {
        if list == Path::new("-") && names.iter().any(|name| name == "-") {
            return Err(Failure::usage("standard input cannot be both an image and the list of images"));
        }
        names.extend(read_list(list)?);
    }
    if names.is_empty() {
        return Err(Failure::usage("no images given"));
    }
    Ok((names, query))
}

/// The job for `-o`; the file extension selects the format unless the query does.
fn single(
    inputs: &Inputs,
    output: &Path,
    existing: Existing,
    transform: &mut Transform,
    json: bool,
) -> Result<Job, Failure> {
    if let [Unreadable { reason, .. }, ..] = inputs.unreadable.as_slice() {
        return Err(reason.clone().into());
    }
    let [input] = inputs.files.as_slice() else {
        return Err(Failure::usage("-o takes a single image; use --out-dir for several"));
    };
    if json && output == Path::new("-") {
        return Err(Failure::usage("standard output cannot receive both the picture and --json"));
    }
    let choice = &mut transform.output.format;
    match (Ending::of(output), *choice) {
        (Ending::Format(format), None) => *choice = plan::choice(format),
        (Ending::Unwritten, None) => {
            let known = FormatChoice::NAMES[1..].join(", ");
            return Err(Failure::usage(format!("{}: unsupported output format; expected {known}", output.display())));
        }
        _ => {}
    }
    let is_file = output.symlink_metadata().is_ok() && output.metadata().is_ok_and(|metadata| metadata.is_file());
    if existing == Existing::Refuse && is_file {
        let why = explain_existing(&input.path, output);
        return Err(Failure::usage(format!("{why}; --force replaces it")));
    }
    Ok(Job { input: input.path.clone(), output: Output::File(output.to_owned()) })
}

/// The options shared by all images of a batch.
struct Batch {
    transform: Transform,
    accepted: Accepted,
    avif_speed: u8,
    keep_marks: bool,
    limits: Limits,
    overlays: Overlays,
    max_source_bytes: u64,
    time: TimeLimit,
    existing: Existing,
    json: bool,
}

/// The outcome for one image.
enum Made {
    Written {
        output: PathBuf,
        /// Bytes of the original.
        input_bytes: usize,
        rendered: Rendered,
    },
    /// The result already existed.
    Skipped { output: PathBuf },
}

impl Batch {
    /// Runs all jobs, at most `workers` at a time. The only error is that of standard output.
    fn run(&self, jobs: &[Job], workers: usize, stop: &AtomicBool) -> Result<Summary, Failure> {
        let next = AtomicUsize::new(0);
        let (sender, receiver) = mpsc::channel();
        let mut summary = Summary::of(jobs.len());
        std::thread::scope(|scope| {
            for _ in 0..workers.min(jobs.len()) {
                let (sender, next) = (sender.clone(), &next);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                        if sender.send((job, self.make(job))).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(sender);
            let mut progress = Progress::new(jobs.len());
            for (job, made) in receiver {
                let told = self.tell(job, &made, &progress);
                summary.count(&made);
                progress.count(&job.input.to_string_lossy(), made.as_ref().err().map(String::as_str));
                if told.is_err() {
                    stop.store(true, Ordering::Relaxed);
                    return told;
                }
            }
            progress.end();
            Ok(())
        })?;
        summary.interrupted = stop.load(Ordering::Relaxed);
        Ok(summary)
    }

    /// Reports what in folders could not be read. The only error is that of standard output.
    fn tell_unreadable(&self, unreadable: &[Unreadable]) -> Result<(), Failure> {
        for Unreadable { path, reason } in unreadable {
            Failure::from(reason.clone()).print();
            if self.json {
                print_json_line(&Line::new(path, &Err(reason.clone())))?;
            }
        }
        Ok(())
    }

    fn make(&self, Job { input, output }: &Job) -> Result<Made, String> {
        if let (Existing::Skip, Output::File(path)) = (self.existing, output)
            && path.symlink_metadata().is_ok()
        {
            return Ok(Made::Skipped { output: path.clone() });
        }
        let bytes = read(input, self.max_source_bytes)?;
        let overlay = self.overlays.read(&self.transform, input, self.max_source_bytes)?;
        let render = Render::new(&bytes)
            .transform(self.transform.clone())
            .overlay(overlay.as_ref().map(|overlay| overlay.file(&self.overlays)))
            .accepted(self.accepted)
            .avif_speed(self.avif_speed)
            .keep_marks(self.keep_marks)
            .limits(self.limits)
            .cancellation(self.time.cancellation());
        let rendered = render.run().map_err(|error| format!("{}: {error}", input.display()))?;
        let output = output.path(rendered.format);
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => format!("{}; --force replaces it", explain_existing(input, &output)),
            _ => format!("cannot write {}: {error}", output.display()),
        };
        if let Some(folder) = output.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            let created = if folder.is_dir() { Ok(()) } else { std::fs::create_dir_all(folder) };
            created.map_err(|error| format!("cannot create the folder {}: {error}", folder.display()))?;
        }
        match write::write(&output, &rendered.bytes, self.existing).map_err(failed)? {
            Written::Now => Ok(Made::Written { output, input_bytes: bytes.len(), rendered }),
            Written::Before => Ok(Made::Skipped { output }),
        }
    }

    /// Prints the JSON line, and warns if the file extension does not match the format.
    fn tell(&self, job: &Job, made: &Result<Made, String>, progress: &Progress) -> Result<(), Failure> {
        if let Ok(Made::Written { output, rendered, .. }) = made
            && let Ending::Format(named) = Ending::of(output)
            && named != rendered.format
        {
            let (output, format) = (output.display(), rendered.format);
            progress
                .print(&format!("image-origin: warning: {output} contains a {format} picture, as the query requests"));
        }
        if !self.json {
            return Ok(());
        }
        print_json_line(&Line::new(&job.input, made))
    }
}

fn print_json_line(line: &Line<'_>) -> Result<(), Failure> {
    print_line(&serde_json::to_string(line).map_err(|error| error.to_string())?)
}

/// A flag that Ctrl-C sets. Pictures in progress are then finished; a second Ctrl-C ends the program at once.
fn stop_at_ctrl_c() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = stop.clone();
    // Lives as long as the process.
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            if tokio::signal::ctrl_c().await.is_ok() {
                stopping.store(true, Ordering::Relaxed);
                eprintln!("image-origin: stopping after the pictures in progress");
                if tokio::signal::ctrl_c().await.is_ok() {
                    std::process::exit(Failure::INTERRUPTED.into());
                }
            }
        });
    });
    stop
}

/// The JSON line for one image.
#[derive(Debug, Serialize)]
struct Line<'a> {
    input: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Cow<'a, str>>,
}

impl<'a> Line<'a> {
    fn new(input: &Path, made: &'a Result<Made, String>) -> Self {
        let shown = |path: &Path| path.to_string_lossy().into_owned();
        let line = Self {
            input: shown(input),
            status: "failed",
            output: None,
            format: None,
            width: None,
            height: None,
            bytes: None,
            input_bytes: None,
            error: None,
        };
        match made {
            Ok(Made::Written { output, input_bytes, rendered }) => Self {
                status: "written",
                output: Some(shown(output)),
                format: Some(rendered.format.name()),
                width: Some(rendered.width),
                height: Some(rendered.height),
                bytes: Some(rendered.bytes.len()),
                input_bytes: Some(*input_bytes),
                ..line
            },
            Ok(Made::Skipped { output }) => Self { status: "skipped", output: Some(shown(output)), ..line },
            Err(error) => Self { error: Some(without_numbers(error)), ..line },
        }
    }
}
