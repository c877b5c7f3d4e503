//! `hypot` and `hypotf` of C, so that those of glibc are not linked.
//!
//! glibc 2.35 has new versions of these functions, and a program that is linked where that is installed would not start with
//! an older one: AWS Lambda has 2.34. Drawings in SVG are measured by them.

#![allow(unsafe_code, reason = "names of symbols, which the compiler cannot check for other definitions")]

/// `sqrt(x^2 + y^2)` without overflow in between.
// SAFETY: the function has the signature and the meaning of the one in C (ISO C11, 7.12.7.3), which it replaces.
#[unsafe(no_mangle)]
extern "C" fn hypot(x: f64, y: f64) -> f64 {
    libm::hypot(x, y)
}

/// [`hypot`] in single precision.
// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn hypotf(x: f32, y: f32) -> f32 {
    libm::hypotf(x, y)
}
