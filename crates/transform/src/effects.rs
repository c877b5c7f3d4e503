//! Effects on the resized picture, as defined by CSS filters (Filter Effects Module Level 1), in this order:
//! brightness, contrast, saturation, gamma, grayscale, tint, invert, blur, sharpen, pixelate.

use super::colour::{fewer, of_samples, to_eight_bits, with_colour, with_colour_memory};
use super::mosaic::Cells;
use super::resize::resize;
use image_origin_codec::{self as codec, Area, Budget, Cancellation, Channels, Raster, Samples};
use image_origin_kernel::{Kernel, dispatch};
use image_origin_query::{Color, Effects, Hundredths, Sharpen};

/// The sigma of the unsharp mask in pixels.
const SHARPEN_SIGMA: f64 = 1.0;

/// The sigma above which a picture is blurred at a reduced size: the blur removes what the reduction loses.
const LARGEST_DIRECT_SIGMA: f64 = 6.0;

/// Applies all effects. 16-bit samples are kept until tonal adjustments are done, to prevent banding; the result has 8
/// bits. `budget` is for all memory, including the raster: most effects work in place.
///
/// # Errors
/// [`codec::Error::Cancelled`] between rows of a blur, and [`codec::Error::TooLarge`] before anything is allocated.
pub(super) fn apply(
    raster: Raster,
    effects: &Effects,
    budget: Budget,
    cancellation: &Cancellation,
) -> Result<Raster, codec::Error> {
    let raster = adjust(raster, effects, budget)?;
    budget.check_memory(raster.bytes() + narrowed(&raster))?;
    let mut raster = to_eight_bits(raster);
    if let Some(sigma) = effects.blur {
        raster = blur(raster, sigma.get(), budget, cancellation)?;
    }
    if let Some(mask) = effects.sharpen {
        sharpen(&mut raster, mask, 1.0, budget, cancellation)?;
    }
    if let Some(side) = effects.pixelate {
        let cells = Cells::squares(0..raster.width() as usize, 0..raster.height() as usize, side as usize);
        budget.check_memory(raster.bytes() + cells.memory(&raster))?;
        let means = cells.means(&raster, cancellation)?;
        cells.fill(&mut raster, &means);
    }
    Ok(raster)
}

/// Whether there are no effects but those that are linear, and therefore the same on luma and chroma as on colours. Blurring at
/// a reduced size depends on the number of samples, which differs.
pub(super) fn are_linear(effects: &Effects) -> bool {
    Effects { blur: None, sharpen: None, ..*effects } == Effects::default()
        && effects.blur.is_none_or(|sigma| detour(sigma.get()) == 1.0)
        && effects.sharpen.is_none_or(|mask| mask.limit == Sharpen::UNLIMITED)
}

/// Applies effects that [`are_linear`] to luma, and to chroma of half its resolution. `budget` is for all memory, including
/// the planes.
///
/// # Errors
/// As [`apply`].
pub(super) fn apply_to_planes(
    planes: [Raster; 3],
    effects: &Effects,
    budget: Budget,
    cancellation: &Cancellation,
) -> Result<[Raster; 3], codec::Error> {
    let all: u64 = planes.iter().map(Raster::bytes).sum();
    let apply = |mut plane: Raster, scale: f64| {
        let budget = budget.beside(all - plane.bytes())?;
        if let Some(sigma) = effects.blur {
            plane = blur(plane, sigma.get() * scale, budget, cancellation)?;
        }
        if let Some(mask) = effects.sharpen {
            sharpen(&mut plane, mask, scale, budget, cancellation)?;
        }
        Ok::<_, codec::Error>(plane)
    };
    let [luma, blue, red] = planes;
    Ok([apply(luma, 1.0)?, apply(blue, 0.5)?, apply(red, 0.5)?])
}

/// The size in bytes of the result of [`to_eight_bits`].
fn narrowed(raster: &Raster) -> u64 {
    match raster.samples() {
        Samples::U8(_) => 0,
        Samples::U16(samples) => samples.len() as u64,
    }
}

/// The reduction factor of a picture while it is blurred.
fn detour(sigma: f64) -> f64 {
    if sigma <= LARGEST_DIRECT_SIGMA { 1.0 } else { (sigma / (LARGEST_DIRECT_SIGMA / 2.0)).floor() }
}

fn adjust(mut raster: Raster, effects: &Effects, budget: Budget) -> Result<Raster, codec::Error> {
    let (brightness, contrast) = (effects.brightness.get(), effects.contrast.get());
    if (effects.brightness, effects.contrast) != (Hundredths::ONE, Hundredths::ONE) {
        map_samples(&mut raster, |value| (value * brightness - 0.5) * contrast + 0.5);
    }
    if effects.saturation != Hundredths::ONE {
        let factor = effects.saturation.get() as f32;
        map_colours(&mut raster, |rgb, grey| rgb.map(|sample| grey + (sample - grey) * factor));
    }
    if effects.gamma != Hundredths::ONE {
        let exponent = effects.gamma.get().recip();
        map_samples(&mut raster, |value| value.powf(exponent));
    }
    if effects.grayscale {
        raster = grey(raster);
    }
    if let Some(Color { rgb, .. }) = effects.tint {
        budget.check_memory(with_colour_memory(&raster))?;
        raster = with_colour(raster);
        let tint = rgb.map(|sample| f32::from(sample) / 255.0);
        map_colours(&mut raster, |_, grey| tint.map(|sample| sample * grey));
    }
    if effects.invert {
        map_samples(&mut raster, |value| 1.0 - value);
    }
    Ok(raster)
}

/// A sample of either depth.
pub(super) trait Sample: bytemuck::Pod {
    /// The maximum value.
    const MAX: f64;
    /// The value as an index.
    fn index(self) -> usize;
    /// Rounds to the nearest sample.
    fn nearest(value: f64) -> Self;

    /// The value scaled to `0..=255`.
    fn eight_bits(self) -> f32 {
        self.index() as f32 * (255.0 / Self::MAX as f32)
    }

    fn from_eight_bits(value: f32) -> Self {
        Self::nearest(f64::from(value) * (Self::MAX / 255.0))
    }
}

impl Sample for u8 {
    const MAX: f64 = 255.0;

    fn index(self) -> usize {
        self.into()
    }

    fn nearest(value: f64) -> Self {
        value.round() as Self
    }
}

impl Sample for u16 {
    const MAX: f64 = 65_535.0;

    fn index(self) -> usize {
        self.into()
    }

    fn nearest(value: f64) -> Self {
        value.round() as Self
    }
}

/// Applies a function from `0..=1` to `0..=1` to every sample except alpha.
pub(super) fn map_samples(raster: &mut Raster, function: impl Fn(f64) -> f64) {
    fn map<T: Sample>(bytes: &mut [u8], channels: Channels, function: impl Fn(f64) -> f64) {
        let table: Vec<T> =
            (0..=T::MAX as u32).map(|value| T::nearest(function(f64::from(value) / T::MAX) * T::MAX)).collect();
        let colours = channels.count() - usize::from(channels.has_alpha());
        for pixel in bytemuck::cast_slice_mut::<u8, T>(bytes).chunks_exact_mut(channels.count()) {
            for sample in &mut pixel[..colours] {
                *sample = table[sample.index()];
            }
        }
    }
    let channels = raster.channels();
    match raster.samples() {
        Samples::U8(_) => map::<u8>(raster.samples_mut(), channels, function),
        Samples::U16(_) => map::<u16>(raster.samples_mut(), channels, function),
    }
}

/// Applies a function of red, green and blue, `0..=255` each, and of their luma. Grey pictures are not changed.
fn map_colours(raster: &mut Raster, function: impl Fn([f32; 3], f32) -> [f32; 3]) {
    fn map<T: Sample>(bytes: &mut [u8], count: usize, function: impl Fn([f32; 3], f32) -> [f32; 3]) {
        for pixel in bytemuck::cast_slice_mut::<u8, T>(bytes).chunks_exact_mut(count) {
            let rgb = [pixel[0], pixel[1], pixel[2]].map(T::eight_bits);
            for (to, from) in pixel.iter_mut().zip(function(rgb, luma(rgb))) {
                *to = T::from_eight_bits(from);
            }
        }
    }
    let count = raster.channels().count();
    match raster.samples() {
        _ if count < 3 => {}
        Samples::U8(_) => map::<u8>(raster.samples_mut(), count, function),
        Samples::U16(_) => map::<u16>(raster.samples_mut(), count, function),
    }
}

/// The luma of BT.709, in the unit of the samples.
pub(super) fn luma([red, green, blue]: [f32; 3]) -> f32 {
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

fn grey(raster: Raster) -> Raster {
    fn luma_of<T: Sample>([r, g, b]: [T; 3]) -> T {
        T::from_eight_bits(luma([r, g, b].map(T::eight_bits)))
    }
    fn grey<T: Sample>(samples: Vec<T>, has_alpha: bool) -> Vec<T> {
        match has_alpha {
            true => fewer(samples, |[r, g, b, alpha]| [luma_of([r, g, b]), alpha]),
            false => fewer(samples, |rgb| [luma_of(rgb)]),
        }
    }
    let (width, height, has_alpha) = (raster.width(), raster.height(), raster.channels().has_alpha());
    let channels = match raster.channels() {
        Channels::Rgb => Channels::L,
        Channels::Rgba => Channels::La,
        _ => return raster,
    };
    let samples = match raster.into_samples() {
        Samples::U8(samples) => Samples::U8(grey(samples, has_alpha)),
        Samples::U16(samples) => Samples::U16(grey(samples, has_alpha)),
    };
    of_samples(width, height, channels, samples)
}

/// Applies a Gaussian blur to an 8-bit picture.
pub(super) fn blur(
    mut raster: Raster,
    sigma: f64,
    budget: Budget,
    cancellation: &Cancellation,
) -> Result<Raster, codec::Error> {
    let (width, height) = (raster.width(), raster.height());
    let detour = detour(sigma);
    if detour == 1.0 {
        gaussian(&mut raster, sigma, sigma, budget, cancellation, replace)?;
        return Ok(raster);
    }
    let shrunk = |side: u32| (f64::from(side) / detour).ceil() as u32;
    let (small_width, small_height) = (shrunk(width), shrunk(height));
    let resized = |raster: Raster, width: u32, height: u32| {
        let all = Area::whole(raster.width(), raster.height());
        resize(raster, all, all, width, height, budget)
    };
    let edges = edges(&raster);
    let (left, top) = (resized(edges.left, 1, small_height)?, resized(edges.top, small_width, 1)?);
    let (right, bottom) = (resized(edges.right, 1, small_height)?, resized(edges.bottom, small_width, 1)?);
    let edges = Edges { left, top, right, bottom, ..edges };
    let small = resized(raster, small_width, small_height)?;
    cancellation.check()?;
    let mut framed = framed(&small, &edges);
    drop(small);
    let across = sigma * f64::from(small_width) / f64::from(width);
    let down = sigma * f64::from(small_height) / f64::from(height);
    gaussian(&mut framed, across, down, budget, cancellation, replace)?;
    let inner = Area { x: 1.0, y: 1.0, width: small_width.into(), height: small_height.into() };
    let all = Area::whole(framed.width(), framed.height());
    resize(framed, all, inner, width, height, budget)
}

/// The outermost lines of a picture, which continue beyond it where it is blurred.
struct Edges {
    left: Raster,
    top: Raster,
    right: Raster,
    bottom: Raster,
    /// The corner pixels: top left, top right, bottom left and bottom right.
    corners: [Vec<u8>; 4],
}

fn edges(raster: &Raster) -> Edges {
    let (channels, count) = (raster.channels(), raster.channels().count());
    let (width, height) = (raster.width(), raster.height());
    let rows: Vec<&[u8]> = raster.samples().as_bytes().chunks_exact(width as usize * count).collect();
    let [top, bottom] = [rows[0], rows[rows.len() - 1]];
    let column = |start: usize| rows.iter().flat_map(|row| &row[start..start + count]).copied().collect::<Vec<u8>>();
    let last = (width as usize - 1) * count;
    let line = |width: u32, height: u32, samples: Vec<u8>| of_samples(width, height, channels, samples);
    Edges {
        left: line(1, height, column(0)),
        top: line(width, 1, top.to_vec()),
        right: line(1, height, column(last)),
        bottom: line(width, 1, bottom.to_vec()),
        corners: [&top[..count], &top[last..], &bottom[..count], &bottom[last..]].map(<[u8]>::to_vec),
    }
}

/// A picture with its edges around it.
fn framed(raster: &Raster, edges: &Edges) -> Raster {
    let count = raster.channels().count();
    let bytes = |raster: &Raster| raster.samples().as_bytes().to_vec();
    let (left, right) = (bytes(&edges.left), bytes(&edges.right));
    let [top_left, top_right, bottom_left, bottom_right] = &edges.corners;
    let mut samples = [top_left.as_slice(), edges.top.samples().as_bytes(), top_right].concat();
    let rows = raster.samples().as_bytes().chunks_exact(raster.width() as usize * count);
    for ((row, left), right) in rows.zip(left.chunks_exact(count)).zip(right.chunks_exact(count)) {
        samples.extend([left, row, right].concat());
    }
    samples.extend([bottom_left.as_slice(), edges.bottom.samples().as_bytes(), bottom_right].concat());
    of_samples(raster.width() + 2, raster.height() + 2, raster.channels(), samples)
}

/// Replaces a sample by its blurred value.
#[inline(always)]
fn replace(sample: &mut u8, soft: f32, _is_alpha: bool) {
    *sample = rounded(soft) as u8;
}

/// The nearest whole number to one that is not negative; `round` would be a call for each sample.
#[inline(always)]
fn rounded(value: f32) -> f32 {
    (value + 0.5).trunc()
}

/// Convolves with a Gaussian, horizontally and vertically. `put` updates every sample of the picture from its blurred
/// value and whether it is alpha. Edges are extended; colours are weighted by alpha.
///
/// The convolution works in place: a row is written once all rows that depend on it have been read, and only a window
/// of horizontally blurred rows is kept as floats.
fn gaussian(
    raster: &mut Raster,
    sigma_across: f64,
    sigma_down: f64,
    budget: Budget,
    cancellation: &Cancellation,
    put: impl Fn(&mut u8, f32, bool),
) -> Result<(), codec::Error> {
    let channels = raster.channels();
    let count = channels.count();
    let (length, height) = (raster.width() as usize * count, raster.height() as usize);
    let (across, down) = (kernel(sigma_across), kernel(sigma_down));
    let radius = down.len() - 1;
    let held = (2 * radius + 1).min(height);
    let floats = (held + 2) * length + length + 2 * (across.len() - 1) * count;
    budget.check_memory(raster.bytes() + (floats * size_of::<f32>()) as u64)?;
    let (mut window, mut row, mut soft) = (vec![0.0; held * length], vec![0.0; length], vec![0.0; length]);
    let mut extended = Vec::with_capacity(length + 2 * (across.len() - 1) * count);
    let mut read = 0;
    for y in 0..height {
        cancellation.check()?;
        while read < height && read <= y + radius {
            let samples = &raster.samples().as_bytes()[read * length..][..length];
            row.iter_mut().zip(samples).for_each(|(float, sample)| *float = f32::from(*sample));
            if channels.has_alpha() {
                weigh(&mut row, count, |colour, alpha| colour * alpha / 255.0);
            }
            convolve_row(&row, &mut extended, &mut window[read % held * length..][..length], count, &across);
            read += 1;
        }
        convolve_down(&window, &mut soft, y, height, held, &down);
        if channels.has_alpha() {
            weigh(&mut soft, count, |colour, alpha| if alpha > 0.0 { colour * 255.0 / alpha } else { 0.0 });
        }
        let out = &mut raster.samples_mut()[y * length..][..length];
        dispatch(Put { out, soft: &soft, count, has_alpha: channels.has_alpha(), put: &put });
    }
    Ok(())
}

fn weigh(planes: &mut [f32], count: usize, function: impl Fn(f32, f32) -> f32) {
    for pixel in planes.chunks_exact_mut(count) {
        if let [colours @ .., alpha] = pixel {
            colours.iter_mut().for_each(|colour| *colour = function(*colour, *alpha));
        }
    }
}

/// One half of a normalised Gaussian, the centre first; three sigma contain 99.7 % of it.
fn kernel(sigma: f64) -> Vec<f32> {
    let radius = (sigma * 3.0).ceil() as usize;
    let weights: Vec<f64> = (0..=radius).map(|i| (-((i * i) as f64) / (2.0 * sigma * sigma)).exp()).collect();
    let sum = weights[0] + 2.0 * weights[1..].iter().sum::<f64>();
    weights.iter().map(|weight| (weight / sum) as f32).collect()
}

fn convolve_row(row: &[f32], extended: &mut Vec<f32>, out: &mut [f32], count: usize, kernel: &[f32]) {
    let radius = kernel.len() - 1;
    let pixels = row.len() / count;
    extended.clear();
    extended.extend((0..pixels + 2 * radius).flat_map(|x| {
        let x = x.saturating_sub(radius).min(pixels - 1);
        &row[x * count..(x + 1) * count]
    }));
    let at = |pixels: usize| &extended[pixels * count..][..row.len()];
    let pairs: Vec<_> = (1..=radius).map(|distance| (at(radius - distance), at(radius + distance))).collect();
    dispatch(Convolution { middle: at(radius), pairs: &pairs, kernel, out });
}

/// Computes one row of the result; row `y` of the picture is at `y % held` of the window.
fn convolve_down(window: &[f32], out: &mut [f32], y: usize, height: usize, held: usize, kernel: &[f32]) {
    let length = out.len();
    let row = |y: usize| &window[y.min(height - 1) % held * length..][..length];
    let pairs: Vec<_> =
        (1..kernel.len()).map(|distance| (row(y.saturating_sub(distance)), row(y + distance))).collect();
    dispatch(Convolution { middle: row(y), pairs: &pairs, kernel, out });
}

/// Adds up samples that lie symmetrically around others, by the weights of one half of a kernel.
struct Convolution<'a> {
    middle: &'a [f32],
    /// On either side of `middle`, from the nearest on; each as long.
    pairs: &'a [(&'a [f32], &'a [f32])],
    kernel: &'a [f32],
    out: &'a mut [f32],
}

impl Convolution<'_> {
    /// As many sums at a time as stay in registers.
    #[inline(always)]
    fn sums<const COUNT: usize>(&self, start: usize) -> [f32; COUNT] {
        let at = |row: &[f32]| row[start..].first_chunk::<COUNT>().copied().unwrap_or([0.0; COUNT]);
        let mut sums = at(self.middle).map(|sample| sample * self.kernel[0]);
        for ((one, other), weight) in self.pairs.iter().zip(&self.kernel[1..]) {
            let (one, other) = (at(one), at(other));
            for i in 0..COUNT {
                sums[i] += (one[i] + other[i]) * weight;
            }
        }
        sums
    }
}

impl Kernel for Convolution<'_> {
    type Output = ();

    #[inline(always)]
    fn run(mut self) {
        const BLOCK: usize = 32;
        let out = std::mem::take(&mut self.out);
        let whole = out.len() / BLOCK * BLOCK;
        let (blocks, rest) = out.as_chunks_mut::<BLOCK>();
        for (index, block) in blocks.iter_mut().enumerate() {
            *block = self.sums(index * BLOCK);
        }
        for (index, sum) in rest.iter_mut().enumerate() {
            [*sum] = self.sums(whole + index);
        }
    }
}

/// Changes the samples of a row by their blurred values.
struct Put<'a, F> {
    out: &'a mut [u8],
    soft: &'a [f32],
    count: usize,
    has_alpha: bool,
    put: &'a F,
}

impl<F: Fn(&mut u8, f32, bool)> Kernel for Put<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { out, soft, count, has_alpha, put } = self;
        if has_alpha {
            for (pixel, soft) in out.chunks_exact_mut(count).zip(soft.chunks_exact(count)) {
                for (channel, (sample, soft)) in pixel.iter_mut().zip(soft).enumerate() {
                    put(sample, *soft, channel == count - 1);
                }
            }
        } else {
            out.iter_mut().zip(soft).for_each(|(sample, soft)| put(sample, *soft, false));
        }
    }
}

/// Adds the mask's amount of the difference from the blurred picture, up to its limit. The samples are `scale` times as many in
/// each direction as the pixels of the mask.
fn sharpen(
    raster: &mut Raster,
    mask: Sharpen,
    scale: f64,
    budget: Budget,
    cancellation: &Cancellation,
) -> Result<(), codec::Error> {
    let (amount, limit) = (mask.amount.get() as f32, (mask.limit.get() * 2.55) as f32);
    gaussian(
        raster,
        SHARPEN_SIGMA * scale,
        SHARPEN_SIGMA * scale,
        budget,
        cancellation,
        #[inline(always)]
        |sample, soft, is_alpha| {
            if !is_alpha {
                let value = f32::from(*sample);
                let change = ((value - rounded(soft)) * amount).clamp(-limit, limit);
                *sample = rounded((value + change).max(0.0)) as u8;
            }
        },
    )
}

#[cfg(test)]
mod tests;
