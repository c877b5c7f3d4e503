//! Adds metadata items to a newly encoded AVIF: the `meta` box grows, the items' data is appended to the file, and the
//! locations of all other items are shifted accordingly.

use std::io::Cursor;

use image_origin_container::Input;
use image_origin_container::heif::{Location, Meta, meta, meta_children};
use image_origin_container::isobmff::{BoxAt, write_box};
use image_origin_container::slice;
use image_origin_container::{Cancellation, Meter};

/// An item to be added.
struct NewItem {
    id: u16,
    /// The type, the name, and the other fields of its entry.
    entry: Vec<u8>,
    data: Vec<u8>,
}

/// Adds an Exif block and an XMP packet as items that describe the primary image. `None` if the file does not have the
/// simple structure that encoders write.
pub(super) fn with_items(file: &[u8], exif: Option<&[u8]>, xmp: Option<&[u8]>) -> Option<Vec<u8>> {
    #[allow(clippy::disallowed_methods, reason = "it is our own, and small")]
    let cancellation = Cancellation::unbounded();
    let meter = Meter::new(file.len() as u64, &cancellation);
    let meta = Input::new(Cursor::new(file), &meter).and_then(|mut input| meta(&mut input)).ok().flatten()?;
    let first_id = u16::try_from(meta.items.iter().map(|item| item.id).max()?).ok()?.checked_add(1)?;
    let items = new_items(first_id, exif, xmp)?;
    // The length does not depend on the offsets.
    let grown = write_meta(&meta, &items, 0, 0, &meter)?.len() as u64;
    let shift = grown.checked_sub(meta.range.end - meta.range.start)?;
    let data_at = file.len() as u64 + shift + 8;
    let written = write_meta(&meta, &items, shift, data_at, &meter)?;
    let data: Vec<u8> = items.iter().flat_map(|item| item.data.iter().copied()).collect();
    let before = slice(file, &(0..meta.range.start));
    let after = slice(file, &(meta.range.end..file.len() as u64));
    Some([before, &written, after, &write_box(*b"mdat", &data)].concat())
}

fn new_items(first_id: u16, exif: Option<&[u8]>, xmp: Option<&[u8]>) -> Option<Vec<NewItem>> {
    let mut items = Vec::new();
    if let Some(exif) = exif {
        // The offset of the TIFF header after this field (ISO/IEC 23008-12, A.2.1).
        let data = [&[0; 4], exif].concat();
        items.push(NewItem { id: first_id, entry: b"Exif\0".to_vec(), data });
    }
    if let Some(xmp) = xmp {
        let entry = b"mime\0application/rdf+xml\0".to_vec();
        items.push(NewItem { id: first_id.checked_add(1)?, entry, data: xmp.to_vec() });
    }
    Some(items)
}

/// Serializes the box with the new items. Everything after the box is shifted by `shift`; the items' data begins at
/// `data_at`.
fn write_meta(meta: &Meta, items: &[NewItem], shift: u64, data_at: u64, meter: &Meter<'_>) -> Option<Vec<u8>> {
    let mut out = meta.payload.get(..4)?.to_vec();
    let children = meta_children(&meta.payload, meter).ok()?;
    for child in &children {
        match &child.kind {
            b"iinf" => out.extend(information(meta, child, items)?),
            b"iloc" => out.extend(locations(meta, items, shift, data_at)?),
            b"iref" => out.extend(references(Some((meta, child)), meta.primary?, items)?),
            _ => out.extend_from_slice(slice(&meta.payload, &child.range)),
        }
    }
    if !children.iter().any(|child| &child.kind == b"iref") {
        out.extend(references(None, meta.primary?, items)?);
    }
    Some(write_box(*b"meta", &out))
}

/// Item information (8.11.6): the existing entries, and one of version 2 for each new item.
fn information(meta: &Meta, child: &BoxAt, items: &[NewItem]) -> Option<Vec<u8>> {
    let payload = slice(&meta.payload, &child.payload);
    let (header, entries) = payload.split_at_checked(if *payload.first()? == 0 { 6 } else { 8 })?;
    let count = meta.items.len() + items.len();
    let mut out = header.get(..4)?.to_vec();
    match header.len() {
        6 => out.extend(u16::try_from(count).ok()?.to_be_bytes()),
        _ => out.extend(u32::try_from(count).ok()?.to_be_bytes()),
    }
    out.extend_from_slice(entries);
    for item in items {
        // Version 2, the id, no protection, followed by type and name.
        let head = [&[2, 0, 0, 0][..], &item.id.to_be_bytes(), &[0, 0]].concat();
        out.extend(write_box(*b"infe", &[head, item.entry.clone()].concat()));
    }
    Some(write_box(*b"iinf", &out))
}

/// Item locations (8.11.3) in version 1: offsets and lengths of 4 bytes, no base offset.
fn locations(meta: &Meta, items: &[NewItem], shift: u64, mut data_at: u64) -> Option<Vec<u8>> {
    let mut out = vec![1, 0, 0, 0, 0x44, 0];
    let count = meta.locations.iter().count() + items.len();
    out.extend(u16::try_from(count).ok()?.to_be_bytes());
    let place = |out: &mut Vec<u8>, offset: u64, length: u64| {
        out.extend(u32::try_from(offset).ok()?.to_be_bytes());
        out.extend(u32::try_from(length).ok()?.to_be_bytes());
        Some(())
    };
    for Location { id, method, extents, .. } in meta.locations.iter() {
        out.extend(
            [u16::try_from(*id).ok()?, *method, 0, u16::try_from(extents.len()).ok()?].map(u16::to_be_bytes).concat(),
        );
        for extent in extents {
            let moves = *method == 0 && extent.start >= meta.range.end;
            let length = if extent.end == u64::MAX { 0 } else { extent.end - extent.start };
            place(&mut out, extent.start + if moves { shift } else { 0 }, length)?;
        }
    }
    for item in items {
        out.extend([item.id, 0, 0, 1].map(u16::to_be_bytes).concat());
        place(&mut out, data_at, item.data.len() as u64)?;
        data_at += item.data.len() as u64;
    }
    Some(write_box(*b"iloc", &out))
}

/// Item references (8.11.12): the existing ones, and one from each new item to the primary item that it describes
/// (`cdsc`).
fn references(existing: Option<(&Meta, &BoxAt)>, primary: u32, items: &[NewItem]) -> Option<Vec<u8>> {
    let mut out = match existing {
        Some((meta, child)) => slice(&meta.payload, &child.payload).to_vec(),
        None => vec![0; 4],
    };
    let wide = *out.first()? != 0;
    for item in items {
        let entry = if wide {
            [&u32::from(item.id).to_be_bytes()[..], &[0, 1], &primary.to_be_bytes()].concat()
        } else {
            [item.id, 1, u16::try_from(primary).ok()?].map(u16::to_be_bytes).concat()
        };
        out.extend(write_box(*b"cdsc", &entry));
    }
    Some(write_box(*b"iref", &out))
}
