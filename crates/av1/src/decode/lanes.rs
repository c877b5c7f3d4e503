//! Eight values of 16 bits that are processed together.
//!
//! Compilers make vectors of some loops over arrays of them, but not of products whose factors are known at run time
//! only, nor of transpositions.

#![allow(unsafe_code, reason = "instructions on registers, which belong to what the code is compiled for")]

#[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
pub(super) use portable::Lanes;
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
pub(super) use x86::Lanes;

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod x86 {
    use std::arch::x86_64 as arch;

    /// Eight values.
    #[derive(Debug, Clone, Copy)]
    pub(in crate::decode) struct Lanes(arch::__m128i);

    /// Defines functions and methods that consist of a few instructions.
    macro_rules! functions {
        ($(
            $(#[$doc:meta])*
            fn $name:ident ($($argument:tt)*) -> $result:ty $body:block
        )*) => {
            impl Lanes {
                $($(#[$doc])*
                #[inline(always)]
                pub(in crate::decode) fn $name($($argument)*) -> $result {
                    // SAFETY: these instructions work on registers, and belong to SSE2, which the code is compiled for:
                    // this module exists only then. Arrays have the size of registers, and any bits are values of both.
                    unsafe { $body }
                })*
            }
        };
    }

    functions! {
        /// All values this one.
        fn splat(value: i16) -> Self { Self(arch::_mm_set1_epi16(value)) }

        /// The nearest values to these.
        fn nearest(values: [i32; 8]) -> Self {
            let [low, high] = std::mem::transmute::<[i32; 8], [arch::__m128i; 2]>(values);
            Self(arch::_mm_packs_epi32(low, high))
        }

        /// The values as an array.
        fn to_array(self) -> [i16; 8] { std::mem::transmute::<arch::__m128i, [i16; 8]>(self.0) }

        /// The sums, or the nearest values to them.
        fn plus(self, other: Self) -> Self { Self(arch::_mm_adds_epi16(self.0, other.0)) }

        /// The differences, or the nearest values to them.
        fn minus(self, other: Self) -> Self { Self(arch::_mm_subs_epi16(self.0, other.0)) }

        /// The values times a power of two, of which the low 16 bits remain.
        fn shifted_left(self, bits: i32) -> Self { Self(arch::_mm_sll_epi16(self.0, arch::_mm_cvtsi32_si128(bits))) }

        /// The values divided by a power of two, rounded down.
        fn shifted_right(self, bits: i32) -> Self { Self(arch::_mm_sra_epi16(self.0, arch::_mm_cvtsi32_si128(bits))) }

        /// The sums of products with a factor of each, divided by 4096 and rounded, or the nearest values to them.
        fn combined(terms: [Self; 2], factors: [i16; 2]) -> Self {
            let [a, b] = factors.map(|factor| u32::from(factor as u16));
            let factors = arch::_mm_set1_epi32((a | b << 16) as i32);
            let half = arch::_mm_set1_epi32(1 << 11);
            let [p, q] = terms;
            let low = arch::_mm_madd_epi16(arch::_mm_unpacklo_epi16(p.0, q.0), factors);
            let high = arch::_mm_madd_epi16(arch::_mm_unpackhi_epi16(p.0, q.0), factors);
            let low = arch::_mm_srai_epi32::<12>(arch::_mm_add_epi32(low, half));
            let high = arch::_mm_srai_epi32::<12>(arch::_mm_add_epi32(high, half));
            Self(arch::_mm_packs_epi32(low, high))
        }

        /// The same of four terms.
        fn combined_4(terms: [Self; 4], factors: [i16; 4]) -> Self {
            let [a, b, c, d] = factors.map(|factor| u32::from(factor as u16));
            let first = arch::_mm_set1_epi32((a | b << 16) as i32);
            let second = arch::_mm_set1_epi32((c | d << 16) as i32);
            let half = arch::_mm_set1_epi32(1 << 11);
            let [p, q, r, s] = terms;
            let low = arch::_mm_add_epi32(
                arch::_mm_madd_epi16(arch::_mm_unpacklo_epi16(p.0, q.0), first),
                arch::_mm_madd_epi16(arch::_mm_unpacklo_epi16(r.0, s.0), second),
            );
            let high = arch::_mm_add_epi32(
                arch::_mm_madd_epi16(arch::_mm_unpackhi_epi16(p.0, q.0), first),
                arch::_mm_madd_epi16(arch::_mm_unpackhi_epi16(r.0, s.0), second),
            );
            let low = arch::_mm_srai_epi32::<12>(arch::_mm_add_epi32(low, half));
            let high = arch::_mm_srai_epi32::<12>(arch::_mm_add_epi32(high, half));
            Self(arch::_mm_packs_epi32(low, high))
        }

        /// The first four values of both in turn, and the last four.
        fn interleaved(self, other: Self) -> [Self; 2] {
            [Self(arch::_mm_unpacklo_epi16(self.0, other.0)), Self(arch::_mm_unpackhi_epi16(self.0, other.0))]
        }
    }
}

#[cfg(any(test, not(all(target_arch = "x86_64", target_feature = "sse2"))))]
mod portable {
    use std::array::from_fn;

    /// Eight values.
    #[derive(Debug, Clone, Copy)]
    pub(in crate::decode) struct Lanes([i16; 8]);

    fn nearest(value: i32) -> i16 {
        value.clamp(i16::MIN.into(), i16::MAX.into()) as i16
    }

    impl Lanes {
        /// All values this one.
        #[inline(always)]
        pub(in crate::decode) fn splat(value: i16) -> Self {
            Self([value; 8])
        }

        /// The nearest values to these.
        #[inline(always)]
        pub(in crate::decode) fn nearest(values: [i32; 8]) -> Self {
            Self(values.map(nearest))
        }

        /// The values as an array.
        #[inline(always)]
        pub(in crate::decode) fn to_array(self) -> [i16; 8] {
            self.0
        }

        /// The sums, or the nearest values to them.
        #[inline(always)]
        pub(in crate::decode) fn plus(self, other: Self) -> Self {
            Self(from_fn(|i| self.0[i].saturating_add(other.0[i])))
        }

        /// The differences, or the nearest values to them.
        #[inline(always)]
        pub(in crate::decode) fn minus(self, other: Self) -> Self {
            Self(from_fn(|i| self.0[i].saturating_sub(other.0[i])))
        }

        /// The values times a power of two, of which the low 16 bits remain.
        #[inline(always)]
        pub(in crate::decode) fn shifted_left(self, bits: i32) -> Self {
            Self(self.0.map(|value| value << bits))
        }

        /// The values divided by a power of two, rounded down.
        #[inline(always)]
        pub(in crate::decode) fn shifted_right(self, bits: i32) -> Self {
            Self(self.0.map(|value| value >> bits))
        }

        /// The sums of products with a factor of each, divided by 4096 and rounded, or the nearest values to them.
        #[inline(always)]
        pub(in crate::decode) fn combined(terms: [Self; 2], factors: [i16; 2]) -> Self {
            Self::combined_all(terms, factors)
        }

        /// The same of four terms.
        #[inline(always)]
        pub(in crate::decode) fn combined_4(terms: [Self; 4], factors: [i16; 4]) -> Self {
            Self::combined_all(terms, factors)
        }

        #[inline(always)]
        fn combined_all<const N: usize>(terms: [Self; N], factors: [i16; N]) -> Self {
            Self(from_fn(|i| {
                let products = terms.iter().zip(factors).map(|(term, factor)| i32::from(term.0[i]) * i32::from(factor));
                nearest((products.sum::<i32>() + (1 << 11)) >> 12)
            }))
        }

        /// The first four values of both in turn, and the last four.
        #[inline(always)]
        pub(in crate::decode) fn interleaved(self, other: Self) -> [Self; 2] {
            let both = |i: usize| if i.is_multiple_of(2) { self.0[i / 2] } else { other.0[i / 2] };
            [Self(from_fn(both)), Self(from_fn(|i| both(8 + i)))]
        }
    }
}

#[cfg(all(test, target_arch = "x86_64", target_feature = "sse2"))]
mod tests {
    use super::{portable, x86};

    #[test]
    fn instructions_do_what_arrays_do() {
        let mut state = 1u32;
        let mut value = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 15) as i32 - (1 << 16)
        };
        for _ in 0..1000 {
            let values: [[i32; 8]; 4] = std::array::from_fn(|_| std::array::from_fn(|_| value()));
            let factors: [i16; 4] = std::array::from_fn(|_| (value() / 16) as i16);
            let bits = value() & 15;
            macro_rules! results {
                ($lanes:ty) => {{
                    let terms = values.map(<$lanes>::nearest);
                    let [a, b, ..] = terms;
                    let [low, high] = a.interleaved(b);
                    let combined = <$lanes>::combined([a, b], [factors[0], factors[1]]);
                    let combined_4 = <$lanes>::combined_4(terms, factors);
                    [
                        a,
                        a.plus(b),
                        a.minus(b),
                        a.shifted_left(bits),
                        a.shifted_right(bits),
                        combined,
                        combined_4,
                        low,
                        high,
                        <$lanes>::splat(factors[0]),
                    ]
                    .map(<$lanes>::to_array)
                }};
            }
            assert_eq!(results!(x86::Lanes), results!(portable::Lanes));
        }
    }
}
