//! The table of settings, and what comes of it: one place in code for flags, `IMAGE_ORIGIN_*` variables and TOML files.
//!
//! A [`Layer`] is what one place says; [`Layer::over`] lays one on top of another, and [`Layer::resolve`] adds the defaults and
//! validates. What comes out is [`Settings`], with a part for each owner. A message about a bad setting names it.

mod quantity;

use std::net::SocketAddr;
use std::path::Path;

use http::{HeaderName, header};

pub use quantity::{BadValue, ByteSize};
use quantity::{
    base_path, count, listen_address, pixels, results_for, results_place, seconds, socket_address, switch, text,
    whole_seconds, word,
};

use crate::codec::{self, Budget, Format};
use crate::front::playground::Playground;
use crate::front::{
    ConnectionSettings, Delivery, Invalidate, InvalidateBy, InvalidationSettings, ListenAddress, ViewerSettings,
};
use crate::origin::{ExposeMetadata, Metrics, OriginSettings};
use crate::query::{self, Presets};
use crate::results::{ResultsFor, ResultsPlace, ResultsSettings};
use crate::source::{AccessDenied, SourceSettings};
use crate::transform::{AUTO_FORMATS, Limits};

/// Declares an enum whose variants are words of settings.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// The word, as in settings.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl crate::config::Word for $name {
            const WORDS: &'static [(&'static str, Self)] = &[$(($word, Self::$variant)),+];
        }
    };
}
pub(crate) use words;

/// A value that is written as a word.
pub(crate) trait Word: Copy + 'static {
    /// Every word and what it means.
    const WORDS: &'static [(&'static str, Self)];
}

words! {
    /// How log lines look.
    LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

/// A setting, as those see it who read texts.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The name in TOML; with `-` for `_` that of the flag, in capitals that of the variable.
    pub name: &'static str,
    /// What kind of value it takes, for help.
    pub value: &'static str,
    /// What it does, and its default.
    pub help: &'static str,
    /// The words that it takes, if these are few.
    pub words: fn() -> Vec<&'static str>,
    /// Whether a text is such a value, as far as that is known of the text alone.
    pub check: fn(&str) -> Result<(), BadValue>,
}

/// Declares the settings: name, type and reader, the kind of value, and the words if it takes words.
macro_rules! settings {
    ($($(#[doc = $help:literal])+ $name:ident: $type:ty = $read:path, $value:literal $(, $words:ty)?;)+) => {
        /// Settings as one place gives them: whatever is absent is left to the next place, or the default.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct Layer {
            $($(#[doc = $help])+ pub $name: Option<$type>,)+
            /// Named sets of parameters, such as `thumb = "w=200&h=200&fit=cover"`.
            pub presets: Presets,
        }

        /// Every setting but the presets, in the order in which people read about them.
        pub const SETTINGS: &[Setting] = &[$(
            Setting {
                name: stringify!($name),
                value: $value,
                help: concat!($($help),+),
                words: || {
                    #[allow(unused_mut, reason = "most settings take no words")]
                    let mut words = Vec::new();
                    $(words.extend(<$words as Word>::WORDS.iter().map(|(word, _)| *word));)?
                    words
                },
                check: |text| {
                    let _: $type = $read(text)?;
                    Ok(())
                },
            },
        )+];

        impl Layer {
            /// This layer, and `below` where it says nothing.
            #[must_use]
            pub fn over(self, below: Self) -> Self {
                Self {
                    $($name: self.$name.or(below.$name),)+
                    presets: if self.presets.is_empty() { below.presets } else { self.presets },
                }
            }

            /// Reads one setting but the presets.
            ///
            /// # Errors
            /// [`ConfigError`] names the setting.
            pub fn set(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
                match name {
                    $(stringify!($name) => self.$name = Some($read(value).map_err(|error| bad(name, value, error))?),)+
                    _ => return Err(ConfigError::Unknown(name.to_owned())),
                }
                Ok(())
            }
        }
    };
}

settings! {
    /// Address and port to listen on, such as localhost:8080; :8080 is port 8080 of all addresses, and unix:/run/x.sock a
    /// socket in the file system [default: 127.0.0.1:8080]
    listen: ListenAddress = listen_address, "ADDRESS";
    /// Path below which pictures are, such as /img, for a proxy in front that has other paths as well [default: /]
    base_path: String = base_path, "PATH";
    /// Connections at the same time; more wait to be accepted [default: half of the file descriptors that the system
    /// allows, less some for other files, and 10000 at most]
    max_connections: u32 = count, "N";
    /// Seconds that a client may take over a request's head, from its first byte or from the start of the connection
    /// [default: 10]
    head_timeout: f64 = seconds, "SECONDS";
    /// Seconds that a connection may be idle between two requests [default: 90]
    idle_timeout: f64 = seconds, "SECONDS";
    /// Seconds of waiting for a client to take its answer after which it must have taken enough of it [default: 30]
    write_timeout: f64 = seconds, "SECONDS";
    /// Bytes that a client must take in each of these seconds; one that is slower loses its connection [default: 8K]
    write_rate: ByteSize = str::parse, "BYTES";
    /// Largest original in bytes; K, M and G are understood [default: 200M]
    max_source_bytes: ByteSize = str::parse, "BYTES";
    /// Memory for all originals that are being read or handed on from memory [default: 1G]
    download_memory: ByteSize = str::parse, "BYTES";
    /// Most pixels of an original; 100M are 100 million [default: 100M]
    max_pixels: u64 = pixels, "PIXELS";
    /// Most frames of an animation [default: 2000]
    max_frames: u32 = count, "N";
    /// Most pixels of all frames of an animation together [default: 500M]
    max_frame_pixels: u64 = pixels, "PIXELS";
    /// Most memory that one picture may take, beside its original; 512M is enough for 48 megapixels in most formats
    /// [default: 512M]
    request_memory: ByteSize = str::parse, "BYTES";
    /// Time that one request may take, in seconds or with ms, s, m, h or d [default: 10]
    deadline: f64 = seconds, "SECONDS";
    /// Pictures worked on at the same time [default: the number of cores]
    workers: u32 = count, "N";
    /// Pictures that may wait for a worker; beyond that requests are refused with 503 [default: 32 a worker]
    queue: u32 = count, "N";
    /// Memory for finished pictures; 0 keeps none [default: 64M]
    cache: ByteSize = str::parse, "BYTES";
    /// Where finished pictures are kept for other processes and the next start: dir:PATH or s3://BUCKET/PREFIX [default:
    /// nowhere]
    results: ResultsPlace = results_place, "PLACE";
    /// Which pictures are kept there: all, presets, or those that took long, as slower-than=200ms [default: all]
    results_for: ResultsFor = results_for, "WHICH";
    /// Bytes that a folder of results may hold; the least recently used go first [default: 10G]
    results_bytes: ByteSize = str::parse, "BYTES";
    /// Time that a request may wait for the store of results [default: 1s]
    results_timeout: f64 = seconds, "SECONDS";
    /// Time that viewers and CDNs may keep a picture, in seconds or with s, m, h or d [default: 30d]
    max_age: u32 = whole_seconds, "SECONDS";
    /// Most time that viewers and CDNs may keep a picture whose original has a Cache-Control of its own [default: 365d]
    max_age_limit: u32 = whole_seconds, "SECONDS";
    /// Name of the header with cache tags, by which a CDN takes answers back, or none [default: Cache-Tag]
    cache_tag_header: String = text, "NAME";
    /// Web origin whose scripts may read pictures: `*`, `none`, or one such as `https://example.com` [default: none; * in
    /// Lambda]
    cors: String = text, "ORIGIN";
    /// Which metadata viewers may see through showExif and metadata=all [default: all]
    expose_metadata: ExposeMetadata = word, "WHICH", ExposeMetadata;
    /// Base URL of an S3-compatible store [default: that of AWS]
    s3_endpoint: String = text, "URL";
    /// Whether the bucket stands in the path, as S3-compatible stores want it [default: false]
    s3_path_style: bool = switch, "BOOL", bool;
    /// What viewers are told of originals that S3 does not let us read [default: not-found]
    s3_access_denied: AccessDenied = word, "ANSWER", AccessDenied;
    /// Whether versionId in the query names a version of the original in S3 [default: false]
    versions: bool = switch, "BOOL", bool;
    /// Where figures of operation go: to Prometheus by way of metrics_listen, or as CloudWatch's Embedded Metric Format to
    /// standard output [default: prometheus; emf in Lambda]
    metrics: Metrics = word, "WHERE", Metrics;
    /// Address and port of their own for Prometheus' /metrics, and for /healthz [default: none]
    metrics_listen: SocketAddr = socket_address, "ADDRESS:PORT";
    /// Page at / that tries parameters on the pictures of the folder and lists them: on, off, or auto, which is for browsers
    /// on this machine while the server listens on a loopback address [default: auto; off in Lambda]
    playground: Playground = word, "WHEN", Playground;
    /// How answers leave a Lambda function; a load balancer's are buffered always [default: streamed]
    lambda_delivery: Delivery = word, "HOW", Delivery;
    /// Id of the CloudFront distribution that a Lambda function tells of changed originals, when their messages come to it
    /// [default: none]
    lambda_distribution: String = text, "ID";
    /// How it tells of them; by paths, where the distribution has no cache tags [default: tags]
    lambda_invalidate_by: InvalidateBy = word, "HOW", InvalidateBy;
    /// Of which it tells: all, or those that a bucket with versions had before; new ones are in no cache [default: all]
    lambda_invalidate: Invalidate = word, "WHICH", Invalidate;
    /// What format=auto may choose beside JPEG and PNG, the best first: avif, webp, or none [default: avif,webp]
    auto_formats: String = text, "FORMATS";
    /// How fast AVIF is written, from 1, which makes the smallest files, to 4; large pictures are written faster [default: 3]
    avif_speed: u32 = count, "SPEED";
    /// How log lines look [default: text; json in Lambda]
    log_format: LogFormat = word, "FORMAT", LogFormat;
    /// Whether log lines repeat X-Forwarded-For, which is true only where a proxy in front sets it [default: false]
    log_forwarded_for: bool = switch, "BOOL", bool;
    /// What is logged: a level, or directives such as `image_origin=debug` [default: info]
    log: String = text, "FILTER";
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read or is not TOML.
    #[error("the configuration file {path} cannot be used: {reason}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it, with the line where that is known.
        reason: String,
    },
    /// There is no such setting.
    #[error("{0} is no setting{hint}", hint = did_you_mean(.0))]
    Unknown(String),
    /// A value cannot be read or is out of range.
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

fn did_you_mean(name: &str) -> String {
    let names = SETTINGS.iter().map(|setting| setting.name).chain(["presets"]);
    query::nearest(name, names).map(|meant| format!("; did you mean {meant}?")).unwrap_or_default()
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// How lines look.
    pub format: LogFormat,
    /// A level, or directives.
    pub filter: String,
}

/// The settings that hold, by owner.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// Where to listen.
    pub listen: ListenAddress,
    /// Path below which pictures are, without a slash at its end.
    pub base_path: String,
    /// Where Prometheus finds the figures of operation.
    pub metrics_listen: Option<SocketAddr>,
    /// What connections may take.
    pub connections: ConnectionSettings,
    /// What viewers and the log get beside answers.
    pub viewers: ViewerSettings,
    /// How requests are answered.
    pub origin: OriginSettings,
    /// Where originals come from.
    pub source: SourceSettings,
    /// Who is shown the page at `/`.
    pub playground: Playground,
    /// How answers leave a Lambda function.
    pub delivery: Delivery,
    /// Whom a Lambda function tells of changed originals.
    pub invalidation: Option<InvalidationSettings>,
    /// What is logged.
    pub log: LogSettings,
}

impl Layer {
    /// Reads a TOML file.
    ///
    /// # Errors
    /// [`ConfigError`] names the file.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let failed = |reason: String| ConfigError::File { path: path.display().to_string(), reason };
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        Self::from_toml(&text).map_err(|error| failed(error.to_string().trim_end().to_owned()))
    }

    fn from_toml(text: &str) -> Result<Self, TomlError> {
        let mut layer = Self::default();
        for (name, value) in toml::from_str::<toml::Table>(text)? {
            match value {
                toml::Value::Table(presets) if name == "presets" => {
                    for (name, value) in presets {
                        let text = written(&format!("presets.{name}"), value)?;
                        layer.presets.insert(name, text);
                    }
                }
                value if name == "presets" => {
                    return Err(bad(&name, written(&name, value)?, "a table of names and queries").into());
                }
                value => layer.set(&name, &written(&name, value)?)?,
            }
        }
        Ok(layer)
    }

    /// Adds the defaults, and validates.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting.
    pub fn resolve(self) -> Result<Settings, ConfigError> {
        let metrics = self.metrics.unwrap_or(Metrics::Prometheus);
        if let Some(address) = self.metrics_listen.filter(|_| metrics != Metrics::Prometheus) {
            return Err(bad("metrics_listen", address, "used with metrics = prometheus only"));
        }
        let bytes = |size: Option<ByteSize>, default| size.map_or(default, |size| size.0);
        let source = SourceSettings {
            endpoint: self.s3_endpoint.map(check_endpoint).transpose()?,
            path_style: self.s3_path_style.unwrap_or(false),
            denied: self.s3_access_denied.unwrap_or_default(),
            versions: self.versions.unwrap_or(false),
        };
        let results_timeout = time("results_timeout", self.results_timeout, 1.0, 60.0)?;
        let results = self.results.map(|place| ResultsSettings {
            place,
            which: self.results_for.unwrap_or(ResultsFor::All),
            max_bytes: bytes(self.results_bytes, 10 << 30),
            timeout: results_timeout,
            s3: source.clone(),
        });
        Ok(Settings {
            listen: self.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080)).into()),
            base_path: self.base_path.unwrap_or_default(),
            metrics_listen: self.metrics_listen,
            connections: ConnectionSettings {
                max: self.max_connections.map(|most| within("max_connections", most, 1..=u32::MAX)).transpose()?,
                head_timeout: time("head_timeout", self.head_timeout, 10.0, 3600.0)?,
                idle_timeout: time("idle_timeout", self.idle_timeout, 90.0, 3600.0)?,
                write_timeout: time("write_timeout", self.write_timeout, 30.0, 3600.0)?,
                write_rate: bytes(self.write_rate, 8 << 10),
            },
            viewers: ViewerSettings {
                cors: self.cors.map_or(Ok(None), check_cors)?,
                log_forwarded_for: self.log_forwarded_for.unwrap_or(false),
            },
            source,
            playground: self.playground.unwrap_or(Playground::Auto),
            delivery: self.lambda_delivery.unwrap_or_default(),
            invalidation: self.lambda_distribution.map(check_distribution).transpose()?.map(|distribution| {
                InvalidationSettings {
                    distribution,
                    by: self.lambda_invalidate_by.unwrap_or_default(),
                    which: self.lambda_invalidate.unwrap_or_default(),
                }
            }),
            log: LogSettings {
                format: self.log_format.unwrap_or(LogFormat::Text),
                filter: self.log.clone().unwrap_or_else(|| "info".to_owned()),
            },
            origin: OriginSettings {
                max_source_bytes: bytes(self.max_source_bytes, 200 << 20),
                download_memory: bytes(self.download_memory, 1 << 30),
                limits: limits(self.max_pixels, self.max_frames, self.max_frame_pixels, self.request_memory)?,
                deadline: time("deadline", self.deadline, 10.0, 900.0)?,
                workers: workers(self.workers)?,
                queue: self.queue.map_or_else(|| Ok(32 * workers(self.workers)?), |queue| Ok(queue as usize))?,
                cache: bytes(self.cache, 64 << 20),
                results,
                max_age: self.max_age.unwrap_or(30 * 24 * 60 * 60),
                max_age_limit: self.max_age_limit.unwrap_or(365 * 24 * 60 * 60),
                cache_tag_header: cache_tag_header(self.cache_tag_header.as_deref().unwrap_or("cache-tag"))?,
                expose_metadata: self.expose_metadata.unwrap_or(ExposeMetadata::All),
                metrics,
                auto_formats: self.auto_formats.map_or(Ok(AUTO_FORMATS.into()), |list| auto_formats(&list))?,
                avif_speed: avif_speed(self.avif_speed)?,
                presets: check_presets(self.presets)?,
            },
        })
    }
}

/// What is wrong with a TOML file.
#[derive(Debug, thiserror::Error)]
enum TomlError {
    #[error(transparent)]
    Syntax(#[from] toml::de::Error),
    #[error(transparent)]
    Setting(#[from] ConfigError),
}

/// A value of TOML as flags have it; a number needs no quotes.
fn written(name: &str, value: toml::Value) -> Result<String, ConfigError> {
    match value {
        toml::Value::String(text) => Ok(text),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Float(number) => Ok(number.to_string()),
        toml::Value::Boolean(switch) => Ok(switch.to_string()),
        toml::Value::Datetime(date) => Ok(date.to_string()),
        toml::Value::Array(_) => Err(bad(name, "a list", "a number, or a text in quotes")),
        toml::Value::Table(_) => Err(bad(name, "a table", "a number, or a text in quotes")),
    }
}

fn bad(name: &str, value: impl ToString, allowed: impl ToString) -> ConfigError {
    ConfigError::Value { name: name.to_owned(), value: value.to_string(), allowed: allowed.to_string() }
}

/// A number in a range.
fn within(name: &str, value: u32, range: std::ops::RangeInclusive<u32>) -> Result<usize, ConfigError> {
    if range.contains(&value) {
        return Ok(value as usize);
    }
    let (start, end) = (range.start(), range.end());
    let allowed = if *end == u32::MAX { format!("at least {start}") } else { format!("from {start} to {end}") };
    Err(bad(name, value, allowed))
}

fn time(name: &str, value: Option<f64>, default: f64, most: f64) -> Result<std::time::Duration, ConfigError> {
    let value = value.unwrap_or(default);
    if (0.001..=most).contains(&value) {
        return Ok(std::time::Duration::from_secs_f64(value));
    }
    Err(bad(name, value, format!("seconds from 0.001 to {most}")))
}

/// Each has two threads of its own.
const MOST_WORKERS: u32 = 1024;

fn workers(given: Option<u32>) -> Result<usize, ConfigError> {
    match given {
        Some(workers) => within("workers", workers, 1..=MOST_WORKERS),
        None => Ok(std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)),
    }
}

fn avif_speed(given: Option<u32>) -> Result<u8, ConfigError> {
    let Some(speed) = given else { return Ok(codec::avif::DEFAULT_SPEED) };
    let known = u8::try_from(speed).ok().filter(|speed| codec::avif::SPEEDS.contains(speed));
    known.ok_or_else(|| bad("avif_speed", speed, "from 1 to 4"))
}

fn limits(
    pixels: Option<u64>,
    frames: Option<u32>,
    frame_pixels: Option<u64>,
    memory: Option<ByteSize>,
) -> Result<Limits, ConfigError> {
    let usual = Limits::default();
    let pixels = pixels.unwrap_or(usual.budget.pixels);
    if pixels == 0 {
        return Err(bad("max_pixels", pixels, "at least 1"));
    }
    Ok(Limits {
        budget: Budget { pixels, memory: memory.map_or(usual.budget.memory, |size| size.0) },
        frames: frames.unwrap_or(usual.frames),
        frame_pixels: frame_pixels.unwrap_or(usual.frame_pixels),
    })
}

/// Headers of answers that mean something else than cache tags.
const RESERVED_HEADERS: [HeaderName; 10] = [
    header::ACCEPT_RANGES,
    header::CACHE_CONTROL,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::ETAG,
    header::LAST_MODIFIED,
    header::TRANSFER_ENCODING,
    header::VARY,
    header::X_CONTENT_TYPE_OPTIONS,
];

fn cache_tag_header(name: &str) -> Result<Option<HeaderName>, ConfigError> {
    if name == "none" {
        return Ok(None);
    }
    let parsed = name.parse().map_err(|_| bad("cache_tag_header", name, "none, or the name of a header"))?;
    if RESERVED_HEADERS.contains(&parsed) {
        return Err(bad("cache_tag_header", name, "a header that has no other meaning"));
    }
    Ok(Some(parsed))
}

fn check_distribution(id: String) -> Result<String, ConfigError> {
    let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_id { Ok(id) } else { Err(bad("lambda_distribution", id, "the id of a distribution, such as E2EXAMPLE")) }
}

/// Who may read pictures: nobody, everybody, or one web origin.
fn check_cors(cors: String) -> Result<Option<String>, ConfigError> {
    match cors.as_str() {
        "none" => Ok(None),
        "*" => Ok(Some(cors)),
        origin if is_web_origin(origin) => Ok(Some(cors)),
        _ => Err(bad("cors", cors, "*, none, or one origin such as https://example.com")),
    }
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

/// Presets that hold parameters which exist, with values that are allowed.
fn check_presets(presets: Presets) -> Result<Presets, ConfigError> {
    for (name, text) in &presets {
        let setting = format!("presets.{name}");
        for (parameter, _) in form_urlencoded::parse(text.as_bytes()) {
            if query::find(&parameter).is_none_or(|parameter| parameter.name == "preset") {
                return Err(bad(&setting, text, format!("{parameter} is no parameter that a preset can hold")));
            }
        }
        query::parse(text, &Presets::new()).map_err(|error| bad(&setting, text, error))?;
    }
    Ok(presets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_toml(text: &str) -> Result<Settings, String> {
        let layer = Layer::from_toml(text).map_err(|error| error.to_string())?;
        layer.resolve().map_err(|error| error.to_string())
    }

    #[test]
    fn flags_win_over_the_file_and_both_over_defaults() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "deadline = 3\nqueue = 5\ncache = \"2K\"\n[presets]\nthumb = \"w=10\"\n").unwrap();
        let flags = Layer { queue: Some(6), ..Layer::default() };
        let settings = flags.over(Layer::from_file(file.path()).unwrap()).resolve().unwrap().origin;
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
            ("max_connections = 0", "the setting max_connections cannot be 0: at least 1"),
            ("max_connections = -1", "-1 is no whole number such as 4"),
            ("workers = 0", "the setting workers cannot be 0: from 1 to 1024"),
            ("workers = 100000", "the setting workers cannot be 100000: from 1 to 1024"),
            ("queue = 1.5", "1.5 is no whole number"),
            ("max_frames = \"many\"", "many is no whole number"),
            ("versions = \"yes\"", "the setting versions cannot be yes: yes is not one of true and false"),
            ("workers = [1]", "the setting workers cannot be a list: a number, or a text in quotes"),
            ("presets = 1", "the setting presets cannot be 1: a table"),
            ("[presets]\nthumb = []", "the setting presets.thumb cannot be a list"),
            ("workers = 1\nworkers = 2", "duplicate key"),
            ("workers = ", "line 1"),
            ("cache_tag_header = \"a b\"", "the setting cache_tag_header cannot be a b: none, or the name of a header"),
            ("cache_tag_header = \"ETag\"", "a header that has no other meaning"),
            ("results = \"/tmp\"", "/tmp is no place for results such as dir:PATH or s3://BUCKET/PREFIX"),
            ("results = \"dir:\"", "no place for results"),
            ("results_for = \"some\"", "some is not all, presets, or a time such as slower-than=200ms"),
            ("results_for = \"slower-than=-1\"", "slower-than=-1 is not all, presets"),
            ("results_timeout = 0", "the setting results_timeout cannot be 0"),
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
            ("cache = true", "true is no number of bytes"),
            ("listen = \"8081\"", "8081 is no address such as 127.0.0.1:8080, localhost:8080"),
            ("listen = \"unix:\"", "unix: is no address such as"),
            ("base_path = \"img\"", "img is no path such as /img"),
            ("cors = \"example.com\"", "the setting cors cannot be example.com: *, none, or one origin such as"),
            ("cors = \"https://example.com/\"", "the setting cors cannot be"),
            ("cors = \"https://a.example,https://b.example\"", "the setting cors cannot be"),
            ("cors = \"https://Example.com\"", "the setting cors cannot be"),
            ("cors = \"https://\"", "the setting cors cannot be"),
            ("max_pixels = 0", "the setting max_pixels cannot be 0"),
            (
                "lambda_distribution = \"d1.cloudfront.net\"",
                "the setting lambda_distribution cannot be d1.cloudfront.net",
            ),
            ("cache = \"5X\"", "5X is no number of bytes"),
            ("cache = \"99999999999G\"", "is no number of bytes"),
            ("listne = \"127.0.0.1:1\"", "listne is no setting; did you mean listen?"),
            ("s3_endpoint = \"store:9000\"", "the setting s3_endpoint cannot be store:9000: a URL such as"),
            (
                "s3_access_denied = \"never\"",
                "the setting s3_access_denied cannot be never: never is not one of not-found and forbidden",
            ),
            ("[presets]\nthumb = \"w=0\"", "the setting presets.thumb cannot be w=0: w=0 is not allowed"),
            ("[presets]\nthumb = \"width=1&wid=2\"", "wid is no parameter that a preset can hold"),
            ("[presets]\na = \"preset=b\"", "preset is no parameter that a preset can hold"),
        ];
        for (text, message) in table {
            let error = from_toml(text).expect_err(text);
            assert!(error.contains(message), "{text}: {error}");
        }
        assert!(SETTINGS.iter().all(|setting| (setting.check)("\0").is_err() || setting.value != "N"));
        let formats = |list: &str| from_toml(&format!("auto_formats = \"{list}\"")).unwrap().origin.auto_formats;
        assert_eq!(formats("webp, avif"), [Format::WebP, Format::Avif]);
        assert_eq!(formats("none"), []);
        assert!(Layer::from_file("/no/such.toml".as_ref()).unwrap_err().to_string().contains("/no/such.toml"));
    }
}
