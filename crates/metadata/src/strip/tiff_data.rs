//! The data of strips and tiles of a TIFF that decoders read: no more than their rows need, whatever lengths the file
//! contains.

use std::ops::Range;

use super::edits::Edit;
use super::jpeg;
use super::lzw::{Codes, Order};
use super::zlib::{self, Stream};
use crate::Error;
use image_origin_container::Input;
use image_origin_container::fax::{Fax, Scheme};

/// The strips or tiles that a page is divided into (TIFF 6.0, sections 8 and 15).
pub(super) struct Grid {
    /// The width of a strip or tile in pixels, and its rows.
    pub(super) width: u64,
    pub(super) rows: u64,
    /// The rows of the page, and the number of strips or tiles in a row.
    pub(super) height: u64,
    pub(super) across: u64,
    pub(super) is_tiled: bool,
}

impl Grid {
    /// The number of strips or tiles of a plane.
    pub(super) fn count(&self) -> u64 {
        self.across.saturating_mul(self.height.div_ceil(self.rows.max(1)))
    }

    /// The number of rows in strip or tile `index`. The last strip may be shorter.
    fn rows_of(&self, index: u64) -> u64 {
        let down = index % self.count().max(1) / self.across.max(1);
        let rows = self.height.saturating_sub(down.saturating_mul(self.rows));
        if self.is_tiled { self.rows } else { self.rows.min(rows) }
    }
}

/// The storage layout of the strips or tiles of a page.
pub(super) struct Storage {
    pub(super) grid: Grid,
    pub(super) compression: u64,
    /// The bits per pixel in a strip or tile.
    pub(super) bits: u64,
    /// The horizontal and vertical chroma subsampling, if there is any (section 21).
    pub(super) subsampling: Option<(u64, u64)>,
    /// Of fax data, whether the lowest bit of a byte comes first (`FillOrder`), and whether rows may be coded by their
    /// differences (`T4Options`).
    pub(super) is_low_first: bool,
    pub(super) is_two_dimensional: bool,
    /// Whether the shared JPEG tables define a restart interval.
    pub(super) has_restarts: bool,
}

impl Storage {
    /// The uncompressed size of this many rows of a strip or tile in bytes.
    fn bytes(&self, rows: u64) -> u64 {
        match self.subsampling {
            // Units of several luma samples and one sample of each chroma component.
            Some((across, down)) => {
                let units = self.grid.width.div_ceil(across.max(1)).saturating_mul(rows.div_ceil(down.max(1)));
                units.saturating_mul(across * down + 2)
            }
            None => self.grid.width.saturating_mul(self.bits).div_ceil(8).saturating_mul(rows),
        }
    }

    /// The size of strip or tile `index` in bytes if it is not compressed.
    fn stored(&self, index: u64) -> u64 {
        self.bytes(self.grid.rows_of(index))
    }

    /// Where the fax data of strip or tile `index` ends; `None` if a row is damaged or the data is too long to be followed.
    fn fax_end(&self, input: &mut Input<'_>, index: u64, range: &Range<u64>) -> Result<Option<u64>, Error> {
        let scheme = match self.compression {
            2 => Scheme::Runs(8),
            3 => Scheme::Group3 { two_dimensional: self.is_two_dimensional },
            4 => Scheme::Group4,
            _ => Scheme::Runs(16),
        };
        let len = range.end.min(input.len()).saturating_sub(range.start);
        let width = u32::try_from(self.grid.width).ok().filter(|width| *width > 0 && len <= MAX_FAX && self.bits == 1);
        let Some(width) = width else { return Ok(None) };
        input.meter().hold(Fax::memory(width))?;
        let mut data = input.copy(range.clone(), MAX_FAX as usize)?;
        if self.is_low_first {
            data.iter_mut().for_each(|byte| *byte = byte.reverse_bits());
        }
        let mut fax = Fax::new(&data, scheme, width);
        for _ in 0..self.grid.rows_of(index) {
            let before = fax.position();
            if fax.next_row().is_none() {
                return Ok(None);
            }
            input.meter().steps(1 + (fax.position() - before) as u64)?;
        }
        Ok(Some(range.start + fax.consumed() as u64))
    }

    /// The part of strip or tile `index` that is read, which is stored at `range` if the file contains its length, or starts there,
    /// and its edit if it does not stay unchanged.
    ///
    /// # Errors
    /// [`Error::Damaged`] if the length cannot be determined.
    pub(super) fn used(
        &self,
        input: &mut Input<'_>,
        index: u64,
        range: Range<u64>,
        has_length: bool,
    ) -> Result<(Range<u64>, Option<Edit>), Error> {
        // Some writers pad the last strip.
        let wanted = if has_length { self.bytes(self.grid.rows) } else { self.stored(index) };
        let up_to = |len: u64| range.start..range.end.min(range.start.saturating_add(len));
        let used = match self.compression {
            1 => up_to(self.stored(index)),
            5 => up_to(input.up_to(range.end, |input| lzw(input, range.start, wanted))?),
            32_773 => up_to(input.up_to(range.end, |input| pack_bits(input, range.start, wanted))?),
            2..=4 | 32_771 => match self.fax_end(input, index, &range)? {
                Some(end) => range.start..end,
                None if has_length => range.clone(),
                None => return Err(Error::Damaged("a strip or tile of unknown length")),
            },
            8 | 32_946 => match zlib::stream(input, std::slice::from_ref(&range), wanted)? {
                Stream::Bytes(len) => up_to(len),
                Stream::Damaged if has_length => range.clone(),
                Stream::Damaged => return Err(Error::Damaged("a strip or tile of unknown length")),
                Stream::Rewritten(_) => return Err(Error::Damaged("a strip or tile with more than its rows")),
            },
            7 => {
                return match jpeg::embedded(input, range.clone(), self.has_restarts)? {
                    Some(image) if has_length => Ok((range.start..image.end, Some(Edit::Parts(image.kept)))),
                    // The file need not keep a length that it does not tell.
                    Some(image) if image.is_complete => {
                        Ok((range.start..range.start + image.kept.len(), Some(Edit::Parts(image.kept))))
                    }
                    Some(_) => Err(Error::Damaged("a strip or tile of unknown length")),
                    None => Ok((range.start..range.start, None)),
                };
            }
            _ if has_length => range.clone(),
            _ => return Err(Error::Damaged("a strip or tile of unknown length")),
        };
        Ok((used, None))
    }
}

/// The longest fax data of a strip or tile that is followed to its end.
const MAX_FAX: u64 = 4 << 20;

/// The length of the LZW data that yields this many bytes (section 13). The first code is a clear code; if it is stored
/// with the least significant bits first, the file is from an early writer.
fn lzw(input: &mut Input<'_>, start: u64, wanted: u64) -> Result<u64, Error> {
    let order = match input.array::<2>(start)? {
        Some([0, second]) if second & 1 == 1 => Order::LowFirst,
        _ => Order::HighFirst,
    };
    let mut codes = Codes::new(order, 8, wanted);
    let mut at = start;
    loop {
        let bytes = input.stream(at)?;
        if bytes.is_empty() {
            return Ok(at - start);
        }
        let (len, end) = (bytes.len() as u64, codes.take(bytes));
        input.meter().steps(len)?;
        if let Some(needed) = end {
            return Ok(at + needed as u64 - start);
        }
        at += len;
    }
}

/// The length of the PackBits data that yields this many bytes (section 9).
fn pack_bits(input: &mut Input<'_>, start: u64, wanted: u64) -> Result<u64, Error> {
    let (mut at, mut given) = (start, 0_u64);
    while given < wanted {
        let Some([count]) = input.array::<1>(at)? else { break };
        let (len, values) = match count {
            0x80 => (1, 0),
            0..=0x7f => (2 + u64::from(count), u64::from(count) + 1),
            _ => (2, 257 - u64::from(count)),
        };
        at += len;
        given += values;
    }
    Ok(at.min(input.len()) - start)
}
