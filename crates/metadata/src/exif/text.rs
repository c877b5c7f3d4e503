//! Text in fields: ASCII fields with other encodings, the encodings of UserComment, and version numbers.

use exif::{Context, Tag, Value};

/// The text of a field with this canonical tag, whatever its type. `None` if the value is not text.
pub(super) fn of(tag: Tag, value: &Value, little_endian: bool) -> Option<String> {
    match (value, tag) {
        (Value::Undefined(bytes, _), Tag::UserComment | Tag::GPSProcessingMethod | Tag::GPSAreaInformation) => {
            encoded(bytes, little_endian)
        }
        // With a null-terminated type, although the encoding codes contain zeros.
        (Value::Ascii(texts), Tag::UserComment | Tag::GPSProcessingMethod | Tag::GPSAreaInformation) => {
            let whole = texts.join(&0);
            encoded(&whole, little_endian).or_else(|| Some(decode(&whole)))
        }
        (
            Value::Undefined(bytes, _),
            Tag::ExifVersion | Tag::FlashpixVersion | Tag::InteroperabilityVersion | Tag::InteroperabilityIndex,
        ) => Some(decode(bytes)),
        (Value::Byte(bytes), Tag::GPSVersionID) => Some(bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(".")),
        // XPTitle to XPSubject: UTF-16, little-endian regardless of the block's byte order.
        (Value::Byte(bytes) | Value::Undefined(bytes, _), Tag(Context::Tiff | Context::Exif, 0x9c9b..=0x9c9f)) => {
            Some(utf16(bytes, true))
        }
        (Value::Ascii(texts), _) => ascii(texts, tag),
        (Value::Byte(bytes) | Value::Undefined(bytes, _), _) if is_text(tag) => printable(bytes),
        _ => None,
    }
}

/// The first text of a text field, as bytes.
pub(super) fn first(value: &Value) -> Option<&[u8]> {
    match value {
        Value::Ascii(texts) => texts.first().map(Vec::as_slice),
        Value::Byte(bytes) | Value::Undefined(bytes, _) => bytes.split(|&b| b == 0).next(),
        _ => None,
    }
}

/// Whether a field is text according to the standard. Some writers use a byte type for it.
fn is_text(tag: Tag) -> bool {
    const TEXTS: [Tag; 36] = [
        Tag::ImageDescription,
        Tag::Make,
        Tag::Model,
        Tag::Software,
        Tag::DateTime,
        Tag::Artist,
        Tag::Copyright,
        Tag::SpectralSensitivity,
        Tag::ExifVersion,
        Tag::DateTimeOriginal,
        Tag::DateTimeDigitized,
        Tag::OffsetTime,
        Tag::OffsetTimeOriginal,
        Tag::OffsetTimeDigitized,
        Tag::SubSecTime,
        Tag::SubSecTimeOriginal,
        Tag::SubSecTimeDigitized,
        Tag::FlashpixVersion,
        Tag::RelatedSoundFile,
        Tag::ImageUniqueID,
        Tag::CameraOwnerName,
        Tag::BodySerialNumber,
        Tag::LensMake,
        Tag::LensModel,
        Tag::LensSerialNumber,
        Tag::GPSLatitudeRef,
        Tag::GPSLongitudeRef,
        Tag::GPSSatellites,
        Tag::GPSMapDatum,
        Tag::GPSDestLatitudeRef,
        Tag::GPSDestLongitudeRef,
        Tag::GPSImgDirectionRef,
        Tag::GPSDateStamp,
        Tag::InteroperabilityIndex,
        Tag::InteroperabilityVersion,
        Tag::RelatedImageFileFormat,
    ];
    TEXTS.contains(&tag)
}

/// The bytes as text, if they are printable.
fn printable(bytes: &[u8]) -> Option<String> {
    let text = decode(bytes);
    (!text.is_empty() && !text.contains(|c: char| c.is_control() && !c.is_ascii_whitespace())).then_some(text)
}

/// An ASCII field as a single text. Its type allows several null-terminated texts, but only Copyright has two
/// (4.6.5.4.4); elsewhere, anything after the first zero is left over from a longer value.
fn ascii(texts: &[Vec<u8>], tag: Tag) -> Option<String> {
    let first = decode(texts.first().map(Vec::as_slice).unwrap_or_default());
    match texts.get(1).map(|second| decode(second)).filter(|second| tag == Tag::Copyright && !second.is_empty()) {
        Some(editor) if first.is_empty() => Some(editor),
        Some(editor) => Some(format!("{first}\n{editor}")),
        None => Some(first),
    }
}

/// Decodes UTF-8 if it is valid, else Windows-1252, and trims padding.
pub(super) fn decode(bytes: &[u8]) -> String {
    let bytes = bytes.split(|&b| b == 0).next().unwrap_or_default().trim_ascii_end();
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => windows_1252(bytes),
    }
}

/// Decodes Windows-1252, which is ISO 8859-1 with printable characters instead of the second block of control codes
/// (WHATWG Encoding, 9).
pub(crate) fn windows_1252(bytes: &[u8]) -> String {
    const UPPER: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘',
        '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    let letter = |&byte: &u8| match byte {
        0x80..=0x9f => UPPER[usize::from(byte - 0x80)],
        byte => char::from(byte),
    };
    bytes.iter().map(letter).collect()
}

/// Decodes text after an 8-byte code for its encoding (4.6.6.4.2). JIS is not decoded, and reported as base64.
fn encoded(bytes: &[u8], little_endian: bool) -> Option<String> {
    let (code, text) = bytes.split_first_chunk::<8>()?;
    match code {
        b"ASCII\0\0\0" | [0, 0, 0, 0, 0, 0, 0, 0] => Some(decode(text)),
        b"UNICODE\0" => Some(unicode(text, little_endian)),
        b"JIS\0\0\0\0\0" => None,
        // Some writers omit the code.
        _ if bytes.iter().all(|&b| b == 0 || b == b'\n' || (b' '..=b'~').contains(&b)) => Some(decode(bytes)),
        _ => None,
    }
}

/// Decodes UTF-16 in the byte order of its byte order mark, else in the one that yields more Latin letters, since
/// writers interpret the standard differently, else in that of the block.
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

    #[test]
    fn text_is_found_in_any_type() {
        let le = true;
        let table = [
            (Tag::Make, Value::Undefined(b"Maker\0\0".to_vec(), 0), Some("Maker")),
            (Tag::Make, Value::Byte(b"Maker".to_vec()), Some("Maker")),
            (Tag::Make, Value::Byte(vec![1, 2, 3]), None),
            (Tag::Make, Value::Ascii(vec![b"L\x92appareil \x80 \xe9".to_vec()]), Some("L’appareil € é")),
            (Tag::Flash, Value::Byte(b"7".to_vec()), None),
            (Tag::UserComment, Value::Ascii(vec![b"ASCII".to_vec(), vec![], vec![], b"hello".to_vec()]), Some("hello")),
            (Tag::UserComment, Value::Ascii(vec![b"hello".to_vec()]), Some("hello")),
            (Tag(Context::Tiff, 0x9c9b), Value::Undefined(b"h\0i\0\0\0".to_vec(), 0), Some("hi")),
        ];
        for (tag, value, expected) in table {
            assert_eq!(of(tag, &value, le).as_deref(), expected, "{tag} {value:?}");
        }
    }
}
