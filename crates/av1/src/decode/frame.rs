//! The planes of a frame, and what filters need to know of its blocks.

use super::headers::{FrameHeader, RestorationType};
use super::sequence::Sequence;
use crate::sample::Sample;
use crate::size::BlockSize;

/// The samples of a plane: of a decoded one, whole superblocks.
#[derive(Debug, Clone, Default)]
pub(super) struct Plane<S> {
    pub(super) samples: Vec<S>,
    pub(super) stride: usize,
}

impl<S: Sample> Plane<S> {
    pub(super) fn new(stride: usize, rows: usize) -> Self {
        Self { samples: vec![S::default(); stride * rows], stride }
    }
}

/// The parameters of a unit of loop restoration (5.11.58).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RestorationUnit {
    None,
    /// The coefficients of the vertical and of the horizontal filter.
    Wiener([[i8; 3]; 2]),
    /// The set of parameters, and the weights of both filters.
    SelfGuided(u8, [i8; 2]),
}

/// The units of loop restoration of a plane.
#[derive(Debug, Clone, Default)]
pub(super) struct RestorationUnits {
    pub(super) columns: usize,
    pub(super) rows: usize,
    pub(super) units: Vec<RestorationUnit>,
}

/// A block that intra block copy may be predicted from, for 4 by 4 luma samples.
#[derive(Debug, Clone, Copy)]
pub(super) struct Copied {
    pub(super) size: BlockSize,
    /// The vector in eighths of samples, down and right, if the block is a copy.
    pub(super) vector: Option<[i32; 2]>,
}

/// A frame.
pub(super) struct Frame<S> {
    pub(super) planes: Vec<Plane<S>>,
    /// The numbers of columns and rows in units of 4 luma samples, and the number of units in a row of the fields below.
    pub(super) columns: usize,
    pub(super) rows: usize,
    pub(super) across: usize,
    /// The binary logarithms of width and height (in the upper 4 bits) of the transform that covers each 4 by 4 samples
    /// of luma, and of chroma; if deblocking needs them.
    pub(super) transforms: [Vec<u8>; 2],
    /// The filter levels of each unit, if they differ.
    pub(super) levels: Vec<[u8; 4]>,
    /// Whether 8 by 8 luma samples have coefficients, if CDEF needs that.
    pub(super) is_coded: Vec<bool>,
    /// The index of the strengths of CDEF for 64 by 64 luma samples, or -1.
    pub(super) cdef: Vec<i8>,
    pub(super) segments: Vec<u8>,
    pub(super) copied: Vec<Option<Copied>>,
    pub(super) restoration: [RestorationUnits; 3],
}

impl<S: Sample> Frame<S> {
    /// Allocates what decoding needs, and what filters need if it is `filtered`.
    pub(super) fn new(sequence: &Sequence, header: &FrameHeader, filtered: bool) -> Self {
        let [columns, rows] = header.units();
        let superblock = sequence.superblock();
        let [width, height] = [columns, rows].map(|units| (units * 4).next_multiple_of(superblock));
        let planes = (0..sequence.planes()).map(|plane| {
            let [x, y] = sequence.shifts(plane);
            Plane::new(width >> x, height >> y)
        });
        let (across, units) = (width / 4, width / 4 * (height / 4));
        let vector = |is_needed: bool| if is_needed { units } else { 0 };
        let deblocks = filtered && header.deblocks();
        let [x, y] = sequence.shifts(1);
        let chroma = if sequence.is_monochrome { 0 } else { (vector(deblocks) >> x) >> y };
        let differs = header.delta_lf.is_some() || header.segmentation.is_some();
        let cdef = filtered && header.cdef.is_some();
        Self {
            planes: planes.collect(),
            columns,
            rows,
            across,
            transforms: [vec![0; vector(deblocks)], vec![0; chroma]],
            levels: vec![[0; 4]; vector(deblocks && differs)],
            is_coded: vec![false; vector(cdef) / 4],
            cdef: vec![-1; width.div_ceil(64) * height.div_ceil(64)],
            segments: vec![0; vector(header.segmentation.is_some())],
            copied: vec![None; vector(header.allows_copies)],
            restoration: std::array::from_fn(|plane| restoration_units(sequence, header, plane)),
        }
    }

    /// The memory of [`Self::new`] in bytes.
    pub(super) fn memory(sequence: &Sequence, header: &FrameHeader, filtered: bool) -> u64 {
        let superblock = sequence.superblock();
        let [width, height] = header.units().map(|units| (units * 4).next_multiple_of(superblock) as u64);
        let samples = (0..sequence.planes()).map(|plane| {
            let [x, y] = sequence.shifts(plane);
            (width >> x) * (height >> y) * size_of::<S>() as u64
        });
        let units = width / 4 * (height / 4);
        let deblocks = filtered && header.deblocks();
        let differs = header.delta_lf.is_some() || header.segmentation.is_some();
        let [transforms, levels, is_coded, segments, copied] = [
            if deblocks { 2 * units } else { 0 },
            if deblocks && differs { 4 * units } else { 0 },
            if filtered && header.cdef.is_some() { units / 4 } else { 0 },
            if header.segmentation.is_some() { units } else { 0 },
            if header.allows_copies { units * size_of::<Option<Copied>>() as u64 } else { 0 },
        ];
        let restoration = (0..3).map(|plane| {
            let RestorationUnits { columns, rows, .. } = restoration_units(sequence, header, plane);
            (columns * rows * size_of::<RestorationUnit>()) as u64
        });
        samples.sum::<u64>() + transforms + levels + is_coded + segments + copied + restoration.sum::<u64>()
    }

    /// The place in [`Self::cdef`] of a unit.
    pub(super) fn cdef_at(&self, row: usize, column: usize) -> usize {
        row / 16 * self.across.div_ceil(16) + column / 16
    }
}

fn restoration_units(sequence: &Sequence, header: &FrameHeader, plane: usize) -> RestorationUnits {
    let Some(restoration) = header.restoration.filter(|restoration| restoration.types[plane] != RestorationType::None)
    else {
        return RestorationUnits::default();
    };
    let log2 = restoration.units[usize::from(plane > 0)];
    let shifts = sequence.shifts(plane);
    let count = |side: u32, shift: u32| {
        let side = (side as usize).div_ceil(1 << shift);
        ((side + (1 << log2 >> 1)) >> log2).max(1)
    };
    let (columns, rows) = (count(header.size[0], shifts[0]), count(header.size[1], shifts[1]));
    RestorationUnits { columns, rows, units: vec![RestorationUnit::None; columns * rows] }
}
