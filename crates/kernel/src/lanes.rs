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
        ($(
            $(#[$doc:meta])*
            fn $name:ident $(<const $constant:ident: i32>)? ($($argument:tt)*) -> $result:ty $body:block
        )*) => {
            impl Lanes {
                $($(#[$doc])*
                #[inline(always)]
                #[must_use]
                pub fn $name $(<const $constant: i32>)? ($($argument)*) -> $result {
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

        /// All bytes this one.
        fn splat(byte: u8) -> Self { Self(arch::_mm_set1_epi8(byte.cast_signed())) }

        /// The bytes of an array.
        fn from_bytes(bytes: [u8; 16]) -> Self { Self(std::mem::transmute::<[u8; 16], arch::__m128i>(bytes)) }

        /// The bytes as an array.
        fn to_bytes(self) -> [u8; 16] { std::mem::transmute::<arch::__m128i, [u8; 16]>(self.0) }

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

        /// The sum of signed bytes, in `-128..=127`.
        fn plus_signed(self, other: Self) -> Self { Self(arch::_mm_adds_epi8(self.0, other.0)) }

        /// The difference of signed bytes, in `-128..=127`.
        fn minus_signed(self, other: Self) -> Self { Self(arch::_mm_subs_epi8(self.0, other.0)) }

        /// `(byte * factor + 2^(SHIFT - 1) - 1) / 2^SHIFT` of signed bytes, rounded down, in `-128..=127`. The product with
        /// `factor` has 16 bits.
        fn scaled<const SHIFT: i32>(self, factor: i8) -> Self {
            // Bytes in the upper halves of words: the upper half of the product with a factor in the upper half is that of both.
            let zero = arch::_mm_setzero_si128();
            let factor = arch::_mm_set1_epi16(i16::from(factor) << 8);
            let half = arch::_mm_set1_epi16((1 << (SHIFT - 1)) - 1);
            let low = arch::_mm_mulhi_epi16(arch::_mm_unpacklo_epi8(zero, self.0), factor);
            let high = arch::_mm_mulhi_epi16(arch::_mm_unpackhi_epi8(zero, self.0), factor);
            let low = arch::_mm_srai_epi16::<SHIFT>(arch::_mm_add_epi16(low, half));
            let high = arch::_mm_srai_epi16::<SHIFT>(arch::_mm_add_epi16(high, half));
            Self(arch::_mm_packs_epi16(low, high))
        }

        /// A signed byte divided by a power of two, rounded down.
        fn halved_signed<const TIMES: i32>(self) -> Self {
            let low = arch::_mm_srai_epi16::<8>(arch::_mm_unpacklo_epi8(self.0, self.0));
            let high = arch::_mm_srai_epi16::<8>(arch::_mm_unpackhi_epi8(self.0, self.0));
            Self(arch::_mm_packs_epi16(arch::_mm_srai_epi16::<TIMES>(low), arch::_mm_srai_epi16::<TIMES>(high)))
        }

        /// Half, rounded down.
        fn half(self) -> Self {
            Self(arch::_mm_srli_epi16::<1>(arch::_mm_and_si128(self.0, arch::_mm_set1_epi8(0xfe_u8 as i8))))
        }

        /// All bits of each word of four bytes whose sum of absolute differences from those of `one` is less than that from
        /// those of `other`.
        fn is_nearer(self, one: Self, other: Self) -> Self {
            // The sums of the bytes in even and in odd places.
            let sums = |from: Self| {
                let more = arch::_mm_subs_epu8(self.0, from.0);
                let apart = arch::_mm_or_si128(more, arch::_mm_subs_epu8(from.0, self.0));
                let even = arch::_mm_and_si128(apart, arch::_mm_set1_epi16(0xff));
                arch::_mm_add_epi16(even, arch::_mm_srli_epi16::<8>(apart))
            };
            let more = arch::_mm_sub_epi16(sums(one), sums(other));
            // The upper half of each word becomes the sum of both halves, whose sign is that of the word.
            Self(arch::_mm_srai_epi32::<31>(arch::_mm_add_epi16(more, arch::_mm_slli_epi32::<16>(more))))
        }

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

        /// The bits of `other` where this has zeros.
        fn not_and(self, other: Self) -> Self { Self(arch::_mm_andnot_si128(self.0, other.0)) }

        /// Eight rows whose halves are transposed: byte `y` of the first half of row `x` is byte `x` of that of row `y`, and
        /// the same of the second halves.
        fn transposed_halves(rows: [Self; 8]) -> [Self; 8] {
            let [r0, r1, r2, r3, r4, r5, r6, r7] = rows.map(|row| row.0);
            let half = |[p0, p1, p2, p3]: [arch::__m128i; 4]| {
                let (top, top_end) = (arch::_mm_unpacklo_epi16(p0, p1), arch::_mm_unpackhi_epi16(p0, p1));
                let (bottom, bottom_end) = (arch::_mm_unpacklo_epi16(p2, p3), arch::_mm_unpackhi_epi16(p2, p3));
                // Two columns each.
                [
                    arch::_mm_unpacklo_epi32(top, bottom),
                    arch::_mm_unpackhi_epi32(top, bottom),
                    arch::_mm_unpacklo_epi32(top_end, bottom_end),
                    arch::_mm_unpackhi_epi32(top_end, bottom_end),
                ]
            };
            let [a01, a23, a45, a67] = half([
                arch::_mm_unpacklo_epi8(r0, r1),
                arch::_mm_unpacklo_epi8(r2, r3),
                arch::_mm_unpacklo_epi8(r4, r5),
                arch::_mm_unpacklo_epi8(r6, r7),
            ]);
            let [b01, b23, b45, b67] = half([
                arch::_mm_unpackhi_epi8(r0, r1),
                arch::_mm_unpackhi_epi8(r2, r3),
                arch::_mm_unpackhi_epi8(r4, r5),
                arch::_mm_unpackhi_epi8(r6, r7),
            ]);
            [
                Self(arch::_mm_unpacklo_epi64(a01, b01)),
                Self(arch::_mm_unpackhi_epi64(a01, b01)),
                Self(arch::_mm_unpacklo_epi64(a23, b23)),
                Self(arch::_mm_unpackhi_epi64(a23, b23)),
                Self(arch::_mm_unpacklo_epi64(a45, b45)),
                Self(arch::_mm_unpackhi_epi64(a45, b45)),
                Self(arch::_mm_unpacklo_epi64(a67, b67)),
                Self(arch::_mm_unpackhi_epi64(a67, b67)),
            ]
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
        /// The sum of signed bytes, in `-128..=127`.
        fn plus_signed(this, other) { this.cast_signed().saturating_add(other.cast_signed()).cast_unsigned() }
        /// The difference of signed bytes, in `-128..=127`.
        fn minus_signed(this, other) { this.cast_signed().saturating_sub(other.cast_signed()).cast_unsigned() }
        /// The bits of `other` where this has zeros.
        fn not_and(this, other) { !this & other }
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

        /// All bytes this one.
        #[inline(always)]
        #[must_use]
        pub fn splat(byte: u8) -> Self {
            Self([byte; 16])
        }

        /// The bytes of an array.
        #[inline(always)]
        #[must_use]
        pub fn from_bytes(bytes: [u8; 16]) -> Self {
            Self(bytes)
        }

        /// The bytes as an array.
        #[inline(always)]
        #[must_use]
        pub fn to_bytes(self) -> [u8; 16] {
            self.0
        }

        /// `(byte * factor + 2^(SHIFT - 1) - 1) / 2^SHIFT` of signed bytes, rounded down, in `-128..=127`. The product with
        /// `factor` has 16 bits.
        #[inline(always)]
        #[must_use]
        pub fn scaled<const SHIFT: i32>(self, factor: i8) -> Self {
            Self(self.0.map(|byte| {
                let product = i16::from(byte.cast_signed()) * i16::from(factor);
                let rounded = product.wrapping_add((1 << (SHIFT - 1)) - 1) >> SHIFT;
                (rounded.clamp(-128, 127) as i8).cast_unsigned()
            }))
        }

        /// A signed byte divided by a power of two, rounded down.
        #[inline(always)]
        #[must_use]
        pub fn halved_signed<const TIMES: i32>(self) -> Self {
            Self(self.0.map(|byte| (byte.cast_signed() >> TIMES).cast_unsigned()))
        }

        /// Eight rows whose halves are transposed: byte `y` of the first half of row `x` is byte `x` of that of row `y`, and
        /// the same of the second halves.
        #[inline(always)]
        #[must_use]
        pub fn transposed_halves(rows: [Self; 8]) -> [Self; 8] {
            std::array::from_fn(|x| Self(std::array::from_fn(|y| rows[y % 8].0[y / 8 * 8 + x])))
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

        /// All bits of each word of four bytes whose sum of absolute differences from those of `one` is less than that from
        /// those of `other`.
        #[inline(always)]
        #[must_use]
        pub fn is_nearer(self, one: Self, other: Self) -> Self {
            let sum = |from: Self, word: usize| {
                let bytes = word * 4..word * 4 + 4;
                bytes.map(|lane| u32::from(self.0[lane].abs_diff(from.0[lane]))).sum::<u32>()
            };
            Self::from_words([0, 1, 2, 3].map(|word| if sum(one, word) < sum(other, word) { u32::MAX } else { 0 }))
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
                (x.not_and(y), p.not_and(q)),
                (x.is_nearer(y, z), p.is_nearer(q, r)),
                (x.is_nearer(y, y), p.is_nearer(q, q)),
                (x86::Lanes::splat(a[0] as u8), portable::Lanes::splat(a[0] as u8)),
                (x86::Lanes::from_bytes(x.to_bytes()), portable::Lanes::from_bytes(p.to_bytes())),
                (x.plus_signed(y), p.plus_signed(q)),
                (x.minus_signed(y), p.minus_signed(q)),
                (x.scaled::<7>(27), p.scaled::<7>(27)),
                (x.scaled::<3>(-9), p.scaled::<3>(-9)),
                (x.halved_signed::<3>(), p.halved_signed::<3>()),
            ];
            let rows = std::array::from_fn(|_| [random(), random()]);
            let transposed = x86::Lanes::transposed_halves(rows.map(x86::Lanes::from_longs));
            let expected = portable::Lanes::transposed_halves(rows.map(portable::Lanes::from_longs));
            assert_eq!(transposed.map(x86::Lanes::to_bytes), expected.map(portable::Lanes::to_bytes));
            for (number, (vector, portable)) in pairs.into_iter().enumerate() {
                assert_eq!(vector.to_longs(), portable.to_longs(), "{number}");
                assert_eq!(vector.to_words(), portable.to_words(), "{number}");
            }
        }
    }
}
