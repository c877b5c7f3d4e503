//! The decoding of blocks in each kind of scan (T.81 F.2.2 and Annex G).

use super::bits::Bits;
use super::coefficients::{Ac, AcBlock, Store};
use super::error::DecodeError;
use super::frame::Scan;
use super::huffman::{SkipTable, Table};
use super::scans::Coder;
use super::sequential::{read_ac, read_dc};
use super::tables::Tables;

/// A sequential scan: all coefficients of a block.
pub(super) struct Sequential {
    parts: Vec<SequentialPart>,
}

struct SequentialPart {
    dc: Table,
    ac: Table,
    skip: SkipTable,
    prediction: i32,
}

impl Sequential {
    pub(super) fn new(tables: &Tables, scan: &Scan) -> Result<Self, DecodeError> {
        let parts = scan.components.iter().map(|part| {
            let ac = tables.ac_table(part.ac_table)?;
            let dc = Table::new(&tables.dc_table(part.dc_table)?);
            Ok(SequentialPart { dc, ac: Table::new(&ac), skip: SkipTable::new(&ac), prediction: 0 })
        });
        Ok(Self { parts: parts.collect::<Result<_, _>>()? })
    }
}

impl Coder for Sequential {
    fn restart(&mut self) {
        self.parts.iter_mut().for_each(|part| part.prediction = 0);
    }

    #[inline(always)]
    fn decode(&mut self, bits: &mut Bits<'_>, part: usize, store: &mut Store, block: usize) {
        let part = &mut self.parts[part];
        store.dc[block] = read_dc(bits, &part.dc, &mut part.prediction) as i16;
        match &mut store.ac {
            Ac::Unused => part.skip.skip_block(bits, 0),
            Ac::Sums(sums, weights) => {
                let mut sums = (&mut sums[block], &**weights);
                read_ac(bits, &part.ac, |k, value| sums.put(k, value as i16));
            }
            Ac::Blocks(blocks) => {
                let mut block = &mut blocks[block];
                read_ac(bits, &part.ac, |k, value| block.put(k, value as i16));
            }
        }
    }
}

/// The first scan of the DC coefficients (T.81 G.1.2.1).
pub(super) struct DcFirst {
    parts: Vec<(Table, i32)>,
    low: u32,
}

impl DcFirst {
    pub(super) fn new(tables: &Tables, scan: &Scan) -> Result<Self, DecodeError> {
        let parts = scan.components.iter().map(|part| Ok((Table::new(&tables.dc_table(part.dc_table)?), 0)));
        Ok(Self { parts: parts.collect::<Result<_, _>>()?, low: scan.approximation.1 })
    }
}

impl Coder for DcFirst {
    fn restart(&mut self) {
        self.parts.iter_mut().for_each(|part| part.1 = 0);
    }

    #[inline(always)]
    fn decode(&mut self, bits: &mut Bits<'_>, part: usize, store: &mut Store, block: usize) {
        let (table, prediction) = &mut self.parts[part];
        store.dc[block] = (read_dc(bits, table, prediction) << self.low) as i16;
    }
}

/// A refinement scan of the DC coefficients.
pub(super) struct DcRefinement {
    low: u32,
}

impl DcRefinement {
    pub(super) const fn new(scan: &Scan) -> Self {
        Self { low: scan.approximation.1 }
    }
}

impl Coder for DcRefinement {
    fn restart(&mut self) {}

    #[inline(always)]
    fn decode(&mut self, bits: &mut Bits<'_>, _: usize, store: &mut Store, block: usize) {
        bits.refill();
        store.dc[block] |= (bits.take(1) << self.low) as i16;
    }
}

/// The first scan of a band of AC coefficients (T.81 G.1.2.2).
pub(super) struct AcFirst {
    table: Table,
    first: usize,
    last: usize,
    low: u32,
    /// The number of blocks, including this one, that end the band immediately.
    end_of_band_run: u32,
}

impl AcFirst {
    pub(super) fn new(tables: &Tables, scan: &Scan) -> Result<Self, DecodeError> {
        let table = Table::new(&tables.ac_table(scan.components[0].ac_table)?);
        let ((first, last), (_, low)) = (scan.spectral, scan.approximation);
        Ok(Self { table, first, last, low, end_of_band_run: 0 })
    }
}

impl Coder for AcFirst {
    fn restart(&mut self) {
        self.end_of_band_run = 0;
    }

    #[inline(always)]
    fn decode(&mut self, bits: &mut Bits<'_>, _: usize, store: &mut Store, block: usize) {
        if self.end_of_band_run > 0 {
            self.end_of_band_run -= 1;
            return;
        }
        let Some(history) = store.history.get_mut(block) else { return };
        *history |= match &mut store.ac {
            Ac::Unused => 0,
            Ac::Sums(sums, weights) => self.read(bits, (&mut sums[block], &**weights)),
            Ac::Blocks(blocks) => self.read(bits, &mut blocks[block]),
        };
    }
}

impl AcFirst {
    /// Reads the coefficients of a block up to an end of band; returns a mask of those that are nonzero.
    #[inline(always)]
    fn read(&mut self, bits: &mut Bits<'_>, mut block: impl AcBlock) -> u64 {
        let mut found = 0;
        let mut k = self.first;
        while k <= self.last {
            bits.refill();
            let (symbol, value) = self.table.read(bits);
            k += symbol.run();
            if symbol.size() > 0 {
                if k < 64 {
                    block.put(k, (value << self.low) as i16);
                    found |= 1 << k;
                }
            } else if symbol.run() < 15 {
                self.end_of_band_run = read_run(bits, symbol.run()) - 1;
                break;
            }
            k += 1;
        }
        found
    }
}

/// The length of an EOBn run, including this block (T.81 table G.1).
#[inline(always)]
fn read_run(bits: &mut Bits<'_>, n: usize) -> u32 {
    if n == 0 { 1 } else { (1 << n) + bits.take(n as u32) }
}

/// A refinement scan of a band of AC coefficients (T.81 G.1.2.3).
pub(super) struct AcRefinement {
    table: Table,
    /// The mask of the band's zigzag indices.
    band: u64,
    /// The bit, as the value of a new positive coefficient.
    bit: i16,
    /// The number of blocks, including this one, without new coefficients in the band.
    end_of_band_run: u32,
}

impl AcRefinement {
    pub(super) fn new(tables: &Tables, scan: &Scan) -> Result<Self, DecodeError> {
        let table = Table::new(&tables.ac_table(scan.components[0].ac_table)?);
        let ((first, last), (_, low)) = (scan.spectral, scan.approximation);
        let band = (u64::MAX >> (63 - last)) & (u64::MAX << first);
        Ok(Self { table, band, bit: 1 << low, end_of_band_run: 0 })
    }

    /// Reads the new coefficients and the correction bits of a block; returns the updated mask of nonzero coefficients.
    #[inline(always)]
    fn read(&mut self, bits: &mut Bits<'_>, history: u64, mut block: impl AcBlock) -> u64 {
        let mut added = 0;
        // The remaining indices of the band.
        let mut rest = self.band;
        while self.end_of_band_run == 0 && rest != 0 {
            bits.refill();
            let symbol = self.table.read_symbol(bits);
            if symbol.size() == 0 && symbol.run() < 15 {
                self.end_of_band_run = read_run(bits, symbol.run());
                break;
            }
            // The sign precedes the correction bits of the skipped coefficients.
            let is_positive = symbol.size() > 0 && bits.take(1) == 1;
            let mut zeros = rest & !history;
            for _ in 0..symbol.run() {
                zeros &= zeros.wrapping_sub(1);
            }
            // The index of the new coefficient is the lowest remaining one; after the band if there is none.
            let place = zeros & zeros.wrapping_neg();
            self.correct(bits, rest & history & place.wrapping_sub(1), &mut block);
            if symbol.size() > 0 && place != 0 {
                block.put(place.trailing_zeros() as usize, if is_positive { self.bit } else { -self.bit });
                added |= place;
            }
            rest &= !(place | place.wrapping_sub(1));
        }
        if self.end_of_band_run > 0 {
            self.end_of_band_run -= 1;
            self.correct(bits, rest & history, &mut block);
        }
        history | added
    }

    /// Reads a correction bit for each of `places`.
    #[inline(always)]
    fn correct(&self, bits: &mut Bits<'_>, mut places: u64, block: &mut impl AcBlock) {
        while places != 0 {
            bits.refill();
            let count = places.count_ones().min(16);
            let mut corrections = bits.take(count) << (32 - count);
            for _ in 0..count {
                if corrections >> 31 == 1 {
                    block.refine(places.trailing_zeros() as usize, self.bit);
                }
                corrections <<= 1;
                places &= places - 1;
            }
        }
    }
}

impl Coder for AcRefinement {
    fn restart(&mut self) {
        self.end_of_band_run = 0;
    }

    #[inline(always)]
    fn decode(&mut self, bits: &mut Bits<'_>, _: usize, store: &mut Store, block: usize) {
        let Some(&history) = store.history.get(block) else { return };
        if self.end_of_band_run > 0 && history & self.band == 0 {
            self.end_of_band_run -= 1;
            return;
        }
        store.history[block] = match &mut store.ac {
            Ac::Unused => return,
            Ac::Sums(sums, weights) => self.read(bits, history, (&mut sums[block], &**weights)),
            Ac::Blocks(blocks) => self.read(bits, history, &mut blocks[block]),
        };
    }
}
