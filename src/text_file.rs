//! Files of settings, rules and keys, which are text and small.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// The maximum length in bytes.
const MAX_LEN: u64 = 4 << 20;

/// Reads a file.
///
/// # Errors
/// The errors of the file system, and an error if the file is longer than 4 MiB or not UTF-8.
pub fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    #[allow(clippy::disallowed_methods, reason = "the length is limited")]
    File::open(path)?.take(MAX_LEN + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_LEN {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is longer than 4 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the file is not in UTF-8"))
}
