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
    pub(crate) fn score(&self, patterns: &Patterns, x: usize, y: usize) -> Option<f32> {
        let mut score = 0.0;
        for group in &self.groups {
            for Feature { place, weights } in &group.features {
                score += weights[usize::from(patterns.at(x + place.0, y + place.1))];
            }
            if score < group.threshold {
                return None;
            }
        }
        (patterns.deviation(x, y) > LEAST_DEVIATION).then_some(score)
    }
}

/// The binary patterns of a picture: which of the eight neighbouring squares have a sum no larger than the central one.
pub(crate) struct Patterns {
    width: usize,
    patterns: Vec<u8>,
    /// Integral images of samples and of their squares, with a leading row and column of zeros. They may overflow,
    /// which does not affect differences.
    sums: Vec<(u32, u32)>,
}

/// The memory in bytes for computing the patterns of a picture.
pub(crate) fn memory(width: usize, height: usize) -> usize {
    let (pixels, sums) = (width * height, (width + 1) * (height + 1));
    sums * size_of::<(u32, u32)>() + pixels * (size_of::<u16>() + size_of::<u8>())
}

impl Patterns {
    /// Computes the patterns of a picture with sides of at least one window.
    pub(crate) fn new(samples: &[u8], width: usize, height: usize) -> Self {
        let mut sums = vec![(0_u32, 0_u32); (width + 1) * (height + 1)];
        for (y, row) in samples.chunks_exact(width).enumerate() {
            let (above, below) = sums.split_at_mut((y + 1) * (width + 1));
            let above = &above[y * (width + 1)..];
            let (mut sum, mut squares) = (0, 0_u32);
            for (x, sample) in row.iter().enumerate() {
                let sample = u32::from(*sample);
                (sum, squares) = (sum + sample, squares + sample * sample);
                below[x + 1] = (above[x + 1].0.wrapping_add(sum), above[x + 1].1.wrapping_add(squares));
            }
        }
        let mut patterns = Self { width, patterns: Vec::new(), sums };
        patterns.compare(height);
        patterns
    }

    fn compare(&mut self, height: usize) {
        let width = self.width;
        let (columns, rows) = (width - CELL + 1, height - CELL + 1);
        let mut cells: Vec<u16> = Vec::with_capacity(columns * rows);
        for y in 0..rows {
            cells.extend((0..columns).map(|x| self.sum(x, y, CELL).0 as u16));
        }
        self.patterns = vec![0; width * height];
        for y in 0..=height - 3 * CELL {
            let row = |cell: usize| &cells[(y + cell * CELL) * columns..][..columns];
            let (upper, middle, lower) = (row(0), row(1), row(2));
            let out = &mut self.patterns[y * width..][..width - 3 * CELL + 1];
            for (x, out) in out.iter_mut().enumerate() {
                let own = middle[x + CELL];
                let around = [
                    upper[x],
                    upper[x + CELL],
                    upper[x + 2 * CELL],
                    middle[x],
                    middle[x + 2 * CELL],
                    lower[x],
                    lower[x + CELL],
                    lower[x + 2 * CELL],
                ];
                // From the highest bit: the upper row, the left and the right square, the lower row.
                const BITS: [u8; 8] = [0x80, 0x40, 0x20, 0x10, 0x08, 0x04, 0x02, 0x01];
                *out = around.iter().zip(BITS).map(|(cell, bit)| if own >= *cell { bit } else { 0 }).sum();
            }
        }
    }

    /// The sums over a square.
    fn sum(&self, x: usize, y: usize, side: usize) -> (u32, u32) {
        let at = |x: usize, y: usize| self.sums[y * (self.width + 1) + x];
        let (a, b, c, d) = (at(x, y), at(x + side, y), at(x, y + side), at(x + side, y + side));
        let difference = |a: u32, b: u32, c: u32, d: u32| d.wrapping_add(a).wrapping_sub(b).wrapping_sub(c);
        (difference(a.0, b.0, c.0, d.0), difference(a.1, b.1, c.1, d.1))
    }

    fn at(&self, x: usize, y: usize) -> u8 {
        self.patterns[y * self.width + x]
    }

    /// The standard deviation of a window's samples.
    fn deviation(&self, x: usize, y: usize) -> f64 {
        let (sum, squares) = self.sum(x, y, WINDOW);
        let area = (WINDOW * WINDOW) as f64;
        let mean = f64::from(sum) / area;
        (f64::from(squares) / area - mean * mean).max(0.0).sqrt()
    }
}
