//! The settings of HTTP sources.

use std::fmt;
use std::time::Duration;

use http::{HeaderName, HeaderValue, header};

use super::address::Network;
use super::target::Host;

/// The settings of an HTTP source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// The headers of requests to the source's own host.
    pub headers: Vec<(HeaderName, HeaderTemplate)>,
    /// Other hosts that redirects may lead to.
    pub redirect_hosts: Vec<Host>,
    /// Networks without public servers that may be connected to all the same, such as `10.0.0.0/8`.
    pub networks: Vec<Network>,
    /// Ports other than 80 and 443 that redirects may lead to.
    pub ports: Vec<u16>,
    /// How long the source may take to begin its response, and to continue it.
    pub timeout: Duration,
    /// The number of bytes that are requested first; the rest is requested once they are recognised as an image. `None`
    /// requests all at once.
    pub first_bytes: Option<u64>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            headers: Vec::new(),
            redirect_hosts: Vec::new(),
            networks: Vec::new(),
            ports: Vec::new(),
            timeout: Duration::from_secs(5),
            first_bytes: None,
        }
    }
}

/// Headers that the client sets itself.
const OWN_HEADERS: [HeaderName; 12] = [
    header::ACCEPT_ENCODING,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::RANGE,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Parses the name of a header that a source may be sent; `None` if it is invalid or set by the client itself.
pub fn header_name(text: &str) -> Option<HeaderName> {
    text.parse().ok().filter(|name| !OWN_HEADERS.contains(name))
}

/// The value of a header, in which `${NAME}` stands for an environment variable.
#[derive(Clone, PartialEq, Eq)]
pub struct HeaderTemplate(Vec<Part>);

#[derive(Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(String),
}

impl fmt::Debug for HeaderTemplate {
    /// The text may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeaderTemplate").finish_non_exhaustive()
    }
}

/// The error for a header whose value cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HeaderError {
    /// This variable is not set.
    Unset(String),
    /// The value has characters that no header has.
    Characters,
}

impl HeaderTemplate {
    /// Parses the text of a header. `None` if the name of a variable is empty or has no end, or if the text has characters
    /// that no header has.
    pub fn parse(text: &str) -> Option<Self> {
        HeaderValue::from_str(text).ok()?;
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}')?;
            let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if !is_name {
                return None;
            }
            parts.extend([Part::Text(before.to_owned()), Part::Variable(name.to_owned())]);
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Some(Self(parts))
    }

    /// The value, with the environment's variables.
    pub(super) fn fill(&self, variable: impl Fn(&str) -> Option<String>) -> Result<HeaderValue, HeaderError> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Variable(name) => {
                    text.push_str(&variable(name).ok_or_else(|| HeaderError::Unset(name.clone()))?);
                }
            }
        }
        let mut value = HeaderValue::from_str(&text).map_err(|_| HeaderError::Characters)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_put_into_headers() {
        let variable = |name: &str| match name {
            "TOKEN" => Some("s3cret".to_owned()),
            "BROKEN" => Some("a\r\nb".to_owned()),
            _ => None,
        };
        let table = [
            ("Bearer ${TOKEN}", Ok("Bearer s3cret")),
            ("${TOKEN}${TOKEN}.", Ok("s3crets3cret.")),
            ("costs $5 {}", Ok("costs $5 {}")),
            ("${OTHER}", Err(HeaderError::Unset("OTHER".to_owned()))),
            ("${BROKEN}", Err(HeaderError::Characters)),
        ];
        for (text, expected) in table {
            let template = HeaderTemplate::parse(text).unwrap();
            let filled = template.fill(variable);
            assert_eq!(
                filled.as_ref().map(|value| value.to_str().unwrap()),
                expected.as_ref().map(|text| *text),
                "{text}"
            );
            assert!(!format!("{template:?}{filled:?}").contains("s3cret"));
        }
        for text in ["${", "${}", "${a b}", "${A", "a\nb"] {
            assert_eq!(HeaderTemplate::parse(text), None, "{text}");
        }
    }
}
