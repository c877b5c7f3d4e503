//! Strict parsing of queries on the command line, where a typo would affect a whole batch or sign too much: parameters
//! that the server ignores are rejected here.

use image_origin::query::{self, Kind, Presets, Transform};

/// Parses a query such as `w=300&format=webp`, with or without its question mark.
///
/// Unknown parameters, invalid values and missing values are rejected; only booleans such as `lossless` need no value.
pub(super) fn parse_strictly(text: &str, presets: &Presets) -> Result<Transform, String> {
    let text = text.strip_prefix('?').unwrap_or(text);
    if let Some(ignored) = query::ignored_names(text).next() {
        let meant = ignored.meant.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
        return Err(format!("unknown parameter `{}`{meant}\nimage-origin grammar lists all parameters", ignored.name));
    }
    for pair in text.split('&').filter(|pair| !pair.contains('=')) {
        if query::find(pair).is_some_and(|parameter| parameter.kind != Kind::Bool) {
            return Err(format!("{pair} has no value; write {pair}=VALUE"));
        }
    }
    query::parse(text, presets).map_err(|error| format!("{error}\nimage-origin grammar lists all parameters"))
}

/// Whether a text could be a query.
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
            ("wdith=300", Err("unknown parameter `wdith`; did you mean `width`?")),
            ("w=3&utm_source=x", Err("unknown parameter `utm_source`\n")),
            ("W=3", Err("unknown parameter `W`; did you mean `w`?")),
            ("b.jpg", Err("unknown parameter `b.jpg`")),
            ("??w=3", Err("unknown parameter `?w`")),
            ("w", Err("w has no value; write w=VALUE")),
            ("h=3&format", Err("format has no value")),
            ("w=0", Err("invalid value 0 for `w`: expected a whole number from 1 to 16383")),
            ("preset=none", Err("for `preset`: expected one of card")),
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
