//! The part of the query grammar that the edge needs. It is generated, never typed a second time.

use serde::Deserialize;

use super::Problems;
use crate::query::{Query, credential};

/// Which query parameters exist, and what they have to do with the cache's key.
///
/// Further fields, of which the origin's own description has many, are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Grammar {
    parameters: Vec<Parameter>,
    #[serde(default)]
    negotiated_by: Vec<Condition>,
    #[serde(default)]
    negotiable_types: Vec<String>,
    #[serde(default)]
    extensions: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Parameter {
    name: String,
    #[serde(default)]
    aliases: Vec<String>,
}

/// A parameter that makes the answer depend on `Accept`: with this value, or with any.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Condition {
    name: String,
    value: Option<String>,
}

impl Grammar {
    /// The canonical name of a parameter, if it is one.
    pub(crate) fn canonical_name(&self, name: &str) -> Option<&str> {
        let is_named = |parameter: &&Parameter| parameter.name == name || parameter.aliases.iter().any(|a| a == name);
        self.parameters.iter().find(is_named).map(|parameter| parameter.name.as_str())
    }

    /// Whether the answer depends on `Accept`.
    pub(crate) fn negotiates(&self, query: &Query) -> bool {
        self.negotiated_by.iter().any(|condition| {
            query.get(&condition.name).is_some_and(|value| condition.value.as_deref().is_none_or(|v| v == value))
        })
    }

    /// The media types among which `Accept` chooses, in the order they are written to the cache's key.
    pub(crate) fn negotiable_types(&self) -> impl Iterator<Item = &str> {
        self.negotiable_types.iter().map(String::as_str)
    }

    /// Whether a file with this extension may be an image that the transformer reads.
    ///
    /// A file without extension may: the transformer looks at its bytes.
    pub(crate) fn reads(&self, extension: Option<&str>) -> bool {
        extension.is_none_or(|extension| self.extensions.iter().any(|known| known.eq_ignore_ascii_case(extension)))
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        if self.parameters.is_empty() {
            problems.add("grammar.parameters", "is empty: every transformation would be dropped from the query");
        }
        if self.extensions.is_empty() {
            problems.add("grammar.extensions", "is empty: no file name would count as an image");
        }
        let names = self.parameters.iter().flat_map(|p| std::iter::once(&p.name).chain(&p.aliases));
        let mut seen: Vec<&str> = Vec::new();
        for name in names {
            if credential::ALL.contains(&name.as_str()) {
                problems.add("grammar.parameters", format_args!("`{name}` is a credential's name"));
            }
            if seen.contains(&name.as_str()) {
                problems.add("grammar.parameters", format_args!("`{name}` occurs twice"));
            }
            seen.push(name);
        }
        for condition in &self.negotiated_by {
            if !self.parameters.iter().any(|parameter| parameter.name == condition.name) {
                problems.add("grammar.negotiated_by", format_args!("`{}` is no parameter's name", condition.name));
            }
        }
    }
}
