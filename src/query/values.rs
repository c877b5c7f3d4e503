//! The types of parameter values. Each holds only what is allowed, compares exactly (decimals are kept as whole
//! hundredths) and prints itself in the form of the grammar.

use std::fmt;

/// Declares an enum whose variants are words of the grammar.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// The words of the grammar, in the order in which help lists them.
            pub const NAMES: &'static [&'static str] = &[$($word),+];

            /// The value that this word stands for.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($word => Some(Self::$variant),)+ _ => None }
            }

            /// The word that stands for this value.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

choice! {
    /// How a picture meets the target box; the words are CSS's `object-fit` and sharp's `fit`.
    Fit {
        /// As large as fits inside the box; the aspect ratio is kept.
        Inside = "inside",
        /// As small as covers the box; the aspect ratio is kept and nothing is cut.
        Outside = "outside",
        /// Exactly the box; what sticks out is cut.
        Cover = "cover",
        /// Exactly the box; what stays empty is padded.
        Contain = "contain",
        /// Exactly the box; the aspect ratio is given up.
        Fill = "fill",
    }
}

choice! {
    /// A clockwise turn in degrees.
    Rotation {
        /// Not turned.
        None = "0",
        /// A quarter turn to the right.
        Quarter = "90",
        /// Upside down.
        Half = "180",
        /// A quarter turn to the left.
        ThreeQuarters = "270",
    }
}

choice! {
    /// Mirroring.
    Flip {
        /// Not mirrored.
        None = "none",
        /// Left and right change places.
        Horizontal = "h",
        /// Top and bottom change places.
        Vertical = "v",
        /// Both, which is a half turn.
        Both = "hv",
    }
}

choice! {
    /// The output format that was asked for.
    FormatChoice {
        /// The best format that the `Accept` header names.
        Auto = "auto",
        /// JPEG.
        Jpeg = "jpeg",
        /// PNG.
        Png = "png",
        /// WebP.
        WebP = "webp",
        /// GIF.
        Gif = "gif",
    }
}

choice! {
    /// What is kept of the metadata.
    Metadata {
        /// Nothing but what the picture cannot be shown without.
        None = "none",
        /// Creator, credit and rights.
        Copyright = "copyright",
        /// All of it.
        All = "all",
    }
}

choice! {
    /// A named gravity.
    Anchor {
        /// The middle.
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
        /// The window that draws the eye: edges, saturated colours, skin.
        Attention = "attention",
    }
}

/// A decimal number with two decimals, stored as whole hundredths so that it compares and hashes exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hundredths(u32);

impl Hundredths {
    /// The number 1.
    pub const ONE: Self = Self(100);

    /// The nearest representable value; `None` unless `value` is finite and in `0..=10_000_000`.
    pub fn new(value: f64) -> Option<Self> {
        (value.is_finite() && (0.0..=1e7).contains(&value)).then(|| Self((value * 100.0).round() as u32))
    }

    /// The number itself.
    pub fn get(self) -> f64 {
        f64::from(self.0) / 100.0
    }
}

impl fmt::Display for Hundredths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.get())
    }
}

/// A share of a side from 0 to 1, stored as whole ten-thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Share(u16);

impl Share {
    /// One half.
    pub const HALF: Self = Self(5_000);

    /// The nearest representable share; `None` outside 0..=1.
    pub fn new(value: f64) -> Option<Self> {
        (0.0..=1.0).contains(&value).then(|| Self((value * 10_000.0).round() as u16))
    }

    /// The share itself.
    pub fn get(self) -> f64 {
        f64::from(self.0) / 10_000.0
    }
}

impl fmt::Display for Share {
    /// Always with a decimal point, which tells shares from pixels.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.get())
    }
}

/// What `fit=cover` keeps, or where `fit=contain` puts the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gravity {
    /// A named place, or a way to find one.
    Named(Anchor),
    /// A point of the picture: 0,0 is the top left corner, 1,1 the bottom right one.
    Point(Share, Share),
}

impl Gravity {
    /// The middle.
    pub const CENTER: Self = Self::Named(Anchor::Center);

    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(anchor) = Anchor::from_name(text) {
            return Some(Self::Named(anchor));
        }
        let [x, y] = split_numbers(text)?;
        Some(Self::Point(Share::new(x)?, Share::new(y)?))
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

/// An area of the upright original. Width and height are never zero.
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
    /// Left, top, width and height as shares of the picture's own width and height.
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
}

impl Crop {
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.contains('.') {
            let [x, y, width, height] = split_numbers(text)?;
            let nothing = Share(0);
            let (x, y) = (Share::new(x)?, Share::new(y)?);
            let (width, height) = (Share::new(width)?, Share::new(height)?);
            return (width > nothing && height > nothing).then_some(Self::Shares { x, y, width, height });
        }
        let mut numbers = text.split(',').map(decimal_digits);
        let (x, y) = (numbers.next()??, numbers.next()??);
        let (width, height) = (numbers.next()??, numbers.next()??);
        (numbers.next().is_none() && width > 0 && height > 0).then_some(Self::Pixels { x, y, width, height })
    }
}

impl fmt::Display for Crop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pixels { x, y, width, height } => write!(f, "{x},{y},{width},{height}"),
            Self::Shares { x, y, width, height } => write!(f, "{x},{y},{width},{height}"),
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

    /// Hex digits with or without `#`, or a name of CSS Color 4. The function forms of CSS are not part of the grammar.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let plain = text.strip_prefix('#').unwrap_or(text);
        if plain.is_empty() || plain.len() > 24 || !plain.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return None;
        }
        let [red, green, blue, alpha] = csscolorparser::parse(text).ok()?.to_rgba8();
        Some(Self { rgb: [red, green, blue], alpha })
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.rgb;
        write!(f, "{red:02x}{green:02x}{blue:02x}")?;
        if self.alpha == 255 { Ok(()) } else { write!(f, "{:02x}", self.alpha) }
    }
}

/// A decimal number written with digits and at most one point: no sign, no exponent, no `inf`, no `NaN`.
pub(super) fn decimal_number(text: &str) -> Option<f64> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let points = text.bytes().filter(|b| *b == b'.').count();
    (digits > 0 && points <= 1 && digits + points == text.len()).then(|| text.parse().ok())?
}

/// A whole number written with digits only.
pub(super) fn decimal_digits(text: &str) -> Option<u32> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

fn split_numbers<const N: usize>(text: &str) -> Option<[f64; N]> {
    let numbers: Vec<f64> = text.split(',').map(decimal_number).collect::<Option<_>>()?;
    numbers.try_into().ok()
}
