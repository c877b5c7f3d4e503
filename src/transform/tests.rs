use super::*;
use crate::codec::{Channels, Encoding, Samples};

const BUDGET: Budget = Budget { pixels: 10_000_000, memory: 100_000_000 };

/// A picture whose left half is red and whose right half is blue, as a lossless file.
fn red_and_blue(format: Format) -> Vec<u8> {
    let pixels: Vec<[u8; 3]> = (0..80 * 40).map(|i| if i % 80 < 40 { [255, 0, 0] } else { [0, 0, 255] }).collect();
    let raster = Raster::new(80, 40, Channels::Rgb, Samples::U8(pixels.concat())).unwrap();
    let encoding = Encoding { quality: 100, lossless: true, progressive: false };
    codec::encoder(format).unwrap().encode(&raster, &encoding, &Work::unbounded()).unwrap()
}

fn rendered(bytes: &[u8], query: &str) -> Result<(Rendered, Raster), Error> {
    let transform = query.parse().unwrap();
    let rendered = render(bytes, &transform, Accepted::default(), BUDGET, &Work::unbounded())?;
    let picture = Prepared::new(&rendered.bytes, &Transform::default(), BUDGET.into(), &Work::unbounded())?
        .decode(&Transform::default())?;
    Ok((rendered, colour::with_alpha(colour::with_colour(picture.finished()))))
}

/// The colour in the middle of each of the cells of a grid.
fn cells(raster: &Raster, columns: u32, rows: u32) -> String {
    let name = |rgba: [u8; 4]| match rgba {
        [200..=255, 0..60, 0..60, 255] => 'R',
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
    let outcome = |budget| render(&original, &"w=60".parse().unwrap(), Accepted::default(), budget, &Work::unbounded());
    let refused = |result| matches!(result, Err(Error::Codec(codec::Error::TooLarge { .. })));
    assert!(refused(outcome(Budget { pixels: 80 * 40 - 1, ..BUDGET })));
    assert!(refused(outcome(Budget { memory: 80 * 40 * 3, ..BUDGET })));
    let stopped = Work::unbounded();
    stopped.cancel();
    let result = render(&original, &"w=10".parse().unwrap(), Accepted::default(), BUDGET, &stopped);
    assert_eq!(result, Err(codec::Stopped.into()));
}

#[test]
fn facts_are_those_of_the_original() {
    let original = red_and_blue(Format::WebP);
    let info = inspect(&original, BUDGET, &Work::unbounded()).unwrap();
    assert_eq!((info.format, info.width, info.height, info.orientation, info.frames), ("webp", 80, 40, 1, 1));
    assert!(["#ff0000", "#0000ff"].contains(&info.dominant_color.as_str()), "{}", info.dominant_color);
    assert_eq!(info.bytes, original.len() as u64);
    let hash = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, &info.thumbhash).unwrap();
    let (width, height, rgba) = thumbhash::thumb_hash_to_rgba(&hash).unwrap();
    assert!(width > height && rgba[0] > rgba[2], "the placeholder is wide and red on its left");
}

/// Colours that change steadily in both directions, as a JPEG with halved chroma.
fn ramps(width: u32, height: u32) -> Vec<u8> {
    let share = |at: u32, length: u32| (at * 255 / (length - 1)) as u8;
    let pixel = |x, y| [share(x, width), share(y, height), 255 - share(x, width) / 2 - share(y, height) / 2];
    let pixels: Vec<[u8; 3]> = (0..height).flat_map(|y| (0..width).map(move |x| pixel(x, y))).collect();
    let raster = Raster::new(width, height, Channels::Rgb, Samples::U8(pixels.concat())).unwrap();
    let encoding = Encoding { quality: 90, lossless: false, progressive: false };
    codec::encoder(Format::Jpeg).unwrap().encode(&raster, &encoding, &Work::unbounded()).unwrap()
}

#[test]
fn planes_give_the_same_picture_as_pixels() {
    let queries = ["", "rotate=90", "rotate=180", "rotate=270", "flip=h", "flip=v", "rotate=90&flip=h"];
    let sizes = ["w=16", "w=25", "w=40&h=27&fit=fill", "crop=13,7,111,90&h=19", "w=33&h=33&fit=cover&gravity=east"];
    for original in [ramps(201, 151), ramps(64, 128)] {
        for query in sizes.iter().flat_map(|size| queries.map(|turn| format!("{size}&{turn}&q=90"))) {
            let (_, planes) = rendered(&original, &query).unwrap();
            // Through PNG, so that the jpeg is made from pixels.
            let (png, _) = rendered(&original, &format!("{query}&format=png")).unwrap();
            let (_, pixels) = rendered(&png.bytes, "format=jpeg&q=90").unwrap();
            assert_eq!((planes.width(), planes.height()), (pixels.width(), pixels.height()), "{query}");
            let pairs = planes.samples().as_bytes().iter().zip(pixels.samples().as_bytes());
            let worst = pairs.map(|(one, other)| one.abs_diff(*other)).max().unwrap();
            assert!(worst <= 12, "{query}: {worst}");
        }
    }
}
