//! The samples of planes: 8 bits, or up to 12 in 16.

/// A sample of a plane.
pub(super) trait Sample: Copy + Default + Eq + Into<u16> + Into<i32> + Into<u32> {
    /// The low bits of `value`, which is in range.
    fn of(value: i32) -> Self;

    /// The nearest sample of this depth in bits.
    fn clamped(value: i32, depth: u32) -> Self {
        Self::of(value.clamp(0, (1 << depth) - 1))
    }
}

impl Sample for u8 {
    fn of(value: i32) -> Self {
        value as Self
    }

    #[inline(always)]
    fn clamped(value: i32, _: u32) -> Self {
        value.clamp(0, 255) as Self
    }
}

impl Sample for u16 {
    fn of(value: i32) -> Self {
        value as Self
    }
}
