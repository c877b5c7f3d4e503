//! GIF: keeps images, their graphic control extensions, the loop count and an ICC profile.

use std::io::{Read, Seek};

use super::Keep;
use crate::rights::for_same_pixels;
use crate::{Error, Rewrite};
use image_origin_container::Input;
use image_origin_container::gif::{self, APPLICATION, Block, GRAPHIC_CONTROL, ICC, LOOPS};
use image_origin_container::{MAX_PARTS, parts};

pub(super) fn strip<R: Read + Seek>(input: &mut Input<'_, R>, keep: Keep) -> Result<Rewrite, Error> {
    let (header, blocks) = gif::blocks(input)?;
    if blocks.len() > MAX_PARTS {
        return Err(Error::Damaged("too many blocks"));
    }
    let xmp = for_same_pixels(&parts::of_gif(input, &blocks, keep.want())?, keep, input.meter())?.xmp;
    let mut out = Rewrite::new(input.len());
    out.copy(header);
    if let Some(packet) = xmp {
        out.insert(&gif::xmp_extension(&packet));
    }
    for block in &blocks {
        match block {
            Block::Image { range, .. } | Block::Trailer { range } => out.copy(range.clone()),
            Block::Extension { label, name, range, cut: false } if is_kept(*label, name.as_ref()) => {
                out.copy(range.clone());
            }
            Block::Extension { .. } => {}
        }
    }
    let complete = blocks.iter().any(|block| matches!(block, Block::Image { .. }));
    if complete { Ok(out) } else { Err(Error::Damaged("no image data")) }
}

fn is_kept(label: u8, name: Option<&[u8; 11]>) -> bool {
    match label {
        GRAPHIC_CONTROL => true,
        // What changes how the images are shown.
        APPLICATION => name.is_some_and(|name| LOOPS.contains(&name) || name == ICC),
        _ => false,
    }
}
