//! Crop and resize in one pass: a Lanczos filter with a support of three lobes, on premultiplied alpha.

use std::ops::BitAnd;

use fast_image_resize::images::TypedImage;
use fast_image_resize::pixels::{U8x2, U8x4};
use fast_image_resize::{MulDiv, PixelTrait};

use image_origin_codec::{self as codec, Area, Budget, Channels, Raster, Samples};

use super::lanczos::{self, Levels};

/// Resizes the part `area` of a raster (in its own pixels) to `width` by `height`, as [`Render`](crate::Render) does
/// between decoding and encoding. Pixels outside of `field` are not used, while those between `area` and `field`
/// contribute to the edges of the result. `budget` is for all memory, including the source.
///
/// The source is not copied: alpha is premultiplied in place, and the resizer crops.
///
/// # Errors
/// [`codec::Error::TooLarge`] before anything is allocated.
pub fn resize(
    source: Raster,
    field: Area,
    area: Area,
    width: u32,
    height: u32,
    budget: Budget,
) -> Result<Raster, codec::Error> {
    resize_decoded(source, (field, area), 0.0, (width, height), budget)
}

/// [`resize`] for pixels that a decoder has blurred so much; see [`Decoded`](codec::Decoded).
///
/// # Errors
/// As [`resize`].
pub(super) fn resize_decoded(
    mut source: Raster,
    (field, area): (Area, Area),
    blur: f64,
    (width, height): (u32, u32),
    budget: Budget,
) -> Result<Raster, codec::Error> {
    let whole = Area::whole(source.width(), source.height());
    if area == whole && (width, height) == (source.width(), source.height()) {
        return Ok(source);
    }
    budget.check_memory(source.bytes() + memory(&source, area, width, height))?;
    let channels = source.channels();
    // A mere crop keeps its colours, however transparent they are.
    let is_cut = area.x.fract() == 0.0
        && area.y.fract() == 0.0
        && area == Area { width: width.into(), height: height.into(), ..area };
    if is_cut && is_within(area, whole) {
        return Ok(source.cut(area));
    }
    let premultiplied = channels.has_alpha() && !is_opaque(&source);
    if premultiplied {
        change_alpha(&mut source, Alpha::Multiply);
    }
    let mut out = convolve(&source, (field, area), blur, (width, height));
    if premultiplied {
        change_alpha(&mut out, Alpha::Divide);
    }
    Ok(out)
}

/// Resizes without premultiplying alpha, for pictures that are only analysed.
///
/// # Errors
/// As [`resize`].
pub(super) fn thumbnail(
    source: &Raster,
    field: Area,
    width: u32,
    height: u32,
    budget: Budget,
) -> Result<Raster, codec::Error> {
    budget.check_memory(source.bytes() + memory(source, field, width, height))?;
    Ok(convolve(source, (field, field), 0.0, (width, height)))
}

fn convolve(source: &Raster, (field, area): (Area, Area), blur: f64, size: (u32, u32)) -> Raster {
    let field = whole_pixels(field, source.width(), source.height());
    lanczos::resize(source, (field, area), blur, size, Levels::SAME)
}

fn is_within(area: Area, whole: Area) -> bool {
    area.x >= 0.0 && area.y >= 0.0 && area.x + area.width <= whole.width && area.y + area.height <= whole.height
}

/// The memory of [`convolve`] in bytes besides its source.
fn memory(source: &Raster, area: Area, width: u32, height: u32) -> u64 {
    let pixel = source.bytes() / (u64::from(source.width()) * u64::from(source.height())).max(1);
    u64::from(width) * u64::from(height) * pixel + lanczos::memory(source, area, (width, height))
}

/// Creates a picture of zeros.
pub(super) fn blank(width: u32, height: u32, channels: Channels, sixteen_bits: bool) -> Raster {
    let (width, height) = (width.max(1), height.max(1));
    let count = width as usize * height as usize * channels.count();
    match Raster::new(width, height, channels, Samples::zeroed(count, sixteen_bits)) {
        Some(raster) => raster,
        None => unreachable!("the number of samples is that of the size"),
    }
}

/// Whether every pixel is opaque.
pub(super) fn is_opaque(raster: &Raster) -> bool {
    let count = raster.channels().count();
    match raster.samples() {
        _ if !raster.channels().has_alpha() => true,
        Samples::U8(samples) => all_last_are(samples, count, u8::MAX),
        Samples::U16(samples) => all_last_are(samples, count, u16::MAX),
    }
}

/// Whether the last of every `count` samples, 2 or 4, is the maximum. Samples are combined a vector at a time, and looked at
/// once in a while.
fn all_last_are<T: Copy + PartialEq + BitAnd<Output = T>>(samples: &[T], count: usize, max: T) -> bool {
    let is_last_max = |samples: &[T]| samples.iter().skip(count - 1).step_by(count).all(|alpha| *alpha == max);
    let (vectors, rest) = samples.as_chunks::<64>();
    vectors.chunks(64).all(|vectors| {
        let mut common = [max; 64];
        for vector in vectors {
            common.iter_mut().zip(vector).for_each(|(common, sample)| *common = *common & *sample);
        }
        is_last_max(&common)
    }) && is_last_max(rest)
}

/// The conversion of colours between straight and premultiplied alpha.
#[derive(Debug, Clone, Copy)]
enum Alpha {
    Multiply,
    Divide,
}

fn change_alpha(raster: &mut Raster, change: Alpha) {
    match (raster.samples(), raster.channels()) {
        (Samples::U8(_), Channels::La) => change_alpha_of_8_bits::<U8x2>(raster, change),
        (Samples::U8(_), _) => change_alpha_of_8_bits::<U8x4>(raster, change),
        (Samples::U16(_), _) => change_alpha_of_16_bits(raster, change),
    }
}

fn change_alpha_of_8_bits<P: PixelTrait>(raster: &mut Raster, change: Alpha) {
    let (width, height) = (raster.width(), raster.height());
    let done = TypedImage::<P>::from_buffer(width, height, raster.samples_mut()).is_ok_and(|mut image| match change {
        Alpha::Multiply => MulDiv::new().multiply_alpha_inplace_typed(&mut image).is_ok(),
        Alpha::Divide => MulDiv::new().divide_alpha_inplace_typed(&mut image).is_ok(),
    });
    debug_assert!(done, "the pixel type has alpha");
}

/// The resizer supports 16 bits as well, but with half a megabyte of tables.
fn change_alpha_of_16_bits(raster: &mut Raster, change: Alpha) {
    let channels = raster.channels().count();
    for pixel in bytemuck::cast_slice_mut::<u8, u16>(raster.samples_mut()).chunks_exact_mut(channels) {
        let [colours @ .., alpha] = pixel else { continue };
        let share = f32::from(*alpha) / f32::from(u16::MAX);
        let factor = match change {
            Alpha::Multiply => share,
            // Invisible pixels become black, as with 8 bits.
            Alpha::Divide if *alpha == 0 => 0.0,
            Alpha::Divide => share.recip(),
        };
        // The conversion saturates.
        colours.iter_mut().for_each(|colour| *colour = (f32::from(*colour) * factor + 0.5) as u16);
    }
}

/// The smallest area of whole pixels around `area`. The pixels of a scaled raster may not align with the field, and a
/// decoder may return more than the picture.
pub(super) fn whole_pixels(area: Area, width: u32, height: u32) -> Area {
    let range = |start: f64, length: f64, side: u32| {
        let side = f64::from(side);
        let first = (start + ROUNDING).floor().clamp(0.0, side - 1.0);
        (first, (start + length - ROUNDING).ceil().clamp(first + 1.0, side) - first)
    };
    let ((x, width), (y, height)) = (range(area.x, area.width, width), range(area.y, area.height, height));
    Area { x, y, width, height }
}

/// The tolerance of arithmetic on areas in pixels.
const ROUNDING: f64 = 1e-6;

#[cfg(test)]
mod tests {
    use super::*;

    fn raster(width: u32, channels: Channels, samples: Vec<u8>) -> Raster {
        let height = samples.len() as u32 / width / channels.count() as u32;
        Raster::new(width, height, channels, Samples::U8(samples)).unwrap()
    }

    #[test]
    fn one_pixel_that_is_not_opaque_is_found_anywhere() {
        // Several groups of vectors, and samples behind them.
        let (width, height) = (70, 40);
        let count = width * height;
        for at in (0..count).step_by(37).chain([count - 1]) {
            for (channels, n) in [(Channels::La, 2), (Channels::Rgba, 4)] {
                let alpha = |i: usize, least| if i % n < n - 1 || i / n != at { 255 } else { least };
                let picture = |least: u8| (0..count * n).map(|i| alpha(i, least)).collect::<Vec<u8>>();
                let raster = |samples| Raster::new(width as u32, height as u32, channels, samples).unwrap();
                assert!(is_opaque(&raster(Samples::U8(picture(255)))));
                assert!(!is_opaque(&raster(Samples::U8(picture(254)))), "{at}");
                let deep = |least| picture(least).into_iter().map(|sample| u16::from(sample) * 257).collect();
                assert!(!is_opaque(&raster(Samples::U16(deep(127)))), "{at}");
            }
        }
    }

    #[test]
    fn transparent_pixels_lend_no_colour() {
        let pixels = [[255, 0, 0, 255], [0, 255, 0, 0]].concat().repeat(32 * 16);
        let (whole, middle) = (Area::whole(32, 32), Area { x: 12.0, y: 14.0, width: 8.0, height: 4.0 });
        let out = resize(raster(32, Channels::Rgba, pixels), whole, middle, 2, 1, Budget::UNLIMITED).unwrap();
        for &[red, green, _, alpha] in out.samples().as_bytes().as_chunks::<4>().0 {
            assert!(red == 255 && green == 0 && alpha.abs_diff(128) < 16, "{out:?}");
        }
    }

    #[test]
    fn sixteen_bits_are_weighted_by_alpha_as_eight_are() {
        let pixels = (0..32 * 32 * 4).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8);
        let eight = raster(32, Channels::Rgba, pixels.clone().collect());
        let wide = Samples::U16(pixels.map(|sample| u16::from(sample) * 257).collect());
        let sixteen = Raster::new(32, 32, Channels::Rgba, wide).unwrap();
        let (whole, middle) = (Area::whole(32, 32), Area { x: 12.0, y: 12.0, width: 8.0, height: 8.0 });
        let (eight, sixteen) = (
            resize(eight, whole, middle, 3, 2, Budget::UNLIMITED).unwrap(),
            resize(sixteen, whole, middle, 3, 2, Budget::UNLIMITED).unwrap(),
        );
        let Samples::U16(sixteen) = sixteen.samples() else { panic!("samples keep their size") };
        for (narrow, wide) in eight.samples().as_bytes().iter().zip(sixteen) {
            assert!((f32::from(*narrow) - f32::from(*wide) / 257.0).abs() < 3.0, "{narrow} {wide}");
        }
    }

    #[test]
    fn the_area_is_cut_before_resizing() {
        let half = raster(20, Channels::L, (0..400).map(|i| if i % 20 < 10 { 0 } else { 200 }).collect());
        let right = Area { x: 10.0, y: 0.0, width: 10.0, height: 20.0 };
        assert_eq!(resize(half, right, right, 3, 5, Budget::UNLIMITED).unwrap().samples(), &Samples::U8(vec![200; 15]));
    }

    #[test]
    fn what_is_cut_out_keeps_its_colours() {
        let pixels: Vec<u8> = (0..80u8).flat_map(|i| [i * 3, 255 - i, i, i % 5]).collect();
        let right = Area { x: 6.0, y: 3.0, width: 4.0, height: 5.0 };
        let rows = pixels.chunks(40).skip(3);
        let expected: Vec<u8> = rows.flat_map(|row| row[24..].to_vec()).collect();
        let cut = resize(raster(10, Channels::Rgba, pixels.clone()), right, right, 4, 5, Budget::UNLIMITED).unwrap();
        assert_eq!(cut.samples(), &Samples::U8(expected));
    }

    #[test]
    fn all_layouts_and_depths_work() {
        let whole = Area::whole(8, 8);
        for channels in [Channels::L, Channels::La, Channels::Rgb, Channels::Rgba, Channels::Cmyk] {
            let eight = raster(8, channels, vec![255; 64 * channels.count()]);
            assert_eq!(
                resize(eight, whole, whole, 3, 2, Budget::UNLIMITED).unwrap().samples(),
                &Samples::U8(vec![255; 6 * channels.count()])
            );
            let samples = Samples::U16(vec![u16::MAX; 64 * channels.count()]);
            let sixteen = Raster::new(8, 8, channels, samples).unwrap();
            let expected = Samples::U16(vec![u16::MAX; 6 * channels.count()]);
            assert_eq!(resize(sixteen, whole, whole, 3, 2, Budget::UNLIMITED).unwrap().samples(), &expected);
        }
    }
}
