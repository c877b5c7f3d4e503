//! The container: RIFF chunks (RFC 9649, section 2).

use super::{damaged, vp8};
use crate::codec::Error;

/// "RIFF", the size and "WEBP".
const HEADER_LEN: usize = 12;

/// Flags of VP8X (section 2.7.1).
pub(super) const ANIMATION: u8 = 0x02;
pub(super) const ALPHA: u8 = 0x10;

/// The chunks of a file as name and content. The last one may be cut short.
pub(super) fn chunks(bytes: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    chunks_in(bytes.get(HEADER_LEN..).unwrap_or_default())
}

/// A chunk's name and content.
pub(super) type Chunk<'a> = ([u8; 4], &'a [u8]);

/// Chunks one after the other, with nothing before them.
pub(super) fn chunks_in(mut rest: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
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
            Some((name, content)) if &name == b"VP8X" => match Extended::read(content) {
                Some(canvas) if !canvas.is_animated => Some(canvas),
                _ => return Ok(None),
            },
            _ => None,
        };
        let mut alpha = None;
        for (name, content) in chunks(bytes).skip(usize::from(canvas.is_some())) {
            match &name {
                b"VP8 " => return Self::new(content, alpha)?.on(canvas).map(Some),
                b"ALPH" if canvas.is_some() => alpha = alpha.or(Some(content)),
                b"VP8L" => return Ok(None),
                _ if canvas.is_none() => return Ok(None),
                _ => {}
            }
        }
        Ok(None)
    }

    /// A picture of its own, such as a frame of an animation.
    pub(super) fn new(frame: &'a [u8], alpha: Option<&'a [u8]>) -> Result<Self, Error> {
        let (width, height) = vp8::size(frame)?;
        Ok(Self { frame, alpha, width, height, is_extended: false })
    }

    /// The picture of a file that may announce its size.
    fn on(self, canvas: Option<Extended>) -> Result<Self, Error> {
        if canvas.as_ref().is_some_and(|canvas| (canvas.width, canvas.height) != (self.width, self.height)) {
            return Err(damaged("the picture is not of the size that the file announces"));
        }
        Ok(Self { is_extended: canvas.is_some(), ..self })
    }
}

/// What the VP8X chunk says (section 2.7.1).
pub(super) struct Extended {
    pub(super) is_animated: bool,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Extended {
    /// The chunk of a file that starts with one.
    pub(super) fn find(bytes: &[u8]) -> Option<Self> {
        let (_, content) = chunks(bytes).next().filter(|(name, _)| name == b"VP8X")?;
        Self::read(content)
    }

    fn read(content: &[u8]) -> Option<Self> {
        let &[flags, _, _, _, w0, w1, w2, h0, h1, h2] = content.first_chunk()?;
        let side = |bytes: [u8; 3]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]) + 1;
        Some(Self { is_animated: flags & ANIMATION != 0, width: side([w0, w1, w2]), height: side([h0, h1, h2]) })
    }
}

/// Appends a chunk, padded to an even length (section 2.3).
pub(super) fn chunk(file: &mut Vec<u8>, name: [u8; 4], content: &[u8]) {
    file.extend_from_slice(&name);
    file.extend((content.len() as u32).to_le_bytes());
    file.extend_from_slice(content);
    file.resize(file.len().next_multiple_of(2), 0);
}

/// A file of these chunks (section 2.4).
pub(super) fn file_of(content: &[Chunk<'_>]) -> Vec<u8> {
    let mut file = b"RIFF\0\0\0\0WEBP".to_vec();
    content.iter().for_each(|(name, content)| chunk(&mut file, *name, content));
    let length = (file.len() - 8) as u32;
    file[4..8].copy_from_slice(&length.to_le_bytes());
    file
}
