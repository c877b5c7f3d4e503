//! Writing WebP with libwebp, which only ever sees our own pixels.

#![allow(unsafe_code)] // libwebp's encoder has no safe interface; see `encode_with_libwebp` for the argument

use std::ffi::c_int;
use std::mem::MaybeUninit;

use libwebp_sys as ffi;

use super::WebP;
use super::writer::WebPWriter;
use crate::codec::{
    self, AnimationWriter, Channels, Encoder, Encoding, Error, Format, PlanarEncoder, Raster, Samples, Stopped, Work,
};

/// libwebp's trade of time for size, `0..=6`; 4 is its own default and sharp's.
const METHOD: c_int = 4;

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
    fn encode_planes(&self, planes: &[Raster; 3], encoding: &Encoding, work: &Work) -> Result<Vec<u8>, Error> {
        work.check()?;
        let [luma, blue, red] = planes;
        check_sides(luma)?;
        // WebP keeps to the range of video (RFC 6386, 9.2).
        let scaled = |raster: &Raster, scale: fn(u16) -> u16| {
            let table: [u8; 256] = std::array::from_fn(|sample| scale(sample as u16) as u8);
            raster.samples().as_bytes().iter().map(|sample| table[usize::from(*sample)]).collect::<Vec<u8>>()
        };
        let chroma = |raster| scaled(raster, |sample| (sample * 224 + 128 * 31 + 127) / 255);
        let planes = [scaled(luma, |sample| (sample * 219 + 16 * 255 + 127) / 255), chroma(blue), chroma(red)];
        let pixels = Pixels::Planes(planes.each_ref().map(Vec::as_slice));
        config(encoding)
            .and_then(|config| encode_with_libwebp(pixels, luma.width(), luma.height(), &config, work))
            .ok_or(Error::Stopped(Stopped))
    }
}

/// Refuses what the format cannot hold.
pub(super) fn check_sides(raster: &Raster) -> Result<(), Error> {
    codec::check_sides([raster.width(), raster.height()], "a side of a webp in pixels", MAX_SIDE)
}

/// Encodes one picture.
pub(super) fn encode(raster: &Raster, encoding: &Encoding, work: &Work) -> Result<Vec<u8>, Error> {
    work.check()?;
    check_sides(raster)?;
    let Samples::U8(samples) = raster.samples() else { return Err(Stopped.into()) };
    let pixels = match raster.channels() {
        Channels::L => samples.iter().flat_map(|l| [*l; 3]).collect(),
        Channels::La => samples.as_chunks().0.iter().flat_map(|&[l, a]| [l, l, l, a]).collect(),
        _ => samples.clone(),
    };
    let pixels = if raster.channels().has_alpha() { Pixels::Rgba(&pixels) } else { Pixels::Rgb(&pixels) };
    config(encoding)
        .and_then(|config| encode_with_libwebp(pixels, raster.width(), raster.height(), &config, work))
        .ok_or(Error::Stopped(Stopped))
}

fn config(encoding: &Encoding) -> Option<ffi::WebPConfig> {
    let mut config = ffi::WebPConfig::new().ok()?;
    config.lossless = encoding.lossless.into();
    config.quality = if encoding.lossless { 75.0 } else { encoding.quality.into() };
    config.method = METHOD;
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
    fn grey_is_written_and_a_stop_is_obeyed() {
        for channels in [Channels::L, Channels::La] {
            assert!(WebP.encode(&raster(channels), &LOSSY, &Work::unbounded()).unwrap().starts_with(b"RIFF"));
        }
        let (stopped, picture) = (Work::unbounded(), raster(Channels::Rgb));
        stopped.cancel();
        let config = config(&LOSSY).unwrap();
        assert_eq!(encode_with_libwebp(Pixels::Rgb(picture.samples().as_bytes()), 40, 30, &config, &stopped), None);
    }
}
