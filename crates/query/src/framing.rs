//! The values that frame a picture: aspect ratio, zoom, padding, corners, and rotation angle.
//!
//! Like all values, these are always valid, compare exactly, and are formatted as in the grammar. Pixels are already
//! multiplied by `dpr`.

use std::fmt;

use super::grammar::MAX_SIDE;
use super::values::{Hundredths, choice, decimal, decimals};

/// The framing of a picture, besides its target box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Framing {
    /// The aspect ratio of the output if no side is given; with one side it has been converted to the other one.
    pub ratio: Option<Ratio>,
    /// The magnification.
    pub zoom: Hundredths,
    /// The padding around the picture.
    pub padding: Padding,
    /// What the padding is filled with.
    pub extend: Extend,
    /// The radii of the corners.
    pub radius: Option<Radius>,
    /// How large the output may be, with everything around the picture.
    pub bounds: Bounds,
}

impl Default for Framing {
    fn default() -> Self {
        let (padding, bounds) = (Padding::NONE, Bounds::default());
        Self { ratio: None, zoom: Hundredths::ONE, padding, extend: Extend::Color, radius: None, bounds }
    }
}

/// The largest output. What would be larger is made smaller as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Bounds {
    /// Most columns.
    pub width: Option<u32>,
    /// Most rows.
    pub height: Option<u32>,
    /// Most pixels.
    pub pixels: Option<u32>,
}

impl Bounds {
    /// Whether an output of this size is within the bounds.
    pub fn hold(self, width: f64, height: f64) -> bool {
        self.factor(width, height) >= 1.0
    }

    /// What the sides of an output of this size have to be multiplied with to come within the bounds; at least 1 where
    /// they are.
    pub fn factor(self, width: f64, height: f64) -> f64 {
        let factors = [
            self.width.map(|most| f64::from(most) / width),
            self.height.map(|most| f64::from(most) / height),
            self.pixels.map(|most| (f64::from(most) / (width * height)).sqrt()),
        ];
        factors.into_iter().flatten().fold(f64::INFINITY, f64::min)
    }
}

choice! {
    /// What the padding of `pad` and `fit=contain` is filled with.
    Extend {
        /// The background colour.
        Color = "color",
        /// The nearest pixel of the picture.
        Edge = "edge",
        /// The picture, mirrored at its edges.
        Mirror = "mirror",
        /// The picture, enlarged to cover everything and blurred.
        Blur = "blur",
    }
}

/// An aspect ratio (width over height) from 0.01 to 100, as a fraction in lowest terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ratio {
    across: u32,
    down: u32,
}

impl Ratio {
    /// The largest term that can be parsed again, since parsing multiplies by ten thousand.
    const LARGEST_TERM: u32 = u32::MAX / 10_000;

    /// Width over height.
    pub fn get(self) -> f64 {
        f64::from(self.across) / f64::from(self.down)
    }

    /// Parses `W:H` or a decimal number, with up to four significant decimals.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (across, down) = text.split_once(':').unwrap_or((text, "1"));
        let (across, down) = (decimal::<4>(across.trim())?, decimal::<4>(down.trim())?);
        let in_range = |a: u32, b: u32| u64::from(a) <= 100 * u64::from(b);
        if across == 0 || down == 0 || !in_range(across, down) || !in_range(down, across) {
            return None;
        }
        let divisor = greatest_common_divisor(across, down);
        let (across, down) = (across / divisor, down / divisor);
        (across.max(down) <= Self::LARGEST_TERM).then_some(Self { across, down })
    }

    /// The width for a height.
    pub(super) fn width(self, height: u32) -> u64 {
        proportional(height, self.across, self.down)
    }

    /// The height for a width.
    pub(super) fn height(self, width: u32) -> u64 {
        proportional(width, self.down, self.across)
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.across, self.down)
    }
}

/// `side * numerator / denominator`, rounded, at least 1.
fn proportional(side: u32, numerator: u32, denominator: u32) -> u64 {
    let (product, denominator) = (u64::from(side) * u64::from(numerator), u64::from(denominator));
    ((2 * product + denominator) / (2 * denominator)).max(1)
}

fn greatest_common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// A clockwise rotation, in whole hundredths of a degree, from 0 to below 360 degrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Angle(u32);

const FULL_TURN: u32 = 36_000;
const QUARTER_TURN: u32 = FULL_TURN / 4;

impl Angle {
    /// No rotation.
    pub const NONE: Self = Self(0);

    /// The nearest number of quarter turns, `0..=3`, and the remaining degrees, at least -45 and below 45.
    pub fn split(self) -> (u8, f64) {
        let quarters = (self.0 + QUARTER_TURN / 2) / QUARTER_TURN;
        let rest = f64::from(self.0) - f64::from(quarters * QUARTER_TURN);
        ((quarters % 4) as u8, rest / 100.0)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let hundredths = decimal::<2>(digits).filter(|hundredths| *hundredths <= FULL_TURN)?;
        Some(Self(if negative { FULL_TURN - hundredths } else { hundredths } % FULL_TURN))
    }
}

impl fmt::Display for Angle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0 / 100, decimals::<2>(self.0).trim_end_matches(".0"))
    }
}

/// The padding around a picture in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Padding {
    /// Rows above.
    pub top: u32,
    /// Columns to the right.
    pub right: u32,
    /// Rows below.
    pub bottom: u32,
    /// Columns to the left.
    pub left: u32,
}

impl Padding {
    /// No padding.
    pub const NONE: Self = Self { top: 0, right: 0, bottom: 0, left: 0 };

    /// Parses one, two or four numbers in CSS order.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match *pixels(text)?.as_slice() {
            [all] => Self { top: all, right: all, bottom: all, left: all },
            [down, across] => Self { top: down, right: across, bottom: down, left: across },
            [top, right, bottom, left] => Self { top, right, bottom, left },
            _ => return None,
        })
    }

    /// The padding in device pixels; `None` if a side becomes too long.
    pub(super) fn times(self, ratio: Hundredths) -> Option<Self> {
        let [top, right, bottom, left] = scaled([self.top, self.right, self.bottom, self.left], ratio)?;
        Some(Self { top, right, bottom, left })
    }
}

impl fmt::Display for Padding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { top, right, bottom, left } = self;
        match (top == bottom && left == right, top == left) {
            (true, true) => write!(f, "{top}"),
            (true, false) => write!(f, "{top},{right}"),
            (false, _) => write!(f, "{top},{right},{bottom},{left}"),
        }
    }
}

/// The radii of the corners of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Radius {
    /// Half of the shorter side: a circle for a square, otherwise a pill.
    Max,
    /// Pixels, clockwise from the top left corner. At least one is above 0.
    Pixels([u32; 4]),
}

impl Radius {
    /// Parses one or four numbers, or `max`. The inner option is `None` if no corner is rounded.
    pub(super) fn parse(text: &str) -> Option<Option<Self>> {
        if text.eq_ignore_ascii_case("max") {
            return Some(Some(Self::Max));
        }
        let radii = match *pixels(text)?.as_slice() {
            [all] => [all; 4],
            [a, b, c, d] => [a, b, c, d],
            _ => return None,
        };
        Some((radii != [0; 4]).then_some(Self::Pixels(radii)))
    }

    /// The radii in device pixels; `None` if one becomes too long.
    pub(super) fn times(self, ratio: Hundredths) -> Option<Self> {
        match self {
            Self::Max => Some(self),
            Self::Pixels(radii) => scaled(radii, ratio).map(Self::Pixels),
        }
    }
}

impl fmt::Display for Radius {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Max => f.write_str("max"),
            Self::Pixels([a, b, c, d]) if [b, c, d] == [a; 3] => write!(f, "{a}"),
            Self::Pixels([a, b, c, d]) => write!(f, "{a},{b},{c},{d}"),
        }
    }
}

/// Parses comma-separated whole numbers of pixels; decimals are rounded.
fn pixels(text: &str) -> Option<Vec<u32>> {
    text.split(',').map(|number| decimal::<0>(number.trim()).filter(|pixels| *pixels <= MAX_SIDE)).collect()
}

/// Converts CSS pixels to device pixels. Values above 0 stay above 0.
fn scaled(pixels: [u32; 4], ratio: Hundredths) -> Option<[u32; 4]> {
    let mut scaled = [0; 4];
    for (to, from) in scaled.iter_mut().zip(pixels) {
        if from > 0 {
            *to = ratio.times(from).filter(|pixels| *pixels <= MAX_SIDE)?;
        }
    }
    Some(scaled)
}
