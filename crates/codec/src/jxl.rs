//! JPEG XL (ISO/IEC 18181), decoded by `jxl-oxide`: the first frame, upright.
//!
//! Probing uses the image header alone. The decoder receives only the codestream from the container, allocates within
//! the budget, and is fed in pieces, between which the deadline is checked; only the last step, rendering a frame,
//! cannot be interrupted.

use std::borrow::Cow;

use image_origin_container::{MAX_PROFILE, isobmff, slice};
use jxl_bitstream::Bitstream;
use jxl_oxide::image::ExtraChannelInfo;
use jxl_oxide::{AllocTracker, ImageHeader, InitializeResult, JxlImage, JxlThreadPool};
use jxl_oxide_common::Bundle;

use super::{
    Budget, Cancellation, Channels, DecodeOptions, Decoded, Decoder, Error, Exhausted, Format, Header, Meter,
    Orientation, Raster, Samples, profile,
};

/// The JPEG XL decoder.
pub(super) struct Jxl;

/// The number of bytes between two checks of the deadline.
const PIECE: usize = 16 << 10;

/// The maximum length of a profile in bytes per byte of the file, in addition to [`SHORT_PROFILE`].
const PROFILE_FACTOR: u64 = 64;

/// The maximum number of bytes in which the image header is searched if the codestream is split into parts.
const HEAD: usize = 64 << 10;

/// The maximum length of a profile in the shortest of files, in bytes.
const SHORT_PROFILE: u64 = 4 << 10;

/// The memory of decoding in bytes per pixel: three 32-bit planes twice, and the output.
const BYTES_PER_PIXEL: u64 = 24;

fn damaged(reason: impl ToString) -> Error {
    Error::Damaged { format: Format::JpegXl, reason: reason.to_string() }
}

/// The codestream: the file itself, or the content of its boxes `jxlc` and `jxlp` (ISO/IEC 18181-2, 9).
fn codestream<'a>(bytes: &'a [u8], cancellation: &Cancellation) -> Result<Vec<&'a [u8]>, Exhausted> {
    if bytes.starts_with(&[0xff, 0x0a]) {
        return Ok(vec![bytes]);
    }
    let meter = Meter::new(bytes.len() as u64, cancellation);
    let mut parts = Vec::new();
    for found in isobmff::children(bytes, &meter)? {
        let content = slice(bytes, &found.payload);
        match &found.kind {
            b"jxlc" => parts.push(content),
            // After the index of the part.
            b"jxlp" => parts.push(content.get(4..).unwrap_or_default()),
            _ => {}
        }
    }
    Ok(parts)
}

/// The beginning of the codestream, joined from as many parts as needed if these are shorter than [`HEAD`].
fn head<'a>(parts: &[&'a [u8]]) -> Cow<'a, [u8]> {
    match parts {
        [] => Cow::Borrowed(&[]),
        [whole] => Cow::Borrowed(whole),
        [first, ..] if first.len() >= HEAD => Cow::Borrowed(first),
        parts => {
            let mut head = Vec::new();
            for part in parts {
                head.extend_from_slice(&part[..part.len().min(HEAD - head.len())]);
                if head.len() == HEAD {
                    break;
                }
            }
            Cow::Owned(head)
        }
    }
}

/// Parses the image header (ISO/IEC 18181-1, annex D) only, and checks the size against the budget. `bits` is then at
/// the profile, if there is one.
fn image_header(bits: &mut Bitstream<'_>, budget: Budget) -> Result<ImageHeader, Error> {
    let header = ImageHeader::parse(bits, ()).map_err(|error| match error.unexpected_eof() {
        true => damaged("the header is cut off"),
        false => damaged(error),
    })?;
    let (width, height) = (header.width_with_orientation(), header.height_with_orientation());
    if width == 0 || height == 0 {
        return Err(damaged("a side is zero"));
    }
    budget.check_pixels(width, height)?;
    Ok(header)
}

/// Checks the length of the profile after the image header against the file length (`file` bytes) and the budget: the
/// decoder accepts up to 256 MB, which its allocation tracker does not count.
fn check_profile(header: &ImageHeader, bits: &mut Bitstream<'_>, file: usize, budget: Budget) -> Result<(), Error> {
    if !header.metadata.colour_encoding.want_icc() {
        return Ok(());
    }
    let length = bits.read_u64().map_err(damaged)?;
    let most = (file as u64).saturating_mul(PROFILE_FACTOR).saturating_add(SHORT_PROFILE).min(MAX_PROFILE as u64);
    if length > most {
        return Err(damaged(format!("the profile is longer than {most} bytes")));
    }
    // In its stored and in its decoded form.
    budget.check_memory(length.saturating_mul(2))
}

/// Decodes the codestream up to the end of its first frame, or as far as possible. `parts` begin with a header that was
/// checked.
fn open(parts: &[&[u8]], budget: Budget, cancellation: &Cancellation) -> Result<JxlImage, Error> {
    let tracker = AllocTracker::with_limit(usize::try_from(budget.memory).unwrap_or(usize::MAX));
    let mut waiting = Some(JxlImage::builder().pool(JxlThreadPool::none()).alloc_tracker(tracker).build_uninit());
    let mut opened = None;
    // Each attempt parses from the start, so the next one is made when twice as much data is available.
    let (mut fed, mut next) = (0, 0);
    let mut pieces = parts.iter().flat_map(|part| part.chunks(PIECE)).peekable();
    while let Some(piece) = pieces.next() {
        cancellation.check()?;
        match (&mut opened, waiting.take()) {
            (Some(image), _) => feed(image, piece)?,
            (None, Some(mut image)) => {
                let read = image.feed_bytes(piece).map_err(damaged)?;
                fed += read;
                if fed < next && read == piece.len() && pieces.peek().is_some() {
                    waiting = Some(image);
                    continue;
                }
                next = fed * 2;
                match image.try_init().map_err(damaged)? {
                    InitializeResult::NeedMoreData(image) if read == piece.len() => waiting = Some(image),
                    InitializeResult::NeedMoreData(_) => return Err(damaged("the codestream breaks off")),
                    InitializeResult::Initialized(image) => opened = Some(image),
                }
            }
            (None, None) => break,
        }
        if opened.as_ref().is_some_and(|image| image.num_loaded_keyframes() > 0) {
            break;
        }
    }
    opened.ok_or_else(|| damaged("the header is cut off"))
}

fn feed(image: &mut JxlImage, piece: &[u8]) -> Result<(), Error> {
    image.feed_bytes(piece).map(|_| ()).map_err(damaged)
}

/// The channels that the decoder returns for a picture with this header.
fn channels(header: &ImageHeader) -> Result<Channels, Error> {
    let metadata = &header.metadata;
    if metadata.ec_info.iter().any(ExtraChannelInfo::is_black) {
        return Err(Error::Unsupported("the jxl is of a kind that is not read: inks".to_owned()));
    }
    Ok(match (metadata.grayscale(), metadata.alpha().is_some()) {
        (true, false) => Channels::L,
        (true, true) => Channels::La,
        (false, false) => Channels::Rgb,
        (false, true) => Channels::Rgba,
    })
}

impl Decoder for Jxl {
    fn probe(&self, bytes: &[u8], budget: Budget, cancellation: &Cancellation) -> Result<Header, Error> {
        let parts = codestream(bytes, cancellation)?;
        let header = image_header(&mut Bitstream::new(&head(&parts)), budget)?;
        let (width, height) = (header.width_with_orientation(), header.height_with_orientation());
        let orientation = Orientation::UPRIGHT;
        Ok(Header { format: Format::JpegXl, width, height, orientation, channels: channels(&header)? })
    }

    fn decode(&self, bytes: &[u8], options: &DecodeOptions<'_>) -> Result<Decoded, Error> {
        let parts = codestream(bytes, options.cancellation)?;
        let head = head(&parts);
        let mut bits = Bitstream::new(&head);
        let header = image_header(&mut bits, options.budget)?;
        let channels = channels(&header)?;
        check_profile(&header, &mut bits, bytes.len(), options.budget)?;
        let (width, height) = (header.width_with_orientation(), header.height_with_orientation());
        options.budget.check_memory(u64::from(width) * u64::from(height) * BYTES_PER_PIXEL)?;
        let image = open(&parts, options.budget, options.cancellation)?;
        if image.num_loaded_keyframes() == 0 {
            return Err(damaged("the picture is cut off"));
        }
        let render = image.render_frame(0).map_err(damaged)?;
        options.cancellation.check()?;
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

    /// A landscape of 60 by 40 pixels, bare and in a container with an Exif box.
    fn fixture(name: &str) -> Vec<u8> {
        std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/jxl").join(name)).unwrap()
    }

    #[test]
    fn files_with_and_without_a_container_are_read() {
        for name in ["lossless.jxl", "container.jxl"] {
            let bytes = fixture(name);
            let header = Jxl.probe(&bytes, BUDGET, &Cancellation::unbounded()).unwrap();
            assert_eq!((header.width, header.height, header.channels), (60, 40, Channels::Rgb), "{name}");
            let cancellation = Cancellation::unbounded();
            let options = DecodeOptions::new(Area::whole(60, 40), BUDGET, &cancellation);
            let raster = Jxl.decode(&bytes, &options).unwrap().raster;
            let sky = raster.samples().as_bytes()[..3].to_vec();
            assert!(sky[2] > sky[0] && sky[2] > 120, "{name}: {sky:?}");
            for end in (0..bytes.len()).step_by(7) {
                let _ = Jxl.decode(&bytes[..end], &options);
            }
        }
    }

    /// The beginning of a codestream of 8 by 8 pixels with a profile of `length` bytes, below 2^28.
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
        // The length of the profile, of the file, and whether it is accepted.
        for (length, file, passes) in [
            (4 << 10, 0, true),
            ((4 << 10) + 1, 0, false),
            (3 << 20, 100, false),
            (3 << 20, 1 << 20, true),
            (5 << 20, 1 << 20, false),
            (255 << 20, 113, false),
        ] {
            let bytes = with_profile(length);
            let mut bits = Bitstream::new(&bytes);
            let header = image_header(&mut bits, BUDGET).unwrap();
            let checked = check_profile(&header, &mut bits, file, BUDGET);
            assert_eq!(checked.is_ok(), passes, "{length} in {file}: {checked:?}");
        }
    }

    #[test]
    fn the_header_alone_is_probed() {
        // A profile that is too long does not affect probing, and is rejected before it is read.
        let (bytes, cancellation) = (with_profile(34 << 20), Cancellation::unbounded());
        let header = Jxl.probe(&bytes, BUDGET, &cancellation).unwrap();
        assert_eq!((header.width, header.height, header.channels), (8, 8, Channels::Rgb));
        let budget = Budget { memory: u64::MAX, ..BUDGET };
        let decoded = Jxl.decode(&bytes, &DecodeOptions::new(Area::whole(8, 8), budget, &cancellation));
        assert!(matches!(&decoded, Err(Error::Damaged { reason, .. }) if reason.contains("profile")), "{decoded:?}");
        // Parts of three bytes are joined.
        let bytes = fixture("lossless.jxl");
        let parts: Vec<&[u8]> = bytes.chunks(3).collect();
        let header = image_header(&mut Bitstream::new(&head(&parts)), BUDGET).unwrap();
        assert_eq!((header.size.width, header.size.height), (60, 40));
        assert_eq!(open(&parts, BUDGET, &cancellation).unwrap().num_loaded_keyframes(), 1);
        let cut = Jxl.probe(&bytes[..3], BUDGET, &cancellation);
        assert!(matches!(&cut, Err(Error::Damaged { reason, .. }) if reason.contains("cut off")), "{cut:?}");
    }

    #[test]
    fn limits_are_checked_on_the_header() {
        let bytes = fixture("lossless.jxl");
        let tight = Budget { pixels: 60 * 40 - 1, ..BUDGET };
        assert!(matches!(Jxl.probe(&bytes, tight, &Cancellation::unbounded()), Err(Error::TooLarge { .. })));
    }
}
