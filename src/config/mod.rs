//! The settings, declared in one table for flags, `IMAGE_ORIGIN_*` variables and TOML files.
//!
//! A [`Layer`] contains the settings of one of these. [`Layer::over`] merges two layers, and [`Layer::resolve`] adds
//! the defaults and validates the result. The [`Settings`] are grouped by the module that uses them. Every error names
//! the setting.

mod file;
mod quantity;
mod resolve;
mod settings;
mod sources;

use std::net::SocketAddr;

pub use quantity::{BadValue, ByteSize};
use quantity::{
    base_path, count, listen_address, pixels, results_for, results_place, seconds, socket_address, switch, text,
    whole_seconds, word,
};
pub use settings::{EdgeFiles, LogSettings, Settings};

use crate::front::playground::Playground;
use crate::front::{Delivery, Invalidate, InvalidateBy, ListenAddress};
use crate::origin::{ExposeMetadata, Metrics, SvgMode};
use crate::query::{self, Presets};
use crate::results::{ResultsFor, ResultsPlace};
use crate::source::AccessDenied;

/// Declares an enum whose variants are keywords of a setting.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// The keyword of the value.
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

/// A value that is written as a keyword.
pub(crate) trait Word: Copy + 'static {
    /// All keywords and their values.
    const WORDS: &'static [(&'static str, Self)];
}

words! {
    /// The format of log lines.
    LogFormat {
        /// Human-readable text.
        Text = "text",
        /// One JSON object per line.
        Json = "json",
    }
}

/// The description of a setting, for flags, variables and help.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The name in TOML. The flag has `-` instead of `_`, the variable is in capitals.
    pub name: &'static str,
    /// The placeholder for the value in help.
    pub value: &'static str,
    /// The description, including the default.
    pub help: &'static str,
    /// The keywords, if the setting has a fixed set of them.
    pub words: fn() -> Vec<&'static str>,
    /// Validates a value, as far as that is possible without other settings.
    pub check: fn(&str) -> Result<(), BadValue>,
}

/// Declares the settings: name, type and parser, the placeholder of the value, and the type with the keywords if there
/// are any.
macro_rules! settings {
    ($($(#[doc = $help:literal])+ $name:ident: $type:ty = $read:path, $value:literal $(, $words:ty)?;)+) => {
        /// The settings from one place. Absent ones are taken from the next layer, or from the defaults.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct Layer {
            $($(#[doc = $help])+ pub $name: Option<$type>,)+
            /// The folder of originals, s3://BUCKET/PREFIX or https://HOST/PATH/; in files only, since commands take it as an argument.
            pub source: Option<String>,
            /// The tables of several sources, as written; in files only.
            pub sources: Vec<toml::Table>,
            /// Named sets of parameters, such as `thumb = "w=200&h=200&fit=cover"`.
            pub presets: Presets,
        }

        /// All settings except the presets, in the order of the documentation.
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
            /// Merges two layers; settings of this layer take precedence over `below`.
            #[must_use]
            pub fn over(self, below: Self) -> Self {
                Self {
                    $($name: self.$name.or(below.$name),)+
                    source: self.source.or(below.source),
                    sources: if self.sources.is_empty() { below.sources } else { self.sources },
                    presets: if self.presets.is_empty() { below.presets } else { self.presets },
                }
            }

            /// Parses and sets one setting; presets are not supported.
            ///
            /// # Errors
            /// [`ConfigError`], which names the setting.
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
    /// Address and port to listen on, such as localhost:8080; :8080 is port 8080 on all addresses, unix:/run/x.sock a Unix
    /// domain socket [default: 127.0.0.1:8080]
    listen: ListenAddress = listen_address, "ADDRESS";
    /// Path prefix of all pictures, such as /img, for a proxy that also serves other paths [default: /]
    base_path: String = base_path, "PATH";
    /// Maximum number of concurrent connections; further ones wait to be accepted [default: half of the file descriptors
    /// that the system allows, less some for other files, at most 10000]
    max_connections: u32 = count, "N";
    /// Timeout for the head of a request, from its first byte or from the start of the connection [default: 10]
    head_timeout: f64 = seconds, "SECONDS";
    /// Timeout for a connection that is idle between two requests [default: 90]
    idle_timeout: f64 = seconds, "SECONDS";
    /// Total time of waiting for a client to read its response, after which its rate is checked [default: 30]
    write_timeout: f64 = seconds, "SECONDS";
    /// Minimum rate in bytes per second of that time; slower clients are disconnected [default: 8K]
    write_rate: ByteSize = str::parse, "BYTES";
    /// Maximum size of an original in bytes, with an optional suffix K, M or G [default: 200M]
    max_source_bytes: ByteSize = str::parse, "BYTES";
    /// Memory for all originals that are being read, or forwarded from memory [default: 1G]
    download_memory: ByteSize = str::parse, "BYTES";
    /// Maximum number of pixels of an original; 100M are 100 million [default: 100M]
    max_pixels: u64 = pixels, "PIXELS";
    /// Maximum number of frames of an animation [default: 2000]
    max_frames: u32 = count, "N";
    /// Maximum number of pixels in all frames of an animation together [default: 500M]
    max_frame_pixels: u64 = pixels, "PIXELS";
    /// Maximum memory for processing one picture, in addition to its original; 512M is enough for 48 megapixels in most
    /// formats [default: 512M]
    request_memory: ByteSize = str::parse, "BYTES";
    /// Time limit for one request, in seconds or with ms, s, m, h or d [default: 10]
    deadline: f64 = seconds, "SECONDS";
    /// Number of pictures processed concurrently [default: the number of cores]
    workers: u32 = count, "N";
    /// Number of pictures that may wait for a worker; further requests are rejected with 503 [default: 32 per worker]
    queue: u32 = count, "N";
    /// Memory for the cache of finished pictures; 0 disables it [default: 64M]
    cache: ByteSize = str::parse, "BYTES";
    /// Result store, which keeps finished pictures for other processes and restarts: dir:PATH or s3://BUCKET/PREFIX
    /// [default: none]
    results: ResultsPlace = results_place, "PLACE";
    /// Which pictures are stored there: all, presets, or slow ones, such as slower-than=200ms [default: all]
    results_for: ResultsFor = results_for, "WHICH";
    /// Maximum size of a result store in a folder; the least recently used results are evicted [default: 10G]
    results_bytes: ByteSize = str::parse, "BYTES";
    /// Maximum time that a request waits for the result store [default: 1s]
    results_timeout: f64 = seconds, "SECONDS";
    /// Whether a process tells others which pictures it is rendering, so that they wait for the result [default: true]
    results_claims: bool = switch, "BOOL", bool;
    /// How long clients and CDNs may cache a picture, in seconds or with s, m, h or d [default: 30d]
    max_age: u32 = whole_seconds, "SECONDS";
    /// Upper limit of that time for originals with their own Cache-Control [default: 365d]
    max_age_limit: u32 = whole_seconds, "SECONDS";
    /// Name of the header with the cache tags for purging a CDN, or none [default: Cache-Tag]
    cache_tag_header: String = text, "NAME";
    /// Web origin whose scripts may read pictures (CORS): `*`, `none`, or one such as `https://example.com` [default:
    /// none; * in Lambda]
    cors: String = text, "ORIGIN";
    /// Whether to request something from the source at the start, and to fail if it does not answer [default: false]
    check_source: bool = switch, "BOOL", bool;
    /// Metadata that clients may request through showExif and metadata=all [default: all]
    expose_metadata: ExposeMetadata = word, "WHICH", ExposeMetadata;
    /// Whether pictures keep the marks of how they were made and may be used: IPTC's digital source type, such as made by
    /// AI, and PLUS' permission for data mining [default: true]
    keep_ai_marks: bool = switch, "BOOL", bool;
    /// What becomes of originals in SVG: sanitize sends them without scripts, external references and metadata, and renders
    /// them where another format is requested; rasterize always renders them; refuse rejects them [default: sanitize]
    svg: SvgMode = word, "HOW", SvgMode;
    /// Folder of fonts (TrueType, OpenType) for the text of SVG that is rendered, up to 64 MiB; takes the cargo feature
    /// svg-text [default: none; drawings with text are not rendered then]
    svg_fonts: String = text, "FOLDER";
    /// Folder whose pictures are allowed as overlays, as a path of URLs, or / for all pictures [default: none, which
    /// disables overlays]
    overlays: String = text, "FOLDER";
    /// Memory for the cache of overlays; 0 disables it [default: 32M]
    overlay_cache: ByteSize = str::parse, "BYTES";
    /// Base URL of an S3-compatible store [default: that of AWS]
    s3_endpoint: String = text, "URL";
    /// Whether the bucket is part of the path, as S3-compatible stores expect [default: false]
    s3_path_style: bool = switch, "BOOL", bool;
    /// Response for originals to which S3 denies access [default: not-found]
    s3_access_denied: AccessDenied = word, "ANSWER", AccessDenied;
    /// Access rules and limits for a server without a CDN: an edge.toml, which the edge functions of --cdn obey as well
    /// [default: everything is public]
    edge: String = text, "FILE";
    /// Keys of the edge: tokens, secrets of signed URLs, key sets, credentials for introspection. A file, ssm:NAME for a
    /// parameter of AWS Systems Manager, or the JSON itself; reloaded on SIGHUP and when they change [default: none]
    edge_keys: String = text, "PLACE";
    /// Whether versionId in the query selects a version of the original in S3 [default: false]
    versions: bool = switch, "BOOL", bool;
    /// Where metrics are published: for Prometheus at metrics_listen, or in CloudWatch's Embedded Metric Format on
    /// standard output [default: prometheus; emf in Lambda]
    metrics: Metrics = word, "WHERE", Metrics;
    /// Separate address and port for Prometheus' /metrics, and for /healthz [default: none]
    metrics_listen: SocketAddr = socket_address, "ADDRESS:PORT";
    /// Page at / that lists the pictures of the folder and demonstrates the parameters: on, off, or auto, which is for
    /// browsers on this machine while the server listens on a loopback address [default: auto; off in Lambda]
    playground: Playground = word, "WHEN", Playground;
    /// How a Lambda function delivers responses: streamed, also to REST APIs with the response transfer mode STREAM; buffered;
    /// or auto, streamed to function URLs and buffered for REST APIs. Those to a load balancer are always buffered
    /// [default: auto]
    lambda_delivery: Delivery = word, "HOW", Delivery;
    /// Id of the CloudFront distribution in which a Lambda function invalidates changed originals when it receives their
    /// messages [default: none]
    lambda_distribution: String = text, "ID";
    /// Whether they are invalidated by tags, or by paths if the distribution has no cache tags [default: tags]
    lambda_invalidate_by: InvalidateBy = word, "HOW", InvalidateBy;
    /// Which originals are invalidated: all, or only those that a versioned bucket had before; new ones are in no cache
    /// [default: all]
    lambda_invalidate: Invalidate = word, "WHICH", Invalidate;
    /// Formats that format=auto may choose besides JPEG and PNG, in order of preference: avif, webp, or none [default:
    /// avif,webp]
    auto_formats: String = text, "FORMATS";
    /// Speed of the AVIF encoder, from 1 (smallest files) to 4; large pictures are encoded faster [default: 3]
    avif_speed: u32 = count, "SPEED";
    /// Format of log lines [default: text; json in Lambda]
    log_format: LogFormat = word, "FORMAT", LogFormat;
    /// Whether log lines contain X-Forwarded-For, which can only be trusted if a proxy in front sets it [default:
    /// false]
    log_forwarded_for: bool = switch, "BOOL", bool;
    /// Log level, or directives such as `image_origin=debug` [default: info]
    log: String = text, "FILTER";
}

/// The error for an invalid setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read or is not valid TOML.
    #[error("cannot load the configuration file {path}: {reason}")]
    File {
        /// The path of the file.
        path: String,
        /// The reason, with the line if it is known.
        reason: String,
    },
    /// There is no such setting.
    #[error("unknown setting `{0}`{hint}", hint = did_you_mean(.0))]
    Unknown(String),
    /// The value is invalid or out of range.
    #[error("invalid value {value} for `{name}`: {allowed}")]
    Value {
        /// The name of the setting, as in the file.
        name: String,
        /// The value as given.
        value: String,
        /// The expected values, or a more specific error.
        allowed: String,
    },
}

fn did_you_mean(name: &str) -> String {
    let names = SETTINGS.iter().map(|setting| setting.name).chain(["presets", "source", "sources"]);
    query::nearest(name, names).map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default()
}

fn bad(name: &str, value: impl ToString, allowed: impl ToString) -> ConfigError {
    ConfigError::Value { name: name.to_owned(), value: value.to_string(), allowed: allowed.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Format;

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
            ("deadline = 0", "invalid value 0 for `deadline`: expected 0.001 to 900 seconds"),
            ("deadline = nan", "invalid value NaN for `deadline`"),
            ("idle_timeout = -1", "invalid value -1 for `idle_timeout`: expected 0.001 to 3600 seconds"),
            ("write_timeout = 1e9", "invalid value 1000000000 for `write_timeout`"),
            ("max_connections = 0", "invalid value 0 for `max_connections`: expected at least 1"),
            ("max_connections = -1", "invalid value -1 for `max_connections`: expected a whole number such as 4"),
            ("workers = 0", "invalid value 0 for `workers`: expected 1 to 1024"),
            ("workers = 100000", "invalid value 100000 for `workers`: expected 1 to 1024"),
            ("queue = 1.5", "invalid value 1.5 for `queue`: expected a whole number"),
            ("max_frames = \"many\"", "invalid value many for `max_frames`: expected a whole number"),
            ("versions = \"yes\"", "invalid value yes for `versions`: expected true or false"),
            ("workers = [1]", "invalid value a list for `workers`: expected a number or a string"),
            ("source = 1", "invalid value 1 for `source`: expected a folder, s3://BUCKET/PREFIX or https://HOST/PATH/"),
            ("sources = 1", "invalid value without tables for `sources`: expected tables"),
            ("sources = [1]", "invalid value without tables for `sources`: expected tables"),
            (
                "source = \"a\"\n[[sources]]\npath = \"/*\"\nfrom = \"dir:a\"",
                "invalid value a for `source`: expected either `source` or [[sources]], not both",
            ),
            ("presets = 1", "invalid value 1 for `presets`: expected a table"),
            ("[presets]\nthumb = []", "invalid value a list for `presets.thumb`"),
            ("workers = 1\nworkers = 2", "duplicate key"),
            ("workers = ", "line 1"),
            ("cache_tag_header = \"a b\"", "invalid value a b for `cache_tag_header`: expected none or a header name"),
            ("cache_tag_header = \"ETag\"", "this header is reserved"),
            ("results = \"/tmp\"", "invalid value /tmp for `results`: expected dir:PATH or s3://BUCKET/PREFIX"),
            ("results = \"dir:\"", "expected dir:PATH"),
            ("results_for = \"some\"", "expected all, presets, or a time such as slower-than=200ms"),
            (
                "results_for = \"slower-than=-1\"",
                "invalid value slower-than=-1 for `results_for`: expected all, presets",
            ),
            ("results_timeout = 0", "invalid value 0 for `results_timeout`"),
            ("metrics = \"emf\"\nmetrics_listen = \"127.0.0.1:9\"", "requires `metrics` to be prometheus"),
            (
                "auto_formats = \"webp,png\"",
                "invalid value webp,png for `auto_formats`: expected none, or a comma-separated list of avif",
            ),
            (
                "auto_formats = \"webp,webp\"",
                "invalid value webp,webp for `auto_formats`: expected none, or a comma-separated list of avif and webp without dup",
            ),
            ("overlays = \"\"", "invalid value  for `overlays`: expected none, / for all pictures, or a folder"),
            ("overlays = \"a/../b\"", "invalid value a/../b for `overlays`"),
            (
                "overlays = \"logos\"\n[presets]\na = \"overlay=logo.png\"",
                "invalid value overlay=logo.png for `presets.a`: expected an overlay below the folder",
            ),
            ("[presets]\na = \"overlay=logos/a.png\"", "below the folder that the setting overlays names"),
            ("auto_formats = \"jxl\"", "invalid value jxl for `auto_formats`"),
            ("auto_formats = \"\"", "invalid value  for `auto_formats`"),
            ("avif_speed = 5", "invalid value 5 for `avif_speed`: expected 1 to 4"),
            ("max_pixels = \"1X\"", "invalid value 1X for `max_pixels`: expected a number of pixels such as"),
            ("max_age = -1", "invalid value -1 for `max_age`: expected a whole number of seconds"),
            ("deadline = \"soon\"", "invalid value soon for `deadline`: expected a time such as 10, 2.5s"),
            ("cache = 1.5", "invalid value 1.5 for `cache`: expected a number of bytes"),
            ("cache = true", "invalid value true for `cache`: expected a number of bytes"),
            ("listen = \"8081\"", "invalid value 8081 for `listen`: expected an address such as 127.0.0.1:8080"),
            ("listen = \"unix:\"", "invalid value unix: for `listen`: expected an address such as"),
            ("base_path = \"img\"", "invalid value img for `base_path`: expected a path such as /img"),
            ("cors = \"example.com\"", "invalid value example.com for `cors`: expected *, none, or one origin such as"),
            ("cors = \"https://example.com/\"", "for `cors`: expected"),
            ("cors = \"https://a.example,https://b.example\"", "for `cors`: expected"),
            ("cors = \"https://Example.com\"", "for `cors`: expected"),
            ("cors = \"https://\"", "for `cors`: expected"),
            ("edge_keys = \"keys.json\"", "invalid value keys.json for `edge_keys`: expected `edge` as well"),
            ("max_pixels = 0", "invalid value 0 for `max_pixels`"),
            (
                "lambda_distribution = \"d1.cloudfront.net\"",
                "invalid value d1.cloudfront.net for `lambda_distribution`",
            ),
            ("cache = \"5X\"", "invalid value 5X for `cache`: expected a number of bytes"),
            ("cache = \"99999999999G\"", "expected a number of bytes"),
            ("listne = \"127.0.0.1:1\"", "unknown setting `listne`; did you mean `listen`?"),
            ("s3_endpoint = \"store:9000\"", "invalid value store:9000 for `s3_endpoint`: expected a URL such as"),
            (
                "s3_access_denied = \"never\"",
                "invalid value never for `s3_access_denied`: expected not-found or forbidden",
            ),
            ("[presets]\nthumb = \"w=0\"", "invalid value w=0 for `presets.thumb`: invalid value 0 for `w`"),
            ("[presets]\nthumb = \"width=1&wid=2\"", "a preset cannot contain the parameter `wid`"),
            ("[presets]\na = \"preset=b\"", "a preset cannot contain the parameter `preset`"),
        ];
        for (text, message) in table {
            let error = from_toml(text).expect_err(text);
            assert!(error.contains(message), "{text}: {error}");
        }
        assert!(SETTINGS.iter().all(|setting| (setting.check)("\0").is_err() || setting.value != "N"));
        let formats = |list: &str| from_toml(&format!("auto_formats = \"{list}\"")).unwrap().origin.auto_formats;
        assert_eq!(formats("webp, avif"), [Format::WebP, Format::Avif]);
        assert_eq!(formats("none"), []);
        let overlays = |folder: &str| from_toml(&format!("overlays = \"{folder}\"")).unwrap().origin.overlays;
        for (folder, expected) in [("/", Some("")), ("/logos/", Some("logos")), ("a/b", Some("a/b")), ("none", None)] {
            assert_eq!(overlays(folder).as_deref(), expected, "{folder}");
        }
        assert!(Layer::from_file("/no/such.toml".as_ref()).unwrap_err().to_string().contains("/no/such.toml"));
    }
}
