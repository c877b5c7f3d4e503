//! HEIC, as produced by iPhones, decoded by `heifer`: the primary image with its alpha, upright, in 8 bits.
//!
//! Size and memory are checked from the container before the HEVC data is decoded. The decoder cannot be interrupted.

use super::{
    Area, Budget, Cancellation, Channels, DecodeOptions, Decoded, Decoder, Error, Format, Header, Meter, Orientation,
    Raster, Samples,
};
use image_origin_container as container;

/// The HEIC decoder.
pub(super) struct Heic;

/// The memory of decoding in bytes per pixel: 16-bit planes, tiles, and RGBA.
const BYTES_PER_PIXEL: u64 = 16;

fn failure(error: &heifer::Error) -> Error {
    match error {
        heifer::Error::Unsupported(what) => {
            Error::Unsupported(format!("the heic is of a kind that is not read: {what}"))
        }
        error => Error::Damaged { format: Format::Heic, reason: error.to_string() },
    }
}

impl Decoder for Heic {
    fn probe(&self, bytes: &[u8], budget: Budget, cancellation: &Cancellation) -> Result<Header, Error> {
        let size = container::stored_size(bytes, Format::Heic, &Meter::new(bytes.len() as u64, cancellation))?;
        let (width, height) = size
            .filter(|(width, height)| *width > 0 && *height > 0)
            .ok_or_else(|| Error::Damaged { format: Format::Heic, reason: "the size is missing".to_owned() })?;
        budget.check_pixels(width, height)?;
        // The decoder returns upright pixels.
        let turn = Orientation::from_exif(container::orientation(bytes, Format::Heic, cancellation)?);
        let (width, height) = turn.size(width, height);
        let orientation = Orientation::UPRIGHT;
        Ok(Header { format: Format::Heic, width, height, orientation, channels: Channels::Rgba })
    }

    fn decode(&self, bytes: &[u8], options: &DecodeOptions<'_>) -> Result<Decoded, Error> {
        let header = self.probe(bytes, options.budget, options.cancellation)?;
        let pixels = u64::from(header.width) * u64::from(header.height);
        options.budget.check_memory(pixels * BYTES_PER_PIXEL)?;
        options.cancellation.check()?;
        let limits = heifer::Options { max_threads: 1, max_pixels: options.budget.pixels.max(1) };
        let image = heifer::decode_rgba8(bytes, &limits).map_err(|error| failure(&error))?;
        options.cancellation.check()?;
        let raster = Raster::new(image.width, image.height, Channels::Rgba, Samples::U8(image.data));
        let raster = raster.ok_or_else(|| failure(&heifer::Error::Invalid("the pixels do not fill the picture")))?;
        let icc = container::icc_profile(bytes, Format::Heic, options.cancellation)?.map(std::borrow::Cow::into_owned);
        // A crop in the file makes the picture smaller than its header declares.
        Ok(Decoded { raster, area: Area::whole(header.width, header.height), icc, flaw: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_encoder_of_the_same_crate_wrote_is_read() {
        let mut image = heifer::Image::filled(64, 48, 8, [200, 40, 40, 255]);
        image.has_alpha = false;
        let bytes = heifer::encode(&image, &heifer::EncodeOptions::default()).unwrap();
        let (budget, cancellation) = (Budget { pixels: 1 << 16, memory: 1 << 22 }, Cancellation::unbounded());
        let header = Heic.probe(&bytes, budget, &Cancellation::unbounded()).unwrap();
        assert_eq!((header.width, header.height), (64, 48));
        let options = DecodeOptions { area: Area::whole(64, 48), scale: 1.0, budget, cancellation: &cancellation };
        let raster = Heic.decode(&bytes, &options).unwrap().raster;
        let pixel = &raster.samples().as_bytes()[..4];
        assert!(pixel[0].abs_diff(200) < 8 && pixel[1].abs_diff(40) < 8 && pixel[3] == 255, "{pixel:?}");
        let tight = Budget { pixels: 64 * 48 - 1, ..budget };
        assert!(matches!(Heic.probe(&bytes, tight, &Cancellation::unbounded()), Err(Error::TooLarge { .. })));
        for end in (0..bytes.len()).step_by(5) {
            let _ = Heic.decode(&bytes[..end], &options);
        }
    }
}
