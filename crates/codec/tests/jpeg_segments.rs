//! The decoder's walk over a JPEG's segments is that of whoever looks for metadata: what the one takes for a segment, the
//! other must not take for data. The decoder has no dependencies, so there are two walks, and this holds them together.

#![allow(clippy::disallowed_methods, reason = "tests have no caller whose work they could take")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::Cursor;
use std::path::Path;

use image_origin_container::{Cancellation, Input, Meter, jpeg, slice};
use image_origin_jpeg::Segments;

/// A segment: marker, parameters, and whether it is whole.
type Segment<'f> = (u8, &'f [u8], bool);

fn of_decoder(file: &[u8]) -> Vec<Segment<'_>> {
    let (mut segments, mut found) = (Segments::new(file), Vec::new());
    while let Some(segment) = segments.next() {
        found.push((segment.marker, segment.payload, segment.complete));
        match segment.marker {
            jpeg::SOS => segments.skip_scan(),
            jpeg::EOI => break,
            _ => {}
        }
    }
    found
}

fn of_container(file: &[u8]) -> Vec<Segment<'_>> {
    let cancellation = Cancellation::unbounded();
    let meter = Meter::new(file.len() as u64, &cancellation);
    let mut input = Input::new(Cursor::new(file), &meter).unwrap();
    let (mut at, mut found) = (0, Vec::new());
    while let Some(segment) = jpeg::next_segment(&mut input, at).unwrap() {
        found.push((segment.marker, slice(file, &segment.payload), !segment.cut));
        at = match segment.marker {
            jpeg::SOS => jpeg::scan_end(&mut input, segment.range.end).unwrap(),
            jpeg::EOI => break,
            _ => segment.range.end,
        };
    }
    found
}

#[test]
fn decoder_and_metadata_see_the_same_segments() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/jpeg");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file = std::fs::read(&path).unwrap();
        assert_eq!(of_decoder(&file), of_container(&file), "{}", path.display());
        assert!(of_decoder(&file).iter().any(|(marker, ..)| *marker == jpeg::SOS), "{}", path.display());
        // Headers are at the front; behind it is the first scan, and in some files further ones.
        let places = (0..file.len().min(700)).chain((700..file.len()).step_by(97));
        for at in places {
            assert_eq!(of_decoder(&file[..at]), of_container(&file[..at]), "{} cut at {at}", path.display());
            for byte in [0x00, 0x01, 0x02, 0xbf, 0xc0, 0xd7, 0xd9, 0xff] {
                let mut changed = file.clone();
                changed[at] = byte;
                assert_eq!(of_decoder(&changed), of_container(&changed), "{} with {byte:02x} at {at}", path.display());
            }
        }
        files += 1;
    }
    assert!(files > 5);
}
