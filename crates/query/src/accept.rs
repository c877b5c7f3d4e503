//! Content negotiation by the `Accept` header (RFC 9110, section 12.5.1).
//!
//! Of the types that a server can produce, [`preferred`] returns those with the highest weight. Wildcards such as
//! `image/*` and `*/*` are ignored: every client sends them, even if it does not support the newer formats. An element
//! with an invalid weight (section 12.4.2) is ignored as well, and so is everything after the first [`MAX_PARTS`]
//! elements, and after as many parameters of one. The edge uses the [`canonical`] form as part of the
//! cache key, and the origin negotiates with it.

use std::fmt::Write as _;

/// A weight in thousandths, from 0 to 1000.
pub type Weight = u16;

const FULL: Weight = 1000;

/// The largest number of elements of a header, and of parts of an element, that are read. Browsers send about ten.
pub const MAX_PARTS: usize = 64;

/// The number of ranks for which a weight with one decimal suffices.
const MAX_RANK: u32 = 10;

/// Returns those of `types` with the highest weight in `accept`, in the order of `types`. A type with the weight 0 is
/// not accepted.
pub fn preferred<'t>(accept: &str, types: &[&'t str]) -> Vec<&'t str> {
    let weights = || types.iter().map(|media_type| (*media_type, weight(accept, media_type)));
    let highest = weights().map(|(_, weight)| weight).max().unwrap_or(0);
    weights().filter(|(_, weight)| *weight == highest && highest > 0).map(|(media_type, _)| media_type).collect()
}

/// The canonical text of all headers that rank these types alike: first those with the highest weight, without a weight
/// and in the order of `types`, then those with the next, and so on. For any subset of the types, [`preferred`] returns
/// the same for this text as for `accept`. Empty if none is accepted.
pub fn canonical(accept: &str, types: &[&str]) -> String {
    let weights: Vec<_> = types.iter().map(|media_type| weight(accept, media_type)).collect();
    let mut text = String::new();
    let (mut below, mut rank) = (Weight::MAX, 0);
    while let Some(highest) = weights.iter().copied().filter(|weight| *weight < below && *weight > 0).max() {
        for (media_type, _) in types.iter().zip(&weights).filter(|(_, weight)| **weight == highest) {
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(media_type);
            if rank > 0 {
                // Writing to a `String` cannot fail.
                let _ = write!(text, ";q=0.{}", MAX_RANK.saturating_sub(rank).max(1));
            }
        }
        (below, rank) = (highest, rank + 1);
    }
    text
}

/// The weight of a media type in `accept`; case is ignored. 0 if it does not occur, the highest weight if it occurs
/// several times.
pub fn weight(accept: &str, media_type: &str) -> Weight {
    let ranges = elements(accept, ',').filter_map(|range| {
        let mut parts = elements(range, ';').map(str::trim);
        parts.next().filter(|name| name.eq_ignore_ascii_case(media_type))?;
        parts.find_map(quality).unwrap_or(Some(FULL))
    });
    ranges.max().unwrap_or(0)
}

/// The weight in a parameter such as `q=0.5`: the outer option is `None` for an invalid weight, the inner one for
/// another parameter.
fn quality(parameter: &str) -> Option<Option<Weight>> {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    name.trim_end().eq_ignore_ascii_case("q").then(|| if name.len() == 1 { qvalue(value) } else { None })
}

/// Parses a weight (RFC 9110, section 12.4.2): from 0 to 1, with at most three decimals.
fn qvalue(text: &str) -> Option<Weight> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths = format!("{decimals:0<3}").parse().ok()?;
    match (whole, thousandths) {
        ("0", thousandths) => Some(thousandths),
        ("1", 0) => Some(FULL),
        _ => None,
    }
}

/// Splits at separators outside of quoted strings (RFC 9110, section 5.6.4).
fn elements(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = text.split(move |c: char| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => return c == separator && !quoted,
        }
        false
    });
    parts.take(MAX_PARTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPES: [&str; 2] = ["image/avif", "image/webp"];

    #[test]
    fn the_highest_weight_counts() {
        let (both, avif, webp, none) = (&TYPES[..], &TYPES[..1], &TYPES[1..], &TYPES[..0]);
        let table = [
            ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", both),
            ("image/webp , IMAGE/AVIF", both),
            ("image/webp;q=0.8,*/*", webp),
            ("image/webp,image/avif;q=0.9", webp),
            ("image/avif;q=0.95, image/webp;q=0.9", avif),
            ("image/avif;q=0.5;x,image/webp;q=0.2", avif),
            ("IMAGE/WEBP ; q=0.1", webp),
            ("image/avif;Q=0.3,image/webp;q=0.2", avif),
            // Repeated types have the highest weight.
            ("image/avif;q=0.1,image/webp;q=0.5,image/avif", avif),
            ("image/avif;q=1.000,image/webp;q=1.", both),
            ("image/avif;q=0.900,image/webp;q=0.9", both),
            ("image/avif;q=0.,image/webp", webp),
            // Elements with an invalid weight are ignored.
            ("image/avif;q=0.1234,image/webp;q=0.1", webp),
            ("image/avif;q=1.5,image/webp;q=0.1", webp),
            ("image/avif;q=1.001,image/webp;q=0.1", webp),
            ("image/avif;q=2,image/webp;q=0.1", webp),
            ("image/avif;q=00.9,image/webp;q=0.1", webp),
            ("image/avif;q=.5,image/webp;q=0.1", webp),
            ("image/avif;q=NaN,image/webp;q=0.1", webp),
            ("image/avif;q=1e9,image/webp;q=0.1", webp),
            ("image/avif;q=1e-3,image/webp;q=0.1", webp),
            ("image/avif;q=\"0\",image/webp;q=0.1", webp),
            ("image/avif;q=-1,image/webp;q=0.1", webp),
            ("image/avif;q=+1,image/webp;q=0.1", webp),
            ("image/avif;q = 0.3,image/webp;q=0.1", webp),
            ("image/avif;q= 0.3,image/webp;q=0.1", webp),
            ("image/avif;q=,image/webp;q=0.1", webp),
            ("image/avif;q,image/webp;q=0.1", webp),
            ("image/avif;q=oops", none),
            // Separators in quotes are ignored.
            ("image/avif;v=\"a,b;q=0\";q=0.5,image/webp;q=0.4", avif),
            ("image/avif;v=\"\\\",image/webp\",text/html", avif),
            // Not accepted.
            ("image/avif;q=0,image/webp", webp),
            // More than anyone sends.
            (&format!("{}image/webp", ",".repeat(63)), webp),
            (&format!("{}image/webp", ",".repeat(64)), none),
            (&format!("image/webp{};q=0,image/avif;q=0.5", ";".repeat(62)), avif),
            (&format!("image/webp{};q=0,image/avif;q=0.5", ";".repeat(63)), webp),
            ("image/avif; Q=0.000,image/*", none),
            ("image/webp;q=0.000, text/html", none),
            ("image/webp;q=0.0001", none),
            ("image/*,*/*", none),
            ("", none),
            (";;,,q=0", none),
            (";;;=,image/webp;x=oops", webp),
        ];
        for (accept, expected) in table {
            assert_eq!(preferred(accept, &TYPES), expected, "{accept}");
        }
        assert_eq!(preferred("image/avif,image/webp", &["image/webp", "image/avif"]), ["image/webp", "image/avif"]);
        assert!(preferred("image/avif", &[]).is_empty());
    }

    #[test]
    fn headers_that_rank_alike_have_one_text() {
        let table = [
            ("image/webp;q=0.8,image/avif;q=0.8", "image/avif,image/webp"),
            ("image/webp,image/avif;q=0.1", "image/webp,image/avif;q=0.9"),
            ("image/avif;q=0.5,image/webp;q=0.2,*/*", "image/avif,image/webp;q=0.9"),
            ("image/webp;q=0.001", "image/webp"),
            ("image/*", ""),
        ];
        for (accept, expected) in table {
            assert_eq!(canonical(accept, &TYPES), expected, "{accept}");
        }
    }

    proptest::proptest! {
        #[test]
        fn the_one_text_serves_every_choice(
            elements in proptest::collection::vec(
                ("image/(avif|webp|\\*)|IMAGE/WEBP", "(;(v=1|q=(0|1|0\\.[0-9]{0,4}|NaN|1\\.0)))?"), 0..5,
            ),
        ) {
            let accept = elements.iter().map(|(name, weight)| format!("{name}{weight}")).collect::<Vec<_>>().join(", ");
            let one = canonical(&accept, &TYPES);
            for types in [&["image/avif", "image/webp"][..], &["image/webp", "image/avif"], &TYPES[..1], &TYPES[1..], &[]] {
                proptest::prop_assert_eq!(preferred(&one, types), preferred(&accept, types), "{} as {}", &accept, &one);
            }
            proptest::prop_assert_eq!(canonical(&one, &TYPES), one);
        }
    }
}
