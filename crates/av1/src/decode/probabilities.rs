//! Adaptive probabilities of a tile.

use crate::defaults;

/// Distributions that are filled from the numbers of a table.
trait Filled: Sized {
    fn filled(numbers: &mut impl Iterator<Item = u16>) -> Self;
}

/// A distribution as [`Symbols`](super::symbols::Symbols) reads it.
impl<const N: usize> Filled for [u16; N] {
    fn filled(numbers: &mut impl Iterator<Item = u16>) -> Self {
        std::array::from_fn(|i| if i == N - 1 { 0 } else { (1 << 15) - numbers.next().unwrap_or(1 << 15) })
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
        #[derive(Clone)]
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
    partition_8: [[u16; 4]; 4] = |_| defaults::PARTITION_8,
    partition_16: [[u16; 10]; 4] = |_| defaults::PARTITION_16,
    partition_32: [[u16; 10]; 4] = |_| defaults::PARTITION_32,
    partition_64: [[u16; 10]; 4] = |_| defaults::PARTITION_64,
    partition_128: [[u16; 8]; 4] = |_| defaults::PARTITION_128,
    skip: [[u16; 2]; 3] = |_| defaults::SKIP,
    segment_id: [[u16; 8]; 3] = |_| defaults::SEGMENT_ID,
    delta_q: [u16; 4] = |_| defaults::DELTA_Q,
    delta_lf: [u16; 4] = |_| defaults::DELTA_LF,
    delta_lf_multi: [[u16; 4]; 4] = |_| [defaults::DELTA_LF; 4].concat(),
    intrabc: [u16; 2] = |_| defaults::INTRABC,
    y_mode: [[[u16; 13]; 5]; 5] = |_| defaults::Y_MODE,
    angle_delta: [[u16; 7]; 8] = |_| defaults::ANGLE_DELTA,
    uv_mode: [[u16; 13]; 13] = |_| defaults::UV_MODE,
    uv_mode_cfl: [[u16; 14]; 13] = |_| defaults::UV_MODE_CFL,
    cfl_sign: [u16; 8] = |_| defaults::CFL_SIGN,
    cfl_alpha: [[u16; 16]; 6] = |_| defaults::CFL_ALPHA,
    filter_intra: [[u16; 2]; 22] = |_| defaults::FILTER_INTRA,
    filter_intra_mode: [u16; 5] = |_| defaults::FILTER_INTRA_MODE,
    palette_y_mode: [[[u16; 2]; 3]; 7] = |_| defaults::PALETTE_Y_MODE,
    palette_uv_mode: [[u16; 2]; 2] = |_| defaults::PALETTE_UV_MODE,
    palette_size: [[[u16; 7]; 7]; 2] = |_| [defaults::PALETTE_Y_SIZE, defaults::PALETTE_UV_SIZE].concat(),
    palette_2: [[[u16; 2]; 5]; 2] = |_| [defaults::PALETTE_2_Y_COLOR, defaults::PALETTE_2_UV_COLOR].concat(),
    palette_3: [[[u16; 3]; 5]; 2] = |_| [defaults::PALETTE_3_Y_COLOR, defaults::PALETTE_3_UV_COLOR].concat(),
    palette_4: [[[u16; 4]; 5]; 2] = |_| [defaults::PALETTE_4_Y_COLOR, defaults::PALETTE_4_UV_COLOR].concat(),
    palette_5: [[[u16; 5]; 5]; 2] = |_| [defaults::PALETTE_5_Y_COLOR, defaults::PALETTE_5_UV_COLOR].concat(),
    palette_6: [[[u16; 6]; 5]; 2] = |_| [defaults::PALETTE_6_Y_COLOR, defaults::PALETTE_6_UV_COLOR].concat(),
    palette_7: [[[u16; 7]; 5]; 2] = |_| [defaults::PALETTE_7_Y_COLOR, defaults::PALETTE_7_UV_COLOR].concat(),
    palette_8: [[[u16; 8]; 5]; 2] = |_| [defaults::PALETTE_8_Y_COLOR, defaults::PALETTE_8_UV_COLOR].concat(),
    tx_8: [[u16; 2]; 3] = |_| defaults::TX_8,
    tx_16: [[u16; 3]; 3] = |_| defaults::TX_16,
    tx_32: [[u16; 3]; 3] = |_| defaults::TX_32,
    tx_64: [[u16; 3]; 3] = |_| defaults::TX_64,
    tx_split: [[u16; 2]; 21] = |_| defaults::TX_SPLIT,
    tx_type_7: [[[u16; 7]; 13]; 2] = |_| defaults::TX_TYPE_7,
    tx_type_5: [[[u16; 5]; 13]; 3] = |_| defaults::TX_TYPE_5,
    inter_tx_type_16: [[u16; 16]; 2] = |_| defaults::INTER_TX_TYPE_16,
    inter_tx_type_12: [u16; 12] = |_| defaults::INTER_TX_TYPE_12,
    inter_tx_type_2: [[u16; 2]; 4] = |_| defaults::INTER_TX_TYPE_2,
    mv_joint: [u16; 4] = |_| defaults::MV_JOINT,
    mv_sign: [[u16; 2]; 2] = |_| [defaults::MV_SIGN; 2].concat(),
    mv_class: [[u16; 11]; 2] = |_| [defaults::MV_CLASS; 2].concat(),
    mv_class_0_bit: [[u16; 2]; 2] = |_| [defaults::MV_CLASS_0_BIT; 2].concat(),
    mv_bit: [[[u16; 2]; 10]; 2] = |_| [defaults::MV_BIT; 2].concat(),
    use_wiener: [u16; 2] = |_| defaults::USE_WIENER,
    use_sgrproj: [u16; 2] = |_| defaults::USE_SGRPROJ,
    restoration_type: [u16; 3] = |_| defaults::RESTORATION_TYPE,
    all_zero: [[[u16; 2]; 13]; 5] = |q: usize| defaults::ALL_ZERO[q],
    eob_16: [[[u16; 5]; 2]; 2] = |q: usize| defaults::EOB_16[q],
    eob_32: [[[u16; 6]; 2]; 2] = |q: usize| defaults::EOB_32[q],
    eob_64: [[[u16; 7]; 2]; 2] = |q: usize| defaults::EOB_64[q],
    eob_128: [[[u16; 8]; 2]; 2] = |q: usize| defaults::EOB_128[q],
    eob_256: [[[u16; 9]; 2]; 2] = |q: usize| defaults::EOB_256[q],
    eob_512: [[u16; 10]; 2] = |q: usize| defaults::EOB_512[q],
    eob_1024: [[u16; 11]; 2] = |q: usize| defaults::EOB_1024[q],
    eob_extra: [[[[u16; 2]; 9]; 2]; 5] = |q: usize| defaults::EOB_EXTRA[q],
    dc_sign: [[[u16; 2]; 3]; 2] = |q: usize| defaults::DC_SIGN[q],
    base_eob: [[[[u16; 3]; 4]; 2]; 5] = |q: usize| defaults::BASE_EOB[q],
    base: [[[[u16; 4]; 42]; 2]; 5] = |q: usize| defaults::BASE[q],
    range: [[[[u16; 4]; 21]; 2]; 5] = |q: usize| defaults::RANGE[q],
}
