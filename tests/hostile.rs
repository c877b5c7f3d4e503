//! Small files that claim a great deal, over HTTP: each is refused by what it claims, with a code that programs can rely
//! on and a detail that names the claim, and nothing is allocated or decoded for it first.

use image_origin::codec::{Budget, Cancellation, Channels, EncodeOptions, Format, Raster, Samples, encoder};
use image_origin::config::Layer;
use image_origin::source::Folder;

use crate::common::Server;

const MANY: usize = 10_000;

/// A GIF of black frames of 1x1.
fn gif(canvas: [u16; 2], frames: usize) -> Vec<u8> {
    let canvas = canvas.map(u16::to_le_bytes).concat();
    // A table of two colours; then for each frame its delay, its place and its only pixel (GIF89a, sections 18 to 23).
    let head = [b"GIF89a".as_slice(), &canvas, &[0x80, 0, 0, 0, 0, 0, 255, 255, 255]].concat();
    let frame = b"!\xf9\x04\0\x0a\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0";
    [head, frame.repeat(frames), b";".to_vec()].concat()
}

/// A WebP of lossless frames of 1x1 (RFC 9649, sections 2.3 and 2.7.1).
fn webp(canvas: [u32; 2], frames: usize) -> Vec<u8> {
    let pixel = Raster::new(1, 1, Channels::Rgb, Samples::U8(vec![1, 2, 3])).unwrap();
    let encoding = EncodeOptions { quality: 80, lossless: true, ..EncodeOptions::DEFAULT };
    let still = encoder(Format::WebP)
        .unwrap()
        .encode(&pixel, &encoding, Budget::UNLIMITED, &Cancellation::unbounded())
        .unwrap();
    let [width, height] = canvas.map(|side| (side - 1).to_le_bytes());
    let header = [&[0x02, 0, 0, 0], &width[..3], &height[..3]].concat();
    let frame = [&[0; 16], &still[12..]].concat();
    let mut file = [b"RIFF\0\0\0\0WEBP".to_vec(), chunk(b"VP8X", &header), chunk(b"ANIM", &[0; 6])].concat();
    file.extend(chunk(b"ANMF", &frame).repeat(frames));
    let length = (file.len() as u32 - 8).to_le_bytes();
    file[4..8].copy_from_slice(&length);
    file
}

fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let padding = vec![0; content.len() % 2];
    [name.as_slice(), &(content.len() as u32).to_le_bytes(), content, &padding].concat()
}

/// An APNG of frames of one pixel, of which all but the first are empty (PNG 3rd edition, 11.3.6).
fn png(frames: u32) -> Vec<u8> {
    let chunk = |name: &[u8; 4], content: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(name);
        crc.update(content);
        [&(content.len() as u32).to_be_bytes(), name.as_slice(), content, &crc.sum().to_be_bytes()].concat()
    };
    let number = u32::to_be_bytes;
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    file.extend(chunk(b"IHDR", &[&number(1)[..], &number(1), &[8, 0, 0, 0, 0]].concat()));
    file.extend(chunk(b"acTL", &[number(frames), number(0)].concat()));
    let control = |sequence: u32| {
        let place = [number(sequence), number(1), number(1), [0; 4], [0; 4], [0, 1, 0, 10]].concat();
        chunk(b"fcTL", &[&place[..], &[0, 0]].concat())
    };
    file.extend(control(0));
    file.extend(chunk(b"IDAT", &[0x78, 0x9c, 0x63, 0x00, 0x00, 0x00, 0x02, 0x00, 0x01]));
    for frame in 1..frames {
        file.extend(control(2 * frame - 1));
        file.extend(chunk(b"fdAT", &number(2 * frame)));
    }
    file
}

/// A grey TIFF with as many tiles of 16x16 as it is told, whose offsets would stand behind its end (TIFF 6.0, section 15).
fn tiff(side: u32, tiles: u32) -> Vec<u8> {
    let fields = fields(side).map(|(tag, value)| (tag, 1, value));
    let mut file = b"II*\0\x08\0\0\0\x0a\0".to_vec();
    for (tag, count, value) in fields.into_iter().chain([(0x0144, tiles, 8), (0x0145, tiles, 8)]) {
        file.extend([&u16::to_le_bytes(tag)[..], &[4, 0], &count.to_le_bytes(), &value.to_le_bytes()].concat());
    }
    [file, vec![0; 4]].concat()
}

/// The same as BigTIFF, where 2^32 is a count like any other.
fn big_tiff(side: u32, tiles: u64) -> Vec<u8> {
    let fields = fields(side).map(|(tag, value)| (tag, 1, u64::from(value)));
    let mut file = b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0\x0a\0\0\0\0\0\0\0".to_vec();
    for (tag, count, value) in fields.into_iter().chain([(0x0144, tiles, 16), (0x0145, tiles, 16)]) {
        file.extend([&u16::to_le_bytes(tag)[..], &[16, 0], &count.to_le_bytes(), &value.to_le_bytes()].concat());
    }
    [file, vec![0; 8]].concat()
}

/// The sides, one sample of 8 bits, no compression, black is zero, and the sides of a tile.
fn fields(side: u32) -> [(u16, u32); 8] {
    let tags = [0x0100, 0x0101, 0x0102, 0x0103, 0x0106, 0x0115, 0x0142, 0x0143];
    let values = [side, side, 8, 1, 1, 1, 16, 16];
    std::array::from_fn(|index| (tags[index], values[index]))
}

/// An AVIF with one box that ends where it likes: at 4 GB, or beyond, with a length of 64 bits (ISO/IEC 14496-12, 4.2).
fn avif(name: &[u8; 4], length: u64) -> Vec<u8> {
    let head = match u32::try_from(length) {
        Ok(length) => [&length.to_be_bytes(), name.as_slice()].concat(),
        Err(_) => [&1u32.to_be_bytes(), name.as_slice(), &length.to_be_bytes()].concat(),
    };
    [b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf".to_vec(), head, vec![0; 200]].concat()
}

#[test]
fn claims_are_refused_before_they_cost_anything() {
    let all = u32::MAX;
    let (frames, pixels) = ("the number of frames is 10000, ", "the number of pixels is 4294836225, ");
    let (tiles, boxes) = ("the list of its strips or tiles is missing or cut off", "it has no whole meta box");
    let table = [
        ("frames.gif", gif([1, 1], MANY), "image_too_large", frames),
        ("frames.webp", webp([1, 1], MANY), "image_too_large", frames),
        ("canvas.gif", gif([65_535; 2], 3), "image_too_large", pixels),
        ("canvas-frames.gif", gif([65_535; 2], MANY), "image_too_large", pixels),
        ("canvas.webp", webp([65_535; 2], 3), "image_too_large", pixels),
        ("canvas-frames.webp", webp([65_535; 2], MANY), "image_too_large", pixels),
        // Its pixels are many, but fewer than the limit; those of all frames are not.
        ("wide.gif", gif([9_999; 2], 20), "image_too_large", "the number of pixels of all frames is 1999600020, "),
        ("wide.webp", webp([9_999; 2], 20), "image_too_large", "the number of pixels of all frames is 1999600020, "),
        ("sides.tif", tiff(all, all), "image_too_large", "the number of pixels is 18446744065119617025, "),
        ("tiles.tif", tiff(9_000, all), "damaged_image", tiles),
        ("big-sides.tif", big_tiff(all, 1 << 32), "image_too_large", "the number of pixels is 18446744065119617025, "),
        ("big-tiles.tif", big_tiff(9_000, 1 << 32), "damaged_image", tiles),
        ("big-all.tif", big_tiff(9_000, u64::MAX), "damaged_image", tiles),
        ("meta.avif", avif(b"meta", u32::MAX.into()), "damaged_image", boxes),
        ("meta-64.avif", avif(b"meta", 1 << 32), "damaged_image", boxes),
        ("meta-all.avif", avif(b"meta", u64::MAX), "damaged_image", boxes),
        ("data.avif", avif(b"mdat", u32::MAX.into()), "damaged_image", boxes),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes, ..) in &table {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let server = Server::over(Box::new(Folder::new(folder.path()).unwrap()), Layer::default());
    for (name, _, code, detail) in table {
        for query in ["w=10", "w=10&format=auto", "w=10&format=webp&q=50"] {
            let response = server.get(&format!("/{name}?{query}"));
            assert_eq!(response.outcome(), (422, code.to_owned()), "{name}?{query}");
            let document = response.json();
            assert!(document["detail"].as_str().unwrap().contains(detail), "{name}?{query}: {document}");
        }
    }
}

#[test]
fn one_frame_of_very_many_is_had_for_the_asking() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [("a.gif", gif([1, 1], MANY)), ("a.webp", webp([1, 1], MANY)), ("a.png", png(MANY as u32))] {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let server = Server::over(Box::new(Folder::new(folder.path()).unwrap()), Layer::default());
    for (target, outcome) in [
        ("/a.gif?w=1&format=png", (200, "")),
        ("/a.gif?w=1&page=9", (200, "")),
        ("/a.gif?w=1&page=9999", (422, "image_too_large")),
        ("/a.gif?w=1&page=10000", (400, "page_outside")),
        ("/a.webp?w=1&format=png", (200, "")),
        ("/a.webp?w=1&page=9", (200, "")),
        ("/a.webp?w=1&page=9999", (422, "image_too_large")),
        ("/a.png?w=1&format=gif", (422, "image_too_large")),
    ] {
        assert_eq!(server.get(target).outcome(), (outcome.0, outcome.1.to_owned()), "{target}");
    }
}
