//! How long CloudFront caches a response, according to its Developer Guide ("Manage how long content stays in the
//! cache", "How CloudFront processes HTTP 4xx and 5xx status codes").
//!
//! The lifetime is computed from status and headers. It is zero for responses that are not cached. The numbers are
//! those of the cache policy that docs/edge.md requires.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};
use image_origin_edge::CacheControl;

/// The lifetime in seconds of a response without caching headers.
const DEFAULT_TTL: u64 = 24 * 60 * 60;
const MAX_TTL: u64 = 365 * 24 * 60 * 60;
/// The error statuses that are cached if their headers say so. CloudFront also caches 404, 414 and 5xx without headers
/// for the minimum TTL of errors; docs/edge.md requires 0 there, which makes them all alike.
const KEPT_ERRORS: [u16; 12] = [400, 403, 404, 405, 412, 414, 415, 500, 501, 502, 503, 504];

/// How long a response may be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Freshness {
    pub(super) lifetime: Duration,
    /// The further time for which it may be served stale while a new one is fetched.
    pub(super) while_revalidate: Duration,
    /// The further time for which it may be served stale if the origin fails; `None` means until it is evicted.
    pub(super) if_error: Option<Duration>,
}

/// The lifetime of a response.
pub(super) fn freshness(status: u16, headers: &HeaderMap, now: SystemTime) -> Freshness {
    let values = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let told = CacheControl::parse(values);
    let max_age = told.s_maxage.or(told.max_age).map(u64::from);
    let seconds = match status {
        200..400 if told.no_store || told.no_cache || told.private => 0,
        200..400 => max_age.or_else(|| expires(headers, now)).unwrap_or(DEFAULT_TTL),
        _ if KEPT_ERRORS.contains(&status) => max_age.unwrap_or(0),
        _ => 0,
    };
    let limited = |seconds: u32| Duration::from_secs(u64::from(seconds).min(MAX_TTL));
    Freshness {
        lifetime: Duration::from_secs(seconds.min(MAX_TTL)),
        while_revalidate: limited(told.stale_while_revalidate.unwrap_or(0)),
        if_error: told.stale_if_error.map(limited),
    }
}

/// The seconds until `Expires`; an invalid date counts as expired (RFC 9111, section 5.3).
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
            (200, &[("cache-control", "max-age=x")], 0),
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
            assert_eq!(freshness(status, &headers, now).lifetime.as_secs(), seconds, "{status} {pairs:?}");
        }
    }

    #[test]
    fn old_answers_are_given_as_they_say() {
        let table = [
            ("max-age=1", 0, None),
            ("max-age=1, stale-while-revalidate=30", 30, None),
            ("max-age=1, stale-while-revalidate=30, stale-if-error=0", 30, Some(0)),
            ("max-age=1, stale-if-error=99999999999", 0, Some(MAX_TTL)),
        ];
        for (text, while_revalidate, if_error) in table {
            let headers = HeaderMap::from_iter([(header::CACHE_CONTROL, text.parse().unwrap())]);
            let found = freshness(200, &headers, SystemTime::UNIX_EPOCH);
            let seconds = (found.while_revalidate.as_secs(), found.if_error.map(|time| time.as_secs()));
            assert_eq!(seconds, (while_revalidate, if_error), "{text}");
        }
    }
}
