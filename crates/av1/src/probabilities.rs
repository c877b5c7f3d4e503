//! Adaptive probabilities of a frame.

use super::defaults;

/// Distributions that are filled from the numbers of a table.
trait Filled: Sized {
    fn filled(numbers: &mut impl Iterator<Item = u16>) -> Self;
}

/// A distribution: the cumulative probabilities, the last value, and its adaptation counter.
impl<const N: usize> Filled for [u16; N] {
    fn filled(numbers: &mut impl Iterator<Item = u16>) -> Self {
        std::array::from_fn(|i| match N - i {
            1 => 0,
            2 => 1 << 15,
            _ => numbers.next().unwrap_or(1 << 15),
        })
    }
}

/// One distribution for each context.
impl<T: Filled, const N: usize> Filled for [T; N] {
    fn filled(numbers: &mut impl Iterator<Item = u16>) -> Self {
        std::array::from_fn(|_| T::filled(numbers))
    }
}

macro_rules! probabilities {
    ($($field:ident: $type:ty = $numbers:expr,)*) => {
        /// A distribution for each syntax element and each of its contexts (8.3.2).
        pub(super) struct Probabilities {
            $(pub(super) $field: $type,)*
        }

        impl Probabilities {
            /// The initial distributions of a frame with this quantizer (`init_coeff_cdfs`, 7.20).
            pub(super) fn new(quantizer: u8) -> Self {
                let range = match quantizer {
                    0..=20 => 0,
                    21..=60 => 1,
                    61..=120 => 2,
                    _ => 3,
                };
                Self { $($field: Filled::filled(&mut $numbers(range).iter().copied()),)* }
            }
        }
    };
}

probabilities! {
    partition_8: [[u16; 5]; 4] = |_| defaults::PARTITION_8,
    partition_16: [[u16; 11]; 4] = |_| defaults::PARTITION_16,
    partition_32: [[u16; 11]; 4] = |_| defaults::PARTITION_32,
    partition_64: [[u16; 11]; 4] = |_| defaults::PARTITION_64,
    skip: [[u16; 3]; 3] = |_| defaults::SKIP,
    delta_q: [u16; 5] = |_| defaults::DELTA_Q,
    y_mode: [[[u16; 14]; 5]; 5] = |_| defaults::Y_MODE,
    angle_delta: [[u16; 8]; 8] = |_| defaults::ANGLE_DELTA,
    uv_mode: [[u16; 14]; 13] = |_| defaults::UV_MODE,
    uv_mode_cfl: [[u16; 15]; 13] = |_| defaults::UV_MODE_CFL,
    cfl_sign: [u16; 9] = |_| defaults::CFL_SIGN,
    cfl_alpha: [[u16; 17]; 6] = |_| defaults::CFL_ALPHA,
    filter_intra: [[u16; 3]; 22] = |_| defaults::FILTER_INTRA,
    filter_intra_mode: [u16; 6] = |_| defaults::FILTER_INTRA_MODE,
    palette_y_mode: [[[u16; 3]; 3]; 7] = |_| defaults::PALETTE_Y_MODE,
    palette_uv_mode: [[u16; 3]; 2] = |_| defaults::PALETTE_UV_MODE,
    palette_size: [[[u16; 8]; 7]; 2] = |_| [defaults::PALETTE_Y_SIZE, defaults::PALETTE_UV_SIZE].concat(),
    palette_2: [[[u16; 3]; 5]; 2] = |_| [defaults::PALETTE_2_Y_COLOR, defaults::PALETTE_2_UV_COLOR].concat(),
    palette_3: [[[u16; 4]; 5]; 2] = |_| [defaults::PALETTE_3_Y_COLOR, defaults::PALETTE_3_UV_COLOR].concat(),
    palette_4: [[[u16; 5]; 5]; 2] = |_| [defaults::PALETTE_4_Y_COLOR, defaults::PALETTE_4_UV_COLOR].concat(),
    palette_5: [[[u16; 6]; 5]; 2] = |_| [defaults::PALETTE_5_Y_COLOR, defaults::PALETTE_5_UV_COLOR].concat(),
    palette_6: [[[u16; 7]; 5]; 2] = |_| [defaults::PALETTE_6_Y_COLOR, defaults::PALETTE_6_UV_COLOR].concat(),
    palette_7: [[[u16; 8]; 5]; 2] = |_| [defaults::PALETTE_7_Y_COLOR, defaults::PALETTE_7_UV_COLOR].concat(),
    palette_8: [[[u16; 9]; 5]; 2] = |_| [defaults::PALETTE_8_Y_COLOR, defaults::PALETTE_8_UV_COLOR].concat(),
    tx_type_7: [[[u16; 8]; 13]; 2] = |_| defaults::TX_TYPE_7,
    tx_type_5: [[[u16; 6]; 13]; 3] = |_| defaults::TX_TYPE_5,
    all_zero: [[[u16; 3]; 13]; 5] = |q: usize| defaults::ALL_ZERO[q],
    eob_16: [[[u16; 6]; 2]; 2] = |q: usize| defaults::EOB_16[q],
    eob_32: [[[u16; 7]; 2]; 2] = |q: usize| defaults::EOB_32[q],
    eob_64: [[[u16; 8]; 2]; 2] = |q: usize| defaults::EOB_64[q],
    eob_128: [[[u16; 9]; 2]; 2] = |q: usize| defaults::EOB_128[q],
    eob_256: [[[u16; 10]; 2]; 2] = |q: usize| defaults::EOB_256[q],
    eob_512: [[u16; 11]; 2] = |q: usize| defaults::EOB_512[q],
    eob_1024: [[u16; 12]; 2] = |q: usize| defaults::EOB_1024[q],
    eob_extra: [[[[u16; 3]; 9]; 2]; 5] = |q: usize| defaults::EOB_EXTRA[q],
    dc_sign: [[[u16; 3]; 3]; 2] = |q: usize| defaults::DC_SIGN[q],
    base_eob: [[[[u16; 4]; 4]; 2]; 5] = |q: usize| defaults::BASE_EOB[q],
    base: [[[[u16; 5]; 42]; 2]; 5] = |q: usize| defaults::BASE[q],
    range: [[[[u16; 5]; 21]; 2]; 5] = |q: usize| defaults::RANGE[q],
}

impl Probabilities {
    /// The partition of a square of `1 << side` samples.
    pub(super) fn partition(&mut self, side: u8, context: usize) -> &mut [u16] {
        match side {
            3 => &mut self.partition_8[context],
            4 => &mut self.partition_16[context],
            5 => &mut self.partition_32[context],
            _ => &mut self.partition_64[context],
        }
    }

    /// The number of a colour of a palette, of luma or of chroma.
    pub(super) fn colour(&mut self, plane: usize, count: usize, context: usize) -> &mut [u16] {
        match count {
            2 => &mut self.palette_2[plane][context],
            3 => &mut self.palette_3[plane][context],
            4 => &mut self.palette_4[plane][context],
            5 => &mut self.palette_5[plane][context],
            6 => &mut self.palette_6[plane][context],
            7 => &mut self.palette_7[plane][context],
            _ => &mut self.palette_8[plane][context],
        }
    }

    /// The position class of the last coefficient, for an area of `1 << log2_area`. All transforms are of class 2D.
    pub(super) fn eob(&mut self, log2_area: u8, plane_type: usize) -> &mut [u16] {
        match log2_area {
            4 => &mut self.eob_16[plane_type][0],
            5 => &mut self.eob_32[plane_type][0],
            6 => &mut self.eob_64[plane_type][0],
            7 => &mut self.eob_128[plane_type][0],
            8 => &mut self.eob_256[plane_type][0],
            9 => &mut self.eob_512[plane_type],
            _ => &mut self.eob_1024[plane_type],
        }
    }
}
