//! Smart crop: finds the window of a thumbnail that `crop`, `zoom` and `fit=cover` should keep, the one with the most
//! information (`entropy`) or the most salient one (`attention`).

use std::ops::Range;

use super::effects::luma;
use super::information::information;
use super::saliency::saliency;
use image_origin_codec::{Channels, Raster};

/// The longest side of the analysed thumbnail.
pub(super) const THUMBNAIL_SIDE: u32 = 64;

/// How much a subject counts that the upper edge of a window cuts, for each line of the window: a head is missed more
/// than feet.
const CUT_AT_THE_TOP: f32 = 0.4;

/// The criterion for a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interest {
    /// What tells most: see [`information`].
    Entropy,
    /// What stands out: see [`saliency`].
    Attention,
    /// The largest face; without faces like [`Interest::Attention`].
    Face,
    /// All faces; without faces like [`Interest::Attention`].
    Faces,
    /// The same, where nothing is marked.
    Auto,
}

impl Interest {
    /// Whether faces are looked for.
    pub(super) const fn is_faces(self) -> bool {
        matches!(self, Self::Face | Self::Faces | Self::Auto)
    }
}

/// The centre of the best window, as fractions of the picture; the sides of the window are fractions, too. A window
/// that is smaller in both directions is first searched along the side that is cropped more, and then within the
/// result.
pub(super) fn focus(thumbnail: &Raster, interest: Interest, window: (f64, f64)) -> (f64, f64) {
    let pixels = pixels(thumbnail);
    let (width, height) = (thumbnail.width() as usize, thumbnail.height() as usize);
    let map = match interest {
        Interest::Entropy => information(&pixels, width, height),
        _ => saliency(&pixels, width, height),
    };
    let search = Search { map, width };
    if window.0 <= window.1 {
        let (x, columns) = search.best(Axis::X, width, window.0, 0..height);
        let (y, _) = search.best(Axis::Y, height, window.1, columns);
        (x, y)
    } else {
        let (y, rows) = search.best(Axis::Y, height, window.1, 0..width);
        let (x, _) = search.best(Axis::X, width, window.0, rows);
        (x, y)
    }
}

/// The direction in which a window is moved.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Axis {
    X,
    Y,
}

struct Search {
    /// How much of interest each pixel is.
    map: Vec<f32>,
    width: usize,
}

impl Search {
    /// The centre of the best window along an axis, whose side is `length` pixels and whose window a `share` of it, and
    /// the pixels of that window. Only the pixels `across` are looked at.
    fn best(&self, axis: Axis, length: usize, share: f64, across: Range<usize>) -> (f64, Range<usize>) {
        let window = ((length as f64 * share).round() as usize).clamp(1, length);
        let start = if window == length { 0 } else { self.start(axis, length, window, across) };
        ((start as f64 + window as f64 / 2.0) / length as f64, start..start + window)
    }

    fn line(&self, axis: Axis, line: usize, across: Range<usize>) -> impl Iterator<Item = usize> {
        let width = self.width;
        across.map(move |other| if axis == Axis::X { other * width + line } else { line * width + other })
    }

    fn start(&self, axis: Axis, length: usize, window: usize, across: Range<usize>) -> usize {
        let lines: Vec<f32> =
            (0..length).map(|line| self.line(axis, line, across.clone()).map(|pixel| self.map[pixel]).sum()).collect();
        let weights = weights(window);
        best_start(length, window, |start| {
            let within: f32 = weights.iter().zip(&lines[start..]).map(|(weight, line)| weight * line).sum();
            let is_cut = axis == Axis::Y && start > 0;
            let cut = if is_cut { (lines[start - 1] + lines[start]) / 2.0 } else { 0.0 };
            within - CUT_AT_THE_TOP * window as f32 * cut
        })
    }
}

/// The weights of the lines of a window, which fall from its middle to its edges, so that a subject is not merely within
/// the window but in the middle of it.
fn weights(window: usize) -> Vec<f32> {
    let from_middle = |line: usize| (2 * line + 1) as f32 / window as f32 - 1.0;
    (0..window).map(|line| 1.0 - from_middle(line) * from_middle(line)).collect()
}

/// The start with the highest score; among those within a thousandth of it, the most central one.
fn best_start(length: usize, window: usize, score: impl Fn(usize) -> f32) -> usize {
    let last = length - window;
    let scores: Vec<f32> = (0..=last).map(score).collect();
    let best = scores.iter().copied().fold(f32::MIN, f32::max);
    let nearly_best = (0..=last).filter(|start| scores[*start] >= best - best.abs() * 0.001);
    nearly_best.min_by_key(|start| (2 * start).abs_diff(last)).unwrap_or(last / 2)
}

/// Opaque RGB; transparent pixels are black, and therefore not salient.
fn pixels(raster: &Raster) -> Vec<[u8; 3]> {
    let samples = raster.samples().as_bytes();
    match raster.channels() {
        Channels::L => samples.iter().map(|l| [*l; 3]).collect(),
        Channels::La => samples.as_chunks().0.iter().map(|&[l, a]| [l.min(a); 3]).collect(),
        Channels::Rgb => samples.as_chunks().0.to_vec(),
        Channels::Rgba | Channels::Cmyk => {
            samples.as_chunks().0.iter().map(|&[r, g, b, a]| [r.min(a), g.min(a), b.min(a)]).collect()
        }
    }
}

/// The luma of every pixel of a picture that is not CMYK; transparent pixels are black.
pub(super) fn lumas(raster: &Raster) -> Vec<u8> {
    let samples = raster.samples().as_bytes();
    let luma = |rgb: [u8; 3]| (luma(rgb.map(f32::from)) + 0.5) as u8;
    match raster.channels() {
        Channels::L => samples.to_vec(),
        Channels::La => samples.as_chunks().0.iter().map(|&[l, a]| l.min(a)).collect(),
        Channels::Rgb => samples.as_chunks().0.iter().copied().map(luma).collect(),
        Channels::Rgba | Channels::Cmyk => {
            samples.as_chunks().0.iter().map(|&[r, g, b, a]| luma([r, g, b]).min(a)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image_origin_codec::Samples;

    /// Dull grey with a noisy, colourful square at `x`,`y`.
    fn scene(width: usize, height: usize, x: usize, y: usize) -> Raster {
        let mut samples = vec![[90u8, 95, 90]; width * height];
        for row in y..y + 16 {
            for column in x..x + 16 {
                let noise = (row * 31 + column * 17) % 120;
                samples[row * width + column] = [120 + noise as u8, 60 + noise as u8, 40];
            }
        }
        Raster::new(width as u32, height as u32, Channels::Rgb, Samples::U8(samples.concat())).unwrap()
    }

    #[test]
    fn the_window_goes_where_something_is() {
        for interest in [Interest::Entropy, Interest::Attention] {
            for x in [0, 40, 100] {
                let (focus_x, focus_y) = focus(&scene(128, 32, x, 8), interest, (0.25, 1.0));
                let window = (focus_x * 128.0 - 16.0)..=(focus_x * 128.0 + 16.0);
                assert!(
                    window.contains(&(x as f64)) && window.contains(&(x as f64 + 16.0)),
                    "{interest:?} {x} {window:?}"
                );
                assert_eq!(focus_y, 0.5);
            }
            let (_, focus_y) = focus(&scene(32, 128, 8, 100), interest, (1.0, 0.25));
            assert!(focus_y * 128.0 > 99.0, "{interest:?} {focus_y}");
        }
    }

    #[test]
    fn a_window_smaller_in_both_directions_goes_there_too() {
        for interest in [Interest::Entropy, Interest::Attention] {
            for (width, height, x, y) in [(128, 96, 70, 60), (96, 128, 20, 90)] {
                let window = (0.3, 0.25);
                let focus = focus(&scene(width, height, x, y), interest, window);
                let holds = |focus: f64, window: f64, length: usize, start: usize| {
                    let (middle, half) = (focus * length as f64, window * length as f64 / 2.0 + 1.0);
                    middle - half <= start as f64 && start as f64 + 16.0 <= middle + half
                };
                let holds = holds(focus.0, window.0, width, x) && holds(focus.1, window.1, height, y);
                assert!(holds, "{interest:?} {width}x{height}: {focus:?}");
            }
        }
    }

    #[test]
    fn nothing_of_interest_means_the_middle() {
        let plain = Raster::new(64, 16, Channels::L, Samples::U8(vec![50; 64 * 16])).unwrap();
        for interest in [Interest::Entropy, Interest::Attention] {
            assert_eq!(focus(&plain, interest, (0.25, 1.0)), (0.5, 0.5));
        }
    }
}
