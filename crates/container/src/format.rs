//! Format detection by the first bytes, never by a file name or a declared media type, which an uploader controls.

use crate::inflate::gunzip_head;

/// The number of leading bytes that [`sniff`] uses. With fewer bytes, formats with a longer signature are not detected.
/// Signatures take 64 bytes at most, but the root element of an SVG may follow a licence in a comment.
pub const SNIFF_LEN: usize = 4096;

/// A recognised image format. Not all of them can be decoded, and fewer encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// JPEG (ISO/IEC 10918-1), any process.
    Jpeg,
    /// PNG (W3C PNG 3rd edition), APNG included.
    Png,
    /// GIF87a and GIF89a.
    Gif,
    /// WebP (RFC 9649).
    WebP,
    /// AV1 image file format, still or sequence.
    Avif,
    /// HEIF with HEVC, as produced by iPhones.
    Heic,
    /// TIFF 6.0 and BigTIFF, either byte order.
    Tiff,
    /// Windows bitmap.
    Bmp,
    /// Windows icon or cursor.
    Ico,
    /// The Quite OK Image format.
    Qoi,
    /// Netpbm: PBM, PGM, PPM and PAM.
    Pnm,
    /// JPEG XL, bare codestream or container.
    JpegXl,
    /// Scalable Vector Graphics: XML whose root element is `svg`.
    Svg,
}

impl Format {
    /// The media type, as registered with IANA if it is.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Gif => "image/gif",
            Self::WebP => "image/webp",
            Self::Avif => "image/avif",
            Self::Heic => "image/heic",
            Self::Tiff => "image/tiff",
            Self::Bmp => "image/bmp",
            Self::Ico => "image/vnd.microsoft.icon",
            Self::Qoi => "image/qoi",
            Self::Pnm => "image/x-portable-anymap",
            Self::JpegXl => "image/jxl",
            Self::Svg => "image/svg+xml",
        }
    }

    /// The usual file extension, without a dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Tiff => "tif",
            other => other.name(),
        }
    }

    /// The short lower-case name for reports and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::Gif => "gif",
            Self::WebP => "webp",
            Self::Avif => "avif",
            Self::Heic => "heic",
            Self::Tiff => "tiff",
            Self::Bmp => "bmp",
            Self::Ico => "ico",
            Self::Qoi => "qoi",
            Self::Pnm => "pnm",
            Self::JpegXl => "jxl",
            Self::Svg => "svg",
        }
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Detects the format of a file from its leading bytes.
///
/// Every signature must be at byte 0, except for SVG, whose root element may follow a byte order mark, an XML
/// declaration, white space, comments, processing instructions and a document type, and may be compressed by gzip.
pub fn sniff(head: &[u8]) -> Option<Format> {
    match head {
        [0xff, 0xd8, 0xff, ..] => Some(Format::Jpeg),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Format::Png),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Format::Gif),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Format::WebP),
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Some(Format::Tiff),
        [b'B', b'M', _, _, _, _, _, _, _, _, _, _, _, _, 12..=124, 0, 0, 0, ..] => Some(Format::Bmp),
        [0, 0, 1 | 2, 0, count, ..] if *count > 0 => Some(Format::Ico),
        [b'q', b'o', b'i', b'f', ..] => Some(Format::Qoi),
        [b'P', b'1'..=b'7', b' ' | b'\t' | b'\n' | b'\r', ..] => Some(Format::Pnm),
        [0xff, 0x0a, ..] => Some(Format::JpegXl),
        [0, 0, 0, 12, b'J', b'X', b'L', b' ', b'\r', b'\n', 0x87, b'\n', ..] => Some(Format::JpegXl),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => sniff_heif(head),
        [0x1f, 0x8b, 8, ..] => sniff_svg(&gunzip_head(&head[..head.len().min(SNIFF_LEN)], SNIFF_LEN)),
        _ => sniff_svg(head),
    }
}

/// Detects HEIF formats. The file type box lists a major brand, a version and compatible brands (ISO/IEC 14496-12,
/// 4.3). Existing AVIF files may have the major brand `mif1` and list `avif` only as a compatible brand.
fn sniff_heif(head: &[u8]) -> Option<Format> {
    let size = u32::from_be_bytes(head.first_chunk().copied()?) as usize;
    let brands = head.get(8..size.min(head.len()))?;
    let has = |wanted: &[&[u8; 4]]| {
        brands.chunks_exact(4).enumerate().any(|(i, brand)| i != 1 && wanted.iter().any(|w| brand == w.as_slice()))
    };
    if has(&[b"avif", b"avis"]) {
        Some(Format::Avif)
    } else if has(&[b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis"]) {
        Some(Format::Heic)
    } else {
        None
    }
}

/// Detects a document whose root element is `svg`, with any prefix, in an encoding that contains ASCII or in UTF-16.
fn sniff_svg(head: &[u8]) -> Option<Format> {
    let head = &head[..head.len().min(SNIFF_LEN)];
    match head {
        [0xff, 0xfe, rest @ ..] => is_svg(&low_bytes(rest, u16::from_le_bytes)),
        [0xfe, 0xff, rest @ ..] => is_svg(&low_bytes(rest, u16::from_be_bytes)),
        [b'<', 0, ..] => is_svg(&low_bytes(head, u16::from_le_bytes)),
        [0, b'<', ..] => is_svg(&low_bytes(head, u16::from_be_bytes)),
        [0xef, 0xbb, 0xbf, rest @ ..] => is_svg(rest),
        _ => is_svg(head),
    }
    .then_some(Format::Svg)
}

/// The ASCII characters of a text in UTF-16; others are zero.
fn low_bytes(text: &[u8], unit: fn([u8; 2]) -> u16) -> Vec<u8> {
    text.as_chunks::<2>().0.iter().map(|pair| u8::try_from(unit(*pair)).unwrap_or(0)).collect()
}

fn is_svg(text: &[u8]) -> bool {
    let mut text = text;
    loop {
        text = text.trim_ascii_start();
        let end: &[u8] = match text {
            [b'<', b'?', ..] => b"?>",
            [b'<', b'!', b'-', b'-', ..] => b"-->",
            [b'<', b'!', b'D', b'O', b'C', b'T', b'Y', b'P', b'E', rest @ ..] => {
                return is_named_svg(rest.trim_ascii_start());
            }
            [b'<', rest @ ..] => return is_named_svg(rest),
            _ => return false,
        };
        let Some(at) = text.windows(end.len()).position(|window| window == end) else { return false };
        text = &text[at + end.len()..];
    }
}

/// Whether the text begins with the name `svg`, after any prefix.
fn is_named_svg(text: &[u8]) -> bool {
    let is_end = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/' | b'[');
    let name = text.split(is_end).next().unwrap_or_default();
    name.rsplit(|byte| *byte == b':').next() == Some(b"svg")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_decide() {
        let table: &[(&[u8], Option<Format>)] = &[
            (b"\xff\xd8\xff\xe0", Some(Format::Jpeg)),
            (b"\xff\xd8", None),
            (b"\x89PNG\r\n\x1a\n", Some(Format::Png)),
            (b"\x89PNG\n\x1a\n", None),
            (b"GIF89a", Some(Format::Gif)),
            (b"GIF88a", None),
            (b"RIFF\x10\0\0\0WEBPVP8 ", Some(Format::WebP)),
            (b"RIFF\x10\0\0\0WAVE", None),
            (b"II*\0", Some(Format::Tiff)),
            (b"MM\0+", Some(Format::Tiff)),
            (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", Some(Format::Avif)),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", Some(Format::Heic)),
            (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", None),
            (b"\xff\x0a\x01", Some(Format::JpegXl)),
            (b"P6\n3 2\n255\n", Some(Format::Pnm)),
            (b"PK\x03\x04", None),
            (b"\xef\xbb\xbf  <svg xmlns=", Some(Format::Svg)),
            (b"<?xml version=\"1.0\"?><svg>", Some(Format::Svg)),
            (b"<!-- <html> -->\n<?a b?><!-- c --><s:svg/>", Some(Format::Svg)),
            (b"<!DOCTYPE svg PUBLIC \"-//W3C//DTD SVG 1.1//EN\" \"x\" [", Some(Format::Svg)),
            (b"\xff\xfe<\0s\0v\0g\0>\0", Some(Format::Svg)),
            (b"\0<\0s\0v\0g\0/", Some(Format::Svg)),
            (b"<svg", Some(Format::Svg)),
            // Compressed: whole, cut off after the root element, another document, and nothing.
            (b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xb3Q\xd4\xd5U\xa8P\xd0\xd5\xb5\xb3).K\xd7\xb7\x03\0", Some(Format::Svg)),
            (b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xb2).KW\xa8\xc8\xcd\xc9+\xb6U\xca())\xb0", Some(Format::Svg)),
            (b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xb3\xc9(\xc9\xcd\xd1\xb7\x03\0", None),
            (b"\x1f\x8b\x08", None),
            (b"<svgs>", None),
            (b"<SVG>", None),
            (b"<!-- <svg>", None),
            (b"<!DOCTYPE html><svg>", None),
            (b"<html><svg>", None),
            (b"x<svg>", None),
            (b"", None),
        ];
        for (head, expected) in table {
            assert_eq!(sniff(head), *expected, "{:?}", String::from_utf8_lossy(head));
        }
    }
}
