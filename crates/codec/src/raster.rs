//! Decoded pixels with their layout.

use std::ops::Range;

use super::oriented::oriented;
use super::{Area, Orientation};

/// The channels of a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channels {
    /// Grey.
    L,
    /// Grey and alpha.
    La,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, alpha.
    Rgba,
    /// Cyan, magenta, yellow and black ink; 0 is no ink.
    Cmyk,
}

impl Channels {
    /// The number of samples in a pixel.
    pub const fn count(self) -> usize {
        match self {
            Self::L => 1,
            Self::La => 2,
            Self::Rgb => 3,
            Self::Rgba | Self::Cmyk => 4,
        }
    }

    /// Whether the last sample is alpha.
    pub const fn has_alpha(self) -> bool {
        matches!(self, Self::La | Self::Rgba)
    }
}

/// Samples of one depth, interleaved, in contiguous rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Samples {
    /// 8 bits each.
    U8(Vec<u8>),
    /// 16 bits each, in native byte order.
    U16(Vec<u16>),
}

impl Samples {
    /// `count` samples of value zero.
    pub fn zeroed(count: usize, sixteen_bits: bool) -> Self {
        if sixteen_bits { Self::U16(vec![0; count]) } else { Self::U8(vec![0; count]) }
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(samples) => samples.len(),
            Self::U16(samples) => samples.len(),
        }
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The allocated size in bytes.
    fn capacity(&self) -> u64 {
        match self {
            Self::U8(samples) => samples.capacity() as u64,
            Self::U16(samples) => 2 * samples.capacity() as u64,
        }
    }

    /// The samples as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::U8(samples) => samples,
            Self::U16(samples) => bytemuck::cast_slice(samples),
        }
    }

    /// The samples as mutable bytes.
    pub fn as_bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::U8(samples) => samples,
            Self::U16(samples) => bytemuck::cast_slice_mut(samples),
        }
    }
}

impl From<Vec<u8>> for Samples {
    fn from(samples: Vec<u8>) -> Self {
        Self::U8(samples)
    }
}

impl From<Vec<u16>> for Samples {
    fn from(samples: Vec<u16>) -> Self {
        Self::U16(samples)
    }
}

/// A picture in memory. Width and height are at least 1; alpha is straight (not premultiplied).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raster {
    width: u32,
    height: u32,
    channels: Channels,
    samples: Samples,
}

impl Raster {
    /// Creates a raster; `None` unless there are exactly `width * height * channels` samples, and at least one pixel.
    pub fn new(width: u32, height: u32, channels: Channels, samples: Samples) -> Option<Self> {
        let expected = u64::from(width) * u64::from(height) * channels.count() as u64;
        (expected > 0 && samples.len() as u64 == expected).then_some(Self { width, height, channels, samples })
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The channels of a pixel.
    pub fn channels(&self) -> Channels {
        self.channels
    }

    /// The samples.
    pub fn samples(&self) -> &Samples {
        &self.samples
    }

    /// The samples as mutable bytes; their number cannot change.
    pub fn samples_mut(&mut self) -> &mut [u8] {
        self.samples.as_bytes_mut()
    }

    /// Converts the raster to its samples.
    pub fn into_samples(self) -> Samples {
        self.samples
    }

    /// The allocated size of the samples in bytes.
    pub fn bytes(&self) -> u64 {
        self.samples.capacity()
    }

    /// Copies the part `area`, which has integer coordinates and lies within the raster.
    #[must_use]
    pub fn cut(&self, area: Area) -> Self {
        let row = self.width as usize * self.channels.count();
        let columns = area.x as usize * self.channels.count()..(area.x + area.width) as usize * self.channels.count();
        let rows = area.y as usize * row..(area.y + area.height) as usize * row;
        let samples = match &self.samples {
            Samples::U8(samples) => Samples::U8(cut(&samples[rows], row, columns)),
            Samples::U16(samples) => Samples::U16(cut(&samples[rows], row, columns)),
        };
        Self { width: area.width as u32, height: area.height as u32, channels: self.channels, samples }
    }

    /// The memory of [`Self::oriented`] in bytes, including the raster: quarter turns allocate another one.
    pub fn oriented_memory(&self, orientation: Orientation) -> u64 {
        let turned = if orientation.transposes() { self.samples.as_bytes().len() as u64 } else { 0 };
        self.bytes() + turned
    }

    /// Rotates and mirrors the pixels.
    #[must_use]
    pub fn oriented(self, orientation: Orientation) -> Self {
        let (columns, rows) = (self.width as usize, self.height as usize);
        let samples = match self.samples {
            Samples::U8(samples) => Samples::U8(orient(samples, self.channels, orientation, columns, rows)),
            Samples::U16(samples) => Samples::U16(orient(samples, self.channels, orientation, columns, rows)),
        };
        let (width, height) = orientation.size(self.width, self.height);
        Self { width, height, channels: self.channels, samples }
    }
}

fn orient<T: Copy>(
    samples: Vec<T>,
    channels: Channels,
    orientation: Orientation,
    width: usize,
    height: usize,
) -> Vec<T> {
    match channels.count() {
        1 => oriented::<T, 1>(orientation, samples, width, height),
        2 => oriented::<T, 2>(orientation, samples, width, height),
        3 => oriented::<T, 3>(orientation, samples, width, height),
        _ => oriented::<T, 4>(orientation, samples, width, height),
    }
}

/// The columns of samples of all rows, each of which is so long.
fn cut<T: Copy>(samples: &[T], row: usize, columns: Range<usize>) -> Vec<T> {
    let mut out = Vec::with_capacity(samples.len() / row.max(1) * columns.len());
    samples.chunks_exact(row.max(1)).for_each(|row| out.extend_from_slice(&row[columns.clone()]));
    out
}
