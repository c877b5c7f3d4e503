//! Our reading of Exif against ExifTool's, tag by tag, over real photographs.

use std::path::{Path, PathBuf};
use std::process::Command;

use exif::{Context, Tag};
use image_origin::codec::Work;
use image_origin::metadata::{self, ExifGroups};
use serde_json::{Map, Value};

/// Of the values that ExifTool gives, how many must be the same here.
const WANTED: f64 = 0.99;

/// Real photographs, or nothing where they are not at hand.
pub(crate) fn corpus(folders: &[&str]) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let read = |folder: &&str| std::fs::read_dir(root.join(folder)).into_iter().flatten().flatten();
    let mut files: Vec<_> = folders.iter().flat_map(read).map(|entry| entry.path()).collect();
    files.sort();
    if files.is_empty() {
        println!("skipped: no photographs in {}", root.display());
    }
    files
}

/// What ExifTool says of a file, or `None` where the program is absent.
pub(crate) fn exiftool(file: &Path, options: &[&str]) -> Option<Map<String, Value>> {
    let output = match Command::new("exiftool").args(["-j", "-n", "-G1"]).args(options).arg(file).output() {
        Ok(output) => output,
        Err(error) => {
            println!("skipped: exiftool cannot be run: {error}");
            return None;
        }
    };
    let parsed: Vec<Map<String, Value>> = serde_json::from_slice(&output.stdout).expect("exiftool writes JSON");
    parsed.into_iter().next()
}

#[test]
fn exif_values_are_those_of_exiftool() {
    let (mut same, mut all) = (0_u32, 0_u32);
    for file in corpus(&["exif", "photos", "orientation"]) {
        let Some(theirs) = exiftool(&file, &["-D", "-a", "-u"]) else { return };
        let ours = metadata::report(&std::fs::read(&file).expect("a readable photograph"), &Work::unbounded())
            .expect("a known format");
        for (key, value) in &theirs {
            let Some((group, name)) = key.split_once(':') else { continue };
            let Some(context) = context(group) else { continue };
            let (id, value) = (value["id"].as_u64().unwrap_or(0) as u16, &value["val"]);
            let our_name = our_name(Tag(context, id), name);
            let our_value = members(&ours.exif, context).get(&our_name);
            all += 1;
            if our_value.is_some_and(|ours| in_their_units(name, ours) == their_comparable(value)) {
                same += 1;
            } else {
                println!("{}: {key} = {value}, here {our_name} = {our_value:?}", file.display());
            }
        }
    }
    println!("{same} of {all} values are the same");
    assert!(f64::from(same) >= WANTED * f64::from(all), "{same} of {all} values are the same");
}

fn context(group: &str) -> Option<Context> {
    Some(match group {
        "IFD0" => Context::Tiff,
        "ExifIFD" => Context::Exif,
        "GPS" => Context::Gps,
        "InteropIFD" => Context::Interop,
        _ => return None,
    })
}

fn members(groups: &ExifGroups, context: Context) -> &Map<String, Value> {
    match context {
        Context::Tiff => &groups.image,
        Context::Exif => &groups.photo,
        Context::Gps => &groups.gps,
        _ => &groups.interop,
    }
}

fn our_name(tag: Tag, their_name: &str) -> String {
    match tag.description() {
        Some(_) => tag.to_string(),
        None if their_name.starts_with("XP") => their_name.to_owned(),
        None => format!("0x{:04x}", tag.number()),
    }
}

/// A value without the words that stand beside it, as text whose parts are comparable: numbers rounded to what
/// ExifTool prints.
fn comparable(value: &Value) -> String {
    match value {
        Value::Object(members) if members.contains_key("base64") => "bytes".to_owned(),
        Value::Object(members) => match (&members["value"], members.get("exact")) {
            (Value::Null, Some(Value::String(exact))) => {
                if exact.starts_with('0') { "undef" } else { "inf" }.to_owned()
            }
            (value, _) => comparable(value),
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
        ("GPSTimeStamp", Value::Array(parts)) => {
            let parts: Vec<_> = parts.iter().filter_map(number).collect();
            let pad = |part: &f64| if *part < 10.0 { format!("0{part}") } else { part.to_string() };
            Some(parts.iter().map(pad).collect::<Vec<_>>().join(":"))
        }
        ("GPSVersionID", Value::String(text)) => Some(plain_text(&text.replace('.', " "))),
        ("GPSDateStamp", Value::String(date)) => Some(date.replace('-', ":")),
        // The date and time alone: ExifTool leaves fraction and offset in fields of their own.
        ("ModifyDate" | "DateTimeOriginal" | "CreateDate", Value::String(time)) if time.contains('T') => {
            let (date, clock) = time.split_once('T').unwrap_or_default();
            Some(format!("{} {}", date.replace('-', ":"), clock.get(..8).unwrap_or_default()))
        }
        _ => None,
    }
    .unwrap_or_else(|| comparable(value))
}

fn their_comparable(value: &Value) -> String {
    match value {
        Value::String(text) if text.starts_with("(Binary data") || text.starts_with("base64:") => "bytes".to_owned(),
        Value::String(text) => plain_text(text),
        Value::Number(number) => rounded(number.as_f64().unwrap_or(f64::NAN)),
        other => other.to_string(),
    }
}

fn rounded(number: f64) -> String {
    format!("{number:.5e}")
}

/// Words that are numbers are compared as such.
fn plain_text(text: &str) -> String {
    let word = |word: &str| word.parse().map_or_else(|_| word.to_owned(), rounded);
    text.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}
