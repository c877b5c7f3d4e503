//! The search for the prediction of a block's chroma planes.

use super::SpeedSettings;
use super::frame::{Chroma, FrameEncoder, Plane, TransformBlock};
use super::inverse::TxType;
use super::palette::{Palette, Site};
use super::predict::{self, DC, Edges, FROM_LUMA, HORIZONTAL, Mode, PAETH, SMOOTH, SMOOTH_H, SMOOTH_V, VERTICAL};
use super::quantize::Quantized;
use super::size::BlockSize;
use super::symbols::Tally;
use super::write::can_be_from_luma;

/// A candidate coding of the chroma of a block.
pub(super) struct Coded {
    pub(super) chroma: Chroma,
    pub(super) tx_type: TxType,
    /// The transform block of each plane, with its levels and its prediction.
    pub(super) parts: Vec<(TransformBlock, Quantized, Vec<u8>)>,
    pub(super) total: f32,
    pub(super) palette: Option<Palette>,
}

impl FrameEncoder {
    /// Searches the best coding of the chroma of a block whose luma is decided.
    pub(super) fn best_chroma(
        &mut self,
        [row, column]: [usize; 2],
        block: BlockSize,
        (luma, has_luma_palette): (Mode, bool),
        speed: &SpeedSettings,
    ) -> Coded {
        let size = block.in_plane(self.is_halved);
        let [x, y] = [column, row].map(|unit| (unit >> u32::from(self.is_halved)) * 4);
        let areas = [1, 2].map(|plane| TransformBlock { plane, x, y, size });
        let at = self.place(areas[0], self.is_beside_smooth(true, row, column));
        let edges =
            [1, 2].map(|plane| Edges::read(&self.frame[plane].samples, self.frame[plane].stride, size, at, true));
        let source = areas.map(|area| self.source_block(area));
        let contexts = areas.map(|area| self.context(area, block));

        let mut candidates = self.chroma_candidates(&edges, &source, [block, size], luma, speed);
        let deviations = self.deviations([x, y], size);
        if can_be_from_luma(block) {
            let mut mean = vec![0; size.area()];
            let alphas = [0, 1].map(|i| {
                edges[i].predict(Mode::plain(DC), size, &mut mean, size.width());
                self.best_alpha(&source[i], &mean, &deviations, size)
            });
            if alphas != [0; 2] {
                candidates.push(Chroma { mode: Mode::plain(FROM_LUMA), alphas });
            }
        }
        let mut best: Option<Coded> = None;
        let site = Site { place: [row, column], block, plane: 1 };
        for chroma in candidates {
            let mut rate = Tally(0);
            self.put_chroma(block, luma, chroma, &mut rate);
            self.put_chroma_palette(site, chroma.mode, has_luma_palette, None, &mut rate);
            let mut total = self.lambda * rate.0 as f32;
            let tx_type = tx_type(chroma.mode.base, size);
            let parts = [0, 1].map(|i| {
                let mut prediction = vec![0; size.area()];
                edges[i].predict(chroma.mode, size, &mut prediction, size.width());
                if chroma.mode.base == FROM_LUMA {
                    predict::add_luma(&mut prediction, &deviations, chroma.alphas[i], 8);
                }
                let quantized = self.quantized(&source[i], &prediction, contexts[i], tx_type, 0);
                total += quantized.distortion + self.lambda * quantized.rate as f32;
                (areas[i], quantized, prediction)
            });
            if best.as_ref().is_none_or(|best| total < best.total) {
                best = Some(Coded { chroma, tx_type, parts: parts.into(), total, palette: None });
            }
        }
        for (palette, colours_rate) in self.palettes(site, &[&source[0], &source[1]], has_luma_palette) {
            let chroma = Chroma { mode: Mode::plain(DC), alphas: [0; 2] };
            let mut rate = Tally(colours_rate);
            self.put_chroma(block, luma, chroma, &mut rate);
            let mut total = self.lambda * rate.0 as f32;
            let parts = [0, 1].map(|i| {
                let prediction = palette.paint(i);
                let quantized = self.quantized(&source[i], &prediction, contexts[i], TxType::DCT, 0);
                total += quantized.distortion + self.lambda * quantized.rate as f32;
                (areas[i], quantized, prediction)
            });
            if best.as_ref().is_none_or(|best| total < best.total) {
                best = Some(Coded { chroma, tx_type: TxType::DCT, parts: parts.into(), total, palette: Some(palette) });
            }
        }
        best.unwrap_or_else(|| Coded {
            chroma: Chroma { mode: Mode::plain(DC), alphas: [0; 2] },
            tx_type: TxType::DCT,
            parts: Vec::new(),
            total: f32::INFINITY,
            palette: None,
        })
    }

    /// The factor of luma's deviations in eighths: the one by least squares or one beside it, by their estimated costs, since what the
    /// transform leaves is not what squares measure.
    fn best_alpha(&self, source: &[u8], mean: &[u8], deviations: &[i16], size: BlockSize) -> i8 {
        let least_squares = alpha(source, mean, deviations);
        let cost = |alpha: i8| {
            let mut prediction = mean.to_vec();
            predict::add_luma(&mut prediction, deviations, alpha, 8);
            self.satd_cost(source, &prediction, size, 0)
        };
        let near = (least_squares - 1).max(-16)..=(least_squares + 1).min(16);
        let best = near.map(|alpha| (cost(alpha), alpha)).min_by(|(a, _), (b, _)| a.total_cmp(b));
        best.map_or(least_squares, |(_, alpha)| alpha)
    }

    /// The modes with the lowest estimated costs, except for chroma from luma.
    fn chroma_candidates(
        &mut self,
        edges: &[Edges<u8>; 2],
        source: &[Vec<u8>; 2],
        [block, size]: [BlockSize; 2],
        luma: Mode,
        speed: &SpeedSettings,
    ) -> Vec<Chroma> {
        let mut modes: Vec<Mode> =
            [DC, SMOOTH, SMOOTH_V, SMOOTH_H, PAETH, VERTICAL, HORIZONTAL].map(Mode::plain).into();
        let same = Mode { filter: None, ..luma };
        if !modes.contains(&same) {
            modes.push(same);
        }
        let mut prediction = vec![0; size.area()];
        let mut candidates = Vec::with_capacity(modes.len());
        for mode in modes {
            let chroma = Chroma { mode, alphas: [0; 2] };
            let mut rate = Tally(0);
            self.put_chroma(block, luma, chroma, &mut rate);
            let mut satd_cost = 0.0;
            for ((edges, source), rate) in edges.iter().zip(source).zip([rate.0, 0]) {
                edges.predict(mode, size, &mut prediction, size.width());
                satd_cost += self.satd_cost(source, &prediction, size, rate);
            }
            candidates.push((satd_cost, chroma));
        }
        candidates.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        candidates.into_iter().take(speed.chroma_modes).map(|(_, chroma)| chroma).collect()
    }

    /// The deviations of luma from its mean over the samples of a chroma block, in eighths (7.11.5).
    fn deviations(&self, [x, y]: [usize; 2], size: BlockSize) -> Vec<i16> {
        let Plane { samples, stride } = &self.frame[0];
        let shift = u32::from(self.is_halved);
        let mut values = Vec::with_capacity(size.area());
        for row in y..y + size.height() {
            let line = &samples[(row << shift) * stride + (x << shift)..];
            if self.is_halved {
                let below = line[*stride..].as_chunks::<2>().0;
                for (pair, below) in line.as_chunks::<2>().0.iter().zip(below).take(size.width()) {
                    let sum: i16 = pair.iter().chain(below).copied().map(i16::from).sum();
                    values.push(sum << 1);
                }
            } else {
                values.extend(line[..size.width()].iter().map(|sample| i16::from(*sample) << 3));
            }
        }
        let sum: i32 = values.iter().copied().map(i32::from).sum();
        let mean = ((sum + (1 << (size.w + size.h - 1))) >> (size.w + size.h)) as i16;
        values.iter_mut().for_each(|value| *value -= mean);
        values
    }
}

/// The optimal factor of luma's deviations in eighths, by least squares.
fn alpha(source: &[u8], prediction: &[u8], deviations: &[i16]) -> i8 {
    let (mut product, mut square) = (0i32, 0i32);
    for ((source, predicted), deviation) in source.iter().zip(prediction).zip(deviations) {
        product += (i32::from(*source) - i32::from(*predicted)) * i32::from(*deviation) / 8;
        square += i32::from(*deviation) * i32::from(*deviation) / 64;
    }
    if square == 0 { 0 } else { (product as f32 * 8.0 / square as f32).round().clamp(-16.0, 16.0) as i8 }
}

/// The type that a mode implies, if the size allows it (5.11.40).
fn tx_type(base: u8, size: BlockSize) -> TxType {
    if size.longest() > 4 { TxType::DCT } else { TxType::of_mode(base) }
}
