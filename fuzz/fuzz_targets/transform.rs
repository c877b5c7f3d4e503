//! The whole core: a query up to the first zero byte, an original after it. Whatever they are, the outcome is an error
//! or a picture that can be read, of the size that was promised and within the limits.

#![no_main]

use image_origin_codec::{Budget, Cancellation, decoder_for};
use image_origin_transform::{OverlayFile, Render};
use libfuzzer_sys::fuzz_target;

const BUDGET: Budget = Budget { pixels: 1 << 20, memory: 64 << 20 };

fuzz_target!(|input: &[u8]| {
    let (query, original) = match input.iter().position(|byte| *byte == 0) {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (&input[..0], input),
    };
    let Some(Ok(transform)) = std::str::from_utf8(query).ok().map(str::parse) else { return };
    let cancellation = Cancellation::unbounded();
    let _ = Render::new(original).limits(BUDGET).cancellation(cancellation.clone()).inspect();
    // A picture may lie over itself.
    let overlay = Some(OverlayFile { bytes: original, cache: None });
    let render = Render::new(original).overlay(overlay).transform(transform).limits(BUDGET).cancellation(cancellation);
    let Ok(rendered) = render.run() else { return };
    let generous = Budget { pixels: u64::MAX, memory: u64::MAX };
    let header = decoder_for(&rendered.bytes)
        .and_then(|decoder| decoder.probe(&rendered.bytes, generous, &Cancellation::unbounded()))
        .expect("our own file");
    assert_eq!((header.width, header.height), (rendered.width, rendered.height));
});
