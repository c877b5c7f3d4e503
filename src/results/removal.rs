//! Removing the results of an original from a store. No answer depends on it: it is for what must not lie about any more.

use std::sync::Arc;

use super::{OpenError, ResultStore, ResultsSettings, StoreError, open_store, record};

/// A store, as far as results are removed from it.
pub struct StoredResults(Arc<dyn ResultStore>);

/// A result that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResult {
    /// Its name below the store's place.
    pub(super) path: String,
    /// What it takes.
    pub(super) bytes: u64,
}

impl StoredResult {
    /// Bytes that it takes in the store.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Results that could not be listed or removed.
#[derive(Debug, thiserror::Error)]
#[error("the store of results has failed: {0}")]
pub struct RemovalError(#[from] StoreError);

impl StoredResults {
    /// Opens the store that the settings name.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(settings: &ResultsSettings) -> Result<Self, OpenError> {
        open_store(settings).map(Self)
    }

    /// What is stored of an original, whichever its entity tag was.
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
