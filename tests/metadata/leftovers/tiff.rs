//! In TIFF: behind strips, streams and profiles, and in the JPEGs that it contains.

use super::*;

/// A PackBits, LZW or Deflate stream, or the bytes themselves.
fn compressed(rows: &[u8], compression: u16) -> Vec<u8> {
    match compression {
        5 => weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8).encode(rows).unwrap(),
        8 => deflated(rows, flate2::Compression::best()),
        32_773 => rows.chunks(128).flat_map(|run| [&[run.len() as u8 - 1], run].concat()).collect(),
        _ => rows.to_vec(),
    }
}

/// A TIFF of 24 by 16 grey pixels in two strips, whose second one has this length or none. `after` stands behind each.
fn tiff_file(
    strips: &[Vec<u8>],
    compression: u16,
    tables: &[u8],
    profile: &[u8],
    length: Option<u32>,
    after: &[u8],
) -> Vec<u8> {
    let mut data: Vec<Vec<u8>> = strips.iter().map(|strip| [strip, after].concat()).collect();
    data.extend([tables, profile].map(<[u8]>::to_vec));
    let mut at = 256;
    let places: Vec<u32> = data
        .iter()
        .map(|data| {
            let place = at;
            at += data.len() as u32;
            place
        })
        .collect();
    let lists_at = at;
    let lengths = [strips[0].len() as u32, length.unwrap_or(0)];
    let lists = [places[0], places[1], lengths[0], lengths[1]].map(u32::to_le_bytes).concat();
    let mut entries = vec![
        (0x0100_u16, 3_u16, 1, 24),
        (0x0101, 3, 1, 16),
        (0x0102, 3, 1, 8),
        (0x0103, 3, 1, compression.into()),
        (0x0106, 3, 1, 1),
        (0x0111, 4, 2, lists_at),
        (0x0115, 3, 1, 1),
        (0x0116, 3, 1, 8),
        (0x0117, 4, 2, lists_at + 8),
    ];
    if !tables.is_empty() {
        entries.push((0x015b, 7, tables.len() as u32, places[2]));
    }
    if !profile.is_empty() {
        entries.push((0x8773, 7, profile.len() as u32, places[3]));
    }
    let mut file = b"II*\0\x08\0\0\0".to_vec();
    file.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in entries {
        file.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        file.extend([count, value].map(u32::to_le_bytes).concat());
    }
    file.resize(256, 0);
    file.extend(data.concat());
    file.extend(lists);
    file
}

#[test]
fn tiff() {
    let rows: Vec<u8> = (0..24 * 16_u32).map(|i| (i * i / 40) as u8).collect();
    for compression in [1, 5, 8, 32_773] {
        let strips: Vec<_> = rows.chunks(24 * 8).map(|rows| compressed(rows, compression)).collect();
        let len = strips[1].len() as u32;
        let file = |length, after: &[u8]| tiff_file(&strips, compression, &[], &[], length, after);
        let plain = file(Some(len), &[]);
        check(&plain, [] as [(&str, Vec<u8>); 0]);
        for length in [None, Some(len), Some(len + HIDDEN.len() as u32)] {
            let out = stripped(&file(length, HIDDEN), Keep::None).unwrap();
            assert!(!contains(&out, MARKER), "{compression} {length:?}");
            assert_eq!(pixels(&out), pixels(&plain), "{compression} {length:?}");
        }
    }
    let strips: Vec<_> = rows.chunks(24 * 8).map(<[u8]>::to_vec).collect();
    let file = |profile: &[u8]| tiff_file(&strips, 1, &[], profile, Some(192), &[]);
    for (content, stays) in [(HIDDEN.to_vec(), false), ([&profile(), HIDDEN].concat(), true)] {
        let out = stripped(&file(&content), Keep::None).unwrap();
        assert!(!contains(&out, MARKER));
        let icc = container::icc_profile(&out, sniff(&out).unwrap(), &Cancellation::unbounded()).unwrap();
        assert_eq!(icc.as_deref(), stays.then(profile).as_deref());
    }
}

#[test]
fn fax_in_tiff() {
    // Six rows of 70 pixels, as libtiff 4.5 writes them.
    let group_4: &[u8] = &[
        0x26, 0xb1, 0xfd, 0x58, 0x7b, 0x42, 0x40, 0xb0, 0xd4, 0x81, 0x84, 0x84, 0x19, 0x50, 0xc1, 0x82, 0x28, 0x44,
        0x60, 0x6e, 0x00, 0x20, 0x02,
    ];
    let group_3: &[u8] = &[
        0x00, 0x19, 0xad, 0xfa, 0xd2, 0x00, 0x13, 0x0f, 0x60, 0x03, 0x35, 0x03, 0xc8, 0x00, 0x44, 0x0c, 0x24, 0x00,
        0x66, 0x01, 0xd4, 0x30, 0x01, 0x03, 0x04, 0x50, 0x88, 0xc0, 0xdc,
    ];
    let runs: &[u8] = &[
        0x35, 0xbf, 0x5a, 0x40, 0x1d, 0xe6, 0xb6, 0x35, 0x03, 0xc8, 0x03, 0x08, 0x06, 0x30, 0x0e, 0xa1, 0x80, 0x1a,
        0x15, 0x08, 0x60,
    ];
    let file = |data: &[u8], compression: u32, fill_order: u32, tail: &[u8]| {
        let data: Vec<u8> = match fill_order {
            2 => data.iter().map(|byte| byte.reverse_bits()).chain(tail.iter().copied()).collect(),
            _ => [data, tail].concat(),
        };
        let entries: [(u16, u32); 10] = [
            (0x0100, 70),
            (0x0101, 6),
            (0x0102, 1),
            (0x0103, compression),
            (0x0106, 0),
            (0x010a, fill_order),
            (0x0111, 256),
            (0x0116, 6),
            (0x0117, data.len() as u32),
            (0x0124, 1),
        ];
        let mut file = b"II*\0\x08\0\0\0\x0a\0".to_vec();
        for (tag, value) in entries {
            file.extend([&tag.to_le_bytes()[..], &[4, 0, 1, 0, 0, 0], &value.to_le_bytes()].concat());
        }
        file.resize(256, 0);
        file.extend(data);
        file
    };
    for (compression, data) in [(2, runs), (3, group_3), (4, group_4)] {
        for fill_order in [1, 2] {
            let plain = file(data, compression, fill_order, b"");
            assert_eq!(stripped(&plain, Keep::None).unwrap(), plain, "{compression}, {fill_order}");
            let out = stripped(&file(data, compression, fill_order, HIDDEN), Keep::None).unwrap();
            assert!(!contains(&out, MARKER), "{compression}, {fill_order}");
            assert_eq!(pixels(&out), pixels(&plain), "{compression}, {fill_order}");
            // Fewer rows than there have to be: nothing is known of the rest.
            let cut = file(&data[..9], compression, fill_order, b"");
            assert_eq!(stripped(&cut, Keep::None).unwrap(), cut, "{compression}, {fill_order}");
        }
    }
}

#[test]
fn jpegs_in_tiff() {
    let jpeg = |y: u32| {
        let grey = image::GrayImage::from_fn(24, 8, |x, row| image::Luma([(x * 9 + (row + y) * 3) as u8]));
        let mut file = Cursor::new(Vec::new());
        image::DynamicImage::from(grey).write_to(&mut file, ImageFormat::Jpeg).unwrap();
        stripped(&file.into_inner(), Keep::None).unwrap()
    };
    let plain: Vec<_> = [jpeg(0), jpeg(8)].to_vec();
    let len = plain[1].len() as u32;
    let expected = pixels(&tiff_file(&plain, 7, &[], &[], Some(len), &[]));
    check(&tiff_file(&plain, 7, &[], &[], Some(len), &[]), [] as [(&str, Vec<u8>); 0]);
    let hide = |file: &[u8], at: usize| with(file, at, &segment(0xe1, &[b"Exif\0\0", HIDDEN].concat()));
    // The tables of the first JPEG, which are those of the second as well.
    let tables: Vec<u8> = {
        let scan = plain[0].windows(2).position(|bytes| bytes == [0xff, 0xda]).unwrap();
        let steps = plain[0].windows(2).position(|bytes| bytes == [0xff, 0xdb]).unwrap();
        [&[0xff, 0xd8], &plain[0][steps..scan], &[0xff, 0xd9]].concat()
    };
    for after in [b"".as_slice(), HIDDEN] {
        for length in [None, Some(len + 8)] {
            let strips: Vec<_> = plain.iter().map(|file| hide(file, 2)).collect();
            for tables in [Vec::new(), hide(&tables, 2)] {
                let file = tiff_file(&strips, 7, &tables, &[], length.map(|_| strips[1].len() as u32), after);
                assert!(contains(&file, MARKER));
                let out = stripped(&file, Keep::None).unwrap();
                assert!(!contains(&out, MARKER), "{length:?}");
                assert_eq!(pixels(&out), expected, "{length:?}");
                assert_eq!(stripped(&out, Keep::None).unwrap(), out);
            }
        }
    }
}
