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
fn webp() {
    let plain = samples::picture(ImageFormat::WebP);
    let picture = &plain[12..];
    let file = |chunks: &[&[u8]]| {
        let body = chunks.concat();
        [b"RIFF".as_slice(), &(body.len() as u32 + 4).to_le_bytes(), b"WEBP", &body].concat()
    };
    let hidden = |name: &[u8; 4]| riff_chunk(name, HIDDEN);
    let header = |flags: u8| riff_chunk(b"VP8X", &[flags, 0, 0, 0, 23, 0, 0, 15, 0, 0]);
    check(
        &plain,
        [
            ("a second picture", file(&[picture, &hidden(b"VP8L")])),
            ("a profile that is not announced", file(&[picture, &hidden(b"ICCP")])),
            ("behind the file", [&plain, HIDDEN].concat()),
        ],
    );
    let plain = file(&[&header(0), picture]);
    let mut files = vec![
        ("a profile that is none", file(&[&header(0x20), &hidden(b"ICCP"), picture])),
        (
            "a long header",
            file(&[&riff_chunk(b"VP8X", &[&[0, 0, 0, 0, 23, 0, 0, 15, 0, 0], HIDDEN].concat()), picture]),
        ),
        ("alpha of a picture that has its own", file(&[&header(0), &hidden(b"ALPH"), picture])),
        ("Exif that is announced", file(&[&header(0x08), picture, &hidden(b"EXIF")])),
    ];
    for name in [b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP ", b"any "] {
        files.push(("a chunk too many", file(&[&header(0), picture, &hidden(name)])));
    }
    check(&plain, files);

    let frame = |chunks: &[&[u8]]| {
        riff_chunk(b"ANMF", &[&[0, 0, 0, 0, 0, 0, 23, 0, 0, 15, 0, 0, 9, 0, 0, 0], chunks.concat().as_slice()].concat())
    };
    let global = riff_chunk(b"ANIM", &[0; 6]);
    let moving = |global: &[u8], last: &[u8]| file(&[&header(2), global, &frame(&[picture]), last]);
    let whole = frame(&[picture]);
    check(
        &moving(&global, &whole),
        [
            ("a chunk in a frame", moving(&global, &frame(&[&hidden(b"any "), picture]))),
            ("a second picture in a frame", moving(&global, &frame(&[picture, &hidden(b"VP8L")]))),
            ("alpha in a frame", moving(&global, &frame(&[picture, &hidden(b"ALPH")]))),
            ("a frame without a picture", moving(&global, &[whole.clone(), frame(&[&hidden(b"any ")])].concat())),
            ("a still beside frames", moving(&[global.clone(), hidden(b"VP8L")].concat(), &whole)),
            ("a second chunk of settings", moving(&[global.clone(), hidden(b"ANIM")].concat(), &whole)),
            ("behind the settings", moving(&riff_chunk(b"ANIM", &[&[0; 6], HIDDEN].concat()), &whole)),
        ],
    );
}

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
fn webp_streams_without_loss_end_where_their_pixels_do() {
    let file = |chunks: &[(&[u8], Vec<u8>)]| {
        let body: Vec<u8> =
            chunks.iter().flat_map(|(kind, data)| riff_chunk((*kind).try_into().unwrap(), data)).collect();
        [b"RIFF".as_slice(), &(body.len() as u32 + 4).to_le_bytes(), b"WEBP", &body].concat()
    };
    let drawn = |lossless| {
        let samples =
            (0..24 * 16_u32).flat_map(|i| [i as u8, (i / 24) as u8, 90, if i % 24 > i / 24 { 255 } else { 0 }]);
        let picture = Raster::new(24, 16, Channels::Rgba, Samples::U8(samples.collect())).unwrap();
        let options = EncodeOptions { lossless, ..EncodeOptions::default() };
        let encoder = encoder(Format::WebP).unwrap();
        encoder.encode(&picture, &options, Budget::UNLIMITED, &Cancellation::unbounded()).unwrap()
    };
    let fixture = |name: &str| std::fs::read(fixtures().join("webp").join(name)).unwrap();
    for (name, original, followed) in [
        ("a solid or drawn picture", samples::picture(ImageFormat::WebP), b"VP8L"),
        ("pixels with alpha", drawn(true), b"VP8L"),
        ("alpha of a lossy picture", drawn(false), b"ALPH"),
        ("lossless.webp", fixture("lossless.webp"), b"VP8L"),
        ("disposing.webp", fixture("disposing.webp"), b"VP8L"),
    ] {
        let plain = stripped(&original, Keep::None).unwrap();
        // The data of the chunk is followed by what is hidden, and every length around it grows.
        let at = memchr::memmem::find(&plain, followed).unwrap_or_else(|| panic!("{name}"));
        let len = |at: usize| u32::from_le_bytes(plain[at..at + 4].try_into().unwrap()) as usize;
        let chunk = riff_chunk(followed, &[&plain[at + 8..at + 8 + len(at + 4)], HIDDEN].concat());
        let grown = chunk.len() - 8 - len(at + 4).next_multiple_of(2);
        let mut hidden = [&plain[..at], &chunk, &plain[at + 8 + len(at + 4).next_multiple_of(2)..]].concat();
        let frame = memchr::memmem::find(&plain, b"ANMF").filter(|frame| *frame < at);
        for place in [Some(4), frame.map(|frame| frame + 4)].into_iter().flatten() {
            hidden[place..place + 4].copy_from_slice(&((len(place) + grown) as u32).to_le_bytes());
        }
        check(&plain, [(name, hidden)]);
    }
    // A stream that ends before its pixels stays as it is.
    let cut = file(&[(b"VP8L", samples::picture(ImageFormat::WebP)[20..40].to_vec())]);
    assert_eq!(stripped(&cut, Keep::None).unwrap(), cut);
}

#[test]
fn webp_alpha_that_is_not_compressed() {
    let picture = Raster::new(24, 16, Channels::Rgb, Samples::U8(vec![90; 24 * 16 * 3])).unwrap();
    let options = EncodeOptions::default();
    let lossy = encoder(Format::WebP)
        .unwrap()
        .encode(&picture, &options, Budget::UNLIMITED, &Cancellation::unbounded())
        .unwrap();
    assert_eq!(&lossy[12..16], b"VP8 ");
    let file = |alpha: &[u8]| {
        let header = riff_chunk(b"VP8X", &[0x10, 0, 0, 0, 23, 0, 0, 15, 0, 0]);
        let body = [&header, &riff_chunk(b"ALPH", alpha), &lossy[12..]].concat();
        [b"RIFF".as_slice(), &(body.len() as u32 + 4).to_le_bytes(), b"WEBP", &body].concat()
    };
    let alpha = [&[0][..], &[200; 24 * 16]].concat();
    check(&file(&alpha), [("behind alpha", file(&[&alpha, HIDDEN].concat()))]);
}

#[test]
fn webp_padding_is_zero() {
    let plain = samples::picture(ImageFormat::WebP);
    let odd = riff_chunk(b"VP8L", &plain[20..plain.len() - usize::from(plain[16] % 2 == 1)]);
    assert_eq!(odd.len(), plain.len() - 12);
    for len in [odd.len() - 9, odd.len() - 8] {
        let mut chunk = riff_chunk(b"VP8L", &odd[8..8 + len]);
        let last = chunk.len() - 1;
        let is_padded = len % 2 == 1;
        if is_padded {
            chunk[last] = b'!';
        }
        let file = [b"RIFF".as_slice(), &(chunk.len() as u32 + 4).to_le_bytes(), b"WEBP", &chunk].concat();
        let out = stripped(&file, Keep::None).unwrap();
        assert_eq!(out[..out.len() - 1], file[..file.len() - 1]);
        assert_eq!(out.last() == file.last(), !is_padded);
    }
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
