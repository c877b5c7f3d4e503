//! Orientation and colour profile, without which pixels cannot be displayed correctly, read from the headers.

use std::borrow::Cow;
use std::io::{self, Cursor};
use std::ops::Range;

use crate::inflate::inflate;
use crate::input::{Input, from_memory};
use crate::parts::{self, Want};
use crate::{Cancellation, Exhausted, Format, Meter, gif, heif, jpeg, png, tiff, webp};

/// The orientation of the stored pixels (1 to 8, as in Exif 3.0, 4.6.5.1.6); 1 if none is specified.
///
/// It is read from where viewers read it: the Exif block of JPEG, PNG and WebP, the first directory of TIFF, and the
/// properties `irot` and `imir` of AVIF and HEIF, whose Exif orientation is ignored.
///
/// # Errors
/// [`Exhausted`] if `cancellation` is cancelled, or reading exceeds the budget that follows from the length of the file.
pub fn orientation(bytes: &[u8], format: Format, cancellation: &Cancellation) -> Result<u8, Exhausted> {
    orientation_within(bytes, format, &Meter::new(bytes.len() as u64, cancellation))
}

/// Like [`orientation`], within the remaining budget of `meter`.
///
/// # Errors
/// [`Exhausted`] if the meter is.
pub fn orientation_within(bytes: &[u8], format: Format, meter: &Meter<'_>) -> Result<u8, Exhausted> {
    let given = match format {
        Format::Tiff => tiff::Block::new(bytes).and_then(|block| block.orientation()),
        _ => {
            let input = Input::new(Cursor::new(bytes), meter);
            from_memory(input.and_then(|mut input| container_orientation(&mut input, format)))?.flatten()
        }
    };
    Ok(given.unwrap_or(1))
}

fn container_orientation(input: &mut Input<'_>, format: Format) -> io::Result<Option<u8>> {
    let parts = match format {
        Format::Jpeg => {
            let segments = jpeg::header_segments(input)?;
            parts::of_jpeg(input, &segments, Want::Orientation)?
        }
        Format::Png => {
            let chunks = png::chunks(input)?;
            parts::of_png(input, &chunks, Want::Orientation)?
        }
        Format::WebP => {
            let chunks = webp::chunks(input)?;
            parts::of_webp(input, &chunks, Want::Orientation)?
        }
        Format::Avif | Format::Heic => return Ok(heif::meta(input)?.and_then(|meta| meta.orientation())),
        _ => return Ok(None),
    };
    Ok(parts.orientation)
}

/// The maximum size of a colour profile in bytes: those for printing, the largest, have 1 to 3 MiB.
pub const MAX_PROFILE: usize = 4 << 20;

/// The embedded ICC profile of a JPEG, PNG, WebP, GIF, TIFF, AVIF or HEIF file. A profile above 4 MiB is ignored.
///
/// # Errors
/// [`Exhausted`] if `cancellation` is cancelled, or reading exceeds the budget that follows from the length of the file.
pub fn icc_profile<'a>(
    bytes: &'a [u8],
    format: Format,
    cancellation: &Cancellation,
) -> Result<Option<Cow<'a, [u8]>>, Exhausted> {
    icc_profile_within(bytes, format, &Meter::new(bytes.len() as u64, cancellation))
}

/// Like [`icc_profile`], within the remaining budget of `meter`.
///
/// # Errors
/// [`Exhausted`] if the meter is.
pub fn icc_profile_within<'a>(
    bytes: &'a [u8],
    format: Format,
    meter: &Meter<'_>,
) -> Result<Option<Cow<'a, [u8]>>, Exhausted> {
    let input = Input::new(Cursor::new(bytes), meter);
    let profile = from_memory(input.and_then(|mut input| container_icc(bytes, format, &mut input)))?.flatten();
    Ok(profile.filter(|profile| profile.len() <= MAX_PROFILE))
}

fn container_icc<'a>(bytes: &'a [u8], format: Format, input: &mut Input<'_>) -> io::Result<Option<Cow<'a, [u8]>>> {
    Ok(match format {
        Format::Jpeg => jpeg_icc(bytes, input)?,
        Format::Png => {
            let chunk = png::header_chunks(input)?.into_iter().find(|chunk| &chunk.name == b"iCCP");
            let profile = chunk.map(|chunk| png_icc(slice(bytes, &chunk.data), input.meter())).transpose();
            profile.map_err(io::Error::other)?.flatten().map(Cow::Owned)
        }
        Format::WebP => {
            let chunks = webp::chunks(input)?;
            let is_announced = webp::flags(input, &chunks)?.is_some_and(|flags| flags.has(webp::ICC_FLAG));
            let chunk = chunks.into_iter().find(|chunk| is_announced && &chunk.name == b"ICCP");
            chunk.map(|chunk| Cow::Borrowed(slice(bytes, &chunk.data)))
        }
        Format::Gif => gif_icc(bytes, input)?.map(Cow::Owned),
        Format::Tiff => {
            let field = tiff::Block::new(bytes).and_then(|block| block.primary(tiff::ICC_PROFILE));
            field.map(|field| field.value)
        }
        Format::Avif | Format::Heic => {
            heif::meta(input)?.and_then(|meta| meta.icc_profile().map(|icc| Cow::Owned(icc.to_vec())))
        }
        _ => None,
    })
}

/// The part of `bytes` in `range`, truncated to the end.
pub fn slice<'a>(bytes: &'a [u8], range: &Range<u64>) -> &'a [u8] {
    let end = usize::try_from(range.end).unwrap_or(usize::MAX).min(bytes.len());
    usize::try_from(range.start).ok().and_then(|start| bytes.get(start..end)).unwrap_or_default()
}

/// Parses iCCP (PNG 3rd edition, 11.3.2.3): a name of 1 to 79 bytes, a zero, the compression method, the zlib stream.
fn png_icc(data: &[u8], meter: &Meter<'_>) -> Result<Option<Vec<u8>>, Exhausted> {
    let name_end = data.iter().take(80).position(|&b| b == 0);
    match name_end.and_then(|end| data.get(end + 1..)) {
        Some([0, compressed @ ..]) => inflate(compressed, MAX_PROFILE, meter),
        _ => Ok(None),
    }
}

fn jpeg_icc<'a>(bytes: &'a [u8], input: &mut Input<'_>) -> io::Result<Option<Cow<'a, [u8]>>> {
    let segments = jpeg::header_segments(input)?;
    let chunks: Vec<_> = segments
        .iter()
        .filter(|segment| segment.marker == jpeg::APP2)
        .filter_map(|segment| slice(bytes, &segment.payload).strip_prefix(jpeg::ICC))
        .collect();
    input.meter().steps(chunks.len() as u64).map_err(io::Error::other)?;
    Ok(match chunks.as_slice() {
        [[1, 1, whole @ ..]] => Some(Cow::Borrowed(whole)),
        chunks => jpeg::join_icc(chunks).map(Cow::Owned),
    })
}

/// Joins the sub-blocks of the first application extension with a profile, after its name.
fn gif_icc(bytes: &[u8], input: &mut Input<'_>) -> io::Result<Option<Vec<u8>>> {
    let (_, blocks) = gif::blocks(input)?;
    let found = blocks.iter().find_map(|block| match block {
        gif::Block::Extension { label: gif::APPLICATION, name: Some(name), range, cut: false } if name == gif::ICC => {
            Some(range)
        }
        _ => None,
    });
    let Some(range) = found else { return Ok(None) };
    input.meter().hold(range.end - range.start).map_err(io::Error::other)?;
    Ok(Some(gif::sub_blocks(slice(bytes, range), 2).skip(1).collect::<Vec<_>>().concat()))
}

/// Removes JPEG's six-byte header, which some writers of WebP and PNG put before the TIFF block.
pub(crate) fn without_exif_header(block: &[u8]) -> &[u8] {
    block.strip_prefix(jpeg::EXIF).unwrap_or(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jpeg_with(segments: &[Vec<u8>]) -> Vec<u8> {
        let mut file = vec![0xff, jpeg::SOI];
        segments.iter().for_each(|segment| file.extend_from_slice(segment));
        file.extend([0xff, jpeg::EOI]);
        file
    }

    #[test]
    fn jpeg_orientation_is_that_of_the_exif_segment() {
        let exif = jpeg::segment(jpeg::APP1, &[jpeg::EXIF, &tiff::orientation_block(6)]);
        let comment = jpeg::segment(0xfe, &[b"hello"]);
        assert_eq!(
            orientation(&jpeg_with(&[comment.clone(), exif]), Format::Jpeg, &Cancellation::unbounded()).unwrap(),
            6
        );
        assert_eq!(orientation(&jpeg_with(&[comment]), Format::Jpeg, &Cancellation::unbounded()).unwrap(), 1);
        assert_eq!(orientation(b"\xff\xd8\xff", Format::Jpeg, &Cancellation::unbounded()).unwrap(), 1);
    }

    #[test]
    fn jpeg_profile_chunks_are_joined_by_number() {
        let chunk = |number: u8, data: &[u8]| jpeg::segment(jpeg::APP2, &[jpeg::ICC, &[number, 2], data]);
        let file = jpeg_with(&[chunk(2, b"world"), chunk(1, b"hello ")]);
        assert_eq!(
            icc_profile(&file, Format::Jpeg, &Cancellation::unbounded()).unwrap().as_deref(),
            Some(b"hello world".as_slice())
        );
        assert_eq!(
            icc_profile(&jpeg_with(&[chunk(2, b"world")]), Format::Jpeg, &Cancellation::unbounded()).unwrap(),
            None
        );
    }

    #[test]
    fn webp_orientation_may_stand_behind_the_pixels() {
        let mut file = b"RIFF\0\0\0\0WEBP".to_vec();
        file.extend(webp::chunk(*b"VP8X", &[webp::EXIF_FLAG, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
        file.extend(b"VP8L\x03\0\0\0\x2f\0\0\0EXIF\x20\0\0\0Exif\0\0");
        file.extend(tiff::orientation_block(3));
        let size = file.len() as u32 - 8;
        file[4..8].copy_from_slice(&size.to_le_bytes());
        assert_eq!(orientation(&file, Format::WebP, &Cancellation::unbounded()).unwrap(), 3);
    }
}
