//! Drawing of overlays on the output.
//!
//! Input: the file of the overlay and the size of the output. Output: a [`Layer`], which is the overlay at its final
//! size, in the output's colour space and with its position, for blending with rasters or with YCbCr planes. It is
//! created once per request and blended with every frame of an animation. [`OverlayCache`] caches decoded overlays.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::colour::{is_grey, with_colour, with_colour_memory};
use super::lanczos::Levels;
use super::plan::focus_of;
use super::prepared::Prepared;
use super::resize::blank;
use super::{Error, Limits, Render, conversion};
use image_origin_codec::{self as codec, Budget, Cancellation, Channels, Raster};
use image_origin_query::{Colorspace, Fit, Hundredths, MAX_SIDE, Overlay, TargetBox, Transform};

/// The file of an overlay.
#[derive(Debug, Clone, Copy)]
pub struct OverlayFile<'a> {
    /// The content of the file.
    pub bytes: &'a [u8],
    /// The cache for the decoded overlay, and the id of these bytes in it.
    pub cache: Option<(&'a OverlayCache, &'a str)>,
}

/// The maximum number of images in an [`OverlayCache`].
const MAX_ENTRIES: usize = 256;

/// An image may use at most one part in this many of an [`OverlayCache`].
const LARGEST_SHARE: u64 = 4;

/// An LRU cache of decoded overlays.
#[derive(Debug)]
pub struct OverlayCache {
    max_bytes: u64,
    /// The entries, with the most recently used at the end.
    entries: Mutex<Vec<(DecodedId, Arc<Raster>)>>,
}

/// The cache key of a decoded overlay.
#[derive(Debug, Clone, PartialEq, Eq)]
struct DecodedId {
    file: String,
    size: (u32, u32),
    space: Colorspace,
}

impl OverlayCache {
    /// Creates a cache with a limit for samples in bytes.
    pub fn new(max_bytes: u64) -> Self {
        Self { max_bytes, entries: Mutex::default() }
    }

    /// The size of all cached samples in bytes.
    pub fn bytes(&self) -> u64 {
        self.lock().iter().map(|(_, raster)| raster.bytes()).sum()
    }

    fn get(&self, id: &DecodedId) -> Option<Arc<Raster>> {
        let mut entries = self.lock();
        let at = entries.iter().position(|(known, _)| known == id)?;
        let entry = entries.remove(at);
        let raster = entry.1.clone();
        entries.push(entry);
        Some(raster)
    }

    fn insert(&self, id: DecodedId, raster: Arc<Raster>) {
        if raster.bytes() > self.max_bytes / LARGEST_SHARE {
            return;
        }
        let mut entries = self.lock();
        entries.retain(|(known, _)| *known != id);
        entries.push((id, raster));
        let mut held: u64 = entries.iter().map(|(_, raster)| raster.bytes()).sum();
        let mut count = entries.len();
        let surplus = entries.iter().take_while(|(_, raster)| {
            let is_surplus = held > self.max_bytes || count > MAX_ENTRIES;
            held -= raster.bytes();
            count -= 1;
            is_surplus
        });
        let surplus = surplus.count();
        entries.drain(..surplus);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(DecodedId, Arc<Raster>)>> {
        // No code panics while the lock is held.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An overlay that is positioned on an output of a known size.
#[derive(Debug, Clone)]
pub(super) struct Placed<'a> {
    render: &'a Render<'a>,
    overlay: &'a Overlay,
    file: OverlayFile<'a>,
    /// The size of the output.
    output: (u32, u32),
    /// The size of the overlay.
    size: (u32, u32),
    /// The layer for the most recently requested colour space.
    made: RefCell<Option<(Colorspace, Rc<Layer>)>>,
}

impl<'a> Placed<'a> {
    /// Positions the overlay of a render, if it has one, on an output. Only the header of the file is read.
    ///
    /// # Errors
    /// [`Error::Overlay`] if the file is missing or invalid.
    pub(super) fn new(render: &'a Render<'a>, output: (u32, u32)) -> Result<Option<Self>, Error> {
        let Some(overlay) = &render.transform.overlay else { return Ok(None) };
        let no_file = || codec::Error::Unsupported("there is no file of it".to_owned());
        let file = render.overlay.ok_or_else(no_file).map_err(Error::of_overlay)?;
        let size =
            own_size(file.bytes, render.limits.budget, &render.cancellation).and_then(|own| size(overlay, own, output));
        let size = size.map_err(Error::of_overlay)?;
        Ok(Some(Self { render, overlay, file, output, size, made: RefCell::default() }))
    }

    /// The layer in this colour space. `budget` is the memory limit, excluding the output.
    ///
    /// # Errors
    /// [`Error::Overlay`] if the file cannot be decoded or exceeds the budget.
    pub(super) fn layer(&self, space: Colorspace, budget: Budget) -> Result<Rc<Layer>, Error> {
        if let Some((_, layer)) = self.made.borrow().as_ref().filter(|(of, _)| *of == space) {
            return Ok(layer.clone());
        }
        let raster = self.decoded(space, budget)?;
        let layer = Rc::new(self.arranged(raster, budget).map_err(Error::of_overlay)?);
        *self.made.borrow_mut() = Some((space, layer.clone()));
        Ok(layer)
    }

    /// The memory in bytes that [`Self::layer`] keeps allocated.
    pub(super) fn held(&self) -> u64 {
        self.made.borrow().as_ref().map_or(0, |(_, layer)| layer.raster.bytes())
    }

    /// The decoded overlay at its final size.
    fn decoded(&self, space: Colorspace, budget: Budget) -> Result<Arc<Raster>, Error> {
        let id = |file: &str| DecodedId { file: file.to_owned(), size: self.size, space };
        if let Some(raster) = self.file.cache.and_then(|(cache, file)| cache.get(&id(file))) {
            return Ok(raster);
        }
        let (width, height) = self.size;
        let transform = Transform {
            target: Some(TargetBox::Both(width, height)),
            fit: Fit::Fill,
            enlarge: true,
            page: Some(0),
            colorspace: space,
            ..Transform::default()
        };
        let limits = Limits { budget, ..self.render.limits };
        let render = Render::new(self.file.bytes)
            .transform(transform)
            .limits(limits)
            .cancellation(self.render.cancellation.clone());
        let decode = || Ok(Prepared::new(&render)?.decode()?.with_text()?.with_effects()?);
        let (mut raster, its_space) = decode().map_err(|error: Error| match error {
            Error::Codec(error) => Error::of_overlay(error),
            other => other,
        })?;
        if its_space != space {
            raster = conversion::widened(raster);
        }
        let raster = Arc::new(raster);
        if let Some((cache, file)) = self.file.cache {
            cache.insert(id(file), raster.clone());
        }
        Ok(raster)
    }

    /// The overlay at its position, or tiled.
    fn arranged(&self, raster: Arc<Raster>, budget: Budget) -> Result<Layer, codec::Error> {
        let (gravity, opacity) = (focus_of(self.overlay.gravity), self.overlay.opacity);
        let gap = (self.overlay.x.of(self.output.0).round(), self.overlay.y.of(self.output.1).round());
        if !self.overlay.tile {
            let left = start(gravity.0, self.size.0, self.output.0, gap.0);
            let top = start(gravity.1, self.size.1, self.output.1, gap.1);
            return Ok(Layer { raster, left, top, opacity });
        }
        let (left, top) =
            (start(gravity.0, self.size.0, self.output.0, 0.0), start(gravity.1, self.size.1, self.output.1, 0.0));
        let pixels = u64::from(self.output.0) * u64::from(self.output.1);
        let grey = is_grey(&raster);
        budget.check_memory(raster.bytes() + pixels * if grey { 2 } else { 4 })?;
        let channels = if grey { Channels::La } else { Channels::Rgba };
        let mut all = blank(self.output.0, self.output.1, channels, false);
        let period = (i64::from(self.size.0) + gap.0 as i64, i64::from(self.size.1) + gap.1 as i64);
        // The first tile that intersects the output.
        let first = |start: i64, period: i64, length: u32| {
            let first = start.rem_euclid(period);
            if first - period + i64::from(length) > 0 { first - period } else { first }
        };
        let columns = (first(left, period.0, self.size.0)..i64::from(self.output.0)).step_by(period.0 as usize);
        for top in (first(top, period.1, self.size.1)..i64::from(self.output.1)).step_by(period.1 as usize) {
            for left in columns.clone() {
                self.render.cancellation.check()?;
                let tile = Layer { raster: raster.clone(), left, top, opacity: Hundredths::ONE };
                tile.blend(&mut all);
            }
        }
        Ok(Layer { raster: Arc::new(all), left: 0, top: 0, opacity })
    }
}

/// The upright size of an image file.
fn own_size(bytes: &[u8], budget: Budget, cancellation: &Cancellation) -> Result<(u32, u32), codec::Error> {
    let header = codec::open(bytes, budget, cancellation)?.header();
    Ok(header.orientation.size(header.width, header.height))
}

/// The size of an overlay: that of its parameters, or its own size limited to the output.
fn size(overlay: &Overlay, own: (u32, u32), output: (u32, u32)) -> Result<(u32, u32), codec::Error> {
    let (across, down) = (f64::from(own.0), f64::from(own.1));
    let width = overlay.width.map(|width| width.of(output.0).max(1.0) / across);
    let height = overlay.height.map(|height| height.of(output.1).max(1.0) / down);
    let scale = match (width, height) {
        (Some(width), Some(height)) => width.min(height),
        (Some(scale), None) | (None, Some(scale)) => scale,
        (None, None) => (f64::from(output.0) / across).min(f64::from(output.1) / down).min(1.0),
    };
    let side = |own: f64| {
        let side = (own * scale).round().max(1.0);
        if side > MAX_SIDE.into() {
            let what = "a side of the overlay in pixels";
            return Err(codec::Error::TooLarge { what, needs: side as u64, allowed: MAX_SIDE.into() });
        }
        Ok(side as u32)
    };
    Ok((side(across)?, side(down)?))
}

/// The start of an overlay along a side: the fraction `gravity` of the free space, plus an inward distance.
fn start(gravity: f64, length: u32, side: u32, distance: f64) -> i64 {
    let left = f64::from(side) - f64::from(length);
    // At the right and the lower edge, inwards is the negative direction.
    let distance = if gravity == 1.0 { -distance } else { distance };
    ((left * gravity).floor() + distance) as i64
}

/// An 8-bit image and its position on another one. It may extend beyond the edges.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    raster: Arc<Raster>,
    left: i64,
    top: i64,
    opacity: Hundredths,
}

/// The overlap of a layer and the image below, along one axis: start in the layer, start in the image, and length.
#[derive(Debug, Clone, Copy)]
struct Overlap {
    above: usize,
    below: usize,
    length: usize,
}

impl Overlap {
    fn new(start: i64, length: u32, side: u32) -> Option<Self> {
        let (first, end) = (start.max(0), (start + i64::from(length)).min(side.into()));
        (first < end).then(|| Self {
            above: (first - start) as usize,
            below: first as usize,
            length: (end - first) as usize,
        })
    }
}

impl Layer {
    fn overlaps(&self, width: u32, height: u32) -> Option<(Overlap, Overlap)> {
        let across = Overlap::new(self.left, self.raster.width(), width)?;
        Some((across, Overlap::new(self.top, self.raster.height(), height)?))
    }

    /// Draws the layer on the image. `budget` is the limit for all memory, including the image.
    ///
    /// # Errors
    /// [`codec::Error::TooLarge`] before anything is allocated.
    pub(super) fn over(&self, mut raster: Raster, budget: Budget) -> Result<Raster, codec::Error> {
        if is_grey(&raster) && !is_grey(&self.raster) {
            budget.check_memory(with_colour_memory(&raster))?;
            raster = with_colour(raster);
        }
        self.blend(&mut raster);
        Ok(raster)
    }

    /// Blends the layer with an image, which is not grey if the layer is not.
    fn blend(&self, below: &mut Raster) {
        use Channels::{L, La, Rgb, Rgba};
        match (below.channels(), self.raster.channels()) {
            (L, L) => self.blend_as::<1, 1>(below),
            (L, _) => self.blend_as::<1, 2>(below),
            (La, L) => self.blend_as::<2, 1>(below),
            (La, _) => self.blend_as::<2, 2>(below),
            (Rgb, L) => self.blend_as::<3, 1>(below),
            (Rgb, La) => self.blend_as::<3, 2>(below),
            (Rgb, Rgb) => self.blend_as::<3, 3>(below),
            (Rgb, _) => self.blend_as::<3, 4>(below),
            (Rgba, L) => self.blend_as::<4, 1>(below),
            (Rgba, La) => self.blend_as::<4, 2>(below),
            (Rgba, Rgb) => self.blend_as::<4, 3>(below),
            _ => self.blend_as::<4, 4>(below),
        }
    }

    fn blend_as<const TO: usize, const FROM: usize>(&self, below: &mut Raster) {
        let (width, height) = (below.width(), below.height());
        let Some((across, down)) = self.overlaps(width, height) else { return };
        let (from, to) = (self.raster.width() as usize * FROM, width as usize * TO);
        let rows = self.raster.samples().as_bytes().chunks_exact(from).skip(down.above).take(down.length);
        let opacity = u32::from(percent(self.opacity));
        for (below, above) in below.samples_mut().chunks_exact_mut(to).skip(down.below).zip(rows) {
            let below = below[across.below * TO..][..across.length * TO].as_chunks_mut::<TO>().0;
            let above = above[across.above * FROM..][..across.length * FROM].as_chunks::<FROM>().0;
            for (below, above) in below.iter_mut().zip(above) {
                let mut above = rgba(above);
                above[3] = ((u32::from(above[3]) * opacity + 50) / 100) as u8;
                if above[3] > 0 {
                    let mut pixel = rgba(below);
                    codec::over(&mut pixel, above);
                    *below = pixel_of(pixel);
                }
            }
        }
    }

    /// Blends the layer with upright planes of luma and chroma, which has half of luma's width and height, rounded up.
    /// `levels` maps luma and chroma of the full range to those of the planes.
    pub(super) fn blend_planes(&self, [luma, blue, red]: &mut [Raster; 3], [of_luma, of_chroma]: [Levels; 2]) {
        let (width, height) = (luma.width(), luma.height());
        let Some((across, down)) = self.overlaps(width, height) else { return };
        let count = self.raster.channels().count();
        let (from, to) = (self.raster.width() as usize * count, width as usize);
        let chroma_width = blue.width() as usize;
        let opacity = f32::from(percent(self.opacity)) / (100.0 * 255.0);
        let samples = self.raster.samples().as_bytes();
        // Alpha, and chroma times alpha, of the pixels in a row of blocks.
        let first_block = across.below / 2;
        let blocks = (across.below + across.length).div_ceil(2) - first_block;
        let mut sums = vec![[0.0_f32; 3]; blocks];
        let (blue, red) = (blue.samples_mut(), red.samples_mut());
        for row in 0..down.length {
            let y = down.below + row;
            let above = &samples[(down.above + row) * from + across.above * count..][..across.length * count];
            let below = &mut luma.samples_mut()[y * to + across.below..][..across.length];
            for (column, (below, above)) in below.iter_mut().zip(above.chunks_exact(count)).enumerate() {
                let [r, g, b, a] = any_rgba(above).map(f32::from);
                let alpha = a * opacity;
                if alpha > 0.0 {
                    let [y, cb, cr] = ycc([r, g, b]);
                    let sample = f32::from(*below);
                    *below = (sample + (of_luma.of(y) - sample) * alpha + 0.5) as u8;
                    let sum = &mut sums[(across.below + column) / 2 - first_block];
                    sum[0] += alpha;
                    sum[1] += alpha * of_chroma.of(cb);
                    sum[2] += alpha * of_chroma.of(cr);
                }
            }
            let is_last = row + 1 == down.length;
            if y % 2 == 0 && !is_last {
                continue;
            }
            let pixels_down = if y / 2 * 2 + 1 < height as usize { 2.0 } else { 1.0 };
            for (block, sum) in sums.iter_mut().enumerate() {
                let [alpha, cb, cr] = std::mem::take(sum);
                if alpha > 0.0 {
                    let x = first_block + block;
                    let pixels = pixels_down * if 2 * x + 1 < width as usize { 2.0 } else { 1.0 };
                    let at = y / 2 * chroma_width + x;
                    let kept = 1.0 - alpha / pixels;
                    blue[at] = (f32::from(blue[at]) * kept + cb / pixels + 0.5) as u8;
                    red[at] = (f32::from(red[at]) * kept + cr / pixels + 0.5) as u8;
                }
            }
        }
    }
}

fn percent(share: Hundredths) -> u8 {
    (share.get() * 100.0).round() as u8
}

/// Converts a pixel of `COUNT` channels to RGBA.
fn rgba<const COUNT: usize>(pixel: &[u8; COUNT]) -> [u8; 4] {
    any_rgba(pixel)
}

#[inline(always)]
fn any_rgba(pixel: &[u8]) -> [u8; 4] {
    match *pixel {
        [l] => [l, l, l, 255],
        [l, a] => [l, l, l, a],
        [r, g, b] => [r, g, b, 255],
        [r, g, b, a] => [r, g, b, a],
        _ => [0; 4],
    }
}

/// The inverse of [`rgba`].
fn pixel_of<const COUNT: usize>([r, g, b, a]: [u8; 4]) -> [u8; COUNT] {
    std::array::from_fn(|sample| match (COUNT, sample) {
        (2, 1) | (4, 3) => a,
        (_, 0) => r,
        (_, 1) => g,
        _ => b,
    })
}

/// Converts RGB to full-range YCbCr (ITU-T T.871, 7).
#[inline(always)]
pub(super) fn ycc([r, g, b]: [f32; 3]) -> [f32; 3] {
    let luma = 0.299 * r + 0.587 * g + 0.114 * b;
    [luma, 128.0 + (b - luma) / 1.772, 128.0 + (r - luma) / 1.402]
}

#[cfg(test)]
mod tests {
    use super::*;
    use image_origin_codec::Samples;

    fn overlay(query: &str) -> Overlay {
        format!("overlay=a&{query}").parse::<Transform>().unwrap().overlay.unwrap()
    }

    #[test]
    fn an_overlay_is_as_large_as_asked_or_as_it_is() {
        let table = [
            ("", (100, 50), (800, 600), (100, 50)),
            ("", (1000, 500), (800, 600), (800, 400)),
            ("", (10_000, 10_000), (800, 600), (600, 600)),
            ("overlay_w=0.25", (100, 50), (800, 600), (200, 100)),
            ("overlay_h=0.25", (100, 50), (800, 600), (300, 150)),
            ("overlay_w=50&overlay_h=50", (100, 50), (800, 600), (50, 25)),
            ("overlay_w=1.0&overlay_h=0.1", (100, 50), (800, 600), (120, 60)),
            ("overlay_w=1600", (100, 50), (800, 600), (1600, 800)),
            ("overlay_w=1", (100, 5), (800, 600), (1, 1)),
            ("overlay_w=0.0001", (100, 50), (800, 600), (1, 1)),
        ];
        for (query, own, output, expected) in table {
            assert_eq!(size(&overlay(query), own, output), Ok(expected), "{query} {own:?}");
        }
        let refused = size(&overlay("overlay_w=1000"), (1, 100), (800, 600));
        assert!(matches!(refused, Err(codec::Error::TooLarge { needs: 100_000, .. })), "{refused:?}");
    }

    #[test]
    fn what_was_used_least_recently_goes_first() {
        let cache = OverlayCache::new(1000);
        let id = |name: &str| DecodedId { file: name.to_owned(), size: (1, 1), space: Colorspace::Srgb };
        let raster =
            |bytes: u32| Arc::new(Raster::new(bytes, 1, Channels::L, Samples::U8(vec![0; bytes as usize])).unwrap());
        for name in ["a", "b", "c", "d"] {
            cache.insert(id(name), raster(240));
        }
        assert!(cache.get(&id("a")).is_some());
        cache.insert(id("e"), raster(100));
        let kept = ["a", "b", "c", "d", "e"].map(|name| cache.get(&id(name)).is_some());
        assert_eq!((kept, cache.bytes()), ([true, false, true, true, true], 820));
        cache.insert(id("f"), raster(251));
        assert!(cache.get(&id("f")).is_none(), "more than a quarter");
        for number in 0..=MAX_ENTRIES {
            cache.insert(id(&number.to_string()), raster(1));
        }
        assert_eq!(cache.lock().len(), MAX_ENTRIES);
        assert!(cache.get(&id("0")).is_none() && cache.get(&id("1")).is_some());
    }

    fn noise(width: u32, height: u32, channels: Channels, seed: u32) -> Raster {
        let count = width * height * channels.count() as u32;
        let samples = (0..count).map(|i| ((i + seed).wrapping_mul(2_654_435_761) >> 24) as u8);
        Raster::new(width, height, channels, Samples::U8(samples.collect())).unwrap()
    }

    /// Luma, and chroma as the mean of each block of four.
    fn planes(raster: &Raster) -> [Raster; 3] {
        let (width, height) = (raster.width() as usize, raster.height() as usize);
        let pixels = raster.samples().as_bytes().as_chunks::<3>().0;
        let at = |x: usize, y: usize| ycc(pixels[y.min(height - 1) * width + x.min(width - 1)].map(f32::from));
        let plane = |width: usize, height: usize, sample: &dyn Fn(usize, usize) -> f32| {
            let samples = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
            let samples = samples.map(|(x, y)| sample(x, y).round() as u8).collect();
            Raster::new(width as u32, height as u32, Channels::L, Samples::U8(samples)).unwrap()
        };
        let mean = |part: usize| {
            move |x: usize, y: usize| {
                let block = [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(dx, dy)| at(2 * x + dx, 2 * y + dy)[part]);
                block.iter().sum::<f32>() / 4.0
            }
        };
        let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
        [
            plane(width, height, &|x, y| at(x, y)[0]),
            plane(half_width, half_height, &mean(1)),
            plane(half_width, half_height, &mean(2)),
        ]
    }

    #[test]
    fn planes_and_pixels_are_covered_alike() {
        for (width, height) in [(16_u32, 16_u32), (17, 19), (1, 1), (2, 7)] {
            for (left, top) in [(0, 0), (3, 2), (-3, -4), (15, 15), (-100, 0)] {
                for (channels, opacity) in [(Channels::Rgba, "1"), (Channels::Rgb, "0.5"), (Channels::La, "0.33")] {
                    // What a block has lost of its colours cannot be told apart any more.
                    let blocks = noise(width.div_ceil(2), height.div_ceil(2), Channels::Rgb, 7);
                    let mut below = noise(width, height, Channels::Rgb, 7);
                    for (at, pixel) in below.samples_mut().as_chunks_mut::<3>().0.iter_mut().enumerate() {
                        let (x, y) = (at as u32 % width / 2, at as u32 / width / 2);
                        let block = blocks.samples().as_bytes().as_chunks::<3>().0;
                        *pixel = block[(y * blocks.width() + x) as usize];
                    }
                    let opacity = overlay(&format!("overlay_opacity={opacity}")).opacity;
                    let layer = Layer { raster: Arc::new(noise(9, 8, channels, 99)), left, top, opacity };
                    let mut covered = planes(&below);
                    layer.blend_planes(&mut covered, [Levels::SAME; 2]);
                    let expected = planes(&layer.over(below, Budget::UNLIMITED).unwrap());
                    for (plane, expected) in covered.iter().zip(&expected) {
                        let pairs = plane.samples().as_bytes().iter().zip(expected.samples().as_bytes());
                        let most = pairs.map(|(one, other)| one.abs_diff(*other)).max();
                        assert!(most <= Some(2), "{width}x{height} {left},{top} {channels:?}: {most:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_layout_is_covered() {
        use Channels::{L, La, Rgb, Rgba};
        let all = [L, La, Rgb, Rgba];
        for below in all {
            for above in all {
                let layer = Layer {
                    raster: Arc::new(noise(4, 4, above, 5)),
                    left: 2,
                    top: 1,
                    opacity: overlay("overlay_opacity=0.7").opacity,
                };
                let raster = noise(6, 6, below, 3);
                let pixel = |raster: &Raster, x: usize, y: usize| {
                    let count = raster.channels().count();
                    let at = (y * raster.width() as usize + x) * count;
                    any_rgba(&raster.samples().as_bytes()[at..at + count])
                };
                let covered = layer.over(raster.clone(), Budget::UNLIMITED).unwrap();
                for (x, y) in [(0, 0), (2, 1), (5, 4), (3, 3), (5, 5)] {
                    let mut expected = pixel(&raster, x, y);
                    if (2..6).contains(&x) && (1..5).contains(&y) {
                        let mut above = pixel(&layer.raster, x - 2, y - 1);
                        above[3] = ((u32::from(above[3]) * 70 + 50) / 100) as u8;
                        codec::over(&mut expected, above);
                    }
                    assert_eq!(pixel(&covered, x, y), expected, "{below:?} {above:?} {x},{y}");
                }
            }
        }
    }
}
