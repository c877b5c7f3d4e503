//! Parsers for the values of settings, which are the same in flags, variables and TOML. The error describes the
//! expected values.

use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::str::FromStr;
use std::time::Duration;

use super::Word;
use crate::front::ListenAddress;
use crate::results::{ResultsFor, ResultsPlace};

/// The error for a text that does not parse as a value of a setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct BadValue {
    /// A description of valid values, such as `a whole number`.
    expected: String,
}

fn expected(values: impl Into<String>) -> BadValue {
    BadValue { expected: values.into() }
}

/// A number of bytes, with an optional suffix K, M or G for powers of 1024.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteSize(pub u64);

impl FromStr for ByteSize {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let bytes = scaled(text, &[("k", 1 << 10), ("m", 1 << 20), ("g", 1 << 30)]);
        bytes.map(Self).ok_or_else(|| expected("a number of bytes such as 1000, 64M or 1G"))
    }
}

/// Parses a whole number.
pub(super) fn count(text: &str) -> Result<u32, BadValue> {
    text.trim().parse().map_err(|_| expected(format!("a whole number such as 4, at most {}", u32::MAX)))
}

/// Accepts any text.
#[allow(clippy::unnecessary_wraps, reason = "a reader like the others")]
pub(super) fn text(text: &str) -> Result<String, BadValue> {
    Ok(text.to_owned())
}

impl Word for bool {
    const WORDS: &'static [(&'static str, Self)] = &[("true", true), ("false", false)];
}

/// Parses `true` or `false`.
pub(super) fn switch(text: &str) -> Result<bool, BadValue> {
    word(text)
}

/// Parses a keyword.
pub(super) fn word<T: Word>(text: &str) -> Result<T, BadValue> {
    let found = T::WORDS.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let words: Vec<_> = T::WORDS.iter().map(|(word, _)| *word).collect();
        expected(words.join(" or "))
    })
}

/// Parses a number of pixels, with an optional suffix K, M or G for thousands, millions and billions.
pub(super) fn pixels(text: &str) -> Result<u64, BadValue> {
    let pixels = scaled(text, &[("k", 1_000), ("m", 1_000_000), ("g", 1_000_000_000)]);
    pixels.ok_or_else(|| expected("a number of pixels such as 1000000 or 100M"))
}

/// Parses a time in seconds, such as `2.5`, `500ms`, `10s`, `5m`, `12h` or `30d`.
pub(super) fn seconds(text: &str) -> Result<f64, BadValue> {
    let text = text.trim();
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86400.0)];
    let with_unit = units.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?.trim_end(), *seconds)));
    let (number, seconds) = with_unit.unwrap_or((text, 1.0));
    let number = number.parse::<f64>().map(|number| number * seconds);
    number.map_err(|_| expected("a time such as 10, 2.5s, 5m, 12h or 30d"))
}

/// Parses a time in whole seconds.
pub(super) fn whole_seconds(text: &str) -> Result<u32, BadValue> {
    let seconds = seconds(text)?;
    if seconds.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&seconds) {
        return Ok(seconds as u32);
    }
    Err(expected(format!("a whole number of seconds, at most {}", u32::MAX)))
}

/// Parses `dir:PATH` or `s3://BUCKET/PREFIX`.
pub(super) fn results_place(text: &str) -> Result<ResultsPlace, BadValue> {
    if let Some(path) = text.strip_prefix("dir:").filter(|path| !path.is_empty()) {
        return Ok(ResultsPlace::Folder(path.into()));
    }
    let place = text.strip_prefix("s3://").filter(|place| !place.is_empty());
    place.map(|place| ResultsPlace::S3(place.to_owned())).ok_or_else(|| expected("dir:PATH or s3://BUCKET/PREFIX"))
}

/// Parses `all`, `presets`, or `slower-than=200ms`.
pub(super) fn results_for(text: &str) -> Result<ResultsFor, BadValue> {
    let slow = || {
        let time = seconds(text.strip_prefix("slower-than=")?).ok()?;
        Duration::try_from_secs_f64(time).map(ResultsFor::SlowerThan).ok()
    };
    match text {
        "all" => Ok(ResultsFor::All),
        "presets" => Ok(ResultsFor::Presets),
        _ => slow().ok_or_else(|| expected("all, presets, or a time such as slower-than=200ms")),
    }
}

/// Parses an address with a port, or `unix:` followed by the path of a Unix domain socket.
pub(super) fn listen_address(text: &str) -> Result<ListenAddress, BadValue> {
    match text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
        Some(path) => Ok(ListenAddress::Unix(path.into())),
        None => socket_address(text).map(ListenAddress::Tcp),
    }
}

/// Parses a path such as `/img` and removes its trailing slash.
pub(super) fn base_path(text: &str) -> Result<String, BadValue> {
    let path = text.strip_suffix('/').unwrap_or(text);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~.".contains(&byte);
    let is_segment =
        |segment: &str| !segment.is_empty() && ![".", ".."].contains(&segment) && segment.bytes().all(is_plain);
    let is_path =
        path.is_empty() && text == "/" || path.strip_prefix('/').is_some_and(|path| path.split('/').all(is_segment));
    if is_path {
        Ok(path.to_owned())
    } else {
        Err(expected("a path such as /img, of letters, digits, -_~. and slashes"))
    }
}

/// Parses an address with a port, such as `127.0.0.1:8080`, `localhost:8080`, or `:8080` for all local addresses.
pub(super) fn socket_address(text: &str) -> Result<SocketAddr, BadValue> {
    let expected = || expected("an address such as 127.0.0.1:8080, localhost:8080, [::1]:8080 or :8080");
    if let Some(port) = text.strip_prefix(':') {
        return port.parse().map(|port| (Ipv4Addr::UNSPECIFIED, port).into()).map_err(|_| expected());
    }
    let Ok(addresses) = text.to_socket_addrs() else { return Err(expected()) };
    // IPv4 is preferred for `localhost`.
    let addresses: Vec<SocketAddr> = addresses.collect();
    addresses.iter().find(|address| address.is_ipv4()).or(addresses.first()).copied().ok_or_else(expected)
}

/// A whole number with one of these units in either case, or without a unit.
fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let with_unit = units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?.trim_end(), *factor)));
    let (digits, factor) = with_unit.unwrap_or((&text, 1));
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_people_write_them() {
        let bytes = |text: &str| text.parse::<ByteSize>().ok().map(|size| size.0);
        for (text, expected) in [("1000", Some(1000)), ("64M", Some(64 << 20)), (" 1 g", Some(1 << 30)), ("1.5", None)]
        {
            assert_eq!(bytes(text), expected, "{text}");
        }
        for (text, expected) in [("100M", Some(100_000_000)), ("12k", Some(12_000)), ("-1", None), ("100MP", None)] {
            assert_eq!(pixels(text).ok(), expected, "{text}");
        }
        for (text, expected) in [
            ("2.5", Some(2.5)),
            ("500ms", Some(0.5)),
            ("5m", Some(300.0)),
            ("30d", Some(2_592_000.0)),
            ("10 s", Some(10.0)),
            ("s", None),
        ] {
            assert_eq!(seconds(text).ok(), expected, "{text}");
        }
        for (text, expected) in [("30d", Some(2_592_000)), ("0", Some(0)), ("1.5", None), ("-1", None), ("nan", None)] {
            assert_eq!(whole_seconds(text).ok(), expected, "{text}");
        }
        for (text, expected) in [
            ("127.0.0.1:80", Some("127.0.0.1:80")),
            ("localhost:80", Some("127.0.0.1:80")),
            ("[::1]:80", Some("[::1]:80")),
            (":80", Some("0.0.0.0:80")),
            ("8081", None),
            (":x", None),
            ("unix:/x", Some("unix:/x")),
            ("unix:", None),
        ] {
            let found = listen_address(text).ok().map(|address| address.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
        assert!(socket_address("unix:/x").is_err());
        for (text, expected) in [
            ("/", Some("")),
            ("/img", Some("/img")),
            ("/img/v1.0/", Some("/img/v1.0")),
            ("", None),
            ("img", None),
            ("//img", None),
            ("/img//", None),
            ("/a/../b", None),
            ("/a b", None),
            ("/%41", None),
            ("/img?x", None),
        ] {
            assert_eq!(base_path(text).ok().as_deref(), expected, "{text}");
        }
    }
}
