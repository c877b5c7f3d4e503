//! Smart crop: finds the window of a thumbnail that `crop`, `zoom` and `fit=cover` should keep, the one with the most
//! information (`entropy`) or the most salient one (`attention`).

use std::ops::Range;

use super::effects::luma;
use image_origin_codec::{Channels, Raster};

/// The longest side of the analysed thumbnail.
pub(super) const THUMBNAIL_SIDE: u32 = 128;

/// The criterion for a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interest {
    /// The Shannon entropy of luma.
    Entropy,
    /// Edges, saturated colours and skin tones.
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
    let whole = View { pixels: pixels(thumbnail), width: thumbnail.width() as usize };
    if window.0 <= window.1 {
        let (x, columns) = whole.best(interest, window.0);
        let (y, _) = whole.columns(columns).turned().best(interest, window.1);
        (x, y)
    } else {
        let (y, rows) = whole.turned().best(interest, window.1);
        let (x, _) = whole.rows(rows).best(interest, window.0);
        (x, y)
    }
}

/// Pixels in rows.
struct View {
    pixels: Vec<[u8; 3]>,
    width: usize,
}

impl View {
    fn height(&self) -> usize {
        self.pixels.len() / self.width
    }

    fn column(&self, x: usize) -> impl Iterator<Item = usize> {
        (0..self.height()).map(move |y| y * self.width + x)
    }

    /// The centre of the best range of columns of this relative width, and the range.
    fn best(&self, interest: Interest, share: f64) -> (f64, Range<usize>) {
        let length = self.width;
        let window = ((length as f64 * share).round() as usize).clamp(1, length);
        let start = match interest {
            _ if window == length => 0,
            Interest::Attention | Interest::Face | Interest::Faces | Interest::Auto => {
                let scores = attention(&self.pixels, self.width, self.height());
                let sums: Vec<f64> =
                    (0..length).map(|x| self.column(x).map(|pixel| f64::from(scores[pixel])).sum()).collect();
                best_start(length, window, |start| sums[start..start + window].iter().sum())
            }
            Interest::Entropy => {
                let columns: Vec<Histogram> =
                    (0..length).map(|x| histogram(self.column(x).map(|pixel| self.pixels[pixel]))).collect();
                best_start(length, window, |start| entropy(&columns[start..start + window]))
            }
        };
        ((start as f64 + window as f64 / 2.0) / length as f64, start..start + window)
    }

    fn columns(&self, columns: Range<usize>) -> Self {
        let rows = self.pixels.chunks_exact(self.width);
        Self { pixels: rows.flat_map(|row| row[columns.clone()].to_vec()).collect(), width: columns.len() }
    }

    fn rows(&self, rows: Range<usize>) -> Self {
        Self { pixels: self.pixels[rows.start * self.width..rows.end * self.width].to_vec(), width: self.width }
    }

    /// The transposed view.
    fn turned(&self) -> Self {
        let pixels = (0..self.width).flat_map(|x| self.column(x)).map(|pixel| self.pixels[pixel]).collect();
        Self { pixels, width: self.height() }
    }
}

/// The start with the highest score; among those within a thousandth of it, the most central one.
fn best_start(length: usize, window: usize, score: impl Fn(usize) -> f64) -> usize {
    let last = length - window;
    let scores: Vec<f64> = (0..=last).map(score).collect();
    let best = scores.iter().copied().fold(0.0, f64::max);
    let nearly_best = (0..=last).filter(|start| scores[*start] >= best * 0.999);
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

/// Luma in 64 classes; with more, noise would count as information.
type Histogram = [u32; 64];

fn histogram(pixels: impl Iterator<Item = [u8; 3]>) -> Histogram {
    let mut counts = [0; 64];
    pixels.for_each(|rgb| counts[luma(rgb.map(f32::from)) as usize / 4] += 1);
    counts
}

fn entropy(lines: &[Histogram]) -> f64 {
    let counts = (0..64).map(|class| lines.iter().map(|line| line[class]).sum::<u32>());
    let counts: Vec<f64> = counts.filter(|count| *count > 0).map(f64::from).collect();
    let total: f64 = counts.iter().sum();
    counts.iter().map(|count| -(count / total) * (count / total).log2()).sum()
}

/// The saliency of each pixel. The three signals and the order of their weights are those of libvips: edges in luma,
/// colours close to human skin, and saturation, the latter two except in dark and bright areas.
fn attention(pixels: &[[u8; 3]], width: usize, height: usize) -> Vec<f32> {
    let lumas: Vec<f32> = pixels.iter().map(|rgb| luma(rgb.map(f32::from))).collect();
    let at = |x: usize, y: usize| lumas[y.min(height - 1) * width + x.min(width - 1)];
    let mut scores = Vec::with_capacity(pixels.len());
    for y in 0..height {
        for x in 0..width {
            let around = at(x.saturating_sub(1), y) + at(x + 1, y) + at(x, y.saturating_sub(1)) + at(x, y + 1);
            let edge = (4.0 * at(x, y) - around).abs();
            let rgb = pixels[y * width + x];
            let lit = (20.0..245.0).contains(&at(x, y));
            let colour = if lit { 2.0 * skin(rgb) + 0.5 * saturation(rgb) } else { 0.0 };
            scores.push(edge + colour);
        }
    }
    scores
}

/// The similarity of a colour's direction to that of skin, `0..=100`: 0 from an angle of some 15 degrees on.
fn skin(rgb: [u8; 3]) -> f32 {
    const SKIN: [f32; 3] = [0.78, 0.57, 0.44];
    let rgb = rgb.map(f32::from);
    let length = |v: [f32; 3]| v.iter().map(|c| c * c).sum::<f32>().sqrt();
    let cosine = rgb.iter().zip(SKIN).map(|(a, b)| a * b).sum::<f32>() / (length(rgb) * length(SKIN)).max(1.0);
    ((cosine - 0.966) / 0.034).clamp(0.0, 1.0) * 100.0
}

/// The difference between the highest and the lowest primary, `0..=255`.
fn saturation([red, green, blue]: [u8; 3]) -> f32 {
    f32::from(red.max(green).max(blue) - red.min(green).min(blue))
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
