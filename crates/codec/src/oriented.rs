//! Applies the eight orientations to areas and pixels.

use super::{Area, Orientation};

impl Area {
    /// The position of this area of a picture of `width` by `height` after the orientation is applied to the picture.
    #[must_use]
    pub fn oriented(self, orientation: Orientation, width: f64, height: f64) -> Self {
        let mut at = self;
        if orientation.is_mirrored() {
            at.x = width - at.x - at.width;
        }
        let (mut width, mut height) = (width, height);
        for _ in 0..orientation.turns() {
            at = Self { x: height - at.y - at.height, y: at.x, width: at.height, height: at.width };
            (width, height) = (height, width);
        }
        at
    }
}

/// Applies an orientation to pixels of `N` samples in contiguous rows. Only orientations that exchange width and height
/// allocate a second buffer.
pub(super) fn oriented<T: Copy, const N: usize>(
    orientation: Orientation,
    mut samples: Vec<T>,
    width: usize,
    height: usize,
) -> Vec<T> {
    let pixels = samples.as_chunks_mut::<N>().0;
    let at = |x: usize, y: usize, pixels: &[[T; N]]| pixels[y * width + x];
    match (orientation.turns(), orientation.is_mirrored()) {
        (0, false) => {}
        (0, true) => pixels.chunks_exact_mut(width.max(1)).for_each(<[_]>::reverse),
        (2, false) => pixels.reverse(),
        (2, true) => {
            let (upper, lower) = pixels.split_at_mut(height.div_ceil(2) * width);
            let rows = upper.chunks_exact_mut(width.max(1)).zip(lower.chunks_exact_mut(width.max(1)).rev());
            rows.for_each(|(one, other)| one.swap_with_slice(other));
        }
        (turns, mirrored) => {
            let mut out = Vec::with_capacity(pixels.len());
            for x in 0..width {
                let x = if (turns == 1) == mirrored { width - 1 - x } else { x };
                let rows = 0..height;
                match turns {
                    1 => out.extend(rows.rev().map(|y| at(x, y, pixels))),
                    _ => out.extend(rows.map(|y| at(x, y, pixels))),
                }
            }
            return out.into_flattened();
        }
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = Orientation> {
        (1..=8).map(Orientation::from_exif)
    }

    /// `A B C / D E F`, as EXIF describes the eight: "the 0th row is at the visual ... side".
    #[test]
    fn pixels_become_upright() {
        let stored = b"ABCDEF".to_vec();
        let table = ["ABCDEF", "CBAFED", "FEDCBA", "DEFABC", "ADBECF", "DAEBFC", "FCEBDA", "CFBEAD"];
        for (orientation, expected) in all().zip(table) {
            let upright = oriented::<_, 1>(orientation, stored.clone(), 3, 2);
            assert_eq!(String::from_utf8_lossy(&upright), expected, "orientation {}", orientation.to_exif());
        }
    }

    #[test]
    fn one_after_the_other_is_their_product() {
        let stored: Vec<u8> = (0..6).collect();
        for first in all() {
            for second in all() {
                let (width, height) = first.size(3, 2);
                let one_by_one = oriented::<_, 1>(second, oriented::<_, 1>(first, stored.clone(), 3, 2), width, height);
                assert_eq!(oriented::<_, 1>(first.then(second), stored.clone(), 3, 2), one_by_one);
            }
        }
    }

    #[test]
    fn areas_follow_their_pixels() {
        for orientation in all() {
            let stored: Vec<u8> = (0..12).map(|i| u8::from(i == 6)).collect();
            let (width, _) = orientation.size(4, 3);
            let place = oriented::<_, 1>(orientation, stored, 4, 3).iter().position(|p| *p == 1).unwrap();
            let area = Area { x: 2.0, y: 1.0, width: 1.0, height: 1.0 }.oriented(orientation, 4.0, 3.0);
            assert_eq!((area.x, area.y), ((place % width) as f64, (place / width) as f64));
        }
    }
}
