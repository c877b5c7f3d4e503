//! The pipeline in one screen: from an original, a transform and limits to an encoded picture.

use std::borrow::Cow;
use std::cell::Cell;
use std::time::Instant;

use super::auto::{Found, Search};
use super::background::{announced, on_background, with_overlay};
use super::choice::{AUTO_FORMATS, Accepted, Choice};
use super::finish::{Attempt, EncodeRequest, Finish};
use super::overlay::{OverlayFile, Placed};
use super::picture::Framed;
use super::plan::Plan;
use super::prepared::Prepared;
use super::{Error, Limits, Rendered, Stages, animation, gain_map, keep, planes, vector};
use image_origin_codec::{
    self as codec, Budget, Cancellation, Cores, EncodeOptions, Encoder, Format, PaletteOptions, Raster,
};
use image_origin_metadata::{self as metadata, Carried, Keep};
use image_origin_query::{Focus, Output, Palette, Quality, Transform};

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
    pub(super) original: &'a [u8],
    pub(super) overlay: Option<OverlayFile<'a>>,
    pub(super) focus: Option<Focus>,
    pub(super) transform: Transform,
    pub(super) accepted: Accepted,
    pub(super) avif_speed: u8,
    pub(super) rasterizes: bool,
    pub(super) keep_marks: bool,
    pub(super) limits: Limits,
    pub(super) cancellation: Cancellation,
    pub(super) cores: Cores,
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
            rasterizes: false,
            keep_marks: true,
            limits: Limits::default(),
            cancellation: Cancellation::default(),
            cores: Cores::default(),
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

    /// Sets whether drawings (SVG) are rendered even if they could be sent as they are.
    pub fn rasterizes(self, rasterizes: bool) -> Self {
        Self { rasterizes, ..self }
    }

    /// Sets whether the marks of how the original was made and may be used are kept whatever [`Transform::metadata`] says;
    /// they are by default.
    pub fn keep_marks(self, keep_marks: bool) -> Self {
        Self { keep_marks, ..self }
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

    /// Sets the cores: one by default. The picture does not depend on them.
    pub fn cores(self, cores: Cores) -> Self {
        Self { cores, ..self }
    }

    /// Renders the picture.
    ///
    /// # Errors
    /// Any [`Error`]. Limits are checked before memory is allocated.
    pub fn run(&self) -> Result<Rendered, Error> {
        self.rendered(Instant::now()).map_err(|error| error.in_all(self.limits.budget))
    }

    pub(super) fn rendered(&self, started: Instant) -> Result<Rendered, Error> {
        if let Some(rendered) = vector::render(self, started)? {
            return Ok(rendered);
        }
        let this = &*vector::enlarging(self);
        let prepared = Prepared::new(this)?;
        if let Some(rendered) = planes::render(&prepared, started)? {
            return Ok(rendered);
        }
        if let Some(rendered) = animation::render(&prepared, started)? {
            return Ok(rendered);
        }
        let (transform, cancellation) = (&self.transform, &self.cancellation);
        let mut picture = prepared.decode()?.with_text()?.redacted()?;
        let decoded = Instant::now();
        picture.refine_plan()?;
        cancellation.check()?;
        let (choice, budget) = (self.choice(picture.header.format, &picture.plan), picture.budget);
        let overlay = Placed::new(self, picture.plan.output_size())?;
        let (header, plan) = (picture.header, picture.plan);
        let Framed { raster, space, canvas } = picture.framed()?;
        let rest = budget.beside(raster.bytes())?;
        let candidates = choice.for_raster(&raster, self.encode_request(), rest, cancellation)?;
        let resized = Instant::now();
        let carried = metadata::carry(self.original, self.kept(), cancellation)?;
        let carried = gain_map::carried(carried, self, (header, &plan), candidates.formats(), rest)?;
        let write = |raster: &Raster, space, encoder: &'static dyn Encoder, request: EncodeRequest, budget: Budget| {
            let (primaries, profile) = announced(space, encoder);
            let carried = carried.with_profile(profile);
            let budget = budget.beside(2 * carried.bytes())?;
            let request = EncodeRequest { options: EncodeOptions { primaries, ..request.options }, ..request };
            self.written(raster, encoder, request, &carried, budget)
        };
        let rendered = if let [only] = candidates.all.as_slice() {
            let encoder = only.encoder;
            let on_background = on_background(Cow::Owned(raster), space, canvas, transform, encoder, budget)?;
            let (raster, space) = with_overlay(on_background, overlay.as_ref(), budget)?;
            let held = raster.bytes() + overlay.as_ref().map_or(0, Placed::held);
            write(&raster, space, encoder, self.encode_request(), budget.beside(held)?)?
        } else {
            // Each format may require other colours, or no alpha.
            candidates.smallest(self.encode_request(), rest, |encoder, request, rest| {
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

    /// Encodes a picture and its metadata in one format.
    fn written(
        &self,
        raster: &Raster,
        encoder: &'static dyn Encoder,
        request: EncodeRequest,
        carried: &Carried,
        budget: Budget,
    ) -> Result<Rendered, Error> {
        let cancellation = &self.cancellation;
        let (format, width, height) = (encoder.format(), raster.width(), raster.height());
        let finish = Finish { format, width, height, attempts: None };
        let has_quality = |options: &EncodeOptions| encoder.has_quality(options);
        let whole = |encoded| Ok(Attempt::Whole(encoded, Cow::Borrowed(carried)));
        let encode = |options: &EncodeOptions, budget| encoder.encode(raster, options, budget, cancellation);
        let target = match request.quality {
            Quality::Auto(target) if Search::applies(raster, encoder, &request.options) => target,
            _ => {
                let written =
                    finish.write(request, has_quality, budget, |options, _, budget| whole(encode(options, budget)?))?;
                return Ok(written.rendered);
            }
        };
        let found = Search::new(raster, encoder, request.options, target, budget, cancellation)?.run()?;
        let Some(Found { options, likeness, file }) = found else {
            let request = EncodeRequest { quality: Quality::Number(request.options.quality), ..request };
            let written =
                finish.write(request, has_quality, budget, |options, _, budget| whole(encode(options, budget)?))?;
            return Ok(written.rendered);
        };
        let request = EncodeRequest { options, quality: Quality::Number(options.quality), ..request };
        let budget = budget.beside(file.as_ref().map_or(0, Vec::capacity) as u64)?;
        let file = Cell::new(file);
        let written = finish.write(request, has_quality, budget, |tried, _, budget| {
            match file.take().filter(|_| *tried == options) {
                Some(file) => whole(file),
                None => whole(encode(tried, budget)?),
            }
        })?;
        let likeness = if written.quality == options.quality {
            likeness
        } else {
            // `max_bytes` has lowered it.
            let options = EncodeOptions { quality: written.quality, ..options };
            let budget = budget.beside(written.rendered.bytes.capacity() as u64)?;
            Search::new(raster, encoder, options, target, budget, cancellation)?.likeness(&options)?
        };
        Ok(Rendered { likeness: Some(likeness), ..written.rendered })
    }

    /// The factors that determine the output format.
    pub(super) fn choice(&self, source: Format, plan: &Plan) -> Choice {
        let Output { format: asked, lossless, .. } = self.transform.output;
        Choice { asked, lossless, accepted: self.accepted, source, size: plan.output_size() }
    }

    /// The metadata to keep. With a redaction, metadata that could describe or show the hidden parts is dropped.
    pub(super) fn kept(&self) -> Keep {
        match keep(self.transform.metadata, self.keep_marks) {
            Keep::All if self.transform.redaction.is_some() => Keep::Copyright,
            keep => keep,
        }
    }

    /// The encoding request.
    pub(super) fn encode_request(&self) -> EncodeRequest {
        let Output { quality, lossless, progressive, max_bytes, palette, .. } = self.transform.output;
        let usual = EncodeOptions::DEFAULT;
        let palette =
            palette.map(|Palette { colors, dither }| PaletteOptions { colors, dither: dither.hundredths() as u8 });
        let options = EncodeOptions { lossless, progressive, speed: self.avif_speed, palette, ..usual };
        EncodeRequest { options, quality: quality.unwrap_or(Quality::Number(usual.quality)), max_bytes }
    }
}
