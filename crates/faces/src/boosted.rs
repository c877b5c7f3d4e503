//! The first level: boosted classifiers on locally assembled binary patterns, each of which rejects most windows after
//! a few features.

use crate::WINDOW;

/// The side of the squares whose sums are compared.
const CELL: usize = 3;

/// The number of features after which a window may be rejected.
const GROUP: usize = 10;

/// The minimum contrast of a face, as the standard deviation of samples.
const LEAST_DEVIATION: f64 = 10.0;

pub(crate) struct Boosted {
    groups: Vec<Group>,
}

struct Group {
    features: Vec<Feature>,
    threshold: f32,
}

struct Feature {
    /// Column and row in the window.
    place: (usize, usize),
    /// The weight of each pattern.
    weights: [f32; 256],
}

impl Boosted {
    /// `None` if a feature lies outside of the window, or lacks a weight for some pattern.
    pub(crate) fn new(places: Vec<(usize, usize)>, thresholds: Vec<f32>, weights: Vec<Vec<f32>>) -> Option<Self> {
        let features = places.into_iter().zip(weights).map(|(place, weights)| {
            let is_inside = place.0 + 3 * CELL <= WINDOW && place.1 + 3 * CELL <= WINDOW;
            Some(Feature { place, weights: weights.get(..256).filter(|_| is_inside)?.try_into().ok()? })
        });
        let mut features = features.collect::<Option<Vec<_>>>()?.into_iter();
        let last = thresholds.chunks_exact(GROUP).map(|group| group[GROUP - 1]);
        let groups = last.map(|threshold| Group { features: features.by_ref().take(GROUP).collect(), threshold });
        Some(Self { groups: groups.collect() })
    }

    /// The score of the window at a position, if it may be a face.
    pub(crate) fn score(&self, patterns: &Patterns<'_>, x: usize, y: usize) -> Option<f32> {
        let mut score = 0.0;
        let window = patterns.from(x, y);
        for group in &self.groups {
            for Feature { place, weights } in &group.features {
                score += weights[usize::from(window[place.1 * patterns.width + place.0])];
            }
            if score < group.threshold {
                return None;
            }
        }
        (patterns.deviation(x, y) > LEAST_DEVIATION).then_some(score)
    }
}

/// The binary patterns of a picture: which of the eight neighbouring squares have a sum no larger than the central one.
pub(crate) struct Patterns<'a> {
    samples: &'a [u8],
    width: usize,
    patterns: Vec<u8>,
}

/// The memory in bytes for computing the patterns of a picture: those, and the sums of all squares.
pub(crate) fn memory(width: usize, height: usize) -> usize {
    width * height * (size_of::<u8>() + size_of::<u16>())
}

impl<'a> Patterns<'a> {
    /// Computes the patterns of a picture with sides of at least one window.
    pub(crate) fn new(samples: &'a [u8], width: usize, height: usize) -> Self {
        let columns = width - CELL + 1;
        let rows: Vec<&[u8]> = samples.chunks_exact(width).collect();
        let mut cells: Vec<u16> = vec![0; columns * (height - CELL + 1)];
        let mut sums = vec![0; width];
        for (rows, cells) in rows.windows(CELL).zip(cells.chunks_exact_mut(columns)) {
            let [upper, middle, lower] = rows else { continue };
            for (((sum, a), b), c) in sums.iter_mut().zip(*upper).zip(*middle).zip(*lower) {
                *sum = u16::from(*a) + u16::from(*b) + u16::from(*c);
            }
            let [first, second, third] = [0, 1, 2].map(|start| &sums[start..][..columns]);
            for (((cell, a), b), c) in cells.iter_mut().zip(first).zip(second).zip(third) {
                *cell = a + b + c;
            }
        }
        let mut patterns = vec![0; width * height];
        let count = width - 3 * CELL + 1;
        for (y, out) in patterns.chunks_exact_mut(width).take(height - 3 * CELL + 1).enumerate() {
            let squares = |row: usize, column: usize| &cells[(y + row * CELL) * columns + column * CELL..][..count];
            // From the highest bit: the upper row, the left and the right square, the lower row.
            compare(
                squares(1, 1),
                [(0, 0), (0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1), (2, 2)].map(|(y, x)| squares(y, x)),
                &mut out[..count],
            );
        }
        Self { samples, width, patterns }
    }

    /// The patterns from a position on.
    fn from(&self, x: usize, y: usize) -> &[u8] {
        &self.patterns[y * self.width + x..]
    }

    /// The standard deviation of a window's samples.
    fn deviation(&self, x: usize, y: usize) -> f64 {
        let rows = self.samples.chunks_exact(self.width).skip(y).take(WINDOW);
        let (mut sum, mut squares) = (0, 0);
        for sample in rows.flat_map(|row| &row[x..][..WINDOW]) {
            let sample = u32::from(*sample);
            (sum, squares) = (sum + sample, squares + sample * sample);
        }
        let area = (WINDOW * WINDOW) as f64;
        let mean = f64::from(sum) / area;
        (f64::from(squares) / area - mean * mean).max(0.0).sqrt()
    }
}

/// Computes a row of patterns from the sums of the central squares and of those around them.
fn compare(own: &[u16], around: [&[u16]; 8], out: &mut [u8]) {
    let count = out.len();
    let own = &own[..count];
    let [a, b, c, d, e, f, g, h] = around.map(|squares| &squares[..count]);
    for (i, out) in out.iter_mut().enumerate() {
        let bit = |square: u16, bit: u16| u16::from(own[i] >= square) << bit;
        let upper = bit(a[i], 7) | bit(b[i], 6) | bit(c[i], 5);
        let lower = bit(f[i], 2) | bit(g[i], 1) | bit(h[i], 0);
        *out = (upper | bit(d[i], 4) | bit(e[i], 3) | lower) as u8;
    }
}
