//! Any bytes give a plan or an error. What a plan gives is of the same format, has nothing left to remove, and says
//! nothing of what was asked to be removed; any slice of it is that part of the whole.
#![no_main]

use std::io::Cursor;

use image_origin_codec::Cancellation;
use image_origin_codec::{Format, sniff};
use image_origin_container as container;
use image_origin_metadata::{self as metadata, Keep, Rewrite};
use image_origin_transform as transform;
use libfuzzer_sys::fuzz_target;

fn written(plan: &Rewrite, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    plan.write_to(Cursor::new(data), &mut out).expect("memory can be read");
    assert_eq!(out.len() as u64, plan.len());
    out
}

fuzz_target!(|data: &[u8]| {
    for keep in [Keep::None, Keep::Copyright, Keep::All] {
        let Ok(plan) = metadata::strip(&mut Cursor::new(data), keep, &Cancellation::unbounded()) else { continue };
        let out = written(&plan, data);
        assert!(!plan.is_identity() || out == data);
        assert_eq!(sniff(&out), sniff(data));
        let (from, to) = (plan.len() / 3, plan.len() / 2);
        assert_eq!(written(&plan.slice(from..to), data), out[from as usize..to as usize]);
        if keep != Keep::None {
            continue;
        }
        let again = metadata::strip(&mut Cursor::new(&out), keep, &Cancellation::unbounded())
            .expect("what was stripped can be stripped");
        assert!(again.is_identity(), "stripping once was not enough");
        let format = sniff(data).expect("a stripped file has a format");
        assert_eq!(
            container::orientation(&out, format, &Cancellation::unbounded()).unwrap(),
            container::orientation(data, format, &Cancellation::unbounded()).unwrap()
        );
        let report = transform::report(&out, &Cancellation::unbounded()).expect("a stripped file has a format");
        assert!(report.iptc.is_empty());
        // The fields of a TIFF file describe its pixels too.
        let described = |tag: &String| tag == "Orientation" || format == Format::Tiff;
        assert!(report.exif.image.keys().all(described), "{:?}", report.exif);
        for group in [&report.exif.photo, &report.exif.gps, &report.exif.interop, &report.exif.thumbnail] {
            assert!(group.is_empty(), "{:?}", report.exif);
        }
        assert!(report.xmp.keys().all(|key| key.starts_with("hdrgm:") || key == "Container:Directory"));
    }
});
