//! Runs hot loops with the vector instructions of the CPU.
//!
//! Most loops are plain Rust code that is compiled twice: for the baseline of the target, and with AVX2, BMI2 and LZCNT
//! enabled, which allows wider vectors, flagless shifts and fast leading zero counts. The inverse DCT is written with
//! SSE2 intrinsics, since compilers do not vectorize it well; its calls are here.

#![allow(
    unsafe_code,
    reason = "calling functions for CPU features that every CPU of the target has, or that were detected"
)]

#[cfg(target_arch = "x86_64")]
use super::{idct::Block, idct_x86};

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
    // SAFETY: every x86-64 CPU has SSE2; it is part of the target's baseline.
    unsafe { idct_x86::full(block, out, stride) }
}

/// Writes the 5x5 samples of a block: see [`idct`](super::idct).
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) fn idct_five(block: &Block, out: &mut [u8], stride: usize) {
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
