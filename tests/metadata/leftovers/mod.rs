//! Bytes that show nothing do not survive, wherever a format has room for them: a marker is hidden in each place, and the
//! stripped file has the pixels of the file without it, and no marker.

use std::io::{Cursor, Write as _};

use image::ImageFormat;
use image_origin::codec::{
    Area, Budget, Cancellation, Channels, DecodeOptions, EncodeOptions, Format, Raster, Samples, decoder_for, encoder,
    sniff,
};
use image_origin::container;
use image_origin::metadata::{self, Keep};
use image_origin::transform;

use super::samples::{self, contains, full_box, png_chunk, profile, riff_chunk, segment};
use crate::common::fixtures;

mod avif;
mod tiff;
mod webp;

const MARKER: &str = "SECRET-MARKER";
const HIDDEN: &[u8] = MARKER.as_bytes();

fn stripped(file: &[u8], keep: Keep) -> Result<Vec<u8>, metadata::Error> {
    let mut out = Vec::new();
    metadata::strip(&mut Cursor::new(file), keep, &Cancellation::unbounded())?.write_to(Cursor::new(file), &mut out)?;
    Ok(out)
}

/// The samples of a still, or of all frames of an animation.
fn pixels(file: &[u8]) -> Vec<Vec<u8>> {
    let (budget, cancellation) = (Budget { pixels: 1 << 22, memory: 1 << 26 }, Cancellation::unbounded());
    let decoder = decoder_for(file).unwrap();
    if decoder.animation(file, &cancellation).unwrap().is_some() {
        let mut frames = decoder.frames(file, budget, &cancellation).unwrap();
        let mut all = Vec::new();
        while let Some(frame) = frames.next_frame().unwrap() {
            all.push(frame.samples().as_bytes().to_vec());
        }
        return all;
    }
    let header = decoder.probe(file, budget, &cancellation).unwrap();
    let options = DecodeOptions::new(Area::whole(header.width, header.height), budget, &cancellation);
    vec![decoder.decode(file, &options).unwrap().raster.samples().as_bytes().to_vec()]
}

/// Strips each of these files, and compares it with the plain one.
fn check(plain: &[u8], files: impl IntoIterator<Item = (impl AsRef<str>, Vec<u8>)>) {
    let (expected, format) = (pixels(plain), sniff(plain).unwrap());
    for keep in [Keep::None, Keep::Copyright] {
        assert_eq!(stripped(plain, keep).unwrap(), plain, "{format:?}: the plain file stays as it is");
    }
    for (name, file) in files {
        let name = name.as_ref();
        assert!(contains(&file, MARKER), "{format:?}, {name}: nothing is hidden");
        for keep in [Keep::None, Keep::Copyright] {
            let out = stripped(&file, keep).unwrap_or_else(|error| panic!("{format:?}, {name}: {error}"));
            assert!(!contains(&out, MARKER), "{format:?}, {name}: it has survived");
            assert_eq!(pixels(&out), expected, "{format:?}, {name}: other pixels");
            assert_eq!(stripped(&out, keep).unwrap(), out, "{format:?}, {name}: stripped twice");
            let report = transform::report(&out, &Cancellation::unbounded()).unwrap();
            assert!(report.exif.image.is_empty() && report.xmp.is_empty(), "{format:?}, {name}: {report:?}");
            assert_eq!(report.warnings, Vec::<String>::new(), "{format:?}, {name}");
            assert!(
                metadata::carry(&out, Keep::All, &Cancellation::unbounded()).unwrap().is_empty(),
                "{format:?}, {name}"
            );
        }
    }
}

/// The file with `bytes` put in at `at`.
fn with(file: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    [&file[..at], bytes, &file[at..]].concat()
}

#[test]
fn jpeg() {
    let plain = stripped(&samples::picture(ImageFormat::Jpeg), Keep::None).unwrap();
    let find = |marker: u8| plain.windows(2).position(|bytes| bytes == [0xff, marker]).unwrap();
    let (frame, tables, scan, end) = (find(0xc0), find(0xc4), find(0xda), plain.len() - 2);
    let frame_end = frame + 2 + usize::from(u16::from_be_bytes([plain[frame + 2], plain[frame + 3]]));
    let scan_len = usize::from(u16::from_be_bytes([plain[scan + 2], plain[scan + 3]]));
    let scan_end = scan + 2 + scan_len;
    let mut files = Vec::new();
    for marker in [0xc8, 0xcc, 0xde, 0xdf, 0xdc, 0xf0, 0xfd, 0xfe, 0xe0, 0xe1, 0xe2, 0xe5, 0xed, 0xee, 0xef] {
        for (place, at) in [("front", 2), ("tables", tables), ("scan", scan), ("end", end)] {
            files.push((format!("{marker:x} at the {place}"), with(&plain, at, &segment(marker, HIDDEN))));
        }
    }
    let symbols = |kind: u8| [&[kind, 0, 0, 0, 0, 0, 0, 0, 13, 0, 0, 0, 0, 0, 0, 0, 0][..], HIDDEN].concat();
    let steps = |number: u8| [&[number][..], HIDDEN, &[1; 51]].concat();
    let icc = |number: u8, count: u8, content: &[u8]| {
        segment(0xe2, &[b"ICC_PROFILE\0".as_slice(), &[number, count], content].concat())
    };
    let numbered = [icc(2, 3, HIDDEN), icc(1, 2, &profile())].concat();
    let parameters = |at: usize, to: usize| segment(plain[at + 1], &[&plain[at + 4..to], HIDDEN].concat());
    let replaced = |at: usize, to: usize| [&plain[..at], &parameters(at, to), &plain[to..]].concat();
    let second_scan = [&plain[scan..scan_end], b"\x12", HIDDEN].concat();
    let places: Vec<(&str, usize, Vec<u8>)> = vec![
        ("a table that is not used", tables, segment(0xc4, &symbols(3))),
        ("a table that is defined anew", frame_end, segment(0xc4, &symbols(0))),
        ("steps that are not used", frame, segment(0xdb, &steps(3))),
        ("tables behind the scan", end, [segment(0xc4, &symbols(0)), segment(0xdb, &steps(0))].concat()),
        ("a profile that is none", 2, icc(1, 1, HIDDEN)),
        ("a profile that lacks parts", 2, numbered),
        ("a restart marker that is none", end, [b"\xff\xd0".as_slice(), HIDDEN].concat()),
        ("a reserved marker", end, [b"\xff\x02".as_slice(), HIDDEN].concat()),
        ("between segments", tables, HIDDEN.to_vec()),
        ("fill bytes", end, [b"\xff\x01\xff\xff\xff\xff".as_slice(), HIDDEN].concat()),
        ("a second scan", end, second_scan),
        ("a second picture", end, [&plain[..scan], &segment(0xfe, HIDDEN)].concat()),
        ("behind the end", end + 2, HIDDEN.to_vec()),
    ];
    files.extend(places.into_iter().map(|(name, at, bytes)| (name.to_owned(), with(&plain, at, &bytes))));
    files.push(("the frame header".to_owned(), replaced(frame, frame_end)));
    files.push(("the scan header".to_owned(), replaced(scan, scan_end)));
    check(&plain, files);
    let long = with(&plain, 2, &icc(1, 1, &[&profile(), HIDDEN].concat()));
    assert_eq!(stripped(&long, Keep::None).unwrap(), with(&plain, 2, &icc(1, 1, &profile())));
    // A height that stands behind the scan.
    let mut tall = with(&plain, end, &segment(0xdc, &[0, 16]));
    tall[frame + 5..frame + 7].fill(0);
    check(&tall, [("DNL", [&tall[..end], &segment(0xdc, &[&[0, 16], HIDDEN].concat()), &plain[end..]].concat())]);
}

fn deflated(bytes: &[u8], level: flate2::Compression) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn png() {
    let rows: Vec<u8> =
        (0..16_u8).flat_map(|y| [vec![0], (0..24 * 3_u8).map(|x| x.wrapping_mul(y)).collect()].concat()).collect();
    let stream = deflated(&rows, flate2::Compression::best());
    let header = png_chunk(b"IHDR", &[0, 0, 0, 24, 0, 0, 0, 16, 8, 2, 0, 0, 0]);
    let file = |before: &[u8], pixels: &[u8], after: &[u8]| {
        [b"\x89PNG\r\n\x1a\n".as_slice(), &header, before, pixels, after, &png_chunk(b"IEND", &[])].concat()
    };
    let pixels = png_chunk(b"IDAT", &stream);
    let plain = file(&[], &pixels, &[]);
    let hidden = |name: &[u8; 4]| png_chunk(name, HIDDEN);
    let behind = |bytes: &[u8]| [bytes, HIDDEN].concat();
    let mut files = vec![
        ("a second header", file(&hidden(b"IHDR"), &pixels, &[])),
        ("a palette of nobody's", file(&png_chunk(b"PLTE", &behind(b"ab")), &pixels, &[])),
        ("another critical chunk", file(&hidden(b"ABCD"), &pixels, &[])),
        ("behind the stream", file(&[], &png_chunk(b"IDAT", &behind(&stream)), &[])),
        ("a chunk behind the stream", file(&[], &[pixels.clone(), hidden(b"IDAT")].concat(), &[])),
        ("pixels behind another chunk", file(&[], &[pixels.clone(), hidden(b"teSt"), hidden(b"IDAT")].concat(), &[])),
        ("more than the rows", {
            let more = deflated(&[rows.as_slice(), HIDDEN].concat(), flate2::Compression::none());
            file(&[], &png_chunk(b"IDAT", &more), &[])
        }),
        ("the end", [&plain[..plain.len() - 12], &hidden(b"IEND")].concat()),
        ("behind the end", behind(&plain)),
        ("a frame of no animation", file(&hidden(b"fcTL"), &pixels, &hidden(b"fdAT"))),
        ("a profile that is none", {
            let content = [b"x\0\0".as_slice(), &deflated(HIDDEN, flate2::Compression::none())].concat();
            file(&png_chunk(b"iCCP", &content), &pixels, &[])
        }),
    ];
    for name in
        [b"pHYs", b"sBIT", b"gAMA", b"cHRM", b"sRGB", b"bKGD", b"tRNS", b"cICP", b"mDCV", b"cLLI", b"acTL", b"eXIf"]
    {
        files.push(("behind the pixels", file(&[], &pixels, &hidden(name))));
    }
    for (name, len) in [(b"tEXt", 0), (b"iTXt", 0), (b"tIME", 7), (b"cICP", 4), (b"mDCV", 24), (b"cLLI", 8)] {
        files.push(("of another length", file(&png_chunk(name, &behind(&vec![1; len])), &pixels, &[])));
    }
    check(&plain, files);

    let srgb = png_chunk(b"sRGB", &[0]);
    for (name, content) in
        [(b"pHYs", vec![0, 0, 1, 0, 0, 0, 1, 0, 1]), (b"sBIT", vec![8, 8, 8]), (b"gAMA", vec![0, 0, 0xb1, 0x8f])]
    {
        let plain = file(&[srgb.clone(), png_chunk(name, &content)].concat(), &pixels, &[]);
        check(
            &plain,
            [("behind what counts", file(&[srgb.clone(), png_chunk(name, &behind(&content))].concat(), &pixels, &[]))],
        );
        check(
            &plain,
            [(
                "a second one",
                file(
                    &[srgb.clone(), png_chunk(name, &content), png_chunk(name, &behind(&content))].concat(),
                    &pixels,
                    &[],
                ),
            )],
        );
    }
    let named = |name: &[u8], profile: &[u8], after: &[u8]| {
        let stream = deflated(profile, flate2::Compression::best());
        png_chunk(b"iCCP", &[name, b"\0\0", &stream, after].concat())
    };
    let plain = file(&named(b"icc", &profile(), &[]), &pixels, &[]);
    check(
        &plain,
        [
            ("the name of a profile", file(&named(HIDDEN, &profile(), &[]), &pixels, &[])),
            ("behind the stream of a profile", file(&named(b"icc", &profile(), HIDDEN), &pixels, &[])),
        ],
    );
}

/// The chunks of a PNG as names and contents.
fn png_chunks(file: &[u8]) -> Vec<([u8; 4], Vec<u8>)> {
    let (mut at, mut chunks) = (8, Vec::new());
    while at < file.len() {
        let len = u32::from_be_bytes(file[at..at + 4].try_into().unwrap()) as usize;
        chunks.push((file[at + 4..at + 8].try_into().unwrap(), file[at + 8..at + 8 + len].to_vec()));
        at += 12 + len;
    }
    chunks
}

#[test]
fn animated_png() {
    let plain = std::fs::read(fixtures().join("png/disposing.png")).unwrap();
    let chunks = png_chunks(&plain);
    let mut files = Vec::new();
    for (index, (name, content)) in chunks.iter().enumerate() {
        let write = |content: Vec<u8>, after: &[u8]| {
            let mut out = plain[..8].to_vec();
            for (other, (name, old)) in chunks.iter().enumerate() {
                out.extend(png_chunk(name, if other == index { &content } else { old }));
                out.extend_from_slice(if other == index { after } else { &[] });
            }
            out
        };
        let shown = format!("chunk {index} {}", String::from_utf8_lossy(name));
        let long = write([content, HIDDEN].concat(), &[]);
        match name {
            // Decoders hold these to their length.
            b"acTL" | b"fcTL" => {
                let out = stripped(&long, Keep::None).unwrap();
                assert!(!contains(&out, MARKER), "{shown}");
                assert_eq!(pixels(&out), pixels(&long), "{shown}");
            }
            b"IHDR" => {}
            _ => files.push((format!("in {shown}"), long)),
        }
        if name != b"IEND" {
            files.push((format!("behind {shown}"), write(content.clone(), &png_chunk(b"teSt", HIDDEN))));
        }
    }
    check(&plain, files);
}

#[test]
fn gif() {
    let still = samples::picture(ImageFormat::Gif);
    let moving = std::fs::read(fixtures().join("gif/disposing.gif")).unwrap();
    for plain in [still, moving] {
        let body = 13 + if plain[10] & 0x80 == 0 { 0 } else { 3 << ((plain[10] & 7) + 1) };
        let plain = stripped(&plain, Keep::None).unwrap();
        // The end of the last image: an empty sub-block, and the trailer.
        let data_end = plain.len() - 2;
        let block = [&[HIDDEN.len() as u8], HIDDEN].concat();
        let extension = |label: u8, first: &[u8]| [&[0x21, label, first.len() as u8], first, &block, &[0]].concat();
        let loops = with(&plain, body, b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x07\0\0");
        let mut files = vec![
            ("behind the end code", with(&plain, data_end, &block)),
            ("a comment", with(&plain, body, &extension(0xfe, b"a"))),
            ("plain text", with(&plain, body, &extension(0x01, &[0; 12]))),
            ("an application's", with(&plain, body, &extension(0xff, b"ABCDEFGH1.0"))),
            ("a profile that is none", with(&plain, body, &extension(0xff, b"ICCRGBG1012"))),
            ("an unknown extension", with(&plain, body, &extension(0x77, b"a"))),
            ("a control before none", with(&plain, data_end + 1, &extension(0xf9, &[0; 4]))),
            ("a comment at the end", with(&plain, data_end + 1, &extension(0xfe, b"a"))),
            ("behind the trailer", [&plain, HIDDEN].concat()),
        ];
        if plain.windows(2).all(|bytes| bytes != [0x21, 0xf9]) {
            files.push(("a control of a length that has no meaning", with(&plain, body, &extension(0xf9, &[]))));
        }
        check(&plain, files);
        let control = plain.windows(3).position(|bytes| bytes == [0x21, 0xf9, 4]);
        if let Some(at) = control {
            check(&plain, [("behind a control", with(&plain, at + 7, &block))]);
            check(&plain, [("an earlier control", with(&plain, at, &extension(0xf9, &[8; 4])))]);
        } else {
            let end = body + 18;
            check(&loops, [("behind the loop count", with(&loops, end, &block))]);
        }
    }
}

#[test]
fn jpeg_xl() {
    let path = std::fs::read_dir(fixtures().join("jxl")).unwrap().map(|entry| entry.unwrap().path());
    let bare = path.map(|path| std::fs::read(path).unwrap()).find(|file| file.starts_with(&[0xff, 0x0a])).unwrap();
    let signature = b"\0\0\0\x0cJXL \r\n\x87\n".as_slice();
    let file_type = full_box(b"ftyp", b"jxl \0\0\0\0jxl ");
    let picture = full_box(b"jxlc", &bare);
    let level = full_box(b"jxll", &[5]);
    let plain = [signature, &file_type, &level, &picture].concat();
    let brands = full_box(b"ftyp", &[b"jxl \0\0\0\0jxl ".as_slice(), HIDDEN, b"___"].concat());
    for (name, file) in [
        ("brands", [signature, &brands, &level, &picture].concat()),
        (
            "behind the level",
            [signature, &file_type, &full_box(b"jxll", &[b"\x05".as_slice(), HIDDEN].concat()), &picture].concat(),
        ),
        ("a second codestream", [plain.as_slice(), &full_box(b"jxlc", HIDDEN)].concat()),
        ("another part", [plain.as_slice(), &full_box(b"jxlp", HIDDEN)].concat()),
        ("a box", [plain.as_slice(), &full_box(b"brob", HIDDEN)].concat()),
        ("behind all", [plain.as_slice(), HIDDEN].concat()),
    ] {
        assert_eq!(stripped(&file, Keep::None).unwrap(), plain, "{name}");
    }
}

#[test]
fn netpbm_bitmaps_and_icons() {
    let table: [(&[u8], &[u8]); 7] = [
        (b"P1 2 2\n1001", b"P1 2 2\n1001SECRET-MARKER"),
        (b"P1 2 2\n1 0 0 1\n", b"P1 2 2\n1 0 0 1\n#SECRET-MARKER"),
        (b"P2 2 1 100 0 50 ", b"P2 2 1 100 0 50 SECRET-MARKER"),
        (b"P3\n1 1 255 1 2 3\n", b"P3\n1 1 255 1 2 3\n7 7 7 SECRET-MARKER"),
        (b"P4 2 1\n\x40", b"P4 2 1\n\x40SECRET-MARKER"),
        (
            b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 1\nMAXVAL 255\nTUPLTYPE GRAYSCALE\nENDHDR\n\x05",
            b"P7\nWIDTH 1\nHEIGHT 1 SECRET-MARKER\nNAME SECRET-MARKER\nDEPTH 1\nMAXVAL 255\nTUPLTYPE GRAYSCALE\n#SECRET-MARKER\nENDHDR\n\x05",
        ),
        (b"P5 1 1 255\n\x05", b"P5 1 1 255\n\x05SECRET-MARKER"),
    ];
    for (plain, file) in table {
        check(plain, [("netpbm", file.to_vec())]);
    }
    let bitmap = {
        let header = [40_u32, 24, 16, 1 | 24 << 16, 0, 0, 0, 0, 0, 0].map(u32::to_le_bytes).concat();
        let pixels: Vec<u8> = (0..24 * 3 * 16_u32).map(|i| (i / 5) as u8).collect();
        let sizes = [54 + pixels.len() as u32, 0, 54].map(u32::to_le_bytes).concat();
        [b"BM".as_slice(), &sizes, &header, &pixels].concat()
    };
    check(&bitmap, [("behind the pixels", [&bitmap, HIDDEN].concat())]);
    let dib = {
        let mut dib = bitmap[14..].to_vec();
        dib[8..12].copy_from_slice(&32_u32.to_le_bytes());
        [dib, vec![0; 4 * 16]].concat()
    };
    let icon = |picture: &[u8], gap: &[u8]| {
        let place = [picture.len() as u32, 22 + gap.len() as u32].map(u32::to_le_bytes).concat();
        [b"\0\0\x01\0\x01\0\x18\x10\0\0\x01\0\x18\0".as_slice(), &place, gap, picture].concat()
    };
    let plain = icon(&dib, &[]);
    check(
        &plain,
        [
            ("behind a bitmap in an icon", icon(&[&dib, HIDDEN].concat(), &[])),
            ("between directory and bitmap", icon(&dib, HIDDEN)),
            ("behind an icon", [&plain, HIDDEN].concat()),
        ],
    );
}
