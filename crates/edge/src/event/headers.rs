//! Headers in CloudFront's format: lower-case names, each with a list of values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One value of a header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The name with its original capitalization. CloudFront fills it in if it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The value.
    pub value: String,
}

/// A table of headers. Names are compared in lower case, as CloudFront writes them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Headers(BTreeMap<String, Vec<Header>>);

impl Headers {
    /// Returns the value of a header that occurs exactly once.
    ///
    /// Several values of a single-valued header are ambiguous, and count as none.
    #[must_use]
    pub fn single(&self, name: &str) -> Option<&str> {
        match self.0.get(name)?.as_slice() {
            [header] => Some(&header.value),
            _ => None,
        }
    }

    /// Returns all values of a header, in order.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.get(name).into_iter().flatten().map(|header| header.value.as_str())
    }

    /// Whether the header occurs.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Sets a header to a single value.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_ascii_lowercase(), vec![Header { key: Some(canonical_case(name)), value: value.into() }]);
    }

    /// Removes a header.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Keeps the headers whose lower-case name satisfies the condition.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.0.retain(|name, _| keep(name));
    }

    /// Iterates over all pairs of lower-case name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|(name, values)| values.iter().map(|header| (name.as_str(), header.value.as_str())))
    }
}

impl<N: AsRef<str>, V: Into<String>> FromIterator<(N, V)> for Headers {
    /// Collects pairs; a repeated name adds a value.
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut headers = Self::default();
        for (name, value) in pairs {
            let name = name.as_ref();
            let header = Header { key: Some(canonical_case(name)), value: value.into() };
            headers.0.entry(name.to_ascii_lowercase()).or_default().push(header);
        }
        headers
    }
}

/// Converts `content-type` to `Content-Type`, as CloudFront does for a missing key.
fn canonical_case(name: &str) -> String {
    let mut start = true;
    name.chars()
        .map(|c| {
            let c = if start { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
            start = c == '-';
            c
        })
        .collect()
}
