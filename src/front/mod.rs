//! Handlers: each converts requests of its protocol into an `OriginRequest`, and an `OriginResponse` back. Handlers
//! know nothing about images.

mod connections;
mod descriptors;
mod ignored;
#[cfg(feature = "lambda")]
pub mod lambda;
mod listen;
pub mod playground;
pub(crate) mod policy;
pub mod serve;
mod socket;

pub use connections::{ConnectionSettings, Connections};
pub use descriptors::raise_limit;
pub use listen::{ListenAddress, Listener, SocketFile};
pub use policy::{Changes, KeysPlace, Policy, PolicyError, ReadConfig, read_config, read_keys};
pub use serve::ViewerSettings;

use crate::config::words;

/// Whom a Lambda function tells of changed originals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidationSettings {
    /// The id of the CloudFront distribution.
    pub distribution: String,
    /// How it is told.
    pub by: InvalidateBy,
    /// Of which.
    pub which: Invalidate,
}

words! {
    /// Which changed originals a CDN is told of.
    #[derive(Default)]
    Invalidate {
        /// All that were written or deleted.
        #[default]
        All = "all",
        /// Those that were there before, by the versions of their bucket. CloudFront bills each that it is told of.
        Replaced = "replaced",
    }
}

words! {
    /// How CloudFront is told of changed originals.
    #[derive(Default)]
    InvalidateBy {
        /// By their cache tags.
        #[default]
        Tags = "tags",
        /// By their paths, for distributions without cache tags.
        Paths = "paths",
    }
}

words! {
    /// How the responses of a Lambda function are delivered.
    #[derive(Default)]
    Delivery {
        /// Streamed to function URLs with the invoke mode `RESPONSE_STREAM`, buffered for REST APIs.
        #[default]
        Auto = "auto",
        /// Streamed to REST APIs with the response transfer mode `STREAM`, too. Their events do not tell the mode.
        Streamed = "streamed",
        /// Buffered as one document, for HTTP APIs and function URLs with the invoke mode `BUFFERED`.
        Buffered = "buffered",
    }
}
