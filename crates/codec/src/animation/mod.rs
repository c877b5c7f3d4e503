//! Animations: several pictures that are shown one after the other on one canvas.
//!
//! A [`Decoder`](super::Decoder) tells of an animation without decoding a pixel, then gives its frames one by one, each
//! as the whole canvas looks while it is shown. An [`Encoder`](super::Encoder) takes such frames one by one and finds
//! out itself what has changed. Neither holds more than a few frames, however long the animation is.

mod canvas;
mod change;

pub(super) use canvas::{Canvas, Disposal, Place};
pub(super) use change::{Pixels, Rect};

use super::{Budget, Decoded, Error, Flaw, Format, Raster, Work};

/// What a file says of its animation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Animation {
    /// How long each frame is shown, in milliseconds; there are at least two.
    pub delays: Vec<u32>,
    /// How often all of it is played; 0 is for ever.
    pub plays: u32,
    /// Pixels that are decoded or composed for all frames together.
    pub pixels: u64,
    /// Whether the file ends before it should: within a frame, or between frames of which there should be more.
    pub is_cut: bool,
}

impl Animation {
    /// An animation that has no frames yet, and is played once.
    pub(super) fn empty() -> Self {
        Self { delays: Vec::new(), plays: 1, pixels: 0, is_cut: false }
    }

    /// Adds a frame with that many pixels of its own, on a canvas that may have more.
    pub(super) fn add(&mut self, delay: u32, pixels: u64, canvas: u64) {
        self.delays.push(delay);
        self.pixels = self.pixels.saturating_add(pixels.max(canvas));
    }

    /// `None` if this is no animation.
    pub(super) fn with_frames(self) -> Option<Self> {
        (self.delays.len() > 1).then_some(self)
    }

    /// How many frames there are.
    pub fn frames(&self) -> u32 {
        u32::try_from(self.delays.len()).unwrap_or(u32::MAX)
    }
}

/// Gives the frames of an animation one by one.
pub trait Frames {
    /// The whole canvas as it looks while the next frame is shown, as RGBA of 8 bits; `None` after the last frame. A
    /// file that breaks off ends with the last frame before the break.
    ///
    /// # Errors
    /// [`Error::Damaged`] for the first frame only, [`Error::TooLarge`] or [`Error::Stopped`].
    fn next_frame(&mut self) -> Result<Option<&Raster>, Error>;

    /// The embedded ICC profile.
    fn icc(&self) -> Option<Vec<u8>>;

    /// Bytes that are held between frames.
    fn held(&self) -> u64;
}

/// Writes an animation frame by frame.
pub trait AnimationWriter {
    /// Adds a frame, to be shown for that many milliseconds. All frames are of one size and of 8 bit samples of any
    /// channels but CMYK.
    ///
    /// # Errors
    /// [`Error::Stopped`], or [`Error::TooLarge`] for sides that the format cannot hold.
    fn push(&mut self, frame: &Raster, delay: u32) -> Result<(), Error>;

    /// How many bytes have been written so far.
    fn written(&self) -> u64;

    /// Bytes that are held between frames, those that have been written included.
    fn held(&self) -> u64;

    /// The whole file; at least one frame must have been added.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    fn finish(self: Box<Self>) -> Result<Vec<u8>, Error>;
}

/// Knows one format's frames.
pub(super) trait Source {
    /// Draws the next frame; `false` after the last.
    fn draw_next(&mut self, canvas: &mut Canvas) -> Result<bool, Error>;

    /// The embedded ICC profile.
    fn icc(&self) -> Option<Vec<u8>>;

    /// What is wrong with the frame that was drawn last.
    fn flaw(&self) -> Option<Flaw>;

    /// Bytes that are held between frames, beside the canvas.
    fn held(&self) -> u64 {
        0
    }
}

/// The frames of a file, composed on a canvas.
pub(super) struct Composed<'a, S> {
    source: S,
    canvas: Canvas,
    has_shown: bool,
    work: &'a Work,
}

impl<'a, S: Source> Composed<'a, S> {
    /// `open` gets what the canvas leaves of the budget.
    pub(super) fn new(
        (width, height): (u32, u32),
        budget: Budget,
        work: &'a Work,
        open: impl FnOnce(Budget) -> Result<S, Error>,
    ) -> Result<Self, Error> {
        let canvas = Canvas::new(width, height, budget)?;
        let source = open(Budget { memory: budget.memory - Canvas::memory(width, height), ..budget })?;
        Ok(Self { source, canvas, has_shown: false, work })
    }

    /// The first frame of a file of that format.
    pub(super) fn into_first(mut self, format: Format) -> Result<Decoded, Error> {
        if !self.source.draw_next(&mut self.canvas)? {
            return Err(Error::Damaged { format, reason: "there is no picture".to_owned() });
        }
        let (icc, flaw) = (self.source.icc(), self.source.flaw());
        Ok(Decoded { flaw, ..Decoded::whole(self.canvas.into_raster(), icc) })
    }
}

impl<S: Source> Frames for Composed<'_, S> {
    fn next_frame(&mut self) -> Result<Option<&Raster>, Error> {
        self.work.check()?;
        let drawn = match self.source.draw_next(&mut self.canvas) {
            Err(Error::Damaged { .. } | Error::Unsupported(_)) if self.has_shown => false,
            drawn => drawn?,
        };
        self.has_shown = true;
        Ok(drawn.then(|| self.canvas.raster()))
    }

    fn icc(&self) -> Option<Vec<u8>> {
        self.source.icc()
    }

    fn held(&self) -> u64 {
        self.canvas.held() + self.source.held()
    }
}
