//! Writing WebP with libwebp, which only ever sees our own pixels.

#![allow(unsafe_code)] // libwebp's encoder has no safe interface; see `encode_with_libwebp` for the argument

use std::borrow::Cow;
use std::ffi::c_int;
use std::mem::MaybeUninit;

use libwebp_sys as ffi;

use super::WebP;
use super::writer::WebPWriter;
use crate::codec::{
    AnimationWriter, Channels, Encoder, Encoding, Error, Format, PlanarEncoder, Range, Raster, Samples, Stopped, Work,
    calibrated, check_sides,
};

/// libwebp's trade of time for size, `0..=6`; 4 is its own default and sharp's.
const METHOD: c_int = 4;

/// That of small opaque pictures: NOTES.md tells what it takes and gives. Alpha would take more than twice as long.
const METHOD_OF_SMALL: c_int = 5;

/// Most pixels of a picture that is small.
const SMALL: u64 = 200_000;

/// libwebp's quality for some qualities on JPEG's scale, with what lies between in proportion. `benches/calibrate.rs`
/// made it: with these, photographs have the SSIMULACRA2 of our JPEG.
const QUALITIES: [(u8, u8); 16] = [
    (1, 0),
    (10, 1),
    (20, 16),
    (30, 33),
    (40, 47),
    (50, 59),
    (60, 69),
    (70, 77),
    (75, 80),
    (80, 83),
    (85, 86),
    (90, 91),
    (91, 96),
    (93, 99),
    (95, 100),
    (100, 100),
];

/// libwebp's quality for a quality on JPEG's scale.
pub fn libwebp_quality(quality: u8) -> f32 {
    calibrated(&QUALITIES, quality)
}

impl Encoder for WebP {
    fn format(&self) -> Format {
        Format::WebP
    }

    fn has_alpha(&self) -> bool {
        true
    }

    fn has_profile(&self) -> bool {
        true
    }

    fn has_quality(&self, encoding: &Encoding) -> bool {
        !encoding.lossless
    }

    fn encode(&self, raster: &Raster, encoding: &Encoding, work: &Work) -> Result<Vec<u8>, Error> {
        encode(raster, encoding, work)
    }

    fn has_animation(&self) -> bool {
        true
    }

    fn animate<'a>(&self, plays: u32, encoding: &Encoding, work: &'a Work) -> Option<Box<dyn AnimationWriter + 'a>> {
        Some(Box::new(WebPWriter::new(plays, *encoding, work)))
    }

    fn planar(&self, encoding: &Encoding) -> Option<&dyn PlanarEncoder> {
        (!encoding.lossless).then_some(self)
    }
}

impl PlanarEncoder for WebP {
    /// RFC 6386, 9.2.
    fn range(&self) -> Range {
        Range::Narrow
    }

    fn encode_planes(&self, planes: &[Raster; 3], encoding: &Encoding, work: &Work) -> Result<Vec<u8>, Error> {
        let pixels = Pixels::Planes(planes.each_ref().map(|plane| plane.samples().as_bytes()));
        encode_pixels(pixels, &planes[0], encoding, work)
    }
}

/// Encodes one picture.
pub(super) fn encode(raster: &Raster, encoding: &Encoding, work: &Work) -> Result<Vec<u8>, Error> {
    let Samples::U8(samples) = raster.samples() else { return Err(Stopped.into()) };
    let pixels: Cow<'_, [u8]> = match raster.channels() {
        Channels::L => samples.iter().flat_map(|l| [*l; 3]).collect(),
        Channels::La => samples.as_chunks().0.iter().flat_map(|&[l, a]| [l, l, l, a]).collect(),
        _ => samples.into(),
    };
    let pixels = if raster.channels().has_alpha() { Pixels::Rgba(&pixels) } else { Pixels::Rgb(&pixels) };
    encode_pixels(pixels, raster, encoding, work)
}

/// Encodes pixels, of which there are as many as `raster` has.
fn encode_pixels(pixels: Pixels<'_>, raster: &Raster, encoding: &Encoding, work: &Work) -> Result<Vec<u8>, Error> {
    work.check()?;
    let (width, height) = (raster.width(), raster.height());
    check_sides([width, height], "a side of a webp in pixels", MAX_SIDE)?;
    let is_small = u64::from(width) * u64::from(height) <= SMALL;
    let method = match is_small && !encoding.lossless && !raster.channels().has_alpha() {
        true => METHOD_OF_SMALL,
        false => METHOD,
    };
    config(encoding, method)
        .and_then(|config| encode_with_libwebp(pixels, width, height, &config, work))
        .ok_or(Error::Stopped(Stopped))
}

fn config(encoding: &Encoding, method: c_int) -> Option<ffi::WebPConfig> {
    let mut config = ffi::WebPConfig::new().ok()?;
    config.lossless = encoding.lossless.into();
    config.quality = if encoding.lossless { 75.0 } else { libwebp_quality(encoding.quality) };
    config.method = method;
    Some(config)
}

/// The longest side that 14 bits can hold (RFC 9649, 2.5).
const MAX_SIDE: u32 = 16_383;

/// What is to be encoded.
#[derive(Clone, Copy)]
pub(super) enum Pixels<'p> {
    Rgb(&'p [u8]),
    Rgba(&'p [u8]),
    /// Luma, and two chromas of half of its width and height, rounded up.
    Planes([&'p [u8]; 3]),
}

impl Pixels<'_> {
    /// Whether these are all samples of a picture of this size.
    fn fill(&self, width: usize, height: usize) -> bool {
        match self {
            Self::Rgb(pixels) => pixels.len() == width * height * 3,
            Self::Rgba(pixels) => pixels.len() == width * height * 4,
            Self::Planes([luma, chromas @ ..]) => {
                let quarter = width.div_ceil(2) * height.div_ceil(2);
                luma.len() == width * height && chromas.iter().all(|chroma| chroma.len() == quarter)
            }
        }
    }
}

/// Runs libwebp's encoder; `None` when the work was stopped or memory ran out.
///
/// Safety rests on five facts, all local to this function: `pixels` holds exactly the samples of the size and the
/// strides that are passed on (asserted first); planes are lent to a lossy encoder, which reads them and leaves them to
/// their owner; picture and writer are initialised by libwebp's own functions before use and
/// their results checked; picture and writer are freed once, on every way out; the progress hook's `user_data` points
/// to `work`, which outlives the call, and is only read.
pub(super) fn encode_with_libwebp(
    pixels: Pixels<'_>,
    width: u32,
    height: u32,
    config: &ffi::WebPConfig,
    work: &Work,
) -> Option<Vec<u8>> {
    assert!(pixels.fill(width as usize, height as usize), "the raster's own invariant");
    let stride = width as c_int;
    let mut picture = ffi::WebPPicture::new().ok()?;
    let mut writer = MaybeUninit::<ffi::WebPMemoryWriter>::uninit();
    picture.use_argb = config.lossless;
    picture.width = width as c_int;
    picture.height = height as c_int;
    picture.writer = Some(ffi::WebPMemoryWrite);
    picture.progress_hook = Some(may_go_on);
    picture.user_data = std::ptr::from_ref(work).cast_mut().cast();
    // SAFETY: see above.
    unsafe {
        ffi::WebPMemoryWriterInit(writer.as_mut_ptr());
        let mut writer = writer.assume_init();
        picture.custom_ptr = (&raw mut writer).cast();
        let imported = match pixels {
            Pixels::Rgb(pixels) => ffi::WebPPictureImportRGB(&raw mut picture, pixels.as_ptr(), stride * 3) != 0,
            Pixels::Rgba(pixels) => ffi::WebPPictureImportRGBA(&raw mut picture, pixels.as_ptr(), stride * 4) != 0,
            Pixels::Planes(planes) => {
                let [luma, blue, red] = planes.map(|plane| plane.as_ptr().cast_mut());
                (picture.y, picture.u, picture.v) = (luma, blue, red);
                (picture.y_stride, picture.uv_stride) = (stride, (stride + 1) / 2);
                true
            }
        };
        let done = imported && ffi::WebPEncode(config, &raw mut picture) != 0;
        let bytes =
            (done && !writer.mem.is_null()).then(|| std::slice::from_raw_parts(writer.mem, writer.size).to_vec());
        ffi::WebPPictureFree(&raw mut picture);
        ffi::WebPMemoryWriterClear(&raw mut writer);
        bytes
    }
}

/// libwebp calls this between macroblock rows; 0 makes it give up.
extern "C" fn may_go_on(_percent: c_int, picture: *const ffi::WebPPicture) -> c_int {
    // SAFETY: libwebp passes the picture that `encode_with_libwebp` set up, whose `user_data` is a live `Work`.
    let work = unsafe { &*(*picture).user_data.cast::<Work>() };
    work.check().is_ok().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Area, Budget, Decoder, Need};

    const LOSSLESS: Encoding = Encoding { quality: 80, lossless: true, progressive: false };
    const LOSSY: Encoding = Encoding { lossless: false, ..LOSSLESS };

    fn raster(channels: Channels) -> Raster {
        let samples = (0..40 * 30 * channels.count()).map(|i| (i / 7) as u8).collect();
        Raster::new(40, 30, channels, Samples::U8(samples)).unwrap()
    }

    #[test]
    fn lossless_is_exact() {
        for channels in [Channels::Rgb, Channels::Rgba] {
            let picture = raster(channels);
            let work = Work::unbounded();
            let bytes = WebP.encode(&picture, &LOSSLESS, &work).unwrap();
            let budget = Budget { pixels: 10_000, memory: 100_000 };
            let need = Need { area: Area::whole(40, 30), scale: 1.0, budget, work: &work };
            let decoded = WebP.decode(&bytes, &need).unwrap().raster;
            // libwebp clears the colour of what is fully transparent.
            let visible = |r: &Raster| match r.samples().as_bytes().as_chunks::<4>() {
                (pixels, []) if r.channels() == Channels::Rgba => {
                    pixels.iter().filter(|p| p[3] != 0).copied().collect()
                }
                _ => vec![],
            };
            assert_eq!(visible(&decoded), visible(&picture));
            if channels == Channels::Rgb {
                assert_eq!(decoded.samples(), picture.samples());
            }
        }
    }

    #[test]
    fn a_higher_quality_is_never_a_lower_one_of_libwebp() {
        assert_eq!((libwebp_quality(0), libwebp_quality(1), libwebp_quality(255)), (0.0, 0.0, 100.0));
        assert_eq!((libwebp_quality(80), libwebp_quality(82)), (83.0, 84.2));
        for quality in 1..=100 {
            assert!(libwebp_quality(quality - 1) <= libwebp_quality(quality), "{quality}");
        }
    }

    #[test]
    fn grey_is_written_and_a_stop_is_obeyed() {
        for channels in [Channels::L, Channels::La] {
            assert!(WebP.encode(&raster(channels), &LOSSY, &Work::unbounded()).unwrap().starts_with(b"RIFF"));
        }
        let (stopped, picture) = (Work::unbounded(), raster(Channels::Rgb));
        stopped.cancel();
        let config = config(&LOSSY, METHOD).unwrap();
        assert_eq!(encode_with_libwebp(Pixels::Rgb(picture.samples().as_bytes()), 40, 30, &config, &stopped), None);
    }
}
