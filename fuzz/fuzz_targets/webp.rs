//! Any bytes as a WebP: no panic, no more memory than allowed, a picture of the announced size, and one verdict at all
//! scales.

#![no_main]

use image_origin_codec::{Area, Budget, Cancellation, DecodeOptions, Error, Format, decoder};
use libfuzzer_sys::fuzz_target;

/// Small, since large pictures cost time and have no bugs of their own.
const BUDGET: Budget = Budget { pixels: 256 << 10, memory: 4 << 20 };

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    if bytes.first() == Some(&0x2f) {
        read(&file(&[(b"VP8L", bytes)]));
    }
    // As the frame of a file that is well-formed, since mutation seldom keeps lengths right.
    if bytes.get(3..6) == Some(&[0x9d, 0x01, 0x2a]) {
        read(&file(&[(b"VP8 ", bytes)]));
        if let (Some(&[w0, w1, h0, h1]), Some((&length, _))) =
            (bytes.get(6..).and_then(<[u8]>::first_chunk), bytes.split_last())
        {
            let side = |low, high| (u16::from_le_bytes([low, high]) & 0x3fff).wrapping_sub(1).to_le_bytes();
            let (width, height) = (side(w0, w1), side(h0, h1));
            let canvas = [0x10, 0, 0, 0, width[0], width[1], 0, height[0], height[1], 0];
            let alpha = &bytes[bytes.len().saturating_sub(length.into())..];
            read(&file(&[(b"VP8X", &canvas), (b"ALPH", alpha), (b"VP8 ", bytes)]));
        }
    }
});

fn file(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut file = b"RIFF\0\0\0\0WEBP".to_vec();
    for (name, content) in chunks {
        file.extend_from_slice(*name);
        file.extend((content.len() as u32).to_le_bytes());
        file.extend_from_slice(content);
        file.resize(file.len().next_multiple_of(2), 0);
    }
    let length = file.len() as u32 - 8;
    file[4..8].copy_from_slice(&length.to_le_bytes());
    file
}

fn read(bytes: &[u8]) {
    let decoder = decoder(Format::WebP).expect("WebP is read");
    let cancellation = Cancellation::unbounded();
    let Ok(header) = decoder.probe(bytes, BUDGET, &Cancellation::unbounded()) else { return };
    let whole = Area::whole(header.width, header.height);
    let mut verdict = None;
    for scale in [1.0, 0.3, 0.25, 0.1, 0.03] {
        let result =
            decoder.decode(bytes, &DecodeOptions { scale, ..DecodeOptions::new(whole, BUDGET, &cancellation) });
        if let Ok(decoded) = &result {
            assert_eq!(decoded.raster.channels(), header.channels);
            assert!(decoded.area.width >= whole.width && decoded.area.height >= whole.height);
            assert!(decoded.raster.width() <= header.width && decoded.raster.height() <= header.height);
        }
        if !matches!(result, Err(Error::TooLarge { .. })) {
            assert_eq!(*verdict.get_or_insert(result.is_ok()), result.is_ok());
        }
    }
    // The last bytes say which part is wanted, so that mutation finds the edges.
    if let Some(&[y, height, scale]) = bytes.last_chunk() {
        let y = f64::from(y) / 256.0 * whole.height;
        let area = Area { y, height: (whole.height - y) * f64::from(height.max(1)) / 255.0, ..whole };
        let scale = f64::from(scale.max(1)) / 255.0;
        if let Ok(part) =
            decoder.decode(bytes, &DecodeOptions { scale, ..DecodeOptions::new(area, BUDGET, &cancellation) })
        {
            assert!(part.area.y <= area.y && part.area.y + part.area.height >= area.y + area.height - 1e-6);
        }
    }
}
