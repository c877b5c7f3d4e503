//! Rate-distortion optimized quantization.

use super::coefficients::{CoefContext, LARGE, Levels, Neighbours, PLACES, Place, SCAN_PLACES, SMALL, last_context};
use super::quantizer::Steps;
use super::rates::{Costs, LevelCosts};
use super::symbols::BIT;

/// Levels with their rate and distortion.
#[derive(Debug, Clone, Default)]
pub(super) struct Quantized {
    pub(super) levels: Levels,
    /// The rate in units of 1/[`BIT`] bit.
    pub(super) rate: u32,
    /// The distortion: weighted squared errors, in sample values.
    pub(super) distortion: f32,
}

/// The input of quantization.
#[derive(Clone, Copy)]
pub(super) struct Task<'a> {
    /// The coefficients of the coded part, row by row.
    pub(super) coefficients: &'a [f32],
    pub(super) steps: &'a Steps,
    pub(super) context: CoefContext,
    pub(super) costs: &'a Costs,
    /// The cost of 1/[`BIT`] bit.
    pub(super) lambda: f32,
    /// The cost of the transform type, which is only coded if there are coefficients.
    pub(super) type_rate: u32,
}

/// A level for the coefficient at a position, with the cost of everything from there on.
#[derive(Clone, Copy)]
struct Choice {
    level: u32,
    rate: u32,
    distortion: f32,
    total: f32,
}

/// Chooses the optimal levels, by trying for each coefficient, from the last, the nearest level, the one below, and
/// ending there.
pub(super) fn quantize(task: Task<'_>) -> Quantized {
    let (lost, last) = task.all_lost();
    let none = Quantized { rate: task.costs.all_zero(task.context), distortion: lost, ..Quantized::default() };
    let Some(last) = last else { return none };
    let is_small = task.context.size.longest() <= 3;
    let some = if is_small { task.levels::<SMALL>(lost, last) } else { task.levels::<LARGE>(lost, last) };
    let total = |quantized: &Quantized| quantized.distortion + task.lambda * quantized.rate as f32;
    if total(&some) < total(&none) { some } else { none }
}

impl Task<'_> {
    /// The distortion if all levels are zero, and the last scan index of a coefficient whose nearest level is not.
    fn all_lost(&self) -> (f32, Option<usize>) {
        let places = PLACES[self.context.size.transform_index()].as_chunks::<8>().0;
        // Eight partial sums, for vectorization.
        let (mut lost, mut last) = ([0.0f32; 8], None);
        let values = self.coefficients.as_chunks::<8>().0.iter();
        let steps = self.steps.weight.as_chunks::<8>().0.iter().zip(self.steps.inverse.as_chunks::<8>().0);
        for ((values, (weights, inverses)), places) in values.zip(steps).zip(places) {
            let mut rounded = [0.0f32; 8];
            for i in 0..8 {
                lost[i] += values[i] * values[i] * weights[i];
                rounded[i] = values[i].abs() * inverses[i] + 0.5;
            }
            if rounded.iter().fold(false, |some, rounded| some | (*rounded >= 1.0)) {
                let some = rounded.iter().zip(places).filter(|(rounded, _)| **rounded >= 1.0);
                last = last.max(some.map(|(_, place)| usize::from(*place)).max());
            }
        }
        (lost.iter().sum(), last)
    }

    #[inline(always)]
    fn nearest(&self, position: usize) -> u32 {
        (self.coefficients[position].abs() * self.steps.inverse[position] + 0.5) as u32
    }

    #[inline(always)]
    fn lost(&self, position: usize, level: u32) -> f32 {
        let error = self.coefficients[position].abs() - level as f32 * self.steps.step[position];
        error * error * self.steps.weight[position]
    }

    /// The optimal levels of which at least one is not zero. `lost` is the distortion if all are, and `last` the last scan
    /// index of a coefficient whose nearest level is not.
    fn levels<const N: usize>(&self, lost: f32, last: usize) -> Quantized {
        let size = self.context.size.coded();
        let places = &SCAN_PLACES[self.context.size.transform_index()][..=last];
        let costs = self.level_costs();
        let mut levels = vec![0i16; last + 1];
        let mut near = Neighbours::<N>::new(size);
        // The distortion of the coefficients after the current one if they are zeros, and the best choice for them.
        let mut zeros = 0.0;
        let mut after: Option<Choice> = None;
        let mut count = 0;
        for (c, place) in places.iter().enumerate().rev() {
            let position = usize::from(place.position);
            let (nearest, zero) = (self.nearest(position), self.lost(position, 0));
            if nearest == 0 {
                if let Some(after) = &mut after {
                    after.rate += costs.base[near.base(c, *place)][0];
                    after.distortion += zero;
                }
                zeros += zero;
                continue;
            }
            let onward = after.map(|after| self.go_on(c, *place, nearest, after, &near));
            let end = self.end(c, *place, nearest, zeros);
            zeros += zero;
            let choice = match onward {
                Some(onward) if onward.total <= end.total => onward,
                _ => {
                    // The choice after it is not coded.
                    if count > 0 {
                        near = Neighbours::new(size);
                    }
                    count = c + 1;
                    end
                }
            };
            if choice.level > 0 {
                let level = choice.level as i16;
                levels[c] = if self.coefficients[position] < 0.0 { -level } else { level };
                near.set(*place, choice.level);
            }
            after = Some(choice);
        }
        levels.truncate(count);
        let not_zero = self.costs.zero[self.context.size.context()][self.context.zero_context][0];
        let (rate, distortion) = after.map_or((0, 0.0), |after| (after.rate, after.distortion));
        // Those after the last one are lost in any case.
        let distortion = distortion + (lost - zeros);
        Quantized { levels: Levels(levels), rate: rate + not_zero + self.type_rate, distortion }
    }

    fn level_costs(&self) -> &LevelCosts {
        &self.costs.levels[self.context.size.context()][usize::from(self.context.is_chroma)]
    }

    /// The cost of the sign of the coefficient at a scan index.
    fn sign(&self, c: usize) -> u32 {
        let signs = &self.costs.sign[usize::from(self.context.is_chroma)][self.context.sign_context];
        if c == 0 { signs[usize::from(self.coefficients[0] < 0.0)] } else { BIT }
    }

    /// The best level for a coefficient that is followed by others, of the nearest, which is not 0, and the one below.
    #[inline(always)]
    fn go_on<const N: usize>(&self, c: usize, place: Place, level: u32, after: Choice, near: &Neighbours<N>) -> Choice {
        let (costs, position) = (self.level_costs(), usize::from(place.position));
        let base = &costs.base[near.base(c, place)];
        let rate = after.rate + self.sign(c);
        let range = if level < 3 { 0 } else { near.range(place) };
        let nearest = rate + base[level.min(3) as usize] + costs.above(level, range);
        let nearest = self.choice(position, level, nearest, after.distortion);
        let below = match level - 1 {
            0 => after.rate + base[0],
            level => rate + base[level.min(3) as usize] + costs.above(level, range),
        };
        let below = self.choice(position, level - 1, below, after.distortion);
        if below.total <= nearest.total { below } else { nearest }
    }

    /// The best level for the last coefficient, of the nearest, which is not 0, and the one below; `zeros` is the distortion
    /// of those after it.
    #[inline(always)]
    fn end(&self, c: usize, place: Place, level: u32, zeros: f32) -> Choice {
        let (costs, position) = (self.level_costs(), usize::from(place.position));
        let base = &costs.base_eob[last_context(c, self.context.size.coded().area())];
        let (common, range) = (self.costs.count(self.context, costs, c + 1) + self.sign(c), place.last_range());
        let rate = common + base[level.min(3) as usize - 1] + costs.above(level, range);
        let nearest = self.choice(position, level, rate, zeros);
        if level == 1 {
            return nearest;
        }
        let rate = common + base[(level - 1).min(3) as usize - 1] + costs.above(level - 1, range);
        let below = self.choice(position, level - 1, rate, zeros);
        if below.total <= nearest.total { below } else { nearest }
    }

    #[inline(always)]
    fn choice(&self, position: usize, level: u32, rate: u32, lost: f32) -> Choice {
        let distortion = lost + self.lost(position, level);
        Choice { level, rate, distortion, total: distortion + self.lambda * rate as f32 }
    }
}
