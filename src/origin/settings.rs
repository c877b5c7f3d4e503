//! The settings of the origin.

use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;

use crate::codec::Format;
use crate::config::words;
use crate::query::Presets;
use crate::results::ResultsSettings;
use crate::telemetry::Metrics;
use crate::transform::Limits;

words! {
    /// Which metadata clients may request.
    ExposeMetadata {
        /// All metadata in the file.
        All = "all",
        /// `showExif` without locations; `metadata=all` is rejected.
        NoLocation = "no-location",
        /// `showExif` and `metadata=all` are rejected.
        None = "none",
    }
}

words! {
    /// What becomes of originals in SVG.
    SvgMode {
        /// They are rejected.
        Refuse = "refuse",
        /// They are sanitised, and rendered only if another format, or a change of their content, is requested.
        Sanitize = "sanitize",
        /// They are always rendered.
        Rasterize = "rasterize",
    }
}

/// The settings of the origin.
#[derive(Debug, Clone, PartialEq)]
pub struct OriginSettings {
    /// The maximum size of an original in bytes.
    pub max_source_bytes: u64,
    /// The memory in bytes for all originals being processed.
    pub download_memory: u64,
    /// The limits for one picture or animation.
    pub limits: Limits,
    /// The time limit of a request.
    pub deadline: Duration,
    /// The number of pictures processed concurrently.
    pub workers: usize,
    /// The number of pictures that may wait for a worker.
    pub queue: usize,
    /// The memory in bytes for cached pictures.
    pub cache: u64,
    /// The result store that keeps finished pictures beyond this process.
    pub results: Option<ResultsSettings>,
    /// How long clients and CDNs may keep a picture, in seconds.
    pub max_age: u32,
    /// The upper limit in seconds for originals with a `Cache-Control` of their own.
    pub max_age_limit: u32,
    /// The name of the header that lists cache tags.
    pub cache_tag_header: Option<HeaderName>,
    /// Which metadata clients may request.
    pub expose_metadata: ExposeMetadata,
    /// Whether pictures keep the marks of how they were made and may be used, whatever metadata is requested.
    pub keep_ai_marks: bool,
    /// What becomes of originals in SVG.
    pub svg: SvgMode,
    /// The folder of fonts for the text of drawings.
    pub svg_fonts: Option<PathBuf>,
    /// Where metrics are published.
    pub metrics: Metrics,
    /// The formats that `format=auto` may choose besides JPEG and PNG, in order of preference.
    pub auto_formats: Vec<Format>,
    /// The speed of the AVIF encoder, see [`codec::avif::SPEEDS`](crate::codec::avif::SPEEDS).
    pub avif_speed: u8,
    /// The folder of pictures that may be laid over others, without slashes at its ends; empty for all of the source.
    pub overlays: Option<String>,
    /// Bytes for overlays that were read and decoded.
    pub overlay_cache: u64,
    /// Named sets of parameters.
    pub presets: Presets,
}
