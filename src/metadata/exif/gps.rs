//! Where and when a picture was taken, in the form that maps and clocks take (Exif 3.0, 4.6.7).

use exif::{Exif, In, Rational, Tag, Value as Raw};
use serde_json::{Map, Value};

use super::json::ascii;
use super::time;

/// Adds `latitude` and `longitude` in signed degrees, `altitude` in signed metres, and `timestamp`, each where it is
/// given and possible.
pub(super) fn add_decimals(exif: &Exif, gps: &mut Map<String, Value>, warnings: &mut Vec<String>) {
    for (key, tag, reference, negative, limit) in [
        ("latitude", Tag::GPSLatitude, Tag::GPSLatitudeRef, b'S', 90.0),
        ("longitude", Tag::GPSLongitude, Tag::GPSLongitudeRef, b'W', 180.0),
    ] {
        let Some(degrees) = rationals(exif, tag).and_then(degrees) else { continue };
        let sign = if ascii(exif, reference).is_some_and(|r| r.to_ascii_uppercase().starts_with(&[negative])) {
            -1.0
        } else {
            1.0
        };
        if degrees > limit {
            warnings.push(format!("Exif: the {key} is out of range"));
        } else {
            gps.insert(key.to_owned(), rounded(sign * degrees));
        }
    }
    if let Some(altitude) = rationals(exif, Tag::GPSAltitude).and_then(|v| quotient(v.first()?)) {
        // 0 and 2: above sea level or the ellipsoid; 1 and 3: below.
        let reference = exif.get_field(Tag::GPSAltitudeRef, In::PRIMARY).and_then(|field| field.value.get_uint(0));
        let sign = if matches!(reference, Some(1 | 3)) { -1.0 } else { 1.0 };
        gps.insert("altitude".to_owned(), rounded(sign * altitude));
    }
    if let Some(timestamp) = timestamp(exif) {
        gps.insert("timestamp".to_owned(), timestamp.into());
    }
}

fn rationals(exif: &Exif, tag: Tag) -> Option<&[Rational]> {
    match &exif.get_field(tag, In::PRIMARY)?.value {
        Raw::Rational(values) => Some(values),
        _ => None,
    }
}

fn quotient(value: &Rational) -> Option<f64> {
    (value.denom != 0).then(|| value.to_f64())
}

/// Degrees, minutes and seconds. Devices that have no seconds write 0/1 or 0/0, or leave them out.
fn degrees(values: &[Rational]) -> Option<f64> {
    let (whole, parts) = values.split_first()?;
    let part = |index: usize| parts.get(index).and_then(quotient).unwrap_or(0.0);
    Some(quotient(whole)? + part(0) / 60.0 + part(1) / 3600.0)
}

/// GPS time is UTC, in two fields.
fn timestamp(exif: &Exif) -> Option<String> {
    let day = time::date(ascii(exif, Tag::GPSDateStamp)?)?;
    let clock: Vec<_> = rationals(exif, Tag::GPSTimeStamp)?.iter().filter_map(quotient).collect();
    let [hour, minute, second] = clock.as_slice() else { return None };
    let possible = *hour < 24.0 && *minute < 60.0 && *second < 61.0 && hour.fract() == 0.0 && minute.fract() == 0.0;
    let second = if second.fract() == 0.0 { format!("{second:02}") } else { format!("{second:06.3}") };
    possible.then(|| format!("{day}T{hour:02}:{minute:02}:{second}Z"))
}

/// To a tenth of a millimetre: what division adds behind that is noise.
fn rounded(value: f64) -> Value {
    serde_json::Number::from_f64((value * 1e9).round() / 1e9).map_or(Value::Null, Value::Number)
}
