//! JPEGs that stay in luma and chroma.

use super::*;

/// Colours that change steadily in both directions, as a JPEG with halved chroma.
fn ramps(width: u32, height: u32) -> Vec<u8> {
    let share = |at: u32, length: u32| (at * 255 / (length - 1)) as u8;
    let pixel = |x, y| [share(x, width), share(y, height), 255 - share(x, width) / 2 - share(y, height) / 2];
    let pixels: Vec<[u8; 3]> = (0..height).flat_map(|y| (0..width).map(move |x| pixel(x, y))).collect();
    let raster = Raster::new(width, height, Channels::Rgb, Samples::U8(pixels.concat())).unwrap();
    let options = EncodeOptions { quality: 90, ..EncodeOptions::DEFAULT };
    codec::encoder(Format::Jpeg)
        .unwrap()
        .encode(&raster, &options, Budget::UNLIMITED, &Cancellation::unbounded())
        .unwrap()
}

/// Whether luma and chroma have one resolution, by the sampling factors in the frame header (ITU-T T.81, B.2.2).
fn has_full_chroma(jpeg: &[u8]) -> bool {
    let header = memchr::memmem::find(jpeg, &[0xff, 0xc0]).unwrap();
    jpeg[header + 11] == 0x11
}

#[test]
fn planes_give_the_same_picture_as_pixels() {
    let queries = [
        "",
        "rotate=90",
        "rotate=180",
        "rotate=270",
        "flip=h",
        "flip=v",
        "rotate=90&flip=h",
        "blur=0.4",
        "blur=2",
        "blur=9",
        "sharpen=1",
        "blur=1&sharpen=2&rotate=90",
    ];
    let sizes = ["w=16", "w=25", "w=40&h=27&fit=fill", "crop=13,7,111,90&h=19", "w=33&h=33&fit=cover&gravity=east"];
    let framed = [
        "w=40&pad=6",
        "w=41&pad=3,5,2,7&bg=246",
        "w=40&h=91&fit=contain&radius=9&bg=fc3",
        "w=45&radius=max",
        "w=45&radius=8,0,3,20&pad=5&bg=39c8",
        "w=40&pad=7,3&extend=edge",
        "w=41&h=95&fit=contain&extend=mirror",
        "w=44&pad=9,5,3,1&extend=blur",
        "w=44&pad=9&extend=blur&radius=14",
    ];
    for original in [ramps(201, 151), ramps(64, 128)] {
        // Where the background begins, the order of blending and subsampling shows, and a small copy for a blur has its
        // chroma half a sample elsewhere.
        let sizes = sizes.iter().map(|size| (size, 12, 2)).chain(framed.iter().map(|size| (size, 32, 4)));
        let queries =
            sizes.flat_map(|(size, most, mean)| queries.map(|turn| (format!("{size}&{turn}&q=90"), most, mean)));
        for (query, most, mean) in queries {
            let (_, planes) = rendered(&original, &query).unwrap();
            // Through PNG, so that the jpeg is made from pixels.
            let (png, _) = rendered(&original, &format!("{query}&format=png")).unwrap();
            let (jpeg, pixels) = rendered(&png.bytes, "format=jpeg&q=90").unwrap();
            // Where a background makes sharp edges of chroma, pixels keep all of it.
            if has_full_chroma(&jpeg.bytes) {
                assert!(query.contains("bg="), "{query}");
                continue;
            }
            assert_eq!((planes.width(), planes.height()), (pixels.width(), pixels.height()), "{query}");
            let pairs = planes.samples().as_bytes().iter().zip(pixels.samples().as_bytes());
            let differences: Vec<u32> = pairs.map(|(one, other)| one.abs_diff(*other).into()).collect();
            let (worst, sum) = (differences.iter().max().unwrap(), differences.iter().sum::<u32>());
            assert!(*worst <= most && sum <= mean * differences.len() as u32, "{query}: {worst}, {sum}");
        }
    }
}

#[test]
fn planes_go_into_other_formats_as_well() {
    let original = ramps(201, 151);
    for (size, format) in
        [("w=25", "webp"), ("w=40&h=27&fit=fill&rotate=90", "webp"), ("flip=h", "webp"), ("w=33", "avif")]
    {
        let query = format!("{size}&format={format}&q=85");
        let (_, planes) = rendered(&original, &query).unwrap();
        let (png, _) = rendered(&original, &format!("{size}&format=png")).unwrap();
        let (_, pixels) = rendered(&png.bytes, &format!("format={format}&q=85")).unwrap();
        assert_eq!((planes.width(), planes.height()), (pixels.width(), pixels.height()), "{query}");
        let pairs = planes.samples().as_bytes().iter().zip(pixels.samples().as_bytes());
        let mean =
            pairs.map(|(one, other)| f64::from(one.abs_diff(*other))).sum::<f64>() / planes.samples().len() as f64;
        assert!(mean < 3.0, "{query}: {mean}");
    }
}

#[test]
fn a_jpeg_takes_the_same_way_whoever_chooses_the_format() {
    let original = ramps(201, 151);
    let made = |query: &str, accept| {
        let accepted = Accepted::from_header(accept, &AUTO_FORMATS);
        let rendered =
            Render::new(&original).transform(query.parse().unwrap()).accepted(accepted).limits(BUDGET).run().unwrap();
        (rendered.format, rendered.bytes)
    };
    for (accept, format) in [("", "jpeg"), ("image/webp", "webp"), ("image/avif,image/webp", "avif")] {
        let (chosen, asked) = (made("w=120&format=auto", accept), made(&format!("w=120&format={format}"), ""));
        let others = [Some("jpeg"), accept.contains("webp").then_some("webp")].into_iter().flatten();
        let others = others.map(|format| made(&format!("w=120&format={format}"), ""));
        let smallest = others.fold(asked, |best, other| if other.1.len() < best.1.len() { other } else { best });
        assert!(chosen == smallest, "{accept}: {:?} instead of {:?}", chosen.0, smallest.0);
    }
}
