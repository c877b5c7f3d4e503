//! ICO and CUR: a directory of bitmaps, which have no metadata, and of PNG files, which are stripped individually. The
//! directory is rewritten, so that unreferenced bytes are dropped.

use std::io::Cursor;
use std::ops::Range;

use super::Keep;
use super::bmp::icon_len;
use super::png;
use crate::{Error, Rewrite};
use image_origin_container::Input;

const HEADER_LEN: u64 = 6;
const ENTRY_LEN: u64 = 16;
/// The maximum total size of the PNG files in an icon, which are held in memory. Icons have at most 256 pixels.
const MAX_PNG: u64 = 16 << 20;
/// The maximum length of a DIB header.
const MAX_DIB: usize = 124;

pub(super) fn strip(input: &mut Input<'_>, keep: Keep) -> Result<Rewrite, Error> {
    let [.., low, high] = input.array::<{ HEADER_LEN as usize }>(0)?.ok_or(Error::Damaged("the header of the icon"))?;
    let count = u16::from_le_bytes([low, high]);
    let entries = input.copy(HEADER_LEN..HEADER_LEN + u64::from(count) * ENTRY_LEN, usize::MAX)?;
    let entries: Vec<_> = entries.as_chunks::<{ ENTRY_LEN as usize }>().0.iter().map(|e| (*e, place(e))).collect();
    let in_file = |range: &Range<u64>| range.start < range.end && range.end <= input.len();
    let total: u64 = entries.iter().map(|(_, range)| range.end - range.start).sum();
    if entries.len() != usize::from(count) || !entries.iter().all(|(_, r)| in_file(r)) || total > input.len() {
        return Err(Error::Damaged("the directory of the icon"));
    }
    let mut kept = Vec::new();
    let mut room = MAX_PNG;
    for (entry, range) in entries {
        let mut image = Rewrite::new(input.len());
        if input.peek(range.start, 4)?.starts_with(b"\x89PNG") {
            let len = range.end - range.start;
            room = room.checked_sub(len).ok_or(Error::Damaged("an icon too large"))?;
            let file = input.copy(range, usize::MAX)?;
            let mut clean = Vec::new();
            png::strip(&mut Input::new(Cursor::new(&file), input.meter())?, keep)?
                .write_to(Cursor::new(&file), &mut clean)?;
            image.insert(&clean);
        } else {
            // An entry without a DIB header is shown by no viewer.
            let Ok(len) = icon_len(&input.copy(range.clone(), MAX_DIB)?) else { continue };
            image.copy(range.start..range.end.min(range.start.saturating_add(len)));
        }
        kept.push((entry, image));
    }
    if kept.is_empty() {
        return Err(Error::Damaged("no image data"));
    }
    let mut out = Rewrite::new(input.len());
    out.copy(0..HEADER_LEN - 2);
    out.insert(&(kept.len() as u16).to_le_bytes());
    let mut at = HEADER_LEN + kept.len() as u64 * ENTRY_LEN;
    for (entry, image) in &kept {
        let mut entry = *entry;
        let fields = [image.len(), at].map(|field| u32::try_from(field).unwrap_or(u32::MAX).to_le_bytes()).concat();
        at += image.len();
        // A reserved byte, and the location.
        entry[3] = 0;
        entry.iter_mut().skip(8).zip(fields).for_each(|(to, from)| *to = from);
        out.insert(&entry);
    }
    kept.into_iter().for_each(|(_, image)| out.append(image));
    Ok(out)
}

/// The length and offset of an image's data.
fn place(entry: &[u8; ENTRY_LEN as usize]) -> Range<u64> {
    let [.., l0, l1, l2, l3, o0, o1, o2, o3] = *entry;
    let start = u64::from(u32::from_le_bytes([o0, o1, o2, o3]));
    start..start + u64::from(u32::from_le_bytes([l0, l1, l2, l3]))
}
