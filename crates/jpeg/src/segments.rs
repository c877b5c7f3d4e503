//! Iterates over the marker segments of a file (T.81 B.1.1) and skips data between them.

/// Start of image.
pub(super) const SOI: u8 = 0xD8;
/// End of image.
pub(super) const EOI: u8 = 0xD9;
/// Start of scan.
pub(super) const SOS: u8 = 0xDA;
/// Define quantisation tables.
pub(super) const DQT: u8 = 0xDB;
/// Define number of lines.
pub(super) const DNL: u8 = 0xDC;
/// Define restart interval.
pub(super) const DRI: u8 = 0xDD;
/// Define Huffman tables.
pub(super) const DHT: u8 = 0xC4;
/// The first restart marker; the seven others follow.
pub(super) const RST0: u8 = 0xD0;
/// The application segment of JFIF.
pub(super) const APP0: u8 = 0xE0;
/// The application segment of EXIF and XMP.
pub(super) const APP1: u8 = 0xE1;
/// The application segment of ICC profiles.
pub(super) const APP2: u8 = 0xE2;
/// The application segment of Adobe.
pub(super) const APP14: u8 = 0xEE;

/// Whether `marker` is one of RST0 to RST7.
pub(super) const fn is_restart(marker: u8) -> bool {
    marker & 0xF8 == RST0
}

/// A marker with its parameters.
#[derive(Debug, Clone, Copy)]
pub struct Segment<'a> {
    /// The byte after 0xFF.
    pub marker: u8,
    /// The parameters, without the two length bytes; empty for markers without parameters.
    pub payload: &'a [u8],
    /// False if the file ends before the declared length.
    pub complete: bool,
}

/// An iterator over the segments of a file. It treats entropy-coded data as data without markers except RSTn, so that
/// it can also walk over a scan.
#[derive(Debug, Clone)]
pub struct Segments<'a> {
    data: &'a [u8],
    pos: usize,
}

impl<'a> Segments<'a> {
    /// Creates an iterator over the segments of a file.
    pub const fn new(data: &'a [u8]) -> Self {
        Self { data, pos: 0 }
    }

    /// Skips the entropy-coded data after an SOS, up to the first marker other than RSTn.
    pub fn skip_scan(&mut self) {
        self.pos = end_of_scan(self.data, self.pos);
    }

    /// The offset at which the next segment is searched.
    pub(super) const fn offset(&self) -> usize {
        self.pos
    }

    /// Continues at another offset, such as after a scan.
    pub(super) const fn set_offset(&mut self, pos: usize) {
        self.pos = pos;
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        let at = find_marker(self.data, self.pos)?;
        let marker = self.data[at + 1];
        let start = at + 2;
        // T.81 B.1.1.3: these have no parameters; RES and TEM (0x01..0xBF) only occur in garbage.
        if marker < 0xC0 || matches!(marker, RST0..=EOI) {
            self.pos = start;
            return Some(Segment { marker, payload: &[], complete: true });
        }
        let Some(length) = self.data.get(start..start + 2) else {
            self.pos = self.data.len();
            return Some(Segment { marker, payload: &[], complete: false });
        };
        // The length includes itself; a smaller one is invalid, and the segment is then treated as empty.
        let end = start + usize::from(u16::from_be_bytes([length[0], length[1]])).max(2);
        self.pos = end.min(self.data.len());
        Some(Segment { marker, payload: &self.data[start + 2..self.pos], complete: end <= self.data.len() })
    }
}

/// The offset of the next 0xFF that is followed by a marker code: no stuffed zero and no fill byte (T.81 B.1.1.2,
/// B.1.1.5).
pub(super) fn find_marker(data: &[u8], from: usize) -> Option<usize> {
    let mut pos = from;
    loop {
        pos += find_ff(data.get(pos..)?)?;
        match data.get(pos + 1)? {
            0x00 => pos += 2,
            0xFF => pos += 1,
            _ => return Some(pos),
        }
    }
}

/// The end of the entropy-coded data that starts at `from`: the first marker other than RSTn, or the end of the file.
pub(super) fn end_of_scan(data: &[u8], from: usize) -> usize {
    let mut pos = from;
    while let Some(at) = find_marker(data, pos) {
        if !is_restart(data[at + 1]) {
            return at;
        }
        pos = at + 2;
    }
    data.len()
}

/// The offset of the first 0xFF, searched 32 bytes at a time because most chunks of a scan contain none.
fn find_ff(data: &[u8]) -> Option<usize> {
    let mut base = 0;
    let mut chunks = data.chunks_exact(32);
    for chunk in &mut chunks {
        if has_ff(chunk) {
            break;
        }
        base += 32;
    }
    data[base..].iter().position(|&byte| byte == 0xFF).map(|at| base + at)
}

/// Whether any byte is 0xFF, without an early exit so that it is vectorized.
#[inline(always)]
pub(super) fn has_ff(chunk: &[u8]) -> bool {
    chunk.iter().fold(0u8, |seen, &byte| seen | u8::from(byte == 0xFF)) != 0
}
