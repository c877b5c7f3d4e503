//! Bilevel rows as fax machines send them: ITU-T T.4 in one and in two dimensions, T.6, and TIFF's form without marks
//! between rows (TIFF 6.0, sections 10 and 11).
//!
//! Compressed bytes come in; rows of bits go out, a set bit for black. Whatever the bytes say, a row holds two lists of at
//! most as many changes of colour as it has pixels. Codes that do not exist end the data, but for T.4, whose next row is
//! looked for.

use std::io::Read;

/// How rows are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Runs of one row, which begins at a whole number of so many bits (compressions 2 and 32771).
    Runs(usize),
    /// T.4 (compression 3): marks between the rows, which differ from the row above where that is switched on.
    Group3 {
        /// Whether rows may be coded by their differences to the row above.
        two_dimensional: bool,
    },
    /// T.6 (compression 4): each row differs from the one above, and nothing stands between them.
    Group4,
}

/// The rows of a strip or tile.
#[derive(Debug)]
pub struct Fax<'a> {
    bits: Bits<'a>,
    scheme: Scheme,
    width: u32,
    /// Where the colour changes in the row above and in this one, beginning with white; never beyond `width`.
    above: Vec<u32>,
    changes: Vec<u32>,
    row: Vec<u8>,
    /// Bytes of the row that have been given out.
    given: usize,
}

/// A code that is none, or the end of the data.
struct NoCode;

impl<'a> Fax<'a> {
    /// Rows of this width in pixels.
    pub fn new(data: &'a [u8], scheme: Scheme, width: u32) -> Self {
        let row = vec![0; width.div_ceil(8) as usize];
        Self {
            bits: Bits { data, at: 0 },
            scheme,
            width,
            above: Vec::new(),
            changes: Vec::new(),
            given: row.len(),
            row,
        }
    }

    /// Bytes that are held for rows of this width.
    pub fn memory(width: u32) -> u64 {
        // A vector that grows holds up to three times what is in it, and one that has grown up to twice.
        u64::from(width) * 4 * (3 + 2) + u64::from(width / 8)
    }

    /// The number of bytes that the rows so far were read from.
    pub const fn position(&self) -> usize {
        self.bits.at / 8
    }

    /// The number of bytes that the rows so far were read from, with the marks that end the page.
    pub fn consumed(&self) -> usize {
        /// The marks at the end of a page: as many follow each other (T.4, section 4.1.4; T.6, section 2.4.1.1).
        const MARKS_AT_END: usize = 6;
        let mut bits = self.bits;
        let mut end = bits.at;
        for _ in 0..MARKS_AT_END {
            // Nothing but zeros and the one that ends them. In front of the first mark, zeros may fill up a byte.
            let start = bits.at;
            bits.skip_zeros();
            if bits.is_at_end() || bits.at - start < MARK_ZEROS as usize || bits.at - start > MARK_ZEROS as usize + 8 {
                break;
            }
            bits.at += 1;
            if matches!(self.scheme, Scheme::Group3 { two_dimensional: true }) {
                bits.at += 1;
            }
            end = bits.at;
        }
        end.div_ceil(8).min(self.bits.data.len())
    }

    /// Reads the changes of the next row; `None` at the end of the data.
    pub fn next_row(&mut self) -> Option<()> {
        std::mem::swap(&mut self.above, &mut self.changes);
        self.changes.clear();
        match self.scheme {
            Scheme::Runs(alignment) => {
                self.bits.at = self.bits.at.next_multiple_of(alignment);
                self.runs().ok()
            }
            Scheme::Group4 => self.differences().ok(),
            Scheme::Group3 { two_dimensional } => {
                let in_runs = self.pass_mark(two_dimensional)?;
                if (if in_runs { self.runs() } else { self.differences() }).is_err() {
                    // What has been read of the row stays.
                    self.bits.skip_to_mark();
                }
                Some(())
            }
        }
    }

    /// Passes the marks in front of a row (T.4, section 4.1.2), if there are any, and says whether it is coded in runs.
    /// `None` at the end of the page, which is marked by several of them.
    fn pass_mark(&mut self, two_dimensional: bool) -> Option<bool> {
        if self.bits.is_at_end() {
            return None;
        }
        let mut in_runs = true;
        for passed in 0.. {
            if self.bits.peek(MARK_ZEROS) != 0 {
                break;
            }
            self.bits.skip_zeros();
            if passed > 0 || self.bits.consume(1).is_err() {
                return None;
            }
            if two_dimensional {
                in_runs = self.bits.peek(1) == 1;
                self.bits.consume(1).ok()?;
            }
        }
        Some(in_runs)
    }

    /// A row of white and black runs in turn (T.4, section 4.1).
    fn runs(&mut self) -> Result<(), NoCode> {
        let (mut at, mut black) = (0, false);
        while at < self.width {
            at = self.bits.run(black)?.saturating_add(at).min(self.width);
            self.change(at)?;
            black = !black;
        }
        Ok(())
    }

    /// A row by its differences to the one above (T.4, section 4.2, whose names these are; T.6, section 2.2).
    fn differences(&mut self) -> Result<(), NoCode> {
        let (mut a0, mut black, mut index) = (0, false, 0);
        let mut is_start = true;
        while a0 < self.width {
            let above = |index: usize| self.above.get(index).copied().unwrap_or(self.width);
            // The first change above and to the right of a0 that is one from the current colour; at the start of a row, a0
            // lies left of the first pixel.
            while above(index) <= a0 && !is_start && index < self.above.len() {
                index += 2;
            }
            let (b1, b2) = (above(index), above(index + 1));
            is_start = false;
            match self.bits.mode()? {
                Mode::Pass => a0 = b2,
                Mode::Horizontal => {
                    for black in [black, !black] {
                        a0 = self.bits.run(black)?.saturating_add(a0).min(self.width);
                        self.change(a0)?;
                    }
                }
                Mode::Vertical(distance) => {
                    let a1 = b1.checked_add_signed(distance).filter(|a1| *a1 >= a0).ok_or(NoCode)?;
                    a0 = a1.min(self.width);
                    self.change(a0)?;
                    black = !black;
                    // The change before b1 is one of the other colour, and may still lie to the right.
                    index = if index > 0 { index - 1 } else { index + 1 };
                }
            }
        }
        Ok(())
    }

    fn change(&mut self, at: u32) -> Result<(), NoCode> {
        // Runs of no pixels, which codes may have without end, are of use at the start of a row only.
        if self.changes.len() > self.width as usize {
            return Err(NoCode);
        }
        self.changes.push(at);
        Ok(())
    }

    fn paint(&mut self) {
        self.row.fill(0);
        for black in self.changes.chunks(2) {
            let end = black.get(1).copied().unwrap_or(self.width);
            set(&mut self.row, black[0] as usize, end as usize);
        }
    }
}

/// Sets the bits from `start` to before `end`.
fn set(row: &mut [u8], start: usize, end: usize) {
    if start >= end {
        return;
    }
    let (first, last) = (start / 8, (end - 1) / 8);
    let (head, tail) = (0xff >> (start % 8), 0xff << (7 - (end - 1) % 8));
    if first == last {
        row[first] |= head & tail;
    } else {
        row[first] |= head;
        row[first + 1..last].fill(0xff);
        row[last] |= tail;
    }
}

impl Read for Fax<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.given == self.row.len() {
            if self.next_row().is_none() {
                return Ok(0);
            }
            self.paint();
            self.given = 0;
        }
        let read = (&self.row[self.given..]).read(out)?;
        self.given += read;
        Ok(read)
    }
}

/// What a code of two dimensions stands for.
enum Mode {
    Pass,
    Horizontal,
    Vertical(i32),
}

/// Zeros of a mark between rows; a one follows.
const MARK_ZEROS: u32 = 11;
/// The bits through which the next mark is looked for.
const LOST: usize = 1 << 16;

/// Bits of the longest code.
const LONGEST: u32 = 13;

/// Bits from the highest of each byte to the lowest. Zeros follow on the end.
#[derive(Debug, Clone, Copy)]
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// The next `count` bits, 16 at most.
    fn peek(&self, count: u32) -> u32 {
        let rest = self.data.get(self.at / 8..).unwrap_or_default();
        let word = match rest.first_chunk() {
            Some(word) => u32::from_be_bytes(*word),
            None => rest.iter().zip([24, 16, 8, 0]).fold(0, |word, (byte, shift)| word | u32::from(*byte) << shift),
        };
        (word << (self.at % 8)) >> (32 - count)
    }

    fn consume(&mut self, count: usize) -> Result<(), NoCode> {
        self.at += count;
        if self.at > self.data.len() * 8 { Err(NoCode) } else { Ok(()) }
    }

    fn is_at_end(&self) -> bool {
        self.at >= self.data.len() * 8
    }

    fn skip_zeros(&mut self) {
        while !self.is_at_end() {
            match self.peek(16) {
                0 => self.at += 16,
                bits => return self.at += (bits << 16).leading_zeros() as usize,
            }
        }
    }

    fn skip_to_mark(&mut self) {
        let end = self.at.saturating_add(LOST).min(self.data.len() * 8);
        while self.at < end && self.peek(MARK_ZEROS) != 0 {
            self.at += 1;
        }
    }

    /// The length of a run, which is made of codes down to the first below 64.
    fn run(&mut self, black: bool) -> Result<u32, NoCode> {
        let table = if black { &BLACK_RUNS } else { &WHITE_RUNS };
        let mut total = 0u32;
        loop {
            let (length, run) = table[self.peek(LONGEST) as usize];
            if length == 0 {
                return Err(NoCode);
            }
            self.consume(length.into())?;
            total = total.saturating_add(run.into());
            if run < 64 {
                return Ok(total);
            }
        }
    }

    /// T.4, table 4.
    fn mode(&mut self) -> Result<Mode, NoCode> {
        let (length, mode) = match self.peek(7) {
            0x40.. => (1, Mode::Vertical(0)),
            0x30.. => (3, Mode::Vertical(1)),
            0x20.. => (3, Mode::Vertical(-1)),
            0x10.. => (3, Mode::Horizontal),
            0x08.. => (4, Mode::Pass),
            0x06.. => (6, Mode::Vertical(2)),
            0x04.. => (6, Mode::Vertical(-2)),
            0x03 => (7, Mode::Vertical(3)),
            0x02 => (7, Mode::Vertical(-3)),
            _ => return Err(NoCode),
        };
        self.consume(length).map(|()| mode)
    }
}

/// For each value of the next bits, the length of the code that they begin with, 0 if there is none, and its run.
type Runs = [(u8, u16); 1 << LONGEST];

static WHITE_RUNS: Runs = runs(&WHITE);
static BLACK_RUNS: Runs = runs(&BLACK);

const fn runs(codes: &[(u8, u16); 91]) -> Runs {
    let mut runs = [(0, 0); 1 << LONGEST];
    let mut index = 0;
    while index < codes.len() + LONG.len() {
        let (length, code) = if index < codes.len() { codes[index] } else { LONG[index - codes.len()] };
        let run = if index < 64 { index } else { (index - 63) * 64 };
        let free = LONGEST - length as u32;
        let first = (code as usize) << free;
        let mut bits = 0;
        while bits < 1 << free {
            runs[first + bits] = (length, run as u16);
            bits += 1;
        }
        index += 1;
    }
    runs
}

/// Codes of white runs: of 0 to 63 pixels, then of 64, 128 and so on to 1728 (T.4, tables 2 and 3a).
#[rustfmt::skip]
const WHITE: [(u8, u16); 91] = [
    (8, 0x35), (6, 0x07), (4, 0x07), (4, 0x08), (4, 0x0b), (4, 0x0c), (4, 0x0e), (4, 0x0f), (5, 0x13), (5, 0x14),
    (5, 0x07), (5, 0x08), (6, 0x08), (6, 0x03), (6, 0x34), (6, 0x35), (6, 0x2a), (6, 0x2b), (7, 0x27), (7, 0x0c),
    (7, 0x08), (7, 0x17), (7, 0x03), (7, 0x04), (7, 0x28), (7, 0x2b), (7, 0x13), (7, 0x24), (7, 0x18), (8, 0x02),
    (8, 0x03), (8, 0x1a), (8, 0x1b), (8, 0x12), (8, 0x13), (8, 0x14), (8, 0x15), (8, 0x16), (8, 0x17), (8, 0x28),
    (8, 0x29), (8, 0x2a), (8, 0x2b), (8, 0x2c), (8, 0x2d), (8, 0x04), (8, 0x05), (8, 0x0a), (8, 0x0b), (8, 0x52),
    (8, 0x53), (8, 0x54), (8, 0x55), (8, 0x24), (8, 0x25), (8, 0x58), (8, 0x59), (8, 0x5a), (8, 0x5b), (8, 0x4a),
    (8, 0x4b), (8, 0x32), (8, 0x33), (8, 0x34), (5, 0x1b), (5, 0x12), (6, 0x17), (7, 0x37), (8, 0x36), (8, 0x37),
    (8, 0x64), (8, 0x65), (8, 0x68), (8, 0x67), (9, 0xcc), (9, 0xcd), (9, 0xd2), (9, 0xd3), (9, 0xd4), (9, 0xd5),
    (9, 0xd6), (9, 0xd7), (9, 0xd8), (9, 0xd9), (9, 0xda), (9, 0xdb), (9, 0x98), (9, 0x99), (9, 0x9a), (6, 0x18),
    (9, 0x9b),
];

/// Codes of black runs of the same lengths.
#[rustfmt::skip]
const BLACK: [(u8, u16); 91] = [
    (10, 0x37), (3, 0x02), (2, 0x03), (2, 0x02), (3, 0x03), (4, 0x03), (4, 0x02), (5, 0x03), (6, 0x05), (6, 0x04),
    (7, 0x04), (7, 0x05), (7, 0x07), (8, 0x04), (8, 0x07), (9, 0x18), (10, 0x17), (10, 0x18), (10, 0x08), (11, 0x67),
    (11, 0x68), (11, 0x6c), (11, 0x37), (11, 0x28), (11, 0x17), (11, 0x18), (12, 0xca), (12, 0xcb), (12, 0xcc),
    (12, 0xcd), (12, 0x68), (12, 0x69), (12, 0x6a), (12, 0x6b), (12, 0xd2), (12, 0xd3), (12, 0xd4), (12, 0xd5),
    (12, 0xd6), (12, 0xd7), (12, 0x6c), (12, 0x6d), (12, 0xda), (12, 0xdb), (12, 0x54), (12, 0x55), (12, 0x56),
    (12, 0x57), (12, 0x64), (12, 0x65), (12, 0x52), (12, 0x53), (12, 0x24), (12, 0x37), (12, 0x38), (12, 0x27),
    (12, 0x28), (12, 0x58), (12, 0x59), (12, 0x2b), (12, 0x2c), (12, 0x5a), (12, 0x66), (12, 0x67), (10, 0x0f),
    (12, 0xc8), (12, 0xc9), (12, 0x5b), (12, 0x33), (12, 0x34), (12, 0x35), (13, 0x6c), (13, 0x6d), (13, 0x4a),
    (13, 0x4b), (13, 0x4c), (13, 0x4d), (13, 0x72), (13, 0x73), (13, 0x74), (13, 0x75), (13, 0x76), (13, 0x77),
    (13, 0x52), (13, 0x53), (13, 0x54), (13, 0x55), (13, 0x5a), (13, 0x5b), (13, 0x64), (13, 0x65),
];

/// Codes of runs of 1792, 1856 and so on to 2560 pixels, of either colour (T.4, table 3b).
#[rustfmt::skip]
const LONG: [(u8, u16); 13] = [
    (11, 0x08), (11, 0x0c), (11, 0x0d), (12, 0x12), (12, 0x13), (12, 0x14), (12, 0x15), (12, 0x16), (12, 0x17),
    (12, 0x1c), (12, 0x1d), (12, 0x1e), (12, 0x1f),
];

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: u32 = 70;
    const ROWS: [[u8; 9]; 6] = [
        [224, 48, 0, 0, 0, 0, 0, 0, 4],
        [120, 48, 0, 0, 0, 0, 0, 0, 0],
        [255, 255, 255, 255, 255, 255, 255, 255, 252],
        [0, 0, 0, 3, 255, 0, 0, 0, 0],
        [0, 0, 0, 15, 255, 192, 0, 0, 60],
        [0, 0, 0, 1, 254, 0, 32, 0, 0],
    ];
    const ONE: Scheme = Scheme::Group3 { two_dimensional: false };
    const TWO: Scheme = Scheme::Group3 { two_dimensional: true };

    /// What libtiff 4.5 made of these rows.
    #[rustfmt::skip]
    const CODED: [(Scheme, &[u8]); 6] = [
        (Scheme::Group4, &[0x26, 0xb1, 0xfd, 0x58, 0x7b, 0x42, 0x40, 0xb0, 0xd4, 0x81, 0x84, 0x84, 0x19, 0x50, 0xc1, 0x82,
            0x28, 0x44, 0x60, 0x6e, 0x00, 0x20, 0x02]),
        (ONE, &[0x00, 0x13, 0x5b, 0xf5, 0xa4, 0x00, 0x23, 0xbc, 0xd6, 0xc0, 0x04, 0xd4, 0x0f, 0x20, 0x01, 0x03, 0x08, 0x06,
            0x00, 0x26, 0x01, 0xd4, 0x30, 0x01, 0x1a, 0x15, 0x08, 0x60]),
        (TWO, &[0x00, 0x19, 0xad, 0xfa, 0xd2, 0x00, 0x13, 0x0f, 0x60, 0x03, 0x35, 0x03, 0xc8, 0x00, 0x44, 0x0c, 0x24, 0x00,
            0x66, 0x01, 0xd4, 0x30, 0x01, 0x03, 0x04, 0x50, 0x88, 0xc0, 0xdc]),
        // Marks that end with a byte.
        (ONE, &[0x00, 0x01, 0x35, 0xbf, 0x5a, 0x40, 0x01, 0x1d, 0xe6, 0xb6, 0x00, 0x01, 0x35, 0x03, 0xc8, 0x00, 0x01, 0x03,
            0x08, 0x06, 0x00, 0x01, 0x30, 0x0e, 0xa1, 0x80, 0x01, 0x1a, 0x15, 0x08, 0x60]),
        (TWO, &[0x00, 0x01, 0x9a, 0xdf, 0xad, 0x20, 0x01, 0x30, 0xf6, 0x00, 0x01, 0x9a, 0x81, 0xe4, 0x00, 0x01, 0x10, 0x30,
            0x90, 0x01, 0x98, 0x07, 0x50, 0xc0, 0x01, 0x03, 0x04, 0x50, 0x88, 0xc0, 0xdc]),
        (Scheme::Runs(8), &[0x35, 0xbf, 0x5a, 0x40, 0x1d, 0xe6, 0xb6, 0x35, 0x03, 0xc8, 0x03, 0x08, 0x06, 0x30, 0x0e, 0xa1,
            0x80, 0x1a, 0x15, 0x08, 0x60]),
    ];

    /// All rows, as many as there are up to a limit.
    fn decoded(data: &[u8], scheme: Scheme, width: u32) -> Vec<u8> {
        let mut rows = Vec::new();
        Fax::new(data, scheme, width).take(1 << 12).read_to_end(&mut rows).unwrap();
        rows
    }

    #[test]
    fn every_scheme_gives_the_same_rows() {
        for (scheme, data) in CODED {
            assert_eq!(decoded(data, scheme, WIDTH)[..54], ROWS.concat(), "{scheme:?}");
        }
        // Codes of two bytes' alignment.
        let padded: Vec<u8> = [[0x35, 0xbf, 0x5a, 0x40], [0x1d, 0xe6, 0xb6, 0]].concat();
        assert_eq!(decoded(&padded, Scheme::Runs(16), WIDTH), ROWS[..2].concat());
    }

    #[test]
    fn rows_end_where_their_codes_do() {
        for (scheme, data) in CODED {
            for tail in [&[][..], &[0xff, 0, 0x12], &[0; 9]] {
                let file = [data, tail].concat();
                let mut fax = Fax::new(&file, scheme, WIDTH);
                for row in 0..ROWS.len() {
                    fax.next_row().unwrap_or_else(|| panic!("{scheme:?}, row {row}"));
                }
                assert_eq!(fax.consumed(), data.len(), "{scheme:?}, {tail:?}");
            }
        }
    }

    #[test]
    fn long_runs_are_made_of_several_codes() {
        // White 2560 + 2560 + 1 (the last code of table 3b twice), then black 1728 + 63.
        let bits = "000000011111 000000011111 000111 0000001100101 000001100111".replace(' ', "");
        let bytes: Vec<u8> = bits
            .as_bytes()
            .chunks(8)
            .map(|byte| byte.iter().enumerate().fold(0, |sum, (place, bit)| sum | (bit - b'0') << (7 - place)))
            .collect();
        let row = decoded(&bytes, Scheme::Runs(8), 5121 + 1791);
        assert_eq!(row.len(), 864);
        let black: u32 = row.iter().map(|byte| byte.count_ones()).sum();
        assert_eq!((black, &row[639..642]), (1791, [0, 0x7f, 0xff].as_slice()));
    }

    #[test]
    fn a_damaged_row_does_not_take_the_next_ones_along() {
        let (_, data) = CODED[1];
        let mut data = data.to_vec();
        // A code that does not exist, in the second row.
        data[7..9].copy_from_slice(&[0x80, 0x40]);
        let rows = decoded(&data, ONE, WIDTH);
        assert_eq!((&rows[..9], &rows[18..54]), (ROWS[0].as_slice(), ROWS[2..].concat().as_slice()));
    }

    #[test]
    fn whatever_the_bytes_say_rows_stay_bounded() {
        for (scheme, data) in CODED {
            for end in 0..data.len() {
                decoded(&data[..end], scheme, WIDTH);
            }
            for bit in 0..data.len() * 8 {
                let mut data = data.to_vec();
                data[bit / 8] ^= 0x80 >> (bit % 8);
                for width in [1, 7, 8, 69, WIDTH, 3000] {
                    decoded(&data, scheme, width);
                }
            }
            // Runs of no pixels, over and over.
            let runs = [0x35, 0x0d, 0xcd, 0x43, 0x73, 0x50, 0xdc, 0xd4, 0x37].repeat(1000);
            let mut fax = Fax::new(&runs, scheme, WIDTH);
            while fax.next_row().is_some() {
                assert!(fax.changes.len() <= WIDTH as usize + 1, "{scheme:?}");
            }
        }
    }
}
