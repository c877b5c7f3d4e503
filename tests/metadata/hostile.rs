//! Damaged and hostile files: every function returns, within bounds, and what should be removed is removed.

use std::io::Cursor;
use std::time::{Duration, Instant};

use image_origin::codec::Cancellation;
use image_origin::codec::sniff;
use image_origin::metadata::{self, Keep};
use image_origin::transform;

use super::samples;

fn try_all(file: &[u8]) {
    if let Ok(report) = transform::report(file, &Cancellation::unbounded()) {
        serde_json::to_string(&report.without_location()).unwrap();
    }
    metadata::carry(file, Keep::All, &Cancellation::unbounded()).unwrap();
    for keep in [Keep::None, Keep::Copyright] {
        let Ok(plan) = metadata::strip(&mut Cursor::new(file), keep, &Cancellation::unbounded()) else { continue };
        let mut out = Vec::new();
        plan.write_to(Cursor::new(file), &mut out).unwrap();
        assert_eq!(sniff(&out), sniff(file));
        if keep == Keep::None {
            let again = metadata::strip(&mut Cursor::new(&out), keep, &Cancellation::unbounded()).unwrap();
            assert!(again.is_identity(), "{:?}, then {:?}", plan.pieces(), again.pieces());
        }
    }
}

fn files() -> impl Iterator<Item = Vec<u8>> {
    samples::all().into_iter().map(|(_, file)| file).chain([samples::avif(), samples::tiff()])
}

#[test]
fn truncation_at_every_byte_is_survived() {
    for file in files() {
        for end in 0..file.len() {
            try_all(&file[..end]);
        }
    }
}

#[test]
fn a_change_of_every_byte_is_survived() {
    for mut file in files() {
        for at in 0..file.len() {
            let original = file[at];
            file[at] = if at % 2 == 0 { 0xff } else { original.wrapping_add(1) };
            try_all(&file);
            file[at] = original;
        }
    }
}

#[test]
fn ten_thousand_segments_are_read_in_no_time() {
    let picture = samples::picture(image::ImageFormat::Jpeg);
    let mut file = picture[..2].to_vec();
    for number in 0..10_000_u32 {
        let payload = [b"Exif\0\0".as_slice(), &number.to_be_bytes(), &[b'x'; 1000]].concat();
        file.extend([&[0xff, 0xe1][..], &(payload.len() as u16 + 2).to_be_bytes(), &payload].concat());
    }
    file.extend(&picture[2..]);
    let start = Instant::now();
    try_all(&file);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    let mut out = Vec::new();
    metadata::strip(&mut Cursor::new(&file), Keep::None, &Cancellation::unbounded())
        .unwrap()
        .write_to(Cursor::new(&file), &mut out)
        .unwrap();
    assert_eq!(out, picture);
}

#[test]
fn directories_that_point_at_themselves_end() {
    let mut block = b"MM\0\x2a\0\0\0\x08\0\x03".to_vec();
    for tag in [0x8769_u16, 0x8825, 0xa005] {
        block.extend([&tag.to_be_bytes()[..], &[0, 4, 0, 0, 0, 1, 0, 0, 0, 8]].concat());
    }
    block.extend(8_u32.to_be_bytes());
    let picture = samples::picture(image::ImageFormat::Jpeg);
    let segment = [&[0xff, 0xe1, 0, (block.len() + 8) as u8][..], b"Exif\0\0", &block].concat();
    try_all(&[&picture[..2], &segment, &picture[2..]].concat());
    try_all(&block);
}

#[test]
fn counts_of_four_billion_are_not_believed() {
    for kind in 0..20_u16 {
        for offset in [0, 8, 0x7fff_ffff, u32::MAX] {
            let mut block = b"II\x2a\0\x08\0\0\0\x02\0".to_vec();
            for tag in [0x010f_u16, 0x8769] {
                block.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
                block.extend([u32::MAX.to_le_bytes(), offset.to_le_bytes()].concat());
            }
            block.extend(u32::MAX.to_le_bytes());
            try_all(&block);
        }
    }
}
