//! SVG: keeps what `image_origin_svg` takes for a part of the picture. A file in UTF-8 is copied except for what is removed;
//! of one in another encoding, nothing is the same bytes. The pictures embedded in a drawing lose what their files lose.

use std::borrow::Cow;
use std::io::Cursor;

use super::Keep;
use crate::{Error, Rewrite};
use image_origin_container::{Exhausted, Format, Input, Meter, SNIFF_LEN, sniff};
use image_origin_svg::{self as svg, MAX_LEN, Metadata, Part, Picture, Sanitized};

impl From<Keep> for Metadata {
    fn from(keep: Keep) -> Self {
        match keep {
            // Drawings are not checked for marks.
            Keep::None | Keep::Marks => Self::None,
            Keep::Copyright => Self::Rights,
            Keep::All => Self::All,
        }
    }
}

/// Sanitises a drawing, and removes the metadata of the pictures embedded in it, as [`strip`](crate::strip) does. A
/// picture that is damaged such that it cannot be stripped, or is none of JPEG, PNG, GIF and WebP, is removed.
///
/// # Errors
/// The errors of [`svg::sanitize`].
pub fn sanitize_drawing(text: &str, keep: Keep, meter: &Meter<'_>) -> Result<Sanitized, svg::Error> {
    match keep {
        Keep::All => svg::sanitize(text, keep.into(), meter),
        _ => svg::sanitize_with(text, keep.into(), &|file| embedded(file, keep, meter), meter),
    }
}

/// What remains of an embedded picture. Its structure counts as that of the drawing.
fn embedded(file: &[u8], keep: Keep, meter: &Meter<'_>) -> Result<Picture, Exhausted> {
    let stripped = || {
        let format = sniff(&file[..file.len().min(SNIFF_LEN)]);
        let format = format.filter(|format| matches!(format, Format::Jpeg | Format::Png | Format::Gif | Format::WebP));
        let mut input = Input::new(Cursor::new(file), meter)?;
        let rewrite = super::plan(&mut input, format.ok_or(Error::Unrecognised)?, keep, true)?;
        if rewrite.is_identity() {
            return Ok(Picture::Same);
        }
        meter.hold(rewrite.len())?;
        let mut out = Vec::new();
        rewrite.write_to(Cursor::new(file), &mut out)?;
        Ok(Picture::Changed(out))
    };
    match stripped() {
        Ok(picture) => Ok(picture),
        Err(Error::Exhausted(exhausted)) => Err(exhausted),
        Err(_) => Ok(Picture::Removed),
    }
}

pub(super) fn strip(input: &mut Input<'_>, keep: Keep) -> Result<Rewrite, Error> {
    // One byte more shows that the file is too long.
    let bytes = input.copy(0..input.len(), MAX_LEN + 1)?;
    let text = svg::decode(&bytes, input.meter())?;
    let sanitized = sanitize_drawing(&text, keep, input.meter())?;
    let mut out = Rewrite::new(input.len());
    match &text {
        Cow::Borrowed(_) => {
            for part in sanitized.parts {
                match part {
                    Part::Copy(range) => out.copy(range.start as u64..range.end as u64),
                    Part::Insert(text) => out.insert(text.as_bytes()),
                }
            }
        }
        Cow::Owned(text) => out.insert(sanitized.to_text(text).as_bytes()),
    }
    Ok(out)
}
