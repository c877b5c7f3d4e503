//! Rotation by angles other than quarter turns, at the final scale of the picture.
//!
//! The plan fits the bounding box of the rotated picture, so that `w` and `h` are those of the output for any angle.
//! The picture is resized to that scale before the rotation, and only the visible part is rotated. The result has
//! alpha: the corners are transparent, and the edges of the picture are antialiased.

use super::colour::of_samples;
use super::effects::Sample;
use image_origin_codec::{self as codec, Area, Budget, Cancellation, Channels, Raster, Samples};

/// A clockwise rotation by less than a quarter turn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Angle {
    sine: f64,
    cosine: f64,
}

impl Angle {
    /// Creates a rotation by degrees, clockwise if positive; `None` for no rotation.
    pub(super) fn new(degrees: f64) -> Option<Self> {
        let (sine, cosine) = degrees.to_radians().sin_cos();
        (degrees != 0.0).then_some(Self { sine, cosine })
    }

    /// The size of the bounding box of the rotated picture.
    pub(super) fn bounds(self, width: f64, height: f64) -> (f64, f64) {
        let (sine, cosine) = (self.sine.abs(), self.cosine.abs());
        (width * cosine + height * sine, width * sine + height * cosine)
    }

    /// Converts a point of a picture, as fractions of its sides, to the bounding box of the rotated picture.
    pub(super) fn share(self, (x, y): (f64, f64), (width, height): (f64, f64)) -> (f64, f64) {
        let (x, y) = ((x - 0.5) * width, (y - 0.5) * height);
        let (box_width, box_height) = self.bounds(width, height);
        let turned = (x * self.cosine - y * self.sine, x * self.sine + y * self.cosine);
        (turned.0 / box_width + 0.5, turned.1 / box_height + 0.5)
    }

    /// Rotates a point relative to the centre back.
    fn back(self, (x, y): (f64, f64)) -> (f64, f64) {
        (x * self.cosine + y * self.sine, y * self.cosine - x * self.sine)
    }
}

/// A rotation of a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tilt {
    /// The size before the rotation of the picture, or of its visible part.
    pub before: (u32, u32),
    /// The size after the rotation, which `fit=fill` may stretch.
    pub after: (u32, u32),
    angle: Angle,
    /// Width and height of an output pixel in pixels of the source.
    pixel: (f64, f64),
    /// The scale of the rotated coordinates in the resized picture.
    scale: (f64, f64),
    /// The point of the picture at the top left corner of the result.
    origin: (f64, f64),
    /// The area of the whole picture.
    edges: Area,
}

/// The radius of the filter in pixels.
const REACH: f64 = 2.0;

/// The part of a picture of this size that is visible in `visible`, an area of the bounding box of the rotated picture,
/// and the rotation that yields `size`.
pub(super) fn plan(angle: Angle, (width, height): (f64, f64), visible: Area, size: (f64, f64)) -> (Area, Tilt) {
    let scale = (size.0 / visible.width).max(size.1 / visible.height);
    let (box_width, box_height) = angle.bounds(width, height);
    let back = |x: f64, y: f64| {
        let (x, y) = angle.back((x - box_width / 2.0, y - box_height / 2.0));
        (x + width / 2.0, y + height / 2.0)
    };
    let (right, bottom) = (visible.x + visible.width, visible.y + visible.height);
    let corners = [(visible.x, visible.y), (right, visible.y), (visible.x, bottom), (right, bottom)];
    let corners = corners.map(|(x, y)| back(x, y));
    let range = |values: [f64; 4], length: f64| {
        let reach = REACH / scale;
        let start = values.into_iter().fold(f64::INFINITY, f64::min) - reach;
        let end = values.into_iter().fold(f64::NEG_INFINITY, f64::max) + reach;
        // If only an empty corner is visible, one pixel of the picture is kept.
        let start = start.clamp(0.0, (length - 1.0).max(0.0));
        (start, end.clamp((start + 1.0).min(length), length) - start)
    };
    let ((x, part_width), (y, part_height)) =
        (range(corners.map(|(x, _)| x), width), range(corners.map(|(_, y)| y), height));
    let pixels = |length: f64| (length * scale).round().max(1.0);
    let before = (pixels(part_width), pixels(part_height));
    // Differences within rounding need no second resize.
    let after = |length: f64, size: f64| if (length * scale - size).abs() < 1.0 { size } else { pixels(length) };
    let after = (after(visible.width, size.0), after(visible.height, size.1));
    let (across, down) = (before.0 / part_width, before.1 / part_height);
    let origin = back(visible.x, visible.y);
    let tilt = Tilt {
        before: (before.0 as u32, before.1 as u32),
        after: (after.0 as u32, after.1 as u32),
        angle,
        pixel: (visible.width / after.0, visible.height / after.1),
        scale: (across, down),
        origin: ((origin.0 - x) * across, (origin.1 - y) * down),
        edges: Area { x: -x * across, y: -y * down, width: width * across, height: height * down },
    };
    (Area { x, y, width: part_width, height: part_height }, tilt)
}

/// The size of the rotated picture in bytes.
fn memory(raster: &Raster, tilt: &Tilt) -> u64 {
    let sample = if let Samples::U16(_) = raster.samples() { 2 } else { 1 };
    let channels = if raster.channels().count() < 3 { 2 } else { 4 };
    u64::from(tilt.after.0) * u64::from(tilt.after.1) * channels * sample
}

/// Rotates a picture and adds alpha. `budget` is for all memory, including the picture.
///
/// # Errors
/// [`codec::Error::Cancelled`] between rows, and [`codec::Error::TooLarge`] before anything is allocated.
pub(super) fn turned(
    raster: &Raster,
    tilt: &Tilt,
    budget: Budget,
    cancellation: &Cancellation,
) -> Result<Raster, codec::Error> {
    budget.check_memory(raster.bytes() + memory(raster, tilt))?;
    let bytes = raster.samples().as_bytes();
    let (channels, samples) = match (raster.samples(), raster.channels()) {
        (Samples::U8(_), Channels::L) => (Channels::La, sampled::<u8, 1, 2>(bytes, raster, tilt, cancellation)?.into()),
        (Samples::U8(_), Channels::La) => {
            (Channels::La, sampled::<u8, 2, 2>(bytes, raster, tilt, cancellation)?.into())
        }
        (Samples::U8(_), Channels::Rgb) => {
            (Channels::Rgba, sampled::<u8, 3, 4>(bytes, raster, tilt, cancellation)?.into())
        }
        (Samples::U8(_), _) => (Channels::Rgba, sampled::<u8, 4, 4>(bytes, raster, tilt, cancellation)?.into()),
        (Samples::U16(_), Channels::L) => {
            (Channels::La, sampled::<u16, 1, 2>(bytes, raster, tilt, cancellation)?.into())
        }
        (Samples::U16(_), Channels::La) => {
            (Channels::La, sampled::<u16, 2, 2>(bytes, raster, tilt, cancellation)?.into())
        }
        (Samples::U16(_), Channels::Rgb) => {
            (Channels::Rgba, sampled::<u16, 3, 4>(bytes, raster, tilt, cancellation)?.into())
        }
        (Samples::U16(_), _) => (Channels::Rgba, sampled::<u16, 4, 4>(bytes, raster, tilt, cancellation)?.into()),
    };
    let samples: Samples = samples;
    Ok(of_samples(tilt.after.0, tilt.after.1, channels, samples))
}

/// Computes the samples of the rotated picture, from pixels of `FROM` samples to pixels of `TO`, the last of which is
/// alpha.
fn sampled<T: Sample, const FROM: usize, const TO: usize>(
    bytes: &[u8],
    raster: &Raster,
    tilt: &Tilt,
    cancellation: &Cancellation,
) -> Result<Vec<T>, codec::Error> {
    let pixels: &[[T; FROM]] = bytemuck::cast_slice::<u8, T>(bytes).as_chunks().0;
    let (width, height) = (raster.width() as usize, raster.height() as usize);
    let mut out = Vec::with_capacity(tilt.after.0 as usize * tilt.after.1 as usize * TO);
    let Angle { sine, cosine } = tilt.angle;
    for row in 0..tilt.after.1 {
        cancellation.check()?;
        let down = (f64::from(row) + 0.5) * tilt.pixel.1;
        for column in 0..tilt.after.0 {
            let across = (f64::from(column) + 0.5) * tilt.pixel.0;
            let x = tilt.origin.0 + (across * cosine + down * sine) * tilt.scale.0;
            let y = tilt.origin.1 + (down * cosine - across * sine) * tilt.scale.1;
            let coverage = covered(x, tilt.edges.x, tilt.edges.width) * covered(y, tilt.edges.y, tilt.edges.height);
            let mut pixel = [T::nearest(0.0); TO];
            if coverage > 0.0 {
                let mean = interpolated(pixels, width, height, x - 0.5, y - 0.5);
                let alpha = if FROM == TO { mean[TO - 1] } else { T::MAX as f32 };
                for (to, premultiplied) in pixel[..TO - 1].iter_mut().zip(mean) {
                    let colour = if FROM < TO { premultiplied } else { premultiplied * T::MAX as f32 / alpha };
                    *to = T::nearest(f64::from(colour).clamp(0.0, T::MAX));
                }
                let alpha = T::nearest((f64::from(alpha) * coverage).clamp(0.0, T::MAX));
                pixel = if alpha.index() == 0 { [alpha; TO] } else { pixel };
                pixel[TO - 1] = alpha;
            }
            out.extend(pixel);
        }
    }
    Ok(out)
}

/// The coverage of a pixel centred at `at` by the range from `start` to `start + length`.
fn covered(at: f64, start: f64, length: f64) -> f64 {
    (at - start + 0.5).clamp(0.0, 1.0).min((start + length - at + 0.5).clamp(0.0, 1.0))
}

/// Catmull-Rom interpolation over four by four pixels; the pixels at the edges are repeated. Colours are weighted by
/// alpha, if there is any.
fn interpolated<T: Sample, const N: usize>(pixels: &[[T; N]], width: usize, height: usize, x: f64, y: f64) -> [f32; N] {
    let (left, top) = (x.floor(), y.floor());
    let (across, down) = (cubic((x - left) as f32), cubic((y - top) as f32));
    let index = |start: f64, offset: usize, length: usize| {
        (start + offset as f64 - 1.0).clamp(0.0, (length - 1) as f64) as usize
    };
    let columns = [0, 1, 2, 3].map(|offset| index(left, offset, width));
    let has_alpha = N == 2 || N == 4;
    let mut sum = [0.0; N];
    for (offset, vertical) in down.into_iter().enumerate() {
        let row = &pixels[index(top, offset, height) * width..][..width];
        for (column, horizontal) in columns.into_iter().zip(across) {
            let pixel = row[column].map(|sample| sample.index() as f32);
            let weight = vertical * horizontal;
            let of_colours = if has_alpha { weight * pixel[N - 1] / T::MAX as f32 } else { weight };
            for (i, (sum, sample)) in sum.iter_mut().zip(pixel).enumerate() {
                *sum += sample * if has_alpha && i == N - 1 { weight } else { of_colours };
            }
        }
    }
    sum
}

/// The weights of the two samples before a point and the two after it; `at` is its distance from the second.
fn cubic(at: f32) -> [f32; 4] {
    let (square, cube) = (at * at, at * at * at);
    [
        0.5 * (-cube + 2.0 * square - at),
        0.5 * (3.0 * cube - 5.0 * square + 2.0),
        0.5 * (-3.0 * cube + 4.0 * square + at),
        0.5 * (cube - square),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(raster: &Raster, degrees: f64) -> Raster {
        let (width, height) = (f64::from(raster.width()), f64::from(raster.height()));
        let angle = Angle::new(degrees).unwrap();
        let (box_width, box_height) = angle.bounds(width, height);
        let visible = Area { x: 0.0, y: 0.0, width: box_width, height: box_height };
        let (area, tilt) = plan(angle, (width, height), visible, (box_width.round(), box_height.round()));
        assert_eq!(area, Area::whole(raster.width(), raster.height()));
        turned(raster, &tilt, Budget::UNLIMITED, &Cancellation::unbounded()).unwrap()
    }

    #[test]
    fn corners_are_empty_and_the_middle_is_the_picture() {
        let table: [(Channels, Samples, &[u8]); 4] = [
            (Channels::L, Samples::U8(vec![200; 800]), &[200, 255]),
            (Channels::Rgb, Samples::U8([10, 20, 30].repeat(800)), &[10, 20, 30, 255]),
            (Channels::Rgba, Samples::U8([10, 20, 30, 99].repeat(800)), &[10, 20, 30, 99]),
            (Channels::La, Samples::U16([0x4242, 0xffff].repeat(800)), &[0x42, 0x42, 255, 255]),
        ];
        for (channels, samples, middle) in table {
            let out = turn(&Raster::new(40, 20, channels, samples).unwrap(), 30.0);
            assert_eq!((out.width(), out.height()), (45, 37));
            let pixel = |x: usize, y: usize| &out.samples().as_bytes()[(y * 45 + x) * middle.len()..][..middle.len()];
            for (x, y) in [(0, 0), (44, 0), (0, 36), (44, 36)] {
                assert!(pixel(x, y).iter().all(|byte| *byte == 0), "{channels:?}");
            }
            assert_eq!(pixel(22, 18), middle, "{channels:?}");
        }
    }

    #[test]
    fn the_area_of_the_picture_is_kept() {
        let picture = Raster::new(50, 30, Channels::L, Samples::U8(vec![255; 1500])).unwrap();
        for degrees in [-44.0, -10.0, 0.5, 3.0, 45.0] {
            let out = turn(&picture, degrees);
            let area: f64 = out.samples().as_bytes().iter().skip(1).step_by(2).map(|a| f64::from(*a) / 255.0).sum();
            let (width, height) = Angle::new(degrees).unwrap().bounds(50.0, 30.0);
            let expected = 1500.0 * f64::from(out.width() * out.height()) / (width * height);
            assert!((area - expected).abs() < 5.0, "{degrees}: {area} for {expected}");
        }
    }

    #[test]
    fn a_positive_angle_turns_clockwise() {
        // White on the left: the left side of the picture is raised.
        let samples = (0..40 * 40).map(|i| if i % 40 < 20 { 255 } else { 0 }).collect();
        let out = turn(&Raster::new(40, 40, Channels::L, Samples::U8(samples)).unwrap(), 45.0);
        let grey = |x: u32, y: u32| out.samples().as_bytes()[2 * (y * out.width() + x) as usize];
        let (middle, quarter) = (out.width() / 2, out.width() / 4);
        assert!(grey(middle, quarter - 4) > 250 && grey(middle + 12, middle) < 5, "the upper left is white");
        assert!(grey(quarter, middle) > 250 && grey(middle, middle + 12) < 5);
    }
}
