//! Runs hot loops with the vector instructions of the CPU.
//!
//! Most loops are plain Rust code that is compiled twice: for the baseline of the target, and with AVX2, BMI2 and LZCNT
//! enabled, which allows wider vectors, flagless shifts and fast leading zero counts. The inverse DCT is written with
//! SSE2 and AVX2 intrinsics, since compilers do not vectorize it well; its calls are here.

#![allow(
    unsafe_code,
    reason = "calling functions for CPU features that every CPU of the target has, or that were detected"
)]

#[cfg(target_arch = "x86_64")]
use super::{idct::Block, idct_avx2, idct_x86};

/// A loop to run. `run`, and the functions that it calls in hot loops, must be `#[inline(always)]`, or they are
/// compiled only once.
pub(crate) trait Kernel {
    /// The result of the loop.
    type Output;

    /// Runs the loop.
    fn run(self) -> Self::Output;
}

/// Runs the best version of `kernel` that this CPU supports.
#[inline]
pub(crate) fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2") && is_x86_feature_detected!("lzcnt") {
        // SAFETY: the only requirement of `with_avx2` is that the CPU has the three features, which was just detected.
        return unsafe { with_avx2(kernel) };
    }
    kernel.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi2,lzcnt")]
fn with_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}

/// Writes the 8x8 samples of a block: see [`idct`](super::idct).
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) fn idct_full(block: &Block, out: &mut [u8], stride: usize) {
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the only requirement is AVX2, which was just detected.
        return unsafe { idct_avx2::full(block, out, stride) };
    }
    // SAFETY: every x86-64 CPU has SSE2; it is part of the target's baseline.
    unsafe { idct_x86::full(block, out, stride) }
}

/// Writes the 5x5 samples of a block: see [`idct`](super::idct).
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) fn idct_five(block: &Block, out: &mut [u8], stride: usize) {
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the only requirement is AVX2, which was just detected.
        return unsafe { idct_avx2::five(block, out, stride) };
    }
    // SAFETY: every x86-64 CPU has SSE2; it is part of the target's baseline.
    unsafe { idct_x86::five(block, out, stride) }
}

/// Writes the 3x3 samples of a block: see [`idct`](super::idct).
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) fn idct_three(block: &Block, out: &mut [u8], stride: usize) {
    // SAFETY: every x86-64 CPU has SSE2; it is part of the target's baseline.
    unsafe { idct_x86::three(block, out, stride) }
}

/// Writes the 4x4 samples of a block: see [`idct`](super::idct).
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) fn idct_half(block: &Block, out: &mut [u8], stride: usize) {
    // SAFETY: every x86-64 CPU has SSE2; it is part of the target's baseline.
    unsafe { idct_x86::half(block, out, stride) }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::super::idct_portable;
    use super::*;

    /// On a CPU with AVX2 nothing else calls the transforms with SSE2.
    #[test]
    fn transforms_with_sse2_agree_with_portable_ones() {
        let mut state = 7u32;
        for range in [4, 60, 600, 16_000].repeat(500) {
            let block: Block = std::array::from_fn(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((state >> 8) as i32 % (2 * range + 1) - range) as i16
            });
            let (mut vector, mut portable) = ([0; 80], [0; 80]);
            // SAFETY: every x86-64 CPU has SSE2.
            unsafe { idct_x86::full(&block, &mut vector, 10) };
            idct_portable::full(&block, &mut portable, 10);
            assert_eq!(vector, portable, "{block:?}");
            // SAFETY: every x86-64 CPU has SSE2.
            unsafe { idct_x86::five(&block, &mut vector, 10) };
            idct_portable::five(&block, &mut portable, 10);
            assert_eq!(vector, portable, "{block:?}");
        }
    }
}
