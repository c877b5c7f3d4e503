//! What the decoder is compared with. Both are absent on most machines; tests then skip and say so.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The folders of photos that are whole.
pub(crate) const PEER_FOLDERS: [&str; 4] = ["photos", "orientation", "exif", "formats"];

/// A folder of photos beside the repository.
pub(crate) fn corpus(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus").join(folder);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: no folder {}", folder.display());
        return Vec::new();
    };
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "jpg"));
    if cfg!(debug_assertions) {
        println!("skipped: files above 100 KB of {}; run with --release for them", folder.display());
        files.retain(|file| file.metadata().is_ok_and(|metadata| metadata.len() <= 100_000));
    }
    files.sort();
    files
}

/// What `djpeg` makes of a file: width, height and samples. `None` if it is absent or refuses the file.
pub(crate) fn djpeg(file: &Path, arguments: &[&str]) -> Option<(usize, usize, Vec<u8>)> {
    let output = Command::new("djpeg").args(["-dct", "int"]).args(arguments).arg(file).output();
    let Ok(output) = output.inspect_err(|error| println!("skipped: djpeg: {error}")) else { return None };
    // PNM: kind, width, height, largest sample; each followed by one white space.
    let mut at = 0;
    let mut fields = Vec::new();
    while fields.len() < 4 {
        let end = at + output.stdout.get(at..)?.iter().position(u8::is_ascii_whitespace)?;
        fields.push(std::str::from_utf8(&output.stdout[at..end]).ok()?.to_owned());
        at = end + 1;
    }
    Some((fields[1].parse().ok()?, fields[2].parse().ok()?, output.stdout[at..].to_vec()))
}
