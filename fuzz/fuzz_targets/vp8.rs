//! Any bytes as a VP8 frame and as a VP8L stream: no panic, bounded work, and rows and pixels as many as announced.
//!
//! `-s none` is fastest, since the decoders have no unsafe code but calls of CPU features.

#![no_main]

use std::cell::Cell;
use std::ops::ControlFlow;

use image_origin_vp8::lossless::{self, Header};
use image_origin_vp8::lossy::{self, Sink};
use libfuzzer_sys::fuzz_target;

/// Small, since large pictures cost time and have no bugs of their own.
const MAX_BYTES: u64 = 4 << 20;
const MAX_PIXELS: u64 = 256 << 10;

struct Pairs {
    width: usize,
    count: usize,
}

impl Sink for Pairs {
    fn pair(&mut self, luma: [&[u8]; 2], chroma: [&[u8]; 2]) {
        assert!(luma.iter().all(|row| row.len() == self.width));
        assert!(chroma.iter().all(|row| row.len() == self.width.div_ceil(2)));
        self.count += 1;
    }
}

fuzz_target!(|bytes: &[u8]| {
    let checks = Cell::new(0u64);
    let check = || {
        checks.set(checks.get() + 1);
        ControlFlow::Continue(())
    };
    if let Ok((width, height)) = lossy::size(bytes)
        && u64::from(width) * u64::from(height) <= MAX_PIXELS
    {
        let filtered = bytes.last().is_some_and(|last| last % 2 == 0);
        let mut pairs = Pairs { width: width as usize, count: 0 };
        let options = lossy::DecodeOptions::default().filtered(filtered).check(&check);
        let is_decoded = lossy::decode(bytes, &options, &mut pairs).is_ok();
        assert_eq!(pairs.count, if is_decoded { height.div_ceil(2) as usize } else { 0 });
        assert!(checks.get() <= u64::from(height.div_ceil(16)));
    }
    checks.set(0);
    let options = lossless::DecodeOptions::default().max_bytes(MAX_BYTES).check(&check);
    if let (Ok(header), Ok(picture)) = (Header::read(bytes), lossless::decode(bytes, &options)) {
        let row = 4 * header.width as usize;
        assert_eq!(picture.samples.len(), row * header.height as usize);
        assert!((1..=header.height as usize).contains(&picture.rows));
        assert!(picture.samples[picture.rows * row..].iter().all(|sample| *sample == 0));
        let (mut rest, options) = (picture.samples.as_slice(), options.max_bytes(2 * MAX_BYTES));
        let rows = lossless::decode_rows(bytes, &options, &mut |row| {
            assert!(rest.starts_with(row));
            rest = &rest[row.len()..];
        });
        assert_eq!(rows, Ok(picture.rows));
    }
});
