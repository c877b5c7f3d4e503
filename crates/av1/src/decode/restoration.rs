//! Loop restoration: parameters (5.11.57, 5.11.58), and filters (7.17).

use super::frame::RestorationUnit;
use super::headers::RestorationType;
use super::symbols::Symbols;
use super::tables::SELF_GUIDED;
use super::tile::Tile;
use crate::sample::Sample;

impl<S: Sample> Tile<'_, S> {
    /// `read_lr`: the parameters of the units that start in a superblock.
    pub(super) fn read_restoration(&mut self, row: usize, column: usize, side: usize) {
        let header = self.setting.header;
        let Some(restoration) = header.restoration else { return };
        for plane in 0..self.frame.planes.len() {
            let kind = restoration.types[plane];
            if kind == RestorationType::None {
                continue;
            }
            let [x, y] = self.setting.sequence.shifts(plane);
            let log2 = restoration.units[usize::from(plane > 0)];
            let units = &self.frame.restoration[plane];
            let (count_columns, count_rows) = (units.columns, units.rows);
            let unit_row = |row: usize| (row * (4 >> y)).div_ceil(1 << log2);
            // By columns of the enlarged frame.
            let (numerator, denominator) = match header.superres {
                8 => (4 >> x, 1 << log2),
                superres => ((4 >> x) * superres as usize, 8 << log2),
            };
            let unit_column = |column: usize| (column * numerator).div_ceil(denominator);
            for unit_row in unit_row(row)..unit_row(row + side).min(count_rows) {
                for unit_column in unit_column(column)..unit_column(column + side).min(count_columns) {
                    let unit = self.read_unit(plane, kind);
                    self.frame.restoration[plane].units[unit_row * count_columns + unit_column] = unit;
                }
            }
        }
    }

    /// `read_lr_unit`.
    fn read_unit(&mut self, plane: usize, kind: RestorationType) -> RestorationUnit {
        let kind = match kind {
            RestorationType::Wiener if self.symbols.flag(&mut self.p.use_wiener) => RestorationType::Wiener,
            RestorationType::SelfGuided if self.symbols.flag(&mut self.p.use_sgrproj) => RestorationType::SelfGuided,
            RestorationType::Switchable => match self.symbols.symbol(&mut self.p.restoration_type) {
                0 => RestorationType::None,
                1 => RestorationType::Wiener,
                _ => RestorationType::SelfGuided,
            },
            _ => RestorationType::None,
        };
        match kind {
            RestorationType::Wiener => {
                const RANGES: [(i32, i32, u32); 3] = [(-5, 10, 1), (-23, 8, 2), (-17, 46, 3)];
                let mut filters = self.wiener[plane];
                for filter in &mut filters {
                    let first = usize::from(plane > 0);
                    for (tap, (least, most, k)) in filter.iter_mut().zip(RANGES).skip(first) {
                        *tap = read_near(&mut self.symbols, least, most, k, i32::from(*tap)) as i8;
                    }
                }
                self.wiener[plane] = filters;
                if plane > 0 {
                    filters.iter_mut().for_each(|filter| filter[0] = 0);
                }
                RestorationUnit::Wiener(filters)
            }
            RestorationType::SelfGuided => {
                const RANGES: [(i32, i32); 2] = [(-96, 31), (-32, 95)];
                let set = self.symbols.literal(4) as u8;
                let mut weights = self.self_guided[plane];
                for i in 0..2 {
                    let (least, most) = RANGES[i];
                    let weight = if SELF_GUIDED[usize::from(set)][i][0] > 0 {
                        read_near(&mut self.symbols, least, most, 4, weights[i].into())
                    } else if i == 1 {
                        (128 - i32::from(weights[0])).clamp(least, most)
                    } else {
                        0
                    };
                    weights[i] = weight as i8;
                }
                self.self_guided[plane] = weights;
                RestorationUnit::SelfGuided(set, weights)
            }
            _ => RestorationUnit::None,
        }
    }
}

/// `decode_signed_subexp_with_ref_bool`: a value from `least` to `most`, near `reference`.
fn read_near(symbols: &mut Symbols<'_>, least: i32, most: i32, k: u32, reference: i32) -> i32 {
    let count = most + 1 - least;
    let reference = reference - least;
    let value = read_subexponential(symbols, count, k);
    let near = if 2 * reference <= count {
        recentred(reference, value)
    } else {
        count - 1 - recentred(count - 1 - reference, value)
    };
    // Numbers beyond the range do not occur in valid streams.
    (near + least).clamp(least, most)
}

/// `inverse_recenter` (5.9.29).
fn recentred(reference: i32, value: i32) -> i32 {
    if value > 2 * reference {
        value
    } else if value & 1 == 1 {
        reference - ((value + 1) >> 1)
    } else {
        reference + (value >> 1)
    }
}

/// `decode_subexp_bool`.
fn read_subexponential(symbols: &mut Symbols<'_>, count: i32, k: u32) -> i32 {
    let (mut i, mut start) = (0, 0);
    loop {
        let bits = if i > 0 { k + i - 1 } else { k };
        let range = 1 << bits;
        if count <= start + 3 * range {
            return symbols.non_symmetric((count - start) as u32) as i32 + start;
        }
        if symbols.bit() == 0 {
            return symbols.literal(bits) as i32 + start;
        }
        i += 1;
        start += range;
    }
}
