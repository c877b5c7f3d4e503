//! PNG: keeps the chunks that decoding, colour, animation and pixel aspect need.

use std::io::{Read, Seek};

use super::Keep;
use crate::rights::for_same_pixels;
use crate::{Error, Rewrite};
use image_origin_container::Input;
use image_origin_container::png::{self, Chunk, SIGNATURE_LEN};
use image_origin_container::{MAX_PARTS, parts};

pub(super) fn strip<R: Read + Seek>(input: &mut Input<'_, R>, keep: Keep) -> Result<Rewrite, Error> {
    let chunks = png::chunks(input)?;
    if chunks.len() > MAX_PARTS {
        return Err(Error::Damaged("too many chunks"));
    }
    let blocks = for_same_pixels(&parts::of_png(input, &chunks, keep.want())?, keep, input.meter())?.png_chunks();
    let mut out = Rewrite::new(input.len());
    out.copy(0..SIGNATURE_LEN);
    for chunk in &chunks {
        if is_kept(chunk) {
            out.copy(chunk.range.clone());
        }
        if &chunk.name == b"IHDR" {
            out.insert(&blocks);
        }
    }
    let complete = chunks.iter().any(|chunk| &chunk.name == b"IDAT");
    if complete { Ok(out) } else { Err(Error::Damaged("no image data")) }
}

/// A chunk that is cut off is kept only where decoders show what is there of it.
fn is_kept(chunk: &Chunk) -> bool {
    match &chunk.name {
        b"IDAT" | b"fdAT" => true,
        b"tRNS" | b"cHRM" | b"gAMA" | b"iCCP" | b"sBIT" | b"sRGB" | b"cICP" | b"mDCV" | b"cLLI" | b"bKGD" | b"pHYs"
        | b"acTL" | b"fcTL" => !chunk.cut,
        // Critical chunks have a capital first letter (section 5.4): without them, a decoder must give up.
        [first, ..] => first.is_ascii_uppercase() && !chunk.cut,
    }
}
