//! Defaults, and the validation of what a single value does not show.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use http::{HeaderName, header};

use super::quantity::ByteSize;
use super::{ConfigError, EdgeFiles, Layer, LogFormat, LogSettings, Settings, bad, sources};
use crate::codec::{self, Budget, Format};
use crate::front::playground::Playground;
use crate::front::{ConnectionSettings, InvalidationSettings, KeysPlace, ViewerSettings};
use crate::origin::{ExposeMetadata, Metrics, OriginSettings, SvgMode};
use crate::query::{self, Overlay, OverlayKey, Presets};
use crate::results::{ResultsFor, ResultsSettings};
use crate::source::SourceSettings;
#[cfg(feature = "http")]
use crate::source::http::HttpSettings;
use crate::transform::{AUTO_FORMATS, Limits};

impl Layer {
    /// Adds the defaults and validates the settings.
    ///
    /// # Errors
    /// [`ConfigError`], which names the setting.
    pub fn resolve(self) -> Result<Settings, ConfigError> {
        let metrics = self.metrics.unwrap_or(Metrics::Prometheus);
        if let Some(address) = self.metrics_listen.filter(|_| metrics != Metrics::Prometheus) {
            return Err(bad("metrics_listen", address, "requires `metrics` to be prometheus"));
        }
        let edge = match (self.edge, self.edge_keys) {
            (Some(config), keys) => Some(EdgeFiles { config: config.into(), keys: keys.map(keys_place).transpose()? }),
            (None, Some(keys)) => {
                return Err(bad("edge_keys", keys_place(keys)?, "expected `edge` as well"));
            }
            (None, None) => None,
        };
        let bytes = |size: Option<ByteSize>, default| size.map_or(default, |size| size.0);
        let source = SourceSettings {
            endpoint: self.s3_endpoint.map(|url| check_endpoint("s3_endpoint", url)).transpose()?,
            region: None,
            role_arn: None,
            path_style: self.s3_path_style.unwrap_or(false),
            denied: self.s3_access_denied.unwrap_or_default(),
            versions: self.versions.unwrap_or(false),
            #[cfg(feature = "http")]
            http: HttpSettings::default(),
        };
        if let (Some(place), false) = (&self.source, self.sources.is_empty()) {
            return Err(bad(
                "source",
                crate::source::redacted(place),
                "expected either `source` or [[sources]], not both",
            ));
        }
        let overlays = self.overlays.map_or(Ok(None), |folder| check_overlays(&folder))?;
        let results_timeout = time("results_timeout", self.results_timeout, 1.0, 60.0)?;
        let results = self.results.map(|place| ResultsSettings {
            place,
            which: self.results_for.unwrap_or(ResultsFor::All),
            max_bytes: bytes(self.results_bytes, 10 << 30),
            timeout: results_timeout,
            claims: self.results_claims.unwrap_or(true),
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
            place: self.source,
            sources: sources::routes(self.sources, &source)?,
            source,
            check_source: self.check_source.unwrap_or(false),
            edge,
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
                keep_ai_marks: self.keep_ai_marks.unwrap_or(true),
                svg: self.svg.unwrap_or(SvgMode::Sanitize),
                svg_fonts: self.svg_fonts.map(Into::into),
                metrics,
                auto_formats: self.auto_formats.map_or(Ok(AUTO_FORMATS.into()), |list| auto_formats(&list))?,
                avif_speed: avif_speed(self.avif_speed)?,
                presets: check_presets(self.presets, overlays.as_deref())?,
                overlays,
                overlay_cache: bytes(self.overlay_cache, 32 << 20),
            },
        })
    }
}

/// Checks that a number is in a range.
fn within(name: &str, value: u32, range: RangeInclusive<u32>) -> Result<usize, ConfigError> {
    if range.contains(&value) {
        return Ok(value as usize);
    }
    let (start, end) = (range.start(), range.end());
    let allowed =
        if *end == u32::MAX { format!("expected at least {start}") } else { format!("expected {start} to {end}") };
    Err(bad(name, value, allowed))
}

pub(super) fn time(name: &str, value: Option<f64>, default: f64, most: f64) -> Result<Duration, ConfigError> {
    let value = value.unwrap_or(default);
    if (0.001..=most).contains(&value) {
        return Ok(Duration::from_secs_f64(value));
    }
    Err(bad(name, value, format!("expected 0.001 to {most} seconds")))
}

/// The maximum number of workers. Each has two threads.
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
    known.ok_or_else(|| bad("avif_speed", speed, "expected 1 to 4"))
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
        return Err(bad("max_pixels", pixels, "expected at least 1"));
    }
    Ok(Limits {
        budget: Budget { pixels, memory: memory.map_or(usual.budget.memory, |size| size.0) },
        frames: frames.unwrap_or(usual.frames),
        frame_pixels: frame_pixels.unwrap_or(usual.frame_pixels),
    })
}

/// Headers that must not be replaced by cache tags.
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
    let parsed = name.parse().map_err(|_| bad("cache_tag_header", name, "expected none or a header name"))?;
    if RESERVED_HEADERS.contains(&parsed) {
        return Err(bad("cache_tag_header", name, "this header is reserved"));
    }
    Ok(Some(parsed))
}

fn keys_place(text: String) -> Result<KeysPlace, ConfigError> {
    KeysPlace::parse(&text).map_err(|allowed| bad("edge_keys", text, allowed))
}

fn check_distribution(id: String) -> Result<String, ConfigError> {
    let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_id {
        Ok(id)
    } else {
        Err(bad("lambda_distribution", id, "expected the id of a distribution, such as E2EXAMPLE"))
    }
}

/// Validates the CORS setting: nobody, everybody, or one web origin.
fn check_cors(cors: String) -> Result<Option<String>, ConfigError> {
    match cors.as_str() {
        "none" => Ok(None),
        "*" => Ok(Some(cors)),
        origin if is_web_origin(origin) => Ok(Some(cors)),
        _ => Err(bad("cors", cors, "expected *, none, or one origin such as https://example.com")),
    }
}

/// Whether a browser may send this as `Origin`: scheme, host and port in lower case, without a trailing slash.
fn is_web_origin(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, host)| {
        let plain = |byte: u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase() && !b"/,?#@\"\\".contains(&byte);
        !scheme.is_empty() && !host.is_empty() && scheme.bytes().chain(host.bytes()).all(plain)
    })
}

/// Parses an ordered list of formats such as `avif,webp`.
fn auto_formats(list: &str) -> Result<Vec<Format>, ConfigError> {
    if list.trim() == "none" {
        return Ok(Vec::new());
    }
    let known = |name: &str| AUTO_FORMATS.into_iter().find(|format| format.name() == name.trim());
    let formats: Option<Vec<Format>> = list.split(',').map(known).collect();
    let is_once = |formats: &Vec<Format>| (1..formats.len()).all(|end| !formats[..end].contains(&formats[end]));
    let allowed = "expected none, or a comma-separated list of avif and webp without duplicates";
    formats.filter(is_once).ok_or_else(|| bad("auto_formats", list, allowed))
}

pub(super) fn check_endpoint(name: &str, url: String) -> Result<String, ConfigError> {
    let scheme = url.parse::<http::Uri>().ok().and_then(|uri| Some(uri.authority().and(uri.scheme_str())?.to_owned()));
    match scheme.as_deref() {
        Some("http" | "https") => Ok(url),
        _ => Err(bad(name, url, "expected a URL such as https://store.example:9000")),
    }
}

/// What the setting `overlays` may be.
const OVERLAYS: &str = "expected none, / for all pictures, or a folder such as overlays/";

/// Validates the folder of overlays, and removes the slashes at its ends.
fn check_overlays(folder: &str) -> Result<Option<String>, ConfigError> {
    let name = folder.trim_matches('/');
    match folder {
        "none" => Ok(None),
        "" => Err(bad("overlays", folder, OVERLAYS)),
        _ if name.is_empty() || OverlayKey::parse(name).is_some() => Ok(Some(name.to_owned())),
        _ => Err(bad("overlays", folder, OVERLAYS)),
    }
}

/// Validates the presets: every parameter must be known, its value valid, and an overlay below the folder of overlays.
fn check_presets(presets: Presets, overlays: Option<&str>) -> Result<Presets, ConfigError> {
    for (name, text) in &presets {
        let setting = format!("presets.{name}");
        if name.contains(',') || name.trim() != name || name.is_empty() {
            return Err(bad("presets", name, "expected names without commas, and without blanks at their ends"));
        }
        for (parameter, _) in form_urlencoded::parse(text.as_bytes()) {
            if query::find(&parameter).is_none_or(|parameter| parameter.name == "preset") {
                return Err(bad(&setting, text, format!("a preset cannot contain the parameter `{parameter}`")));
            }
        }
        let transform = query::parse(text, &Presets::new()).map_err(|error| bad(&setting, text, error))?;
        let is_allowed = |overlay: Overlay| overlays.is_some_and(|folder| overlay.key.is_below(folder));
        if !transform.overlay.is_none_or(is_allowed) {
            return Err(bad(&setting, text, "expected an overlay below the folder that the setting overlays names"));
        }
    }
    Ok(presets)
}
