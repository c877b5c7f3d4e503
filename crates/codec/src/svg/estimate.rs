//! A bound on the work and the memory of painting a tree, which follows the steps of `resvg` 0.49: layers for groups,
//! pixels for patterns, results of filters.
//!
//! Work is counted in nanoseconds of a slow core; most drawings take a tenth of what is counted. Each factor is that of
//! the slowest case measured, so that what is refused may have been possible, and what is painted ends soon.

use resvg::tiny_skia::{PathSegment, Point, Transform};
use resvg::usvg::filter::{Filter, Kind};
use resvg::usvg::{ClipPath, Group, ImageKind, Mask, Node, Paint, Path, Pattern, Rect, Stroke};

use crate::{Budget, Cancellation, Error, MEMORY};

/// The maximum work in nanoseconds.
const MAX_WORK: f64 = 2e9;

/// The maximum memory for layers, patterns and filters: so many times that of the picture, or so many bytes.
const MAX_LAYERS: u64 = 16;
const LEAST_MEMORY: u64 = 64 << 20;

/// The maximum offset of a filter in pixels.
const MAX_OFFSET: u64 = 1_000_000_000;

/// The work for an element, a segment of a path, and a segment of an outline.
const ELEMENT: f64 = 400.0;
const SEGMENT: f64 = 60.0;
const OUTLINE: f64 = 400.0;
/// The work for an edge in one row of pixels, of which there are four scan lines.
const ROW: f64 = 40.0;
/// The work for a pixel that is filled with a colour, a gradient, or an interpolated picture.
const FLAT: f64 = 4.0;
const GRADIENT: f64 = 12.0;
const BICUBIC: f64 = 60.0;
/// The work for a pixel of a layer, and for a pixel that is decoded.
const LAYER: f64 = 12.0;
const DECODED: f64 = 15.0;

/// What painting takes.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct Estimate {
    /// Nanoseconds.
    work: f64,
    /// Bytes that are held at the same time, at the most.
    memory: f64,
}

impl Estimate {
    /// Estimates painting a tree on so many pixels.
    ///
    /// # Errors
    /// [`Error::TooLarge`] as soon as the work exceeds what is painted, and [`Error::Cancelled`].
    pub(super) fn of(
        root: &Group,
        transform: Transform,
        size: (u32, u32),
        cancellation: &Cancellation,
    ) -> Result<Self, Error> {
        let canvas = Canvas { width: size.0.into(), height: size.1.into() };
        // The renderer clips layers to five times the sides.
        let limit = Canvas { width: canvas.width * 5.0, height: canvas.height * 5.0 };
        let mut walk = Walk { limit, held: 0.0, estimate: Self::default(), nodes: 0, cancellation };
        walk.children(root, transform, canvas)?;
        Ok(walk.estimate)
    }

    /// Checks the memory for a picture of so many bytes.
    pub(super) fn check(self, picture: u64, budget: Budget) -> Result<(), Error> {
        let most = (picture * MAX_LAYERS).max(LEAST_MEMORY);
        let needs = self.memory as u64;
        if needs > most {
            let what = "the memory of layers, patterns and filters in bytes";
            return Err(Error::TooLarge { what, needs, allowed: most });
        }
        budget.check_memory(needs)
    }
}

/// The size of what is painted on.
#[derive(Clone, Copy)]
struct Canvas {
    width: f64,
    height: f64,
}

impl Canvas {
    fn area(self) -> f64 {
        self.width * self.height
    }

    /// The size of a rectangle after a transform, clipped to this size, and rounded up.
    fn clip(self, rect: Rect, transform: Transform) -> Self {
        let corners = [
            (rect.left(), rect.top()),
            (rect.right(), rect.top()),
            (rect.left(), rect.bottom()),
            (rect.right(), rect.bottom()),
        ];
        let corners = corners.map(|(x, y)| mapped(transform, x, y));
        let span = |of: fn((f64, f64)) -> f64, most: f64| {
            let (least, greatest) =
                corners.iter().map(|corner| of(*corner)).fold((f64::MAX, f64::MIN), |(a, b), c| (a.min(c), b.max(c)));
            // What is not a number is taken for all.
            let length = greatest - least + 5.0;
            if length.is_finite() { length.ceil().min(most + 5.0) } else { most + 5.0 }
        };
        Self { width: span(|corner| corner.0, self.width), height: span(|corner| corner.1, self.height) }
    }
}

fn mapped(transform: Transform, x: f32, y: f32) -> (f64, f64) {
    let (x, y) = (f64::from(x), f64::from(y));
    let Transform { sx, kx, ky, sy, tx, ty } = transform;
    let along = |a: f32, b: f32, c: f32| f64::from(a) * x + f64::from(b) * y + f64::from(c);
    (along(sx, kx, tx), along(ky, sy, ty))
}

/// A transform without its rotation and skew, and the size that covers `limit` without them; `None` if nothing is painted.
fn upright(transform: Transform, limit: Canvas) -> Option<(Transform, Canvas)> {
    let Transform { sx, kx, ky, sy, .. } = transform;
    let (across, down) = (sx.hypot(ky), kx.hypot(sy));
    let inverse = Transform::from_row(sx / across, ky / across, kx / down, sy / down, 0.0, 0.0).invert()?;
    let side = |of_width: f32, of_height: f32| {
        f64::from(of_width.abs()) * limit.width + f64::from(of_height.abs()) * limit.height
    };
    let covering = Canvas { width: side(inverse.sx, inverse.kx), height: side(inverse.ky, inverse.sy) };
    Some((inverse.pre_concat(transform), covering))
}

struct Walk<'a> {
    limit: Canvas,
    /// Bytes that are held while the current element is painted.
    held: f64,
    estimate: Estimate,
    nodes: u32,
    cancellation: &'a Cancellation,
}

impl Walk<'_> {
    fn work(&mut self, work: f64) -> Result<(), Error> {
        self.estimate.work += work;
        if self.estimate.work > MAX_WORK || self.estimate.work.is_nan() {
            let allowed = (MAX_WORK / 1e6) as u64;
            return Err(Error::TooLarge { what: "the work of rendering in ms", needs: allowed + 1, allowed });
        }
        Ok(())
    }

    /// Counts so many bytes while something is painted.
    fn holding(&mut self, bytes: f64, paint: impl FnOnce(&mut Self) -> Result<(), Error>) -> Result<(), Error> {
        self.held += bytes;
        self.estimate.memory = self.estimate.memory.max(self.held);
        // No machine has as much, and no budget allows it.
        if self.held > 1e12 || self.held.is_nan() {
            return Err(Error::TooLarge { what: MEMORY, needs: u64::MAX, allowed: 1_000_000_000_000 });
        }
        paint(self)?;
        self.held -= bytes;
        Ok(())
    }

    fn children(&mut self, group: &Group, transform: Transform, canvas: Canvas) -> Result<(), Error> {
        for node in group.children() {
            self.nodes += 1;
            if self.nodes.is_multiple_of(1024) {
                self.cancellation.check()?;
            }
            self.work(ELEMENT)?;
            match node {
                Node::Group(group) => self.group(group, transform, canvas)?,
                Node::Path(path) => self.path(path, transform, canvas)?,
                Node::Text(text) => self.group(text.flattened(), transform, canvas)?,
                Node::Image(image) => {
                    let (width, height) = (f64::from(image.size().width()), f64::from(image.size().height()));
                    let area = canvas.clip(image.bounding_box(), transform).area();
                    self.work(width * height * DECODED + area * BICUBIC)?;
                    debug_assert!(!matches!(image.kind(), ImageKind::SVG(_)), "pictures are never drawings");
                    self.holding(width * height * 8.0, |_| Ok(()))?;
                }
            }
        }
        Ok(())
    }

    fn group(&mut self, group: &Group, transform: Transform, canvas: Canvas) -> Result<(), Error> {
        let transform = transform.pre_concat(group.transform());
        if !group.should_isolate() {
            return self.children(group, transform, canvas);
        }
        let bounds = group.layer_bounding_box().to_rect();
        let (outer, mut transform) = (self.limit, transform);
        if !group.filters().is_empty() {
            // A layer with filters is painted upright, and turned and skewed when it is laid onto what is below.
            self.work(canvas.clip(bounds, transform).area() * 2.0 * LAYER)?;
            let Some(upright) = upright(transform, outer) else { return Ok(()) };
            (transform, self.limit) = upright;
        }
        let layer = self.limit.clip(bounds, transform);
        self.work(layer.area() * LAYER)?;
        self.holding(layer.area() * 4.0, |walk| {
            walk.children(group, transform, layer)?;
            for filter in group.filters() {
                walk.filter(filter, transform, layer)?;
            }
            if let Some(clip) = group.clip_path() {
                walk.clip(clip, transform, layer)?;
            }
            if let Some(mask) = group.mask() {
                walk.mask(mask, transform, layer)?;
            }
            Ok(())
        })?;
        self.limit = outer;
        Ok(())
    }

    fn clip(&mut self, clip: &ClipPath, transform: Transform, layer: Canvas) -> Result<(), Error> {
        self.work(layer.area() * 2.0 * LAYER)?;
        self.holding(layer.area() * 5.0, |walk| {
            walk.children(clip.root(), transform.pre_concat(clip.transform()), layer)?;
            clip.clip_path().map_or(Ok(()), |clip| walk.clip(clip, transform, layer))
        })
    }

    fn mask(&mut self, mask: &Mask, transform: Transform, layer: Canvas) -> Result<(), Error> {
        self.work(layer.area() * 3.0 * LAYER)?;
        self.holding(layer.area() * 6.0, |walk| {
            walk.children(mask.root(), transform, layer)?;
            mask.mask().map_or(Ok(()), |mask| walk.mask(mask, transform, layer))
        })
    }

    fn path(&mut self, path: &Path, transform: Transform, canvas: Canvas) -> Result<(), Error> {
        if !path.is_visible() {
            return Ok(());
        }
        let outline = Outline::of(path, transform, canvas);
        if let Some(fill) = path.fill() {
            let area = canvas.clip(path.data().bounds(), transform).area();
            self.work(outline.segments * SEGMENT + outline.rows * ROW)?;
            self.paint(fill.paint(), area, transform)?;
        }
        if let Some(stroke) = path.stroke() {
            let area = canvas.clip(path.stroke_bounding_box(), transform).area();
            let (pieces, rows) = outline.stroked(stroke, transform, canvas);
            self.work(pieces * OUTLINE + rows * ROW)?;
            self.holding(pieces * 200.0, |_| Ok(()))?;
            self.paint(stroke.paint(), area, transform)?;
        }
        Ok(())
    }

    fn paint(&mut self, paint: &Paint, area: f64, transform: Transform) -> Result<(), Error> {
        match paint {
            Paint::Color(_) => self.work(area * FLAT),
            Paint::LinearGradient(gradient) => self.work(area * GRADIENT + gradient.stops().len() as f64 * SEGMENT),
            Paint::RadialGradient(gradient) => self.work(area * GRADIENT + gradient.stops().len() as f64 * SEGMENT),
            Paint::Pattern(pattern) => self.pattern(pattern, area, transform),
        }
    }

    fn pattern(&mut self, pattern: &Pattern, area: f64, transform: Transform) -> Result<(), Error> {
        let (x, y) = transform.pre_concat(pattern.transform()).get_scale();
        let (width, height) = (f64::from(pattern.rect().width() * x), f64::from(pattern.rect().height() * y));
        let tile = Canvas { width: width.max(1.0), height: height.max(1.0) };
        self.work(area * BICUBIC + tile.area() * LAYER)?;
        self.holding(tile.area() * 4.0, |walk| walk.children(pattern.root(), Transform::from_scale(x, y), tile))
    }

    fn filter(&mut self, filter: &Filter, transform: Transform, layer: Canvas) -> Result<(), Error> {
        let region = layer.clip(filter.rect().to_rect(), transform);
        let (area, count) = (region.area(), filter.primitives().len() as f64);
        // The source, a copy of it, and every result.
        self.holding(area * 4.0 * (count + 3.0), |walk| {
            for primitive in filter.primitives() {
                let (x, y) = transform.get_scale();
                check_offset(primitive.kind(), x.max(y))?;
                let work = match primitive.kind() {
                    Kind::Flood(_) | Kind::Offset(_) => 15.0,
                    Kind::Blend(_) | Kind::Composite(_) | Kind::Tile(_) => 40.0,
                    Kind::ColorMatrix(_) | Kind::ComponentTransfer(_) => 80.0,
                    Kind::DisplacementMap(_) => 80.0,
                    Kind::GaussianBlur(_) | Kind::DropShadow(_) => 250.0,
                    Kind::DiffuseLighting(_) | Kind::SpecularLighting(_) => 200.0,
                    Kind::Merge(merge) => 20.0 + 30.0 * merge.inputs().len() as f64,
                    Kind::Turbulence(turbulence) => 400.0 * f64::from(turbulence.num_octaves()),
                    Kind::ConvolveMatrix(convolve) => {
                        20.0 + 8.0 * f64::from(convolve.matrix().columns()) * f64::from(convolve.matrix().rows())
                    }
                    Kind::Morphology(morphology) => {
                        let side = |radius: f32, scale: f32, most: f64| {
                            (2.0 * f64::from(radius * scale) + 2.0).min(2.0 * most)
                        };
                        let across = side(morphology.radius_x().get(), x, region.width);
                        20.0 + 6.0 * across * side(morphology.radius_y().get(), y, region.height)
                    }
                    Kind::Image(image) => {
                        walk.holding(area * 4.0, |walk| walk.children(image.root(), transform, region))?;
                        40.0
                    }
                };
                // Inputs are copied, converted and clipped.
                walk.work(area * (work + 40.0))?;
            }
            Ok(())
        })
    }
}

/// Refuses offsets by which the renderer would compute coordinates that are no integers of 32 bits.
fn check_offset(kind: &Kind, scale: f32) -> Result<(), Error> {
    let (dx, dy) = match kind {
        Kind::Offset(offset) => (offset.dx(), offset.dy()),
        Kind::DropShadow(shadow) => (shadow.dx(), shadow.dy()),
        _ => return Ok(()),
    };
    let largest = f64::from(dx.abs().max(dy.abs())) * f64::from(scale);
    if largest <= MAX_OFFSET as f64 {
        return Ok(());
    }
    Err(Error::TooLarge { what: "the offset of a filter in pixels", needs: largest as u64, allowed: MAX_OFFSET })
}

/// Measures of a path in pixels of what it is painted on.
struct Outline {
    segments: f64,
    /// The rows of pixels that its segments cross, together.
    rows: f64,
    /// Its length in its own units.
    length: f64,
}

impl Outline {
    fn of(path: &Path, transform: Transform, canvas: Canvas) -> Self {
        let (mut segments, mut rows, mut length) = (0.0, 0.0, 0.0);
        let mut last = Point::zero();
        let mut line = |from: Point, to: Point| {
            let dy = (mapped(transform, from.x, from.y).1 - mapped(transform, to.x, to.y).1).abs();
            // What is not a number counts as all.
            rows += if dy <= canvas.height { dy } else { canvas.height } + 1.0;
            length += f64::from(to.x - from.x).hypot(f64::from(to.y - from.y));
        };
        for segment in path.data().segments() {
            segments += 1.0;
            match segment {
                PathSegment::MoveTo(to) => last = to,
                PathSegment::LineTo(to) => {
                    line(last, to);
                    last = to;
                }
                PathSegment::QuadTo(control, to) => {
                    segments += 8.0;
                    line(last, control);
                    line(control, to);
                    last = to;
                }
                PathSegment::CubicTo(first, second, to) => {
                    segments += 16.0;
                    line(last, first);
                    line(first, second);
                    line(second, to);
                    last = to;
                }
                PathSegment::Close => {}
            }
        }
        Self { segments, rows, length }
    }

    /// The number of segments of the stroke's outline, and the rows that they cross.
    fn stroked(&self, stroke: &Stroke, transform: Transform, canvas: Canvas) -> (f64, f64) {
        let (x, y) = transform.get_scale();
        let width = (f64::from(stroke.width().get()) * f64::from(x.max(y))).min(canvas.height);
        let dashes = stroke.dasharray().map_or(0.0, |dashes| {
            let period = f64::from(dashes.iter().sum::<f32>());
            if period > 0.0 { self.length / period * dashes.len() as f64 } else { 0.0 }
        });
        let pieces = self.segments + dashes;
        // Two sides, and a join or two caps for each.
        (4.0 * pieces, 2.0 * self.rows + 4.0 * pieces * (width + 1.0))
    }
}
