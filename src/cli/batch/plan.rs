//! The output path of each result, decided before the first is written: no two results share a path, and existing files
//! are not overwritten unless requested.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use image_origin::codec::{Format, encoder};
use image_origin::query::FormatChoice;

use super::Failure;
use super::inputs::{Input, format_of};

/// What to do if the file of a result already exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    /// Report an error and keep the file.
    Refuse,
    /// Keep the file, without an error.
    Skip,
    /// Replace the file.
    Replace,
}

/// One image to transform, and its output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) input: PathBuf,
    pub(super) output: Output,
}

/// The output file of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Output {
    /// This file; `-` is standard output.
    File(PathBuf),
    /// A path without extension; that of the format is appended once the format is known.
    Stem(PathBuf),
}

impl Output {
    /// The file for a result of this format.
    pub(super) fn path(&self, format: Format) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Stem(stem) => with_ending(stem, format),
        }
    }
}

/// The maximum number of conflicts that a message lists.
const LISTED: usize = 5;

/// Plans the outputs of all inputs in an output folder.
pub(super) fn into_folder(
    inputs: &[Input],
    folder: &Path,
    choice: Option<FormatChoice>,
    existing: Existing,
) -> Result<Vec<Job>, Failure> {
    let mut jobs = Vec::with_capacity(inputs.len());
    let mut by_stem = ByStem::new();
    for Input { path, below } in inputs {
        let stem = folder.join(below.with_file_name(below.file_stem().unwrap_or(OsStr::new("image"))));
        let format = expected_format(path, choice);
        let (_, results) = by_stem.entry(real(&stem)).or_insert_with(|| (stem.clone(), Vec::new()));
        results.push((path, format));
        let output = match format {
            Some(format) => Output::File(with_ending(&stem, format)),
            None => Output::Stem(stem),
        };
        jobs.push(Job { input: path.clone(), output });
    }
    refuse_shared_names(&by_stem)?;
    if existing == Existing::Refuse {
        refuse_existing(&jobs)?;
    }
    Ok(jobs)
}

/// The canonical path of a file, whose folder may be reached through links or may not exist yet.
fn real(path: &Path) -> PathBuf {
    let Some((folder, name)) = path.parent().zip(path.file_name()) else { return path.to_owned() };
    let folder = if folder == Path::new("") { Path::new(".") } else { folder };
    folder
        .canonicalize()
        .unwrap_or_else(|_| if folder == Path::new(".") { folder.to_owned() } else { real(folder) })
        .join(name)
}

/// The format of a result, if it is known before the picture is decoded.
fn expected_format(input: &Path, choice: Option<FormatChoice>) -> Option<Format> {
    match choice {
        Some(FormatChoice::Auto) => None,
        Some(FormatChoice::Jpeg) => Some(Format::Jpeg),
        Some(FormatChoice::Png) => Some(Format::Png),
        Some(FormatChoice::Avif) => Some(Format::Avif),
        Some(FormatChoice::WebP) => Some(Format::WebP),
        Some(FormatChoice::Gif) => Some(Format::Gif),
        Some(FormatChoice::Svg) => Some(Format::Svg),
        None if input == Path::new("-") => None,
        None => format_of(input).filter(|format| encoder(*format).is_some()),
    }
}

fn with_ending(stem: &Path, format: Format) -> PathBuf {
    let mut name = stem.as_os_str().to_owned();
    name.push(".");
    name.push(format.extension());
    name.into()
}

/// By canonical path without extension: the path as first given, and the images that would be written to it.
type ByStem<'a> = BTreeMap<PathBuf, (PathBuf, Vec<(&'a Path, Option<Format>)>)>;

fn refuse_shared_names(by_stem: &ByStem<'_>) -> Result<(), Failure> {
    let mut conflicts = Vec::new();
    for (stem, results) in by_stem.values() {
        for (index, (input, format)) in results.iter().enumerate() {
            // An unknown format may turn out to be any format.
            let same = |other: &&(&Path, Option<Format>)| format.is_none() || other.1.is_none() || other.1 == *format;
            if let Some((earlier, other)) = results[..index].iter().find(same) {
                let name = format.or(*other).map_or_else(|| stem.clone(), |format| with_ending(stem, format));
                let (earlier, input, name) = (earlier.display(), input.display(), name.display());
                conflicts.push(format!("{earlier} and {input} would both become {name}"));
            }
        }
    }
    let what =
        "several images would be written to the same file, so nothing was written; --keep-paths keeps their folders";
    listed(what, &conflicts)
}

fn refuse_existing(jobs: &[Job]) -> Result<(), Failure> {
    let mut conflicts = Vec::new();
    for Job { input, output } in jobs {
        let Output::File(path) = output else { continue };
        if path.symlink_metadata().is_ok() {
            conflicts.push(explain_existing(input, path));
        }
    }
    let what = "some results already exist, so nothing was written; --force replaces them, --skip-existing skips them";
    listed(what, &conflicts)
}

/// The message that a file already exists, and whether it is the original.
pub(super) fn explain_existing(input: &Path, output: &Path) -> String {
    if is_same_file(input, output) {
        return format!("{} would overwrite its own original", output.display());
    }
    format!("{} exists", output.display())
}

/// Whether both paths refer to the same file, through any links.
fn is_same_file(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let identity = |path: &Path| path.metadata().map(|metadata| (metadata.dev(), metadata.ino()));
    matches!((identity(one), identity(other)), (Ok(one), Ok(other)) if one == other)
}

fn listed(what: &str, conflicts: &[String]) -> Result<(), Failure> {
    if conflicts.is_empty() {
        return Ok(());
    }
    let mut message = what.to_owned();
    for conflict in conflicts.iter().take(LISTED) {
        message += &format!("\n  {conflict}");
    }
    if conflicts.len() > LISTED {
        message += &format!("\n  and {} more", conflicts.len() - LISTED);
    }
    Err(Failure::usage(message))
}

/// The format that a file extension names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// A format that can be written.
    Format(Format),
    /// An image format that cannot be written.
    Unwritten,
    /// No image format.
    Other,
}

impl Ending {
    pub(super) fn of(path: &Path) -> Self {
        let ending = path.extension().and_then(OsStr::to_str).unwrap_or_default().to_ascii_lowercase();
        match ending.as_str() {
            "jpg" | "jpeg" | "jpe" | "jfif" | "jif" | "pjpeg" | "pjp" => Self::Format(Format::Jpeg),
            "png" => Self::Format(Format::Png),
            "webp" => Self::Format(Format::WebP),
            "avif" => Self::Format(Format::Avif),
            "gif" => Self::Format(Format::Gif),
            "svg" => Self::Format(Format::Svg),
            "svgz" | "apng" | "bmp" | "heic" | "heif" | "ico" | "jp2" | "jxl" | "pam" | "pbm" | "pdf" | "pgm"
            | "ppm" | "qoi" | "tif" | "tiff" => Self::Unwritten,
            _ => Self::Other,
        }
    }
}

/// The value of `format` for a format that can be written.
pub(super) fn choice(format: Format) -> Option<FormatChoice> {
    FormatChoice::from_name(format.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(names: &[&str]) -> Vec<Input> {
        names
            .iter()
            .map(|name| Input { path: name.into(), below: Path::new(name).file_name().unwrap().into() })
            .collect()
    }

    #[test]
    fn results_that_would_share_a_name_are_refused() {
        use FormatChoice::{Auto, WebP};
        let table: [(&[&str], Option<FormatChoice>, Option<&str>); 7] = [
            (&["a/x.jpg", "a/y.jpg"], Some(WebP), None),
            (&["a/x.jpg", "b/x.jpg"], Some(WebP), Some("a/x.jpg and b/x.jpg would both become out/x.webp")),
            (&["x.jpg", "x.png"], Some(WebP), Some("x.jpg and x.png would both become out/x.webp")),
            (&["x.jpg", "x.jpg"], Some(WebP), Some("x.jpg and x.jpg would both become")),
            (&["x.jpg", "x.png"], Some(Auto), Some("x.jpg and x.png would both become out/x")),
            (&["x.jpg", "y.png"], None, None),
            (&["-", "stdin.jpg"], None, None),
        ];
        for (names, choice, expected) in table {
            let outcome = into_folder(&inputs(names), Path::new("out"), choice, Existing::Refuse);
            match (outcome, expected) {
                (Ok(jobs), None) => assert_eq!(jobs.len(), names.len()),
                (Err(failure), Some(expected)) => assert!(failure.message.contains(expected), "{}", failure.message),
                (outcome, _) => panic!("{names:?}: {outcome:?}"),
            }
        }
    }

    #[test]
    fn endings_tell_formats() {
        let table = [
            ("a.JPG", Ending::Format(Format::Jpeg)),
            ("a.b.webp", Ending::Format(Format::WebP)),
            ("a.tiff", Ending::Unwritten),
            ("a.bin", Ending::Other),
            ("-", Ending::Other),
            (".png", Ending::Other),
        ];
        for (name, expected) in table {
            assert_eq!(Ending::of(Path::new(name)), expected, "{name}");
        }
    }
}
