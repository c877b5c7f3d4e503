//! Entity tags and conditional requests (RFC 9110, section 13), and byte ranges (section 14).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, header};
use sha2::{Digest, Sha256};

use crate::source::Meta;

/// Counted up whenever the same original and query would give other bytes than before, so that no cache keeps the old
/// ones.
const ENGINE: u32 = 1;

/// The strong entity tag of an answer: the source's own tag, then what was made of it.
///
/// The source's tag stays readable so that a store can be asked whether it is still current; the store's tags hold no
/// character that would need escaping.
pub(super) fn entity_tag(meta: &Meta, variant: &str) -> String {
    let digest = Sha256::digest(format!("{ENGINE}\n{}\n{variant}", env!("CARGO_PKG_VERSION")));
    let variant: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{}-{variant}\"", meta.etag)
}

/// Whether the viewer already has this answer.
pub(crate) fn is_not_modified(headers: &HeaderMap, tag: &str, modified: Option<SystemTime>) -> bool {
    let mut tags = headers.get_all(header::IF_NONE_MATCH).iter().peekable();
    if tags.peek().is_some() {
        // Weak comparison: the opaque part decides (RFC 9110, 13.1.2).
        return tags
            .filter_map(|value| value.to_str().ok())
            .any(|list| list.trim() == "*" || list.split(',').any(|item| item.trim().trim_start_matches("W/") == tag));
    }
    let since = headers.get(header::IF_MODIFIED_SINCE).and_then(|value| value.to_str().ok());
    let since = since.and_then(|date| httpdate::parse_http_date(date).ok());
    match (since, modified) {
        (Some(since), Some(modified)) => whole_seconds(modified) <= whole_seconds(since),
        _ => false,
    }
}

/// HTTP dates have no fractions.
fn whole_seconds(time: SystemTime) -> Duration {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Duration::from_secs(since_epoch.as_secs())
}

/// What a `Range` header asks of an answer of known length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RangeRequest {
    /// All of it: there is no range, or none that has to be honoured.
    All,
    /// These bytes, of which there is at least one.
    Part(std::ops::Range<u64>),
    /// Bytes that do not exist.
    Unsatisfiable,
}

/// Reads `Range` and `If-Range`. Several ranges at once are answered with everything, as RFC 9110, 14.2 allows.
pub(crate) fn range(headers: &HeaderMap, tag: &str, modified: Option<SystemTime>, length: u64) -> RangeRequest {
    let Some(text) = headers.get(header::RANGE).and_then(|value| value.to_str().ok()) else { return RangeRequest::All };
    if let Some(condition) = headers.get(header::IF_RANGE).and_then(|value| value.to_str().ok()) {
        let date = httpdate::parse_http_date(condition).ok();
        let same_date = date.is_some() && date.map(whole_seconds) == modified.map(whole_seconds);
        if condition != tag && !same_date {
            return RangeRequest::All;
        }
    }
    parse_range(text, length).unwrap_or(RangeRequest::All)
}

fn parse_range(text: &str, length: u64) -> Option<RangeRequest> {
    let (unit, set) = text.split_once('=')?;
    let (first, last) = set.trim().split_once('-')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") || set.contains(',') {
        return None;
    }
    let number =
        |digits: &str| digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u64>().ok()).flatten();
    let (start, end) = match (first.trim(), last.trim()) {
        ("", suffix) => (length.saturating_sub(number(suffix)?), length),
        (first, "") => (number(first)?, length),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            (first, last.saturating_add(1).min(length))
        }
    };
    Some(if start < end { RangeRequest::Part(start..end) } else { RangeRequest::Unsatisfiable })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn tags_depend_on_source_and_transform() {
        let meta = |etag: &str| Meta { etag: etag.into(), modified: None, length: 0 };
        let tag = entity_tag(&meta("abc"), "w=1");
        assert!(tag.starts_with("\"abc-") && tag.ends_with('"'), "{tag}");
        assert_ne!(tag, entity_tag(&meta("abd"), "w=1"));
        assert_ne!(tag, entity_tag(&meta("abc"), "w=2"));
    }

    #[test]
    fn conditions_follow_the_rfc() {
        let modified = Some(UNIX_EPOCH + Duration::from_millis(1_000_000_500));
        let at = "Mon, 12 Jan 1970 13:46:40 GMT";
        let before = "Mon, 12 Jan 1970 13:46:39 GMT";
        let (none, since) = (header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE);
        let table: &[(&[(header::HeaderName, &str)], bool)] = &[
            (&[], false),
            (&[(none.clone(), "\"t\"")], true),
            (&[(none.clone(), "\"x\", W/\"t\"")], true),
            (&[(none.clone(), "*")], true),
            (&[(none.clone(), "t")], false),
            (&[(none.clone(), "\"x\""), (since.clone(), at)], false),
            (&[(since.clone(), at)], true),
            (&[(since.clone(), before)], false),
            (&[(since.clone(), "yesterday")], false),
        ];
        for (pairs, expected) in table {
            assert_eq!(is_not_modified(&headers(pairs), "\"t\"", modified), *expected, "{pairs:?}");
        }
    }

    #[test]
    fn ranges_follow_the_rfc() {
        use RangeRequest::{All, Part, Unsatisfiable};
        let table = [
            ("bytes=0-0", Part(0..1)),
            ("bytes=5-", Part(5..10)),
            ("bytes=5-99", Part(5..10)),
            ("bytes=-3", Part(7..10)),
            ("bytes=-99", Part(0..10)),
            ("bytes=10-", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=5-4", All),
            ("bytes=0-1,3-4", All),
            ("bytes=-", All),
            ("bytes=+1-2", All),
            ("lines=0-1", All),
            ("bytes=0-99999999999999999999", All),
        ];
        for (text, expected) in table {
            assert_eq!(range(&headers(&[(header::RANGE, text)]), "\"t\"", None, 10), expected, "{text}");
        }
        let with = |condition| {
            range(&headers(&[(header::RANGE, "bytes=0-0"), (header::IF_RANGE, condition)]), "\"t\"", None, 10)
        };
        assert_eq!((with("\"t\""), with("\"old\""), with("W/\"t\"")), (Part(0..1), All, All));
    }
}
