//! BMP and Netpbm, by way of `image`: they are stored so plainly that there is nothing to be saved.

use image::ImageDecoder;
use image::codecs::bmp::BmpDecoder;
use image::codecs::pnm::PnmDecoder;

use super::reader::{self, WatchedReader};
use super::{Budget, Decoded, Decoder, Error, Format, Header, Need, Work};

/// Windows bitmaps, to be read only.
pub(super) struct Bmp;

/// PBM, PGM, PPM and PAM, to be read only.
pub(super) struct Pnm;

/// Bytes a pixel beside the pixels: what rows of text or of runs are taken apart in.
const OVERHEAD: u64 = 1;

fn bmp<'a>(bytes: &'a [u8], work: &'a Work) -> Result<impl ImageDecoder + use<'a>, Error> {
    BmpDecoder::new(WatchedReader::new(bytes, work)).map_err(|error| reader::map_error(Format::Bmp, &error, work))
}

fn pnm<'a>(bytes: &'a [u8], work: &'a Work) -> Result<impl ImageDecoder + use<'a>, Error> {
    PnmDecoder::new(WatchedReader::new(bytes, work)).map_err(|error| reader::map_error(Format::Pnm, &error, work))
}

impl Decoder for Bmp {
    fn probe(&self, bytes: &[u8], budget: Budget, work: &Work) -> Result<Header, Error> {
        reader::header(Format::Bmp, &mut bmp(bytes, work)?, budget)
    }

    fn decode(&self, bytes: &[u8], need: &Need<'_>) -> Result<Decoded, Error> {
        reader::read(Format::Bmp, bmp(bytes, need.work)?, OVERHEAD, need)
    }
}

impl Decoder for Pnm {
    fn probe(&self, bytes: &[u8], budget: Budget, work: &Work) -> Result<Header, Error> {
        reader::header(Format::Pnm, &mut pnm(bytes, work)?, budget)
    }

    fn decode(&self, bytes: &[u8], need: &Need<'_>) -> Result<Decoded, Error> {
        reader::read(Format::Pnm, pnm(bytes, need.work)?, OVERHEAD, need)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Area, Channels, Samples};
    use super::*;

    fn decoded(decoder: &dyn Decoder, bytes: &[u8]) -> Result<(Channels, Samples), Error> {
        let (budget, work) = (Budget { pixels: 1 << 20, memory: 1 << 22 }, Work::unbounded());
        let header = decoder.probe(bytes, budget, &Work::unbounded())?;
        let need = Need { area: Area::whole(header.width, header.height), scale: 1.0, budget, work: &work };
        let raster = decoder.decode(bytes, &need)?.raster;
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
            assert_eq!(decoded(&Pnm, bytes), Ok((channels, samples)), "{shown}");
            for end in 2..bytes.len() {
                let _ = decoded(&Pnm, &bytes[..end]);
            }
        }
    }

    /// A file with a header of 40 bytes (BITMAPINFOHEADER).
    fn bitmap(width: i32, height: i32, bits: u16, rest: &[u8]) -> Vec<u8> {
        let mut out = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
        out.extend([width.to_le_bytes(), height.to_le_bytes()].concat());
        out.extend([1u16.to_le_bytes(), bits.to_le_bytes()].concat());
        out.extend([0; 24]);
        out.extend_from_slice(rest);
        out
    }

    #[test]
    fn bitmaps_are_read_from_either_end() {
        let rows = [1, 2, 3, 0, 4, 5, 6, 0];
        assert_eq!(decoded(&Bmp, &bitmap(1, 2, 24, &rows)), Ok((Channels::Rgb, vec![6u8, 5, 4, 3, 2, 1].into())));
        assert_eq!(decoded(&Bmp, &bitmap(1, -2, 24, &rows)), Ok((Channels::Rgb, vec![3u8, 2, 1, 6, 5, 4].into())));
    }

    #[test]
    fn claims_are_checked_before_they_cost_anything() {
        let table: [(&dyn Decoder, Vec<u8>); 6] = [
            (&Bmp, bitmap(60_000, 60_000, 24, &[])),
            (&Bmp, bitmap(i32::MAX, i32::MIN, 32, &[])),
            (&Bmp, bitmap(1 << 30, 1, 8, &[])),
            (&Pnm, b"P6 4294967295 4294967295 255\n".to_vec()),
            (&Pnm, b"P5 99999 99999 65535\n".to_vec()),
            (&Pnm, b"P7\nWIDTH 70000\nHEIGHT 70000\nDEPTH 4\nMAXVAL 65535\nTUPLTYPE RGB_ALPHA\nENDHDR\n".to_vec()),
        ];
        for (decoder, bytes) in table {
            let refused = decoded(decoder, &bytes);
            assert!(matches!(refused, Err(Error::TooLarge { .. } | Error::Damaged { .. })), "{refused:?}");
        }
    }
}
