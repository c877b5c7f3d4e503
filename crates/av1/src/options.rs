//! How to encode.

use std::ops::ControlFlow;

/// How thoroughly the encoder searches, and so how fast it is. Each method sets one part and returns the whole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpeedSettings {
    /// The log2 of the side of the smallest squares.
    pub(crate) smallest: u8,
    /// Squares up to this log2 of a side are halved, too.
    pub(crate) halves_up_to: u8,
    /// How many times the best known cost a partition may be estimated at and still be tried.
    pub(crate) patience: f32,
    /// Whether the first pass estimates five modes of luma alone, or all directions and filters.
    pub(crate) few_modes: bool,
    /// How many modes are tried in full.
    pub(crate) modes: usize,
    pub(crate) chroma_modes: usize,
    /// Whether all transforms are tried with each of the modes, or with the best alone.
    pub(crate) tx_types_of_each_mode: bool,
}

impl Default for SpeedSettings {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl SpeedSettings {
    /// Squares from 8, two modes, and all transforms of each.
    pub const DEFAULT: Self = Self {
        smallest: 3,
        halves_up_to: 0,
        patience: 1.05,
        few_modes: false,
        modes: 2,
        chroma_modes: 2,
        tx_types_of_each_mode: true,
    };

    /// The log2 of the side of the smallest squares, 2 to 5; what lies outside is taken as the nearer end.
    #[must_use]
    pub const fn smallest(mut self, log2: u8) -> Self {
        self.smallest = match log2 {
            0..=2 => 2,
            5.. => 5,
            _ => log2,
        };
        self
    }

    /// Squares up to this log2 of a side are tried as two halves as well, up to 5; none are with 0.
    #[must_use]
    pub const fn halves_up_to(mut self, log2: u8) -> Self {
        self.halves_up_to = if log2 > 5 { 5 } else { log2 };
        self
    }

    /// How many times the best known cost a partition may be estimated at and still be tried, 1 or more.
    #[must_use]
    pub const fn patience(mut self, times: f32) -> Self {
        self.patience = times;
        self
    }

    /// Whether the first pass estimates only five prediction modes of luma, or all directions and filters as well.
    #[must_use]
    pub const fn few_modes(mut self, few: bool) -> Self {
        self.few_modes = few;
        self
    }

    /// How many modes of prediction are tried in full for luma, at least 1.
    #[must_use]
    pub const fn modes(mut self, count: usize) -> Self {
        self.modes = if count == 0 { 1 } else { count };
        self
    }

    /// The same for chroma, beside the prediction from luma.
    #[must_use]
    pub const fn chroma_modes(mut self, count: usize) -> Self {
        self.chroma_modes = if count == 0 { 1 } else { count };
        self
    }

    /// Whether all types of transform are tried with each of the modes, or with the best alone.
    #[must_use]
    pub const fn tx_types_of_each_mode(mut self, all: bool) -> Self {
        self.tx_types_of_each_mode = all;
        self
    }
}

/// How to encode. Each method sets one option and returns the options.
#[derive(Clone, Copy)]
pub struct EncodeOptions<'a> {
    pub(crate) quantizer: u8,
    pub(crate) speed: SpeedSettings,
    pub(crate) max_bytes: u64,
    pub(crate) check: &'a dyn Fn() -> ControlFlow<()>,
}

impl Default for EncodeOptions<'_> {
    fn default() -> Self {
        Self {
            quantizer: 80,
            speed: SpeedSettings::DEFAULT,
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
            .field("max_bytes", &self.max_bytes)
            .finish_non_exhaustive()
    }
}

impl<'a> EncodeOptions<'a> {
    /// `base_q_idx` (5.9.12): 0 is without loss, 255 the coarsest. 80 unless set.
    #[must_use]
    pub const fn quantizer(mut self, index: u8) -> Self {
        self.quantizer = index;
        self
    }

    /// How thorough the search is. [`SpeedSettings::DEFAULT`] unless set.
    #[must_use]
    pub const fn speed(mut self, speed: SpeedSettings) -> Self {
        self.speed = speed;
        self
    }

    /// The ceiling for the memory that the stream takes while it is written, three times its length at most; what else is
    /// held is [`memory`](crate::memory). 512 MiB unless set.
    #[must_use]
    pub const fn max_bytes(mut self, max_bytes: u64) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// Asked at every superblock whether to go on. It always says yes unless set.
    #[must_use]
    pub const fn check(mut self, check: &'a dyn Fn() -> ControlFlow<()>) -> Self {
        self.check = check;
        self
    }
}
