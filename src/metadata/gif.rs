//! GIF's blocks (GIF89a, sections 17 to 27).

use std::io::{self, Read, Seek};
use std::ops::Range;

use super::MAX_PARTS;
use super::input::Input;

pub(super) const IMAGE: u8 = 0x2c;
pub(super) const TRAILER: u8 = 0x3b;
const EXTENSION: u8 = 0x21;

pub(super) const GRAPHIC_CONTROL: u8 = 0xf9;
pub(super) const APPLICATION: u8 = 0xff;

/// Identifier and authentication code of the application extension that holds XMP (XMP part 3, 1.1.2).
pub(super) const XMP: &[u8; 11] = b"XMP DataXMP";
/// After XMP come 257 bytes that lead any reader of sub-blocks to the terminator.
const XMP_TRAILER_LEN: u64 = 257;

/// One block of the data stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Block {
    /// An image: descriptor, local colour table and data. `cut` where the file ends inside.
    Image { range: Range<u64>, cut: bool },
    /// An extension with its label; `name` is the first sub-block where that has 11 bytes.
    Extension { label: u8, name: Option<[u8; 11]>, range: Range<u64>, cut: bool },
    /// The end.
    Trailer { range: Range<u64> },
}

impl Block {
    /// The XMP packet inside an application extension that is whole.
    pub(super) fn xmp(&self) -> Option<Range<u64>> {
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

/// The blocks of the file, and the range of header and global colour table that comes before them. Ends at the trailer,
/// the end of the file, or the first byte that opens no block.
pub(super) fn blocks<R: Read + Seek>(input: &mut Input<'_, R>) -> io::Result<(Range<u64>, Vec<Block>)> {
    let packed = input.array::<11>(0)?.map_or(0, |head| head[10]);
    let start = (13 + colour_table_len(packed)).min(input.len());
    let mut blocks = Vec::new();
    let mut at = start;
    while let Some(block) = next_block(input, at)? {
        let (end, last) = match &block {
            Block::Image { range, cut } | Block::Extension { range, cut, .. } => (range.end, *cut),
            Block::Trailer { range } => (range.end, true),
        };
        at = end;
        input.entry::<Block>()?;
        blocks.push(block);
        if last || blocks.len() > MAX_PARTS {
            break;
        }
    }
    Ok((0..start, blocks))
}

fn next_block<R: Read + Seek>(input: &mut Input<'_, R>, at: u64) -> io::Result<Option<Block>> {
    let len = input.len();
    Ok(match input.peek(at, 14)? {
        [IMAGE, descriptor @ ..] => {
            let table = descriptor.get(8).map_or(0, |&packed| colour_table_len(packed));
            // The descriptor, its colour table, and the byte that says the minimum code size.
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

/// Bytes of a colour table that these packed fields announce (sections 18 and 20).
fn colour_table_len(packed: u8) -> u64 {
    if packed & 0x80 == 0 { 0 } else { 3 << ((packed & 7) + 1) }
}

/// Where the chain of sub-blocks from `at` on ends, and whether the file ended first (section 15).
fn sub_blocks_end<R: Read + Seek>(input: &mut Input<'_, R>, mut at: u64) -> io::Result<(u64, bool)> {
    loop {
        match input.stream(at)?.first() {
            None => return Ok((input.len(), true)),
            Some(0) => return Ok((at + 1, false)),
            Some(&size) => at += 1 + u64::from(size),
        }
    }
}

/// The application extension that holds this packet. The bytes after it count down, so that a reader which takes the
/// packet for sub-blocks ends at the terminator wherever it lands (XMP part 3, 1.1.2).
pub(super) fn xmp_extension(packet: &[u8]) -> Vec<u8> {
    let mut out = vec![EXTENSION, APPLICATION, XMP.len() as u8];
    out.extend_from_slice(XMP);
    out.extend_from_slice(packet);
    out.push(1);
    out.extend((0..=0xff).rev());
    out.push(0);
    out
}
