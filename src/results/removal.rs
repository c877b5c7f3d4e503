//! Removal of an original's results from the result store. Responses are correct without it; it is for content that
//! must be deleted.

use std::sync::Arc;

use super::{OpenError, ResultStore, ResultsSettings, StoreError, open_existing, record};

/// A result store, for listing and removing results.
pub struct StoredResults(Arc<dyn ResultStore>);

/// A stored result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResult {
    /// The path relative to the store's location.
    pub(super) path: String,
    /// The size in bytes.
    pub(super) bytes: u64,
}

impl StoredResult {
    /// The size in bytes.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// The error of listing or removing results.
#[derive(Debug, thiserror::Error)]
#[error("the result store failed: {0}")]
pub struct RemovalError(#[from] StoreError);

impl StoredResults {
    /// Opens the store of the settings, and creates nothing.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(settings: &ResultsSettings) -> Result<Self, OpenError> {
        open_existing(settings).map(Self)
    }

    /// The stored results of an original, for all of its entity tags.
    ///
    /// # Errors
    /// [`RemovalError`].
    pub async fn of(&self, key: &str) -> Result<Vec<StoredResult>, RemovalError> {
        Ok(self.0.list(&record::prefix_of(key)).await?)
    }

    /// Removes a result.
    ///
    /// # Errors
    /// [`RemovalError`].
    pub async fn remove(&self, result: &StoredResult) -> Result<(), RemovalError> {
        Ok(self.0.remove(&result.path).await?)
    }
}
