//! The chunks of a PNG, as parsed by `image-origin-container`, and a workaround for chunks that make the `png` crate
//! reject a file that can be displayed.

use std::borrow::Cow;

use super::super::{Budget, Error, Flaw, Format};
use image_origin_container::{png, slice};

/// The lengths of the signature, of length and name before the data of a chunk, and of its checksum.
const SIGNATURE_LEN: usize = 8;
const HEADER_LEN: usize = 8;
const CRC_LEN: usize = 4;

/// A chunk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk<'a> {
    pub(super) name: [u8; 4],
    /// The available data.
    pub(super) content: &'a [u8],
    /// The CRC, unless it is missing.
    checksum: Option<[u8; 4]>,
    /// Whether the chunk is truncated.
    pub(super) is_cut: bool,
}

impl<'a> Chunk<'a> {
    /// Whether the chunk is complete and its CRC matches; decoders ignore other chunks.
    pub(super) fn is_sound(&self) -> bool {
        let mut crc = flate2::Crc::new();
        crc.update(&self.name);
        crc.update(self.content);
        self.checksum == Some(crc.sum().to_be_bytes())
    }

    /// What it means if the chunk is not sound: the file ends within it, or is damaged.
    pub(super) fn flaw(&self) -> Flaw {
        if self.is_cut || self.checksum.is_none() { Flaw::CutShort } else { Flaw::Damaged }
    }

    /// The parts that determine the role of the chunk in an animation. Pixel data is not checked.
    pub(super) fn part(&self) -> png::Part<'a> {
        let is_sound = !matches!(&self.name, b"IDAT" | b"fdAT") && self.is_sound();
        png::Part { name: self.name, len: self.content.len() as u64, head: self.content, is_sound }
    }
}

/// Iterates over the chunks of a file up to IEND, after which the file ends.
pub(super) fn chunks(bytes: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    png::chunks_of(bytes).map(|chunk| Chunk {
        name: chunk.name,
        content: slice(bytes, &chunk.data),
        checksum: slice(bytes, &(chunk.data.end..chunk.range.end)).first_chunk().copied(),
        is_cut: chunk.lacks_data(),
    })
}

/// The part of the file before the image data.
pub(super) fn head(bytes: &[u8]) -> &[u8] {
    let before = chunks(bytes).take_while(|chunk| &chunk.name != b"IDAT");
    let length: usize = before.map(|chunk| HEADER_LEN + chunk.content.len() + CRC_LEN).sum();
    bytes.get(..SIGNATURE_LEN + length + HEADER_LEN).unwrap_or(bytes)
}

/// A private ancillary chunk, which decoders ignore.
const PASSED_OVER: &[u8; 4] = b"ioXx";

/// The file as input for the `png` crate: invalid ancillary chunks are made to be ignored instead of being errors, and
/// a transparent colour is reduced to the bit depth. It is copied only if something changes.
///
/// # Errors
/// [`Error::Damaged`] if the palette is truncated within a colour, at which the `png` crate panics.
pub(super) fn sanitized(bytes: &[u8], budget: Budget) -> Result<Cow<'_, [u8]>, Error> {
    let mut file = Cow::Borrowed(bytes);
    let (mut at, mut needs_palette, mut depth_of_colour) = (SIGNATURE_LEN, false, None);
    // The sequence number of the next frame (11.3.6.2).
    let mut number = 0_u32;
    for chunk in chunks(bytes).take_while(|chunk| &chunk.name != b"IDAT") {
        let Chunk { name, content, .. } = chunk;
        match &name {
            b"IHDR" => {
                needs_palette = content.get(9) == Some(&3);
                depth_of_colour = content.get(8).copied().filter(|_| !needs_palette);
            }
            b"PLTE" if needs_palette && !content.len().is_multiple_of(3) => {
                let reason = "a colour of the palette is cut short".to_owned();
                return Err(Error::Damaged { format: Format::Png, reason });
            }
            b"PLTE" => needs_palette = false,
            b"fcTL" if content.first_chunk() == Some(&number.to_be_bytes()) => {
                number += u32::from(chunk.is_sound());
            }
            _ if breaks_rules(name, content, depth_of_colour.is_some(), needs_palette) => {
                budget.check_memory(bytes.len() as u64)?;
                // The checksum no longer matches, which decoders accept in unknown chunks.
                file.to_mut()[at + 4..at + 8].copy_from_slice(PASSED_OVER);
            }
            b"tRNS" if chunk.is_sound() => {
                let whole = at..at + HEADER_LEN + content.len() + CRC_LEN;
                if let Some(colour) = depth_of_colour.and_then(|depth| transparent_colour(content, depth))
                    && whole.end <= bytes.len()
                {
                    budget.check_memory(bytes.len() as u64)?;
                    file.to_mut()[whole].copy_from_slice(&png::chunk(name, &colour));
                }
            }
            _ => {}
        }
        at += HEADER_LEN + content.len() + CRC_LEN;
    }
    if let Cow::Owned(_) = file {
        tracing::warn!("the PNG has chunks that break their rules and are ignored or mended");
    }
    Ok(file)
}

/// The colour in a tRNS chunk, two bytes per sample, masked to the bit depth (section 11.3.1.1); `None` if it is
/// already valid.
fn transparent_colour(content: &[u8], depth: u8) -> Option<Vec<u8>> {
    if !matches!(content.len(), 2 | 6) {
        return None;
    }
    let mask = 1u16.checked_shl(depth.into()).map_or(u16::MAX, |next| next - 1);
    let samples = content.as_chunks::<2>().0.iter().map(|sample| u16::from_be_bytes(*sample) & mask);
    let colour: Vec<u8> = samples.flat_map(u16::to_be_bytes).collect();
    (colour != content).then_some(colour)
}

/// Checks the rules of sections 11.3.1.1, 11.3.2.6 to 11.3.2.8 and 11.3.4.1 that the `png` crate enforces, or should.
fn breaks_rules(name: [u8; 4], content: &[u8], has_colours: bool, needs_palette: bool) -> bool {
    match (&name, content) {
        (b"tRNS", content) => has_colours && !matches!(content.len(), 2 | 6),
        // The matrix must be identity (RGB); the last number is a flag.
        (b"cICP", [_, _, matrix, range, rest @ ..]) => *matrix != 0 || *range > 1 || !rest.is_empty(),
        (b"mDCV", content) => content.len() > 24,
        (b"cLLI", content) => content.len() > 8,
        (b"bKGD", _) => needs_palette,
        // Its sequence number is wrong.
        (b"fcTL", _) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Budget = Budget { pixels: 100, memory: 1000 };

    fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
        png::chunk(*name, content)
    }

    fn file(colour_type: u8, chunks: &[Vec<u8>]) -> Vec<u8> {
        let header = chunk(b"IHDR", &[0, 0, 0, 1, 0, 0, 0, 1, 8, colour_type, 0, 0, 0]);
        [b"\x89PNG\r\n\x1a\n".as_slice(), &header, &chunks.concat(), &chunk(b"IDAT", &[]), &chunk(b"cICP", &[9; 4])]
            .concat()
    }

    #[test]
    fn a_palette_holds_whole_colours() {
        for (colour_type, length, is_good) in
            [(3, 3, true), (3, 768, true), (3, 49, false), (3, 2, false), (2, 49, true)]
        {
            let file = file(colour_type, &[chunk(b"PLTE", &vec![7; length])]);
            assert_eq!(sanitized(&file, BUDGET).is_ok(), is_good, "{colour_type} {length}");
        }
    }

    #[test]
    fn only_chunks_that_break_their_rules_are_passed_over() {
        let palette = chunk(b"PLTE", &[1, 2, 3]);
        let table = [
            (2, vec![chunk(b"cICP", &[12, 13, 0, 1])], false),
            (2, vec![chunk(b"cICP", &[12, 13, 0, 0])], false),
            (2, vec![chunk(b"cICP", &[12, 13])], false),
            (2, vec![chunk(b"cICP", &[12, 13, 1, 1])], true),
            (2, vec![chunk(b"cICP", &[12, 13, 0, 2])], true),
            (2, vec![chunk(b"cICP", &[12, 13, 0, 1, 0])], true),
            (2, vec![chunk(b"mDCV", &[0; 24]), chunk(b"cLLI", &[0; 8])], false),
            (2, vec![chunk(b"mDCV", &[0; 25])], true),
            (2, vec![chunk(b"gAMA", &[0; 4]), chunk(b"cLLI", &[0; 9])], true),
            (2, vec![chunk(b"bKGD", &[0; 6])], false),
            (3, vec![palette.clone(), chunk(b"bKGD", &[0])], false),
            (3, vec![chunk(b"bKGD", &[0]), palette], true),
            (2, vec![chunk(b"fcTL", &[0; 26])], false),
            (2, vec![chunk(b"fcTL", &[1; 26])], true),
        ];
        for (colour_type, parts, is_changed) in table {
            let file = file(colour_type, &parts);
            let mended = sanitized(&file, BUDGET).unwrap();
            assert_eq!(*mended != *file, is_changed, "{parts:?}");
            let names = chunks(&mended).filter(|chunk| &chunk.name == PASSED_OVER).count();
            assert_eq!(names, usize::from(is_changed), "{parts:?}");
            for end in 0..file.len() {
                let _ = sanitized(head(&file[..end]), BUDGET);
            }
            assert!(head(&file).ends_with(b"\0\0\0\0IDAT"));
        }
        let bad = file(2, &[chunk(b"cICP", &[1; 4])]);
        assert!(matches!(sanitized(&bad, Budget { memory: 60, ..BUDGET }), Err(Error::TooLarge { .. })));
    }
    #[test]
    fn a_transparent_colour_has_the_bits_of_samples() {
        for (depth, content, expected) in [
            (1, vec![0, 0xff], Some(vec![0, 1])),
            (1, vec![0, 1], None),
            (2, vec![0xab, 0xfe], Some(vec![0, 2])),
            (4, vec![0, 0x17], Some(vec![0, 7])),
            (8, vec![1, 2, 3, 4, 5, 6], Some(vec![0, 2, 0, 4, 0, 6])),
            (8, vec![0, 2, 0, 4, 0, 6], None),
            (16, vec![0xff, 0xff], None),
            (8, vec![1, 2, 3], None),
        ] {
            assert_eq!(transparent_colour(&content, depth), expected, "{depth} {content:?}");
        }
        let mended = file(0, &[chunk(b"tRNS", &[1, 7])]);
        assert_eq!(chunks(&sanitized(&mended, BUDGET).unwrap()).nth(1).unwrap().content, [0, 7]);
        let palette = file(3, &[chunk(b"PLTE", &[1; 6]), chunk(b"tRNS", &[1, 7])]);
        assert_eq!(*sanitized(&palette, BUDGET).unwrap(), palette);
    }
}
