//! Entity tags and conditional requests (RFC 9110, section 13), and byte ranges (section 14).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};

/// The version of the image pipeline. It is incremented whenever the same original and query would yield different
/// bytes, so that caches do not keep outdated ones.
const ENGINE: u32 = 11;

/// The strong entity tag of a response: the source's entity tag, followed by a digest of the variant.
///
/// The source's tag stays readable so that a conditional request to the store can revalidate it. The tags of stores
/// contain no character that would need escaping.
pub(super) fn entity_tag(source_tag: &str, variant: &Variant) -> String {
    format!("\"{source_tag}-{}\"", variant.0)
}

/// A digest of everything that decides the bytes of a response besides the original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variant(String);

impl Variant {
    /// Computes the digest of the given parts: the canonical query, the negotiated formats, and the settings that
    /// affect the bytes.
    pub(super) fn new(parts: &[(&str, &str)]) -> Self {
        let mut digest = Sha256::new();
        digest.update(format!("{ENGINE}\n{}\n", env!("CARGO_PKG_VERSION")));
        for (name, value) in parts {
            digest.update(format!("{name}={value}\n"));
        }
        Self(crate::hex::lower(digest.finalize().get(..8).unwrap_or_default()))
    }

    /// The digest as text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The source's entity tag, taken from the first entity tag in `If-None-Match` that is of this variant, or of any if it is not
/// known yet, for a conditional request to the source.
pub(super) fn held(headers: &HeaderMap, variant: Option<&Variant>) -> Option<String> {
    let source_tag = |item: &str| {
        let opaque = item.trim().trim_start_matches("W/").strip_prefix('"')?.strip_suffix('"')?;
        let source = match variant {
            Some(variant) => opaque.strip_suffix(&variant.0)?.strip_suffix('-')?,
            None => opaque.rsplit_once('-')?.0,
        };
        let sound = source.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        (sound && !source.is_empty()).then(|| source.to_owned())
    };
    let tags = headers.get_all(header::IF_NONE_MATCH).iter();
    tags.filter_map(|value| value.to_str().ok()).flat_map(|list| list.split(',')).find_map(source_tag)
}

/// Whether the request has any precondition.
pub(super) fn is_conditional(headers: &HeaderMap) -> bool {
    [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_MATCH, header::IF_UNMODIFIED_SINCE]
        .iter()
        .any(|name| headers.contains_key(name))
}

/// Evaluates `If-None-Match` and `If-Modified-Since`: whether the client already has this response. An empty tag
/// matches nothing.
pub(crate) fn is_not_modified(headers: &HeaderMap, tag: &str, modified: Option<SystemTime>) -> bool {
    let mut tags = headers.get_all(header::IF_NONE_MATCH).iter().peekable();
    if tags.peek().is_some() {
        // Weak comparison: only the opaque part counts (RFC 9110, 13.1.2).
        let is_same = |item: &str| !tag.is_empty() && item.trim().trim_start_matches("W/") == tag;
        return tags
            .filter_map(|value| value.to_str().ok())
            .any(|list| list.trim() == "*" || list.split(',').any(is_same));
    }
    let since = headers.get(header::IF_MODIFIED_SINCE).and_then(|value| value.to_str().ok());
    let since = since.and_then(|date| httpdate::parse_http_date(date).ok());
    match (since, modified) {
        (Some(since), Some(modified)) => whole_seconds(modified) <= whole_seconds(since),
        _ => false,
    }
}

/// Evaluates `If-Match` and `If-Unmodified-Since`: whether the precondition fails (RFC 9110, 13.1.1 and 13.1.4).
pub(super) fn is_other(headers: &HeaderMap, tag: &str, modified: Option<SystemTime>) -> bool {
    let mut tags = headers.get_all(header::IF_MATCH).iter().peekable();
    if tags.peek().is_some() {
        let mut items = tags.filter_map(|value| value.to_str().ok()).flat_map(|list| list.split(','));
        return !items.any(|item| item.trim() == "*" || (!tag.is_empty() && item.trim() == tag));
    }
    let since = headers.get(header::IF_UNMODIFIED_SINCE).and_then(|value| value.to_str().ok());
    let since = since.and_then(|date| httpdate::parse_http_date(date).ok());
    matches!((since, modified), (Some(since), Some(modified)) if whole_seconds(modified) > whole_seconds(since))
}

/// The time since the epoch in whole seconds, since HTTP dates have no fractions.
fn whole_seconds(time: SystemTime) -> Duration {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Duration::from_secs(since_epoch.as_secs())
}

/// The part of a response of known length that a `Range` header requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RangeRequest {
    /// The whole response: there is no range, or none that has to be honoured.
    All,
    /// These bytes, at least one.
    Part(std::ops::Range<u64>),
    /// A range that lies outside the response.
    Unsatisfiable,
}

/// The value of `Content-Range` for a part of an answer of known length.
pub fn content_range(part: &std::ops::Range<u64>, length: u64) -> HeaderValue {
    written(&format!("bytes {}-{}/{length}", part.start, part.end.saturating_sub(1)))
}

/// The value of `Content-Range` for a 416.
pub fn unsatisfied_range(length: u64) -> HeaderValue {
    written(&format!("bytes */{length}"))
}

fn written(text: &str) -> HeaderValue {
    // Digits and ASCII punctuation are always a valid header value.
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The validators of a response, with which preconditions and ranges are evaluated.
#[derive(Debug, Clone, Default)]
pub struct Validators {
    /// The entity tag including its quotes; empty if there is none.
    pub tag: String,
    /// The time of the last modification of the original.
    pub modified: Option<SystemTime>,
}

/// Evaluates `Range` and `If-Range`. A request for several ranges gets the whole response, as RFC 9110, 14.2 allows.
pub fn range(headers: &HeaderMap, tag: &str, modified: Option<SystemTime>, length: u64) -> RangeRequest {
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
    fn tags_depend_on_source_and_everything_that_is_made_of_it() {
        let tag = |etag: &str, parts: &[(&str, &str)]| entity_tag(etag, &Variant::new(parts));
        let parts = [("query", "w=1"), ("accept", "avif")];
        let one = tag("abc", &parts);
        assert!(one.starts_with("\"abc-") && one.ends_with('"'), "{one}");
        assert_ne!(one, tag("abd", &parts));
        for other in [[("query", "w=2"), parts[1]], [parts[0], ("accept", "")], [parts[1], parts[0]]] {
            assert_ne!(one, tag("abc", &other), "{other:?}");
        }
    }

    #[test]
    fn the_source_is_asked_for_its_own_tag() {
        let variant = Variant::new(&[("query", "w=1")]);
        let tag = entity_tag("abc-2", &variant);
        let held_of = |variant: Option<&Variant>, list: &str| held(&headers(&[(header::IF_NONE_MATCH, list)]), variant);
        let held = |list: &str| held_of(Some(&variant), list);
        for list in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}, \"y\"")] {
            assert_eq!(held(&list).as_deref(), Some("abc-2"), "{list}");
        }
        let other = entity_tag("abc", &Variant::new(&[("query", "w=2")]));
        let evil = tag.replace("abc", "a b");
        for list in ["*", "\"x\"", other.as_str(), evil.as_str(), tag.trim_matches('"'), ""] {
            assert_eq!(held(list), None, "{list}");
        }
        assert_eq!(held_of(None, &format!("W/{other}")).as_deref(), Some("abc"), "any variant");
        for list in ["*", "\"x\"", "\"-x\"", evil.as_str(), ""] {
            assert_eq!(held_of(None, list), None, "{list}");
        }
    }

    #[test]
    fn what_has_no_tag_equals_nothing() {
        for name in [header::IF_NONE_MATCH, header::IF_MATCH] {
            for list in ["", "\"\"", "\"a\",,\"b\"", "W/"] {
                let headers = headers(&[(name.clone(), list)]);
                let same =
                    is_not_modified(&headers, "", None) || !(name != header::IF_MATCH || is_other(&headers, "", None));
                assert!(!same, "{name}: {list}");
            }
        }
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
    fn preconditions_follow_the_rfc() {
        let modified = Some(UNIX_EPOCH + Duration::from_millis(1_000_000_500));
        let (matches, since) = (header::IF_MATCH, header::IF_UNMODIFIED_SINCE);
        let table: &[(&[(header::HeaderName, &str)], bool)] = &[
            (&[], false),
            (&[(matches.clone(), "\"t\"")], false),
            (&[(matches.clone(), "\"x\", \"t\"")], false),
            (&[(matches.clone(), "*")], false),
            (&[(matches.clone(), "W/\"t\"")], true),
            (&[(matches.clone(), "\"x\"")], true),
            (&[(since.clone(), "Mon, 12 Jan 1970 13:46:40 GMT")], false),
            (&[(since.clone(), "Mon, 12 Jan 1970 13:46:39 GMT")], true),
            (&[(since.clone(), "yesterday")], false),
        ];
        for (pairs, expected) in table {
            assert_eq!(is_other(&headers(pairs), "\"t\"", modified), *expected, "{pairs:?}");
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
