//! From JPEG to JPEG, WebP or AVIF without leaving luma and chroma: each plane is resized as it is stored.
//!
//! Both the resize and the conversion to RGB are linear, so their order does not matter but for rounding. What is saved
//! are two conversions, and enlarging chroma only to halve it again. Whatever needs the colours of pixels takes the
//! other way.

use std::time::{Duration, Instant};

use super::lanczos::Levels;
use super::resize::whole_pixels;
use super::{Error, Plan, Preferences, Prepared, Rendered, Stages, conversion, interest, lanczos, output};
use crate::codec::{Area, Channels, Encoder, Format, PlanarEncoder, Plane, Range, Raster};
use crate::metadata;
use crate::query::{Effects, Transform};

/// Smaller pictures are not worth the trouble at their edges.
const SMALLEST_SIDE: u32 = 16;

/// Makes the picture, if it can be made this way.
///
/// # Errors
/// As [`super::render`].
pub(super) fn render(
    prepared: &Prepared<'_>,
    transform: &Transform,
    preferences: Preferences,
    started: Instant,
) -> Result<Option<Rendered>, Error> {
    let encoders = encoders(prepared, transform, preferences)?;
    if encoders.is_empty() {
        return Ok(None);
    }
    let Prepared { bytes, plan, work, .. } = prepared;
    let Some(planes) = prepared.decoder.decode_planes(bytes, &prepared.need(transform))? else { return Ok(None) };
    let decoded = Instant::now();
    let held: u64 = planes.iter().map(|plane| plane.raster.samples().len() as u64).sum();
    let [luma, ..] = &planes;
    prepared.budget.check_memory(held + lanczos::memory(&luma.raster, plan.stored_size().1))?;
    let ranges = [Range::Full, Range::Narrow].into_iter();
    let wanted = ranges.filter(|range| encoders.iter().any(|(_, encoder)| encoder.range() == *range));
    let made: Vec<_> = wanted.map(|range| (range, resized(&planes, plan, range))).collect();
    drop(planes);
    let ways: Vec<_> = encoders
        .into_iter()
        .filter_map(|(format, encoder)| {
            let (_, planes) = made.iter().find(|(range, _)| *range == encoder.range())?;
            Some((format, encoder, planes))
        })
        .collect();
    work.check()?;
    let resized = Instant::now();
    let carried = metadata::carry(bytes, transform.metadata.into(), work)?;
    let (width, height) = (plan.width, plan.height);
    let stages = Stages { decode: decoded - started, resize: resized - decoded, encode: Duration::ZERO };
    let rendered = output::smallest(&ways, &transform.output, |(format, encoder, planes), output| {
        let finish = |encoded| metadata::embed(encoded, format, &carried, width, height);
        let encode = |encoding: &_| encoder.encode_planes(planes, encoding, prepared.budget, work).map(finish);
        let bytes = output::encode(output, |_| true, encode)?;
        Ok(Rendered { bytes, format, width, height, stages })
    })?;
    Ok(Some(Rendered { stages: Stages { encode: resized.elapsed(), ..stages }, ..rendered }))
}

/// The encoders, if nothing that is asked for needs more than luma and chroma at their size; else none.
fn encoders(
    prepared: &Prepared<'_>,
    transform: &Transform,
    preferences: Preferences,
) -> Result<Vec<(Format, &'static dyn PlanarEncoder)>, Error> {
    let Prepared { bytes, header, plan, .. } = prepared;
    let is_plain = transform.effects == Effects::default()
        && transform.page.is_none()
        && transform.trim.is_none()
        && !transform.linear
        && plan.canvas.is_none()
        && interest(transform).is_none();
    let is_large = plan.width.min(plan.height) >= SMALLEST_SIDE;
    if !(header.format == Format::Jpeg && is_plain && is_large && header.channels == Channels::Rgb) {
        return Ok(Vec::new());
    }
    if metadata::icc_profile(bytes, Format::Jpeg, prepared.work)?.is_some_and(|icc| !conversion::is_srgb(&icc)) {
        return Ok(Vec::new());
    }
    let wanted = &transform.output;
    let encoders = output::choose_unseen(wanted, header.format, plan.output_size(), preferences);
    let planar = |encoder: &'static dyn Encoder| Some((encoder.format(), encoder.planar(&output::encoding(wanted))?));
    Ok(encoders.into_iter().map(planar).collect::<Option<_>>().unwrap_or_default())
}

/// Upright planes of a range, at the size of the plan.
fn resized([luma, blue, red]: &[Plane; 3], plan: &Plan, range: Range) -> [Raster; 3] {
    let (width, height) = plan.stored_size();
    let [of_luma, of_chroma] = levels(range);
    let resize = |Plane { raster, area: covered }: &Plane, area: Area, width, height, levels| {
        let [field, area] = [plan.field, area].map(|area| area.in_raster(raster, *covered));
        let (from_width, from_height) = (raster.width(), raster.height());
        if area == Area::whole(from_width, from_height) && (width, height) == (from_width, from_height) {
            return lanczos::copy(raster, levels);
        }
        lanczos::resize(raster, whole_pixels(field, from_width, from_height), area, width, height, levels)
    };
    let chroma = |plane| resize(plane, chroma_area(plan), width.div_ceil(2), height.div_ceil(2), of_chroma);
    [resize(luma, plan.area, width, height, of_luma), chroma(blue), chroma(red)]
        .map(|plane| plane.oriented(plan.orientation))
}

/// What the levels of luma and of chroma become.
fn levels(range: Range) -> [Levels; 2] {
    let narrow = |levels: f32, offset: f32| Levels { scale: levels / 255.0, offset };
    match range {
        Range::Full => [Levels::SAME; 2],
        // Chroma has its middle at 128 in both.
        Range::Narrow => [narrow(219.0, 16.0), narrow(224.0, 128.0 - 128.0 * 224.0 / 255.0)],
    }
}

/// The area of the stored picture that the samples of chroma cover. With an odd number of columns or rows the last one,
/// upright, lies half outside of the picture, where the filter finds its edge repeated.
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
