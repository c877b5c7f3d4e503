//! The path of a client's request, in the two readings that authorisation needs.
//!
//! The *plain* reading is decoded once and without dot segments; it names the object and is sent to the origin. The
//! *loose* reading is how a lenient parser further along might interpret it: decoded repeatedly until nothing changes,
//! with backslashes and repeated slashes folded, in lower case. Authorisation requires that both readings match the
//! same rule, so that no spelling of a protected path can bypass its rule.

use crate::encoding;

/// CloudFront's limit for path and query together, in bytes.
pub(crate) const MAX_LENGTH: usize = 8192;
/// The maximum depth of nested percent-encoding.
const MAX_DECODINGS: usize = 4;

/// A path in both readings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ViewerPath {
    /// Decoded once, without dot segments.
    pub(crate) plain: String,
    /// Fully decoded and folded.
    pub(crate) loose: String,
}

/// Why a path is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PathError {
    #[error("the path must start with a slash")]
    Relative,
    #[error("the path is longer than {MAX_LENGTH} bytes")]
    TooLong,
    #[error("the decoded path is not UTF-8")]
    NotUtf8,
    #[error("the path contains a control character")]
    Control,
    #[error("the path is percent-encoded more than {MAX_DECODINGS} times")]
    EncodedTooOften,
}

impl ViewerPath {
    /// Parses the path of an event.
    pub(crate) fn parse(uri: &str) -> Result<Self, PathError> {
        if !uri.starts_with('/') {
            return Err(PathError::Relative);
        }
        if uri.len() > MAX_LENGTH {
            return Err(PathError::TooLong);
        }
        let once = encoding::decode(uri).ok_or(PathError::NotUtf8)?;
        let full = decode_fully(&once)?;
        // `char::is_control` is false for U+FEFF and bidirectional controls, which are ordinary characters of a key.
        if full.chars().any(char::is_control) || once.chars().any(char::is_control) {
            return Err(PathError::Control);
        }
        let plain = remove_dot_segments(&once);
        let loose = fold(&full);
        Ok(Self { plain, loose })
    }

    /// The path to forward: the plain reading in canonical encoding.
    pub(crate) fn encoded(&self) -> String {
        encoding::encode_path(&self.plain)
    }
}

/// Decodes until nothing changes. Escapes of bytes that are not UTF-8 are kept, and those around them decoded.
fn decode_fully(once: &str) -> Result<String, PathError> {
    let mut text = once.to_owned();
    for _ in 0..=MAX_DECODINGS {
        let next = encoding::decode_text(&text);
        // An escape that is kept may have been in lower case.
        if next.eq_ignore_ascii_case(&text) {
            return Ok(next);
        }
        text = next;
    }
    Err(PathError::EncodedTooOften)
}

/// Lower case, character by character, which is how paths, rules and claims are compared.
///
/// `str::to_lowercase` differs, since it considers the neighbours of a sigma.
pub(crate) fn fold_case(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

fn fold(full: &str) -> String {
    let mut folded = String::with_capacity(full.len());
    for c in fold_case(full).chars() {
        let c = if c == '\\' { '/' } else { c };
        if !(c == '/' && folded.ends_with('/')) {
            folded.push(c);
        }
    }
    remove_dot_segments(&folded)
}

/// RFC 3986, section 5.2.4. Empty segments are kept: to S3 they are part of the key.
pub(crate) fn remove_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    let mut result = String::with_capacity(path.len());
    for segment in &kept {
        result.push('/');
        result.push_str(segment);
    }
    if result.is_empty() {
        result.push('/');
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dot_segments_are_removed_as_rfc_3986_says() {
        let table = [
            ("/", "/"),
            ("/a/b/c/./../../g", "/a/g"),
            ("/..", "/"),
            ("/../..", "/"),
            ("/.", "/"),
            ("/a/.", "/a/"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/a//b", "/a//b"),
            ("//a", "//a"),
            ("/a//../b", "/a/b"),
            ("/a./b../...", "/a./b../..."),
        ];
        for (path, expected) in table {
            assert_eq!(remove_dot_segments(path), expected, "{path}");
        }
    }

    #[test]
    fn a_path_has_two_readings() {
        let table = [
            ("/a%20b.jpg", "/a b.jpg", "/a b.jpg"),
            ("/users/alice/../bob/x", "/users/bob/x", "/users/bob/x"),
            ("/users/alice/%2e%2e/bob/x", "/users/bob/x", "/users/bob/x"),
            ("/users/alice/%2E./bob/x", "/users/bob/x", "/users/bob/x"),
            ("/users/alice%2f..%2fbob/x", "/users/bob/x", "/users/bob/x"),
            ("/users/alice/%252e%252e/bob/x", "/users/alice/%2e%2e/bob/x", "/users/bob/x"),
            ("/users/alice/..%5cbob", "/users/alice/..\\bob", "/users/bob"),
            ("//users//bob/x", "//users//bob/x", "/users/bob/x"),
            ("/USERS/Bob/x", "/USERS/Bob/x", "/users/bob/x"),
            ("/100%25.jpg", "/100%.jpg", "/100%.jpg"),
            ("/100%.jpg", "/100%.jpg", "/100%.jpg"),
            ("/a+b", "/a+b", "/a+b"),
            ("/a%2520b", "/a%20b", "/a b"),
            ("/%C3%84.jpg", "/Ä.jpg", "/ä.jpg"),
            ("/ΛΟΓΟΣ/x", "/ΛΟΓΟΣ/x", "/λογοσ/x"),
            ("/a/%252e%252e/b%25ff", "/a/%2e%2e/b%ff", "/b%ff"),
            ("/a/%25ff/%252e%252e/%252e%252e/b", "/a/%ff/%2e%2e/%2e%2e/b", "/b"),
            ("/%25c3%2541", "/%c3%41", "/%c3a"),
        ];
        for (uri, plain, loose) in table {
            let path = ViewerPath::parse(uri).expect(uri);
            assert_eq!((path.plain.as_str(), path.loose.as_str()), (plain, loose), "{uri}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        let table = [
            ("", PathError::Relative),
            ("a", PathError::Relative),
            ("/%00", PathError::Control),
            ("/%2500", PathError::Control),
            ("/a%0d%0ab", PathError::Control),
            ("/%ff", PathError::NotUtf8),
            ("/%c0%ae%c0%ae/x", PathError::NotUtf8),
            ("/%252525252541", PathError::EncodedTooOften),
        ];
        for (uri, error) in table {
            assert_eq!(ViewerPath::parse(uri), Err(error), "{uri}");
        }
        assert_eq!(ViewerPath::parse(&format!("/{}", "a".repeat(MAX_LENGTH))), Err(PathError::TooLong));
    }
}
