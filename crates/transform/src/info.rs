//! Facts about an original, for `info=true`: what a page needs to lay out and paint a placeholder.

use base64::Engine as _;
use serde::Serialize;

use super::colour::{with_alpha, with_colour};
use super::{Error, Prepared, Render};
use image_origin_codec::{Animation, Area, Flaw, Raster};
use image_origin_query::{TargetBox, Transform};

/// Longest side that a ThumbHash is made from.
const THUMBHASH_SIDE: u32 = 100;

/// What is known of an original.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Info {
    /// Name of the format, such as `jpeg`.
    pub format: &'static str,
    /// Width in pixels once upright.
    pub width: u32,
    /// Height in pixels once upright.
    pub height: u32,
    /// EXIF's orientation, `1..=8`.
    pub orientation: u8,
    /// Whether pixels may be transparent.
    pub alpha: bool,
    /// Pictures in the file; more than one is an animation.
    pub frames: u32,
    /// How long each frame of an animation is shown, in milliseconds; left out for more frames than are read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delays: Option<Vec<u32>>,
    /// How often an animation is played; 0 is for ever.
    #[serde(rename = "loop", skip_serializing_if = "Option::is_none")]
    pub plays: Option<u32>,
    /// Size of the file.
    pub bytes: u64,
    /// The most frequent colour, as `#rrggbb`.
    pub dominant_color: String,
    /// Faces, largest first, as shares of the upright picture's sides.
    pub faces: Vec<Face>,
    /// ThumbHash of the picture (<https://evanw.github.io/thumbhash/>), in base64.
    pub thumbhash: String,
    /// What is wrong with the file, in words for people; empty for most. It is said of what had to be decoded for this.
    pub warnings: Vec<String>,
}

/// Where a face is, in shares of the upright picture's sides with four decimals.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Face {
    /// Distance from the left edge.
    pub x: f64,
    /// Distance from the top edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

impl Face {
    /// A face in pixels of a picture of that size.
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
    /// Finds out about the original, whatever is asked of it. It is decoded no larger than faces are looked for in where its
    /// format allows that.
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
        faces: picture.faces.iter().flatten().map(|face| Face::new(*face, width, height)).collect(),
        thumbhash: base64::engine::general_purpose::STANDARD.encode(thumbhash::rgba_to_thumb_hash(
            thumbnail.width() as usize,
            thumbnail.height() as usize,
            thumbnail.samples().as_bytes(),
        )),
        warnings: flaw.iter().map(Flaw::to_string).collect(),
    })
}

/// The mean of the fullest of 4096 bins, four bits of each primary.
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
