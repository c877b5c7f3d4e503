//! Queries on the command line, where a slip would make a whole batch wrong or sign too much: what the web ignores is
//! refused here.

use image_origin::query::{self, Kind, Presets, Transform};

/// Reads a query such as `w=300&format=webp`, with or without its question mark.
///
/// Refused are unknown parameters, values that are not allowed, and what has no value, but for booleans such as
/// `lossless`.
pub(super) fn parse_strictly(text: &str, presets: &Presets) -> Result<Transform, String> {
    let text = text.strip_prefix('?').unwrap_or(text);
    if let Some(ignored) = query::ignored_names(text).next() {
        let meant = ignored.meant.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
        return Err(format!("{} is not a parameter{meant}\nimage-origin grammar lists all parameters", ignored.name));
    }
    for pair in text.split('&').filter(|pair| !pair.contains('=')) {
        if query::find(pair).is_some_and(|parameter| parameter.kind != Kind::Bool) {
            return Err(format!("{pair} has no value; write {pair}=VALUE"));
        }
    }
    query::parse(text, presets).map_err(|error| format!("{error}\nimage-origin grammar lists all parameters"))
}

/// Whether a text could be meant as a query at all.
pub(super) fn looks_like_query(text: &str) -> bool {
    text.contains('=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_refused() {
        let presets = Presets::from([("card".to_owned(), "w=3".to_owned())]);
        let table = [
            ("w=300", Ok("w=300")),
            ("?width=300&lossless", Ok("lossless=true&w=300")),
            ("preset=card&fit=Cover", Ok("fit=cover&w=3")),
            ("", Ok("")),
            ("wdith=300", Err("wdith is not a parameter; did you mean width?")),
            ("w=3&utm_source=x", Err("utm_source is not a parameter\n")),
            ("W=3", Err("W is not a parameter; did you mean w?")),
            ("b.jpg", Err("b.jpg is not a parameter")),
            ("??w=3", Err("?w is not a parameter")),
            ("w", Err("w has no value; write w=VALUE")),
            ("h=3&format", Err("format has no value")),
            ("w=0", Err("w=0 is not allowed: w takes a whole number from 1 to 16383")),
            ("preset=none", Err("preset takes one of card")),
        ];
        for (text, expected) in table {
            match (parse_strictly(text, &presets), expected) {
                (Ok(transform), Ok(expected)) => assert_eq!(transform.canonical(), expected, "{text}"),
                (Err(error), Err(expected)) => assert!(error.contains(expected), "{text}: {error}"),
                (outcome, _) => panic!("{text}: {outcome:?}"),
            }
        }
    }
}
