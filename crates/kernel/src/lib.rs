//! Runs hot loops with the vector instructions that the machine has.
//!
//! The loops are plain Rust. Here they are compiled twice: once for every machine of the target, and once with AVX2, BMI2
//! and LZCNT allowed, where the compiler finds wider vectors, shifts that leave the flags alone and the place of the
//! highest bit in one step.
//!
//! ```
//! use image_origin_kernel::{Kernel, dispatch};
//!
//! struct Sum<'a>(&'a [u32]);
//!
//! impl Kernel for Sum<'_> {
//!     type Output = u32;
//!
//!     #[inline(always)]
//!     fn run(self) -> u32 {
//!         self.0.iter().sum()
//!     }
//! }
//!
//! assert_eq!(dispatch(Sum(&[1, 2, 3])), 6);
//! ```

#![allow(unsafe_code, reason = "calling a function for a CPU feature that was detected at run time")]

/// A loop to be run. `run` and what it calls often must be `#[inline(always)]`, or they are compiled only once.
pub trait Kernel {
    /// What the loop results in.
    type Output;

    /// Runs the loop.
    fn run(self) -> Self::Output;
}

/// Runs `kernel` in the best version that this machine can execute.
#[inline]
pub fn dispatch<K: Kernel>(kernel: K) -> K::Output {
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
