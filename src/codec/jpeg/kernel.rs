//! Runs the hot loops with the vector instructions that the machine has.
//!
//! Most are plain Rust for [`dispatch`] to choose from. The inverse DCT is written for SSE2, since compilers do not see
//! through it; here are the calls.

#![allow(unsafe_code, reason = "calling functions for a CPU feature that every CPU of the target has")]

#[cfg(target_arch = "x86_64")]
use super::{idct::Block, idct_x86};
pub(super) use crate::codec::kernel::{Kernel, dispatch};

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
