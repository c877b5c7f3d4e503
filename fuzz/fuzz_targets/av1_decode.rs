//! Any bytes as a stream of AV1: no panic, bounded work, and a picture of the size that was announced.
//!
//! `-s none` is fastest, since the decoder has no unsafe code. `crates/av1/src/decode/streams` are seeds.

#![no_main]

use std::cell::Cell;
use std::ops::ControlFlow;

use image_origin_av1::decode::{DecodeError, DecodeOptions, Decoder, Row};
use libfuzzer_sys::fuzz_target;

/// Small, since large pictures cost time and have no bugs of their own.
const MAX_BYTES: u64 = 4 << 20;
const MAX_PIXELS: u64 = 128 << 10;

fuzz_target!(|bytes: &[u8]| {
    let checks = Cell::new(0u64);
    let check = || {
        checks.set(checks.get() + 1);
        ControlFlow::Continue(())
    };
    let Ok(decoder) = Decoder::new(bytes, &check) else { return };
    let [width, height] = decoder.size();
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return;
    }
    checks.set(0);
    let filtered = bytes.last().is_some_and(|last| last % 2 == 0);
    let options = DecodeOptions::default().filtered(filtered).max_bytes(MAX_BYTES).check(&check);
    match decoder.decode(&options) {
        Ok(picture) => {
            assert_eq!(picture.size(), [width, height]);
            for plane in 0..decoder.sequence().planes() {
                let [columns, rows] = picture.plane_size(plane);
                for y in 0..rows {
                    let (length, most) = match picture.row(plane, y) {
                        Row::Eight(row) => (row.len(), 0),
                        Row::Sixteen(row) => (row.len(), row.iter().copied().max().unwrap_or(0)),
                    };
                    assert!(length == columns && most >> decoder.sequence().depth == 0);
                }
            }
        }
        Err(DecodeError::TooLarge { needed, limit }) => assert!(needed > limit),
        Err(DecodeError::Damaged(_)) => {}
        Err(error) => panic!("{error}"),
    }
    // Superblocks, and rows of each filter.
    let superblocks = u64::from(width.div_ceil(64)) * u64::from(height.div_ceil(64));
    assert!(checks.get() <= superblocks + 12 * (u64::from(height) / 32 + 4));
});
