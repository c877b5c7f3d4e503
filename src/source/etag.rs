//! Entity tags of stores, in the alphabet of [`ObjectMeta::etag`](super::ObjectMeta::etag).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};

/// The prefix of tags that are derived from the modification time, which the store cannot compare.
const MADE_UP: &str = "lm.";

pub(super) fn is_made_up(tag: &str) -> bool {
    tag.starts_with(MADE_UP)
}

/// The modification time that a made-up tag is derived from.
pub(super) fn modified(tag: &str) -> Option<SystemTime> {
    let (_, seconds) = tag.strip_prefix(MADE_UP)?.split_once('.')?;
    UNIX_EPOCH.checked_add(Duration::from_secs(u64::from_str_radix(seconds, 16).ok()?))
}

/// Converts a store's entity tag: usual tags are kept, anything else is replaced by a digest. Without a tag, length and
/// modification time are used, if both are known.
pub(super) fn normalize_etag(etag: Option<&str>, modified: Option<SystemTime>, length: Option<u64>) -> Option<String> {
    let Some(etag) = etag.filter(|etag| !etag.is_empty()) else {
        let since_epoch = modified?.duration_since(UNIX_EPOCH).ok()?;
        return Some(format!("{MADE_UP}{:x}.{:x}", length?, since_epoch.as_secs()));
    };
    let opaque = etag.trim_start_matches("W/").trim_matches('"');
    let fit = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !opaque.is_empty() && opaque.len() <= 128 && opaque.bytes().all(fit) && !is_made_up(opaque) {
        return Some(opaque.to_owned());
    }
    Some(crate::hex::lower(Sha256::digest(etag).get(..16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_hold_no_character_that_needs_escaping() {
        let tag = |etag: &str| normalize_etag(Some(etag), None, None).unwrap();
        for etag in ["\"d41d8cd98f00b204e9800998ecf8427e\"", "\"d41d8cd98f00b204e9800998ecf8427e-12\""] {
            assert_eq!(tag(etag), etag.trim_matches('"'));
        }
        for odd in ["\"\"", "\"a\\\"b\"", "\"ü\"", "\"a b\"", "\"lm.1.2\"", &format!("\"{}\"", "x".repeat(200))] {
            assert!(tag(odd).bytes().all(|byte| byte.is_ascii_hexdigit()) && tag(odd).len() == 32, "{odd}");
        }
        assert_ne!(tag("a b"), tag("a c"));
    }

    #[test]
    fn a_store_without_tags_gets_them_from_length_and_time() {
        let at = |seconds| Some(UNIX_EPOCH + Duration::from_secs(seconds));
        let table = [
            (None, at(255), Some(16), Some("lm.10.ff")),
            (Some(""), at(255), Some(17), Some("lm.11.ff")),
            (None, at(256), Some(16), Some("lm.10.100")),
            (None, None, Some(16), None),
            (None, at(255), None, None),
            (Some("\"a\""), at(255), Some(16), Some("a")),
        ];
        for (etag, time, length, expected) in table {
            assert_eq!(normalize_etag(etag, time, length).as_deref(), expected, "{etag:?} {time:?} {length:?}");
        }
        assert_eq!(modified("lm.10.ff"), at(255));
        for tag in ["a", "lm.", "lm.1", "lm.1.x", "lm.1.ffffffffffffffffff"] {
            assert_eq!(modified(tag), None, "{tag}");
        }
    }
}
