//! The eight orientations of EXIF, which form the dihedral group of the square.

/// The transformation of stored pixels to upright ones: mirrored left to right if `mirrored`, then rotated clockwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Orientation {
    mirrored: bool,
    /// Clockwise quarter turns, `0..=3`.
    turns: u8,
}

impl Orientation {
    /// Upright.
    pub const UPRIGHT: Self = Self { mirrored: false, turns: 0 };
    /// Mirrored left to right.
    pub const MIRRORED: Self = Self { mirrored: true, turns: 0 };

    /// A clockwise rotation by this number of quarter turns.
    pub const fn turned(quarters: u8) -> Self {
        Self { mirrored: false, turns: quarters % 4 }
    }

    /// Converts the value of EXIF's tag 0x0112 (Exif 3.0, 4.6.5.1.6); values outside 1..=8 mean upright.
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

    /// The composition: this orientation first, then `next`.
    #[must_use]
    pub const fn then(self, next: Self) -> Self {
        // A mirror after a rotation equals the opposite rotation after the mirror.
        let turns = if next.mirrored { 4 - self.turns + next.turns } else { self.turns + next.turns };
        Self { mirrored: self.mirrored != next.mirrored, turns: turns % 4 }
    }

    /// The inverse of this orientation.
    #[must_use]
    pub const fn inverse(self) -> Self {
        if self.mirrored { self } else { Self { mirrored: false, turns: (4 - self.turns) % 4 } }
    }

    /// Whether width and height are exchanged.
    pub const fn transposes(self) -> bool {
        self.turns % 2 == 1
    }

    /// The size of a picture of the given size after this transformation.
    pub fn size<T>(self, width: T, height: T) -> (T, T) {
        if self.transposes() { (height, width) } else { (width, height) }
    }

    /// Whether the picture is mirrored before the rotation.
    pub const fn is_mirrored(self) -> bool {
        self.mirrored
    }

    /// Clockwise quarter turns, `0..=3`.
    pub const fn turns(self) -> u8 {
        self.turns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_is_closed_and_inverses_undo() {
        let all = || (1..=8).map(Orientation::from_exif);
        for first in all() {
            assert_eq!(Orientation::from_exif(first.to_exif()), first);
            assert_eq!(first.then(first.inverse()), Orientation::UPRIGHT);
            for second in all() {
                assert!(all().any(|one| one == first.then(second)));
                for third in all() {
                    assert_eq!(first.then(second).then(third), first.then(second.then(third)));
                }
            }
        }
    }
}
