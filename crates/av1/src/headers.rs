//! Open bitstream units and their headers (5.3 to 5.9).

use super::decode::cdef;
use super::frame::DELTA_SHIFT;

/// A writer of bits, the highest first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    count: usize,
}

impl Bits {
    fn put(&mut self, value: u32, bits: u32) {
        for bit in (0..bits).rev() {
            if self.count.is_multiple_of(8) {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> bit & 1) as u8) << (7 - self.count % 8);
            }
            self.count += 1;
        }
    }

    fn flag(&mut self, value: bool) {
        self.put(value.into(), 1);
    }
}

/// The contents of a stream's headers.
pub(super) struct Headers {
    pub(super) size: [usize; 2],
    pub(super) is_monochrome: bool,
    pub(super) is_halved: bool,
    /// Code points of primaries, transfer function and matrix (6.4.2).
    pub(super) colour: [u8; 3],
    /// `base_q_idx`.
    pub(super) quantizer: u8,
    /// The filter of luma that follows deblocking.
    pub(super) cdef: Option<cdef::Luma>,
    /// The levels of the quantizer matrices of luma and of chroma, if there are matrices.
    pub(super) matrices: Option<[u8; 2]>,
    /// Whether blocks may have palettes.
    pub(super) has_palettes: bool,
    /// The level of the deblocking filter, 0 to 63.
    pub(super) filter: u8,
}

impl Headers {
    fn profile(&self) -> u8 {
        u8::from(!self.is_monochrome && !self.is_halved)
    }

    /// The lowest level that allows a picture of this size (A.3).
    fn level(&self) -> u8 {
        let [w, h] = self.size;
        match (w * h, w, h) {
            (..=147_456, ..=2048, ..=1152) => 0,
            (..=278_784, ..=2816, ..=1584) => 1,
            (..=665_856, ..=4352, ..=2448) => 4,
            (..=1_065_024, ..=5504, ..=3096) => 5,
            (..=2_359_296, ..=6144, ..=3456) => 8,
            (..=8_912_896, ..=8192, ..=4352) => 12,
            _ => 16,
        }
    }

    /// The content of `av1C` (AV1 Codec ISO Media File Format Binding, 2.3), without the optional units.
    pub(super) fn configuration(&self) -> [u8; 4] {
        let subsampling = if self.is_halved || self.is_monochrome { 0b1100 } else { 0 };
        [0x81, self.profile() << 5 | self.level(), u8::from(self.is_monochrome) << 4 | subsampling, 0]
    }

    fn sequence(&self) -> Vec<u8> {
        let mut bits = Bits::default();
        bits.put(self.profile().into(), 3);
        bits.flag(true); // still_picture
        bits.flag(true); // reduced_still_picture_header
        bits.put(self.level().into(), 5);
        let lengths = self.size.map(|side| side.ilog2() + 1);
        bits.put(lengths[0] - 1, 4);
        bits.put(lengths[1] - 1, 4);
        bits.put(self.size[0] as u32 - 1, lengths[0]);
        bits.put(self.size[1] as u32 - 1, lengths[1]);
        bits.flag(false); // use_128x128_superblock
        bits.flag(true); // enable_filter_intra
        bits.flag(true); // enable_intra_edge_filter
        bits.flag(false); // enable_superres
        bits.flag(self.cdef.is_some()); // enable_cdef
        bits.flag(false); // enable_restoration
        bits.flag(false); // high_bitdepth
        if self.profile() == 0 {
            bits.flag(self.is_monochrome);
        }
        bits.flag(true); // color_description_present_flag
        for code in self.colour {
            bits.put(code.into(), 8);
        }
        // The identity matrix in sRGB implies all of the rest.
        if self.is_monochrome || self.colour != [1, 13, 0] {
            bits.flag(true); // color_range: full
        }
        if !self.is_monochrome {
            if self.is_halved {
                bits.put(0, 2); // chroma_sample_position: unknown
            }
            bits.flag(false); // separate_uv_delta_q
        }
        bits.flag(false); // film_grain_params_present
        bits.flag(true); // trailing_one_bit
        bits.bytes
    }

    fn frame(&self) -> Vec<u8> {
        let mut bits = Bits::default();
        bits.flag(false); // disable_cdf_update
        bits.flag(self.has_palettes); // allow_screen_content_tools
        if self.has_palettes {
            bits.flag(true); // force_integer_mv
        }
        bits.flag(false); // render_and_frame_size_different
        if self.has_palettes {
            bits.flag(false); // allow_intrabc
        }
        bits.flag(true); // uniform_tile_spacing_flag
        for side in self.size {
            if side > 64 {
                bits.flag(false); // increment_tile_cols_log2, increment_tile_rows_log2
            }
        }
        bits.put(self.quantizer.into(), 8);
        bits.flag(false); // DeltaQYDc
        if !self.is_monochrome {
            bits.put(0, 2); // DeltaQUDc, DeltaQUAc
        }
        bits.flag(self.matrices.is_some());
        for level in self.matrices.into_iter().flatten() {
            bits.put(level.into(), 4); // qm_y, qm_u
        }
        bits.flag(false); // segmentation_enabled
        // Lossless frames have nothing to choose or to filter.
        if self.quantizer > 0 {
            self.quantizers_and_filters(&mut bits);
        }
        bits.flag(false); // reduced_tx_set
        bits.bytes
    }

    fn quantizers_and_filters(&self, bits: &mut Bits) {
        bits.flag(true); // delta_q_present
        bits.put(DELTA_SHIFT, 2); // delta_q_res
        bits.flag(false); // delta_lf_present
        // The vertical and horizontal edges of luma, and those of both chroma planes.
        let levels = if self.is_monochrome || self.filter == 0 { 2 } else { 4 };
        for _ in 0..levels {
            bits.put(self.filter.into(), 6);
        }
        bits.put(0, 3); // loop_filter_sharpness
        bits.flag(false); // loop_filter_delta_enabled
        if let Some(cdef::Luma { damping, strengths: [primary, secondary] }) = self.cdef {
            bits.put(damping - 3, 2); // cdef_damping_minus_3
            bits.put(0, 2); // cdef_bits
            bits.put(primary.into(), 4);
            bits.put(secondary.into(), 2);
            if !self.is_monochrome {
                bits.put(0, 6); // cdef_uv_pri_strength, cdef_uv_sec_strength
            }
        }
        bits.flag(false); // tx_mode_select
    }

    /// Assembles the stream of a frame from its coded tile.
    pub(super) fn stream(&self, tile: &[u8]) -> Vec<u8> {
        let (sequence, frame) = (self.sequence(), self.frame());
        let mut stream = Vec::with_capacity(sequence.len() + frame.len() + tile.len() + 2 * UNIT_HEADER);
        unit(1, &[&sequence], &mut stream);
        unit(6, &[&frame, tile], &mut stream);
        stream
    }
}

/// The maximum number of bytes before the content of a unit.
const UNIT_HEADER: usize = 11;

/// Appends an open bitstream unit (5.3).
fn unit(tx_type: u8, parts: &[&[u8]], bytes: &mut Vec<u8>) {
    bytes.push(tx_type << 3 | 2);
    let mut size = parts.iter().map(|part| part.len()).sum::<usize>();
    while size > 127 {
        bytes.push(size as u8 | 0x80);
        size >>= 7;
    }
    bytes.push(size as u8);
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
}
