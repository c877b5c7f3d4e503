//! GIF: keeps images up to the end of their pixels, their graphic control extensions, the loop count and an ICC
//! profile.

use std::ops::Range;

use super::Keep;
use super::lzw::{Codes, Order};
use crate::rights::for_same_pixels;
use crate::{Error, Piece, Rewrite, icc};
use image_origin_container::Input;
use image_origin_container::MAX_PROFILE;
use image_origin_container::gif::{self, APPLICATION, Block, GRAPHIC_CONTROL, ICC, LOOPS, colour_table_len};
use image_origin_container::{MAX_PARTS, parts};

/// The length of an image descriptor (GIF89a, section 20).
const DESCRIPTOR_LEN: u64 = 10;
/// The maximum initial code size for pixels (appendix F).
const MAX_PIXEL_BITS: u8 = 11;

pub(super) fn strip(input: &mut Input<'_>, keep: Keep) -> Result<Rewrite, Error> {
    let (header, blocks) = gif::blocks(input)?;
    if blocks.len() > MAX_PARTS {
        return Err(Error::Damaged("too many blocks"));
    }
    let xmp = for_same_pixels(&parts::of_gif(input, &blocks, keep.want())?, keep, input.meter())?.xmp;
    let mut out = Rewrite::new(input.len());
    out.copy(header);
    if let Some(packet) = xmp {
        out.insert(&gif::xmp_extension(&packet));
    }
    let (mut has_image, mut has_profile, mut control) = (false, false, None);
    // The last valid loop count is used.
    let mut loops = None;
    for (index, block) in blocks.iter().enumerate().rev() {
        if let Block::Extension { range, .. } = block
            && is_application(block, |name| LOOPS.contains(&name))
            && let Some(content) = repeats(input, range)?
        {
            loops = Some((index, content));
            break;
        }
    }
    for (index, block) in blocks.iter().enumerate() {
        match block {
            Block::Image { range, cut } => {
                has_image = true;
                if let Some(control) = control.take() {
                    keep_control(input, control, &mut out)?;
                }
                keep_image(input, range, *cut, &mut out)?;
            }
            Block::Trailer { range } => out.copy(range.clone()),
            // If there are several, the last one before an image is used.
            Block::Extension { label: GRAPHIC_CONTROL, range, cut: false, .. } => control = Some(range),
            Block::Extension { range, .. } if loops.as_ref().is_some_and(|(at, _)| *at == index) => {
                if let Some((_, [name, count])) = &loops {
                    put(input, range, &[name, count], &mut out)?;
                }
            }
            Block::Extension { range, .. } if !has_profile && is_application(block, |name| name == ICC) => {
                has_profile = true;
                keep_profile(input, range, &mut out)?;
            }
            Block::Extension { .. } => {}
        }
    }
    if has_image { Ok(out) } else { Err(Error::Damaged("no image data")) }
}

/// Whether a block is a complete application extension with such an identifier.
fn is_application(block: &Block, is_named: impl Fn(&[u8; 11]) -> bool) -> bool {
    matches!(block, Block::Extension { label: APPLICATION, name: Some(name), cut: false, .. } if is_named(name))
}

/// Writes an extension with these sub-blocks: as a copy, if the source contains it unchanged.
fn put(input: &mut Input<'_>, range: &Range<u64>, sub_blocks: &[&[u8]], out: &mut Rewrite) -> Result<(), Error> {
    let mut clean = input.copy(range.start..range.start + 2, 2)?;
    for block in sub_blocks {
        clean.push(block.len() as u8);
        clean.extend_from_slice(block);
    }
    clean.push(0);
    if input.copy(range.clone(), clean.len() + 1)? == clean {
        out.copy(range.clone());
    } else {
        input.entry::<[Piece; 2]>()?;
        out.insert(&clean);
    }
    Ok(())
}

/// Keeps the four bytes of a graphic control extension (section 23).
fn keep_control(input: &mut Input<'_>, range: &Range<u64>, out: &mut Rewrite) -> Result<(), Error> {
    let extension = input.copy(range.clone(), 7)?;
    match gif::sub_blocks(&extension, 2).next().and_then(<[u8]>::first_chunk::<4>) {
        Some(control) => put(input, range, &[control], out),
        None => Ok(()),
    }
}

/// The identifier of an extension with the loop count, and its sub-block.
fn repeats(input: &mut Input<'_>, range: &Range<u64>) -> Result<Option<[Vec<u8>; 2]>, Error> {
    let extension = input.copy(range.clone(), usize::MAX)?;
    let mut blocks = gif::sub_blocks(&extension, 2);
    let count = |block: &[u8]| match block {
        [id, low, high, ..] if id & 7 == 1 => Some(vec![1, *low, *high]),
        _ => None,
    };
    Ok(blocks.next().map(<[u8]>::to_vec).zip(blocks.find_map(count)).map(|(name, count)| [name, count]))
}

/// Keeps a valid profile, without trailing bytes.
fn keep_profile(input: &mut Input<'_>, range: &Range<u64>, out: &mut Rewrite) -> Result<(), Error> {
    let extension = input.copy(range.clone(), 2 * MAX_PROFILE)?;
    input.meter().hold(extension.len() as u64)?;
    let profile = gif::sub_blocks(&extension, 2).skip(1).collect::<Vec<_>>().concat();
    let Some(len) = icc::len(&profile).filter(|len| *len <= MAX_PROFILE) else { return Ok(()) };
    if len == profile.len() && range.end - range.start == extension.len() as u64 {
        out.copy(range.clone());
        return Ok(());
    }
    let blocks: Vec<&[u8]> =
        std::iter::once(ICC.as_slice()).chain(profile.get(..len).unwrap_or_default().chunks(255)).collect();
    put(input, range, &blocks, out)
}

/// Keeps an image up to the code that ends its pixels.
fn keep_image(input: &mut Input<'_>, range: &Range<u64>, cut: bool, out: &mut Rewrite) -> Result<(), Error> {
    let Some([_, _, _, _, _, w0, w1, h0, h1, flags]) = input.array::<{ DESCRIPTOR_LEN as usize }>(range.start)? else {
        out.copy(range.clone());
        return Ok(());
    };
    let pixels = u64::from(u16::from_le_bytes([w0, w1])) * u64::from(u16::from_le_bytes([h0, h1]));
    let code_bits_at = range.start + DESCRIPTOR_LEN + colour_table_len(flags);
    let data_at = code_bits_at + 1;
    let Some([code_bits]) = input.array::<1>(code_bits_at)? else {
        out.copy(range.clone());
        return Ok(());
    };
    // An invalid code size means that there are no pixels.
    let pixels = if (1..=MAX_PIXEL_BITS).contains(&code_bits) { pixels } else { 0 };
    let mut codes = Codes::new(Order::LowFirst, code_bits.clamp(1, MAX_PIXEL_BITS).into(), pixels);
    let mut at = data_at;
    let end = loop {
        let length = match input.peek(at, 1)?.first() {
            None => break range.end,
            Some(0) => break at + 1,
            Some(length) => *length,
        };
        let start = at + 1;
        let bytes = input.peek(start, usize::from(length))?;
        let bytes = bytes.get(..usize::from(length).min(bytes.len())).unwrap_or_default();
        let there = bytes.len();
        let used = codes.take(bytes);
        input.meter().steps(u64::from(length))?;
        let behind = start + u64::from(length);
        match used {
            None => at = behind,
            Some(used) if used == there && input.array::<1>(behind)? == Some([0]) => break behind + 1,
            Some(used) => {
                out.copy(range.start..at);
                if used > 0 {
                    input.entry::<[Piece; 3]>()?;
                    out.insert(&[used as u8]);
                    out.copy(start..start + used as u64);
                }
                // A truncated image stays truncated.
                out.insert(if cut { &[] } else { &[0] });
                return Ok(());
            }
        }
    };
    out.copy(range.start..if cut { range.end } else { end });
    Ok(())
}
