//! The file name under which a response is saved: `Content-Disposition` (RFC 6266).
//!
//! A name comes from a client, as the key of the original or as the value of `download`. What a file system or a dialog
//! could misread is replaced, and the extension is that of the bytes that are sent.

use std::fmt::Write as _;

use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::ascii;
use crate::codec::Format;
use crate::query::Download;

/// The maximum length of a name without its extension, in bytes. File systems allow 255 with it.
const MAX_STEM: usize = 200;

/// The name where nothing usable remains.
const UNNAMED: &str = "image";

/// The characters that `filename*` may contain unencoded (`attr-char` of RFC 8187, 3.2.1).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The extensions of images and reports: one of them is replaced if it does not fit the bytes. Whatever else follows a
/// dot is part of the name.
const EXTENSIONS: [&str; 30] = [
    "jpg", "jpeg", "jpe", "jfif", "png", "apng", "gif", "webp", "avif", "heic", "heif", "hif", "tif", "tiff", "bmp",
    "dib", "ico", "cur", "qoi", "pnm", "pbm", "pgm", "ppm", "pam", "jxl", "svg", "svgz", "jp2", "json", "psd",
];

/// The value of `Content-Disposition` for a response of this type: `attachment` if the client asks for a download, else
/// `inline`.
///
/// The name is in `filename` as ASCII, and in `filename*` if that is not all of it.
pub(super) fn content_disposition(download: Option<&Download>, key: &str, media_type: &str) -> HeaderValue {
    let wanted = match download {
        Some(Download::Named(name)) => name.as_str(),
        Some(Download::KeyName) | None => key.rsplit('/').next().unwrap_or_default(),
    };
    let name = file_name(wanted, media_type);
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let mut text = format!("{}; filename=\"{plain}\"", if download.is_some() { "attachment" } else { "inline" });
    if plain != name {
        // Writing to a string does not fail.
        let _ = write!(text, "; filename*=UTF-8''{}", utf8_percent_encode(&name, ENCODED));
    }
    ascii(&text)
}

/// Whether a character means itself in a quoted string, to every client: some decode percent escapes there, although
/// they should not (RFC 6266, appendix D).
const fn is_plain(character: char) -> bool {
    matches!(character, ' '..='~') && !matches!(character, '"' | '\\' | '%')
}

/// A name that is safe to save under, with an extension that fits the media type.
fn file_name(wanted: &str, media_type: &str) -> String {
    let name: String =
        wanted.chars().filter(|c| !is_invisible(*c)).map(|c| if is_separator(c) { '_' } else { c }).collect();
    // A name of dots is a folder, one that begins with a dot is hidden, and Windows drops dots and spaces at the end.
    let name = name.trim_start_matches(is_dot_or_space).trim_end_matches(is_dot_or_space);
    let (stem, given) = match name.rsplit_once('.') {
        Some((stem, given)) if is_known(given) && !stem.is_empty() => (stem, Some(given)),
        _ => (name, None),
    };
    let stem = stem[..stem.floor_char_boundary(MAX_STEM)].trim_end_matches(is_dot_or_space);
    let stem = if stem.is_empty() { UNNAMED } else { stem };
    let extension = match (given, extension(media_type)) {
        (Some(given), Some(extension)) if is_same(given, extension) => Some(given),
        (_, extension) => extension,
    };
    match extension {
        Some(extension) => format!("{stem}.{extension}"),
        None => stem.to_owned(),
    }
}

/// Control characters, and those without a glyph that affect how the text around them is shown: marks and overrides of
/// the direction of text (Unicode Standard Annex 9), joiners, byte order marks, and tags.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// Characters that separate folders, drives and streams, or that Windows forbids in names.
const fn is_separator(character: char) -> bool {
    matches!(character, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|')
}

fn is_dot_or_space(character: char) -> bool {
    character == '.' || character.is_whitespace()
}

fn is_known(extension: &str) -> bool {
    EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension))
}

/// Whether two extensions are of one format.
fn is_same(given: &str, usual: &str) -> bool {
    let others: &[&str] = match usual {
        "jpg" => &["jpeg", "jpe", "jfif"],
        "png" => &["apng"],
        "tif" => &["tiff"],
        "heic" => &["heif", "hif"],
        "bmp" => &["dib"],
        "ico" => &["cur"],
        "pnm" => &["pbm", "pgm", "ppm", "pam"],
        _ => &[],
    };
    std::iter::once(&usual).chain(others).any(|other| other.eq_ignore_ascii_case(given))
}

/// The usual extension of a response's media type.
fn extension(media_type: &str) -> Option<&'static str> {
    const FORMATS: [Format; 13] = [
        Format::Jpeg,
        Format::Png,
        Format::Gif,
        Format::WebP,
        Format::Avif,
        Format::Heic,
        Format::Tiff,
        Format::Bmp,
        Format::Ico,
        Format::Qoi,
        Format::Pnm,
        Format::JpegXl,
        Format::Svg,
    ];
    let format = FORMATS.into_iter().find(|format| format.media_type() == media_type);
    format.map(Format::extension).or((media_type == "application/json").then_some("json"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Transform;

    #[test]
    fn extensions_are_those_of_the_bytes() {
        let table = [
            ("a/b/photo.jpg", "image/jpeg", "photo.jpg"),
            ("photo.JPEG", "image/jpeg", "photo.JPEG"),
            ("photo.jpg", "image/webp", "photo.webp"),
            ("photo.HEIC", "image/jpeg", "photo.jpg"),
            ("photo.tiff", "image/tiff", "photo.tiff"),
            ("photo", "image/avif", "photo.avif"),
            ("v1.2", "image/png", "v1.2.png"),
            ("photo.orig", "image/jpeg", "photo.orig.jpg"),
            ("photo.ppm", "image/x-portable-anymap", "photo.ppm"),
            ("photo.jpg", "application/json", "photo.json"),
            ("photo.jpg", "application/octet-stream", "photo"),
        ];
        for (key, media_type, expected) in table {
            let value = content_disposition(None, key, media_type);
            assert_eq!(value, format!("inline; filename=\"{expected}\""), "{key}");
        }
    }

    #[test]
    fn hostile_names_are_harmless() {
        let table = [
            ("a\"b.jpg", "filename=\"a_b.jpg\""),
            ("a\\..\\b", "filename=\"a_.._b.jpg\""),
            ("../../etc/passwd", "filename=\"_.._etc_passwd.jpg\""),
            ("C:\\con.png", "filename=\"C__con.jpg\""),
            ("a; filename=b.exe", "filename=\"a; filename=b.exe.jpg\""),
            ("...", "filename=\"image.jpg\""),
            (" . . ", "filename=\"image.jpg\""),
            (".jpg", "filename=\"jpg.jpg\""),
            (".htaccess", "filename=\"htaccess.jpg\""),
            ("a.jpg. .", "filename=\"a.jpg\""),
            ("evil\u{202e}gpj.exe", "filename=\"evilgpj.exe.jpg\""),
            ("\u{200f}\u{2066}", "filename=\"image.jpg\""),
            ("50%41", "filename=\"50_41.jpg\"; filename*=UTF-8''50%2541.jpg"),
            ("Grün €.webp", "filename=\"Gr_n _.jpg\"; filename*=UTF-8''Gr%C3%BCn%20%E2%82%AC.jpg"),
            ("it's(1)", "filename=\"it's(1).jpg\""),
            ("日'()*", "filename=\"_'()_.jpg\"; filename*=UTF-8''%E6%97%A5%27%28%29_.jpg"),
            ("a\u{a0}", "filename=\"a.jpg\""),
        ];
        for (name, expected) in table {
            let mut query = form_urlencoded::Serializer::new(String::new());
            let query = query.append_pair("download", name).finish();
            let transform: Transform = query.parse().unwrap();
            let value = content_disposition(transform.download.as_ref(), "key.png", "image/jpeg");
            assert_eq!(value, format!("attachment; {expected}"), "{name}");
        }
    }

    #[test]
    fn keys_of_any_kind_make_a_short_header() {
        let long = "x".repeat(10_000);
        let wide = "\u{1f4f7}".repeat(1000) + ".png";
        for key in ["", "/", "a/", "a\r\nset-cookie: x=1", "\u{85}", "..", long.as_str(), wide.as_str()] {
            let value = content_disposition(None, key, "image/jpeg");
            let text = value.to_str().unwrap();
            assert!(text.starts_with("inline; filename=\"") && text.contains(".jpg"), "{text}");
            assert!(text.len() < 1000 && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{text}");
        }
        assert!(content_disposition(None, &wide, "image/jpeg").to_str().unwrap().ends_with("%F0%9F%93%B7.jpg"));
    }
}
