//! The difference between consecutive frames, so that only the changes are written.

use super::super::{Channels, Raster, palette};
use image_origin_kernel::{Kernel, dispatch};

/// A non-empty rectangle of whole pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rect {
    pub(crate) left: usize,
    pub(crate) top: usize,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

impl Rect {
    /// The bounding rectangle of both.
    pub(crate) fn union(self, other: Self) -> Self {
        let (left, top) = (self.left.min(other.left), self.top.min(other.top));
        let right = (self.left + self.width).max(other.left + other.width);
        let bottom = (self.top + self.height).max(other.top + other.height);
        Self { left, top, width: right - left, height: bottom - top }
    }
}

/// A picture as RGBA in which all fully transparent pixels are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pixels {
    width: usize,
    pixels: Vec<[u8; 4]>,
}

impl Pixels {
    /// Converts a raster; `None` for 16-bit samples and CMYK.
    pub(crate) fn new(raster: &Raster) -> Option<Self> {
        Some(Self { width: raster.width() as usize, pixels: palette::list(raster)? })
    }

    /// A transparent picture.
    pub(crate) fn transparent(width: usize, height: usize) -> Self {
        Self { width, pixels: vec![[0; 4]; width * height] }
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn height(&self) -> usize {
        self.pixels.len() / self.width
    }

    /// The memory in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        (self.pixels.capacity() * size_of::<[u8; 4]>()) as u64
    }

    pub(crate) fn all_mut(&mut self) -> &mut [[u8; 4]] {
        &mut self.pixels
    }

    pub(crate) fn whole(&self) -> Rect {
        Rect { left: 0, top: 0, width: self.width(), height: self.height() }
    }

    /// Replaces pixels by those of another picture of the same size if these have the same transparency and no sample
    /// differs by more than `tolerance`, which grows as opacity decreases. Later changes are then relative to what is
    /// shown, so that small changes cannot accumulate.
    pub(crate) fn settle(&mut self, shown: &Self, tolerance: u8) {
        dispatch(Settle { pixels: &mut self.pixels, shown: &shown.pixels, tolerance });
    }

    /// Whether [`Self::settle`] would make this picture equal to the other one.
    pub(crate) fn settles(&self, shown: &Self, tolerance: u8) -> bool {
        self.pixels.len() == shown.pixels.len()
            && self.pixels.iter().zip(&shown.pixels).all(|(pixel, shown)| is_near(pixel, shown, tolerance))
    }

    /// The bounding rectangle of the pixels for which `differs` is true of this picture and another one of the same
    /// size; `None` if there are none.
    pub(crate) fn bounds(&self, other: &Self, differs: impl Fn([u8; 4], [u8; 4]) -> bool) -> Option<Rect> {
        let mut bounds: Option<Rect> = None;
        let rows = self.pixels.chunks_exact(self.width).zip(other.pixels.chunks_exact(self.width));
        for (top, (row, others)) in rows.enumerate() {
            let differs = |x: &usize| differs(row[*x], others[*x]);
            let Some(left) = (0..self.width).find(differs) else { continue };
            let right = (left..self.width).rfind(differs).unwrap_or(left);
            let line = Rect { left, top, width: right + 1 - left, height: 1 };
            bounds = Some(bounds.map_or(line, |bounds| bounds.union(line)));
        }
        bounds
    }

    /// Iterates over the rows of a rectangle.
    pub(crate) fn rows(&self, rect: Rect) -> impl Iterator<Item = &[[u8; 4]]> {
        let rows = self.pixels.chunks_exact(self.width).skip(rect.top).take(rect.height);
        rows.map(move |row| &row[rect.left..rect.left + rect.width])
    }

    /// Makes a rectangle transparent.
    pub(crate) fn clear(&mut self, rect: Rect) {
        for row in self.pixels.chunks_exact_mut(self.width).skip(rect.top).take(rect.height) {
            row[rect.left..rect.left + rect.width].fill([0; 4]);
        }
    }

    /// The rectangle as a raster in which what equals another picture is transparent, to be blended over that picture; `None` if
    /// something else in it is not opaque, which blending would not replace.
    pub(crate) fn cut_changes(&self, shown: &Self, rect: Rect) -> Option<Raster> {
        let mut samples = Vec::with_capacity(rect.width * rect.height * 4);
        for (row, shown) in self.rows(rect).zip(shown.rows(rect)) {
            for (pixel, shown) in row.iter().zip(shown) {
                match pixel {
                    _ if pixel == shown => samples.extend_from_slice(&[0; 4]),
                    [.., 255] => samples.extend_from_slice(pixel),
                    _ => return None,
                }
            }
        }
        Raster::new(rect.width as u32, rect.height as u32, Channels::Rgba, samples.into())
    }

    /// The rectangle as a raster, without alpha if all of it is opaque.
    pub(crate) fn cut(&self, rect: Rect) -> Option<Raster> {
        let pixels = || self.rows(rect).flatten();
        let is_opaque = pixels().all(|pixel| pixel[3] == 255);
        let channels = if is_opaque { Channels::Rgb } else { Channels::Rgba };
        let samples = if is_opaque {
            let mut samples = vec![0; rect.width * rect.height * 3];
            samples.as_chunks_mut::<3>().0.iter_mut().zip(pixels()).for_each(|(to, &[r, g, b, _])| *to = [r, g, b]);
            samples
        } else {
            self.rows(rect).collect::<Vec<_>>().concat().into_flattened()
        };
        Raster::new(rect.width as u32, rect.height as u32, channels, samples.into())
    }
}

/// The kernel of [`Pixels::settle`].
struct Settle<'p> {
    pixels: &'p mut [[u8; 4]],
    shown: &'p [[u8; 4]],
    tolerance: u8,
}

impl Kernel for Settle<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        /// The number of pixels that are compared together.
        const TOGETHER: usize = 16;
        let Self { pixels, shown, tolerance } = self;
        let (groups, rest) = pixels.as_chunks_mut::<TOGETHER>();
        let (shown, shown_rest) = shown.as_chunks::<TOGETHER>();
        for (pixels, shown) in groups.iter_mut().zip(shown) {
            let are_near: [bool; TOGETHER] =
                std::array::from_fn(|place| is_near(&pixels[place], &shown[place], tolerance));
            for ((pixel, shown), is_near) in pixels.iter_mut().zip(shown).zip(are_near) {
                *pixel = if is_near { *shown } else { *pixel };
            }
        }
        for (pixel, shown) in rest.iter_mut().zip(shown_rest) {
            if is_near(pixel, shown, tolerance) {
                *pixel = *shown;
            }
        }
    }
}

/// Whether two pixels have the same transparency and look the same.
#[inline(always)]
fn is_near(pixel: &[u8; 4], shown: &[u8; 4], tolerance: u8) -> bool {
    let apart = |channel: usize| pixel[channel].abs_diff(shown[channel]);
    let most = apart(0).max(apart(1)).max(apart(2));
    // Without a branch, so that many pixels can be compared at once.
    (apart(3) == 0) & (u16::from(most) * u16::from(pixel[3]) <= u16::from(tolerance) * 255)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_pixels_settle_but_do_not_drift() {
        let picture = |pixel| Pixels { width: 1, pixels: vec![pixel] };
        let mut shown = picture([10, 20, 30, 255]);
        for (sample, settled) in [(12, 10), (13, 13), (14, 13), (15, 13), (16, 16)] {
            let mut frame = picture([sample, 20, 30, 255]);
            frame.settle(&shown, 2);
            assert_eq!(frame, picture([settled, 20, 30, 255]), "{sample}");
            shown = frame;
        }
        for (pixel, other, is_near) in [
            ([16, 20, 30, 254], [16, 20, 30, 255], false),
            ([100, 20, 30, 50], [110, 20, 30, 50], true),
            ([100, 20, 30, 52], [110, 20, 30, 52], false),
        ] {
            let mut frame = picture(pixel);
            frame.settle(&picture(other), 2);
            assert_eq!(frame == picture(other), is_near, "{pixel:?}");
        }
    }

    #[test]
    fn changes_can_be_blended_if_they_are_opaque() {
        let picture = |pixels: &[[u8; 4]]| Pixels { width: 2, pixels: pixels.to_vec() };
        let [red, blue, clear, half] = [[255, 0, 0, 255], [0, 0, 255, 255], [0; 4], [9, 9, 9, 99]];
        let shown = picture(&[red, half, clear, blue]);
        for (pixels, expected) in [
            ([blue, half, red, blue], Some([blue, clear, red, clear])),
            ([red, half, clear, clear], None),
            ([half, half, clear, blue], None),
        ] {
            let frame = picture(&pixels);
            let changes = frame.cut_changes(&shown, frame.whole());
            assert_eq!(
                changes.map(|raster| raster.samples().as_bytes().to_vec()),
                expected.map(|pixels| pixels.concat())
            );
        }
    }

    #[test]
    fn the_changed_rectangle_is_the_smallest() {
        let before = Pixels::transparent(5, 4);
        let differs = |one, other| one != other;
        assert_eq!(before.bounds(&before, differs), None);
        for (changed, expected) in [
            (vec![0], (0, 0, 1, 1)),
            (vec![7, 11], (1, 1, 2, 2)),
            (vec![19, 4, 0], (0, 0, 5, 4)),
            (vec![13, 8], (3, 1, 1, 2)),
        ] {
            let mut after = before.clone();
            changed.iter().for_each(|place| after.pixels[*place] = [1; 4]);
            let (left, top, width, height) = expected;
            assert_eq!(before.bounds(&after, differs), Some(Rect { left, top, width, height }), "{changed:?}");
        }
    }
}
