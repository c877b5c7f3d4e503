//! The picture to encode.

use super::EncodeError;

/// The maximum side, and the maximum number of superblocks of 64 by 64, of a tile (MAX_TILE_WIDTH and MAX_TILE_AREA, 3
/// and 5.9.15).
const MAX_SIDE: u32 = 4096;
const MAX_SUPERBLOCKS: u32 = 2304;

/// The identity matrix: green, blue and red without conversion (ITU-T H.273, 8.3).
const IDENTITY: u8 = 0;

/// 8-bit samples in contiguous rows.
#[derive(Debug, Clone, Copy)]
pub enum Planes<'a> {
    /// Luma only.
    Grey(&'a [u8]),
    /// Luma, and two chroma planes of half its columns and rows, rounded up.
    Halved([&'a [u8]; 3]),
    /// Luma, and two chroma planes of the same size; or green, blue and red with matrix 0.
    Full([&'a [u8]; 3]),
}

/// The colour description: code points of ITU-T H.273. The range is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour {
    /// `ColourPrimaries`, such as 1 for sRGB.
    pub primaries: u8,
    /// `TransferCharacteristics`, such as 13 for sRGB.
    pub transfer: u8,
    /// `MatrixCoefficients`, such as 6 for ITU-R BT.601, and 0 for the identity.
    pub matrix: u8,
}

impl Default for Colour {
    /// sRGB with the matrix of ITU-R BT.601, as in JPEG.
    fn default() -> Self {
        Self { primaries: 1, transfer: 13, matrix: 6 }
    }
}

/// A picture to encode, with the number of samples that its size requires.
#[derive(Debug, Clone, Copy)]
pub struct Picture<'a> {
    /// Width and height.
    pub(crate) size: [usize; 2],
    planes: Planes<'a>,
    pub(crate) colour: Colour,
}

impl<'a> Picture<'a> {
    /// Creates a picture of this size in pixels.
    ///
    /// # Errors
    /// [`EncodeError::Dimensions`], [`EncodeError::SampleCount`] and [`EncodeError::HalvedIdentity`].
    pub fn new(width: u32, height: u32, planes: Planes<'a>, colour: Colour) -> Result<Self, EncodeError> {
        let sides = [width, height];
        let superblocks: u32 = sides.map(|side| side.min(MAX_SIDE).div_ceil(64)).iter().product();
        if sides.iter().any(|side| !(1..=MAX_SIDE).contains(side)) || superblocks > MAX_SUPERBLOCKS {
            return Err(EncodeError::Dimensions { width, height });
        }
        let size = sides.map(|side| side as usize);
        let picture = Self { size, planes, colour };
        if picture.is_halved() && colour.matrix == IDENTITY {
            return Err(EncodeError::HalvedIdentity);
        }
        for (number, plane) in picture.planes().iter().enumerate() {
            let step = if number > 0 && picture.is_halved() { 2 } else { 1 };
            let (expected, actual) = (size.map(|side| side.div_ceil(step)).iter().product(), plane.len());
            if expected != actual {
                return Err(EncodeError::SampleCount { expected, actual });
            }
        }
        Ok(picture)
    }

    /// Luma, or luma and both chroma planes.
    pub(crate) fn planes(&self) -> &[&'a [u8]] {
        match &self.planes {
            Planes::Grey(luma) => std::slice::from_ref(luma),
            Planes::Halved(planes) | Planes::Full(planes) => planes,
        }
    }

    /// Whether chroma has half of the columns and rows.
    pub(crate) fn is_halved(&self) -> bool {
        matches!(self.planes, Planes::Halved(_))
    }
}
