//! What depends on the output format: colours that the file can describe, background, canvas and overlay.
//!
//! An opaque background is laid under the original's pixels before they are resized, if nothing in between would change
//! it: the result is that of a picture that was opaque from the start. Afterwards, what the filter overshoots at the
//! edges of alpha is cut off in colours and in alpha separately, and `linear=true` would blend in another light.

use std::borrow::Cow;

use super::overlay::Placed;
use super::plan::Canvas;
use super::{Error, colour, conversion};
use image_origin_codec::{self as codec, Budget, Encoder, Format, Primaries, Raster};
use image_origin_query::{Color, Colorspace, Effects, Transform};

/// The colour description for a file: code points of the primaries, or a profile.
pub(super) fn announced(space: Colorspace, encoder: &dyn Encoder) -> (Primaries, Option<Vec<u8>>) {
    if space == Colorspace::DisplayP3 && encoder.writes_primaries() {
        return (Primaries::DisplayP3, None);
    }
    (Primaries::Srgb, conversion::profile(space))
}

/// The picture in colours that the file can describe: grey and sRGB need no description, other spaces are used only if
/// the format supports one.
pub(super) fn carried_colours(
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

/// The opaque colour that is certain to be seen through transparent pixels, if it may be laid under them before the
/// resize: effects on tones and colours do not apply to the background. `format` is that of the output, if it is known.
pub(super) fn early(transform: &Transform, format: Option<Format>) -> Option<Color> {
    let Transform { background, effects, .. } = transform;
    let is_flat = format.and_then(codec::encoder).is_some_and(|encoder| !encoder.has_alpha());
    let color = match *background {
        background if is_flat => colour::flat(background.unwrap_or(Color::WHITE)),
        Some(color) if color.alpha == u8::MAX => color,
        _ => return None,
    };
    let others = Effects { blur: None, sharpen: None, ..*effects };
    (others == Effects::default()).then_some(color)
}

/// The picture over its background and on its canvas, in colours that the file can describe. `budget` is for all
/// memory, including the raster.
pub(super) fn on_background<'r>(
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
pub(super) fn with_overlay<'r>(
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
pub(super) fn lay_out(
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
