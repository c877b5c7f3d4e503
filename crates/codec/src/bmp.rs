//! BMP files of Windows and OS/2: decoded row by row, and reduced while decoding if that suffices. Icons contain the
//! same without the file header.
//!
//! All headers from BITMAPCOREHEADER (12 bytes) to BITMAPV5HEADER (124 bytes) are supported, and OS/2's of 16 to 64
//! bytes ("[MS-WMF]" 2.2.2.3 to 2.2.2.5; "OS/2 Presentation Manager Programming Reference", volume 2). Truncated files
//! are decoded as far as possible.

use super::jpeg::Jpeg;
use super::png::Png;
use super::shrink::{self, Shrink, Window};
use super::{
    Budget, Cancellation, Channels, DecodeOptions, Decoded, Decoder, Error, Flaw, Format, Header, MISSING, Orientation,
    Raster, Samples,
};

/// The BMP decoder.
pub(super) struct Bmp;

const FILE_HEADER: usize = 14;

/// The number of run-length instructions between two checks of the deadline, each of up to 255 pixels.
const STRIDE: usize = 256;

fn damaged(reason: &str) -> Error {
    Error::Damaged { format: Format::Bmp, reason: reason.to_owned() }
}

fn unsupported(what: &str) -> Error {
    Error::Unsupported(format!("the bmp is of a kind that is not read: {what}"))
}

/// A bitmap with a parsed header.
pub(super) struct Bitmap<'a> {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Whether the first stored row is the top row.
    top_down: bool,
    pixels: Pixels,
    /// The run-length encoding of the pixels, if they have one.
    runs: Option<Runs>,
    /// The data from the first pixel on.
    data: &'a [u8],
    icc: Option<&'a [u8]>,
}

/// The pixel format.
enum Pixels {
    /// Indices into a colour table.
    Indexed { bits: usize, palette: Vec<[u8; 3]> },
    /// Bytes: the offsets of red, green and blue, and of alpha.
    Bytes { size: usize, order: [usize; 3], alpha: Option<usize> },
    /// Bit masks of a little-endian number: red, green, blue and alpha.
    Masks { size: usize, masks: [u32; 4] },
}

/// Run-length encodings, by bits per pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Runs {
    Four,
    Eight,
    /// OS/2's encoding of 24 bits.
    TwentyFour,
}

/// The content of a file.
enum Content<'a> {
    Bitmap(Bitmap<'a>),
    Jpeg(&'a [u8]),
    Png(&'a [u8]),
}

/// The source of alpha.
pub(super) enum Alpha<'a> {
    /// The pixels, if they contain any alpha.
    Stored,
    /// The pixels if any of them is not transparent, otherwise the bits of the mask after them, which may be truncated.
    Mask(&'a [u8]),
}

/// The DIB header, whose length determines its version. Fields beyond its end are zero.
struct Fields<'a> {
    header: &'a [u8],
}

impl Fields<'_> {
    fn u16(&self, at: usize) -> u16 {
        let bytes = self.header.get(at..).and_then(|rest| rest.first_chunk());
        bytes.map_or(0, |bytes| u16::from_le_bytes(*bytes))
    }

    fn u32(&self, at: usize) -> u32 {
        let bytes = self.header.get(at..).and_then(|rest| rest.first_chunk());
        bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
    }
}

const CORE_LEN: usize = 12;
const INFO_LEN: usize = 40;

/// Parses the data after the file header. `pixels` is the offset of the pixels according to that header. The height of
/// an icon includes its mask.
fn read<'a>(dib: &'a [u8], pixels: Option<usize>, is_icon: bool) -> Result<Content<'a>, Error> {
    let length = Fields { header: dib }.u32(0) as usize;
    let header = dib.get(..length).ok_or_else(|| damaged("the header is cut off"))?;
    let fields = Fields { header };
    let is_core = length == CORE_LEN;
    if length < 16 && !is_core {
        return Err(damaged("the header has no known length"));
    }
    let (width, height, bits) = match is_core {
        true => (fields.u16(4).into(), fields.u16(6).into(), fields.u16(10)),
        false => (fields.u32(4).cast_signed(), fields.u32(8).cast_signed(), fields.u16(14)),
    };
    let compression = if is_core { 0 } else { fields.u32(16) };
    let is_os2 = !matches!(length, CORE_LEN | INFO_LEN | 52 | 56 | 108 | 124);
    // Masks follow a header that does not contain them.
    let masks_behind = match (length, compression) {
        (INFO_LEN, 3) => 3,
        (INFO_LEN, 6) => 4,
        _ => 0,
    };
    let colours_at = length + masks_behind * 4;
    let masks = Fields { header: dib.get(..colours_at.max(56)).unwrap_or(dib) };
    let has_alpha = length >= 56 || compression == 6;
    let mask = |index: usize| if index < 3 || has_alpha { masks.u32(INFO_LEN + index * 4) } else { 0 };
    let entry = if is_core { 3 } else { 4 };
    let table = match (bits, fields.u32(32)) {
        (1..=8, 0) => 1usize << bits,
        (_, used) => used as usize,
    };
    let behind = colours_at.saturating_add(table.saturating_mul(entry));
    // An invalid offset is ignored.
    let start = pixels.filter(|start| (colours_at..dib.len()).contains(start)).unwrap_or(behind);
    let data = dib.get(start..).unwrap_or_default();

    match (compression, is_os2) {
        (4, false) => return Ok(Content::Jpeg(data)),
        (5, _) => return Ok(Content::Png(data)),
        _ => {}
    }
    let runs = match (compression, bits, is_os2) {
        (0 | 3 | 6, ..) => None,
        (1, 8, _) => Some(Runs::Eight),
        (2, 4, _) => Some(Runs::Four),
        (4, 24, true) => Some(Runs::TwentyFour),
        (1 | 2 | 4, ..) => return Err(damaged("the run-length code is one for pixels of other bits")),
        (11..=13, ..) => return Err(unsupported("inks")),
        (other, ..) => return Err(unsupported(&format!("compression {other}"))),
    };
    let pixels = match (bits, compression) {
        (1, 3) if is_os2 => return Err(unsupported("compressed as a fax")),
        (1 | 2 | 4 | 8, 0..=2) => {
            let stored =
                dib.get(colours_at..start.max(colours_at)).unwrap_or_else(|| &dib[colours_at.min(dib.len())..]);
            let colours = stored.chunks_exact(entry).take(table.min(1 << bits));
            Pixels::Indexed { bits: bits.into(), palette: colours.map(|bgr| [bgr[2], bgr[1], bgr[0]]).collect() }
        }
        (24, _) => Pixels::Bytes { size: 3, order: [2, 1, 0], alpha: None },
        (16, 0) => masked(2, [0x7c00, 0x03e0, 0x001f, mask(3)]),
        (32, 0) if is_icon => masked(4, [0x00ff_0000, 0xff00, 0xff, 0xff00_0000]),
        (32, 0) => masked(4, [0x00ff_0000, 0xff00, 0xff, mask(3)]),
        (16 | 32, 3 | 6) => masked(usize::from(bits / 8), std::array::from_fn(mask)),
        (1 | 2 | 4 | 8, _) => return Err(damaged("masks, and pixels that are places in a table")),
        _ => return Err(unsupported(&format!("pixels of {bits} bits"))),
    };
    let height_in_rows = if is_icon { height.unsigned_abs() / 2 } else { height.unsigned_abs() };
    let width = u32::try_from(width).ok().filter(|width| *width > 0 && height_in_rows > 0);
    Ok(Content::Bitmap(Bitmap {
        width: width.ok_or_else(|| damaged("a side is not above zero"))?,
        height: height_in_rows,
        top_down: height < 0,
        pixels,
        runs,
        data,
        icc: profile(&fields, dib),
    }))
}

/// Masks of whole bytes are common, and faster to read as bytes.
fn masked(size: usize, masks: [u32; 4]) -> Pixels {
    let place = |mask: u32| (0..size).find(|place| mask == 0xff << (8 * place));
    let (colours, alpha) = (masks.map(place), place(masks[3]));
    match colours {
        [Some(red), Some(green), Some(blue), _] if alpha.is_some() || masks[3] == 0 => {
            Pixels::Bytes { size, order: [red, green, blue], alpha }
        }
        _ => Pixels::Masks { size, masks },
    }
}

/// The embedded profile of a BITMAPV5HEADER.
fn profile<'a>(fields: &Fields<'_>, dib: &'a [u8]) -> Option<&'a [u8]> {
    const EMBEDDED: u32 = u32::from_be_bytes(*b"MBED");
    let is_embedded = fields.header.len() == 124 && fields.u32(56) == EMBEDDED;
    let start = fields.u32(112) as usize;
    dib.get(start..start.checked_add(fields.u32(116) as usize)?).filter(|_| is_embedded)
}

impl<'a> Bitmap<'a> {
    /// Parses the bitmap of an icon, and returns the mask after its colours.
    pub(super) fn of_icon(dib: &'a [u8]) -> Result<(Self, &'a [u8]), Error> {
        match read(dib, None, true)? {
            Content::Bitmap(bitmap) if bitmap.runs.is_none() => {
                let colours = bitmap.stride().saturating_mul(bitmap.height.into());
                let mask = usize::try_from(colours).ok().and_then(|colours| bitmap.data.get(colours..));
                Ok((bitmap, mask.unwrap_or_default()))
            }
            _ => Err(unsupported("a compressed bitmap in an icon")),
        }
    }

    /// The header of the picture.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub(super) fn header(&self, budget: Budget) -> Result<Header, Error> {
        let (width, height) = (self.width, self.height);
        budget.check_pixels(width, height)?;
        let channels = self.channels();
        Ok(Header { format: Format::Bmp, width, height, orientation: Orientation::UPRIGHT, channels })
    }

    fn channels(&self) -> Channels {
        let has_alpha = match &self.pixels {
            Pixels::Indexed { .. } => false,
            Pixels::Bytes { alpha, .. } => alpha.is_some(),
            Pixels::Masks { masks, .. } => masks[3] > 0,
        };
        if has_alpha { Channels::Rgba } else { Channels::Rgb }
    }

    /// The number of bits per pixel.
    fn bits(&self) -> u64 {
        match &self.pixels {
            Pixels::Indexed { bits, .. } => *bits as u64,
            Pixels::Bytes { size, .. } | Pixels::Masks { size, .. } => *size as u64 * 8,
        }
    }

    /// The stride of a row in bytes: rows are padded to 32 bits.
    fn stride(&self) -> u64 {
        (u64::from(self.width) * self.bits()).div_ceil(32) * 4
    }

    /// The bytes of a row in `data`, where row 0 is the top row; truncated or empty if the data ends early.
    fn row<'d>(&self, data: &'d [u8], stride: u64, y: u32) -> &'d [u8] {
        let stored = if self.top_down { y } else { self.height - 1 - y };
        let at = |row: u64| usize::try_from(row.saturating_mul(stride)).unwrap_or(usize::MAX).min(data.len());
        &data[at(stored.into())..at(u64::from(stored) + 1)]
    }

    /// Decodes the needed area.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Cancelled`], and [`Error::Damaged`] if there are no pixels.
    pub(super) fn decode(&self, alpha: &Alpha<'_>, options: &DecodeOptions<'_>) -> Result<Decoded, Error> {
        options.budget.check_pixels(self.width, self.height)?;
        let Some(runs) = self.runs else { return self.decode_rows(alpha, options) };
        let pixels = match &self.pixels {
            Pixels::Indexed { palette, .. } => Pixels::Indexed { bits: 8, palette: palette.clone() },
            _ => Pixels::Bytes { size: 3, order: [2, 1, 0], alpha: None },
        };
        let mut plain = Bitmap { pixels, runs: None, data: &[], ..*self };
        let unpacked = plain.stride().saturating_mul(self.height.into());
        options.budget.check_memory(unpacked)?;
        let (unpacked, flaw) = self.unpack(runs, plain.stride() as usize, options.cancellation)?;
        let memory = options.budget.memory - unpacked.len() as u64;
        plain.data = &unpacked;
        let decoded =
            plain.decode_rows(alpha, &DecodeOptions { budget: Budget { memory, ..options.budget }, ..*options })?;
        Ok(Decoded { flaw, ..decoded })
    }

    fn decode_rows(&self, alpha: &Alpha<'_>, options: &DecodeOptions<'_>) -> Result<Decoded, Error> {
        let channels = if matches!(alpha, Alpha::Mask(_)) { Channels::Rgba } else { self.channels() };
        let window = Window::new(options.area, self.width, self.height);
        let (width, height, factor) = (window.width(), window.height(), shrink::factor(options.scale));
        let row_bytes = u64::from(width) * channels.count() as u64;
        let whole = row_bytes * u64::from(height);
        let held = if factor > 1 { Shrink::memory(width, height, channels, factor) } else { whole };
        options.budget.check_memory(held + row_bytes)?;
        let keeps_alpha = channels.has_alpha() && self.has_visible_alpha(options.cancellation)?;
        let (mut shrink, mut out) = (Shrink::new(width, channels, factor), Vec::new());
        if factor == 1 {
            out.reserve_exact(whole as usize);
        }
        let (mut row, mut flaw, mut is_empty) = (Vec::with_capacity(row_bytes as usize), None, true);
        for y in window.top..window.bottom {
            options.cancellation.check()?;
            row.clear();
            self.convert(self.row(self.data, self.stride(), y), &window, channels, keeps_alpha, &mut row);
            is_empty &= row.is_empty();
            if row.len() < row_bytes as usize {
                row.resize(row_bytes as usize, if channels.has_alpha() { 0 } else { MISSING });
                flaw = Some(Flaw::CutShort);
            }
            if let (Alpha::Mask(mask), false) = (alpha, keeps_alpha) {
                hide(&mut row, self.row(mask, mask_stride(self.width), y), window.left);
            }
            if factor > 1 { shrink.push(&row) } else { out.extend_from_slice(&row) }
        }
        if is_empty {
            return Err(damaged("the pixels are missing"));
        }
        let raster = match factor {
            1 => Raster::new(width, height, channels, Samples::U8(out)),
            _ => shrink.finish(),
        };
        let raster = raster.ok_or_else(|| damaged("a side is zero"))?;
        let area = window.covered_by(&raster, factor);
        Ok(Decoded { raster, area, blur: shrink::blur(factor), icc: self.icc.map(<[u8]>::to_vec), flaw })
    }

    /// Whether alpha is meaningful. If it is zero everywhere, it is ignored and the picture is opaque, as in browsers.
    fn has_visible_alpha(&self, cancellation: &Cancellation) -> Result<bool, Error> {
        let mask = match &self.pixels {
            Pixels::Indexed { .. } => 0,
            Pixels::Bytes { alpha, .. } => alpha.map_or(0, |place| 0xff << (8 * place)),
            Pixels::Masks { masks, .. } => masks[3],
        };
        if mask == 0 {
            return Ok(false);
        }
        for row in self.data.chunks(self.stride() as usize).take(self.height as usize) {
            cancellation.check()?;
            if row.chunks_exact(self.bits() as usize / 8).any(|pixel| number(pixel) & mask > 0) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Appends the pixels of a stored row, as far as they are available.
    fn convert(&self, stored: &[u8], window: &Window, channels: Channels, keeps_alpha: bool, out: &mut Vec<u8>) {
        let mut push = |rgb: [u8; 3], alpha: u8| {
            out.extend(rgb);
            if channels.has_alpha() {
                out.push(if keeps_alpha { alpha } else { u8::MAX });
            }
        };
        let columns = window.left as usize..window.right as usize;
        let of_size = |size: usize| {
            let rest = stored.get(columns.start.saturating_mul(size)..).unwrap_or_default();
            rest.chunks_exact(size).take(columns.len())
        };
        match &self.pixels {
            Pixels::Indexed { bits, palette } => {
                for x in columns {
                    let Some(byte) = stored.get(x * bits / 8) else { break };
                    let index = (byte << (x * bits % 8)) >> (8 - bits);
                    push(palette.get(usize::from(index)).copied().unwrap_or_default(), u8::MAX);
                }
            }
            Pixels::Bytes { size, order, alpha } => {
                for pixel in of_size(*size) {
                    push(order.map(|place| pixel[place]), alpha.map_or(u8::MAX, |place| pixel[place]));
                }
            }
            Pixels::Masks { size, masks } => {
                for pixel in of_size(*size) {
                    let [red, green, blue, alpha] = masks.map(|mask| masked_bits(number(pixel), mask));
                    push([red, green, blue].map(Option::unwrap_or_default), alpha.unwrap_or(u8::MAX));
                }
            }
        }
    }

    /// Decodes run-length encoded pixels of one or three bytes each, in rows of `stride` bytes in file order. Skipped
    /// pixels are zero, and pixels beyond the end of a row are dropped.
    fn unpack(&self, runs: Runs, stride: usize, cancellation: &Cancellation) -> Result<(Vec<u8>, Option<Flaw>), Error> {
        let mut canvas = Canvas {
            rows: vec![0; stride * self.height as usize],
            stride,
            width: self.width as usize,
            size: if runs == Runs::TwentyFour { 3 } else { 1 },
            x: 0,
            y: 0,
        };
        let (mut input, height) = (self.data, self.height as usize);
        for instruction in 0usize.. {
            if instruction.is_multiple_of(STRIDE) {
                cancellation.check()?;
            }
            if canvas.y >= height {
                break;
            }
            match *input {
                [0, 0, ref rest @ ..] => (canvas.x, canvas.y, input) = (0, canvas.y + 1, rest),
                [0, 1, ..] => break,
                [0, 2, right, down, ref rest @ ..] => {
                    canvas.x = canvas.x.saturating_add(right.into());
                    (canvas.y, input) = (canvas.y + usize::from(down), rest);
                }
                [0, count @ 3..=255, ref rest @ ..] => {
                    let count = usize::from(count);
                    let length = match runs {
                        Runs::Four => count.div_ceil(2),
                        Runs::Eight => count,
                        Runs::TwentyFour => count * 3,
                    };
                    let (pixels, rest) = rest.split_at(length.min(rest.len()));
                    match runs {
                        Runs::Four => {
                            let halves = pixels.iter().flat_map(|byte| [[byte >> 4], [byte & 15]]);
                            halves.take(count).for_each(|index| canvas.put(&index));
                        }
                        Runs::Eight | Runs::TwentyFour => {
                            pixels.chunks_exact(canvas.size).for_each(|pixel| canvas.put(pixel));
                        }
                    }
                    // Literal runs are padded to 16 bits.
                    input = &rest[(length % 2).min(rest.len())..];
                }
                [count @ 1..=255, ref rest @ ..] if rest.len() >= canvas.size => {
                    let (pixel, rest) = rest.split_at(canvas.size);
                    for place in 0..count {
                        match (runs, place % 2) {
                            (Runs::Four, 0) => canvas.put(&[pixel[0] >> 4]),
                            (Runs::Four, _) => canvas.put(&[pixel[0] & 15]),
                            _ => canvas.put(pixel),
                        }
                    }
                    input = rest;
                }
                _ => {
                    let is_whole = canvas.y + 1 == height && canvas.x >= canvas.width;
                    return Ok((canvas.rows, (!is_whole).then_some(Flaw::CutShort)));
                }
            }
        }
        Ok((canvas.rows, None))
    }
}

/// The output of the run-length decoder.
struct Canvas {
    rows: Vec<u8>,
    stride: usize,
    width: usize,
    /// The number of bytes per pixel.
    size: usize,
    x: usize,
    y: usize,
}

impl Canvas {
    fn put(&mut self, pixel: &[u8]) {
        if self.x < self.width {
            let at = self.y * self.stride + self.x * self.size;
            self.rows[at..at + self.size].copy_from_slice(pixel);
        }
        self.x = self.x.saturating_add(1);
    }
}

/// The stride of a mask in bytes.
fn mask_stride(width: u32) -> u64 {
    u64::from(width).div_ceil(32) * 4
}

/// Makes the pixels transparent whose bits in a row of the mask are set, starting at column `left`.
fn hide(row: &mut [u8], mask: &[u8], left: u32) {
    for (x, pixel) in (left as usize..).zip(row.as_chunks_mut::<4>().0) {
        if mask.get(x / 8).is_some_and(|byte| byte << (x % 8) & 0x80 != 0) {
            pixel[3] = 0;
        }
    }
}

/// A little-endian number of up to four bytes.
fn number(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// The bits of a number under a mask, scaled to 255; `None` for an empty mask.
fn masked_bits(number: u32, mask: u32) -> Option<u8> {
    let shift = mask.trailing_zeros();
    let max = u64::from(mask.checked_shr(shift)?);
    let value = u64::from((number & mask) >> shift);
    Some(((value * 255 + max / 2) / max) as u8)
}

/// Parses the headers of a file.
fn open(bytes: &[u8]) -> Result<Content<'_>, Error> {
    let dib = bytes.get(FILE_HEADER..).ok_or_else(|| damaged("the header is cut off"))?;
    let start = Fields { header: bytes }.u32(10) as usize;
    read(dib, start.checked_sub(FILE_HEADER), false)
}

impl Decoder for Bmp {
    fn probe(&self, bytes: &[u8], budget: Budget, cancellation: &Cancellation) -> Result<Header, Error> {
        let header = match open(bytes)? {
            Content::Jpeg(file) => Jpeg.probe(file, budget, cancellation)?,
            Content::Png(file) => Png.probe(file, budget, cancellation)?,
            Content::Bitmap(bitmap) => bitmap.header(budget)?,
        };
        Ok(Header { format: Format::Bmp, ..header })
    }

    fn decode(&self, bytes: &[u8], options: &DecodeOptions<'_>) -> Result<Decoded, Error> {
        match open(bytes)? {
            Content::Jpeg(file) => Jpeg.decode(file, options),
            Content::Png(file) => Png.decode(file, options),
            Content::Bitmap(bitmap) => bitmap.decode(&Alpha::Stored, options),
        }
    }
}

#[cfg(test)]
mod tests;
