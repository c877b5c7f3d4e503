//! The movie box of an image sequence (ISO/IEC 14496-12, 8.2 to 8.7): its picture and alpha tracks are kept, with the
//! tables that refer to their samples. User data, metadata, dates, names and other tracks are overwritten.

use std::ops::Range;

use super::edits::Edit;
use super::heif::edit_to_free;
use super::heif_meta::{ALPHA, HANDLER_KIND, has_no_place, is_no_colour};
use super::heif_units::{Coding, Units, cleaned};
use crate::Error;
use image_origin_container::Input;
use image_origin_container::MAX_PARTS;
use image_origin_container::isobmff::{BoxAt, Fields, boxes};

/// The length of the fields of a visual sample entry before its boxes (12.1.3), which include a compressor name.
const VISUAL_SAMPLE_ENTRY: u64 = 78;
const COMPRESSOR_NAME: Range<u64> = 42..74;

/// The boxes of a sample entry that are required for display.
const DESCRIBING: [&[u8; 4]; 12] =
    [b"av1C", b"hvcC", b"lhvC", b"avcC", b"colr", b"pasp", b"clap", b"ccst", b"auxi", b"clli", b"mdcv", b"amve"];

/// Processes the movie box, and returns the locations of the samples of the kept tracks.
pub(super) fn samples(
    input: &mut Input<'_>,
    movie: &BoxAt,
    edits: &mut Vec<(Range<u64>, Edit)>,
    units: &mut Units,
) -> Result<Vec<Range<u64>>, Error> {
    let mut samples = Vec::new();
    let mut has_picture = false;
    for child in boxes(input, movie.payload.clone())? {
        match &child.kind {
            b"mvhd" => header(input, &child, 100, edits)?,
            b"trak" => match Track::read(input, &child)? {
                Some(track) => {
                    has_picture |= track.is_picture;
                    track.edit(input, edits)?;
                    sample_places(input, &track.table, &mut samples, units)?;
                }
                None => edit_to_free(&child, edits),
            },
            _ => edit_to_free(&child, edits),
        }
    }
    if has_picture { Ok(samples) } else { Err(Error::Damaged("no track of pictures")) }
}

/// Clears everything after the first `len` bytes of a box.
fn end_at(found: &BoxAt, len: u64, edits: &mut Vec<(Range<u64>, Edit)>) {
    edits.push((found.payload.start.saturating_add(len).min(found.payload.end)..found.payload.end, Edit::Zeros));
}

/// Clears the creation and modification times in a header of this length, and everything after it. Times and durations
/// have twice the size in version 1.
fn header(input: &mut Input<'_>, found: &BoxAt, len: u64, edits: &mut Vec<(Range<u64>, Edit)>) -> Result<(), Error> {
    let is_wide = input.array::<1>(found.payload.start)?.unwrap_or_default() != [0];
    let times = found.payload.start + 4;
    let end = times + if is_wide { 16 } else { 8 };
    edits.push((times..end.min(found.payload.end).max(times), Edit::Zeros));
    end_at(found, if is_wide { len + 12 } else { len }, edits);
    Ok(())
}

/// A kept track.
struct Track {
    children: Vec<BoxAt>,
    media: Vec<BoxAt>,
    information: Vec<BoxAt>,
    table: Vec<BoxAt>,
    is_picture: bool,
}

impl Track {
    /// `None` for a track that is not visible.
    fn read(input: &mut Input<'_>, track: &BoxAt) -> Result<Option<Self>, Error> {
        let mut inside = |boxes_of: &[BoxAt], kind: &[u8; 4]| match boxes_of.iter().find(|found| &found.kind == kind) {
            Some(found) => boxes(input, found.payload.clone()),
            None => Ok(Vec::new()),
        };
        let children = inside(std::slice::from_ref(track), b"trak")?;
        let media = inside(&children, b"mdia")?;
        let information = inside(&media, b"minf")?;
        let table = inside(&information, b"stbl")?;
        let Some(handler) = media.iter().find(|found| &found.kind == b"hdlr") else { return Ok(None) };
        let is_picture = match input.array::<4>(handler.payload.start + 8)?.as_ref() {
            Some(b"pict") => true,
            Some(b"auxv") if is_alpha(input, &table)? => false,
            _ => return Ok(None),
        };
        Ok(Some(Self { children, media, information, table, is_picture }))
    }

    fn edit(&self, input: &mut Input<'_>, edits: &mut Vec<(Range<u64>, Edit)>) -> Result<(), Error> {
        let (mut has_media, mut has_information, mut has_table) = (false, false, false);
        for child in &self.children {
            match &child.kind {
                b"tkhd" => header(input, child, 84, edits)?,
                b"mdia" if !std::mem::replace(&mut has_media, true) => {}
                b"edts" => {
                    for list in boxes(input, child.payload.clone())? {
                        edit_table(input, &list, edits)?;
                    }
                }
                b"tref" => {}
                _ => edit_to_free(child, edits),
            }
        }
        for child in &self.media {
            match &child.kind {
                b"mdhd" => header(input, child, 24, edits)?,
                b"hdlr" => {
                    let kind = child.payload.start + HANDLER_KIND.start;
                    edits.push((child.payload.start..kind.min(child.payload.end), Edit::Zeros));
                    end_at(child, HANDLER_KIND.end, edits);
                }
                b"minf" if !std::mem::replace(&mut has_information, true) => {}
                _ => edit_to_free(child, edits),
            }
        }
        for child in &self.information {
            match &child.kind {
                b"vmhd" => end_at(child, 12, edits),
                b"nmhd" => end_at(child, 4, edits),
                b"dinf" if has_no_place(&input.copy(child.payload.clone(), 64)?) => {}
                b"stbl" if !std::mem::replace(&mut has_table, true) => {}
                _ => edit_to_free(child, edits),
            }
        }
        for child in &self.table {
            match &child.kind {
                b"stsd" => edit_descriptions(input, child, edits)?,
                _ => edit_table(input, child, edits)?,
            }
        }
        Ok(())
    }
}

/// The sample entries, each with the boxes that follow its fixed fields.
fn descriptions(input: &mut Input<'_>, found: &BoxAt) -> Result<Vec<(BoxAt, Vec<BoxAt>)>, Error> {
    let entries = found.payload.start.saturating_add(8)..found.payload.end;
    let mut all = Vec::new();
    for entry in boxes(input, entries)? {
        let inside = entry.payload.start.saturating_add(VISUAL_SAMPLE_ENTRY)..entry.payload.end;
        let inside = boxes(input, inside)?;
        all.push((entry, inside));
    }
    Ok(all)
}

fn is_alpha(input: &mut Input<'_>, table: &[BoxAt]) -> Result<bool, Error> {
    let Some(found) = table.iter().find(|found| &found.kind == b"stsd") else { return Ok(false) };
    for (_, inside) in descriptions(input, found)? {
        for auxiliary in inside.iter().filter(|found| &found.kind == b"auxi") {
            // Version and flags precede the name (ISO/IEC 23008-12, 7.5.3).
            let content = input.copy(auxiliary.payload.clone(), 64)?;
            let name = content.get(4..).and_then(|bytes| bytes.split(|&byte| byte == 0).next());
            if name.is_some_and(|name| ALPHA.contains(&name)) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn edit_descriptions(input: &mut Input<'_>, found: &BoxAt, edits: &mut Vec<(Range<u64>, Edit)>) -> Result<(), Error> {
    let mut end = found.payload.start.saturating_add(8).min(found.payload.end);
    for (entry, inside) in descriptions(input, found)? {
        end = entry.range.end;
        let name = entry.payload.start + COMPRESSOR_NAME.start..entry.payload.start + COMPRESSOR_NAME.end;
        edits.push((name.start.min(entry.payload.end)..name.end.min(entry.payload.end), Edit::Zeros));
        let mut inside_end = entry.payload.start.saturating_add(VISUAL_SAMPLE_ENTRY).min(entry.payload.end);
        for property in inside {
            inside_end = property.range.end;
            if !DESCRIBING.contains(&&property.kind) {
                edit_to_free(&property, edits);
                continue;
            }
            let content = input.copy(property.payload.clone(), usize::MAX)?;
            if is_no_colour(property.kind, &content) {
                edit_to_free(&property, edits);
            } else {
                let content = cleaned(property.kind, &content, input.meter())?;
                edits.push((property.payload, Edit::Bytes(content)));
            }
        }
        edits.push((inside_end..entry.payload.end, Edit::Zeros));
    }
    edits.push((end..found.payload.end, Edit::Zeros));
    Ok(())
}

/// Clears everything after the entries of a table, whose number follows version and flags, and tables that refer to no
/// sample.
fn edit_table(input: &mut Input<'_>, found: &BoxAt, edits: &mut Vec<(Range<u64>, Edit)>) -> Result<(), Error> {
    let number = |bytes: Option<[u8; 4]>| u64::from(bytes.map_or(0, u32::from_be_bytes));
    let start = found.payload.start;
    let is_wide = input.array::<1>(start)?.unwrap_or_default() != [0];
    let count = number(input.array(start + 4)?);
    let len = match &found.kind {
        b"stts" | b"ctts" | b"co64" => 8 + 8 * count,
        b"stsc" => 8 + 12 * count,
        b"stco" | b"stss" => 8 + 4 * count,
        b"elst" => 8 + count * if is_wide { 20 } else { 12 },
        // In this table, the common sample size precedes the count.
        b"stsz" if count == 0 => 12 + 4 * number(input.array(start + 8)?),
        b"stsz" => 12,
        b"stz2" => 12 + (number(input.array(start + 8)?) * (count & 0xff)).div_ceil(8),
        _ => {
            edit_to_free(found, edits);
            return Ok(());
        }
    };
    end_at(found, len, edits);
    Ok(())
}

/// The coding of a track's samples, if all its sample entries agree.
fn coding(input: &mut Input<'_>, table: &[BoxAt]) -> Result<Option<Coding>, Error> {
    let Some(found) = table.iter().find(|found| &found.kind == b"stsd") else { return Ok(None) };
    let mut agreed = None;
    for (entry, inside) in descriptions(input, found)? {
        let mut configurations = Vec::new();
        for configuration in inside.iter().filter(|found| [b"hvcC", b"lhvC", b"avcC"].contains(&&found.kind)) {
            // The length of units is among the fields in front.
            configurations.push((configuration.kind, input.copy(configuration.payload.clone(), 32)?));
        }
        let content = |kind| configurations.iter().find(|(found, _)| *found == kind).map(|(_, content)| &**content);
        let coding = Coding::of(entry.kind, content);
        if coding.is_none() || agreed.is_some_and(|agreed| Some(agreed) != coding) {
            return Ok(None);
        }
        agreed = coding;
    }
    Ok(agreed)
}

/// The locations of a track's samples: chunks of several samples each (8.7.3 to 8.7.5). The units of the samples are added
/// to `units`.
fn sample_places(
    input: &mut Input<'_>,
    table: &[BoxAt],
    samples: &mut Vec<Range<u64>>,
    units: &mut Units,
) -> Result<(), Error> {
    let coding = coding(input, table)?;
    let mut content = |kind: &[u8; 4]| match table.iter().find(|found| &found.kind == kind) {
        Some(found) => input.copy(found.payload.clone(), usize::MAX).map(Some),
        None => Ok(None),
    };
    let (near, far) = (content(b"stco")?, content(b"co64")?);
    let (runs, sizes, small_sizes) = (content(b"stsc")?, content(b"stsz")?, content(b"stz2")?);
    let broken = || Error::Damaged("a track without samples");
    let place_len = if near.is_some() { 4 } else { 8 };
    let places = near.or(far).ok_or_else(broken)?;
    let runs = runs.ok_or_else(broken)?;
    let sizes = Sizes::read(sizes.as_deref(), small_sizes.as_deref()).ok_or_else(broken)?;
    let mut runs = runs.get(8..).unwrap_or_default().as_chunks::<12>().0.iter().map(|run| {
        let [f0, f1, f2, f3, c0, c1, c2, c3, ..] = *run;
        (u64::from(u32::from_be_bytes([f0, f1, f2, f3])), u64::from(u32::from_be_bytes([c0, c1, c2, c3])))
    });
    let (mut count, mut next_run, mut first) = (0, runs.next(), 0);
    for (chunk, place) in (1..).zip(places.get(8..).unwrap_or_default().chunks_exact(place_len)) {
        while let Some((_, samples_of_chunk)) = next_run.filter(|(first, _)| *first <= chunk) {
            (count, next_run) = (samples_of_chunk, runs.next());
        }
        let last = (first + count).min(sizes.count);
        let start = Fields(place).uint(place_len).unwrap_or_default();
        let len = sizes.sum(first..last);
        input.meter().steps(if sizes.common > 0 { 1 } else { last - first })?;
        input.entry::<Range<u64>>()?;
        samples.push(start..start.saturating_add(len));
        if let Some(coding) = coding {
            let mut at = start;
            for index in first..last {
                let end = at.saturating_add(sizes.sum(index..index + 1));
                if at >= input.len() {
                    break;
                }
                units.add(input, coding, std::slice::from_ref(&(at..end)))?;
                at = end;
            }
        }
        first = last;
    }
    if samples.len() > MAX_PARTS { Err(Error::Damaged("too many chunks")) } else { Ok(()) }
}

/// The sizes of samples (8.7.3).
struct Sizes<'t> {
    count: u64,
    /// The common size of all samples; 0 if each has its own.
    common: u64,
    /// The length of an entry in bits.
    bits: usize,
    entries: &'t [u8],
}

impl<'t> Sizes<'t> {
    fn read(table: Option<&'t [u8]>, small: Option<&'t [u8]>) -> Option<Self> {
        let mut fields = Fields(table.or(small)?);
        fields.version()?;
        let kind = fields.u32()?;
        let count = fields.u32()?.into();
        let (common, bits) = if table.is_some() { (kind.into(), 32) } else { (0, (kind & 0xff) as usize) };
        let there = (fields.0.len() * 8).checked_div(bits)? as u64;
        let count = if common == 0 { u64::min(count, there) } else { count };
        Some(Self { count, common, bits, entries: fields.0 })
    }

    fn sum(&self, samples: Range<u64>) -> u64 {
        if self.common > 0 {
            return (samples.end - samples.start).saturating_mul(self.common);
        }
        let size = |index: u64| {
            let bit = index as usize * self.bits;
            let bytes = self.entries.get(bit / 8..).unwrap_or_default();
            match self.bits {
                4 => {
                    bytes.first().map_or(0, |byte| u64::from(if bit.is_multiple_of(8) { byte >> 4 } else { byte & 15 }))
                }
                bits => Fields(bytes).uint(bits / 8).unwrap_or_default(),
            }
        };
        samples.map(size).fold(0, u64::saturating_add)
    }
}
