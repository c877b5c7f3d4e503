//! TIFF: everything stays in its place, since offsets are all over the file. Directories lose the fields that are not
//! kept, and every byte that no field or image data uses becomes zero.

use std::collections::BTreeSet;
use std::io::{self, Read, Seek};
use std::ops::Range;

use super::Keep;
use super::edits::{Edit, apply, common, merged, without};
use crate::{Error, Rewrite};
use image_origin_container::Input;
use image_origin_container::tiff::{Order, type_size};

/// Pages of one file.
const MAX_PAGES: usize = 4096;
/// Fields of all pages; directories may share bytes, so the file's own length is no bound.
const MAX_FIELDS: usize = 1 << 16;
/// Offsets and lengths of strips and tiles, of all pages.
const MAX_OFFSETS: u64 = 1 << 21;

const NEW_SUBFILE_TYPE: u16 = 0x00fe;
const ARTIST: u16 = 0x013b;
const COPYRIGHT: u16 = 0x8298;
/// Fields that only digital negatives have; in these, the picture itself is where no TIFF reader finds it.
const DNG_VERSION: u16 = 0xc612;

/// Fields that hold offsets, and those that hold the lengths that belong to them (TIFF 6.0, sections 8, 15 and 22).
const DATA: [(u16, u16); 3] = [(0x0111, 0x0117), (0x0144, 0x0145), (0x0201, 0x0202)];
/// Offsets of the tables of old-style JPEG, and how long these are at most (section 22).
const TABLES: [(u16, u64); 3] = [(0x0207, 64), (0x0208, 16 + 17), (0x0209, 16 + 256)];

/// Fields that hold offsets of directories: of further pictures, and of Exif's.
const DIRECTORIES: [u16; 4] = [0x014a, 0x8769, 0x8825, 0xa005];

/// What decoding and showing the pixels needs: TIFF 6.0 and its supplements, colour, orientation, aspect, page number.
fn is_kept(tag: u16, keep: Keep) -> bool {
    match tag {
        0x00fe..=0x0103
        | 0x0106..=0x010a
        | 0x0111
        | 0x0112
        | 0x0115..=0x011c
        | 0x0122..=0x0125
        | 0x0128
        | 0x0129
        | 0x012d
        | 0x013d..=0x0148
        | 0x014c
        | 0x014e
        | 0x0150
        | 0x0152..=0x0156
        | 0x015b
        | 0x0200..=0x0214
        | 0x8773
        | 0xc5f2 => true,
        ARTIST | COPYRIGHT => keep == Keep::Copyright,
        _ => false,
    }
}

/// One field of a directory.
struct Entry {
    tag: u16,
    kind: u16,
    count: u64,
    /// Where the value stands: in the entry itself, or elsewhere.
    value: Range<u64>,
    inline: bool,
    raw: Vec<u8>,
}

struct Directory {
    at: u64,
    entries: Vec<Entry>,
    next: u64,
}

struct Reader<'i, 'm, R> {
    input: &'i mut Input<'m, R>,
    order: Order,
    /// BigTIFF: 8-byte offsets and counts, 20-byte entries.
    big: bool,
    fields_left: usize,
    offsets_left: u64,
    /// Where directories, values and the data of dropped pages begin.
    places: Vec<u64>,
}

pub(super) fn strip<R: Read + Seek>(input: &mut Input<'_, R>, keep: Keep) -> Result<Rewrite, Error> {
    let len = input.len();
    let header = input.copy(0..16, 16)?;
    let order = Order { little_endian: header.starts_with(b"II") };
    let big = header.get(2..4).is_some_and(|version| order.uint(version) == 43);
    let mut reader =
        Reader { input, order, big, fields_left: MAX_FIELDS, offsets_left: MAX_OFFSETS, places: Vec::new() };
    let pages = reader.pages(keep)?;
    let mut data = Vec::new();
    for page in &pages {
        data.extend(reader.image_data(page)?);
    }
    let places: Vec<_> = pages.iter().map(|page| page.at..page.at + reader.directory_len(page)).collect();
    let mut used: Vec<_> =
        pages.iter().flat_map(|page| &page.entries).filter(|e| !e.inline).map(|e| e.value.clone()).collect();
    let data = closed(&data, &reader.places, len);
    if data.is_empty() {
        return Err(Error::Damaged("no image data"));
    }
    used.extend(data);
    used.push(0..if big { 16 } else { 8 });
    let used = merged(&used);

    if any_overlap(&places) || !common(&places, &used).is_empty() {
        return Err(Error::Damaged("directories overlap"));
    }
    let mut edits = Vec::new();
    for (index, page) in pages.iter().enumerate() {
        let next = pages.get(index + 1).map_or(0, |next| next.at);
        edits.push((places[index].clone(), Edit::Bytes(reader.write(page, next))));
    }
    let all_used = merged(&[used, places].concat());
    let end = all_used.last().map_or(0, |last| last.end.min(len));
    edits.extend(without(std::slice::from_ref(&(0..end)), &all_used).into_iter().map(|range| (range, Edit::Zeros)));
    Ok(apply(len, end, edits))
}

/// Image data of which only the start may be known, as ranges within the file: such data ends where something else begins.
fn closed(data: &[(u64, Option<u64>)], others: &[u64], len: u64) -> Vec<Range<u64>> {
    let mut starts: Vec<u64> = data.iter().map(|(start, _)| *start).chain(others.iter().copied()).collect();
    starts.sort_unstable();
    let range = |&(start, length): &(u64, Option<u64>)| {
        let next = || starts.get(starts.partition_point(|other| *other <= start)).copied().unwrap_or(len);
        start..length.map_or_else(next, |length| start.saturating_add(length)).min(len)
    };
    data.iter().map(range).filter(|range| range.start < range.end).collect()
}

fn any_overlap(ranges: &[Range<u64>]) -> bool {
    let mut sorted = ranges.to_vec();
    sorted.sort_by_key(|range| range.start);
    sorted.windows(2).any(|pair| matches!(pair, [a, b] if b.start < a.end))
}

impl<R: Read + Seek> Reader<'_, '_, R> {
    /// The pages that are kept, with the fields that are kept: all but reduced-resolution copies of others.
    fn pages(&mut self, keep: Keep) -> Result<Vec<Directory>, Error> {
        let first = if self.big { self.input.array::<8>(8)?.map(|b| self.order.uint(&b)) } else { None };
        let first = match first {
            Some(first) => first,
            None => self.input.array::<4>(4)?.map_or(0, |b| self.order.uint(&b)),
        };
        let (mut pages, mut seen, mut at) = (Vec::new(), BTreeSet::new(), first);
        while at != 0 && seen.insert(at) {
            if seen.len() > MAX_PAGES {
                return Err(Error::Damaged("too many pages"));
            }
            let Some(mut page) = self.directory(at)? else { break };
            at = page.next;
            let left = self.fields_left.checked_sub(page.entries.len());
            self.fields_left = left.ok_or(Error::Damaged("too many fields"))?;
            let reduced = match page.entries.iter().find(|entry| entry.tag == NEW_SUBFILE_TYPE) {
                Some(entry) => self.values(entry)?.first().is_some_and(|value| value & 1 == 1),
                None => false,
            };
            let negative = page.entries.iter().any(|entry| entry.tag == DNG_VERSION);
            if pages.is_empty() && (reduced || negative) {
                return Err(Error::Unsupported(image_origin_container::Format::Tiff));
            }
            self.places.push(page.at);
            for entry in &page.entries {
                if !entry.inline {
                    self.places.push(entry.value.start);
                }
                let leads_to_data = reduced && DATA.iter().any(|(offsets, _)| *offsets == entry.tag);
                if DIRECTORIES.contains(&entry.tag) || leads_to_data {
                    let offsets = self.values(entry)?;
                    self.places.extend(offsets);
                }
            }
            if !reduced {
                page.entries.retain(|entry| is_kept(entry.tag, keep));
                pages.push(page);
            }
        }
        Ok(pages)
    }

    fn directory(&mut self, at: u64) -> io::Result<Option<Directory>> {
        let (count_len, entry_len, offset_len) = self.sizes();
        let head = self.input.copy(at..at.saturating_add(count_len), 8)?;
        let count = self.order.uint(&head);
        let body_at = at.saturating_add(count_len);
        let body_len = count.saturating_mul(entry_len).saturating_add(offset_len);
        // A count of more than 2 bytes is possible in BigTIFF, and never meant.
        if head.len() as u64 != count_len || count > 0xffff || body_at.saturating_add(body_len) > self.input.len() {
            return Ok(None);
        }
        let body = self.input.copy(body_at..body_at + body_len, usize::MAX)?;
        let (entries, next) = body.split_at(body.len().saturating_sub(offset_len as usize));
        let entries = (body_at..).step_by(entry_len as usize).zip(entries.chunks_exact(entry_len as usize));
        let entries = entries.filter_map(|(at, raw)| self.entry(at, raw)).collect();
        Ok(Some(Directory { at, entries, next: self.order.uint(next) }))
    }

    /// Bytes of the number of entries, of an entry, and of an offset.
    const fn sizes(&self) -> (u64, u64, u64) {
        if self.big { (8, 20, 8) } else { (2, 12, 4) }
    }

    /// A field whose value is all there; of any other, nothing can be kept.
    fn entry(&self, at: u64, raw: &[u8]) -> Option<Entry> {
        let (tag, kind) = (self.order.uint(raw.get(..2)?) as u16, self.order.uint(raw.get(2..4)?) as u16);
        let offset_len = self.sizes().2 as usize;
        let count = self.order.uint(raw.get(4..4 + offset_len)?);
        let len = count.checked_mul(type_size(kind)? as u64)?;
        let inline = len <= offset_len as u64;
        let start = if inline { at + 4 + offset_len as u64 } else { self.order.uint(raw.get(4 + offset_len..)?) };
        let value = start..start.checked_add(len)?;
        (value.end <= self.input.len()).then(|| Entry { tag, kind, count, value, inline, raw: raw.to_vec() })
    }

    /// The unsigned integers of a field.
    fn values(&mut self, entry: &Entry) -> Result<Vec<u64>, Error> {
        let size = match entry.kind {
            3 => 2,
            4 | 13 => 4,
            16 | 18 => 8,
            _ => return Ok(Vec::new()),
        };
        let left = self.offsets_left.checked_sub(entry.count);
        self.offsets_left = left.ok_or(Error::Damaged("too many strips"))?;
        let bytes = self.input.copy(entry.value.clone(), usize::MAX)?;
        Ok(bytes.chunks_exact(size).map(|value| self.order.uint(value)).collect())
    }

    /// Where the pixels of a page are: their offsets, and their lengths as far as there are some. One of zero is none.
    fn image_data(&mut self, page: &Directory) -> Result<Vec<(u64, Option<u64>)>, Error> {
        let mut data = Vec::new();
        let field = |tag: u16| page.entries.iter().find(|entry| entry.tag == tag);
        for (offsets, lengths) in DATA {
            let Some(offsets) = field(offsets) else { continue };
            let offsets = self.values(offsets)?;
            let lengths = match field(lengths) {
                Some(lengths) => self.values(lengths)?,
                None => Vec::new(),
            };
            let lengths = lengths.into_iter().map(|length| Some(length).filter(|length| *length > 0));
            data.extend(offsets.into_iter().zip(lengths.chain(std::iter::repeat(None))));
        }
        for (offsets, length) in TABLES {
            let Some(offsets) = field(offsets) else { continue };
            data.extend(self.values(offsets)?.into_iter().map(|offset| (offset, Some(length))));
        }
        // Where nothing was written, there is no offset.
        data.retain(|(start, _)| *start > 0);
        Ok(data)
    }

    fn directory_len(&self, page: &Directory) -> u64 {
        let (count_len, entry_len, offset_len) = self.sizes();
        count_len + page.entries.len() as u64 * entry_len + offset_len
    }

    fn write(&self, page: &Directory, next: u64) -> Vec<u8> {
        let (count, next) = if self.big {
            (self.order.u64(page.entries.len() as u64).to_vec(), self.order.u64(next).to_vec())
        } else {
            (self.order.u16(page.entries.len() as u16).to_vec(), self.order.u32(next as u32).to_vec())
        };
        let entries = page.entries.iter().flat_map(|entry| entry.raw.iter().copied());
        count.into_iter().chain(entries).chain(next).collect()
    }
}
