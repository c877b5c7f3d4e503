//! How long CloudFront keeps an answer, by its Developer Guide ("Manage how long content stays in the cache", "How
//! CloudFront processes HTTP 4xx and 5xx status codes").
//!
//! Comes in: the status and the headers of an answer. Goes out: a time, which is zero for what is not kept. The numbers
//! are those of the cache policy that docs/edge.md asks for.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};

/// For what says nothing about it.
const DEFAULT_TTL: u64 = 24 * 60 * 60;
const MAX_TTL: u64 = 365 * 24 * 60 * 60;
/// The errors that are kept if they say so. CloudFront keeps those of 404, 414 and 5xx without being told as well, for the
/// minimum TTL of errors; docs/edge.md asks for 0 there, which makes them all alike.
const KEPT_ERRORS: [u16; 12] = [400, 403, 404, 405, 412, 414, 415, 500, 501, 502, 503, 504];

/// How long an answer is kept.
pub(super) fn lifetime(status: u16, headers: &HeaderMap, now: SystemTime) -> Duration {
    let told = Told::by(headers);
    let seconds = match status {
        200..400 if told.forbidden => 0,
        200..400 => told.max_age.or_else(|| expires(headers, now)).unwrap_or(DEFAULT_TTL),
        _ if KEPT_ERRORS.contains(&status) => told.max_age.unwrap_or(0),
        _ => 0,
    };
    Duration::from_secs(seconds.min(MAX_TTL))
}

/// What `Cache-Control` says to a shared cache.
struct Told {
    forbidden: bool,
    /// `s-maxage` wins over `max-age`.
    max_age: Option<u64>,
}

impl Told {
    fn by(headers: &HeaderMap) -> Self {
        let values = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
        let text = values.collect::<Vec<_>>().join(",").to_ascii_lowercase();
        let directives: Vec<&str> = text.split(',').map(str::trim).collect();
        let seconds = |name: &str| {
            let value = directives.iter().find_map(|directive| directive.strip_prefix(name)?.strip_prefix('='))?;
            value.trim_matches('"').parse().ok()
        };
        let forbidden = directives.iter().any(|d| matches!(*d, "no-store" | "no-cache" | "private"));
        Self { forbidden, max_age: seconds("s-maxage").or_else(|| seconds("max-age")) }
    }
}

/// Seconds until `Expires`; a date that cannot be read is past (RFC 9111, section 5.3).
fn expires(headers: &HeaderMap, now: SystemTime) -> Option<u64> {
    let text = headers.get(header::EXPIRES)?.to_str().unwrap_or_default();
    let left = httpdate::parse_http_date(text).ok().and_then(|date| date.duration_since(now).ok());
    Some(left.unwrap_or_default().as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_kept_as_they_say() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        type Pairs = &'static [(&'static str, &'static str)];
        let table: [(u16, Pairs, u64); 21] = [
            (200, &[], DEFAULT_TTL),
            (200, &[("cache-control", "public, max-age=60")], 60),
            (200, &[("cache-control", "max-age=60, S-MaxAge=\"5\"")], 5),
            (200, &[("cache-control", "max-age=60"), ("cache-control", "private")], 0),
            (200, &[("cache-control", "no-cache")], 0),
            (200, &[("cache-control", "no-store, max-age=60")], 0),
            (200, &[("cache-control", "max-age=99999999999")], MAX_TTL),
            (200, &[("cache-control", "max-age=x")], DEFAULT_TTL),
            (200, &[("expires", "Sun, 06 Nov 1994 08:49:47 GMT")], 10),
            (200, &[("expires", "0")], 0),
            (200, &[("expires", "0"), ("cache-control", "max-age=7")], 7),
            (304, &[("cache-control", "max-age=60")], 60),
            (404, &[], 0),
            (404, &[("cache-control", "public, max-age=300")], 300),
            (400, &[], 0),
            (400, &[("cache-control", "max-age=10")], 10),
            (403, &[("cache-control", "max-age=10")], 10),
            (416, &[("cache-control", "max-age=10")], 0),
            (422, &[("cache-control", "max-age=10")], 0),
            (503, &[("cache-control", "no-cache")], 0),
            (502, &[("cache-control", "max-age=9")], 9),
        ];
        for (status, pairs, seconds) in table {
            let headers: HeaderMap = pairs.iter().map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap())).collect();
            assert_eq!(lifetime(status, &headers, now).as_secs(), seconds, "{status} {pairs:?}");
        }
    }
}
