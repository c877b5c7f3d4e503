//! The name of a stored result, and the metadata stored with its bytes.

use sha2::{Digest as _, Sha256};

use crate::codec::Format;
use crate::hex;
use crate::transform::Likeness;

/// The name of a result: 64 hexadecimal digits, of which the first tell the original, so that all of its results are found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ResultId(String);

/// Digits that tell the original, and digits that tell its results apart.
const ORIGINAL_DIGITS: usize = 16;
const RESULT_DIGITS: usize = 48;

impl ResultId {
    /// The name of a result of the original `key`. `text` contains everything that decides the bytes of the result.
    pub(crate) fn of(key: &str, text: &str) -> Self {
        let (key, text) = (hex::lower(&Sha256::digest(key)), hex::lower(&Sha256::digest(text)));
        Self(format!("{}{}", &key[..ORIGINAL_DIGITS], &text[..RESULT_DIGITS]))
    }

    /// The name, with its first two digits as a folder.
    pub(crate) fn path(&self) -> String {
        in_folder(&self.0)
    }
}

/// The common prefix of the paths of all results of an original.
pub(super) fn prefix_of(key: &str) -> String {
    in_folder(&hex::lower(&Sha256::digest(key))[..ORIGINAL_DIGITS])
}

fn in_folder(digits: &str) -> String {
    format!("{}/{}", &digits[..2], &digits[2..])
}

/// The metadata of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    /// The media type of the response.
    pub(crate) media_type: &'static str,
    /// What `q=auto` has led to.
    pub(crate) likeness: Option<Likeness>,
    /// The length in bytes.
    pub(crate) length: u64,
    /// The SHA-256 of the bytes.
    pub(crate) digest: [u8; 32],
}

/// The length of a [`Record`] at the beginning of a stored file.
pub(super) const RECORD_LEN: usize = 192;

/// The magic word of a record. The number is incremented when the format changes.
const MAGIC: &str = "image-origin-result-2";

/// The number of digits of the checksum of a record.
const CHECKSUM_DIGITS: usize = 16;

impl Record {
    /// Computes the record of these bytes.
    pub(crate) fn of(media_type: &'static str, likeness: Option<Likeness>, bytes: &[u8]) -> Self {
        Self { media_type, likeness, length: bytes.len() as u64, digest: Sha256::digest(bytes).into() }
    }

    /// Media type, length and digest, the likeness if there is one, and a checksum of the text before it, separated by
    /// spaces.
    pub(super) fn to_text(self) -> String {
        let likeness = self.likeness.map(|likeness| format!(" {likeness}").replace(", ", ",")).unwrap_or_default();
        with_checksum(&format!("{MAGIC} {} {} {}{likeness}", self.media_type, self.length, hex::lower(&self.digest)))
    }

    /// Parses the output of [`Self::to_text`]; `None` for anything else.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let text = text.trim_ascii_end();
        let (fields, _) = text.rsplit_once(' ')?;
        if with_checksum(fields) != text {
            return None;
        }
        let mut words = fields.split_ascii_whitespace();
        if words.next()? != MAGIC {
            return None;
        }
        let media_type = known_media_type(words.next()?)?;
        let length = words.next()?.parse().ok()?;
        let mut digest = [0; 32];
        if base16ct::mixed::decode(words.next()?, &mut digest).ok()?.len() != digest.len() {
            return None;
        }
        let likeness = match words.next() {
            Some(likeness) => Some(likeness.replace(',', ", ").parse().ok()?),
            None => None,
        };
        words.next().is_none().then_some(Self { media_type, likeness, length, digest })
    }

    /// The text, padded with spaces and terminated by a line break.
    pub(super) fn to_bytes(self) -> [u8; RECORD_LEN] {
        let mut bytes = [b' '; RECORD_LEN];
        let text = self.to_text();
        // There is room for the longest media type, a length of twenty digits, a digest, a likeness, and the checksum.
        let length = text.len().min(RECORD_LEN - 1);
        bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
        bytes[RECORD_LEN - 1] = b'\n';
        bytes
    }

    /// Parses the output of [`Self::to_bytes`].
    pub(super) fn from_bytes(bytes: &[u8; RECORD_LEN]) -> Option<Self> {
        Self::from_text(std::str::from_utf8(bytes).ok()?)
    }

    /// Whether length and digest match these bytes.
    pub(super) fn fits(&self, bytes: &[u8]) -> bool {
        self.length == bytes.len() as u64 && self.digest == *Sha256::digest(bytes)
    }
}

/// The fields of a record, followed by their checksum.
fn with_checksum(fields: &str) -> String {
    format!("{fields} {}", &hex::lower(&Sha256::digest(fields))[..CHECKSUM_DIGITS])
}

/// The media types of responses that can be stored.
fn known_media_type(text: &str) -> Option<&'static str> {
    let pictures = [Format::Jpeg, Format::Png, Format::Gif, Format::WebP, Format::Avif, Format::Svg];
    pictures.map(Format::media_type).into_iter().chain(["application/json"]).find(|known| *known == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_an_original_have_names_in_common() {
        let id = ResultId::of("a.jpg", "w=1");
        assert_eq!(id.path().len(), 65);
        assert!(id.path().starts_with(&prefix_of("a.jpg")) && !id.path().starts_with(&prefix_of("b.jpg")));
        assert_ne!(id, ResultId::of("a.jpg", "w=2"));
        assert_ne!(id, ResultId::of("b.jpg", "w=1"));
    }

    #[test]
    fn records_are_read_as_they_were_written() {
        let likeness = "q=71, ssimulacra2=80.4".parse().ok();
        let record = Record::of("image/svg+xml", likeness, b"bytes");
        assert_eq!(Record::from_bytes(&record.to_bytes()), Some(record));
        assert_eq!(Record::from_text(&record.to_text()), Some(record));
        assert!(record.fits(b"bytes") && !record.fits(b"other") && !record.fits(b"byte"));
        let likeness = "colors=256, ssimulacra2=-100.0".parse().ok();
        let longest = Record { media_type: "image/webp", likeness, length: u64::MAX, digest: [255; 32] };
        assert_eq!(Record::from_bytes(&longest.to_bytes()), Some(longest));
        let longest = Record { media_type: "application/json", likeness: None, ..longest };
        assert_eq!(Record::from_bytes(&longest.to_bytes()), Some(longest));
    }

    #[test]
    fn what_is_no_record_is_none() {
        let good = Record::of("image/png", None, b"").to_text();
        let fields = &good[..good.len() - CHECKSUM_DIGITS - 1];
        assert!(Record::from_text(&with_checksum(fields)).is_some());
        let table = [
            String::new(),
            fields.replace("result-2", "result-1"),
            fields.replace("image/png", "text/html"),
            fields.replace(" 0 ", " -1 "),
            fields[..fields.len() - 1].to_owned(),
            format!("{fields} more"),
            fields.replace("e3b0", "zzzz"),
        ];
        for fields in table {
            assert_eq!(Record::from_text(&with_checksum(&fields)), None, "{fields}");
        }
    }

    #[test]
    fn a_record_that_was_changed_is_none() {
        let likeness = "q=71, ssimulacra2=80.4".parse().ok();
        let good = Record::of("image/png", likeness, b"bytes").to_text();
        let others = [
            good.replace("image/png", "image/jpeg"),
            good.replace("q=71", "q=72"),
            good.replace(" 5 ", " 6 "),
            good.replace(",ssimulacra2=80.4", ""),
            good[..good.len() - 1].to_owned(),
            good[..good.len() - CHECKSUM_DIGITS - 1].to_owned(),
            format!("{good} {good}"),
        ];
        for text in others {
            assert_eq!(Record::from_text(&text), None, "{text}");
        }
        for at in 0..good.len() {
            let mut bytes = good.clone().into_bytes();
            bytes[at] ^= 1;
            assert_eq!(Record::from_text(&String::from_utf8(bytes).unwrap()), None, "byte {at}");
        }
    }
}
