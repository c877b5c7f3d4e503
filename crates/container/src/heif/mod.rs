//! The items of AVIF and HEIF files (ISO/IEC 14496-12, 8.11; ISO/IEC 23008-12), parsed from the `meta` box in memory.
//! Every count is checked against the available bytes.

mod locations;
mod picture;
mod sequence;

use std::collections::HashMap;
use std::io::{self, Cursor};
use std::ops::Range;

use crate::input::{Input, from_memory};
use crate::isobmff::{BoxAt, Fields, boxes, children};
use crate::{Cancellation, Error, Exhausted, Meter};

pub use locations::{Location, Locations};
pub use picture::{CleanAperture, Coded, Nclx, Picture};
use sequence::first_frame;

/// The maximum number of bytes that are read of a `meta` box; real ones have some kilobytes.
const MAX_META: u64 = 4 << 20;
/// The maximum number of entries that associate items with properties; the standard has one for each item (8.11.14).
const MAX_ASSOCIATIONS: usize = 1 << 16;

/// An entry of the item information box.
#[derive(Debug, Clone)]
pub struct Item {
    /// The item id.
    pub id: u32,
    /// The item type, four characters.
    pub kind: [u8; 4],
    /// The content type, for items of type `mime`.
    pub content_type: Vec<u8>,
    /// The location of the entry within the payload of the meta box.
    pub range: Range<u64>,
    /// The offset of its name and the following fields.
    pub names_at: u64,
}

/// A reference from one item to others.
#[derive(Debug, Clone)]
pub struct Reference {
    /// The reference type, four characters.
    pub kind: [u8; 4],
    /// The referring item.
    pub from: u32,
    /// The referenced items.
    pub to: Vec<u32>,
}

/// The properties of an item.
#[derive(Debug, Clone)]
pub struct Association {
    /// The item id.
    pub id: u32,
    /// Indices into the property container, starting at 1.
    pub properties: Vec<u16>,
    /// The location of the entry within the payload of the meta box.
    pub range: Range<u64>,
}

/// The content of the top-level `meta` box.
#[derive(Debug, Default)]
pub struct Meta {
    /// The location of the box in the file.
    pub range: Range<u64>,
    /// The offset of its payload in the file.
    pub payload_at: u64,
    /// The payload, beginning with version and flags.
    pub payload: Vec<u8>,
    /// The id of the primary item.
    pub primary: Option<u32>,
    /// The items.
    pub items: Vec<Item>,
    /// The references between items.
    pub references: Vec<Reference>,
    /// The locations of the items' data.
    pub locations: Locations,
    /// The type and payload of each property.
    pub properties: Vec<([u8; 4], Range<u64>)>,
    /// The properties of each item.
    pub associations: Vec<Association>,
    /// The indices into `associations` by item.
    associations_of: HashMap<u32, Vec<usize>>,
    /// The location of the payload of `idat` within the payload of the meta box.
    pub idat: Range<u64>,
}

/// Finds the coded images of an AVIF or HEIF file, whose items have this type (`av01`, `hvc1`): the primary image, or
/// the first frame of a sequence without one.
///
/// # Errors
/// [`Error::Damaged`] if something is missing; [`Error::Exhausted`] if `cancellation` is cancelled, or reading exceeds the
/// budget that follows from the length of the file.
pub fn picture<'a>(file: &'a [u8], kind: [u8; 4], cancellation: &Cancellation) -> Result<Picture<'a>, Error> {
    let meter = Meter::new(file.len() as u64, cancellation);
    let meta = from_memory(Input::new(Cursor::new(file), &meter).and_then(|mut input| meta(&mut input)))?.flatten();
    if meta.as_ref().is_none_or(|meta| meta.primary.is_none())
        && let Some(frame) = first_frame(file, kind, &meter)?
    {
        return Ok(frame);
    }
    meta.ok_or(Error::Damaged("it has no whole meta box"))?.picture(file, kind, &meter)
}

/// Reads the `meta` box of the file; `None` if there is no complete one.
pub fn meta(input: &mut Input<'_>) -> io::Result<Option<Meta>> {
    let end = input.len();
    let found = boxes(input, 0..end)?.into_iter().find(|found| &found.kind == b"meta" && !found.cut);
    let Some(found) = found.filter(|found| found.range.end - found.range.start <= MAX_META) else { return Ok(None) };
    let payload = input.copy(found.payload.clone(), MAX_META as usize)?;
    let mut meta = Meta { range: found.range, payload_at: found.payload.start, ..Meta::default() };
    let read = |meta: &mut Meta| {
        for child in meta_children(&payload, input.meter())? {
            meta.read_child(&payload, &child, input.meter())?;
        }
        Ok::<_, Exhausted>(())
    };
    read(&mut meta).map_err(io::Error::other)?;
    for (index, association) in meta.associations.iter().enumerate() {
        meta.associations_of.entry(association.id).or_default().push(index);
    }
    meta.payload = payload;
    Ok(Some(meta))
}

/// Reads the boxes in the payload of a meta box, after version and flags.
pub fn meta_children(payload: &[u8], meter: &Meter<'_>) -> Result<Vec<BoxAt>, Exhausted> {
    children_at(payload, 4..payload.len() as u64, meter)
}

/// Reads the boxes in a part of the payload, with locations relative to the whole. A box that exceeds the part is
/// ignored.
pub fn children_at(payload: &[u8], part: Range<u64>, meter: &Meter<'_>) -> Result<Vec<BoxAt>, Exhausted> {
    let mut found = children(crate::head::slice(payload, &part), meter)?;
    found.retain(|child| !child.cut);
    for child in &mut found {
        child.range = child.range.start + part.start..child.range.end + part.start;
        child.payload = child.payload.start + part.start..child.payload.end + part.start;
    }
    Ok(found)
}

impl Meta {
    fn read_child(&mut self, payload: &[u8], child: &BoxAt, meter: &Meter<'_>) -> Result<(), Exhausted> {
        let bytes = crate::head::slice(payload, &child.payload);
        match &child.kind {
            b"pitm" => self.primary = primary_item(Fields(bytes)),
            b"iinf" => self.items = items(payload, &child.payload, meter)?,
            b"iref" => self.references = references(payload, &child.payload, meter)?,
            b"iloc" => self.locations = Locations::read(bytes, meter)?.unwrap_or_default(),
            b"idat" => self.idat = child.payload.clone(),
            b"iprp" => {
                for part in children_at(payload, child.payload.clone(), meter)? {
                    match &part.kind {
                        b"ipco" => {
                            let all = children_at(payload, part.payload, meter)?;
                            self.properties = all.into_iter().map(|p| (p.kind, p.payload)).collect();
                        }
                        b"ipma" => self.add_associations(payload, &part.payload, meter)?,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Reads item property associations (8.11.14): ids of 2 or 4 bytes, indices of 7 or 15 bits below a flag.
    /// Truncation or too many entries end the list.
    fn add_associations(&mut self, payload: &[u8], part: &Range<u64>, meter: &Meter<'_>) -> Result<(), Exhausted> {
        let bytes = crate::head::slice(payload, part);
        let mut fields = Fields(bytes);
        let place = |fields: &Fields<'_>| part.start + (bytes.len() - fields.0.len()) as u64;
        let (Some(version_and_flags), Some(count)) = (fields.u32(), fields.u32()) else { return Ok(()) };
        let id_len = if version_and_flags >> 24 == 0 { 2 } else { 4 };
        let index_len = if version_and_flags & 1 == 0 { 1 } else { 2 };
        let mut read = || {
            let start = place(&fields);
            let id = fields.uint(id_len)? as u32;
            let count = fields.uint(1)?;
            let mask = if index_len == 1 { 0x7f } else { 0x7fff };
            let properties: Option<Vec<_>> =
                (0..count).map(|_| fields.uint(index_len).map(|index| index as u16 & mask)).collect();
            Some(Association { id, properties: properties?, range: start..place(&fields) })
        };
        for _ in 0..count {
            if self.associations.len() == MAX_ASSOCIATIONS {
                break;
            }
            let Some(association) = read() else { break };
            meter.entry::<Association>()?;
            meter.hold(4 * association.properties.len() as u64)?;
            self.associations.push(association);
        }
        Ok(())
    }

    /// The payloads of an item's properties of this type.
    pub fn properties_of(&self, id: u32, kind: [u8; 4]) -> impl Iterator<Item = &[u8]> {
        let of_item = self.associations_of.get(&id).into_iter().flatten();
        of_item
            .filter_map(|&index| self.associations.get(index))
            .flat_map(|association| association.properties.iter())
            .filter_map(|&index| self.properties.get(usize::from(index).checked_sub(1)?))
            .filter(move |(found, _)| *found == kind)
            .map(|(_, range)| crate::head::slice(&self.payload, range))
    }

    /// The ranges of an item's data in the file, if the data is in this file.
    pub fn extents(&self, location: &Location) -> Vec<Range<u64>> {
        let idat_at = self.payload_at + self.idat.start;
        let idat_end = self.payload_at + self.idat.end;
        let place = |range: &Range<u64>| match location.method {
            0 => Some(range.clone()),
            1 => {
                let start = idat_at.saturating_add(range.start).min(idat_end);
                Some(start..idat_at.saturating_add(range.end).min(idat_end))
            }
            _ => None,
        };
        location.extents.iter().filter_map(place).collect()
    }

    /// The ids of items with Exif.
    pub fn exif_items(&self) -> impl Iterator<Item = u32> {
        self.items.iter().filter(|item| &item.kind == b"Exif").map(|item| item.id)
    }

    /// The ids of items with XMP packets.
    pub fn xmp_items(&self) -> impl Iterator<Item = u32> {
        let is_xmp = |item: &&Item| &item.kind == b"mime" && item.content_type == b"application/rdf+xml";
        self.items.iter().filter(is_xmp).map(|item| item.id)
    }

    /// Reads an item's data, up to a limit.
    pub fn data(&self, input: &mut Input<'_>, id: u32, limit: usize) -> io::Result<Vec<u8>> {
        let mut data = Vec::new();
        if let Some(location) = self.locations.of(id) {
            for extent in self.extents(location) {
                data.extend(input.copy(extent, limit.saturating_sub(data.len()))?);
            }
        }
        Ok(data)
    }

    /// The size of the primary item (`ispe`, ISO/IEC 23008-12, 6.5.3).
    pub fn dimensions(&self) -> Option<(u32, u32)> {
        self.size_of(self.primary?)
    }

    /// The orientation that results from `irot` and `imir` (6.5.10 and 6.5.12), applied in this order, as an Exif
    /// value.
    pub fn orientation(&self) -> Option<u8> {
        let primary = self.primary?;
        let first = |kind| self.properties_of(primary, kind).next().and_then(|bytes| bytes.first().copied());
        let (turns, mirror) = (first(*b"irot").map(|b| b & 3), first(*b"imir").map(|b| b & 1));
        if turns.is_none() && mirror.is_none() {
            return None;
        }
        // Quarter turns are anticlockwise. Axis 0 exchanges top and bottom, axis 1 left and right.
        Some(match (turns.unwrap_or(0), mirror) {
            (0, None) => 1,
            (1, None) => 8,
            (2, None) => 3,
            (_, None) => 6,
            (0, Some(1)) | (2, Some(0)) => 2,
            (0, Some(_)) | (2, Some(_)) => 4,
            (1, Some(0)) | (3, Some(1)) => 5,
            _ => 7,
        })
    }

    /// The ICC profile of the primary item (`colr`, ISO/IEC 14496-12, 12.1.5).
    pub fn icc_profile(&self) -> Option<&[u8]> {
        let mut colours = self.properties_of(self.primary?, *b"colr");
        colours.find_map(|bytes| bytes.strip_prefix(b"prof").or_else(|| bytes.strip_prefix(b"rICC")))
    }
}

fn primary_item(mut fields: Fields<'_>) -> Option<u32> {
    if fields.version()? == 0 { fields.u16().map(u32::from) } else { fields.u32() }
}

/// Reads item information (8.11.6): entries of version 2 have 2-byte ids, those of version 3 have 4-byte ids; earlier
/// versions have no item types.
fn items(payload: &[u8], part: &Range<u64>, meter: &Meter<'_>) -> Result<Vec<Item>, Exhausted> {
    let mut fields = Fields(crate::head::slice(payload, part));
    let Some(version) = fields.version() else { return Ok(Vec::new()) };
    let header = if version == 0 { 6 } else { 8 };
    let entries = children_at(payload, part.start + header..part.end, meter)?;
    meter.hold((entries.len() * size_of::<Item>()) as u64)?;
    let read = |entry: &BoxAt| {
        let mut fields = Fields(crate::head::slice(payload, &entry.payload));
        let id = match fields.version()? {
            2 => fields.u16()?.into(),
            3 => fields.u32()?,
            _ => return None,
        };
        fields.u16()?;
        let kind = *fields.bytes(4)?.first_chunk()?;
        let names_at = entry.payload.end - fields.0.len() as u64;
        let content_type = fields.0.split(|&b| b == 0).nth(1).unwrap_or_default().to_vec();
        Some(Item { id, kind, content_type, range: entry.range.clone(), names_at })
    };
    Ok(entries.iter().filter(|entry| &entry.kind == b"infe").filter_map(read).collect())
}

/// Reads item references (8.11.12): boxes whose type is that of the reference.
fn references(payload: &[u8], part: &Range<u64>, meter: &Meter<'_>) -> Result<Vec<Reference>, Exhausted> {
    let mut fields = Fields(crate::head::slice(payload, part));
    let Some(version) = fields.version() else { return Ok(Vec::new()) };
    let id_len = if version == 0 { 2 } else { 4 };
    let read = |entry: &BoxAt| {
        let mut fields = Fields(crate::head::slice(payload, &entry.payload));
        let from = fields.uint(id_len)? as u32;
        let count = fields.u16()?;
        let to: Option<Vec<_>> = (0..count).map(|_| fields.uint(id_len).map(|id| id as u32)).collect();
        Some(Reference { kind: entry.kind, from, to: to? })
    };
    // The targets take at most twice the memory that they take in the box.
    meter.hold(2 * (part.end - part.start))?;
    Ok(children_at(payload, part.start + 4..part.end, meter)?.iter().filter_map(read).collect())
}
