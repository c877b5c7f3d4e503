//! The eight ways to lay a rectangle onto itself: EXIF's orientations, which are the dihedral group of the square.

use super::Area;

/// How stored pixels become upright: first mirrored left to right if `mirrored`, then turned clockwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Orientation {
    mirrored: bool,
    /// Clockwise quarter turns, `0..=3`.
    turns: u8,
}

impl Orientation {
    /// Already upright.
    pub const UPRIGHT: Self = Self { mirrored: false, turns: 0 };
    /// Left and right change places.
    pub const MIRRORED: Self = Self { mirrored: true, turns: 0 };

    /// A clockwise turn by this many quarters.
    pub const fn turned(quarters: u8) -> Self {
        Self { mirrored: false, turns: quarters % 4 }
    }

    /// From the value of EXIF's tag 0x0112 (Exif 3.0, 4.6.5.1.6); anything outside 1..=8 counts as upright.
    pub const fn from_exif(value: u8) -> Self {
        let (mirrored, turns) = match value {
            2 => (true, 0),
            3 => (false, 2),
            4 => (true, 2),
            5 => (true, 3),
            6 => (false, 1),
            7 => (true, 1),
            8 => (false, 3),
            _ => (false, 0),
        };
        Self { mirrored, turns }
    }

    /// The value of EXIF's tag 0x0112, `1..=8`.
    pub const fn to_exif(self) -> u8 {
        match (self.mirrored, self.turns) {
            (false, 0) => 1,
            (true, 0) => 2,
            (false, 2) => 3,
            (true, 2) => 4,
            (true, 3) => 5,
            (false, 1) => 6,
            (true, 1) => 7,
            _ => 8,
        }
    }

    /// This one first, `next` after it.
    #[must_use]
    pub const fn then(self, next: Self) -> Self {
        // A mirror after a turn is the opposite turn after the mirror.
        let turns = if next.mirrored { 4 - self.turns + next.turns } else { self.turns + next.turns };
        Self { mirrored: self.mirrored != next.mirrored, turns: turns % 4 }
    }

    /// The one that undoes this one.
    #[must_use]
    pub const fn inverse(self) -> Self {
        if self.mirrored { self } else { Self { mirrored: false, turns: (4 - self.turns) % 4 } }
    }

    /// Whether width and height change places.
    pub const fn transposes(self) -> bool {
        self.turns % 2 == 1
    }

    /// The size after this is applied to a picture of that size.
    pub fn size<T>(self, width: T, height: T) -> (T, T) {
        if self.transposes() { (height, width) } else { (width, height) }
    }

    /// Where an area of a picture of `width` by `height` lies after this is applied to the picture.
    pub fn area(self, area: Area, width: f64, height: f64) -> Area {
        let mut at = area;
        if self.mirrored {
            at.x = width - at.x - at.width;
        }
        let (mut width, mut height) = (width, height);
        for _ in 0..self.turns {
            at = Area { x: height - at.y - at.height, y: at.x, width: at.height, height: at.width };
            (width, height) = (height, width);
        }
        at
    }

    /// Applies this to pixels of `N` samples, given as rows without gaps. Only what changes places of width and height
    /// needs room for the result beside the pixels.
    pub(super) fn apply<T: Copy, const N: usize>(self, mut samples: Vec<T>, width: usize, height: usize) -> Vec<T> {
        let pixels = samples.as_chunks_mut::<N>().0;
        let at = |x: usize, y: usize, pixels: &[[T; N]]| pixels[y * width + x];
        match (self.turns, self.mirrored) {
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
            let upright = orientation.apply::<_, 1>(stored.clone(), 3, 2);
            assert_eq!(String::from_utf8_lossy(&upright), expected, "orientation {}", orientation.to_exif());
        }
    }

    #[test]
    fn the_group_is_closed_and_inverses_undo() {
        let stored: Vec<u8> = (0..6).collect();
        for first in all() {
            assert_eq!(Orientation::from_exif(first.to_exif()), first);
            assert_eq!(first.then(first.inverse()), Orientation::UPRIGHT);
            for second in all() {
                let (width, height) = first.size(3, 2);
                let one_by_one = second.apply::<_, 1>(first.apply::<_, 1>(stored.clone(), 3, 2), width, height);
                assert_eq!(first.then(second).apply::<_, 1>(stored.clone(), 3, 2), one_by_one);
            }
        }
    }

    #[test]
    fn areas_follow_their_pixels() {
        for orientation in all() {
            let stored: Vec<u8> = (0..12).map(|i| u8::from(i == 6)).collect();
            let (width, _) = orientation.size(4, 3);
            let place = orientation.apply::<_, 1>(stored, 4, 3).iter().position(|p| *p == 1).unwrap();
            let area = orientation.area(Area { x: 2.0, y: 1.0, width: 1.0, height: 1.0 }, 4.0, 3.0);
            assert_eq!((area.x, area.y), ((place % width) as f64, (place / width) as f64));
        }
    }
}
