//! JPEG XL (ISO/IEC 18181), by way of `jxl-oxide`: the first frame, upright.
//!
//! The decoder sees nothing of the container but the codestream, allocates within the budget, and is fed piece by piece, so
//! that the deadline is looked at between pieces; only the last step, making pixels of a frame, cannot be interrupted.

use image_origin_container::{isobmff, slice};
use jxl_bitstream::Bitstream;
use jxl_oxide::{AllocTracker, ImageHeader, InitializeResult, JxlImage, JxlThreadPool, PixelFormat};
use jxl_oxide_common::Bundle;

use super::{
    Budget, Channels, Decoded, Decoder, Error, Exhausted, Format, Header, Meter, Need, Orientation, Raster, Samples,
    Work, profile,
};

/// JPEG XL, to be read only.
pub(super) struct Jxl;

/// How much is fed between two looks at the clock.
const PIECE: usize = 16 << 10;

/// How many bytes of a profile each byte of the file may stand for, beside [`SHORT_PROFILE`].
const PROFILE_FACTOR: u64 = 64;

/// How long a profile may be in the shortest of files, in bytes.
const SHORT_PROFILE: u64 = 4 << 10;

/// What decoding holds for each pixel, in bytes: three planes of 32 bits twice, and what becomes of them.
const BYTES_PER_PIXEL: u64 = 24;

fn damaged(reason: impl ToString) -> Error {
    Error::Damaged { format: Format::JpegXl, reason: reason.to_string() }
}

/// The codestream: the file itself, or what its boxes `jxlc` and `jxlp` hold (ISO/IEC 18181-2, 9).
fn codestream<'a>(bytes: &'a [u8], work: &Work) -> Result<Vec<&'a [u8]>, Exhausted> {
    if bytes.starts_with(&[0xff, 0x0a]) {
        return Ok(vec![bytes]);
    }
    let meter = Meter::new(bytes.len() as u64, work);
    let mut parts = Vec::new();
    for found in isobmff::children(bytes, &meter)? {
        let content = slice(bytes, &found.payload);
        match &found.kind {
            b"jxlc" => parts.push(content),
            // After the part's number.
            b"jxlp" => parts.push(content.get(4..).unwrap_or_default()),
            _ => {}
        }
    }
    Ok(parts)
}

/// Holds the length of the profile that `head`, the start of a codestream, claims against a file of `file` bytes and the
/// budget: the decoder takes up to 256 MB at the header's word, which its tracker of allocations does not see. A
/// header that is not there yet, or damaged, passes.
fn check_profile(head: &[u8], file: usize, budget: Budget) -> Result<(), Error> {
    let mut bits = Bitstream::new(head);
    let Ok(header) = ImageHeader::parse(&mut bits, ()) else { return Ok(()) };
    if !header.metadata.colour_encoding.want_icc() {
        return Ok(());
    }
    let Ok(length) = bits.read_u64() else { return Ok(()) };
    if length > (file as u64).saturating_mul(PROFILE_FACTOR).saturating_add(SHORT_PROFILE) {
        return Err(damaged("the profile is longer than the file can hold"));
    }
    // As it is stored, and as it is read.
    budget.check_memory(length.saturating_mul(2))
}

/// Reads the header; `feed` says whether to read the first frame as well.
fn open(bytes: &[u8], budget: Budget, work: &Work, whole: bool) -> Result<JxlImage, Error> {
    let tracker = AllocTracker::with_limit(usize::try_from(budget.memory).unwrap_or(usize::MAX));
    let mut waiting = Some(JxlImage::builder().pool(JxlThreadPool::none()).alloc_tracker(tracker).build_uninit());
    let mut opened = None;
    let parts = codestream(bytes, work)?;
    let mut head = Vec::new();
    for piece in parts.iter().flat_map(|part| part.chunks(PIECE)) {
        work.check()?;
        match (&mut opened, waiting.take()) {
            (Some(image), _) => feed(image, piece)?,
            (None, Some(mut image)) => {
                head.extend_from_slice(piece);
                check_profile(&head, bytes.len(), budget)?;
                let read = image.feed_bytes(piece).map_err(damaged)?;
                match image.try_init().map_err(damaged)? {
                    InitializeResult::NeedMoreData(image) if read == piece.len() => waiting = Some(image),
                    InitializeResult::NeedMoreData(_) => return Err(damaged("the codestream breaks off")),
                    InitializeResult::Initialized(image) => {
                        budget.check_pixels(image.width(), image.height())?;
                        opened = Some(image);
                    }
                }
            }
            (None, None) => break,
        }
        if opened.as_ref().is_some_and(|image| !whole || image.num_loaded_keyframes() > 0) {
            break;
        }
    }
    opened.ok_or_else(|| damaged("the header is cut off"))
}

fn feed(image: &mut JxlImage, piece: &[u8]) -> Result<(), Error> {
    image.feed_bytes(piece).map(|_| ()).map_err(damaged)
}

fn channels(image: &JxlImage) -> Result<Channels, Error> {
    match image.pixel_format() {
        PixelFormat::Gray => Ok(Channels::L),
        PixelFormat::Graya => Ok(Channels::La),
        PixelFormat::Rgb => Ok(Channels::Rgb),
        PixelFormat::Rgba => Ok(Channels::Rgba),
        PixelFormat::Cmyk | PixelFormat::Cmyka => {
            Err(Error::Unsupported("the jxl is of a kind that is not read: inks".to_owned()))
        }
    }
}

impl Decoder for Jxl {
    fn probe(&self, bytes: &[u8], budget: Budget, work: &Work) -> Result<Header, Error> {
        let image = open(bytes, budget, work, false)?;
        let (width, height) = (image.width(), image.height());
        if width == 0 || height == 0 {
            return Err(damaged("a side is zero"));
        }
        let orientation = Orientation::UPRIGHT;
        Ok(Header { format: Format::JpegXl, width, height, orientation, channels: channels(&image)? })
    }

    fn decode(&self, bytes: &[u8], need: &Need<'_>) -> Result<Decoded, Error> {
        let image = open(bytes, need.budget, need.work, true)?;
        let (width, height, channels) = (image.width(), image.height(), channels(&image)?);
        need.budget.check_memory(u64::from(width) * u64::from(height) * BYTES_PER_PIXEL)?;
        if image.num_loaded_keyframes() == 0 {
            return Err(damaged("the picture is cut off"));
        }
        let render = image.render_frame(0).map_err(damaged)?;
        need.work.check()?;
        let mut stream = render.stream();
        let sixteen_bits = image.image_header().metadata.bit_depth.bits_per_sample() > 8;
        let count = width as usize * height as usize * channels.count();
        if stream.width() != width || stream.height() != height || stream.channels() as usize != channels.count() {
            return Err(damaged("the first frame is not of the picture's size"));
        }
        let samples = if sixteen_bits {
            let mut samples = vec![0u16; count];
            stream.write_to_buffer(&mut samples);
            Samples::U16(samples)
        } else {
            let mut samples = vec![0u8; count];
            stream.write_to_buffer(&mut samples);
            Samples::U8(samples)
        };
        let grey = matches!(channels, Channels::L | Channels::La);
        let icc = match image.rendered_cicp() {
            Some([primaries, transfer, ..]) => profile::from_code_points(primaries, transfer, grey),
            None => Some(image.rendered_icc()),
        };
        let raster = Raster::new(width, height, channels, samples).ok_or_else(|| damaged("a side is zero"))?;
        Ok(Decoded::whole(raster, icc))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Area;
    use super::*;

    const BUDGET: Budget = Budget { pixels: 1 << 20, memory: 1 << 24 };

    /// 60 by 40 pixels of a landscape, bare and in a container with an Exif box.
    fn fixture(name: &str) -> Vec<u8> {
        std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/jxl").join(name)).unwrap()
    }

    #[test]
    fn files_with_and_without_a_container_are_read() {
        for name in ["lossless.jxl", "container.jxl"] {
            let bytes = fixture(name);
            let header = Jxl.probe(&bytes, BUDGET, &Work::unbounded()).unwrap();
            assert_eq!((header.width, header.height, header.channels), (60, 40, Channels::Rgb), "{name}");
            let work = Work::unbounded();
            let need = Need { area: Area::whole(60, 40), scale: 1.0, budget: BUDGET, work: &work };
            let raster = Jxl.decode(&bytes, &need).unwrap().raster;
            let sky = raster.samples().as_bytes()[..3].to_vec();
            assert!(sky[2] > sky[0] && sky[2] > 120, "{name}: {sky:?}");
            for end in (0..bytes.len()).step_by(7) {
                let _ = Jxl.decode(&bytes[..end], &need);
            }
        }
    }

    /// The start of a codestream of 8 by 8 pixels with a profile of `length` bytes, below 2^28.
    fn with_profile(length: u64) -> Vec<u8> {
        // Value and number of bits, the lowest first (ISO/IEC 18181-1, annexes B and D).
        let fields = [
            (0x0aff, 16), // signature
            (1, 1),
            (0, 5),
            (1, 3), // eighths of the height less one; square
            (0, 1),
            (0, 1),
            (0, 1),
            (0, 2),
            (1, 1),
            (0, 2), // metadata: 8 bits a sample, no further channels
            (0, 1),
            (0, 1),
            (1, 1),
            (0, 2), // no XYB; a profile, of RGB
            (0, 2),
            (1, 1), // no extensions; the usual transform
            (3, 2),
            (length & 0xfff, 12),
            (1, 1),
            (length >> 12 & 0xff, 8),
            (1, 1),
            (length >> 20, 8),
            (0, 1),
        ];
        let bits: Vec<u64> =
            fields.iter().flat_map(|&(value, count)| (0..count).map(move |at| value >> at & 1)).collect();
        bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |all, &bit| all << 1 | bit as u8)).collect()
    }

    #[test]
    fn profiles_are_held_against_the_file_and_the_budget() {
        // Length of the profile, of the file, and whether it passes.
        for (length, file, passes) in [
            (4 << 10, 0, true),
            ((4 << 10) + 1, 0, false),
            (3 << 20, 100, false),
            (3 << 20, 1 << 20, true),
            (9 << 20, 1 << 20, false),
            (255 << 20, 113, false),
        ] {
            let checked = check_profile(&with_profile(length), file, BUDGET);
            assert_eq!(checked.is_ok(), passes, "{length} in {file}: {checked:?}");
        }
        let probed = Jxl.probe(&with_profile(34 << 20), Budget { memory: u64::MAX, ..BUDGET }, &Work::unbounded());
        assert!(matches!(&probed, Err(Error::Damaged { reason, .. }) if reason.contains("profile")), "{probed:?}");
    }

    #[test]
    fn limits_are_checked_on_the_header() {
        let bytes = fixture("lossless.jxl");
        let tight = Budget { pixels: 60 * 40 - 1, ..BUDGET };
        assert!(matches!(Jxl.probe(&bytes, tight, &Work::unbounded()), Err(Error::TooLarge { .. })));
    }
}
