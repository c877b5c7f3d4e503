//! How requests are answered.

use std::time::Duration;

use http::HeaderName;

use crate::codec::Format;
use crate::config::words;
use crate::query::Presets;
use crate::results::ResultsSettings;
use crate::telemetry::Metrics;
use crate::transform::Limits;

words! {
    /// Which metadata viewers may see.
    ExposeMetadata {
        /// Whatever the file holds.
        All = "all",
        /// `showExif` without anything that tells a place; `metadata=all` is refused.
        NoLocation = "no-location",
        /// `showExif` and `metadata=all` are refused.
        None = "none",
    }
}

/// What the origin goes by.
#[derive(Debug, Clone, PartialEq)]
pub struct OriginSettings {
    /// Largest original in bytes.
    pub max_source_bytes: u64,
    /// Bytes for all originals that are in memory.
    pub download_memory: u64,
    /// What one picture or animation may cost.
    pub limits: Limits,
    /// How long one request may take.
    pub deadline: Duration,
    /// Pictures worked on at the same time.
    pub workers: usize,
    /// Pictures that may wait for a worker.
    pub queue: usize,
    /// Bytes for finished pictures.
    pub cache: u64,
    /// Where finished pictures are kept beyond this process.
    pub results: Option<ResultsSettings>,
    /// How long viewers and CDNs may keep a picture, in seconds.
    pub max_age: u32,
    /// The same, where the original has a `Cache-Control` of its own that says more.
    pub max_age_limit: u32,
    /// The header that lists cache tags.
    pub cache_tag_header: Option<HeaderName>,
    /// Which metadata viewers may see.
    pub expose_metadata: ExposeMetadata,
    /// Where figures of operation go.
    pub metrics: Metrics,
    /// What `format=auto` may choose beside JPEG and PNG, best first.
    pub auto_formats: Vec<Format>,
    /// How fast AVIF is written.
    pub avif_speed: u8,
    /// Named sets of parameters.
    pub presets: Presets,
}
