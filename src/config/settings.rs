//! The effective settings, grouped by the module that uses them.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::LogFormat;
use crate::front::playground::Playground;
use crate::front::{ConnectionSettings, Delivery, InvalidationSettings, KeysPlace, ListenAddress, ViewerSettings};
use crate::origin::OriginSettings;
use crate::source::{RouteSettings, SourceSettings};

/// The settings of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// The format of log lines.
    pub format: LogFormat,
    /// A level, or directives.
    pub filter: String,
}

/// The files of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeFiles {
    /// Rules and limits.
    pub config: PathBuf,
    /// Secrets and key sets.
    pub keys: Option<KeysPlace>,
}

/// The effective settings, grouped by the module that uses them.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// The address to listen on.
    pub listen: ListenAddress,
    /// The path prefix of all pictures, without a trailing slash.
    pub base_path: String,
    /// The address of the metrics for Prometheus.
    pub metrics_listen: Option<SocketAddr>,
    /// The limits of connections.
    pub connections: ConnectionSettings,
    /// The settings for clients and the access log.
    pub viewers: ViewerSettings,
    /// The settings of the origin.
    pub origin: OriginSettings,
    /// The source that the configuration file names.
    pub place: Option<String>,
    /// The sources that the configuration file describes instead.
    pub sources: Vec<RouteSettings>,
    /// The settings of the source.
    pub source: SourceSettings,
    /// Whether to try the source at the start.
    pub check_source: bool,
    /// Access rules and limits; everything is public without them.
    pub edge: Option<EdgeFiles>,
    /// Who may see the playground.
    pub playground: Playground,
    /// How the responses of a Lambda function are delivered.
    pub delivery: Delivery,
    /// How a Lambda function invalidates changed originals.
    pub invalidation: Option<InvalidationSettings>,
    /// The settings of the log.
    pub log: LogSettings,
}

impl Settings {
    /// The names of the settings that differ in `new`, but belong to what a running server cannot replace: its sockets, threads,
    /// memory and source.
    pub fn needs_restart(&self, new: &Self) -> Vec<&'static str> {
        let (old, origin, new_origin) = (self, &self.origin, &new.origin);
        let connections = |settings: &Self| {
            let ConnectionSettings { max, head_timeout, idle_timeout, write_timeout, write_rate } =
                settings.connections;
            (max, [head_timeout, idle_timeout, write_timeout], write_rate)
        };
        let ((max, times, rate), (new_max, new_times, new_rate)) = (connections(old), connections(new));
        let [head, idle, write] = [0, 1, 2].map(|index| times[index] != new_times[index]);
        let differences = [
            ("listen", old.listen != new.listen),
            ("metrics_listen", old.metrics_listen != new.metrics_listen),
            ("max_connections", max != new_max),
            ("head_timeout", head),
            ("idle_timeout", idle),
            ("write_timeout", write),
            ("write_rate", rate != new_rate),
            ("source", old.place != new.place || old.source != new.source),
            ("sources", old.sources != new.sources),
            ("download_memory", origin.download_memory != new_origin.download_memory),
            ("workers", origin.workers != new_origin.workers),
            ("queue", origin.queue != new_origin.queue),
            ("cache", origin.cache != new_origin.cache),
            ("overlay_cache", origin.overlay_cache != new_origin.overlay_cache),
            ("results", origin.results != new_origin.results),
            ("svg_fonts", origin.svg_fonts != new_origin.svg_fonts),
            ("metrics", origin.metrics != new_origin.metrics),
            ("log_format", old.log.format != new.log.format),
        ];
        differences.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
    }
}
