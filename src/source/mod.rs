//! Sources of originals. A source opens a [`Key`] and returns an [`Object`]: metadata first, content on demand. A new
//! store is a file in this folder and a line in [`open`]. [`Sources`] combines several.

mod chain;
mod content;
#[cfg(feature = "http")]
mod etag;
mod folder;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "http")]
mod retry;
mod routes;
#[cfg(feature = "s3")]
pub mod s3;

use std::future::Future;
use std::pin::Pin;
use std::time::SystemTime;

use tokio::time::Instant;

pub use content::{ByteStream, Content, Object, Reading};
pub use folder::Folder;
pub use routes::{Located, OnError, PlaceSettings, Route, RouteSettings, Sources};

use crate::config::words;
use crate::query::{Focus, OverlayKey};

words! {
    /// The response if the store denies access to an original. S3 also denies access to objects that do not exist,
    /// unless the caller may list the bucket.
    #[derive(Default)]
    AccessDenied {
        /// 404, as for an original that does not exist.
        #[default]
        NotFound = "not-found",
        /// 403.
        Forbidden = "forbidden",
    }
}

/// The settings of a source: of S3, in addition to the standard AWS environment, and of HTTP.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceSettings {
    /// The base URL of a store other than AWS.
    pub endpoint: Option<String>,
    /// The region of the bucket, if it is not that of the environment.
    pub region: Option<String>,
    /// The role that is assumed for this bucket.
    pub role_arn: Option<String>,
    /// Whether the bucket is part of the path instead of the host name.
    pub path_style: bool,
    /// The response if the store denies access to an original.
    pub denied: AccessDenied,
    /// Whether clients may request a version of an original.
    pub versions: bool,
    /// The settings of HTTP.
    #[cfg(feature = "http")]
    pub http: http::HttpSettings,
}

/// The error for a source that cannot be opened. The message contains neither the bucket nor a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder does not exist or cannot be opened.
    #[error("cannot open the folder {folder}: {reason}")]
    Folder {
        /// The path as given.
        folder: String,
        /// The system's error message.
        reason: String,
    },
    /// The path is not a folder.
    #[error("{0} is not a folder")]
    NotAFolder(String),
    /// The folder exists, but files in it cannot be opened.
    #[error("cannot read the files in {folder}: {reason}")]
    Unreadable {
        /// The path as given.
        folder: String,
        /// The system's error message.
        reason: String,
    },
    /// The bucket name is missing or invalid.
    #[error("invalid S3 location: expected s3://BUCKET or s3://BUCKET/PREFIX")]
    Bucket,
    /// The prefix contains segments that some stores would normalize.
    #[error("invalid S3 prefix: segments must not be empty, `.` or `..`")]
    Prefix,
    /// The required cargo feature is disabled.
    #[error("S3 is not supported: this program was built without the cargo feature `s3`")]
    NoS3,
    /// The required cargo feature is disabled.
    #[error("HTTP sources are not supported: this program was built without the cargo feature `http`")]
    NoHttp,
    /// The URL is not in a notation that has one meaning only.
    #[error("invalid URL of an HTTP source: {0}")]
    Url(String),
    /// The URL has a query or a fragment.
    #[error("invalid URL of an HTTP source: expected https://HOST/PATH/ without a query, to which keys are appended")]
    Query,
    /// The URL leads where nothing may be connected to.
    #[error("{0}")]
    Guarded(String),
    /// A header of requests has no value.
    #[error("{0}")]
    Header(String),
    /// TLS is not available.
    #[error("TLS is not available: {0}")]
    Tls(String),
    /// The scheme is unknown. The rest of the location is omitted, since it may contain a password.
    #[error("unsupported source {0}://: expected a folder, s3://BUCKET/PREFIX or https://HOST/PATH/")]
    Scheme(String),
    /// No region is configured.
    #[error("no AWS region is configured: set AWS_REGION")]
    Region,
    /// No credentials are available.
    #[error("no AWS credentials found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role")]
    Credentials,
}

/// A boxed future, as returned by object-safe traits.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The name of an original: non-empty UTF-8 without NUL and without the leading slash of a URL path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key(String);

impl Key {
    /// Percent-decodes the path of a URL once. `None` if the result is not a valid key.
    pub fn from_url_path(path: &str) -> Option<Self> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let decoded = percent_encoding::percent_decode_str(path).decode_utf8().ok()?;
        (!decoded.is_empty() && !decoded.contains('\0')).then(|| Self(decoded.into_owned()))
    }

    /// The key of an overlay, whose segments are plain always.
    pub(crate) fn of_overlay(key: &OverlayKey) -> Self {
        Self(key.as_str().to_owned())
    }

    /// The rest of the key after a prefix that consists of whole segments; `None` if it has another beginning, or no rest.
    pub(crate) fn without_prefix(&self, prefix: &str) -> Option<Self> {
        if prefix.is_empty() {
            return Some(self.clone());
        }
        let rest = self.0.strip_prefix(prefix)?.strip_prefix('/')?;
        (!rest.is_empty()).then(|| Self(rest.to_owned()))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether no segment is empty, `.` or `..`. Stores that normalize paths would resolve those to another key, or
    /// give one original several keys.
    pub fn is_plain(&self) -> bool {
        has_plain_segments(&self.0)
    }
}

fn has_plain_segments(path: &str) -> bool {
    path.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
}

/// The error of opening or reading an original.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// There is no original with this key.
    #[error("image not found")]
    NotFound,
    /// The store denies access.
    #[error("access to the original is denied by the store")]
    Forbidden,
    /// The original does not meet the client's preconditions.
    #[error("the original does not meet the preconditions, which the store compares with its own entity tag")]
    Changed,
    /// Only a part of the original is available.
    #[error("the signed URL covers a part of the original, but transforming needs all of it: omit Range")]
    Partial,
    /// The signature of the URL covers a header that the request does not contain.
    #[error("the signed URL requires the header {0}, which its signature covers and the request lacks")]
    Unsigned(String),
    /// The original exceeds the size limit.
    #[error("the original has {length} bytes, which exceeds the limit of {allowed}")]
    TooLarge {
        /// Its size in bytes.
        length: u64,
        /// The limit in bytes.
        allowed: u64,
    },
    /// The original is not an image, by its first bytes.
    #[error("unrecognised image format")]
    Unrecognised,
    /// The store did not respond in time.
    #[error("the store of originals did not answer in time")]
    TimedOut,
    /// The process has reached its limit of open file descriptors.
    #[error("the server has too many open files; try again shortly")]
    OutOfDescriptors,
    /// The store is throttling requests.
    #[error("the store of originals is busy")]
    Busy,
    /// The store failed. The reason is logged, but not sent to the client.
    #[error("the store of originals failed")]
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

/// Whether a path contains more symbolic links than the system follows. There is no stable `ErrorKind` for this.
fn is_link_loop(error: &std::io::Error) -> bool {
    #[cfg(unix)]
    return rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::LOOP);
    #[cfg(not(unix))]
    return false;
}

/// Whether an error was caused by exhausted file descriptors.
#[cfg(unix)]
fn is_out_of_descriptors(error: &(dyn std::error::Error + 'static)) -> bool {
    use rustix::io::Errno;
    let is_that = |error: &std::io::Error| {
        matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
            // The error wrapped by an `io::Error` is not its `source`.
            || error.get_ref().is_some_and(|inner| is_out_of_descriptors(inner))
    };
    let mut errors = std::iter::successors(Some(error), |error| error.source());
    errors.any(|error| error.downcast_ref().is_some_and(is_that))
}

/// Whether an error was caused by exhausted file descriptors, which is not detected on this system.
#[cfg(not(unix))]
fn is_out_of_descriptors(_: &(dyn std::error::Error + 'static)) -> bool {
    false
}

/// The metadata of an original.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectMeta {
    /// A validator that changes whenever the content changes. It consists of ASCII letters, digits, `-`, `_` and `.`.
    /// `None` if there is no way to distinguish versions; responses derived from such an original must not be cached.
    pub etag: Option<String>,
    /// The time of the last modification.
    pub modified: Option<SystemTime>,
    /// The size in bytes, if known.
    pub length: Option<u64>,
    /// The `Cache-Control` that is stored with the original.
    pub cache_control: Option<String>,
    /// The comma-separated cache tags that are stored with the original.
    pub cache_tags: Option<String>,
    /// The focus that it was stored with. Stores may change it without changing the entity tag.
    pub focus: Option<Focus>,
    /// Whether the store has only confirmed that the original is unchanged, so that the two fields above are unknown.
    pub is_partial: bool,
}

/// A request to a source.
#[derive(Debug, Clone)]
pub struct GetOptions<'a> {
    /// The key of the original.
    pub key: &'a Key,
    /// A version other than the newest, in the store's notation.
    pub version: Option<&'a str>,
    /// The [`ObjectMeta::etag`] of a copy that the caller already has, in which case the source may omit the content. Only
    /// sources that can compare it cheaply do.
    pub if_none_match: Option<&'a str>,
    /// The time after which the response is useless.
    pub deadline: Instant,
}

/// The result of opening an original.
#[derive(Debug)]
pub enum GetResult {
    /// The original.
    Object(Object),
    /// The caller's copy is current; this is its metadata.
    NotModified(ObjectMeta),
}

/// A store of originals.
pub trait Source: Send + Sync {
    /// Opens an original.
    ///
    /// # Errors
    /// Any [`SourceError`].
    fn open<'a>(&'a self, options: GetOptions<'a>) -> BoxFuture<'a, Result<GetResult, SourceError>>;

    /// Checks whether the source is usable, as far as this is known without reading an original.
    ///
    /// # Errors
    /// [`OpenError`] for whatever is missing.
    fn check(&self) -> BoxFuture<'_, Result<(), OpenError>> {
        Box::pin(async { Ok(()) })
    }

    /// The query parameters that this source interprets.
    fn parameters(&self) -> &'static [&'static str] {
        &[]
    }

    /// The version that a query requests, for [`GetOptions::version`].
    fn version(&self, query: &str) -> Option<String> {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        let found = pairs.find(|(name, value)| self.parameters().contains(&&**name) && !value.is_empty());
        found.map(|(_, value)| value.into_owned())
    }
}

/// The source of a function without a configured source: it serves only events that contain a signed URL.
#[derive(Debug, Clone, Copy)]
pub struct Nowhere;

impl Source for Nowhere {
    fn open<'a>(&'a self, _: GetOptions<'a>) -> BoxFuture<'a, Result<GetResult, SourceError>> {
        Box::pin(async { Err(SourceError::Failed("IMAGE_ORIGIN_SOURCE is not set".to_owned())) })
    }
}

/// The name of a source for messages, without the name of a bucket.
pub fn redacted(name: &str) -> &str {
    if name.starts_with("s3://") { "an S3 bucket" } else { name }
}

/// Opens the source that a setting names: a folder, also as `dir:PATH`, `s3://bucket/prefix` with the
/// cargo feature `s3`, or a URL with the cargo feature `http`.
///
/// # Errors
/// [`OpenError`] if it is invalid or cannot be opened.
#[cfg_attr(not(feature = "http"), allow(unused_variables, reason = "a folder has no settings"))]
pub fn open(name: &str, settings: &SourceSettings) -> Result<Box<dyn Source>, OpenError> {
    match name.split_once("://") {
        #[cfg(feature = "s3")]
        Some(("s3", place)) => Ok(Box::new(s3::S3::new(place, settings.clone())?)),
        #[cfg(not(feature = "s3"))]
        Some(("s3", _)) => Err(OpenError::NoS3),
        #[cfg(feature = "http")]
        Some(("http" | "https", _)) => Ok(Box::new(http::Http::new(name, settings)?)),
        #[cfg(not(feature = "http"))]
        Some(("http" | "https", _)) => Err(OpenError::NoHttp),
        Some((scheme, _)) => Err(OpenError::Scheme(scheme.to_owned())),
        None => Ok(Box::new(Folder::new(name.strip_prefix("dir:").unwrap_or(name))?)),
    }
}

/// Checks the name of a source as far as that is possible without the file system and the network.
///
/// # Errors
/// [`OpenError`] if it is invalid.
#[cfg_attr(not(feature = "http"), allow(unused_variables, reason = "a folder has no settings"))]
pub fn check_place(name: &str, settings: &SourceSettings) -> Result<(), OpenError> {
    match name.split_once("://") {
        #[cfg(feature = "s3")]
        Some(("s3", place)) => s3::Place::new(place).map(drop),
        #[cfg(not(feature = "s3"))]
        Some(("s3", _)) => Err(OpenError::NoS3),
        #[cfg(feature = "http")]
        Some(("http" | "https", _)) => http::Http::check(name, settings),
        #[cfg(not(feature = "http"))]
        Some(("http" | "https", _)) => Err(OpenError::NoHttp),
        Some((scheme, _)) => Err(OpenError::Scheme(scheme.to_owned())),
        None => Ok(()),
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
        assert_eq!(opened("https://images.example.com/media/").is_ok(), cfg!(feature = "http"));
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
