//! The samples of planes: 8 bits, or up to 12 in 16.

/// A sample of a plane.
pub(super) trait Sample: Copy + Default + Eq + Into<u16> + Into<i32> + Into<u32> {
    /// The low bits of `value`, which is in range.
    fn of(value: i32) -> Self;

    /// The nearest sample of this depth in bits.
    fn clamped(value: i32, depth: u32) -> Self {
        Self::of(value.clamp(0, (1 << depth) - 1))
    }

    /// A sample between this one and the next, at a distance of `shift` 32nds.
    fn between(self, next: Self, shift: u16) -> Self;

    /// Eight samples of this depth that recursive filters predict from seven neighbours: sums of products with their taps,
    /// in 16ths (7.11.2.3).
    fn filtered(near: [Self; 7], taps: &[[i16; 8]; 7], depth: u32) -> [Self; 8];
}

impl Sample for u8 {
    fn of(value: i32) -> Self {
        value as Self
    }

    #[inline(always)]
    fn clamped(value: i32, _: u32) -> Self {
        value.clamp(0, 255) as Self
    }

    #[inline(always)]
    fn between(self, next: Self, shift: u16) -> Self {
        ((u16::from(self) * (32 - shift) + u16::from(next) * shift + 16) >> 5) as Self
    }

    #[inline(always)]
    fn filtered(near: [Self; 7], taps: &[[i16; 8]; 7], _: u32) -> [Self; 8] {
        // The magnitudes of the taps of a sample sum up to 60 at most, so that 16 bits hold the sums.
        let mut sums = [8i16; 8];
        for (taps, sample) in taps.iter().zip(near) {
            for (sum, tap) in sums.iter_mut().zip(taps) {
                *sum += tap * i16::from(sample);
            }
        }
        for sum in &mut sums {
            *sum = (*sum >> 4).clamp(0, 255);
        }
        sums.map(|sum| sum as Self)
    }
}

impl Sample for u16 {
    fn of(value: i32) -> Self {
        value as Self
    }

    #[inline(always)]
    fn between(self, next: Self, shift: u16) -> Self {
        let [near, next, shift] = [self, next, shift].map(u32::from);
        ((near * (32 - shift) + next * shift + 16) >> 5) as Self
    }

    #[inline(always)]
    fn filtered(near: [Self; 7], taps: &[[i16; 8]; 7], depth: u32) -> [Self; 8] {
        let mut sums = [8i32; 8];
        for (taps, sample) in taps.iter().zip(near) {
            for (sum, tap) in sums.iter_mut().zip(taps) {
                *sum += i32::from(*tap) * i32::from(sample);
            }
        }
        sums.map(|sum| Self::clamped(sum >> 4, depth))
    }
}
