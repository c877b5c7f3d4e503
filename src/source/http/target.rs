//! URLs of HTTP sources and of their redirects, in one notation: a scheme, a host in ASCII or a literal address, a port and
//! a path. Everything else that some program reads as a URL is refused, so that there is nothing to interpret differently.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;

/// The host of a URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name in lower case, without a trailing dot.
    Name(String),
    /// A literal address.
    Address(IpAddr),
}

impl Host {
    /// Parses a host as it stands in a URL.
    ///
    /// # Errors
    /// [`BadUrl`] if it is neither a name nor an address in its usual notation.
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        if let Some(rest) = text.strip_prefix('[') {
            let address = rest.strip_suffix(']').ok_or(BadUrl::Host)?;
            return address.parse::<Ipv6Addr>().map(|address| Self::Address(address.into())).map_err(|_| BadUrl::Host);
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Ok(Self::Address(address.into()));
        }
        let name = text.to_ascii_lowercase();
        let is_label = |label: &str| {
            let is_plain =
                label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte));
            is_plain && !label.is_empty() && label.len() < 64 && !label.starts_with('-') && !label.ends_with('-')
        };
        // What ends in a number is an address to some programs, in decimal, octal, hexadecimal or with fewer parts.
        let last = name.rsplit('.').next().unwrap_or_default();
        let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
            || last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        if name.len() > 253 || is_number || !name.split('.').all(is_label) {
            return Err(BadUrl::Host);
        }
        Ok(Self::Name(name))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// The reason why a URL is refused. It contains nothing of the URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadUrl {
    /// The scheme is another one.
    #[error("the scheme of the URL is not http or https")]
    Scheme,
    /// There are credentials.
    #[error("the URL contains credentials, which belong in a header")]
    Credentials,
    /// The host is not in its usual notation.
    #[error("the host of the URL is neither a name in ASCII nor an address in its usual notation")]
    Host,
    /// The port is not a number.
    #[error("the port of the URL is not a number from 1 to 65535")]
    Port,
    /// There are characters that no URL contains.
    #[error("the URL contains characters that have to be percent-encoded")]
    Characters,
}

/// A URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) is_tls: bool,
    pub(super) host: Host,
    pub(super) port: u16,
    /// Begins with a slash.
    path: String,
    /// With its question mark; empty if there is none.
    query: String,
}

impl Target {
    /// Parses an absolute URL.
    pub(super) fn parse(text: &str) -> Result<Self, BadUrl> {
        let (scheme, rest) = text.split_once("://").ok_or(BadUrl::Scheme)?;
        let is_tls = match scheme {
            _ if scheme.eq_ignore_ascii_case("https") => true,
            _ if scheme.eq_ignore_ascii_case("http") => false,
            _ => return Err(BadUrl::Scheme),
        };
        Self::after_scheme(is_tls, rest)
    }

    fn after_scheme(is_tls: bool, rest: &str) -> Result<Self, BadUrl> {
        let is_allowed = |byte: u8| byte.is_ascii_graphic() && !b"\\\"<>^`{|}".contains(&byte);
        if !rest.bytes().all(is_allowed) {
            return Err(BadUrl::Characters);
        }
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(BadUrl::Credentials);
        }
        // The address of IPv6 contains colons, too, and stands in brackets.
        let end = authority.rfind(']').map_or(0, |at| at + 1);
        let (host, port) = match authority[end..].find(':') {
            Some(colon) => (&authority[..end + colon], Some(&authority[end + colon + 1..])),
            None => (authority, None),
        };
        let port = match port {
            Some(digits) if digits.len() <= 5 && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|port| *port > 0).ok_or(BadUrl::Port)?
            }
            Some(_) => return Err(BadUrl::Port),
            None if is_tls => 443,
            None => 80,
        };
        let host = Host::parse(host)?;
        let rest = rest.split('#').next().unwrap_or_default();
        let (path, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
        let path = if path.is_empty() { "/".to_owned() } else { without_dots(path) };
        Ok(Self { is_tls, host, port, path, query: query.to_owned() })
    }

    /// The URL that a `Location` leads to from here (RFC 3986, section 5.2).
    pub(super) fn join(&self, location: &str) -> Result<Self, BadUrl> {
        let scheme = location.split(['/', '?', '#']).next().unwrap_or_default();
        if scheme.contains(':') {
            return Self::parse(location);
        }
        if let Some(rest) = location.strip_prefix("//") {
            return Self::after_scheme(self.is_tls, rest);
        }
        let location = match location.as_bytes().first() {
            Some(b'/') => location.to_owned(),
            Some(b'?') => format!("{}{location}", self.path),
            Some(b'#') | None => format!("{}{}", self.path, self.query),
            Some(_) => {
                let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
                format!("{folder}/{location}")
            }
        };
        Self::after_scheme(self.is_tls, &format!("{}{location}", self.authority()))
    }

    /// The URL of something below this one, whose path ends with a slash. `below` is percent-encoded.
    pub(super) fn below(&self, below: &str) -> Self {
        Self { path: format!("{}{below}", self.path), query: String::new(), ..self.clone() }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn has_query(&self) -> bool {
        !self.query.is_empty()
    }

    /// Whether both URLs have the same scheme, host and port.
    pub(super) fn is_same_origin(&self, other: &Self) -> bool {
        (self.is_tls, self.port) == (other.is_tls, other.port) && self.host == other.host
    }

    fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The URL for a request.
    pub(super) fn uri(&self) -> Result<Uri, http::Error> {
        let is_usual = self.port == if self.is_tls { 443 } else { 80 };
        let authority = if is_usual { self.host.to_string() } else { self.authority() };
        let scheme = if self.is_tls { "https" } else { "http" };
        let path = format!("{}{}", self.path, self.query);
        Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build()
    }
}

/// The path without segments that are dots (RFC 3986, section 5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    for (index, segment) in segments.iter().enumerate() {
        let is_last = index + 1 == segments.len();
        match segment.to_ascii_lowercase().replace("%2e", ".").as_str() {
            ".." => drop(kept.pop()),
            "." => {}
            _ => {
                kept.push(segment);
                continue;
            }
        }
        if is_last {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(target: &Target) -> String {
        target.uri().unwrap().to_string()
    }

    #[test]
    fn urls_are_read_in_one_way() {
        let table = [
            ("https://cms.example.com/media/", "https://cms.example.com/media/"),
            ("HTTPS://CMS.Example.com", "https://cms.example.com/"),
            ("http://a.example:8080/x?y=z#f", "http://a.example:8080/x?y=z"),
            ("https://a.example:443/", "https://a.example/"),
            ("http://8.8.8.8/", "http://8.8.8.8/"),
            ("http://[2001:4860::1]:81/", "http://[2001:4860::1]:81/"),
            ("http://xn--bcher-kva.example/", "http://xn--bcher-kva.example/"),
            ("http://a.example/b/../c/./d/%2e%2E/e/..", "http://a.example/c/"),
        ];
        for (text, expected) in table {
            assert_eq!(shown(&Target::parse(text).expect(text)), expected, "{text}");
        }
    }

    #[test]
    fn redirects_are_relative_to_where_they_come_from() {
        let from = Target::parse("https://a.example:8443/media/x.jpg?y=1").unwrap();
        let table = [
            ("/z.jpg", Ok("https://a.example:8443/z.jpg")),
            ("z.jpg", Ok("https://a.example:8443/media/z.jpg")),
            ("../z.jpg", Ok("https://a.example:8443/z.jpg")),
            ("../../../z.jpg", Ok("https://a.example:8443/z.jpg")),
            ("?z", Ok("https://a.example:8443/media/x.jpg?z")),
            ("", Ok("https://a.example:8443/media/x.jpg?y=1")),
            ("#f", Ok("https://a.example:8443/media/x.jpg?y=1")),
            ("//b.example/z", Ok("https://b.example/z")),
            ("http://b.example/z", Ok("http://b.example/z")),
            ("z:8080", Err(BadUrl::Scheme)),
            ("javascript:alert(1)", Err(BadUrl::Scheme)),
            ("https:b.example", Err(BadUrl::Scheme)),
            ("///b.example/", Err(BadUrl::Host)),
            ("/\\b.example/", Err(BadUrl::Characters)),
            ("\\\\b.example/", Err(BadUrl::Characters)),
            ("//u:p@b.example/", Err(BadUrl::Credentials)),
        ];
        for (location, expected) in table {
            let target = from.join(location);
            assert_eq!(
                target.as_ref().map(shown).map_err(|error| *error).as_deref(),
                expected.as_ref().map(|url| *url),
                "{location}"
            );
        }
    }
}
