//! Which items of an AVIF or HEIF file are kept, and the `meta` box without the others.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::{Error, icc};
use image_origin_container::heif::{Association, Item, Meta, Reference, children_at, meta_children};
use image_origin_container::isobmff::{BoxAt, Fields, write_box};
use image_origin_container::slice;
use image_origin_container::{Exhausted, Meter};

/// Auxiliary images that are part of what is shown: transparency, as AVIF and as HEVC in HEIF name it.
pub(super) const ALPHA: [&[u8]; 2] = [b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1"];

/// Where the kind of a handler stands, behind version, flags and a number that is 0; zeros and a name come behind it
/// (ISO/IEC 14496-12, 8.4.3).
pub(super) const HANDLER_KIND: Range<u64> = 8..12;

/// The primary image and what it is made of or shown with: tiles, transparency, and a tone-mapped rendition with its
/// gain map (`tmap`, ISO 21496-1). Thumbnails, depth maps, mattes, other images of a collection and metadata are not.
pub(super) fn kept_items(meta: &Meta) -> BTreeSet<u32> {
    let (metadata, images): (Vec<_>, Vec<_>) = meta.items.iter().partition(|item| is_metadata(item));
    let images: BTreeSet<_> = images.iter().map(|item| item.id).collect();
    let Some(primary) = meta.primary else { return BTreeSet::new() };
    let mut kept = shown_with(meta, primary);
    // A damaged file may call metadata its primary image, or give an image and metadata one number.
    metadata.iter().filter(|item| !images.contains(&item.id)).for_each(|item| _ = kept.remove(&item.id));
    kept
}

fn is_metadata(item: &Item) -> bool {
    matches!(&item.kind, b"Exif" | b"mime" | b"uri ")
}

/// The primary image and what it leads to.
fn shown_with(meta: &Meta, primary: u32) -> BTreeSet<u32> {
    let leads_to = leads_to(meta);
    let mut kept = BTreeSet::from([primary]);
    let mut next = vec![primary];
    while let Some(id) = next.pop() {
        let further = leads_to.get(&id).into_iter().flatten();
        next.extend(further.copied().filter(|&id| kept.insert(id)));
    }
    kept
}

/// Which items stay if an item stays.
fn leads_to(meta: &Meta) -> BTreeMap<u32, Vec<u32>> {
    let tone_mapped: BTreeSet<_> = meta.items.iter().filter(|item| &item.kind == b"tmap").map(|item| item.id).collect();
    let alpha = alpha_items(meta);
    let mut edges: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for Reference { kind, from, to } in &meta.references {
        // Tiles and inputs, premultiplication, layers that others are predicted from.
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
    // Version and flags, then the name, ended by a zero (ISO/IEC 23008-12, 6.5.8).
    let is_alpha = |(kind, range): &([u8; 4], Range<u64>)| {
        let name = slice(&meta.payload, range).get(4..).and_then(|bytes| bytes.split(|&b| b == 0).next());
        kind == b"auxC" && name.is_some_and(|name| ALPHA.contains(&name))
    };
    let alpha: BTreeSet<u16> =
        (1..).zip(&meta.properties).filter(|(_, p)| is_alpha(p)).map(|(index, _)| index).collect();
    let has_alpha = |association: &&Association| association.properties.iter().any(|index| alpha.contains(index));
    meta.associations.iter().filter(has_alpha).map(|association| association.id).collect()
}

/// The payload of the meta box with the information, places, references and properties of these images and items of
/// metadata alone, in the length that it had: empty space takes the place of what is gone. Damage where the room left is
/// too small for that.
pub(super) fn without_items(
    meta: &Meta,
    payload: &[u8],
    images: &BTreeSet<u32>,
    metadata: &BTreeSet<u32>,
    meter: &Meter<'_>,
) -> Result<Vec<u8>, Error> {
    let ids: &BTreeSet<u32> = &images.union(metadata).copied().collect();
    // In a damaged file two items may have one number.
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
                let mut bytes = slice(payload, &child.range).to_vec();
                let start = child.payload.start;
                zero(&mut bytes, child.range.start, &(start..start + HANDLER_KIND.start));
                zero(&mut bytes, child.range.start, &(start + HANDLER_KIND.end..child.range.end));
                out.extend(bytes);
            }
            b"dinf" if !has_no_place(bytes) => {}
            b"pitm" => {
                let len = if bytes.first() == Some(&0) { 6 } else { 8 };
                out.extend(write_box(child.kind, bytes.get(..len).ok_or_else(broken)?));
            }
            b"dinf" | b"idat" => out.extend_from_slice(slice(payload, &child.range)),
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
            // The name of the item stands before its content's type.
            names.iter_mut().take_while(|byte| **byte != 0).for_each(|byte| *byte = b' ');
        } else {
            names.fill(0);
        }
        out.extend(entry);
    }
    Some(out)
}

/// References between items that stay. A box without any is left out.
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

/// The property container. Associations count its boxes, so all stay; those become zeros that no image has, and those that
/// are not known to be needed for showing one (names, descriptions, dates).
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
        let content = slice(payload, &property.payload);
        let kept = if is_used { meaningful_len(property.kind, content) as u64 } else { 0 };
        end = property.range.end;
        let unused = property.payload.start + kept..property.payload.end;
        zero(&mut out, parent.range.start, &unused);
    }
    zero(&mut out, parent.range.start, &(end..parent.payload.end));
    Ok(out)
}

fn zero(bytes: &mut [u8], at: u64, range: &Range<u64>) {
    let (start, len) = (range.start.saturating_sub(at) as usize, range.end.saturating_sub(range.start) as usize);
    bytes.iter_mut().skip(start).take(len).for_each(|byte| *byte = 0);
}

/// How many bytes of a property or of a box in a sample entry have a meaning for showing an image.
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
        // Version, flags and how many depths there are stand before these (ISO/IEC 23008-12, 6.5.6).
        b"pixi" => 5 + content.get(4).map_or(0, |count| usize::from(*count)),
        b"colr" => match content {
            [b'n', b'c', b'l', b'x', ..] => 11,
            [b'p', b'r', b'o', b'f', profile @ ..] | [b'r', b'I', b'C', b'C', profile @ ..] => {
                icc::len(profile).map_or(0, |len| 4 + len)
            }
            _ => 0,
        },
        // Version and flags, and the name with the zero behind it (6.5.8).
        b"auxC" | b"auxi" => {
            content.iter().skip(4).position(|byte| *byte == 0).map_or(content.len(), |name| 4 + name + 1)
        }
        b"av1C" | b"hvcC" | b"lhvC" | b"avcC" | b"jpgC" | b"a1lx" | b"oinf" | b"tols" | b"rloc" | b"cclv" | b"ndwt"
        | b"reve" => content.len(),
        _ => 0,
    };
    len.min(content.len())
}

/// Whether a data information box says what it says as a rule: that the data are in this file (ISO/IEC 14496-12, 8.7.1).
pub(super) fn has_no_place(content: &[u8]) -> bool {
    content == b"\0\0\0\x1cdref\0\0\0\0\0\0\0\x01\0\0\0\x0curl \0\0\0\x01"
}

/// Whether properties of an item stay. The primary image of a damaged file may be no item that stays; it is upright as
/// before all the same.
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

/// Entity groups (ISO/IEC 14496-12, 8.18) of alternatives, all of which stay: a tone-mapped rendition and its base.
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
        groups.iter().filter(|g| stays(g)).flat_map(|g| slice(payload, &g.range).iter().copied()).collect();
    Ok(if kept.is_empty() { Vec::new() } else { write_box(*b"grpl", &kept) })
}
