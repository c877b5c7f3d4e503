//! Where originals come from. A source turns a [`Key`] into an [`Object`]: facts first, bytes only when they are asked
//! for. Adding a store is a file here and a line in [`open`].

mod folder;

use std::future::Future;
use std::pin::Pin;
use std::time::SystemTime;

pub use folder::Folder;

/// A future that a trait object can return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The name of an original: any UTF-8 without NUL, not empty, without the slash that starts a URL path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key(String);

impl Key {
    /// Decodes the path of a URL, once. `None` when that gives no key.
    pub fn from_url_path(path: &str) -> Option<Self> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let decoded = percent_encoding::percent_decode_str(path).decode_utf8().ok()?;
        (!decoded.is_empty() && !decoded.contains('\0')).then(|| Self(decoded.into_owned()))
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why an original cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// There is none of this name.
    #[error("there is no image of this name")]
    NotFound,
    /// The store keeps it from us.
    #[error("the store does not allow this image to be read")]
    Forbidden,
    /// It has too many bytes.
    #[error("the original has {length} bytes, and the limit is {allowed}")]
    TooLarge {
        /// Its size.
        length: u64,
        /// The limit.
        allowed: u64,
    },
    /// The store did not answer in time.
    #[error("the store of originals did not answer in time")]
    TimedOut,
    /// The store asks us to slow down.
    #[error("the store of originals is busy")]
    Busy,
    /// The store failed. The reason goes to the log, not to the viewer.
    #[error("the store of originals has failed")]
    Failed(String),
}

impl From<std::io::Error> for SourceError {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind;
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory | ErrorKind::InvalidFilename => {
                Self::NotFound
            }
            // ELOOP, for which there is no stable kind.
            _ if error.raw_os_error() == Some(40) => Self::NotFound,
            ErrorKind::PermissionDenied => Self::Forbidden,
            ErrorKind::TimedOut => Self::TimedOut,
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// What is known of an original before its bytes are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Changes whenever the bytes do. ASCII letters, digits, `-`, `_` and `.` only.
    pub etag: String,
    /// When it was last changed.
    pub modified: Option<SystemTime>,
    /// Its size in bytes.
    pub length: u64,
}

/// An original: facts and a handle on the bytes.
#[derive(Debug)]
pub struct Object {
    /// What is known of it.
    pub meta: Meta,
    /// Its bytes.
    pub file: std::fs::File,
}

impl Object {
    /// Reads all bytes.
    ///
    /// # Errors
    /// [`SourceError::TooLarge`] when there are more than `most`, even if [`Meta::length`] promised fewer.
    pub async fn read(self, most: u64) -> Result<Vec<u8>, SourceError> {
        use tokio::io::AsyncReadExt as _;
        let too_large = |length| SourceError::TooLarge { length, allowed: most };
        if self.meta.length > most {
            return Err(too_large(self.meta.length));
        }
        let mut bytes = Vec::with_capacity(self.meta.length as usize + 1);
        let mut file = tokio::fs::File::from_std(self.file).take(most + 1);
        file.read_to_end(&mut bytes).await?;
        if bytes.len() as u64 > most { Err(too_large(bytes.len() as u64)) } else { Ok(bytes) }
    }
}

/// A store of originals.
pub trait Source: Send + Sync {
    /// Finds an original.
    ///
    /// # Errors
    /// Any [`SourceError`].
    fn open<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Object, SourceError>>;
}

/// The source that a setting names: for now, a folder.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn open(name: &str) -> Result<Box<dyn Source>, String> {
    Ok(Box::new(Folder::new(name)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_decoded_once() {
        let table = [
            ("/a.jpg", Some("a.jpg")),
            ("/a%20b+c%2525.jpg", Some("a b+c%25.jpg")),
            ("/%C3%BC/'()!*.jpg", Some("ü/'()!*.jpg")),
            ("//etc/passwd", Some("/etc/passwd")),
            ("/%ff.jpg", None),
            ("/a%00.jpg", None),
            ("/", None),
            ("", None),
        ];
        for (path, key) in table {
            assert_eq!(Key::from_url_path(path).as_ref().map(Key::as_str), key, "{path}");
        }
    }
}
