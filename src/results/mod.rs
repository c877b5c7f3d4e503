//! The result store: finished pictures that outlive a process and are shared between processes.
//!
//! A result is stored under digests of everything that decides over its bytes: the original's key, and its entity tag, the
//! canonical query, the negotiated format, the settings that count, and the version of this program. A changed original
//! therefore has other results, and nothing has to be removed for an answer to be right. The digest of the key comes first,
//! so that all results of an original can be found and removed.
//!
//! The store is an optimisation. Whatever goes wrong with it costs a request at most the configured timeout, is counted,
//! and leads to the picture being made as if there were no store.

mod access;
#[cfg(feature = "s3")]
mod bucket;
mod folder;
mod record;
mod removal;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

pub(crate) use access::{Results, Stats};
#[cfg(feature = "s3")]
use bucket::Bucket;
use folder::Folder;
pub(crate) use record::{Record, ResultId};
pub use removal::{RemovalError, StoredResult, StoredResults};

use crate::source::{ByteStream, SourceSettings};

/// Which results are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultsFor {
    /// All pictures and reports that were made.
    All,
    /// Those of requests that name a preset.
    Presets,
    /// Those that took at least this long to make.
    SlowerThan(Duration),
}

/// Where results are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResultsPlace {
    /// A folder, which other processes of this machine may share.
    Folder(PathBuf),
    /// `bucket` or `bucket/prefix` of S3, or of a store like it.
    S3(String),
}

/// The result store's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultsSettings {
    /// Where results are stored.
    pub place: ResultsPlace,
    /// Which of them.
    pub which: ResultsFor,
    /// Bytes that all results of a folder may take. A bucket is bounded by its own lifecycle rules.
    pub max_bytes: u64,
    /// How long a request may wait for the store.
    pub timeout: Duration,
    /// How a bucket is reached.
    pub s3: SourceSettings,
}

/// A result store that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder cannot be made, or not written to.
    #[error("results cannot be stored in {folder}: {reason}")]
    Folder {
        /// The folder.
        folder: String,
        /// What the system says.
        reason: std::io::Error,
    },
    /// The bucket has no such name.
    #[error("results cannot be stored: {0}")]
    S3(#[from] crate::source::OpenError),
}

/// Opens the store that the settings name.
pub(crate) fn open(settings: &ResultsSettings) -> Result<Results, OpenError> {
    Ok(Results::new(open_store(settings)?, settings.which, settings.timeout))
}

fn open_store(settings: &ResultsSettings) -> Result<Arc<dyn ResultStore>, OpenError> {
    let store: Arc<dyn ResultStore> = match &settings.place {
        ResultsPlace::Folder(path) => {
            let failed = |reason| OpenError::Folder { folder: path.display().to_string(), reason };
            Arc::new(Folder::new(path, settings.max_bytes).map_err(failed)?)
        }
        #[cfg(feature = "s3")]
        ResultsPlace::S3(place) => Arc::new(Bucket::new(crate::source::s3::Place::new(place)?, settings.s3.clone())),
        #[cfg(not(feature = "s3"))]
        ResultsPlace::S3(_) => return Err(crate::source::OpenError::NoS3.into()),
    };
    Ok(store)
}

/// Results of at most this many bytes are read into memory and compared with their digest before any of it is sent.
const IN_MEMORY: u64 = 1024 * 1024;

/// A result that was found.
pub(crate) struct Stored {
    pub(crate) record: Record,
    pub(crate) content: Content,
}

/// The bytes of a stored result, without what the store keeps beside them.
pub(crate) enum Content {
    /// All of them, compared with their digest.
    Memory(Bytes),
    /// A file that was compared with its digest, and the offset at which the result begins.
    File(Arc<std::fs::File>, u64),
    /// What another machine sends. It ends in an error instead of its last piece if its digest is another.
    #[cfg_attr(not(feature = "s3"), allow(dead_code, reason = "only a bucket streams"))]
    Stream(ByteStream),
}

/// Why a store could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// A file could not be read or written.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// What is stored is not what was once written.
    #[error("a stored result is damaged")]
    Damaged,
    /// The store answered with an error, or not at all.
    #[cfg(feature = "s3")]
    #[error("the store of results answered {0}")]
    Refused(String),
}

/// What became of a result that was to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// It is stored.
    Stored,
    /// Another process had stored it before.
    AlreadyThere,
    /// It is larger than all that the store may hold.
    TooLarge,
}

/// A place for results.
pub(crate) trait ResultStore: Send + Sync {
    /// Finds a result.
    ///
    /// # Errors
    /// Any [`StoreError`]; `None` is what is simply not there.
    fn get<'a>(&'a self, id: &'a ResultId) -> BoxFuture<'a, Result<Option<Stored>, StoreError>>;

    /// Stores a result, unless it is there already. A reader sees all of it or nothing.
    ///
    /// # Errors
    /// Any [`StoreError`].
    fn put<'a>(
        &'a self,
        id: &'a ResultId,
        record: &'a Record,
        bytes: Bytes,
    ) -> BoxFuture<'a, Result<Written, StoreError>>;

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
