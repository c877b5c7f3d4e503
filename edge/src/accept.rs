//! The `Accept` header, reduced to the few values that change an answer.
//!
//! Browsers write dozens of `Accept` texts; what matters is which of the negotiable types they take. The result is the
//! cache's key, so a request whose answer does not depend on `Accept` gets `*/*`, whatever the browser wrote.

use crate::config::Grammar;
use crate::query::Query;

const ANY: &str = "*/*";

/// The `Accept` value that goes on for a request.
pub(crate) fn bucket<'a>(accept: impl Iterator<Item = &'a str>, query: &Query, grammar: &Grammar) -> String {
    if !grammar.negotiates(query) {
        return ANY.to_owned();
    }
    let ranges: Vec<&str> = accept.flat_map(|value| value.split(',')).collect();
    let taken: Vec<&str> =
        grammar.negotiable_types().filter(|media_type| ranges.iter().any(|range| accepts(range, media_type))).collect();
    if taken.is_empty() { ANY.to_owned() } else { taken.join(",") }
}

/// Whether one range of an `Accept` header (RFC 9110, section 12.5.1) names this type with a weight above zero.
///
/// `image/*` and `*/*` do not count: every browser sends them, also those that cannot show AVIF.
fn accepts(range: &str, media_type: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(media_type));
    let refused = parts.any(|parameter| {
        parameter
            .split_once('=')
            .is_some_and(|(name, weight)| name.trim().eq_ignore_ascii_case("q") && is_zero(weight.trim()))
    });
    named && !refused
}

/// `0`, `0.0` and so on, up to three decimals (RFC 9110, section 12.4.2).
fn is_zero(weight: &str) -> bool {
    weight.starts_with('0') && weight.bytes().all(|byte| matches!(byte, b'0' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_has_few_buckets() {
        let grammar: Grammar = serde_json::from_str(
            r#"{"parameters": [{"name": "w"}, {"name": "format", "aliases": ["f"]}, {"name": "preset"}],
                "negotiated_by": [{"name": "format", "value": "auto"}, {"name": "preset"}],
                "negotiable_types": ["image/avif", "image/webp"]}"#,
        )
        .unwrap();
        let chrome = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8";
        let table = [
            (chrome, "w=300", "*/*"),
            (chrome, "f=jpeg", "*/*"),
            (chrome, "f=auto", "image/avif,image/webp"),
            (chrome, "preset=card", "image/avif,image/webp"),
            ("image/webp , IMAGE/AVIF", "f=auto", "image/avif,image/webp"),
            ("image/webp;q=0.8,*/*", "f=auto", "image/webp"),
            ("image/avif;q=0,image/webp", "f=auto", "image/webp"),
            ("image/avif; Q=0.000,image/*", "f=auto", "*/*"),
            ("image/*,*/*", "f=auto", "*/*"),
            ("", "f=auto", "*/*"),
            (";;,,q=0", "f=auto", "*/*"),
        ];
        for (accept, query, expected) in table {
            let query = Query::parse(query, &grammar);
            assert_eq!(bucket([accept].into_iter(), &query, &grammar), expected, "{accept} {query:?}");
        }
    }
}
