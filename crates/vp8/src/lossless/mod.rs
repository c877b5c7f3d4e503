//! A VP8L decoder, for lossless WebP pictures and most alpha channels (RFC 9649, section 3, whose sections the comments
//! cite).
//!
//! No input makes it panic, allocate more than [`DecodeOptions::max_bytes`], or take time out of proportion to the
//! sizes of stream and picture. Damage before the pixels is a [`DecodeError`]; after that, the complete rows are
//! returned.

mod bits;
mod codes;
mod pixels;
mod predictor;
mod transform;

use std::ops::ControlFlow;

use crate::{Check, DecodeError, damaged, go_on};
use bits::Bits;
use pixels::{Coded, Progress, Sample, Source};
use transform::{ROWS, Transforms};

/// Red, green, blue, alpha.
type Pixel = [u8; 4];

/// The first byte of a stream (section 3.4).
const SIGNATURE: u8 = 0x2f;

/// The header of a stream (section 3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// The width in pixels, in `1..=16384`.
    pub width: u32,
    /// The height in pixels, in `1..=16384`.
    pub height: u32,
    /// Whether alpha is used; if not, alpha samples are meaningless.
    pub has_alpha: bool,
}

impl Header {
    /// The length in bytes.
    const LEN: usize = 5;

    /// Parses the header of a stream.
    ///
    /// # Errors
    /// [`DecodeError::Damaged`] if it is invalid.
    pub fn read(stream: &[u8]) -> Result<Self, DecodeError> {
        let Some(&[signature, a, b, c, d]) = stream.first_chunk::<{ Self::LEN }>() else {
            return Err(damaged("the lossless picture ends within its header"));
        };
        let fields = u32::from_le_bytes([a, b, c, d]);
        if signature != SIGNATURE || fields >> 29 != 0 {
            return Err(damaged("the lossless picture is of an unknown version"));
        }
        let side = |shift: u32| (fields >> shift & 0x3fff) + 1;
        Ok(Self { width: side(0), height: side(14), has_alpha: fields >> 28 & 1 == 1 })
    }
}

/// The maximum side of a picture (section 3.4).
const MAX_SIDE: u32 = 1 << 14;

/// The options of a decode.
#[derive(Clone, Copy)]
pub struct DecodeOptions<'a> {
    max_bytes: u64,
    rows: usize,
    check: Check<'a>,
}

impl Default for DecodeOptions<'_> {
    fn default() -> Self {
        Self { max_bytes: 512 << 20, rows: usize::MAX, check: &|| ControlFlow::Continue(()) }
    }
}

impl std::fmt::Debug for DecodeOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DecodeOptions")
            .field("max_bytes", &self.max_bytes)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

impl<'a> DecodeOptions<'a> {
    /// The memory limit of the decode in bytes, including the picture; checked before anything is allocated. 512 MiB by
    /// default.
    #[must_use]
    pub const fn max_bytes(mut self, max_bytes: u64) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// The number of rows that [`decode_rows`] decodes, counted from the top. All rows by default.
    #[must_use]
    pub const fn rows(mut self, rows: usize) -> Self {
        self.rows = rows;
        self
    }

    /// A cancellation callback, called at least once for every row of pixels. By default the decode is never cancelled.
    #[must_use]
    pub const fn check(mut self, check: &'a dyn Fn() -> ControlFlow<()>) -> Self {
        self.check = check;
        self
    }
}

/// A decoded picture.
#[derive(Debug)]
#[non_exhaustive]
pub struct Picture {
    /// Interleaved RGBA samples. Rows from `rows` on are zero.
    pub samples: Vec<u8>,
    /// The number of decoded rows from the top, at least one.
    pub rows: usize,
}

/// Decodes a stream with a header.
///
/// # Errors
/// [`DecodeError::Damaged`] if not even the first row can be decoded, [`DecodeError::TooLarge`] and
/// [`DecodeError::Cancelled`].
pub fn decode(stream: &[u8], options: &DecodeOptions<'_>) -> Result<Picture, DecodeError> {
    let Header { width, height, .. } = Header::read(stream)?;
    decode_headless(stream.get(Header::LEN..).unwrap_or_default(), (width, height), options)
}

/// Decodes a stream without header for a picture of this size (section 2.7.1.2).
///
/// # Errors
/// As [`decode`]; also [`DecodeError::Damaged`] if a side is not in `1..=16384`.
pub fn decode_headless(stream: &[u8], size: (u32, u32), options: &DecodeOptions<'_>) -> Result<Picture, DecodeError> {
    let mut memory = Memory { spent: 0, limit: options.max_bytes };
    let mut stream = Stream::open(stream, size, options, &mut memory)?;
    stream.picture()
}

/// Decodes a stream with a header, and calls `sink` with each row of interleaved RGBA samples, from the top on. Returns their
/// number, at least one: there are less than wanted if the stream ends or is damaged. Beside the coded pixels, only a few
/// rows are in memory.
///
/// # Errors
/// As [`decode`], whenever that fails; `sink` has not been called then, but for [`DecodeError::Cancelled`].
pub fn decode_rows(
    stream: &[u8],
    options: &DecodeOptions<'_>,
    sink: &mut dyn FnMut(&[u8]),
) -> Result<usize, DecodeError> {
    let Header { width, height, .. } = Header::read(stream)?;
    let mut memory = Memory { spent: 0, limit: options.max_bytes };
    let data = stream.get(Header::LEN..).unwrap_or_default();
    Stream::open(data, (width, height), options, &mut memory)?.emit(options.rows, sink)
}

/// A decoded plane.
#[derive(Debug)]
#[non_exhaustive]
pub struct Plane {
    /// A sample for each pixel. Rows from `rows` on are zero.
    pub samples: Vec<u8>,
    /// The number of decoded rows from the top, at least one.
    pub rows: usize,
}

/// Decodes the green samples of a stream without header, which are the alpha in an alpha chunk (section 2.7.1.2).
/// Most of these streams are read without the other samples, in a quarter of the memory.
///
/// # Errors
/// As [`decode_headless`].
pub fn decode_alpha(stream: &[u8], size: (u32, u32), options: &DecodeOptions<'_>) -> Result<Plane, DecodeError> {
    let mut memory = Memory { spent: 0, limit: options.max_bytes };
    let mut stream = Stream::open(stream, size, options, &mut memory)?;
    if stream.transforms.keep_green_apart() && !stream.coded.has_cache() {
        return stream.green();
    }
    let Picture { samples, rows } = stream.picture()?;
    let pixels = samples.as_chunks::<4>().0;
    stream.source.memory.spend(pixels.len())?;
    Ok(Plane { samples: pixels.iter().map(|pixel| pixel[1]).collect(), rows })
}

/// Returns the length in bytes that a stream with a header needs; no pixel depends on bytes after it. `None` if the
/// stream ends before its pixels do, or is damaged.
///
/// # Errors
/// As [`decode`]; the memory is that for the codes alone.
pub fn data_len(stream: &[u8], options: &DecodeOptions<'_>) -> Result<Option<usize>, DecodeError> {
    let Header { width, height, .. } = Header::read(stream)?;
    let data = stream.get(Header::LEN..).unwrap_or_default();
    Ok(data_len_headless(data, (width, height), options)?.map(|len| Header::LEN + len))
}

/// As [`data_len`], of a stream without header for a picture of this size.
///
/// # Errors
/// As [`decode_headless`].
pub fn data_len_headless(
    data: &[u8],
    size: (u32, u32),
    options: &DecodeOptions<'_>,
) -> Result<Option<usize>, DecodeError> {
    let mut memory = Memory { spent: 0, limit: options.max_bytes };
    let mut stream = Stream::open(data, size, options, &mut memory)?;
    let width = stream.transforms.coded_width();
    // Without a size, these take no memory.
    let mut pixels = vec![(); width * stream.height];
    let (mut progress, wanted) = (stream.coded.begin(), pixels.len());
    stream.source.pixels(&stream.coded, width, &mut pixels, &mut progress, wanted)?;
    let is_whole = progress.at == wanted && !stream.source.bits.is_overrun();
    Ok(is_whole.then(|| data.len() - stream.source.bits.unread()))
}

/// A stream whose pixels come next.
struct Stream<'s, 'a> {
    source: Source<'s, 'a>,
    transforms: Transforms,
    coded: Coded,
    width: usize,
    height: usize,
}

impl<'s, 'a> Stream<'s, 'a> {
    fn open(
        stream: &'a [u8],
        (width, height): (u32, u32),
        options: &DecodeOptions<'s>,
        memory: &'s mut Memory,
    ) -> Result<Self, DecodeError> {
        if [width, height].iter().any(|side| !(1..=MAX_SIDE).contains(side)) {
            return Err(damaged("a side of the lossless picture is out of range"));
        }
        let (width, height) = (width as usize, height as usize);
        let mut source = Source { bits: Bits::new(stream), memory, check: options.check };
        let transforms = Transforms::read(&mut source, width, height)?;
        let coded = source.main_image(transforms.coded_width(), height)?;
        Ok(Self { source, transforms, coded, width, height })
    }

    /// Decodes all samples.
    fn picture(&mut self) -> Result<Picture, DecodeError> {
        let (width, coded_width) = (self.width, self.transforms.coded_width());
        let mut samples = zeroed_samples(width * self.height, self.source.memory)?;
        self.source.memory.spend(width * size_of::<Pixel>())?;
        let (pixels, _) = samples.as_chunks_mut::<4>();
        // The coded rows are at the end, so that those of the picture, which may be longer, do not reach them too early.
        let start = (width - coded_width) * self.height;
        let progress = self.coded.begin_whole(coded_width * self.height, self.source.memory);
        let rows = self.rows(&mut pixels[start..], progress)?;
        let mut undo = self.transforms.begin();
        for y in (0..rows).step_by(ROWS) {
            go_on(self.source.check)?;
            let end = rows.min(y + ROWS);
            if start > 0 {
                pixels.copy_within(start + y * coded_width..start + end * coded_width, y * width);
            }
            undo.undo(&mut pixels[y * width..end * width]);
        }
        pixels[width * rows..].fill([0; 4]);
        Ok(Picture { samples, rows })
    }

    /// Decodes the first rows, and calls `sink` with the samples of each.
    fn emit(&mut self, rows: usize, sink: &mut dyn FnMut(&[u8])) -> Result<usize, DecodeError> {
        let (width, coded_width, height) = (self.width, self.transforms.coded_width(), self.height.min(rows.max(1)));
        let mut coded = zeroed_samples(coded_width * height, self.source.memory)?;
        // Rows on their way through the transforms, and the one above them.
        self.source.memory.spend(width * (ROWS + 1) * size_of::<Pixel>())?;
        let mut group = vec![[0; 4]; width * ROWS];
        let (coded, _) = coded.as_chunks_mut::<4>();
        let mut progress = self.coded.begin_whole(coded.len(), self.source.memory);
        let mut undo = self.transforms.begin();
        for y in (0..height).step_by(ROWS) {
            go_on(self.source.check)?;
            let wanted = height.min(y + ROWS);
            self.source.pixels(&self.coded, coded_width, coded, &mut progress, wanted * coded_width)?;
            let end = wanted.min(progress.at / coded_width);
            if end > y {
                let stored = &coded[y * coded_width..end * coded_width];
                group[..stored.len()].copy_from_slice(stored);
                let rows = &mut group[..width * (end - y)];
                undo.undo(rows);
                rows.chunks_exact(width).for_each(|row| sink(row.as_flattened()));
            }
            if end < wanted {
                return if end == 0 { Err(damaged(NO_ROW)) } else { Ok(end) };
            }
        }
        Ok(height)
    }

    /// Decodes green alone.
    fn green(&mut self) -> Result<Plane, DecodeError> {
        self.source.memory.spend(self.width * self.height)?;
        let mut samples = vec![0; self.width * self.height];
        let rows = self.rows(&mut samples, self.coded.begin())?;
        self.transforms.undo_green(&mut samples[..self.width * rows]);
        samples[self.width * rows..].fill(0);
        Ok(Plane { samples, rows })
    }

    /// Decodes the coded rows into the beginning of `pixels`, and returns their number.
    fn rows<S: Sample>(&mut self, pixels: &mut [S], mut progress: Progress) -> Result<usize, DecodeError> {
        let width = self.transforms.coded_width();
        let wanted = width * self.height;
        self.source.pixels(&self.coded, width, &mut pixels[..wanted], &mut progress, wanted)?;
        match progress.at / width {
            0 => Err(damaged(NO_ROW)),
            rows => Ok(rows),
        }
    }
}

/// Why nothing is shown of a stream that is damaged early.
const NO_ROW: &str = "the lossless picture ends before its first row";

/// The memory allocated for a picture, and its limit.
struct Memory {
    spent: u64,
    limit: u64,
}

impl Memory {
    /// Counts an allocation before it is made.
    fn spend(&mut self, bytes: usize) -> Result<(), DecodeError> {
        self.spent = self.spent.saturating_add(bytes as u64);
        let Self { spent: needed, limit } = *self;
        if needed > limit { Err(DecodeError::TooLarge { needed, limit }) } else { Ok(()) }
    }

    /// Counts a deallocation.
    fn give_back(&mut self, bytes: usize) {
        self.spent = self.spent.saturating_sub(bytes as u64);
    }
}

/// Allocates the samples of this number of pixels.
fn zeroed_samples(pixels: usize, memory: &mut Memory) -> Result<Vec<u8>, DecodeError> {
    memory.spend(pixels * size_of::<Pixel>())?;
    Ok(vec![0; pixels * size_of::<Pixel>()])
}

#[cfg(test)]
mod tests;
