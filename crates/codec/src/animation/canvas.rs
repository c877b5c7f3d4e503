//! The canvas on which frames are composed: drawing, blending, and disposal.
//!
//! The formats differ only in terminology, so this implements GIF89a (section 23), WebP (RFC 9649, 2.7.1.1) and PNG
//! (3rd edition, 11.3.6). A background colour in the file is ignored, as in browsers: cleared pixels are transparent.

use super::super::{Budget, Channels, Error, Raster, Samples};

/// The position and size of a frame on the canvas; it may exceed the canvas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) left: u32,
    pub(crate) top: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// What happens to a frame's area before the next one is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disposal {
    /// It is kept.
    Keep,
    /// It becomes transparent.
    Clear,
    /// It becomes what it was before the frame.
    Restore,
}

/// All that is visible, as straight RGBA of 8 bits.
pub(crate) struct Canvas {
    raster: Raster,
    place: Place,
    disposal: Disposal,
    /// What lay in `place` before the frame there, if that is to be restored.
    saved: Vec<[u8; 4]>,
    /// For what is held beside the canvas itself.
    budget: Budget,
}

impl Canvas {
    /// A transparent canvas.
    pub(crate) fn new(width: u32, height: u32, budget: Budget) -> Result<Self, Error> {
        budget.check_pixels(width, height)?;
        let budget = budget.beside(Self::memory(width, height))?;
        let samples = Samples::zeroed(width as usize * height as usize * 4, false);
        let Some(raster) = Raster::new(width, height, Channels::Rgba, samples) else {
            return Err(Error::Unsupported("the animation has no pixels".to_owned()));
        };
        let place = Place { left: 0, top: 0, width: 0, height: 0 };
        Ok(Self { raster, place, disposal: Disposal::Keep, saved: Vec::new(), budget })
    }

    /// Bytes that a canvas of this size takes, but for what is saved of it.
    pub(crate) fn memory(width: u32, height: u32) -> u64 {
        u64::from(width) * u64::from(height) * 4
    }

    /// Bytes that this canvas holds.
    pub(crate) fn held(&self) -> u64 {
        self.raster.bytes() + (self.saved.capacity() * size_of::<[u8; 4]>()) as u64
    }

    pub(crate) fn raster(&self) -> &Raster {
        &self.raster
    }

    pub(crate) fn into_raster(self) -> Raster {
        self.raster
    }

    /// Disposes of the last frame and draws the next one, whose rows are `stride` pixels apart. `put` lays a pixel of
    /// it over one of the canvas.
    ///
    /// # Errors
    /// [`Error::TooLarge`] before what lies below is saved.
    pub(crate) fn draw<P: Copy>(
        &mut self,
        place: Place,
        disposal: Disposal,
        (pixels, stride): (&[P], usize),
        put: impl Fn(&mut [u8; 4], P),
    ) -> Result<(), Error> {
        self.dispose();
        self.place = self.clipped(place);
        self.disposal = disposal;
        if disposal == Disposal::Restore {
            let mut saved = std::mem::take(&mut self.saved);
            saved.clear();
            let pixels = self.place.width as usize * self.place.height as usize;
            // What is saved, and the frame as its decoder holds it.
            self.budget.check_memory((2 * pixels * size_of::<[u8; 4]>()) as u64)?;
            saved.reserve_exact(pixels);
            self.rows().for_each(|row| saved.extend_from_slice(row));
            self.saved = saved;
        }
        if stride == 0 {
            return Ok(());
        }
        for (to, from) in self.rows().zip(pixels.chunks(stride)) {
            to.iter_mut().zip(from).for_each(|(to, from)| put(to, *from));
        }
        Ok(())
    }

    fn dispose(&mut self) {
        match self.disposal {
            Disposal::Keep => {}
            Disposal::Clear => self.rows().for_each(|row| row.fill([0; 4])),
            Disposal::Restore => {
                let saved = std::mem::take(&mut self.saved);
                let width = (self.place.width as usize).max(1);
                self.rows().zip(saved.chunks_exact(width)).for_each(|(row, saved)| row.copy_from_slice(saved));
                self.saved = saved;
            }
        }
    }

    /// The rows of the current place.
    fn rows(&mut self) -> impl Iterator<Item = &mut [[u8; 4]]> {
        let (left, width) = (self.place.left as usize, self.place.width as usize);
        let stride = self.raster.width() as usize;
        let rows = self.raster.samples_mut().as_chunks_mut::<4>().0.chunks_exact_mut(stride);
        rows.skip(self.place.top as usize)
            .take(self.place.height as usize)
            .filter_map(move |row| row.get_mut(left..left + width))
    }

    fn clipped(&self, place: Place) -> Place {
        let clip = |start: u32, length: u32, side: u32| {
            let start = start.min(side);
            (start, length.min(side - start))
        };
        let (left, width) = clip(place.left, place.width, self.raster.width());
        let (top, height) = clip(place.top, place.height, self.raster.height());
        Place { left, top, width, height }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: [u8; 4] = [255, 0, 0, 255];
    const BLUE: [u8; 4] = [0, 0, 255, 255];
    const BUDGET: Budget = Budget { pixels: 100, memory: 1000 };

    fn place(left: u32, width: u32) -> Place {
        Place { left, top: 0, width, height: 1 }
    }

    fn draw(canvas: &mut Canvas, place: Place, disposal: Disposal, color: [u8; 4]) -> String {
        let pixels = vec![color; place.width as usize];
        canvas.draw(place, disposal, (&pixels, pixels.len()), |to, from| *to = from).unwrap();
        let name = |pixel: &[u8; 4]| match *pixel {
            RED => 'r',
            BLUE => 'b',
            _ => '.',
        };
        canvas.raster().samples().as_bytes().as_chunks().0.iter().map(name).collect()
    }

    #[test]
    fn frames_are_disposed_of_before_the_next_one() {
        let mut canvas = Canvas::new(4, 1, BUDGET).unwrap();
        assert_eq!(draw(&mut canvas, place(0, 3), Disposal::Keep, RED), "rrr.");
        assert_eq!(draw(&mut canvas, place(1, 1), Disposal::Restore, BLUE), "rbr.");
        assert_eq!(draw(&mut canvas, place(2, 2), Disposal::Restore, BLUE), "rrbb");
        assert_eq!(draw(&mut canvas, place(0, 2), Disposal::Clear, BLUE), "bbr.");
        assert_eq!(draw(&mut canvas, place(3, 1), Disposal::Keep, RED), "..rr");
    }

    #[test]
    fn what_reaches_beyond_the_canvas_is_cut() {
        let mut canvas = Canvas::new(4, 1, BUDGET).unwrap();
        assert_eq!(draw(&mut canvas, place(3, 9), Disposal::Clear, RED), "...r");
        assert_eq!(draw(&mut canvas, place(u32::MAX, 9), Disposal::Restore, RED), "....");
        assert_eq!(draw(&mut canvas, place(0, 0), Disposal::Restore, RED), "....");
        assert_eq!(draw(&mut canvas, place(0, 1), Disposal::Keep, BLUE), "b...");
        assert!(matches!(Canvas::new(11, 10, BUDGET), Err(Error::TooLarge { .. })));
        assert!(matches!(Canvas::new(60_000, 1, Budget { pixels: 1 << 40, memory: 99 }), Err(Error::TooLarge { .. })));
    }
}
