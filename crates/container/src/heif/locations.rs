//! The locations of items' data (`iloc`, ISO/IEC 14496-12, 8.11.3).

use std::ops::Range;

use crate::isobmff::Fields;
use crate::{Exhausted, Meter};

/// The maximum number of extents and items in a file; a tiled photograph has some hundred.
const MAX_EXTENTS: usize = 1 << 16;

/// The location of an item's data.
#[derive(Debug, Clone)]
pub struct Location {
    /// The item id.
    pub id: u32,
    /// The construction method: 0 for offsets into the file, 1 into `idat`, 2 into another item.
    pub method: u16,
    /// The extents of the data, in order.
    pub extents: Vec<Range<u64>>,
    /// The serialized entry.
    raw: Vec<u8>,
}

/// The `iloc` box.
#[derive(Debug, Default)]
pub struct Locations {
    version: u8,
    /// Version, flags and field sizes.
    header: Vec<u8>,
    entries: Vec<Location>,
}

/// The size in bytes of each field of an entry.
struct Layout {
    version: u8,
    id_len: usize,
    offset_len: usize,
    length_len: usize,
    base_len: usize,
    index_len: usize,
}

impl Layout {
    fn entry(&self, fields: &mut Fields<'_>) -> Option<Location> {
        let start = fields.0;
        let id = fields.uint(self.id_len)? as u32;
        let method = if self.version == 0 { 0 } else { fields.u16()? & 15 };
        let data_reference = fields.u16()?;
        let base = fields.uint(self.base_len)?;
        let count = fields.u16()?;
        // Extents without offset and length would all be equal, at no cost in file size.
        if count > 1 && self.offset_len + self.length_len == 0 {
            return None;
        }
        let mut extents = Vec::new();
        for _ in 0..count {
            fields.uint(self.index_len)?;
            let offset = base.saturating_add(fields.uint(self.offset_len)?);
            let length = fields.uint(self.length_len)?;
            // A length of 0 means the whole file.
            let end = if length == 0 { u64::MAX } else { offset.saturating_add(length) };
            // Data in other files (8.7.2) is ignored.
            if data_reference == 0 {
                extents.push(offset..end);
            }
        }
        let raw = start.get(..start.len() - fields.0.len())?.to_vec();
        Some(Location { id, method, extents, raw })
    }
}

impl Locations {
    /// Parses the box; `None` if it is damaged.
    pub fn read(payload: &[u8], meter: &Meter<'_>) -> Result<Option<Self>, Exhausted> {
        let Some((mut locations, count, layout, mut fields)) = Self::head(payload) else { return Ok(None) };
        let mut total = 0;
        for _ in 0..count {
            let Some(location) = layout.entry(&mut fields) else { return Ok(None) };
            meter.entry::<Location>()?;
            meter.hold((location.extents.len() * size_of::<Range<u64>>() + location.raw.len()) as u64)?;
            total += 1 + location.extents.len();
            if total > MAX_EXTENTS {
                return Ok(None);
            }
            locations.entries.push(location);
        }
        Ok(Some(locations))
    }

    /// Parses the fields before the entries: their number and the field sizes.
    fn head(payload: &[u8]) -> Option<(Self, u64, Layout, Fields<'_>)> {
        let mut fields = Fields(payload);
        let version = fields.version()?;
        let sizes = fields.uint(2)? as usize;
        let [offset_len, length_len, base_len, index_len] = [sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15, sizes & 15];
        if [offset_len, length_len, base_len, index_len].iter().any(|len| ![0, 4, 8].contains(len)) || version > 2 {
            return None;
        }
        let id_len = if version < 2 { 2 } else { 4 };
        let count = fields.uint(id_len)?;
        let header = payload.get(..6)?.to_vec();
        let index_len = if version == 0 { 0 } else { index_len };
        let layout = Layout { version, id_len, offset_len, length_len, base_len, index_len };
        Some((Self { version, header, entries: Vec::new() }, count, layout, fields))
    }

    /// The location of an item; the first one if there are several.
    pub fn of(&self, id: u32) -> Option<&Location> {
        self.entries.iter().find(|location| location.id == id)
    }

    /// All locations, in file order.
    pub fn iter(&self) -> impl Iterator<Item = &Location> {
        self.entries.iter()
    }

    /// Serializes the payload of the box with the entries of these items only.
    pub fn write(&self, keep: impl Fn(u32) -> bool) -> Vec<u8> {
        let kept: Vec<_> = self.entries.iter().filter(|location| keep(location.id)).collect();
        let mut out = self.header.clone();
        if self.version < 2 {
            out.extend((kept.len() as u16).to_be_bytes());
        } else {
            out.extend((kept.len() as u32).to_be_bytes());
        }
        kept.iter().for_each(|location| out.extend_from_slice(&location.raw));
        out
    }
}
