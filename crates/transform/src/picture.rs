//! A decoded original on its way to the output: every step from the decoded pixels to the framed picture.

use super::conversion::{self, Conversion};
use super::plan::{Canvas, Original, Plan};
use super::prepared::{places_crop, planned, turned};
use super::smart_crop::{self, Interest};
use super::{Error, Render, background, colour, effects, faces, frame, redact, resize, tilt, trim};
use image_origin_codec::{self as codec, Area, Budget, Decoded, Flaw, Header, Orientation, Raster};
use image_origin_query::{Colorspace, Effects, Framing, Hidden, Redaction};

/// A decoded original that is being transformed.
pub(super) struct Picture<'a> {
    pub(super) render: &'a Render<'a>,
    pub(super) header: Header,
    pub(super) original: Original,
    pub(super) marked: Option<Area>,
    pub(super) interest: Option<Interest>,
    pub(super) crop: Area,
    pub(super) plan: Plan,
    pub(super) decoded: Decoded,
    /// The faces in upright pixels of the original, largest first, once they have been searched.
    pub(super) faces: Option<Vec<Area>>,
    /// The budget for all memory, including the decoded picture.
    pub(super) budget: Budget,
}

impl Picture<'_> {
    /// Completes the plan with information from the pixels: the border to trim, and the position of the crop.
    pub(super) fn refine_plan(&mut self) -> Result<(), Error> {
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

    /// Checks that no text is missing: a drawing that lacks its words would mislead.
    pub(super) fn with_text(self) -> Result<Self, codec::Error> {
        match self.decoded.flaw {
            Some(flaw @ Flaw::TextMissing) => Err(codec::Error::Unsupported(flaw.to_string())),
            _ => Ok(self),
        }
    }

    /// Applies the redaction.
    pub(super) fn redacted(mut self) -> Result<Self, codec::Error> {
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
    pub(super) fn look_for_faces(&mut self, field: Area) -> Result<(), codec::Error> {
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
    pub(super) fn middle_of_faces(
        &mut self,
        field: Area,
        interest: Interest,
    ) -> Result<Option<(f64, f64)>, codec::Error> {
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
    pub(super) fn focus(
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
    pub(super) fn thumbnail(&self, field: Area, side: u32) -> Result<Raster, codec::Error> {
        let field = self.in_raster(field);
        let shrink = (field.width.max(field.height) / f64::from(side)).max(1.0);
        let size = |length: f64| (length / shrink).round().max(1.0) as u32;
        let (width, height) = (size(field.width), size(field.height));
        let small = resize::thumbnail(&self.decoded.raster, field, width, height, self.budget)?;
        Ok(colour::to_eight_bits(Conversion::new(&self.decoded, Colorspace::Srgb).apply(small)))
    }

    /// The upright picture at the planned size and in the depth of the original, and its colour space.
    pub(super) fn finished(self) -> Result<(Raster, Colorspace), codec::Error> {
        let Render { transform, cancellation, .. } = self.render;
        let conversion = Conversion::new(&self.decoded, transform.colorspace);
        let is_seen = self.decoded.raster.channels().has_alpha();
        let format = || self.render.choice(self.header.format, &self.plan).settled();
        let below = is_seen.then(|| background::early(transform, format())).flatten();
        let below = below.and_then(|color| conversion.source_color(color, colour::is_grey(&self.decoded.raster)));
        let (field, area) = (self.in_raster(self.plan.field), self.in_raster(self.plan.area));
        let (width, height) = self.plan.stored_size();
        let Self { plan: Plan { orientation, tilt, .. }, decoded: Decoded { raster, blur, .. }, budget, .. } = self;
        let raster = match below {
            Some(color) => colour::flattened(raster, color),
            None => raster,
        };
        let upright = |raster| {
            let resized = resize::resize_decoded(raster, (field, area), blur, (width, height), budget)?;
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
    pub(super) fn with_effects(self) -> Result<(Raster, Colorspace), codec::Error> {
        let (Render { transform, cancellation, .. }, budget) = (self.render, self.budget);
        let (raster, space) = self.finished()?;
        let tint = transform.effects.tint.map(|color| conversion::color(color, space));
        Ok((effects::apply(raster, &Effects { tint, ..transform.effects }, budget, cancellation)?, space))
    }

    /// The same with framing applied.
    pub(super) fn framed(self) -> Result<Framed, codec::Error> {
        let (Render { transform, cancellation, .. }, budget, canvas) = (self.render, self.budget, self.plan.canvas);
        let framing = Framing { radius: self.plan.radius, ..transform.framing };
        let (raster, space) = self.with_effects()?;
        let (raster, canvas) = frame::framed(raster, canvas, &framing, budget, cancellation)?;
        Ok(Framed { raster, space, canvas })
    }

    /// Converts an area of the stored picture to pixels of the raster.
    pub(super) fn in_raster(&self, area: Area) -> Area {
        area.in_raster(&self.decoded.raster, self.decoded.area)
    }

    /// The inverse of [`Self::in_raster`].
    pub(super) fn in_original(&self, area: Area) -> Area {
        let (covered, raster) = (self.decoded.area, &self.decoded.raster);
        let (x, y) = (covered.width / f64::from(raster.width()), covered.height / f64::from(raster.height()));
        Area { x: area.x * x + covered.x, y: area.y * y + covered.y, width: area.width * x, height: area.height * y }
    }
}

/// A picture that is complete except for its background.
pub(super) struct Framed {
    pub(super) raster: Raster,
    pub(super) space: Colorspace,
    /// The padding that the background fills.
    pub(super) canvas: Option<Canvas>,
}
