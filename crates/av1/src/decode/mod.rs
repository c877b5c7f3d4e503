//! The decoder: pictures of frames without references.

mod bits;
mod block;
pub(crate) mod cdef;
mod coefficients;
mod context;
mod copy;
mod deblock;
mod frame;
mod grain;
mod headers;
mod lanes;
mod palette;
mod probabilities;
mod residual;
mod restoration;
mod restore;
mod sequence;
mod superres;
mod symbols;
mod tables;
mod tile;
mod transform;

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::ControlFlow;

use bits::Bits;
use frame::{Frame, Plane};
use headers::{Announced, FrameHeader};
use restore::Boundaries;
use superres::Upscaling;
use tile::{Buffers, Setting, Tile};

use crate::sample::Sample;
pub use sequence::Sequence;
pub(crate) use transform::Transforms;

/// The error of decoding a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The data violates the format, or ends early.
    Damaged(&'static str),
    /// Decoding would need more memory than [`DecodeOptions::max_bytes`].
    TooLarge {
        /// The required memory in bytes.
        needed: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// [`DecodeOptions::check`] cancelled the decode.
    Cancelled,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(reason) => f.write_str(reason),
            Self::TooLarge { needed, limit } => {
                write!(f, "decoding needs {needed} bytes of memory, limit {limit}")
            }
            Self::Cancelled => f.write_str("decoding was cancelled"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// A cancellation callback, called at every superblock.
type Check<'a> = &'a dyn Fn() -> ControlFlow<()>;

fn go_on(check: Check<'_>) -> Result<(), DecodeError> {
    if check().is_break() { Err(DecodeError::Cancelled) } else { Ok(()) }
}

fn damaged(reason: &'static str) -> DecodeError {
    DecodeError::Damaged(reason)
}

/// The options of [`Decoder::decode`].
#[derive(Clone, Copy)]
pub struct DecodeOptions<'a> {
    filtered: bool,
    max_bytes: u64,
    check: Check<'a>,
}

impl fmt::Debug for DecodeOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { filtered, max_bytes, .. } = self;
        f.debug_struct("DecodeOptions")
            .field("filtered", filtered)
            .field("max_bytes", max_bytes)
            .finish_non_exhaustive()
    }
}

impl Default for DecodeOptions<'_> {
    /// With all filters, without limits.
    fn default() -> Self {
        Self { filtered: true, max_bytes: u64::MAX, check: &|| ControlFlow::Continue(()) }
    }
}

impl<'a> DecodeOptions<'a> {
    /// Whether the in-loop filters and film grain are applied. A picture that is reduced a lot can do without.
    #[must_use]
    pub const fn filtered(mut self, filtered: bool) -> Self {
        self.filtered = filtered;
        self
    }

    /// The maximum memory in bytes, including the picture.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// A callback at every superblock, and at every 64 rows of filters, which cancels with [`ControlFlow::Break`].
    #[must_use]
    pub const fn check(mut self, check: &'a dyn Fn() -> ControlFlow<()>) -> Self {
        self.check = check;
        self
    }
}

/// Types of open bitstream units (6.2.2).
const SEQUENCE_HEADER: u8 = 1;
const FRAME_HEADER: u8 = 3;
const TILE_GROUP: u8 = 4;
const FRAME: u8 = 6;

/// An open bitstream unit (5.3).
struct Unit<'a> {
    kind: u8,
    /// The temporal and the spatial layer.
    layers: [u32; 2],
    payload: &'a [u8],
}

/// Iterates over the units of a stream, up to the first truncated one.
fn units(mut stream: &[u8]) -> impl Iterator<Item = Unit<'_>> {
    std::iter::from_fn(move || {
        let (&first, rest) = stream.split_first()?;
        let (extension, rest) = if first & 4 != 0 { rest.split_first()? } else { (&0, rest) };
        // A unit without a size extends to the end.
        let (size, rest) = if first & 2 != 0 { leb128(rest)? } else { (rest.len(), rest) };
        let (payload, after) = rest.split_at_checked(size)?;
        stream = after;
        Some(Unit { kind: first >> 3 & 15, layers: [extension >> 5, extension >> 3 & 3].map(u32::from), payload })
    })
}

/// `leb128()` (4.10.5): an integer in groups of 7 bits, the lowest first.
fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0u64;
    for (i, byte) in bytes.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, &bytes[i + 1..]));
        }
    }
    None
}

impl Sequence {
    /// Parses the first sequence header of a stream of open bitstream units.
    ///
    /// # Errors
    /// [`DecodeError::Damaged`] if there is none, or it is cut off.
    pub fn of_stream(stream: &[u8]) -> Result<Self, DecodeError> {
        let header = units(stream).find(|unit| unit.kind == SEQUENCE_HEADER);
        Self::read(header.ok_or(damaged("it has no sequence header"))?.payload)
    }
}

/// The frame of a stream to decode.
#[derive(Debug, Clone)]
pub struct Decoder<'a> {
    sequence: Sequence,
    header: Box<FrameHeader>,
    /// The tile groups of the frame.
    groups: Vec<&'a [u8]>,
}

impl<'a> Decoder<'a> {
    /// Parses the headers of a stream of open bitstream units, and chooses the last frame that is shown and does not
    /// refer to others. `check`, called at every unit, cancels.
    ///
    /// # Errors
    /// [`DecodeError::Damaged`] if there is no such frame, or sequence headers differ; [`DecodeError::Cancelled`].
    pub fn new(stream: &'a [u8], check: &dyn Fn() -> ControlFlow<()>) -> Result<Self, DecodeError> {
        let mut sequence: Option<(&[u8], Sequence)> = None;
        let (mut found, mut current): (Option<Self>, Option<Self>) = (None, None);
        for unit in units(stream) {
            go_on(check)?;
            match unit.kind {
                SEQUENCE_HEADER => match &sequence {
                    Some((payload, _)) if *payload == unit.payload => {}
                    Some(_) => return Err(damaged("its sequence header changes")),
                    None => sequence = Some((unit.payload, Sequence::read(unit.payload)?)),
                },
                FRAME | FRAME_HEADER => {
                    let Some((_, sequence)) = &sequence else { return Err(damaged("it has no sequence header")) };
                    found = current.take().filter(|frame| frame.header.is_shown).or(found);
                    let bits = &mut Bits::new(unit.payload);
                    // A later frame that is cut off does not make others useless.
                    let announced = match FrameHeader::read(bits, sequence, unit.layers) {
                        Err(_) if found.is_some() => break,
                        announced => announced?,
                    };
                    if let Announced::Intra(header) = announced {
                        let groups = if unit.kind == FRAME { vec![bits.rest()] } else { Vec::new() };
                        current = Some(Self { sequence: *sequence, header, groups });
                    }
                }
                TILE_GROUP => current.iter_mut().for_each(|frame| frame.groups.push(unit.payload)),
                _ => {}
            }
        }
        let found = current.filter(|frame| frame.header.is_shown).or(found);
        found.ok_or(damaged("it has no frame that can be decoded on its own"))
    }

    /// The sequence header.
    pub fn sequence(&self) -> &Sequence {
        &self.sequence
    }

    /// The width and the height of the picture in pixels.
    pub fn size(&self) -> [u32; 2] {
        self.header.size
    }

    /// The maximum memory of [`Self::decode`] in bytes, including the picture.
    pub fn memory(&self, filtered: bool) -> u64 {
        let of = if self.sequence.depth == 8 { Self::memory_of::<u8> } else { Self::memory_of::<u16> };
        of(self, filtered)
    }

    fn memory_of<S: Sample>(&self, filtered: bool) -> u64 {
        /// Probabilities, scan orders and buffers for blocks.
        const FIXED: u64 = 160 << 10;
        /// The contexts above 4 luma samples; with palettes.
        const EDGE: u64 = 12;
        const PALETTES: u64 = 32;
        let Self { sequence, header, .. } = self;
        let [columns, _] = header.units().map(|units| units as u64 + 64);
        let edge = columns * if header.has_screen_content { EDGE + PALETTES } else { EDGE };
        let matrices = if header.matrices.is_some() { 32 << 10 } else { 0 };
        let sides = |plane: usize| plane_size(header.size, sequence, plane).map(|side| side as u64);
        let [width, height] = sides(0);
        let planes = sequence.planes() as u64;
        let samples = size_of::<S>() as u64;
        let cdef = if filtered && header.cdef.is_some() { cdef::memory(planes * (columns * 4)) } else { 0 };
        // The rows between stripes, and a stripe at a time.
        let restoration = match header.restoration.filter(|_| filtered) {
            Some(_) => {
                let boundaries = (0..sequence.planes()).map(|plane| {
                    let [width, height] = sides(plane);
                    Boundaries::<S>::memory(width, height, sequence.shifts(plane)[1])
                });
                boundaries.sum::<u64>() + restore::memory(width)
            }
            None => 0,
        };
        let superres = if header.superres > 8 {
            let padded = height.next_multiple_of(128);
            // One plane replaces another.
            (0..sequence.planes())
                .map(|plane| ((sides(plane)[0] * padded) >> sequence.shifts(plane)[1]) * samples)
                .sum()
        } else {
            0
        };
        let grain = if filtered && header.film_grain.is_some() { grain::memory(width) } else { 0 };
        Frame::<S>::memory(sequence, header, filtered) + FIXED + edge + matrices + cdef + restoration + superres + grain
    }

    /// Decodes the frame.
    ///
    /// # Errors
    /// [`DecodeError::Damaged`] if tiles are missing or invalid; [`DecodeError::TooLarge`] and
    /// [`DecodeError::Cancelled`] as the options say.
    pub fn decode(&self, options: &DecodeOptions<'_>) -> Result<Picture, DecodeError> {
        let samples = if self.sequence.depth == 8 {
            Samples::Eight(self.planes::<u8>(options)?)
        } else {
            Samples::Sixteen(self.planes::<u16>(options)?)
        };
        Ok(Picture { size: self.header.size, sequence: self.sequence, samples })
    }

    fn planes<S: Sample>(&self, options: &DecodeOptions<'_>) -> Result<Vec<Plane<S>>, DecodeError> {
        let (needed, limit) = (self.memory(options.filtered), options.max_bytes);
        if needed > limit {
            return Err(DecodeError::TooLarge { needed, limit });
        }
        let Self { sequence, header, .. } = self;
        let setting = Setting::new(sequence, header);
        let mut frame = Frame::<S>::new(sequence, header, options.filtered);
        let mut buffers = Buffers::new(&frame, header);
        let mut next = 0;
        for group in &self.groups {
            let (first, last, mut data) = header.tiles.group(group)?;
            if first != next {
                return Err(damaged("its tiles are not in order"));
            }
            for number in first..=last {
                let tile;
                (tile, data) = if number == last { (data, &[][..]) } else { self.tile(data)? };
                Tile::decode(&setting, &mut frame, &mut buffers, number, tile, options.check)?;
            }
            next = last + 1;
        }
        if next != header.tiles.count() {
            return Err(damaged("it lacks tiles"));
        }
        self.filter(&setting, &mut frame, options)?;
        Ok(frame.planes)
    }

    /// Applies the in-loop filters, superres and film grain.
    fn filter<S: Sample>(
        &self,
        setting: &Setting<'_>,
        frame: &mut Frame<S>,
        options: &DecodeOptions<'_>,
    ) -> Result<(), DecodeError> {
        let Self { sequence, header, .. } = self;
        let check = options.check;
        let scalings: Vec<Option<Upscaling>> = (0..frame.planes.len())
            .map(|plane| Upscaling::new(setting, plane, (frame.columns * 4) >> sequence.shifts(plane)[0]))
            .collect();
        let size = |plane: usize| plane_size(header.size, sequence, plane);
        let mut boundaries: [Option<Boundaries<S>>; 3] = [None, None, None];
        if options.filtered {
            deblock::deblock(setting, frame, check)?;
            for (plane, boundaries) in boundaries.iter_mut().enumerate() {
                if !frame.restoration[plane].units.is_empty() {
                    let shift = sequence.shifts(plane)[1];
                    *boundaries = Some(Boundaries::new(&frame.planes[plane], size(plane), shift, scalings[plane]));
                }
            }
            cdef::filter(setting, frame, check)?;
        }
        for (plane, scaling) in frame.planes.iter_mut().zip(scalings) {
            if let Some(scaling) = scaling {
                *plane = scaling.plane(plane, check)?;
            }
        }
        if let Some(restoration) = header.restoration {
            for (plane, boundaries) in boundaries.iter().enumerate() {
                if let Some(boundaries) = boundaries {
                    let log2 = restoration.units[usize::from(plane > 0)];
                    let (units, depth) = (&frame.restoration[plane], sequence.depth.into());
                    let target = &mut frame.planes[plane];
                    restore::restore(target, size(plane), units, log2, boundaries, depth, check)?;
                }
            }
        }
        if let Some(grain) = header.film_grain.as_ref().filter(|_| options.filtered) {
            grain::apply(&mut frame.planes, header.size.map(|side| side as usize), sequence, grain);
        }
        Ok(())
    }

    /// Splits off the data of a tile, which its size precedes.
    fn tile<'d>(&self, data: &'d [u8]) -> Result<(&'d [u8], &'d [u8]), DecodeError> {
        let cut = damaged("a tile is cut off");
        let Some((size, rest)) = data.split_at_checked(self.header.tiles.size_bytes) else { return Err(cut) };
        let size = size.iter().rev().fold(0usize, |size, byte| size << 8 | usize::from(*byte)) + 1;
        rest.split_at_checked(size).ok_or(cut)
    }
}

/// The number of columns and rows of a plane.
fn plane_size(size: [u32; 2], sequence: &Sequence, plane: usize) -> [usize; 2] {
    let shifts = sequence.shifts(plane);
    [0, 1].map(|i| (size[i] as usize).div_ceil(1 << shifts[i]))
}

/// The samples of a row of a plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row<'a> {
    /// Of 8 bits.
    Eight(&'a [u8]),
    /// Of 10 or 12 bits.
    Sixteen(&'a [u16]),
}

#[derive(Debug, Clone)]
enum Samples {
    Eight(Vec<Plane<u8>>),
    Sixteen(Vec<Plane<u16>>),
}

/// A decoded picture.
#[derive(Debug, Clone)]
pub struct Picture {
    size: [u32; 2],
    sequence: Sequence,
    samples: Samples,
}

impl Picture {
    /// The width and the height in pixels.
    pub fn size(&self) -> [u32; 2] {
        self.size
    }

    /// The number of columns and rows of a plane; those of chroma planes may be half, rounded up.
    pub fn plane_size(&self, plane: usize) -> [usize; 2] {
        plane_size(self.size, &self.sequence, plane)
    }

    /// A row of a plane, which is empty if there is no such row.
    pub fn row(&self, plane: usize, y: usize) -> Row<'_> {
        fn of<S>(planes: &[Plane<S>], plane: usize, y: usize, [width, height]: [usize; 2]) -> &[S] {
            let Some(plane) = planes.get(plane).filter(|_| y < height) else { return &[] };
            plane.samples.get(y * plane.stride..y * plane.stride + width).unwrap_or_default()
        }
        let size = self.plane_size(plane);
        match &self.samples {
            Samples::Eight(planes) => Row::Eight(of(planes, plane, y, size)),
            Samples::Sixteen(planes) => Row::Sixteen(of(planes, plane, y, size)),
        }
    }
}
