//! Information about an original for `info=true`: what a page needs for layout and for a placeholder.

use base64::Engine as _;
use serde::Serialize;

use super::colour::{with_alpha, with_colour};
use super::placeholder::{self, Small};
use super::prepared::Prepared;
use super::{Error, Render, focus};
use image_origin_codec::{Animation, Area, Channels, Decoded, Flaw, Samples};
use image_origin_metadata as metadata;
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
    /// The number of bits per sample: 8, or 16 for every larger number.
    pub bits: u8,
    /// The description of the colour profile; without one `Grey`, `CMYK`, or `sRGB`.
    pub color_space: String,
    /// The most frequent colour, as `#rrggbb`.
    pub dominant_color: String,
    /// Up to five frequent colours that differ visibly, the most frequent one first, as `#rrggbb`.
    pub palette: Vec<String>,
    /// Faces, largest first, as fractions of the sides of the upright picture.
    pub faces: Vec<Region>,
    /// The area that `gravity=auto` keeps, if the original is marked with one, as fractions of the sides of the upright
    /// picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub focus: Option<Region>,
    /// ThumbHash of the picture (<https://evanw.github.io/thumbhash/>), in base64.
    pub thumbhash: String,
    /// BlurHash of the picture (<https://blurha.sh>).
    pub blurhash: String,
    /// A CSS gradient of three colours.
    pub gradient: String,
    /// A tiny WebP as a data URI of at most 400 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placeholder: Option<String>,
    /// The alternative text (IPTC Photo Metadata Standard, `Iptc4xmpCore:AltTextAccessibility`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alt: Option<String>,
    /// How the picture was made (`Iptc4xmpExt:DigitalSourceType`): a term of IPTC's vocabulary, such as
    /// `http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digital_source_type: Option<String>,
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
    let palette = placeholder::palette(&thumbnail);
    let small = Small::new(&thumbnail);
    let budget = picture.budget.beside(picture.decoded.raster.bytes() + 2 * thumbnail.bytes())?;
    let (alt, digital_source_type) = described(render)?;
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
        bits: if let Samples::U16(_) = picture.decoded.raster.samples() { 16 } else { 8 },
        color_space: color_space(&picture.decoded),
        dominant_color: palette.first().cloned().unwrap_or_else(|| "#000000".to_owned()),
        palette,
        faces: picture.faces.iter().flatten().map(|face| Region::new(*face, width, height)).collect(),
        focus: focus::marked(render, picture.original)?.map(|area| Region::new(area, width, height)),
        thumbhash: base64::engine::general_purpose::STANDARD.encode(thumbhash::rgba_to_thumb_hash(
            thumbnail.width() as usize,
            thumbnail.height() as usize,
            thumbnail.samples().as_bytes(),
        )),
        blurhash: small.blurhash(),
        gradient: small.gradient(),
        placeholder: small.data_uri(budget, &render.cancellation)?,
        alt,
        digital_source_type,
        warnings: flaw.iter().map(Flaw::to_string).collect(),
    })
}

/// The alternative text and the digital source type of the metadata. Damaged metadata have neither.
fn described(render: &Render<'_>) -> Result<(Option<String>, Option<String>), Error> {
    match metadata::report(render.original, None, &render.cancellation) {
        Ok(report) => Ok((report.alternative_text(), report.digital_source_type())),
        Err(metadata::Error::Exhausted(exhausted)) => Err(exhausted.into()),
        Err(_) => Ok((None, None)),
    }
}

/// The name of the colours of a decoded picture.
fn color_space(decoded: &Decoded) -> String {
    let described = decoded.icc.as_deref().and_then(metadata::icc_description);
    described.unwrap_or_else(|| {
        let name = match decoded.raster.channels() {
            Channels::L | Channels::La => "Grey",
            Channels::Rgb | Channels::Rgba => "sRGB",
            Channels::Cmyk => "CMYK",
        };
        name.to_owned()
    })
}
