//! Values of settings as people write them: bytes, pixels, times and addresses, the same in flags, variables and TOML.

use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

/// A number of bytes, written plainly or with K, M or G for powers of 1024.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteSize(pub u64);

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = scaled(text, &[("k", 1 << 10), ("m", 1 << 20), ("g", 1 << 30)]);
        bytes.map(Self).ok_or_else(|| format!("{text} is no number of bytes such as 1000, 64M or 1G"))
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Written::read(deserializer, str::parse)
    }
}

/// Reads a number of pixels, written plainly or with K, M or G for thousands, millions and billions.
///
/// # Errors
/// A text that says what is expected.
pub fn parse_pixels(text: &str) -> Result<u64, String> {
    let pixels = scaled(text, &[("k", 1_000), ("m", 1_000_000), ("g", 1_000_000_000)]);
    pixels.ok_or_else(|| format!("{text} is no number of pixels such as 1000000 or 100M"))
}

/// Reads a time in seconds, such as `2.5`, `500ms`, `10s`, `5m`, `12h` or `30d`.
///
/// # Errors
/// A text that says what is expected.
pub fn parse_seconds(text: &str) -> Result<f64, String> {
    let text = text.trim();
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86400.0)];
    let with_unit = units.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?.trim_end(), *seconds)));
    let (number, seconds) = with_unit.unwrap_or((text, 1.0));
    let number = number.parse::<f64>().map(|number| number * seconds);
    number.map_err(|_| format!("{text} is no time such as 10, 2.5s, 5m, 12h or 30d"))
}

/// The same for whole seconds.
///
/// # Errors
/// A text that says what is expected.
pub fn parse_whole_seconds(text: &str) -> Result<u32, String> {
    let seconds = parse_seconds(text)?;
    if seconds.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&seconds) {
        return Ok(seconds as u32);
    }
    Err(format!("{text} is no number of whole seconds, or too large a one"))
}

/// Reads an address with a port, such as `127.0.0.1:8080`, `localhost:8080`, or `:8080` for all of this machine's addresses.
///
/// # Errors
/// A text that says what is expected.
pub fn parse_listen_address(text: &str) -> Result<SocketAddr, String> {
    let expected = || format!("{text} is no address such as 127.0.0.1:8080, localhost:8080, [::1]:8080 or :8080");
    if let Some(port) = text.strip_prefix(':') {
        return port.parse().map(|port| (Ipv4Addr::UNSPECIFIED, port).into()).map_err(|_| expected());
    }
    let Ok(addresses) = text.to_socket_addrs() else { return Err(expected()) };
    // What is called localhost is IPv4 to most who ask for it.
    let addresses: Vec<SocketAddr> = addresses.collect();
    addresses.iter().find(|address| address.is_ipv4()).or(addresses.first()).copied().ok_or_else(expected)
}

/// Settings in TOML that are read as flags are; a number needs no quotes.
pub(super) mod in_toml {
    use super::*;

    pub(in super::super) fn pixels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
        Written::read(deserializer, parse_pixels).map(Some)
    }

    pub(in super::super) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
        Written::read(deserializer, parse_seconds).map(Some)
    }

    pub(in super::super) fn whole_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
        Written::read(deserializer, parse_whole_seconds).map(Some)
    }

    pub(in super::super) fn listen_address<'de, D>(deserializer: D) -> Result<Option<SocketAddr>, D::Error>
    where
        D: Deserializer<'de>,
    {
        Written::read(deserializer, parse_listen_address).map(Some)
    }
}

/// A number or a text of TOML.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a number or a text")]
enum Written {
    Whole(i64),
    Decimal(f64),
    Text(String),
}

impl Written {
    fn read<'de, D: Deserializer<'de>, T, E: Display>(
        deserializer: D,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, D::Error> {
        let text = match Self::deserialize(deserializer)? {
            Self::Whole(number) => number.to_string(),
            Self::Decimal(number) => number.to_string(),
            Self::Text(text) => text,
        };
        parse(&text).map_err(de::Error::custom)
    }
}

/// A whole number with one of these units, in either case, or with none.
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
            assert_eq!(parse_pixels(text).ok(), expected, "{text}");
        }
        for (text, expected) in [
            ("2.5", Some(2.5)),
            ("500ms", Some(0.5)),
            ("5m", Some(300.0)),
            ("30d", Some(2_592_000.0)),
            ("10 s", Some(10.0)),
            ("s", None),
        ] {
            assert_eq!(parse_seconds(text).ok(), expected, "{text}");
        }
        for (text, expected) in [("30d", Some(2_592_000)), ("0", Some(0)), ("1.5", None), ("-1", None), ("nan", None)] {
            assert_eq!(parse_whole_seconds(text).ok(), expected, "{text}");
        }
        for (text, expected) in [
            ("127.0.0.1:80", Some("127.0.0.1:80")),
            ("localhost:80", Some("127.0.0.1:80")),
            ("[::1]:80", Some("[::1]:80")),
            (":80", Some("0.0.0.0:80")),
            ("8081", None),
            (":x", None),
            ("unix:/x", None),
        ] {
            let found = parse_listen_address(text).ok().map(|address| address.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }
}
