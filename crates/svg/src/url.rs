//! References: to elements of the same drawing, and to embedded pictures.

/// Whether a reference names an element of the same drawing.
pub(super) fn is_fragment(url: &str) -> bool {
    url.trim_matches(' ').strip_prefix('#').is_some_and(|id| !id.contains(|c: char| c.is_control() || c == '<'))
}

/// Whether a reference is a picture in a format without scripts, in base64 (RFC 2397).
pub(super) fn is_embedded_picture(url: &str) -> bool {
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
    let Some(rest) = rest else { return false };
    // Some editors add a character set, which means nothing here.
    let rest = ["", ";charset=utf-8"].iter().find_map(|parameter| {
        let head = rest.get(..parameter.len() + ";base64,".len())?;
        let (found, base64) = head.split_at(parameter.len());
        let is_it = found.eq_ignore_ascii_case(parameter) && base64.eq_ignore_ascii_case(";base64,");
        is_it.then(|| &rest[head.len()..])
    });
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b' ' | b'%');
    rest.is_some_and(|data| data.bytes().all(is_base64))
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
