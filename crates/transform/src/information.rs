//! Information: how much each neighbourhood of a thumbnail tells, as the Shannon entropy of its luma.
//!
//! The entropy is that of the square around a pixel and not that of a whole window: two dark halves of a window, each even, would tell as
//! much as a face does. It is blurred, so that a window has its maximum in the middle, and weighted and cubed like saliency.

use super::effects::luma;
use super::saliency::{Plane, emphasised};

/// The number of levels of luma in a class: with more than 64 classes, noise would count as information.
const LEVELS: usize = 4;
const CLASSES: usize = 256 / LEVELS;

/// How far a neighbourhood reaches, and the standard deviation of the blur, as fractions of the longer side.
const REACH: f32 = 1.0 / 16.0;
const BLUR: f32 = 1.0 / 32.0;

/// The least entropy in bits that is not a difference of rounding.
const LEAST: f32 = 0.001;

/// How fast the likelihood of a subject falls with the distance from where subjects usually are.
const FALL: f32 = 1.0;

/// The information around each pixel, in `0.0..=1.0`; all zeros in an even picture.
pub(super) fn information(pixels: &[[u8; 3]], width: usize, height: usize) -> Vec<f32> {
    let side = width.max(height) as f32;
    let classes: Vec<u8> = pixels.iter().map(|rgb| (luma(rgb.map(f32::from)) as usize / LEVELS) as u8).collect();
    let values = entropies(&classes, width, ((side * REACH).round() as usize).max(1));
    emphasised(Plane { values, width }.blurred(side * BLUR).values, width, FALL)
}

/// The entropy in bits of the classes around each pixel, as far as the picture reaches.
fn entropies(classes: &[u8], width: usize, reach: usize) -> Vec<f32> {
    let height = classes.len() / width;
    let most = (2 * reach + 1) * (2 * reach + 1);
    // A count times its logarithm: the entropy is the logarithm of the total, less the mean of these.
    let terms: Vec<f32> = (0..=most).map(|count| count as f32 * (count.max(1) as f32).log2()).collect();
    let mut entropies = Vec::with_capacity(classes.len());
    for y in 0..height {
        let rows = y.saturating_sub(reach)..(y + reach + 1).min(height);
        let column = |x: usize| rows.clone().map(move |y| usize::from(classes[y * width + x]) % CLASSES);
        let mut counts = [0usize; CLASSES];
        let mut columns = reach.min(width);
        (0..columns).flat_map(column).for_each(|class| counts[class] += 1);
        let mut sum: f32 = counts.iter().map(|count| terms[*count]).sum();
        for x in 0..width {
            if x > reach {
                columns -= 1;
                for class in column(x - reach - 1) {
                    sum += terms[counts[class] - 1] - terms[counts[class]];
                    counts[class] -= 1;
                }
            }
            if x + reach < width {
                columns += 1;
                for class in column(x + reach) {
                    sum += terms[counts[class] + 1] - terms[counts[class]];
                    counts[class] += 1;
                }
            }
            let total = (columns * rows.len()) as f32;
            let bits = total.log2() - sum / total;
            entropies.push(if bits > LEAST { bits } else { 0.0 });
        }
    }
    entropies
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_is_that_of_the_square_around() {
        let classes: Vec<u8> = (0..13 * 9u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 29) as u8).collect();
        for reach in [1, 3, 20] {
            let found = entropies(&classes, 13, reach);
            for (index, found) in found.into_iter().enumerate() {
                let (x, y) = (index % 13, index / 13);
                let mut counts = [0.0f32; 8];
                for row in y.saturating_sub(reach)..(y + reach + 1).min(9) {
                    for column in x.saturating_sub(reach)..(x + reach + 1).min(13) {
                        counts[usize::from(classes[row * 13 + column])] += 1.0;
                    }
                }
                let total: f32 = counts.iter().sum();
                let bits = |count: &f32| if *count > 0.0 { -count / total * (count / total).log2() } else { 0.0 };
                let expected: f32 = counts.iter().map(bits).sum();
                assert!((found - expected).abs() < 0.001, "{reach} {x},{y}: {found} {expected}");
            }
        }
    }

    #[test]
    fn an_even_picture_of_any_size_tells_nothing() {
        for (width, height) in [(1, 1), (1, 64), (64, 1), (3, 5), (64, 48)] {
            let map = information(&vec![[90, 90, 200]; width * height], width, height);
            assert!(map.iter().all(|value| *value == 0.0), "{width}x{height}");
        }
    }

    #[test]
    fn detail_tells_more_than_the_edge_between_even_halves() {
        let pixel = |index: usize| match (index % 64, index / 64) {
            (44..56, 20..32) => [(index * 37 % 200) as u8; 3],
            (0..32, _) => [20; 3],
            _ => [220; 3],
        };
        let pixels: Vec<[u8; 3]> = (0..64 * 64).map(pixel).collect();
        let map = information(&pixels, 64, 64);
        assert!(map[26 * 64 + 50] > 5.0 * map[26 * 64 + 31], "{} {}", map[26 * 64 + 50], map[26 * 64 + 31]);
    }
}
