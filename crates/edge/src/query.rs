//! The query, reduced to the parameters of the grammar.
//!
//! Known parameters are written as the origin would write them, in canonical encoding. Equivalent queries yield one
//! text, which is the cache key and is signed. Everything else is dropped, above all S3's sub-resources such as `?acl`.

use std::fmt::Write as _;

use image_origin_query::OverlayKey;

use crate::encoding::{encode_component, encode_path};

/// The parameters that authorise a request; viewer-request removes them.
pub(crate) mod credential {
    /// A shared token or a JWT.
    pub(crate) const TOKEN: &str = "token";
    /// The expiry of a signed URL, in seconds since 1970.
    pub(crate) const EXPIRES: &str = "expires";
    /// The signature of a signed URL.
    pub(crate) const SIGNATURE: &str = "signature";
}

/// The parameter that names a version of the original in S3. It is no part of the grammar.
pub(crate) const VERSION: &str = "versionId";

/// Known parameters by canonical name, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<(&'static str, String)>);

impl Query {
    /// Parses and reduces a query.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        Self(image_origin_query::canonical_pairs(query))
    }

    /// Like [`Self::parse`], with `versionId`: the first non-empty value is used, as in the origin.
    #[must_use]
    pub fn with_version(query: &str) -> Self {
        let mut parsed = Self::parse(query);
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        if let Some((_, version)) = pairs.find(|(name, value)| name == VERSION && !value.is_empty()) {
            let at = parsed.0.partition_point(|(name, _)| *name < VERSION);
            parsed.0.insert(at, (VERSION, version.into_owned()));
        }
        parsed
    }

    /// The same with the version that another query names.
    #[cfg(feature = "viewer-request")]
    pub(crate) fn at_version_of(mut self, other: &Self) -> Self {
        if let Some(version) = other.get(VERSION) {
            let at = self.0.partition_point(|(name, _)| *name < VERSION);
            self.0.insert(at, (VERSION, version.to_owned()));
        }
        self
    }

    /// Whether only the original, or a revision of it, is requested, under its own name.
    #[must_use]
    pub fn is_original(&self) -> bool {
        self.0.iter().all(|(name, _)| matches!(*name, "v" | VERSION))
    }

    /// The value of a parameter by canonical name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// The canonical text of the version alone, if there is one.
    #[cfg(feature = "origin-request")]
    pub(crate) fn version(&self) -> String {
        encode(self.get(VERSION).map(|version| (VERSION, version)).into_iter())
    }

    /// The path of the overlay. `None` if there is none or its key is invalid, in which case the origin rejects the request.
    #[must_use]
    pub fn overlay_path(&self) -> Option<String> {
        let key = OverlayKey::parse(self.get("overlay")?.trim())?;
        Some(encode_path(&format!("/{key}")))
    }

    /// The canonical text of these parameters.
    #[must_use]
    pub fn canonical(&self) -> String {
        encode(self.0.iter().map(|(name, value)| (*name, value.as_str())))
    }
}

/// The value of a parameter that occurs exactly once.
pub(crate) fn single(query: &str, wanted: &str) -> Option<String> {
    let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == wanted);
    let (_, value) = values.next()?;
    values.next().is_none().then(|| value.into_owned())
}

/// Writes pairs in canonical encoding, in the given order.
pub(crate) fn encode<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        let separator = if text.is_empty() { "" } else { "&" };
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{separator}{}={}", encode_component(name), encode_component(value));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equivalent_queries_have_one_text() {
        let table = [
            ("", ""),
            ("w=300", "w=300"),
            ("width=0300&fit=inside&dpr=1.0", "w=300"),
            ("width=200&w=300", "w=300"),
            ("w=300&utm_source=x&acl&versionId=7&X-Amz-Date=1", "w=300"),
            ("w=300&crop=1,2,3,4", "crop=1%2C2%2C3%2C4&w=300"),
            ("crop=1%2c2%2C3,4&&w=300&", "crop=1%2C2%2C3%2C4&w=300"),
            ("showExif", "showExif=true"),
            ("bg=%23F00&w=150&dpr=2", "bg=ff0000&w=300"),
            ("W=300&showexif=1", ""),
            ("metadata=none", ""),
            // What the origin answers with 400, and what only the origin knows.
            ("width=a+b%20c%2Bd&fit=inside", "fit=inside&w=a%20b%20c%2Bd"),
            ("w=%", "w=%25"),
            ("w=ä'()*!~", "w=%C3%A4%27%28%29%2A%21~"),
            ("preset=card&width=0300", "preset=card&w=0300"),
            ("w[]=1&=2&%77=3", "w=3"),
            ("token=a&expires=1&signature=b", ""),
            ("v=2026-11-26%2B1%26&w=1", "v=2026-11-26%2B1%26&w=1"),
        ];
        for (query, expected) in table {
            let canonical = Query::parse(query).canonical();
            assert_eq!(canonical, expected, "{query}");
            assert_eq!(Query::parse(&canonical).canonical(), expected, "{query} is not stable");
        }
    }

    #[test]
    fn a_version_is_part_of_the_query_where_it_has_a_meaning() {
        let table = [
            ("w=300&versionId=a%2Fb&v=1", "v=1&versionId=a%2Fb&w=300"),
            ("versionId=&versionId=x&versionId=y", "versionId=x"),
            ("versionid=x&h=1", "h=1"),
            ("versionId=", ""),
        ];
        for (query, expected) in table {
            let parsed = Query::with_version(query);
            assert_eq!(parsed.canonical(), expected, "{query}");
            assert_eq!(Query::with_version(expected), parsed, "{query} is not stable");
        }
        assert!(Query::with_version("versionId=x").is_original());
    }

    #[test]
    fn no_parameter_is_a_credential() {
        for name in [credential::TOKEN, credential::EXPIRES, credential::SIGNATURE] {
            assert_eq!(image_origin_query::find(name), None, "{name}");
        }
    }

    #[test]
    fn a_credential_given_twice_counts_as_none() {
        assert_eq!(single("a=1&token=x+y", "token").as_deref(), Some("x y"));
        assert_eq!(single("token=x&token=x", "token"), None);
        assert_eq!(single("", "token"), None);
    }
}
