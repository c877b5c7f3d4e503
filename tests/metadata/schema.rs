//! Reports: what they say of the samples. That each keeps to the published schema is checked by
//! `tests/schema.test.mjs`, since a validator of schemas would take a tenth of the time that building the tests takes.

use std::fs::File;
use std::io::{BufWriter, Write as _};

use image_origin::codec::Cancellation;
use image_origin::transform;
use serde_json::json;

use super::samples;
use crate::common::files;

/// Where the reports are left for `tests/schema.test.mjs`, one a line.
const REPORTS: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/metadata-reports.jsonl");

/// Whole files, files cut off anywhere, which have damaged parts of every kind, and all fixtures.
#[test]
fn reports_are_made_of_whole_and_of_damaged_files() {
    let mut cases = Vec::new();
    for (name, file) in samples::all().into_iter().chain([("avif", samples::avif()), ("tiff", samples::tiff())]) {
        cases.extend((4..=file.len()).rev().step_by(9).map(|end| (format!("{end} of {name}"), file[..end].to_vec())));
    }
    for file in files("") {
        cases.push((file.display().to_string(), std::fs::read(&file).unwrap()));
    }
    let mut out = BufWriter::new(File::create(REPORTS).unwrap());
    let mut count = 0;
    for (name, file) in cases {
        let Ok(report) = transform::report(&file, &Cancellation::unbounded()) else { continue };
        for report in [&report, &report.clone().without_location()] {
            writeln!(out, "{}", json!({ "name": name, "report": report })).unwrap();
            count += 1;
        }
    }
    out.flush().unwrap();
    assert!(count > 2500, "{count}");
}

#[test]
fn a_report_says_what_the_file_says() {
    let report =
        serde_json::to_value(transform::report(&samples::jpeg(), &Cancellation::unbounded()).unwrap()).unwrap();
    let expected = json!({
        "/format": "jpeg",
        // Turned by 90 degrees: 24 by 16 are shown as 16 by 24.
        "/width": 16,
        "/height": 24,
        "/orientation": 6,
        "/exif/image/Make": "SecretMake",
        "/exif/image/Orientation": { "value": 6, "text": "row 0 at right and column 0 at top" },
        "/exif/image/XResolution": 72,
        "/exif/image/PrintImageMatching": { "base64": "AQIDBAU=" },
        "/exif/image/DateTime": "2026-03-14T15:09:26",
        "/exif/photo/DateTimeOriginal": "2026-03-14T15:09:26.53+01:00",
        "/exif/photo/ExposureTime": { "value": 1.0 / 60.0, "exact": "1/60" },
        "/exif/photo/UserComment": "See!",
        "/exif/gps/GPSLatitude": [33, 51, 35.4],
        "/exif/gps/GPSLatitudeRef": { "value": "S", "text": "south" },
        "/exif/gps/latitude": -33.859833333,
        "/exif/gps/longitude": 151.21125,
        "/exif/gps/altitude": -2.5,
        "/exif/interop/InteroperabilityIndex": "R98",
        "/exif/thumbnail/Compression": { "value": 6, "text": "JPEG" },
        "/xmp/photoshop:City": "SecretCity",
        "/xmp/dc:rights": { "x-default": "Xmp Rights" },
        "/iptc/Keywords": ["SecretIptc"],
        "/warnings": [],
    });
    for (pointer, value) in expected.as_object().unwrap() {
        assert_eq!(report.pointer(pointer), Some(value), "{pointer}");
    }
}

#[test]
fn no_location_is_left_where_none_is_wanted() {
    for (name, file) in samples::all() {
        let report = transform::report(&file, &Cancellation::unbounded()).unwrap().without_location();
        let text = serde_json::to_string(&report).unwrap();
        for word in ["SecretCity", "latitude", "GPSLatitude", "151"] {
            assert!(!text.contains(word), "{name} says {word}");
        }
        assert!(text.contains("Xmp Rights"), "{name}");
    }
}

#[test]
fn files_without_metadata_give_empty_groups() {
    for format in [image::ImageFormat::Jpeg, image::ImageFormat::Png, image::ImageFormat::WebP] {
        let report = transform::report(&samples::picture(format), &Cancellation::unbounded()).unwrap();
        let exif = serde_json::to_value(&report.exif).unwrap();
        assert_eq!(exif, json!({ "image": {}, "photo": {}, "gps": {}, "interop": {}, "thumbnail": {} }));
        assert_eq!((report.width, report.height, report.orientation), (Some(24), Some(16), 1));
        assert!(report.xmp.is_empty() && report.iptc.is_empty() && report.warnings.is_empty());
    }
}
