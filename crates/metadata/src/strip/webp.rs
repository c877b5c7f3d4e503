//! WebP: keeps the chunks that demuxers use to show the picture, each once, and corrects VP8X and the RIFF size.

use std::cell::Cell;
use std::io;
use std::ops::{ControlFlow, Range};

use super::{Keep, swallowed};
use crate::rights::for_same_pixels;
use crate::{Error, Piece, Rewrite, icc};
use image_origin_container::Input;
use image_origin_container::MAX_PROFILE;
use image_origin_container::webp::{self, ANIMATION_FLAG, Chunk, EXIF_FLAG, Flags, HEADER_LEN, ICC_FLAG, XMP_FLAG};
use image_origin_container::{MAX_PARTS, parts};
use image_origin_vp8::lossless::{self, DecodeOptions};

/// The length of the position, size, duration and flags of a frame, before its chunks (RFC 9649, 2.7.1.1).
const ANMF_HEADER_LEN: u64 = 16;
/// The length of background and loop count (2.7.1.1).
const ANIM_LEN: u64 = 6;
/// The defined flags of VP8X (2.7.1).
const KNOWN_FLAGS: u8 = 0x3e;

pub(super) fn strip(input: &mut Input<'_>, keep: Keep) -> Result<Rewrite, Error> {
    let chunks = webp::chunks(input)?;
    if chunks.len() >= MAX_PARTS {
        return Err(Error::Damaged("too many chunks"));
    }
    let parts = parts::of_webp(input, &chunks, keep.want())?;
    let (blocks, mut block_flags) = for_same_pixels(&parts, keep, input.meter())?.webp_chunks();
    let extended = webp::flags(input, &chunks)?;
    let mut body = Rewrite::new(input.len());
    let missing = match extended {
        Some(flags) => {
            if flags.has(ICC_FLAG) && keep_profile(input, &chunks, &mut body)? {
                block_flags |= ICC_FLAG;
            }
            if flags.has(ANIMATION_FLAG) {
                keep_frames(input, &chunks, &mut body)?
            } else {
                keep_picture(input, &chunks, true, &mut body)?
            }
        }
        // In the simple format only the first chunk matters, which must be the picture.
        None => keep_picture(input, chunks.get(..1).unwrap_or_default(), false, &mut body)?,
    };
    let missing = missing.ok_or(Error::Damaged("no image data"))?;
    let mut head = Rewrite::new(input.len());
    if let Some(flags) = extended {
        keep_vp8x(input, &chunks[0], flags, block_flags, &mut head)?;
    }
    // Metadata follows the pixels, unless the pixels are truncated.
    let (before, after): (&[u8], &[u8]) = match (extended, missing) {
        (None, _) => (&[], &[]),
        (Some(_), 0) => (&[], &blocks),
        (Some(_), _) => (&blocks, &[]),
    };
    head.insert(before);
    head.append(body);
    head.insert(after);
    Ok(with_header(head, missing, input.len()))
}

/// Keeps the first picture and the alpha chunk before it. Returns the number of missing bytes, or `None` if there is no
/// picture.
fn keep_picture(
    input: &mut Input<'_>,
    chunks: &[Chunk],
    has_alpha: bool,
    out: &mut Rewrite,
) -> Result<Option<u64>, Error> {
    let Some(at) = chunks.iter().position(|chunk| matches!(&chunk.name, b"VP8 " | b"VP8L")) else {
        return Ok(None);
    };
    let Some((picture, before)) = chunks.get(..=at).and_then(<[Chunk]>::split_last) else { return Ok(None) };
    let alpha = before.iter().find(|chunk| &chunk.name == b"ALPH");
    // A lossless picture contains its own alpha.
    if let Some(alpha) = alpha.filter(|_| has_alpha && &picture.name == b"VP8 ") {
        let end = alpha_end(input, alpha, picture)?;
        swallowed::refuse(input, alpha.data.start..end)?;
        put(input, alpha, alpha.data.start..end, out)?;
    }
    let end = if &picture.name == b"VP8L" { lossless_end(input, picture, 0, None)? } else { picture.data.end };
    swallowed::refuse(input, picture.data.start..end)?;
    put(input, picture, picture.data.start..end, out)?;
    Ok(Some(picture.missing))
}

/// Where alpha ends: behind a byte that says how it is compressed, it has a byte for each pixel of the picture, or a lossless
/// stream without header (2.7.1.2).
fn alpha_end(input: &mut Input<'_>, alpha: &Chunk, picture: &Chunk) -> Result<u64, Error> {
    const COMPRESSION: u8 = 0b11;
    let Some([how]) = input.array::<1>(alpha.data.start)? else { return Ok(alpha.data.end) };
    // A tag, a start code, and 14 bits for each side (RFC 6386, 9.1).
    let Some([.., w0, w1, h0, h1]) = input.array::<10>(picture.data.start)? else { return Ok(alpha.data.end) };
    let side = |bytes| u32::from(u16::from_le_bytes(bytes) & 0x3fff);
    let size = (side([w0, w1]), side([h0, h1]));
    match how & COMPRESSION {
        0 => Ok(alpha.data.end.min(alpha.data.start + 1 + u64::from(size.0) * u64::from(size.1))),
        1 => lossless_end(input, alpha, 1, Some(size)),
        _ => Ok(alpha.data.end),
    }
}

/// The longest lossless stream that is followed to its end.
const MAX_LOSSLESS: u64 = 16 << 20;
/// The memory for its codes: for any stream, and for each byte of it.
const CODES_BASE: u64 = 2 << 20;
const CODES_PER_BYTE: u64 = 16;

/// Where the lossless stream in a chunk ends, `skipped` bytes after its beginning, with its header or for this size. The
/// end of the chunk if the stream is damaged, or too long to be followed.
fn lossless_end(
    input: &mut Input<'_>,
    chunk: &Chunk,
    skipped: u64,
    headless: Option<(u32, u32)>,
) -> Result<u64, Error> {
    let len = chunk.data.end.saturating_sub(chunk.data.start + skipped);
    if chunk.missing > 0 || len > MAX_LOSSLESS {
        return Ok(chunk.data.end);
    }
    let stream = input.copy(chunk.data.start + skipped..chunk.data.end, usize::MAX)?;
    let (meter, stopped) = (input.meter(), Cell::new(None));
    meter.steps(len)?;
    // The callback is called for each row, and for each group of codes.
    let check = || match meter.step() {
        Ok(()) => ControlFlow::Continue(()),
        Err(exhausted) => {
            stopped.set(Some(exhausted));
            ControlFlow::Break(())
        }
    };
    let options = DecodeOptions::default().max_bytes(MAX_LOSSLESS.min(CODES_BASE + CODES_PER_BYTE * len)).check(&check);
    let needed = match headless {
        None => lossless::data_len(&stream, &options),
        Some(size) => lossless::data_len_headless(&stream, size, &options),
    };
    match (stopped.get(), needed) {
        (Some(exhausted), _) => Err(exhausted.into()),
        (None, Ok(Some(needed))) => Ok(chunk.data.start + skipped + needed as u64),
        (None, _) => Ok(chunk.data.end),
    }
}

fn keep_frames(input: &mut Input<'_>, chunks: &[Chunk], out: &mut Rewrite) -> Result<Option<u64>, Error> {
    let mut missing = None;
    let global = chunks.iter().find(|chunk| &chunk.name == b"ANIM" && chunk.data.end - chunk.data.start >= ANIM_LEN);
    if let Some(global) = global {
        put(input, global, global.data.start..global.data.start + ANIM_LEN, out)?;
    }
    for frame in chunks.iter().filter(|chunk| &chunk.name == b"ANMF") {
        // Decoders stop at a frame without a picture.
        let Some(lacking) = keep_frame(input, frame, out)? else { break };
        missing = Some(lacking);
    }
    Ok(missing)
}

/// Keeps the first profile, if it is valid, without trailing bytes.
fn keep_profile(input: &mut Input<'_>, chunks: &[Chunk], out: &mut Rewrite) -> Result<bool, Error> {
    let Some(chunk) = chunks.iter().find(|chunk| &chunk.name == b"ICCP") else { return Ok(false) };
    let profile = input.copy(chunk.data.clone(), MAX_PROFILE.saturating_add(1))?;
    let Some(len) = icc::len(&profile).filter(|_| profile.len() <= MAX_PROFILE) else { return Ok(false) };
    put(input, chunk, chunk.data.start..chunk.data.start + len as u64, out)?;
    Ok(true)
}

/// Writes a chunk with this part of its data, and zero padding (2.3).
fn put(input: &mut Input<'_>, chunk: &Chunk, data: Range<u64>, out: &mut Rewrite) -> Result<(), Error> {
    let len = data.end - data.start;
    let is_padded = chunk.range.end > chunk.data.end;
    let is_clean = !is_padded || input.array::<1>(chunk.data.end)? == Some([0]);
    if data == chunk.data && is_clean {
        out.copy(chunk.range.clone());
        return Ok(());
    }
    input.entry::<[Piece; 3]>()?;
    out.insert(&[chunk.name, (len as u32).to_le_bytes()].concat());
    out.copy(data);
    out.insert(if len % 2 == 1 { &[0] } else { &[] });
    Ok(())
}

/// Adds the RIFF header. Its size includes the missing bytes of a truncated file, so that decoders still detect the
/// truncation.
fn with_header(body: Rewrite, missing: u64, source_len: u64) -> Rewrite {
    let size = u32::try_from(4 + body.len() + missing).unwrap_or(u32::MAX);
    let mut out = Rewrite::new(source_len);
    out.copy(0..4);
    out.insert(&size.to_le_bytes());
    out.copy(8..HEADER_LEN);
    out.append(body);
    out
}

/// Keeps flags and canvas size (RFC 9649, 2.7); reserved bits and trailing bytes are cleared.
fn keep_vp8x(input: &mut Input<'_>, chunk: &Chunk, flags: Flags, block_flags: u8, out: &mut Rewrite) -> io::Result<()> {
    if let Some(mut data) = input.array::<10>(chunk.data.start)? {
        let Flags(flags) = flags;
        data[0] = flags & KNOWN_FLAGS & !(ICC_FLAG | EXIF_FLAG | XMP_FLAG) | block_flags;
        data[1..4].fill(0);
        out.insert(&webp::chunk(*b"VP8X", &data));
    }
    Ok(())
}

/// Keeps a frame, which contains arbitrary chunks. Returns the number of missing bytes of what was kept, or `None` for
/// a frame without a picture, which is dropped.
fn keep_frame(input: &mut Input<'_>, frame: &Chunk, out: &mut Rewrite) -> Result<Option<u64>, Error> {
    let mut body = Rewrite::new(input.len());
    let mut at = frame.data.start + ANMF_HEADER_LEN;
    body.copy(frame.data.start..at.min(frame.data.end));
    let mut chunks = Vec::new();
    while let Some(chunk) = webp::next_chunk(input, at, frame.data.end)? {
        at = chunk.range.end;
        input.entry::<Chunk>()?;
        let is_picture = matches!(&chunk.name, b"VP8 " | b"VP8L");
        if is_picture || &chunk.name == b"ALPH" {
            chunks.push(chunk);
        }
        if is_picture {
            break;
        }
    }
    let Some(missing) = keep_picture(input, &chunks, true, &mut body)? else { return Ok(None) };
    // A chunk that exceeds a complete frame is damaged, not truncated.
    let missing = if frame.missing == 0 { 0 } else { missing };
    out.copy(frame.range.start..frame.range.start + 4);
    let len = body.len() + missing;
    out.insert(&u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
    out.append(body);
    out.insert(if missing == 0 && len % 2 == 1 { &[0] } else { &[] });
    Ok(Some(missing))
}
