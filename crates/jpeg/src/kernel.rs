//! Runs the hot loops with the vector instructions that the machine has.
//!
//! Most loops are plain Rust, compiled twice: once for every machine of the target, and once with AVX2, BMI2 and LZCNT
//! allowed, where the compiler finds wider vectors, shifts that leave the flags alone and the place of the highest bit in
//! one step. The inverse DCT is written for SSE2, since compilers do not see through it; here are the calls.

#![allow(
    unsafe_code,
    reason = "calling functions for CPU features that every CPU of the target has, or that were detected"
)]

#[cfg(target_arch = "x86_64")]
use super::{idct::Block, idct_x86};

/// A loop to be run. `run` and what it calls often must be `#[inline(always)]`, or they are compiled only once.
pub(crate) trait Kernel {
    /// What the loop results in.
    type Output;

    /// Runs the loop.
    fn run(self) -> Self::Output;
}

/// Runs `kernel` in the best version that this machine can execute.
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

/// Writes the 4x4 samples of a block: see [`idct`](super::idct).
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) fn idct_half(block: &Block, out: &mut [u8], stride: usize) {
    // SAFETY: every x86-64 CPU has SSE2; it is part of the target's baseline.
    unsafe { idct_x86::half(block, out, stride) }
}
