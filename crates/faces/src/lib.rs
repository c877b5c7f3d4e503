//! A detector for upright faces in grey pictures, with the frontal model of SeetaFace (S. Wu, M. Kan, Z. He, S. Shan,
//! X. Chen, "Funnel-structured cascade for multi-view face detection with alignment awareness", Neurocomputing 2017).
//!
//! The input is 8-bit samples and a cancellation callback; the result is squares around faces, in pixels. The work is
//! bounded: a window of 40 by 40 pixels is moved over the picture and reduced copies of it, and of all windows that the
//! first stages accept only the best thousand are examined further. Every index is bounds-checked, and there is no
//! `unsafe`.
//!
//! The model is extracted from the package `rustface`, against which the tests compare this crate; see `build.rs`.

mod boosted;
mod model;
mod network;

use std::borrow::Cow;

use boosted::Patterns;
use model::{Classifier, Model};
use network::Gradients;

/// The side of the model's window in pixels.
const WINDOW: usize = 40;

/// The step between windows in pixels.
const STEP: usize = 4;

/// The scale of each copy of the picture relative to the previous one.
const SHRINK: f64 = 0.8;

/// The overlap above which windows are merged between the stages of the cascade.
const SAME_WINDOW: f64 = 0.8;

/// The overlap above which faces are merged.
const SAME_FACE: f64 = 0.3;

/// The maximum number of windows per stage, the best ones. Textures can produce many.
const MOST_WINDOWS: usize = 1000;

/// The minimum sum of the scores of merged windows.
const LEAST_SCORE: f64 = 2.0;

/// A grey picture with contiguous rows.
#[derive(Debug, Clone, Copy)]
pub struct Picture<'a> {
    samples: &'a [u8],
    width: usize,
    height: usize,
}

impl<'a> Picture<'a> {
    /// Creates a picture; `None` unless there are as many samples as pixels.
    pub fn new(samples: &'a [u8], width: usize, height: usize) -> Option<Self> {
        (width.checked_mul(height)? == samples.len()).then_some(Self { samples, width, height })
    }

    /// A row and the one below it, if these columns, in ascending order, and their right neighbours lie within the picture.
    fn rows(&self, y: i64, columns: &[(i64, f64)]) -> Option<(&'a [u8], &'a [u8])> {
        let (first, last) = (columns.first()?.0, columns.last()?.0);
        let is_inside = first >= 0 && last + 1 < self.width as i64 && y >= 0 && y + 1 < self.height as i64;
        let rows = self.samples.get(usize::try_from(y).ok()? * self.width..).filter(|_| is_inside)?;
        Some((rows.get(..self.width)?, rows.get(self.width..2 * self.width)?))
    }

    /// A sample; 0 outside of the picture.
    fn at(&self, x: i64, y: i64) -> u8 {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return 0 };
        if x < self.width && y < self.height { self.samples[y * self.width + x] } else { 0 }
    }
}

/// A face, as a square that may exceed the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Face {
    /// The left edge in pixels.
    pub x: f64,
    /// The top edge in pixels.
    pub y: f64,
    /// The side in pixels.
    pub side: f64,
    /// The confidence of the detector, at least 2.
    pub score: f64,
}

impl Face {
    /// The overlap of two squares: intersection over union.
    fn overlap(&self, other: &Self) -> f64 {
        let shared = |a: f64, b: f64| (a + self.side).min(b + other.side) - a.max(b);
        let (across, down) = (shared(self.x, other.x), shared(self.y, other.y));
        if across <= 0.0 || down <= 0.0 {
            return 0.0;
        }
        let both = across * down;
        both / (self.side * self.side + other.side * other.side - both)
    }
}

/// The memory of [`detect`] in bytes besides a picture of this size: a copy of it, its patterns, and the windows that
/// are examined further.
pub fn memory(width: usize, height: usize) -> u64 {
    (width * height + boosted::memory(width, height) + 4 * MOST_WINDOWS * size_of::<Face>()) as u64
}

/// Detects faces of about 40 pixels and more, the most confident first. `check` is called every few thousand windows;
/// an error from it ends the search.
///
/// # Errors
/// The errors of `check`.
pub fn detect<E>(picture: Picture<'_>, mut check: impl FnMut() -> Result<(), E>) -> Result<Vec<Face>, E> {
    let Some(model) = model::shared() else { return Ok(Vec::new()) };
    let mut found = windows(model, picture, &mut check)?;
    found.iter_mut().for_each(|faces| *faces = merged(std::mem::take(faces), SAME_WINDOW));
    let mut gradients = Gradients::new();
    for (number, level) in model.levels.iter().enumerate().skip(1) {
        let mut next = vec![Vec::new(); found.len()];
        for branch in level {
            let mut faces: Vec<Face> =
                branch.sources.iter().filter_map(|source| found.get(*source)).flatten().copied().collect();
            for (stage, classifier) in branch.stages.iter().enumerate() {
                check()?;
                faces = judged(classifier, picture, faces, &mut gradients);
                let is_last = stage + 1 == branch.stages.len();
                if !is_last {
                    faces = merged(faces, SAME_WINDOW);
                } else if number + 1 == model.levels.len() {
                    faces = merged(faces, SAME_FACE);
                }
            }
            if let Some(place) = branch.sources.first().and_then(|source| next.get_mut(*source)) {
                *place = faces;
            }
        }
        // The branches of a level replace those of the previous one.
        found = level
            .iter()
            .filter_map(|branch| branch.sources.first())
            .filter_map(|source| next.get(*source))
            .cloned()
            .collect();
    }
    let mut faces = found.into_iter().next().unwrap_or_default();
    faces.retain(|face| face.score >= LEAST_SCORE);
    Ok(faces)
}

/// The windows that each of the first classifiers accepts.
fn windows<E>(
    model: &Model,
    picture: Picture<'_>,
    check: &mut impl FnMut() -> Result<(), E>,
) -> Result<Vec<Vec<Face>>, E> {
    let first = model.levels.first().map_or(&[][..], Vec::as_slice);
    let mut found = vec![Vec::new(); first.len()];
    let mut scale = 1.0;
    loop {
        let size = |side: usize| (side as f64 * scale) as usize;
        let (width, height) = (size(picture.width), size(picture.height));
        if width < WINDOW || height < WINDOW {
            return Ok(found);
        }
        check()?;
        let copy = match scale {
            1.0 => Cow::Borrowed(picture.samples),
            _ => {
                let whole = (picture.width as f64, picture.height as f64);
                Cow::Owned(scaled(picture, (0.0, 0.0), whole, width, height))
            }
        };
        let patterns = Patterns::new(&copy, width, height);
        // One classifier after the other, whose first features then stay in the cache.
        for (branch, found) in first.iter().zip(&mut found) {
            let Some(Classifier::Boosted(boosted)) = branch.stages.first() else { continue };
            for y in (0..=height - WINDOW).step_by(STEP) {
                check()?;
                for x in (0..=width - WINDOW).step_by(STEP) {
                    if let Some(score) = boosted.score(&patterns, x, y) {
                        let place = |at: usize| (at as f64 / scale + 0.5).floor();
                        found.push(Face { x: place(x), y: place(y), side: place(WINDOW), score: score.into() });
                        if found.len() >= 4 * MOST_WINDOWS {
                            *found = merged(std::mem::take(found), SAME_WINDOW);
                        }
                    }
                }
            }
        }
        scale *= SHRINK;
    }
}

/// The windows that a network accepts, moved to the position of the face.
fn judged(classifier: &Classifier, picture: Picture<'_>, faces: Vec<Face>, gradients: &mut Gradients) -> Vec<Face> {
    let Classifier::Network(network) = classifier else { return faces };
    let judge = |face: Face| {
        if face.x + face.side <= 0.0 || face.y + face.side <= 0.0 || face.side < 2.0 {
            return None;
        }
        let window = scaled(picture, (face.x, face.y), (face.side, face.side), WINDOW, WINDOW);
        let (x, y) = (face.x.max(0.0), face.y.max(0.0));
        gradients.read(&window);
        let [score, right, down, size] = network.output(gradients)?;
        let side = ((f64::from(size) * 2.0 - 1.0) * face.side + face.side + 0.5).floor();
        let moved =
            |at: f64, by: f32| ((f64::from(by) * 2.0 - 1.0) * face.side + at + (face.side - side) * 0.5 + 0.5).floor();
        Some(Face { x: moved(x, right), y: moved(y, down), side, score: score.into() })
    };
    faces.into_iter().filter_map(judge).collect()
}

/// The best of each group of overlapping windows, with the sum of their scores.
fn merged(mut faces: Vec<Face>, same: f64) -> Vec<Face> {
    faces.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Face> = Vec::new();
    let mut sums: Vec<f64> = Vec::new();
    for face in faces {
        match kept.iter().position(|kept| kept.overlap(&face) > same) {
            Some(same) => sums[same] += face.score,
            None => {
                kept.push(face);
                sums.push(face.score);
            }
        }
    }
    for (face, sum) in kept.iter_mut().zip(sums) {
        face.score = sum;
    }
    kept.truncate(MOST_WINDOWS);
    kept
}

/// A part of a picture at another size, with bilinear interpolation.
fn scaled(
    picture: Picture<'_>,
    (left, top): (f64, f64),
    (across, down): (f64, f64),
    width: usize,
    height: usize,
) -> Vec<u8> {
    let places = |start: f64, length: f64, count: usize| -> Vec<(i64, f64)> {
        let step = length / count as f64;
        let last = (length - 2.0).max(0.0);
        let place = |i| {
            let at = step * i as f64;
            // Truncation, which takes less time than rounding down, and is the same for what is not negative.
            let whole = f64::from(at as u32).min(last);
            ((start + whole) as i64, at - whole)
        };
        (0..count).map(place).collect()
    };
    let columns = places(left, across, width);
    let mut out = Vec::with_capacity(width * height);
    let mix = |[a, b, c, d]: [u8; 4], right: f64, below: f64| {
        let row = |a, b| f64::from(a) * (1.0 - right) + f64::from(b) * right;
        (row(a, b) * (1.0 - below) + row(c, d) * below) as u8
    };
    for (y, below) in places(top, down, height) {
        match picture.rows(y, &columns) {
            // Nearly all windows lie within the picture.
            Some((upper, lower)) => out.extend(columns.iter().map(|&(x, right)| {
                let x = x as usize;
                mix([upper[x], upper[x + 1], lower[x], lower[x + 1]], right, below)
            })),
            None => out.extend(columns.iter().map(|&(x, right)| {
                let at = |x, y| picture.at(x, y);
                mix([at(x, y), at(x + 1, y), at(x, y + 1), at(x + 1, y + 1)], right, below)
            })),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A face of 57 pixels in a picture of 200 by 200.
    fn astronaut() -> (Vec<u8>, usize, usize) {
        let file = include_bytes!("../../../fixtures/faces/astronaut.jpg");
        let picture = image_origin_jpeg::decode(file, &image_origin_jpeg::DecodeOptions::default()).unwrap();
        (picture.pixels, picture.width, picture.height)
    }

    fn found(samples: &[u8], width: usize, height: usize) -> Vec<Face> {
        detect(Picture::new(samples, width, height).unwrap(), || Ok::<(), ()>(())).unwrap()
    }

    #[test]
    fn a_face_is_found_where_the_peer_finds_it() {
        let (samples, width, height) = astronaut();
        let model = rustface::read_model(model::BYTES).unwrap();
        let mut peer = rustface::create_detector_with_model(model);
        peer.set_score_thresh(LEAST_SCORE);
        let told = peer.detect(&rustface::ImageData::new(&samples, width as u32, height as u32));
        let square = |face: &Face| (face.x as i32, face.y as i32, face.side as u32);
        let theirs: Vec<_> =
            told.iter().map(rustface::FaceInfo::bbox).map(|area| (area.x(), area.y(), area.width())).collect();
        assert_eq!(theirs.len(), 1);
        assert_eq!(found(&samples, width, height).iter().map(square).collect::<Vec<_>>(), theirs);
    }

    #[test]
    fn what_is_no_face_is_not_found() {
        let (samples, width, height) = astronaut();
        let upside_down: Vec<u8> = samples.iter().rev().copied().collect();
        assert_eq!(found(&upside_down, width, height), []);
        let noise: Vec<u8> = (0..160 * 120_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 23) as u8).collect();
        assert_eq!(found(&noise, 160, 120), []);
        assert_eq!(found(&[90; 100 * 100], 100, 100), []);
    }

    #[test]
    fn every_size_is_taken() {
        let (samples, ..) = astronaut();
        for (width, height) in [(0, 0), (0, 5), (1, 1), (39, 200), (40, 40), (41, 57), (200, 43), (3, 400)] {
            let faces = found(&samples[..width * height], width, height);
            assert!(faces.iter().all(|face| face.side.is_finite()), "{width}x{height}");
        }
        assert!(Picture::new(&samples, 7, 7).is_none());
        assert!(Picture::new(&[], usize::MAX, 2).is_none());
    }

    #[test]
    fn the_search_ends_when_it_is_told_to() {
        let (samples, width, height) = astronaut();
        let picture = Picture::new(&samples, width, height).unwrap();
        let mut asked = 0;
        let _ = detect(picture, || {
            asked += 1;
            Ok::<(), ()>(())
        });
        for end in 1..=asked {
            let mut left = end;
            let stopped = detect(picture, || {
                left -= 1;
                if left == 0 { Err("enough") } else { Ok(()) }
            });
            assert_eq!(stopped, Err("enough"), "{end}");
        }
    }
}
