//! The query grammar: every parameter with its aliases, values, default and help.
//!
//! The [`parameters!`] table generates both the parser's input ([`RawParameters`]) and the description that
//! `image-origin grammar` prints ([`PARAMETERS`]), so that they cannot differ. Documentation and infrastructure are
//! generated from that description or checked against it.

use serde::Serialize;

use super::framing::Extend;
use super::values::{Colorspace, Fit, Flip, FormatChoice, Hdr, Hundredths, Metadata};

/// The maximum side of an output in pixels, which is WebP's limit (RFC 9649, 2.6: 14 bits less one).
pub const MAX_SIDE: u32 = 16_383;

/// The kind of value of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Kind {
    /// A whole number in `min..=max`; decimals are rounded first.
    Integer {
        /// The smallest allowed value.
        min: u32,
        /// The largest allowed value.
        max: u32,
    },
    /// A number in `min..=max` with up to two decimals.
    Number {
        /// The smallest allowed value.
        min: Hundredths,
        /// The largest allowed value.
        max: Hundredths,
    },
    /// Degrees in `min..=max` with up to two decimals; positive angles are clockwise.
    Angle {
        /// The smallest allowed angle.
        min: i32,
        /// The largest allowed angle.
        max: i32,
    },
    /// `true`, `1`, `on`, `yes` or an empty value; `false`, `0`, `off`, `no`.
    Bool,
    /// One of these keywords; case is ignored.
    Choice {
        /// The keywords.
        values: &'static [&'static str],
    },
    /// `RGB` or `RRGGBB` in hex, or a CSS colour name.
    Color {
        /// Whether `RGBA`, `RRGGBBAA` and `transparent` are allowed as well.
        alpha: bool,
    },
    /// A text in the given form.
    Text {
        /// A description of the form.
        form: &'static str,
    },
}

/// A parameter of the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Parameter {
    /// The canonical name, as in the canonical text.
    pub name: &'static str,
    /// Aliases.
    pub aliases: &'static [&'static str],
    /// The kind of value.
    #[serde(flatten)]
    pub kind: Kind,
    /// The default, which applies when the parameter is absent.
    pub default: &'static str,
    /// A description in one or two sentences.
    pub help: &'static str,
}

impl Parameter {
    /// A description of the allowed values, for "expected ...".
    pub fn allowed(&self) -> String {
        match self.kind {
            Kind::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Kind::Number { min, max } => format!("a number from {min} to {max}"),
            Kind::Angle { min, max } => format!("degrees from {min} to {max}"),
            Kind::Bool => "true or false".to_owned(),
            Kind::Choice { values } => format!("one of {}", values.join(", ")),
            Kind::Color { alpha: false } => "RRGGBB in hex, or a CSS colour name".to_owned(),
            Kind::Color { alpha: true } => "RRGGBB or RRGGBBAA in hex, or a CSS colour name".to_owned(),
            Kind::Text { form } => form.to_owned(),
        }
    }
}

/// A parameter and its value in the query, if any.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given<'a> {
    pub(super) parameter: &'static Parameter,
    pub(super) value: Option<&'a str>,
}

macro_rules! parameters {
    ($($field:ident $name:literal $([$($alias:literal),+])?: $kind:expr, $default:literal, $help:literal;)+) => {
        /// All parameters, in the order of the documentation.
        pub static PARAMETERS: &[Parameter] = &[$(
            Parameter { name: $name, aliases: &[$($($alias),+)?], kind: $kind, default: $default, help: $help },
        )+];

        /// The index of each parameter in [`PARAMETERS`].
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Index { $($field),+ }

        /// The values in a query by canonical name, not yet validated.
        #[derive(Debug, Default, PartialEq)]
        #[cfg_attr(feature = "serde_qs", derive(serde::Deserialize))]
        pub(super) struct RawParameters { $(
            #[cfg_attr(feature = "serde_qs", serde(default, rename = $name))]
            pub(super) $field: Option<String>,
        )+ }

        impl RawParameters {
            /// The same as [`RawParameters::read`] in less code, for WebAssembly.
            #[cfg(any(test, not(feature = "serde_qs")))]
            pub(super) fn read_plainly(query: &str) -> Self {
                let mut raw = Self::default();
                for (name, value) in form_urlencoded::parse(query.as_bytes()) {
                    match &*name {
                        $($name $($(| $alias)+)? => raw.$field = Some(value.into_owned()),)+
                        _ => {}
                    }
                }
                raw
            }

            /// The values in `self`, and those in `other` for absent parameters.
            pub(super) fn or(self, other: Self) -> Self {
                Self { $($field: self.$field.or(other.$field),)+ }
            }

            $(
                pub(super) fn $field(&self) -> Given<'_> {
                    Given { parameter: &PARAMETERS[Index::$field as usize], value: self.$field.as_deref() }
                }
            )+

            /// Name and value of all given parameters, sorted by name.
            pub(super) fn into_pairs(self) -> Vec<(&'static str, String)> {
                let mut pairs: Vec<(&'static str, String)> = Vec::new();
                for (name, value) in [$(($name, self.$field)),+] {
                    let Some(value) = value else { continue };
                    // The standard sort would be the largest part of this crate in the WebAssembly module.
                    pairs.insert(pairs.partition_point(|(earlier, _)| *earlier < name), (name, value));
                }
                pairs
            }
        }
    };
}

impl RawParameters {
    /// Parses the pairs of a query. Unknown names are dropped; of repeated ones the last value is used.
    ///
    /// Only known names with plain text values are passed to serde_qs, so that its bracket syntax, duplicate keys and
    /// invalid UTF-8 cannot occur, and it cannot fail.
    #[cfg(feature = "serde_qs")]
    pub(super) fn read(query: &str) -> Self {
        let known: std::collections::BTreeMap<_, _> = form_urlencoded::parse(query.as_bytes())
            .filter_map(|(name, value)| Some((find(&name)?.name, value)))
            .collect();
        let plain = form_urlencoded::Serializer::new(String::new()).extend_pairs(known).finish();
        serde_qs::from_str(&plain).unwrap_or_default()
    }

    /// Parses the pairs of a query. Unknown names are dropped; of repeated ones the last value is used.
    #[cfg(not(feature = "serde_qs"))]
    pub(super) fn read(query: &str) -> Self {
        Self::read_plainly(query)
    }
}

const SIDE: Kind = Kind::Integer { min: 1, max: MAX_SIDE };
/// A number in a range of hundredths.
const fn number(min: u32, max: u32) -> Kind {
    Kind::Number { min: Hundredths::new(min), max: Hundredths::new(max) }
}

const LENGTH: Kind =
    Kind::Text { form: "a whole number of pixels from 0 to 16383, or a share from 0 to 1 with a decimal point" };
const LENGTH_ABOVE_ZERO: Kind = Kind::Text {
    form: "a whole number of pixels from 1 to 16383, or a share above 0 and up to 1 with a decimal point",
};

const FACTOR: Kind = number(0, 1000);

parameters! {
    w "w" ["width"]: SIDE, "from h, or the original's",
        "Width of the target box in CSS pixels. Without h, the aspect ratio is preserved.";
    h "h" ["height"]: SIDE, "from w, or the original's",
        "Height of the target box in CSS pixels. Without w, the aspect ratio is preserved.";
    dpr "dpr": number(10, 1000), "1",
        "Device pixel ratio: multiplies w and h. Zoomed pages have ratios below 1 and above 5.";
    ar "ar": Kind::Text { form: "W:H or a decimal number, width over height from 0.01 to 100" }, "that of the picture",
        "Aspect ratio. Determines the missing side of the box; without w and h, selects the largest area with \
         that ratio. The picture is cropped as by fit=cover, or padded if fit=contain is given.";
    fit "fit": Kind::Choice { values: Fit::NAMES }, "inside, or cover with ar",
        "How the picture is fitted into the box of w and h: inside and outside keep the whole picture, cover \
         crops it, contain pads it with bg, fill stretches it.";
    enlarge "enlarge": Kind::Bool, "false for fit=inside, else true",
        "Whether the output may be larger than the original.";
    linear "linear": Kind::Bool, "false",
        "Resizes in linear light, which preserves the brightness of fine detail. Slower, because the decoder \
         cannot reduce the picture while it reads.";
    gravity "gravity": Kind::Text {
        form: "center, north, northeast, east, southeast, south, southwest, west, northwest, entropy, attention, \
               face, faces, auto, or X,Y with both from 0 to 1",
    }, "center",
        "The part that crop=W,H, zoom and fit=cover keep, and the position of the picture with fit=contain. \
         entropy and attention select the most interesting part, face the largest face, faces all faces. auto \
         uses the focus stored with the original, else regions or the subject area in its metadata, else faces, \
         else attention.";
    zoom "zoom": number(100, 1000), "1",
        "Magnification: keeps a part whose sides are shorter by this factor, around the position given by \
         gravity.";
    crop "crop": Kind::Text {
        form: "X,Y,W,H or W,H as whole pixels, or all of them as fractions from 0 to 1 of which at least one has a decimal \
               point",
    }, "the whole picture",
        "The area to take from the upright original, before any other step. Without X,Y, gravity determines the \
         position.";
    max_w "max_w": SIDE, "off",
        "Maximum width of the whole output in device pixels, padding included. A larger output is scaled down.";
    max_h "max_h": SIDE, "off",
        "Maximum height of the whole output in device pixels; see max_w.";
    max_pixels "max_pixels": Kind::Integer { min: 1, max: MAX_SIDE * MAX_SIDE }, "off",
        "Maximum number of pixels of the whole output; see max_w.";
    trim "trim": Kind::Integer { min: 0, max: 255 }, "off",
        "Removes a border whose samples differ by at most this value from the top left pixel.";
    rotate "rotate": Kind::Angle { min: -360, max: 360 }, "0",
        "Clockwise rotation, after the EXIF orientation is applied. Empty corners are filled with bg, or \
         transparent.";
    flip "flip": Kind::Choice { values: Flip::NAMES }, "none",
        "Mirrors the picture horizontally, vertically or both, after rotate.";
    blur "blur": number(30, 10000), "off",
        "Gaussian blur; the value is sigma in output pixels.";
    sharpen "sharpen": number(1, 1000), "off",
        "Unsharp mask with a radius of one output pixel; the value is the amount.";
    sharpen_limit "sharpen_limit": number(10, 10000), "100",
        "Halo limit of sharpen: how much lighter or darker a sample may become, in percent of the full range. 10 \
         keeps edges free of visible halos.";
    brightness "brightness": FACTOR, "1",
        "Factor for every sample.";
    contrast "contrast": FACTOR, "1",
        "Factor for each sample's distance from mid-grey.";
    saturation "saturation": FACTOR, "1",
        "Factor for each pixel's distance from grey of the same luma; 0 is greyscale.";
    gamma "gamma": number(10, 1000), "1",
        "Raises samples to the power of 1/gamma: values above 1 lighten mid-tones.";
    grayscale "grayscale" ["greyscale"]: Kind::Bool, "false",
        "Removes colour and keeps luma.";
    tint "tint": Kind::Color { alpha: false }, "off",
        "Replaces the hue by this colour and keeps luma.";
    invert "invert": Kind::Bool, "false",
        "Inverts the colours; alpha is unchanged.";
    pixelate "pixelate": Kind::Integer { min: 2, max: 256 }, "off",
        "Mosaic of squares with this side in output pixels, each in one colour.";
    redact "redact": Kind::Text {
        form: "faces, or up to 64 areas X,Y,W,H with semicolons between, each as crop takes it",
    }, "nothing",
        "Hides areas of the upright original, or all detected faces, before any other step.";
    redact_mode "redact_mode": Kind::Text { form: "pixelate, blur, RRGGBB in hex, or a CSS colour name" }, "pixelate",
        "How redacted areas are hidden: by a coarse mosaic, by a blurred mosaic, or by a colour.";
    pad "pad": Kind::Text { form: "1, 2 or 4 whole numbers of pixels from 0 to 16383 with commas between, in CSS's order" }, "0",
        "Padding around the picture in CSS pixels, outside the box of w and h.";
    extend "extend": Kind::Choice { values: Extend::NAMES }, "color",
        "The content of the padding of pad and fit=contain: bg, the nearest pixels, the mirrored picture, or a \
         blurred copy of it.";
    radius "radius": Kind::Text {
        form: "1 or 4 whole numbers of pixels from 0 to 16383 with commas between, clockwise from the top left, or max",
    }, "0",
        "Radius of the picture's corners in CSS pixels; max gives a circle or a pill. Behind the corners is bg, \
         or transparency.";
    overlay "overlay": Kind::Text {
        form: "the key of a picture such as logos/mark.png, of at most 1024 bytes, without . and .., backslashes and percent \
               escapes",
    }, "none",
        "Picture that is blended over the output, padding included: the path of its own URL. It must be in a folder \
         that the setting overlays allows. An empty value means none.";
    overlay_w "overlay_w": LENGTH_ABOVE_ZERO, "from overlay_h, or its own, but no wider than the output",
        "Width of the overlay in CSS pixels, or as a fraction of the output's width. Together with overlay_h it \
         is a box into which the overlay fits.";
    overlay_h "overlay_h": LENGTH_ABOVE_ZERO, "from overlay_w, or its own, but no higher than the output",
        "Height of the overlay in CSS pixels, or as a fraction of the output's height.";
    overlay_gravity "overlay_gravity": Kind::Text {
        form: "center, north, northeast, east, southeast, south, southwest, west, northwest, or X,Y with both from 0 to 1",
    }, "center",
        "The edge or corner of the output at which the overlay is placed. With X,Y, the point at these fractions \
         of the overlay is placed at these fractions of the output.";
    overlay_x "overlay_x": LENGTH, "0",
        "Horizontal distance from the edge given by overlay_gravity, or to the right of its point, in CSS pixels \
         or as a fraction of the output's width. With overlay_tile, the gap between columns.";
    overlay_y "overlay_y": LENGTH, "0",
        "Vertical distance, downwards where overlay_gravity gives no edge; see overlay_x. With overlay_tile, the \
         gap between rows.";
    overlay_opacity "overlay_opacity": number(0, 100), "1",
        "Factor for the overlay's alpha: 0 is invisible.";
    overlay_tile "overlay_tile": Kind::Bool, "false",
        "Repeats the overlay in both directions until it covers the output.";
    bg "bg" ["background"]: Kind::Color { alpha: true }, "transparent, or white where the output has no alpha",
        "Background colour: fills the padding of pad and fit=contain, and is behind transparent parts if it is \
         given or the output has no alpha.";
    format "format" ["f", "fm"]: Kind::Choice { values: FormatChoice::NAMES }, "the original's, or the nearest that can be written",
        "Output format. auto selects the best format that the Accept header allows, and leaves a drawing in SVG what it is. \
         jpg is an alias of jpeg; svg is for originals in SVG.";
    colorspace "colorspace": Kind::Choice { values: Colorspace::NAMES }, "srgb",
        "Colour space of the output. p3 preserves colours outside of sRGB, as Display P3 with its profile, in \
         jpeg, png, webp and avif.";
    hdr "hdr": Kind::Choice { values: Hdr::NAMES }, "keep",
        "What becomes of the gain map of an HDR photograph: keep crops, resizes and turns it with the picture, in jpeg \
         from jpeg; drop sends the picture without it.";
    q "q" ["quality"]: Kind::Text {
        form: "low, medium, high, best, auto, auto:N with N from 30 to 95, or a whole number from 1 to 100",
    }, "80",
        "Quality of lossy output: a number on JPEG's scale, a level that has the same likeness in every format, or auto: \
         what this picture needs for SSIMULACRA2 N, by default 80. Above 90, JPEG is written without chroma subsampling.";
    lossless "lossless": Kind::Bool, "false",
        "Encodes without loss in webp and avif; png is lossless unless colors or q=auto give it a palette.";
    colors "colors": Kind::Integer { min: 2, max: 256 }, "all of them",
        "Maximum number of colours of a PNG, which gets a palette. Other formats ignore it.";
    dither "dither": number(0, 100), "0.8",
        "How much of the error of each pixel is diffused to its neighbours where colors reduces them; 0 gives flat areas.";
    progressive "progressive": Kind::Bool, "false",
        "Writes a progressive JPEG.";
    max_bytes "max_bytes": Kind::Integer { min: 1, max: 1_000_000_000 }, "off",
        "Maximum size of the output in bytes: lowers q until it fits. If no quality fits, the response is 422.";
    page "page" ["frame"]: Kind::Integer { min: 0, max: 999_999 }, "all of them, where the output can hold an animation",
        "One frame of an animation, counted from 0, as a still picture.";
    metadata "metadata": Kind::Choice { values: Metadata::NAMES }, "none",
        "Metadata to keep from the original: none, authors and rights, or all.";
    show_exif "showExif": Kind::Bool, "false",
        "Responds with the original's metadata (Exif, XMP, IPTC) as JSON. Takes precedence over info.";
    info "info": Kind::Bool, "false",
        "Responds with facts about the original as JSON: size, format, orientation, alpha, frames and their \
         delays, faces, focus, colours, placeholders, alternative text, warnings.";
    download "download": Kind::Text { form: "true, false, or a file name of up to 128 characters" }, "false",
        "Makes browsers save the response instead of showing it, under this name or that of the original, with the \
         extension of the format that is sent. It does not change the picture.";
    v "v": Kind::Text { form: "up to 64 characters" }, "none",
        "Any text. It does not change the picture but is part of the cache key, so that a new value requests a \
         new picture everywhere, and Cache-Control says immutable.";
    preset "preset": Kind::Text { form: "up to 8 names of presets in the configuration, with commas between" }, "none",
        "Named sets of parameters from the configuration. Later presets override earlier ones, and explicit \
         parameters override presets.";
}

/// The whole grammar as one document, for the edge, infrastructure and documentation.
#[derive(Debug, Serialize)]
pub struct Grammar {
    /// All parameters.
    pub parameters: &'static [Parameter],
    /// The parameters that make a response depend on the `Accept` header. A preset may contain such a parameter.
    pub negotiated_by: &'static [Condition],
    /// The media types in `Accept` that affect such a response.
    pub negotiable_types: &'static [&'static str; 2],
}

/// A parameter with a specific or any value.
#[derive(Debug, Serialize)]
pub struct Condition {
    /// The name of the parameter.
    pub name: &'static str,
    /// The value that matters; `None` means any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<&'static str>,
}

/// The grammar of this version.
pub static GRAMMAR: Grammar = Grammar {
    parameters: PARAMETERS,
    negotiated_by: &[
        Condition { name: "format", value: Some(FormatChoice::Auto.name()) },
        Condition { name: "preset", value: None },
    ],
    negotiable_types: &["image/avif", "image/webp"],
};

/// The parameter with this name or alias.
pub fn find(name: &str) -> Option<&'static Parameter> {
    PARAMETERS.iter().find(|p| p.name == name || p.aliases.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_unique() {
        let mut names: Vec<_> =
            PARAMETERS.iter().flat_map(|p| std::iter::once(p.name).chain(p.aliases.iter().copied())).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn aliases_lead_to_their_parameter() {
        assert_eq!(find("quality").map(|p| p.name), Some("q"));
        assert_eq!(find("Width"), None, "names are case-sensitive");
    }
}
