//! From JPEG to JPEG without leaving luma and chroma: each plane is resized as it is stored.
//!
//! Both the resize and the conversion to RGB are linear, so their order does not matter but for rounding. What is saved
//! are two conversions, and enlarging chroma only to halve it again. Whatever needs the colours of pixels takes the
//! other way.

use std::iter::repeat_n;
use std::time::Instant;

use super::resize::{ROUNDING, resize, whole_pixels};
use super::{Error, Plan, Prepared, Rendered, Stages, colour, interest, output};
use crate::codec::{self, Area, Channels, Format, PlanarEncoder, Plane, Raster, Samples};
use crate::metadata;
use crate::query::{Effects, FormatChoice, Transform};

/// Smaller pictures are not worth the trouble at their edges.
const SMALLEST_SIDE: u32 = 16;

/// Makes the picture, if it can be made this way.
///
/// # Errors
/// As [`super::render`].
pub(super) fn render(
    prepared: &Prepared<'_>,
    transform: &Transform,
    started: Instant,
) -> Result<Option<Rendered>, Error> {
    let Some(encoder) = encoder(prepared, transform) else { return Ok(None) };
    let Prepared { bytes, plan, work, .. } = prepared;
    let Some(planes) = prepared.decoder.decode_planes(bytes, &prepared.need(transform))? else { return Ok(None) };
    let decoded = Instant::now();
    let planes = resized(planes, plan);
    work.check()?;
    let resized = Instant::now();
    let carried = metadata::carry(bytes, transform.metadata.into());
    let (format, width, height) = (Format::Jpeg, plan.width, plan.height);
    let finish = |encoded| metadata::embed(encoded, format, &carried, width, height);
    let encode = |encoding: &_| encoder.encode_planes(&planes, encoding, work).map(finish);
    let bytes = output::encode(&transform.output, |_| true, encode)?;
    let stages = Stages { decode: decoded - started, resize: resized - decoded, encode: resized.elapsed() };
    Ok(Some(Rendered { bytes, format, width, height, stages }))
}

/// The encoder, if nothing that is asked for needs more than luma and chroma at their size.
fn encoder(prepared: &Prepared<'_>, transform: &Transform) -> Option<&'static dyn PlanarEncoder> {
    let Prepared { bytes, header, plan, .. } = prepared;
    let is_jpeg = header.format == Format::Jpeg && matches!(transform.output.format, None | Some(FormatChoice::Jpeg));
    let is_plain = transform.effects == Effects::default()
        && transform.trim.is_none()
        && plan.canvas.is_none()
        && interest(transform).is_none();
    let is_large = plan.width.min(plan.height) >= SMALLEST_SIDE;
    if !(is_jpeg && is_plain && is_large && header.channels == Channels::Rgb) {
        return None;
    }
    if metadata::icc_profile(bytes, Format::Jpeg).is_some_and(|icc| !colour::is_srgb(&icc)) {
        return None;
    }
    codec::encoder(Format::Jpeg)?.planar(&output::encoding(&transform.output))
}

/// Upright planes at the size of the plan.
fn resized(planes: [Plane; 3], plan: &Plan) -> [Raster; 3] {
    let (width, height) = plan.stored_size();
    let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
    let [luma, blue, red] = planes;
    let luma = {
        let [field, area] = [plan.field, plan.area].map(|area| area.in_raster(&luma.raster, luma.area));
        resize(luma.raster, field, area, width, height)
    };
    let chroma = |plane: Plane| {
        let [field, area] = [plan.field, chroma_area(plan)].map(|area| area.in_raster(&plane.raster, plane.area));
        let (raster, field, area) = extended(plane.raster, field, area);
        resize(raster, field, area, half_width, half_height)
    };
    [luma, chroma(blue), chroma(red)].map(|plane| plane.oriented(plan.orientation))
}

/// The area of the stored picture that the samples of chroma cover. With an odd number of columns or rows the last one,
/// upright, lies half outside of the picture.
fn chroma_area(plan: &Plan) -> Area {
    let times = |side: u32| f64::from(side.div_ceil(2) * 2) / f64::from(side);
    let upright = Area { x: 0.0, y: 0.0, width: times(plan.width), height: times(plan.height) };
    let share = plan.orientation.inverse().area(upright, 1.0, 1.0);
    let area = plan.area;
    Area {
        x: area.x + share.x * area.width,
        y: area.y + share.y * area.height,
        width: share.width * area.width,
        height: share.height * area.height,
    }
}

/// Cuts the field out of a plane and repeats its outermost samples, if the area reaches out of it.
fn extended(plane: Raster, field: Area, area: Area) -> (Raster, Area, Area) {
    let field = whole_pixels(field, plane.width(), plane.height());
    let (left, right) = beyond(area.x, area.width, field.x, field.width);
    let (top, bottom) = beyond(area.y, area.height, field.y, field.height);
    if left + right + top + bottom == 0 {
        return (plane, field, area);
    }
    let rows = plane.samples().as_bytes().chunks_exact(plane.width() as usize);
    let rows: Vec<_> = rows.skip(field.y as usize).take(field.height as usize).collect();
    let (first, last) = (field.x as usize, (field.x + field.width) as usize - 1);
    let mut samples = Vec::new();
    for y in 0..top + rows.len() + bottom {
        let row = rows[y.saturating_sub(top).min(rows.len() - 1)];
        samples.extend(repeat_n(row[first], left));
        samples.extend_from_slice(&row[first..=last]);
        samples.extend(repeat_n(row[last], right));
    }
    let (width, height) = (left + last + 1 - first + right, top + rows.len() + bottom);
    let (width, height) = (width as u32, height as u32);
    let Some(raster) = Raster::new(width, height, Channels::L, Samples::U8(samples)) else {
        unreachable!("{height} rows of {width} samples were written")
    };
    let area = Area { x: area.x - field.x + left as f64, y: area.y - field.y + top as f64, ..area };
    (raster, Area::whole(width, height), area)
}

/// How many samples before and after a range there must be for another one to lie inside.
fn beyond(start: f64, length: f64, range_start: f64, range_length: f64) -> (usize, usize) {
    let samples = |distance: f64| (distance - ROUNDING).ceil().max(0.0) as usize;
    (samples(range_start - start), samples(start + length - range_start - range_length))
}
