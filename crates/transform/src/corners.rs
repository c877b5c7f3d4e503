//! Rounded corners: the coverage of each pixel.

use super::colour::{is_grey, of_samples};
use image_origin_codec::{self as codec, Budget, Cancellation, Channels, Raster, Samples};
use image_origin_query::Radius;

/// The rounded corners of a rectangle.
pub(super) struct Corners {
    width: usize,
    height: usize,
    /// Radii in pixels, clockwise from the top left corner.
    radii: [f64; 4],
}

impl Corners {
    /// The corners of a picture of this size. Radii that do not fit are reduced proportionally, as in CSS (Backgrounds
    /// and Borders Module Level 3, 4.5).
    pub(super) fn new(radius: Radius, width: u32, height: u32) -> Self {
        let (across, down) = (f64::from(width), f64::from(height));
        let radii = match radius {
            Radius::Max => [across.min(down) / 2.0; 4],
            Radius::Pixels(radii) => radii.map(f64::from),
        };
        let [a, b, c, d] = radii;
        let sides = [(across, a + b), (down, b + c), (across, c + d), (down, d + a)];
        let factor = sides.into_iter().filter(|(_, sum)| *sum > 0.0).map(|(side, sum)| side / sum).fold(1.0, f64::min);
        Self { width: width as usize, height: height as usize, radii: radii.map(|radius| radius * factor) }
    }

    /// Calls `change` with column, row and coverage of every pixel that is not fully inside the corners.
    pub(super) fn each(
        &self,
        cancellation: &Cancellation,
        mut change: impl FnMut(usize, usize, f32),
    ) -> Result<(), codec::Error> {
        for (corner, radius) in self.radii.into_iter().enumerate() {
            let zone = radius.ceil() as usize;
            let (is_right, is_lower) = (matches!(corner, 1 | 2), corner > 1);
            for down in 0..zone.min(self.height) {
                cancellation.check()?;
                for across in 0..zone.min(self.width) {
                    // The distance of the pixel's centre from the centre of the circle, whose edge is approximated by a
                    // line within the pixel.
                    let (x, y) = (radius - across as f64 - 0.5, radius - down as f64 - 0.5);
                    let share = if x > 0.0 && y > 0.0 { radius + 0.5 - (x * x + y * y).sqrt() } else { 1.0 };
                    if share >= 1.0 {
                        break;
                    }
                    let x = if is_right { self.width - 1 - across } else { across };
                    let y = if is_lower { self.height - 1 - down } else { down };
                    change(x, y, share.max(0.0) as f32);
                }
            }
        }
        Ok(())
    }

    /// Makes the area outside the corners transparent, for a rectangle at `left`, `top` of an 8-bit picture with alpha.
    pub(super) fn cut(
        &self,
        raster: &mut Raster,
        (left, top): (usize, usize),
        cancellation: &Cancellation,
    ) -> Result<(), codec::Error> {
        let (width, count) = (raster.width() as usize, raster.channels().count());
        let samples = raster.samples_mut();
        self.each(cancellation, |x, y, share| {
            let pixel = &mut samples[((top + y) * width + left + x) * count..][..count];
            let alpha = (f32::from(pixel[count - 1]) * share).round() as u8;
            pixel[count - 1] = alpha;
            if alpha == 0 {
                pixel.fill(0);
            }
        })
    }
}

/// Adds an opaque alpha channel to an 8-bit picture that has none. `budget` is for all memory, including the picture.
///
/// # Errors
/// [`codec::Error::TooLarge`] before anything is allocated.
pub(super) fn with_alpha(raster: Raster, budget: Budget) -> Result<Raster, codec::Error> {
    let channels = raster.channels();
    if channels.has_alpha() {
        return Ok(raster);
    }
    let to = if is_grey(&raster) { Channels::La } else { Channels::Rgba };
    let (width, height) = (raster.width(), raster.height());
    budget.check_memory(raster.bytes() + u64::from(width) * u64::from(height) * to.count() as u64)?;
    let samples: Vec<u8> = match raster.into_samples() {
        Samples::U8(samples) if to == Channels::La => samples.iter().flat_map(|grey| [*grey, 255]).collect(),
        samples => samples.as_bytes().as_chunks().0.iter().flat_map(|&[r, g, b]| [r, g, b, 255]).collect(),
    };
    Ok(of_samples(width, height, to, samples))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The alpha of a white picture with these corners.
    fn alpha(radius: &str, width: u32, height: u32) -> Vec<u8> {
        let transform: image_origin_query::Transform = format!("radius={radius}").parse().unwrap();
        let white = Raster::new(width, height, Channels::L, Samples::U8(vec![255; (width * height) as usize])).unwrap();
        let mut raster = with_alpha(white, Budget::UNLIMITED).unwrap();
        let corners = Corners::new(transform.framing.radius.unwrap(), width, height);
        corners.cut(&mut raster, (0, 0), &Cancellation::unbounded()).unwrap();
        raster.samples().as_bytes().iter().skip(1).step_by(2).copied().collect()
    }

    #[test]
    fn the_area_is_that_of_the_shape() {
        let circle = std::f64::consts::PI / 4.0;
        let lost = |radius: f64| radius * radius * (1.0 - circle);
        let table = [
            ("max", 40, 40, 4.0 * lost(20.0)),
            ("max", 60, 40, 4.0 * lost(20.0)),
            ("max", 41, 41, 4.0 * lost(20.5)),
            ("10", 60, 40, 4.0 * lost(10.0)),
            ("1", 60, 40, 4.0 * lost(1.0)),
            ("15,0,5,0", 60, 40, lost(15.0) + lost(5.0)),
            // Larger than possible: reduced proportionally to fill the shorter side.
            ("16383", 60, 40, 4.0 * lost(20.0)),
            ("16000,0,0,4000", 60, 40, lost(32.0) + lost(8.0)),
            ("max", 1, 1, 4.0 * lost(0.5)),
        ];
        for (radius, width, height, lost) in table {
            let area: f64 = alpha(radius, width, height).iter().map(|alpha| f64::from(*alpha) / 255.0).sum();
            let expected = f64::from(width * height) - lost;
            assert!(
                (area - expected).abs() < 0.5 + expected * 0.002,
                "{radius} {width}x{height}: {area} for {expected}"
            );
        }
    }

    #[test]
    fn each_corner_has_its_own_radius() {
        let alpha = alpha("4,0,8,0", 20, 20);
        let at = |x: usize, y: usize| alpha[y * 20 + x];
        assert_eq!([at(0, 0), at(19, 0), at(19, 19), at(0, 19)], [0, 255, 0, 255]);
        assert_eq!([at(2, 2), at(17, 17), at(19, 13), at(19, 11)], [255, 184, 217, 255]);
    }
}
