//! Location and time of a picture in common units (Exif 3.0, 4.6.7).

use exif::{Exif, In, Tag, Value as Raw};
use serde_json::{Map, Value};

use super::json::{ascii, value};
use super::time;

/// Adds `latitude` and `longitude` in signed degrees, `altitude` in signed metres, and `timestamp`, each if it is
/// present and valid.
pub(super) fn add_decimals(exif: &Exif, gps: &mut Map<String, Value>, warnings: &mut Vec<String>) {
    for (key, tag, reference, letters, limit) in [
        ("latitude", Tag::GPSLatitude, Tag::GPSLatitudeRef, [b'N', b'S'], 90.0),
        ("longitude", Tag::GPSLongitude, Tag::GPSLongitudeRef, [b'E', b'W'], 180.0),
    ] {
        let Some(raw) = value(exif, tag, In::PRIMARY) else { continue };
        let Some(numbers) = numbers(raw) else {
            warnings.push(format!("Exif: the {key} cannot be read"));
            continue;
        };
        let Some(degrees) = degrees(&numbers) else { continue };
        let degrees = match hemisphere(ascii(exif, reference, In::PRIMARY).unwrap_or_default(), raw, letters) {
            Some(sign) => sign * degrees.abs(),
            None => degrees,
        };
        if degrees.abs() > limit {
            warnings.push(format!("Exif: the {key} is out of range"));
        } else {
            gps.insert(key.to_owned(), rounded(degrees));
        }
    }
    if let Some(altitude) = value(exif, Tag::GPSAltitude, In::PRIMARY).and_then(|raw| *numbers(raw)?.first()?) {
        gps.insert("altitude".to_owned(), rounded(if is_below(exif) { -altitude.abs() } else { altitude }));
    }
    if let Some(timestamp) = timestamp(exif) {
        gps.insert("timestamp".to_owned(), timestamp.into());
    }
}

/// The numbers of a value of any type: the standard specifies unsigned fractions, but some phones write signed ones,
/// and some programs floats or text. `None` stands for a fraction with denominator zero, and for a value without
/// numbers.
fn numbers(raw: &Raw) -> Option<Vec<Option<f64>>> {
    Some(match raw {
        Raw::Rational(values) => values.iter().map(|v| (v.denom != 0).then(|| v.to_f64())).collect(),
        Raw::SRational(values) => values.iter().map(|v| (v.denom != 0).then(|| v.to_f64())).collect(),
        Raw::Float(values) => values.iter().map(|&v| Some(v.into()).filter(|v: &f64| v.is_finite())).collect(),
        Raw::Double(values) => values.iter().map(|&v| Some(v).filter(|v| v.is_finite())).collect(),
        Raw::SShort(values) => values.iter().map(|&v| Some(v.into())).collect(),
        Raw::SLong(values) => values.iter().map(|&v| Some(v.into())).collect(),
        Raw::Ascii(texts) => {
            let text = std::str::from_utf8(texts.first()?).ok()?;
            let words = text.split(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+')));
            let numbers: Vec<_> = words.filter_map(|word| word.parse().ok()).map(Some).collect();
            return Some(numbers).filter(|numbers| !numbers.is_empty());
        }
        other => other.iter_uint()?.map(|v| Some(v.into())).collect(),
    })
}

/// Degrees from degrees, minutes and seconds, with the sign of the first. Devices without seconds write 0/1 or 0/0, or
/// omit them.
fn degrees(values: &[Option<f64>]) -> Option<f64> {
    let whole = (*values.first()?)?;
    let part = |index: usize| values.get(index).copied().flatten().unwrap_or(0.0).abs();
    Some((whole.abs() + part(1) / 60.0 + part(2) / 3600.0).copysign(whole))
}

/// 1 for the first of two letters, -1 for the second. The letter is in the reference, or after a position that is text;
/// without one, the sign of the position is used.
fn hemisphere(reference: &[u8], position: &Raw, letters: [u8; 2]) -> Option<f64> {
    let at_end = match position {
        Raw::Ascii(texts) => texts.first()?.trim_ascii_end().last(),
        _ => None,
    };
    let letter = reference.trim_ascii().first().or(at_end)?.to_ascii_uppercase();
    let index = letters.iter().position(|&known| known == letter)?;
    Some(if index == 0 { 1.0 } else { -1.0 })
}

/// GPSAltitudeRef: 0 and 2 mean above sea level or the ellipsoid, 1 and 3 below. Some writers store it as text.
fn is_below(exif: &Exif) -> bool {
    match value(exif, Tag::GPSAltitudeRef, In::PRIMARY) {
        Some(Raw::Ascii(texts)) => texts.first().is_some_and(|text| matches!(text.trim_ascii(), b"1" | b"3")),
        Some(reference) => matches!(reference.get_uint(0), Some(1 | 3)),
        None => false,
    }
}

/// The GPS time in UTC, from two fields.
fn timestamp(exif: &Exif) -> Option<String> {
    let day = time::date(ascii(exif, Tag::GPSDateStamp, In::PRIMARY)?)?;
    let clock = numbers(value(exif, Tag::GPSTimeStamp, In::PRIMARY)?)?;
    let [Some(hour), Some(minute), Some(second)] = clock[..] else { return None };
    let whole = |value: f64, end: f64| value.fract() == 0.0 && (0.0..end).contains(&value);
    let possible = whole(hour, 24.0) && whole(minute, 60.0) && (0.0..61.0).contains(&second);
    possible.then(|| format!("{day}T{hour:02}:{minute:02}:{}Z", seconds(second)))
}

/// Two digits, and up to three decimals. The result is never rounded up to 60.
fn seconds(second: f64) -> String {
    let milliseconds = (second * 1000.0).round().min((second.floor() + 1.0) * 1000.0 - 1.0);
    let text = format!("{:06.3}", milliseconds / 1000.0);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Rounds to a tenth of a millimetre, beyond which division adds noise. Adding zero removes the sign of a negative
/// zero.
fn rounded(value: f64) -> Value {
    serde_json::Number::from_f64((value * 1e9).round() / 1e9 + 0.0).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use exif::experimental::Writer;
    use exif::{Field, Rational, SRational};
    use serde_json::json;

    fn decimals(fields: &[(Tag, Raw)]) -> (Map<String, Value>, Vec<String>) {
        let fields: Vec<_> =
            fields.iter().map(|(tag, value)| Field { tag: *tag, ifd_num: In::PRIMARY, value: value.clone() }).collect();
        let mut writer = Writer::new();
        fields.iter().for_each(|field| writer.push_field(field));
        let mut block = std::io::Cursor::new(Vec::new());
        writer.write(&mut block, false).unwrap();
        let exif = exif::Reader::new().read_raw(block.into_inner()).unwrap();
        let (mut gps, mut warnings) = (Map::new(), Vec::new());
        add_decimals(&exif, &mut gps, &mut warnings);
        (gps, warnings)
    }

    fn text(text: &str) -> Raw {
        Raw::Ascii(vec![text.as_bytes().to_vec()])
    }

    fn unsigned(values: &[(u32, u32)]) -> Raw {
        Raw::Rational(values.iter().map(|&(num, denom)| Rational { num, denom }).collect())
    }

    fn signed(values: &[(i32, i32)]) -> Raw {
        Raw::SRational(values.iter().map(|&(num, denom)| SRational { num, denom }).collect())
    }

    #[test]
    fn positions_of_any_type_are_read() {
        let table = [
            (unsigned(&[(60, 1), (8, 1), (30, 1)]), Some("N"), json!(60.141666667)),
            (unsigned(&[(60, 1), (85, 10), (0, 0)]), Some("S"), json!(-60.141666667)),
            (signed(&[(60, 1), (8, 1), (30, 1)]), Some("S"), json!(-60.141666667)),
            (signed(&[(-60, 1), (8, 1), (30, 1)]), None, json!(-60.141666667)),
            (signed(&[(-60, 1), (-8, 1), (-30, 1)]), Some("N"), json!(60.141666667)),
            (unsigned(&[(601_416_667, 10_000_000)]), Some("north"), json!(60.1416667)),
            (Raw::Double(vec![60.5]), Some("s\0"), json!(-60.5)),
            (Raw::Float(vec![60.0, 30.0]), Some(""), json!(60.5)),
            (Raw::Short(vec![60, 30, 0]), None, json!(60.5)),
            (Raw::Byte(vec![60, 30, 0]), None, json!(60.5)),
            (text("60,8.5S"), None, json!(-60.141666667)),
            (text("60 deg 8' 30.0\""), Some("N"), json!(60.141666667)),
            (text("-60.5"), None, json!(-60.5)),
            (unsigned(&[(0, 1), (0, 1), (0, 1)]), Some("S"), json!(0.0)),
        ];
        for (position, reference, expected) in table {
            let mut fields = vec![(Tag::GPSLatitude, position)];
            fields.extend(reference.map(|letter| (Tag::GPSLatitudeRef, text(letter))));
            let (gps, warnings) = decimals(&fields);
            assert_eq!(gps.get("latitude"), Some(&expected), "{fields:?}");
            assert_eq!(gps["latitude"].to_string(), expected.to_string(), "{fields:?}");
            assert!(warnings.is_empty(), "{fields:?}: {warnings:?}");
        }
    }

    #[test]
    fn impossible_positions_are_left_out() {
        let table = [
            (unsigned(&[(0, 0), (0, 0), (0, 0)]), None),
            (unsigned(&[(91, 1)]), Some("Exif: the latitude is out of range")),
            (text("no fix"), Some("Exif: the latitude cannot be read")),
            (Raw::Undefined(vec![60, 30, 0], 0), Some("Exif: the latitude cannot be read")),
        ];
        for (position, warning) in table {
            let (gps, warnings) = decimals(&[(Tag::GPSLatitude, position.clone())]);
            assert_eq!((gps.len(), warnings.first().map(String::as_str)), (0, warning), "{position:?}");
        }
    }

    #[test]
    fn altitudes_have_a_sign() {
        let table = [
            (unsigned(&[(123, 1)]), Some(Raw::Byte(vec![0])), 123),
            (unsigned(&[(123, 1)]), Some(Raw::Byte(vec![1])), -123),
            (unsigned(&[(123, 1)]), Some(Raw::Byte(vec![2])), 123),
            (unsigned(&[(123, 1)]), Some(text("1")), -123),
            (signed(&[(-123, 1)]), Some(Raw::Short(vec![1])), -123),
            (signed(&[(-123, 1)]), None, -123),
        ];
        for (altitude, reference, expected) in table {
            let mut fields = vec![(Tag::GPSAltitude, altitude)];
            fields.extend(reference.map(|reference| (Tag::GPSAltitudeRef, reference)));
            assert_eq!(decimals(&fields).0["altitude"], json!(f64::from(expected)), "{fields:?}");
        }
    }

    #[test]
    fn times_are_utc() {
        let clock = |second: (u32, u32)| unsigned(&[(9, 1), (5, 1), second]);
        let table = [
            (clock((7, 1)), Some("2026-03-14T09:05:07Z")),
            (clock((724, 100)), Some("2026-03-14T09:05:07.24Z")),
            (clock((599_999, 10_000)), Some("2026-03-14T09:05:59.999Z")),
            (clock((61, 1)), None),
            (signed(&[(9, 1), (5, 1), (7, 1)]), Some("2026-03-14T09:05:07Z")),
            (text("09:05:07.5"), Some("2026-03-14T09:05:07.5Z")),
            (unsigned(&[(9, 1), (5, 1)]), None),
        ];
        for (time, expected) in table {
            let (gps, _) = decimals(&[(Tag::GPSDateStamp, text("2026:03:14")), (Tag::GPSTimeStamp, time.clone())]);
            assert_eq!(gps.get("timestamp"), expected.map(Value::from).as_ref(), "{time:?}");
        }
    }
}
