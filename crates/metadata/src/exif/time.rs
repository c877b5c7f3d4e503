//! Dates as ISO 8601, with the subseconds and the UTC offset from their separate fields (Exif 3.0, 4.6.5.3 and
//! 4.6.6.5).

use exif::{Exif, Field, Tag};

use super::json::ascii;
use super::text;

/// The time in a field with this canonical tag; `None` if it is invalid.
pub(super) fn of(tag: Tag, field: &Field, exif: &Exif) -> Option<String> {
    let (sub_seconds, offset) = match tag {
        Tag::DateTime => (Tag::SubSecTime, Tag::OffsetTime),
        Tag::DateTimeOriginal => (Tag::SubSecTimeOriginal, Tag::OffsetTimeOriginal),
        Tag::DateTimeDigitized => (Tag::SubSecTimeDigitized, Tag::OffsetTimeDigitized),
        Tag::GPSDateStamp => return date(text::first(&field.value)?),
        _ => return None,
    };
    let beside = |tag| ascii(exif, tag, field.ifd_num);
    date_time(text::first(&field.value)?, beside(sub_seconds), beside(offset))
}

/// Parses `YYYY:MM:DD HH:MM:SS`. If some writer appended a fraction and an offset, the separate fields take precedence.
fn date_time(text: &[u8], sub_seconds: Option<&[u8]>, offset: Option<&[u8]>) -> Option<String> {
    let (day, clock) = text.trim_ascii().split_at_checked(10)?;
    let day = date(day)?;
    let [b' ' | b'T', clock @ ..] = clock else { return None };
    let [h1, h2, b':', m1, m2, b':', s1, s2, rest @ ..] = clock else { return None };
    let (hour, minute, second) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?, number(&[*s1, *s2])?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (own_fraction, own_offset) = match rest.strip_prefix(b".") {
        Some(rest) => rest.split_at(rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len())),
        None => (&[][..], rest),
    };
    let own_offset = match own_offset.trim_ascii() {
        [] => None,
        own_offset => Some(utc_offset(own_offset)?),
    };
    let fraction = sub_seconds.map(<[u8]>::trim_ascii).filter(|digits| !digits.is_empty() && number(digits).is_some());
    let fraction = match String::from_utf8_lossy(fraction.unwrap_or(own_fraction)) {
        digits if digits.is_empty() => String::new(),
        digits => format!(".{digits}"),
    };
    let offset = offset.and_then(utc_offset).or(own_offset).unwrap_or_default();
    Some(format!("{day}T{hour:02}:{minute:02}:{second:02}{fraction}{offset}"))
}

/// Parses `YYYY:MM:DD`, also with other separators that some writers use.
pub(super) fn date(text: &[u8]) -> Option<String> {
    let [y1, y2, y3, y4, sep1, m1, m2, sep2, d1, d2] = text.trim_ascii() else { return None };
    let (year, month, day) = (number(&[*y1, *y2, *y3, *y4])?, number(&[*m1, *m2])?, number(&[*d1, *d2])?);
    let separated = [sep1, sep2].iter().all(|sep| matches!(sep, b':' | b'-' | b'/' | b'.'));
    (separated && year > 0 && (1..=12).contains(&month) && (1..=31).contains(&day))
        .then(|| format!("{year:04}-{month:02}-{day:02}"))
}

/// Parses `+01:00`.
fn utc_offset(text: &[u8]) -> Option<String> {
    match text.trim_ascii() {
        b"Z" => Some("Z".to_owned()),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hour, minute) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?);
            (hour <= 14 && minute <= 59).then(|| format!("{}{hour:02}:{minute:02}", char::from(*sign)))
        }
        _ => None,
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    let all_digits = digits.iter().all(u8::is_ascii_digit);
    if all_digits { std::str::from_utf8(digits).ok()?.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_carry_fraction_and_offset() {
        type Row = (&'static [u8], Option<&'static [u8]>, Option<&'static [u8]>, Option<&'static str>);
        let table: &[Row] = &[
            (b"2008:10:22 16:28:39", None, None, Some("2008-10-22T16:28:39")),
            (b"2008:10:22 16:28:39", Some(b"045 "), Some(b"-03:30"), Some("2008-10-22T16:28:39.045-03:30")),
            (b"2008:10:22 16:28:39", Some(b"   "), Some(b"   :  "), Some("2008-10-22T16:28:39")),
            (b"2008-10-22T16:28:39", None, Some(b"Z"), Some("2008-10-22T16:28:39Z")),
            (b"2008:10:22 16:28:39.25+02:00", None, None, Some("2008-10-22T16:28:39.25+02:00")),
            (b"2008:10:22 16:28:39 Z", Some(b"5"), Some(b"-03:00"), Some("2008-10-22T16:28:39.5-03:00")),
            (b"2008:10:22 16:28:39 PM", None, None, None),
            (b"0000:00:00 00:00:00", None, None, None),
            (b"    :  :     :  :  ", None, None, None),
            (b"2008:13:22 16:28:39", None, None, None),
            (b"2008:10:22", None, None, None),
            (b"", None, None, None),
        ];
        for &(text, sub_seconds, offset, expected) in table {
            assert_eq!(date_time(text, sub_seconds, offset).as_deref(), expected, "{text:?}");
        }
    }
}
