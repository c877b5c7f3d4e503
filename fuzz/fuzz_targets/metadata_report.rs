//! Any bytes give a report or an error, and a report serialises, with and without its locations. What is carried into
//! another file leaves that a file of its format, and upright.
#![no_main]

use image_origin_codec::Cancellation;
use image_origin_codec::{Format, sniff};
use image_origin_container as container;
use image_origin_metadata::{self as metadata, Keep};
use image_origin_transform as transform;
use libfuzzer_sys::fuzz_target;

/// The beginnings of files, as far as embedding looks at them.
const FILES: [(Format, &[u8]); 4] = [
    (Format::Jpeg, b"\xff\xd8\xff\xe0\0\x07JFIF\0\xff\xda\0\x02\xff\xd9"),
    (Format::Png, b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x03\0\0\0\x02\x08\0\0\0\0\0\0\0\0\0\0\0\0IEND\0\0\0\0"),
    (Format::WebP, b"RIFF\x12\0\0\0WEBPVP8L\x05\0\0\0\x2f\x02\x40\0\x10\0"),
    (Format::Gif, b"GIF89a\x03\0\x02\0\0\0\0\x3b"),
];

fuzz_target!(|data: &[u8]| {
    if let Ok(report) = transform::report(data, &Cancellation::unbounded()) {
        serde_json::to_string(&report).expect("a report serialises");
        let report = report.without_location();
        assert!(report.exif.gps.is_empty());
        serde_json::to_string(&report).expect("a report serialises");
    }
    for keep in [Keep::Copyright, Keep::All] {
        let carried = metadata::carry(data, keep, &Cancellation::unbounded()).unwrap();
        for (format, file) in FILES {
            let out = metadata::embed(file.to_vec(), format, &carried, 3, 2);
            assert_eq!(sniff(&out), Some(format));
            assert_eq!(container::orientation(&out, format, &Cancellation::unbounded()).unwrap(), 1);
            assert!(carried.is_empty() || transform::report(&out, &Cancellation::unbounded()).is_ok());
        }
    }
});
