//! Any bytes as a JPEG: no panic, no more memory than allowed, bounded work, and one verdict at full size and at a scale
//! that the last bytes choose.
//!
//! Tables are made anew for each decode, so this is fastest with `--no-trace-compares`, and `-s none` since the decoder
//! has no unsafe code but calls of CPU features.

#![no_main]

use std::cell::Cell;
use std::ops::ControlFlow;

use image_origin::codec::jpeg::{
    Error, Options, Rect, Scale, Upsampling, decode, decode_planes, exif, icc_profile, read_header,
};
use libfuzzer_sys::fuzz_target;

/// Small, since large pictures cost time and have no bugs of their own.
const MAX_BYTES: u64 = 300 << 10;
/// Asked once for each row of MCUs of each scan: as often as 1000 scans of 2048 rows would have it at most.
const MOST_CHECKS: usize = 2_100_000;

fuzz_target!(|bytes: &[u8]| {
    let header = read_header(bytes);
    let _ = (exif(bytes), icc_profile(bytes));
    let mut verdict = None;
    let [.., x, y, width, height] = [&[0; 4], bytes].concat()[..] else { return };
    let chosen = Scale::ALL[usize::from(x & 3)];
    for scale in [Scale::Full, chosen] {
        let checks = Cell::new(0);
        let check = || {
            checks.set(checks.get() + 1);
            ControlFlow::Continue(())
        };
        let options = Options { scale, max_bytes: MAX_BYTES, check: &check, ..Options::default() };
        let result = decode(bytes, &options);
        assert!(checks.get() <= MOST_CHECKS);
        if let Ok(image) = &result {
            let header = header.as_ref().expect("a picture has a header");
            assert_eq!(image.width, scale.apply(header.width as usize));
            assert_eq!(image.height, scale.apply(header.height as usize));
            assert_eq!(image.pixels.len(), image.width * image.height * image.format.channels());
        }
        let planes = decode_planes(bytes, &options);
        if let Ok(Some(planes)) = &planes {
            assert_eq!(planes.planes.len(), 3);
            assert!(planes.planes.iter().all(|plane| plane.samples.len() == plane.width * plane.height));
        }
        // `None` says nothing but that there are no planes.
        let planes = planes.map(|planes| planes.map(|_| ())).transpose();
        for result in [Some(result.map(|_| ())), planes].into_iter().flatten() {
            if !matches!(result, Err(Error::TooLarge { .. })) {
                assert_eq!(*verdict.get_or_insert_with(|| result.clone()), result);
            }
        }
    }
    // They also say which part is wanted, so that mutation finds the edges.
    if let Ok(header) = header {
        let scaled = |byte: u8, length: u32| u32::from(byte) * length / 255;
        let region = Rect {
            x: scaled(x, header.width),
            y: scaled(y, header.height),
            width: scaled(width, header.width),
            height: scaled(height, header.height),
        };
        let upsampling = if y & 1 == 0 { Upsampling::Smooth } else { Upsampling::Nearest };
        let options =
            Options { scale: chosen, region: Some(region), upsampling, max_bytes: MAX_BYTES, ..Options::default() };
        let _ = (decode(bytes, &options), decode_planes(bytes, &options));
    }
});
