//! The result store: finished pictures that outlive a process and are shared between processes.
//!
//! A result is stored under digests of everything that decides its bytes: the original's key and entity tag, the
//! canonical query, the negotiated format, the settings that affect the bytes, and the version of this program. A
//! changed original therefore has different results, and nothing has to be removed to keep responses correct. The digest
//! of the key comes first, so that all results of an original can be found and removed.
//!
//! The store is an optimisation. A failure delays a request by at most the configured timeout, is counted, and leads to
//! the picture being rendered as if there were no store.

mod access;
#[cfg(feature = "s3")]
mod bucket;
mod folder;
mod record;
mod removal;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

pub(crate) use access::{Decision, Lookup, Results, Stats, Turn};
#[cfg(feature = "s3")]
use bucket::Bucket;
use folder::Folder;
pub(crate) use record::{Record, ResultId};
pub use removal::{RemovalError, StoredResult, StoredResults};

use crate::source::{ByteStream, SourceSettings};
use crate::transform::Likeness;

/// Which results are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultsFor {
    /// All rendered pictures and reports.
    All,
    /// The results of requests that name a preset.
    Presets,
    /// The results that took at least this long to render.
    SlowerThan(Duration),
}

/// The location of the result store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResultsPlace {
    /// A folder, which other processes on this machine may share.
    Folder(PathBuf),
    /// `bucket` or `bucket/prefix` in S3 or an S3-compatible store.
    S3(String),
}

/// The settings of the result store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultsSettings {
    /// The location of the store.
    pub place: ResultsPlace,
    /// Which results are stored.
    pub which: ResultsFor,
    /// The maximum total size of the results in a folder, in bytes. A bucket is bounded by its own lifecycle rules.
    pub max_bytes: u64,
    /// The maximum time that a request waits for the store.
    pub timeout: Duration,
    /// Whether a process that renders a picture tells the others so, which wait for the result.
    pub claims: bool,
    /// The settings of the bucket.
    pub s3: SourceSettings,
}

/// The error for a result store that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder cannot be created or is not writable.
    #[error("cannot store results in {folder}: {reason}")]
    Folder {
        /// The folder.
        folder: String,
        /// The system's error.
        reason: std::io::Error,
    },
    /// There are no results in the folder that could be listed or removed.
    #[error("there are no results in {folder}: {reason}")]
    NoStore {
        /// The folder.
        folder: String,
        /// The system's error, or why the folder is no store.
        reason: std::io::Error,
    },
    /// The location in S3 is invalid.
    #[error("cannot store results: {0}")]
    S3(#[from] crate::source::OpenError),
}

/// Opens the configured store.
pub(crate) fn open(settings: &ResultsSettings) -> Result<Results, OpenError> {
    let folder = |path: &Path| {
        let failed = |reason| OpenError::Folder { folder: path.display().to_string(), reason };
        Folder::new(path, settings.max_bytes).map_err(failed)
    };
    Ok(Results::new(open_store(settings, folder)?, settings.which, settings.timeout).claiming(settings.claims))
}

/// Opens a store that exists, and creates nothing.
fn open_existing(settings: &ResultsSettings) -> Result<Arc<dyn ResultStore>, OpenError> {
    open_store(settings, |path| {
        let failed = |reason| OpenError::NoStore { folder: path.display().to_string(), reason };
        Folder::existing(path, settings.max_bytes).map_err(failed)
    })
}

/// Opens the store of the settings, and one in a folder by this function.
fn open_store(
    settings: &ResultsSettings,
    open_folder: impl FnOnce(&Path) -> Result<Folder, OpenError>,
) -> Result<Arc<dyn ResultStore>, OpenError> {
    let store: Arc<dyn ResultStore> = match &settings.place {
        ResultsPlace::Folder(path) => Arc::new(open_folder(path)?),
        #[cfg(feature = "s3")]
        ResultsPlace::S3(place) => Arc::new(Bucket::new(crate::source::s3::Place::new(place)?, settings.s3.clone())),
        #[cfg(not(feature = "s3"))]
        ResultsPlace::S3(_) => return Err(crate::source::OpenError::NoS3.into()),
    };
    Ok(store)
}

/// The size in bytes up to which results are read into memory and verified before any of it is sent.
const IN_MEMORY: u64 = 1024 * 1024;

/// A result to be stored.
pub(crate) struct Finished {
    pub(crate) media_type: &'static str,
    /// What `q=auto` has led to.
    pub(crate) likeness: Option<Likeness>,
    pub(crate) bytes: Bytes,
}

/// A stored result.
pub(crate) struct Stored {
    pub(crate) record: Record,
    pub(crate) content: Content,
}

/// The bytes of a stored result, without its record.
pub(crate) enum Content {
    /// All bytes, verified against the digest.
    Memory(Bytes),
    /// A verified file, and the offset at which the result begins.
    File(Arc<std::fs::File>, u64),
    /// A stream from another machine. If the digest does not match, it ends in an error instead of its last piece.
    #[cfg_attr(not(feature = "s3"), allow(dead_code, reason = "only a bucket streams"))]
    Stream(ByteStream),
}

/// The error of a result store.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// A file could not be read or written.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The stored bytes do not match their digest.
    #[error("a stored result is damaged")]
    Damaged,
    /// The store responded with an error, or not at all.
    #[cfg(feature = "s3")]
    #[error("the result store {0}")]
    Refused(String),
}

/// The outcome of storing a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// The result was stored.
    Stored,
    /// Another process had already stored it.
    AlreadyThere,
    /// The result is larger than the limit of the store.
    TooLarge,
}

/// The right to render a picture while other processes wait for the result. It ends when this is released or dropped, or
/// when the process does.
pub(crate) struct Claim(Option<BoxFuture<'static, ()>>);

impl Claim {
    /// A claim that `release` ends.
    fn new(release: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Some(Box::pin(release)))
    }

    /// Ends the claim.
    async fn release(mut self) {
        if let Some(release) = self.0.take() {
            release.await;
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let (Some(release), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(release);
        }
    }
}

/// A backend for the result store.
pub(crate) trait ResultStore: Send + Sync {
    /// Looks up a result.
    ///
    /// # Errors
    /// Any [`StoreError`]. A missing result is `None`.
    fn get<'a>(&'a self, id: &'a ResultId) -> BoxFuture<'a, Result<Option<Stored>, StoreError>>;

    /// Stores a result, unless it already exists. The write is atomic for readers.
    ///
    /// # Errors
    /// Any [`StoreError`].
    fn put<'a>(
        &'a self,
        id: &'a ResultId,
        record: &'a Record,
        bytes: Bytes,
    ) -> BoxFuture<'a, Result<Written, StoreError>>;

    /// Claims a result that is to be rendered. `None` if it has been stored in the meantime, or if another process claimed it
    /// less than `max_age` ago and may still be rendering it.
    ///
    /// # Errors
    /// Any [`StoreError`].
    fn claim<'a>(&'a self, id: &'a ResultId, max_age: Duration) -> BoxFuture<'a, Result<Option<Claim>, StoreError>>;

    /// Lists the results whose paths begin with these hexadecimal digits, the first two as a folder.
    ///
    /// # Errors
    /// Any [`StoreError`].
    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<StoredResult>, StoreError>>;

    /// Removes the result with this path. It is no error if there is none.
    ///
    /// # Errors
    /// Any [`StoreError`].
    fn remove<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), StoreError>>;
}
