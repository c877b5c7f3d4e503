//! The `Accept` header, reduced to the few values that change an answer.
//!
//! Browsers write dozens of `Accept` texts; what matters is which of the negotiable types they take. The result is the
//! cache's key, so a request whose answer does not depend on `Accept` gets `*/*`, whatever the browser wrote.

use image_origin_query::GRAMMAR;

use crate::query::Query;

const ANY: &str = "*/*";

/// The `Accept` value that goes on for a request.
pub(crate) fn bucket<'a>(accept: impl Iterator<Item = &'a str>, query: &Query) -> String {
    if negotiates(query) { choose(accept, GRAMMAR.negotiable_types) } else { ANY.to_owned() }
}

/// Whether the answer depends on `Accept`.
fn negotiates(query: &Query) -> bool {
    GRAMMAR.negotiated_by.iter().any(|condition| {
        query.get(condition.name).is_some_and(|value| condition.value.is_none_or(|wanted| wanted == value))
    })
}

/// Those of the types that `Accept` gives the highest weight, in their order.
fn choose<'a>(accept: impl Iterator<Item = &'a str>, types: &[&str]) -> String {
    let ranges: Vec<&str> = accept.flat_map(|value| value.split(',')).collect();
    let weight = |media_type| ranges.iter().map(|range| weight(range, media_type)).max().unwrap_or(0);
    let highest = types.iter().map(|media_type| weight(media_type)).max().unwrap_or(0).max(1);
    let taken: Vec<&str> = types.iter().copied().filter(|media_type| weight(media_type) == highest).collect();
    if taken.is_empty() { ANY.to_owned() } else { taken.join(",") }
}

/// The weight in thousandths with which one range of an `Accept` header (RFC 9110, section 12.5.1) names this type; 0
/// where it does not. A weight that cannot be read is passed over.
///
/// `image/*` and `*/*` do not count: every browser sends them, also those that cannot show AVIF.
fn weight(range: &str, media_type: &str) -> u32 {
    let mut parts = range.split(';').map(str::trim);
    if !parts.next().is_some_and(|name| name.eq_ignore_ascii_case(media_type)) {
        return 0;
    }
    let given = parts.find_map(|parameter| {
        let (name, weight) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| thousandths(weight.trim())).flatten()
    });
    given.unwrap_or(1000)
}

/// `0`, `0.5` and so on, up to three decimals (RFC 9110, section 12.4.2), without the size of reading floats.
fn thousandths(weight: &str) -> Option<u32> {
    let (whole, decimals) = weight.split_once('.').unwrap_or((weight, ""));
    if !weight.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.')) || decimals.len() > 3 {
        return None;
    }
    let thousandths: u32 = format!("{decimals:0<3}").parse().ok()?;
    Some((whole.parse::<u32>().ok()?.min(1) * 1000 + thousandths).min(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHROME: &str = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8";

    #[test]
    fn accept_has_few_buckets() {
        let table = [
            (CHROME, "image/avif,image/webp"),
            ("image/webp , IMAGE/AVIF", "image/avif,image/webp"),
            ("image/webp;q=0.8,*/*", "image/webp"),
            ("image/webp,image/avif;q=0.9", "image/webp"),
            ("image/avif;q=0.95, image/webp;q=0.9", "image/avif"),
            ("image/avif;q=oops,image/webp", "image/avif,image/webp"),
            ("image/avif;q=0,image/webp", "image/webp"),
            ("image/avif; Q=0.000,image/*", "*/*"),
            ("image/*,*/*", "*/*"),
            ("", "*/*"),
            (";;,,q=0", "*/*"),
        ];
        for (accept, expected) in table {
            assert_eq!(choose([accept].into_iter(), &["image/avif", "image/webp"]), expected, "{accept}");
        }
    }

    #[test]
    fn only_negotiated_answers_depend_on_accept() {
        let table =
            [("w=300", false), ("f=jpeg", false), ("f=auto", true), ("preset=card", true), ("f=auto&w=x", true)];
        for (query, expected) in table {
            let bucket = bucket([CHROME].into_iter(), &Query::parse(query));
            assert_eq!(bucket != "*/*", expected, "{query}: {bucket}");
        }
    }
}
