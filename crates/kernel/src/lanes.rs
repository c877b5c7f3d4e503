//! Sixteen bytes that are processed together in a register.
//!
//! Loops over arrays of sixteen bytes become vector instructions as well, but where a value of one step is needed in the
//! next, the compiler leaves them in memory, and waits for it.

#[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
use portable as implementation;
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
use x86 as implementation;

pub use implementation::Lanes;

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod x86 {
    use std::arch::x86_64 as arch;

    /// Sixteen bytes.
    #[derive(Debug, Clone, Copy)]
    pub struct Lanes(arch::__m128i);

    /// Defines functions and methods that consist of a few instructions.
    macro_rules! functions {
        ($($(#[$doc:meta])* fn $name:ident($($argument:tt)*) -> $result:ty $body:block)*) => {
            impl Lanes {
                $($(#[$doc])*
                #[inline(always)]
                #[must_use]
                pub fn $name($($argument)*) -> $result {
                    // SAFETY: these instructions work on registers, and belong to SSE2, which the code is compiled for:
                    // this module exists only then.
                    unsafe { $body }
                })*
            }
        };
    }

    functions! {
        /// All bytes 0.
        fn zero() -> Self { Self(arch::_mm_setzero_si128()) }

        /// Four words of four bytes, the first byte lowest.
        fn from_words([w0, w1, w2, w3]: [u32; 4]) -> Self {
            Self(arch::_mm_set_epi32(w3 as i32, w2 as i32, w1 as i32, w0 as i32))
        }

        /// Two words of eight bytes, the first byte lowest.
        fn from_longs([low, high]: [u64; 2]) -> Self { Self(arch::_mm_set_epi64x(high as i64, low as i64)) }

        /// The bytes as words of four.
        fn to_words(self) -> [u32; 4] {
            [
                arch::_mm_cvtsi128_si32(self.0) as u32,
                arch::_mm_cvtsi128_si32(arch::_mm_srli_si128::<4>(self.0)) as u32,
                arch::_mm_cvtsi128_si32(arch::_mm_srli_si128::<8>(self.0)) as u32,
                arch::_mm_cvtsi128_si32(arch::_mm_srli_si128::<12>(self.0)) as u32,
            ]
        }

        /// The bytes as words of eight.
        fn to_longs(self) -> [u64; 2] {
            [arch::_mm_cvtsi128_si64(self.0) as u64, arch::_mm_cvtsi128_si64(arch::_mm_srli_si128::<8>(self.0)) as u64]
        }

        /// The four bytes of `first`, and behind them the first twelve of these.
        fn behind_word(self, first: u32) -> Self {
            Self(arch::_mm_or_si128(arch::_mm_slli_si128::<4>(self.0), arch::_mm_cvtsi32_si128(first as i32)))
        }

        /// The eight bytes of `first`, and behind them the first eight of these.
        fn behind_long(self, first: u64) -> Self {
            Self(arch::_mm_unpacklo_epi64(arch::_mm_cvtsi64_si128(first as i64), self.0))
        }

        /// The smaller of two bytes.
        fn min(self, other: Self) -> Self { Self(arch::_mm_min_epu8(self.0, other.0)) }

        /// The larger of two bytes.
        fn max(self, other: Self) -> Self { Self(arch::_mm_max_epu8(self.0, other.0)) }

        /// The sum, modulo 256.
        fn plus(self, other: Self) -> Self { Self(arch::_mm_add_epi8(self.0, other.0)) }

        /// The difference, modulo 256.
        fn minus(self, other: Self) -> Self { Self(arch::_mm_sub_epi8(self.0, other.0)) }

        /// The sum, at most 255.
        fn plus_saturating(self, other: Self) -> Self { Self(arch::_mm_adds_epu8(self.0, other.0)) }

        /// The difference, at least 0.
        fn minus_saturating(self, other: Self) -> Self { Self(arch::_mm_subs_epu8(self.0, other.0)) }

        /// Half, rounded down.
        fn half(self) -> Self {
            Self(arch::_mm_srli_epi16::<1>(arch::_mm_and_si128(self.0, arch::_mm_set1_epi8(0xfe_u8 as i8))))
        }

        /// The sum of the absolute differences of the first eight bytes.
        fn distance(self, other: Self) -> u32 { arch::_mm_cvtsi128_si32(arch::_mm_sad_epu8(self.0, other.0)) as u32 }

        /// Half of the sum, rounded down.
        fn average(self, other: Self) -> Self {
            // The instruction rounds up.
            let odd = arch::_mm_and_si128(arch::_mm_xor_si128(self.0, other.0), arch::_mm_set1_epi8(1));
            Self(arch::_mm_sub_epi8(arch::_mm_avg_epu8(self.0, other.0), odd))
        }

        /// The bits that both have.
        fn and(self, other: Self) -> Self { Self(arch::_mm_and_si128(self.0, other.0)) }

        /// The bits that either has.
        fn or(self, other: Self) -> Self { Self(arch::_mm_or_si128(self.0, other.0)) }

        /// The bits that one of them has.
        fn xor(self, other: Self) -> Self { Self(arch::_mm_xor_si128(self.0, other.0)) }

        /// 255 where both are equal, and 0 elsewhere.
        fn equals(self, other: Self) -> Self { Self(arch::_mm_cmpeq_epi8(self.0, other.0)) }

        /// The bits of `yes` where this has ones, and those of `no` elsewhere.
        fn select(self, yes: Self, no: Self) -> Self {
            Self(arch::_mm_or_si128(arch::_mm_and_si128(self.0, yes.0), arch::_mm_andnot_si128(self.0, no.0)))
        }
    }
}

/// The same in plain Rust.
#[cfg(any(test, not(all(target_arch = "x86_64", target_feature = "sse2"))))]
#[cfg_attr(test, allow(unreachable_pub, reason = "on x86-64, only tests use it"))]
mod portable {
    /// Sixteen bytes.
    #[derive(Debug, Clone, Copy)]
    pub struct Lanes([u8; 16]);

    /// Defines methods for two bytes in the same place.
    macro_rules! bytewise {
        ($($(#[$doc:meta])* fn $name:ident($this:ident, $other:ident) $body:block)*) => {
            impl Lanes {
                $($(#[$doc])*
                #[inline(always)]
                #[must_use]
                pub fn $name(self, other: Self) -> Self {
                    Self(std::array::from_fn(|lane| {
                        let ($this, $other) = (self.0[lane], other.0[lane]);
                        $body
                    }))
                })*
            }
        };
    }

    bytewise! {
        /// The smaller of two bytes.
        fn min(this, other) { this.min(other) }
        /// The larger of two bytes.
        fn max(this, other) { this.max(other) }
        /// The sum, modulo 256.
        fn plus(this, other) { this.wrapping_add(other) }
        /// The difference, modulo 256.
        fn minus(this, other) { this.wrapping_sub(other) }
        /// The sum, at most 255.
        fn plus_saturating(this, other) { this.saturating_add(other) }
        /// The difference, at least 0.
        fn minus_saturating(this, other) { this.saturating_sub(other) }
        /// Half of the sum, rounded down.
        fn average(this, other) { (this & other) + ((this ^ other) >> 1) }
        /// The bits that both have.
        fn and(this, other) { this & other }
        /// The bits that either has.
        fn or(this, other) { this | other }
        /// The bits that one of them has.
        fn xor(this, other) { this ^ other }
        /// 255 where both are equal, and 0 elsewhere.
        fn equals(this, other) { if this == other { 255 } else { 0 } }
    }

    impl Lanes {
        /// All bytes 0.
        #[inline(always)]
        #[must_use]
        pub fn zero() -> Self {
            Self([0; 16])
        }

        /// Four words of four bytes, the first byte lowest.
        #[inline(always)]
        #[must_use]
        pub fn from_words(words: [u32; 4]) -> Self {
            Self(std::array::from_fn(|lane| words[lane / 4].to_le_bytes()[lane % 4]))
        }

        /// Two words of eight bytes, the first byte lowest.
        #[inline(always)]
        #[must_use]
        pub fn from_longs(longs: [u64; 2]) -> Self {
            Self(std::array::from_fn(|lane| longs[lane / 8].to_le_bytes()[lane % 8]))
        }

        /// The bytes as words of four.
        #[inline(always)]
        #[must_use]
        pub fn to_words(self) -> [u32; 4] {
            std::array::from_fn(|word| u32::from_le_bytes(std::array::from_fn(|byte| self.0[word * 4 + byte])))
        }

        /// The bytes as words of eight.
        #[inline(always)]
        #[must_use]
        pub fn to_longs(self) -> [u64; 2] {
            std::array::from_fn(|long| u64::from_le_bytes(std::array::from_fn(|byte| self.0[long * 8 + byte])))
        }

        /// The four bytes of `first`, and behind them the first twelve of these.
        #[inline(always)]
        #[must_use]
        pub fn behind_word(self, first: u32) -> Self {
            let [w0, w1, w2, _] = self.to_words();
            Self::from_words([first, w0, w1, w2])
        }

        /// The eight bytes of `first`, and behind them the first eight of these.
        #[inline(always)]
        #[must_use]
        pub fn behind_long(self, first: u64) -> Self {
            Self::from_longs([first, self.to_longs()[0]])
        }

        /// Half, rounded down.
        #[inline(always)]
        #[must_use]
        pub fn half(self) -> Self {
            Self(self.0.map(|byte| byte / 2))
        }

        /// The sum of the absolute differences of the first eight bytes.
        #[inline(always)]
        #[must_use]
        pub fn distance(self, other: Self) -> u32 {
            (0..8).map(|lane| u32::from(self.0[lane].abs_diff(other.0[lane]))).sum()
        }

        /// The bits of `yes` where this has ones, and those of `no` elsewhere.
        #[inline(always)]
        #[must_use]
        pub fn select(self, yes: Self, no: Self) -> Self {
            Self(std::array::from_fn(|lane| self.0[lane] & yes.0[lane] | !self.0[lane] & no.0[lane]))
        }
    }
}

#[cfg(all(test, target_arch = "x86_64", target_feature = "sse2"))]
mod tests {
    use super::{portable, x86};

    #[test]
    fn both_implementations_agree() {
        let mut state = 1u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // With equal bytes here and there.
            state & 0xff_00ff_00ff_00ff | state << 16 & 0xff00_ff00_0000_ff00
        };
        for _ in 0..500 {
            let (a, b, c) = ([random(), random()], [random(), random()], [random(), random()]);
            let (x, y, z) = (x86::Lanes::from_longs(a), x86::Lanes::from_longs(b), x86::Lanes::from_longs(c));
            let (p, q, r) =
                (portable::Lanes::from_longs(a), portable::Lanes::from_longs(b), portable::Lanes::from_longs(c));
            let pairs = [
                (x, p),
                (x86::Lanes::zero(), portable::Lanes::zero()),
                (x86::Lanes::from_words(y.to_words()), portable::Lanes::from_words(q.to_words())),
                (x.behind_word(b[0] as u32), p.behind_word(b[0] as u32)),
                (x.behind_long(b[0]), p.behind_long(b[0])),
                (x.min(y), p.min(q)),
                (x.max(y), p.max(q)),
                (x.plus(y), p.plus(q)),
                (x.minus(y), p.minus(q)),
                (x.plus_saturating(y), p.plus_saturating(q)),
                (x.minus_saturating(y), p.minus_saturating(q)),
                (x.half(), p.half()),
                (x.average(y), p.average(q)),
                (x.and(y), p.and(q)),
                (x.or(y), p.or(q)),
                (x.xor(y), p.xor(q)),
                (x.equals(y), p.equals(q)),
                (x.select(y, z), p.select(q, r)),
            ];
            assert_eq!(x.distance(y), p.distance(q));
            for (number, (vector, portable)) in pairs.into_iter().enumerate() {
                assert_eq!(vector.to_longs(), portable.to_longs(), "{number}");
                assert_eq!(vector.to_words(), portable.to_words(), "{number}");
            }
        }
    }
}
