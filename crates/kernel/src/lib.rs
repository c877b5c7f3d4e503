//! Runs hot loops with the vector instructions of the CPU.
//!
//! Loops are plain Rust code that is compiled twice: for the baseline of the target, and with AVX2, BMI2 and LZCNT
//! enabled, which allows wider vectors, flagless shifts and fast leading zero counts.
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

#![allow(unsafe_code, reason = "functions for CPU features that were detected at run time, or that are compiled for")]

mod lanes;

pub use lanes::Lanes;

/// A loop to run. `run`, and the functions that it calls in hot loops, must be `#[inline(always)]`, or they are
/// compiled only once.
pub trait Kernel {
    /// The result of the loop.
    type Output;

    /// Runs the loop.
    fn run(self) -> Self::Output;
}

/// Runs the best version of `kernel` that this CPU supports.
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
