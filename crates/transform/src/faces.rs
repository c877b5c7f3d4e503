//! Face detection in a picture.

use image_origin_faces::{Face, Picture, detect};

use super::smart_crop;
use image_origin_codec::{self as codec, Area, Budget, Cancellation, Raster};

/// The longest side of the picture in which faces are searched; a face of a twelfth of its height is found.
pub(super) const SIDE: u32 = 640;

/// The ratio of a whole face, with forehead, chin and ears, to the detected square.
const WHOLE_FACE: f64 = 1.5;

/// The faces of an upright 8-bit picture, largest first, as fractions of its sides. `budget` is for memory besides the
/// picture.
///
/// # Errors
/// [`codec::Error::Cancelled`] between rows, and [`codec::Error::TooLarge`] before anything is allocated.
pub(super) fn find(raster: &Raster, budget: Budget, cancellation: &Cancellation) -> Result<Vec<Area>, codec::Error> {
    let (width, height) = (raster.width(), raster.height());
    let pixels = u64::from(width) * u64::from(height);
    budget.check_memory(image_origin_faces::memory(width as usize, height as usize) + pixels)?;
    let samples = smart_crop::lumas(raster);
    let Some(picture) = Picture::new(&samples, width as usize, height as usize) else { return Ok(Vec::new()) };
    let mut faces = detect(picture, || cancellation.check())?;
    faces.sort_by(|a, b| b.side.total_cmp(&a.side));
    let (width, height) = (f64::from(width), f64::from(height));
    let share = |Face { x, y, side, .. }: Face| {
        let (left, top) = (x.clamp(0.0, width), y.clamp(0.0, height));
        let (right, bottom) = ((x + side).clamp(left, width), (y + side).clamp(top, height));
        Area { x: left / width, y: top / height, width: (right - left) / width, height: (bottom - top) / height }
    };
    Ok(faces.into_iter().map(share).filter(|face| face.width > 0.0 && face.height > 0.0).collect())
}

/// Extends a detected face to the whole face, for redaction.
pub(super) fn whole(face: Area) -> Area {
    let (across, down) = (face.width * (WHOLE_FACE - 1.0) / 2.0, face.height * (WHOLE_FACE - 1.0) / 2.0);
    Area { x: face.x - across, y: face.y - down, width: face.width * WHOLE_FACE, height: face.height * WHOLE_FACE }
}

/// The bounding box of some areas.
pub(super) fn around(areas: &[Area]) -> Option<Area> {
    areas.iter().copied().reduce(|a, b| {
        let (x, y) = (a.x.min(b.x), a.y.min(b.y));
        let (right, bottom) = ((a.x + a.width).max(b.x + b.width), (a.y + a.height).max(b.y + b.height));
        Area { x, y, width: right - x, height: bottom - y }
    })
}
