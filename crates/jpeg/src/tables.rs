//! What the table segments (T.81 B.2.4) have defined so far.

use super::DecodeError;
use super::huffman::HuffmanSpec;
use super::segments::{APP0, APP14, DHT, DQT, DRI};
use super::standard;

/// Natural (row by row) positions in the order in which coefficients are coded (T.81 figure A.6).
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

/// The steps of a quantisation table, in natural order.
pub(super) type Quantisation = [u16; 64];

/// Tables and settings that stay in force until they are redefined.
#[derive(Debug, Clone, Default)]
pub(super) struct Tables {
    pub(super) quantisation: [Option<Quantisation>; 4],
    pub(super) dc: [Option<HuffmanSpec>; 4],
    pub(super) ac: [Option<HuffmanSpec>; 4],
    /// MCUs from one restart marker to the next; 0 for none.
    pub(super) restart_interval: usize,
    pub(super) has_jfif: bool,
    /// The colour transform of the APP14 segment "Adobe".
    pub(super) adobe_transform: Option<u8>,
}

impl Tables {
    /// Takes in a segment; those that define nothing are ignored.
    pub(super) fn define(&mut self, marker: u8, payload: &[u8]) -> Result<(), DecodeError> {
        match marker {
            DQT => self.define_quantisation(payload),
            DHT => self.define_huffman(payload),
            DRI => match payload {
                &[high, low, ..] => {
                    self.restart_interval = usize::from(u16::from_be_bytes([high, low]));
                    Ok(())
                }
                _ => Err(DecodeError::Damaged("restart interval cut short")),
            },
            APP0 => {
                self.has_jfif |= payload.starts_with(b"JFIF\0");
                Ok(())
            }
            APP14 => {
                if let Some(&[_, _, _, _, _, _, transform, ..]) = payload.strip_prefix(b"Adobe") {
                    self.adobe_transform = Some(transform);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The DC table of a scan, or the customary one if the file has none.
    pub(super) fn dc_table(&self, number: usize) -> Result<HuffmanSpec, DecodeError> {
        find(&self.dc, number, &[standard::dc_luma, standard::dc_chroma])
    }

    /// The AC table of a scan, or the customary one if the file has none.
    pub(super) fn ac_table(&self, number: usize) -> Result<HuffmanSpec, DecodeError> {
        find(&self.ac, number, &[standard::ac_luma, standard::ac_chroma])
    }

    fn define_quantisation(&mut self, mut payload: &[u8]) -> Result<(), DecodeError> {
        const CUT: DecodeError = DecodeError::Damaged("quantisation table cut short");
        while let Some((&kind, rest)) = payload.split_first() {
            let width = if kind >> 4 == 0 { 1 } else { 2 };
            let slot = self.quantisation.get_mut(usize::from(kind & 15));
            let slot = slot.ok_or(DecodeError::Damaged("quantisation table out of range"))?;
            let (steps, rest) = rest.split_at_checked(64 * width).ok_or(CUT)?;
            let mut table = [0; 64];
            for (&position, step) in ZIGZAG.iter().zip(steps.chunks_exact(width)) {
                table[usize::from(position)] = step.iter().fold(0, |high, &low| (high << 8) | u16::from(low));
            }
            *slot = Some(table);
            payload = rest;
        }
        Ok(())
    }

    fn define_huffman(&mut self, mut payload: &[u8]) -> Result<(), DecodeError> {
        while let Some((&kind, rest)) = payload.split_first() {
            let (spec, length) = HuffmanSpec::parse(rest)?;
            let class = match kind >> 4 {
                0 => &mut self.dc,
                1 => &mut self.ac,
                _ => return Err(DecodeError::Damaged("Huffman table of an unknown class")),
            };
            let slot =
                class.get_mut(usize::from(kind & 15)).ok_or(DecodeError::Damaged("Huffman table out of range"))?;
            *slot = Some(spec);
            payload = &rest[length..];
        }
        Ok(())
    }
}

/// A table that was defined; else the one of T.81 Annex K.3, which frames of Motion JPEG rely on.
fn find(
    defined: &[Option<HuffmanSpec>; 4],
    number: usize,
    standard: &[fn() -> HuffmanSpec; 2],
) -> Result<HuffmanSpec, DecodeError> {
    let table = defined[number].clone().or_else(|| standard.get(number).map(|table| table()));
    table.ok_or(DecodeError::Damaged("Huffman table missing"))
}
