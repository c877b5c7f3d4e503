//! The scan writer: collects tokens, and writes them with optimized codes.

use super::bits::{BitWriter, Code};
use super::buffer::{Allowance, OutputBuffer};
use super::huffman::Codes;
use super::markers::{DHT, SOS, segment};
use super::tokens::{INDICES, TABLES, Token, bits_after};
use super::{Check, EncodeError, go_on};

/// The parameters of a scan (T.81 B.2.3).
#[derive(Debug, Clone, Copy)]
pub(super) struct Band<'a> {
    /// The indices of the components.
    pub(super) components: &'a [usize],
    /// The first and the last coefficient in zigzag order.
    pub(super) first: u8,
    pub(super) last: u8,
    /// The lowest bit of an earlier scan, or 0 if there was none.
    pub(super) before: u8,
    /// The lowest bit that is coded.
    pub(super) bit: u8,
}

/// The number of tokens that are written between two checks for cancellation.
const TOKENS_AT_ONCE: usize = 1 << 18;

/// The maximum size of a token in bytes: a code of 16 bits and 11 bits after it, with stuffed zeros.
const LONGEST: usize = 4;

/// An upper bound for the headers of a scan in bytes.
pub(super) const HEADERS: usize = 2 << 10;

/// The fixed memory of a [`ScanWriter`] in bytes: frequencies and codes.
pub(super) const FIXED: u64 = 16 * INDICES as u64;

/// Writes scans, one after the other.
pub(super) struct ScanWriter<'a> {
    /// The collected tokens.
    pub(super) tokens: Vec<Token>,
    /// The number of tokens that are counted in the frequencies.
    counted: usize,
    frequencies: Box<[u32; INDICES]>,
    /// The codes of all tokens, once they are chosen.
    codes: Option<Box<[Code; INDICES]>>,
    bits: BitWriter,
    most_tokens: usize,
    /// The memory limit for tokens and file together.
    allowance: Allowance,
    check: Check<'a>,
    out: &'a mut OutputBuffer,
}

impl<'a> ScanWriter<'a> {
    /// Chooses codes at the latest when a scan has more than `most_tokens`.
    pub(super) fn new(most_tokens: usize, allowance: Allowance, check: Check<'a>, out: &'a mut OutputBuffer) -> Self {
        Self {
            tokens: Vec::new(),
            counted: 0,
            frequencies: Box::new([0; INDICES]),
            codes: None,
            bits: BitWriter::default(),
            most_tokens,
            allowance,
            check,
            out,
        }
    }

    /// Reserves memory for as many tokens as the next row may have.
    pub(super) fn begin_row(&mut self, tokens: usize) -> Result<(), EncodeError> {
        let (length, capacity) = (self.tokens.len(), self.tokens.capacity());
        if capacity - length >= tokens {
            return Ok(());
        }
        // At most one row more than the limit is needed.
        let larger = (capacity + capacity / 2).min(self.most_tokens + tokens).max(length + tokens);
        let held = (capacity + larger) * size_of::<Token>() + self.out.capacity();
        self.allowance.check(held as u64)?;
        self.tokens.reserve_exact(larger - length);
        self.out.set_allowance(self.allowance.beside((self.tokens.capacity() * size_of::<Token>()) as u64)?);
        Ok(())
    }

    /// Processes the tokens that were added for a row of blocks or MCUs.
    pub(super) fn end_row(&mut self, band: &Band<'_>) -> Result<(), EncodeError> {
        go_on(self.check)?;
        if self.codes.is_none() {
            self.count();
            if self.tokens.len() > self.most_tokens {
                self.provide_for_all();
                self.choose_codes(band)?;
            }
        } else {
            self.out.reserve(self.tokens.len() * LONGEST)?;
        }
        self.write()
    }

    /// Writes the rest of a scan.
    pub(super) fn end_scan(&mut self, band: &Band<'_>) -> Result<(), EncodeError> {
        if self.codes.is_none() {
            self.count();
            self.choose_codes(band)?;
        } else {
            self.out.reserve(self.tokens.len() * LONGEST)?;
        }
        self.write()?;
        self.out.reserve(size_of::<u64>() * 2)?;
        std::mem::take(&mut self.bits).finish(self.out.bytes_mut());
        self.codes = None;
        self.counted = 0;
        self.frequencies.fill(0);
        Ok(())
    }

    fn count(&mut self) {
        for token in &self.tokens[self.counted..] {
            self.frequencies[token.index()] += 1;
        }
        self.counted = self.tokens.len();
    }

    /// Writes all tokens, if codes have been chosen.
    fn write(&mut self) -> Result<(), EncodeError> {
        let Some(codes) = &self.codes else { return Ok(()) };
        for tokens in self.tokens.chunks(TOKENS_AT_ONCE) {
            go_on(self.check)?;
            self.bits.write_tokens(tokens, codes, self.out.bytes_mut());
        }
        self.tokens.clear();
        Ok(())
    }

    /// Ensures that every possible symbol has a code.
    fn provide_for_all(&mut self) {
        for (table, frequencies) in self.frequencies.as_chunks_mut::<256>().0.iter_mut().enumerate() {
            let symbols = if table % 2 == 0 { 12 } else { 256 };
            if frequencies.iter().any(|&frequency| frequency > 0) {
                frequencies[..symbols].iter_mut().for_each(|frequency| *frequency += 1);
            }
        }
    }

    /// Chooses codes for the tokens and writes the headers.
    fn choose_codes(&mut self, band: &Band<'_>) -> Result<(), EncodeError> {
        let mut codes = Box::new([Code::default(); INDICES]);
        let mut tables = Vec::new();
        let mut length = 0;
        for (table, frequencies) in self.frequencies.as_chunks::<256>().0.iter().enumerate() {
            let Some(fitted) = Codes::fit(frequencies) else { continue };
            tables.push((((table % 2) << 4) | (table / 2)) as u8);
            tables.extend(fitted.counts);
            tables.extend(&fitted.symbols);
            for (symbol, bits, code_length) in fitted.codes() {
                let extra = bits_after(symbol);
                let code = Code { bits: bits << extra, length: code_length + extra };
                codes[table * 256 + usize::from(symbol)] = code;
                length += u64::from(code.length) * u64::from(frequencies[usize::from(symbol)]);
            }
        }
        for count in 0..=16 {
            codes[TABLES * 256 + count] = Code { bits: 0, length: count as u32 };
            length += count as u64 * u64::from(self.frequencies[TABLES * 256 + count]);
        }
        // One byte in 256 is 0xFF in data that is indistinguishable from noise.
        self.out.reserve(HEADERS + (length / 8 + length / 1024) as usize + 64)?;
        let out = self.out.bytes_mut();
        if !tables.is_empty() {
            segment(DHT, &tables, out);
        }
        let mut header = vec![band.components.len() as u8];
        for &component in band.components {
            let tables = component.min(1) as u8;
            header.extend([component as u8 + 1, tables << 4 | tables]);
        }
        header.extend([band.first, band.last, band.before << 4 | band.bit]);
        segment(SOS, &header, out);
        self.codes = Some(codes);
        Ok(())
    }
}
