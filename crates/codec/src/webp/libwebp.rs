//! libwebp's encoder, which only receives pixels of this program.

#![allow(unsafe_code)] // it has no safe interface; see `encode_with_libwebp` for the argument

use std::ffi::c_int;

use libwebp_sys as ffi;

use crate::buffer::OutputBuffer;
use crate::{Budget, Cancellation, Cancelled, Error};

/// The error if libwebp rejects valid input.
pub(super) const BUG: Error = Error::Internal("libwebp refuses a picture that it should take");

/// The maximum side, which is stored in 14 bits (RFC 9649, 2.5).
pub(super) const MAX_SIDE: u32 = 16_383;

/// The pixels to encode.
#[derive(Clone, Copy)]
pub(super) enum Pixels<'p> {
    Rgb(&'p [u8]),
    Rgba(&'p [u8]),
    /// Colours with alpha that is not written: it only says how much each pixel counts.
    Weighted(&'p [u8]),
    /// Colours with an unused fourth byte.
    Rgbx(&'p [u8]),
    /// Luma, and two chroma planes of half its width and height, rounded up.
    Planes([&'p [u8]; 3]),
}

/// The kind of pixels, which determines libwebp's memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Rgb,
    Rgba,
    Weighted,
    Planes,
}

impl Pixels<'_> {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Rgb(_) | Self::Rgbx(_) => Kind::Rgb,
            Self::Rgba(_) => Kind::Rgba,
            Self::Weighted(_) => Kind::Weighted,
            Self::Planes(_) => Kind::Planes,
        }
    }

    /// Whether these are all samples of a picture of this size.
    fn fill(&self, width: usize, height: usize) -> bool {
        match self {
            Self::Rgb(pixels) => pixels.len() == width * height * 3,
            Self::Rgba(pixels) | Self::Weighted(pixels) | Self::Rgbx(pixels) => pixels.len() == width * height * 4,
            Self::Planes([luma, chromas @ ..]) => {
                let quarter = width.div_ceil(2) * height.div_ceil(2);
                luma.len() == width * height && chromas.iter().all(|chroma| chroma.len() == quarter)
            }
        }
    }
}

/// The output of libwebp, and the cancellation token.
struct Output<'w> {
    file: OutputBuffer,
    /// Why writing the file failed.
    failure: Option<Error>,
    cancellation: &'w Cancellation,
}

/// libwebp's picture, whose own buffers are freed on drop.
struct Picture(ffi::WebPPicture);

impl Drop for Picture {
    fn drop(&mut self) {
        // SAFETY: libwebp has initialised the picture. It frees only the buffers that it has allocated itself:
        // `WebPPictureFree` of libwebp 1.6.0 (src/enc/picture_enc.c, lines 180 to 186) frees `memory_` and
        // `memory_argb_` and clears the plane pointers, so that borrowed planes stay with their owner.
        unsafe { ffi::WebPPictureFree(&raw mut self.0) };
    }
}

/// Runs libwebp's encoder; `budget` is for the file.
///
/// `pixels` contains exactly the samples of the size and the strides that are passed on, which is asserted first.
///
/// Planes are passed without a copy as mutable pointers, which is sound because a lossy encoder only reads them. In
/// libwebp 1.6.0 two functions of the encoder write to planes. `VP8IteratorExport` (src/enc/iterator_enc.c, lines 193
/// to 220) does if `show_compressed` is set, which is rejected here. `WebPCleanupTransparentArea`
/// (src/enc/picture_tools_enc.c, lines 104 to 181) returns at line 138 for a picture without an alpha plane, which
/// planes here never have. `WebPEncode` (src/enc/webp_enc.c, line 355) allocates planes only if there are none.
pub(super) fn encode_with_libwebp(
    pixels: Pixels<'_>,
    width: u32,
    height: u32,
    config: &ffi::WebPConfig,
    budget: Budget,
    cancellation: &Cancellation,
) -> Result<Vec<u8>, Error> {
    assert!(pixels.fill(width as usize, height as usize), "the raster's own invariant");
    let mut output = Output { file: OutputBuffer::new(budget), failure: None, cancellation };
    let stride = width as c_int;
    let mut picture = Picture(ffi::WebPPicture::new().map_err(|()| BUG)?);
    picture.0.use_argb = config.lossless;
    picture.0.width = width as c_int;
    picture.0.height = height as c_int;
    picture.0.writer = Some(append);
    picture.0.custom_ptr = (&raw mut output).cast();
    picture.0.progress_hook = Some(may_go_on);
    picture.0.user_data = (&raw mut output).cast();
    let is_imported = match pixels {
        Pixels::Rgb(pixels) => {
            // SAFETY: the picture is initialised, and there are `height` rows of three bytes for each of `width` pixels.
            let status = unsafe { ffi::WebPPictureImportRGB(&raw mut picture.0, pixels.as_ptr(), stride * 3) };
            status != 0
        }
        Pixels::Rgba(pixels) => {
            // SAFETY: as above, with four bytes.
            let status = unsafe { ffi::WebPPictureImportRGBA(&raw mut picture.0, pixels.as_ptr(), stride * 4) };
            status != 0
        }
        Pixels::Weighted(pixels) => {
            // SAFETY: as above.
            let status = unsafe { ffi::WebPPictureImportRGBA(&raw mut picture.0, pixels.as_ptr(), stride * 4) };
            if status != 0 && !picture.0.a.is_null() {
                // SAFETY: the picture has planes of its own, which it may change. `WebPEncode` does the same to a picture with an
                // alpha plane.
                unsafe { ffi::WebPCleanupTransparentArea(&raw mut picture.0) };
                // The memory of the plane is that of all planes, which `memory_` owns.
                picture.0.a = std::ptr::null_mut();
                picture.0.colorspace = ffi::WebPEncCSP::WEBP_YUV420;
            }
            status != 0
        }
        Pixels::Rgbx(pixels) => {
            // SAFETY: as above.
            let status = unsafe { ffi::WebPPictureImportRGBX(&raw mut picture.0, pixels.as_ptr(), stride * 4) };
            status != 0
        }
        Pixels::Planes(planes) => {
            if config.lossless != 0 || config.show_compressed != 0 {
                return Err(BUG);
            }
            [picture.0.y, picture.0.u, picture.0.v] = planes.map(|plane| plane.as_ptr().cast_mut());
            (picture.0.y_stride, picture.0.uv_stride) = (stride, (stride + 1) / 2);
            true
        }
    };
    // SAFETY: the picture is initialised and has pixels: imported ones, or planes that are only read and live as long
    // as `pixels` is borrowed. `custom_ptr` and `user_data` point to `output`, which outlives the call, and which is
    // not accessed otherwise until libwebp has returned.
    let is_done = is_imported && unsafe { ffi::WebPEncode(config, &raw mut picture.0) } != 0;
    match output.failure {
        None if is_done => Ok(output.file.into_bytes()),
        Some(error) => Err(error),
        None => Err(failure(picture.0.error_code, output.cancellation)),
    }
}

/// Converts an error of libwebp.
fn failure(code: ffi::WebPEncodingError, cancellation: &Cancellation) -> Error {
    use ffi::WebPEncodingError as Code;
    let too_large = |what, allowed| Error::TooLarge { what, needs: allowed + 1, allowed };
    match code {
        Code::VP8_ENC_ERROR_USER_ABORT if cancellation.check().is_err() => Cancelled.into(),
        // RFC 6386, 9.3 and 9.5: lengths of 19 and of 24 bits.
        Code::VP8_ENC_ERROR_PARTITION0_OVERFLOW => {
            too_large("the length of a webp's first partition in bytes", (1 << 19) - 1)
        }
        Code::VP8_ENC_ERROR_PARTITION_OVERFLOW => too_large("the length of a webp's partition in bytes", (1 << 24) - 1),
        Code::VP8_ENC_ERROR_FILE_TOO_BIG => too_large("the length of a webp in bytes", u32::MAX.into()),
        Code::VP8_ENC_ERROR_BAD_DIMENSION => too_large("a side of a webp in pixels", MAX_SIDE.into()),
        Code::VP8_ENC_ERROR_OUT_OF_MEMORY | Code::VP8_ENC_ERROR_BITSTREAM_OUT_OF_MEMORY => {
            Error::Internal("there is no memory left for libwebp")
        }
        _ => BUG,
    }
}

/// The writer callback of libwebp, which appends bytes to the file; 0 aborts.
extern "C" fn append(bytes: *const u8, length: usize, picture: *const ffi::WebPPicture) -> c_int {
    if length == 0 {
        return 1;
    }
    // SAFETY: libwebp passes `length` bytes, which it does not modify during this call.
    let bytes = unsafe { std::slice::from_raw_parts(bytes, length) };
    // SAFETY: this is the picture that `encode_with_libwebp` has set up; libwebp is blocked in this call.
    let output = unsafe { (*picture).custom_ptr }.cast::<Output<'_>>();
    // SAFETY: `custom_ptr` points to a live `Output` to which there is no other reference.
    let output = unsafe { &mut *output };
    output.failure = output.file.extend(bytes).err();
    output.failure.is_none().into()
}

/// The progress callback of libwebp, which is called between macroblock rows; 0 aborts.
extern "C" fn may_go_on(_percent: c_int, picture: *const ffi::WebPPicture) -> c_int {
    // SAFETY: this is the picture that `encode_with_libwebp` has set up; libwebp is blocked in this call.
    let output = unsafe { (*picture).user_data }.cast::<Output<'_>>();
    // SAFETY: `user_data` points to a live `Output` to which there is no mutable reference.
    let output = unsafe { &*output };
    output.cancellation.check().is_ok().into()
}

#[cfg(test)]
mod tests {
    use super::super::WebP;
    use super::*;
    use crate::{Channels, EncodeOptions, Encoder, Raster, Samples};

    #[test]
    fn what_goes_wrong_in_libwebp_is_told_as_it_is() {
        use ffi::WebPEncodingError as Code;
        let (cancellation, stopped) = (Cancellation::unbounded(), Cancellation::unbounded());
        stopped.cancel();
        for (code, is_too_large) in [
            (Code::VP8_ENC_ERROR_PARTITION0_OVERFLOW, true),
            (Code::VP8_ENC_ERROR_PARTITION_OVERFLOW, true),
            (Code::VP8_ENC_ERROR_FILE_TOO_BIG, true),
            (Code::VP8_ENC_ERROR_BAD_DIMENSION, true),
            (Code::VP8_ENC_ERROR_OUT_OF_MEMORY, false),
            (Code::VP8_ENC_ERROR_BITSTREAM_OUT_OF_MEMORY, false),
            (Code::VP8_ENC_ERROR_INVALID_CONFIGURATION, false),
            (Code::VP8_ENC_ERROR_USER_ABORT, false),
        ] {
            match failure(code, &cancellation) {
                Error::TooLarge { needs, allowed, .. } => assert!(is_too_large && needs > allowed, "{code:?}"),
                error => assert!(!is_too_large && matches!(error, Error::Internal(_)), "{code:?}"),
            }
        }
        assert_eq!(failure(Code::VP8_ENC_ERROR_USER_ABORT, &stopped), Cancelled.into());
        let wide = Raster::new(2, 1, Channels::L, Samples::U16(vec![1, 2])).unwrap();
        let refused = WebP.encode(&wide, &EncodeOptions::DEFAULT, Budget::UNLIMITED, &cancellation);
        assert!(matches!(refused, Err(Error::Internal(_))), "{refused:?}");
    }
}
