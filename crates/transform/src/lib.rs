//! Renders an original according to a [`Transform`]: from the bytes of a file to the bytes of the requested picture.
//!
//! The steps: probe the header, plan, decode (to size, if the format allows it), crop and resize in one pass, rotate
//! upright, convert colours, rotate by other angles, apply effects, frame, blend over the background, blend the overlay
//! over it, encode. Every step after the resize works on the small picture. This crate knows nothing about HTTP or
//! storage.

// Tests have no caller that could pass a `Cancellation`.
#![cfg_attr(test, allow(clippy::disallowed_methods))]

mod animation;
mod colour;
mod conversion;
mod corners;
mod effects;
mod faces;
mod focus;
mod frame;
mod info;
mod lanczos;
mod mosaic;
mod output;
mod overlay;
mod plan;
mod planes;
mod redact;
mod report;
mod resize;
mod smart_crop;
mod tilt;
mod trim;

use std::borrow::Cow;
use std::time::{Duration, Instant};

pub use info::{Info, Region};
pub use output::{AUTO_FORMATS, Accepted};
pub use overlay::{OverlayCache, OverlayFile};
pub use plan::{Canvas, Original, Plan};
pub use report::report;
pub use resize::resize;
pub use tilt::Tilt;

use conversion::Conversion;
use image_origin_codec::{
    self as codec, Animation, Area, Budget, Cancellation, Channels, DecodeOptions, Decoded, EncodeOptions, Encoder,
    Format, Header, Image, Orientation, Primaries, Raster,
};
use image_origin_metadata::{self as metadata, Keep};
use image_origin_query::{
    Anchor, Color, Colorspace, Crop, Effects, Focus, Framing, Gravity, Hidden, Metadata, Output, Redaction, Transform,
};
use output::{Attempt, Choice, EncodeRequest, Finish};
use overlay::Placed;
use smart_crop::Interest;

/// The error of rendering a picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The original cannot be decoded, or the output cannot be encoded.
    #[error(transparent)]
    Codec(#[from] codec::Error),
    /// `crop` contains no part of the picture.
    #[error("crop={crop} lies outside the picture, which is {width} by {height} pixels after orientation")]
    CropOutside {
        /// The requested crop.
        crop: String,
        /// Width of the upright picture.
        width: u32,
        /// Height of the upright picture.
        height: u32,
    },
    /// `page` is not the number of a frame.
    #[error("page={page} does not exist: the image has {frames} frame(s), counted from 0")]
    PageOutside {
        /// The requested frame.
        page: u32,
        /// The number of frames.
        frames: u32,
    },
    /// The overlay cannot be decoded.
    #[error("the overlay cannot be used: {0}")]
    Overlay(codec::Error),
    /// The output does not fit into `max_bytes` at the lowest quality.
    #[error("the smallest output has {smallest} bytes, which exceeds max_bytes={allowed}")]
    MaxBytes {
        /// The size of the smallest output in bytes.
        smallest: u64,
        /// The requested limit in bytes.
        allowed: u64,
    },
}

impl Error {
    /// Converts a memory error to one about the whole budget, instead of the remaining budget.
    fn in_all(self, budget: Budget) -> Self {
        let in_all = |error| match error {
            codec::Error::TooLarge { what: codec::MEMORY, needs, allowed } => {
                let held = budget.memory.saturating_sub(allowed);
                let (needs, allowed) = (needs.saturating_add(held), allowed + held);
                codec::Error::TooLarge { what: codec::MEMORY, needs, allowed }
            }
            other => other,
        };
        match self {
            Self::Codec(error) => Self::Codec(in_all(error)),
            Self::Overlay(error) => Self::Overlay(in_all(error)),
            other => other,
        }
    }

    /// What kept the overlay from being used. That the work is to stop is about the whole of it.
    fn of_overlay(error: codec::Error) -> Self {
        match error {
            codec::Error::Cancelled(stopped) => stopped.into(),
            error => Self::Overlay(error),
        }
    }

    fn output_side(needs: u64, allowed: u64) -> Self {
        Self::Codec(codec::Error::TooLarge { what: "a side of the output in pixels", needs, allowed })
    }
}

impl From<codec::Exhausted> for Error {
    fn from(exhausted: codec::Exhausted) -> Self {
        Self::Codec(exhausted.into())
    }
}

impl From<codec::Cancelled> for Error {
    fn from(stopped: codec::Cancelled) -> Self {
        Self::Codec(stopped.into())
    }
}

/// The metadata that this value of the parameter `metadata` keeps.
pub const fn keep(metadata: Metadata) -> Keep {
    match metadata {
        Metadata::None => Keep::None,
        Metadata::Copyright => Keep::Copyright,
        Metadata::All => Keep::All,
    }
}

/// The limits for one response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The limits for a picture, or for a frame of an animation.
    pub budget: Budget,
    /// The maximum number of frames of an animation.
    pub frames: u32,
    /// The maximum number of pixels of all frames together.
    pub frame_pixels: u64,
}

impl Default for Limits {
    /// Sufficient for pictures of 100 megapixels in small sizes, and for those of 48 megapixels in full size.
    fn default() -> Self {
        Self::from(Budget { pixels: 100_000_000, memory: 512 << 20 })
    }
}

impl From<Budget> for Limits {
    /// The default limits for animations.
    fn from(budget: Budget) -> Self {
        Self { budget, frames: 2000, frame_pixels: 500_000_000 }
    }
}

/// A finished picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The encoded picture.
    pub bytes: Vec<u8>,
    /// Its format.
    pub format: Format,
    /// Its width in pixels.
    pub width: u32,
    /// Its height in pixels.
    pub height: u32,
    /// The durations of the stages.
    pub stages: Stages,
}

/// The duration of each stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stages {
    /// Parsing the header and decoding the pixels.
    pub decode: Duration,
    /// Everything between decoding and encoding.
    pub resize: Duration,
    /// Encoding the output.
    pub encode: Duration,
}

/// A builder that renders a picture from an original, a transform and limits.
///
/// ```no_run
/// use std::time::{Duration, Instant};
///
/// use image_origin_transform::Render;
///
/// let original = std::fs::read("photo.jpg")?;
/// let picture = Render::new(&original)
///     .transform("w=300&format=auto".parse()?)
///     .accept("image/avif,image/webp,*/*;q=0.8")
///     .deadline(Instant::now() + Duration::from_secs(10))
///     .run()?;
/// std::fs::write(format!("photo-300.{}", picture.format.name()), &picture.bytes)?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Render<'a> {
    original: &'a [u8],
    overlay: Option<OverlayFile<'a>>,
    focus: Option<Focus>,
    transform: Transform,
    accepted: Accepted,
    avif_speed: u8,
    limits: Limits,
    cancellation: Cancellation,
}

impl<'a> Render<'a> {
    /// Creates a builder for the original in its own size and format, with the default limits and without a deadline.
    pub fn new(original: &'a [u8]) -> Self {
        Self {
            original,
            overlay: None,
            focus: None,
            transform: Transform::default(),
            accepted: Accepted::default(),
            avif_speed: codec::avif::DEFAULT_SPEED,
            limits: Limits::default(),
            cancellation: Cancellation::default(),
        }
    }

    /// Sets the transform.
    pub fn transform(self, transform: Transform) -> Self {
        Self { transform, ..self }
    }

    /// Sets the file that [`Transform::overlay`] names, if there is one.
    pub fn overlay(self, overlay: Option<OverlayFile<'a>>) -> Self {
        Self { overlay, ..self }
    }

    /// Sets the focus that is stored with the original, for `gravity=auto`. It takes precedence over the file's metadata.
    pub fn focus(self, focus: Option<Focus>) -> Self {
        Self { focus, ..self }
    }

    /// Sets the client's `Accept` header, from which `format=auto` chooses; AVIF is preferred to WebP if the client
    /// accepts both.
    pub fn accept(self, header: &str) -> Self {
        self.accepted(Accepted::from_header(header, &AUTO_FORMATS))
    }

    /// Sets the negotiated formats for `format=auto`.
    pub fn accepted(self, accepted: Accepted) -> Self {
        Self { accepted, ..self }
    }

    /// Sets the speed of the AVIF encoder: one of [`codec::avif::SPEEDS`].
    pub fn avif_speed(self, avif_speed: u8) -> Self {
        Self { avif_speed, ..self }
    }

    /// Sets the limits.
    pub fn limits(self, limits: impl Into<Limits>) -> Self {
        Self { limits: limits.into(), ..self }
    }

    /// Sets the deadline.
    pub fn deadline(self, deadline: Instant) -> Self {
        self.cancellation(Cancellation::until(deadline))
    }

    /// Sets the cancellation token, which replaces a deadline set before.
    pub fn cancellation(self, cancellation: Cancellation) -> Self {
        Self { cancellation, ..self }
    }

    /// Renders the picture.
    ///
    /// # Errors
    /// Any [`Error`]. Limits are checked before memory is allocated.
    pub fn run(&self) -> Result<Rendered, Error> {
        self.rendered(Instant::now()).map_err(|error| error.in_all(self.limits.budget))
    }

    fn rendered(&self, started: Instant) -> Result<Rendered, Error> {
        let prepared = Prepared::new(self)?;
        if let Some(rendered) = planes::render(&prepared, started)? {
            return Ok(rendered);
        }
        if let Some(rendered) = animation::render(&prepared, started)? {
            return Ok(rendered);
        }
        let (transform, cancellation) = (&self.transform, &self.cancellation);
        let mut picture = prepared.decode()?.redacted()?;
        let decoded = Instant::now();
        picture.refine_plan()?;
        cancellation.check()?;
        let (choice, budget) = (self.choice(picture.header.format, &picture.plan), picture.budget);
        let overlay = Placed::new(self, picture.plan.output_size())?;
        let Framed { raster, space, canvas } = picture.framed()?;
        let rest = budget.beside(raster.bytes())?;
        let encoders = choice.for_raster(&raster, rest)?;
        let resized = Instant::now();
        let carried = metadata::carry(self.original, kept(transform), cancellation)?;
        let write = |raster: &Raster, space, encoder: &dyn Encoder, request: EncodeRequest, budget: Budget| {
            let (primaries, profile) = announced(space, encoder);
            let carried = carried.with_profile(profile);
            let budget = budget.beside(2 * carried.bytes())?;
            let (format, width, height) = (encoder.format(), raster.width(), raster.height());
            let finish = Finish { format, width, height, attempts: None };
            let has_quality = |options: &EncodeOptions| encoder.has_quality(options);
            finish.write(request, has_quality, budget, |options, _, budget| {
                let options = EncodeOptions { primaries, ..*options };
                Ok(Attempt::Whole(encoder.encode(raster, &options, budget, cancellation)?, Cow::Borrowed(&carried)))
            })
        };
        let rendered = if let [only] = encoders.as_slice() {
            let on_background = on_background(Cow::Owned(raster), space, canvas, transform, *only, budget)?;
            let (raster, space) = with_overlay(on_background, overlay.as_ref(), budget)?;
            let held = raster.bytes() + overlay.as_ref().map_or(0, Placed::held);
            write(&raster, space, *only, self.encode_request(), budget.beside(held)?)?
        } else {
            // Each format may require other colours, or no alpha.
            output::smallest(&encoders, self.encode_request(), rest, |encoder, request, rest| {
                let all = Budget { memory: rest.memory + raster.bytes(), ..rest };
                let on_background = on_background(Cow::Borrowed(&raster), space, canvas, transform, encoder, all)?;
                let (changed, space) = with_overlay(on_background, overlay.as_ref(), all)?;
                let changed_bytes = if let Cow::Owned(changed) = &changed { changed.bytes() } else { 0 };
                let held = changed_bytes + overlay.as_ref().map_or(0, Placed::held);
                write(&changed, space, encoder, request, rest.beside(held)?)
            })?
        };
        let stages = Stages { decode: decoded - started, resize: resized - decoded, encode: resized.elapsed() };
        Ok(Rendered { stages, ..rendered })
    }

    /// The factors that determine the output format.
    fn choice(&self, source: Format, plan: &Plan) -> Choice {
        let Output { format: asked, lossless, .. } = self.transform.output;
        Choice { asked, lossless, accepted: self.accepted, source, size: plan.output_size() }
    }

    /// The encoding request.
    fn encode_request(&self) -> EncodeRequest {
        let Output { quality, lossless, progressive, max_bytes, .. } = self.transform.output;
        let usual = EncodeOptions::DEFAULT;
        let quality = quality.unwrap_or(usual.quality);
        let options = EncodeOptions { quality, lossless, progressive, speed: self.avif_speed, ..usual };
        EncodeRequest { options, max_bytes }
    }
}

/// An original with a parsed header.
struct Prepared<'a> {
    render: &'a Render<'a>,
    image: Image<'a>,
    original: Original,
    /// What is marked as the subject, in upright pixels, if that is asked for.
    marked: Option<Area>,
    /// What is to be looked for.
    interest: Option<Interest>,
    crop: Area,
    plan: Plan,
    animation: Option<Animation>,
    /// Whether faces are searched, which requires a picture of some size.
    finds_faces: bool,
    budget: Budget,
}

impl<'a> Prepared<'a> {
    fn new(render: &'a Render<'a>) -> Result<Self, Error> {
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
    fn needs_pixels(&self) -> bool {
        let transform = &self.render.transform;
        transform.trim.is_some()
            || places_crop(transform, self.interest)
            || hides_faces(transform)
            || self.plan.is_cut() && self.interest.is_some()
    }

    /// The requirements of the output for the decoder.
    fn decode_options(&self) -> DecodeOptions<'a> {
        let transform = &self.render.transform;
        let area = match self.needs_pixels() {
            true if places_crop(transform, self.interest) || hides_faces(transform) => self.image.area(),
            true => self.plan.field,
            false => self.plan.area,
        };
        // A border can only be detected in full-size pixels, and decoders do not reduce in linear light.
        let whole = transform.trim.is_some() || transform.linear;
        let scale = match self.plan.scale() {
            _ if whole => 1.0,
            scale if self.finds_faces => scale.max(f64::from(faces::SIDE) / area.width.max(area.height)).min(1.0),
            scale => scale,
        };
        DecodeOptions { area, scale, budget: self.budget, cancellation: &self.render.cancellation }
    }

    fn decode(&self) -> Result<Picture<'a>, Error> {
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
    fn picture(&self, decoded: Decoded) -> Picture<'a> {
        let Self { render, image, original, marked, interest, crop, plan, budget, .. } = *self;
        Picture { render, header: image.header(), original, marked, interest, crop, plan, decoded, faces: None, budget }
    }
}

/// A decoded original that is being transformed.
struct Picture<'a> {
    render: &'a Render<'a>,
    header: Header,
    original: Original,
    marked: Option<Area>,
    interest: Option<Interest>,
    crop: Area,
    plan: Plan,
    decoded: Decoded,
    /// The faces in upright pixels of the original, largest first, once they have been searched.
    faces: Option<Vec<Area>>,
    /// The budget for all memory, including the decoded picture.
    budget: Budget,
}

impl Picture<'_> {
    /// Completes the plan with information from the pixels: the border to trim, and the position of the crop.
    fn refine_plan(&mut self) -> Result<(), Error> {
        let transform = &self.render.transform;
        let (interest, marked) = (self.interest, self.marked);
        if let Some(interest) = interest.filter(|_| places_crop(transform, interest)) {
            let (width, height) = self.original.upright_size();
            let shown = (self.crop.width / f64::from(width), self.crop.height / f64::from(height));
            let whole = Area::whole(self.original.width, self.original.height);
            let focus = match self.middle_of_faces(whole, interest)? {
                Some(middle) => middle,
                None => self.focus(whole, self.original.orientation, interest, shown)?,
            };
            self.crop = self.original.crop(transform.crop, focus)?;
            self.plan = planned(self.original, self.crop, transform, marked)?;
        }
        if let Some(threshold) = transform.trim {
            let field = self.in_raster(self.plan.field);
            let inner = self.in_original(trim::inner(&self.decoded.raster, field, threshold));
            self.crop = self.original.upright(inner);
            self.plan = planned(self.original, self.crop, transform, marked)?;
        }
        if let Some(interest) = interest.filter(|_| self.plan.is_cut()) {
            let (field, orientation) = (self.plan.field, self.plan.orientation);
            let focus = match self.middle_of_faces(field, interest)? {
                Some(middle) => turned(middle, self.original.orientation.inverse().then(orientation)),
                None => self.focus(field, orientation, interest, self.plan.shown)?,
            };
            self.plan = Plan::new(self.original, self.crop, transform, Some(focus))?;
        }
        Ok(())
    }

    /// Applies the redaction.
    fn redacted(mut self) -> Result<Self, codec::Error> {
        let Render { transform, cancellation, .. } = self.render;
        let Some(Redaction { hidden, mode }) = &transform.redaction else { return Ok(self) };
        let (width, height) = self.original.upright_size();
        let areas: Vec<Area> = match hidden {
            Hidden::Faces => {
                self.look_for_faces(Area::whole(self.original.width, self.original.height))?;
                self.faces.iter().flatten().copied().map(faces::whole).collect()
            }
            // Areas outside of the picture are ignored.
            Hidden::Areas(areas) => {
                areas.iter().filter_map(|area| self.original.crop(Some(*area), (0.0, 0.0)).ok()).collect()
            }
        };
        let inverse = self.original.orientation.inverse();
        let stored: Vec<Area> =
            areas.into_iter().map(|area| area.oriented(inverse, width.into(), height.into())).collect();
        self.decoded = redact::hide(self.decoded, &stored, *mode, transform.colorspace, self.budget, cancellation)?;
        Ok(self)
    }

    /// Finds the faces in a field of the stored picture, unless that was done before.
    fn look_for_faces(&mut self, field: Area) -> Result<(), codec::Error> {
        if self.faces.is_some() {
            return Ok(());
        }
        let thumbnail = self.thumbnail(field, faces::SIDE)?.oriented(self.original.orientation);
        let budget = self.budget.beside(self.decoded.raster.bytes() + thumbnail.bytes())?;
        let upright = self.original.upright(field);
        let place = |face: Area| Area {
            x: upright.x + face.x * upright.width,
            y: upright.y + face.y * upright.height,
            width: face.width * upright.width,
            height: face.height * upright.height,
        };
        self.faces = Some(faces::find(&thumbnail, budget, &self.render.cancellation)?.into_iter().map(place).collect());
        Ok(())
    }

    /// The centre of the requested faces, as fractions of a field of the stored picture after orientation; `None` if no
    /// faces are requested or found.
    fn middle_of_faces(&mut self, field: Area, interest: Interest) -> Result<Option<(f64, f64)>, codec::Error> {
        if !interest.is_faces() {
            return Ok(None);
        }
        self.look_for_faces(field)?;
        let upright = self.original.upright(field);
        let share = |face: &Area| {
            let x = (face.x + face.width / 2.0 - upright.x) / upright.width;
            let y = (face.y + face.height / 2.0 - upright.y) / upright.height;
            ((0.0..=1.0).contains(&x) && (0.0..=1.0).contains(&y)).then_some((x, y))
        };
        let seen: Vec<Area> = self.faces.iter().flatten().filter(|face| share(face).is_some()).copied().collect();
        let wanted = if interest == Interest::Face { seen.first().copied() } else { faces::around(&seen) };
        Ok(wanted.as_ref().and_then(share))
    }

    /// The centre of the best window of a field of the stored picture, as fractions of the field after rotation; the
    /// sides of the window are fractions, too.
    fn focus(
        &self,
        field: Area,
        orientation: Orientation,
        interest: Interest,
        window: (f64, f64),
    ) -> Result<(f64, f64), codec::Error> {
        let thumbnail = self.thumbnail(field, smart_crop::THUMBNAIL_SIDE)?.oriented(orientation);
        Ok(smart_crop::focus(&thumbnail, interest, window))
    }

    /// A field of the stored picture as sRGB, with sides of at most `side` pixels.
    fn thumbnail(&self, field: Area, side: u32) -> Result<Raster, codec::Error> {
        let field = self.in_raster(field);
        let shrink = (field.width.max(field.height) / f64::from(side)).max(1.0);
        let size = |length: f64| (length / shrink).round().max(1.0) as u32;
        let (width, height) = (size(field.width), size(field.height));
        let small = resize::thumbnail(&self.decoded.raster, field, width, height, self.budget)?;
        Ok(colour::to_eight_bits(Conversion::new(&self.decoded, Colorspace::Srgb).apply(small)))
    }

    /// The upright picture at the planned size and in the depth of the original, and its colour space.
    fn finished(self) -> Result<(Raster, Colorspace), codec::Error> {
        let Render { transform, cancellation, .. } = self.render;
        let conversion = Conversion::new(&self.decoded, transform.colorspace);
        let (field, area) = (self.in_raster(self.plan.field), self.in_raster(self.plan.area));
        let (width, height) = self.plan.stored_size();
        let Self { plan: Plan { orientation, tilt, .. }, decoded: Decoded { raster, .. }, budget, .. } = self;
        let upright = |raster| {
            let resized = resize::resize(raster, field, area, width, height, budget)?;
            budget.check_memory(resized.oriented_memory(orientation))?;
            Ok::<_, codec::Error>(resized.oriented(orientation))
        };
        let raster = if transform.linear {
            let light = conversion.to_linear(&raster, budget, cancellation)?;
            drop(raster);
            conversion::from_linear(upright(light)?)
        } else {
            conversion.apply(upright(raster)?)
        };
        let Some(tilt) = tilt else { return Ok((raster, conversion.to)) };
        let turned = tilt::turned(&raster, &tilt, budget, cancellation)?;
        drop(raster);
        let all = Area::whole(turned.width(), turned.height());
        Ok((resize::resize(turned, all, all, self.plan.width, self.plan.height, budget)?, conversion.to))
    }

    /// The same with effects applied.
    fn with_effects(self) -> Result<(Raster, Colorspace), codec::Error> {
        let (Render { transform, cancellation, .. }, budget) = (self.render, self.budget);
        let (raster, space) = self.finished()?;
        let tint = transform.effects.tint.map(|color| conversion::color(color, space));
        Ok((effects::apply(raster, &Effects { tint, ..transform.effects }, budget, cancellation)?, space))
    }

    /// The same with framing applied.
    fn framed(self) -> Result<Framed, codec::Error> {
        let (Render { transform, cancellation, .. }, budget, canvas) = (self.render, self.budget, self.plan.canvas);
        let framing = Framing { radius: self.plan.radius, ..transform.framing };
        let (raster, space) = self.with_effects()?;
        let (raster, canvas) = frame::framed(raster, canvas, &framing, budget, cancellation)?;
        Ok(Framed { raster, space, canvas })
    }

    /// Converts an area of the stored picture to pixels of the raster.
    fn in_raster(&self, area: Area) -> Area {
        area.in_raster(&self.decoded.raster, self.decoded.area)
    }

    /// The inverse of [`Self::in_raster`].
    fn in_original(&self, area: Area) -> Area {
        let (covered, raster) = (self.decoded.area, &self.decoded.raster);
        let (x, y) = (covered.width / f64::from(raster.width()), covered.height / f64::from(raster.height()));
        Area { x: area.x * x + covered.x, y: area.y * y + covered.y, width: area.width * x, height: area.height * y }
    }
}

/// A picture that is complete except for its background.
struct Framed {
    raster: Raster,
    space: Colorspace,
    /// The padding that the background fills.
    canvas: Option<Canvas>,
}

/// A lower bound of the memory of the output in bytes: its pixels without alpha, which may turn out to be unused.
fn least_memory(header: &Header, plan: &Plan) -> u64 {
    let (width, height) = plan.output_size();
    let samples = if matches!(header.channels, Channels::L | Channels::La) { 1 } else { 3 };
    u64::from(width) * u64::from(height) * samples
}

/// Whether `crop` has only a size, and its position is found by a smart gravity.
fn places_crop(transform: &Transform, interest: Option<Interest>) -> bool {
    let is_size = matches!(transform.crop, Some(Crop::PixelSize { .. } | Crop::ShareSize { .. }));
    is_size && interest.is_some()
}

fn is_automatic(transform: &Transform) -> bool {
    transform.gravity == Gravity::Named(Anchor::Auto)
}

/// The plan before pixels are seen. What is marked is in the middle of what is shown, as near as the edges allow.
fn planned(original: Original, crop: Area, transform: &Transform, marked: Option<Area>) -> Result<Plan, Error> {
    let plan = Plan::new(original, crop, transform, None)?;
    let Some(area) = marked.filter(|_| plan.is_cut()) else { return Ok(plan) };
    let turn = original.orientation.inverse().then(plan.orientation);
    Plan::new(original, crop, transform, Some(turned(focus::middle_within(area, crop), turn)))
}

fn hides_faces(transform: &Transform) -> bool {
    matches!(&transform.redaction, Some(Redaction { hidden: Hidden::Faces, .. }))
}

/// The metadata to keep. With a redaction, metadata that could describe or show the hidden parts is dropped.
fn kept(transform: &Transform) -> Keep {
    match keep(transform.metadata) {
        Keep::All if transform.redaction.is_some() => Keep::Copyright,
        keep => keep,
    }
}

/// Applies an orientation to a point given as fractions of the sides.
fn turned((x, y): (f64, f64), turn: Orientation) -> (f64, f64) {
    let point = Area { x, y, width: 0.0, height: 0.0 }.oriented(turn, 1.0, 1.0);
    (point.x, point.y)
}

fn interest(transform: &Transform) -> Option<Interest> {
    match transform.gravity {
        Gravity::Named(Anchor::Entropy) => Some(Interest::Entropy),
        Gravity::Named(Anchor::Attention) => Some(Interest::Attention),
        Gravity::Named(Anchor::Face) => Some(Interest::Face),
        Gravity::Named(Anchor::Faces) => Some(Interest::Faces),
        Gravity::Named(Anchor::Auto) => Some(Interest::Auto),
        _ => None,
    }
}

/// The colour description for a file: code points of the primaries, or a profile.
fn announced(space: Colorspace, encoder: &dyn Encoder) -> (Primaries, Option<Vec<u8>>) {
    if space == Colorspace::DisplayP3 && encoder.writes_primaries() {
        return (Primaries::DisplayP3, None);
    }
    (Primaries::Srgb, conversion::profile(space))
}

/// The picture in colours that the file can describe: grey and sRGB need no description, other spaces are used only if
/// the format supports one.
fn carried_colours(
    raster: Cow<'_, Raster>,
    space: Colorspace,
    has_place: bool,
    budget: Budget,
) -> Result<(Cow<'_, Raster>, Colorspace), codec::Error> {
    match space {
        Colorspace::DisplayP3 if has_place && !colour::is_grey(&raster) => Ok((raster, space)),
        Colorspace::DisplayP3 => {
            let copied = if let Cow::Borrowed(raster) = &raster { raster.samples().len() as u64 } else { 0 };
            budget.check_memory(raster.bytes() + copied)?;
            Ok((Cow::Owned(conversion::clipped(raster.into_owned())), Colorspace::Srgb))
        }
        Colorspace::Srgb => Ok((raster, space)),
    }
}

/// The picture over its background and on its canvas, in colours that the file can describe. `budget` is for all
/// memory, including the raster.
fn on_background<'r>(
    raster: Cow<'r, Raster>,
    space: Colorspace,
    canvas: Option<Canvas>,
    transform: &Transform,
    encoder: &dyn Encoder,
    budget: Budget,
) -> Result<(Cow<'r, Raster>, Colorspace), codec::Error> {
    let has_place = encoder.has_profile() || encoder.writes_primaries();
    let held = if let Cow::Borrowed(raster) = &raster { raster.bytes() } else { 0 };
    let (raster, space) = carried_colours(raster, space, has_place, budget)?;
    // Converted colours are a second raster.
    let budget = if let Cow::Owned(_) = &raster { budget.beside(held)? } else { budget };
    let background = transform.background.map(|color| conversion::color(color, space));
    Ok((lay_out(raster, canvas, background, encoder.has_alpha(), budget)?, space))
}

/// Blends the overlay over a finished picture, if there is one. `budget` is for all memory, including the picture.
fn with_overlay<'r>(
    (raster, space): (Cow<'r, Raster>, Colorspace),
    overlay: Option<&Placed<'_>>,
    budget: Budget,
) -> Result<(Cow<'r, Raster>, Colorspace), Error> {
    let Some(overlay) = overlay else { return Ok((raster, space)) };
    let copied = if let Cow::Borrowed(raster) = &raster { raster.samples().len() as u64 } else { 0 };
    let layer = overlay.layer(space, budget.beside(raster.bytes() + copied)?)?;
    let raster = layer.over(raster.into_owned(), budget.beside(copied + overlay.held())?)?;
    Ok((Cow::Owned(raster), space))
}

/// Blends the picture over its background and onto its canvas.
fn lay_out(
    raster: Cow<'_, Raster>,
    canvas: Option<Canvas>,
    background: Option<Color>,
    alpha_is_kept: bool,
    budget: Budget,
) -> Result<Cow<'_, Raster>, codec::Error> {
    let below = match background {
        Some(color) if alpha_is_kept => color,
        Some(color) => colour::flat(color),
        None if alpha_is_kept => Color::TRANSPARENT,
        None => Color::WHITE,
    };
    let rgb =
        |width: u32, height: u32, has_alpha: bool| u64::from(width) * u64::from(height) * if has_alpha { 4 } else { 3 };
    let mut held = raster.bytes();
    let shows_through = below != Color::TRANSPARENT && raster.channels().has_alpha();
    let raster = if shows_through {
        held += rgb(raster.width(), raster.height(), below.alpha < 255);
        budget.check_memory(held)?;
        Cow::Owned(colour::over(&raster, below))
    } else {
        raster
    };
    let Some(canvas) = canvas else { return Ok(raster) };
    let has_alpha = below.alpha < 255 || raster.channels().has_alpha();
    budget.check_memory(held + rgb(canvas.width, canvas.height, has_alpha))?;
    Ok(Cow::Owned(colour::pad(&raster, canvas, below)))
}

#[cfg(test)]
mod tests;
