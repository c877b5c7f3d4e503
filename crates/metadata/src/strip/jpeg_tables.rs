//! Determines which tables of a JPEG its scans use (ISO/IEC 10918-1, B.2.4): of a segment with several tables, only
//! those are kept that are used before they are redefined.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use image_origin_container::jpeg;

/// The parsed frame header (B.2.2).
pub(super) struct Frame {
    marker: u8,
    /// The number of rows; 0 if a DNL segment after the first scan defines it.
    pub(super) height: u16,
    components: Vec<Component>,
    /// The number of meaningful bytes of the parameters.
    pub(super) header_len: usize,
}

struct Component {
    id: u8,
    quantisation: u8,
    /// Whether a scan contained data of this component.
    is_coded: bool,
}

impl Frame {
    /// Whether a marker begins a frame: SOFn, in whose range are also DHT, JPG and DAC (table B.1).
    pub(super) const fn is_marker(marker: u8) -> bool {
        matches!(marker, 0xc0..=0xcf) && !matches!(marker, jpeg::DHT | 0xc8 | jpeg::DAC)
    }

    pub(super) fn read(marker: u8, payload: &[u8]) -> Option<Self> {
        let &[_, high, low, _, _, count, ref rest @ ..] = payload else { return None };
        let components = rest.get(..usize::from(count) * 3)?.as_chunks::<3>().0;
        let components =
            components.iter().map(|&[id, _, quantisation]| Component { id, quantisation, is_coded: false });
        Some(Self {
            marker,
            height: u16::from_be_bytes([high, low]),
            components: components.collect(),
            header_len: 6 + usize::from(count) * 3,
        })
    }

    const fn is_progressive(&self) -> bool {
        matches!(self.marker, 0xc2 | 0xc6 | 0xca | 0xce)
    }

    /// Records a scan, and returns whether it completes the picture. Decoders then ignore further scans.
    pub(super) fn is_over_with(&mut self, scan: &Scan) -> bool {
        for part in &scan.parts {
            if let Some(component) = self.components.get_mut(part.component) {
                component.is_coded = true;
            }
        }
        !self.is_progressive() && self.components.iter().all(|component| component.is_coded)
    }
}

/// The parsed scan header (B.2.3).
pub(super) struct Scan {
    parts: Vec<Part>,
    /// Whether the scan contains DC and AC coefficients that use a table.
    has_dc: bool,
    has_ac: bool,
    /// The number of meaningful bytes of the parameters.
    pub(super) header_len: usize,
}

struct Part {
    /// The index of the component in the frame header.
    component: usize,
    dc: u8,
    ac: u8,
}

impl Scan {
    pub(super) fn read(payload: &[u8], frame: &Frame) -> Option<Self> {
        let (&count, rest) = payload.split_first()?;
        let (selectors, rest) = rest.split_at_checked(usize::from(count) * 2)?;
        let &[first, last, approximation, ..] = rest else { return None };
        let part = |&[id, tables]: &[u8; 2]| {
            let component = frame.components.iter().position(|component| component.id == id)?;
            Some(Part { component, dc: tables >> 4, ac: tables & 15 })
        };
        let parts: Option<Vec<_>> = selectors.as_chunks::<2>().0.iter().map(part).collect();
        let is_progressive = frame.is_progressive();
        Some(Self {
            parts: parts.filter(|parts| !parts.is_empty())?,
            // The refinement bits of DC coefficients are not entropy-coded (G.1.2.1).
            has_dc: !is_progressive || (first == 0 && approximation >> 4 == 0),
            has_ac: !is_progressive || last > 0,
            header_len: 1 + usize::from(count) * 2 + 3,
        })
    }
}

/// The type and number of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Slot {
    Quantisation(u8),
    Dc(u8),
    Ac(u8),
    /// Conditioning of an arithmetic coder (B.2.4.3), by class and number.
    Conditioning(u8),
}

/// The segment of a table, and its range in the parameters of that segment.
type Place = (usize, (usize, usize));

/// The tables that are currently defined while the segments of a file are processed.
#[derive(Default)]
pub(super) struct Tables {
    defined: BTreeMap<Slot, Place>,
    used: BTreeSet<Place>,
}

impl Tables {
    /// Records a segment of tables, up to the first invalid one.
    pub(super) fn define(&mut self, segment: usize, marker: u8, payload: &[u8]) {
        let mut at = 0;
        while let Some((slot, len)) = payload.get(at..).and_then(|rest| table(marker, rest)) {
            self.defined.insert(slot, (segment, (at, at + len)));
            at += len;
        }
    }

    /// Marks the tables of a scan as used.
    pub(super) fn take(&mut self, scan: &Scan, frame: &Frame) {
        for part in &scan.parts {
            let component = frame.components.get(part.component);
            // A quantisation table applies as defined when the first scan of the component begins.
            let quantisation =
                component.filter(|component| !component.is_coded).map(|component| component.quantisation);
            let slots = [
                quantisation.map(Slot::Quantisation),
                scan.has_dc.then_some(Slot::Dc(part.dc)),
                scan.has_ac.then_some(Slot::Ac(part.ac)),
                Some(Slot::Conditioning(part.dc)),
                Some(Slot::Conditioning(0x10 | part.ac)),
            ];
            self.used.extend(slots.into_iter().flatten().filter_map(|slot| self.defined.get(&slot)));
        }
    }

    /// Marks all defined tables as used, because other images use them.
    pub(super) fn take_all(&mut self) {
        self.used.extend(self.defined.values());
    }

    /// The segments with used tables, and the ranges of these in the parameters.
    pub(super) fn used(&self) -> BTreeMap<usize, Vec<Range<usize>>> {
        let mut used: BTreeMap<usize, Vec<Range<usize>>> = BTreeMap::new();
        for &(segment, (start, end)) in &self.used {
            used.entry(segment).or_default().push(start..end);
        }
        used
    }
}

/// Parses the next table in the parameters of a segment, and returns its length.
fn table(marker: u8, rest: &[u8]) -> Option<(Slot, usize)> {
    let &kind = rest.first()?;
    let (class, number) = (kind >> 4, kind & 15);
    let (slot, len) = match (marker, class) {
        (jpeg::DQT, 0 | 1) => (Slot::Quantisation(number), 1 + 64 * (1 + usize::from(class))),
        (jpeg::DHT, 0 | 1) => {
            let counts = rest.get(1..17)?;
            let symbols: usize = counts.iter().map(|count| usize::from(*count)).sum();
            (if class == 0 { Slot::Dc(number) } else { Slot::Ac(number) }, 17 + symbols)
        }
        (jpeg::DAC, 0 | 1) => (Slot::Conditioning(kind), 2),
        _ => return None,
    };
    (number < 4 && len <= rest.len()).then_some((slot, len))
}
