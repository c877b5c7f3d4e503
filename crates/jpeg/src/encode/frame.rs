//! The division of a picture into components, blocks and MCUs (T.81 A.1 and A.2).

use super::{EncodeOptions, Picture, Pixels};

/// The coefficients of a block in natural order.
pub(super) type Block = [i16; 64];

/// One component of the picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Component {
    /// The number of blocks of an MCU, horizontally and vertically: the sampling factors of T.81.
    pub(super) h: usize,
    pub(super) v: usize,
    /// Columns and rows of samples.
    pub(super) width: usize,
    pub(super) height: usize,
    /// The number of blocks that contain samples of the picture. MCUs may extend beyond them.
    pub(super) blocks_across: usize,
    pub(super) blocks_down: usize,
    /// The index of the quantisation and Huffman tables: 0 for luma, 1 for chroma.
    pub(super) tables: usize,
}

impl Component {
    /// The number of rows of samples in a row of MCUs.
    pub(super) fn rows_in(&self, row: usize) -> usize {
        (self.height - row * self.v * 8).min(self.v * 8)
    }
}

/// What there is of chroma.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chroma {
    None,
    Subsampled,
    Full,
}

/// The geometry of a picture.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) width: u16,
    pub(super) height: u16,
    pub(super) mcus_across: usize,
    pub(super) mcu_rows: usize,
    /// One component for grey, or Y, Cb and Cr.
    pub(super) components: Vec<Component>,
}

impl Frame {
    pub(super) fn new(picture: &Picture<'_>, options: &EncodeOptions<'_>) -> Self {
        let factors: &[usize] = match picture.pixels {
            Pixels::Grey(_) => &[1],
            Pixels::Rgb(_) if options.full_chroma => &[1, 1, 1],
            Pixels::Rgb(_) | Pixels::Planes(_) => &[2, 1, 1],
        };
        let (width, height) = (usize::from(picture.width), usize::from(picture.height));
        let most = factors[0];
        let component = |(number, &factor): (usize, &usize)| {
            let samples = |side: usize| (side * factor).div_ceil(most);
            Component {
                h: factor,
                v: factor,
                width: samples(width),
                height: samples(height),
                blocks_across: samples(width).div_ceil(8),
                blocks_down: samples(height).div_ceil(8),
                tables: number.min(1),
            }
        };
        Self {
            width: picture.width,
            height: picture.height,
            mcus_across: width.div_ceil(8 * most),
            mcu_rows: height.div_ceil(8 * most),
            components: factors.iter().enumerate().map(component).collect(),
        }
    }

    pub(super) fn chroma(&self) -> Chroma {
        match self.components.as_slice() {
            [_] => Chroma::None,
            [luma, ..] if luma.h > 1 => Chroma::Subsampled,
            _ => Chroma::Full,
        }
    }

    /// The height of an MCU in pixels.
    pub(super) fn mcu_height(&self) -> usize {
        self.components[0].v * 8
    }
}

/// The blocks of a component: one row of MCUs, or all of them.
#[derive(Debug, Clone)]
pub(super) struct Blocks {
    across: usize,
    blocks: Vec<Block>,
}

impl Blocks {
    /// Allocates this many rows of blocks.
    pub(super) fn new(component: &Component, rows: usize) -> Self {
        let across = component.blocks_across;
        Self { across, blocks: vec![[0; 64]; across * rows] }
    }

    /// The blocks side by side in a row, from left to right.
    pub(super) fn row(&self, row: usize) -> &[Block] {
        &self.blocks[row * self.across..][..self.across]
    }

    pub(super) fn row_mut(&mut self, row: usize) -> &mut [Block] {
        &mut self.blocks[row * self.across..][..self.across]
    }
}
