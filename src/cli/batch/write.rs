//! Results on the disk: whole or not at all, and never in place of something else unless that is asked for.
//!
//! A result is written beside its name and renamed, so that a full disk or a signal leaves no half of it, and a link at
//! its name is replaced, not followed.

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use super::plan::Existing;

/// What became of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// It is there now.
    Now,
    /// Something was there before, and still is.
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

/// A file beside the one that it will become; it is removed if it does not.
struct Part(PathBuf);

impl Part {
    fn write(output: &Path, bytes: &[u8]) -> std::io::Result<Self> {
        // Another program may work in this folder under the same process number, in a container of its own.
        let number = RandomState::new().hash_one(std::process::id());
        let path = output.with_file_name(format!(".image-origin-{number:016x}.part"));
        let created = File::create_new(&path);
        // Only what is ours is removed.
        let (mut file, part) = (created?, Self(path));
        file.write_all(bytes)?;
        Ok(part)
    }

    /// Gives the file its name, whatever had that before.
    fn replace(&self, output: &Path) -> std::io::Result<()> {
        std::fs::rename(&self.0, output)
    }

    /// Gives the file its name if nothing has it.
    fn place(&self, output: &Path) -> std::io::Result<()> {
        match std::fs::hard_link(&self.0, output) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                // File systems without links: the name is taken first, and nobody else can have it then.
                File::create_new(output)?;
                self.replace(output).inspect_err(|_| _ = std::fs::remove_file(output))
            }
            linked => linked,
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // After `replace` it is gone already.
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
