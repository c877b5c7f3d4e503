//! The input files of a batch: named files, files of a list, and the images in folders.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

use image_origin::codec::{Format, SNIFF_LEN, sniff};

use super::Failure;

/// An input file, and the relative path of its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Input {
    /// The file; `-` is standard input.
    pub(super) path: PathBuf,
    /// The path of the result relative to the output folder, with the input's extension.
    pub(super) below: PathBuf,
}

/// The inputs that the names on the command line resolve to.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    pub(super) files: Vec<Input>,
    /// The number of files in folders that are not images.
    pub(super) others: usize,
    /// What in folders could not be read, and the folders themselves.
    pub(super) unreadable: Vec<Unreadable>,
}

/// A file or folder that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub(super) path: PathBuf,
    /// The message, which names the path.
    pub(super) reason: String,
}

/// The options for resolving names to inputs.
#[derive(Debug)]
pub(super) struct Naming<'a> {
    /// Whether results keep the folders of their originals.
    pub(super) keep_paths: bool,
    /// The output folder, which is excluded when it lies inside an input folder.
    pub(super) out_dir: Option<&'a Path>,
}

/// The format of a file by its content; `None` if it is not an image.
fn sniff_file(path: &Path) -> io::Result<Option<Format>> {
    let mut head = Vec::new();
    File::open(path)?.take(SNIFF_LEN as u64).read_to_end(&mut head)?;
    Ok(sniff(&head))
}

/// The format of a file by its content; `None` if it is not an image or cannot be read.
pub(super) fn format_of(path: &Path) -> Option<Format> {
    sniff_file(path).ok().flatten()
}

/// The maximum length of a list of paths in bytes.
const MAX_LIST: u64 = 256 << 20;

/// Reads a list of paths, one per line, or NUL-separated as `find -print0` writes them.
pub(super) fn read_list(file: &Path) -> Result<Vec<OsString>, Failure> {
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().take(MAX_LIST + 1).read_to_end(&mut bytes)
    } else {
        File::open(file).and_then(|file| file.take(MAX_LIST + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    if bytes.len() as u64 > MAX_LIST {
        return Err(Failure::usage(format!("{} is longer than 256 MiB", file.display())));
    }
    // A path cannot contain NUL, so its presence identifies the separator.
    let separator = if bytes.contains(&0) { 0 } else { b'\n' };
    let line = |line: &[u8]| line.strip_suffix(b"\r").filter(|_| separator != 0).unwrap_or(line).to_vec();
    Ok(bytes
        .split(|byte| *byte == separator)
        .map(line)
        .filter(|line| !line.is_empty())
        .map(OsString::from_vec)
        .collect())
}

impl Inputs {
    /// Resolves each name: a file to itself, a folder to the images in it, sorted by name.
    pub(super) fn collect(names: Vec<OsString>, naming: &Naming<'_>) -> Result<Self, Failure> {
        let mut inputs = Self::default();
        let out_dir = naming.out_dir.and_then(|folder| folder.canonicalize().ok());
        for name in names {
            let path = PathBuf::from(name);
            if path != Path::new("-") && path.is_dir() {
                let mut folder = Folder { out_dir: out_dir.as_deref(), entered: HashSet::new(), inputs: &mut inputs };
                let below = if naming.keep_paths { below(&path)? } else { PathBuf::new() };
                folder.walk(&path, &below);
            } else {
                let below = if naming.keep_paths { below(&path)? } else { file_name(&path) };
                inputs.files.push(Input { path, below });
            }
        }
        Ok(inputs)
    }
}

/// A folder whose images are collected.
struct Folder<'a> {
    out_dir: Option<&'a Path>,
    /// The folders that were entered, because links may form a cycle.
    entered: HashSet<PathBuf>,
    inputs: &'a mut Inputs,
}

impl Folder<'_> {
    /// Adds the images in a folder. What cannot be read does not keep the rest from being added.
    fn walk(&mut self, folder: &Path, below: &Path) {
        let names = match self.enter(folder) {
            Ok(names) => names,
            Err(error) => return self.add_unreadable(folder, "the folder ", &error),
        };
        for name in names.into_iter().filter(|name| !name.as_encoded_bytes().starts_with(b".")) {
            let (path, below) = (folder.join(&name), below.join(&name));
            match path.metadata() {
                Ok(facts) if facts.is_dir() => self.walk(&path, &below),
                // One that cannot be read may be an image, and is told as a failure.
                Ok(facts) if facts.is_file() && sniff_file(&path).map_or(true, |format| format.is_some()) => {
                    self.inputs.files.push(Input { path, below });
                }
                // Links to nothing are not there.
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    self.add_unreadable(&path, "", &error);
                }
                Ok(_) | Err(_) => self.inputs.others += 1,
            }
        }
    }

    /// The sorted names in a folder; none if it is the output folder, or was entered before.
    fn enter(&mut self, folder: &Path) -> io::Result<Vec<OsString>> {
        let real = folder.canonicalize()?;
        if self.out_dir == Some(real.as_path()) || !self.entered.insert(real) {
            return Ok(Vec::new());
        }
        let mut names =
            std::fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    fn add_unreadable(&mut self, path: &Path, what: &str, error: &io::Error) {
        let reason = format!("cannot read {what}{}: {error}", path.display());
        self.inputs.unreadable.push(Unreadable { path: path.to_owned(), reason });
    }
}

fn file_name(path: &Path) -> PathBuf {
    if path == Path::new("-") { "stdin".into() } else { path.file_name().unwrap_or(path.as_os_str()).into() }
}

/// The path without components that lead out of the output folder.
fn below(path: &Path) -> Result<PathBuf, Failure> {
    if path == Path::new("-") {
        return Ok("stdin".into());
    }
    let mut below = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => below.push(name),
            Component::ParentDir => {
                return Err(Failure::usage(format!(
                    "{} contains `..`, which --keep-paths does not support",
                    path.display()
                )));
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    Ok(below)
}
