//! Selects the items of an AVIF or HEIF file that are kept, and rewrites the `meta` box without the others.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::heif_units::cleaned;
use crate::gain_map::payload_len;
use crate::{Error, icc};
use image_origin_container::heif::{Association, Item, Meta, Reference, children_at, meta_children};
use image_origin_container::isobmff::{BoxAt, Fields, write_box};
use image_origin_container::slice;
use image_origin_container::{Exhausted, Meter};

/// The types of auxiliary images that are visible: alpha, as named by AVIF and by HEVC in HEIF.
pub(super) const ALPHA: [&[u8]; 2] = [b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1"];

/// The position of the handler type, after version, flags and a number that is 0; it is followed by zeros and a name
/// (ISO/IEC 14496-12, 8.4.3).
pub(super) const HANDLER_KIND: Range<u64> = 8..12;

/// Returns the primary image and everything that it consists of or is shown with: tiles, alpha, and a tone-mapped
/// rendition with its gain map (`tmap`, ISO 21496-1). Thumbnails, depth maps, mattes, other images of a collection and
/// metadata are excluded, and renditions that are not among `tone_mapped`.
pub(super) fn kept_items(meta: &Meta, tone_mapped: &BTreeSet<u32>) -> BTreeSet<u32> {
    let (metadata, images): (Vec<_>, Vec<_>) = meta.items.iter().partition(|item| is_metadata(item));
    let images: BTreeSet<_> = images.iter().map(|item| item.id).collect();
    let Some(primary) = meta.primary else { return BTreeSet::new() };
    let mut kept = shown_with(meta, primary, tone_mapped);
    // A damaged file may have metadata as its primary image, or the same id for an image and metadata.
    metadata.iter().filter(|item| !images.contains(&item.id)).for_each(|item| _ = kept.remove(&item.id));
    kept
}

/// Whether an item is Exif, XMP, other text or a link.
pub(super) fn is_metadata(item: &Item) -> bool {
    matches!(&item.kind, b"Exif" | b"mime" | b"uri ")
}

/// The primary image and the items that it refers to.
fn shown_with(meta: &Meta, primary: u32, tone_mapped: &BTreeSet<u32>) -> BTreeSet<u32> {
    let leads_to = leads_to(meta, tone_mapped);
    let mut kept = BTreeSet::from([primary]);
    let mut next = vec![primary];
    while let Some(id) = next.pop() {
        let further = leads_to.get(&id).into_iter().flatten();
        next.extend(further.copied().filter(|&id| kept.insert(id)));
    }
    kept
}

/// The length in bytes of the data of an image that is derived from so many others and begins with these bytes (ISO/IEC
/// 23008-12, 6.6.2, and ISO 21496-1, C.3): 0 if it is damaged or of another version; `None` for other images. Grids are
/// among the units of `heif_units.rs`.
pub(super) fn derived_len(kind: [u8; 4], head: &[u8], inputs: usize) -> Option<u64> {
    let length = match (&kind, head) {
        (b"iovl", [0, flags, ..]) => {
            let field = if flags & 1 == 0 { 2 } else { 4 };
            10 + field * 2 + inputs * field * 2
        }
        (b"tmap", [0, parameters @ ..]) => {
            payload_len(parameters).filter(|length| *length <= parameters.len()).map_or(0, |length| 1 + length)
        }
        (b"iden" | b"iovl" | b"tmap", _) => 0,
        _ => return None,
    };
    Some(length as u64)
}

/// The items that must be kept if an item is kept.
fn leads_to(meta: &Meta, tone_mapped: &BTreeSet<u32>) -> BTreeMap<u32, Vec<u32>> {
    let alpha = alpha_items(meta);
    let mut edges: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for Reference { kind, from, to } in &meta.references {
        // Tiles and inputs, premultiplication, and layers used for prediction.
        if matches!(kind, b"dimg" | b"prem" | b"base" | b"exbl" | b"pred" | b"tbas") {
            edges.entry(*from).or_default().extend(to);
        }
        if (kind == b"dimg" && tone_mapped.contains(from)) || (kind == b"auxl" && alpha.contains(from)) {
            to.iter().for_each(|to| edges.entry(*to).or_default().push(*from));
        }
    }
    edges
}

fn alpha_items(meta: &Meta) -> BTreeSet<u32> {
    // Version and flags, followed by the null-terminated name (ISO/IEC 23008-12, 6.5.8).
    let is_alpha = |(kind, range): &([u8; 4], Range<u64>)| {
        let name = slice(&meta.payload, range).get(4..).and_then(|bytes| bytes.split(|&b| b == 0).next());
        kind == b"auxC" && name.is_some_and(|name| ALPHA.contains(&name))
    };
    let alpha: BTreeSet<u16> =
        (1..).zip(&meta.properties).filter(|(_, p)| is_alpha(p)).map(|(index, _)| index).collect();
    let has_alpha = |association: &&Association| association.properties.iter().any(|index| alpha.contains(index));
    meta.associations.iter().filter(has_alpha).map(|association| association.id).collect()
}

/// The payload of the meta box with only the information, locations, references and properties of these images and
/// metadata items, in its original length: dropped parts become free space. An error if there is too little space for
/// that.
pub(super) fn without_items(
    meta: &Meta,
    payload: &[u8],
    images: &BTreeSet<u32>,
    metadata: &BTreeSet<u32>,
    meter: &Meter<'_>,
) -> Result<Vec<u8>, Error> {
    let ids: &BTreeSet<u32> = &images.union(metadata).copied().collect();
    // In a damaged file two items may have the same id.
    let stays = |item: &Item| if is_metadata(item) { metadata.contains(&item.id) } else { images.contains(&item.id) };
    let mut out = payload.get(..4).ok_or_else(broken)?.to_vec();
    for child in meta_children(payload, meter)? {
        let bytes = slice(payload, &child.payload);
        match &child.kind {
            b"iinf" => {
                out.extend(write_box(child.kind, &item_information(meta, payload, bytes, stays).ok_or_else(broken)?));
            }
            b"iloc" => out.extend(write_box(child.kind, &meta.locations.write(|id| ids.contains(&id)))),
            b"iref" => out.extend(item_references(meta, bytes, ids).ok_or_else(broken)?),
            b"iprp" => out.extend(write_box(child.kind, &item_properties(meta, payload, &child, ids, meter)?)),
            b"grpl" => out.extend(groups(payload, &child, ids, meter)?),
            b"hdlr" => {
                let mut content = vec![0; bytes.len()];
                let kind = HANDLER_KIND.start as usize..HANDLER_KIND.end as usize;
                if let (Some(to), Some(from)) = (content.get_mut(kind.clone()), bytes.get(kind)) {
                    to.copy_from_slice(from);
                }
                out.extend(write_box(child.kind, &content));
            }
            b"dinf" if !has_no_place(bytes) => {}
            b"pitm" => {
                let len = if bytes.first() == Some(&0) { 6 } else { 8 };
                out.extend(write_box(child.kind, bytes.get(..len).ok_or_else(broken)?));
            }
            b"dinf" | b"idat" => out.extend(write_box(child.kind, bytes)),
            _ => {}
        }
    }
    match payload.len().checked_sub(out.len()).ok_or_else(broken)? {
        0 => {}
        room => out.extend(write_box(*b"free", &vec![0; room.checked_sub(8).ok_or_else(broken)?])),
    }
    Ok(out)
}

fn broken() -> Error {
    Error::Damaged("the meta box cannot be rewritten")
}

fn item_information(meta: &Meta, payload: &[u8], bytes: &[u8], stays: impl Fn(&Item) -> bool) -> Option<Vec<u8>> {
    let kept: Vec<_> = meta.items.iter().filter(|item| stays(item)).collect();
    let mut out = bytes.get(..4)?.to_vec();
    match out.first()? {
        0 => out.extend((kept.len() as u16).to_be_bytes()),
        _ => out.extend((kept.len() as u32).to_be_bytes()),
    }
    for item in kept {
        let mut entry = slice(payload, &item.range).to_vec();
        let names = item.names_at.saturating_sub(item.range.start) as usize;
        let names = entry.get_mut(names..).unwrap_or_default();
        if is_metadata(item) {
            // The name of the item precedes its content type.
            names.iter_mut().take_while(|byte| **byte != 0).for_each(|byte| *byte = b' ');
        } else {
            names.fill(0);
        }
        out.extend(entry);
    }
    Some(out)
}

/// The references between kept items. A box without any is dropped.
fn item_references(meta: &Meta, bytes: &[u8], ids: &BTreeSet<u32>) -> Option<Vec<u8>> {
    let mut out = bytes.get(..4)?.to_vec();
    let wide = *out.first()? != 0;
    let id_bytes = |id: u32| if wide { id.to_be_bytes().to_vec() } else { (id as u16).to_be_bytes().to_vec() };
    let empty = out.len();
    for reference in meta.references.iter().filter(|reference| ids.contains(&reference.from)) {
        let to: Vec<_> = reference.to.iter().filter(|id| ids.contains(id)).collect();
        if !to.is_empty() {
            let mut entry = id_bytes(reference.from);
            entry.extend((to.len() as u16).to_be_bytes());
            to.iter().for_each(|&&id| entry.extend(id_bytes(id)));
            out.extend(write_box(reference.kind, &entry));
        }
    }
    Some(if out.len() == empty { Vec::new() } else { write_box(*b"iref", &out) })
}

fn item_properties(
    meta: &Meta,
    payload: &[u8],
    parent: &BoxAt,
    ids: &BTreeSet<u32>,
    meter: &Meter<'_>,
) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    for part in children_at(payload, parent.payload.clone(), meter)? {
        match &part.kind {
            b"ipco" => out.extend(properties(meta, payload, &part, ids, meter)?),
            b"ipma" => {
                out.extend(write_box(part.kind, &associations(meta, payload, &part.payload, ids).ok_or_else(broken)?));
            }
            _ => {}
        }
    }
    Ok(out)
}

/// The property container. Associations refer to its boxes by index, so all boxes are kept. Those that no kept image uses
/// become free space, which may be among properties (ISO/IEC 23008-12, 9.3.1); those that are not known to be needed for
/// display (names, descriptions, dates) are overwritten with zeros.
fn properties(
    meta: &Meta,
    payload: &[u8],
    parent: &BoxAt,
    ids: &BTreeSet<u32>,
    meter: &Meter<'_>,
) -> Result<Vec<u8>, Exhausted> {
    let mut out = slice(payload, &parent.range).to_vec();
    let of_images = meta.associations.iter().filter(|association| stays_upright(meta, ids, association.id));
    let used: BTreeSet<u16> = of_images.flat_map(|association| association.properties.iter().copied()).collect();
    let mut end = parent.payload.start;
    for (index, property) in (1_u64..).zip(children_at(payload, parent.payload.clone(), meter)?) {
        let is_used = u16::try_from(index).is_ok_and(|index| used.contains(&index));
        end = property.range.end;
        let start = (property.payload.start - parent.range.start) as usize;
        let content = slice(payload, &property.payload);
        let new = if is_used { cleaned(property.kind, content, meter)? } else { vec![0; content.len()] };
        out.iter_mut().skip(start).zip(new).for_each(|(to, from)| *to = from);
        if !is_used || is_no_colour(property.kind, content) {
            let kind = (property.range.start - parent.range.start) as usize + 4;
            out.iter_mut().skip(kind).zip(*b"free").for_each(|(to, from)| *to = from);
        }
    }
    // What is no box becomes one, or is too short to be one.
    let rest = out.split_off((end - parent.range.start) as usize).len();
    match rest.checked_sub(8) {
        Some(content) => out.extend(write_box(*b"free", &vec![0; content])),
        None => out.resize(out.len() + rest, 0),
    }
    Ok(out)
}

/// Whether this is a colour property of which nothing is kept. Readers refuse one of zeros.
pub(super) fn is_no_colour(kind: [u8; 4], content: &[u8]) -> bool {
    &kind == b"colr" && meaningful_len(kind, content) == 0
}

/// The number of bytes of a property, or of a box in a sample entry, that are meaningful for display.
pub(super) fn meaningful_len(kind: [u8; 4], content: &[u8]) -> usize {
    let len = match &kind {
        b"ispe" => 12,
        b"irot" | b"imir" | b"a1op" => 1,
        b"lsel" => 2,
        b"pasp" => 8,
        b"clap" => 32,
        b"clli" | b"ccst" => 4 + if &kind == b"ccst" { 4 } else { 0 },
        b"mdcv" => 24,
        b"amve" => 8,
        // Version, flags and the number of channels precede the bit depths (ISO/IEC 23008-12, 6.5.6).
        b"pixi" => 5 + content.get(4).map_or(0, |count| usize::from(*count)),
        b"colr" => match content {
            [b'n', b'c', b'l', b'x', ..] => 11,
            [b'p', b'r', b'o', b'f', profile @ ..] | [b'r', b'I', b'C', b'C', profile @ ..] => {
                icc::len(profile).map_or(0, |len| 4 + len)
            }
            _ => 0,
        },
        // Version and flags, and the null-terminated name (6.5.8).
        b"auxC" | b"auxi" => {
            content.iter().skip(4).position(|byte| *byte == 0).map_or(content.len(), |name| 4 + name + 1)
        }
        b"avcC" | b"jpgC" | b"a1lx" | b"oinf" | b"tols" | b"rloc" | b"cclv" | b"ndwt" | b"reve" => content.len(),
        _ => 0,
    };
    len.min(content.len())
}

/// Whether a data information box has the usual content: the data is in this file (ISO/IEC 14496-12, 8.7.1).
pub(super) fn has_no_place(content: &[u8]) -> bool {
    content == b"\0\0\0\x1cdref\0\0\0\0\0\0\0\x01\0\0\0\x0curl \0\0\0\x01"
}

/// Whether the properties of an item are kept. The primary image of a damaged file may not be a kept item; its
/// orientation is kept nevertheless.
fn stays_upright(meta: &Meta, ids: &BTreeSet<u32>, id: u32) -> bool {
    ids.contains(&id) || meta.primary == Some(id)
}

fn associations(meta: &Meta, payload: &[u8], part: &Range<u64>, ids: &BTreeSet<u32>) -> Option<Vec<u8>> {
    let within = |range: &Range<u64>| range.start >= part.start && range.end <= part.end;
    let kept: Vec<_> =
        meta.associations.iter().filter(|a| stays_upright(meta, ids, a.id) && within(&a.range)).collect();
    let mut out = slice(payload, part).get(..4)?.to_vec();
    out.extend((kept.len() as u32).to_be_bytes());
    kept.iter().for_each(|association| out.extend_from_slice(slice(payload, &association.range)));
    Some(out)
}

/// Entity groups (ISO/IEC 14496-12, 8.18) of alternatives that are all kept: a tone-mapped rendition and its base
/// image.
fn groups(payload: &[u8], parent: &BoxAt, ids: &BTreeSet<u32>, meter: &Meter<'_>) -> Result<Vec<u8>, Exhausted> {
    let stays = |group: &BoxAt| {
        let mut fields = Fields(slice(payload, &group.payload));
        let mut read = || {
            fields.version()?;
            fields.u32()?;
            let count = fields.u32()?;
            (0..count).map(|_| fields.u32()).collect::<Option<Vec<_>>>()
        };
        &group.kind == b"altr" && read().is_some_and(|entities| entities.iter().all(|id| ids.contains(id)))
    };
    let groups = children_at(payload, parent.payload.clone(), meter)?;
    let kept: Vec<u8> =
        groups.iter().filter(|g| stays(g)).flat_map(|g| write_box(g.kind, slice(payload, &g.payload))).collect();
    Ok(if kept.is_empty() { Vec::new() } else { write_box(*b"grpl", &kept) })
}
