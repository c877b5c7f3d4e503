//! Quantisation: the tables of T.81 Annex K.1, scaled to a quality as in libjpeg, or tables with which files are shorter at
//! the same likeness; and the division by them.

use super::Tables;
use super::frame::Chroma;

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

/// The steps for luma at which photographs have the fewest bytes at equal SSIMULACRA2; NOTES.md has the measurements. The lowest
/// frequencies are kept as they are, those above them are coarser, and the highest ones finer than in table K.1.
const TUNED_LUMA: [u8; 64] = [
    13, 14, 28, 34, 37, 38, 48, 57, 14, 17, 42, 34, 43, 50, 51, 55, 28, 42, 31, 41, 48, 46, 52, 53, 34, 34, 41, 34, 46,
    51, 51, 52, 37, 43, 48, 46, 50, 60, 57, 61, 38, 50, 46, 51, 60, 66, 72, 68, 48, 51, 52, 51, 57, 72, 91, 83, 57, 55,
    53, 52, 61, 68, 83, 93,
];

/// The same for subsampled chroma: finer than in table K.2, which remains for chroma at full resolution.
const TUNED_CHROMA: [u8; 64] = [
    12, 11, 15, 27, 49, 41, 54, 64, 11, 12, 17, 31, 46, 35, 41, 63, 15, 17, 34, 44, 41, 41, 48, 59, 27, 31, 44, 49, 41,
    50, 51, 60, 49, 46, 41, 41, 51, 54, 57, 63, 41, 35, 41, 50, 54, 61, 63, 68, 54, 41, 48, 51, 57, 63, 76, 79, 64, 63,
    59, 60, 63, 68, 79, 90,
];

/// By how much the tuned tables are scaled, in thousandths, beside those of Annex K.1 at some qualities, interpolated in
/// between: with these, pictures have the same SSIMULACRA2 from quality 30 on, and below it a higher one, which sees less of
/// the texture that is lost. Subsampled pictures and grey ones are photographs, and those with all of their chroma are
/// drawings, up to the quality from which photographs keep it as well.
const SCALE_OF_SUBSAMPLED: [(u32, u32); 10] =
    [(1, 800), (10, 800), (20, 920), (30, 940), (50, 933), (60, 972), (70, 997), (80, 1030), (90, 1104), (100, 1104)];
const SCALE_OF_GREY: [(u32, u32); 8] =
    [(1, 750), (20, 800), (40, 825), (60, 855), (80, 880), (90, 900), (95, 1010), (100, 1010)];
const SCALE_OF_FULL: [(u32, u32); 7] =
    [(1, 930), (40, 926), (60, 986), (80, 1085), (91, 1020), (95, 1060), (100, 1090)];

/// The share of a step, in hundredths, up to which a tuned coefficient of luma is rounded towards zero, beyond the first one.
/// Steps up to [`FINE`] are so small that little would be saved.
const TOWARDS_ZERO: u32 = 59;
const FINE: u32 = 2;

/// The factor by which the results of the transform exceed coefficients.
const GAIN: u16 = 8;

/// A quantisation table, in natural order.
#[derive(Debug, Clone)]
pub(super) struct Quantiser {
    /// The steps, as stored in the file.
    pub(super) steps: [u8; 64],
    /// What is added before the division by the step times [`GAIN`], which rounds down: half of the divisor, or less.
    rounding: [u16; 64],
    /// 2^(16+s) divided by the divisor and rounded up, where s is as large as 16 bits allow.
    reciprocal: [u16; 64],
    /// 2^(16-s).
    scale: [u16; 64],
}

impl Quantiser {
    /// The table for luma (0) or chroma (1) at a quality in `1..=100`.
    pub(super) fn new(tables: Tables, chroma: Chroma, table: usize, quality: u8) -> Self {
        let steps = steps(tables, chroma, table, u32::from(quality.clamp(1, 100)));
        let divisor = |i: usize| u32::from(steps[i]) * u32::from(GAIN);
        // The power of two below the divisor, because a reciprocal of 2^16 would not fit.
        let shift = |i: usize| (divisor(i) - 1).ilog2();
        let rounding = |i: usize| {
            let is_biased = tables == Tables::Tuned && table == 0 && i > 0 && u32::from(steps[i]) > FINE;
            if is_biased { divisor(i) * (100 - TOWARDS_ZERO) / 100 } else { divisor(i) / 2 }
        };
        Self {
            steps,
            rounding: std::array::from_fn(|i| rounding(i) as u16),
            reciprocal: std::array::from_fn(|i| (1u32 << (16 + shift(i))).div_ceil(divisor(i)) as u16),
            scale: std::array::from_fn(|i| (1u32 << (16 - shift(i))) as u16),
        }
    }

    /// Divides by the steps, and rounds half away from zero, or less than that. Exact for magnitudes below 2^14, which the transform of
    /// 8-bit samples never exceeds.
    #[inline(always)]
    pub(super) fn quantise(&self, scaled: &[i16; 64], out: &mut [i16; 64]) {
        for i in 0..64 {
            let high = |a: u16, b: u16| ((u32::from(a) * u32::from(b)) >> 16) as u16;
            let magnitude = scaled[i].unsigned_abs() + self.rounding[i];
            let quotient = high(high(magnitude, self.reciprocal[i]), self.scale[i]) as i16;
            let sign = scaled[i] >> 15;
            out[i] = (quotient ^ sign) - sign;
        }
    }
}

/// The steps for luma or chroma at a quality.
fn steps(tables: Tables, chroma: Chroma, table: usize, quality: u32) -> [u8; 64] {
    let percent = if quality < 50 { 5000 / quality } else { 200 - 2 * quality };
    let base = match (tables, chroma, table) {
        (Tables::Standard, _, 0) => LUMA,
        (Tables::Tuned, _, 0) => TUNED_LUMA,
        (Tables::Tuned, Chroma::Subsampled, _) => TUNED_CHROMA,
        _ => CHROMA,
    };
    let thousandths = match (tables, chroma) {
        (Tables::Standard, _) => 1000,
        (Tables::Tuned, Chroma::None) => between(&SCALE_OF_GREY, quality),
        (Tables::Tuned, Chroma::Subsampled) => between(&SCALE_OF_SUBSAMPLED, quality),
        (Tables::Tuned, Chroma::Full) => between(&SCALE_OF_FULL, quality),
    };
    let factor = percent * thousandths;
    base.map(|step| ((u32::from(step) * factor + 50_000) / 100_000).clamp(1, 255) as u8)
}

/// Interpolates between the entries for the qualities around this one.
fn between(entries: &[(u32, u32)], quality: u32) -> u32 {
    let above = entries.partition_point(|(known, _)| *known < quality).clamp(1, entries.len() - 1);
    let ((low, from), (high, to)) = (entries[above - 1], entries[above]);
    (from * (high - quality) + to * (quality - low)) / (high - low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantisation_is_division_rounded_to_the_nearest() {
        for quality in [1, 25, 50, 66, 80, 90, 97, 100] {
            for table in 0..2 {
                let quantiser = Quantiser::new(Tables::Standard, Chroma::Subsampled, table, quality);
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
        let first =
            |quality, table| Quantiser::new(Tables::Standard, Chroma::Subsampled, table, quality).steps[..3].to_vec();
        assert_eq!(first(50, 0), [16, 11, 10]);
        assert_eq!(first(80, 0), [6, 4, 4]);
        assert_eq!(first(80, 1), [7, 7, 10]);
        assert_eq!(first(25, 1), [34, 36, 48]);
        assert_eq!(first(1, 0), [255, 255, 255]);
        assert_eq!(first(100, 0), [1, 1, 1]);
    }
    #[test]
    fn tuned_steps_never_grow_with_the_quality_and_round_to_the_nearest_at_the_end() {
        for (chroma, table) in [(Chroma::None, 0), (Chroma::Subsampled, 0), (Chroma::Subsampled, 1), (Chroma::Full, 1)]
        {
            let tuned = |quality| Quantiser::new(Tables::Tuned, chroma, table, quality);
            for quality in 2..=100 {
                let [coarse, fine] = [quality - 1, quality].map(|quality| tuned(quality).steps);
                assert!(coarse.iter().zip(fine).all(|(coarse, fine)| *coarse >= fine), "{chroma:?} {table} {quality}");
            }
            assert_eq!((tuned(100).steps, tuned(100).rounding), ([1; 64], [4; 64]));
        }
    }

    #[test]
    fn tuned_luma_is_rounded_up_from_more_than_half_of_a_step() {
        let quantise = |table, share: f64| {
            let quantiser = Quantiser::new(Tables::Tuned, Chroma::Subsampled, table, 50);
            let scaled = std::array::from_fn(|i| (f64::from(quantiser.steps[i]) * 8.0 * share) as i16);
            let mut out = [0; 64];
            quantiser.quantise(&scaled, &mut out);
            out
        };
        let [first, rest @ ..] = quantise(0, -1.56);
        assert_eq!((first, rest), (-2, [-1; 63]));
        assert_eq!(quantise(0, 1.62), [2; 64]);
        assert_eq!(quantise(1, 1.56), [2; 64]);
    }
}
