//! The marked subject of an original, for `gravity=auto`.
//!
//! Input: the focus stored with the original, and its file. Output: an area in pixels of the upright picture.

use super::plan::Original;
use super::{Error, Render};
use image_origin_codec::Area;
use image_origin_metadata::{self as metadata, MarkedArea};

/// The area that is marked: the one that is stored beside the original, else the one that its metadata names.
///
/// # Errors
/// [`Error::Codec`] when the work is stopped, or the metadata cost more than the file's length can pay for.
pub(super) fn marked(render: &Render<'_>, original: Original) -> Result<Option<Area>, Error> {
    let (width, height) = original.upright_size();
    let (across, down) = (f64::from(width), f64::from(height));
    if let Some(focus) = render.focus {
        let (x, y) = (focus.x.get() * across, focus.y.get() * down);
        return Ok(Some(Area { x, y, width: focus.width.get() * across, height: focus.height.get() * down }));
    }
    let stored = (original.width, original.height);
    let marked = metadata::marked_area(render.original, stored, &render.cancellation)?;
    Ok(marked.map(|MarkedArea { x, y, width, height }| {
        let (across, down) = (f64::from(original.width), f64::from(original.height));
        original.upright(Area { x: x * across, y: y * down, width: width * across, height: height * down })
    }))
}

/// The middle of an area in shares of the upright picture.
pub(super) fn middle(area: Area, original: Original) -> (f64, f64) {
    let (width, height) = original.upright_size();
    middle_within(area, Area::whole(width, height))
}

/// The middle of an area in shares of another one, or the nearest point of that.
pub(super) fn middle_within(area: Area, of: Area) -> (f64, f64) {
    let share = |middle: f64, start: f64, length: f64| ((middle - start) / length).clamp(0.0, 1.0);
    (share(area.x + area.width / 2.0, of.x, of.width), share(area.y + area.height / 2.0, of.y, of.height))
}
