//! From the bytes of an original and a [`Transform`] to the bytes of the picture that was asked for.
//!
//! The way: probe the header, plan, decode (to size, where the format can), crop and resize in one pass, turn upright,
//! convert the colours, turn by what is no quarter, apply effects, frame, lay over the background, encode. Everything
//! after the resize works on the small picture. Nothing here knows of HTTP or storage.

// Tests have no caller whose work they could take.
#![cfg_attr(test, allow(clippy::disallowed_methods))]

mod animation;
mod colour;
mod conversion;
mod corners;
mod effects;
mod faces;
mod frame;
mod info;
mod lanczos;
mod mosaic;
mod output;
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

pub use info::{Face, Info, inspect};
pub use output::{AUTO_FORMATS, Accepted, Preferences};
pub use plan::{Canvas, Original, Plan};
pub use report::report;
pub use resize::resize;
pub use tilt::Tilt;

use conversion::Conversion;
use image_origin_codec::{
    self as codec, Animation, Area, Budget, Channels, Decoded, Decoder, Encoder, Encoding, Format, Header, Need,
    Orientation, Raster, Work,
};
use image_origin_metadata::{self as metadata, Keep};
use image_origin_query::{
    Anchor, Color, Colorspace, Crop, Effects, Gravity, Hidden, Metadata, Output, Redaction, Transform,
};
use smart_crop::Interest;

/// Why there is no picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The original cannot be read, or the output not be written.
    #[error(transparent)]
    Codec(#[from] codec::Error),
    /// `crop` names nothing of the picture.
    #[error("crop={crop} lies outside the picture, which is {width} by {height} pixels once upright")]
    CropOutside {
        /// The crop that was asked for.
        crop: String,
        /// Width of the upright picture.
        width: u32,
        /// Height of the upright picture.
        height: u32,
    },
    /// `page` names no frame.
    #[error("page={page} does not exist, since there are {frames} and the first one is 0")]
    PageOutside {
        /// The frame that was asked for.
        page: u32,
        /// How many frames there are.
        frames: u32,
    },
    /// Not even the lowest quality fits into `max_bytes`.
    #[error("the smallest output has {smallest} bytes, which is more than max_bytes={allowed}")]
    MaxBytes {
        /// Size of the smallest output that was tried.
        smallest: u64,
        /// What was asked for.
        allowed: u64,
    },
}

impl Error {
    /// Tells of memory in terms of the whole budget, not of what others had left of it.
    fn in_all(self, budget: Budget) -> Self {
        match self {
            Self::Codec(codec::Error::TooLarge { what: codec::MEMORY, needs, allowed }) => {
                let held = budget.memory.saturating_sub(allowed);
                let (needs, allowed) = (needs.saturating_add(held), allowed + held);
                codec::Error::TooLarge { what: codec::MEMORY, needs, allowed }.into()
            }
            other => other,
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

impl From<codec::Stopped> for Error {
    fn from(stopped: codec::Stopped) -> Self {
        Self::Codec(stopped.into())
    }
}

/// What is kept of an original's metadata for this value of the parameter `metadata`.
pub const fn keep(metadata: Metadata) -> Keep {
    match metadata {
        Metadata::None => Keep::None,
        Metadata::Copyright => Keep::Copyright,
        Metadata::All => Keep::All,
    }
}

/// What one answer may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// What a picture, or a frame of an animation, may cost.
    pub budget: Budget,
    /// Most frames that are read of an animation.
    pub frames: u32,
    /// Most pixels of all these frames together.
    pub frame_pixels: u64,
}

impl From<Budget> for Limits {
    /// The usual limits for animations.
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
    /// How long the work took.
    pub stages: Stages,
}

/// Time spent in each part of the work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stages {
    /// Reading the header and the pixels.
    pub decode: Duration,
    /// Everything between decoding and encoding.
    pub resize: Duration,
    /// Writing the output.
    pub encode: Duration,
}

/// Makes the picture that `transform` asks for; `preferences` decide what that leaves open.
///
/// # Errors
/// Any [`Error`]. Limits are checked before memory is allocated, and `work` is asked throughout.
pub fn render(
    bytes: &[u8],
    transform: &Transform,
    preferences: impl Into<Preferences>,
    limits: impl Into<Limits>,
    work: &Work,
) -> Result<Rendered, Error> {
    let (started, limits) = (Instant::now(), limits.into());
    let rendered = render_within(bytes, transform, preferences.into(), limits, work, started);
    rendered.map_err(|error| error.in_all(limits.budget))
}

fn render_within(
    bytes: &[u8],
    transform: &Transform,
    preferences: Preferences,
    limits: Limits,
    work: &Work,
    started: Instant,
) -> Result<Rendered, Error> {
    let prepared = Prepared::new(bytes, transform, limits, work)?;
    if let Some(rendered) = planes::render(&prepared, transform, preferences, started)? {
        return Ok(rendered);
    }
    if let Some(rendered) = animation::render(&prepared, transform, preferences.accepted, started)? {
        return Ok(rendered);
    }
    let mut picture = prepared.decode(transform)?.redacted(transform, work)?;
    let decoded = Instant::now();
    picture.refine_plan(transform, work)?;
    work.check()?;
    let source = picture.header.format;
    let (size, budget) = (picture.plan.output_size(), picture.budget);
    let Framed { raster, space, canvas } = picture.framed(transform, work)?;
    let rest = budget.beside(raster.bytes())?;
    let Output { format, lossless, .. } = transform.output;
    let encoders = output::choose(format, source, &raster, size, lossless, preferences, rest)?;
    let resized = Instant::now();
    let stages = Stages { decode: decoded - started, resize: resized - decoded, encode: Duration::ZERO };
    let carried = metadata::carry(bytes, kept(transform), work)?;
    let write = |raster: &Raster, space, encoder, output: &Output, budget: Budget| {
        let (encoder, profile): (&dyn Encoder, _) = announcing(space, encoder);
        let carried = carried.with_profile(profile);
        let (format, width, height) = (encoder.format(), raster.width(), raster.height());
        let budget = budget.beside(2 * carried.bytes())?;
        let encode = |encoding: &Encoding, budget: Budget| {
            let encoded = encoder.encode(raster, encoding, budget, work)?;
            budget.check_memory(carried.embed_memory(encoded.capacity() as u64))?;
            Ok(metadata::embed(encoded, format, &carried, width, height))
        };
        let bytes = output::encode(output, |encoding| encoder.has_quality(encoding), budget, encode)?;
        Ok(Rendered { bytes, format, width, height, stages })
    };
    let rendered = if let [only] = encoders.as_slice() {
        let (raster, space) = on_background(Cow::Owned(raster), space, canvas, transform, *only, budget)?;
        write(&raster, space, *only, &transform.output, budget.beside(raster.bytes())?)?
    } else {
        // Each format may want it in other colours, or without alpha.
        output::smallest(&encoders, &transform.output, rest, |encoder, output, rest| {
            let all = Budget { memory: rest.memory + raster.bytes(), ..rest };
            let (changed, space) = on_background(Cow::Borrowed(&raster), space, canvas, transform, encoder, all)?;
            let held = if let Cow::Owned(changed) = &changed { changed.bytes() } else { 0 };
            write(&changed, space, encoder, output, rest.beside(held)?)
        })?
    };
    Ok(Rendered { stages: Stages { encode: resized.elapsed(), ..stages }, ..rendered })
}

/// An original of which only the header has been read.
struct Prepared<'a> {
    bytes: &'a [u8],
    decoder: &'static dyn Decoder,
    header: Header,
    original: Original,
    crop: Area,
    plan: Plan,
    animation: Option<Animation>,
    /// Whether faces will be looked for, which takes a picture of some size.
    finds_faces: bool,
    limits: Limits,
    budget: Budget,
    work: &'a Work,
}

impl<'a> Prepared<'a> {
    fn new(bytes: &'a [u8], transform: &Transform, limits: Limits, work: &'a Work) -> Result<Self, Error> {
        work.check()?;
        let budget = limits.budget;
        let decoder = codec::decoder_for(bytes)?;
        let header = decoder.probe(bytes, budget, work)?;
        let original = Original { width: header.width, height: header.height, orientation: header.orientation };
        let crop = original.crop(transform.crop, plan::focus_of(transform.gravity))?;
        let plan = Plan::new(original, crop, transform, None)?;
        // What is known to be too much need not be decoded first.
        budget.check_memory(least_memory(&header, &plan))?;
        let animation = decoder.animation(bytes, work)?;
        let finds_faces = hides_faces(transform)
            || (places_crop(transform) || plan.is_cut())
                && matches!(interest(transform), Some(Interest::Face | Interest::Faces));
        Ok(Self { bytes, decoder, header, original, crop, plan, animation, finds_faces, limits, budget, work })
    }

    /// Whether the plan is not complete before pixels are seen.
    fn needs_pixels(&self, transform: &Transform) -> bool {
        transform.trim.is_some()
            || places_crop(transform)
            || hides_faces(transform)
            || self.plan.is_cut() && interest(transform).is_some()
    }

    /// What the output needs of the decoder.
    fn need(&self, transform: &Transform) -> Need<'a> {
        let area = match self.needs_pixels(transform) {
            true if places_crop(transform) || hides_faces(transform) => {
                Area::whole(self.header.width, self.header.height)
            }
            true => self.plan.field,
            false => self.plan.area,
        };
        // A border can only be found in all of the pixels, and decoders shrink without regard to light.
        let whole = transform.trim.is_some() || transform.linear;
        let scale = match self.plan.scale() {
            _ if whole => 1.0,
            scale if self.finds_faces => scale.max(f64::from(faces::SIDE) / area.width.max(area.height)).min(1.0),
            scale => scale,
        };
        Need { area, scale, budget: self.budget, work: self.work }
    }

    fn decode(self, transform: &Transform) -> Result<Picture, Error> {
        let frame = match transform.page {
            Some(page) => animation::frame(&self, page)?,
            None => None,
        };
        let decoded = match frame {
            Some(frame) => frame,
            None => self.decoder.decode(self.bytes, &self.need(transform))?,
        };
        let Self { header, original, crop, plan, budget, .. } = self;
        Ok(Picture { header, original, crop, plan, decoded, faces: None, budget })
    }
}

/// A decoded original on its way to becoming the output.
struct Picture {
    header: Header,
    original: Original,
    crop: Area,
    plan: Plan,
    decoded: Decoded,
    /// Faces in upright pixels of the original, largest first, once they have been looked for.
    faces: Option<Vec<Area>>,
    /// For all that is held, the decoded picture included.
    budget: Budget,
}

impl Picture {
    /// Plans again with what only the pixels can tell: where the border ends, and where the interesting part lies.
    fn refine_plan(&mut self, transform: &Transform, work: &Work) -> Result<(), Error> {
        let interest = interest(transform);
        if let Some(interest) = interest.filter(|_| places_crop(transform)) {
            let (width, height) = self.original.upright_size();
            let shown = (self.crop.width / f64::from(width), self.crop.height / f64::from(height));
            let whole = Area::whole(self.original.width, self.original.height);
            let focus = match self.middle_of_faces(whole, interest, work)? {
                Some(middle) => middle,
                None => self.focus(whole, self.original.orientation, interest, shown)?,
            };
            self.crop = self.original.crop(transform.crop, focus)?;
            self.plan = Plan::new(self.original, self.crop, transform, None)?;
        }
        if let Some(threshold) = transform.trim {
            let field = self.in_raster(self.plan.field);
            let inner = self.in_original(trim::inner(&self.decoded.raster, field, threshold));
            self.crop = self.original.upright(inner);
            self.plan = Plan::new(self.original, self.crop, transform, None)?;
        }
        if let Some(interest) = interest.filter(|_| self.plan.is_cut()) {
            let (field, orientation) = (self.plan.field, self.plan.orientation);
            let focus = match self.middle_of_faces(field, interest, work)? {
                Some(middle) => turned(middle, self.original.orientation.inverse().then(orientation)),
                None => self.focus(field, orientation, interest, self.plan.shown)?,
            };
            self.plan = Plan::new(self.original, self.crop, transform, Some(focus))?;
        }
        Ok(())
    }

    /// Hides what is not to be seen.
    fn redacted(mut self, transform: &Transform, work: &Work) -> Result<Self, codec::Error> {
        let Some(Redaction { hidden, mode }) = &transform.redaction else { return Ok(self) };
        let (width, height) = self.original.upright_size();
        let areas: Vec<Area> = match hidden {
            Hidden::Faces => {
                self.look_for_faces(Area::whole(self.original.width, self.original.height), work)?;
                self.faces.iter().flatten().copied().map(faces::whole).collect()
            }
            // What lies beside the picture hides nothing.
            Hidden::Areas(areas) => {
                areas.iter().filter_map(|area| self.original.crop(Some(*area), (0.0, 0.0)).ok()).collect()
            }
        };
        let inverse = self.original.orientation.inverse();
        let stored: Vec<Area> =
            areas.into_iter().map(|area| area.oriented(inverse, width.into(), height.into())).collect();
        self.decoded = redact::hide(self.decoded, &stored, *mode, transform.colorspace, self.budget, work)?;
        Ok(self)
    }

    /// Finds the faces of a field of the stored picture, unless that has been done.
    fn look_for_faces(&mut self, field: Area, work: &Work) -> Result<(), codec::Error> {
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
        self.faces = Some(faces::find(&thumbnail, budget, work)?.into_iter().map(place).collect());
        Ok(())
    }

    /// The middle of the faces that are asked for, in shares of a field of the stored picture once it is upright; `None`
    /// where none are asked for or there are none.
    fn middle_of_faces(
        &mut self,
        field: Area,
        interest: Interest,
        work: &Work,
    ) -> Result<Option<(f64, f64)>, codec::Error> {
        if !matches!(interest, Interest::Face | Interest::Faces) {
            return Ok(None);
        }
        self.look_for_faces(field, work)?;
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

    /// The middle of the most interesting window of a field of the stored picture, in shares of the field once it is turned,
    /// as are the sides of the window.
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

    /// A field of the stored picture as sRGB, both sides at most `side` pixels.
    fn thumbnail(&self, field: Area, side: u32) -> Result<Raster, codec::Error> {
        let field = self.in_raster(field);
        let shrink = (field.width.max(field.height) / f64::from(side)).max(1.0);
        let size = |length: f64| (length / shrink).round().max(1.0) as u32;
        let (width, height) = (size(field.width), size(field.height));
        let small = resize::thumbnail(&self.decoded.raster, field, width, height, self.budget)?;
        Ok(colour::to_eight_bits(Conversion::new(&self.decoded, Colorspace::Srgb).apply(small)))
    }

    /// The upright picture at the size of the plan and in its original's depth, and the space that its colours are in.
    fn finished(self, transform: &Transform, work: &Work) -> Result<(Raster, Colorspace), codec::Error> {
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
            let light = conversion.to_linear(&raster, budget, work)?;
            drop(raster);
            conversion::from_linear(upright(light)?)
        } else {
            conversion.apply(upright(raster)?)
        };
        let Some(tilt) = tilt else { return Ok((raster, conversion.to)) };
        let turned = tilt::turned(&raster, &tilt, budget, work)?;
        drop(raster);
        let all = Area::whole(turned.width(), turned.height());
        Ok((resize::resize(turned, all, all, self.plan.width, self.plan.height, budget)?, conversion.to))
    }

    /// The same with the effects that are asked for.
    fn with_effects(self, transform: &Transform, work: &Work) -> Result<(Raster, Colorspace), codec::Error> {
        let budget = self.budget;
        let (raster, space) = self.finished(transform, work)?;
        let tint = transform.effects.tint.map(|color| conversion::color(color, space));
        Ok((effects::apply(raster, &Effects { tint, ..transform.effects }, budget, work)?, space))
    }

    /// The same in its frame.
    fn framed(self, transform: &Transform, work: &Work) -> Result<Framed, codec::Error> {
        let (budget, canvas) = (self.budget, self.plan.canvas);
        let (raster, space) = self.with_effects(transform, work)?;
        let (raster, canvas) = frame::framed(raster, canvas, &transform.framing, budget, work)?;
        Ok(Framed { raster, space, canvas })
    }

    /// An area of the stored picture in pixels of the raster.
    fn in_raster(&self, area: Area) -> Area {
        area.in_raster(&self.decoded.raster, self.decoded.area)
    }

    /// The way back from [`Self::in_raster`].
    fn in_original(&self, area: Area) -> Area {
        let (covered, raster) = (self.decoded.area, &self.decoded.raster);
        let (x, y) = (covered.width / f64::from(raster.width()), covered.height / f64::from(raster.height()));
        Area { x: area.x * x + covered.x, y: area.y * y + covered.y, width: area.width * x, height: area.height * y }
    }
}

/// A picture that lacks nothing but its background.
struct Framed {
    raster: Raster,
    space: Colorspace,
    /// What the background fills around it.
    canvas: Option<Canvas>,
}

/// Bytes that the output takes at least: its pixels, without alpha, which may turn out to be idle.
fn least_memory(header: &Header, plan: &Plan) -> u64 {
    let (width, height) = plan.output_size();
    let samples = if matches!(header.channels, Channels::L | Channels::La) { 1 } else { 3 };
    u64::from(width) * u64::from(height) * samples
}

/// Whether `crop` names a size that a smart gravity finds a place for.
fn places_crop(transform: &Transform) -> bool {
    let is_size = matches!(transform.crop, Some(Crop::PixelSize { .. } | Crop::ShareSize { .. }));
    is_size && interest(transform).is_some()
}

fn hides_faces(transform: &Transform) -> bool {
    matches!(&transform.redaction, Some(Redaction { hidden: Hidden::Faces, .. }))
}

/// What is kept of the metadata. Next to a picture of which something is hidden, nothing may describe it or show it.
fn kept(transform: &Transform) -> Keep {
    match keep(transform.metadata) {
        Keep::All if transform.redaction.is_some() => Keep::Copyright,
        keep => keep,
    }
}

/// Where a point in shares of a picture's sides is after a turn.
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
        _ => None,
    }
}

/// How a file in these colours says so: by an encoder that writes their code points, or by a profile.
fn announcing(space: Colorspace, encoder: &'static dyn Encoder) -> (&'static dyn Encoder, Option<Vec<u8>>) {
    match encoder.in_display_p3() {
        Some(encoder) if space == Colorspace::DisplayP3 => (encoder, None),
        _ => (encoder, conversion::profile(space)),
    }
}

/// The picture in colours that a file can announce: grey and sRGB need no words, and others only go where a place is.
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

/// The picture over its background and on its canvas, in colours that the format can tell of. `budget` is for all that is
/// held, the raster included.
fn on_background<'r>(
    raster: Cow<'r, Raster>,
    space: Colorspace,
    canvas: Option<Canvas>,
    transform: &Transform,
    encoder: &dyn Encoder,
    budget: Budget,
) -> Result<(Cow<'r, Raster>, Colorspace), codec::Error> {
    let has_place = encoder.has_profile() || encoder.in_display_p3().is_some();
    let held = if let Cow::Borrowed(raster) = &raster { raster.bytes() } else { 0 };
    let (raster, space) = carried_colours(raster, space, has_place, budget)?;
    // Where the colours were changed, the raster is held beside them.
    let budget = if let Cow::Owned(_) = &raster { budget.beside(held)? } else { budget };
    let background = transform.background.map(|color| conversion::color(color, space));
    Ok((lay_out(raster, canvas, background, encoder.has_alpha(), budget)?, space))
}

/// Lays the picture over its background and onto its canvas.
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
