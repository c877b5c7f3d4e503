//! Geometry: the area of the stored picture that is used, its size in output pixels, and its position on the canvas.
//!
//! A plan is computed from the header alone. Sizes are rounded as in libvips and sharp: the shrink factor is exact, and
//! the result is rounded to the nearest pixel.

use super::Error;
use super::tilt::{self, Angle, Tilt};
use image_origin_codec::{Area, Orientation};
use image_origin_query::{
    Anchor, Crop, Fit, Flip, Framing, Gravity, MAX_SIDE, Padding, Radius, Ratio, TargetBox, Transform,
};

/// The properties of the stored picture, from its header.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Original {
    /// Stored width.
    pub width: u32,
    /// Stored height.
    pub height: u32,
    /// The orientation of the stored pixels.
    pub orientation: Orientation,
}

/// The padding around the resized picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Canvas {
    /// Width of the output.
    pub width: u32,
    /// Height of the output.
    pub height: u32,
    /// Columns left of the picture.
    pub left: u32,
    /// Rows above the picture.
    pub top: u32,
}

/// The plan for a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// The area of the stored picture that becomes the output.
    pub area: Area,
    /// The area of the stored picture before `fit=cover` and `zoom` crop it, which a smart gravity may search.
    pub field: Area,
    /// The visible fractions of the field's width and height, after all rotations.
    pub shown: (f64, f64),
    /// The orientation that is applied to the resized pixels, composed from EXIF orientation, `rotate` and `flip`.
    pub orientation: Orientation,
    /// The final width of the picture, without padding.
    pub width: u32,
    /// The final height of the picture, without padding.
    pub height: u32,
    /// The rotation that remains besides quarter turns; it is applied between the resize and the final size.
    pub tilt: Option<Tilt>,
    /// The padding of `fit=contain` and `pad`.
    pub canvas: Option<Canvas>,
    /// How round the corners are.
    pub radius: Option<Radius>,
}

impl Plan {
    /// Plans the part `crop` (in upright pixels) of an original. `focus`, as fractions of the field after all
    /// rotations, replaces the gravity.
    ///
    /// # Errors
    /// [`Error::Codec`] if a side of the output would be longer than both [`MAX_SIDE`] and that of the original.
    pub fn new(
        original: Original,
        crop: Area,
        transform: &Transform,
        focus: Option<(f64, f64)>,
    ) -> Result<Self, Error> {
        let (turn, angle) = turn(transform);
        let (field_width, field_height) = turn.size(crop.width, crop.height);
        let turned @ (turned_width, turned_height) =
            angle.map_or((field_width, field_height), |angle| angle.bounds(field_width, field_height));
        let zoom = transform.framing.zoom.get();
        let fitted = fit(turned_width / zoom, turned_height / zoom, transform);
        let Bounded { fitted, padding, radius } = bounded(fitted, &transform.framing);
        let canvas = canvas(fitted, focus_of(transform.gravity), padding);
        let output = canvas.map_or(fitted.size, |canvas| (canvas.width.into(), canvas.height.into()));
        for (side, own) in [(output.0, turned_width), (output.1, turned_height)] {
            check_side(side, own, 1.0)?;
        }
        let from_field = |(x, y)| angle.map_or((x, y), |angle| angle.share((x, y), (field_width, field_height)));
        let (x, y) = focus.map_or_else(|| focus_of(transform.gravity), from_field);
        let (width, height) = fitted.visible;
        let start = |focus: f64, length: f64, side: f64, size: f64| {
            let start = side * focus - length / 2.0;
            // An unscaled picture is aligned to pixels.
            let start = if length == size { start.round() } else { start };
            start.clamp(0.0, side - length)
        };
        let visible = Area {
            x: start(x, width, turned_width, fitted.size.0),
            y: start(y, height, turned_height, fitted.size.1),
            width,
            height,
        };
        let (seen, tilt) = match angle {
            None => (visible, None),
            Some(angle) => {
                let (seen, tilt) = tilt::plan(angle, (field_width, field_height), visible, fitted.size);
                for (side, own) in [(tilt.before.0, turned_width), (tilt.before.1, turned_height)] {
                    check_side(side.into(), own, 2.0)?;
                }
                (seen, Some(tilt))
            }
        };
        let mut upright = seen.oriented(turn.inverse(), field_width, field_height);
        upright.x += crop.x;
        upright.y += crop.y;
        let (output_width, output_height) = (fitted.size.0 as u32, fitted.size.1 as u32);
        Ok(Self {
            area: original.stored(upright),
            field: original.stored(crop),
            shown: (width / turned.0, height / turned.1),
            orientation: original.orientation.then(turn),
            width: output_width,
            height: output_height,
            tilt,
            canvas,
            radius,
        })
    }

    /// The size of the resized pixels before they are rotated.
    pub fn stored_size(&self) -> (u32, u32) {
        let (width, height) = self.tilt.map_or((self.width, self.height), |tilt| tilt.before);
        self.orientation.size(width, height)
    }

    /// Whether a part of the field is cropped, so that the position matters.
    pub fn is_cut(&self) -> bool {
        self.shown.0 < 1.0 || self.shown.1 < 1.0
    }

    /// The smallest scale of the stored picture that provides a pixel for each output pixel, in `(0, 1]`.
    pub fn scale(&self) -> f64 {
        let (width, height) = self.stored_size();
        (f64::from(width) / self.area.width).max(f64::from(height) / self.area.height).min(1.0)
    }

    /// The scale at which a drawing is rendered to just the pixels of the output, if one fits both sides; otherwise that
    /// which provides enough pixels for both.
    pub(super) fn exact_scale(&self) -> f64 {
        let (width, height) = self.stored_size();
        let scales = [f64::from(width) / self.area.width, f64::from(height) / self.area.height];
        let fits = |scale: &f64| {
            let side = |length: f64| (length * scale).round().max(1.0) as u32;
            (side(self.area.width), side(self.area.height)) == (width, height)
        };
        scales.into_iter().find(fits).unwrap_or(scales[0].max(scales[1]))
    }

    /// The size of the output, including padding.
    pub fn output_size(&self) -> (u32, u32) {
        self.canvas.map_or((self.width, self.height), |canvas| (canvas.width, canvas.height))
    }
}

impl Original {
    /// The size of the upright picture.
    pub fn upright_size(&self) -> (u32, u32) {
        self.orientation.size(self.width, self.height)
    }

    /// Converts an area of the upright picture to the stored one.
    fn stored(&self, upright: Area) -> Area {
        let (width, height) = self.upright_size();
        upright.oriented(self.orientation.inverse(), width.into(), height.into())
    }

    /// Converts an area of the stored picture to the upright one.
    pub fn upright(&self, stored: Area) -> Area {
        stored.oriented(self.orientation, self.width.into(), self.height.into())
    }

    /// The area of `crop` in upright pixels, clipped to the picture. If it has only a size, it is centred at `focus`,
    /// as fractions of the upright picture.
    ///
    /// # Errors
    /// [`Error::CropOutside`] if it contains no part of the picture.
    pub fn crop(&self, crop: Option<Crop>, focus: (f64, f64)) -> Result<Area, Error> {
        let (width, height) = self.upright_size();
        let Some(crop) = crop else { return Ok(Area::whole(width, height)) };
        let pixels = |share: f64, side: u32| (share * f64::from(side)).round() as u32;
        let around = |crop_width: u32, crop_height: u32| {
            let start = |focus: f64, length: u32, side: u32| {
                let room = f64::from(side.saturating_sub(length));
                (focus * f64::from(side) - f64::from(length) / 2.0).round().clamp(0.0, room) as u32
            };
            (start(focus.0, crop_width, width), start(focus.1, crop_height, height), crop_width, crop_height)
        };
        let (x, y, crop_width, crop_height) = match crop {
            Crop::Pixels { x, y, width, height } => (x, y, width, height),
            Crop::PixelSize { width, height } => around(width, height),
            Crop::Shares { x, y, width: w, height: h } => {
                let (x, y) = (pixels(x.get(), width), pixels(y.get(), height));
                (x, y, pixels(w.get(), width).max(1), pixels(h.get(), height).max(1))
            }
            Crop::ShareSize { width: w, height: h } => {
                around(pixels(w.get(), width).max(1), pixels(h.get(), height).max(1))
            }
        };
        if x >= width || y >= height {
            return Err(Error::CropOutside { crop: crop.to_string(), width, height });
        }
        Ok(Area {
            x: x.into(),
            y: y.into(),
            width: crop_width.min(width - x).into(),
            height: crop_height.min(height - y).into(),
        })
    }
}

/// Checks that a side is at most `times` the limit. A picture may keep a longer side; whether it can be encoded is
/// decided by the encoder.
fn check_side(side: f64, own: f64, times: f64) -> Result<(), Error> {
    let allowed = own.max(MAX_SIDE.into()).ceil() * times;
    if side > allowed { Err(Error::output_side(side as u64, allowed as u64)) } else { Ok(()) }
}

/// The composition of `rotate` and `flip`: quarter turns and mirroring first, followed by the remaining angle.
fn turn(transform: &Transform) -> (Orientation, Option<Angle>) {
    let (quarters, degrees) = transform.rotate.split();
    let flip = match transform.flip {
        Flip::None => Orientation::UPRIGHT,
        Flip::Horizontal => Orientation::MIRRORED,
        Flip::Vertical => Orientation::MIRRORED.then(Orientation::turned(2)),
        Flip::Both => Orientation::turned(2),
    };
    // Mirroring after a rotation equals mirroring before the opposite rotation.
    let degrees = if matches!(transform.flip, Flip::Horizontal | Flip::Vertical) { -degrees } else { degrees };
    (Orientation::turned(quarters).then(flip), Angle::new(degrees))
}

/// The result of fitting a field into a box. Widths and heights are integers except in `visible`.
#[derive(Debug, Clone, Copy)]
struct Fitted {
    /// The size of the resized picture.
    size: (f64, f64),
    /// The size of the visible part of the field.
    visible: (f64, f64),
    /// The size of the output without `pad`.
    canvas: (f64, f64),
}

fn fit(width: f64, height: f64, transform: &Transform) -> Fitted {
    let Some(target) = transform.target else { return fit_ratio(width, height, transform) };
    let both = matches!(target, TargetBox::Both(..));
    let (shrink_x, shrink_y) = shrink(width, height, target, transform);
    let whole = (rounded(width / shrink_x), rounded(height / shrink_y));
    if !both {
        return Fitted { size: whole, visible: (width, height), canvas: whole };
    }
    let asked = (target.width().map_or(whole.0, f64::from), target.height().map_or(whole.1, f64::from));
    match transform.fit {
        Fit::Inside | Fit::Outside | Fit::Fill => Fitted { size: whole, visible: (width, height), canvas: whole },
        Fit::Contain => {
            let canvas = (asked.0.max(whole.0), asked.1.max(whole.1));
            Fitted { size: whole, visible: (width, height), canvas }
        }
        Fit::Cover => {
            let size = (asked.0.min(whole.0), asked.1.min(whole.1));
            let visible = ((size.0 * shrink_x).min(width), (size.1 * shrink_y).min(height));
            Fitted { size, visible, canvas: size }
        }
    }
}

/// Without a box the picture is not resized; a ratio is reached by cropping, or by padding for `fit=contain`.
fn fit_ratio(width: f64, height: f64, transform: &Transform) -> Fitted {
    let whole = (rounded(width), rounded(height));
    let Some(ratio) = transform.framing.ratio.map(Ratio::get) else {
        return Fitted { size: whole, visible: (width, height), canvas: whole };
    };
    let is_wide = width > height * ratio;
    if transform.fit == Fit::Contain {
        let canvas = if is_wide { (whole.0, rounded(width / ratio)) } else { (rounded(height * ratio), whole.1) };
        return Fitted {
            size: whole,
            visible: (width, height),
            canvas: (canvas.0.max(whole.0), canvas.1.max(whole.1)),
        };
    }
    let size = if is_wide { (rounded(height * ratio), whole.1) } else { (whole.0, rounded(width / ratio)) };
    let size = (size.0.min(whole.0), size.1.min(whole.1));
    // The visible part is such that no pixel is resampled.
    let visible = (size.0 * width / whole.0, size.1 * height / whole.1);
    Fitted { size, visible: (visible.0.min(width), visible.1.min(height)), canvas: size }
}

/// What was fitted, with what surrounds it, within the bounds of the output.
struct Bounded {
    fitted: Fitted,
    padding: Padding,
    radius: Option<Radius>,
}

/// Makes an output that is beyond the bounds smaller: the picture, its padding and its corners alike.
fn bounded(fitted: Fitted, framing: &Framing) -> Bounded {
    let Framing { padding, radius, bounds, .. } = *framing;
    let output = |fitted: Fitted, padding: Padding| {
        let across = f64::from(padding.left) + f64::from(padding.right);
        let down = f64::from(padding.top) + f64::from(padding.bottom);
        (fitted.canvas.0 + across, fitted.canvas.1 + down)
    };
    let (width, height) = output(fitted, padding);
    let factor = bounds.factor(width, height);
    if factor >= 1.0 {
        return Bounded { fitted, padding, radius };
    }
    let smaller = |to_whole: fn(f64) -> f64| {
        let side = |side: f64| to_whole(side * factor).max(1.0);
        let pixels = |pixels: u32| to_whole(f64::from(pixels) * factor) as u32;
        let Fitted { size, visible, canvas } = fitted;
        let fitted = Fitted { size: (side(size.0), side(size.1)), visible, canvas: (side(canvas.0), side(canvas.1)) };
        let Padding { top, right, bottom, left } = padding;
        let padding = Padding { top: pixels(top), right: pixels(right), bottom: pixels(bottom), left: pixels(left) };
        let radius = match radius {
            Some(Radius::Pixels(radii)) => Some(radii.map(pixels)).filter(|radii| *radii != [0; 4]).map(Radius::Pixels),
            other => other,
        };
        Bounded { fitted, padding, radius }
    };
    let nearest = smaller(f64::round);
    let (width, height) = output(nearest.fitted, nearest.padding);
    if bounds.hold(width, height) {
        return nearest;
    }
    // Products of fractions may end just below a whole number.
    let mut below = smaller(|side| (side + 1e-9).floor());
    // A side of one pixel cannot become shorter, so the other one does, and then the padding.
    let most = bounds.pixels.map_or(f64::INFINITY, f64::from);
    let is_beyond = |bounded: &Bounded| {
        let (width, height) = output(bounded.fitted, bounded.padding);
        width * height > most
    };
    for _ in 0..2 {
        if is_beyond(&below) {
            let (width, height) = output(below.fitted, below.padding);
            let Fitted { size, canvas, .. } = &mut below.fitted;
            let room = |side: f64, length: f64, other: f64| ((most / other).floor() - (length - side)).max(1.0);
            if canvas.1 > canvas.0 {
                canvas.1 = canvas.1.min(room(canvas.1, height, width));
                size.1 = size.1.min(canvas.1);
            } else {
                canvas.0 = canvas.0.min(room(canvas.0, width, height));
                size.0 = size.0.min(canvas.0);
            }
        }
    }
    if is_beyond(&below) {
        below.padding = Padding::NONE;
    }
    below
}

/// The number of field pixels per output pixel, horizontally and vertically.
fn shrink(width: f64, height: f64, target: TargetBox, transform: &Transform) -> (f64, f64) {
    let across = target.width().map(|w| width / f64::from(w));
    let down = target.height().map(|h| height / f64::from(h));
    let (across, down) = match (across, down, transform.fit) {
        (Some(across), Some(down), Fit::Fill) => (across, down),
        (Some(across), Some(down), Fit::Inside | Fit::Contain) => (across.max(down), across.max(down)),
        (Some(across), Some(down), Fit::Outside | Fit::Cover) => (across.min(down), across.min(down)),
        (Some(across), None, Fit::Fill) => (across, 1.0),
        (None, Some(down), Fit::Fill) => (1.0, down),
        (one, other, _) => {
            let given = one.or(other).unwrap_or(1.0);
            (given, given)
        }
    };
    let smallest = if transform.enlarge { 0.0 } else { 1.0 };
    // Each side keeps at least one pixel.
    (across.max(smallest).min(width), down.max(smallest).min(height))
}

fn rounded(side: f64) -> f64 {
    side.round().max(1.0)
}

fn canvas(fitted: Fitted, (x, y): (f64, f64), padding: Padding) -> Option<Canvas> {
    let (left, top) = (fitted.canvas.0 - fitted.size.0, fitted.canvas.1 - fitted.size.1);
    (left > 0.0 || top > 0.0 || padding != Padding::NONE).then(|| Canvas {
        width: fitted.canvas.0 as u32 + padding.left + padding.right,
        height: fitted.canvas.1 as u32 + padding.top + padding.bottom,
        left: (left * x).floor() as u32 + padding.left,
        top: (top * y).floor() as u32 + padding.top,
    })
}

/// The point that a gravity centres. Smart gravities determine theirs from pixels.
pub(super) fn focus_of(gravity: Gravity) -> (f64, f64) {
    match gravity {
        Gravity::Point(x, y) => (x.get(), y.get()),
        Gravity::Named(anchor) => match anchor {
            Anchor::Center | Anchor::Entropy | Anchor::Attention | Anchor::Face | Anchor::Faces | Anchor::Auto => {
                (0.5, 0.5)
            }
            Anchor::North => (0.5, 0.0),
            Anchor::NorthEast => (1.0, 0.0),
            Anchor::East => (1.0, 0.5),
            Anchor::SouthEast => (1.0, 1.0),
            Anchor::South => (0.5, 1.0),
            Anchor::SouthWest => (0.0, 1.0),
            Anchor::West => (0.0, 0.5),
            Anchor::NorthWest => (0.0, 0.0),
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plan(width: u32, height: u32, exif: u8, query: &str) -> Result<Plan, Error> {
        let transform: Transform = query.parse().unwrap();
        let original = Original { width, height, orientation: Orientation::from_exif(exif) };
        Plan::new(original, original.crop(transform.crop, focus_of(transform.gravity))?, &transform, None)
    }

    /// The sizes of sharp 0.35 for the same size and options (`withoutEnlargement` if nothing may grow).
    #[test]
    fn sizes_are_those_of_sharp() {
        let table = [
            (4000, 3000, 1, "w=300", (300, 225)),
            (4000, 3000, 6, "w=300", (300, 400)),
            (4000, 3000, 1, "h=300", (400, 300)),
            (2725, 2225, 1, "w=320", (320, 261)),
            (2725, 2225, 1, "w=320&h=240", (294, 240)),
            (2725, 2225, 1, "w=320&h=240&fit=outside", (320, 261)),
            (2725, 2225, 1, "w=320&h=240&fit=cover", (320, 240)),
            (2725, 2225, 1, "w=320&h=240&fit=contain", (320, 240)),
            (2725, 2225, 1, "w=320&h=240&fit=fill", (320, 240)),
            (2725, 2225, 1, "w=320&fit=fill", (320, 2225)),
            (100, 50, 1, "w=300", (100, 50)),
            (100, 50, 1, "w=300&enlarge=true", (300, 150)),
            (100, 50, 1, "w=300&h=300&fit=outside", (600, 300)),
            (100, 50, 1, "w=300&h=300&fit=outside&enlarge=false", (100, 50)),
            (100, 50, 1, "w=80&h=80&fit=cover&enlarge=false", (80, 50)),
            (100, 50, 1, "w=300&h=200&fit=contain&enlarge=false", (300, 200)),
            (100, 50, 1, "w=300&h=20&fit=fill&enlarge=false", (100, 20)),
            (3, 1000, 1, "w=1", (1, 333)),
            (1000, 3, 1, "w=10", (10, 1)),
            (1001, 333, 1, "w=333", (333, 111)),
            (999, 501, 1, "h=7", (14, 7)),
            (5, 3, 1, "w=2", (2, 1)),
            (7, 5, 1, "w=3", (3, 2)),
            (641, 481, 1, "w=320&h=320", (320, 240)),
            (1, 1, 1, "w=1&h=1&fit=cover", (1, 1)),
            (4000, 3000, 1, "w=300&rotate=90", (300, 400)),
            (4000, 3000, 8, "w=300&rotate=90", (300, 225)),
            (4000, 3000, 1, "crop=0,0,100,50", (100, 50)),
            (4000, 3000, 6, "crop=100,50", (100, 50)),
            (4000, 3000, 1, "w=300&ar=16:9", (300, 169)),
            (4000, 3000, 6, "ar=1:1", (3000, 3000)),
            (4000, 3000, 1, "ar=1:2&fit=contain", (4000, 8000)),
            (100, 50, 1, "w=300&ar=1:1", (300, 300)),
            (4000, 3000, 1, "zoom=2&w=300", (300, 225)),
            (4000, 3000, 1, "zoom=10&w=3000", (400, 300)),
            (7, 5, 1, "zoom=10", (1, 1)),
            (4000, 3000, 1, "w=300&pad=10,20", (340, 245)),
            (4000, 3000, 1, "w=300&h=300&fit=contain&pad=1,2,3,4", (306, 304)),
            (4000, 3000, 1, "rotate=30", (4964, 4598)),
            // Bounds.
            (4000, 3000, 1, "max_w=1000", (1000, 750)),
            (4001, 3000, 1, "max_w=1000", (1000, 750)),
            (4000, 3000, 6, "max_w=1000&max_h=1000", (750, 1000)),
            (400, 300, 1, "max_w=1000&max_h=1000&max_pixels=1000000", (400, 300)),
            (4000, 3000, 1, "max_pixels=1000000", (1154, 866)),
            (4000, 3000, 1, "max_pixels=120000", (400, 300)),
            (100, 1000, 1, "w=300&enlarge=true&max_h=1000", (100, 1000)),
            (4000, 3000, 1, "w=2000&h=2000&fit=cover&max_w=500", (500, 500)),
            (4000, 3000, 1, "w=2000&h=1000&fit=contain&max_h=100", (200, 100)),
            (4000, 3000, 1, "w=2000&h=100&fit=fill&max_w=500", (500, 25)),
            (1000, 100, 1, "w=100&h=100&fit=outside&max_w=500", (500, 50)),
            (4000, 3000, 1, "ar=1:1&max_pixels=10000", (100, 100)),
            (4000, 3000, 1, "w=300&pad=50&max_w=200", (200, 163)),
            (4000, 3000, 1, "rotate=90&max_w=300", (300, 400)),
            (16_000, 1, 1, "max_pixels=100", (100, 1)),
            (1, 16_000, 1, "max_h=100&max_pixels=7", (1, 7)),
            (1, 16_975, 1, "pad=5&max_pixels=30000", (5, 6000)),
            (16_000, 1, 1, "pad=90&max_pixels=50", (50, 1)),
            (4000, 3000, 1, "w=300&rotate=45", (300, 300)),
            (4000, 3000, 8, "h=300&rotate=90.01", (400, 300)),
            (4000, 3000, 1, "w=100&h=300&rotate=-30&fit=fill", (100, 300)),
            (4000, 3000, 1, "w=100&h=300&rotate=-30&fit=cover", (100, 300)),
            (4000, 3000, 1, "crop=3990,0,100,50", (10, 50)),
            (4000, 3000, 6, "crop=0.0,0.0,0.5,0.25", (1500, 1000)),
            (4000, 3000, 1, "", (4000, 3000)),
            (300, 19_537, 1, "", (300, 19_537)),
            (300, 19_537, 6, "", (19_537, 300)),
            (300, 19_537, 1, "rotate=90", (19_537, 300)),
            (300, 19_537, 1, "w=299", (299, 19_472)),
            (300, 19_537, 1, "crop=0,0,300,18000&w=100&fit=fill", (100, 18_000)),
        ];
        for (width, height, exif, query, size) in table {
            assert_eq!(plan(width, height, exif, query).unwrap().output_size(), size, "{width}x{height} {query}");
        }
    }

    #[test]
    fn gravity_and_turns_choose_the_area() {
        let table = [
            (400, 100, 1, "w=10&h=10&fit=cover", [150.0, 0.0, 100.0, 100.0]),
            (400, 100, 1, "w=10&h=10&fit=cover&gravity=west", [0.0, 0.0, 100.0, 100.0]),
            (400, 100, 1, "w=10&h=10&fit=cover&gravity=0.5,0", [150.0, 0.0, 100.0, 100.0]),
            (400, 100, 1, "w=10&h=10&fit=cover&gravity=0.9,0", [300.0, 0.0, 100.0, 100.0]),
            (400, 100, 2, "w=10&h=10&fit=cover&gravity=west", [300.0, 0.0, 100.0, 100.0]),
            (400, 100, 6, "w=10&h=10&fit=cover&gravity=north", [0.0, 0.0, 100.0, 100.0]),
            (400, 100, 8, "w=10&h=10&fit=cover&gravity=north", [300.0, 0.0, 100.0, 100.0]),
            (400, 100, 1, "w=10&h=10&fit=cover&gravity=north&rotate=90", [0.0, 0.0, 100.0, 100.0]),
            (400, 100, 1, "w=10&h=10&fit=cover&gravity=west&flip=h", [300.0, 0.0, 100.0, 100.0]),
            (400, 100, 3, "crop=10,20,30,40", [360.0, 40.0, 30.0, 40.0]),
            (400, 100, 1, "crop=30,40&gravity=southeast", [370.0, 60.0, 30.0, 40.0]),
            (400, 100, 6, "crop=30,40&gravity=0,0", [0.0, 70.0, 40.0, 30.0]),
            (400, 100, 1, "zoom=2&gravity=0.9,0.5", [200.0, 25.0, 200.0, 50.0]),
            (400, 100, 1, "zoom=2&w=10&h=10&fit=cover&gravity=0.5,0", [175.0, 0.0, 50.0, 50.0]),
            (400, 100, 1, "ar=1:1&gravity=east", [300.0, 0.0, 100.0, 100.0]),
        ];
        for (width, height, exif, query, [x, y, w, h]) in table {
            let area = plan(width, height, exif, query).unwrap().area;
            assert_eq!(area, Area { x, y, width: w, height: h }, "{exif} {query}");
        }
    }

    #[test]
    fn padding_follows_gravity() {
        let canvas = |query| plan(400, 100, 1, query).unwrap().canvas.unwrap();
        assert_eq!(canvas("w=40&h=40&fit=contain"), Canvas { width: 40, height: 40, left: 0, top: 15 });
        assert_eq!(canvas("w=40&h=40&fit=contain&gravity=south").top, 30);
        let padded = canvas("w=40&h=40&fit=contain&gravity=south&pad=1,2,3,4");
        assert_eq!(padded, Canvas { width: 46, height: 44, left: 4, top: 31 });
    }

    #[test]
    fn bounds_shrink_padding_and_corners_alike() {
        let plan = plan(400, 400, 1, "pad=40,80&radius=20,0,10,1&max_w=140").unwrap();
        assert_eq!(plan.output_size(), (140, 120));
        assert_eq!((plan.width, plan.height, plan.radius), (100, 100, Some(Radius::Pixels([5, 0, 3, 0]))));
        assert_eq!(plan.canvas, Some(Canvas { width: 140, height: 120, left: 20, top: 10 }));
    }

    #[test]
    fn a_crop_outside_and_an_endless_side_are_refused() {
        assert!(matches!(plan(100, 100, 1, "crop=100,0,1,1"), Err(Error::CropOutside { .. })));
        assert!(plan(1, 16_383, 1, "w=16383&enlarge=true").is_err());
        assert!(plan(300, 19_537, 1, "w=301&enlarge=true").is_err());
        assert!(plan(16_383, 10, 1, "pad=1").is_err());
        assert!(plan(10, 10, 1, "pad=16383").is_err());
        assert!(plan(1, 16_383, 1, "w=16383&enlarge=true&fit=fill&rotate=1").is_err());
    }

    proptest! {
        #[test]
        fn plans_stay_within_the_picture_and_the_limits(
            width in 1u32..70_000, height in 1u32..70_000, exif in 0u8..10,
            target in prop_oneof!["", "w=[1-9][0-9]{0,3}", "h=[1-9][0-9]{0,3}", "w=[1-9][0-9]{0,3}&h=[1-9][0-9]{0,3}"],
            fit in prop::sample::select(vec!["inside", "outside", "cover", "contain", "fill"]),
            rest in "(&crop=[0-9]{1,3},[0-9]{1,3},[1-9][0-9]{0,3},[1-9][0-9]{0,3})?(&rotate=(90|7|-33\\.5|179\\.99|45))?(&zoom=[1-9])?(&ar=[1-9]:[1-9])?(&pad=[0-9]{1,2})?(&flip=(h|v|hv))?(&enlarge=(1|0))?",
            bounds in "(&max_w=[1-9][0-9]{2,3})?(&max_h=[1-9][0-9]{2,3})?(&max_pixels=[1-9][0-9]{4,6})?",
        ) {
            let query = format!("{target}&fit={fit}{rest}{bounds}");
            let Ok(transform) = query.parse::<Transform>() else { return Ok(()) };
            let Ok(plan) = plan(width, height, exif, &query) else { return Ok(()) };
            let (out_width, out_height) = plan.output_size();
            // No side of a rotated picture is longer than its diagonal.
            let longest = MAX_SIDE.max(f64::from(width).hypot(height.into()).ceil() as u32);
            prop_assert!((1..=longest).contains(&out_width) && (1..=longest).contains(&out_height));
            prop_assert!(transform.framing.bounds.hold(out_width.into(), out_height.into()));
            prop_assert!(plan.width <= out_width && plan.height <= out_height);
            for area in [plan.area, plan.field] {
                prop_assert!(area.x >= -1e-6 && area.y >= -1e-6 && area.width > 0.0 && area.height > 0.0);
                prop_assert!(area.x + area.width <= f64::from(width) + 1e-6);
                prop_assert!(area.y + area.height <= f64::from(height) + 1e-6);
            }
            prop_assert!(plan.scale() > 0.0 && plan.scale() <= 1.0);
        }
    }
}
