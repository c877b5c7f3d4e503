//! IPTC-IIM (Information Interchange Model 4.2): records of numbered data sets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::exif::windows_1252;
use image_origin_container::{Exhausted, Meter};

/// The character set of the following records (1:90); `ESC % G` selects UTF-8 (ISO 2022).
const CODED_CHARACTER_SET: (u8, u8) = (1, 90);
const UTF_8: &[u8] = b"\x1b%G";

/// A data set: record, number, content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct DataSet<'a> {
    record: u8,
    number: u8,
    data: &'a [u8],
}

/// The name of a data set, and whether it is repeatable (sections 5 and 6).
const fn name(record: u8, number: u8) -> Option<(&'static str, bool)> {
    Some(match (record, number) {
        (1, 0) => ("EnvelopeRecordVersion", false),
        (1, 5) => ("Destination", true),
        (1, 20) => ("FileFormat", false),
        (1, 22) => ("FileVersion", false),
        (1, 30) => ("ServiceIdentifier", false),
        (1, 40) => ("EnvelopeNumber", false),
        (1, 50) => ("ProductID", true),
        (1, 60) => ("EnvelopePriority", false),
        (1, 70) => ("DateSent", false),
        (1, 80) => ("TimeSent", false),
        (1, 90) => ("CodedCharacterSet", false),
        (1, 100) => ("UniqueObjectName", false),
        (1, 120) => ("ARMIdentifier", false),
        (1, 122) => ("ARMVersion", false),
        (2, 0) => ("ApplicationRecordVersion", false),
        (2, 3) => ("ObjectTypeReference", false),
        (2, 4) => ("ObjectAttributeReference", true),
        (2, 5) => ("ObjectName", false),
        (2, 7) => ("EditStatus", false),
        (2, 8) => ("EditorialUpdate", false),
        (2, 10) => ("Urgency", false),
        (2, 12) => ("SubjectReference", true),
        (2, 15) => ("Category", false),
        (2, 20) => ("SupplementalCategory", true),
        (2, 22) => ("FixtureIdentifier", false),
        (2, 25) => ("Keywords", true),
        (2, 26) => ("ContentLocationCode", true),
        (2, 27) => ("ContentLocationName", true),
        (2, 30) => ("ReleaseDate", false),
        (2, 35) => ("ReleaseTime", false),
        (2, 37) => ("ExpirationDate", false),
        (2, 38) => ("ExpirationTime", false),
        (2, 40) => ("SpecialInstructions", false),
        (2, 42) => ("ActionAdvised", false),
        (2, 45) => ("ReferenceService", true),
        (2, 47) => ("ReferenceDate", true),
        (2, 50) => ("ReferenceNumber", true),
        (2, 55) => ("DateCreated", false),
        (2, 60) => ("TimeCreated", false),
        (2, 62) => ("DigitalCreationDate", false),
        (2, 63) => ("DigitalCreationTime", false),
        (2, 65) => ("OriginatingProgram", false),
        (2, 70) => ("ProgramVersion", false),
        (2, 75) => ("ObjectCycle", false),
        (2, 80) => ("By-line", true),
        (2, 85) => ("By-lineTitle", true),
        (2, 90) => ("City", false),
        (2, 92) => ("Sub-location", false),
        (2, 95) => ("Province-State", false),
        (2, 100) => ("Country-PrimaryLocationCode", false),
        (2, 101) => ("Country-PrimaryLocationName", false),
        (2, 103) => ("OriginalTransmissionReference", false),
        (2, 105) => ("Headline", false),
        (2, 110) => ("Credit", false),
        (2, 115) => ("Source", false),
        (2, 116) => ("CopyrightNotice", false),
        (2, 118) => ("Contact", true),
        (2, 120) => ("Caption-Abstract", false),
        (2, 122) => ("Writer-Editor", true),
        (2, 125) => ("RasterizedCaption", false),
        (2, 130) => ("ImageType", false),
        (2, 131) => ("ImageOrientation", false),
        (2, 135) => ("LanguageIdentifier", false),
        (2, 150) => ("AudioType", false),
        (2, 151) => ("AudioSamplingRate", false),
        (2, 152) => ("AudioSamplingResolution", false),
        (2, 153) => ("AudioDuration", false),
        (2, 154) => ("AudioOutcue", false),
        (2, 200) => ("ObjectPreviewFileFormat", false),
        (2, 201) => ("ObjectPreviewFileVersion", false),
        (2, 202) => ("ObjectPreviewData", false),
        // Additions by programs.
        (2, 184) => ("JobID", false),
        (2, 185) => ("MasterDocumentID", false),
        (2, 186) => ("ShortDocumentID", false),
        (2, 187) => ("UniqueDocumentID", false),
        (2, 188) => ("OwnerID", false),
        (2, 221) => ("Prefs", false),
        (2, 225) => ("ClassifyState", false),
        (2, 228) => ("SimilarityIndex", false),
        (2, 230) => ("DocumentNotes", false),
        (2, 231) => ("DocumentHistory", false),
        (2, 232) => ("ExifCameraInfo", false),
        _ => return None,
    })
}

/// Whether a data set contains creator, credit or copyright, or is needed to read these.
const fn is_right(record: u8, number: u8) -> bool {
    matches!((record, number), (1, 0 | 90) | (2, 0 | 80 | 85 | 110 | 116))
}

/// The members of [`to_json`] that reveal the location.
pub(super) const LOCATIONS: [&str; 7] = [
    "ContentLocationCode",
    "ContentLocationName",
    "City",
    "Sub-location",
    "Province-State",
    "Country-PrimaryLocationCode",
    "Country-PrimaryLocationName",
];

/// Parses a data set: the marker 0x1c, record, number, and a length of two bytes, or an extended length if the highest
/// bit of these is set (section 1.6).
fn next(bytes: &[u8]) -> Option<(DataSet<'_>, &[u8])> {
    let [0x1c, record, number, l0, l1, rest @ ..] = bytes else { return None };
    let length = u16::from_be_bytes([*l0, *l1]);
    let (length, rest) = if length & 0x8000 == 0 {
        (usize::from(length), rest)
    } else {
        let digits = usize::from(length & 0x7fff);
        let (long, rest) = rest.split_at_checked(digits)?;
        let length = long.iter().try_fold(0_usize, |sum, &b| Some(sum.checked_mul(256)? | usize::from(b)))?;
        (length, rest)
    };
    let (data, rest) = rest.split_at_checked(length)?;
    Some((DataSet { record: *record, number: *number, data }, rest))
}

fn data_sets(mut bytes: &[u8]) -> impl Iterator<Item = DataSet<'_>> {
    std::iter::from_fn(move || {
        let (data_set, rest) = next(bytes)?;
        bytes = rest;
        Some(data_set)
    })
}

/// The data sets by name; those without a name under `record:number`. Repeatable ones are arrays.
pub(super) fn to_json(bytes: &[u8], meter: &Meter<'_>) -> Result<Map<String, Value>, Exhausted> {
    let mut out = Map::new();
    for set in data_sets(bytes) {
        meter.entry::<(String, Value)>()?;
        meter.hold(set.data.len() as u64)?;
        let (key, repeats) = match name(set.record, set.number) {
            Some((name, repeats)) => (name.to_owned(), repeats),
            None => (format!("{}:{}", set.record, set.number), true),
        };
        let value = value(set);
        match out.get_mut(&key) {
            Some(Value::Array(values)) => values.push(value),
            // A data set that is not repeatable occurs twice: the first one is used.
            Some(_) => {}
            None if repeats => _ = out.insert(key, Value::Array(vec![value])),
            None => _ = out.insert(key, value),
        }
    }
    Ok(out)
}

fn value(set: DataSet<'_>) -> Value {
    match ((set.record, set.number), set.data) {
        (CODED_CHARACTER_SET, UTF_8) => "UTF-8".into(),
        ((_, 0) | (1, 20 | 22 | 120 | 122) | (2, 200 | 201), [high, low]) => u16::from_be_bytes([*high, *low]).into(),
        ((1, 70) | (2, 30 | 37 | 47 | 55 | 62), date) => iso_date(date).unwrap_or_else(|| text(date)).into(),
        ((1, 80) | (2, 35 | 38 | 60 | 63), time) => iso_time(time).unwrap_or_else(|| text(time)).into(),
        // Pictures.
        ((2, 125 | 202), data) => json!({ "base64": STANDARD.encode(data) }),
        (_, data) => text(data).into(),
    }
}

/// Decodes UTF-8 if it is valid, whatever was declared, else Windows-1252.
pub(super) fn text(data: &[u8]) -> String {
    match std::str::from_utf8(data) {
        Ok(text) => text.trim_end_matches('\0').to_owned(),
        Err(_) => windows_1252(data),
    }
}

/// Parses `CCYYMMDD`.
fn iso_date(date: &[u8]) -> Option<String> {
    let digits = digits(date).filter(|d| d.len() == 8)?;
    Some(format!("{}-{}-{}", &digits[..4], &digits[4..6], &digits[6..]))
}

/// Parses `HHMMSS±HHMM`.
fn iso_time(time: &[u8]) -> Option<String> {
    let (clock, zone) = time.split_at_checked(6)?;
    let clock = digits(clock)?;
    let zone = match zone.split_first() {
        None => String::new(),
        Some((sign @ (b'+' | b'-'), zone)) => {
            let zone = digits(zone).filter(|d| d.len() == 4)?;
            format!("{}{}:{}", char::from(*sign), &zone[..2], &zone[2..])
        }
        Some(_) => return None,
    };
    Some(format!("{}:{}:{}{zone}", &clock[..2], &clock[2..4], &clock[4..]))
}

fn digits(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
}

/// The data sets with creator, credit and copyright; `None` if there are none.
pub(super) fn rights(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut any = false;
    for set in data_sets(bytes).filter(|set| is_right(set.record, set.number)) {
        let Ok(length) = u16::try_from(set.data.len()) else { continue };
        if length & 0x8000 != 0 {
            continue;
        }
        any |= set.record == 2 && set.number != 0;
        out.extend([0x1c, set.record, set.number]);
        out.extend(length.to_be_bytes());
        out.extend_from_slice(set.data);
    }
    any.then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image_origin_container::Cancellation;
    use serde_json::json;

    fn told(bytes: &[u8]) -> Map<String, Value> {
        let cancellation = Cancellation::unbounded();
        to_json(bytes, &Meter::new(bytes.len() as u64, &cancellation)).unwrap()
    }

    fn set(record: u8, number: u8, data: &[u8]) -> Vec<u8> {
        let mut out = vec![0x1c, record, number];
        out.extend((data.len() as u16).to_be_bytes());
        out.extend_from_slice(data);
        out
    }

    #[test]
    fn data_sets_become_json() {
        let bytes = [
            set(1, 90, UTF_8),
            set(2, 0, &[0, 4]),
            set(2, 25, "Käse".as_bytes()),
            set(2, 25, b"two"),
            set(2, 55, b"20260314"),
            set(2, 60, b"101112+0130"),
            set(2, 80, b"Ann\xe9"),
            set(2, 202, &[0xff, 0xd8]),
            set(2, 230, b"a note \x97 long"),
            set(9, 1, b"x"),
        ]
        .concat();
        let expected = json!({
            "CodedCharacterSet": "UTF-8",
            "ApplicationRecordVersion": 4,
            "Keywords": ["Käse", "two"],
            "DateCreated": "2026-03-14",
            "TimeCreated": "10:11:12+01:30",
            "By-line": ["Anné"],
            "ObjectPreviewData": { "base64": "/9g=" },
            "DocumentNotes": "a note — long",
            "9:1": ["x"],
        });
        assert_eq!(Value::Object(told(&bytes)), expected);
    }

    #[test]
    fn rights_are_chosen() {
        let bytes = [set(2, 0, &[0, 4]), set(2, 90, b"Berlin"), set(2, 116, b"(c) Ann")].concat();
        assert_eq!(rights(&bytes), Some([set(2, 0, &[0, 4]), set(2, 116, b"(c) Ann")].concat()));
        assert_eq!(rights(&set(2, 90, b"Berlin")), None);
    }

    #[test]
    fn lengths_beyond_the_end_stop_the_reading() {
        assert!(told(b"\x1c\x02\x19\xff\xffx").is_empty());
        assert!(told(b"\x1c\x02\x19\x80\x08\xff\xff\xff\xff\xff\xff\xff\xff").is_empty());
        assert_eq!(told(b"\x1c\x02\x05\x80\x01\x02hi").get("ObjectName"), Some(&json!("hi")));
    }
}
