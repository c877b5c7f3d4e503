//! GIF blocks (GIF89a, sections 17 to 27).

use std::io;
use std::ops::Range;

use super::MAX_PARTS;
use crate::input::Input;
use crate::{Cancellation, Cancelled};

/// The introducer of an image (section 20).
pub const IMAGE: u8 = 0x2c;
/// The trailer of the data stream (section 27).
pub const TRAILER: u8 = 0x3b;
const EXTENSION: u8 = 0x21;

/// The label of the graphic control extension, which applies to the next image (section 23).
pub const GRAPHIC_CONTROL: u8 = 0xf9;
/// The label of application extensions (section 26).
pub const APPLICATION: u8 = 0xff;

/// The application extensions with the loop count: Netscape's, and an equivalent one.
pub const LOOPS: [&[u8; 11]; 2] = [b"NETSCAPE2.0", b"ANIMEXTS1.0"];
/// The application extension with an ICC profile (ICC.1:2022, B.5).
pub const ICC: &[u8; 11] = b"ICCRGBG1012";

/// The identifier and authentication code of the application extension with XMP (XMP part 3, 1.1.2).
pub const XMP: &[u8; 11] = b"XMP DataXMP";
/// The length of the trailer after XMP, which leads any reader of sub-blocks to the terminator.
const XMP_TRAILER_LEN: u64 = 257;

/// A block of the data stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// An image: descriptor, local colour table and data.
    Image {
        /// The whole block.
        range: Range<u64>,
        /// Whether the file ends within the block.
        cut: bool,
    },
    /// An extension.
    Extension {
        /// The label, which identifies its kind.
        label: u8,
        /// The first sub-block if it has 11 bytes: the identifier of an application extension.
        name: Option<[u8; 11]>,
        /// The whole block.
        range: Range<u64>,
        /// Whether the file ends within the block.
        cut: bool,
    },
    /// The trailer.
    Trailer {
        /// Its single byte.
        range: Range<u64>,
    },
}

impl Block {
    /// The location of the XMP packet in a complete application extension.
    pub fn xmp(&self) -> Option<Range<u64>> {
        match self {
            Self::Extension { label: APPLICATION, name: Some(name), range, cut: false } if name == XMP => {
                let start = range.start + 3 + name.len() as u64;
                let end = range.end.saturating_sub(XMP_TRAILER_LEN + 1);
                (start < end).then_some(start..end)
            }
            _ => None,
        }
    }
}

/// Reads the blocks of the file, and the range of the header and global colour table before them. It stops at the
/// trailer, the end of the file, or the first byte that begins no block.
pub fn blocks(input: &mut Input<'_>) -> io::Result<(Range<u64>, Vec<Block>)> {
    let header = header(input)?;
    let mut blocks = Vec::new();
    let mut at = Some(header.end);
    while let Some(block) = following_block(input, &mut at)? {
        input.entry::<Block>()?;
        blocks.push(block);
        if blocks.len() > MAX_PARTS {
            break;
        }
    }
    Ok((header, blocks))
}

/// Iterates over the blocks of a file in memory, like [`blocks`].
pub struct Blocks<'b> {
    memory: Memory<'b>,
    /// The offset of the next block; `None` after the last.
    at: Option<u64>,
}

impl<'b> Blocks<'b> {
    /// Parses the header of a file.
    ///
    /// # Errors
    /// [`Cancelled`] if `cancellation` is cancelled.
    pub fn new(bytes: &'b [u8], cancellation: &'b Cancellation) -> Result<Self, Cancelled> {
        let mut memory = Memory { bytes, cancellation, looks: 0 };
        // Reading from memory can only fail if the work is cancelled.
        let at = Some(header(&mut memory).map_err(|_| Cancelled)?.end);
        Ok(Self { memory, at })
    }

    /// Reads the next block; `None` after the last.
    pub fn next_block(&mut self) -> Result<Option<Block>, Cancelled> {
        following_block(&mut self.memory, &mut self.at).map_err(|_| Cancelled)
    }
}

/// A source of bytes for the block reader.
trait Source {
    fn len(&self) -> u64;

    /// The bytes from `at` on: at least `want` of them, or all remaining ones.
    fn peek(&mut self, at: u64, want: usize) -> io::Result<&[u8]>;
}

impl Source for Input<'_> {
    fn len(&self) -> u64 {
        Input::len(self)
    }

    fn peek(&mut self, at: u64, want: usize) -> io::Result<&[u8]> {
        Input::peek(self, at, want)
    }
}

/// A file in memory. Walking its blocks allocates nothing and takes linear time.
struct Memory<'b> {
    bytes: &'b [u8],
    cancellation: &'b Cancellation,
    /// The number of accesses since the last check for cancellation.
    looks: u32,
}

impl Source for Memory<'_> {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn peek(&mut self, at: u64, _: usize) -> io::Result<&[u8]> {
        self.looks += 1;
        if self.looks.is_multiple_of(1 << 14) {
            self.cancellation.check().map_err(io::Error::other)?;
        }
        Ok(usize::try_from(at).ok().and_then(|at| self.bytes.get(at..)).unwrap_or_default())
    }
}

/// Iterates over the sub-blocks (section 15) that begin at `start`, as far as they exist.
pub fn sub_blocks(bytes: &[u8], start: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes.get(start..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (&length, after) = rest.split_first().filter(|(length, _)| **length > 0)?;
        let (content, after) = after.split_at(usize::from(length).min(after.len()));
        rest = after;
        Some(content)
    })
}

/// Returns the range of header and global colour table (sections 17 to 19).
fn header(input: &mut impl Source) -> io::Result<Range<u64>> {
    let packed = input.peek(0, 11)?.get(10).copied().unwrap_or(0);
    Ok(0..(13 + colour_table_len(packed)).min(input.len()))
}

/// Reads the block at `at`, and advances `at` past it.
fn following_block(input: &mut impl Source, at: &mut Option<u64>) -> io::Result<Option<Block>> {
    let Some(start) = *at else { return Ok(None) };
    let block = next_block(input, start)?;
    *at = match &block {
        Some(Block::Image { range, cut: false } | Block::Extension { range, cut: false, .. }) => Some(range.end),
        _ => None,
    };
    Ok(block)
}

fn next_block(input: &mut impl Source, at: u64) -> io::Result<Option<Block>> {
    let len = input.len();
    Ok(match input.peek(at, 14)? {
        [IMAGE, descriptor @ ..] => {
            let table = descriptor.get(8).map_or(0, |&packed| colour_table_len(packed));
            // The descriptor, its colour table, and the byte with the minimum code size.
            let (end, cut) = sub_blocks_end(input, at + 10 + table + 1)?;
            Some(Block::Image { range: at..end.min(len), cut })
        }
        [EXTENSION, label, rest @ ..] => {
            let label = *label;
            let name = match rest {
                [11, name @ ..] => name.first_chunk::<11>().copied(),
                _ => None,
            };
            let (end, cut) = sub_blocks_end(input, at + 2)?;
            Some(Block::Extension { label, name, range: at..end, cut })
        }
        [TRAILER, ..] => Some(Block::Trailer { range: at..at + 1 }),
        _ => None,
    })
}

/// The length of the colour table according to these packed fields (sections 18 and 20).
pub fn colour_table_len(packed: u8) -> u64 {
    if packed & 0x80 == 0 { 0 } else { 3 << ((packed & 7) + 1) }
}

/// Returns the end of the chain of sub-blocks that starts at `at`, and whether the file ends within it (section 15).
fn sub_blocks_end(input: &mut impl Source, mut at: u64) -> io::Result<(u64, bool)> {
    loop {
        match input.peek(at, 1)?.first() {
            None => return Ok((input.len(), true)),
            Some(0) => return Ok((at + 1, false)),
            Some(&size) => at += 1 + u64::from(size),
        }
    }
}

/// Serializes the application extension with this packet. The trailing bytes count down, so that a reader that
/// interprets the packet as sub-blocks reaches the terminator wherever it lands (XMP part 3, 1.1.2).
pub fn xmp_extension(packet: &[u8]) -> Vec<u8> {
    let mut out = vec![EXTENSION, APPLICATION, XMP.len() as u8];
    out.extend_from_slice(XMP);
    out.extend_from_slice(packet);
    out.push(1);
    out.extend((0..=0xff).rev());
    out.push(0);
    out
}
