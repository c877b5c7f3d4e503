//! What decoders read of the strips and tiles of a TIFF: no more than their rows take, whatever lengths the file gives.

use std::io::{Read, Seek};
use std::ops::Range;

use super::edits::Edit;
use super::jpeg;
use super::lzw::{Codes, Order};
use super::zlib::{self, Stream};
use crate::Error;
use image_origin_container::Input;

/// How the strips or tiles of a page are stored (TIFF 6.0, section 8).
pub(super) struct Storage {
    pub(super) compression: u64,
    /// Pixels of a row of a strip or tile, and bits of a pixel there.
    pub(super) width: u64,
    pub(super) bits: u64,
    /// How many pixels across and down share their chroma, where several do (section 21).
    pub(super) subsampling: Option<(u64, u64)>,
    /// Rows of a strip or tile, of the page, and strips or tiles in a row.
    pub(super) rows: u64,
    pub(super) height: u64,
    pub(super) across: u64,
    pub(super) is_tiled: bool,
    /// Whether the tables of JPEGs set an interval of restarts.
    pub(super) has_restarts: bool,
}

impl Storage {
    /// Strips or tiles of a plane.
    pub(super) fn count(&self) -> u64 {
        self.across.saturating_mul(self.height.div_ceil(self.rows.max(1)))
    }

    /// Bytes of so many rows of a strip or tile, once decompressed.
    fn bytes(&self, rows: u64) -> u64 {
        match self.subsampling {
            // Units of several lumas and one sample of each chroma.
            Some((across, down)) => {
                let units = self.width.div_ceil(across.max(1)).saturating_mul(rows.div_ceil(down.max(1)));
                units.saturating_mul(across * down + 2)
            }
            None => self.width.saturating_mul(self.bits).div_ceil(8).saturating_mul(rows),
        }
    }

    /// Bytes of strip or tile number `index`, without compression. The last strip is shorter.
    fn stored(&self, index: u64) -> u64 {
        let down = index % self.count().max(1) / self.across.max(1);
        let rows = self.height.saturating_sub(down.saturating_mul(self.rows));
        self.bytes(if self.is_tiled { self.rows } else { self.rows.min(rows) })
    }

    /// The part of strip or tile number `index` that is read, which stands at `range` if the file gives its length, and
    /// what becomes of it if it does not stay as it is.
    ///
    /// # Errors
    /// [`Error::Damaged`] where nothing tells the length.
    pub(super) fn used<R: Read + Seek>(
        &self,
        input: &mut Input<'_, R>,
        index: u64,
        range: Range<u64>,
        has_length: bool,
    ) -> Result<(Range<u64>, Option<Edit>), Error> {
        // Some writers fill up the last strip.
        let wanted = self.bytes(self.rows);
        let up_to = |len: u64| range.start..range.end.min(range.start.saturating_add(len));
        let used = match self.compression {
            1 => up_to(self.stored(index)),
            5 => up_to(input.up_to(range.end, |input| lzw(input, range.start, wanted))?),
            32_773 => up_to(input.up_to(range.end, |input| pack_bits(input, range.start, wanted))?),
            8 | 32_946 => match zlib::stream(input, std::slice::from_ref(&range), wanted)? {
                Stream::Bytes(len) => up_to(len),
                Stream::Damaged => range.clone(),
                Stream::Rewritten(_) => return Err(Error::Damaged("a strip or tile with more than its rows")),
            },
            7 => {
                return Ok(match jpeg::embedded(input, range.clone(), self.has_restarts)? {
                    Some((kept, end)) => (range.start..end, Some(Edit::Parts(kept))),
                    None => (range.start..range.start, None),
                });
            }
            _ if has_length => range.clone(),
            _ => return Err(Error::Damaged("a strip or tile of unknown length")),
        };
        Ok((used, None))
    }
}

/// Bytes of LZW data that give so many (section 13). The first code clears the table; if its bits are the low ones, the file
/// is one of the first writers'.
fn lzw<R: Read + Seek>(input: &mut Input<'_, R>, start: u64, wanted: u64) -> Result<u64, Error> {
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

/// Bytes of runs that give so many (section 9).
fn pack_bits<R: Read + Seek>(input: &mut Input<'_, R>, start: u64, wanted: u64) -> Result<u64, Error> {
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
