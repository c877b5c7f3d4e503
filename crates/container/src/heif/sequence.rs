//! The first frame of an image sequence without a primary image (brand `avis` only; ISO/IEC 23008-12, section 7): the
//! first sample of its picture track (ISO/IEC 14496-12, section 8).

use std::ops::Range;
use std::rc::Rc;

use super::children_at;
use super::picture::{ALPHA, Coded, Nclx, Picture};
use crate::head::slice;
use crate::isobmff::{Fields, children};
use crate::{Exhausted, Meter};

/// The length of the fields of a visual sample entry before its boxes (ISO/IEC 14496-12, 12.1.3).
const VISUAL_SAMPLE_ENTRY: u64 = 78;

/// A track: its handler, its first sample, and the boxes that describe it.
struct Track {
    handler: [u8; 4],
    sample: Range<u64>,
    description: Range<u64>,
}

/// Finds the first frame, if there is a picture track whose samples have this type.
pub(super) fn first_frame<'a>(
    file: &'a [u8],
    kind: [u8; 4],
    meter: &Meter<'_>,
) -> Result<Option<Picture<'a>>, Exhausted> {
    let Some(movie) = children(file, meter)?.into_iter().find(|found| &found.kind == b"moov" && !found.cut) else {
        return Ok(None);
    };
    let (mut colour, mut alpha) = (None, None);
    for track in children_at(file, movie.payload, meter)?.into_iter().filter(|found| &found.kind == b"trak") {
        let Some(track) = Track::read(file, track.payload, kind, meter)? else { continue };
        match &track.handler {
            b"pict" => colour = colour.or(Some(track)),
            b"auxv" if track.property(file, *b"auxi", meter)?.is_some_and(is_alpha) => alpha = alpha.or(Some(track)),
            _ => {}
        }
    }
    let Some(colour) = colour else { return Ok(None) };
    let whole = |track: Track| Coded::single(file, Rc::from([track.sample]));
    let (mut nclx, mut icc) = (None, None);
    for found in children_at(file, colour.description.clone(), meter)?.iter().filter(|found| &found.kind == b"colr") {
        let payload = slice(file, &found.payload);
        nclx = nclx.or_else(|| Nclx::read(payload));
        icc = icc.or_else(|| payload.strip_prefix(b"prof").map(<[u8]>::to_vec));
    }
    Ok(Some(Picture {
        colour: whole(colour),
        alpha: alpha.map(whole),
        is_premultiplied: false,
        clean_aperture: None,
        orientation: 1,
        nclx,
        icc,
    }))
}

fn is_alpha(auxiliary: &[u8]) -> bool {
    // Version and flags precede the name (ISO/IEC 23008-12, 7.5.3).
    auxiliary.get(4..).is_some_and(|name| name.starts_with(ALPHA))
}

impl Track {
    fn read(file: &[u8], track: Range<u64>, kind: [u8; 4], meter: &Meter<'_>) -> Result<Option<Self>, Exhausted> {
        let find = |part: &Option<Range<u64>>, kind: &[u8; 4]| -> Result<Option<Range<u64>>, Exhausted> {
            let Some(part) = part.clone() else { return Ok(None) };
            let found = children_at(file, part, meter)?.into_iter().find(|found| &found.kind == kind);
            Ok(found.map(|found| found.payload))
        };
        let media = find(&Some(track), b"mdia")?;
        let handler = find(&media, b"hdlr")?;
        let table = find(&find(&media, b"minf")?, b"stbl")?;
        // Version, flags and the number of entries precede the first entry.
        let entries = find(&table, b"stsd")?.map(|range| range.start.saturating_add(8)..range.end);
        let entry = find(&entries, &kind)?;
        let (sizes, places) = (find(&table, b"stsz")?, find(&table, b"stco")?);
        let far_places = if places.is_none() { find(&table, b"co64")? } else { None };
        let read = || {
            let handler = *slice(file, &handler?).get(8..)?.first_chunk()?;
            let length = match (number(file, sizes.as_ref()?, 4, 4)?, sizes) {
                (0, Some(sizes)) => number(file, &sizes, 12, 4)?,
                (common, _) => common,
            };
            let start = match (places, far_places) {
                (Some(places), _) => number(file, &places, 8, 4)?,
                (None, far) => number(file, &far?, 8, 8)?,
            };
            let end = file.len() as u64;
            let sample = start.min(end)..start.saturating_add(length).min(end);
            let entry = entry?;
            Some(Self { handler, sample, description: entry.start.saturating_add(VISUAL_SAMPLE_ENTRY)..entry.end })
        };
        Ok(read())
    }

    /// The payload of a box in its sample description.
    fn property<'a>(&self, file: &'a [u8], kind: [u8; 4], meter: &Meter<'_>) -> Result<Option<&'a [u8]>, Exhausted> {
        let found = children_at(file, self.description.clone(), meter)?.into_iter().find(|found| found.kind == kind);
        Ok(found.map(|found| slice(file, &found.payload)))
    }
}

/// Reads an unsigned integer of `len` bytes in a box.
fn number(file: &[u8], payload: &Range<u64>, at: usize, len: usize) -> Option<u64> {
    Fields(slice(file, payload).get(at..)?).uint(len)
}
