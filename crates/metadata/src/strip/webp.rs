//! WebP: keeps the image data, alpha, animation and the ICC profile, and sets VP8X and the RIFF size right.

use std::io::{self, Read, Seek};

use super::Keep;
use crate::rights::for_same_pixels;
use crate::{Error, Piece, Rewrite};
use image_origin_container::Input;
use image_origin_container::webp::{self, Chunk, EXIF_FLAG, HEADER_LEN, XMP_FLAG};
use image_origin_container::{MAX_PARTS, parts};

/// Position, size, duration and flags of a frame, before its chunks (RFC 9649, 2.7.1.1).
const ANMF_HEADER_LEN: u64 = 16;

pub(super) fn strip<R: Read + Seek>(input: &mut Input<'_, R>, keep: Keep) -> Result<Rewrite, Error> {
    let chunks = webp::chunks(input)?;
    if chunks.len() >= MAX_PARTS {
        return Err(Error::Damaged("too many chunks"));
    }
    let parts = parts::of_webp(input, &chunks, keep.want())?;
    let (blocks, flags) = for_same_pixels(&parts, keep, input.meter())?.webp_chunks();
    let mut head = Rewrite::new(input.len());
    if webp::is_extended(&chunks) {
        keep_vp8x(input, &chunks[0], flags, &mut head)?;
    }
    let mut body = Rewrite::new(input.len());
    let mut missing = 0;
    for chunk in &chunks {
        match &chunk.name {
            b"ANMF" => missing = keep_frame(input, chunk, &mut body)?,
            b"VP8 " | b"VP8L" | b"ALPH" | b"ANIM" | b"ICCP" => {
                body.copy(chunk.range.clone());
                missing = chunk.missing;
            }
            _ => {}
        }
    }
    if !chunks.iter().any(|chunk| matches!(&chunk.name, b"VP8 " | b"VP8L" | b"ANMF")) {
        return Err(Error::Damaged("no image data"));
    }
    // Metadata comes behind the pixels, unless the pixels have no end.
    let (before, after): (&[u8], &[u8]) = match (webp::is_extended(&chunks), missing) {
        (false, _) => (&[], &[]),
        (true, 0) => (&[], &blocks),
        (true, _) => (&blocks, &[]),
    };
    head.insert(before);
    head.append(body);
    head.insert(after);
    Ok(with_header(head, missing, input.len()))
}

/// A size that counts what a truncated file lacks tells decoders, as before, that more was meant to come.
fn with_header(body: Rewrite, missing: u64, source_len: u64) -> Rewrite {
    let size = u32::try_from(4 + body.len() + missing).unwrap_or(u32::MAX);
    let mut out = Rewrite::new(source_len);
    out.copy(0..4);
    out.insert(&size.to_le_bytes());
    out.copy(8..HEADER_LEN);
    out.append(body);
    out
}

/// Flags, reserved bytes, and the size of the canvas (RFC 9649, 2.7); what comes behind them has no meaning.
fn keep_vp8x<R: Read + Seek>(input: &mut Input<'_, R>, chunk: &Chunk, flags: u8, out: &mut Rewrite) -> io::Result<()> {
    if let Some(mut data) = input.array::<10>(chunk.data.start)? {
        data[0] = data[0] & !(EXIF_FLAG | XMP_FLAG) | flags;
        out.insert(&webp::chunk(*b"VP8X", &data));
    }
    Ok(())
}

/// A frame holds chunks of its own, which may be any. Gives the bytes that the file lacks of what was kept.
fn keep_frame<R: Read + Seek>(input: &mut Input<'_, R>, frame: &Chunk, out: &mut Rewrite) -> io::Result<u64> {
    let mut body = Rewrite::new(input.len());
    let mut at = frame.data.start + ANMF_HEADER_LEN;
    body.copy(frame.data.start..at.min(frame.data.end));
    let mut missing = 0;
    while let Some(chunk) = webp::next_chunk(input, at, frame.range.end)? {
        at = chunk.range.end;
        if matches!(&chunk.name, b"VP8 " | b"VP8L" | b"ALPH") {
            input.entry::<Piece>()?;
            body.copy(chunk.range);
            // A chunk that goes beyond a frame which is whole lacks nothing: it is damaged.
            missing = if frame.missing == 0 { 0 } else { chunk.missing };
        }
    }
    out.copy(frame.range.start..frame.range.start + 4);
    out.insert(&u32::try_from(body.len() + missing).unwrap_or(u32::MAX).to_le_bytes());
    out.append(body);
    Ok(missing)
}
