//! From the bytes of a file to its text: gzip (`.svgz`), byte order marks, UTF-16, and the encoding that the XML declaration
//! names (XML 1.0, section 4.3.3 and appendix F).

use std::borrow::Cow;

use super::Error;
use image_origin_container::{GZIP, Meter, gunzip};

/// The maximum length of a drawing in bytes. Large maps have some megabytes.
pub const MAX_LEN: usize = 16 << 20;

/// The number of bytes between two steps of the meter.
const BYTES_PER_STEP: usize = 64;
/// The number of bytes in which the XML declaration names an encoding.
const DECLARATION: usize = 256;

/// Converts a file to text. A text in UTF-8 is borrowed, with its byte order mark.
///
/// # Errors
/// [`Error::TooMuch`] above [`MAX_LEN`], [`Error::Encoding`], [`Error::Undecodable`], and [`Error::Exhausted`].
pub fn decode<'b>(bytes: &'b [u8], meter: &Meter<'_>) -> Result<Cow<'b, str>, Error> {
    if !bytes.starts_with(&GZIP) {
        return text(bytes, meter);
    }
    // One byte more shows that the drawing is too long.
    let bytes = gunzip(bytes, MAX_LEN + 1, meter)?.ok_or(Error::Undecodable("gzip"))?;
    if let Cow::Owned(text) = text(&bytes, meter)? {
        return Ok(Cow::Owned(text));
    }
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| Error::Undecodable("UTF-8"))
}

fn text<'b>(bytes: &'b [u8], meter: &Meter<'_>) -> Result<Cow<'b, str>, Error> {
    if bytes.len() > MAX_LEN {
        return Err(Error::TooMuch { what: "the length of the drawing in bytes", allowed: MAX_LEN });
    }
    meter.steps((bytes.len() / BYTES_PER_STEP) as u64)?;
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => {
            // The declaration cannot contradict a byte order mark.
            utf8(rest)?;
            utf8(bytes)
        }
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes, meter),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes, meter),
        [b'<', 0, ..] => utf16(bytes, u16::from_le_bytes, meter),
        [0, b'<', ..] => utf16(bytes, u16::from_be_bytes, meter),
        _ => match declared(bytes).to_ascii_lowercase().as_str() {
            "" | "utf-8" | "utf8" | "us-ascii" | "ascii" => utf8(bytes),
            "iso-8859-1" | "iso8859-1" | "latin1" | "windows-1252" | "cp1252" => single_byte(bytes, meter),
            _ => Err(Error::Encoding),
        },
    }
}

fn utf8(bytes: &[u8]) -> Result<Cow<'_, str>, Error> {
    std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| Error::Undecodable("UTF-8"))
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16, meter: &Meter<'_>) -> Result<Cow<'static, str>, Error> {
    let (units, rest) = bytes.as_chunks::<2>();
    meter.hold(bytes.len() as u64 * 2)?;
    if !rest.is_empty() {
        return Err(Error::Undecodable("UTF-16"));
    }
    let text = char::decode_utf16(units.iter().map(|pair| unit(*pair))).collect::<Result<String, _>>();
    text.map(Cow::Owned).map_err(|_| Error::Undecodable("UTF-16"))
}

/// Windows-1252, which includes ISO-8859-1 except for control characters (WHATWG Encoding Standard).
fn single_byte(bytes: &[u8], meter: &Meter<'_>) -> Result<Cow<'static, str>, Error> {
    const FROM_80: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘',
        '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    meter.hold(bytes.len() as u64 * 2)?;
    let of = |byte: &u8| match byte {
        0x80..=0x9f => FROM_80[usize::from(byte - 0x80)],
        byte => char::from(*byte),
    };
    Ok(Cow::Owned(bytes.iter().map(of).collect()))
}

/// The encoding that the XML declaration names; empty if there is none.
fn declared(bytes: &[u8]) -> String {
    let head = &bytes[..bytes.len().min(DECLARATION)];
    let named = || {
        let declaration = head.strip_prefix(b"<?xml")?;
        let end = declaration.windows(2).position(|pair| pair == b"?>")?;
        let declaration = std::str::from_utf8(&declaration[..end]).ok()?;
        let (_, value) = declaration.split_once("encoding")?;
        let value = value.trim_start().strip_prefix('=')?.trim_start();
        let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        value[1..].split_once(quote).map(|(name, _)| name.to_owned())
    };
    named().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use image_origin_container::Cancellation;

    fn decoded(bytes: &[u8]) -> Result<String, Error> {
        let cancellation = Cancellation::unbounded();
        decode(bytes, &Meter::new(bytes.len() as u64, &cancellation)).map(Cow::into_owned)
    }

    /// A gzip file with one stored block (RFC 1951, 3.2.4).
    fn gzip(text: &[u8]) -> Vec<u8> {
        let length = (text.len() as u16).to_le_bytes();
        let crc = text.iter().fold(!0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
        });
        let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1];
        let ends = [!crc, text.len() as u32].map(u32::to_le_bytes);
        [&header[..], &length, &length.map(|byte| !byte), text, &ends[0], &ends[1]].concat()
    }

    #[test]
    fn compressed_drawings_are_inflated_once() {
        let whole = gzip(b"<a>\xc3\xa9</a>");
        assert_eq!(decoded(&whole).unwrap(), "<a>é</a>");
        assert_eq!(decoded(&gzip(b"\xff\xfe<\0a\0>\0")).unwrap(), "<a>");
        for end in 3..whole.len() {
            assert_eq!(decoded(&whole[..end]), Err(Error::Undecodable("gzip")), "{end}");
        }
        let mut other = whole.clone();
        *other.last_mut().unwrap() ^= 1;
        assert_eq!(decoded(&other), Err(Error::Undecodable("gzip")));
        // What is inside is text, not another file.
        assert_eq!(decoded(&gzip(&whole)), Err(Error::Undecodable("UTF-8")));
    }

    #[test]
    fn encodings_are_converted_or_refused() {
        let utf16 = |text: &str, mark: bool, to: fn(u16) -> [u8; 2]| -> Vec<u8> {
            let mark = mark.then_some(0xfeff);
            mark.into_iter().chain(text.encode_utf16()).flat_map(to).collect()
        };
        for mark in [false, true] {
            assert_eq!(decoded(&utf16("<a>é😀</a>", mark, u16::to_le_bytes)).unwrap(), "<a>é😀</a>");
            assert_eq!(decoded(&utf16("<a>é😀</a>", mark, u16::to_be_bytes)).unwrap(), "<a>é😀</a>");
        }
        let table: [(&[u8], Result<&str, Error>); 9] = [
            (b"\xef\xbb\xbf<a/>", Ok("\u{feff}<a/>")),
            (b"<?xml version='1.0' encoding=\"latin1\"?>\xe9\x80", Ok("<?xml version='1.0' encoding=\"latin1\"?>é€")),
            (b"<?xml version='1.0' encoding = 'UTF-8' ?><a/>", Ok("<?xml version='1.0' encoding = 'UTF-8' ?><a/>")),
            (b"<?xml version='1.0' encoding='UTF-7'?><a/>", Err(Error::Encoding)),
            (b"<?xml version='1.0' encoding='ISO-2022-JP'?><a/>", Err(Error::Encoding)),
            (b"<a>\xe9</a>", Err(Error::Undecodable("UTF-8"))),
            (b"\xff\xfe<\0a", Err(Error::Undecodable("UTF-16"))),
            (b"\xff\xfe\0\xd8a\0", Err(Error::Undecodable("UTF-16"))),
            (b"", Ok("")),
        ];
        for (bytes, expected) in table {
            assert_eq!(decoded(bytes), expected.map(str::to_owned), "{}", String::from_utf8_lossy(bytes));
        }
        assert!(matches!(decoded(&vec![b' '; MAX_LEN + 1]), Err(Error::TooMuch { .. })));
    }
}
