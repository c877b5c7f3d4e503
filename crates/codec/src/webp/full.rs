//! Converts rows of samples to pixels at full size.

use std::ops::Range;

use super::colour::{Convert, Upsample};
use crate::{Channels, Raster, Samples};
use image_origin_kernel::dispatch;
use image_origin_vp8::lossy::Sink;

/// The destination of the rows of pixels.
pub(super) enum Rows {
    /// They are kept.
    Opaque(Vec<u8>),
    /// Alpha is added, and they are kept.
    WithAlpha { alpha: Vec<u8>, pixels: Vec<u8> },
}

/// Receives the samples of a picture, and converts some of its rows to pixels.
pub(super) struct Full {
    width: usize,
    height: usize,
    /// The wanted rows.
    wanted: Range<usize>,
    pub(super) rows: Rows,
    /// The number of rows of luma that were received.
    taken: usize,
    /// The last row of luma, which waits for the chroma row below it.
    luma: Vec<u8>,
    /// The last row of chroma.
    chroma: [Vec<u8>; 2],
    /// Chroma at the width of the picture.
    wide: [Vec<u8>; 2],
}

impl Full {
    pub(super) fn new((width, height): (usize, usize), wanted: Range<usize>, rows: Rows) -> Self {
        let wide = || vec![0; width];
        Self {
            width,
            height,
            wanted,
            rows,
            taken: 0,
            luma: Vec::new(),
            chroma: [Vec::new(), Vec::new()],
            wide: [wide(), wide()],
        }
    }

    /// The memory in bytes besides the rows of pixels.
    pub(super) fn memory(width: u32) -> u64 {
        u64::from(width) * 4
    }

    /// Converts the rows of pixels to a picture.
    pub(super) fn finish(mut self) -> Option<Raster> {
        if self.height.is_multiple_of(2) && self.taken == self.height {
            let (luma, chroma) = (std::mem::take(&mut self.luma), std::mem::take(&mut self.chroma));
            let planes = chroma.each_ref().map(Vec::as_slice);
            self.row(self.height - 1, &luma, planes, planes);
        }
        let (pixels, channels) = match self.rows {
            Rows::Opaque(pixels) => (pixels, Channels::Rgb),
            Rows::WithAlpha { pixels, .. } => (pixels, Channels::Rgba),
        };
        let height = pixels.len() / (channels.count() * self.width);
        Raster::new(self.width as u32, height as u32, channels, Samples::U8(pixels))
    }

    /// Converts one row to pixels, with the nearer and the farther of two rows of chroma.
    fn row(&mut self, y: usize, luma: &[u8], near: [&[u8]; 2], far: [&[u8]; 2]) {
        if !self.wanted.contains(&y) {
            return;
        }
        for ((near, far), out) in near.into_iter().zip(far).zip(&mut self.wide) {
            dispatch(Upsample { near, far, out });
        }
        let chroma = self.wide.each_ref().map(Vec::as_slice);
        match &mut self.rows {
            Rows::Opaque(pixels) => {
                let start = pixels.len();
                pixels.resize(start + 3 * self.width, 0);
                dispatch(Convert::<3> { luma, chroma, out: &mut pixels[start..] });
            }
            Rows::WithAlpha { alpha, pixels } => {
                let start = pixels.len();
                pixels.resize(start + 4 * self.width, 0);
                convert_with_alpha(luma, chroma, &alpha[y * self.width..], &mut pixels[start..]);
            }
        }
    }
}

fn convert_with_alpha(luma: &[u8], chroma: [&[u8]; 2], alpha: &[u8], out: &mut [u8]) {
    dispatch(Convert::<4> { luma, chroma, out });
    for (pixel, alpha) in out.as_chunks_mut::<4>().0.iter_mut().zip(alpha) {
        pixel[3] = *alpha;
    }
}

impl Sink for Full {
    fn pair(&mut self, luma: [&[u8]; 2], chroma: [&[u8]; 2]) {
        let y = self.taken;
        if y == 0 {
            self.row(0, luma[0], chroma, chroma);
        } else {
            let (waiting, before) = (std::mem::take(&mut self.luma), std::mem::take(&mut self.chroma));
            let planes = before.each_ref().map(Vec::as_slice);
            self.row(y - 1, &waiting, planes, chroma);
            self.row(y, luma[0], chroma, planes);
            (self.luma, self.chroma) = (waiting, before);
        }
        self.taken += 2;
        self.luma.clear();
        self.luma.extend_from_slice(luma[1]);
        for (kept, row) in self.chroma.iter_mut().zip(chroma) {
            kept.clear();
            kept.extend_from_slice(row);
        }
    }
}
