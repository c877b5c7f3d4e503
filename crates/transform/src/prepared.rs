//! An original whose header is parsed, and the plan for it: all that is decided before pixels are decoded.

use super::picture::Picture;
use super::plan::{self, Original, Plan};
use super::smart_crop::Interest;
use super::{Error, Limits, Render, animation, faces, focus};
use image_origin_codec::{
    self as codec, Animation, Area, Budget, Channels, DecodeOptions, Decoded, Format, Header, Image, Orientation,
};
use image_origin_query::{Anchor, Crop, Gravity, Hidden, Redaction, Transform};

/// An original with a parsed header.
pub(super) struct Prepared<'a> {
    pub(super) render: &'a Render<'a>,
    pub(super) image: Image<'a>,
    pub(super) original: Original,
    /// What is marked as the subject, in upright pixels, if that is asked for.
    pub(super) marked: Option<Area>,
    /// What is to be looked for.
    pub(super) interest: Option<Interest>,
    pub(super) crop: Area,
    pub(super) plan: Plan,
    pub(super) animation: Option<Animation>,
    /// Whether faces are searched, which requires a picture of some size.
    pub(super) finds_faces: bool,
    pub(super) budget: Budget,
}

impl<'a> Prepared<'a> {
    pub(super) fn new(render: &'a Render<'a>) -> Result<Self, Error> {
        let Render { transform, cancellation, limits: Limits { budget, .. }, .. } = render;
        cancellation.check()?;
        let image = codec::open(render.original, *budget, cancellation)?;
        let header = image.header();
        let original = Original { width: header.width, height: header.height, orientation: header.orientation };
        let marked = if is_automatic(transform) { focus::marked(render, original)? } else { None };
        let middle = marked.map_or_else(|| plan::focus_of(transform.gravity), |area| focus::middle(area, original));
        let crop = original.crop(transform.crop, middle)?;
        let plan = planned(original, crop, transform, marked)?;
        // Fails before decoding if the result is known to exceed the budget.
        budget.check_memory(least_memory(&header, &plan))?;
        let animation = image.animation(cancellation)?;
        let interest = interest(transform).filter(|_| marked.is_none());
        let finds_faces = hides_faces(transform)
            || (places_crop(transform, interest) || plan.is_cut()) && interest.is_some_and(Interest::is_faces);
        Ok(Self { render, image, original, marked, interest, crop, plan, animation, finds_faces, budget: *budget })
    }

    /// Whether the plan depends on pixels.
    pub(super) fn needs_pixels(&self) -> bool {
        let transform = &self.render.transform;
        transform.trim.is_some()
            || places_crop(transform, self.interest)
            || hides_faces(transform)
            || self.plan.is_cut() && self.interest.is_some()
    }

    /// The requirements of the output for the decoder.
    pub(super) fn decode_options(&self) -> DecodeOptions<'a> {
        let transform = &self.render.transform;
        let area = match self.needs_pixels() {
            true if places_crop(transform, self.interest) || hides_faces(transform) => self.image.area(),
            true => self.plan.field,
            false => self.plan.area,
        };
        // A border can only be detected in full-size pixels, and decoders do not reduce in linear light.
        let whole = transform.trim.is_some() || transform.linear;
        let is_drawing = self.image.header().format == Format::Svg;
        // A drawing can be rendered at any scale, and what is rendered is not resized any more.
        let (scale, most) =
            if is_drawing { (self.plan.exact_scale(), f64::INFINITY) } else { (self.plan.scale(), 1.0) };
        let scale = match scale {
            scale if whole => scale.max(1.0).min(most),
            scale if self.finds_faces => scale.max(f64::from(faces::SIDE) / area.width.max(area.height)).min(most),
            scale => scale,
        };
        DecodeOptions {
            area,
            scale,
            budget: self.budget,
            cancellation: &self.render.cancellation,
            cores: &self.render.cores,
        }
    }

    pub(super) fn decode(&self) -> Result<Picture<'a>, Error> {
        let frame = match self.render.transform.page {
            Some(page) => animation::frame(self, page)?,
            None => None,
        };
        let decoded = match frame {
            Some(frame) => frame,
            None => self.image.decode(&self.decode_options())?,
        };
        Ok(self.picture(decoded))
    }

    /// Combines the decoded pixels with the plan.
    pub(super) fn picture(&self, decoded: Decoded) -> Picture<'a> {
        let Self { render, image, original, marked, interest, crop, plan, budget, .. } = *self;
        Picture { render, header: image.header(), original, marked, interest, crop, plan, decoded, faces: None, budget }
    }
}

pub(super) fn interest(transform: &Transform) -> Option<Interest> {
    match transform.gravity {
        Gravity::Named(Anchor::Entropy) => Some(Interest::Entropy),
        Gravity::Named(Anchor::Attention) => Some(Interest::Attention),
        Gravity::Named(Anchor::Face) => Some(Interest::Face),
        Gravity::Named(Anchor::Faces) => Some(Interest::Faces),
        Gravity::Named(Anchor::Auto) => Some(Interest::Auto),
        _ => None,
    }
}

pub(super) fn hides_faces(transform: &Transform) -> bool {
    matches!(&transform.redaction, Some(Redaction { hidden: Hidden::Faces, .. }))
}

/// Whether `crop` has only a size, and its position is found by a smart gravity.
pub(super) fn places_crop(transform: &Transform, interest: Option<Interest>) -> bool {
    let is_size = matches!(transform.crop, Some(Crop::PixelSize { .. } | Crop::ShareSize { .. }));
    is_size && interest.is_some()
}

pub(super) fn is_automatic(transform: &Transform) -> bool {
    transform.gravity == Gravity::Named(Anchor::Auto)
}

/// The plan before pixels are seen. What is marked is in the middle of what is shown, as near as the edges allow.
pub(super) fn planned(
    original: Original,
    crop: Area,
    transform: &Transform,
    marked: Option<Area>,
) -> Result<Plan, Error> {
    let plan = Plan::new(original, crop, transform, None)?;
    let Some(area) = marked.filter(|_| plan.is_cut()) else { return Ok(plan) };
    let turn = original.orientation.inverse().then(plan.orientation);
    Plan::new(original, crop, transform, Some(turned(focus::middle_within(area, crop), turn)))
}

/// Applies an orientation to a point given as fractions of the sides.
pub(super) fn turned((x, y): (f64, f64), turn: Orientation) -> (f64, f64) {
    let point = Area { x, y, width: 0.0, height: 0.0 }.oriented(turn, 1.0, 1.0);
    (point.x, point.y)
}

/// A lower bound of the memory in bytes that the plan needs at a time: the pixels of the output without alpha, which may
/// turn out to be unused, or those before and after a rotation, which adds alpha.
pub(super) fn least_memory(header: &Header, plan: &Plan) -> u64 {
    let colours = if matches!(header.channels, Channels::L | Channels::La) { 1 } else { 3 };
    let samples = |(width, height): (u32, u32), samples: u64| u64::from(width) * u64::from(height) * samples;
    let tilted = plan.tilt.map_or(0, |tilt| samples(tilt.before, colours) + samples(tilt.after, colours + 1));
    samples(plan.output_size(), colours).max(tilted)
}
