//! Hexadecimal encoding.

/// Encodes each byte as two lower-case digits.
pub(crate) fn lower(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}
