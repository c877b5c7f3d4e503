//! Any bytes as an animation, and as the frames of one whose container is well-formed: no panic, no more memory than
//! allowed, frames of the announced size, and output that reads back with no more frames than were shown.

#![no_main]

use image_origin_codec::{Budget, Cancellation, decoder_for};
use image_origin_query::Transform;
use image_origin_transform::{Limits, Render};
use libfuzzer_sys::fuzz_target;

/// Small, since large pictures cost time and have no bugs of their own.
const BUDGET: Budget = Budget { pixels: 64 << 10, memory: 4 << 20 };
const LIMITS: Limits = Limits { budget: BUDGET, frames: 12, frame_pixels: 256 << 10 };

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    // Mutation seldom keeps lengths right, so the bytes are the frames of a WebP, too.
    read(&webp(bytes));
});

/// Frames of up to 60 bytes each, whose places and flags are the first bytes of each.
fn webp(bytes: &[u8]) -> Vec<u8> {
    let mut file = b"RIFF\0\0\0\0WEBP".to_vec();
    chunk(&mut file, b"VP8X", &[0x12, 0, 0, 0, 15, 0, 0, 15, 0, 0]);
    chunk(&mut file, b"ANIM", &[0; 6]);
    for frame in bytes.chunks(60) {
        let [x, y, width, height, flags, data @ ..] = frame else { break };
        let [x, y, width, height] = [x, y, width, height].map(|side| side % 16);
        let mut content = vec![x, 0, 0, y, 0, 0, width, 0, 0, height, 0, 0, 1, 0, 0, flags % 4];
        let name = if data.first() == Some(&0x2f) { b"VP8L" } else { b"VP8 " };
        chunk(&mut content, name, data);
        chunk(&mut file, b"ANMF", &content);
    }
    let length = file.len() as u32 - 8;
    file[4..8].copy_from_slice(&length.to_le_bytes());
    file
}

fn chunk(file: &mut Vec<u8>, name: &[u8; 4], content: &[u8]) {
    file.extend_from_slice(name);
    file.extend((content.len() as u32).to_le_bytes());
    file.extend_from_slice(content);
    file.resize(file.len().next_multiple_of(2), 0);
}

fn read(bytes: &[u8]) {
    let cancellation = Cancellation::unbounded();
    let Ok(decoder) = decoder_for(bytes) else { return };
    let Ok(header) = decoder.probe(bytes, BUDGET, &Cancellation::unbounded()) else { return };
    let Ok(Some(animation)) = decoder.animation(bytes, &cancellation) else { return };
    let mut shown = 0;
    if let Ok(mut frames) = decoder.frames(bytes, BUDGET, &cancellation) {
        while let Ok(Some(frame)) = frames.next_frame() {
            assert_eq!((frame.width(), frame.height()), (header.width, header.height));
            shown += 1;
            if shown > LIMITS.frames {
                break;
            }
        }
    }
    for query in ["format=gif&w=9", "format=webp&lossless&w=20&h=8&fit=cover&gravity=entropy"] {
        let query: Transform = query.parse().expect("a query");
        let Ok(rendered) =
            Render::new(bytes).transform(query.clone()).limits(LIMITS).cancellation(cancellation.clone()).run()
        else {
            continue;
        };
        let own = decoder_for(&rendered.bytes).expect("our own file");
        // Frames that look the same in the result are merged, if need be to a still picture.
        if let Some(own) = own.animation(&rendered.bytes, &cancellation).expect("our own file") {
            assert!((1..=shown).contains(&own.frames()), "{} of {shown} frames", own.frames());
            assert_eq!(own.plays.min(65_535), animation.plays.min(65_535));
        }
    }
}
