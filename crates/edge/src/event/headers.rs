//! Headers as CloudFront writes them: lower-case names, each with the list of its occurrences.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One occurrence of a header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The name as it was or will be written. CloudFront fills it in where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The value.
    pub value: String,
}

/// A header table. Names are compared in lower case, as CloudFront writes them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Headers(BTreeMap<String, Vec<Header>>);

impl Headers {
    /// The value of a header that occurs exactly once.
    ///
    /// Two values of a header that takes one have no meaning to agree on, so they count as none.
    #[must_use]
    pub fn single(&self, name: &str) -> Option<&str> {
        match self.0.get(name)?.as_slice() {
            [header] => Some(&header.value),
            _ => None,
        }
    }

    /// All values of a header, in their order.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.get(name).into_iter().flatten().map(|header| header.value.as_str())
    }

    /// Whether the header occurs.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Gives a header this one value.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_ascii_lowercase(), vec![Header { key: Some(canonical_case(name)), value: value.into() }]);
    }

    /// Takes a header away.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Keeps the headers whose lower-case name satisfies the condition.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.0.retain(|name, _| keep(name));
    }

    /// Every pair of lower-case name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|(name, values)| values.iter().map(|header| (name.as_str(), header.value.as_str())))
    }
}

impl<N: AsRef<str>, V: Into<String>> FromIterator<(N, V)> for Headers {
    /// Collects pairs; a name that occurs again adds a value.
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

/// `content-type` as `Content-Type`, the way CloudFront itself completes a missing key.
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
