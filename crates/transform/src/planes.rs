//! The path from JPEG to JPEG, WebP or AVIF without RGB: each luma and chroma plane is resized as it is stored.
//!
//! Both the resize and the conversion to RGB are linear, so their order only affects rounding. This saves two
//! conversions, and the upsampling of chroma before it is subsampled again. Anything that needs RGB pixels takes the
//! other path.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::time::Instant;

use super::candidates::Candidates;
use super::finish::{Attempt, Finish};
use super::lanczos::Levels;
use super::overlay::Placed;
use super::prepared::Prepared;
use super::resize::whole_pixels;
use super::{Canvas, Error, Plan, Rendered, Stages, colour, conversion, effects, frame, gain_map, lanczos, overlay};
use image_origin_codec::{self as codec, Area, Budget, Channels, Format, PlanarEncoder, Plane, Range, Raster, avif};
use image_origin_metadata as metadata;
use image_origin_query::{Color, Colorspace, Extend, Framing, Quality, Transform};

/// How many times half of luma's resolution chroma has at least where luma makes up for what halving loses.
const MORE_CHROMA: f64 = 1.2;

/// The minimum side for this path, since edges dominate in smaller pictures.
const SMALLEST_SIDE: u32 = 16;

/// Renders the picture, if it can be rendered on this path.
///
/// # Errors
/// As [`super::Render::run`].
pub(super) fn render(prepared: &Prepared<'_>, started: Instant) -> Result<Option<Rendered>, Error> {
    let Some(candidates) = candidates(prepared)? else { return Ok(None) };
    let Prepared { render, image, plan, .. } = prepared;
    let cancellation = &render.cancellation;
    let overlay = Placed::new(render, plan.output_size())?;
    let is_small = candidates.is_small();
    let form = |encoder| Form::of(encoder, is_small);
    let mut wanted = Vec::with_capacity(candidates.all.len());
    for candidate in &candidates.all {
        let form = form(candidate.encoder);
        if !wanted.contains(&form) {
            wanted.push(form);
        }
    }
    let full_chroma = wanted.iter().any(|form| form.makes_up_for_chroma);
    let Some(planes) = image.decode_planes(&prepared.decode_options(), full_chroma)? else { return Ok(None) };
    let decoded = Instant::now();
    prepared.budget.check_memory(memory(&planes, plan, &wanted))?;
    let forms = Forms::new(planes, &wanted, is_small, prepared, overlay.as_ref())?;
    let candidates = candidates.map(|format, encoder| Some((format, encoder, form(encoder))));
    let Some(mut candidates) = candidates else { return Ok(None) };
    if let [first, _, ..] = candidates.all.as_slice()
        && codec::has_lights(&forms.get(first.encoder.2)?[0])
    {
        candidates = candidates.for_lights();
    }
    cancellation.check()?;
    let resized = Instant::now();
    let carried = metadata::carry(render.original, render.kept(), cancellation)?;
    let rest = prepared.budget.beside(forms.held())?;
    let carried = gain_map::carried(carried, render, (image.header(), plan), candidates.formats(), rest)?;
    let budget = prepared.budget.beside(carried.bytes())?;
    let (width, height) = plan.output_size();
    let rendered =
        candidates.smallest(render.encode_request(), budget, |(format, encoder, form), request, budget| {
            let planes = forms.get(form)?;
            let budget = budget.beside(forms.held())?;
            let finish = Finish { format, width, height, attempts: None };
            let written = finish.write(
                request,
                |_| true,
                budget,
                |options, _, budget| {
                    let encoded = encoder.encode_planes(planes, options, budget, cancellation)?;
                    Ok(Attempt::Whole(encoded, Cow::Borrowed(&carried)))
                },
            )?;
            Ok(written.rendered)
        })?;
    let stages = Stages { decode: decoded - started, resize: resized - decoded, encode: resized.elapsed() };
    Ok(Some(Rendered { stages, ..rendered }))
}

/// What an encoder expects of planes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Form {
    range: Range,
    makes_up_for_chroma: bool,
}

impl Form {
    /// Full chroma takes longer to decode than a small picture to encode, for one or two per cent of its bytes.
    fn of(encoder: &dyn PlanarEncoder, is_small: bool) -> Self {
        Self { range: encoder.range(), makes_up_for_chroma: encoder.makes_up_for_chroma() && !is_small }
    }
}

/// The finished planes in each of the required forms.
struct Forms<'p> {
    prepared: &'p Prepared<'p>,
    overlay: Option<&'p Placed<'p>>,
    /// The planes as they were decoded, where forms are still to be made of them.
    decoded: Option<[Plane; 3]>,
    made: Vec<(Form, OnceCell<[Raster; 3]>)>,
}

impl<'p> Forms<'p> {
    /// Makes all forms or, of a small picture, which seldom needs more than one, each when it is asked for.
    fn new(
        planes: [Plane; 3],
        wanted: &[Form],
        is_small: bool,
        prepared: &'p Prepared<'p>,
        overlay: Option<&'p Placed<'p>>,
    ) -> Result<Self, Error> {
        let made = wanted.iter().map(|form| (*form, OnceCell::new())).collect();
        let forms = Self { prepared, overlay, decoded: None, made };
        if is_small && wanted.len() > 1 {
            return Ok(Self { decoded: Some(planes), ..forms });
        }
        let resized = all_made(planes, &prepared.plan, wanted)?;
        let mut held = resized.iter().map(bytes).sum::<u64>();
        for (made, (_, cell)) in resized.into_iter().zip(&forms.made) {
            held -= bytes(&made);
            let planes = forms.finished(made, held)?;
            held += cell.get_or_init(|| planes).iter().map(Raster::bytes).sum::<u64>();
        }
        Ok(forms)
    }

    fn get(&self, form: Form) -> Result<&[Raster; 3], Error> {
        let missing = codec::Error::Internal("a form of planes that was not asked for");
        let Some((_, cell)) = self.made.iter().find(|(of, _)| *of == form) else { return Err(missing.into()) };
        if let Some(planes) = cell.get() {
            return Ok(planes);
        }
        let Some(decoded) = &self.decoded else { return Err(missing.into()) };
        let resized = resized(decoded.each_ref().map(Cow::Borrowed), &self.prepared.plan, form)?;
        let planes = self.finished((form, resized), self.held())?;
        Ok(cell.get_or_init(|| planes))
    }

    /// The memory of all planes and the overlay in bytes.
    fn held(&self) -> u64 {
        let decoded = self.decoded.iter().flatten().map(|plane| plane.raster.bytes());
        let made = self.made.iter().filter_map(|(_, cell)| cell.get()).flatten().map(Raster::bytes);
        decoded.chain(made).sum::<u64>() + self.overlay.map_or(0, Placed::held)
    }

    /// The planes of a form with effects, corners, padding and the overlay, beside so much memory in bytes.
    fn finished(&self, (form, planes): Made, held: u64) -> Result<[Raster; 3], Error> {
        let Prepared { render, budget, .. } = self.prepared;
        let budget = budget.beside(held)?;
        let planes = effects::apply_to_planes(planes, &render.transform.effects, budget, &render.cancellation)?;
        let mut planes = framed(planes, form.range, self.prepared, budget)?;
        if let Some(overlay) = self.overlay {
            let rest = budget.beside(planes.iter().map(Raster::bytes).sum())?;
            overlay.layer(Colorspace::Srgb, rest)?.blend_planes(&mut planes, levels(form.range));
        }
        Ok(planes)
    }
}

/// The planes in each of the required forms. The last one takes ownership of the decoded planes if they already
/// have the right size.
fn all_made(planes: [Plane; 3], plan: &Plan, wanted: &[Form]) -> Result<Vec<Made>, Error> {
    let Some((last, others)) = wanted.split_last() else { return Ok(Vec::new()) };
    let borrowed = |form: &Form| Ok((*form, resized(planes.each_ref().map(Cow::Borrowed), plan, *form)?));
    let mut made = others.iter().map(borrowed).collect::<Result<Vec<_>, Error>>()?;
    made.push((*last, resized(planes.map(Cow::Owned), plan, *last)?));
    Ok(made)
}

/// Planes of a form.
type Made = (Form, [Raster; 3]);

/// The memory of planes in bytes.
fn bytes((_, planes): &Made) -> u64 {
    planes.iter().map(Raster::bytes).sum()
}

/// The planes with corners and padding.
fn framed(planes: [Raster; 3], range: Range, prepared: &Prepared<'_>, budget: Budget) -> Result<[Raster; 3], Error> {
    let Prepared { render, plan, .. } = prepared;
    if plan.canvas.is_none() && plan.radius.is_none() {
        return Ok(planes);
    }
    let Transform { framing, background, .. } = &render.transform;
    let extend = if plan.canvas.is_some() { framing.extend } else { Extend::Color };
    let framing = Framing { radius: plan.radius, extend, ..*framing };
    let canvas = plan.canvas.unwrap_or(Canvas { width: plan.width, height: plan.height, left: 0, top: 0 });
    let background = colour::flat(background.unwrap_or(Color::WHITE)).rgb.map(f32::from);
    let [luma, blue, red] = overlay::ycc(background);
    let [of_luma, of_chroma] = levels(range);
    let background = [of_luma.of(luma), of_chroma.of(blue), of_chroma.of(red)].map(|level| level.round() as u8);
    Ok(frame::framed_planes(planes, canvas, &framing, background, budget, &render.cancellation)?)
}

/// The maximum memory of [`all_made`] in bytes, including the decoded planes.
fn memory(planes: &[Plane; 3], plan: &Plan, forms: &[Form]) -> u64 {
    let size @ (width, height) = plan.stored_size();
    let Chroma { size: half, area: chroma } = Chroma::new(plan);
    let [luma, blue, red] = planes;
    let (mut held, mut working) = (0, 0);
    for (Plane { raster, area: covered, .. }, area, (width, height)) in
        [(luma, plan.area, size), (blue, chroma, half), (red, chroma, half)]
    {
        let area = area.in_raster(raster, *covered);
        let keeps_size = is_whole(area, raster, width, height);
        let copies = forms.len() as u64 - u64::from(keeps_size);
        held += raster.bytes() + copies * u64::from(width) * u64::from(height);
        working = if keeps_size { working } else { lanczos::memory(raster, area, (width, height)).max(working) };
    }
    let pixels = u64::from(width) * u64::from(height);
    let turned = if plan.orientation.transposes() { pixels } else { 0 };
    // All three planes of full resolution beside the result, which is counted above.
    let halving = if forms.iter().any(|form| form.makes_up_for_chroma) {
        3 * pixels + avif::halving_memory(width, height).max(avif::halving_memory(height, width))
    } else {
        0
    };
    held + working + turned + halving
}

/// The candidates, if the request needs only resized luma and chroma.
fn candidates(prepared: &Prepared<'_>) -> Result<Option<Candidates<&'static dyn PlanarEncoder>>, Error> {
    let Prepared { render, image, plan, .. } = prepared;
    let (transform, header) = (&render.transform, image.header());
    let is_plain = effects::are_linear(&transform.effects)
        && transform.page.is_none()
        && transform.redaction.is_none()
        && !transform.linear
        && plan.tilt.is_none()
        && !cuts_padding(plan, transform.framing.extend)
        && !prepared.needs_pixels();
    // Likeness is that of RGB.
    let is_searched = matches!(transform.output.quality, Some(Quality::Auto(_)));
    let is_large = plan.width.min(plan.height) >= SMALLEST_SIDE;
    if !(header.format == Format::Jpeg && is_plain && is_large && !is_searched && header.channels == Channels::Rgb) {
        return Ok(None);
    }
    if image_origin_container::icc_profile(render.original, Format::Jpeg, &render.cancellation)?
        .is_some_and(|icc| !conversion::is_srgb(&icc))
    {
        return Ok(None);
    }
    let candidates = render.choice(header.format, plan).unseen();
    // Planes have no alpha.
    let is_opaque = transform.background.is_some_and(|color| color.alpha == u8::MAX);
    let loses_alpha = !is_opaque && candidates.all.iter().any(|candidate| candidate.encoder.has_alpha());
    if loses_alpha && shows_background(plan, transform.framing.extend) {
        return Ok(None);
    }
    let request = render.encode_request();
    let planar = candidates.map(|format, encoder| encoder.planar(&request.in_format(format).options));
    Ok(planar.filter(|candidates| !candidates.all.is_empty()))
}

/// Whether corners show the background inside of padding that is made of the picture.
fn cuts_padding(plan: &Plan, extend: Extend) -> bool {
    plan.canvas.is_some() && plan.radius.is_some() && matches!(extend, Extend::Edge | Extend::Mirror)
}

/// Whether a part of the output shows the background.
fn shows_background(plan: &Plan, extend: Extend) -> bool {
    match (plan.canvas, extend) {
        (None, _) => plan.radius.is_some(),
        (Some(_), Extend::Color) => true,
        (Some(_), Extend::Edge | Extend::Mirror | Extend::Blur) => false,
    }
}

/// Upright planes of a form, at the planned size.
fn resized([luma, blue, red]: [Cow<'_, Plane>; 3], plan: &Plan, form: Form) -> Result<[Raster; 3], Error> {
    let (width, height) = plan.stored_size();
    let [of_luma, of_chroma] = levels(form.range);
    let resize = |plane: Cow<'_, Plane>, area: Area, width, height, levels| {
        let Plane { raster, area: covered, blur } = &*plane;
        let [field, area] = [plan.field, area].map(|area| area.in_raster(raster, *covered));
        let resized = if is_whole(area, raster, width, height) {
            lanczos::with_levels(plane.into_owned().raster, levels)
        } else {
            let field = whole_pixels(field, raster.width(), raster.height());
            lanczos::resize(raster, (field, area), *blur, (width, height), levels)
        };
        resized.oriented(plan.orientation)
    };
    let Chroma { size, area } = Chroma::new(plan);
    // Chroma that hardly has more than half of luma's resolution loses little.
    let has_more = |plane: &Plane| {
        let area = plan.area.in_raster(&plane.raster, plane.area);
        area.width >= MORE_CHROMA * f64::from(size.0) && area.height >= MORE_CHROMA * f64::from(size.1)
    };
    let is_aligned = plan.canvas.is_none_or(|canvas| canvas.left % 2 == 0 && canvas.top % 2 == 0);
    if form.makes_up_for_chroma && is_aligned && has_more(&blue) && has_more(&red) {
        let chroma = |plane| resize(plane, plan.area, width, height, of_chroma);
        let planes = [resize(luma, plan.area, width, height, of_luma), chroma(blue), chroma(red)];
        return Ok(avif::with_halved_chroma(&planes)?);
    }
    let chroma = |plane| resize(plane, area, size.0, size.1, of_chroma);
    Ok([resize(luma, plan.area, width, height, of_luma), chroma(blue), chroma(red)])
}

/// Whether an area covers a whole plane, and the result has the plane's size.
fn is_whole(area: Area, raster: &Raster, width: u32, height: u32) -> bool {
    let size = (raster.width(), raster.height());
    area == Area::whole(size.0, size.1) && (width, height) == size
}

/// The conversions of the levels of luma and chroma.
fn levels(range: Range) -> [Levels; 2] {
    let narrow = |levels: f32, offset: f32| Levels { scale: levels / 255.0, offset };
    match range {
        Range::Full => [Levels::SAME; 2],
        // Chroma is centred at 128 in both ranges.
        Range::Narrow => [narrow(219.0, 16.0), narrow(224.0, 128.0 - 128.0 * 224.0 / 255.0)],
    }
}

/// The size of the stored chroma planes, and the area of the stored picture that they cover.
struct Chroma {
    size: (u32, u32),
    area: Area,
}

impl Chroma {
    /// The samples are aligned with the canvas. Where a pair of columns or rows is not entirely in the picture, its area
    /// exceeds the picture by a pixel, where the filter repeats the edge.
    fn new(plan: &Plan) -> Self {
        let (left, top) = plan.canvas.map_or((0, 0), |canvas| (canvas.left % 2, canvas.top % 2));
        let (width, height) = ((left + plan.width).div_ceil(2), (top + plan.height).div_ceil(2));
        let share = |pixels: u32, side: u32| f64::from(pixels) / f64::from(side);
        let upright = Area {
            x: -share(left, plan.width),
            y: -share(top, plan.height),
            width: share(2 * width, plan.width),
            height: share(2 * height, plan.height),
        };
        let inverse = plan.orientation.inverse();
        let (share, area) = (upright.oriented(inverse, 1.0, 1.0), plan.area);
        let area = Area {
            x: area.x + share.x * area.width,
            y: area.y + share.y * area.height,
            width: share.width * area.width,
            height: share.height * area.height,
        };
        Self { size: inverse.size(width, height), area }
    }
}
