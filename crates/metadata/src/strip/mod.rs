//! Removes metadata from a file without touching a pixel: the container is rewritten around the same compressed data.
//!
//! For each container there is a list of the parts that a decoder needs, and nothing else is kept; unknown parts are
//! dropped. Parts that violate the structure of the container are dropped as well, since they may contain anything.

mod bmp;
mod edits;
pub(crate) mod gain_map;
mod gif;
mod heif;
mod heif_meta;
mod heif_movie;
mod heif_units;
mod ico;
pub(crate) mod jpeg;
mod jpeg_tables;
mod jxl;
mod lzw;
mod png;
mod pnm;
mod qoi;
mod svg;
mod swallowed;
mod tiff;
mod tiff_data;
mod webp;
mod zlib;

use std::io::{Read, Seek, SeekFrom};

pub use svg::sanitize_drawing;

use super::{Error, Rewrite};
use image_origin_container::Input;
use image_origin_container::parts::Want;
use image_origin_container::{Cancellation, Format, Meter, SNIFF_LEN, sniff};

/// Which metadata is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Keep {
    /// Only what is required to display the picture: the colour profile and the orientation.
    #[default]
    None,
    /// Also the marks of how the picture was made and may be used: IPTC's digital source type, and PLUS' permission for
    /// data mining.
    Marks,
    /// Also creator, credit and rights.
    Copyright,
    /// All metadata.
    All,
}

impl Keep {
    const fn want(self) -> Want {
        match self {
            Self::None => Want::Orientation,
            Self::Marks => Want::Xmp,
            Self::Copyright | Self::All => Want::All,
        }
    }
}

/// Plans the content of `source` without its metadata, except for what `keep` retains. A drawing (SVG) is sanitised as
/// well, whatever `keep` retains.
///
/// Files are read through a small window, so memory does not grow with them, except for drawings, which are read as a whole.
///
/// # Errors
/// Any [`Error`]; `cancellation` is checked throughout.
pub fn strip(source: &mut (impl Read + Seek), keep: Keep, cancellation: &Cancellation) -> Result<Rewrite, Error> {
    strip_with_format(source, keep, true, cancellation).map(|(_, rewrite)| rewrite)
}

/// Like [`strip`], and also returns the detected format of `source`. Without `keeps_gain_map`, gain maps are removed as
/// well, unless all metadata is kept.
///
/// # Errors
/// The errors of [`strip`].
pub fn strip_with_format(
    source: &mut (impl Read + Seek),
    keep: Keep,
    keeps_gain_map: bool,
    cancellation: &Cancellation,
) -> Result<(Format, Rewrite), Error> {
    let meter = Meter::new(source.seek(SeekFrom::End(0))?, cancellation);
    let mut input = Input::new(source, &meter)?;
    let format = sniff(input.peek(0, SNIFF_LEN)?).ok_or(Error::Unrecognised)?;
    // A drawing is sanitised in any case.
    if keep == Keep::All && format != Format::Svg {
        return Ok((format, Rewrite::identity(input.len())));
    }
    Ok((format, plan(&mut input, format, keep, keeps_gain_map)?))
}

/// Plans the content of a file of this format.
fn plan(input: &mut Input<'_>, format: Format, keep: Keep, keeps_gain_map: bool) -> Result<Rewrite, Error> {
    let rewrite = match format {
        Format::Jpeg => jpeg::strip(input, keep, keeps_gain_map)?,
        Format::Png => png::strip(input, keep)?,
        Format::WebP => webp::strip(input, keep)?,
        Format::Gif => gif::strip(input, keep)?,
        Format::Ico => ico::strip(input, keep)?,
        Format::Tiff => tiff::strip(input, keep)?,
        Format::Avif | Format::Heic => heif::strip(input, keep, keeps_gain_map)?,
        Format::JpegXl => jxl::strip(input, keep)?,
        Format::Pnm => pnm::strip(input)?,
        Format::Bmp => bmp::strip(input)?,
        Format::Qoi => qoi::strip(input)?,
        Format::Svg => svg::strip(input, keep)?,
    };
    Ok(rewrite.recognise(input)?)
}
