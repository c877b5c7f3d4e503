//! The outcome of a request.

use std::sync::{Arc, Mutex, PoisonError};

use super::body::{Body, Original};
use super::{Answer, ParsedRequest};
use crate::codec::Format;
use crate::metadata::Rewrite;
use crate::results::Record;
use crate::source::ObjectMeta;
use crate::telemetry::{CacheResult, Cost};

/// The outcome of a request, and the request with the overlay as it is now.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) outcome: Outcome,
    pub(super) parsed: Arc<ParsedRequest>,
}

/// The outcome of a request, before preconditions are evaluated.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// The original still has the entity tag that was sent to the source.
    NotModified(ObjectMeta),
    /// Only the metadata of the original is available.
    Facts(ObjectMeta),
    /// A finished response, rendered or from a cache.
    Finished {
        meta: ObjectMeta,
        answer: Answer,
        /// Whether it was rendered, or in which cache it was found.
        cache: CacheResult,
    },
    /// A finished response in the result store, which is not in memory.
    Stored { meta: ObjectMeta, stored: Arc<StoredAnswer> },
    /// The original's compressed pixels without its metadata.
    Original { meta: ObjectMeta, format: Format, rewrite: Arc<Rewrite>, original: Original },
}

impl Outcome {
    pub(super) const fn meta(&self) -> &ObjectMeta {
        match self {
            Self::NotModified(meta)
            | Self::Facts(meta)
            | Self::Finished { meta, .. }
            | Self::Stored { meta, .. }
            | Self::Original { meta, .. } => meta,
        }
    }
}

/// A finished response that is read from the result store while it is sent.
#[derive(Debug)]
pub(super) struct StoredAnswer {
    pub(super) record: Record,
    pub(super) cost: Cost,
    pub(super) body: Mutex<Option<Body>>,
}

impl StoredAnswer {
    /// Takes the body; `None` after the first call.
    pub(super) fn body(&self) -> Option<Body> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
