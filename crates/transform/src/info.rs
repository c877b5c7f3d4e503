//! Information about an original for `info=true`: what a page needs for layout and for a placeholder.

use base64::Engine as _;
use serde::Serialize;

use super::colour::{with_alpha, with_colour};
use super::prepared::Prepared;
use super::{Error, Render, focus};
use image_origin_codec::{Animation, Area, Flaw, Raster};
use image_origin_query::{TargetBox, Transform};

/// The longest side of the picture from which a ThumbHash is computed.
const THUMBHASH_SIDE: u32 = 100;

/// Information about an original.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Info {
    /// Name of the format, such as `jpeg`.
    pub format: &'static str,
    /// Width of the upright picture in pixels.
    pub width: u32,
    /// Height of the upright picture in pixels.
    pub height: u32,
    /// The EXIF orientation, `1..=8`.
    pub orientation: u8,
    /// Whether the picture has an alpha channel.
    pub alpha: bool,
    /// The number of frames; more than one is an animation.
    pub frames: u32,
    /// The delay of each frame of an animation in milliseconds; omitted if there are more frames than the limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delays: Option<Vec<u32>>,
    /// The number of plays of an animation; 0 means endless.
    #[serde(rename = "loop", skip_serializing_if = "Option::is_none")]
    pub plays: Option<u32>,
    /// The size of the file in bytes.
    pub bytes: u64,
    /// The most frequent colour, as `#rrggbb`.
    pub dominant_color: String,
    /// Faces, largest first, as fractions of the sides of the upright picture.
    pub faces: Vec<Region>,
    /// The area that `gravity=auto` keeps, if the original is marked with one, as fractions of the sides of the upright
    /// picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub focus: Option<Region>,
    /// ThumbHash of the picture (<https://evanw.github.io/thumbhash/>), in base64.
    pub thumbhash: String,
    /// Human-readable descriptions of defects; usually empty. They only cover what was decoded for this information.
    pub warnings: Vec<String>,
}

/// An area as fractions of the sides of the upright picture with four decimals. A point has no size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Region {
    /// Distance from the left edge.
    pub x: f64,
    /// Distance from the top edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

impl Region {
    /// Converts an area in pixels of a picture of this size.
    fn new(area: Area, width: u32, height: u32) -> Self {
        let share = |length: f64, side: u32| (length / f64::from(side) * 10_000.0).round() / 10_000.0;
        Self {
            x: share(area.x, width),
            y: share(area.y, height),
            width: share(area.width, width),
            height: share(area.height, height),
        }
    }
}

impl Render<'_> {
    /// Returns information about the original, regardless of the requested transform. If the format allows it, the
    /// picture is decoded no larger than face detection needs.
    ///
    /// # Errors
    /// As [`Render::run`].
    pub fn inspect(&self) -> Result<Info, Error> {
        let target = Some(TargetBox::Both(THUMBHASH_SIDE, THUMBHASH_SIDE));
        let render = self.clone().transform(Transform { target, ..Transform::default() });
        inspect(&render)
    }
}

fn inspect(render: &Render<'_>) -> Result<Info, Error> {
    let mut prepared = Prepared::new(render)?;
    let animation = prepared.animation.take();
    prepared.finds_faces = true;
    let mut picture = prepared.decode()?;
    picture.look_for_faces(picture.plan.field)?;
    let is_cut = animation.as_ref().is_some_and(|animation| animation.is_cut);
    let flaw = if is_cut { Some(Flaw::CutShort) } else { picture.decoded.flaw };
    let (header, orientation) = (picture.header, picture.header.orientation);
    let (width, height) = picture.original.upright_size();
    let thumbnail =
        with_alpha(with_colour(picture.thumbnail(picture.plan.field, THUMBHASH_SIDE)?.oriented(orientation)));
    Ok(Info {
        format: header.format.name(),
        width,
        height,
        orientation: orientation.to_exif(),
        alpha: header.channels.has_alpha(),
        frames: animation.as_ref().map_or(1, Animation::frames),
        plays: animation.as_ref().map(|animation| animation.plays),
        delays: animation
            .filter(|animation| animation.frames() <= render.limits.frames)
            .map(|animation| animation.delays),
        bytes: render.original.len() as u64,
        dominant_color: dominant_color(&thumbnail),
        faces: picture.faces.iter().flatten().map(|face| Region::new(*face, width, height)).collect(),
        focus: focus::marked(render, picture.original)?.map(|area| Region::new(area, width, height)),
        thumbhash: base64::engine::general_purpose::STANDARD.encode(thumbhash::rgba_to_thumb_hash(
            thumbnail.width() as usize,
            thumbnail.height() as usize,
            thumbnail.samples().as_bytes(),
        )),
        warnings: flaw.iter().map(Flaw::to_string).collect(),
    })
}

/// The mean colour of the fullest of 4096 histogram bins, with four bits per primary.
fn dominant_color(rgba: &Raster) -> String {
    let mut bins = vec![[0u32; 4]; 4096];
    for &[red, green, blue, alpha] in rgba.samples().as_bytes().as_chunks().0 {
        if alpha < 128 {
            continue;
        }
        let bin = usize::from(red >> 4) << 8 | usize::from(green >> 4) << 4 | usize::from(blue >> 4);
        for (sum, value) in bins[bin].iter_mut().zip([1, u32::from(red), u32::from(green), u32::from(blue)]) {
            *sum += value;
        }
    }
    let [count, red, green, blue] = bins.into_iter().max_by_key(|bin| bin[0]).unwrap_or_default();
    let mean = |sum: u32| sum / count.max(1);
    format!("#{:02x}{:02x}{:02x}", mean(red), mean(green), mean(blue))
}
