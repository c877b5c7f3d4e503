//! Text in fields: ASCII that is often something else, the encodings of UserComment, and versions.

use exif::{Field, Tag, Value};

/// The text of a field whose bytes are text though its type does not say so.
pub(super) fn of(field: &Field, little_endian: bool) -> Option<String> {
    match (&field.value, field.tag) {
        (Value::Undefined(bytes, _), Tag::UserComment | Tag::GPSProcessingMethod | Tag::GPSAreaInformation) => {
            encoded(bytes, little_endian)
        }
        (
            Value::Undefined(bytes, _),
            Tag::ExifVersion | Tag::FlashpixVersion | Tag::InteroperabilityVersion | Tag::InteroperabilityIndex,
        ) => Some(decode(bytes)),
        (Value::Byte(bytes), Tag::GPSVersionID) => Some(bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(".")),
        // XPTitle to XPSubject: UTF-16, little-endian whatever the block's order is.
        (Value::Byte(bytes), Tag(exif::Context::Tiff, 0x9c9b..=0x9c9f)) => Some(utf16(bytes, true)),
        (Value::Ascii(texts), _) => ascii(texts, field.tag),
        _ => None,
    }
}

/// An ASCII field as one text. Its type allows several, ended by zeros each, but only Copyright has two (4.6.5.4.4);
/// what comes after the first zero elsewhere is what a longer value left behind.
fn ascii(texts: &[Vec<u8>], tag: Tag) -> Option<String> {
    let first = decode(texts.first().map(Vec::as_slice).unwrap_or_default());
    match texts.get(1).map(|second| decode(second)).filter(|second| tag == Tag::Copyright && !second.is_empty()) {
        Some(editor) if first.is_empty() => Some(editor),
        Some(editor) => Some(format!("{first}\n{editor}")),
        None => Some(first),
    }
}

/// UTF-8 where it is valid, ISO 8859-1 else; without what pads it.
pub(super) fn decode(bytes: &[u8]) -> String {
    let bytes = bytes.split(|&b| b == 0).next().unwrap_or_default().trim_ascii_end();
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|&b| char::from(b)).collect(),
    }
}

/// Text after an 8-byte code for its encoding (4.6.6.4.2). JIS is not decoded, and stays base64.
fn encoded(bytes: &[u8], little_endian: bool) -> Option<String> {
    let (code, text) = bytes.split_first_chunk::<8>()?;
    match code {
        b"ASCII\0\0\0" | [0, 0, 0, 0, 0, 0, 0, 0] => Some(decode(text)),
        b"UNICODE\0" => Some(unicode(text, little_endian)),
        b"JIS\0\0\0\0\0" => None,
        // Some writers leave the code out.
        _ if bytes.iter().all(|&b| b == 0 || b == b'\n' || (b' '..=b'~').contains(&b)) => Some(decode(bytes)),
        _ => None,
    }
}

/// UTF-16, in the order of its byte order mark, else in the one that gives more letters of the Latin script, since
/// writers disagree on what the standard means; else in the block's.
fn unicode(text: &[u8], little_endian: bool) -> String {
    match text {
        [0xfe, 0xff, rest @ ..] => utf16(rest, false),
        [0xff, 0xfe, rest @ ..] => utf16(rest, true),
        [0xef, 0xbb, 0xbf, rest @ ..] => decode(rest),
        _ => {
            let zeros = |odd: usize| text.iter().skip(odd).step_by(2).filter(|&&b| b == 0).count();
            let little_endian = match zeros(1).cmp(&zeros(0)) {
                std::cmp::Ordering::Greater => true,
                std::cmp::Ordering::Less => false,
                std::cmp::Ordering::Equal => little_endian,
            };
            utf16(text, little_endian)
        }
    }
}

fn utf16(bytes: &[u8], little_endian: bool) -> String {
    let units = bytes.chunks_exact(2).map(|pair| {
        let pair = [pair[0], pair[1]];
        if little_endian { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) }
    });
    let text: String = char::decode_utf16(units.take_while(|&unit| unit != 0))
        .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_comments_are_decoded_by_their_code() {
        let table: &[(&[u8], bool, Option<&str>)] = &[
            (b"ASCII\0\0\0hello  \0", true, Some("hello")),
            (b"\0\0\0\0\0\0\0\0k\xc3\xa4se", true, Some("käse")),
            (b"UNICODE\0h\0i\0", true, Some("hi")),
            (b"UNICODE\0\0h\0i", true, Some("hi")),
            (b"UNICODE\0\xfe\xff\0h\0i", true, Some("hi")),
            (b"UNICODE\0\x2d\x4e", true, Some("中")),
            (b"JIS\0\0\0\0\0\x24\x22", true, None),
            (b"plain text", true, Some("plain text")),
            (b"\x01\x02\x03\x04\x05\x06\x07\x08\x09", true, None),
            (b"short", true, None),
        ];
        for &(bytes, little_endian, expected) in table {
            assert_eq!(encoded(bytes, little_endian).as_deref(), expected, "{bytes:?}");
        }
    }
}
