//! The coded pictures of AVIF and HEIF, which are sequences of units: OBUs of AV1, NAL units of HEVC and AVC. Units that
//! show nothing (metadata, SEI messages, padding, types that are reserved) become padding of the same length, which
//! decoders pass over, so that neither offsets nor lengths change. The units that are kept stay as they are.

use std::io::{self, Cursor};
use std::ops::Range;

use super::edits::{any_overlap, common, merged};
use super::heif_meta::meaningful_len;
use crate::Error;
use image_origin_container::isobmff::Fields;
use image_origin_container::{Exhausted, Input, Meter};

/// How the data of an item or a sample is divided into units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// OBUs (AV1 specification, 5.3).
    Av1,
    /// NAL units, each after its length in so many bytes (ISO/IEC 14496-15, 5.3.4 and 8.3.3).
    Nal(Nal, u64),
    /// The layout of a grid of images, of a fixed length (ISO/IEC 23008-12, 6.6.2.3).
    Grid,
}

/// The standard that defines the types of NAL units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nal {
    Avc,
    Hevc,
}

impl Coding {
    /// The coding of items or sample entries of this type, whose decoder configurations `configuration` returns by the
    /// type of their box. `None` if the data is not divided into units that are known.
    pub(super) fn of<'c>(kind: [u8; 4], configuration: impl Fn([u8; 4]) -> Option<&'c [u8]>) -> Option<Self> {
        let length = |kind, at: usize| configuration(kind)?.get(at).map(|byte| u64::from(byte & 3) + 1);
        match &kind {
            b"av01" => Some(Self::Av1),
            b"hvc1" | b"hev1" | b"lhv1" => {
                length(*b"hvcC", 21).or_else(|| length(*b"lhvC", 4)).map(|length| Self::Nal(Nal::Hevc, length))
            }
            b"avc1" | b"avc3" => length(*b"avcC", 4).map(|length| Self::Nal(Nal::Avc, length)),
            b"grid" => Some(Self::Grid),
            _ => None,
        }
    }
}

impl Nal {
    /// Whether decoders need a unit that begins with these bytes and has this length (ISO/IEC 14496-10, table 7-1;
    /// ISO/IEC 23008-2, table 7-1). Delimiters and ends have no content.
    fn is_needed(self, head: &[u8], len: u64) -> bool {
        match (self, head) {
            (Self::Avc, [first, ..]) => match first & 0x1f {
                1..=5 | 7 | 8 | 13..=15 | 19..=20 => true,
                9 => len == 2,
                10 | 11 => len == 1,
                _ => false,
            },
            (Self::Hevc, [first, _, ..]) => match first >> 1 & 0x3f {
                0..=9 | 16..=21 | 32..=34 => true,
                35 => len == 3,
                36 | 37 => len == 2,
                _ => false,
            },
            _ => true,
        }
    }
}

/// What replaces a unit, or a part of it.
enum Padding {
    /// The first byte of an OBU.
    ObuHeader(u8),
    /// The content of an OBU: the last bit that is set ends it (AV1 specification, 5.3.4).
    ObuContent,
    /// A unit of filler data (ISO/IEC 14496-10, 7.3.2.7; ISO/IEC 23008-2, 7.3.2.8).
    Filler(Nal),
    Zeros,
}

impl Padding {
    fn bytes(&self, len: u64) -> Vec<u8> {
        let len = usize::try_from(len).unwrap_or(0);
        let (head, fill, last): (&[u8], u8, Option<u8>) = match self {
            Self::ObuHeader(header) => (&[*header], 0, None),
            Self::ObuContent => (&[0x80], 0, None),
            Self::Filler(Nal::Avc) => (&[0x0c], 0xff, Some(0x80)),
            Self::Filler(Nal::Hevc) => (&[0x4c, 0x01], 0xff, Some(0x80)),
            Self::Zeros => (&[], 0, None),
        };
        let mut bytes = head.to_vec();
        bytes.resize(len, fill);
        if let (Some(end), Some(last)) = (bytes.get_mut(head.len()..).and_then(<[u8]>::last_mut), last) {
            *end = last;
        }
        bytes
    }
}

/// A unit: its end, and the ranges that are overwritten if it is not needed.
struct Unit {
    end: u64,
    padding: Vec<(Range<u64>, Padding)>,
}

/// The data of an item or sample, whose parts may be scattered over the file.
struct Data<'e> {
    extents: &'e [Range<u64>],
    /// The offset of each extent within the data.
    starts: Vec<u64>,
    len: u64,
}

impl<'e> Data<'e> {
    fn new(extents: &'e [Range<u64>]) -> Self {
        let (mut starts, mut len) = (Vec::with_capacity(extents.len()), 0_u64);
        for extent in extents {
            starts.push(len);
            len = len.saturating_add(extent.end.saturating_sub(extent.start));
        }
        Self { extents, starts, len }
    }

    /// The location of a part of the data in the file.
    fn places(&self, part: &Range<u64>) -> Vec<Range<u64>> {
        let first = self.starts.partition_point(|start| *start <= part.start).saturating_sub(1);
        let extents = self.starts.iter().zip(self.extents).skip(first);
        let places = extents.take_while(|(start, _)| **start < part.end).map(|(start, extent)| {
            let from = extent.start + part.start.saturating_sub(*start);
            from..extent.end.min(extent.start + (part.end - start))
        });
        places.filter(|place| place.start < place.end).collect()
    }

    /// The first bytes of a part of the data: as many as the headers of units have, or all.
    fn head(&self, input: &mut Input<'_>, part: Range<u64>) -> io::Result<Vec<u8>> {
        const HEAD: u64 = 12;
        let mut head = Vec::with_capacity(HEAD as usize);
        for place in self.places(&(part.start..part.end.min(part.start.saturating_add(HEAD)))) {
            let len = (place.end - place.start) as usize;
            let bytes = input.peek(place.start, len)?;
            head.extend_from_slice(bytes.get(..len.min(bytes.len())).unwrap_or_default());
        }
        Ok(head)
    }
}

/// The bytes of a file, and what they are overwritten with.
type Overwritten = (Range<u64>, Vec<u8>);

/// The units of all items and samples of a file.
pub(super) struct Units {
    /// Where data is overwritten, sorted and disjoint: media data.
    media: Vec<Range<u64>>,
    needed: Vec<Range<u64>>,
    /// For each unit that is not needed, what makes it padding.
    padding: Vec<Vec<Overwritten>>,
}

impl Units {
    /// No units, of data that is in these ranges.
    pub(super) fn new(media: &[Range<u64>]) -> Self {
        Self { media: merged(media), needed: Vec::new(), padding: Vec::new() }
    }

    /// Adds the units of an item or a sample at these places. Where the data is not as its coding requires, it is needed
    /// as it is.
    pub(super) fn add(&mut self, input: &mut Input<'_>, coding: Coding, extents: &[Range<u64>]) -> Result<(), Error> {
        input.meter().steps(extents.len() as u64)?;
        // What is not in one range as a whole ends with it.
        let clipped: Option<Vec<_>> = extents.iter().map(|extent| self.clipped(extent)).collect();
        let Some(extents) = clipped else {
            self.needed.extend_from_slice(extents);
            return Ok(());
        };
        let data = Data::new(&extents);
        let mut at = 0;
        while at < data.len {
            let head = data.head(input, at..data.len)?;
            input.entry::<Vec<Overwritten>>()?;
            let unit = match coding {
                Coding::Av1 => obu(&head, at, data.len),
                Coding::Nal(nal, length) => nal_unit(&head, at, data.len, nal, length),
                Coding::Grid => grid(&head, data.len),
            };
            let Some(Unit { end, padding }) = unit else {
                self.needed.extend(data.places(&(at..data.len)));
                break;
            };
            if padding.is_empty() {
                self.needed.extend(data.places(&(at..end)));
            } else {
                let mut overwritten = Vec::new();
                for (range, padding) in padding {
                    let len = range.end - range.start;
                    input.meter().hold(len)?;
                    let mut bytes = padding.bytes(len).into_iter();
                    for place in data.places(&range) {
                        input.entry::<Overwritten>()?;
                        let len = (place.end - place.start) as usize;
                        overwritten.push((place, bytes.by_ref().take(len).collect()));
                    }
                }
                self.padding.push(overwritten);
            }
            at = end;
        }
        Ok(())
    }

    fn clipped(&self, extent: &Range<u64>) -> Option<Range<u64>> {
        let media = self.media.get(self.media.partition_point(|media| media.end <= extent.start))?;
        (media.start <= extent.start).then(|| extent.start..extent.end.min(media.end))
    }

    /// The ranges to overwrite, with their new content.
    ///
    /// # Errors
    /// [`Error::Damaged`] if items or samples overlap in such a way that what one does not need is needed by another one, or is
    /// another unit there.
    pub(super) fn padding(self) -> Result<Vec<Overwritten>, Error> {
        let mut padding: Vec<_> = self.padding.into_iter().flatten().collect();
        padding.sort_by_key(|(range, _)| (range.start, range.end));
        // Items and samples may share their data.
        padding.dedup();
        let ranges: Vec<_> = padding.iter().map(|(range, _)| range.clone()).collect();
        if any_overlap(&ranges) || !common(&ranges, &self.needed).is_empty() {
            return Err(Error::Damaged("images overlap"));
        }
        Ok(padding)
    }
}

/// An OBU (AV1 specification, 5.3 and 5.8). Of metadata, the luminance of content and of the mastering display are kept.
fn obu(head: &[u8], at: u64, limit: u64) -> Option<Unit> {
    const PADDING: u8 = 15;
    let mut fields = Fields(head);
    let header = fields.uint(1)? as u8;
    if header & 0x80 != 0 {
        return None;
    }
    if header & 4 != 0 {
        fields.uint(1)?;
    }
    let has_size = header & 2 != 0;
    let size = if has_size { Some(leb128(&mut fields)?) } else { None };
    let start = at + (head.len() - fields.0.len()) as u64;
    let end = size.map_or(Some(limit), |size| start.checked_add(size)).filter(|end| *end <= limit)?;
    let len = end - start;
    let is_needed = match header >> 3 & 15 {
        1 | 3 | 4 | 6 | 7 => true,
        2 => len == 0,
        5 => matches!((fields.0.first(), len), (Some(1), 6) | (Some(2), 26)),
        _ => false,
    };
    let mut padding = Vec::new();
    if !is_needed {
        padding.push((at..at + 1, Padding::ObuHeader(PADDING << 3 | header & 6)));
        padding.push((start..end, Padding::ObuContent));
    }
    Some(Unit { end, padding })
}

/// A number of up to 8 bytes, of 7 bits each (AV1 specification, 4.10.5).
fn leb128(fields: &mut Fields<'_>) -> Option<u64> {
    let mut value = 0;
    for index in 0..8 {
        let byte = fields.uint(1)?;
        value |= (byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn nal_unit(head: &[u8], at: u64, limit: u64, nal: Nal, length: u64) -> Option<Unit> {
    let mut fields = Fields(head);
    let len = fields.uint(length as usize)?;
    let start = at + length;
    let end = start.checked_add(len).filter(|end| *end <= limit)?;
    let head = fields.0.get(..fields.0.len().min(usize::try_from(len).ok()?))?;
    let padding = if nal.is_needed(head, len) { Vec::new() } else { vec![(start..end, Padding::Filler(nal))] };
    Some(Unit { end, padding })
}

/// Numbers of columns and rows, and a size in 16 or 32 bits.
fn grid(head: &[u8], limit: u64) -> Option<Unit> {
    let len = if head.get(1)? & 1 == 0 { 8 } else { 12 };
    let rest = limit.checked_sub(len)?;
    let padding = if rest == 0 { Vec::new() } else { vec![(len..limit, Padding::Zeros)] };
    Some(Unit { end: limit, padding })
}

/// The content of a property, or of a box in a sample entry, without what does not serve the display, in its own length.
pub(super) fn cleaned(kind: [u8; 4], content: &[u8], meter: &Meter<'_>) -> Result<Vec<u8>, Exhausted> {
    let mut content = content.to_vec();
    let used = match &kind {
        b"av1C" => pad_obus(&mut content, meter)?,
        b"hvcC" => pad_arrays(&mut content, 22, meter)?,
        b"lhvC" => pad_arrays(&mut content, 5, meter)?,
        _ => Some(meaningful_len(kind, &content)),
    };
    content.iter_mut().skip(used.unwrap_or(usize::MAX)).for_each(|byte| *byte = 0);
    Ok(content)
}

/// The OBUs of a configuration, after its four bytes (AV1 Codec ISO Media File Format Binding, 2.3).
fn pad_obus(content: &mut [u8], meter: &Meter<'_>) -> Result<Option<usize>, Exhausted> {
    let extent = 4.min(content.len() as u64)..content.len() as u64;
    let mut units = Units::new(std::slice::from_ref(&extent));
    let added = Input::new(Cursor::new(&*content), meter)
        .map_err(Error::from)
        .and_then(|mut input| units.add(&mut input, Coding::Av1, std::slice::from_ref(&extent)));
    if let Err(Error::Exhausted(exhausted)) = added {
        return Err(exhausted);
    }
    let Ok(padding) = units.padding() else { return Ok(Some(0)) };
    for (range, bytes) in padding {
        if let Some(place) = content.get_mut(range.start as usize..range.end as usize) {
            place.copy_from_slice(&bytes);
        }
    }
    Ok(None)
}

/// The NAL units of an HEVC configuration, in arrays whose number is at `at`: the length that is used, `None` if they
/// exceed the box (ISO/IEC 14496-15, 8.3.2 and 9.6.3).
fn pad_arrays(content: &mut [u8], at: usize, meter: &Meter<'_>) -> Result<Option<usize>, Exhausted> {
    /// The type of filler data.
    const FILLER: u8 = 38;
    let Some(&arrays) = content.get(at) else { return Ok(None) };
    let mut at = at + 1;
    for _ in 0..arrays {
        let Some(&[kind, high, low]) = content.get(at..).and_then(<[u8]>::first_chunk) else { return Ok(None) };
        let mut is_needed = false;
        let array = at;
        at += 3;
        for _ in 0..u16::from_be_bytes([high, low]) {
            meter.step()?;
            let Some(&[high, low]) = content.get(at..).and_then(<[u8]>::first_chunk) else { return Ok(None) };
            let len = usize::from(u16::from_be_bytes([high, low]));
            let Some(unit) = content.get_mut(at + 2..at + 2 + len) else { return Ok(None) };
            let unit_is_needed = matches!(unit, [first, ..] if matches!(*first >> 1 & 0x3f, 32..=34));
            if !unit_is_needed {
                unit.copy_from_slice(&Padding::Filler(Nal::Hevc).bytes(len as u64));
            }
            is_needed |= unit_is_needed;
            at += 2 + len;
        }
        if let Some(first) = content.get_mut(array).filter(|_| !is_needed && !matches!(kind & 0x3f, 32..=34)) {
            *first = kind & 0x80 | FILLER;
        }
    }
    Ok(Some(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image_origin_container::Cancellation;

    const SECRET: &[u8] = b"SECRET";

    /// The file after padding the units of an item that is the whole of it.
    fn padded(file: &[u8], coding: Coding) -> Vec<u8> {
        padded_at(file, coding, &all(file))
    }

    fn all(file: &[u8]) -> Vec<Range<u64>> {
        std::iter::once(0..file.len() as u64).collect()
    }

    /// The file after padding the units of an item at these places.
    fn padded_at(file: &[u8], coding: Coding, extents: &[Range<u64>]) -> Vec<u8> {
        let cancellation = Cancellation::unbounded();
        let meter = Meter::new(file.len() as u64, &cancellation);
        let mut units = Units::new(&all(file));
        units.add(&mut Input::new(Cursor::new(file), &meter).unwrap(), coding, extents).unwrap();
        let mut out = file.to_vec();
        for (range, bytes) in units.padding().unwrap() {
            out[range.start as usize..range.end as usize].copy_from_slice(&bytes);
        }
        out
    }

    /// An OBU of this type with its size.
    fn obu(kind: u8, content: &[u8]) -> Vec<u8> {
        [&[kind << 3 | 2, content.len() as u8][..], content].concat()
    }

    fn padding_obu(len: u8) -> Vec<u8> {
        let mut content = vec![0; len.into()];
        content[0] = 0x80;
        obu(15, &content)
    }

    #[test]
    fn obus_that_show_nothing_become_padding() {
        let (delimiter, sequence, frame) = (obu(2, b""), obu(1, b"sequence"), obu(6, b"frame"));
        let content_light = obu(5, b"\x01\x04\x00\x02\x00\x80");
        let country = obu(5, &[b"\x04\xb5", SECRET].concat());
        let extended = [&[15 << 3 | 6, 0x28, 6][..], SECRET].concat();
        let whole = [9 << 3, b'S', b'E', b'C'];
        for (name, unit, expected) in [
            ("T.35", country.clone(), padding_obu(8)),
            ("time code", obu(5, &[b"\x05", SECRET].concat()), padding_obu(7)),
            ("luminance with a tail", obu(5, &[b"\x01\0\0\0\0\x80", SECRET].concat()), padding_obu(12)),
            ("delimiter with content", obu(2, SECRET), padding_obu(6)),
            ("tile list", obu(8, SECRET), padding_obu(6)),
            ("reserved", obu(9, SECRET), padding_obu(6)),
            ("padding", extended, [&[15 << 3 | 6, 0x28, 6, 0x80][..], &[0; 5]].concat()),
            ("luminance of the content", content_light.clone(), content_light),
            ("without a size", whole.to_vec(), vec![15 << 3, 0x80, 0, 0]),
        ] {
            let (file, wanted) = ([&delimiter, &sequence, &frame, &unit], [&delimiter, &sequence, &frame, &expected]);
            let (file, wanted) = (file.map(Vec::as_slice).concat(), wanted.map(Vec::as_slice).concat());
            let out = padded(&file, Coding::Av1);
            assert_eq!(out, wanted, "{name}");
            assert_eq!(padded(&out, Coding::Av1), out, "{name}, twice");
            // The parts of the data may be anywhere in the file.
            let cut = delimiter.len() + sequence.len() + frame.len() + 1;
            let swapped = |bytes: &[u8]| [&bytes[cut..], &bytes[..cut]].concat();
            let (first, len) = ((file.len() - cut) as u64, file.len() as u64);
            let out = padded_at(&swapped(&file), Coding::Av1, &[first..len, 0..first]);
            assert_eq!(out, swapped(&wanted), "{name}, in two parts");
        }
        // What is no OBU, and what follows it, stays.
        for damaged in [[obu(6, b"x"), vec![0x92, 0], country.clone()].concat(), [&[0x2a, 0xff][..], SECRET].concat()] {
            assert_eq!(padded(&damaged, Coding::Av1), damaged);
        }
        // Two items share bytes, and one of them needs what the other does not.
        let file = [obu(6, &country), country].concat();
        let cancellation = Cancellation::unbounded();
        let meter = Meter::new(file.len() as u64, &cancellation);
        let mut units = Units::new(&all(&file));
        for extent in [0..file.len() as u64, 2..12] {
            units.add(&mut Input::new(Cursor::new(&file), &meter).unwrap(), Coding::Av1, &[extent]).unwrap();
        }
        assert!(matches!(units.padding(), Err(Error::Damaged(_))));
    }

    #[test]
    fn nal_units_that_show_nothing_become_filler() {
        let unit = |head: &[u8], content: &[u8]| {
            let len = (head.len() + content.len()) as u32;
            [&len.to_be_bytes()[..], head, content].concat()
        };
        let hevc = |kind: u8, content: &[u8]| unit(&[kind << 1, 1], content);
        let avc = |kind: u8, content: &[u8]| unit(&[0x60 | kind], content);
        let filler = [0xff, 0xff, 0xff, 0xff, 0xff, 0x80];
        for kind in 0..64 {
            let (file, is_needed) = (hevc(kind, SECRET), matches!(kind, 0..=9 | 16..=21 | 32..=34));
            let wanted = if is_needed { file.clone() } else { hevc(38, &filler) };
            assert_eq!(padded(&file, Coding::Nal(Nal::Hevc, 4)), wanted, "{kind}");
        }
        for kind in 0..32 {
            let is_needed = matches!(kind, 1..=5 | 7 | 8 | 13..=15 | 19 | 20);
            let wanted = if is_needed { avc(kind, SECRET) } else { unit(&[12], &filler) };
            assert_eq!(padded(&avc(kind, SECRET), Coding::Nal(Nal::Avc, 4)), wanted, "{kind}");
        }
        for short in [hevc(35, b"\x10"), hevc(36, b""), unit(b"", b""), unit(b"\x4c", b"")] {
            assert_eq!(padded(&short, Coding::Nal(Nal::Hevc, 4)), short);
        }
    }

    #[test]
    fn configurations_lose_what_shows_nothing() {
        let array = |kind: u8, units: &[&[u8]]| {
            let units = units.iter().flat_map(|unit| [&(unit.len() as u16).to_be_bytes()[..], unit].concat());
            [vec![kind, 0, 1], units.collect()].concat()
        };
        let hevc = |last: &[u8], rest: &[u8]| {
            let parameters = array(0x80 | 33, &[b"\x42\x01sequence"]);
            [&[1; 22][..], &[2], &parameters, last, rest].concat()
        };
        let message = array(0x80 | 39, &[&[b"\x4e\x01\x05", SECRET].concat()]);
        let filler = array(0x80 | 38, &[b"\x4c\x01\xff\xff\xff\xff\xff\xff\x80"]);
        let scalable = |last: &[u8]| [&[1, 0xf0, 0, 0xfc, 0xcb, 1][..], last].concat();
        let av1 = |units: &[u8]| [b"\x81\x04\x0c\0", units].concat();
        let country = obu(5, &[b"\x04\xb5", SECRET].concat());
        let sequence = obu(1, b"sequence");
        for (kind, content, wanted) in [
            (b"hvcC", hevc(&message, SECRET), hevc(&filler, &[0; 6])),
            (b"hvcC", hevc(&filler, b""), hevc(&filler, b"")),
            (b"lhvC", scalable(&message), scalable(&filler)),
            (b"av1C", av1(&[sequence.clone(), country].concat()), av1(&[sequence, padding_obu(8)].concat())),
            (b"ispe", [&[0; 12], SECRET].concat(), vec![0; 18]),
            (b"hvcC", vec![1; 22], vec![1; 22]),
            (b"av1C", vec![0x81], vec![0x81]),
        ] {
            let cancellation = Cancellation::unbounded();
            let meter = Meter::new(64, &cancellation);
            assert_eq!(cleaned(*kind, &content, &meter).unwrap(), wanted);
        }
    }

    #[test]
    fn a_grid_has_its_own_length() {
        let small = [&[0, 0, 1, 1, 0, 64, 0, 64][..], SECRET].concat();
        assert_eq!(padded(&small, Coding::Grid), [&small[..8], &[0; 6]].concat());
        let wide = [&[0, 1, 1, 1, 0, 0, 0, 64, 0, 0, 0, 64][..], SECRET].concat();
        assert_eq!(padded(&wide, Coding::Grid), [&wide[..12], &[0; 6]].concat());
    }
}
