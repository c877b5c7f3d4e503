//! SVG: keeps what `image_origin_svg` takes for a part of the picture. A file in UTF-8 is copied except for what is removed;
//! of one in another encoding, nothing is the same bytes.

use std::borrow::Cow;
use std::io::{Read, Seek};

use super::Keep;
use crate::{Error, Rewrite};
use image_origin_container::Input;
use image_origin_svg::{self as svg, MAX_LEN, Metadata, Part};

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

pub(super) fn strip<R: Read + Seek>(input: &mut Input<'_, R>, keep: Keep) -> Result<Rewrite, Error> {
    // One byte more shows that the file is too long.
    let bytes = input.copy(0..input.len(), MAX_LEN + 1)?;
    let text = svg::decode(&bytes, input.meter())?;
    let sanitized = svg::sanitize(&text, keep.into(), input.meter())?;
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
