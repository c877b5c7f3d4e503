//! Where originals come from. A source turns a [`Key`] into an [`Object`]: facts first, bytes only when they are asked
//! for. Adding a store is a file here and a line in [`open`].

mod content;
mod folder;
#[cfg(feature = "s3")]
pub mod s3;

use std::future::Future;
use std::pin::Pin;
use std::time::SystemTime;

use tokio::time::Instant;

pub use content::{ByteStream, Content, Object, Reading};
pub use folder::Folder;

use crate::config::words;

words! {
    /// What viewers are told of originals that the store does not let us read. S3 denies access to what does not exist,
    /// unless whoever asks may list the bucket.
    #[derive(Default)]
    AccessDenied {
        /// 404, as for any original that is not there.
        #[default]
        NotFound = "not-found",
        /// 403.
        Forbidden = "forbidden",
    }
}

/// How an S3 source is reached, beside what AWS programs take from their environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceSettings {
    /// Base URL of a store other than AWS.
    pub endpoint: Option<String>,
    /// Whether the bucket stands in the path instead of the host name.
    pub path_style: bool,
    /// What viewers are told of originals that may not be read.
    pub denied: AccessDenied,
    /// Whether viewers may ask for a version of an original.
    pub versions: bool,
}

/// A source that cannot be opened. The message names no bucket and no password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no such folder, or it may not be opened.
    #[error("the folder {folder} cannot be opened: {reason}")]
    Folder {
        /// As it was named.
        folder: String,
        /// What the system says.
        reason: String,
    },
    /// It is a file or something else.
    #[error("{0} is not a folder")]
    NotAFolder(String),
    /// The folder may be seen, and nothing in it opened.
    #[error("nothing in {folder} can be read: {reason}")]
    Unreadable {
        /// As it was named.
        folder: String,
        /// What the system says.
        reason: String,
    },
    /// The name of the bucket is none.
    #[error("a place in S3 is s3://BUCKET or s3://BUCKET/PREFIX")]
    Bucket,
    /// The prefix would be cleaned by some stores.
    #[error("a prefix in S3 has no empty segments and none that are . or ..")]
    Prefix,
    /// The program was built without what it takes.
    #[error("this program cannot read from S3: it was built without the cargo feature s3")]
    NoS3,
    /// The scheme is not known. The rest of the name may hold a password.
    #[error("{0}:// is no source; one is a folder, or s3://BUCKET/PREFIX")]
    Scheme(String),
    /// Nothing says in which region the bucket is.
    #[error("no AWS region is configured: set AWS_REGION")]
    Region,
    /// There is nothing to sign requests with.
    #[error(
        "there are no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role"
    )]
    Credentials,
}

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

    /// Whether its segments are names: none is empty, `.` or `..`, which would lead elsewhere, or give one original many
    /// names, in stores that clean paths.
    pub fn is_plain(&self) -> bool {
        has_plain_segments(&self.0)
    }
}

fn has_plain_segments(path: &str) -> bool {
    path.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
}

/// Why an original cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// There is none of this name.
    #[error("there is no image of this name")]
    NotFound,
    /// The store keeps it from us.
    #[error("the store does not allow this image to be read")]
    Forbidden,
    /// It is not the one that the asker's conditions mean.
    #[error("the original is not the one that the conditions mean, which the store holds against its own entity tag")]
    Changed,
    /// Only a part of it can be had.
    #[error(
        "the signed URL gives a part of the original, and it takes all of it to make something of: leave out Range"
    )]
    Partial,
    /// The signature that lets us in covers a header whose value nobody told us.
    #[error("the signed URL is of no use without the header {0}, which its signature covers and the request lacks")]
    Unsigned(String),
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
    /// This process has as many files and connections open as it may.
    #[error("the server has too many files open; try again shortly")]
    OutOfDescriptors,
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
            _ if is_link_loop(&error) => Self::NotFound,
            _ if is_out_of_descriptors(&error) => Self::OutOfDescriptors,
            ErrorKind::PermissionDenied => Self::Forbidden,
            ErrorKind::TimedOut => Self::TimedOut,
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// Whether a path leads through more symbolic links than the system follows, for which there is no stable kind.
fn is_link_loop(error: &std::io::Error) -> bool {
    #[cfg(unix)]
    return rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::LOOP);
    #[cfg(not(unix))]
    return false;
}

/// Whether an error comes of there being no file descriptors left.
#[cfg(unix)]
fn is_out_of_descriptors(error: &(dyn std::error::Error + 'static)) -> bool {
    use rustix::io::Errno;
    let is_that = |error: &std::io::Error| {
        matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
            // What such an error wraps is not its source.
            || error.get_ref().is_some_and(|inner| is_out_of_descriptors(inner))
    };
    let mut errors = std::iter::successors(Some(error), |error| error.source());
    errors.any(|error| error.downcast_ref().is_some_and(is_that))
}

/// Whether an error comes of there being no file descriptors left, which is not told here.
#[cfg(not(unix))]
fn is_out_of_descriptors(_: &(dyn std::error::Error + 'static)) -> bool {
    false
}

/// What is known of an original before its bytes are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meta {
    /// Changes whenever the bytes do. ASCII letters, digits, `-`, `_` and `.` only. `None` where nothing tells one state
    /// from another: then nothing that is made of it may be kept.
    pub etag: Option<String>,
    /// When it was last changed.
    pub modified: Option<SystemTime>,
    /// Its size in bytes, where the store tells.
    pub length: Option<u64>,
    /// Its own `Cache-Control`, where it was stored with one.
    pub cache_control: Option<String>,
    /// Cache tags that it was stored with, separated by commas.
    pub cache_tags: Option<String>,
    /// Whether the store has only said that it is still the same, so that the two before are not known.
    pub is_partial: bool,
}

/// What is asked of a source.
#[derive(Debug, Clone)]
pub struct Ask<'a> {
    /// The name of the original.
    pub key: &'a Key,
    /// A version other than the newest, in the store's own words.
    pub version: Option<&'a str>,
    /// The [`Meta::etag`] of a copy that the asker has already and need not be sent again. Only a source that can compare
    /// cheaply takes notice.
    pub holds: Option<&'a str>,
    /// When the answer is of no use any more.
    pub deadline: Instant,
}

/// What a source found.
#[derive(Debug)]
pub enum Found {
    /// The original.
    Object(Object),
    /// The copy that the asker holds is current; these are its facts.
    Same(Meta),
}

/// A store of originals.
pub trait Source: Send + Sync {
    /// Finds an original.
    ///
    /// # Errors
    /// Any [`SourceError`].
    fn open<'a>(&'a self, ask: Ask<'a>) -> BoxFuture<'a, Result<Found, SourceError>>;

    /// Whether there is everything that finding originals takes, as far as that is known without asking for one.
    ///
    /// # Errors
    /// [`OpenError`] says what is missing.
    fn check(&self) -> BoxFuture<'_, Result<(), OpenError>> {
        Box::pin(async { Ok(()) })
    }

    /// Names of parameters of the query that mean something to this source, and to nobody else.
    fn parameters(&self) -> &'static [&'static str] {
        &[]
    }

    /// The version that a query asks for, as [`Ask::version`] takes it.
    fn version(&self, query: &str) -> Option<String> {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        let found = pairs.find(|(name, value)| self.parameters().contains(&&**name) && !value.is_empty());
        found.map(|(_, value)| value.into_owned())
    }
}

/// The source of a function that was given none: it serves only events that bring their own.
#[derive(Debug, Clone, Copy)]
pub struct Nowhere;

impl Source for Nowhere {
    fn open<'a>(&'a self, _: Ask<'a>) -> BoxFuture<'a, Result<Found, SourceError>> {
        Box::pin(async { Err(SourceError::Failed("IMAGE_ORIGIN_SOURCE is not set".to_owned())) })
    }
}

/// What the operator is told of a source. The name of a bucket is nobody's business.
pub fn shown(name: &str) -> &str {
    if name.starts_with("s3://") { "an S3 bucket" } else { name }
}

/// The source that a setting names: a folder, or `s3://bucket/prefix` where the cargo feature `s3` is on.
///
/// # Errors
/// [`OpenError`] says what is wrong with it.
pub fn open(name: &str, settings: &SourceSettings) -> Result<Box<dyn Source>, OpenError> {
    match name.split_once("://") {
        #[cfg(feature = "s3")]
        Some(("s3", place)) => Ok(Box::new(s3::S3::new(place, settings.clone())?)),
        #[cfg(not(feature = "s3"))]
        Some(("s3", _)) => {
            let _ = settings;
            Err(OpenError::NoS3)
        }
        Some((scheme, _)) => Err(OpenError::Scheme(scheme.to_owned())),
        None => Ok(Box::new(Folder::new(name)?)),
    }
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
            ("/../a.jpg", Some("../a.jpg")),
            ("/%ff.jpg", None),
            ("/a%00.jpg", None),
            ("/", None),
            ("", None),
        ];
        for (path, key) in table {
            assert_eq!(Key::from_url_path(path).as_ref().map(Key::as_str), key, "{path}");
        }
    }

    #[test]
    fn a_source_is_a_folder_or_a_bucket() {
        let opened = |name: &str| open(name, &SourceSettings::default()).map(drop);
        assert_eq!((opened("."), opened("s3://bucket/prefix").is_ok()), (Ok(()), cfg!(feature = "s3")));
        for name in ["https://user:password@example.com/", "gs://bucket", "S3://bucket", "s3://", "/no/such/folder"] {
            let error = opened(name).expect_err(name).to_string();
            assert!(!error.contains("password") && error.len() > 20, "{error}");
        }
    }

    #[test]
    fn segments_of_keys_are_names() {
        for path in ["/a.jpg", "/a/b/c", "/...", "/..a/.b/c..", "/a%5c..%5cb"] {
            assert!(Key::from_url_path(path).unwrap().is_plain(), "{path}");
        }
        for path in ["/..", "/.", "//a", "/a/", "/a//b", "/a/../b", "/a%2f..%2fb", "/%2e%2e/a", "/./a", "/a/."] {
            assert!(!Key::from_url_path(path).unwrap().is_plain(), "{path}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn the_systems_errors_are_known_by_name() {
        use rustix::io::Errno;
        let table = [
            (Errno::NOENT, SourceError::NotFound),
            (Errno::LOOP, SourceError::NotFound),
            (Errno::ACCESS, SourceError::Forbidden),
            (Errno::MFILE, SourceError::OutOfDescriptors),
            (Errno::NFILE, SourceError::OutOfDescriptors),
        ];
        for (errno, expected) in table {
            let error = std::io::Error::from(errno);
            assert_eq!(SourceError::from(error), expected, "{errno}");
            let wrapped = std::io::Error::other(std::io::Error::from(errno));
            assert_eq!(is_out_of_descriptors(&wrapped), expected == SourceError::OutOfDescriptors, "{errno}");
        }
    }
}
