//! The choice of the constrained directional enhancement filter (CDEF), which takes ringing away. NOTES.md has the measurements.

use std::ops::ControlFlow;

use super::EncodeOptions;
use super::decode::cdef::Luma;
use super::frame::Plane;

/// The filter for quantizers up to each of these, and that for all others.
const WEAKER: [(u8, Option<Luma>); 3] = [(15, None), (47, Some(luma(3, [1, 0]))), (99, Some(luma(4, [2, 0])))];
const USUAL: Luma = luma(4, [3, 1]);

/// What is taken instead where it leaves less than this share of the squared error that the other one leaves: it blurs fine details,
/// which errors do not tell from noise.
const STRONG: Luma = luma(5, [5, 2]);
const SHARE: f64 = 0.95;

const fn luma(damping: u32, strengths: [u8; 2]) -> Luma {
    Luma { damping, strengths }
}

/// The filter of a frame's luma. `size` is that of the frame in luma samples. Breaks off where the options' check says so.
pub(super) fn choose(
    reconstruction: &Plane,
    source: &Plane,
    size: [usize; 2],
    EncodeOptions { quantizer, check, .. }: &EncodeOptions<'_>,
) -> ControlFlow<(), Option<Luma>> {
    let weaker = WEAKER.into_iter().find(|(most, _)| quantizer <= most);
    let Some(by_quantizer) = weaker.map_or(Some(USUAL), |(_, luma)| luma) else { return ControlFlow::Continue(None) };
    let [strong, usual] = Luma::errors([STRONG, by_quantizer], reconstruction, source, size, check)?;
    let is_strong = (strong as f64) < SHARE * usual as f64;
    ControlFlow::Continue(Some(if is_strong { STRONG } else { by_quantizer }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plane of 64 by 64 samples.
    fn plane(sample: impl Fn(usize, usize) -> i32) -> Plane {
        let samples = (0..64 * 64).map(|i| sample(i % 64, i / 64).clamp(0, 255) as u8);
        Plane { samples: samples.collect(), stride: 64 }
    }

    fn chosen(reconstruction: &Plane, source: &Plane, quantizer: u8) -> Option<Luma> {
        let options = EncodeOptions::default().quantizer(quantizer);
        choose(reconstruction, source, [64; 2], &options).continue_value().unwrap()
    }

    #[test]
    fn flat_areas_with_ringing_get_the_strong_filter_and_details_the_usual_one() {
        let edge = |x: usize| if x < 32 { 40 } else { 200 };
        let drawn = plane(|x, _| edge(x));
        let ringing = plane(|x, y| edge(x) + [4, -4, 0, 3, -3][(x * 3 + y * 7) % 5]);
        assert_eq!(chosen(&ringing, &drawn, 120), Some(STRONG));
        let grain = plane(|x, y| 100 + ((x * 31 + y * 57) % 17) as i32 * 3);
        let coarse = plane(|x, y| (100 + ((x * 31 + y * 57) % 17) as i32 * 3) / 8 * 8 + 4);
        assert_eq!(chosen(&coarse, &grain, 120), Some(USUAL));
    }

    #[test]
    fn fine_quantizers_leave_little_to_filter() {
        let flat = plane(|_, _| 90);
        let strengths = |quantizer| chosen(&flat, &flat, quantizer).map(|luma| luma.strengths);
        assert_eq!(
            [0, 16, 48, 99, 100, 255].map(strengths),
            [None, Some([1, 0]), Some([2, 0]), Some([2, 0]), Some([3, 1]), Some([3, 1])]
        );
    }
}
