//! The options of an encode.

use std::ops::ControlFlow;

use super::tuning::Tuning;

/// The quantizer below which all frequencies are quantized alike, because hardly anything is lost.
const FINEST_WITH_MATRICES: u8 = 24;

/// The effort of the encoder's search, which determines its speed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpeedSettings {
    /// The binary logarithm of the side of the smallest squares.
    pub(crate) smallest: u8,
    /// The binary logarithm of the side of the largest squares that may be halved.
    pub(crate) halves_up_to: u8,
    /// The binary logarithm of the side of the largest squares of which the likelier halves are tried in one mode.
    pub(crate) likelier_halves_up_to: u8,
    /// The binary logarithm of the side of the largest squares that may be halved, and quartered down to 4 by 4, where
    /// details lie beside flat areas.
    pub(crate) uneven_up_to: u8,
    /// A partition is tried if its estimated cost is at most this many times the best known cost.
    pub(crate) patience: f32,
    /// Whether the first pass estimates only five luma modes, or all directions and filters.
    pub(crate) few_modes: bool,
    /// The number of modes that are tried in full.
    pub(crate) modes: usize,
    pub(crate) chroma_modes: usize,
    /// Whether all transform types are tried with each of the modes, or with the best one only.
    pub(crate) tx_types_of_each_mode: bool,
}

impl Default for SpeedSettings {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl SpeedSettings {
    /// Squares from 8, two modes, and all transform types for each.
    pub const DEFAULT: Self = Self {
        smallest: 3,
        halves_up_to: 0,
        likelier_halves_up_to: 0,
        uneven_up_to: 0,
        patience: 1.05,
        few_modes: false,
        modes: 2,
        chroma_modes: 2,
        tx_types_of_each_mode: true,
    };

    /// The binary logarithm of the side of the smallest squares, clamped to 2 to 5.
    #[must_use]
    pub const fn smallest(mut self, log2: u8) -> Self {
        self.smallest = match log2 {
            0..=2 => 2,
            5.. => 5,
            _ => log2,
        };
        self
    }

    /// The binary logarithm of the side of the largest squares that are tried as two halves, up to 5; 0 disables
    /// halves.
    #[must_use]
    pub const fn halves_up_to(mut self, log2: u8) -> Self {
        self.halves_up_to = if log2 > 5 { 5 } else { log2 };
        self
    }

    /// The binary logarithm of the side of the largest squares that are tried as two halves in one direction only, that in
    /// which their means differ more, and in one mode, which is quicker. Up to 5; 0 disables it.
    #[must_use]
    pub const fn likelier_halves_up_to(mut self, log2: u8) -> Self {
        self.likelier_halves_up_to = if log2 > 5 { 5 } else { log2 };
        self
    }

    /// The binary logarithm of the side of the largest squares that are tried as two halves, and as quarters down to 4
    /// by 4, where details lie beside flat areas: in drawings, text and stars. Up to 5; 0 disables it.
    #[must_use]
    pub const fn uneven_up_to(mut self, log2: u8) -> Self {
        self.uneven_up_to = if log2 > 5 { 5 } else { log2 };
        self
    }

    /// A partition is tried if its estimated cost is at most this many times the best known cost; at least 1.
    #[must_use]
    pub const fn patience(mut self, times: f32) -> Self {
        self.patience = times;
        self
    }

    /// Whether the first pass estimates only five luma prediction modes, or all directions and filters.
    #[must_use]
    pub const fn few_modes(mut self, few: bool) -> Self {
        self.few_modes = few;
        self
    }

    /// The number of luma prediction modes that are tried in full, at least 1.
    #[must_use]
    pub const fn modes(mut self, count: usize) -> Self {
        self.modes = if count == 0 { 1 } else { count };
        self
    }

    /// The number of chroma prediction modes that are tried in full, besides chroma from luma.
    #[must_use]
    pub const fn chroma_modes(mut self, count: usize) -> Self {
        self.chroma_modes = if count == 0 { 1 } else { count };
        self
    }

    /// Whether all transform types are tried with each of the modes, or with the best one only.
    #[must_use]
    pub const fn tx_types_of_each_mode(mut self, all: bool) -> Self {
        self.tx_types_of_each_mode = all;
        self
    }
}

/// What a picture shows, as far as blocks are coded in other ways for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Content {
    /// Photographs, and everything that is none of the others.
    #[default]
    Natural,
    /// Drawings, screenshots and text: blocks of few colours may have palettes, which take longer to find, and transforms of
    /// single samples.
    Drawing,
    /// Points of light in the dark, such as stars: blocks may have transforms of single samples, and all frequencies are quantized
    /// alike.
    Lights,
}

/// The options of an encode.
#[derive(Clone, Copy)]
pub struct EncodeOptions<'a> {
    pub(crate) quantizer: u8,
    pub(crate) speed: SpeedSettings,
    pub(crate) content: Content,
    pub(crate) max_bytes: u64,
    pub(crate) check: &'a dyn Fn() -> ControlFlow<()>,
}

impl Default for EncodeOptions<'_> {
    fn default() -> Self {
        Self {
            quantizer: 80,
            speed: SpeedSettings::DEFAULT,
            content: Content::Natural,
            max_bytes: 512 << 20,
            check: &|| ControlFlow::Continue(()),
        }
    }
}

impl std::fmt::Debug for EncodeOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EncodeOptions")
            .field("quantizer", &self.quantizer)
            .field("speed", &self.speed)
            .field("content", &self.content)
            .field("max_bytes", &self.max_bytes)
            .finish_non_exhaustive()
    }
}

impl<'a> EncodeOptions<'a> {
    /// `base_q_idx` (5.9.12): 0 is lossless, 255 the coarsest. 80 by default.
    #[must_use]
    pub const fn quantizer(mut self, index: u8) -> Self {
        self.quantizer = index;
        self
    }

    /// The effort of the search. [`SpeedSettings::DEFAULT`] by default.
    #[must_use]
    pub const fn speed(mut self, speed: SpeedSettings) -> Self {
        self.speed = speed;
        self
    }

    /// What the picture shows. Without loss it makes no difference. [`Content::Natural`] by default.
    #[must_use]
    pub const fn content(mut self, content: Content) -> Self {
        self.content = content;
        self
    }

    /// Whether blocks may have palettes. All blocks without loss are too small for them.
    pub(crate) const fn has_palettes(&self) -> bool {
        matches!(self.content, Content::Drawing) && self.quantizer > 0
    }

    /// Whether high frequencies are quantized more coarsely.
    pub(crate) const fn has_matrices(&self) -> bool {
        !matches!(self.content, Content::Lights) && self.quantizer >= FINEST_WITH_MATRICES
    }

    pub(crate) const fn tuning(&self) -> &'static Tuning {
        if matches!(self.content, Content::Natural) { &Tuning::PHOTOGRAPHS } else { &Tuning::DRAWINGS }
    }

    /// The memory limit for writing the stream in bytes, which takes at most three times its length; the other memory
    /// is [`memory`](crate::memory). 512 MiB by default.
    #[must_use]
    pub const fn max_bytes(mut self, max_bytes: u64) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// A cancellation callback, called at every superblock. By default the encode is never cancelled.
    #[must_use]
    pub const fn check(mut self, check: &'a dyn Fn() -> ControlFlow<()>) -> Self {
        self.check = check;
        self
    }
}
