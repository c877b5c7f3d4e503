//! TIFF: everything stays at its offset, since the file contains absolute offsets. Dropped fields are removed from
//! directories, kept ones are truncated to their possible number of values, and every byte that no field or image data
//! uses is overwritten with zero. Embedded JPEGs are stripped in place.

use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;

use super::Keep;
use super::edits::{Edit, any_overlap, apply, common, merged, without};
use super::jpeg::shared_tables;
use super::tiff_data::{Grid, Storage};
use crate::rights::xmp_of_same_pixels;
use crate::{Error, Rewrite, icc};
use image_origin_container::Input;
use image_origin_container::MAX_PROFILE;
use image_origin_container::tiff::{Order, type_size};

/// The maximum number of pages in a file.
const MAX_PAGES: usize = 4096;
/// The maximum number of fields in all pages; directories may share bytes, so the length of the file is no bound.
const MAX_FIELDS: usize = 1 << 16;
/// The maximum number of offsets and lengths of strips and tiles in all pages.
const MAX_OFFSETS: u64 = 1 << 21;

const NEW_SUBFILE_TYPE: u16 = 0x00fe;
const ARTIST: u16 = 0x013b;
const COPYRIGHT: u16 = 0x8298;
/// The type of text (TIFF 6.0, section 2).
const ASCII: u16 = 2;
/// The tag that identifies digital negatives, whose main picture is not where TIFF readers look for it.
const DNG_VERSION: u16 = 0xc612;

/// Tags with the offsets of strips and tiles, and those with the corresponding lengths (TIFF 6.0, sections 8 and 15).
const DATA: [(u16, u16); 2] = [(0x0111, 0x0117), (0x0144, 0x0145)];
const COMPRESSION: u16 = 0x0103;
/// JPEG as defined in TIFF 6.0 (section 22), whose parts may be anywhere, and as it is used today (technical note 2).
const OLD_JPEG: u64 = 6;
const JPEG: u64 = 7;
const JPEG_TABLES: u16 = 0x015b;
const ICC_PROFILE: u16 = 0x8773;
const MAX_TABLES: usize = 1 << 16;
/// An XMP packet (XMP specification part 3, 2.3.6).
const XMP: u16 = 0x02bc;
/// The maximum length of a packet in bytes.
const MAX_PACKET: usize = 1 << 20;

/// Tags with the offsets of Exif directories.
const EXIF: [u16; 2] = [0x8769, 0x8825];

/// Whether a field is needed for decoding and display: TIFF 6.0 and its supplements, colour, orientation, aspect ratio,
/// page number.
fn is_kept(tag: u16, keep: Keep) -> bool {
    match tag {
        0x00fe..=0x0103
        | 0x0106..=0x010a
        | 0x0111
        | 0x0112
        | 0x0115..=0x011c
        | 0x0124..=0x0125
        | 0x0128
        | 0x0129
        | 0x013d..=0x0148
        | 0x014c
        | 0x014e
        | 0x0150
        | 0x0152..=0x0156
        | 0x015b
        | 0x0211..=0x0214
        | 0x8773
        | 0xc5f2 => true,
        ARTIST | COPYRIGHT => keep == Keep::Copyright,
        XMP => keep != Keep::None,
        _ => false,
    }
}

/// Whether readers accept this type for a kept field. Text of a field whose tag is damaged may have that of numbers then.
fn has_its_type(entry: &Entry) -> bool {
    match entry.tag {
        ARTIST | COPYRIGHT => entry.kind == ASCII,
        XMP | JPEG_TABLES | ICC_PROFILE => type_size(entry.kind) == Some(1) && entry.kind != ASCII,
        // Samples of any type.
        0x0154 | 0x0155 => entry.kind != ASCII,
        _ => entry.inline || type_size(entry.kind).is_some_and(|size| size > 1),
    }
}

/// The maximum number of values of a kept field; `samples` is the number of samples per pixel.
const fn max_count(tag: u16, samples: u64, chunks: u64) -> u64 {
    match tag {
        0x0102 | 0x0118 | 0x0119 | 0x0152..=0x0155 => samples,
        0x0111 | 0x0117 | 0x0144 | 0x0145 => chunks,
        // Red, green and blue for each value of up to 16 bits.
        0x0140 => 3 << 16,
        0x013f | 0x0156 | 0x0214 => 6,
        0x0211 => 3,
        0x0129 | 0x013e | 0x0141 | 0x0150 | 0x0212 => 2,
        ARTIST | COPYRIGHT | JPEG_TABLES | ICC_PROFILE | XMP => u64::MAX,
        _ => 1,
    }
}

/// A field of a directory.
struct Entry {
    tag: u16,
    kind: u16,
    /// The location of the value: in the entry itself, or elsewhere.
    value: Range<u64>,
    inline: bool,
    raw: Vec<u8>,
}

struct Directory {
    at: u64,
    entries: Vec<Entry>,
    /// Whether all entries are fields of known types whose values are within the file.
    is_complete: bool,
    next: u64,
}

struct Reader<'i, 'm> {
    input: &'i mut Input<'m>,
    order: Order,
    /// Whether this is BigTIFF: 8-byte offsets and counts, 20-byte entries.
    big: bool,
    fields_left: usize,
    offsets_left: u64,
    /// The values of fields that no picture needs, with their types, those of Exif directories among them.
    metadata: Vec<(Range<u64>, u16)>,
    /// Directories without a picture.
    directories: Vec<Range<u64>>,
}

pub(super) fn strip(input: &mut Input<'_>, keep: Keep) -> Result<Rewrite, Error> {
    let len = input.len();
    let header = input.copy(0..16, 16)?;
    let order = Order { little_endian: header.starts_with(b"II") };
    let big = header.get(2..4).is_some_and(|version| order.uint(version) == 43);
    let mut reader = Reader {
        input,
        order,
        big,
        fields_left: MAX_FIELDS,
        offsets_left: MAX_OFFSETS,
        metadata: Vec::new(),
        directories: Vec::new(),
    };
    let mut pages = reader.pages(keep)?;
    let (mut data, mut edits) = (Vec::new(), Vec::new());
    for page in &mut pages {
        data.extend(reader.image_data(page, keep, &mut edits)?);
    }
    let places: Vec<_> = pages.iter().map(|page| page.at..page.at + reader.directory_len(page)).collect();
    let values: Vec<_> = pages.iter().flat_map(|page| &page.entries).filter(|entry| !entry.inline).collect();
    let mut used: Vec<_> = values.iter().map(|entry| entry.value.clone()).collect();
    // Readers want all of a strip to be there, so the file keeps its zeros.
    let whole = data.iter().filter_map(|chunk| chunk.start.checked_add(chunk.len?)).max().unwrap_or(0);
    let data = reader.used(&data, &mut edits)?;
    if data.is_empty() {
        return Err(Error::Damaged("no image data"));
    }
    // Equal numbers may share their bytes. Text is of no use for a picture.
    let shared: BTreeSet<_> = values.iter().map(|entry| (entry.value.start, entry.kind)).collect();
    let (mut of_metadata, mut apart) = (reader.directories.clone(), reader.directories.clone());
    for (value, kind) in &reader.metadata {
        of_metadata.push(value.clone());
        if !shared.contains(&(value.start, *kind)) {
            apart.push(value.clone());
        }
    }
    if !common(&apart, &used).is_empty() || !common(&of_metadata, &data).is_empty() {
        return Err(Error::Damaged("metadata within the data of an image"));
    }
    used.extend(data);
    let header = 0..if big { 16 } else { 8 };
    if used.iter().any(|range| range.start < header.end) {
        return Err(Error::Damaged("data within the header"));
    }
    used.push(header);
    if has_overlap(&edits, &used) {
        return Err(Error::Damaged("strips or tiles overlap"));
    }
    let used = merged(&used);
    if any_overlap(&places) || !common(&places, &used).is_empty() {
        return Err(Error::Damaged("directories overlap"));
    }
    for (index, page) in pages.iter().enumerate() {
        let next = pages.get(index + 1).map_or(0, |next| next.at);
        edits.push((places[index].clone(), Edit::Bytes(reader.write(page, next))));
    }
    let all_used = merged(&[used, places].concat());
    let end = all_used.last().map_or(0, |last| last.end).max(whole).min(len);
    edits.extend(without(std::slice::from_ref(&(0..end)), &all_used).into_iter().map(|range| (range, Edit::Zeros)));
    Ok(apply(len, end, edits))
}

/// A strip or tile.
struct Chunk {
    storage: Rc<Storage>,
    index: u64,
    start: u64,
    len: Option<u64>,
}

/// Whether something else uses a part of what is rewritten, which would stay there in its old form.
fn has_overlap(edits: &[(Range<u64>, Edit)], used: &[Range<u64>]) -> bool {
    // Pages may share what they use.
    let edited: BTreeSet<_> = edits.iter().map(|(range, _)| (range.start, range.end)).collect();
    let others: Vec<_> = used.iter().filter(|range| !edited.contains(&(range.start, range.end))).cloned().collect();
    let edited: Vec<_> = edited.into_iter().map(|(start, end)| start..end).collect();
    any_overlap(&edited) || !common(&edited, &others).is_empty()
}

impl Reader<'_, '_> {
    /// The kept pages with their kept fields: all but reduced-resolution copies of other pages.
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
            let reduced = match page.entries.iter().find(|entry| entry.tag == NEW_SUBFILE_TYPE) {
                Some(entry) => self.values(entry)?.first().is_some_and(|value| value & 1 == 1),
                None => false,
            };
            let negative = page.entries.iter().any(|entry| entry.tag == DNG_VERSION);
            if pages.is_empty() && (reduced || negative) {
                return Err(Error::Unsupported(image_origin_container::Format::Tiff));
            }
            for entry in &page.entries {
                if !entry.inline && (reduced || !is_kept(entry.tag, Keep::None) || !has_its_type(entry)) {
                    self.metadata.push((entry.value.clone(), entry.kind));
                }
                if EXIF.contains(&entry.tag) {
                    let offsets = self.values(entry)?;
                    self.exif_directories(&offsets)?;
                }
            }
            if reduced {
                self.directories.push(page.at..page.at + self.directory_len(&page));
            } else {
                // If a tag occurs several times, the first field is used.
                let mut tags = BTreeSet::new();
                page.entries.retain(|entry| is_kept(entry.tag, keep) && has_its_type(entry) && tags.insert(entry.tag));
                pages.push(page);
            }
        }
        Ok(pages)
    }

    /// Adds Exif directories and the values of their fields. Software that does not know of Exif may have left their offsets where
    /// other data is now, which is no directory: its fields would not be ordered by their tags (TIFF 6.0, section 2).
    fn exif_directories(&mut self, offsets: &[u64]) -> Result<(), Error> {
        for at in offsets.iter().take(MAX_PAGES) {
            let Some(directory) = self.directory(*at)? else { continue };
            if directory.is_complete && directory.entries.is_sorted_by(|a, b| a.tag < b.tag) {
                self.directories.push(*at..*at + self.directory_len(&directory));
                let values = directory.entries.into_iter().filter(|entry| !entry.inline);
                self.metadata.extend(values.map(|entry| (entry.value, entry.kind)));
            }
        }
        Ok(())
    }

    fn directory(&mut self, at: u64) -> Result<Option<Directory>, Error> {
        let (count_len, entry_len, offset_len) = self.sizes();
        let head = self.input.copy(at..at.saturating_add(count_len), 8)?;
        let count = self.order.uint(&head);
        let body_at = at.saturating_add(count_len);
        let body_len = count.saturating_mul(entry_len).saturating_add(offset_len);
        // BigTIFF allows larger counts, but no file needs them.
        if head.len() as u64 != count_len || count > 0xffff || body_at.saturating_add(body_len) > self.input.len() {
            return Ok(None);
        }
        let body = self.input.copy(body_at..body_at + body_len, usize::MAX)?;
        let (entries, next) = body.split_at(body.len().saturating_sub(offset_len as usize));
        let entries = (body_at..).step_by(entry_len as usize).zip(entries.chunks_exact(entry_len as usize));
        let entries: Vec<_> = entries.filter_map(|(at, raw)| self.entry(at, raw)).collect();
        let is_complete = entries.len() as u64 == count;
        let left = self.fields_left.checked_sub(entries.len());
        self.fields_left = left.ok_or(Error::Damaged("too many fields"))?;
        Ok(Some(Directory { at, entries, is_complete, next: self.order.uint(next) }))
    }

    /// The sizes in bytes of the entry count, of an entry, and of an offset.
    const fn sizes(&self) -> (u64, u64, u64) {
        if self.big { (8, 20, 8) } else { (2, 12, 4) }
    }

    /// Parses a field whose value is complete; other fields cannot be kept.
    fn entry(&self, at: u64, raw: &[u8]) -> Option<Entry> {
        let (tag, kind) = (self.order.uint(raw.get(..2)?) as u16, self.order.uint(raw.get(2..4)?) as u16);
        let offset_len = self.sizes().2 as usize;
        let count = self.order.uint(raw.get(4..4 + offset_len)?);
        let len = count.checked_mul(type_size(kind)? as u64)?;
        let inline = len <= offset_len as u64;
        let start = if inline { at + 4 + offset_len as u64 } else { self.order.uint(raw.get(4 + offset_len..)?) };
        let value = start..start.checked_add(len)?;
        (value.end <= self.input.len()).then(|| Entry { tag, kind, value, inline, raw: raw.to_vec() })
    }

    /// The bytes of a field's value.
    fn bytes(&mut self, entry: &Entry) -> Result<Vec<u8>, Error> {
        let value_at = 4 + self.sizes().2 as usize;
        if entry.inline {
            let len = (entry.value.end - entry.value.start) as usize;
            return Ok(entry.raw.get(value_at..value_at + len).unwrap_or_default().to_vec());
        }
        Ok(self.input.copy(entry.value.clone(), usize::MAX)?)
    }

    /// The unsigned integers of a field.
    fn values(&mut self, entry: &Entry) -> Result<Vec<u64>, Error> {
        let size = match entry.kind {
            1 | 7 => 1,
            3 => 2,
            4 | 13 => 4,
            16 | 18 => 8,
            _ => return Ok(Vec::new()),
        };
        let left = self.offsets_left.checked_sub((entry.value.end - entry.value.start) / size as u64);
        self.offsets_left = left.ok_or(Error::Damaged("too many strips"))?;
        let bytes = self.bytes(entry)?;
        Ok(bytes.chunks_exact(size).map(|value| self.order.uint(value)).collect())
    }

    /// The first value of a field.
    fn value(&mut self, page: &Directory, tag: u16) -> Result<Option<u64>, Error> {
        match page.entries.iter().find(|entry| entry.tag == tag) {
            Some(entry) => Ok(self.values(entry)?.first().copied()),
            None => Ok(None),
        }
    }

    /// The strips and tiles of a page. Superfluous values of its fields are removed.
    fn image_data(
        &mut self,
        page: &mut Directory,
        keep: Keep,
        edits: &mut Vec<(Range<u64>, Edit)>,
    ) -> Result<Vec<Chunk>, Error> {
        let compression = self.value(page, COMPRESSION)?.unwrap_or(1);
        if compression == OLD_JPEG {
            return Err(Error::Unsupported(image_origin_container::Format::Tiff));
        }
        let (tables, has_restarts) = match page.entries.iter().find(|entry| entry.tag == JPEG_TABLES) {
            Some(entry) if compression == JPEG => {
                let content = self.input.copy(entry.value.clone(), MAX_TABLES)?;
                let (tables, has_restarts) = shared_tables(&content, self.input.meter())?;
                (Some(tables), has_restarts)
            }
            _ => (None, false),
        };
        let grid = self.grid(page)?;
        let samples = self.samples(page)?;
        let chunks = grid.count().saturating_mul(samples);
        let mut entries = Vec::new();
        for mut entry in std::mem::take(&mut page.entries) {
            let size = type_size(entry.kind).unwrap_or(1) as u64;
            let len = entry.value.end - entry.value.start;
            let most = max_count(entry.tag, samples, chunks).saturating_mul(size).min(len);
            let mut packet = None;
            let len = match entry.tag {
                XMP => {
                    let whole = self.input.copy(entry.value.clone(), MAX_PACKET)?;
                    // What is kept of a packet may be longer, if it names its properties in a short way.
                    let kept = xmp_of_same_pixels(whole, keep, self.input.meter())?;
                    let Some(kept) = kept.filter(|kept| kept.len() as u64 <= len && !entry.inline) else { continue };
                    packet.insert(kept).len() as u64
                }
                JPEG_TABLES => match &tables {
                    Some(tables) if tables.len() as u64 <= len => tables.len() as u64,
                    Some(_) => return Err(Error::Damaged("the shared JPEG tables")),
                    None => continue,
                },
                ICC_PROFILE => {
                    let profile = self.input.copy(entry.value.clone(), MAX_PROFILE)?;
                    let Some(len) = icc::len(&profile) else { continue };
                    len as u64
                }
                _ => most,
            };
            self.shorten(&mut entry, len)?;
            if let Some(packet) = packet {
                if entry.inline {
                    continue;
                }
                edits.push((entry.value.clone(), Edit::Bytes(packet)));
            }
            if let Some(tables) = tables.as_ref().filter(|_| entry.tag == JPEG_TABLES) {
                if entry.inline {
                    continue;
                }
                edits.push((entry.value.clone(), Edit::Bytes(tables.clone())));
            }
            entries.push(entry);
        }
        page.entries = entries;
        let storage = Rc::new(self.storage(page, grid, compression, has_restarts)?);
        let mut data = Vec::new();
        for (offsets, lengths) in DATA {
            let Some(offsets) = page.entries.iter().find(|entry| entry.tag == offsets) else { continue };
            let offsets = self.values(offsets)?;
            let lengths = match page.entries.iter().find(|entry| entry.tag == lengths) {
                Some(lengths) => self.values(lengths)?,
                None => Vec::new(),
            };
            // A length of zero counts as missing.
            let lengths = lengths.into_iter().map(|length| Some(length).filter(|length| *length > 0));
            for ((index, start), len) in (0..).zip(offsets).zip(lengths.chain(std::iter::repeat(None))) {
                // A sparse strip or tile has no offset.
                if start > 0 {
                    self.input.entry::<Chunk>()?;
                    data.push(Chunk { storage: storage.clone(), index, start, len });
                }
            }
        }
        Ok(data)
    }

    /// Sets the length of a field's value, which moves into the entry if it fits.
    fn shorten(&mut self, entry: &mut Entry, len: u64) -> Result<(), Error> {
        let (_, _, offset_len) = self.sizes();
        let size = type_size(entry.kind).unwrap_or(1) as u64;
        let count = len / size;
        let count = if self.big { self.order.u64(count).to_vec() } else { self.order.u32(count as u32).to_vec() };
        entry.raw.iter_mut().skip(4).zip(count).for_each(|(to, from)| *to = from);
        entry.value.end = entry.value.start + len;
        if len <= offset_len {
            let value = self.bytes(entry)?;
            let value = value.into_iter().chain(std::iter::repeat(0));
            entry.raw.iter_mut().skip(4 + offset_len as usize).zip(value).for_each(|(to, from)| *to = from);
            entry.inline = true;
        }
        Ok(())
    }

    /// The samples per pixel.
    fn samples(&mut self, page: &Directory) -> Result<u64, Error> {
        Ok(self.value(page, 0x0115)?.unwrap_or(1).max(1))
    }

    /// The strips or tiles that a page is divided into.
    fn grid(&mut self, page: &Directory) -> Result<Grid, Error> {
        let (width, height) = (self.value(page, 0x0100)?.unwrap_or(0), self.value(page, 0x0101)?.unwrap_or(0));
        let tile = self.value(page, 0x0142)?.zip(self.value(page, 0x0143)?);
        let tile = tile.filter(|(width, height)| *width > 0 && *height > 0);
        let rows = self.value(page, 0x0116)?.filter(|rows| *rows > 0).unwrap_or(height).min(height);
        let (chunk_width, rows) = tile.unwrap_or((width, rows));
        let across = width.div_ceil(chunk_width.max(1));
        Ok(Grid { width: chunk_width, rows, height, across, is_tiled: tile.is_some() })
    }

    /// The storage layout of the strips or tiles of a page that has no superfluous values.
    fn storage(
        &mut self,
        page: &Directory,
        grid: Grid,
        compression: u64,
        has_restarts: bool,
    ) -> Result<Storage, Error> {
        let samples = self.samples(page)?;
        let is_planar = self.value(page, 0x011c)? == Some(2);
        let depths = match page.entries.iter().find(|entry| entry.tag == 0x0102) {
            Some(entry) => self.values(entry)?,
            None => vec![1],
        };
        let depth = depths.into_iter().max().unwrap_or(1);
        let is_luma_chroma = self.value(page, 0x0106)? == Some(6);
        let subsampling = if is_luma_chroma && !is_planar && compression != JPEG {
            let factors = match page.entries.iter().find(|entry| entry.tag == 0x0212) {
                Some(entry) => self.values(entry)?,
                None => Vec::new(),
            };
            let (across, down) = match factors.as_slice() {
                [across, down, ..] => (*across, *down),
                _ => (2, 2),
            };
            Some((across, down)).filter(|factors| *factors != (1, 1) && across <= 4 && down <= 4)
        } else {
            None
        };
        Ok(Storage {
            grid,
            compression,
            bits: depth.saturating_mul(if is_planar { 1 } else { samples }),
            subsampling,
            is_low_first: self.value(page, 0x010a)? == Some(2),
            is_two_dimensional: self.value(page, 0x0124)?.is_some_and(|options| options & 1 == 1),
            has_restarts,
        })
    }

    /// The parts of the file from which strips and tiles are read. Those of unknown length may extend to the next.
    fn used(&mut self, data: &[Chunk], edits: &mut Vec<(Range<u64>, Edit)>) -> Result<Vec<Range<u64>>, Error> {
        let len = self.input.len();
        let mut starts: Vec<u64> = data.iter().map(|chunk| chunk.start).collect();
        starts.sort_unstable();
        let mut used = Vec::new();
        for chunk in data {
            let next = || starts.get(starts.partition_point(|other| *other <= chunk.start)).copied().unwrap_or(len);
            let end = chunk.len.map_or_else(next, |length| chunk.start.saturating_add(length)).min(len);
            if chunk.start >= end {
                continue;
            }
            let (range, edit) = chunk.storage.used(self.input, chunk.index, chunk.start..end, chunk.len.is_some())?;
            if range.start < range.end {
                edits.extend(edit.map(|edit| (range.clone(), edit)));
                used.push(range);
            }
        }
        Ok(used)
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
