//! Files that were damaged: they are refused, or keep no metadata.

use std::io::Cursor;
use std::ops::Range;

use image_origin::codec::Cancellation;
use image_origin::metadata::{self, Keep};

use super::samples::{self, SECRETS, contains};
use super::strip::{stripped, written};

/// Strips a file with each byte of this range changed in several ways, which must be refused, or keep no metadata but what no
/// item or field refers to, and thumbnails, which are pictures as well. Returns how many were refused, and how many were not.
fn strip_damaged(mut file: Vec<u8>, range: Range<usize>) -> (usize, usize) {
    const OTHERS: [&str; 3] = ["SecretThumbnail", "SecretTrailer", "SecretVendor"];
    let (mut refused, mut written_out) = (0, 0);
    for at in range {
        let original = file[at];
        let values = [0, 1, 4, 0x80, 0xff, original ^ 1, original ^ 0x80, original.wrapping_sub(1)];
        for (value, keep) in values.into_iter().flat_map(|value| [(value, Keep::None), (value, Keep::Copyright)]) {
            file[at] = value;
            match metadata::strip(&mut Cursor::new(&file), keep, &Cancellation::unbounded()) {
                Ok(plan) => {
                    let out = written(&plan, &file);
                    let found = SECRETS.iter().find(|secret| !OTHERS.contains(secret) && contains(&out, secret));
                    assert_eq!(found, None, "byte {at} is {value}, {keep:?}");
                    written_out += 1;
                }
                Err(_) => refused += 1,
            }
        }
        file[at] = original;
    }
    (refused, written_out)
}

#[test]
fn damaged_items_of_avif_keep_no_metadata() {
    let file = samples::avif();
    let meta = file.windows(4).position(|kind| kind == b"meta").unwrap() - 4;
    let end = meta + u32::from_be_bytes(file[meta..meta + 4].try_into().unwrap()) as usize;
    let (refused, written) = strip_damaged(file, meta..end);
    assert!(refused > 100 && written > refused, "{refused} refused, {written} written");
}

#[test]
fn damaged_directories_of_tiff_keep_no_metadata() {
    let file = samples::tiff();
    let fields = usize::from(file[9]);
    let (refused, written) = strip_damaged(file, 0..10 + 12 * fields + 4);
    assert!(refused > 100 && written > refused, "{refused} refused, {written} written");
}

#[test]
fn strips_of_tiff_within_metadata_are_refused() {
    let file = samples::tiff();
    let strip = file.windows(8).position(|entry| entry == [1, 0x11, 0, 4, 0, 0, 0, 1]).unwrap() + 8;
    let secrets = ["SecretMake", "SecretXmp", "SecretComment"];
    let values = secrets.map(|secret| (secret, memchr::memmem::find(&file, secret.as_bytes()).unwrap() as u32));
    for (secret, at) in values.into_iter().chain([("Exif", 0x400), ("thumbnail", 0x480)]) {
        for keep in [Keep::None, Keep::Copyright] {
            let mut file = file.clone();
            file[strip..strip + 4].copy_from_slice(&at.to_be_bytes());
            let result = metadata::strip(&mut Cursor::new(&file), keep, &Cancellation::unbounded());
            assert!(matches!(result, Err(metadata::Error::Damaged(_))), "{secret} {keep:?}");
        }
    }
}

/// Equal numbers may share their bytes, but no number is equal to text.
#[test]
fn fields_of_tiff_that_share_bytes_with_text_are_refused() {
    let mut file = samples::tiff();
    let resolution = file.windows(8).position(|entry| entry == [1, 0x1a, 0, 5, 0, 0, 0, 1]).unwrap() + 8;
    let text = memchr::memmem::find(&file, b"SecretMake").unwrap() as u32;
    file[resolution..resolution + 4].copy_from_slice(&text.to_be_bytes());
    for keep in [Keep::None, Keep::Copyright] {
        let result = metadata::strip(&mut Cursor::new(&file), keep, &Cancellation::unbounded());
        assert!(matches!(result, Err(metadata::Error::Damaged(_))), "{keep:?}");
    }
}

/// A damaged tag may be that of a palette or of lengths, whose values are numbers of more than a byte.
#[test]
fn text_of_tiff_with_the_tag_of_numbers_is_removed() {
    for (entry, secret) in [([1, 0x0f, 0, 2], "SecretMake"), ([2, 0xbc, 0, 1], "SecretXmp")] {
        for tag in [0x0140_u16, 0x0145, 0x0156] {
            let mut file = samples::tiff();
            let at = file.windows(4).position(|bytes| bytes == entry).unwrap();
            file[at..at + 2].copy_from_slice(&tag.to_be_bytes());
            assert!(!contains(&stripped(&file, Keep::None), secret), "{secret} {tag:#x}");
        }
    }
}

#[test]
fn strips_of_tiff_within_its_header_are_refused() {
    let mut file = samples::tiff();
    for (tag, value) in [(0x11, 2_u32), (0x17, 4)] {
        let field = file.windows(8).position(|entry| entry == [1, tag, 0, 4, 0, 0, 0, 1]).unwrap() + 8;
        file[field..field + 4].copy_from_slice(&value.to_be_bytes());
    }
    let result = metadata::strip(&mut Cursor::new(&file), Keep::None, &Cancellation::unbounded());
    assert!(matches!(result, Err(metadata::Error::Damaged(_))));
}

/// 24 by 16 pixels of a bit take 48 bytes, and readers report a strip that ends behind the file.
#[test]
fn strips_of_tiff_keep_the_length_that_is_told() {
    let mut file = samples::tiff();
    let length = file.windows(8).position(|entry| entry == [1, 0x17, 0, 4, 0, 0, 0, 1]).unwrap() + 8;
    file[length..length + 4].copy_from_slice(&58_u32.to_be_bytes());
    let strip = memchr::memmem::find(&file, b"the strip of pixels").unwrap();
    for keep in [Keep::None, Keep::Copyright] {
        let out = stripped(&file, keep);
        assert_eq!(out.len(), strip + 58, "{keep:?}");
        assert_eq!(stripped(&out, keep), out, "{keep:?}");
    }
}

#[test]
fn depths_of_tiff_are_those_of_its_samples() {
    let mut file = samples::tiff();
    let field = file.windows(8).position(|entry| entry == [1, 0x0f, 0, 2, 0, 0, 0, 11]).unwrap();
    file[field..field + 4].copy_from_slice(&[1, 2, 0, 3]);
    // Of eleven depths only the first one stays: without a bit there is no picture.
    let depths = memchr::memmem::find(&file, b"SecretMake").unwrap();
    file[depths..depths + 2].fill(0);
    for keep in [Keep::None, Keep::Copyright] {
        let result = metadata::strip(&mut Cursor::new(&file), keep, &Cancellation::unbounded());
        assert!(matches!(result, Err(metadata::Error::Damaged(_))), "{keep:?}");
    }
}

#[test]
fn pictures_of_webp_within_which_metadata_begins_are_refused() {
    let file = samples::webp();
    let at = |name: &[u8; 4]| memchr::memmem::find(&file, name).unwrap();
    let picture = [b"VP8 ", b"VP8L"].into_iter().find_map(|name| memchr::memmem::find(&file, name)).unwrap();
    for (name, end) in [("EXIF", at(b"XMP ")), ("a part of EXIF", at(b"XMP ") - 20), ("EXIF and XMP", file.len())] {
        let mut file = file.clone();
        // What lies between is a damaged stream, so that its end is not known.
        file[picture..picture + 4].copy_from_slice(b"VP8 ");
        file[picture + 4..picture + 8].copy_from_slice(&((end - picture - 8) as u32).to_le_bytes());
        for keep in [Keep::None, Keep::Copyright] {
            let result = metadata::strip(&mut Cursor::new(&file), keep, &Cancellation::unbounded());
            assert!(matches!(result, Err(metadata::Error::Damaged(_))), "{name} {keep:?}");
        }
    }
}

/// What follows the last box is free space, as zeros would be read as a box.
#[test]
fn avif_without_a_box_around_its_data_is_stripped_once() {
    let mut file = samples::avif();
    let media = memchr::memmem::find(&file, b"mdat").unwrap() - 4;
    file[media..media + 4].copy_from_slice(&5_u32.to_be_bytes());
    for keep in [Keep::None, Keep::Copyright] {
        let out = stripped(&file, keep);
        assert!(SECRETS.iter().all(|secret| !contains(&out, secret)), "{keep:?}");
        assert_eq!(out[media..media + 8], *b"\0\0\0\0free", "{keep:?}");
        assert_eq!(stripped(&out, Keep::None), stripped(&file, Keep::None), "{keep:?}");
    }
    // An item that begins where a box does.
    let place = memchr::memmem::find(&file, &(media as u32 + 8).to_be_bytes()).unwrap();
    file[place..place + 4].copy_from_slice(&(media as u32 + 4).to_be_bytes());
    let result = metadata::strip(&mut Cursor::new(&file), Keep::None, &Cancellation::unbounded());
    assert!(matches!(result, Err(metadata::Error::Damaged(_))));
}

/// A box of size 0 extends to the end of what contains it, and is not the last one any more when free space is added.
#[test]
fn the_last_box_within_meta_has_a_size() {
    let mut file = samples::avif();
    let handler = memchr::memmem::find(&file, b"hdlr").unwrap() - 4;
    file[handler..handler + 4].fill(0);
    for keep in [Keep::None, Keep::Copyright] {
        if let Ok(plan) = metadata::strip(&mut Cursor::new(&file), keep, &Cancellation::unbounded()) {
            let out = written(&plan, &file);
            assert_ne!(out[handler..handler + 4], [0; 4], "{keep:?}");
            assert_eq!(stripped(&out, keep), out, "{keep:?}");
        }
    }
}
