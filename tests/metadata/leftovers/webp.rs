//! In WebP: between and behind chunks, and behind the streams in them.

use super::*;

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
