//! The costs of levels with the current probabilities (5.11.39).

use super::coefficients::{CoefContext, group};
use super::probabilities::Probabilities;
use super::symbols::{BIT, cost};

/// The length of the Exp-Golomb code of a level above 14 in bits.
fn golomb_bits(rest: u32) -> u32 {
    2 * rest.ilog2() + 1
}

/// The costs of levels, by `txSzCtx` and plane type.
#[derive(Clone)]
pub(super) struct LevelCosts {
    pub(super) eob_extra: [[u32; 2]; 9],
    pub(super) base_eob: [[u32; 3]; 4],
    pub(super) base: [[u32; 4]; 42],
    /// For levels from 3 to 15.
    pub(super) range: [[u32; 13]; 21],
}

/// The costs of all coefficient syntax elements, in units of 1/[`BIT`] bit.
pub(super) struct Costs {
    pub(super) zero: [[[u32; 2]; 13]; 5],
    pub(super) sign: [[[u32; 2]; 3]; 2],
    /// By the binary logarithm of the area less 4, and plane type.
    eob: [[[u32; 12]; 2]; 7],
    pub(super) levels: Vec<[LevelCosts; 2]>,
}

impl Costs {
    pub(super) fn new(p: &mut Probabilities) -> Self {
        let pair = |cdf: &[u16; 3]| [cost(cdf, 0), cost(cdf, 1)];
        let mut eob = [[[0; 12]; 2]; 7];
        for (area, by_plane) in eob.iter_mut().enumerate() {
            for (plane, costs) in by_plane.iter_mut().enumerate() {
                let cdf = p.eob(area as u8 + 4, plane);
                for (i, out) in costs.iter_mut().enumerate().take(cdf.len() - 1) {
                    *out = cost(cdf, i);
                }
            }
        }
        let levels = (0..5).map(|context| {
            [0, 1].map(|plane| LevelCosts {
                eob_extra: p.eob_extra[context][plane].each_ref().map(pair),
                base_eob: p.base_eob[context][plane].each_ref().map(|cdf| [0, 1, 2].map(|i| cost(cdf, i))),
                base: p.base[context][plane].each_ref().map(|cdf| [0, 1, 2, 3].map(|i| cost(cdf, i))),
                range: p.range[context.min(3)][plane].each_ref().map(|cdf| {
                    let symbols = [0, 1, 2, 3].map(|i| cost(cdf, i));
                    std::array::from_fn(|above| match above {
                        12 => 4 * symbols[3],
                        _ => above as u32 / 3 * symbols[3] + symbols[above % 3],
                    })
                }),
            })
        });
        Self {
            zero: p.all_zero.each_ref().map(|by_context| by_context.each_ref().map(pair)),
            sign: p.dc_sign.each_ref().map(|by_context| by_context.each_ref().map(pair)),
            eob,
            levels: levels.collect(),
        }
    }

    /// The cost of a transform block without coefficients.
    pub(super) fn all_zero(&self, context: CoefContext) -> u32 {
        self.zero[context.size.context()][context.zero_context][1]
    }

    pub(super) fn count(&self, context: CoefContext, levels: &LevelCosts, count: usize) -> u32 {
        let (group, extra) = group(count);
        let coded = context.size.coded();
        let mut bits = self.eob[usize::from(coded.w + coded.h) - 4][usize::from(context.is_chroma)][group - 1];
        if extra > 0 {
            let offset = count - 1 - (1 << extra);
            bits += levels.eob_extra[group - 3][offset >> (extra - 1) & 1] + (extra - 1) * BIT;
        }
        bits
    }
}

impl LevelCosts {
    /// The cost of levels of 3 and more in addition to `base`.
    #[inline(always)]
    pub(super) fn above(&self, level: u32, context: usize) -> u32 {
        if level < 3 {
            return 0;
        }
        let golomb = if level > 14 { golomb_bits(level - 14) * BIT } else { 0 };
        self.range[context][(level as usize - 3).min(12)] + golomb
    }
}
