//! The `Accept` header (RFC 9110, section 12.5.1), as far as media types that are named in it count.
//!
//! Comes in: the header's text, and the types that a server can choose from. Goes out: those of them that the header
//! names with the highest weight. `image/*` and `*/*` do not count: every program sends them, also one that cannot show
//! the newer formats. The edge makes a cache key of the result, and the origin chooses by it, so there is one reader.

/// A weight in thousandths, from 0 to 1000.
pub type Weight = u16;

const FULL: Weight = 1000;

/// Those of `types` that `accept` names with the highest weight, in the order of `types`. A type with the weight 0 is
/// not accepted.
pub fn preferred<'t>(accept: &str, types: &[&'t str]) -> Vec<&'t str> {
    let weights = || types.iter().map(|media_type| (*media_type, weight(accept, media_type)));
    let highest = weights().map(|(_, weight)| weight).max().unwrap_or(0);
    weights().filter(|(_, weight)| *weight == highest && highest > 0).map(|(media_type, _)| media_type).collect()
}

/// The weight with which `accept` names this media type, without regard to case: 0 where it does not, the highest
/// where it does so several times.
pub fn weight(accept: &str, media_type: &str) -> Weight {
    let ranges = elements(accept, ',').filter_map(|range| {
        let mut parts = elements(range, ';').map(str::trim);
        parts.next().filter(|name| name.eq_ignore_ascii_case(media_type))?;
        Some(parts.find_map(quality).unwrap_or(FULL))
    });
    ranges.max().unwrap_or(0)
}

/// The weight in a parameter such as `q=0.5`; none where it is another parameter, or cannot be read.
fn quality(parameter: &str) -> Option<Weight> {
    let (name, value) = parameter.split_once('=')?;
    if name.trim_end().eq_ignore_ascii_case("q") { qvalue(value.trim_start()) } else { None }
}

/// Reads a weight (RFC 9110, section 12.4.2). Decimals beyond the third are cut off, and what is above 1 is 1.
fn qvalue(text: &str) -> Option<Weight> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() || !whole.bytes().chain(decimals.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if whole.bytes().any(|digit| digit != b'0') {
        return Some(FULL);
    }
    let digit = |place: usize| decimals.as_bytes().get(place).map_or(0, |digit| Weight::from(digit - b'0'));
    Some(digit(0) * 100 + digit(1) * 10 + digit(2))
}

/// The parts between separators, of which those in quoted strings are none (RFC 9110, section 5.6.4).
fn elements(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c: char| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => return c == separator && !quoted,
        }
        false
    })
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
            ("image/avif;Q = 0.3,image/webp;q=0.2", avif),
            // Several times the same: the highest.
            ("image/avif;q=0.1,image/webp;q=0.5,image/avif", avif),
            // More decimals than there may be, and more than 1.
            ("image/avif;q=0.12345,image/webp", webp),
            ("image/avif;q=0.12345,image/webp;q=0.123", both),
            ("image/avif;q=1.5,image/webp", both),
            ("image/avif;q=1.000,image/webp;q=1.", both),
            ("image/avif;q=00.9,image/webp;q=0.90", both),
            // What is no weight is passed over.
            ("image/avif;q=oops,image/webp", both),
            ("image/avif;q=-1,image/webp", both),
            ("image/avif;q=.5,image/webp", both),
            ("image/avif;q=1e-3,image/webp", both),
            ("image/avif;q=,image/webp", both),
            ("image/avif;q,image/webp", both),
            // Separators in quotes are none.
            ("image/avif;v=\"a,b;q=0\";q=0.5,image/webp;q=0.4", avif),
            ("image/avif;v=\"\\\",image/webp\",text/html", avif),
            // Not accepted.
            ("image/avif;q=0,image/webp", webp),
            ("image/avif; Q=0.000,image/*", none),
            ("image/webp;q=0.000, text/html", none),
            ("image/webp;q=0.0001", none),
            ("image/*,*/*", none),
            ("", none),
            (";;,,q=0", none),
            (";;;=,image/webp;q=oops", webp),
        ];
        for (accept, expected) in table {
            assert_eq!(preferred(accept, &TYPES), expected, "{accept}");
        }
        assert_eq!(preferred("image/avif,image/webp", &["image/webp", "image/avif"]), ["image/webp", "image/avif"]);
        assert!(preferred("image/avif", &[]).is_empty());
    }
}
