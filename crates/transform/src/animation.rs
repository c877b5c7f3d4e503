//! Animations: every frame is processed like a still picture and encoded before the next one is read, so that memory
//! does not depend on the number of frames.
//!
//! The plan is made once. If it needs pixels, for `trim` and the smart gravities, those of the first frame are used:
//! otherwise the picture would jump.

use std::borrow::Cow;
use std::cell::Cell;
use std::time::Instant;

use super::auto::{Found, Search};
use super::background::{on_background, with_overlay};
use super::finish::{self, Attempt, EncodeRequest, Finish};
use super::overlay::Placed;
use super::picture::{Framed, Picture};
use super::plan::Plan;
use super::prepared::Prepared;
use super::{Error, Limits, Rendered, Stages, conversion};
use image_origin_codec::{self as codec, Animation, AnimationWriter, Budget, Decoded, EncodeOptions, Encoder, Frames};
use image_origin_metadata::{self as metadata, Carried};
use image_origin_query::{Colorspace, Quality};

/// The memory of a canvas pixel, or of a frame pixel that is passed to an encoder, in bytes.
const PIXEL: u64 = 4;

impl Limits {
    /// Checks the limits for reading this number of frames.
    fn check(&self, animation: &Animation, frames: u32) -> Result<(), codec::Error> {
        let (needs, allowed) = (frames.into(), self.frames.into());
        if needs > allowed {
            return Err(codec::Error::TooLarge { what: "the number of frames", needs, allowed });
        }
        let share = u128::from(animation.pixels) * u128::from(frames) / u128::from(animation.frames().max(1));
        let (needs, allowed) = (u64::try_from(share).unwrap_or(u64::MAX), self.frame_pixels);
        if needs > allowed {
            return Err(codec::Error::TooLarge { what: "the number of pixels of all frames", needs, allowed });
        }
        Ok(())
    }
}

/// Renders the animation, if both the original and the output format support animations.
///
/// # Errors
/// As [`super::Render::run`].
pub(super) fn render(prepared: &Prepared<'_>, started: Instant) -> Result<Option<Rendered>, Error> {
    let Prepared { render, image, .. } = prepared;
    let (Some(animation), None) = (&prepared.animation, render.transform.page) else { return Ok(None) };
    let encoders = render.choice(image.header().format, &prepared.plan).for_animation();
    let Some((encoder, others)) = encoders.split_first() else { return Ok(None) };
    render.limits.check(animation, animation.frames())?;
    let plan = plan(prepared)?;
    let overlay = Placed::new(render, plan.output_size())?;
    let carried = metadata::carry(render.original, render.kept(), &render.cancellation)?;
    let budget = prepared.budget.beside(carried.bytes())?;
    let pass = Pass { prepared, animation, plan, overlay, carried, budget, stages: Cell::default() };
    pass.add(|stages| stages.decode += started.elapsed());
    let mut best = pass.rendered(*encoder, budget.memory);
    for encoder in others {
        let held = best.as_ref().map_or(0, |best| best.bytes.capacity() as u64);
        let pass = Pass { budget: budget.beside(held)?, ..pass.clone() };
        let max_bytes = match &best {
            Ok(best) => best.bytes.len() as u64,
            Err(Error::MaxBytes { allowed, .. }) => *allowed,
            Err(_) => break,
        };
        match pass.rendered(*encoder, max_bytes) {
            // This is not the smaller one, which is usually detected long before its last frame.
            Err(Error::Codec(codec::Error::TooLarge { .. }) | Error::MaxBytes { .. }) => {}
            other => best = other,
        }
    }
    Ok(Some(Rendered { stages: pass.stages.get(), ..best? }))
}

/// Decodes one frame of an animation; `None` if the original is a still picture, which has only frame 0.
///
/// # Errors
/// [`Error::PageOutside`], and the errors of [`super::Render::run`].
pub(super) fn frame(prepared: &Prepared<'_>, page: u32) -> Result<Option<Decoded>, Error> {
    let frames = prepared.animation.as_ref().map_or(1, Animation::frames);
    if page >= frames {
        return Err(Error::PageOutside { page, frames });
    }
    let Some(animation) = &prepared.animation else { return Ok(None) };
    prepared.render.limits.check(animation, page + 1)?;
    Ok(Some(nth(prepared, page)?))
}

fn nth(prepared: &Prepared<'_>, page: u32) -> Result<Decoded, Error> {
    let mut frames = open(prepared, prepared.budget)?;
    for _ in 0..page {
        frames.next_frame()?;
    }
    let last = frames.next_frame()?.cloned();
    let raster = last.ok_or_else(|| damaged(prepared))?;
    Ok(Decoded::whole(raster, frames.icc()))
}

/// Opens the frames, of which one is copied.
fn open<'a>(prepared: &Prepared<'a>, budget: Budget) -> Result<Box<dyn Frames + 'a>, Error> {
    let budget = budget.beside(pixels(prepared) * PIXEL)?;
    Ok(prepared.image.frames(budget, &prepared.render.cancellation)?)
}

fn pixels(prepared: &Prepared<'_>) -> u64 {
    let header = prepared.image.header();
    u64::from(header.width) * u64::from(header.height)
}

/// The error for a frame that the file announces but does not contain.
fn damaged(prepared: &Prepared<'_>) -> codec::Error {
    codec::Error::Damaged { format: prepared.image.header().format, reason: "it ends before this frame".to_owned() }
}

/// The plan for all frames.
fn plan(prepared: &Prepared<'_>) -> Result<Plan, Error> {
    if !prepared.needs_pixels() {
        return Ok(prepared.plan);
    }
    let mut first = prepared.picture(nth(prepared, 0)?).redacted()?;
    first.refine_plan()?;
    Ok(first.plan)
}

/// The outcome of a pass over the frames.
enum Run {
    /// The file, and the colour space of its frames.
    Whole(Vec<u8>, Colorspace),
    /// The file would be too long; the value is its estimated length in bytes.
    GivenUp(u64),
}

/// The length limits while frames are encoded.
#[derive(Debug, Clone, Copy)]
struct Lengths {
    /// The length above which it is an error.
    max_bytes: u64,
    /// The length from which on the total is estimated from the frames so far.
    give_up: u64,
}

/// The state for a pass over all frames.
#[derive(Clone)]
struct Pass<'a> {
    prepared: &'a Prepared<'a>,
    animation: &'a Animation,
    plan: Plan,
    /// Made with the first frame, and laid over all of them.
    overlay: Option<Placed<'a>>,
    carried: Carried,
    budget: Budget,
    stages: Cell<Stages>,
}

impl Pass<'_> {
    /// Encodes the whole file, unless its frames exceed `max_bytes`. Frames are not kept, so another quality requires
    /// another pass.
    fn rendered(&self, encoder: &'static dyn Encoder, max_bytes: u64) -> Result<Rendered, Error> {
        let (format, (width, height)) = (encoder.format(), self.plan.output_size());
        let finish = Finish { format, width, height, attempts: Some(finish::ATTEMPTS_OF_ANIMATIONS) };
        let has_quality = |options: &EncodeOptions| encoder.has_quality(options);
        let mut request = self.prepared.render.encode_request();
        let target = match request.quality {
            Quality::Auto(target) if has_quality(&request.options) => Some(target),
            _ => None,
        };
        let mut likeness = None;
        if let Some(target) = target {
            let found = self.searched(encoder, request.options, target, |search| {
                Ok(search.run()?.map(|Found { options, likeness, .. }| (options, likeness)))
            })?;
            if let Some((options, reached)) = found {
                request = EncodeRequest { options, quality: Quality::Number(options.quality), ..request };
                likeness = Some(reached);
            }
        }
        let written = finish.write(request, has_quality, self.budget, |options, give_up, budget| {
            Ok(match self.run(encoder, options, Lengths { max_bytes, give_up }, budget)? {
                Run::Whole(encoded, space) => {
                    let carried = self.carried.with_profile(conversion::profile(space));
                    Attempt::Whole(encoded, Cow::Owned(carried))
                }
                Run::GivenUp(length) => Attempt::GivenUp(length),
            })
        })?;
        if let Some(target) = target.filter(|_| written.quality != request.options.quality) {
            // `max_bytes` has lowered it.
            let options = EncodeOptions { quality: written.quality, ..request.options };
            likeness = Some(self.searched(encoder, options, target, |search| search.likeness(&options))?);
        }
        Ok(Rendered { likeness, ..written.rendered })
    }

    /// Searches with the first frame, which decides about all.
    fn searched<T>(
        &self,
        encoder: &'static dyn Encoder,
        options: EncodeOptions,
        target: u8,
        run: impl FnOnce(&Search<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let started = Instant::now();
        let Prepared { render, .. } = self.prepared;
        let Framed { raster, space, canvas } = self.framed(nth(self.prepared, 0)?, self.budget)?;
        let frame = on_background(Cow::Owned(raster), space, canvas, &render.transform, encoder, self.budget)?;
        let (frame, _) = with_overlay(frame, self.overlay.as_ref(), self.budget)?;
        let held = frame.bytes() + self.overlay.as_ref().map_or(0, Placed::held);
        let budget = self.budget.beside(held)?;
        let found = run(&Search::new(&frame, encoder, options, target, budget, &render.cancellation)?);
        self.add(|stages| stages.encode += started.elapsed());
        found
    }

    /// Encodes all frames while they are decoded, and returns their colour space: all have the profile of the file.
    fn run(
        &self,
        encoder: &'static dyn Encoder,
        options: &EncodeOptions,
        Lengths { max_bytes, give_up }: Lengths,
        budget: Budget,
    ) -> Result<Run, Error> {
        let Prepared { render, image, .. } = self.prepared;
        let cancellation = &render.cancellation;
        let mut frames = image.frames(budget, cancellation)?;
        let mut writer: Option<Box<dyn AnimationWriter + '_>> = None;
        let mut delays = self.animation.delays.iter();
        let mut space = Colorspace::Srgb;
        loop {
            let start = Instant::now();
            let written = writer.as_ref().map_or(0, |writer| writer.held());
            let overlay = self.overlay.as_ref().map_or(0, Placed::held);
            let (held, copy) = (frames.held() + written + overlay, pixels(self.prepared) * PIXEL);
            // A frame may be a separate picture before it is drawn, and the canvas is copied afterwards.
            budget.check_memory(held + copy)?;
            let Some(canvas) = frames.next_frame()? else { break };
            let canvas = canvas.clone();
            self.add(|stages| stages.decode += start.elapsed());
            let start = Instant::now();
            let decoded = Decoded::whole(canvas, frames.icc());
            let rest = budget.beside(held)?;
            let Framed { raster, space: its_space, canvas } = self.framed(decoded, rest)?;
            let frame = on_background(Cow::Owned(raster), its_space, canvas, &render.transform, encoder, rest)?;
            // What the layer takes is a part of `held` from the second frame on.
            let rest = Budget { memory: rest.memory + overlay, ..rest };
            let (frame, its_space) = with_overlay(frame, self.overlay.as_ref(), rest)?;
            self.add(|stages| stages.resize += start.elapsed());
            space = its_space;
            let start = Instant::now();
            let writer = match &mut writer {
                Some(writer) => writer,
                None => {
                    let rest = budget.beside(frames.held() + frame.bytes() + overlay)?;
                    let started = encoder.animate(self.animation.plays, options, rest, cancellation);
                    let none = || codec::Error::Unsupported(format!("{} holds no animation", encoder.format()));
                    writer.insert(started.ok_or_else(none)?)
                }
            };
            writer.push(&frame, delays.next().copied().unwrap_or_default())?;
            self.add(|stages| stages.encode += start.elapsed());
            let written = writer.written();
            Budget { memory: max_bytes, ..budget }.check_memory(written)?;
            if written > give_up {
                let all = self.animation.delays.len() as u64;
                return Ok(Run::GivenUp(written.saturating_mul(all) / (all - delays.len() as u64).max(1)));
            }
        }
        match writer {
            Some(writer) if delays.len() < self.animation.delays.len() => Ok(Run::Whole(writer.finish()?, space)),
            _ => Err(damaged(self.prepared).into()),
        }
    }

    fn framed(&self, decoded: Decoded, budget: Budget) -> Result<Framed, codec::Error> {
        let picture = Picture { plan: self.plan, budget, ..self.prepared.picture(decoded) };
        picture.redacted()?.framed()
    }

    fn add(&self, change: impl FnOnce(&mut Stages)) {
        let mut stages = self.stages.get();
        change(&mut stages);
        self.stages.set(stages);
    }
}
