//! What comes out, against stored references, by a perceptual measure. A picture that differs is saved with its
//! difference in `tests/failures/`; `UPDATE_REFERENCES=1` writes the references anew, to be looked at before committing.

use std::path::{Path, PathBuf};

use crate::common::fixtures;
use fast_image_resize as fir;
use image::{DynamicImage, RgbImage, RgbaImage};
use image_origin::codec::{Budget, Format, sniff};
use image_origin::query::Transform;
use image_origin::transform::{AUTO_FORMATS, Accepted, OverlayFile, Render};
use image_origin_jpeg::{self as jpeg, PixelFormat};

const BUDGET: Budget = Budget { pixels: 300_000_000, memory: 2 << 30 };

fn rendered(original: &[u8], query: &str) -> Result<DynamicImage, String> {
    let query = if query.contains("overlay_") { format!("{query}&overlay=mark.png") } else { query.to_owned() };
    let transform: Transform = query.parse().unwrap();
    let mark = transform.overlay.as_ref().map(|_| std::fs::read(fixtures().join("overlays/mark.png")).unwrap());
    let overlay = mark.as_ref().map(|bytes| OverlayFile { bytes, cache: None });
    let picture = Render::new(original).transform(transform.clone()).overlay(overlay).limits(BUDGET).run();
    let picture = picture.map_err(|error| error.to_string())?;
    let decoded = decoded(&picture.bytes).unwrap();
    assert_eq!((decoded.width(), decoded.height()), (picture.width, picture.height));
    Ok(decoded)
}

/// All pixels, as stored. JPEG is read by our own decoder at full size, which its own tests hold against libjpeg-turbo:
/// the `image` crate's shows stripes for some small pictures.
fn decoded(bytes: &[u8]) -> Option<DynamicImage> {
    if sniff(bytes) != Some(Format::Jpeg) {
        return image::load_from_memory(bytes).ok();
    }
    let picture = jpeg::decode(bytes, &jpeg::DecodeOptions::default()).ok()?;
    let (width, height) = (picture.width as u32, picture.height as u32);
    match picture.format {
        PixelFormat::Grey => Some(image::GrayImage::from_raw(width, height, picture.pixels)?.into()),
        PixelFormat::Rgb => Some(RgbImage::from_raw(width, height, picture.pixels)?.into()),
        PixelFormat::Cmyk => Some(RgbaImage::from_raw(width, height, picture.pixels)?.into()),
    }
}

/// Structural similarity of two pictures of one size, 1 for equal ones, as they look on grey.
fn similarity(one: &RgbaImage, other: &RgbaImage) -> f64 {
    let flat = |rgba: &RgbaImage| {
        RgbImage::from_fn(rgba.width(), rgba.height(), |x, y| {
            let [r, g, b, a] = rgba.get_pixel(x, y).0;
            image::Rgb([r, g, b].map(|c| ((u32::from(c) * u32::from(a) + 128 * (255 - u32::from(a))) / 255) as u8))
        })
    };
    image_compare::rgb_similarity_structure(&image_compare::Algorithm::MSSIMSimple, &flat(one), &flat(other))
        .unwrap()
        .score
}

#[test]
fn pictures_look_like_their_references() {
    let table = [
        ("photo-small", "photo.jpg", "w=160"),
        ("photo-progressive", "photo-progressive.jpg", "w=160"),
        ("photo-cover-attention", "photo.jpg", "w=100&h=100&fit=cover&gravity=attention"),
        ("photo-cover-entropy", "photo.jpg", "w=60&h=120&fit=cover&gravity=entropy"),
        ("photo-contain", "photo.png", "w=120&h=120&fit=contain&bg=navy"),
        ("photo-crop-rotate", "photo.webp", "crop=0.5,0.0,0.5,0.5&rotate=90&w=90"),
        ("photo-flip", "photo.png", "w=120&flip=h"),
        ("photo-blur", "photo.png", "w=120&blur=3"),
        ("photo-sharpen", "photo.png", "w=120&sharpen=1.5"),
        ("photo-colours", "photo.png", "w=120&brightness=1.1&contrast=1.3&saturation=1.5&gamma=1.2"),
        ("photo-grey", "photo.png", "w=120&grayscale"),
        ("photo-tint", "photo.png", "w=120&tint=ffcc88"),
        ("photo-invert", "photo.png", "w=120&invert"),
        ("photo-webp", "photo.jpg", "w=120&format=webp"),
        ("photo-gif", "photo.jpg", "w=120&format=gif"),
        ("photo-low-quality", "photo.jpg", "w=120&q=10"),
        ("drawing-small", "drawing.png", "w=120"),
        ("drawing-on-colour", "drawing.png", "w=120&format=jpeg&bg=tomato"),
        ("drawing-trimmed", "drawing.png", "trim=20&w=120"),
        ("cmyk", "jpeg/cmyk.jpg", "w=100&format=png"),
        ("ycck", "jpeg/ycck.jpg", "w=100&format=png"),
        ("wide-gamut", "jpeg/p3.jpg", "w=100&format=png"),
        ("grey-16-bit", "png/grey-16.png", "w=40"),
        ("palette", "png/palette-8.png", "w=40"),
        ("interlaced", "png/interlaced.png", "w=40"),
        ("alpha-webp", "webp/alpha.webp", "w=100"),
        ("gif-first-frame", "gif/animated.gif", "w=50"),
        ("tiff-strips", "tiff/strips.tif", "w=40&format=png"),
        ("tiff-tiles", "tiff/tiles.tif", "crop=10,5,40,30&format=png"),
        ("tiff-alpha", "tiff/alpha.tif", "w=40"),
        ("tiff-inks", "tiff/cmyk.tif", "w=40&format=png"),
        ("tiff-16-bit", "tiff/16-bit.tif", "w=40&format=png&linear"),
        ("bmp", "plain/photo.bmp", "w=40&format=png"),
        ("ico", "plain/icon.ico", "w=40&format=png"),
        ("qoi", "plain/photo.qoi", "w=10&format=png"),
        ("pnm", "plain/photo.ppm", "w=40&format=png"),
        ("photo-zoomed", "photo.png", "w=120&zoom=3&gravity=0.3,0.4"),
        ("photo-cropped-smartly", "photo.jpg", "crop=0.5,0.5&gravity=attention&w=90&format=png"),
        ("photo-tilted", "photo.png", "w=120&rotate=12"),
        ("photo-tilted-on-colour", "photo.jpg", "w=120&rotate=-30&bg=navy&format=png"),
        ("photo-round", "photo.png", "w=120&radius=30,0,30,0"),
        ("photo-circle", "photo.jpg", "w=100&ar=1:1&radius=max&bg=fff&format=png"),
        ("photo-card", "photo.png", "w=100&pad=10&radius=16&bg=gold"),
        ("photo-extended-blur", "photo.png", "w=100&h=140&fit=contain&extend=blur&radius=12"),
        ("photo-extended-mirror", "photo.png", "w=60&pad=30&extend=mirror"),
        ("photo-extended-edge", "photo.png", "w=60&pad=10,30&extend=edge"),
        ("drawing-framed", "drawing.png", "w=100&pad=20&extend=blur"),
        ("photo-pixelated", "photo.png", "w=120&pixelate=8"),
        ("photo-redacted", "photo.png", "w=120&redact=0.1,0.1,0.3,0.4;0.6,0.5,0.3,0.4"),
        (
            "photo-redacted-blur",
            "photo.jpg",
            "w=120&redact=0.1,0.1,0.3,0.4;0.6,0.5,0.3,0.4&redact_mode=blur&format=png",
        ),
        ("photo-redacted-colour", "photo.webp", "w=120&redact=0.1,0.1,0.3,0.4&redact_mode=black&format=png"),
        ("face", "faces/astronaut.jpg", "zoom=1.8&gravity=face&w=88&format=png"),
        ("face-hidden", "faces/astronaut.jpg", "redact=faces&w=120&format=png"),
        (
            "overlay-corner",
            "photo.jpg",
            "w=160&overlay_w=0.4&overlay_gravity=southeast&overlay_x=8&overlay_y=8&format=png",
        ),
        (
            "overlay-tiled",
            "photo.png",
            "w=160&overlay_w=48&overlay_tile&overlay_opacity=0.35&overlay_x=16&overlay_y=16",
        ),
        (
            "overlay-card",
            "photo.png",
            "w=120&ar=1:1&pad=12&radius=max&bg=gold&overlay_w=0.6&overlay_gravity=south&overlay_y=6",
        ),
        ("overlay-planes", "photo.jpg", "w=160&overlay_w=1.0&overlay_opacity=0.8&overlay_x=1&overlay_y=1"),
        ("truncated", "broken/truncated.jpg", "w=100&format=png"),
    ];
    let update = std::env::var_os("UPDATE_REFERENCES").is_some();
    let mut failures = Vec::new();
    for (name, file, query) in table {
        let original = std::fs::read(fixtures().join(file)).unwrap();
        let actual = rendered(&original, query).unwrap().into_rgba8();
        let reference = tests_folder("references").join(format!("{name}.png"));
        if update {
            actual.save(&reference).unwrap();
            continue;
        }
        let expected = image::open(&reference).unwrap().into_rgba8();
        if expected.dimensions() != actual.dimensions() || similarity(&expected, &actual) < 0.99 {
            save_failure(name, &expected, &actual);
            failures.push(name);
        }
    }
    assert!(failures.is_empty(), "{failures:?} differ; look into tests/failures");
}

fn tests_folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn save_failure(name: &str, expected: &RgbaImage, actual: &RgbaImage) {
    let folder = tests_folder("failures");
    actual.save(folder.join(format!("{name}.actual.png"))).unwrap();
    if expected.dimensions() == actual.dimensions() {
        let difference = RgbImage::from_fn(actual.width(), actual.height(), |x, y| {
            let (one, other) = (expected.get_pixel(x, y).0, actual.get_pixel(x, y).0);
            image::Rgb([0, 1, 2].map(|i| one[i].abs_diff(other[i]).saturating_mul(4)))
        });
        difference.save(folder.join(format!("{name}.difference.png"))).unwrap();
    }
}

#[test]
fn all_eight_orientations_come_out_upright() {
    let upright = |value: u8| {
        let original = std::fs::read(fixtures().join(format!("orientation/{value}.jpg"))).unwrap();
        rendered(&original, "w=60&format=png").unwrap().into_rgba8()
    };
    let first = upright(1);
    assert_eq!(first.dimensions(), (60, 40));
    let corner = |picture: &RgbaImage, x, y| picture.get_pixel(x, y).0;
    for value in 1..=8 {
        let picture = upright(value);
        assert!(similarity(&first, &picture) > 0.98, "orientation {value}");
        assert!(
            corner(&picture, 5, 5)[0] > 200 && corner(&picture, 55, 5)[1] > 150 && corner(&picture, 5, 35)[2] > 180
        );
    }
}

#[test]
fn of_a_gain_map_and_its_picture_the_picture_is_shown() {
    let read = |name: &str| std::fs::read(fixtures().join("jpeg").join(name)).unwrap();
    let (picture, map) = (read("422.jpg"), read("grey.jpg"));
    let segment =
        |marker: u8, content: &[u8]| [&[0xff, marker], &(content.len() as u16 + 2).to_be_bytes()[..], content].concat();
    // The XMP of ISO 21496-1's forerunner, and a directory of two images (CIPA DC-007) as far as anybody looks for it.
    let xmp = segment(0xe1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description xmlns:hdrgm='http://ns.adobe.com/hdr-gain-map/1.0/' hdrgm:Version='1.0'/></rdf:RDF></x:xmpmeta>");
    let directory = segment(0xe2, b"MPF\0II*\0\x08\0\0\0\0\0\0\0\0\0");
    let both = [&picture[..2], &xmp, &directory, &picture[2..], &map].concat();
    for query in ["w=60", "w=60&format=png", "w=150&metadata=all", "crop=10,10,50,50&format=webp"] {
        let transform: Transform = query.parse().unwrap();
        let bytes =
            |original: &[u8]| Render::new(original).transform(transform.clone()).limits(BUDGET).run().unwrap().bytes;
        let shown = bytes(&both);
        assert_eq!(rendered(&both, query).unwrap(), rendered(&picture, query).unwrap(), "{query}");
        for name in ["MPF", "hdrgm", "hdr-gain-map"] {
            let found = shown.windows(name.len()).any(|window| window == name.as_bytes());
            assert!(!found, "{query}: the output announces a gain map that it does not have");
        }
    }
}

/// The plain way: decode all, upright and in sRGB, then Lanczos3.
fn whole(original: &[u8]) -> Option<RgbaImage> {
    Some(rendered(original, "format=png").ok()?.into_rgba8())
}

fn lanczos(picture: &RgbaImage, width: u32) -> RgbaImage {
    let height = (f64::from(picture.height()) * f64::from(width) / f64::from(picture.width())).round().max(1.0) as u32;
    let mut out = fir::images::Image::new(width, height, fir::PixelType::U8x4);
    let options = fir::ResizeOptions::new().resize_alg(fir::ResizeAlg::Convolution(fir::FilterType::Lanczos3));
    let source = fir::images::ImageRef::new(picture.width(), picture.height(), picture, fir::PixelType::U8x4);
    fir::Resizer::new().resize(&source.unwrap(), &mut out, &options).unwrap();
    RgbaImage::from_raw(width, height, out.into_vec()).unwrap()
}

#[test]
fn all_fixtures_look_like_a_full_decode_and_lanczos() {
    let (mut compared, mut unread) = (0, Vec::new());
    for path in crate::common::files("") {
        let name = path.strip_prefix(fixtures()).unwrap().display().to_string();
        let original = std::fs::read(&path).unwrap();
        // Half a picture is resized with half the edge that it ends in.
        if sniff(&original).is_none() || name.starts_with("broken/") {
            continue;
        }
        let Some(whole) = whole(&original) else {
            unread.push(name);
            continue;
        };
        for width in [whole.width() / 5, whole.width() / 2].map(|width| width.max(1)) {
            // Lossless, so that only what came before the encoder is judged.
            let picture = rendered(&original, &format!("w={width}&format=png")).unwrap().into_rgba8();
            let expected = lanczos(&whole, width);
            assert_eq!(picture.dimensions(), expected.dimensions(), "{name} w={width}");
            if expected.width().min(expected.height()) < 8 {
                continue;
            }
            let score = similarity(&picture, &expected);
            let most = picture.iter().zip(expected.iter()).map(|(a, b)| a.abs_diff(*b)).max();
            // Flat areas have no structure but the last bits of JPEG. Where chroma is coarser in one direction alone, the
            // small scales of the decoder halve the other one as well, as libjpeg-turbo's do.
            let wanted = if ["jpeg/411.jpg", "jpeg/440.jpg"].contains(&name.as_str()) { 0.83 } else { 0.95 };
            let is_alike = score >= wanted || most <= Some(12);
            assert!(is_alike, "{name} w={width}: {score}, differs by at most {most:?}");
            compared += 1;
        }
    }
    let is_optional = |name: &String| name.starts_with("jxl/") || name.starts_with("heic/");
    assert!(unread.iter().all(is_optional), "{unread:?} are not read");
    assert!(compared > 130, "{compared}");
}

/// How many bytes `format=auto` sends to a viewer that sends this `Accept`, and in which format.
fn automatic(original: &[u8], query: &str, accept: &str) -> Option<(usize, Format)> {
    let transform: Transform = format!("{query}&format=auto").parse().unwrap();
    let accepted = Accepted::from_header(accept, &AUTO_FORMATS);
    let picture = Render::new(original).transform(transform.clone()).accepted(accepted).limits(BUDGET).run().ok()?;
    Some((picture.bytes.len(), picture.format))
}

#[test]
fn newer_formats_are_never_larger_than_what_they_replace() {
    for path in crate::common::files("") {
        let query = "w=24";
        let (original, name) = (std::fs::read(&path).unwrap(), path.display());
        let Some((old, format)) = automatic(&original, query, "*/*") else { continue };
        assert!(matches!(format, Format::Jpeg | Format::Png | Format::Gif), "{name}: {format}");
        for accept in ["image/webp", "image/avif,image/webp"] {
            let (new, format) = automatic(&original, query, accept).unwrap();
            assert!(new <= old, "{name}: {format} has {new} bytes, and {old} would have done");
        }
    }
}

#[test]
fn broken_pictures_are_answered() {
    let table = [
        ("truncated.jpg", Ok(())),
        ("header-only.jpg", Err(())),
        ("60000x60000.png", Err(())),
        ("text.jpg", Err(())),
        ("empty.jpg", Err(())),
    ];
    let small = Budget { pixels: 100_000_000, memory: 512 << 20 };
    for (name, expected) in table {
        let original = std::fs::read(fixtures().join("broken").join(name)).unwrap();
        for query in ["w=300", "w=8", "w=100&format=webp"] {
            let transform: Transform = query.parse().unwrap();
            let outcome = Render::new(&original).transform(transform.clone()).limits(small).run();
            assert_eq!(outcome.map(|_| ()).map_err(|_| ()), expected, "{name} {query}");
        }
    }
}
