//! Animations: several pictures that are shown one after the other on one canvas.
//!
//! A [`Decoder`](super::Decoder) describes an animation without decoding pixels, then returns its frames one by one,
//! each as the complete canvas. An [`Encoder`](super::Encoder) receives such frames one by one and determines the
//! changes itself. Neither holds more than a few frames, whatever the length of the animation.

mod canvas;
mod change;

pub(super) use canvas::{Canvas, Disposal, Place};
pub(super) use change::{Pixels, Rect};

use super::{Budget, Cancellation, Decoded, Error, Flaw, Format, Raster};

/// The properties of an animation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Animation {
    /// The delay of each frame in milliseconds; there are at least two.
    pub delays: Vec<u32>,
    /// The number of plays; 0 means endless.
    pub plays: u32,
    /// The number of pixels that are decoded or composed for all frames together.
    pub pixels: u64,
    /// Whether the file is truncated: within a frame, or before further frames.
    pub is_cut: bool,
}

impl Animation {
    /// An animation without frames that is played once.
    pub(super) fn empty() -> Self {
        Self { delays: Vec::new(), plays: 1, pixels: 0, is_cut: false }
    }

    /// Adds a frame with this number of pixels, on a canvas that may have more.
    pub(super) fn add(&mut self, delay: u32, pixels: u64, canvas: u64) {
        self.delays.push(delay);
        self.pixels = self.pixels.saturating_add(pixels.max(canvas));
    }

    /// `None` if this is not an animation.
    pub(super) fn with_frames(self) -> Option<Self> {
        (self.delays.len() > 1).then_some(self)
    }

    /// The number of frames.
    pub fn frames(&self) -> u32 {
        u32::try_from(self.delays.len()).unwrap_or(u32::MAX)
    }
}

/// Iterates over the frames of an animation.
pub trait Frames {
    /// Returns the complete canvas with the next frame, as 8-bit RGBA; `None` after the last frame. A truncated file
    /// ends with its last complete frame.
    ///
    /// # Errors
    /// [`Error::Damaged`] for the first frame only, [`Error::TooLarge`] or [`Error::Cancelled`].
    fn next_frame(&mut self) -> Result<Option<&Raster>, Error>;

    /// The embedded ICC profile.
    fn icc(&self) -> Option<Vec<u8>>;

    /// The memory in bytes that is held between frames.
    fn held(&self) -> u64;
}

/// Encodes an animation frame by frame.
pub trait AnimationWriter {
    /// Adds a frame with a delay in milliseconds. All frames have the same size, 8-bit samples, and any channels except
    /// CMYK.
    ///
    /// # Errors
    /// [`Error::Cancelled`], or [`Error::TooLarge`] for sides that the format does not support.
    fn push(&mut self, frame: &Raster, delay: u32) -> Result<(), Error>;

    /// The number of bytes written so far.
    fn written(&self) -> u64;

    /// The memory in bytes that is held between frames, including what was written.
    fn held(&self) -> u64;

    /// Returns the file; at least one frame must have been added.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    fn finish(self: Box<Self>) -> Result<Vec<u8>, Error>;
}

/// The frames of one format.
pub(super) trait Source {
    /// Draws the next frame; `false` after the last.
    fn draw_next(&mut self, canvas: &mut Canvas) -> Result<bool, Error>;

    /// The embedded ICC profile.
    fn icc(&self) -> Option<Vec<u8>>;

    /// The flaw of the frame that was drawn last.
    fn flaw(&self) -> Option<Flaw>;

    /// The memory in bytes that is held between frames, besides the canvas.
    fn held(&self) -> u64 {
        0
    }
}

/// The frames of a file, composed on a canvas.
pub(super) struct Composed<'a, S> {
    source: S,
    canvas: Canvas,
    has_shown: bool,
    cancellation: &'a Cancellation,
}

impl<'a, S: Source> Composed<'a, S> {
    /// `open` receives the budget that the canvas leaves.
    pub(super) fn new(
        (width, height): (u32, u32),
        budget: Budget,
        cancellation: &'a Cancellation,
        open: impl FnOnce(Budget) -> Result<S, Error>,
    ) -> Result<Self, Error> {
        let canvas = Canvas::new(width, height, budget)?;
        let source = open(Budget { memory: budget.memory - Canvas::memory(width, height), ..budget })?;
        Ok(Self { source, canvas, has_shown: false, cancellation })
    }

    /// The first frame of a file of this format.
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
        self.cancellation.check()?;
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
