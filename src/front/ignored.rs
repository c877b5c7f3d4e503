//! The header `Image-Ignored-Parameters`: the query parameters that had no effect, with suggestions.
//!
//! Unknown parameters are not an error, so `?wdith=300` returns the picture in its original size; this header explains
//! why. The value is a list of strings (RFC 9651): `"wdith";meant="width", "utm_source"`.

use http::HeaderValue;

use crate::query;

/// The maximum number of names in the header.
const MAX_NAMES: usize = 8;
/// The maximum length of a name in characters.
const MAX_NAME: usize = 40;

/// The value of the header for a query; `None` if no parameter is ignored. `of_source` are the parameters that the
/// source interprets.
pub(super) fn ignored_parameters(query: &str, of_source: &[&str]) -> Option<HeaderValue> {
    if query.is_empty() {
        return None;
    }
    let ignored = query::ignored_names(query).filter(|ignored| !of_source.contains(&ignored.name.as_str()));
    let items = ignored.take(MAX_NAMES).map(|query::IgnoredName { name, meant }| {
        let meant = meant.map(|name| format!(";meant=\"{name}\"")).unwrap_or_default();
        format!("\"{}\"{meant}", harmless(&name))
    });
    HeaderValue::try_from(items.collect::<Vec<_>>().join(", ")).ok().filter(|value| !value.is_empty())
}

/// Makes a name safe for a header: characters that are not printable ASCII, or would end the string, become `?`.
fn harmless(name: &str) -> String {
    let plain = |c: char| if matches!(c, ' '..='~') && !matches!(c, '"' | '\\') { c } else { '?' };
    name.chars().take(MAX_NAME).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_parameters_are_listed() {
        let many: String = (0..20).map(|index| format!("utm{index}=1&")).collect();
        let table = [
            ("", None),
            ("w=1&format=auto", None),
            ("wdith=300", Some("\"wdith\";meant=\"width\"".to_owned())),
            ("W=1&utm_source=x&w=1", Some("\"W\";meant=\"w\", \"utm_source\"".to_owned())),
            ("a%22%0d%0a%C3%A4%5c=1", Some("\"a?????\"".to_owned())),
            ("versionId=1", Some("\"versionId\"".to_owned())),
            (&"a".repeat(90), Some(format!("\"{}\"", "a".repeat(40)))),
            (&many, Some((0..8).map(|index| format!("\"utm{index}\"")).collect::<Vec<_>>().join(", "))),
        ];
        for (query, expected) in table {
            let value = ignored_parameters(query, &[]);
            assert_eq!(value.as_ref().map(|value| value.to_str().unwrap().to_owned()), expected, "{query}");
        }
        assert_eq!(ignored_parameters("versionId=1", &["versionId"]), None);
    }
}
