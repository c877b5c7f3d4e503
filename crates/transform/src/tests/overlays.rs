//! Overlays.

use super::*;

fn overlaid(original: &[u8], overlay: &[u8], query: &str) -> Result<(Rendered, Raster), Error> {
    let file = OverlayFile { bytes: overlay, cache: None };
    let transform = format!("overlay=a&{query}").parse().unwrap();
    let made = Render::new(original).overlay(Some(file)).transform(transform).limits(BUDGET).run()?;
    let (_, raster) = rendered(&made.bytes, "format=png")?;
    Ok((made, raster))
}

/// A square of one colour, as a lossless file.
fn square(side: u32, pixel: [u8; 4], format: Format) -> Vec<u8> {
    let (channels, pixel) = if pixel[3] == 255 { (Channels::Rgb, &pixel[..3]) } else { (Channels::Rgba, &pixel[..]) };
    let samples = Samples::U8(pixel.repeat((side * side) as usize));
    let raster = Raster::new(side, side, channels, samples).unwrap();
    encoded(&raster, format)
}

const GREEN: [u8; 4] = [0, 255, 0, 255];

#[test]
fn an_overlay_lies_where_it_is_asked_for() {
    let table = [
        ("", "RRRRBBBB/RRRGGBBB/RRRGGBBB/RRRRBBBB"),
        ("overlay_gravity=northwest", "GGRRBBBB/GGRRBBBB/RRRRBBBB/RRRRBBBB"),
        ("overlay_gravity=southeast&overlay_x=10&overlay_y=0.25", "RRRRBBBB/RRRRBGGB/RRRRBGGB/RRRRBBBB"),
        ("overlay_gravity=east&overlay_x=0.5", "RRRRBBBB/RRGGBBBB/RRGGBBBB/RRRRBBBB"),
        ("overlay_x=20&overlay_y=10", "RRRRBBBB/RRRRBBBB/RRRRBGGB/RRRRBGGB"),
        ("overlay_gravity=0.0,1.0", "RRRRBBBB/RRRRBBBB/GGRRBBBB/GGRRBBBB"),
        ("overlay_w=0.5", "RRGGGGBB/RRGGGGBB/RRGGGGBB/RRGGGGBB"),
        ("overlay_w=10&dpr=2&overlay_gravity=north", "RRRGGBBB/RRRGGBBB/RRRRBBBB/RRRRBBBB"),
        ("overlay_h=10&overlay_gravity=southwest", "RRRRBBBB/RRRRBBBB/RRRRBBBB/GRRRBBBB"),
        ("overlay_w=0.25&overlay_h=0.25&overlay_gravity=northeast", "RRRRBBBG/RRRRBBBB/RRRRBBBB/RRRRBBBB"),
        ("overlay_w=60&overlay_gravity=southeast&overlay_x=40&overlay_y=20", "GGGGBBBB/GGGGBBBB/RRRRBBBB/RRRRBBBB"),
        ("overlay_gravity=west&overlay_x=1.0", "RRRRBBBB/RRRRBBBB/RRRRBBBB/RRRRBBBB"),
        ("overlay_tile", "GGGGGGGG/GGGGGGGG/GGGGGGGG/GGGGGGGG"),
        ("overlay_tile&overlay_gravity=northwest&overlay_x=20&overlay_y=10", "GGRRGGBB/GGRRGGBB/RRRRBBBB/GGRRGGBB"),
        ("overlay_tile&overlay_w=10&overlay_x=30&overlay_gravity=east", "RRRGBBBG/RRRGBBBG/RRRGBBBG/RRRGBBBG"),
        ("overlay_opacity=0&overlay_tile", "RRRRBBBB/RRRRBBBB/RRRRBBBB/RRRRBBBB"),
        // It lies on what comes out, whatever was done before.
        ("rotate=180&overlay_gravity=northwest", "GGBBRRRR/GGBBRRRR/BBBBRRRR/BBBBRRRR"),
        ("invert&crop=0,0,40,20&w=80&enlarge&overlay_gravity=northwest", "GG??????/GG??????/????????/????????"),
        ("w=40&pad=10,20&bg=fff&overlay_w=0.25&overlay_gravity=northwest", "GGWWWWWW/GGRRBBWW/WWRRBBWW/WWWWWWWW"),
        ("w=80&h=40&fit=contain&crop=0,0,40,40&bg=fff&overlay_gravity=east", "WWRRRRWW/WWRRRRGG/WWRRRRGG/WWRRRRWW"),
        ("radius=max&overlay_gravity=northwest&overlay_w=10&bg=fff", "GRRRBBBW/RRRRBBBB/RRRRBBBB/WRRRBBBW"),
    ];
    for format in [Format::Png, Format::WebP, Format::Jpeg] {
        let (original, overlay) = (red_and_blue(format), square(20, GREEN, format));
        for (query, expected) in table {
            // Of a JPEG with planes of luma and chroma, and of pixels.
            for quality in ["q=90", "q=95&lossless"] {
                let (picture, raster) = overlaid(&original, &overlay, &format!("{query}&{quality}")).unwrap();
                assert_eq!((picture.width, picture.height), (80, 40), "{format} {query}");
                assert_eq!(cells(&raster, 8, 4), expected, "{format} {query} {quality}");
            }
        }
    }
}

#[test]
fn what_is_transparent_of_an_overlay_lets_the_picture_through() {
    let half = square(40, [0, 255, 0, 128], Format::Png);
    let first = |query: &str| {
        let (_, raster) = overlaid(&red_and_blue(Format::Png), &half, query).unwrap();
        *raster.samples().as_bytes().first_chunk::<4>().unwrap()
    };
    let table = [
        ("overlay_gravity=west", [127, 128, 0, 255]),
        ("overlay_gravity=west&overlay_opacity=0.5", [191, 64, 0, 255]),
        ("overlay_gravity=east", [255, 0, 0, 255]),
        ("pad=1&overlay_gravity=northwest", [0, 255, 0, 128]),
        ("pad=1&overlay_gravity=northwest&bg=00f", [0, 128, 127, 255]),
        ("grayscale&overlay_gravity=west", [27, 155, 27, 255]),
    ];
    for (query, expected) in table {
        let seen = first(query);
        assert!(seen.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 1), "{query}: {seen:?} for {expected:?}");
    }
}

#[test]
fn every_frame_has_the_overlay() {
    let green = square(20, GREEN, Format::Png);
    for name in ["gif/disposing.gif", "webp/disposing.webp"] {
        let (picture, _) = overlaid(&fixture(name), &green, "overlay_w=0.25&overlay_gravity=southeast").unwrap();
        for page in 0..4 {
            let (_, raster) = rendered(&picture.bytes, &format!("format=png&page={page}")).unwrap();
            let (_, before) = rendered(&fixture(name), &format!("format=png&page={page}")).unwrap();
            let (seen, mut expected) = (cells(&raster, 4, 3), cells(&before, 4, 3));
            expected.replace_range(expected.len() - 1.., "G");
            assert_eq!(seen, expected, "{name} {page}");
        }
    }
}

#[test]
fn an_overlay_may_be_any_picture() {
    let original = red_and_blue(Format::Png);
    let seen = |overlay: &[u8], query: &str| cells(&overlaid(&original, overlay, query).unwrap().1, 4, 2);
    // Of an animation the first frame, of a picture that lies on its side the upright one, and of itself itself.
    assert_eq!(seen(&fixture("gif/animated.gif"), "overlay_tile"), "RRRR/RRRR");
    assert_eq!(seen(&fixture("png/disposing.png"), "overlay_tile"), "BBBB/BBBB");
    let upright = seen(&fixture("orientation/1.jpg"), "overlay_h=1.0&overlay_gravity=west");
    for value in 2..=8 {
        let turned = fixture(&format!("orientation/{value}.jpg"));
        assert_eq!(seen(&turned, "overlay_h=1.0&overlay_gravity=west"), upright, "{value}");
    }
    assert_eq!(seen(&original, "overlay_w=0.5&overlay_gravity=northwest"), "RBBB/RRBB");
    let refused = |overlay: &[u8], query: &str| overlaid(&original, overlay, query).unwrap_err();
    assert!(matches!(refused(b"no image", ""), Error::Overlay(codec::Error::Unsupported(_))));
    assert!(matches!(refused(&original[..60], ""), Error::Overlay(codec::Error::Damaged { .. })));
    let huge = refused(&fixture("broken/60000x60000.png"), "overlay_w=10");
    assert!(matches!(huge, Error::Overlay(codec::Error::TooLarge { .. })), "{huge:?}");
    let missing = Render::new(&original).transform("overlay=a".parse().unwrap()).run();
    assert!(matches!(missing, Err(Error::Overlay(_))), "{missing:?}");
    assert_eq!(overlaid(&fixture("gif/disposing.gif"), b"no image", "").map(drop), Err(refused(b"no image", "")));
    let stopped = Cancellation::unbounded();
    stopped.cancel();
    let file = OverlayFile { bytes: &original, cache: None };
    let transform = "overlay=a".parse().unwrap();
    let result = Render::new(&original).overlay(Some(file)).transform(transform).cancellation(stopped).run();
    assert_eq!(result, Err(codec::Cancelled.into()));
}

#[test]
fn overlays_of_all_kinds_share_the_colours_of_the_output() {
    let p3 = fixture("jpeg/p3.jpg");
    let (_, alone) = rendered(&p3, "format=png").unwrap();
    let white = square(200, [255; 4], Format::Png);
    let alike = |one: &Raster, other: &Raster, most: u8| {
        let pairs = one.samples().as_bytes().iter().zip(other.samples().as_bytes());
        one.width() == other.width() && pairs.into_iter().all(|(a, b)| a.abs_diff(*b) <= most)
    };
    let (_, over) = overlaid(&white, &p3, "crop=150,100&overlay_w=1.0").unwrap();
    assert!(alike(&over, &alone, 1), "the overlay is converted to sRGB");
    // Where the output keeps its wide colours, what is laid over it looks as it does elsewhere.
    let photo = fixture("photo.png");
    for query in ["colorspace=p3&format=png", "colorspace=p3&format=png&linear", "colorspace=p3&format=gif"] {
        let (_, over) = overlaid(&p3, &photo, &format!("{query}&overlay_w=1.0&overlay_h=1.0")).unwrap();
        let (_, same) = overlaid(&p3, &photo, "format=png&overlay_w=1.0&overlay_h=1.0").unwrap();
        let most = if query.contains("gif") { 90 } else { 4 };
        assert!(alike(&over, &same, most), "{query}");
    }
}

#[test]
fn what_was_decoded_is_used_again() {
    let (original, green) = (red_and_blue(Format::Png), square(20, GREEN, Format::Png));
    let cache = OverlayCache::new(1 << 20);
    let made = |bytes: &[u8], query: &str| {
        let file = OverlayFile { bytes, cache: Some((&cache, "a")) };
        let transform = format!("overlay=a&{query}").parse().unwrap();
        Render::new(&original).overlay(Some(file)).transform(transform).run()
    };
    let first = made(&green, "").unwrap();
    assert_eq!(cache.bytes(), 20 * 20 * 3);
    // The header alone is read of the second file, so that it cannot be seen that this is another one.
    assert_eq!(made(&square(20, [255; 4], Format::Png), "").unwrap().bytes, first.bytes);
    assert_ne!(made(&square(20, [255; 4], Format::Png), "overlay_w=10").unwrap().bytes, first.bytes);
}
