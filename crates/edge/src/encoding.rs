//! Canonical percent-encoding.
//!
//! SigV4's `UriEncode` leaves the unreserved characters of RFC 3986 unchanged and encodes every other byte with
//! upper-case digits. CloudFront, S3, Lambda and every signer interpret such a text alike: there is no ambiguity about
//! whether `+` is a space or `'` needs encoding.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode, utf8_percent_encode};

const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// Encodes a name or a value of a query.
pub(crate) fn encode_component(text: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(text, RESERVED)
}

/// Encodes a decoded path, except its slashes.
pub(crate) fn encode_path(path: &str) -> String {
    utf8_percent_encode(path, RESERVED_IN_PATH).to_string()
}

/// Converts a path to the canonical encoding without changing the bytes that it represents.
///
/// A `%` that starts no escape represents itself. `%2F` becomes a slash: to S3 both are the same key.
///
/// ```
/// assert_eq!(image_origin_edge::reencode_path("/a b/%7e(1)+%zz"), "/a%20b/~%281%29%2B%25zz");
/// ```
#[must_use]
pub fn reencode_path(path: &str) -> String {
    let bytes: Cow<'_, [u8]> = percent_decode_str(path).into();
    percent_encode(&bytes, RESERVED_IN_PATH).to_string()
}

/// Decodes once, if the result is UTF-8; escapes of other bytes are kept.
pub(crate) fn decode_text(text: &str) -> String {
    let bytes: Cow<'_, [u8]> = percent_decode_str(text).into();
    let mut decoded = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        decoded.push_str(chunk.valid());
        decoded.extend(percent_encode(chunk.invalid(), NON_ALPHANUMERIC));
    }
    decoded
}

/// Decodes once; `None` if the result is not UTF-8.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(text).decode_utf8().ok()
}
