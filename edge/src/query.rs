//! The query, reduced to what has a meaning.
//!
//! Comes in: the query as the viewer wrote it. Goes out: the parameters that the grammar knows, under their canonical
//! names, each once, sorted, in one encoding: one text for all the ways of writing the same request, which is the key
//! of the cache and what gets signed. Everything else is left behind, S3's own sub-resources such as `?acl` before all.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::config::Grammar;
use crate::encoding::encode_component;

/// The parameters that authorize a request; they never go further than the viewer-request function.
pub(crate) mod credential {
    /// A shared token or a JWT.
    pub(crate) const TOKEN: &str = "token";
    /// When a signed URL ends, in seconds since 1970.
    pub(crate) const EXPIRES: &str = "expires";
    /// The signature of a signed URL.
    pub(crate) const SIGNATURE: &str = "signature";
    /// All of them.
    pub(crate) const ALL: [&str; 3] = [TOKEN, EXPIRES, SIGNATURE];
}

/// Known parameters by canonical name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads a query and keeps what the grammar knows. Of a parameter given twice, the last one counts.
    #[must_use]
    pub fn parse(query: &str, grammar: &Grammar) -> Self {
        let mut known = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if let Some(name) = grammar.canonical_name(&name) {
                known.insert(name.to_owned(), value.into_owned());
            }
        }
        Self(known)
    }

    /// Whether no known parameter is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a parameter, by canonical name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The one text of these parameters.
    #[must_use]
    pub fn canonical(&self) -> String {
        encode(self.0.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }
}

/// The value of a parameter that occurs exactly once.
pub(crate) fn single(query: &str, wanted: &str) -> Option<String> {
    let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == wanted);
    let (_, value) = values.next()?;
    values.next().is_none().then(|| value.into_owned())
}

/// Writes pairs in the one form of encoding, in the order they come in.
pub(crate) fn encode<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        let separator = if text.is_empty() { "" } else { "&" };
        // Writing to a String cannot fail.
        let _ = write!(text, "{separator}{}={}", encode_component(name), encode_component(value));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grammar() -> Grammar {
        serde_json::from_str(
            r#"{"parameters": [{"name": "w", "aliases": ["width"]}, {"name": "crop"}, {"name": "showExif"}]}"#,
        )
        .unwrap()
    }

    #[test]
    fn equivalent_queries_have_one_text() {
        let table = [
            ("", ""),
            ("w=300", "w=300"),
            ("width=300", "w=300"),
            ("width=200&w=300", "w=300"),
            ("w=300&utm_source=x&acl&versionId=7&X-Amz-Date=1", "w=300"),
            ("w=300&crop=1,2,3,4", "crop=1%2C2%2C3%2C4&w=300"),
            ("crop=1%2c2%2C3,4&&w=300&", "crop=1%2C2%2C3%2C4&w=300"),
            ("showExif", "showExif="),
            ("W=300&showexif=1", ""),
            ("w=a+b%20c%2Bd", "w=a%20b%20c%2Bd"),
            ("w=%", "w=%25"),
            ("w=ä'()*!~", "w=%C3%A4%27%28%29%2A%21~"),
            ("w[]=1&=2&%77=3", "w=3"),
            ("token=a&expires=1&signature=b", ""),
        ];
        for (query, expected) in table {
            let canonical = Query::parse(query, &grammar()).canonical();
            assert_eq!(canonical, expected, "{query}");
            assert_eq!(Query::parse(&canonical, &grammar()).canonical(), expected, "{query} is not stable");
        }
    }

    #[test]
    fn a_credential_given_twice_counts_as_none() {
        assert_eq!(single("a=1&token=x+y", "token").as_deref(), Some("x y"));
        assert_eq!(single("token=x&token=x", "token"), None);
        assert_eq!(single("", "token"), None);
    }
}
