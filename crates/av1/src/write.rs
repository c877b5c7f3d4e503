//! Writes blocks as symbols (5.11).

use super::coefficients;
use super::frame::{Block, Chroma, DELTA_SHIFT, FrameEncoder, Node, Partition, PartitionSymbol, SUPERBLOCK};
use super::inverse::TxType;
use super::palette::Site;
use super::partition::Square;
use super::predict::{DC, FROM_LUMA, Mode};
use super::size::BlockSize;
use super::symbols::{Sink, Writer};

/// `Intra_Mode_Context`.
pub(super) const MODE_CONTEXT: [usize; 13] = [0, 1, 2, 3, 4, 4, 4, 4, 3, 0, 1, 2, 0];

/// The direction that filter intra modes imply for the coding of the transform type.
pub(super) const FILTER_DIRECTION: [u8; 5] = [0, 1, 2, 6, 0];

/// Whether chroma from luma is allowed.
pub(super) fn can_be_from_luma(block: BlockSize) -> bool {
    block.longest() <= 5
}

impl FrameEncoder {
    /// Writes the luma prediction mode.
    pub(super) fn put_mode(&mut self, row: usize, column: usize, mode: Mode, sink: &mut impl Sink) {
        let [above, left] = self.beside(row, column, false).map(|unit| MODE_CONTEXT[usize::from(unit.mode)]);
        sink.symbol(&mut self.probabilities.y_mode[above][left], mode.base.into());
    }

    pub(super) fn put_angle(&mut self, block: BlockSize, mode: Mode, sink: &mut impl Sink) {
        if mode.is_directional() && block.has_angles() {
            let cdf = &mut self.probabilities.angle_delta[usize::from(mode.base) - 1];
            sink.symbol(cdf, (mode.delta + 3) as usize);
        }
    }

    pub(super) fn put_filter(&mut self, block: BlockSize, mode: Mode, sink: &mut impl Sink) {
        if mode.base == DC && block.longest() <= 5 {
            sink.symbol(&mut self.probabilities.filter_intra[block.block_index()], usize::from(mode.filter.is_some()));
            if let Some(filter) = mode.filter {
                sink.symbol(&mut self.probabilities.filter_intra_mode, filter.into());
            }
        }
    }

    /// Writes the chroma prediction mode.
    pub(super) fn put_chroma(&mut self, block: BlockSize, luma: Mode, chroma: Chroma, sink: &mut impl Sink) {
        let luma = usize::from(luma.base);
        let p = &mut self.probabilities;
        if can_be_from_luma(block) {
            sink.symbol(&mut p.uv_mode_cfl[luma], chroma.mode.base.into());
        } else {
            sink.symbol(&mut p.uv_mode[luma], chroma.mode.base.into());
        }
        if chroma.mode.base == FROM_LUMA {
            let [u, v] = chroma.alphas.map(|alpha| match alpha {
                0 => 0,
                ..0 => 1,
                _ => 2usize,
            });
            sink.symbol(&mut p.cfl_sign, u * 3 + v - 1);
            for (alpha, context) in
                [(chroma.alphas[0], (u.max(1) - 1) * 3 + v), (chroma.alphas[1], (v.max(1) - 1) * 3 + u)]
            {
                if alpha != 0 {
                    sink.symbol(&mut p.cfl_alpha[context], usize::from(alpha.unsigned_abs()) - 1);
                }
            }
        }
        self.put_angle(block, chroma.mode, sink);
    }

    /// Writes the type of a luma transform, if there is a choice.
    pub(super) fn put_tx_type(&mut self, size: BlockSize, mode: Mode, tx_type: TxType, sink: &mut impl Sink) {
        let direction = usize::from(mode.filter.map_or(mode.base, |filter| FILTER_DIRECTION[usize::from(filter)]));
        if size.longest() > 4 || self.is_lossless {
            return;
        }
        let square = usize::from(size.shortest()) - 2;
        if square == 2 {
            let symbol = [1, 3, 4, 2].get(usize::from(tx_type.0)).copied().unwrap_or(0);
            sink.symbol(&mut self.probabilities.tx_type_5[square][direction], symbol);
        } else {
            let symbol = [1, 5, 6, 4].get(usize::from(tx_type.0)).copied().unwrap_or(0);
            sink.symbol(&mut self.probabilities.tx_type_7[square][direction], symbol);
        }
    }

    /// Writes the partition of a square.
    fn put_partition(&mut self, square: Square, partition: Partition, writer: &mut Writer) {
        match self.partition_symbol(square) {
            PartitionSymbol::None => {}
            PartitionSymbol::Partition(context) => {
                writer.symbol(self.probabilities.partition(square.side, context), partition as usize);
            }
            PartitionSymbol::SplitOr(cdf) => writer.encode(&cdf, usize::from(partition == Partition::Split)),
        }
    }

    /// Writes a square of blocks.
    pub(super) fn put_node(&mut self, node: &Node, square: Square, writer: &mut Writer) {
        match node {
            Node::Outside => {}
            Node::Blocks(partition, blocks) => {
                self.put_partition(square, *partition, writer);
                for block in blocks {
                    self.put_block(block, writer);
                }
            }
            Node::Split(nodes) => {
                self.put_partition(square, Partition::Split, writer);
                for (node, square) in nodes.iter().zip(square.quarters()) {
                    self.put_node(node, square, writer);
                }
            }
        }
    }

    fn is_first_of_superblock(&self, row: usize, column: usize) -> bool {
        row.is_multiple_of(SUPERBLOCK) && column.is_multiple_of(SUPERBLOCK)
    }

    /// Writes the difference of the quantizer from that of the previous superblock (5.11.36).
    fn put_quantizer(&mut self, writer: &mut Writer) {
        let difference = (i32::from(self.quantizer_index) - i32::from(self.written_quantizer_index)) >> DELTA_SHIFT;
        self.written_quantizer_index = self.quantizer_index;
        let magnitude = difference.unsigned_abs();
        writer.symbol(&mut self.probabilities.delta_q, magnitude.min(3) as usize);
        if magnitude > 2 {
            let bits = (magnitude - 1).ilog2();
            writer.literal(bits - 1, 3);
            writer.literal(magnitude - 1, bits);
        }
        if magnitude > 0 {
            writer.literal(u32::from(difference < 0), 1);
        }
    }

    fn put_block(&mut self, block: &Block, writer: &mut Writer) {
        let Block { row, column, size, mode, .. } = *block;
        let is_skipped = block.is_skipped();
        let [above, left] = self.beside(row, column, false).map(|unit| usize::from(unit.is_skipped));
        writer.symbol(&mut self.probabilities.skip[above + left], usize::from(is_skipped));
        let tells_quantizer = self.is_first_of_superblock(row, column) && !self.is_lossless;
        if tells_quantizer && !(is_skipped && size == BlockSize::square(6)) {
            self.put_quantizer(writer);
        }
        self.put_mode(row, column, mode, writer);
        self.put_angle(size, mode, writer);
        if let Some(chroma) = block.chroma {
            self.put_chroma(size, mode, chroma, writer);
        }
        let sites = [0, 1].map(|plane| Site { place: [row, column], block: size, plane });
        let [luma, colours] = &block.palettes;
        self.put_luma_palette(sites[0], mode, luma.as_ref(), writer);
        if let Some(chroma) = block.chroma {
            self.put_chroma_palette(sites[1], chroma.mode, luma.is_some(), colours.as_ref(), writer);
        }
        if luma.is_none() {
            self.put_filter(size, mode, writer);
        }
        for (site, palette) in sites.into_iter().zip(&block.palettes) {
            if let Some(palette) = palette {
                self.put_indices(site, palette, writer);
            }
        }
        for residual in &block.residuals {
            let context = self.context(residual.area, size);
            if !is_skipped {
                let is_zero = residual.levels.0.is_empty();
                let cdf = &mut self.probabilities.all_zero[context.size.context()][context.zero_context];
                writer.symbol(cdf, usize::from(is_zero));
                if !is_zero {
                    if residual.area.plane == 0 {
                        self.put_tx_type(residual.area.size, mode, residual.tx_type, writer);
                    }
                    coefficients::write(&residual.levels, context, &mut self.probabilities, writer);
                }
            }
            self.update_level_contexts(residual.area, &residual.levels);
        }
        self.update_block_contexts(block);
    }
}
