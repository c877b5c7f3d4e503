//! Lists the pictures of a folder for the playground.
//!
//! The listing of a folder of any size is bounded by names, entries, depth and time. The folder is read on a blocking
//! thread, by one request at a time, and the result is cached for a few seconds.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

/// The maximum number of listed pictures.
const MAX_PICTURES: usize = 3000;
/// The maximum number of directory entries that are read.
const MAX_ENTRIES: usize = 50_000;
/// The maximum depth of nested folders.
const MAX_DEPTH: usize = 8;
/// The maximum time for reading the folder.
const MAX_TIME: Duration = Duration::from_secs(2);
/// The maximum time that a page waits for the list, since a file system may hang.
const MAX_WAIT: Duration = Duration::from_secs(4);
/// How long a list is cached.
const KEPT: Duration = Duration::from_secs(5);

/// The extensions of readable picture formats.
const EXTENSIONS: [&str; 24] = [
    "apng", "avif", "bmp", "gif", "heic", "heif", "ico", "jfif", "jpe", "jpeg", "jpg", "jxl", "pam", "pbm", "pgm",
    "png", "pnm", "ppm", "qoi", "svg", "svgz", "tif", "tiff", "webp",
];

/// The result of listing a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Listing {
    /// The keys of the pictures, sorted by name, those of a folder before those of its subfolders.
    pub(super) pictures: Vec<String>,
    /// Why the list may be incomplete.
    pub(super) end: End,
}

/// Whether a list is complete.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum End {
    /// The list is complete.
    #[default]
    Complete,
    /// A limit was reached.
    Cut,
    /// The source is not a folder.
    NoFolder,
    /// The folder could not be read, or not in time.
    Unreadable,
}

impl Listing {
    /// The note for users about the list.
    pub(super) fn note(&self) -> Option<&'static str> {
        match self.end {
            End::Complete if self.pictures.is_empty() => Some("There are no pictures in this folder yet."),
            End::Complete => None,
            End::Cut => Some("There are more pictures than are listed here: type the path of another one."),
            End::NoFolder => Some("The pictures of a bucket are not listed: type the path of one."),
            End::Unreadable => Some("The folder cannot be listed: type the path of a picture."),
        }
    }

    fn ended(end: End) -> Arc<Self> {
        Arc::new(Self { pictures: Vec::new(), end })
    }
}

/// The pictures of a folder.
pub(super) struct Pictures {
    folder: Option<PathBuf>,
    /// Held by the thread that reads the folder.
    turn: Arc<Semaphore>,
    last: Mutex<Option<(Instant, Arc<Listing>)>>,
}

impl Pictures {
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, turn: Arc::new(Semaphore::new(1)), last: Mutex::new(None) }
    }

    /// The current list, or one that is a few seconds old.
    pub(super) async fn list(&self) -> Arc<Listing> {
        let Some(folder) = self.folder.clone() else { return Listing::ended(End::NoFolder) };
        if let Some(listing) = self.recent() {
            return listing;
        }
        let turn = tokio::time::timeout(MAX_WAIT, self.turn.clone().acquire_owned()).await;
        let Ok(Ok(permit)) = turn else { return Listing::ended(End::Unreadable) };
        // Another request may have read the folder in the meantime.
        if let Some(listing) = self.recent() {
            return listing;
        }
        let reading = tokio::task::spawn_blocking(move || {
            let listing = read(&folder, Bounds::default());
            drop(permit);
            listing
        });
        let Ok(Ok(listing)) = tokio::time::timeout(MAX_WAIT, reading).await else {
            return Listing::ended(End::Unreadable);
        };
        let listing = Arc::new(listing);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), listing.clone()));
        listing
    }

    fn recent(&self) -> Option<Arc<Listing>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|(read, _)| read.elapsed() < KEPT).map(|(_, listing)| listing.clone())
    }
}

/// The bounds for reading a folder.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    pictures: usize,
    entries: usize,
    time: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { pictures: MAX_PICTURES, entries: MAX_ENTRIES, time: MAX_TIME }
    }
}

/// Reads a folder and its subfolders in breadth-first order. Links to folders are not followed; names that begin with a
/// dot or are not UTF-8 are skipped.
fn read(root: &Path, bounds: Bounds) -> Listing {
    let started = Instant::now();
    let mut folders = VecDeque::from([(root.to_owned(), String::new(), 0)]);
    let (mut pictures, mut entries) = (Vec::new(), 0);
    while let Some((path, prefix, depth)) = folders.pop_front() {
        let Ok(found) = std::fs::read_dir(&path) else {
            if depth == 0 {
                return Listing { pictures, end: End::Unreadable };
            }
            continue;
        };
        let mut here: Vec<(String, bool)> = Vec::new();
        for entry in found.flatten() {
            entries += 1;
            if entries > bounds.entries || started.elapsed() > bounds.time {
                break;
            }
            let (Ok(name), Ok(kind)) = (entry.file_name().into_string(), entry.file_type()) else { continue };
            if !name.starts_with('.') && (kind.is_dir() || is_picture(&name)) {
                here.push((name, kind.is_dir()));
            }
        }
        here.sort_unstable();
        for (name, is_folder) in here {
            if is_folder && depth < MAX_DEPTH {
                folders.push_back((path.join(&name), format!("{prefix}{name}/"), depth + 1));
            } else if !is_folder {
                pictures.push(format!("{prefix}{name}"));
            }
        }
        if pictures.len() > bounds.pictures || entries > bounds.entries || started.elapsed() > bounds.time {
            pictures.truncate(bounds.pictures);
            return Listing { pictures, end: End::Cut };
        }
    }
    Listing { pictures, end: End::Complete }
}

fn is_picture(name: &str) -> bool {
    let Some((stem, end)) = name.rsplit_once('.') else { return false };
    !stem.is_empty() && EXTENSIONS.iter().any(|extension| end.eq_ignore_ascii_case(extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        root
    }

    #[test]
    fn pictures_are_listed_by_name_with_outer_folders_first() {
        let root = folder(&[
            "b.JPG",
            "a.png",
            "x/y/deep.webp",
            "x/c.gif",
            "notes.txt",
            ".hidden.jpg",
            ".git/a.jpg",
            ".jpg",
            "noend",
        ]);
        std::os::unix::fs::symlink("..", root.path().join("x/up")).unwrap();
        let listing = read(root.path(), Bounds::default());
        assert_eq!(listing.pictures, ["a.png", "b.JPG", "x/c.gif", "x/y/deep.webp"]);
        assert_eq!((listing.end, listing.note()), (End::Complete, None));
    }

    #[test]
    fn every_bound_ends_the_list() {
        let root = folder(&["a.jpg", "b.jpg", "c.jpg", "d.txt", "e.txt"]);
        let all = Bounds::default();
        let table = [
            (Bounds { pictures: 3, ..all }, 3, End::Complete),
            (Bounds { pictures: 2, ..all }, 2, End::Cut),
            (Bounds { entries: 5, ..all }, 3, End::Complete),
            (Bounds { entries: 0, ..all }, 0, End::Cut),
            (Bounds { time: Duration::ZERO, ..all }, 0, End::Cut),
        ];
        for (bounds, pictures, end) in table {
            let listing = read(root.path(), bounds);
            assert_eq!((listing.pictures.len(), listing.end), (pictures, end), "{bounds:?}");
            assert_eq!(listing.note().is_some(), end == End::Cut);
        }
        assert_eq!(read(&root.path().join("missing"), all).end, End::Unreadable);
        assert!(read(folder(&[]).path(), all).note().unwrap().contains("no pictures"));
    }

    #[test]
    fn a_folder_that_hangs_costs_one_thread_and_no_page() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let pictures = Pictures::new(Some(std::env::temp_dir()));
            // Simulates a thread that hangs.
            let _hanging = pictures.turn.clone().acquire_owned().await.unwrap();
            assert_eq!(pictures.list().await.end, End::Unreadable);
        });
        runtime.block_on(async { assert_eq!(Pictures::new(None).list().await.end, End::NoFolder) });
    }
}
