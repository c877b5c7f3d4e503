use super::prepared::{Prepared, turned};
use super::*;
use image_origin_codec::{self as codec, Cancellation, Channels, EncodeOptions, Orientation, Raster, Samples};
use image_origin_container as container;
use image_origin_metadata as metadata;
use image_origin_query::{Colorspace, Focus, Transform};

mod animations;
mod faces;
mod overlays;
mod planes;

const BUDGET: Budget = Budget { pixels: 10_000_000, memory: 100_000_000 };

/// A picture whose left half is red and whose right half is blue, as a lossless file.
fn red_and_blue(format: Format) -> Vec<u8> {
    let pixels: Vec<[u8; 3]> = (0..80 * 40).map(|i| if i % 80 < 40 { [255, 0, 0] } else { [0, 0, 255] }).collect();
    let raster = Raster::new(80, 40, Channels::Rgb, Samples::U8(pixels.concat())).unwrap();
    encoded(&raster, format)
}

/// A lossless file, where the format can be one.
fn encoded(raster: &Raster, format: Format) -> Vec<u8> {
    let options = EncodeOptions { quality: 100, lossless: true, ..EncodeOptions::DEFAULT };
    codec::encoder(format).unwrap().encode(raster, &options, Budget::UNLIMITED, &Cancellation::unbounded()).unwrap()
}

fn rendered(bytes: &[u8], query: &str) -> Result<(Rendered, Raster), Error> {
    let rendered = Render::new(bytes).transform(query.parse().unwrap()).limits(BUDGET).run()?;
    let same = Render::new(&rendered.bytes).limits(BUDGET);
    let picture = Prepared::new(&same)?.decode()?;
    let (raster, _) = picture.finished()?;
    Ok((rendered, colour::with_alpha(colour::with_colour(raster))))
}

/// A logo with hard and soft edges on transparency; what lies under fully transparent pixels is `hidden`.
fn logo(channels: Channels, hidden: u8) -> Raster {
    let pixel = |i: usize| {
        let (x, y) = (i % 97, i / 97);
        let alpha = match (x / 16 + y / 16) % 3 {
            0 => 0,
            1 => 255,
            _ => (x % 16 * 17) as u8,
        };
        let colours = [220, 30 + (y / 2) as u8, (x * 2) as u8].map(|sample| if alpha == 0 { hidden } else { sample });
        match channels {
            Channels::La => vec![colours[0], alpha],
            _ => vec![colours[0], colours[1], colours[2], alpha],
        }
    };
    Raster::new(97, 61, channels, Samples::U8((0..97 * 61).flat_map(pixel).collect())).unwrap()
}

/// The same file with a segment of XMP that has these properties.
fn with_xmp(jpeg: &[u8], properties: &str) -> Vec<u8> {
    let xmp = format!(
        "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description>{properties}</rdf:Description></rdf:RDF>"
    );
    let content = [b"http://ns.adobe.com/xap/1.0/\0", xmp.as_bytes()].concat();
    [&jpeg[..2], &[0xff, 0xe1], &(content.len() as u16 + 2).to_be_bytes(), &content, &jpeg[2..]].concat()
}

#[test]
fn an_opaque_background_is_laid_under_the_original() {
    let sixteen = |raster: &Raster| {
        let wide: Vec<u16> = raster.samples().as_bytes().iter().map(|sample| u16::from(*sample) * 257).collect();
        Raster::new(raster.width(), raster.height(), raster.channels(), Samples::U16(wide)).unwrap()
    };
    let cases = [
        (Channels::Rgba, "w=40&bg=246&format=png", [0x22, 0x44, 0x66]),
        (Channels::Rgba, "w=40&bg=fff&linear&format=png", [255; 3]),
        (Channels::Rgba, "w=33&h=50&fit=cover&bg=tomato&sharpen=1.5&flip=h&format=png", [255, 99, 71]),
        (Channels::Rgba, "w=150&bg=000&blur=2&enlarge&format=png", [0; 3]),
        (Channels::Rgba, "w=40&bg=fc3&pad=4&radius=6&rotate=90&format=png", [0xff, 0xcc, 0x33]),
        (Channels::Rgba, "w=40&format=jpeg", [255; 3]),
        (Channels::Rgba, "w=40&format=jpeg&bg=ff000080", [255, 127, 127]),
        (Channels::La, "w=40&bg=777&format=png", [0x77; 3]),
        (Channels::La, "w=40&format=jpeg&linear", [255; 3]),
    ];
    for (channels, query, below) in cases {
        for logo in [logo(channels, 0), logo(channels, 200), sixteen(&logo(channels, 0))] {
            let flat = colour::flattened(logo.clone(), below);
            let of = |raster: &Raster| rendered(&raster_file(raster), query).unwrap().0.bytes;
            assert!(of(&logo) == of(&flat), "{channels:?} {query}");
        }
    }
}

#[test]
fn effects_on_colours_leave_the_background_alone() {
    let file = raster_file(&logo(Channels::Rgba, 0));
    for effect in ["brightness=0.5", "invert", "grayscale", "tint=f00", "gamma=2", "pixelate=2"] {
        let (_, picture) = rendered(&file, &format!("w=90&bg=246&format=png&{effect}")).unwrap();
        assert_eq!(picture.samples().as_bytes()[..4], [0x22, 0x44, 0x66, 255], "{effect}");
    }
}

/// A PAM file of a raster of either depth.
fn raster_file(raster: &Raster) -> Vec<u8> {
    let kind = match raster.channels() {
        Channels::L => "GRAYSCALE",
        Channels::La => "GRAYSCALE_ALPHA",
        Channels::Rgb => "RGB",
        _ => "RGB_ALPHA",
    };
    let (maximum, samples): (u16, Vec<u8>) = match raster.samples() {
        Samples::U8(samples) => (255, samples.clone()),
        Samples::U16(samples) => (65_535, samples.iter().flat_map(|sample| sample.to_be_bytes()).collect()),
    };
    let (width, height, depth) = (raster.width(), raster.height(), raster.channels().count());
    let header =
        format!("P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH {depth}\nMAXVAL {maximum}\nTUPLTYPE {kind}\nENDHDR\n");
    [header.into_bytes(), samples].concat()
}

#[test]
fn what_is_missing_of_a_file_is_told() {
    macro_rules! fixtures {
        ($($name:literal),* $(,)?) => { [$(($name, include_bytes!(concat!("../../../fixtures/", $name)).as_slice())),*] };
    }
    let files = fixtures![
        "jpeg/444.jpg",
        "jpeg/progressive.jpg",
        "png/rgb-8.png",
        "png/rgba-16.png",
        "png/palette-4.png",
        "png/interlaced.png",
        "png/disposing.png",
        "webp/lossy.webp",
        "webp/lossless.webp",
        "webp/alpha.webp",
        "webp/disposing.webp",
        "gif/still.gif",
        "gif/animated.gif",
    ];
    for (name, bytes) in files {
        let info = |bytes: &[u8]| Render::new(bytes).limits(BUDGET).inspect();
        let whole = info(bytes).unwrap();
        assert_eq!(whole.warnings, [""; 0], "{name}");
        let part = info(&bytes[..bytes.len() * 17 / 20]).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(part.warnings, ["the file is cut short"], "{name}");
        assert_eq!((part.width, part.height, part.alpha), (whole.width, whole.height, whole.alpha), "{name}");
        let nothing = info(&bytes[..40]);
        assert!(matches!(nothing, Err(Error::Codec(codec::Error::Damaged { .. }))), "{name}: {nothing:?}");
    }
}

/// Screenshots of whole pages are longer than some formats hold.
#[test]
fn long_sides_are_kept_where_the_format_holds_them() {
    let rows = (0..16_400u32).flat_map(|y| [[(y / 9 % 251) as u8, (y / 3) as u8, (y % 256) as u8]; 2]);
    let raster = Raster::new(2, 16_400, Channels::Rgb, Samples::U8(rows.flatten().collect())).unwrap();
    let options = EncodeOptions { quality: 90, ..EncodeOptions::DEFAULT };
    let bytes = |format| {
        let encoder = codec::encoder(format).unwrap();
        encoder.encode(&raster, &options, Budget::UNLIMITED, &Cancellation::unbounded()).unwrap()
    };
    let viewer = Accepted::from_header("image/webp", &AUTO_FORMATS);
    let drawn = |bytes: &[u8], query: &str| {
        let rendered = Render::new(bytes).transform(query.parse().unwrap()).accepted(viewer).limits(BUDGET).run();
        rendered.map(|rendered| (rendered.format, rendered.width, rendered.height))
    };
    for source in [Format::Png, Format::Jpeg] {
        for (query, format, size) in [
            ("q=60", source, (2, 16_400)),
            ("format=jpeg", Format::Jpeg, (2, 16_400)),
            ("format=png", Format::Png, (2, 16_400)),
            ("format=auto", Format::Jpeg, (2, 16_400)),
            ("format=auto&lossless=true", Format::Png, (2, 16_400)),
            ("rotate=90", source, (16_400, 2)),
            ("format=auto&lossless=true&h=16000&fit=fill", Format::WebP, (2, 16_000)),
        ] {
            assert_eq!(drawn(&bytes(source), query), Ok((format, size.0, size.1)), "{source} {query}");
        }
        for query in ["format=webp", "w=3&enlarge=true"] {
            let refused = drawn(&bytes(source), query);
            assert!(matches!(refused, Err(Error::Codec(codec::Error::TooLarge { .. }))), "{query}: {refused:?}");
        }
    }
}

/// The colour in the middle of each of the cells of a grid.
fn cells(raster: &Raster, columns: u32, rows: u32) -> String {
    let name = |rgba: [u8; 4]| match rgba {
        [200..=255, 0..60, 0..60, 255] => 'R',
        [0..60, 200..=255, 0..60, 255] => 'G',
        [0..60, 0..60, 200..=255, 255] => 'B',
        [200..=255, 200..=255, 200..=255, 255] => 'W',
        [.., 0] => '.',
        _ => '?',
    };
    let pixels = raster.samples().as_bytes().as_chunks::<4>().0;
    let middle = |i: u32, cells: u32, length: u32| (length * (2 * i + 1) / (2 * cells)) as usize;
    let row = |y| {
        (0..columns).map(move |x| {
            let (x, y) = (middle(x, columns, raster.width()), middle(y, rows, raster.height()));
            name(pixels[y * raster.width() as usize + x])
        })
    };
    (0..rows).map(|y| row(y).collect::<String>()).collect::<Vec<_>>().join("/")
}

#[test]
fn pictures_come_out_as_asked() {
    let table = [
        ("w=40", (40, 20), (2, 1), "RB"),
        ("rotate=90", (40, 80), (1, 2), "R/B"),
        ("rotate=270", (40, 80), (1, 2), "B/R"),
        ("flip=h", (80, 40), (2, 1), "BR"),
        ("rotate=90&flip=v&w=10", (10, 20), (1, 2), "B/R"),
        ("crop=40,0,40,40", (40, 40), (1, 1), "B"),
        ("crop=0.25,0.0,0.5,1.0&w=20", (20, 20), (2, 1), "RB"),
        ("w=20&h=20&fit=cover&gravity=east", (20, 20), (2, 1), "BB"),
        ("w=20&h=20&fit=contain&format=png", (20, 20), (2, 5), "../RB/RB/RB/.."),
        ("w=20&h=20&fit=contain&format=jpeg&q=95", (20, 20), (2, 5), "WW/RB/RB/RB/WW"),
        ("w=20&h=20&fit=contain&bg=ff0000&q=95&lossless", (20, 20), (2, 5), "RR/RB/RB/RB/RR"),
        ("w=20&h=20&fit=fill", (20, 20), (2, 1), "RB"),
        ("w=160&enlarge=true", (160, 80), (2, 1), "RB"),
        ("trim=10", (40, 40), (1, 1), "B"),
        ("trim=10&w=20&rotate=90", (20, 20), (1, 1), "B"),
        ("rotate=180&flip=hv&w=40", (40, 20), (2, 1), "RB"),
        ("format=webp&lossless", (80, 40), (2, 1), "RB"),
        ("format=gif&w=40&h=10", (20, 10), (2, 1), "RB"),
        ("w=40&ar=1:1", (40, 40), (2, 1), "RB"),
        ("ar=1:1&gravity=east", (40, 40), (1, 1), "B"),
        ("ar=1:1&fit=contain", (80, 80), (2, 4), "../RB/RB/.."),
        ("ar=4:1", (80, 20), (2, 1), "RB"),
        ("crop=20,20&gravity=west", (20, 20), (1, 1), "R"),
        ("crop=0.5,0.5&gravity=0.9,0&w=20", (20, 10), (1, 1), "B"),
        ("crop=900,10&w=40", (40, 5), (2, 1), "RB"),
        ("zoom=2", (40, 20), (2, 1), "RB"),
        ("zoom=2&w=40&gravity=west", (40, 20), (1, 1), "R"),
        ("zoom=10&w=80&gravity=1,1", (8, 4), (1, 1), "B"),
        ("zoom=2&w=20&h=20&fit=cover&gravity=0.1,0.5&rotate=180", (20, 20), (1, 1), "B"),
        ("rotate=-90", (40, 80), (1, 2), "B/R"),
        ("rotate=10&w=60", (60, 37), (2, 1), "RB"),
        ("rotate=190&w=60&h=60&fit=fill", (60, 60), (2, 1), "BR"),
        (
            "rotate=45&w=40&h=40&fit=cover&bg=00ff00&format=png",
            (40, 40),
            (8, 8),
            "GGRGGGGG/GRRRGGGG/RRRRRGGG/GRRR?BGG/GGR?BBBG/GGGBBBBB/GGGGBBBG/GGGGGBGG",
        ),
        ("pad=20", (120, 80), (6, 4), "....../.RRBB./.RRBB./......"),
        ("pad=10&dpr=2&extend=edge", (120, 80), (6, 4), "RRRBBB/RRRBBB/RRRBBB/RRRBBB"),
        ("pad=20&extend=mirror", (120, 80), (6, 4), "RRRBBB/RRRBBB/RRRBBB/RRRBBB"),
        ("pad=0,40,0,0&extend=blur&w=40", (80, 20), (8, 1), "RRBBBBBB"),
        ("pad=20,0&bg=00ff00", (80, 80), (2, 4), "GG/RB/RB/GG"),
        ("redact=0,0,40,40&redact_mode=00ff00&q=95&lossless", (80, 40), (2, 1), "GB"),
        ("redact=0.5,0.0,0.5,1.0;900,900,5,5&redact_mode=00ff00&rotate=90&w=20&q=95", (20, 40), (1, 2), "R/G"),
        ("redact=0,0,80,40&redact_mode=fff&w=40", (40, 20), (2, 1), "WW"),
        ("redact=0,0,40,40&redact_mode=blur&w=40", (40, 20), (2, 1), "RB"),
        ("pixelate=40&lossless&q=95", (80, 40), (2, 1), "RB"),
        ("radius=max", (80, 40), (8, 4), ".RRRBBB./RRRRBBBB/RRRRBBBB/.RRRBBB."),
        ("radius=24,0,24,0&bg=00ff00&q=95&lossless", (80, 40), (8, 4), "GRRRBBBB/RRRRBBBB/RRRRBBBB/RRRRBBBG"),
        ("radius=max&pad=20&bg=00ff00", (120, 80), (6, 4), "GGGGGG/GRRBBG/GRRBBG/GGGGGG"),
    ];
    for format in [Format::Png, Format::WebP, Format::Gif, Format::Jpeg] {
        let original = red_and_blue(format);
        for (query, size, (columns, rows), expected) in table {
            if format == Format::Jpeg && query.starts_with("trim") {
                continue; // ringing at the edge makes the border's end a matter of taste
            }
            let (picture, raster) = rendered(&original, query).unwrap();
            assert_eq!((picture.width, picture.height), size, "{format} {query}");
            let seen = cells(&raster, columns, rows);
            // A jpeg has no alpha to show what is transparent.
            let expected =
                if picture.format == Format::Jpeg { expected.replace('.', "W") } else { expected.to_owned() };
            assert_eq!(seen, expected, "{format} {query}");
        }
    }
}

#[test]
fn the_output_is_of_the_format_asked_for_or_the_original_s() {
    for format in [Format::Png, Format::WebP, Format::Gif, Format::Jpeg] {
        let original = red_and_blue(format);
        assert_eq!(rendered(&original, "w=10").unwrap().0.format, format);
        for name in ["png", "webp", "gif", "jpeg"] {
            let (picture, _) = rendered(&original, &format!("format={name}")).unwrap();
            assert_eq!(picture.format.name(), name);
            assert_eq!(codec::sniff(&picture.bytes), Some(picture.format));
        }
    }
}

#[test]
fn what_is_too_much_is_refused_before_it_is_allocated() {
    let original = red_and_blue(Format::Png);
    // Nearly the whole picture is asked for, so that no decoder can make do with less.
    let outcome = |budget| Render::new(&original).transform("w=60".parse().unwrap()).limits(budget).run();
    let refused = |result| matches!(result, Err(Error::Codec(codec::Error::TooLarge { .. })));
    assert!(refused(outcome(Budget { pixels: 80 * 40 - 1, ..BUDGET })));
    assert!(refused(outcome(Budget { memory: 80 * 40 * 3, ..BUDGET })));
    // Of a file whose pixels cannot be read, so that the header decides.
    let end = original.windows(4).position(|name| name == b"IDAT").unwrap() + 4;
    let header = Render::new(&original[..end]).limits(BUDGET);
    for query in ["w=8000&h=8000&fit=fill&enlarge", "w=1&h=8000&fit=fill&enlarge&rotate=45"] {
        assert!(refused(header.clone().transform(query.parse().unwrap()).run()), "{query}");
    }
    assert!(!refused(header.transform("w=1&h=40&fit=fill&enlarge&rotate=45".parse().unwrap()).run()));
    let stopped = Cancellation::unbounded();
    stopped.cancel();
    let result =
        Render::new(&original).transform("w=10".parse().unwrap()).limits(BUDGET).cancellation(stopped.clone()).run();
    assert_eq!(result, Err(codec::Cancelled.into()));
}

#[test]
fn facts_are_those_of_the_original() {
    let original = red_and_blue(Format::WebP);
    let info = Render::new(&original).limits(BUDGET).inspect().unwrap();
    assert_eq!((info.format, info.width, info.height, info.orientation, info.frames), ("webp", 80, 40, 1, 1));
    assert!(["#ff0000", "#0000ff"].contains(&info.dominant_color.as_str()), "{}", info.dominant_color);
    assert_eq!(info.bytes, original.len() as u64);
    let hash = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, &info.thumbhash).unwrap();
    let (width, height, rgba) = thumbhash::thumb_hash_to_rgba(&hash).unwrap();
    assert!(width > height && rgba[0] > rgba[2], "the placeholder is wide and red on its left");
    assert_eq!(
        (info.palette, info.bits, info.color_space.as_str()),
        (vec!["#0000ff".into(), "#ff0000".into()], 8, "sRGB")
    );
    assert!(info.gradient.starts_with("linear-gradient(to right, #ff0000, "), "{}", info.gradient);
    assert!(info.placeholder.unwrap().starts_with("data:image/webp;base64,") && info.blurhash.len() == 6 + 2 * 11);
    let table = [("png/grey-16.png", 16, "Grey"), ("jpeg/cmyk.jpg", 8, "CMYK"), ("png/rgb-8.png", 8, "sRGB")];
    for (name, bits, color_space) in table {
        let info = Render::new(&fixture(name)).limits(BUDGET).inspect().unwrap();
        assert_eq!((info.bits, info.color_space.as_str()), (bits, color_space), "{name}");
    }
}

#[test]
fn facts_include_what_the_metadata_says_of_the_picture() {
    let info = |properties: &str| {
        let bytes = with_xmp(&red_and_blue(Format::Jpeg), properties);
        let info = Render::new(&bytes).limits(BUDGET).inspect().unwrap();
        (info.alt, info.digital_source_type)
    };
    let alt = |items: &str| {
        let core = "xmlns:c='http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/'";
        format!("<c:AltTextAccessibility {core}><rdf:Alt>{items}</rdf:Alt></c:AltTextAccessibility>")
    };
    let source = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia";
    let made = format!(
        "<e:DigitalSourceType xmlns:e='http://iptc.org/std/Iptc4xmpExt/2008-02-29/'>{source}</e:DigitalSourceType>"
    );
    let (german, english) = ("<rdf:li xml:lang='de'>Hund</rdf:li>", "<rdf:li xml:lang='x-default'> A dog </rdf:li>");
    assert_eq!(info(&alt(&format!("{german}{english}"))), (Some("A dog".to_owned()), None));
    assert_eq!(info(&alt(german)), (Some("Hund".to_owned()), None));
    assert_eq!(info(&alt("<rdf:li xml:lang='x-default'> </rdf:li>")), (None, None));
    assert_eq!(info(&made), (None, Some(source.to_owned())));
    assert_eq!(info("<unfinished"), (None, None));
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)).unwrap()
}

#[test]
fn wide_gamut_stays_where_it_is_asked_for_and_fits() {
    let p3 = conversion::profile(Colorspace::DisplayP3);
    let bare = red_and_blue(Format::Png);
    let wide = metadata::embed(
        bare.clone(),
        Format::Png,
        &metadata::carry(&bare, Keep::None, &Cancellation::unbounded()).unwrap().with_profile(p3),
        80,
        40,
    );
    let table = [
        ("w=40", false),
        ("w=40&colorspace=p3", true),
        ("w=40&colorspace=p3&format=jpeg", true),
        ("w=40&colorspace=p3&format=webp", true),
        ("w=40&colorspace=p3&format=webp&lossless&metadata=all", true),
        ("w=40&colorspace=p3&linear", true),
        ("w=40&colorspace=p3&format=gif", false),
        ("w=40&colorspace=p3&grayscale", false),
    ];
    for (query, kept) in table {
        let (rendered, raster) = rendered(&wide, query).unwrap();
        let icc = container::icc_profile(&rendered.bytes, rendered.format, &Cancellation::unbounded()).unwrap();
        assert_eq!(icc.is_some(), kept, "{query}");
        if !query.contains("grayscale") {
            assert_eq!(cells(&raster, 2, 1), "RB", "{query}");
        }
        assert!(icc.is_none_or(|icc| !conversion::is_srgb(&icc)), "{query}");
    }
    let (avif, _) = rendered(&wide, "w=40&colorspace=p3&format=avif").unwrap();
    assert!(memchr::memmem::find(&avif.bytes, b"nclx\0\x0c\0\x0d").is_some(), "AVIF has code points");
    let (unchanged, _) = rendered(&bare, "w=40&colorspace=p3").unwrap();
    assert_eq!(
        container::icc_profile(&unchanged.bytes, Format::Png, &Cancellation::unbounded()).unwrap(),
        None,
        "sRGB has nothing beyond sRGB"
    );
}

#[test]
fn linear_light_keeps_the_brightness_of_fine_detail() {
    let lines: Vec<u8> = (0..64 * 64).map(|i| if i / 64 % 2 == 0 { 255 } else { 0 }).collect();
    let raster = Raster::new(64, 64, Channels::L, Samples::U8(lines)).unwrap();
    let options = EncodeOptions { quality: 100, lossless: true, ..EncodeOptions::DEFAULT };
    let bytes = codec::encoder(Format::Png)
        .unwrap()
        .encode(&raster, &options, Budget::UNLIMITED, &Cancellation::unbounded())
        .unwrap();
    let middle = |query: &str| rendered(&bytes, query).unwrap().1.samples().as_bytes()[4 * (8 * 16 + 8)];
    assert!(middle("w=16").abs_diff(128) < 4, "half of the samples");
    assert!(middle("w=16&linear").abs_diff(188) < 4, "half of the light");
}
