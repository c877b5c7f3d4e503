//! Any bytes as a picture of any format, whatever they announce: no panic, and what is decoded is of the size that the
//! header gave, in no more memory than allowed. The first byte chooses the format, the second the scale, and the four
//! after that the part that is needed.
#![no_main]

use image_origin_codec::{Area, Budget, Cancellation, DecodeOptions, Format, decoder};
use libfuzzer_sys::fuzz_target;

const FORMATS: [Format; 13] = [
    Format::Tiff,
    Format::Bmp,
    Format::Ico,
    Format::Qoi,
    Format::Pnm,
    Format::Png,
    Format::Gif,
    Format::WebP,
    Format::Jpeg,
    Format::JpegXl,
    Format::Heic,
    Format::Avif,
    Format::Svg,
];
/// Small, since large pictures cost time and have no bugs of their own.
const BUDGET: Budget = Budget { pixels: 1 << 16, memory: 1 << 22 };

fuzz_target!(|data: &[u8]| {
    let [format, scale, x, y, width, height, bytes @ ..] = data else { return };
    let Some(decoder) = decoder(FORMATS[usize::from(*format) % FORMATS.len()]) else { return };
    let Ok(header) = decoder.probe(bytes, BUDGET, &Cancellation::unbounded()) else { return };
    // The pixels of a drawing depend on the scale.
    let is_drawing = header.format == Format::Svg;
    assert!(is_drawing || u64::from(header.width) * u64::from(header.height) <= BUDGET.pixels);
    let part = |start: u8, length: u8, side: u32| {
        let start = f64::from(start) / 256.0 * f64::from(side);
        (start, (f64::from(length) + 1.0) / 256.0 * (f64::from(side) - start))
    };
    let ((x, width), (y, height)) = (part(*x, *width, header.width), part(*y, *height, header.height));
    let cancellation = Cancellation::unbounded();
    let options = DecodeOptions {
        scale: f64::from(*scale) / 255.0 + 0.004,
        ..DecodeOptions::new(Area { x, y, width, height }, BUDGET, &cancellation)
    };
    let Ok(decoded) = decoder.decode(bytes, &options) else { return };
    assert_eq!(decoded.raster.channels(), header.channels);
    let covered = decoded.area;
    assert!(covered.x <= x + 1e-6 && covered.x + covered.width >= x + width - 1e-6, "{covered:?}");
    assert!(covered.y <= y + 1e-6 && covered.y + covered.height >= y + height - 1e-6, "{covered:?}");
});
