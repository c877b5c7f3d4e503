//! Quantisation: the tables of T.81 Annex K.1, scaled to a quality as in libjpeg, and the division by them.

/// Table K.1.
const LUMA: [u8; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
    87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
];

/// Table K.2.
const CHROMA: [u8; 64] = [
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99,
];

/// The factor by which the results of the transform exceed coefficients.
const GAIN: u16 = 8;

/// A quantisation table, in natural order.
#[derive(Debug, Clone)]
pub(super) struct Quantiser {
    /// The steps, as stored in the file.
    pub(super) steps: [u8; 64],
    /// Half of the divisor, which is the step times [`GAIN`].
    half: [u16; 64],
    /// 2^(16+s) divided by the divisor and rounded up, where s is as large as 16 bits allow.
    reciprocal: [u16; 64],
    /// 2^(16-s).
    scale: [u16; 64],
}

impl Quantiser {
    /// The table for luma (0) or chroma (1) at a quality in `1..=100`.
    pub(super) fn new(table: usize, quality: u8) -> Self {
        let quality = u32::from(quality.clamp(1, 100));
        let percent = if quality < 50 { 5000 / quality } else { 200 - 2 * quality };
        let base = if table == 0 { LUMA } else { CHROMA };
        let steps = base.map(|step| ((u32::from(step) * percent + 50) / 100).clamp(1, 255) as u8);
        let divisor = |i: usize| u32::from(steps[i]) * u32::from(GAIN);
        // The power of two below the divisor, because a reciprocal of 2^16 would not fit.
        let shift = |i: usize| (divisor(i) - 1).ilog2();
        Self {
            steps,
            half: std::array::from_fn(|i| (divisor(i) / 2) as u16),
            reciprocal: std::array::from_fn(|i| (1u32 << (16 + shift(i))).div_ceil(divisor(i)) as u16),
            scale: std::array::from_fn(|i| (1u32 << (16 - shift(i))) as u16),
        }
    }

    /// Divides by the steps, and rounds half away from zero. Exact for magnitudes below 2^14, which the transform of
    /// 8-bit samples never exceeds.
    #[inline(always)]
    pub(super) fn quantise(&self, scaled: &[i16; 64], out: &mut [i16; 64]) {
        for i in 0..64 {
            let high = |a: u16, b: u16| ((u32::from(a) * u32::from(b)) >> 16) as u16;
            let magnitude = scaled[i].unsigned_abs() + self.half[i];
            let quotient = high(high(magnitude, self.reciprocal[i]), self.scale[i]) as i16;
            let sign = scaled[i] >> 15;
            out[i] = (quotient ^ sign) - sign;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantisation_is_division_rounded_to_the_nearest() {
        for quality in [1, 25, 50, 66, 80, 90, 97, 100] {
            for table in 0..2 {
                let quantiser = Quantiser::new(table, quality);
                for value in (-16_383i16..=16_383).step_by(11) {
                    let mut out = [0; 64];
                    quantiser.quantise(&[value; 64], &mut out);
                    for (out, step) in out.into_iter().zip(quantiser.steps) {
                        let divisor = i32::from(step) * 8;
                        let expected = (i32::from(value).abs() + divisor / 2) / divisor * i32::from(value.signum());
                        assert_eq!(i32::from(out), expected, "{value} / {divisor}");
                    }
                }
            }
        }
    }

    #[test]
    fn qualities_scale_the_tables_as_libjpeg_does() {
        let first = |quality, table| Quantiser::new(table, quality).steps[..3].to_vec();
        assert_eq!(first(50, 0), [16, 11, 10]);
        assert_eq!(first(80, 0), [6, 4, 4]);
        assert_eq!(first(80, 1), [7, 7, 10]);
        assert_eq!(first(25, 1), [34, 36, 48]);
        assert_eq!(first(1, 0), [255, 255, 255]);
        assert_eq!(first(100, 0), [1, 1, 1]);
    }
}
