//! The items of AVIF and HEIF files (ISO/IEC 14496-12, 8.11; ISO/IEC 23008-12): what the `meta` box says of them, read
//! from memory with every count checked against the bytes that are there.

mod locations;
mod picture;
mod sequence;

use std::collections::HashMap;
use std::io::{self, Cursor, Read, Seek};
use std::ops::Range;

use crate::input::{Input, from_memory};
use crate::isobmff::{BoxAt, Fields, boxes, children};
use crate::{Error, Exhausted, Meter, Work};

pub use locations::{Location, Locations};
pub use picture::{CleanAperture, Coded, Nclx, Picture};
use sequence::first_frame;

/// The most that is read of a `meta` box; a real one has some kilobytes.
const MAX_META: u64 = 4 << 20;
/// Entries in which items are associated with properties; the standard has one an item (8.11.14).
const MAX_ASSOCIATIONS: usize = 1 << 16;

/// One entry of the item information box.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its id.
    pub id: u32,
    /// Its type, four characters.
    pub kind: [u8; 4],
    /// Of items of kind `mime`.
    pub content_type: Vec<u8>,
    /// The whole entry within the meta box's payload.
    pub range: Range<u64>,
    /// Where its name and what follows begin.
    pub names_at: u64,
}

/// One reference, from an item to others.
#[derive(Debug, Clone)]
pub struct Reference {
    /// Its type, four characters.
    pub kind: [u8; 4],
    /// The item that refers.
    pub from: u32,
    /// The items that are referred to.
    pub to: Vec<u32>,
}

/// The properties of one item, as indices into the property container, from 1.
#[derive(Debug, Clone)]
pub struct Association {
    /// Its id.
    pub id: u32,
    /// Indices into the property container, from 1.
    pub properties: Vec<u16>,
    /// The whole entry within the meta box's payload.
    pub range: Range<u64>,
}

/// What the top-level `meta` box says.
#[derive(Debug, Default)]
pub struct Meta {
    /// The box within the file.
    pub range: Range<u64>,
    /// Its payload within the file.
    pub payload_at: u64,
    /// The payload itself, version and flags first.
    pub payload: Vec<u8>,
    /// The id of the primary item.
    pub primary: Option<u32>,
    /// The items.
    pub items: Vec<Item>,
    /// The references between items.
    pub references: Vec<Reference>,
    /// Where items' data are.
    pub locations: Locations,
    /// Kind and payload of each property.
    pub properties: Vec<([u8; 4], Range<u64>)>,
    /// Which properties are whose.
    pub associations: Vec<Association>,
    /// The places in `associations` of each item's entries.
    associations_of: HashMap<u32, Vec<usize>>,
    /// The payload of `idat` within the meta box's payload.
    pub idat: Range<u64>,
}

/// What has to be decoded of an AVIF or HEIF file, whose images are items of this kind (`av01`, `hvc1`): the primary image,
/// or the first frame of a sequence that names none.
///
/// # Errors
/// [`Error::Damaged`] says what is missing; [`Error::Exhausted`] when `work` is stopped, or reading costs more than the
/// file's length can pay for.
pub fn picture<'a>(file: &'a [u8], kind: [u8; 4], work: &Work) -> Result<Picture<'a>, Error> {
    let meter = Meter::new(file.len() as u64, work);
    let meta = from_memory(Input::new(Cursor::new(file), &meter).and_then(|mut input| meta(&mut input)))?.flatten();
    if meta.as_ref().is_none_or(|meta| meta.primary.is_none())
        && let Some(frame) = first_frame(file, kind, &meter)?
    {
        return Ok(frame);
    }
    meta.ok_or(Error::Damaged("it has no whole meta box"))?.picture(file, kind, &meter)
}

/// The `meta` box of the file, or `None` if there is none that is whole.
pub fn meta<R: Read + Seek>(input: &mut Input<'_, R>) -> io::Result<Option<Meta>> {
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

/// The boxes inside a meta box's payload, which opens with version and flags.
pub fn meta_children(payload: &[u8], meter: &Meter<'_>) -> Result<Vec<BoxAt>, Exhausted> {
    children_at(payload, 4..payload.len() as u64, meter)
}

/// The boxes in a part of the payload, with their places in the whole. One that says it goes beyond the part is none.
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

    /// Item property associations (8.11.14): ids of 2 or 4 bytes, indices of 7 or 15 bits below a flag. What is cut off,
    /// or too much, ends the list.
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

    /// The payloads of an item's properties of this kind.
    pub fn properties_of(&self, id: u32, kind: [u8; 4]) -> impl Iterator<Item = &[u8]> {
        let of_item = self.associations_of.get(&id).into_iter().flatten();
        of_item
            .filter_map(|&index| self.associations.get(index))
            .flat_map(|association| association.properties.iter())
            .filter_map(|&index| self.properties.get(usize::from(index).checked_sub(1)?))
            .filter(move |(found, _)| *found == kind)
            .map(|(_, range)| crate::head::slice(&self.payload, range))
    }

    /// Where an item's data stands in the file, if it is in this file.
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

    /// The ids of items that hold metadata of this kind.
    pub fn exif_items(&self) -> impl Iterator<Item = u32> {
        self.items.iter().filter(|item| &item.kind == b"Exif").map(|item| item.id)
    }

    /// The ids of items that hold XMP packets.
    pub fn xmp_items(&self) -> impl Iterator<Item = u32> {
        let is_xmp = |item: &&Item| &item.kind == b"mime" && item.content_type == b"application/rdf+xml";
        self.items.iter().filter(is_xmp).map(|item| item.id)
    }

    /// An item's data, up to a limit.
    pub fn data<R: Read + Seek>(&self, input: &mut Input<'_, R>, id: u32, limit: usize) -> io::Result<Vec<u8>> {
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

    /// The turn that `irot` and `imir` make together (6.5.10 and 6.5.12), first the one, then the other, as Exif
    /// numbers it.
    pub fn orientation(&self) -> Option<u8> {
        let primary = self.primary?;
        let first = |kind| self.properties_of(primary, kind).next().and_then(|bytes| bytes.first().copied());
        let (turns, mirror) = (first(*b"irot").map(|b| b & 3), first(*b"imir").map(|b| b & 1));
        if turns.is_none() && mirror.is_none() {
            return None;
        }
        // Quarter turns are anti-clockwise. Axis 0 exchanges top and bottom, axis 1 left and right.
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

/// Item information (8.11.6): entries of version 2 have 2-byte ids, those of version 3 have 4-byte ones; earlier ones
/// know no item types.
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

/// Item references (8.11.12): boxes whose kind is that of the reference.
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
    // Targets take at most twice the memory that they take in the box.
    meter.hold(2 * (part.end - part.start))?;
    Ok(children_at(payload, part.start + 4..part.end, meter)?.iter().filter_map(read).collect())
}
