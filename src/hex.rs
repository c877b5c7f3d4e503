//! Hexadecimal digits.

/// Two digits for each byte, in lower case.
pub(crate) fn lower(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}
