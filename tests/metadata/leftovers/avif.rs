//! In AVIF: in boxes, between them, and in units of AV1 that show nothing.

use super::*;

/// The file with a unit put in at the beginning or end of the primary image, all locations corrected.
fn avif_with(file: &[u8], unit: &[u8], at_end: bool) -> Vec<u8> {
    let cancellation = Cancellation::unbounded();
    let meter = container::Meter::new(file.len() as u64, &cancellation);
    let mut input = container::Input::new(Cursor::new(file), &meter).unwrap();
    let meta = container::heif::meta(&mut input).unwrap().unwrap();
    let primary = meta.extents(meta.locations.of(meta.primary.unwrap()).unwrap());
    let [image] = primary.as_slice() else { panic!("an image in several parts") };
    let at = if at_end { image.end } else { image.start };
    let mut out = with(file, at as usize, unit);
    let grow = |bytes: &mut [u8]| {
        let value = u32::from_be_bytes(bytes.try_into().unwrap()) + unit.len() as u32;
        bytes.copy_from_slice(&value.to_be_bytes());
    };
    for extent in meta.locations.iter().flat_map(|location| meta.extents(location)) {
        let entry = [extent.start as u32, (extent.end - extent.start) as u32].map(u32::to_be_bytes).concat();
        let place = memchr::memmem::find(file, &entry).unwrap();
        if extent == *image {
            grow(&mut out[place + 4..place + 8]);
        } else if extent.start >= at {
            grow(&mut out[place..place + 4]);
        }
    }
    let media = memchr::memmem::find(file, b"mdat").unwrap();
    grow(&mut out[media - 4..media]);
    out
}

#[test]
fn units_of_avif_that_show_nothing() {
    for name in ["420-limited.avif", "444-12.avif", "alpha-10.avif", "lossless.avif"] {
        let plain = stripped(&std::fs::read(fixtures().join("foreign").join(name)).unwrap(), Keep::None).unwrap();
        let unit = |kind: u8, head: &[u8]| [&[kind << 3 | 2, (head.len() + HIDDEN.len()) as u8], head, HIDDEN].concat();
        let mut files = Vec::new();
        for (what, unit) in [
            ("a message", unit(5, b"\x04\xb5\0\x31")),
            ("padding", unit(15, b"")),
            ("a reserved type", unit(10, b"")),
            ("a list of tiles", unit(8, b"\0\0\0\0")),
        ] {
            for at_end in [false, true] {
                files.push((format!("{name}, {what}, {at_end}"), avif_with(&plain, &unit, at_end)));
            }
        }
        check(&plain, files);
    }
}

#[test]
fn avif() {
    let plain = stripped(&samples::avif(), Keep::None).unwrap();
    let at = |kind: &[u8; 4]| plain.windows(4).position(|bytes| bytes == kind).unwrap();
    let set = |place: usize, bytes: &[u8]| {
        let mut file = plain.clone();
        file[place..place + bytes.len()].copy_from_slice(bytes);
        file
    };
    let image = memchr::memmem::find(&plain, samples::AVIF_DATA).unwrap();
    let free = plain.windows(4).position(|bytes| bytes == b"free").unwrap();
    for (name, file) in [
        ("a brand", set(at(b"ftyp") + 12, b"SECR")),
        ("the version of the brand", set(at(b"ftyp") + 8, b"SECR")),
        ("the name of a handler", set(at(b"pict") + 4, b"SECR")),
        ("empty space", set(free + 4, b"SECR")),
        ("a gap in the data", set(image + samples::AVIF_DATA.len(), b"SECR")),
        ("behind all boxes", [&plain, HIDDEN].concat()),
        ("a box of its own", [plain.clone(), full_box(b"uuid", HIDDEN), full_box(b"free", HIDDEN)].concat()),
        ("a second of a kind", [plain.clone(), full_box(b"ftyp", HIDDEN), full_box(b"meta", HIDDEN)].concat()),
        ("a fragment", [plain.clone(), full_box(b"moof", HIDDEN), full_box(b"sidx", HIDDEN)].concat()),
    ] {
        assert!(contains(&file, "SECR"), "{name}");
        assert_eq!(stripped(&file, Keep::None).unwrap(), plain, "{name}");
    }
}
