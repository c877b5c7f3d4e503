//! Which items of an AVIF or HEIF file are kept, and the `meta` box without the others.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::Error;
use image_origin_container::heif::{Association, Item, Meta, Reference, children_at, meta_children};
use image_origin_container::isobmff::{BoxAt, Fields, write_box};
use image_origin_container::slice;
use image_origin_container::{Exhausted, Meter};

/// Auxiliary images that are part of what is shown: transparency, as AVIF and as HEVC in HEIF name it.
const ALPHA: [&[u8]; 2] = [b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1"];

/// The primary image and what it is made of or shown with: tiles, transparency, and a tone-mapped rendition with its
/// gain map (`tmap`, ISO 21496-1). Thumbnails, depth maps, mattes, other images of a collection and metadata are not.
pub(super) fn kept_items(meta: &Meta) -> BTreeSet<u32> {
    let (metadata, images): (Vec<_>, Vec<_>) = meta.items.iter().partition(|item| is_metadata(item));
    let images: BTreeSet<_> = images.iter().map(|item| item.id).collect();
    let Some(primary) = meta.primary else { return images };
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
            b"hdlr" | b"pitm" | b"dinf" | b"idat" => out.extend_from_slice(slice(payload, &child.range)),
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
    kept.iter().for_each(|item| out.extend_from_slice(slice(payload, &item.range)));
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
            b"ipco" => out.extend(properties(payload, &part, meter)?),
            b"ipma" => {
                out.extend(write_box(part.kind, &associations(meta, payload, &part.payload, ids).ok_or_else(broken)?));
            }
            _ => {}
        }
    }
    Ok(out)
}

/// The property container. Associations count its boxes, so all stay; those that are not known to be needed for
/// showing an image become zeros (names, descriptions, dates).
fn properties(payload: &[u8], parent: &BoxAt, meter: &Meter<'_>) -> Result<Vec<u8>, Exhausted> {
    let mut out = slice(payload, &parent.range).to_vec();
    for property in children_at(payload, parent.payload.clone(), meter)? {
        let needed = matches!(
            &property.kind,
            b"ispe"
                | b"pixi"
                | b"colr"
                | b"pasp"
                | b"clap"
                | b"irot"
                | b"imir"
                | b"av1C"
                | b"hvcC"
                | b"lhvC"
                | b"avcC"
                | b"jpgC"
                | b"auxC"
                | b"clli"
                | b"mdcv"
                | b"amve"
                | b"a1op"
                | b"a1lx"
                | b"lsel"
                | b"oinf"
                | b"tols"
                | b"rloc"
                | b"cclv"
                | b"ndwt"
                | b"reve"
        );
        if !needed {
            let start = (property.payload.start - parent.range.start) as usize;
            let len = (property.payload.end - property.payload.start) as usize;
            out.iter_mut().skip(start).take(len).for_each(|byte| *byte = 0);
        }
    }
    Ok(out)
}

fn associations(meta: &Meta, payload: &[u8], part: &Range<u64>, ids: &BTreeSet<u32>) -> Option<Vec<u8>> {
    let within = |range: &Range<u64>| range.start >= part.start && range.end <= part.end;
    // The primary image of a damaged file may be no item that stays; it is upright as before all the same.
    let stays = |id: u32| ids.contains(&id) || meta.primary == Some(id);
    let kept: Vec<_> = meta.associations.iter().filter(|a| stays(a.id) && within(&a.range)).collect();
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
