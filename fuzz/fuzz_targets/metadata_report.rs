//! Any bytes give a report or an error, and a report serialises, with and without its locations.
#![no_main]

use image_origin::metadata::{self, Keep};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(report) = metadata::report(data) {
        serde_json::to_string(&report).expect("a report serialises");
        let report = report.without_location();
        assert!(report.exif.gps.is_empty());
        serde_json::to_string(&report).expect("a report serialises");
    }
    for keep in [Keep::Copyright, Keep::All] {
        let _ = metadata::carry(data, keep);
    }
});
