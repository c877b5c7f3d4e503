//! The container: RIFF chunks (RFC 9649, section 2).

use super::{damaged, vp8};
use crate::codec::Error;

/// "RIFF", the size and "WEBP".
const HEADER_LEN: usize = 12;

/// The flag of VP8X for animations (section 2.7.1).
const ANIMATION: u8 = 0x02;

/// The chunks of a file as name and content. The last one may be cut short.
pub(super) fn chunks(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = bytes.get(HEADER_LEN..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (name, after) = rest.split_first_chunk::<4>()?;
        let (length, after) = after.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        rest = after.get(length.saturating_add(length % 2)..).unwrap_or_default();
        Some((*name, &after[..length.min(after.len())]))
    })
}

/// A lossy picture that is no animation.
#[derive(Debug)]
pub(super) struct Lossy<'a> {
    /// The VP8 frame.
    pub(super) frame: &'a [u8],
    /// The content of the alpha chunk.
    pub(super) alpha: Option<&'a [u8]>,
    pub(super) width: u32,
    pub(super) height: u32,
    /// Whether there may be metadata.
    pub(super) is_extended: bool,
}

impl<'a> Lossy<'a> {
    /// Finds the parts of a lossy picture; `None` for all other files.
    pub(super) fn find(bytes: &'a [u8]) -> Result<Option<Self>, Error> {
        let canvas = match chunks(bytes).next() {
            Some((name, content)) if &name == b"VP8X" => match Canvas::read(content) {
                Some(canvas) if !canvas.is_animated => Some(canvas),
                _ => return Ok(None),
            },
            _ => None,
        };
        let mut alpha = None;
        for (name, content) in chunks(bytes).skip(usize::from(canvas.is_some())) {
            match &name {
                b"VP8 " => return Self::new(content, alpha, canvas).map(Some),
                b"ALPH" if canvas.is_some() => alpha = alpha.or(Some(content)),
                b"VP8L" => return Ok(None),
                _ if canvas.is_none() => return Ok(None),
                _ => {}
            }
        }
        Ok(None)
    }

    fn new(frame: &'a [u8], alpha: Option<&'a [u8]>, canvas: Option<Canvas>) -> Result<Self, Error> {
        let (width, height) = vp8::size(frame)?;
        if canvas.as_ref().is_some_and(|canvas| (canvas.width, canvas.height) != (width, height)) {
            return Err(damaged("the picture is not of the size that the file announces"));
        }
        Ok(Self { frame, alpha, width, height, is_extended: canvas.is_some() })
    }
}

/// What the VP8X chunk says (section 2.7.1).
struct Canvas {
    is_animated: bool,
    width: u32,
    height: u32,
}

impl Canvas {
    fn read(content: &[u8]) -> Option<Self> {
        let &[flags, _, _, _, w0, w1, w2, h0, h1, h2] = content.first_chunk()?;
        let side = |bytes: [u8; 3]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]) + 1;
        Some(Self { is_animated: flags & ANIMATION != 0, width: side([w0, w1, w2]), height: side([h0, h1, h2]) })
    }
}
