//! The chunks of a WebP file (RFC 9649, section 2), as parsed by `image-origin-container`.

use image_origin_container::{slice, webp};
use image_origin_vp8::{lossless, lossy};

use super::damaged;
use crate::Error;

/// A chunk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk<'a> {
    pub(super) name: [u8; 4],
    /// The available data.
    pub(super) content: &'a [u8],
    /// Whether the data is truncated.
    pub(super) is_cut: bool,
}

impl<'a> Chunk<'a> {
    fn new(bytes: &'a [u8], chunk: &webp::Chunk) -> Self {
        Self { name: chunk.name, content: slice(bytes, &chunk.data), is_cut: chunk.lacks_data() }
    }
}

/// Iterates over the chunks of a file, up to the size in its header.
pub(super) fn chunks(bytes: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    webp::chunks_of(bytes).map(|chunk| Chunk::new(bytes, &chunk))
}

/// Whether the file is shorter than the size in its header, by more than the padding of its last chunk.
pub(super) fn is_cut(bytes: &[u8]) -> bool {
    (bytes.len() as u64) + 1 < webp::announced_len(bytes)
}

/// Iterates over consecutive chunks without a file header.
pub(super) fn chunks_in(bytes: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    webp::chunks_within(bytes, 0, bytes.len() as u64).map(|chunk| Chunk::new(bytes, &chunk))
}

/// The picture of a file.
#[derive(Debug)]
pub(super) enum Picture<'a> {
    Lossy(Lossy<'a>),
    Lossless(Lossless<'a>),
    Animation(Extended),
}

impl<'a> Picture<'a> {
    /// Finds the parts of a file's picture (sections 2.5 to 2.7).
    ///
    /// # Errors
    /// [`Error::Damaged`] if there is no picture, or its size differs from that in the file header.
    pub(super) fn find(bytes: &'a [u8]) -> Result<Self, Error> {
        let extended = Extended::find(bytes);
        match extended {
            Some(canvas) if canvas.is_animated => return Ok(Self::Animation(canvas)),
            _ => {}
        }
        // In the simple format the picture must be the first chunk.
        let before_picture = if extended.is_some() { usize::MAX } else { 1 };
        let picture = Self::first(chunks(bytes).take(before_picture), extended.is_some())?;
        let picture = picture.ok_or_else(|| damaged("there is no picture"))?;
        match extended {
            Some(canvas) if (canvas.width, canvas.height) != picture.size() => {
                Err(damaged("the picture is not of the size that the file announces"))
            }
            _ => Ok(picture),
        }
    }

    /// The first still picture among these chunks, with the preceding alpha chunk.
    pub(super) fn first(chunks: impl Iterator<Item = Chunk<'a>>, is_extended: bool) -> Result<Option<Self>, Error> {
        let mut alpha = None;
        for chunk in chunks {
            match &chunk.name {
                b"VP8 " => return Lossy::new(chunk, alpha, is_extended).map(|lossy| Some(Self::Lossy(lossy))),
                b"VP8L" => return Lossless::new(chunk, is_extended).map(|lossless| Some(Self::Lossless(lossless))),
                b"ALPH" if is_extended => alpha = alpha.or(Some(chunk.content)),
                _ => {}
            }
        }
        Ok(None)
    }

    /// Width and height.
    pub(super) fn size(&self) -> (u32, u32) {
        match self {
            Self::Lossy(lossy) => (lossy.width, lossy.height),
            Self::Lossless(lossless) => (lossless.header.width, lossless.header.height),
            Self::Animation(canvas) => (canvas.width, canvas.height),
        }
    }

    pub(super) fn has_alpha(&self) -> bool {
        match self {
            Self::Lossy(lossy) => lossy.alpha.is_some(),
            Self::Lossless(lossless) => lossless.header.has_alpha,
            Self::Animation(_) => true,
        }
    }
}

/// A lossy picture.
#[derive(Debug)]
pub(super) struct Lossy<'a> {
    /// The VP8 frame.
    pub(super) frame: &'a [u8],
    /// Whether the frame is truncated.
    pub(super) is_cut: bool,
    /// The content of the alpha chunk.
    pub(super) alpha: Option<&'a [u8]>,
    pub(super) width: u32,
    pub(super) height: u32,
    /// Whether the file is in the extended format, which may contain metadata.
    pub(super) is_extended: bool,
}

impl<'a> Lossy<'a> {
    fn new(chunk: Chunk<'a>, alpha: Option<&'a [u8]>, is_extended: bool) -> Result<Self, Error> {
        let (width, height) = lossy::size(chunk.content)?;
        Ok(Self { frame: chunk.content, is_cut: chunk.is_cut, alpha, width, height, is_extended })
    }
}

/// A lossless picture.
#[derive(Debug)]
pub(super) struct Lossless<'a> {
    /// The VP8L stream.
    pub(super) stream: &'a [u8],
    pub(super) header: lossless::Header,
    /// Whether the file is in the extended format, which may contain metadata.
    pub(super) is_extended: bool,
}

impl<'a> Lossless<'a> {
    fn new(chunk: Chunk<'a>, is_extended: bool) -> Result<Self, Error> {
        Ok(Self { stream: chunk.content, header: lossless::Header::read(chunk.content)?, is_extended })
    }
}

/// The content of the VP8X chunk (section 2.7.1).
#[derive(Debug, Clone, Copy)]
pub(super) struct Extended {
    pub(super) is_animated: bool,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Extended {
    /// Parses the chunk of a file that begins with one.
    pub(super) fn find(bytes: &[u8]) -> Option<Self> {
        let chunk = chunks(bytes).next().filter(|chunk| &chunk.name == b"VP8X")?;
        let &[flags, _, _, _, w0, w1, w2, h0, h1, h2] = chunk.content.first_chunk()?;
        let side = |bytes: [u8; 3]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]) + 1;
        Some(Self {
            is_animated: flags & webp::ANIMATION_FLAG != 0,
            width: side([w0, w1, w2]),
            height: side([h0, h1, h2]),
        })
    }
}

/// Appends a chunk, padded to an even length (section 2.3).
pub(super) fn chunk(file: &mut Vec<u8>, name: [u8; 4], content: &[u8]) {
    file.extend_from_slice(&name);
    file.extend((content.len() as u32).to_le_bytes());
    file.extend_from_slice(content);
    file.resize(file.len().next_multiple_of(2), 0);
}

/// Serializes a file of these chunks (section 2.4), in a buffer of exactly its length.
pub(super) fn file_of(content: &[([u8; 4], &[u8])]) -> Vec<u8> {
    let length: usize = content.iter().map(|(_, content)| 8 + content.len().next_multiple_of(2)).sum();
    let mut file = Vec::with_capacity(12 + length);
    file.extend_from_slice(b"RIFF\0\0\0\0WEBP");
    content.iter().for_each(|(name, content)| chunk(&mut file, *name, content));
    let length = (file.len() - 8) as u32;
    file[4..8].copy_from_slice(&length.to_le_bytes());
    file
}
