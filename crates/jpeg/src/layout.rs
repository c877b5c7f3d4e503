//! The geometry of a decode: MCUs, blocks and samples of the decoded region at its scale.

use super::frame::Frame;
use super::idct::Reduction;
use super::{DecodeError, Rect, Scale};

/// The side of a block in samples at full size.
const BLOCK: usize = 8;

/// The numbers of samples that a block can yield in each direction.
const SIZES: [usize; 6] = [1, 2, 3, 4, 5, BLOCK];

/// The resolution of chroma.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chroma {
    /// The stored resolution, up to that of luma.
    Full,
    /// Half the resolution of luma in each direction, and more only if blocks cannot yield less.
    Half,
}

/// The geometry of one decode.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// The number of output samples for eight of the picture, in the components with the largest sampling factors.
    pub(super) scale: usize,
    /// The largest sampling factors of the frame.
    pub(super) max: (usize, usize),
    /// The numbers of MCUs of the whole picture.
    pub(super) mcus: (usize, usize),
    /// The columns and rows of MCUs that are kept.
    pub(super) columns: std::ops::Range<usize>,
    pub(super) rows: std::ops::Range<usize>,
    /// The output size in pixels.
    pub(super) width: usize,
    pub(super) height: usize,
    /// The area of the picture that they cover, in its own pixels.
    pub(super) area: Rect,
    pub(super) components: Vec<ComponentLayout>,
}

/// The geometry of one component.
#[derive(Debug, Clone, Copy)]
pub(super) struct ComponentLayout {
    /// Sampling factors: blocks in an MCU.
    pub(super) h: usize,
    pub(super) v: usize,
    /// The number of samples per block in each direction, one of [`SIZES`].
    pub(super) size: usize,
    /// The numbers of blocks of the whole picture, as counted by scans of this component alone (T.81 A.2.2).
    pub(super) blocks: (usize, usize),
    /// The samples in the kept MCUs that are inside the picture; those to the right and below are padding.
    pub(super) width: usize,
    pub(super) height: usize,
    /// Whether the picture is too narrow for interpolation.
    pub(super) is_narrow: bool,
}

impl Layout {
    pub(super) fn new(frame: &Frame, scale: Scale, region: Option<Rect>, chroma: Chroma) -> Result<Self, DecodeError> {
        let scale = scale.eighths();
        let (picture_width, picture_height) = (usize::from(frame.width), usize::from(frame.height));
        let factors = sampling_factors(frame);
        let h_max = factors.iter().map(|f| f.0).max().unwrap_or(1);
        let v_max = factors.iter().map(|f| f.1).max().unwrap_or(1);
        let mcus = (picture_width.div_ceil(BLOCK * h_max), picture_height.div_ceil(BLOCK * v_max));
        let region = region.unwrap_or(Rect { x: 0, y: 0, width: frame.width.into(), height: frame.height.into() });
        let columns = covering(region.x, region.width, picture_width, BLOCK * h_max)?;
        let rows = covering(region.y, region.height, picture_height, BLOCK * v_max)?;
        let kept = |length: usize, kept: &std::ops::Range<usize>, step: usize| {
            length.min(kept.end * step) - length.min(kept.start * step)
        };
        let components = factors.iter().enumerate().map(|(index, &(h, v))| {
            let size = match chroma {
                Chroma::Half if index > 0 => half_block_size(scale, (h_max, v_max), (h, v)),
                _ => block_size(scale, (h_max, v_max), (h, v)),
            };
            let samples = |length: usize, factor: usize, max: usize| (length * factor * size).div_ceil(max * BLOCK);
            ComponentLayout {
                h,
                v,
                size,
                blocks: ((picture_width * h).div_ceil(h_max * BLOCK), (picture_height * v).div_ceil(v_max * BLOCK)),
                width: kept(samples(picture_width, h, h_max), &columns, h * size),
                height: kept(samples(picture_height, v, v_max), &rows, v * size),
                is_narrow: samples(picture_width, h, h_max) <= 2,
            }
        });
        let output = |length: usize| (length * scale).div_ceil(BLOCK);
        let (area_width, area_height) =
            (kept(picture_width, &columns, BLOCK * h_max), kept(picture_height, &rows, BLOCK * v_max));
        Ok(Self {
            scale,
            max: (h_max, v_max),
            mcus,
            width: kept(output(picture_width), &columns, scale * h_max),
            height: kept(output(picture_height), &rows, scale * v_max),
            area: Rect {
                x: (columns.start * BLOCK * h_max) as u32,
                y: (rows.start * BLOCK * v_max) as u32,
                width: area_width as u32,
                height: area_height as u32,
            },
            components: components.collect(),
            columns,
            rows,
        })
    }

    /// The number of pixels of the picture per sample of `component`, horizontally and vertically.
    pub(super) fn pixels_of_sample(&self, component: &ComponentLayout) -> (f64, f64) {
        let pixels = |max: usize, own: usize| (BLOCK * max) as f64 / (own * component.size) as f64;
        (pixels(self.max.0, component.h), pixels(self.max.1, component.v))
    }

    /// The [`blur`](super::Plane::blur) of a component. A mean of n points of a block has a variance of (n^2 - 1) / 12, in squares
    /// of their distance, and the reduced transforms attenuate half as much in decibels, which to low frequencies is half of
    /// the variance.
    pub(super) fn blur(&self, component: &ComponentLayout) -> f64 {
        let of_mean = (1.0 - (component.size as f64 / BLOCK as f64).powi(2)) / 12.0;
        let is_mean = component.size == 1 || component.size == 2 && self.reduction() == Reduction::Mean;
        if is_mean { of_mean } else { of_mean / 2.0 }
    }

    /// The reduction to 2x2 samples, which is the same for all components.
    pub(super) const fn reduction(&self) -> Reduction {
        if self.scale == 1 { Reduction::Mean } else { Reduction::LowPass }
    }

    /// The number of output rows in a row of MCUs.
    pub(super) const fn band_height(&self) -> usize {
        self.max.1 * self.scale
    }
}

impl ComponentLayout {
    /// The stride in samples of a row of the kept MCUs.
    pub(super) const fn stride(&self, columns: &std::ops::Range<usize>) -> usize {
        (columns.end - columns.start) * self.h * self.size
    }

    /// The number of sample rows in a row of MCUs.
    pub(super) const fn band_height(&self) -> usize {
        self.v * self.size
    }
}

/// A single component is coded block by block, regardless of its sampling factors (T.81 A.2.2).
fn sampling_factors(frame: &Frame) -> Vec<(usize, usize)> {
    match frame.components.as_slice() {
        [_] => vec![(1, 1)],
        components => components.iter().map(|c| (c.h.into(), c.v.into())).collect(),
    }
}

/// The MCUs that contain `start..start + length`, with a margin for chroma interpolation at the edges.
fn covering(start: u32, length: u32, picture: usize, mcu: usize) -> Result<std::ops::Range<usize>, DecodeError> {
    const MARGIN: usize = 8;
    let (start, length) = (start as usize, length as usize);
    if length == 0 || start >= picture {
        return Err(DecodeError::Damaged("region outside of the picture"));
    }
    let end = start.saturating_add(length).saturating_add(MARGIN).min(picture);
    Ok(start.saturating_sub(MARGIN) / mcu..end.div_ceil(mcu))
}

/// The reduced size of a block: at a reduced scale a subsampled component keeps more of its own resolution, up to that
/// of the output, instead of being reduced and upsampled. If it is subsampled more in one direction, that direction
/// determines the size, and samples are averaged in the other one.
fn block_size(scale: usize, max: (usize, usize), own: (usize, usize)) -> usize {
    let mut size = scale;
    while SIZES.contains(&(size * 2)) {
        let across = (max.0 * scale, own.0 * size * 2);
        let down = (max.1 * scale, own.1 * size * 2);
        let enlarges = across.0.is_multiple_of(across.1) || down.0.is_multiple_of(down.1);
        if !(enlarges && are_in_step(across) && are_in_step(down)) {
            break;
        }
        size *= 2;
    }
    size
}

/// Whether one resolution is a multiple of the other.
const fn are_in_step((one, other): (usize, usize)) -> bool {
    one.is_multiple_of(other) || other.is_multiple_of(one)
}

/// The smallest size that yields half of the output's resolution.
fn half_block_size(scale: usize, max: (usize, usize), own: (usize, usize)) -> usize {
    let enough = |size: &usize| own.0 * size * 2 >= max.0 * scale && own.1 * size * 2 >= max.1 * scale;
    SIZES.into_iter().find(enough).unwrap_or(BLOCK)
}
