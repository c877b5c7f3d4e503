use super::super::Area;
use super::*;

/// A file with a header of this length and the given fields, as far as they fit, followed by `behind` and `pixels`.
fn file(length: u32, fields: &[(usize, &[u8])], behind: &[u8], pixels: &[u8]) -> Vec<u8> {
    let mut header = vec![0; length as usize];
    header[..4].copy_from_slice(&length.to_le_bytes());
    for (at, bytes) in fields.iter().filter(|(at, _)| *at < length as usize) {
        header[*at..*at + bytes.len()].copy_from_slice(bytes);
    }
    let start = (FILE_HEADER + header.len() + behind.len()) as u32;
    [b"BM\0\0\0\0\0\0\0\0", start.to_le_bytes().as_slice(), &header, behind, pixels].concat()
}

/// The fields for size, planes, bits and compression.
fn info(width: i32, height: i32, bits: u16, compression: u32) -> Vec<(usize, Vec<u8>)> {
    vec![
        (4, width.to_le_bytes().to_vec()),
        (8, height.to_le_bytes().to_vec()),
        (12, vec![1, 0]),
        (14, bits.to_le_bytes().to_vec()),
        (16, compression.to_le_bytes().to_vec()),
    ]
}

fn bitmap(length: u32, fields: &[(usize, Vec<u8>)], behind: &[u8], pixels: &[u8]) -> Vec<u8> {
    let fields: Vec<_> = fields.iter().map(|(at, bytes)| (*at, bytes.as_slice())).collect();
    file(length, &fields, behind, pixels)
}

fn decoded(bytes: &[u8], area: Option<Area>, scale: f64) -> Result<Decoded, Error> {
    let (budget, cancellation) = (Budget { pixels: 1 << 20, memory: 1 << 20 }, Cancellation::unbounded());
    let header = Bmp.probe(bytes, budget, &cancellation)?;
    let area = area.unwrap_or(Area::whole(header.width, header.height));
    let decoded = Bmp.decode(bytes, &DecodeOptions { scale, ..DecodeOptions::new(area, budget, &cancellation) })?;
    assert_eq!((decoded.raster.channels(), header.format), (header.channels, Format::Bmp));
    Ok(decoded)
}

fn samples(bytes: &[u8]) -> Vec<u8> {
    decoded(bytes, None, 1.0).unwrap().raster.samples().as_bytes().to_vec()
}

/// Name; header length, bits, compression and masks; two pixels, and the expected output.
type Masked<'a> = (&'a str, u32, u16, u32, Vec<u8>, &'a [u8], &'a [u8]);
/// Name; bits, compression and height; the encoded data, the greys of 4 by 2 pixels, and the flaw.
type Code<'a> = (&'a str, u16, u32, i32, &'a [u8], [u8; 8], Option<Flaw>);

const GREYS: [u8; 16] = [10, 10, 10, 0, 20, 20, 20, 0, 30, 30, 30, 0, 40, 40, 40, 0];

#[test]
fn every_header_is_read() {
    // A row of 10, 20, 30 above one of 40, 10, 10, stored bottom-up.
    let rows = [0x32, 0, 0, 0, 0x11, 0, 0, 0];
    let (low, high) = ([0xc0, 0, 0, 0], [0x18, 0, 0, 0]);
    let two = [low, high].concat();
    let expected: Vec<u8> = [10, 20, 30, 40, 10, 10].into_iter().flat_map(|grey| [grey; 3]).collect();
    for length in [16, 24, 40, 52, 56, 64, 108, 124] {
        let bytes = bitmap(length, &info(3, 2, 2, 0), &GREYS, &two);
        assert_eq!(samples(&bytes), expected, "{length}");
    }
    let narrow: Vec<u8> = GREYS.chunks(4).flat_map(|colour| colour[..3].to_vec()).collect();
    let core = file(12, &[(4, &[3, 0, 2, 0, 1, 0, 2, 0])], &narrow, &two);
    assert_eq!(samples(&core), expected);
    // Top-down, with an invalid number of planes and of colours.
    let mut fields = info(3, -2, 2, 0);
    fields.extend([(12, vec![9, 9]), (32, vec![44, 1])]);
    let many = [GREYS.to_vec(), vec![0; 4 * 296]].concat();
    assert_eq!(samples(&bitmap(40, &fields, &many, &[high, low].concat())), expected);
    let four = bitmap(40, &info(3, 2, 4, 0), &GREYS, &rows);
    let greys: Vec<u8> = samples(&four).into_iter().step_by(3).collect();
    assert_eq!(greys, [20, 20, 10, 40, 30, 10]);
    // A colour table that is truncated by the pixels: missing colours are black.
    let mut cut = bitmap(40, &info(2, 1, 8, 0), &GREYS[..8], &[1, 2, 0, 0]);
    assert_eq!(samples(&cut), [20, 20, 20, 0, 0, 0]);
    // An offset of zero is ignored.
    cut[10..14].fill(0);
    assert!(matches!(decoded(&cut, None, 1.0), Err(Error::Damaged { .. })));
}

#[test]
fn bits_mean_what_masks_say() {
    let masks = |masks: [u32; 4]| masks.map(u32::to_le_bytes).concat();
    let bytes = |red, green, blue, alpha| masks([red, green, blue, alpha]);
    let a1r5g5b5 = bytes(0x7c00, 0x3e0, 0x1f, 0x8000);
    let table: [Masked<'_>; 10] = [
        ("24 bits", 40, 24, 0, vec![], &[1, 2, 3, 4, 5, 6, 0, 0], &[3, 2, 1, 6, 5, 4]),
        ("32 bits", 40, 32, 0, vec![], &[1, 2, 3, 9, 4, 5, 6, 9], &[3, 2, 1, 6, 5, 4]),
        ("15 bits", 40, 16, 0, vec![], &[0x1f, 0, 0, 0x7c], &[0, 0, 255, 255, 0, 0]),
        ("masks behind", 40, 16, 3, bytes(0xf800, 0x7e0, 0x1f, 0), &[0, 0xf8, 0xe0, 7], &[255, 0, 0, 0, 255, 0]),
        ("alpha behind", 40, 16, 6, a1r5g5b5.clone(), &[0x1f, 0x80, 0x1f, 0], &[0, 0, 255, 255, 0, 0, 255, 0]),
        ("masks of V3", 56, 16, 3, a1r5g5b5.clone(), &[0x1f, 0x80, 0x1f, 0], &[0, 0, 255, 255, 0, 0, 255, 0]),
        ("alpha without effect", 56, 16, 3, a1r5g5b5, &[0x1f, 0, 0, 0], &[0, 0, 255, 255, 0, 0, 0, 255]),
        (
            "alpha of V5 without masks",
            124,
            32,
            0,
            bytes(0, 0, 0, 0xff00_0000),
            &[1, 2, 3, 9, 4, 5, 6, 0],
            &[3, 2, 1, 9, 6, 5, 4, 0],
        ),
        (
            "ten bits",
            56,
            32,
            3,
            bytes(0x3ff, 0xf_fc00, 0x3ff0_0000, 0xc000_0000),
            &[0xff, 3, 0, 0x40, 0, 0xfe, 0xf7, 0xff],
            &[255, 0, 0, 85, 128, 127, 255, 255],
        ),
        ("no mask", 52, 32, 3, bytes(0xff, 0, 0, 0), &[1, 2, 3, 4, 5, 6, 7, 8], &[1, 0, 0, 5, 0, 0]),
    ];
    for (name, length, bits, compression, masks, pixels, expected) in table {
        let mut fields = info(2, 1, bits, compression);
        let in_header = length as usize > INFO_LEN;
        if in_header {
            fields.push((INFO_LEN, masks[..masks.len().min(length as usize - INFO_LEN)].to_vec()));
        }
        let behind = match compression {
            3 if !in_header => &masks[..12],
            6 => &masks[..],
            _ => &[],
        };
        assert_eq!(samples(&bitmap(length, &fields, behind, pixels)), expected, "{name}");
    }
}

#[test]
fn runs_are_followed_as_far_as_they_go() {
    let greys = |bytes: &[u8]| -> (Vec<u8>, Option<Flaw>) {
        let decoded = decoded(bytes, None, 1.0).unwrap();
        (decoded.raster.samples().as_bytes().iter().step_by(3).copied().collect(), decoded.flaw)
    };
    let cut = Some(Flaw::CutShort);
    let table: [Code<'_>; 10] = [
        ("runs", 8, 1, 2, &[4, 1, 0, 0, 2, 2, 2, 3, 0, 1], [30, 30, 40, 40, 20, 20, 20, 20], None),
        ("from the top down", 8, 1, -2, &[4, 1, 0, 0, 4, 2, 0, 1], [20, 20, 20, 20, 30, 30, 30, 30], None),
        ("a list", 8, 1, 2, &[0, 3, 1, 2, 3, 0, 1, 1, 0, 1], [10, 10, 10, 10, 20, 30, 40, 20], None),
        ("a jump", 8, 1, 2, &[0, 2, 1, 1, 2, 2, 0, 1], [10, 30, 30, 10, 10, 10, 10, 10], None),
        ("beyond the edge", 8, 1, 2, &[200, 1, 0, 0, 0, 4, 2, 2, 2, 2], [30, 30, 30, 30, 20, 20, 20, 20], None),
        ("a jump out of it", 8, 1, 2, &[4, 1, 0, 2, 255, 255, 4, 2], [10, 10, 10, 10, 20, 20, 20, 20], None),
        ("no end", 8, 1, 2, &[4, 1], [10, 10, 10, 10, 20, 20, 20, 20], cut),
        ("a list without end", 8, 1, 2, &[0, 4, 1, 2], [10, 10, 10, 10, 20, 30, 10, 10], cut),
        ("nibbles", 4, 2, 2, &[4, 0x12, 0, 0, 0, 3, 0x31, 0x20, 0, 1], [40, 20, 30, 10, 20, 30, 20, 30], None),
        ("a list of nibbles", 4, 2, 2, &[0, 4, 0x12, 0x31, 0, 1], [10, 10, 10, 10, 20, 30, 40, 20], None),
    ];
    for (name, bits, compression, height, runs, expected, flaw) in table {
        let bytes = bitmap(40, &info(4, height, bits, compression), &GREYS, runs);
        assert_eq!(greys(&bytes), (expected.to_vec(), flaw), "{name}");
        for end in 0..bytes.len() {
            let _ = decoded(&bytes[..end], None, 1.0);
        }
    }
    let os2 = [2, 1, 2, 3, 0, 0, 0, 3, 4, 5, 6, 7, 8, 9, 1, 1, 1, 0, 0, 1];
    let bytes = bitmap(64, &info(3, 2, 24, 4), &[], &os2);
    assert_eq!(samples(&bytes), [6, 5, 4, 9, 8, 7, 1, 1, 1, 3, 2, 1, 3, 2, 1, 0, 0, 0]);
}

#[test]
fn other_formats_may_stand_inside() {
    let pixels = Raster::new(8, 8, Channels::Rgb, Samples::U8(vec![100; 192])).unwrap();
    let options = crate::EncodeOptions { lossless: true, ..crate::EncodeOptions::DEFAULT };
    for (compression, format) in [(4, Format::Jpeg), (5, Format::Png)] {
        let encoder = super::super::encoder(format).unwrap();
        let inside = encoder.encode(&pixels, &options, Budget::UNLIMITED, &Cancellation::unbounded()).unwrap();
        let bytes = bitmap(40, &info(8, 8, 0, compression), &[], &inside);
        assert!(samples(&bytes).iter().all(|sample| *sample == 100), "{format}");
    }
}

#[test]
fn a_part_may_be_had_and_a_smaller_picture() {
    let pixels: Vec<u8> = (0..64).flat_map(|i| [i, i, i, 255]).collect();
    let bytes = bitmap(40, &info(8, -8, 32, 0), &[], &pixels);
    let part = decoded(&bytes, Some(Area { x: 2.5, y: 6.0, width: 1.0, height: 1.0 }), 1.0).unwrap();
    assert_eq!(part.area, Area { x: 2.0, y: 6.0, width: 2.0, height: 1.0 });
    assert_eq!(part.raster.samples().as_bytes(), [50, 50, 50, 51, 51, 51]);
    let small = decoded(&bytes, None, 0.125).unwrap();
    assert_eq!((small.raster.width(), small.raster.samples().as_bytes()[0]), (2, 14));
    let cut = decoded(&bytes[..bytes.len() - 40], None, 1.0).unwrap();
    let shown = cut.raster.samples().as_bytes();
    assert_eq!((cut.flaw, shown[53 * 3], &shown[54 * 3..]), (Some(Flaw::CutShort), 53, [MISSING; 30].as_slice()));
}

#[test]
fn claims_are_checked_before_they_cost_anything() {
    let table = [
        bitmap(40, &info(60_000, 60_000, 24, 0), &[], &[]),
        bitmap(40, &info(i32::MAX, i32::MIN, 32, 0), &[], &[]),
        bitmap(40, &info(1 << 30, 1, 8, 0), &[], &[]),
        // The encoded data alone could be decoded, but not into so many pixels.
        bitmap(40, &info(1024, 1024, 8, 1), &[], &[0, 1]),
        bitmap(40, &info(0, 1, 8, 0), &[], &[0]),
        bitmap(40, &info(-1, 1, 8, 0), &[], &[0]),
        bitmap(40, &info(1, 0, 8, 0), &[], &[0]),
        bitmap(40, &info(1, 1, 8, 2), &[], &[0, 1]),
        bitmap(40, &info(1, 1, 8, 3), &[0; 12], &[0]),
        bitmap(40, &info(2, 2, 24, 0), &[], &[]),
        file(14, &[], &[], &[]),
        b"BM".to_vec(),
    ];
    for bytes in table {
        let refused = decoded(&bytes, None, 1.0).map(|decoded| decoded.raster.width());
        assert!(matches!(refused, Err(Error::TooLarge { .. } | Error::Damaged { .. })), "{refused:?}");
    }
    for (bits, compression, reason) in [(64, 0, "64 bits"), (24, 12, "inks"), (24, 99, "compression 99")] {
        let refused = decoded(&bitmap(40, &info(1, 1, bits, compression), &[], &[0; 8]), None, 1.0).map(|_| ());
        assert!(matches!(&refused, Err(Error::Unsupported(text)) if text.contains(reason)), "{refused:?}");
    }
}
