//! How requests are answered.

use std::time::Duration;

use crate::codec::Format;
use crate::config::words;
use crate::query::Presets;
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
    /// How long viewers and CDNs may keep a picture, in seconds.
    pub max_age: u32,
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
