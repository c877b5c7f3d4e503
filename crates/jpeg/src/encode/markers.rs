//! Marker segments (T.81 B.1 and B.2) around the scans.

use super::frame::Frame;
use super::quantisation::Quantiser;
use crate::tables::ZIGZAG;

const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;
const DQT: u8 = 0xDB;
const SOF0: u8 = 0xC0;
const SOF2: u8 = 0xC2;
pub(super) const DHT: u8 = 0xC4;
pub(super) const SOS: u8 = 0xDA;

/// Appends a segment.
pub(super) fn segment(marker: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.extend([0xFF, marker]);
    out.extend((payload.len() as u16 + 2).to_be_bytes());
    out.extend(payload);
}

/// Everything before the first scan. There is no JFIF segment, since it would only state what decoders assume:
/// components 1, 2 and 3 are Y, Cb and Cr, and pixels are square.
pub(super) fn begin(frame: &Frame, quantisers: &[Quantiser], is_progressive: bool, out: &mut Vec<u8>) {
    out.extend([0xFF, SOI]);
    let mut tables = Vec::new();
    for (number, quantiser) in (0..).zip(quantisers) {
        tables.push(number);
        tables.extend(ZIGZAG.map(|position| quantiser.steps[usize::from(position)]));
    }
    segment(DQT, &tables, out);
    let mut header = vec![8];
    header.extend(frame.height.to_be_bytes());
    header.extend(frame.width.to_be_bytes());
    header.push(frame.components.len() as u8);
    for (number, component) in (1..).zip(&frame.components) {
        header.extend([number, (component.h << 4 | component.v) as u8, component.tables as u8]);
    }
    segment(if is_progressive { SOF2 } else { SOF0 }, &header, out);
}

/// Ends the file.
pub(super) fn end(out: &mut Vec<u8>) {
    out.extend([0xFF, EOI]);
}
