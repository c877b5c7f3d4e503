//! The validated request: the requested processing, independent of spelling, aliases and defaults.

use super::framing::{Angle, Bounds, Extend, Framing, Padding, Radius, Ratio};
use super::grammar::{Given, Kind, MAX_SIDE, RawParameters};
use super::overlay::{self, Length, Overlay, OverlayKey};
use super::quality::Quality;
use super::redaction::{Hidden, RedactMode, Redaction};
use super::values::{
    Color, Colorspace, Crop, Download, Fit, Flip, FormatChoice, Gravity, Hdr, Hundredths, Metadata, Revision,
    whole_number,
};
use super::{BadParameter, Presets};

/// The target box in output pixels (already multiplied by `dpr`). At least one side is given; both are in
/// `1..=`[`MAX_SIDE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TargetBox {
    /// Only the width; the height follows from the aspect ratio.
    Width(u32),
    /// Only the height; the width follows from the aspect ratio.
    Height(u32),
    /// Both width and height.
    Both(u32, u32),
}

impl TargetBox {
    fn new(width: Option<u32>, height: Option<u32>) -> Option<Self> {
        match (width, height) {
            (Some(width), Some(height)) => Some(Self::Both(width, height)),
            (Some(width), None) => Some(Self::Width(width)),
            (None, Some(height)) => Some(Self::Height(height)),
            (None, None) => None,
        }
    }

    /// The width, if given.
    pub fn width(self) -> Option<u32> {
        match self {
            Self::Width(width) | Self::Both(width, _) => Some(width),
            Self::Height(_) => None,
        }
    }

    /// The height, if given.
    pub fn height(self) -> Option<u32> {
        match self {
            Self::Height(height) | Self::Both(_, height) => Some(height),
            Self::Width(_) => None,
        }
    }
}

/// The effects on the output, in the order in which they are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Effects {
    /// Multiplies every sample.
    pub brightness: Hundredths,
    /// Multiplies the distance of each sample from mid grey.
    pub contrast: Hundredths,
    /// Multiplies the distance of each pixel from its own grey.
    pub saturation: Hundredths,
    /// Samples are raised to the power of 1/gamma.
    pub gamma: Hundredths,
    /// Whether colour is removed.
    pub grayscale: bool,
    /// The colour by which luma is multiplied.
    pub tint: Option<Color>,
    /// Whether samples are inverted.
    pub invert: bool,
    /// The sigma of a Gaussian blur in output pixels.
    pub blur: Option<Hundredths>,
    /// An unsharp mask.
    pub sharpen: Option<Sharpen>,
    /// The side of the squares of a mosaic in output pixels.
    pub pixelate: Option<u32>,
}

impl Default for Effects {
    fn default() -> Self {
        Self {
            brightness: Hundredths::ONE,
            contrast: Hundredths::ONE,
            saturation: Hundredths::ONE,
            gamma: Hundredths::ONE,
            grayscale: false,
            tint: None,
            invert: false,
            blur: None,
            sharpen: None,
            pixelate: None,
        }
    }
}

/// An unsharp mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sharpen {
    /// The factor of each sample's difference from the blurred picture.
    pub amount: Hundredths,
    /// How much lighter or darker a sample may become, in percent of the full range.
    pub limit: Hundredths,
}

impl Sharpen {
    /// The limit that none exceeds.
    pub const UNLIMITED: Hundredths = Hundredths::new(10_000);
}

/// A palette with loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Palette {
    /// The maximum number of colours, in `2..=256`.
    pub colors: u16,
    /// How much of each pixel's error is diffused, at most 1.
    pub dither: Hundredths,
}

impl Palette {
    /// How much is diffused by default.
    pub const DITHER: Hundredths = Hundredths::new(80);
}

/// The encoding of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Output {
    /// The format; `None` is that of the original.
    pub format: Option<FormatChoice>,
    /// The quality; `None` is the default.
    pub quality: Option<Quality>,
    /// Whether to encode losslessly.
    pub lossless: bool,
    /// The palette of a PNG; `None` keeps all colours.
    pub palette: Option<Palette>,
    /// Whether a JPEG is progressive.
    pub progressive: bool,
    /// The maximum size of the response in bytes.
    pub max_bytes: Option<u32>,
}

/// The kind of response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Answer {
    /// A picture.
    #[default]
    Picture,
    /// Information about the original as JSON.
    Info,
    /// The metadata of the original as JSON.
    Metadata,
}

/// A validated query.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Transform {
    /// What is redacted before anything else.
    pub redaction: Option<Redaction>,
    /// The area of the upright original to use.
    pub crop: Option<Crop>,
    /// The threshold for trimming a uniform border.
    pub trim: Option<u8>,
    /// Rotation after the EXIF orientation.
    pub rotate: Angle,
    /// Mirroring after the rotation.
    pub flip: Flip,
    /// The target box; `None` keeps the size.
    pub target: Option<TargetBox>,
    /// How the picture is fitted into the box.
    pub fit: Fit,
    /// Whether the picture may be enlarged.
    pub enlarge: bool,
    /// Whether to resize in linear light.
    pub linear: bool,
    /// The part of the picture that `crop`, `zoom` and `cover` keep.
    pub gravity: Gravity,
    /// Further framing: aspect ratio, zoom, padding and corners.
    pub framing: Framing,
    /// The frame of an animation that is used as a still picture.
    pub page: Option<u32>,
    /// The effects.
    pub effects: Effects,
    /// The picture that is blended over the output.
    pub overlay: Option<Overlay>,
    /// The colour of padding and under transparency.
    pub background: Option<Color>,
    /// The colour space of the output.
    pub colorspace: Colorspace,
    /// What becomes of a gain map.
    pub hdr: Hdr,
    /// The encoding of the output.
    pub output: Output,
    /// Which metadata of the original is kept.
    pub metadata: Metadata,
    /// The kind of response.
    pub answer: Answer,
    /// Whether the response is to be saved as a file. It does not change the bytes.
    pub download: Option<Download>,
    /// The revision of the original that the client requests. It does not change the response.
    pub revision: Option<Revision>,
}

impl Default for Transform {
    fn default() -> Self {
        Self {
            redaction: None,
            crop: None,
            trim: None,
            rotate: Angle::NONE,
            flip: Flip::None,
            target: None,
            fit: Fit::Inside,
            enlarge: enlarges_by_default(Fit::Inside),
            linear: false,
            gravity: Gravity::CENTER,
            framing: Framing::default(),
            page: None,
            effects: Effects::default(),
            overlay: None,
            background: None,
            colorspace: Colorspace::Srgb,
            hdr: Hdr::Keep,
            output: Output::default(),
            metadata: Metadata::None,
            answer: Answer::Picture,
            download: None,
            revision: None,
        }
    }
}

fn default_fit(ratio: Option<Ratio>) -> Fit {
    if ratio.is_some() { Fit::Cover } else { Fit::Inside }
}

fn enlarges_by_default(fit: Fit) -> bool {
    fit != Fit::Inside
}

impl Transform {
    /// Whether the pixels are not processed, so that the response contains the original's compressed pixels. Nothing is
    /// taken from an original that keeps all of its metadata, so there `hdr=drop` makes a new picture.
    pub fn is_original(&self) -> bool {
        let hdr = if self.metadata == Metadata::All { self.hdr } else { Hdr::Keep };
        Self { metadata: Metadata::None, download: None, revision: None, hdr, ..self.clone() } == Self::default()
    }

    pub(super) fn from_raw(raw: &RawParameters) -> Result<Self, BadParameter> {
        let one = Hundredths::ONE;
        let dpr = raw.dpr().number()?.unwrap_or(one);
        let ratio = raw.ar().parsed(Ratio::parse)?;
        let fit = match (ratio, raw.fit().choice(Fit::from_name)?) {
            (Some(_), Some(Fit::Contain)) => Fit::Contain,
            (ratio, given) => given.filter(|_| ratio.is_none()).unwrap_or(default_fit(ratio)),
        };
        let target = target_box(raw, dpr, ratio)?;
        let mode = raw.redact_mode().parsed(RedactMode::parse)?.unwrap_or(RedactMode::Pixelate);
        Ok(Self {
            redaction: raw.redact().parsed(Hidden::parse)?.map(|hidden| Redaction { hidden, mode }),
            crop: raw.crop().parsed(Crop::parse)?,
            trim: raw.trim().integer()?.map(|threshold| threshold as u8),
            rotate: raw.rotate().parsed(Angle::parse)?.unwrap_or(Angle::NONE),
            flip: raw.flip().choice(Flip::from_name)?.unwrap_or(Flip::None),
            target,
            fit,
            enlarge: raw.enlarge().flag()?.unwrap_or(enlarges_by_default(fit)),
            linear: raw.linear().flag()?.unwrap_or(false),
            gravity: raw.gravity().parsed(Gravity::parse)?.unwrap_or(Gravity::CENTER),
            framing: Framing {
                ratio: ratio.filter(|_| target.is_none()),
                zoom: raw.zoom().number()?.unwrap_or(one),
                padding: in_device_pixels(raw, raw.pad().parsed(Padding::parse)?, "pad", |pad| pad.times(dpr))?
                    .unwrap_or(Padding::NONE),
                extend: raw.extend().choice(Extend::from_name)?.unwrap_or(Extend::Color),
                radius: in_device_pixels(raw, raw.radius().parsed(Radius::parse)?.flatten(), "radius", |radius| {
                    radius.times(dpr)
                })?,
                bounds: Bounds {
                    width: raw.max_w().integer()?,
                    height: raw.max_h().integer()?,
                    pixels: raw.max_pixels().integer()?,
                },
            },
            effects: Effects {
                brightness: raw.brightness().number()?.unwrap_or(one),
                contrast: raw.contrast().number()?.unwrap_or(one),
                saturation: raw.saturation().number()?.unwrap_or(one),
                gamma: raw.gamma().number()?.unwrap_or(one),
                grayscale: raw.grayscale().flag()?.unwrap_or(false),
                tint: raw.tint().parsed(Color::parse_opaque)?,
                invert: raw.invert().flag()?.unwrap_or(false),
                blur: raw.blur().number()?,
                sharpen: sharpen(raw)?,
                pixelate: raw.pixelate().integer()?,
            },
            overlay: overlay(raw, dpr)?,
            page: raw.page().integer()?,
            background: raw.bg().parsed(Color::parse)?,
            colorspace: raw.colorspace().choice(Colorspace::from_name)?.unwrap_or(Colorspace::Srgb),
            hdr: raw.hdr().choice(Hdr::from_name)?.unwrap_or(Hdr::Keep),
            output: Output {
                format: raw.format().choice(FormatChoice::from_name)?,
                quality: raw.q().parsed(Quality::parse)?,
                lossless: raw.lossless().flag()?.unwrap_or(false),
                palette: palette(raw)?,
                progressive: raw.progressive().flag()?.unwrap_or(false),
                max_bytes: raw.max_bytes().integer()?,
            },
            metadata: raw.metadata().choice(Metadata::from_name)?.unwrap_or(Metadata::None),
            answer: match (raw.show_exif().flag()?, raw.info().flag()?) {
                (Some(true), _) => Answer::Metadata,
                (_, Some(true)) => Answer::Info,
                _ => Answer::Picture,
            },
            download: raw.download().parsed(Download::parse)?.flatten(),
            revision: raw
                .v()
                .parsed(|text| if text.is_empty() { Some(None) } else { Revision::parse(text).map(Some) })?
                .flatten(),
        })
    }

    /// The canonical text of this transform: names sorted, aliases resolved, defaults omitted. It parses to the same
    /// transform, and equal transforms have equal texts.
    pub fn canonical(&self) -> String {
        let mut text = String::new();
        for (name, value) in self.canonical_pairs() {
            if !text.is_empty() {
                text.push('&');
            }
            text.push_str(name);
            text.push('=');
            push_value(&mut text, &value);
        }
        text
    }

    /// The names and values of [`Transform::canonical`].
    pub fn canonical_pairs(&self) -> Vec<(&'static str, String)> {
        self.to_raw().into_pairs()
    }

    fn to_raw(&self) -> RawParameters {
        fn shown<T: ToString>(value: Option<T>) -> Option<String> {
            value.map(|v| v.to_string())
        }
        fn unless<T: PartialEq>(value: T, default: T) -> Option<T> {
            (value != default).then_some(value)
        }
        let (effects, output, framing) = (&self.effects, &self.output, &self.framing);
        let overlay = self.overlay.as_ref();
        let one = Hundredths::ONE;
        RawParameters {
            w: shown(self.target.and_then(TargetBox::width)),
            h: shown(self.target.and_then(TargetBox::height)),
            ar: shown(framing.ratio),
            fit: shown(unless(self.fit, default_fit(framing.ratio)).map(Fit::name)),
            enlarge: shown(unless(self.enlarge, enlarges_by_default(self.fit))),
            linear: shown(unless(self.linear, false)),
            gravity: shown(unless(self.gravity, Gravity::CENTER)),
            zoom: shown(unless(framing.zoom, one)),
            crop: shown(self.crop),
            trim: shown(self.trim),
            rotate: shown(unless(self.rotate, Angle::NONE)),
            flip: shown(unless(self.flip, Flip::None).map(Flip::name)),
            blur: shown(effects.blur),
            sharpen: shown(effects.sharpen.map(|sharpen| sharpen.amount)),
            sharpen_limit: shown(effects.sharpen.and_then(|sharpen| unless(sharpen.limit, Sharpen::UNLIMITED))),
            brightness: shown(unless(effects.brightness, one)),
            contrast: shown(unless(effects.contrast, one)),
            saturation: shown(unless(effects.saturation, one)),
            gamma: shown(unless(effects.gamma, one)),
            grayscale: shown(unless(effects.grayscale, false)),
            tint: shown(effects.tint),
            invert: shown(unless(effects.invert, false)),
            pixelate: shown(effects.pixelate),
            redact: shown(self.redaction.as_ref().map(|redaction| &redaction.hidden)),
            overlay: shown(overlay.map(|overlay| &overlay.key)),
            overlay_w: shown(overlay.and_then(|overlay| overlay.width)),
            overlay_h: shown(overlay.and_then(|overlay| overlay.height)),
            overlay_gravity: shown(overlay.and_then(|overlay| unless(overlay.gravity, Gravity::CENTER))),
            overlay_x: shown(overlay.and_then(|overlay| unless(overlay.x, Length::ZERO))),
            overlay_y: shown(overlay.and_then(|overlay| unless(overlay.y, Length::ZERO))),
            overlay_opacity: shown(overlay.and_then(|overlay| unless(overlay.opacity, one))),
            overlay_tile: shown(overlay.and_then(|overlay| unless(overlay.tile, false))),
            redact_mode: shown(
                self.redaction.as_ref().and_then(|redaction| unless(redaction.mode, RedactMode::Pixelate)),
            ),
            pad: shown(unless(framing.padding, Padding::NONE)),
            extend: shown(unless(framing.extend, Extend::Color).map(Extend::name)),
            radius: shown(framing.radius),
            max_w: shown(framing.bounds.width),
            max_h: shown(framing.bounds.height),
            max_pixels: shown(framing.bounds.pixels),
            bg: shown(self.background),
            format: shown(output.format.map(FormatChoice::name)),
            colorspace: shown(unless(self.colorspace, Colorspace::Srgb).map(Colorspace::name)),
            hdr: shown(unless(self.hdr, Hdr::Keep).map(Hdr::name)),
            q: shown(output.quality),
            lossless: shown(unless(output.lossless, false)),
            colors: shown(output.palette.map(|palette| palette.colors)),
            dither: shown(output.palette.and_then(|palette| unless(palette.dither, Palette::DITHER))),
            progressive: shown(unless(output.progressive, false)),
            max_bytes: shown(output.max_bytes),
            page: shown(self.page),
            metadata: shown(unless(self.metadata, Metadata::None).map(Metadata::name)),
            show_exif: (self.answer == Answer::Metadata).then(|| true.to_string()),
            info: (self.answer == Answer::Info).then(|| true.to_string()),
            download: shown(self.download.as_ref()),
            v: shown(self.revision.as_ref()),
            dpr: None,
            preset: None,
        }
    }
}

/// Appends a value, percent-encoded where it would be ambiguous.
fn push_value(text: &mut String, value: &str) {
    for character in value.chars() {
        if character.is_ascii_graphic() && !matches!(character, '%' | '&' | '+' | '#') {
            text.push(character);
            continue;
        }
        for byte in character.encode_utf8(&mut [0; 4]).bytes() {
            let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0').to_ascii_uppercase();
            text.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

impl std::str::FromStr for Transform {
    type Err = BadParameter;

    /// Parses a query without presets.
    fn from_str(query: &str) -> Result<Self, BadParameter> {
        super::parse(query, &Presets::new())
    }
}

/// Computes the box in output pixels: `w=300&dpr=2` becomes `w=600`, so that both are one cache entry. The same applies
/// to a side that follows from `ar`.
fn target_box(raw: &RawParameters, dpr: Hundredths, ratio: Option<Ratio>) -> Result<Option<TargetBox>, BadParameter> {
    let scaled = |given: Given<'_>| -> Result<Option<u32>, BadParameter> {
        let name = given.parameter.name;
        in_device_pixels(raw, given.integer()?, name, |side| dpr.times(side).filter(|pixels| *pixels <= MAX_SIDE))
    };
    let (width, height) = (scaled(raw.w())?, scaled(raw.h())?);
    let folded = |side: u64, name: &str| {
        let too_long = || raw.ar().bad(format!("at most what keeps {name} within {MAX_SIDE}"));
        u32::try_from(side).ok().filter(|side| *side <= MAX_SIDE).ok_or_else(too_long).map(Some)
    };
    Ok(match (width, height, ratio) {
        (Some(_), Some(_), Some(_)) => return Err(raw.ar().bad("effect with at most one of w and h".to_owned())),
        (Some(width), None, Some(ratio)) => TargetBox::new(Some(width), folded(ratio.height(width), "h")?),
        (None, Some(height), Some(ratio)) => TargetBox::new(folded(ratio.width(height), "w")?, Some(height)),
        (width, height, _) => TargetBox::new(width, height),
    })
}

/// Parses the unsharp mask. `sharpen_limit` is validated even if there is none.
fn sharpen(raw: &RawParameters) -> Result<Option<Sharpen>, BadParameter> {
    let limit = raw.sharpen_limit().number()?.unwrap_or(Sharpen::UNLIMITED);
    Ok(raw.sharpen().number()?.map(|amount| Sharpen { amount, limit }))
}

/// Parses the palette. `dither` is validated even if there is none.
fn palette(raw: &RawParameters) -> Result<Option<Palette>, BadParameter> {
    let dither = raw.dither().number()?.unwrap_or(Palette::DITHER);
    Ok(raw.colors().integer()?.map(|colors| Palette { colors: colors as u16, dither }))
}

/// Parses the overlay. Like all other parameters, its parameters are validated even if there is no overlay.
fn overlay(raw: &RawParameters, dpr: Hundredths) -> Result<Option<Overlay>, BadParameter> {
    let length = |given: Given<'_>, parse: fn(&str) -> Option<Length>| {
        let name = given.parameter.name;
        in_device_pixels(raw, given.parsed(parse)?, name, |length| length.times(dpr))
    };
    // An empty value removes the overlay of a preset.
    let key = raw.overlay().parsed(|text| match text {
        "" => Some(None),
        key => OverlayKey::parse(key).map(Some),
    })?;
    let (width, height) =
        (length(raw.overlay_w(), Length::parse_positive)?, length(raw.overlay_h(), Length::parse_positive)?);
    let gravity = raw.overlay_gravity().parsed(overlay::parse_gravity)?.unwrap_or(Gravity::CENTER);
    let (x, y) = (length(raw.overlay_x(), Length::parse)?, length(raw.overlay_y(), Length::parse)?);
    let (x, y) = (x.unwrap_or(Length::ZERO), y.unwrap_or(Length::ZERO));
    let opacity = raw.overlay_opacity().number()?.unwrap_or(Hundredths::ONE);
    let tile = raw.overlay_tile().flag()?.unwrap_or(false);
    Ok(key.flatten().map(|key| Overlay { key, width, height, gravity, x, y, opacity, tile }))
}

/// Multiplies the CSS pixels of a value by `dpr`, which the error names if the result is too large.
fn in_device_pixels<T>(
    raw: &RawParameters,
    value: Option<T>,
    name: &str,
    times: impl FnOnce(T) -> Option<T>,
) -> Result<Option<T>, BadParameter> {
    let Some(value) = value else { return Ok(None) };
    let too_long = || raw.dpr().bad(format!("at most what keeps {name} times dpr within {MAX_SIDE}"));
    times(value).ok_or_else(too_long).map(Some)
}

impl<'a> Given<'a> {
    pub(super) fn bad(self, allowed: String) -> BadParameter {
        BadParameter::new(self.parameter, self.value.unwrap_or_default(), allowed)
    }

    /// The value as parsed by `parse`; if that fails, an error with the allowed values.
    fn parsed<T>(self, parse: impl FnOnce(&'a str) -> Option<T>) -> Result<Option<T>, BadParameter> {
        let Some(value) = self.value else { return Ok(None) };
        match parse(value.trim()) {
            Some(parsed) => Ok(Some(parsed)),
            None => Err(self.bad(self.parameter.allowed())),
        }
    }

    fn choice<T>(self, from_name: impl FnOnce(&'a str) -> Option<T>) -> Result<Option<T>, BadParameter> {
        self.parsed(from_name)
    }

    fn integer(self) -> Result<Option<u32>, BadParameter> {
        let Kind::Integer { min, max } = self.parameter.kind else { return Err(self.bad(self.parameter.allowed())) };
        self.parsed(|text| whole_number(text).filter(|n| (min..=max).contains(n)))
    }

    fn number(self) -> Result<Option<Hundredths>, BadParameter> {
        let Kind::Number { min, max } = self.parameter.kind else { return Err(self.bad(self.parameter.allowed())) };
        self.parsed(|text| Hundredths::parse(text).filter(|n| (min..=max).contains(n)))
    }

    fn flag(self) -> Result<Option<bool>, BadParameter> {
        self.parsed(super::values::flag)
    }
}
