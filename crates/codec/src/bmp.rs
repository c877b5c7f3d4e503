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
        Ok(Decoded { raster, area, icc: self.icc.map(<[u8]>::to_vec), flaw })
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
mod tests {
    use super::super::Area;
    use super::*;

    /// A file with a header of this length and the given fields, as far as they fit, followed by `behind` and `pixels`.
    fn file(length: u32, fields: &[(usize, &[u8])], behind: &[u8], pixels: &[u8]) -> Vec<u8> {
        let mut header = vec![0; length as usize];
        header[..4].copy_from_slice(&length.to_le_bytes());
        for (at, bytes) in fields.iter().filter(|(at, _)| *at < length as usize) {
            header[*at..*at + bytes.len()].copy_from_slice(bytes);
        }
        let start = (FILE_HEADER + header.len() + behind.len()) as u32;
        [b"BM\0\0\0\0\0\0\0\0", start.to_le_bytes().as_slice(), &header, behind, pixels].concat()
    }

    /// The fields for size, planes, bits and compression.
    fn info(width: i32, height: i32, bits: u16, compression: u32) -> Vec<(usize, Vec<u8>)> {
        vec![
            (4, width.to_le_bytes().to_vec()),
            (8, height.to_le_bytes().to_vec()),
            (12, vec![1, 0]),
            (14, bits.to_le_bytes().to_vec()),
            (16, compression.to_le_bytes().to_vec()),
        ]
    }

    fn bitmap(length: u32, fields: &[(usize, Vec<u8>)], behind: &[u8], pixels: &[u8]) -> Vec<u8> {
        let fields: Vec<_> = fields.iter().map(|(at, bytes)| (*at, bytes.as_slice())).collect();
        file(length, &fields, behind, pixels)
    }

    fn decoded(bytes: &[u8], area: Option<Area>, scale: f64) -> Result<Decoded, Error> {
        let (budget, cancellation) = (Budget { pixels: 1 << 20, memory: 1 << 20 }, Cancellation::unbounded());
        let header = Bmp.probe(bytes, budget, &cancellation)?;
        let area = area.unwrap_or(Area::whole(header.width, header.height));
        let decoded = Bmp.decode(bytes, &DecodeOptions { scale, ..DecodeOptions::new(area, budget, &cancellation) })?;
        assert_eq!((decoded.raster.channels(), header.format), (header.channels, Format::Bmp));
        Ok(decoded)
    }

    fn samples(bytes: &[u8]) -> Vec<u8> {
        decoded(bytes, None, 1.0).unwrap().raster.samples().as_bytes().to_vec()
    }

    /// Name; header length, bits, compression and masks; two pixels, and the expected output.
    type Masked<'a> = (&'a str, u32, u16, u32, Vec<u8>, &'a [u8], &'a [u8]);
    /// Name; bits, compression and height; the encoded data, the greys of 4 by 2 pixels, and the flaw.
    type Code<'a> = (&'a str, u16, u32, i32, &'a [u8], [u8; 8], Option<Flaw>);

    const GREYS: [u8; 16] = [10, 10, 10, 0, 20, 20, 20, 0, 30, 30, 30, 0, 40, 40, 40, 0];

    #[test]
    fn every_header_is_read() {
        // A row of 10, 20, 30 above one of 40, 10, 10, stored bottom-up.
        let rows = [0x32, 0, 0, 0, 0x11, 0, 0, 0];
        let (low, high) = ([0xc0, 0, 0, 0], [0x18, 0, 0, 0]);
        let two = [low, high].concat();
        let expected: Vec<u8> = [10, 20, 30, 40, 10, 10].into_iter().flat_map(|grey| [grey; 3]).collect();
        for length in [16, 24, 40, 52, 56, 64, 108, 124] {
            let bytes = bitmap(length, &info(3, 2, 2, 0), &GREYS, &two);
            assert_eq!(samples(&bytes), expected, "{length}");
        }
        let narrow: Vec<u8> = GREYS.chunks(4).flat_map(|colour| colour[..3].to_vec()).collect();
        let core = file(12, &[(4, &[3, 0, 2, 0, 1, 0, 2, 0])], &narrow, &two);
        assert_eq!(samples(&core), expected);
        // Top-down, with an invalid number of planes and of colours.
        let mut fields = info(3, -2, 2, 0);
        fields.extend([(12, vec![9, 9]), (32, vec![44, 1])]);
        let many = [GREYS.to_vec(), vec![0; 4 * 296]].concat();
        assert_eq!(samples(&bitmap(40, &fields, &many, &[high, low].concat())), expected);
        let four = bitmap(40, &info(3, 2, 4, 0), &GREYS, &rows);
        let greys: Vec<u8> = samples(&four).into_iter().step_by(3).collect();
        assert_eq!(greys, [20, 20, 10, 40, 30, 10]);
        // A colour table that is truncated by the pixels: missing colours are black.
        let mut cut = bitmap(40, &info(2, 1, 8, 0), &GREYS[..8], &[1, 2, 0, 0]);
        assert_eq!(samples(&cut), [20, 20, 20, 0, 0, 0]);
        // An offset of zero is ignored.
        cut[10..14].fill(0);
        assert!(matches!(decoded(&cut, None, 1.0), Err(Error::Damaged { .. })));
    }

    #[test]
    fn bits_mean_what_masks_say() {
        let masks = |masks: [u32; 4]| masks.map(u32::to_le_bytes).concat();
        let bytes = |red, green, blue, alpha| masks([red, green, blue, alpha]);
        let a1r5g5b5 = bytes(0x7c00, 0x3e0, 0x1f, 0x8000);
        let table: [Masked<'_>; 10] = [
            ("24 bits", 40, 24, 0, vec![], &[1, 2, 3, 4, 5, 6, 0, 0], &[3, 2, 1, 6, 5, 4]),
            ("32 bits", 40, 32, 0, vec![], &[1, 2, 3, 9, 4, 5, 6, 9], &[3, 2, 1, 6, 5, 4]),
            ("15 bits", 40, 16, 0, vec![], &[0x1f, 0, 0, 0x7c], &[0, 0, 255, 255, 0, 0]),
            ("masks behind", 40, 16, 3, bytes(0xf800, 0x7e0, 0x1f, 0), &[0, 0xf8, 0xe0, 7], &[255, 0, 0, 0, 255, 0]),
            ("alpha behind", 40, 16, 6, a1r5g5b5.clone(), &[0x1f, 0x80, 0x1f, 0], &[0, 0, 255, 255, 0, 0, 255, 0]),
            ("masks of V3", 56, 16, 3, a1r5g5b5.clone(), &[0x1f, 0x80, 0x1f, 0], &[0, 0, 255, 255, 0, 0, 255, 0]),
            ("alpha without effect", 56, 16, 3, a1r5g5b5, &[0x1f, 0, 0, 0], &[0, 0, 255, 255, 0, 0, 0, 255]),
            (
                "alpha of V5 without masks",
                124,
                32,
                0,
                bytes(0, 0, 0, 0xff00_0000),
                &[1, 2, 3, 9, 4, 5, 6, 0],
                &[3, 2, 1, 9, 6, 5, 4, 0],
            ),
            (
                "ten bits",
                56,
                32,
                3,
                bytes(0x3ff, 0xf_fc00, 0x3ff0_0000, 0xc000_0000),
                &[0xff, 3, 0, 0x40, 0, 0xfe, 0xf7, 0xff],
                &[255, 0, 0, 85, 128, 127, 255, 255],
            ),
            ("no mask", 52, 32, 3, bytes(0xff, 0, 0, 0), &[1, 2, 3, 4, 5, 6, 7, 8], &[1, 0, 0, 5, 0, 0]),
        ];
        for (name, length, bits, compression, masks, pixels, expected) in table {
            let mut fields = info(2, 1, bits, compression);
            let in_header = length as usize > INFO_LEN;
            if in_header {
                fields.push((INFO_LEN, masks[..masks.len().min(length as usize - INFO_LEN)].to_vec()));
            }
            let behind = match compression {
                3 if !in_header => &masks[..12],
                6 => &masks[..],
                _ => &[],
            };
            assert_eq!(samples(&bitmap(length, &fields, behind, pixels)), expected, "{name}");
        }
    }

    #[test]
    fn runs_are_followed_as_far_as_they_go() {
        let greys = |bytes: &[u8]| -> (Vec<u8>, Option<Flaw>) {
            let decoded = decoded(bytes, None, 1.0).unwrap();
            (decoded.raster.samples().as_bytes().iter().step_by(3).copied().collect(), decoded.flaw)
        };
        let cut = Some(Flaw::CutShort);
        let table: [Code<'_>; 10] = [
            ("runs", 8, 1, 2, &[4, 1, 0, 0, 2, 2, 2, 3, 0, 1], [30, 30, 40, 40, 20, 20, 20, 20], None),
            ("from the top down", 8, 1, -2, &[4, 1, 0, 0, 4, 2, 0, 1], [20, 20, 20, 20, 30, 30, 30, 30], None),
            ("a list", 8, 1, 2, &[0, 3, 1, 2, 3, 0, 1, 1, 0, 1], [10, 10, 10, 10, 20, 30, 40, 20], None),
            ("a jump", 8, 1, 2, &[0, 2, 1, 1, 2, 2, 0, 1], [10, 30, 30, 10, 10, 10, 10, 10], None),
            ("beyond the edge", 8, 1, 2, &[200, 1, 0, 0, 0, 4, 2, 2, 2, 2], [30, 30, 30, 30, 20, 20, 20, 20], None),
            ("a jump out of it", 8, 1, 2, &[4, 1, 0, 2, 255, 255, 4, 2], [10, 10, 10, 10, 20, 20, 20, 20], None),
            ("no end", 8, 1, 2, &[4, 1], [10, 10, 10, 10, 20, 20, 20, 20], cut),
            ("a list without end", 8, 1, 2, &[0, 4, 1, 2], [10, 10, 10, 10, 20, 30, 10, 10], cut),
            ("nibbles", 4, 2, 2, &[4, 0x12, 0, 0, 0, 3, 0x31, 0x20, 0, 1], [40, 20, 30, 10, 20, 30, 20, 30], None),
            ("a list of nibbles", 4, 2, 2, &[0, 4, 0x12, 0x31, 0, 1], [10, 10, 10, 10, 20, 30, 40, 20], None),
        ];
        for (name, bits, compression, height, runs, expected, flaw) in table {
            let bytes = bitmap(40, &info(4, height, bits, compression), &GREYS, runs);
            assert_eq!(greys(&bytes), (expected.to_vec(), flaw), "{name}");
            for end in 0..bytes.len() {
                let _ = decoded(&bytes[..end], None, 1.0);
            }
        }
        let os2 = [2, 1, 2, 3, 0, 0, 0, 3, 4, 5, 6, 7, 8, 9, 1, 1, 1, 0, 0, 1];
        let bytes = bitmap(64, &info(3, 2, 24, 4), &[], &os2);
        assert_eq!(samples(&bytes), [6, 5, 4, 9, 8, 7, 1, 1, 1, 3, 2, 1, 3, 2, 1, 0, 0, 0]);
    }

    #[test]
    fn other_formats_may_stand_inside() {
        let pixels = Raster::new(8, 8, Channels::Rgb, Samples::U8(vec![100; 192])).unwrap();
        let options = crate::EncodeOptions { lossless: true, ..crate::EncodeOptions::DEFAULT };
        for (compression, format) in [(4, Format::Jpeg), (5, Format::Png)] {
            let encoder = super::super::encoder(format).unwrap();
            let inside = encoder.encode(&pixels, &options, Budget::UNLIMITED, &Cancellation::unbounded()).unwrap();
            let bytes = bitmap(40, &info(8, 8, 0, compression), &[], &inside);
            assert!(samples(&bytes).iter().all(|sample| *sample == 100), "{format}");
        }
    }

    #[test]
    fn a_part_may_be_had_and_a_smaller_picture() {
        let pixels: Vec<u8> = (0..64).flat_map(|i| [i, i, i, 255]).collect();
        let bytes = bitmap(40, &info(8, -8, 32, 0), &[], &pixels);
        let part = decoded(&bytes, Some(Area { x: 2.5, y: 6.0, width: 1.0, height: 1.0 }), 1.0).unwrap();
        assert_eq!(part.area, Area { x: 2.0, y: 6.0, width: 2.0, height: 1.0 });
        assert_eq!(part.raster.samples().as_bytes(), [50, 50, 50, 51, 51, 51]);
        let small = decoded(&bytes, None, 0.125).unwrap();
        assert_eq!((small.raster.width(), small.raster.samples().as_bytes()[0]), (2, 14));
        let cut = decoded(&bytes[..bytes.len() - 40], None, 1.0).unwrap();
        let shown = cut.raster.samples().as_bytes();
        assert_eq!((cut.flaw, shown[53 * 3], &shown[54 * 3..]), (Some(Flaw::CutShort), 53, [MISSING; 30].as_slice()));
    }

    #[test]
    fn claims_are_checked_before_they_cost_anything() {
        let table = [
            bitmap(40, &info(60_000, 60_000, 24, 0), &[], &[]),
            bitmap(40, &info(i32::MAX, i32::MIN, 32, 0), &[], &[]),
            bitmap(40, &info(1 << 30, 1, 8, 0), &[], &[]),
            // The encoded data alone could be decoded, but not into so many pixels.
            bitmap(40, &info(1024, 1024, 8, 1), &[], &[0, 1]),
            bitmap(40, &info(0, 1, 8, 0), &[], &[0]),
            bitmap(40, &info(-1, 1, 8, 0), &[], &[0]),
            bitmap(40, &info(1, 0, 8, 0), &[], &[0]),
            bitmap(40, &info(1, 1, 8, 2), &[], &[0, 1]),
            bitmap(40, &info(1, 1, 8, 3), &[0; 12], &[0]),
            bitmap(40, &info(2, 2, 24, 0), &[], &[]),
            file(14, &[], &[], &[]),
            b"BM".to_vec(),
        ];
        for bytes in table {
            let refused = decoded(&bytes, None, 1.0).map(|decoded| decoded.raster.width());
            assert!(matches!(refused, Err(Error::TooLarge { .. } | Error::Damaged { .. })), "{refused:?}");
        }
        for (bits, compression, reason) in [(64, 0, "64 bits"), (24, 12, "inks"), (24, 99, "compression 99")] {
            let refused = decoded(&bitmap(40, &info(1, 1, bits, compression), &[], &[0; 8]), None, 1.0).map(|_| ());
            assert!(matches!(&refused, Err(Error::Unsupported(text)) if text.contains(reason)), "{refused:?}");
        }
    }
}
