//! Frame headers (5.9).

use super::bits::Bits;
use super::sequence::Sequence;
use super::{DecodeError, damaged};

/// The maximum number of tile columns and of tile rows (3, `MAX_TILE_COLS`, `MAX_TILE_ROWS`).
const MAX_TILES: u32 = 64;

/// The maximum width of a tile in samples, and its maximum area (`MAX_TILE_WIDTH`, `MAX_TILE_AREA`).
const MAX_TILE_WIDTH: u32 = 4096;
const MAX_TILE_AREA: u32 = 4096 * 2304;

/// The maximum level of the deblocking filter.
const MAX_LOOP_FILTER: i32 = 63;

/// Segmentation features (6.10.8): the quantizer, and the first of the filter levels.
const FEATURE_QUANTIZER: usize = 0;
const FEATURE_FILTER: usize = 1;
const FEATURE_REFERENCE: usize = 5;
const FEATURE_SKIP: usize = 6;

/// A frame header, as far as intra frames have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FrameHeader {
    /// Whether the frame is shown, at once or later.
    pub(super) is_shown: bool,
    /// The size of the shown frame.
    pub(super) size: [u32; 2],
    /// The coded width, which superres enlarges.
    pub(super) coded_width: u32,
    /// `SuperresDenom`; 8 without superres.
    pub(super) superres: u32,
    pub(super) adapts: bool,
    pub(super) has_screen_content: bool,
    pub(super) allows_copies: bool,
    pub(super) tiles: Tiles,
    /// `base_q_idx`.
    pub(super) quantizer: u8,
    /// The differences of the quantizers of DC, and of AC, in each plane.
    pub(super) quantizer_deltas: [[i32; 2]; 3],
    /// The level of the quantizer matrix of each plane, if there are any.
    pub(super) matrices: Option<[u8; 3]>,
    pub(super) segmentation: Option<Segmentation>,
    /// `delta_q_res`, if superblocks have quantizers.
    pub(super) delta_q: Option<u32>,
    /// `delta_lf_res` and `delta_lf_multi`, if superblocks have filter levels.
    pub(super) delta_lf: Option<(u32, bool)>,
    pub(super) loop_filter: LoopFilter,
    pub(super) cdef: Option<Cdef>,
    pub(super) restoration: Option<Restoration>,
    pub(super) selects_tx: bool,
    pub(super) reduced_tx_set: bool,
    pub(super) film_grain: Option<FilmGrain>,
    /// Which segments are lossless.
    pub(super) lossless: [bool; 8],
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tiles {
    /// The first column of each tile, in units of 4 luma samples, and the end of the last; the same for rows.
    pub(super) columns: Vec<usize>,
    pub(super) rows: Vec<usize>,
    /// The numbers of bits of tile numbers.
    bits: u32,
    /// The number of bytes of a tile's size.
    pub(super) size_bytes: usize,
}

impl Tiles {
    pub(super) fn count(&self) -> usize {
        (self.columns.len() - 1) * (self.rows.len() - 1)
    }

    /// The tile numbers of a tile group, first and last, and its data.
    pub(super) fn group<'a>(&self, payload: &'a [u8]) -> Result<(usize, usize, &'a [u8]), DecodeError> {
        let bits = &mut Bits::new(payload);
        let count = self.count();
        let (first, last) = if count > 1 && bits.flag()? {
            (bits.take(self.bits)? as usize, bits.take(self.bits)? as usize)
        } else {
            (0, count - 1)
        };
        if first > last || last >= count {
            return Err(damaged("a tile group has unknown tiles"));
        }
        Ok((first, last, bits.rest()))
    }
}

/// Features of segments (5.9.14), as far as intra frames use them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Segmentation {
    features: [[Option<i32>; 8]; 8],
    pub(super) precedes_skip: bool,
    pub(super) last_active: u8,
}

impl Segmentation {
    pub(super) fn skips(&self, segment: u8) -> bool {
        self.features[usize::from(segment)][FEATURE_SKIP].is_some()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct LoopFilter {
    /// The levels of vertical and horizontal edges of luma, and of both chroma planes.
    pub(super) levels: [u8; 4],
    pub(super) sharpness: u8,
    /// The difference for intra blocks, if there are any.
    intra_delta: i32,
    has_deltas: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cdef {
    pub(super) damping: u32,
    /// The number of bits of indices.
    pub(super) bits: u32,
    /// Primary and secondary strengths, of luma and of chroma.
    pub(super) strengths: [[[u8; 2]; 2]; 8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RestorationType {
    None,
    Wiener,
    SelfGuided,
    Switchable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Restoration {
    pub(super) types: [RestorationType; 3],
    /// The binary logarithms of the unit sizes of luma and chroma.
    pub(super) units: [u32; 2],
}

/// Film grain parameters (5.9.30).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct FilmGrain {
    pub(super) seed: u16,
    /// Value and scaling of the points of each plane.
    pub(super) points: [Vec<[u8; 2]>; 3],
    pub(super) chroma_from_luma: bool,
    pub(super) scaling_shift: u32,
    pub(super) lag: usize,
    /// The coefficients of each plane.
    pub(super) coefficients: [Vec<i32>; 3],
    pub(super) coefficient_shift: u32,
    pub(super) scale_shift: u32,
    /// Multiplier, luma multiplier and offset, of both chroma planes.
    pub(super) chroma: [[i32; 3]; 2],
    pub(super) overlaps: bool,
    pub(super) is_restricted: bool,
}

/// What a frame header announces.
pub(super) enum Announced {
    /// A frame without references, and the data after its header.
    Intra(Box<FrameHeader>),
    /// A frame that refers to others, or that was decoded before.
    Other,
}

impl FrameHeader {
    /// `uncompressed_header()` (5.9.2), in a unit with these layers.
    pub(super) fn read(
        bits: &mut Bits<'_>,
        sequence: &Sequence,
        [temporal, spatial]: [u32; 2],
    ) -> Result<Announced, DecodeError> {
        let syntax = &sequence.syntax;
        let (mut is_key, mut is_shown, mut is_showable) = (true, true, false);
        let mut is_resilient = true;
        if !syntax.is_reduced {
            if bits.flag()? {
                return Ok(Announced::Other);
            }
            let kind = bits.take(2)?;
            if !matches!(kind, 0 | 2) {
                return Ok(Announced::Other);
            }
            is_key = kind == 0;
            is_shown = bits.flag()?;
            if is_shown {
                bits.take(syntax.temporal_point)?;
                is_showable = !is_key;
            } else {
                is_showable = bits.flag()?;
            }
            if !(is_key && is_shown) {
                is_resilient = bits.flag()?;
            }
        }
        let adapts = !bits.flag()?;
        let has_screen_content = match syntax.screen_content {
            Some(value) => value,
            None => bits.flag()?,
        };
        if has_screen_content && syntax.selects_integer_mv {
            bits.flag()?;
        }
        bits.take(syntax.id_bits)?;
        let has_own_size = !syntax.is_reduced && bits.flag()?;
        bits.take(syntax.order_hint_bits)?;
        if syntax.has_decoder_model && bits.flag()? {
            for layers in syntax.points.into_iter().flatten().map(u32::from) {
                if layers == 0 || (layers >> temporal & 1 == 1 && layers >> (spatial + 8) & 1 == 1) {
                    bits.take(syntax.removal_time)?;
                }
            }
        }
        let refreshed = if is_key && is_shown { 255 } else { bits.take(8)? };
        if refreshed != 255 && is_resilient && syntax.order_hint_bits > 0 {
            for _ in 0..8 {
                bits.take(syntax.order_hint_bits)?;
            }
        }
        let mut size = [sequence.width, sequence.height];
        if has_own_size {
            size = [bits.take(syntax.size_bits[0])? + 1, bits.take(syntax.size_bits[1])? + 1];
            if size[0] > sequence.width || size[1] > sequence.height {
                return Err(damaged("a frame is larger than its sequence header says"));
            }
        }
        let superres = if syntax.has_superres && bits.flag()? { bits.take(3)? + 9 } else { 8 };
        let coded_width = (size[0] * 8 + superres / 2) / superres;
        if bits.flag()? {
            bits.take(32)?; // size to render at
        }
        let allows_copies = has_screen_content && coded_width == size[0] && bits.flag()?;
        if !syntax.is_reduced && adapts {
            bits.flag()?; // disable_frame_end_update_cdf
        }
        let tiles = read_tiles(bits, sequence, coded_width, size[1])?;
        let mut header = Self {
            is_shown: is_shown || is_showable,
            size,
            coded_width,
            superres,
            adapts,
            has_screen_content,
            allows_copies,
            tiles,
            quantizer: bits.byte()?,
            quantizer_deltas: [[0; 2]; 3],
            matrices: None,
            segmentation: None,
            delta_q: None,
            delta_lf: None,
            loop_filter: LoopFilter::default(),
            cdef: None,
            restoration: None,
            selects_tx: false,
            reduced_tx_set: false,
            film_grain: None,
            lossless: [false; 8],
        };
        header.read_quantizers(bits, sequence)?;
        header.segmentation = read_segmentation(bits)?;
        if header.quantizer > 0 && bits.flag()? {
            header.delta_q = Some(bits.take(2)?);
            if !allows_copies && bits.flag()? {
                header.delta_lf = Some((bits.take(2)?, bits.flag()?));
            }
        }
        let has_no_deltas = header.quantizer_deltas == [[0; 2]; 3];
        header.lossless =
            std::array::from_fn(|segment| has_no_deltas && header.quantizer_of(header.quantizer, segment as u8) == 0);
        let is_lossless = header.lossless == [true; 8];
        let is_all_lossless = is_lossless && coded_width == size[0];
        if !is_lossless && !allows_copies {
            header.loop_filter = read_loop_filter(bits, sequence)?;
            if syntax.has_cdef {
                header.cdef = Some(read_cdef(bits, sequence)?);
            }
        } else {
            header.loop_filter.intra_delta = 1;
        }
        if !is_all_lossless && !allows_copies && syntax.has_restoration {
            header.restoration = read_restoration(bits, sequence)?;
        }
        header.selects_tx = !is_lossless && bits.flag()?;
        header.reduced_tx_set = bits.flag()?;
        if syntax.has_film_grain && header.is_shown && bits.flag()? {
            header.film_grain = Some(read_film_grain(bits, sequence)?);
        }
        Ok(Announced::Intra(Box::new(header)))
    }

    /// `quantization_params()` (5.9.12), after `base_q_idx`.
    fn read_quantizers(&mut self, bits: &mut Bits<'_>, sequence: &Sequence) -> Result<(), DecodeError> {
        let separate = sequence.syntax.separate_uv_delta_q;
        let delta = |bits: &mut Bits<'_>| if bits.flag()? { bits.signed(7) } else { Ok(0) };
        self.quantizer_deltas[0][0] = delta(bits)?;
        if !sequence.is_monochrome {
            let differs = separate && bits.flag()?;
            self.quantizer_deltas[1] = [delta(bits)?, delta(bits)?];
            self.quantizer_deltas[2] = if differs { [delta(bits)?, delta(bits)?] } else { self.quantizer_deltas[1] };
        }
        if bits.flag()? {
            let [y, u] = [bits.take(4)? as u8, bits.take(4)? as u8];
            self.matrices = Some([y, u, if separate { bits.take(4)? as u8 } else { u }]);
        }
        Ok(())
    }

    /// `get_qindex` (7.12.2), for a superblock with the given quantizer.
    pub(super) fn quantizer_of(&self, quantizer: u8, segment: u8) -> u8 {
        let feature = |segmentation: &Segmentation| segmentation.features[usize::from(segment)][FEATURE_QUANTIZER];
        match self.segmentation.as_ref().and_then(feature) {
            Some(delta) => (i32::from(quantizer) + delta).clamp(0, 255) as u8,
            None => quantizer,
        }
    }

    /// The levels of the deblocking filter (7.14.5) for a segment of a superblock with the given differences.
    pub(super) fn filter_levels(&self, segment: u8, deltas: [i32; 4]) -> [u8; 4] {
        let is_multi = self.delta_lf.is_some_and(|(_, is_multi)| is_multi);
        std::array::from_fn(|i| {
            let delta = if is_multi { deltas[i] } else { deltas[0] };
            let mut level = (delta + i32::from(self.loop_filter.levels[i])).clamp(0, MAX_LOOP_FILTER);
            let feature = |segmentation: &Segmentation| segmentation.features[usize::from(segment)][FEATURE_FILTER + i];
            if let Some(difference) = self.segmentation.as_ref().and_then(feature) {
                level = (level + difference).clamp(0, MAX_LOOP_FILTER);
            }
            if self.loop_filter.has_deltas {
                level = (level + (self.loop_filter.intra_delta << (level >> 5))).clamp(0, MAX_LOOP_FILTER);
            }
            level as u8
        })
    }

    /// Whether there is something for the deblocking filter to do.
    pub(super) fn deblocks(&self) -> bool {
        self.loop_filter.levels[..2] != [0; 2]
    }

    /// The numbers of columns and rows in units of 4 luma samples (`MiCols`, `MiRows`).
    pub(super) fn units(&self) -> [usize; 2] {
        [self.coded_width, self.size[1]].map(|side| 2 * (side as usize).div_ceil(8))
    }
}

/// `segmentation_params()` (5.9.14), of a frame without references.
fn read_segmentation(bits: &mut Bits<'_>) -> Result<Option<Segmentation>, DecodeError> {
    /// The bits of features, their maxima, and whether they are signed.
    const FEATURES: [(u32, i32, bool); 8] = [
        (8, 255, true),
        (6, MAX_LOOP_FILTER, true),
        (6, MAX_LOOP_FILTER, true),
        (6, MAX_LOOP_FILTER, true),
        (6, MAX_LOOP_FILTER, true),
        (3, 7, false),
        (0, 0, false),
        (0, 0, false),
    ];
    if !bits.flag()? {
        return Ok(None);
    }
    let mut segmentation = Segmentation::default();
    for (segment, features) in segmentation.features.iter_mut().enumerate() {
        for (i, (feature, (count, most, is_signed))) in features.iter_mut().zip(FEATURES).enumerate() {
            if bits.flag()? {
                let value = if is_signed { bits.signed(count + 1)? } else { bits.take(count)? as i32 };
                *feature = Some(value.clamp(-most, most));
                segmentation.last_active = segment as u8;
                segmentation.precedes_skip |= i >= FEATURE_REFERENCE;
            }
        }
    }
    Ok(Some(segmentation))
}

/// `loop_filter_params()` (5.9.11), of a frame that has them.
fn read_loop_filter(bits: &mut Bits<'_>, sequence: &Sequence) -> Result<LoopFilter, DecodeError> {
    let mut filter = LoopFilter { intra_delta: 1, ..LoopFilter::default() };
    let count = |levels: &[u8; 4]| if sequence.is_monochrome || levels[..2] == [0; 2] { 2 } else { 4 };
    for i in 0..4 {
        if i < 2 || i < count(&filter.levels) {
            filter.levels[i] = bits.take(6)? as u8;
        }
    }
    filter.sharpness = bits.take(3)? as u8;
    filter.has_deltas = bits.flag()?;
    if filter.has_deltas && bits.flag()? {
        for i in 0..8 + 2 {
            if bits.flag()? {
                let delta = bits.signed(7)?;
                if i == 0 {
                    filter.intra_delta = delta;
                }
            }
        }
    }
    Ok(filter)
}

/// `cdef_params()` (5.9.19), of a frame that has them.
fn read_cdef(bits: &mut Bits<'_>, sequence: &Sequence) -> Result<Cdef, DecodeError> {
    let mut cdef = Cdef { damping: bits.take(2)? + 3, bits: bits.take(2)?, strengths: [[[0; 2]; 2]; 8] };
    for strengths in &mut cdef.strengths[..1 << cdef.bits] {
        let count = if sequence.is_monochrome { 1 } else { 2 };
        for [primary, secondary] in &mut strengths[..count] {
            *primary = bits.take(4)? as u8;
            *secondary = bits.take(2)? as u8;
            *secondary += u8::from(*secondary == 3);
        }
    }
    Ok(cdef)
}

/// `lr_params()` (5.9.20), of a frame that has them.
fn read_restoration(bits: &mut Bits<'_>, sequence: &Sequence) -> Result<Option<Restoration>, DecodeError> {
    let mut types = [RestorationType::None; 3];
    for kind in &mut types[..sequence.planes()] {
        *kind = match bits.take(2)? {
            0 => RestorationType::None,
            1 => RestorationType::Switchable,
            2 => RestorationType::Wiener,
            _ => RestorationType::SelfGuided,
        };
    }
    if types == [RestorationType::None; 3] {
        return Ok(None);
    }
    let mut shift = bits.take(1)?;
    if sequence.syntax.large_superblocks {
        shift += 1;
    } else if shift > 0 {
        shift += bits.take(1)?;
    }
    let luma = 6 + shift;
    let has_chroma = types[1..] != [RestorationType::None; 2];
    let halves = sequence.subsampling == [true; 2] && has_chroma && bits.flag()?;
    Ok(Some(Restoration { types, units: [luma, luma - u32::from(halves)] }))
}

/// `film_grain_params()` (5.9.30), of a frame that has them.
fn read_film_grain(bits: &mut Bits<'_>, sequence: &Sequence) -> Result<FilmGrain, DecodeError> {
    let mut grain = FilmGrain { seed: bits.take(16)? as u16, ..FilmGrain::default() };
    let points = |bits: &mut Bits<'_>, most: u32| {
        let count = bits.take(4)?;
        if count > most {
            return Err(damaged("its film grain has too many points"));
        }
        let points = (0..count).map(|_| Ok([bits.byte()?, bits.byte()?])).collect::<Result<Vec<_>, DecodeError>>()?;
        if points.windows(2).any(|pair| pair[0][0] >= pair[1][0]) {
            return Err(damaged("the points of its film grain are not in order"));
        }
        Ok(points)
    };
    grain.points[0] = points(bits, 14)?;
    grain.chroma_from_luma = !sequence.is_monochrome && bits.flag()?;
    let is_halved = sequence.subsampling == [true; 2];
    if !(sequence.is_monochrome || grain.chroma_from_luma || is_halved && grain.points[0].is_empty()) {
        grain.points[1] = points(bits, 10)?;
        grain.points[2] = points(bits, 10)?;
    }
    grain.scaling_shift = bits.take(2)? + 8;
    grain.lag = bits.take(2)? as usize;
    let luma = 2 * grain.lag * (grain.lag + 1);
    let has_luma = !grain.points[0].is_empty();
    for plane in 0..3 {
        let count = luma + usize::from(plane > 0 && has_luma);
        let has_any = !grain.points[plane].is_empty() || plane > 0 && grain.chroma_from_luma;
        // What is not coded is not used.
        grain.coefficients[plane] = vec![0; luma + 1];
        if has_any {
            for coefficient in &mut grain.coefficients[plane][..count] {
                *coefficient = bits.take(8)? as i32 - 128;
            }
        }
    }
    grain.coefficient_shift = bits.take(2)? + 6;
    grain.scale_shift = bits.take(2)?;
    for (points, chroma) in grain.points[1..].iter().zip(&mut grain.chroma) {
        if !points.is_empty() {
            *chroma = [bits.take(8)? as i32 - 128, bits.take(8)? as i32 - 128, bits.take(9)? as i32 - 256];
        }
    }
    grain.overlaps = bits.flag()?;
    grain.is_restricted = bits.flag()?;
    Ok(grain)
}

/// `tile_info()` (5.9.15).
fn read_tiles(bits: &mut Bits<'_>, sequence: &Sequence, width: u32, height: u32) -> Result<Tiles, DecodeError> {
    let superblock = sequence.superblock() as u32;
    let [columns, rows] = [width, height].map(|side| side.div_ceil(superblock));
    let widest = MAX_TILE_WIDTH / superblock;
    let fewest_columns = log2_up(widest, columns);
    let [most_columns, most_rows] = [columns, rows].map(|count| log2_up(1, count.min(MAX_TILES)));
    let fewest = fewest_columns.max(log2_up(MAX_TILE_AREA / (superblock * superblock), columns.saturating_mul(rows)));
    let unit = superblock as usize / 4;
    let ends = [width, height].map(|side| 2 * (side as usize).div_ceil(8));
    let (column_starts, row_starts, log2);
    if bits.flag()? {
        let columns_log2 = increments(bits, fewest_columns, most_columns)?;
        let rows_log2 = increments(bits, fewest.saturating_sub(columns_log2), most_rows)?;
        let starts =
            |count: u32, log2: u32| -> Vec<u32> { (0..count).step_by(count.div_ceil(1 << log2) as usize).collect() };
        (column_starts, row_starts) = (starts(columns, columns_log2), starts(rows, rows_log2));
        log2 = [columns_log2, rows_log2];
    } else {
        let (starts, widest) = read_sizes(bits, columns, widest)?;
        column_starts = starts;
        let all = columns.saturating_mul(rows);
        let area = if fewest > 0 { all >> (fewest + 1) } else { all };
        (row_starts, _) = read_sizes(bits, rows, (area / widest).max(1))?;
        log2 = [log2_up(1, column_starts.len() as u32), log2_up(1, row_starts.len() as u32)];
    }
    if column_starts.len() > MAX_TILES as usize || row_starts.len() > MAX_TILES as usize {
        return Err(damaged("it has too many tiles"));
    }
    let in_units = |starts: Vec<u32>, end: usize| {
        starts.into_iter().map(|start| start as usize * unit).chain([end]).collect::<Vec<_>>()
    };
    let mut tiles = Tiles {
        columns: in_units(column_starts, ends[0]),
        rows: in_units(row_starts, ends[1]),
        bits: log2[0] + log2[1],
        size_bytes: 0,
    };
    if tiles.bits > 0 {
        bits.take(tiles.bits)?; // context_update_tile_id
        tiles.size_bytes = bits.take(2)? as usize + 1;
    }
    Ok(tiles)
}

/// The smallest exponent n for which `unit << n` is at least `length`.
fn log2_up(unit: u32, length: u32) -> u32 {
    (0..32).find(|exponent| u64::from(unit) << exponent >= u64::from(length)).unwrap_or(32)
}

/// Reads an exponent that starts at `least` and is incremented by each set bit, up to `most`.
fn increments(bits: &mut Bits<'_>, least: u32, most: u32) -> Result<u32, DecodeError> {
    let mut exponent = least;
    while exponent < most && bits.flag()? {
        exponent += 1;
    }
    Ok(exponent)
}

/// The starts of tiles of explicit sizes, and the largest size.
fn read_sizes(bits: &mut Bits<'_>, length: u32, most: u32) -> Result<(Vec<u32>, u32), DecodeError> {
    let (mut start, mut starts, mut largest) = (0, Vec::new(), 1);
    while start < length && starts.len() <= MAX_TILES as usize {
        starts.push(start);
        let size = bits.non_symmetric(most.min(length - start))? + 1;
        largest = largest.max(size);
        start += size;
    }
    Ok((starts, largest))
}
