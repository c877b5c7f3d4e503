//! References: to elements of the same drawing, and to embedded pictures.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use image_origin_container::{Exhausted, Meter};

/// Base64 as browsers read it: with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);
/// The number of characters that are decoded at a time, a multiple of four.
const CHUNK: usize = 4096;
/// The number of characters between two steps of the meter.
const CHARACTERS_PER_STEP: usize = 16;

/// Whether a reference names an element of the same drawing.
pub(super) fn is_fragment(url: &str) -> bool {
    url.trim_matches(' ').strip_prefix('#').is_some_and(|id| !id.contains(|c: char| c.is_control() || c == '<'))
}

/// A picture in a `data:` URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EmbeddedPicture<'u> {
    /// The URL up to the comma, which is included.
    head: &'u str,
    /// The file in base64, in which spaces and percent-encoded bytes may stand.
    data: &'u str,
}

impl EmbeddedPicture<'_> {
    /// The file; `None` if it is not valid base64.
    pub(super) fn decode(self, meter: &Meter<'_>) -> Result<Option<Vec<u8>>, Exhausted> {
        meter.steps((self.data.len() / CHARACTERS_PER_STEP) as u64)?;
        meter.hold((self.data.len() / 4 * 3) as u64)?;
        let mut file = Vec::with_capacity(self.data.len() / 4 * 3 + 3);
        let mut chunk = Vec::with_capacity(CHUNK);
        let mut characters = percent_decoded(self.data).filter(|byte| !byte.is_ascii_whitespace());
        loop {
            chunk.clear();
            chunk.extend(characters.by_ref().take(CHUNK));
            if BASE64.decode_vec(&chunk, &mut file).is_err() {
                return Ok(None);
            }
            if chunk.len() < CHUNK {
                return Ok(Some(file));
            }
        }
    }

    /// The same URL with another file.
    pub(super) fn with(self, file: &[u8]) -> String {
        let mut url = self.head.to_owned();
        BASE64.encode_string(file, &mut url);
        url
    }
}

/// The bytes of a text in which `%` and two hexadecimal digits stand for a byte (URL Standard, 1.3).
fn percent_decoded(text: &str) -> impl Iterator<Item = u8> {
    let mut rest = text.as_bytes();
    std::iter::from_fn(move || {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        let (byte, after) = match *rest {
            [b'%', high, low, ref after @ ..] => match (digit(high), digit(low)) {
                (Some(high), Some(low)) => ((high * 16 + low) as u8, after),
                _ => (b'%', &rest[1..]),
            },
            [byte, ref after @ ..] => (byte, after),
            [] => return None,
        };
        rest = after;
        Some(byte)
    })
}

/// Whether a reference is a picture in a format without scripts, in base64 (RFC 2397).
pub(super) fn is_embedded_picture(url: &str) -> bool {
    embedded_picture(url).is_some()
}

/// The parts of a reference that [`is_embedded_picture`].
pub(super) fn embedded_picture(url: &str) -> Option<EmbeddedPicture<'_>> {
    let url = url.trim_matches(' ');
    let prefix = |prefix: &str| {
        let head = url.get(..prefix.len())?;
        head.eq_ignore_ascii_case(prefix).then(|| &url[prefix.len()..])
    };
    let types = ["png", "jpeg", "jpg", "gif", "webp"];
    let rest = prefix("data:image/").and_then(|rest| {
        types.iter().find_map(|name| {
            let head = rest.get(..name.len())?;
            head.eq_ignore_ascii_case(name).then(|| &rest[name.len()..])
        })
    });
    let rest = rest?;
    // Some editors add a character set, which means nothing here.
    let data = ["", ";charset=utf-8"].iter().find_map(|parameter| {
        let head = rest.get(..parameter.len() + ";base64,".len())?;
        let (found, base64) = head.split_at(parameter.len());
        let is_it = found.eq_ignore_ascii_case(parameter) && base64.eq_ignore_ascii_case(";base64,");
        is_it.then(|| &rest[head.len()..])
    })?;
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b' ' | b'%');
    data.bytes().all(is_base64).then(|| EmbeddedPicture { head: &url[..url.len() - data.len()], data })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_to_the_drawing_or_to_pictures_in_it() {
        for url in ["#a", " #a ", "#", "#svgView(viewBox(0,0,1,1))", "#é b"] {
            assert!(is_fragment(url), "{url}");
        }
        for url in ["", "a#b", "//a#b", "http://a/#b", "javascript:#", "\u{1}#a", "\u{a0}#a", "?#a", "#a\u{7}"] {
            assert!(!is_fragment(url), "{url}");
        }
        for url in
            ["data:image/png;base64,AA+/ =", "DATA:image/JPEG;base64,", " data:image/webp;charset=utf-8;base64,AA"]
        {
            assert!(is_embedded_picture(url), "{url}");
        }
        for url in [
            "data:image/svg+xml;base64,AA",
            "data:image/png,AA",
            "data:text/html;base64,AA",
            "data:,AA",
            "data:image/png;base64,<",
            "data:image/png;charset=x;base64,AA",
            "data:image/pngx;base64,AA",
            "data:image/gif;base64,\"",
            "xdata:image/png;base64,",
            "data:image/png",
            "data:image/é;base64,",
        ] {
            assert!(!is_embedded_picture(url), "{url}");
        }
    }
}
