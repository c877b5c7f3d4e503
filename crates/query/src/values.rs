//! The types of parameter values. Each type contains valid values only, compares exactly (decimals are stored as
//! integers), and its `Display` form is the text of the grammar.

use std::fmt;

use csscolorparser::NAMED_COLORS;
use serde::{Serialize, Serializer};
use uncased::UncasedStr;

/// Declares an enum whose variants are keywords of the grammar.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$variant_doc:meta])* $variant:ident = $word:literal $(| $alias:literal)*),+ $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// The keywords, in the order of the documentation.
            pub const NAMES: &'static [&'static str] = &[$($word),+];

            /// Parses a keyword or one of its aliases; case is ignored.
            pub fn from_name(name: &str) -> Option<Self> {
                let is = |word: &str| name.eq_ignore_ascii_case(word);
                $(if is($word) $(|| is($alias))* { return Some(Self::$variant); })+
                None
            }

            /// The keyword of this value.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}
pub(super) use choice;

choice! {
    /// How a picture is fitted into the target box; the keywords are those of CSS's `object-fit` and sharp's `fit`.
    Fit {
        /// The largest size that fits inside the box; the aspect ratio is kept.
        Inside = "inside",
        /// The smallest size that covers the box; the aspect ratio is kept and nothing is cropped.
        Outside = "outside",
        /// Exactly the box; the excess is cropped.
        Cover = "cover",
        /// Exactly the box; the rest is padded.
        Contain = "contain",
        /// Exactly the box; the aspect ratio is not kept.
        Fill = "fill",
    }
}

choice! {
    /// Mirroring.
    Flip {
        /// Not mirrored.
        None = "none",
        /// Horizontally: left and right are exchanged.
        Horizontal = "h",
        /// Vertically: top and bottom are exchanged.
        Vertical = "v",
        /// Both, which equals a half turn.
        Both = "hv",
    }
}

choice! {
    /// The requested output format.
    FormatChoice {
        /// The best format that the `Accept` header allows.
        Auto = "auto",
        /// JPEG.
        Jpeg = "jpeg" | "jpg",
        /// PNG.
        Png = "png",
        /// AVIF.
        Avif = "avif",
        /// WebP.
        WebP = "webp",
        /// GIF.
        Gif = "gif",
        /// SVG, of an original that is one.
        Svg = "svg",
    }
}

choice! {
    /// The colour space of the output.
    Colorspace {
        /// sRGB, which every viewer assumes.
        Srgb = "srgb",
        /// Display P3 if the original has colours beyond sRGB.
        DisplayP3 = "p3",
    }
}

choice! {
    /// What becomes of the gain map of an HDR photograph.
    Hdr {
        /// It is cropped, resized and turned with the picture.
        Keep = "keep",
        /// The picture is sent without it.
        Drop = "drop",
    }
}

choice! {
    /// Which metadata is kept.
    Metadata {
        /// Only what is required to display the picture.
        None = "none",
        /// Creator, credit and rights.
        Copyright = "copyright",
        /// All metadata.
        All = "all",
    }
}

choice! {
    /// A named gravity.
    Anchor {
        /// The centre.
        Center = "center",
        /// Top edge.
        North = "north",
        /// Top right corner.
        NorthEast = "northeast",
        /// Right edge.
        East = "east",
        /// Bottom right corner.
        SouthEast = "southeast",
        /// Bottom edge.
        South = "south",
        /// Bottom left corner.
        SouthWest = "southwest",
        /// Left edge.
        West = "west",
        /// Top left corner.
        NorthWest = "northwest",
        /// The window with the highest Shannon entropy.
        Entropy = "entropy",
        /// The most salient window: edges, saturated colours, skin.
        Attention = "attention",
        /// The largest face.
        Face = "face",
        /// All faces.
        Faces = "faces",
        /// What the original is marked with: a stored focus, regions, faces, or what draws the eye.
        Auto = "auto",
    }
}

impl Anchor {
    /// The anchors that are determined from the pixels.
    pub const LOOKED_FOR: [Self; 5] = [Self::Entropy, Self::Attention, Self::Face, Self::Faces, Self::Auto];
}

/// A number with two decimals, stored as an integer of hundredths so that it compares and hashes exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hundredths(u32);

impl Hundredths {
    /// The number 1.
    pub const ONE: Self = Self::new(100);

    /// Creates a number from hundredths.
    pub const fn new(hundredths: u32) -> Self {
        Self(hundredths)
    }

    /// This number times a hundred.
    pub const fn hundredths(self) -> u32 {
        self.0
    }

    /// The number as floating point.
    pub fn get(self) -> f64 {
        f64::from(self.0) / 100.0
    }

    /// A whole number multiplied by this one, rounded, at least 1; `None` if the result exceeds 32 bits.
    pub(super) fn times(self, whole: u32) -> Option<u32> {
        u32::try_from((u64::from(whole) * u64::from(self.0) + 50) / 100).ok().map(|product| product.max(1))
    }

    /// Reads a decimal number such as `1.5`, rounded to hundredths; no sign and no exponent.
    pub fn parse(text: &str) -> Option<Self> {
        decimal::<2>(text).map(Self)
    }

    /// The number of hundredths.
    pub const fn units(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Hundredths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0 / 100, decimals::<2>(self.0).trim_end_matches(".0"))
    }
}

impl Serialize for Hundredths {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.get())
    }
}

/// A fraction of a side from 0 to 1, stored as an integer of ten-thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Share(u32);

impl Share {
    /// The units of a whole side.
    const WHOLE: u32 = 10_000;

    /// The fraction as floating point.
    pub fn get(self) -> f64 {
        f64::from(self.0) / f64::from(Self::WHOLE)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        decimal::<4>(text).filter(|share| *share <= Self::WHOLE).map(Self)
    }
}

impl fmt::Display for Share {
    /// Always with a decimal point, which distinguishes fractions from pixels.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0 / 10_000, decimals::<4>(self.0))
    }
}

/// A text of 1 to [`Revision::MAX_CHARS`] characters that distinguishes revisions of an original.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Revision(String);

impl Revision {
    /// The maximum length in characters.
    pub const MAX_CHARS: usize = 64;

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        is_short_text(text, Self::MAX_CHARS).then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A request to save the response as a file instead of showing it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Download {
    /// Under the last segment of the original's key.
    KeyName,
    /// Under this name.
    Named(FileName),
}

impl Download {
    /// Reads a value of [`flag`] or a file name. The inner `None` is a value that requests nothing.
    pub(super) fn parse(text: &str) -> Option<Option<Self>> {
        match flag(text) {
            Some(is_requested) => Some(is_requested.then_some(Self::KeyName)),
            None => FileName::parse(text).map(|name| Some(Self::Named(name))),
        }
    }
}

impl fmt::Display for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyName => f.write_str("true"),
            Self::Named(name) => f.write_str(&name.0),
        }
    }
}

/// The name of a file as a client proposes it: 1 to [`FileName::MAX_CHARS`] characters, none of them a control
/// character. It may still contain separators, and characters that a file system does not allow.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FileName(String);

impl FileName {
    /// The maximum length in characters.
    pub const MAX_CHARS: usize = 128;

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parse(text: &str) -> Option<Self> {
        is_short_text(text, Self::MAX_CHARS).then(|| Self(text.to_owned()))
    }
}

/// Whether a text has 1 to `max_chars` characters, none of them a control character.
fn is_short_text(text: &str, max_chars: usize) -> bool {
    // No character takes more than four bytes, so that only short texts are counted.
    !text.is_empty()
        && text.len() <= 4 * max_chars
        && text.chars().count() <= max_chars
        && !text.chars().any(char::is_control)
}

/// Reads a switch: an empty value switches it on.
pub(super) fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "" | "true" | "1" | "on" | "yes" => Some(true),
        "false" | "0" | "off" | "no" => Some(false),
        _ => None,
    }
}

/// The part of the picture that `crop`, `zoom` and `fit=cover` keep, and the position of the picture in `fit=contain`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gravity {
    /// A named position, or a method to find one.
    Named(Anchor),
    /// A point of the picture: 0,0 is the top left corner, 1,1 the bottom right corner.
    Point(Share, Share),
}

impl Gravity {
    /// The centre.
    pub const CENTER: Self = Self::Named(Anchor::Center);

    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(anchor) = Anchor::from_name(text) {
            return Some(Self::Named(anchor));
        }
        let [x, y] = shares(text)?;
        Some(Self::Point(x, y))
    }
}

impl fmt::Display for Gravity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(anchor) => f.write_str(anchor.name()),
            Self::Point(x, y) => write!(f, "{x},{y}"),
        }
    }
}

/// The part of an original that matters most, as it is stored beside it: a point or an area of the upright picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Focus {
    /// Distance from the left edge.
    pub x: Share,
    /// Distance from the top edge.
    pub y: Share,
    /// Width; 0 for a point.
    pub width: Share,
    /// Height; 0 for a point.
    pub height: Share,
}

impl Focus {
    /// Reads `X,Y` or `X,Y,W,H`, all of them from 0 to 1. The area lies within the picture.
    pub fn parse(text: &str) -> Option<Self> {
        let none = Share(0);
        let [x, y, width, height] = shares::<4>(text).or_else(|| shares(text).map(|[x, y]| [x, y, none, none]))?;
        (x.0 + width.0 <= Share::WHOLE && y.0 + height.0 <= Share::WHOLE).then_some(Self { x, y, width, height })
    }
}

/// An area of the upright original. Width and height are never zero. If only those are given, gravity determines the
/// position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Crop {
    /// Left, top, width and height in pixels.
    Pixels {
        /// Distance from the left edge.
        x: u32,
        /// Distance from the top edge.
        y: u32,
        /// Width, at least 1.
        width: u32,
        /// Height, at least 1.
        height: u32,
    },
    /// Left, top, width and height as fractions of the picture's width and height.
    Shares {
        /// Distance from the left edge.
        x: Share,
        /// Distance from the top edge.
        y: Share,
        /// Width, above 0.
        width: Share,
        /// Height, above 0.
        height: Share,
    },
    /// Width and height in pixels.
    PixelSize {
        /// Width, at least 1.
        width: u32,
        /// Height, at least 1.
        height: u32,
    },
    /// Width and height as fractions of the picture's width and height.
    ShareSize {
        /// Width, above 0.
        width: Share,
        /// Height, above 0.
        height: Share,
    },
}

impl Crop {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let items: Vec<&str> = text.split(',').map(str::trim).collect();
        let crop = if text.contains('.') {
            let shares: Vec<Share> = items.into_iter().map(Share::parse).collect::<Option<_>>()?;
            match *shares.as_slice() {
                [width, height] => Self::ShareSize { width, height },
                [x, y, width, height] => Self::Shares { x, y, width, height },
                _ => return None,
            }
        } else {
            let pixels: Vec<u32> = items.into_iter().map(decimal_digits).collect::<Option<_>>()?;
            match *pixels.as_slice() {
                [width, height] => Self::PixelSize { width, height },
                [x, y, width, height] => Self::Pixels { x, y, width, height },
                _ => return None,
            }
        };
        crop.has_size().then_some(crop)
    }

    fn has_size(&self) -> bool {
        match *self {
            Self::Pixels { width, height, .. } | Self::PixelSize { width, height } => width > 0 && height > 0,
            Self::Shares { width, height, .. } | Self::ShareSize { width, height } => width.0 > 0 && height.0 > 0,
        }
    }
}

impl fmt::Display for Crop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pixels { x, y, width, height } => write!(f, "{x},{y},{width},{height}"),
            Self::Shares { x, y, width, height } => write!(f, "{x},{y},{width},{height}"),
            Self::PixelSize { width, height } => write!(f, "{width},{height}"),
            Self::ShareSize { width, height } => write!(f, "{width},{height}"),
        }
    }
}

/// An sRGB colour with straight alpha.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Color {
    /// Red, green and blue.
    pub rgb: [u8; 3],
    /// 0 is transparent, 255 opaque.
    pub alpha: u8,
}

impl Color {
    /// Opaque white.
    pub const WHITE: Self = Self { rgb: [255; 3], alpha: 255 };
    /// Transparent black.
    pub const TRANSPARENT: Self = Self { rgb: [0; 3], alpha: 0 };

    /// Parses an opaque colour.
    pub(super) fn parse_opaque(text: &str) -> Option<Self> {
        Self::parse(text).filter(|color| color.alpha == 255)
    }

    /// Parses three, four, six or eight hex digits, with or without `#`, or a name from CSS Color 4. CSS functions are
    /// not supported.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("transparent") {
            return Some(Self::TRANSPARENT);
        }
        if let Some(rgb) = NAMED_COLORS.get(UncasedStr::new(text)) {
            return Some(Self { rgb: *rgb, alpha: 255 });
        }
        let digits = text.strip_prefix('#').unwrap_or(text);
        let digits: Vec<u8> = digits.chars().map(|c| Some(c.to_digit(16)? as u8)).collect::<Option<_>>()?;
        let channels: Vec<u8> = match digits.len() {
            3 | 4 => digits.iter().map(|digit| digit * 17).collect(),
            6 | 8 => digits.chunks_exact(2).map(|pair| pair[0] * 16 + pair[1]).collect(),
            _ => return None,
        };
        Some(Self { rgb: [channels[0], channels[1], channels[2]], alpha: channels.get(3).copied().unwrap_or(255) })
    }
}

/// The names of CSS Color 4 in lower case, with red, green and blue.
pub fn named_colors() -> impl Iterator<Item = (&'static str, [u8; 3])> {
    NAMED_COLORS.entries().map(|(name, rgb)| (name.as_str(), *rgb))
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.rgb;
        write!(f, "{red:02x}{green:02x}{blue:02x}")?;
        if self.alpha == 255 { Ok(()) } else { write!(f, "{:02x}", self.alpha) }
    }
}

/// Parses a decimal number into an integer of its last place, rounded: digits and at most one point, without sign,
/// exponent, `inf` or `NaN`. Integers, because the texts are cache keys and must not depend on the formatting of
/// floats.
pub(super) fn decimal<const PLACES: usize>(text: &str) -> Option<u32> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() && fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let whole = if whole.is_empty() { 0 } else { decimal_digits(whole)? };
    let digit = |place: usize| fraction.as_bytes().get(place).map_or(0, |byte| u32::from(byte - b'0'));
    let units = (0..PLACES).try_fold(whole, |units, place| units.checked_mul(10)?.checked_add(digit(place)))?;
    units.checked_add(u32::from(digit(PLACES) >= 5))
}

/// Formats the decimals of such an integer, with the point and at least one digit.
pub(super) fn decimals<const PLACES: usize>(units: u32) -> String {
    let fraction = units % 10_u32.pow(PLACES as u32);
    let digits = format!("{fraction:0PLACES$}");
    let kept = digits.trim_end_matches('0');
    format!(".{}", if kept.is_empty() { "0" } else { kept })
}

/// Parses a whole number; decimals are rounded, half up.
pub fn whole_number(text: &str) -> Option<u32> {
    decimal::<0>(text)
}

/// Parses a whole number that consists of digits only.
fn decimal_digits(text: &str) -> Option<u32> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

fn shares<const N: usize>(text: &str) -> Option<[Share; N]> {
    let shares: Vec<Share> = text.split(',').map(str::trim).map(Share::parse).collect::<Option<_>>()?;
    shares.try_into().ok()
}
