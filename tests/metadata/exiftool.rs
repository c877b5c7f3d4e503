//! Our reading of Exif, IPTC and XMP against ExifTool's, value by value, over the files of `fixtures/exif/`.
//!
//! What ExifTool says of them is kept in `fixtures/exif/exiftool.json`, so it takes part wherever the tests run;
//! `UPDATE_REFERENCES=1 cargo test --test all metadata::exiftool` asks the program itself and writes the file anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use image_origin::codec::Cancellation;
use image_origin::metadata::Report;
use image_origin::transform;
use serde_json::{Map, Value};

use crate::common::{files, fixtures};

/// What ExifTool has besides the values of fields: the picture that two of them lead to, and an attribute around XMP.
const NO_FIELDS: [&str; 2] = ["IFD1:ThumbnailImage", "XMP-x:XMPToolkit"];

/// Values of ExifTool by file and by `Group:Name`.
type Readings = BTreeMap<String, Map<String, Value>>;

/// What ExifTool says of a file.
pub(crate) fn exiftool(file: &Path, options: &[&str]) -> Map<String, Value> {
    let output = Command::new("exiftool").args(["-j", "-n", "-G1", "-a", "-u"]).args(options).arg(file).output();
    let parsed: Vec<Map<String, Value>> =
        serde_json::from_slice(&output.expect("exiftool is installed").stdout).expect("exiftool writes JSON");
    parsed.into_iter().next().expect("one file was asked for")
}

fn photographs() -> impl Iterator<Item = (String, PathBuf)> {
    let jpegs = files("exif").into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "jpg"));
    jpegs.map(|file| (file.file_name().unwrap_or_default().to_string_lossy().into_owned(), file))
}

/// The readings that are kept, or new ones where these are asked for.
pub(crate) fn readings() -> Readings {
    const GROUPS: [&str; 8] = [
        "-IFD0:all",
        "-ExifIFD:all",
        "-GPS:all",
        "-InteropIFD:all",
        "-IFD1:all",
        "-IPTC:all",
        "-XMP:all",
        "-Composite:all",
    ];
    let path = fixtures().join("exif/exiftool.json");
    if std::env::var_os("UPDATE_REFERENCES").is_some() {
        let mut readings = Readings::new();
        for (name, file) in photographs() {
            let mut reading = exiftool(&file, &[&["-struct"][..], &GROUPS].concat());
            reading.retain(|key, _| key.contains(':') && (!key.starts_with("Composite:") || is_compared(key)));
            readings.insert(name, reading);
        }
        let text = serde_json::to_string_pretty(&readings).expect("readings are JSON");
        std::fs::write(&path, text + "\n").expect("fixtures can be written");
    }
    serde_json::from_slice(&std::fs::read(&path).expect("the readings are kept")).expect("the readings are JSON")
}

/// Members of ExifTool's `Composite` group that we have as well.
fn is_compared(key: &str) -> bool {
    let [gps, times] = [
        ["Composite:GPSLatitude", "Composite:GPSLongitude", "Composite:GPSAltitude"],
        ["Composite:GPSDateTime", "Composite:SubSecDateTimeOriginal", "Composite:SubSecCreateDate"],
    ];
    gps.contains(&key) || times.contains(&key)
}

#[test]
fn values_are_those_of_exiftool() {
    let readings = readings();
    let (mut all, mut different) = (0, Vec::new());
    for (name, file) in photographs() {
        let ours = transform::report(&std::fs::read(&file).unwrap(), &Cancellation::unbounded()).unwrap();
        let theirs = readings.get(&name).unwrap_or_else(|| panic!("no readings of {name}: UPDATE_REFERENCES=1"));
        for (key, value) in theirs.iter().filter(|(key, _)| !NO_FIELDS.contains(&key.as_str())) {
            all += 1;
            let ours = our_value(&ours, key);
            if ours.as_deref() != Some(&their_comparable(key, value)) {
                different.push(format!("{name}: {key} = {value}, here {ours:?}"));
            }
        }
    }
    assert!(different.is_empty(), "{} of {all} values differ:\n{}", different.len(), different.join("\n"));
    assert!(all > 700, "{all} values");
}

/// Our value for a key of ExifTool, in the form that its own take in [`their_comparable`].
fn our_value(report: &Report, key: &str) -> Option<String> {
    let (group, name) = key.split_once(':')?;
    let members = match group {
        "IFD0" => &report.exif.image,
        "ExifIFD" => &report.exif.photo,
        "GPS" => &report.exif.gps,
        "InteropIFD" => &report.exif.interop,
        "IFD1" => &report.exif.thumbnail,
        "IPTC" => return report.iptc.get(name).map(comparable),
        "Composite" => return composite(report, name),
        _ => {
            let prefix = group.strip_prefix("XMP-")?;
            let ours = report.xmp.iter().find(|(ours, _)| ours.eq_ignore_ascii_case(&format!("{prefix}:{name}")));
            return ours.map(|(_, value)| comparable(value));
        }
    };
    members.get(our_name(name)).map(|value| in_their_units(name, value))
}

fn composite(report: &Report, name: &str) -> Option<String> {
    let value = match name {
        "GPSLatitude" => report.exif.gps.get("latitude"),
        "GPSLongitude" => report.exif.gps.get("longitude"),
        "GPSAltitude" => report.exif.gps.get("altitude"),
        "GPSDateTime" => report.exif.gps.get("timestamp"),
        "SubSecDateTimeOriginal" => report.exif.photo.get("DateTimeOriginal"),
        _ => report.exif.photo.get("DateTimeDigitized"),
    };
    value.map(comparable)
}

/// The standard's name where ExifTool has its own, and our form of numbers without a name.
fn our_name(name: &str) -> &str {
    match name {
        "ModifyDate" => "DateTime",
        "CreateDate" => "DateTimeDigitized",
        "ImageHeight" => "ImageLength",
        "RelatedImageHeight" => "RelatedImageLength",
        "ExifImageWidth" => "PixelXDimension",
        "ExifImageHeight" => "PixelYDimension",
        "ISO" => "PhotographicSensitivity",
        "ExposureCompensation" => "ExposureBiasValue",
        "FocalLengthIn35mmFormat" => "FocalLengthIn35mmFilm",
        "LensInfo" => "LensSpecification",
        "InteropIndex" => "InteroperabilityIndex",
        "InteropVersion" => "InteroperabilityVersion",
        "ThumbnailOffset" => "JPEGInterchangeFormat",
        "ThumbnailLength" => "JPEGInterchangeFormatLength",
        "PrintIM" => "PrintImageMatching",
        _ => name.strip_prefix("Exif_").unwrap_or(name),
    }
}

/// A value without the words that stand beside it, as text whose parts are comparable.
fn comparable(value: &Value) -> String {
    match value {
        Value::Object(members) if members.contains_key("base64") => "bytes".to_owned(),
        Value::Object(members) => match (members.get("value"), members.get("exact")) {
            (Some(Value::Null), Some(Value::String(exact))) => {
                if exact.starts_with('0') { "undef" } else { "inf" }.to_owned()
            }
            (Some(value), _) => comparable(value),
            // Languages of a text in XMP.
            (None, _) => members.values().map(comparable).collect::<Vec<_>>().join(" "),
        },
        Value::Array(values) => values.iter().map(comparable).collect::<Vec<_>>().join(" "),
        Value::Number(number) => rounded(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => plain_text(text),
        other => other.to_string(),
    }
}

/// Our value in the units that ExifTool converts to: f-numbers and seconds in place of APEX values (Exif 3.0, annex C),
/// degrees, its own way of writing times.
fn in_their_units(name: &str, value: &Value) -> String {
    let number = |value: &Value| value.as_f64().or_else(|| value.get("value")?.as_f64());
    match (name, value) {
        ("ApertureValue" | "MaxApertureValue", value) => number(value).map(|apex| rounded((apex / 2.0).exp2())),
        ("ShutterSpeedValue", value) => number(value).map(|apex| rounded((-apex).exp2())),
        ("GPSLatitude" | "GPSLongitude" | "GPSDestLatitude" | "GPSDestLongitude", Value::Array(parts)) => {
            let units = parts.iter().zip([1.0, 60.0, 3600.0]);
            units.map(|(part, unit)| Some(number(part)? / unit)).sum::<Option<f64>>().map(rounded)
        }
        ("GPSLatitude" | "GPSLongitude", Value::String(text)) => {
            let units = text.split(',').zip([1.0, 60.0]);
            units.map(|(part, unit)| Some(part.parse::<f64>().ok()? / unit)).sum::<Option<f64>>().map(rounded)
        }
        ("GPSTimeStamp", Value::Array(parts)) => {
            let parts: Vec<_> = parts.iter().filter_map(number).collect();
            let pad = |part: &f64| if *part < 10.0 { format!("0{part}") } else { part.to_string() };
            Some(parts.iter().map(pad).collect::<Vec<_>>().join(":"))
        }
        ("GPSVersionID", Value::String(text)) => Some(plain_text(&text.replace('.', " "))),
        // The date and time alone: ExifTool leaves fraction and offset in fields of their own.
        ("ModifyDate" | "DateTimeOriginal" | "CreateDate", Value::String(time)) if time.contains('T') => {
            Some(plain_text(time.get(..19).unwrap_or_default()))
        }
        _ => None,
    }
    .unwrap_or_else(|| comparable(value))
}

fn their_comparable(key: &str, value: &Value) -> String {
    match value {
        // The escape sequence that announces UTF-8.
        Value::String(text) if key == "IPTC:CodedCharacterSet" && text == "\u{1b}%G" => "UTF-8".to_owned(),
        Value::String(text) if text.starts_with("(Binary data") || text.starts_with("base64:") => "bytes".to_owned(),
        Value::String(text) if text.contains(|c: char| c.is_control() && !c.is_whitespace()) => "bytes".to_owned(),
        Value::Bool(bool) => bool.to_string(),
        value => comparable(value),
    }
}

fn rounded(number: f64) -> String {
    format!("{number:.5e}")
}

/// Words that are numbers or fractions are compared as such, times in one way of writing them, and the two truth values
/// in small letters.
fn plain_text(text: &str) -> String {
    let number = |word: &str| word.parse::<f64>().ok().filter(|number| number.is_finite());
    let word = |word: &str| match (number(word), word.split_once('/').map(|(a, b)| (number(a), number(b)))) {
        (Some(number), _) => rounded(number),
        (None, Some((Some(numerator), Some(denominator)))) => rounded(numerator / denominator),
        _ => match word {
            "True" | "False" => word.to_lowercase(),
            word => word.to_owned(),
        },
    };
    iso_time(text).split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

/// `2026:03:14 15:09:26`, as ExifTool has it, as `2026-03-14T15:09:26`.
fn iso_time(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let digits = [0, 1, 2, 3, 5, 6, 8, 9];
    let is_date = bytes.len() >= 10 && digits.iter().all(|&at| bytes[at].is_ascii_digit()) && bytes[4] == b':';
    if is_date && bytes[7] == b':' {
        (bytes[4], bytes[7]) = (b'-', b'-');
        if bytes.get(10) == Some(&b' ') {
            bytes[10] = b'T';
        }
    }
    String::from_utf8(bytes).unwrap_or_default()
}
