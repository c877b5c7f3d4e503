use super::*;
use crate::{Area, Cancellation, Channels, Flaw, MISSING};

/// A field's tag and its values of 32 bits.
type Entry<'a> = (u16, &'a [u32]);
/// A name, the fields and bytes of a row, and what it becomes.
type Sample<'a> = (&'a str, &'a [Entry<'a>], &'a [u8], Channels, Samples);

/// A TIFF of one page with these fields and its chunks behind them.
fn file(fields: &[Entry<'_>], tiled: bool, chunks: &[Vec<u8>]) -> Vec<u8> {
    let (offsets_tag, lengths_tag) = if tiled { (0x0144, 0x0145) } else { (0x0111, 0x0117) };
    let count = fields.len() + 2;
    let mut values = Vec::new();
    let values_at = 8 + 2 + count * 12 + 4;
    let value_bytes: usize = fields.iter().map(|(_, v)| if v.len() > 1 { v.len() * 4 } else { 0 }).sum();
    let lists = if chunks.len() > 1 { chunks.len() * 4 } else { 0 };
    let mut at = (values_at + value_bytes + 2 * lists) as u32;
    let offsets: Vec<u32> = chunks
        .iter()
        .map(|chunk| {
            at += chunk.len() as u32;
            at - chunk.len() as u32
        })
        .collect();
    let lengths: Vec<u32> = chunks.iter().map(|chunk| chunk.len() as u32).collect();
    let mut all: Vec<Entry<'_>> = fields.to_vec();
    all.extend([(offsets_tag, offsets.as_slice()), (lengths_tag, lengths.as_slice())]);
    all.sort_by_key(|(tag, _)| *tag);
    let mut out = b"II*\0\x08\0\0\0".to_vec();
    out.extend((count as u16).to_le_bytes());
    for (tag, list) in all {
        out.extend(tag.to_le_bytes());
        out.extend(4u16.to_le_bytes());
        out.extend((list.len() as u32).to_le_bytes());
        match list {
            [one] => out.extend(one.to_le_bytes()),
            more => {
                out.extend(((values_at + values.len()) as u32).to_le_bytes());
                values.extend(more.iter().flat_map(|value| value.to_le_bytes()));
            }
        }
    }
    out.extend([0; 4]);
    out.extend(values);
    out.extend(chunks.concat());
    out
}

fn decoded(bytes: &[u8], area: Option<Area>, scale: f64) -> Result<Decoded, Error> {
    let budget = Budget { pixels: 1 << 20, memory: 1 << 22 };
    let cancellation = Cancellation::unbounded();
    let header = Tiff.probe(bytes, budget, &Cancellation::unbounded())?;
    let area = area.unwrap_or(Area::whole(header.width, header.height));
    let decoded = Tiff.decode(bytes, &DecodeOptions { scale, ..DecodeOptions::new(area, budget, &cancellation) })?;
    assert_eq!(decoded.raster.channels(), header.channels);
    Ok(decoded)
}

fn packed_bits(row: &[u8]) -> Vec<u8> {
    row.chunks(128).flat_map(|run| [&[run.len() as u8 - 1], run].concat()).collect()
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

fn lzw(bytes: &[u8]) -> Vec<u8> {
    weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8).encode(bytes).unwrap()
}

const W: Entry<'_> = (0x0100, &[5]);
const H: Entry<'_> = (0x0101, &[3]);

/// 5 by 3 pixels of red, green and blue, each sample another.
fn picture() -> Vec<u8> {
    (0..45).map(|i| i * 5).collect()
}

#[test]
fn every_compression_gives_the_same_picture() {
    let none: fn(&[u8]) -> Vec<u8> = <[u8]>::to_vec;
    for (name, number, compress) in [
        ("none", 1, none),
        ("lzw", 5, lzw as fn(&[u8]) -> Vec<u8>),
        ("deflate", 8, deflated),
        ("packbits", 32_773, packed_bits),
    ] {
        let base = [W, H, (0x0102, &[8, 8, 8]), (0x0103, &[number]), (0x0106, &[2]), (0x0115, &[3])];
        let rows: Vec<Vec<u8>> = picture().chunks(15).map(<[u8]>::to_vec).collect();
        let strips: Vec<Vec<u8>> = [rows[..2].concat(), rows[2].clone()].iter().map(|strip| compress(strip)).collect();
        let striped = file(&[&base[..], &[(0x0116, &[2])]].concat(), false, &strips);
        let tile = |left: usize, top: usize| {
            let at = |x: usize, y: usize| {
                if x < 5 && y < 3 { picture()[(y * 5 + x) * 3..][..3].to_vec() } else { vec![9; 3] }
            };
            compress(&(top..top + 2).flat_map(|y| (left..left + 4).flat_map(move |x| at(x, y))).collect::<Vec<_>>())
        };
        let tiles = [tile(0, 0), tile(4, 0), tile(0, 2), tile(4, 2)];
        let tiled = file(&[&base[..], &[(0x0142, &[4]), (0x0143, &[2])]].concat(), true, &tiles);
        for bytes in [&striped, &tiled] {
            let whole = decoded(bytes, None, 1.0).unwrap();
            assert_eq!(whole.raster.samples().as_bytes(), picture(), "{name}");
            let part = decoded(bytes, Some(Area { x: 3.2, y: 1.0, width: 1.5, height: 2.0 }), 1.0).unwrap();
            assert_eq!(part.area, Area { x: 3.0, y: 1.0, width: 2.0, height: 2.0 }, "{name}");
            let expected: Vec<u8> = [&picture()[24..30], &picture()[39..45]].concat();
            assert_eq!(part.raster.samples().as_bytes(), expected, "{name}");
            let small = decoded(bytes, None, 0.2).unwrap();
            assert_eq!((small.raster.width(), small.raster.height()), (3, 2), "{name}");
            for end in 8..bytes.len() {
                let _ = decoded(&bytes[..end], None, 1.0);
            }
        }
    }
}

#[test]
fn samples_become_what_they_mean() {
    let table: [Sample<'_>; 27] = [
        (
            "bits, white is zero",
            &[(0x0102, &[1]), (0x0106, &[0])],
            &[0b1010_0000],
            Channels::L,
            vec![0u8, 255, 0].into(),
        ),
        ("two bits", &[(0x0102, &[2]), (0x0106, &[1])], &[0b0001_1000], Channels::L, vec![0u8, 85, 170].into()),
        (
            "a palette of four bits",
            &[(0x0102, &[4]), (0x0106, &[3]), (0x0140, &[0x0100; 48])],
            &[0x01, 0x20],
            Channels::Rgb,
            vec![1u8; 9].into(),
        ),
        (
            "16 bits of grey in differences",
            &[(0x0102, &[16]), (0x0106, &[1]), (0x013d, &[2])],
            &[1, 2, 0, 1, 255, 255],
            Channels::L,
            vec![0x0201u16, 0x0301, 0x0300].into(),
        ),
        (
            "grey with straight alpha",
            &[(0x0102, &[8, 8]), (0x0106, &[1]), (0x0115, &[2]), (0x0152, &[2])],
            &[1, 2, 3, 4, 5, 6],
            Channels::La,
            vec![1u8, 2, 3, 4, 5, 6].into(),
        ),
        (
            "grey with associated alpha",
            &[(0x0102, &[8, 8]), (0x0106, &[1]), (0x0115, &[2]), (0x0152, &[1])],
            &[64, 128, 9, 0, 200, 100],
            Channels::La,
            vec![128u8, 128, 0, 0, 255, 100].into(),
        ),
        (
            "planes",
            &[(0x0102, &[8, 8, 8]), (0x0106, &[2]), (0x0115, &[3]), (0x011c, &[2])],
            &[1, 2, 3],
            Channels::Rgb,
            vec![1u8, 11, 21, 2, 12, 22, 3, 13, 23].into(),
        ),
        (
            "inks",
            &[(0x0102, &[8; 4]), (0x0106, &[5]), (0x0115, &[4])],
            &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
            Channels::Cmyk,
            vec![1u8, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12].into(),
        ),
        (
            "luma and chroma",
            &[(0x0102, &[8; 3]), (0x0106, &[6]), (0x0115, &[3]), (0x0212, &[1, 1])],
            &[100, 128, 128, 76, 85, 255, 0, 0, 0],
            Channels::Rgb,
            vec![100u8, 100, 100, 254, 0, 0, 0, 135, 0].into(),
        ),
        (
            "a sample of which nothing is said",
            &[(0x0102, &[8; 4]), (0x0106, &[2]), (0x0115, &[4]), (0x0152, &[0])],
            &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
            Channels::Rgba,
            vec![1u8, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12].into(),
        ),
        (
            "12 bits",
            &[(0x0102, &[12]), (0x0106, &[1])],
            &[0x00, 0x0f, 0xff, 0x80, 0x00],
            Channels::L,
            vec![0u16, 65_535, 32_776].into(),
        ),
        (
            "24 bits",
            &[(0x0102, &[24]), (0x0106, &[1])],
            &[1, 2, 3, 4, 5, 6, 0xff, 0xfe, 0xfd],
            Channels::L,
            vec![0x0302u16, 0x0605, 0xfdfe].into(),
        ),
        (
            "32 bits in differences",
            &[(0x0102, &[32]), (0x0106, &[1]), (0x013d, &[2])],
            &[0, 0, 1, 2, 0, 0, 1, 0, 0, 0, 0, 0x80],
            Channels::L,
            vec![0x0201u16, 0x0202, 0x8202].into(),
        ),
        (
            "signed numbers",
            &[(0x0102, &[16]), (0x0106, &[1]), (0x0153, &[2])],
            &[0xff, 0xff, 0x01, 0x02, 0xff, 0x7f],
            Channels::L,
            vec![0u16, 0x0201, 0x7fff].into(),
        ),
        (
            "signed numbers of 8 bits",
            &[(0x0102, &[8]), (0x0106, &[1]), (0x0153, &[2])],
            &[0xff, 1, 0x7f],
            Channels::L,
            vec![0u8, 1, 127].into(),
        ),
        (
            "floating point of 32 bits",
            &[(0x0102, &[32]), (0x0106, &[1]), (0x0153, &[3])],
            &[0, 0, 0, 0x3f, 0, 0, 0, 0xc0, 0, 0, 0xc0, 0x7f],
            Channels::L,
            // A half, -2, and no number.
            vec![32_768u16, 0, 0].into(),
        ),
        (
            "floating point of 16 bits",
            &[(0x0102, &[16]), (0x0106, &[0]), (0x0153, &[3])],
            &[0x00, 0x38, 0x00, 0x34, 0x00, 0x7c],
            Channels::L,
            // A half, a quarter, and infinity, where white is zero.
            vec![32_767u16, 49_151, 0].into(),
        ),
        (
            "floating point of 24 bits",
            &[(0x0102, &[24]), (0x0106, &[1]), (0x0153, &[3])],
            &[0, 0, 0x3e, 0, 0, 0x3f, 0, 0, 0],
            Channels::L,
            vec![32_768u16, 65_535, 0].into(),
        ),
        (
            "floating point of 64 bits with the predictor for it",
            &[(0x0102, &[64]), (0x0106, &[1]), (0x0153, &[3]), (0x013d, &[3])],
            // 0.5, 1.0 and 0.25 as 3fe0, 3ff0 and 3fd0 with zeros behind, the highest bytes first, in differences.
            &[&[0x3f, 0, 0, 0xa1, 0x10, 0xe0, 0x30], [0u8; 17].as_slice()].concat(),
            Channels::L,
            vec![32_768u16, 65_535, 16_384].into(),
        ),
        (
            "the lowest bits first",
            &[(0x0102, &[1]), (0x0106, &[1]), (0x010a, &[2])],
            &[0b0000_0101],
            Channels::L,
            vec![255u8, 0, 255].into(),
        ),
        (
            "a palette of 16 bits with straight alpha",
            &[(0x0102, &[16; 2]), (0x0106, &[3]), (0x0115, &[2]), (0x0140, &[0x0700; 3 << 16]), (0x0152, &[2])],
            &[1, 0, 255, 255, 2, 0, 0, 0, 3, 0, 0, 128],
            Channels::Rgba,
            vec![7u8, 7, 7, 255, 7, 7, 7, 0, 7, 7, 7, 128].into(),
        ),
        (
            "inks with alpha",
            &[(0x0102, &[8; 5]), (0x0106, &[5]), (0x0115, &[5]), (0x0152, &[2])],
            &[0, 0, 0, 0, 9, 255, 0, 0, 0, 8, 0, 0, 0, 255, 7],
            Channels::Rgba,
            vec![255u8, 255, 255, 9, 0, 255, 255, 8, 0, 0, 0, 7].into(),
        ),
        (
            "inks with a fifth of which nothing is said",
            &[(0x0102, &[8; 5]), (0x0106, &[5]), (0x0115, &[5]), (0x0152, &[0])],
            &[1, 2, 3, 4, 9, 5, 6, 7, 8, 9, 9, 10, 11, 12, 9],
            Channels::Cmyk,
            vec![1u8, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12].into(),
        ),
        (
            "alpha behind another sample",
            &[(0x0102, &[8; 3]), (0x0106, &[1]), (0x0115, &[3]), (0x0152, &[0, 2])],
            &[1, 9, 2, 3, 9, 4, 5, 9, 6],
            Channels::La,
            vec![1u8, 2, 3, 4, 5, 6].into(),
        ),
        (
            "L*a*b* in two's complement",
            &[(0x0102, &[8; 3]), (0x0106, &[8]), (0x0115, &[3])],
            &[255, 0, 0, 128, 2, 210, 138, 81, 70],
            Channels::Rgb,
            vec![255u8, 255, 255, 72, 121, 198, 255, 0, 0].into(),
        ),
        (
            "L*a*b* with an offset, in 16 bits",
            &[(0x0102, &[16; 3]), (0x0106, &[9]), (0x0115, &[3])],
            &[0, 255, 0, 128, 0, 128, 0, 0, 0, 128, 0, 128, 0, 128, 0, 130, 0, 82],
            Channels::Rgb,
            vec![65_535u16, 65_535, 65_535, 0, 0, 0, 18_555, 31_094, 50_930].into(),
        ),
        (
            "more samples than are known",
            &[(0x0102, &[8; 5]), (0x0106, &[2]), (0x0115, &[5]), (0x0152, &[0, 0])],
            &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
            Channels::Rgb,
            vec![1u8, 2, 3, 6, 7, 8, 11, 12, 13].into(),
        ),
    ];
    for (name, fields, row, channels, expected) in table {
        let fields = [&[(0x0100, [3].as_slice()), (0x0101, &[1])], fields].concat();
        let more = |step: u8| row.iter().map(|byte| byte.wrapping_add(step)).collect();
        let planes = [row.to_vec(), more(10), more(20)];
        let chunks = if name == "planes" { &planes[..] } else { &planes[..1] };
        let decoded =
            decoded(&file(&fields, false, chunks), None, 1.0).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((decoded.raster.channels(), decoded.raster.samples()), (channels, &expected), "{name}");
    }
}

#[test]
fn what_is_not_read_says_so() {
    let rgb: [Entry<'_>; 5] = [W, H, (0x0102, &[8, 8, 8]), (0x0106, &[2]), (0x0115, &[3])];
    let grey = |bits: &'static [u32]| [W, H, (0x0102, bits), (0x0106, &[1])];
    let luma: [Entry<'_>; 5] = [W, H, (0x0102, &[8, 8, 8]), (0x0106, &[6]), (0x0115, &[3])];
    let table: [(&[Entry<'_>], &[Entry<'_>], &str); 13] = [
        (&rgb, &[(0x0103, &[6])], "JPEG of the old kind"),
        (&rgb, &[(0x0103, &[50_000])], "Zstandard"),
        (&rgb, &[(0x0103, &[12_345])], "compression 12345"),
        (&rgb, &[(0xc612, &[1])], "digital negative"),
        (&rgb, &[(0x0153, &[6, 6, 6])], "complex numbers"),
        (&grey(&[33]), &[], "whole numbers of 33 bits"),
        (&grey(&[8]), &[(0x0153, &[3])], "floating point numbers of 8 bits"),
        (&grey(&[12]), &[(0x013d, &[2])], "differences of samples of other than"),
        (&[W, H, (0x0102, &[5, 6, 5]), (0x0106, &[2]), (0x0115, &[3])], &[], "samples of different kinds"),
        (&[W, H, (0x0102, &[8]), (0x0106, &[32_803])], &[], "raw samples of a sensor"),
        (&[W, H, (0x0102, &[32]), (0x0106, &[3]), (0x0140, &[0; 8])], &[], "whole numbers of up to 16 bits"),
        (&luma, &[(0x0103, &[5]), (0x013d, &[2])], "subsampled chroma with a predictor"),
        (&luma, &[(0x011c, &[2])], "subsampled chroma in planes"),
    ];
    for (base, more, reason) in table {
        let bytes = file(&[base, more].concat(), false, &[picture()]);
        let error = decoded(&bytes, None, 1.0).unwrap_err();
        assert!(matches!(&error, Error::Unsupported(text) if text.contains(reason)), "{reason}: {error:?}");
    }
}

#[test]
fn subsampled_chroma_stands_for_several_pixels() {
    // Units of 2 by 2 in a strip of 5 by 3: three beside each other, the last of which reach beyond the edges.
    let unit = |luma: u8, blue: u8, red: u8| [luma, luma + 1, luma + 2, luma + 3, blue, red];
    let units = [unit(10, 128, 128), unit(20, 128, 128), unit(30, 128, 228), unit(40, 28, 128), unit(50, 128, 128)];
    let strip = [units.concat(), unit(60, 128, 128).to_vec()].concat();
    let luma: [Entry<'_>; 5] = [W, H, (0x0102, &[8, 8, 8]), (0x0106, &[6]), (0x0115, &[3])];
    for (compression, strip) in [(1, strip.clone()), (5, lzw(&strip)), (8, deflated(&strip))] {
        let compression = [compression];
        let bytes = file(&[&luma[..], &[(0x0103, &compression)]].concat(), false, &[strip]);
        let raster = decoded(&bytes, None, 1.0).unwrap().raster;
        let reds: Vec<u8> = raster.samples().as_bytes().iter().step_by(3).copied().collect();
        let blues: Vec<u8> = raster.samples().as_bytes().iter().skip(2).step_by(3).copied().collect();
        // 1.402 times 100 is added to red, and 1.772 times 100 taken from blue.
        assert_eq!(reds, [10, 11, 20, 21, 170, 12, 13, 22, 23, 172, 40, 41, 50, 51, 60]);
        assert_eq!(blues, [10, 11, 20, 21, 30, 12, 13, 22, 23, 32, 0, 0, 50, 51, 60]);
    }
}

#[test]
fn what_is_missing_is_grey_or_transparent() {
    let grey = |photometric| -> Vec<(u16, u32)> {
        vec![(0x0100, 4), (0x0101, 4), (0x0102, 8), (0x0106, photometric), (0x0116, 2)]
    };
    let shown = |fields: &[(u16, u32)], strips: &[Vec<u8>], cut: usize| {
        let fields: Vec<_> = fields.iter().map(|(tag, value)| (*tag, std::slice::from_ref(value))).collect();
        let bytes = file(&fields, false, strips);
        let decoded = decoded(&bytes[..bytes.len() - cut], None, 1.0)?;
        Ok::<_, Error>((decoded.raster.samples().as_bytes().to_vec(), decoded.flaw))
    };
    let strip = vec![1, 2, 3, 4, 5, 6, 7, 8];
    let both = [strip.clone(), strip.clone()];
    let whole = [strip.as_slice(), &strip].concat();
    for (cut, missing) in [(0, 0), (1, 1), (3, 3), (8, 8), (14, 14), (15, 15)] {
        let expected = [&whole[..16 - missing], &vec![MISSING; missing]].concat();
        let flaw = (cut > 0).then_some(Flaw::CutShort);
        assert_eq!(shown(&grey(1), &both, cut).unwrap(), (expected, flaw), "{cut}");
    }
    assert!(matches!(shown(&grey(1), &both, 16), Err(Error::Damaged { .. })), "nothing is left");
    let alpha = [grey(1), vec![(0x0115, 2)]].concat().into_iter().filter(|(tag, _)| *tag != 0x0116).collect::<Vec<_>>();
    let (shown_with_alpha, _) = shown(&alpha, &[vec![9; 32]], 11).unwrap();
    assert_eq!(shown_with_alpha, [[9; 20].as_slice(), &[0; 12]].concat(), "a pixel of which alpha is cut off");
    // Broken data in the first strip leaves the second.
    let deflate = [grey(1), vec![(0x0103, 8)]].concat();
    let broken = [vec![0xff; 9], deflated(&strip)];
    let expected = [&[MISSING; 8], strip.as_slice()].concat();
    assert_eq!(shown(&deflate, &broken, 0).unwrap(), (expected, Some(Flaw::Damaged)));
}

#[test]
fn a_jpeg_inside_may_break_off() {
    let fields: [Entry<'_>; 5] = [(0x0100, &[64]), (0x0101, &[64]), (0x0102, &[8]), (0x0103, &[7]), (0x0106, &[1])];
    let whole = jpeg(64, 64);
    let decoded = decoded(&file(&fields, false, &[whole[..whole.len() - 8].to_vec()]), None, 1.0).unwrap();
    assert_eq!((decoded.flaw, decoded.raster.samples().as_bytes()[0]), (Some(Flaw::CutShort), 128));
}

#[test]
fn lists_of_strips_and_tiles_are_taken_as_libtiff_takes_them() {
    let quarters = [vec![1; 4], vec![2; 4], vec![3; 4], vec![4; 4]];
    let sides: [Entry<'_>; 6] =
        [(0x0100, &[4]), (0x0101, &[4]), (0x0102, &[8]), (0x0106, &[1]), (0x0142, &[2]), (0x0143, &[2])];
    let expected = [1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4];
    for in_fields_of_tiles in [true, false] {
        let bytes = file(&sides, in_fields_of_tiles, &quarters);
        assert_eq!(decoded(&bytes, None, 1.0).unwrap().raster.samples().as_bytes(), expected);
    }
    // A length of zero is none.
    let mut bytes = file(&sides[..4], false, &[expected.to_vec()]);
    let entry = bytes.windows(4).position(|field| field == [0x17, 0x01, 4, 0]).unwrap();
    bytes[entry + 8..entry + 12].fill(0);
    assert_eq!(decoded(&bytes, None, 1.0).unwrap().raster.samples().as_bytes(), expected);
    // LZW with the lowest bits first, as the first writers had it.
    let old = weezl::encode::Encoder::new(weezl::BitOrder::Lsb, 8).encode(&expected).unwrap();
    let bytes = file(&[&sides[..4], &[(0x0103, &[5])]].concat(), false, &[old]);
    assert_eq!(decoded(&bytes, None, 1.0).unwrap().raster.samples().as_bytes(), expected);
}

#[test]
fn chunks_share_bytes_a_few_times_only() {
    let row = [7; 15];
    // Blocks of Deflate that hold nothing take time to read (RFC 1951, 3.2.4).
    let nothing = [0, 0, 0, 0xff, 0xff].repeat(2000);
    let last = [&[1, row.len() as u8, 0, !(row.len() as u8), 0xff][..], &row].concat();
    let shared = [&[0x78, 0x01][..], &nothing, &last].concat();
    let of_strips = |count: u32| {
        let mut strips = vec![Vec::new(); count as usize - 1];
        strips.push(shared.clone());
        let height = [count];
        let fields: [Entry<'_>; 7] =
            [W, (0x0101, &height), (0x0102, &[8]), (0x0103, &[8]), (0x0106, &[2]), (0x0115, &[3]), (0x0116, &[1])];
        decoded(&file(&fields, false, &strips), None, 1.0)
    };
    let Samples::U8(samples) = of_strips(16).unwrap().raster.into_samples() else { panic!("8 bits came in") };
    assert_eq!(samples, row.repeat(16));
    assert!(of_strips(200).unwrap_err().to_string().contains("over and over"));
}

#[test]
fn the_tiff_says_what_the_samples_of_a_jpeg_mean() {
    // A JPEG of grey with the mark of JFIF, and in a field of its own nothing but the end of its tables.
    let fields: [Entry<'_>; 5] = [(0x0100, &[8]), (0x0101, &[8]), (0x0102, &[8]), (0x0103, &[7]), (0x0106, &[0])];
    let bytes = file(&fields, false, &[jpeg(8, 8)]);
    assert_eq!(decoded(&bytes, None, 1.0).unwrap().raster.samples().as_bytes(), [127; 64]);
    // In colour it has JFIF's luma and chroma, which are red, green and blue where the TIFF says so.
    let gray = |photometric: &'static [u32]| -> Vec<Entry<'static>> {
        let base = [(0x0100u16, [8].as_slice()), (0x0101, &[8]), (0x0102, &[8, 8, 8]), (0x0103, &[7])];
        [base.as_slice(), &[(0x0106, photometric), (0x0115, &[3])]].concat()
    };
    let pixels = |photometric| {
        let raster = decoded(&file(&gray(photometric), false, &[colour_jpeg()]), None, 1.0).unwrap().raster;
        raster.samples().as_bytes()[..3].to_vec()
    };
    assert_eq!(pixels(&[6]), [200, 200, 200]);
    assert_eq!(pixels(&[2]), [200, 128, 128]);
}

#[test]
fn claims_are_checked_before_they_cost_anything() {
    const HUGE: u32 = u32::MAX;
    let table: [(&str, Vec<Entry<'_>>, bool); 6] = [
        ("pixels", vec![(0x0100, &[70_000]), (0x0101, &[70_000])], false),
        (
            "2^32 tiles of one pixel",
            vec![(0x0100, &[65_536]), (0x0101, &[65_536]), (0x0142, &[1]), (0x0143, &[1])],
            true,
        ),
        (
            "a row of a million tiles",
            vec![(0x0100, &[1_000_000]), (0x0101, &[1]), (0x0142, &[1]), (0x0143, &[1])],
            true,
        ),
        ("a tile wider than memory", vec![W, H, (0x0142, &[HUGE]), (0x0143, &[HUGE])], true),
        ("missing strips", vec![W, H, (0x0116, &[1])], false),
        ("more samples than there are", vec![W, H, (0x0115, &[31])], false),
    ];
    for (name, sides, tiled) in table {
        let fields = [&sides[..], &[(0x0102, &[8]), (0x0103, &[8]), (0x0106, &[1])]].concat();
        let error = decoded(&file(&fields, tiled, &[vec![0; 64]]), None, 1.0).map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. } | Error::Damaged { .. }), "{name}: {error:?}");
    }
}

/// A grey JPEG of one colour.
fn jpeg(width: u32, height: u32) -> Vec<u8> {
    jpeg_of(width, height, Channels::L, 128)
}

/// A JPEG of 8 by 8 pixels of one grey, as luma and chroma.
fn colour_jpeg() -> Vec<u8> {
    jpeg_of(8, 8, Channels::Rgb, 200)
}

fn jpeg_of(width: u32, height: u32, channels: Channels, sample: u8) -> Vec<u8> {
    use crate::{EncodeOptions, Encoder, Raster};
    let samples = Samples::U8(vec![sample; (width * height) as usize * channels.count()]);
    let raster = Raster::new(width, height, channels, samples).unwrap();
    let options = EncodeOptions { quality: 100, ..EncodeOptions::DEFAULT };
    crate::jpeg::Jpeg.encode(&raster, &options, Budget::UNLIMITED, &Cancellation::unbounded()).unwrap()
}

#[test]
fn a_jpeg_inside_is_held_against_its_strip_or_tile() {
    let grey = |side: [u32; 2]| vec![(0x0100, side[0]), (0x0101, side[1]), (0x0102, 8), (0x0103, 7), (0x0106, 1)];
    let tile = |side: [u32; 2]| [grey([64, 16]), vec![(0x0142, side[0]), (0x0143, side[1])]].concat();
    let table = [
        ("as large as its tile", tile([16, 16]), true, jpeg(16, 16), true),
        ("much higher than its tile", tile([16, 16]), true, jpeg(16, 65_500), false),
        ("higher than its tile", tile([16, 16]), true, jpeg(16, 17), false),
        ("wider than its tile", tile([16, 16]), true, jpeg(17, 16), false),
        ("narrower than its tile", tile([16, 16]), true, jpeg(15, 16), false),
        ("as large as its strip", grey([64, 16]), false, jpeg(64, 16), true),
        ("a strip that is filled up", grey([64, 5]), false, jpeg(64, 8), true),
        ("a strip with far more rows", grey([64, 5]), false, jpeg(64, 65_500), true),
        ("wider than its strip", grey([64, 16]), false, jpeg(72, 16), false),
    ];
    for (name, fields, tiled, inside, is_read) in table {
        let fields: Vec<_> = fields.iter().map(|(tag, value)| (*tag, std::slice::from_ref(value))).collect();
        let chunks = vec![inside; if tiled { 4 } else { 1 }];
        let outcome = decoded(&file(&fields, tiled, &chunks), None, 1.0);
        match outcome {
            Ok(decoded) => assert!(
                is_read && decoded.flaw.is_none() && decoded.raster.samples().as_bytes().iter().all(|s| *s == 128),
                "{name}"
            ),
            Err(error) => assert!(!is_read && matches!(error, Error::Damaged { .. }), "{name}: {error:?}"),
        }
    }
}

#[test]
fn all_chunks_of_a_band_count() {
    const TILES: usize = 3_000;
    for (compression, chunk) in [(1, vec![0; 256]), (5, lzw(&[0; 256])), (7, jpeg(16, 16)), (8, deflated(&[0; 256]))] {
        let width = 16 * TILES as u32;
        let fields = [
            (0x0100, width),
            (0x0101, 16),
            (0x0102, 8),
            (0x0103, compression),
            (0x0106, 1),
            (0x0142, 16),
            (0x0143, 16),
        ];
        let fields: Vec<_> = fields.iter().map(|(tag, value)| (*tag, std::slice::from_ref(value))).collect();
        let bytes = file(&fields, true, &vec![chunk; TILES]);
        let cancellation = Cancellation::unbounded();
        let outcome = |area: Area, memory: u64| {
            let budget = Budget { pixels: 1 << 20, memory };
            Tiff.decode(&bytes, &DecodeOptions { scale: 0.01, ..DecodeOptions::new(area, budget, &cancellation) })
                .map(|decoded| decoded.raster.width())
        };
        let whole = Area::whole(width, 16);
        assert!(matches!(outcome(whole, 1 << 20), Err(Error::TooLarge { .. })), "{compression}");
        // A part of it needs less.
        assert_eq!(outcome(Area { width: 64.0, ..whole }, 1 << 20), Ok(2), "{compression}");
        assert_eq!(outcome(whole, 512 << 20), Ok(960), "{compression}");
        cancellation.cancel();
        assert!(matches!(outcome(whole, 512 << 20), Err(Error::Cancelled(_))), "{compression}");
    }
}
