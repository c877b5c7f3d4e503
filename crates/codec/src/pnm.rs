//! Netpbm, decoded by the crate `image`.

use image::ImageDecoder;
use image::codecs::pnm::PnmDecoder;

use super::reader::{self, WatchedReader};
use super::{Budget, Cancellation, DecodeOptions, Decoded, Decoder, Error, Format, Header};

/// The decoder for PBM, PGM, PPM and PAM.
pub(super) struct Pnm;

/// The additional memory of the decoder in bytes per pixel, for parsing rows of text.
const OVERHEAD: u64 = 1;

fn pnm<'a>(bytes: &'a [u8], cancellation: &'a Cancellation) -> Result<impl ImageDecoder + use<'a>, Error> {
    PnmDecoder::new(WatchedReader::new(bytes, cancellation))
        .map_err(|error| reader::map_error(Format::Pnm, &error, cancellation))
}

impl Decoder for Pnm {
    fn probe(&self, bytes: &[u8], budget: Budget, cancellation: &Cancellation) -> Result<Header, Error> {
        reader::header(Format::Pnm, &mut pnm(bytes, cancellation)?, budget)
    }

    fn decode(&self, bytes: &[u8], options: &DecodeOptions<'_>) -> Result<Decoded, Error> {
        reader::read(Format::Pnm, pnm(bytes, options.cancellation)?, OVERHEAD, options)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Area, Channels, Samples};
    use super::*;

    fn decoded(bytes: &[u8]) -> Result<(Channels, Samples), Error> {
        let (budget, cancellation) = (Budget { pixels: 1 << 20, memory: 1 << 22 }, Cancellation::unbounded());
        let header = Pnm.probe(bytes, budget, &Cancellation::unbounded())?;
        let options = DecodeOptions::new(Area::whole(header.width, header.height), budget, &cancellation);
        let raster = Pnm.decode(bytes, &options)?.raster;
        assert_eq!(
            (raster.width(), raster.height(), raster.channels()),
            (header.width, header.height, header.channels)
        );
        Ok((raster.channels(), raster.into_samples()))
    }

    #[test]
    fn netpbm_is_read_in_all_its_forms() {
        let table: [(&[u8], Channels, Samples); 8] = [
            (b"P1\n# a word\n2 2\n1 0 0 1\n", Channels::L, vec![0u8, 255, 255, 0].into()),
            (b"P2 2 1 100 0 50\n", Channels::L, vec![0u8, 128].into()),
            (b"P3 1 1 255 1 2 3\n", Channels::Rgb, vec![1u8, 2, 3].into()),
            (b"P4 2 1\n\x40", Channels::L, vec![255u8, 0].into()),
            (b"P5 2 1 255\n\x01\x02", Channels::L, vec![1u8, 2].into()),
            (b"P5 1 1 65535\n\x01\x02", Channels::L, vec![0x0102u16].into()),
            (b"P6 1 1 255\n\x01\x02\x03", Channels::Rgb, vec![1u8, 2, 3].into()),
            (
                b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n\x01\x02\x03\x04",
                Channels::Rgba,
                vec![1u8, 2, 3, 4].into(),
            ),
        ];
        for (bytes, channels, samples) in table {
            let shown = String::from_utf8_lossy(bytes);
            assert_eq!(decoded(bytes), Ok((channels, samples)), "{shown}");
            for end in 2..bytes.len() {
                let _ = decoded(&bytes[..end]);
            }
        }
    }

    #[test]
    fn claims_are_checked_before_they_cost_anything() {
        let table: [&[u8]; 3] = [
            b"P6 4294967295 4294967295 255\n",
            b"P5 99999 99999 65535\n",
            b"P7\nWIDTH 70000\nHEIGHT 70000\nDEPTH 4\nMAXVAL 65535\nTUPLTYPE RGB_ALPHA\nENDHDR\n",
        ];
        for bytes in table {
            let refused = decoded(bytes);
            assert!(matches!(refused, Err(Error::TooLarge { .. } | Error::Damaged { .. })), "{refused:?}");
        }
    }
}
