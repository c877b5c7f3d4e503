//! Writes results to disk atomically, and replaces existing files only on request.
//!
//! A result is written to a temporary file in the same folder and then renamed, so that a full disk or a signal leaves no
//! partial file, and a link with the name of the result is replaced, not followed.

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use super::plan::Existing;

/// The outcome of writing a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// The file was written.
    Now,
    /// A file already existed and was kept.
    Before,
}

/// Writes a file; `-` is standard output. Devices and pipes are written to, not replaced.
pub(super) fn write(output: &Path, bytes: &[u8], existing: Existing) -> std::io::Result<Written> {
    if output == Path::new("-") {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(bytes)?;
        stdout.flush()?;
        return Ok(Written::Now);
    }
    if output.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        OpenOptions::new().write(true).open(output)?.write_all(bytes)?;
        return Ok(Written::Now);
    }
    let part = Part::write(output, bytes)?;
    let placed = if existing == Existing::Replace { part.replace(output) } else { part.place(output) };
    match placed {
        Ok(()) => Ok(Written::Now),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && existing == Existing::Skip => Ok(Written::Before),
        Err(error) => Err(error),
    }
}

/// A temporary file in the folder of the result. It is removed on drop unless it was renamed.
struct Part(PathBuf);

impl Part {
    fn write(output: &Path, bytes: &[u8]) -> std::io::Result<Self> {
        // A process in another container may write to this folder with the same process id.
        let number = RandomState::new().hash_one(std::process::id());
        let path = output.with_file_name(format!(".image-origin-{number:016x}.part"));
        let created = File::create_new(&path);
        // Only a file that this process created is removed.
        let (mut file, part) = (created?, Self(path));
        file.write_all(bytes)?;
        Ok(part)
    }

    /// Renames the file to its final name, replacing an existing file.
    fn replace(&self, output: &Path) -> std::io::Result<()> {
        std::fs::rename(&self.0, output)
    }

    /// Renames the file to its final name unless a file with that name exists.
    fn place(&self, output: &Path) -> std::io::Result<()> {
        match std::fs::hard_link(&self.0, output) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                // On file systems without hard links the name is reserved first, so that no other process can take it.
                File::create_new(output)?;
                self.replace(output).inspect_err(|_| _ = std::fs::remove_file(output))
            }
            linked => linked,
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // After `replace` the file no longer exists under this name.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exists_is_kept_unless_it_is_to_be_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link, original] = ["a", "link", "original"].map(|name| folder.path().join(name));
        assert_eq!(write(&file, b"1", Existing::Refuse).unwrap(), Written::Now);
        assert_eq!(write(&file, b"2", Existing::Skip).unwrap(), Written::Before);
        assert_eq!(write(&file, b"2", Existing::Refuse).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&file).unwrap(), b"1");
        assert_eq!(write(&file, b"2", Existing::Replace).unwrap(), Written::Now);
        assert_eq!(std::fs::read(&file).unwrap(), b"2");
        std::fs::write(&original, b"original").unwrap();
        std::os::unix::fs::symlink(&original, &link).unwrap();
        assert!(write(&link, b"3", Existing::Refuse).is_err());
        write(&link, b"3", Existing::Replace).unwrap();
        assert_eq!(std::fs::read(&original).unwrap(), b"original", "a link is replaced, not followed");
        assert!(write(&folder.path().join("no/folder"), b"", Existing::Replace).is_err());
        assert!(write(folder.path(), b"", Existing::Replace).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3, "no parts are left");
        assert_eq!(write(Path::new("/dev/null"), b"x", Existing::Refuse).unwrap(), Written::Now);
    }
}
