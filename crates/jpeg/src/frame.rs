//! The frame header (T.81 B.2.2), the scan header (B.2.3), and the colour model.

use super::DecodeError;

/// The coding process (T.81 table B.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// SOF0.
    Baseline,
    /// SOF1: Huffman coded, sequential, up to four tables of each class.
    Extended,
    /// SOF2.
    Progressive,
    /// SOF9 to SOF11 and SOF13 to SOF15.
    Arithmetic,
    /// SOF3.
    Lossless,
    /// SOF5 to SOF7.
    Hierarchical,
}

impl Process {
    /// The process of a frame marker; `None` for other markers.
    pub(super) const fn of_marker(marker: u8) -> Option<Self> {
        Some(match marker {
            0xC0 => Self::Baseline,
            0xC1 => Self::Extended,
            0xC2 => Self::Progressive,
            0xC3 => Self::Lossless,
            0xC5..=0xC7 => Self::Hierarchical,
            0xC9..=0xCB | 0xCD..=0xCF => Self::Arithmetic,
            _ => return None,
        })
    }
}

/// The colour model of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// One component.
    Grey,
    /// Luma and two chroma components (JFIF).
    YCbCr,
    /// Three components without conversion.
    Rgb,
    /// Four components without conversion.
    Cmyk,
    /// Like YCbCr for the complements of CMY, with black unconverted.
    Ycck,
}

impl Colour {
    /// The number of components.
    pub const fn components(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::YCbCr | Self::Rgb => 3,
            Self::Cmyk | Self::Ycck => 4,
        }
    }
}

/// One component of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Component {
    /// Its id in scan headers.
    pub id: u8,
    /// Horizontal sampling factor, 1 to 4.
    pub h: u8,
    /// Vertical sampling factor, 1 to 4.
    pub v: u8,
    /// The index of its quantisation table, 0 to 3.
    pub quantisation: u8,
}

/// A frame header.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) process: Process,
    pub(super) precision: u8,
    pub(super) width: u16,
    /// 0 if a DNL segment after the first scan defines it.
    pub(super) height: u16,
    pub(super) components: Vec<Component>,
}

impl Frame {
    pub(super) fn parse(process: Process, payload: &[u8]) -> Result<Self, DecodeError> {
        let &[precision, h0, h1, w0, w1, count, ref rest @ ..] = payload else {
            return Err(DecodeError::Damaged("frame header cut short"));
        };
        let components: Vec<_> = rest
            .chunks_exact(3)
            .take(usize::from(count))
            .map(|c| Component { id: c[0], h: c[1] >> 4, v: c[1] & 15, quantisation: c[2] })
            .collect();
        if components.len() != usize::from(count) || components.is_empty() {
            return Err(DecodeError::Damaged("frame header without all of its components"));
        }
        let valid = |c: &Component| (1..=4).contains(&c.h) && (1..=4).contains(&c.v) && c.quantisation < 4;
        if !components.iter().all(valid) {
            return Err(DecodeError::Damaged("sampling factor or quantisation table out of range"));
        }
        let width = u16::from_be_bytes([w0, w1]);
        if width == 0 {
            return Err(DecodeError::Damaged("width of zero"));
        }
        Ok(Self { process, precision, width, height: u16::from_be_bytes([h0, h1]), components })
    }

    /// Checks that this decoder supports the frame.
    pub(super) fn check_supported(&self) -> Result<(), DecodeError> {
        match self.process {
            Process::Arithmetic => return Err(DecodeError::Unsupported("arithmetic coding")),
            Process::Lossless => return Err(DecodeError::Unsupported("lossless process")),
            Process::Hierarchical => return Err(DecodeError::Unsupported("hierarchical process")),
            Process::Baseline | Process::Extended | Process::Progressive => {}
        }
        if self.precision != 8 {
            return Err(DecodeError::Unsupported("samples of other than 8 bits"));
        }
        match self.components.len() {
            1 | 3 | 4 => Ok(()),
            _ => Err(DecodeError::Unsupported("a number of components other than 1, 3 and 4")),
        }
    }

    /// The colour model according to the application markers, or to component ids: libjpeg's rules, which files rely
    /// on.
    pub(super) fn colour(&self, has_jfif: bool, adobe_transform: Option<u8>) -> Colour {
        match (self.components.len(), adobe_transform) {
            (1, _) => Colour::Grey,
            (4, Some(2)) => Colour::Ycck,
            (4.., _) => Colour::Cmyk,
            _ if has_jfif => Colour::YCbCr,
            (_, Some(0)) => Colour::Rgb,
            (_, Some(_)) => Colour::YCbCr,
            (_, None) if self.components.iter().map(|c| c.id).eq(*b"RGB") => Colour::Rgb,
            (_, None) => Colour::YCbCr,
        }
    }
}

/// The parameters of one component in a scan header.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScanComponent {
    /// Its index in the frame header.
    pub(super) index: usize,
    pub(super) dc_table: usize,
    pub(super) ac_table: usize,
}

/// A scan header.
#[derive(Debug, Clone)]
pub(super) struct Scan {
    pub(super) components: Vec<ScanComponent>,
    /// First and last coefficient in zigzag order (Ss, Se).
    pub(super) spectral: (usize, usize),
    /// Successive approximation bit positions, high and low (Ah, Al).
    pub(super) approximation: (u32, u32),
}

impl Scan {
    pub(super) fn parse(frame: &Frame, payload: &[u8]) -> Result<Self, DecodeError> {
        const CUT: DecodeError = DecodeError::Damaged("scan header cut short");
        let (&count, rest) = payload.split_first().ok_or(CUT)?;
        let (selectors, parameters) = rest.split_at_checked(usize::from(count) * 2).ok_or(CUT)?;
        let &[first, last, bits, ..] = parameters else { return Err(CUT) };
        let mut components: Vec<ScanComponent> = Vec::with_capacity(4);
        for pair in selectors.chunks_exact(2) {
            let index = frame.components.iter().position(|c| c.id == pair[0]);
            let index = index.ok_or(DecodeError::Damaged("scan of an unknown component"))?;
            if components.iter().any(|c| c.index == index) {
                return Err(DecodeError::Damaged("scan with a component twice"));
            }
            let (dc_table, ac_table) = (usize::from(pair[1] >> 4), usize::from(pair[1] & 15));
            if dc_table > 3 || ac_table > 3 {
                return Err(DecodeError::Damaged("Huffman table out of range"));
            }
            components.push(ScanComponent { index, dc_table, ac_table });
        }
        let scan = Self {
            components,
            spectral: (usize::from(first), usize::from(last)),
            approximation: (u32::from(bits >> 4), u32::from(bits & 15)),
        };
        scan.check(frame)?;
        Ok(scan)
    }

    /// Checks the rules of T.81 B.2.3 and G.1.1.1 that decoding relies on.
    fn check(&self, frame: &Frame) -> Result<(), DecodeError> {
        if self.components.is_empty() {
            return Err(DecodeError::Damaged("scan of no component"));
        }
        let blocks = self.components.iter().map(|c| &frame.components[c.index]).map(|c| c.h * c.v);
        if self.is_interleaved() && blocks.sum::<u8>() > 10 {
            return Err(DecodeError::Damaged("more than ten blocks in an MCU"));
        }
        if frame.process != Process::Progressive {
            return Ok(());
        }
        let ((first, last), (high, low)) = (self.spectral, self.approximation);
        let band = if first == 0 { last == 0 } else { first <= last && last < 64 && !self.is_interleaved() };
        if band && low <= 13 && (high == 0 || high == low + 1) {
            Ok(())
        } else {
            Err(DecodeError::Damaged("progression parameters out of range"))
        }
    }

    /// Whether blocks of several components are interleaved (T.81 A.2.3).
    pub(super) const fn is_interleaved(&self) -> bool {
        self.components.len() > 1
    }
}
