//! Block and transform sizes, which the specification numbers differently (6.10.4, 6.10.16).

/// Binary logarithms of width and height in samples, each from 2 to 7; of transforms, up to 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockSize {
    pub(super) w: u8,
    pub(super) h: u8,
}

/// `BLOCK_4X4` and its successors.
const BLOCKS: [[u8; 2]; 22] = [
    [2, 2],
    [2, 3],
    [3, 2],
    [3, 3],
    [3, 4],
    [4, 3],
    [4, 4],
    [4, 5],
    [5, 4],
    [5, 5],
    [5, 6],
    [6, 5],
    [6, 6],
    [6, 7],
    [7, 6],
    [7, 7],
    [2, 4],
    [4, 2],
    [3, 5],
    [5, 3],
    [4, 6],
    [6, 4],
];

/// `TX_4X4` and its successors.
const TRANSFORMS: [[u8; 2]; 19] = [
    [2, 2],
    [3, 3],
    [4, 4],
    [5, 5],
    [6, 6],
    [2, 3],
    [3, 2],
    [3, 4],
    [4, 3],
    [4, 5],
    [5, 4],
    [5, 6],
    [6, 5],
    [2, 4],
    [4, 2],
    [3, 5],
    [5, 3],
    [4, 6],
    [6, 4],
];

const fn index<const N: usize>(sizes: &[[u8; 2]; N]) -> [[u8; 6]; 6] {
    let mut table = [[0; 6]; 6];
    let mut i = 0;
    while i < N {
        table[sizes[i][0] as usize - 2][sizes[i][1] as usize - 2] = i as u8;
        i += 1;
    }
    table
}

static BLOCK_INDEX: [[u8; 6]; 6] = index(&BLOCKS);
static TRANSFORM_INDEX: [[u8; 6]; 6] = index(&TRANSFORMS);

impl BlockSize {
    pub(super) const fn new(w: u8, h: u8) -> Self {
        Self { w, h }
    }

    pub(super) const fn square(side: u8) -> Self {
        Self { w: side, h: side }
    }

    pub(super) fn width(self) -> usize {
        1 << self.w
    }

    pub(super) fn height(self) -> usize {
        1 << self.h
    }

    /// All transform sizes, in the specification's order.
    pub(super) fn transforms() -> impl Iterator<Item = Self> {
        TRANSFORMS.iter().map(|[w, h]| Self::new(*w, *h))
    }

    /// Width and height in units of 4 samples.
    pub(super) fn units(self) -> [usize; 2] {
        [1 << (self.w - 2), 1 << (self.h - 2)]
    }

    pub(super) fn area(self) -> usize {
        1 << (self.w + self.h)
    }

    pub(super) fn longest(self) -> u8 {
        self.w.max(self.h)
    }

    pub(super) fn shortest(self) -> u8 {
        self.w.min(self.h)
    }

    pub(super) fn block_index(self) -> usize {
        BLOCK_INDEX[usize::from(self.w) - 2][usize::from(self.h) - 2].into()
    }

    pub(super) fn transform_index(self) -> usize {
        TRANSFORM_INDEX[usize::from(self.w) - 2][usize::from(self.h) - 2].into()
    }

    /// Whether blocks of this size have angle deltas (5.11.42): those from 8 by 8 on in the specification's order.
    pub(super) fn has_angles(self) -> bool {
        self.block_index() >= 3
    }

    /// The size of this block in a plane with or without subsampling (5.11.38).
    pub(super) fn in_plane(self, halved: bool) -> Self {
        self.in_planes(halved, halved)
    }

    /// The size of this block in a plane with half of the columns, and of the rows, or not.
    pub(super) fn in_planes(self, halves_columns: bool, halves_rows: bool) -> Self {
        let side = |log2: u8, halved| (log2 - u8::from(halved)).max(2);
        Self { w: side(self.w, halves_columns), h: side(self.h, halves_rows) }
    }

    /// The coded part of a transform: all but the high frequencies of 64 samples.
    pub(super) fn coded(self) -> Self {
        Self { w: self.w.min(5), h: self.h.min(5) }
    }

    /// The binary logarithm of `dqDenom` (7.12.3).
    pub(super) fn dequantizer_shift(self) -> u32 {
        match (self.longest(), self.w + self.h) {
            (6, 11..) => 2,
            (6, _) | (5, 9..) => 1,
            _ => 0,
        }
    }

    /// `txSzCtx` (5.11.39).
    pub(super) fn context(self) -> usize {
        (usize::from(self.w) + usize::from(self.h) - 3) >> 1
    }
}
