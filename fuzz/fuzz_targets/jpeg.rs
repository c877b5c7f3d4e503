//! Any bytes as a JPEG: no panic, no more memory than allowed, bounded work, and one verdict at full size and in one of
//! the other ways, which the last bytes choose.
//!
//! Tables are made anew for each decode, so this is fastest with `--no-trace-compares`, and `-s none` since the decoder
//! has no unsafe code but calls of CPU features.

#![no_main]

use std::cell::Cell;
use std::ops::ControlFlow;

use image_origin_jpeg::{
    DecodeError, DecodeOptions, Image, Permit, Rect, Scale, Upsampling, decode, decode_planes, exif, icc_profile,
    read_header,
};
use libfuzzer_sys::fuzz_target;

/// What tables are counted with (`TABLE_BYTES` of the decoder), and a small picture: large ones cost time and have no bugs
/// of their own.
const MAX_BYTES: u64 = (320 + 20) << 10;
/// The length of a file from which on blocks are looked for at several places at once, and what that takes.
const LONG: usize = 64 << 10;
const LONG_BYTES: u64 = MAX_BYTES + (700 << 10);
/// The length from which on a second thread may read the second half.
const TWO_THREADS: usize = 512 << 10;
/// Asked once for each row of MCUs of each scan: as often as 1000 scans of 2048 rows would have it at most.
const MOST_CHECKS: usize = 2_100_000;

fuzz_target!(|bytes: &[u8]| {
    let header = read_header(bytes);
    let _ = (exif(bytes), icc_profile(bytes));
    let [.., way, x, y, width, height] = [&[0; 5], bytes].concat()[..] else { return };
    let whole = counted(bytes, DecodeOptions::default(), |options| {
        let image = decode(bytes, options)?;
        let header = header.as_ref().expect("a picture has a header");
        check_image(&image, header.width, header.height, Scale::Full);
        Ok(())
    });
    let scale = Scale::ALL[usize::from(way >> 5) % Scale::ALL.len()];
    let upsampling = if way & 4 == 0 { Upsampling::Smooth } else { Upsampling::Nearest };
    // Mutation finds the edges of the wanted part.
    let region = header.as_ref().ok().filter(|_| way & 8 != 0).map(|header| {
        let scaled = |byte: u8, length: u32| u32::from(byte) * length / 255;
        let (width, height) = (scaled(width, header.width), scaled(height, header.height));
        Rect { x: scaled(x, header.width), y: scaled(y, header.height), width, height }
    });
    let options = DecodeOptions::default().scale(scale).region(region).upsampling(upsampling);
    let other = counted(bytes, options.full_chroma(width & 1 == 1), |options| {
        if way & 16 != 0 {
            let Some(planes) = decode_planes(bytes, options)? else { return whole.clone() };
            assert_eq!(planes.planes.len(), 3);
            assert!(planes.planes.iter().all(|plane| plane.samples.len() == plane.width * plane.height));
            return Ok(());
        }
        let image = decode(bytes, options)?;
        if let (Ok(header), None) = (&header, region) {
            check_image(&image, header.width, header.height, scale);
        }
        Ok(())
    });
    // Either may be too large alone, and a part may lie outside.
    let is_own = |result: &Result<(), DecodeError>| matches!(result, Err(DecodeError::TooLarge { .. }));
    if region.is_none() && !is_own(&whole) && !is_own(&other) {
        assert_eq!(whole, other);
    }
    // The data of a scan over and over: seldom, since it takes as long as a hundred small files.
    let seldom = (y ^ height) & 7 == 0;
    if seldom && way & 2 != 0 && whole.is_ok() {
        let long: Vec<u8> = [bytes, &[0; 16]].concat().into_iter().cycle().take(LONG.max(bytes.len())).collect();
        let options = DecodeOptions::default().scale(Scale::Eighth).max_bytes(LONG_BYTES);
        let _ = decode_planes(&long, &options);
    }
    // So long, and of a picture so large, that a second thread is worth while, which must change nothing.
    if seldom && way & 7 == 1 && whole.is_ok() {
        let mut long = bytes.to_vec();
        if let Some(frame) = long.windows(3).position(|marker| matches!(marker, [0xFF, 0xC0 | 0xC1, 0]))
            && let Some(sides) = long.get_mut(frame + 5..frame + 9)
        {
            sides.copy_from_slice(&[8, 0, 12, 0]);
        }
        long.truncate(long.len() - if long.ends_with(&[0xFF, 0xD9]) { 2 } else { 0 });
        let data: Vec<u8> = bytes[bytes.len() / 2..].iter().copied().filter(|byte| *byte != 0xFF).chain([0]).collect();
        long.extend(data.into_iter().cycle().take(TWO_THREADS + (usize::from(x) << 10)));
        let second_core = || Some(Box::new(()) as Permit);
        let options = DecodeOptions::default().scale(Scale::Eighth);
        assert!(decode_planes(&long, &options.second_core(&second_core)) == decode_planes(&long, &options));
    }
});

/// Runs with all the checks of the work that are allowed, and no more memory.
fn counted(
    bytes: &[u8],
    options: DecodeOptions<'_>,
    run: impl FnOnce(&DecodeOptions<'_>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let checks = Cell::new(0);
    let check = || {
        checks.set(checks.get() + 1);
        ControlFlow::Continue(())
    };
    let result = run(&options.max_bytes(MAX_BYTES).check(&check));
    assert!(checks.get() <= MOST_CHECKS, "{} checks for {} bytes", checks.get(), bytes.len());
    result
}

fn check_image(image: &Image, width: u32, height: u32, scale: Scale) {
    assert_eq!(image.width, scale.apply(width as usize));
    assert_eq!(image.height, scale.apply(height as usize));
    assert_eq!(image.pixels.len(), image.width * image.height * image.format.channels());
}
