//! A PNG's chunks (PNG 3rd edition, 5.3), and those that the `png` crate refuses a file for although it shows without.

use std::borrow::Cow;

use super::super::{Budget, Error, Format};

/// What stands in front of the first chunk; in front of the content of each: length and name; and behind it: checksum.
const SIGNATURE_LEN: usize = 8;
const HEADER_LEN: usize = 8;
const CRC_LEN: usize = 4;

/// The chunks as name and content. The last one may be cut short.
pub(super) fn chunks(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = bytes.get(SIGNATURE_LEN..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (name, after) = after.split_first_chunk::<4>()?;
        let length = u32::from_be_bytes(*length) as usize;
        rest = after.get(length.saturating_add(CRC_LEN)..).unwrap_or_default();
        Some((*name, &after[..length.min(after.len())]))
    })
}

/// All that tells of the picture: what stands in front of its data.
pub(super) fn head(bytes: &[u8]) -> &[u8] {
    let before = chunks(bytes).take_while(|(name, _)| name != b"IDAT");
    let length: usize = before.map(|(_, content)| HEADER_LEN + content.len() + CRC_LEN).sum();
    bytes.get(..SIGNATURE_LEN + length + HEADER_LEN).unwrap_or(bytes)
}

/// A private and ancillary chunk, which decoders pass over.
const PASSED_OVER: &[u8; 4] = b"ioXx";

/// The file, in which ancillary chunks that break their rules are passed over instead of being errors. Where there are
/// any, that is a copy.
///
/// # Errors
/// [`Error::Damaged`] where colours of the palette are cut short, at which the `png` crate panics.
pub(super) fn forgiving<'a>(bytes: &'a [u8], budget: Budget) -> Result<Cow<'a, [u8]>, Error> {
    let mut file = Cow::Borrowed(bytes);
    let (mut at, mut needs_palette) = (SIGNATURE_LEN, false);
    for (name, content) in chunks(bytes).take_while(|(name, _)| name != b"IDAT") {
        match &name {
            b"IHDR" => needs_palette = content.get(9) == Some(&3),
            b"PLTE" if needs_palette && !content.len().is_multiple_of(3) => {
                let reason = "a colour of the palette is cut short".to_owned();
                return Err(Error::Damaged { format: Format::Png, reason });
            }
            b"PLTE" => needs_palette = false,
            _ if breaks_rules(name, content, needs_palette) => {
                budget.check_memory(bytes.len() as u64)?;
                // Its checksum no longer fits, which decoders do not mind in a chunk that they do not know.
                file.to_mut()[at + 4..at + 8].copy_from_slice(PASSED_OVER);
            }
            _ => {}
        }
        at += HEADER_LEN + content.len() + CRC_LEN;
    }
    if let Cow::Owned(_) = file {
        tracing::warn!("the PNG has chunks that break their rules and are ignored");
    }
    Ok(file)
}

/// The rules of sections 11.3.2.6 to 11.3.2.8 and 11.3.4.1, as far as the crate holds a file to them.
fn breaks_rules(name: [u8; 4], content: &[u8], needs_palette: bool) -> bool {
    match (&name, content) {
        // There is no matrix between red, green and blue and themselves; the last number is a flag.
        (b"cICP", [_, _, matrix, range, rest @ ..]) => *matrix != 0 || *range > 1 || !rest.is_empty(),
        (b"mDCV", content) => content.len() > 24,
        (b"cLLI", content) => content.len() > 8,
        (b"bKGD", _) => needs_palette,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Budget = Budget { pixels: 100, memory: 1000 };

    fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
        [&(content.len() as u32).to_be_bytes(), name.as_slice(), content, &[0; 4]].concat()
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
            assert_eq!(forgiving(&file, BUDGET).is_ok(), is_good, "{colour_type} {length}");
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
        ];
        for (colour_type, parts, is_changed) in table {
            let file = file(colour_type, &parts);
            let forgiven = forgiving(&file, BUDGET).unwrap();
            assert_eq!(*forgiven != *file, is_changed, "{parts:?}");
            let names = chunks(&forgiven).filter(|(name, _)| name == PASSED_OVER).count();
            assert_eq!(names, usize::from(is_changed), "{parts:?}");
            for end in 0..file.len() {
                let _ = forgiving(head(&file[..end]), BUDGET);
            }
            assert!(head(&file).ends_with(b"\0\0\0\0IDAT"));
        }
        let bad = file(2, &[chunk(b"cICP", &[1; 4])]);
        assert!(matches!(forgiving(&bad, Budget { memory: 60, ..BUDGET }), Err(Error::TooLarge { .. })));
    }
}
