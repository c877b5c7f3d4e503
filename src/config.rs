//! One set of settings for flags, `IMAGE_ORIGIN_*` variables and an optional TOML file, in that order of precedence.
//!
//! A [`Layer`] is what one of these places says; [`Settings`] is what holds, validated. A message about a bad setting
//! names it.

mod quantity;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Deserialize;

use quantity::in_toml;
pub use quantity::{ByteSize, parse_listen_address, parse_pixels, parse_seconds, parse_whole_seconds};

use crate::codec::{self, Budget, Format};
use crate::query::{self, Presets};
use crate::transform::{AUTO_FORMATS, Limits};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Which metadata viewers may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExposeMetadata {
    /// Whatever the file holds.
    All,
    /// `showExif` without anything that tells a place; `metadata=all` is refused.
    NoLocation,
    /// `showExif` and `metadata=all` are refused.
    None,
}

impl ExposeMetadata {
    /// The name, as in settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::NoLocation => "no-location",
            Self::None => "none",
        }
    }
}

/// What viewers are told of originals that the store does not let us read. S3 denies access to what does not exist,
/// unless whoever asks may list the bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccessDenied {
    /// 404, as for any original that is not there.
    #[default]
    NotFound,
    /// 403.
    Forbidden,
}

/// Where figures of operation go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metrics {
    /// To whoever asks for `/metrics` at [`Settings::metrics_listen`], in Prometheus' text format.
    #[default]
    Prometheus,
    /// To standard output, a line of CloudWatch's Embedded Metric Format for each answer.
    Emf,
    /// Nowhere.
    None,
}

/// How answers leave a Lambda function.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// As streams, which a function URL with the invoke mode `RESPONSE_STREAM` passes on.
    #[default]
    Streamed,
    /// As documents, for API Gateway, and function URLs with the invoke mode `BUFFERED`.
    Buffered,
}

/// How an S3 source is reached, beside what AWS programs take from their environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct S3Settings {
    /// Base URL of a store other than AWS.
    pub endpoint: Option<String>,
    /// Whether the bucket stands in the path instead of the host name.
    pub path_style: bool,
    /// What viewers are told of originals that may not be read.
    pub denied: AccessDenied,
}

/// Settings as one place gives them: whatever is absent is left to the next place, or the default.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[command(next_help_heading = "Settings")]
pub struct Layer {
    /// A TOML file with any of these settings, with `_` for `-`, and a table of presets
    #[arg(long, env = "IMAGE_ORIGIN_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Address and port to listen on; :8080 is port 8080 of all addresses [default: 127.0.0.1:8080]
    #[arg(long, env = "IMAGE_ORIGIN_LISTEN", value_name = "ADDRESS:PORT", value_parser = parse_listen_address)]
    #[serde(deserialize_with = "in_toml::listen_address")]
    pub listen: Option<SocketAddr>,
    /// Connections at the same time; more wait to be accepted [default: half of the file descriptors that the system
    /// allows, less some for other files, and 10000 at most]
    #[arg(long, env = "IMAGE_ORIGIN_MAX_CONNECTIONS", value_name = "N")]
    pub max_connections: Option<NonZeroUsize>,
    /// Seconds that a client may take over a request's head, from its first byte or from the start of the connection
    /// [default: 10]
    #[arg(long, env = "IMAGE_ORIGIN_HEAD_TIMEOUT", value_name = "SECONDS", value_parser = parse_seconds)]
    #[serde(deserialize_with = "in_toml::seconds")]
    pub head_timeout: Option<f64>,
    /// Seconds that a connection may be idle between two requests [default: 90]
    #[arg(long, env = "IMAGE_ORIGIN_IDLE_TIMEOUT", value_name = "SECONDS", value_parser = parse_seconds)]
    #[serde(deserialize_with = "in_toml::seconds")]
    pub idle_timeout: Option<f64>,
    /// Seconds of waiting for a client to take its answer after which it must have taken enough of it [default: 30]
    #[arg(long, env = "IMAGE_ORIGIN_WRITE_TIMEOUT", value_name = "SECONDS", value_parser = parse_seconds)]
    #[serde(deserialize_with = "in_toml::seconds")]
    pub write_timeout: Option<f64>,
    /// Bytes that a client must take in each of these seconds; one that is slower loses its connection [default: 8K]
    #[arg(long, env = "IMAGE_ORIGIN_WRITE_RATE", value_name = "BYTES")]
    pub write_rate: Option<ByteSize>,
    /// Largest original in bytes; K, M and G are understood [default: 200M]
    #[arg(long, env = "IMAGE_ORIGIN_MAX_SOURCE_BYTES", value_name = "BYTES")]
    pub max_source_bytes: Option<ByteSize>,
    /// Memory for all originals that are being read or handed on from memory [default: 1G]
    #[arg(long, env = "IMAGE_ORIGIN_DOWNLOAD_MEMORY", value_name = "BYTES")]
    pub download_memory: Option<ByteSize>,
    /// Most pixels of an original; 100M are 100 million [default: 100M]
    #[arg(long, env = "IMAGE_ORIGIN_MAX_PIXELS", value_name = "PIXELS", value_parser = parse_pixels)]
    #[serde(deserialize_with = "in_toml::pixels")]
    pub max_pixels: Option<u64>,
    /// Most frames of an animation [default: 2000]
    #[arg(long, env = "IMAGE_ORIGIN_MAX_FRAMES", value_name = "N")]
    pub max_frames: Option<u32>,
    /// Most pixels of all frames of an animation together [default: 500M]
    #[arg(long, env = "IMAGE_ORIGIN_MAX_FRAME_PIXELS", value_name = "PIXELS", value_parser = parse_pixels)]
    #[serde(deserialize_with = "in_toml::pixels")]
    pub max_frame_pixels: Option<u64>,
    /// Most memory that one picture may take, beside its original; 512M is enough for 48 megapixels in most formats
    /// [default: 512M]
    #[arg(long, env = "IMAGE_ORIGIN_REQUEST_MEMORY", value_name = "BYTES")]
    pub request_memory: Option<ByteSize>,
    /// Time that one request may take, in seconds or with ms, s, m, h or d [default: 10]
    #[arg(long, env = "IMAGE_ORIGIN_DEADLINE", value_name = "SECONDS", value_parser = parse_seconds)]
    #[serde(deserialize_with = "in_toml::seconds")]
    pub deadline: Option<f64>,
    /// Pictures worked on at the same time [default: the number of cores]
    #[arg(long, env = "IMAGE_ORIGIN_WORKERS", value_name = "N")]
    pub workers: Option<NonZeroUsize>,
    /// Pictures that may wait for a worker; beyond that requests are refused with 503 [default: 32 a worker]
    #[arg(long, env = "IMAGE_ORIGIN_QUEUE", value_name = "N")]
    pub queue: Option<usize>,
    /// Memory for finished pictures; 0 keeps none [default: 64M]
    #[arg(long, env = "IMAGE_ORIGIN_CACHE", value_name = "BYTES")]
    pub cache: Option<ByteSize>,
    /// Time that viewers and CDNs may keep a picture, in seconds or with s, m, h or d [default: 30d]
    #[arg(long, env = "IMAGE_ORIGIN_MAX_AGE", value_name = "SECONDS", value_parser = parse_whole_seconds)]
    #[serde(deserialize_with = "in_toml::whole_seconds")]
    pub max_age: Option<u32>,
    /// Web origin whose scripts may read pictures: `*`, `none`, or one such as `https://example.com` [default: none; * in
    /// Lambda]
    #[arg(long, env = "IMAGE_ORIGIN_CORS", value_name = "ORIGIN")]
    pub cors: Option<String>,
    /// Which metadata viewers may see through showExif and metadata=all [default: all]
    #[arg(long, env = "IMAGE_ORIGIN_EXPOSE_METADATA", value_name = "WHICH")]
    pub expose_metadata: Option<ExposeMetadata>,
    /// Base URL of an S3-compatible store [default: that of AWS]
    #[arg(long, env = "IMAGE_ORIGIN_S3_ENDPOINT", value_name = "URL")]
    pub s3_endpoint: Option<String>,
    /// Whether the bucket stands in the path, as S3-compatible stores want it [default: false]
    #[arg(long, env = "IMAGE_ORIGIN_S3_PATH_STYLE", value_name = "BOOL")]
    pub s3_path_style: Option<bool>,
    /// What viewers are told of originals that S3 does not let us read [default: not-found]
    #[arg(long, env = "IMAGE_ORIGIN_S3_ACCESS_DENIED", value_name = "ANSWER")]
    pub s3_access_denied: Option<AccessDenied>,
    /// Whether versionId in the query names a version of the original in S3 [default: false]
    #[arg(long, env = "IMAGE_ORIGIN_VERSIONS", value_name = "BOOL")]
    pub versions: Option<bool>,
    /// Where figures of operation go: to Prometheus by way of metrics_listen, or as CloudWatch's Embedded Metric Format to
    /// standard output [default: prometheus; emf in Lambda]
    #[arg(long, env = "IMAGE_ORIGIN_METRICS", value_name = "WHERE")]
    pub metrics: Option<Metrics>,
    /// Address and port of their own for Prometheus' /metrics, and for /healthz [default: none]
    #[arg(long, env = "IMAGE_ORIGIN_METRICS_LISTEN", value_name = "ADDRESS:PORT", value_parser = parse_listen_address)]
    #[serde(deserialize_with = "in_toml::listen_address")]
    pub metrics_listen: Option<SocketAddr>,
    /// How answers leave a Lambda function; a load balancer's are buffered always [default: streamed]
    #[arg(long, env = "IMAGE_ORIGIN_LAMBDA_DELIVERY", value_name = "HOW", hide = true)]
    pub lambda_delivery: Option<Delivery>,
    /// What format=auto may choose beside JPEG and PNG, the best first: avif, webp, or none [default: avif,webp]
    #[arg(long, env = "IMAGE_ORIGIN_AUTO_FORMATS", value_name = "FORMATS")]
    pub auto_formats: Option<String>,
    /// How fast AVIF is written, from 1, which makes the smallest files, to 4; large pictures are written faster [default: 3]
    #[arg(long, env = "IMAGE_ORIGIN_AVIF_SPEED", value_name = "SPEED")]
    pub avif_speed: Option<u8>,
    /// How log lines look [default: text; json in Lambda]
    #[arg(long, env = "IMAGE_ORIGIN_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Whether log lines repeat X-Forwarded-For, which is true only where a proxy in front sets it [default: false]
    #[arg(long, env = "IMAGE_ORIGIN_LOG_FORWARDED_FOR", value_name = "BOOL")]
    pub log_forwarded_for: Option<bool>,
    /// What is logged: a level, or directives such as `image_origin=debug` [default: info]
    #[arg(long, env = "IMAGE_ORIGIN_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// Named sets of parameters, such as `thumb = "w=200&h=200&fit=cover"`.
    #[arg(skip)]
    pub presets: Presets,
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read or is not TOML of the right shape.
    #[error("the configuration file {path} cannot be used: {reason}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it, with the line where that is known.
        reason: String,
    },
    /// A value is out of range.
    #[error("the setting {name} cannot be {value}: {allowed}")]
    Value {
        /// Name of the setting, as in the file.
        name: String,
        /// What was given.
        value: String,
        /// What is allowed.
        allowed: String,
    },
}

/// The settings that hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Connections at the same time, if not by the number of file descriptors.
    pub max_connections: Option<usize>,
    /// How long a client may take over a request's head.
    pub head_timeout: Duration,
    /// How long a connection may be idle between two requests.
    pub idle_timeout: Duration,
    /// How long a client may keep us waiting with its answer before it must have taken enough of it.
    pub write_timeout: Duration,
    /// Bytes a second of that time that are enough.
    pub write_rate: u64,
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
    /// Web origin whose scripts may read pictures.
    pub cors: Option<String>,
    /// Which metadata viewers may see.
    pub expose_metadata: ExposeMetadata,
    /// How an S3 source is reached.
    pub s3: S3Settings,
    /// Whether viewers may ask for a version of an original.
    pub versions: bool,
    /// Where figures of operation go.
    pub metrics: Metrics,
    /// Where Prometheus finds them.
    pub metrics_listen: Option<SocketAddr>,
    /// How answers leave a Lambda function.
    pub delivery: Delivery,
    /// What `format=auto` may choose beside JPEG and PNG, best first.
    pub auto_formats: Vec<Format>,
    /// How fast AVIF is written.
    pub avif_speed: u8,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Whether log lines repeat `X-Forwarded-For`.
    pub log_forwarded_for: bool,
    /// What is logged.
    pub log: String,
    /// Named sets of parameters.
    pub presets: Presets,
}

impl Layer {
    /// Adds the file, if one is named, and the defaults, and validates the result.
    ///
    /// # Errors
    /// [`ConfigError`] names the file or the setting.
    pub fn resolve(self) -> Result<Settings, ConfigError> {
        let file = self.config.as_deref().map(Self::from_file).transpose()?.unwrap_or_default();
        self.over(file).validate()
    }

    fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let failed = |reason: String| ConfigError::File { path: path.display().to_string(), reason };
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        toml::from_str(&text).map_err(|error| failed(error.to_string().trim_end().to_owned()))
    }

    /// This layer, and `below` where it says nothing.
    fn over(self, below: Self) -> Self {
        Self {
            config: self.config.or(below.config),
            listen: self.listen.or(below.listen),
            max_connections: self.max_connections.or(below.max_connections),
            head_timeout: self.head_timeout.or(below.head_timeout),
            idle_timeout: self.idle_timeout.or(below.idle_timeout),
            write_timeout: self.write_timeout.or(below.write_timeout),
            write_rate: self.write_rate.or(below.write_rate),
            max_source_bytes: self.max_source_bytes.or(below.max_source_bytes),
            download_memory: self.download_memory.or(below.download_memory),
            max_pixels: self.max_pixels.or(below.max_pixels),
            max_frames: self.max_frames.or(below.max_frames),
            max_frame_pixels: self.max_frame_pixels.or(below.max_frame_pixels),
            request_memory: self.request_memory.or(below.request_memory),
            deadline: self.deadline.or(below.deadline),
            workers: self.workers.or(below.workers),
            queue: self.queue.or(below.queue),
            cache: self.cache.or(below.cache),
            max_age: self.max_age.or(below.max_age),
            cors: self.cors.or(below.cors),
            expose_metadata: self.expose_metadata.or(below.expose_metadata),
            s3_endpoint: self.s3_endpoint.or(below.s3_endpoint),
            s3_path_style: self.s3_path_style.or(below.s3_path_style),
            s3_access_denied: self.s3_access_denied.or(below.s3_access_denied),
            versions: self.versions.or(below.versions),
            metrics: self.metrics.or(below.metrics),
            metrics_listen: self.metrics_listen.or(below.metrics_listen),
            lambda_delivery: self.lambda_delivery.or(below.lambda_delivery),
            auto_formats: self.auto_formats.or(below.auto_formats),
            avif_speed: self.avif_speed.or(below.avif_speed),
            log_format: self.log_format.or(below.log_format),
            log_forwarded_for: self.log_forwarded_for.or(below.log_forwarded_for),
            log: self.log.or(below.log),
            presets: if self.presets.is_empty() { below.presets } else { self.presets },
        }
    }

    fn validate(self) -> Result<Settings, ConfigError> {
        let deadline = seconds("deadline", self.deadline.unwrap_or(10.0), 900.0)?;
        let head_timeout = seconds("head_timeout", self.head_timeout.unwrap_or(10.0), 3600.0)?;
        let idle_timeout = seconds("idle_timeout", self.idle_timeout.unwrap_or(90.0), 3600.0)?;
        let write_timeout = seconds("write_timeout", self.write_timeout.unwrap_or(30.0), 3600.0)?;
        let pixels = self.max_pixels.unwrap_or(100_000_000);
        if pixels == 0 {
            return Err(bad("max_pixels", pixels, "at least 1"));
        }
        let avif_speed = self.avif_speed.unwrap_or(codec::avif::DEFAULT_SPEED);
        if !codec::avif::SPEEDS.contains(&avif_speed) {
            return Err(bad("avif_speed", avif_speed, "from 1 to 4"));
        }
        let metrics = self.metrics.unwrap_or_default();
        if let Some(address) = self.metrics_listen.filter(|_| metrics != Metrics::Prometheus) {
            return Err(bad("metrics_listen", address, "used with metrics = prometheus only"));
        }
        for (name, text) in &self.presets {
            check_preset(name, text)?;
        }
        let cors = self.cors.unwrap_or_else(|| "none".to_owned());
        if !matches!(cors.as_str(), "*" | "none") && !is_web_origin(&cors) {
            return Err(bad("cors", cors, "*, none, or one origin such as https://example.com"));
        }
        let usual = Limits::from(Budget { pixels, memory: self.request_memory.map_or(512 << 20, |size| size.0) });
        let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let workers = self.workers.map_or_else(cores, NonZeroUsize::get);
        Ok(Settings {
            listen: self.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080))),
            max_connections: self.max_connections.map(NonZeroUsize::get),
            head_timeout,
            idle_timeout,
            write_timeout,
            write_rate: self.write_rate.map_or(8 << 10, |size| size.0),
            max_source_bytes: self.max_source_bytes.map_or(200 << 20, |size| size.0),
            download_memory: self.download_memory.map_or(1 << 30, |size| size.0),
            limits: Limits {
                frames: self.max_frames.unwrap_or(usual.frames),
                frame_pixels: self.max_frame_pixels.unwrap_or(usual.frame_pixels),
                ..usual
            },
            deadline,
            workers,
            queue: self.queue.unwrap_or(32 * workers),
            cache: self.cache.map_or(64 << 20, |size| size.0),
            max_age: self.max_age.unwrap_or(30 * 24 * 60 * 60),
            cors: (cors != "none").then_some(cors),
            expose_metadata: self.expose_metadata.unwrap_or(ExposeMetadata::All),
            s3: S3Settings {
                endpoint: self.s3_endpoint.map(check_endpoint).transpose()?,
                path_style: self.s3_path_style.unwrap_or(false),
                denied: self.s3_access_denied.unwrap_or_default(),
            },
            versions: self.versions.unwrap_or(false),
            metrics,
            metrics_listen: self.metrics_listen,
            delivery: self.lambda_delivery.unwrap_or_default(),
            auto_formats: self.auto_formats.map_or(Ok(AUTO_FORMATS.into()), |list| auto_formats(&list))?,
            avif_speed,
            log_format: self.log_format.unwrap_or(LogFormat::Text),
            log_forwarded_for: self.log_forwarded_for.unwrap_or(false),
            log: self.log.unwrap_or_else(|| "info".to_owned()),
            presets: self.presets,
        })
    }
}

fn bad(name: &str, value: impl ToString, allowed: &str) -> ConfigError {
    ConfigError::Value { name: name.to_owned(), value: value.to_string(), allowed: allowed.to_owned() }
}

fn seconds(name: &str, value: f64, most: f64) -> Result<Duration, ConfigError> {
    if (0.001..=most).contains(&value) {
        return Ok(Duration::from_secs_f64(value));
    }
    Err(bad(name, value, &format!("seconds from 0.001 to {most}")))
}

/// Whether a browser may send this as `Origin`: scheme, host and port, in lower case, without a slash at the end.
fn is_web_origin(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, host)| {
        let plain = |byte: u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase() && !b"/,?#@\"\\".contains(&byte);
        !scheme.is_empty() && !host.is_empty() && scheme.bytes().chain(host.bytes()).all(plain)
    })
}

/// The formats of a list such as `avif,webp`, in its order.
fn auto_formats(list: &str) -> Result<Vec<Format>, ConfigError> {
    if list.trim() == "none" {
        return Ok(Vec::new());
    }
    let known = |name: &str| AUTO_FORMATS.into_iter().find(|format| format.name() == name.trim());
    let formats: Option<Vec<Format>> = list.split(',').map(known).collect();
    let is_once = |formats: &Vec<Format>| (1..formats.len()).all(|end| !formats[..end].contains(&formats[end]));
    let allowed = "none, or some of avif and webp, each once, with commas between them";
    formats.filter(is_once).ok_or_else(|| bad("auto_formats", list, allowed))
}

fn check_endpoint(url: String) -> Result<String, ConfigError> {
    let scheme = url.parse::<http::Uri>().ok().and_then(|uri| Some(uri.authority().and(uri.scheme_str())?.to_owned()));
    match scheme.as_deref() {
        Some("http" | "https") => Ok(url),
        _ => Err(bad("s3_endpoint", url, "a URL such as https://store.example:9000")),
    }
}

fn check_preset(name: &str, text: &str) -> Result<(), ConfigError> {
    let setting = format!("presets.{name}");
    for (parameter, _) in form_urlencoded::parse(text.as_bytes()) {
        if query::find(&parameter).is_none_or(|p| p.name == "preset") {
            return Err(bad(&setting, text, &format!("{parameter} is no parameter that a preset can hold")));
        }
    }
    match query::parse(text, &Presets::new()) {
        Ok(_) => Ok(()),
        Err(error) => Err(bad(&setting, text, &error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_toml(text: &str) -> Result<Settings, String> {
        let layer: Layer = toml::from_str(text).map_err(|error| error.to_string())?;
        layer.validate().map_err(|error| error.to_string())
    }

    #[test]
    fn flags_win_over_the_file_and_both_over_defaults() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "deadline = 3\nqueue = 5\ncache = \"2K\"\n[presets]\nthumb = \"w=10\"\n").unwrap();
        let flags = Layer { config: Some(file.path().into()), queue: Some(6), ..Layer::default() };
        let settings = flags.resolve().unwrap();
        assert_eq!((settings.queue, settings.deadline.as_secs(), settings.cache), (6, 3, 2048));
        assert_eq!(settings.presets["thumb"], "w=10");
        assert_eq!(settings.max_age, 2_592_000);
    }

    #[test]
    fn bad_settings_are_named() {
        let table = [
            ("deadline = 0", "the setting deadline cannot be 0"),
            ("deadline = nan", "the setting deadline cannot be NaN"),
            ("idle_timeout = -1", "the setting idle_timeout cannot be -1: seconds from 0.001 to 3600"),
            ("write_timeout = 1e9", "the setting write_timeout cannot be 1000000000"),
            ("max_connections = 0", "nonzero"),
            ("metrics = \"emf\"\nmetrics_listen = \"127.0.0.1:9\"", "used with metrics = prometheus only"),
            (
                "auto_formats = \"webp,png\"",
                "the setting auto_formats cannot be webp,png: none, or some of avif and webp",
            ),
            (
                "auto_formats = \"webp,webp\"",
                "the setting auto_formats cannot be webp,webp: none, or some of avif and webp, each once",
            ),
            ("auto_formats = \"jxl\"", "the setting auto_formats cannot be jxl"),
            ("auto_formats = \"\"", "the setting auto_formats cannot be "),
            ("avif_speed = 5", "the setting avif_speed cannot be 5: from 1 to 4"),
            ("max_pixels = \"1X\"", "1X is no number of pixels such as"),
            ("max_age = -1", "-1 is no number of whole seconds"),
            ("deadline = \"soon\"", "soon is no time such as 10, 2.5s"),
            ("cache = 1.5", "1.5 is no number of bytes"),
            ("cache = true", "expected a number or a text"),
            ("listen = \"8081\"", "8081 is no address such as 127.0.0.1:8080, localhost:8080"),
            ("cors = \"example.com\"", "the setting cors cannot be example.com: *, none, or one origin such as"),
            ("cors = \"https://example.com/\"", "the setting cors cannot be"),
            ("cors = \"https://a.example,https://b.example\"", "the setting cors cannot be"),
            ("cors = \"https://Example.com\"", "the setting cors cannot be"),
            ("cors = \"https://\"", "the setting cors cannot be"),
            ("max_pixels = 0", "the setting max_pixels cannot be 0"),
            ("cache = \"5X\"", "5X is no number of bytes"),
            ("cache = \"99999999999G\"", "is no number of bytes"),
            ("listne = \"127.0.0.1:1\"", "unknown field `listne`"),
            ("s3_endpoint = \"store:9000\"", "the setting s3_endpoint cannot be store:9000: a URL such as"),
            ("s3_access_denied = \"never\"", "unknown variant `never`"),
            ("[presets]\nthumb = \"w=0\"", "the setting presets.thumb cannot be w=0: w=0 is not allowed"),
            ("[presets]\nthumb = \"width=1&wid=2\"", "wid is no parameter that a preset can hold"),
            ("[presets]\na = \"preset=b\"", "preset is no parameter that a preset can hold"),
        ];
        for (text, message) in table {
            let error = from_toml(text).expect_err(text);
            assert!(error.contains(message), "{text}: {error}");
        }
        let formats = |list: &str| from_toml(&format!("auto_formats = \"{list}\"")).unwrap().auto_formats;
        assert_eq!(formats("webp, avif"), [Format::WebP, Format::Avif]);
        assert_eq!(formats("none"), []);
        let missing = Layer { config: Some("/no/such.toml".into()), ..Layer::default() };
        assert!(missing.resolve().unwrap_err().to_string().contains("/no/such.toml"));
    }
}
