//! What the kinds of scans do with a block (T.81 F.2.2 and Annex G).

use super::bits::Bits;
use super::error::Error;
use super::frame::Scan;
use super::huffman::{SkipTable, Table};
use super::scans::Coder;
use super::sequential::{read_ac, read_dc};
use super::tables::{Tables, ZIGZAG};

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
    pub(super) fn new(tables: &Tables, scan: &Scan) -> Result<Self, Error> {
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
    fn decode(&mut self, bits: &mut Bits<'_>, part: usize, block: &mut [i16]) {
        let part = &mut self.parts[part];
        block[0] = read_dc(bits, &part.dc, &mut part.prediction) as i16;
        match block.first_chunk_mut::<64>() {
            Some(block) => read_ac(bits, &part.ac, |k, value| block[position(k)] = value as i16),
            None => part.skip.skip_block(bits, 0),
        }
    }
}

/// The first scan of the DC coefficients (T.81 G.1.2.1).
pub(super) struct DcFirst {
    parts: Vec<(Table, i32)>,
    low: u32,
}

impl DcFirst {
    pub(super) fn new(tables: &Tables, scan: &Scan) -> Result<Self, Error> {
        let parts = scan.components.iter().map(|part| Ok((Table::new(&tables.dc_table(part.dc_table)?), 0)));
        Ok(Self { parts: parts.collect::<Result<_, _>>()?, low: scan.approximation.1 })
    }
}

impl Coder for DcFirst {
    fn restart(&mut self) {
        self.parts.iter_mut().for_each(|part| part.1 = 0);
    }

    #[inline(always)]
    fn decode(&mut self, bits: &mut Bits<'_>, part: usize, block: &mut [i16]) {
        let (table, prediction) = &mut self.parts[part];
        block[0] = (read_dc(bits, table, prediction) << self.low) as i16;
    }
}

/// One more bit of the DC coefficients.
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
    fn decode(&mut self, bits: &mut Bits<'_>, _: usize, block: &mut [i16]) {
        bits.refill();
        block[0] |= (bits.take(1) << self.low) as i16;
    }
}

/// The first scan of a band of AC coefficients (T.81 G.1.2.2).
pub(super) struct AcFirst {
    table: Table,
    first: usize,
    last: usize,
    low: u32,
    /// Blocks, this one included, that have nothing in the band.
    end_of_band_run: u32,
}

impl AcFirst {
    pub(super) fn new(tables: &Tables, scan: &Scan) -> Result<Self, Error> {
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
    fn decode(&mut self, bits: &mut Bits<'_>, _: usize, block: &mut [i16]) {
        if self.end_of_band_run > 0 {
            self.end_of_band_run -= 1;
            return;
        }
        let Some(block) = block.first_chunk_mut::<64>() else { return };
        let mut k = self.first;
        while k <= self.last {
            bits.refill();
            let (symbol, value) = self.table.read(bits);
            k += symbol.run();
            if symbol.size() > 0 {
                if k < 64 {
                    block[position(k)] = (value << self.low) as i16;
                }
            } else if symbol.run() < 15 {
                self.end_of_band_run = read_run(bits, symbol.run()) - 1;
                return;
            }
            k += 1;
        }
    }
}

/// The number of blocks of an EOBn code, this one included (T.81 table G.1).
#[inline(always)]
fn read_run(bits: &mut Bits<'_>, n: usize) -> u32 {
    if n == 0 { 1 } else { (1 << n) + bits.take(n as u32) }
}

/// One more bit of a band of AC coefficients (T.81 G.1.2.3).
pub(super) struct AcRefinement {
    table: Table,
    first: usize,
    last: usize,
    /// The bit, as the value of a new positive coefficient.
    bit: i16,
    /// Blocks, this one included, that have no new coefficients in the band.
    end_of_band_run: u32,
}

impl AcRefinement {
    pub(super) fn new(tables: &Tables, scan: &Scan) -> Result<Self, Error> {
        let table = Table::new(&tables.ac_table(scan.components[0].ac_table)?);
        let ((first, last), (_, low)) = (scan.spectral, scan.approximation);
        Ok(Self { table, first, last, bit: 1 << low, end_of_band_run: 0 })
    }

    /// Refines the coefficients from `k` on that have a history, until `zeros` of those without one have been passed and
    /// another is met. Returns the place of that.
    #[inline(always)]
    fn refine(&self, bits: &mut Bits<'_>, block: &mut [i16; 64], mut k: usize, mut zeros: usize) -> usize {
        while k <= self.last {
            let coefficient = &mut block[position(k)];
            if *coefficient != 0 {
                bits.refill();
                if bits.take(1) == 1 && *coefficient & self.bit == 0 {
                    *coefficient = coefficient.wrapping_add(self.bit * coefficient.signum());
                }
            } else if zeros == 0 {
                break;
            } else {
                zeros -= 1;
            }
            k += 1;
        }
        k
    }
}

impl Coder for AcRefinement {
    fn restart(&mut self) {
        self.end_of_band_run = 0;
    }

    #[inline(always)]
    fn decode(&mut self, bits: &mut Bits<'_>, _: usize, block: &mut [i16]) {
        let Some(block) = block.first_chunk_mut::<64>() else { return };
        let mut k = self.first;
        while self.end_of_band_run == 0 && k <= self.last {
            bits.refill();
            let symbol = self.table.read_symbol(bits);
            if symbol.size() == 0 && symbol.run() < 15 {
                self.end_of_band_run = read_run(bits, symbol.run());
                break;
            }
            // The sign comes before the correction bits of the coefficients that are passed.
            let new = match symbol.size() {
                0 => 0,
                _ if bits.take(1) == 1 => self.bit,
                _ => -self.bit,
            };
            k = self.refine(bits, block, k, symbol.run());
            if k <= self.last {
                block[position(k)] = new;
            }
            k += 1;
        }
        if self.end_of_band_run > 0 {
            self.refine(bits, block, k, 64);
            self.end_of_band_run -= 1;
        }
    }
}

/// The natural position of a place in zigzag order.
#[inline(always)]
fn position(k: usize) -> usize {
    usize::from(ZIGZAG[k & 63] & 63)
}
