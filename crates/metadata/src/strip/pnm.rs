//! Netpbm: keeps the numbers of the header and the pixels, and drops the comments, which stand in lines of their own in a
//! PAM and anywhere before the pixels in the others (Netpbm's pages on pbm, pgm, ppm and pam). Where pixels are numbers in
//! text, comments may stand between these, too. What follows the pixels is dropped: viewers show the first picture only.

use std::io::{Read, Seek};

use crate::{Error, Rewrite};
use image_origin_container::Input;
use image_origin_container::MAX_PARTS;

/// The longest line of a PAM's header.
const MAX_LINE: usize = 4096;

pub(super) fn strip<R: Read + Seek>(input: &mut Input<'_, R>) -> Result<Rewrite, Error> {
    let [_, kind] = input.array::<2>(0)?.ok_or(Error::Damaged("the header"))?;
    let mut out = Rewrite::new(input.len());
    out.copy(0..2);
    match kind {
        b'1'..=b'3' => {
            text(input, &mut out, usize::MAX)?;
        }
        b'4'..=b'6' => {
            let (end, numbers) = text(input, &mut out, if kind == b'4' { 2 } else { 3 })?;
            let length = match (kind, numbers.as_slice()) {
                (b'4', [width, height]) => width.div_ceil(8).checked_mul(*height),
                (_, [width, height, most]) => raster(&[*width, *height, if kind == b'5' { 1 } else { 3 }], *most),
                _ => None,
            };
            pixels(input, &mut out, end, length)?;
        }
        _ => lines(input, &mut out)?,
    }
    Ok(out)
}

/// Bytes of samples up to `most`, of which there are as many as the product of `counts`.
fn raster(counts: &[u64], most: u64) -> Option<u64> {
    let size = if most > 255 { 2 } else { 1 };
    counts.iter().try_fold(size, |product: u64, count| product.checked_mul(*count))
}

fn pixels<R: Read + Seek>(
    input: &Input<'_, R>,
    out: &mut Rewrite,
    start: u64,
    length: Option<u64>,
) -> Result<(), Error> {
    let length = length.ok_or(Error::Damaged("the header"))?;
    out.copy(start..start.saturating_add(length).min(input.len()));
    Ok(())
}

/// Copies text without comments up to the white space that ends the last of `count` numbers, or to the end of the file.
/// Gives the place behind it, and the numbers.
fn text<R: Read + Seek>(input: &mut Input<'_, R>, out: &mut Rewrite, count: usize) -> Result<(u64, Vec<u64>), Error> {
    let (mut at, mut start, mut comments, mut in_comment) = (2, 2, 0, false);
    let (mut numbers, mut number) = (Vec::new(), None);
    loop {
        let piece = input.stream(at)?;
        if piece.is_empty() {
            break;
        }
        for &byte in piece {
            match byte {
                b'\n' | b'\r' if in_comment => (in_comment, start) = (false, at),
                _ if in_comment => {}
                b'#' => {
                    out.copy(start..at);
                    (in_comment, comments) = (true, comments + 1);
                }
                _ => {}
            }
            at += 1;
            if in_comment || count == usize::MAX {
                continue;
            }
            match (byte, number) {
                (b'0'..=b'9', value) => {
                    number = Some(value.unwrap_or(0u64).saturating_mul(10).saturating_add(u64::from(byte - b'0')));
                }
                (_, Some(value)) => (numbers, number) = ([numbers, vec![value]].concat(), None),
                _ => {}
            }
            if numbers.len() == count {
                out.copy(start..at);
                return Ok((at, numbers));
            }
        }
        if comments > MAX_PARTS {
            return Err(Error::Damaged("too many comments"));
        }
    }
    if !in_comment {
        out.copy(start..at);
    }
    Ok((at, numbers))
}

/// Copies the lines of a PAM's header that are no comments, and the pixels.
fn lines<R: Read + Seek>(input: &mut Input<'_, R>, out: &mut Rewrite) -> Result<(), Error> {
    let (mut at, mut counts, mut most) = (2, [None; 3], None);
    for _ in 0..MAX_PARTS {
        let window = input.peek(at, MAX_LINE)?;
        let end = window.iter().take(MAX_LINE).position(|byte| *byte == b'\n').ok_or(Error::Damaged("the header"))?;
        let line = String::from_utf8_lossy(&window[..end]).into_owned();
        let range = at..at + end as u64 + 1;
        at = range.end;
        let mut words = line.split_ascii_whitespace();
        let name = words.next().unwrap_or_default();
        let value = words.next().and_then(|value| value.parse().ok());
        match name {
            "WIDTH" => counts[0] = value,
            "HEIGHT" => counts[1] = value,
            "DEPTH" => counts[2] = value,
            "MAXVAL" => most = value,
            comment if comment.starts_with('#') => continue,
            _ => {}
        }
        out.copy(range);
        if name == "ENDHDR" {
            let counts: Option<Vec<u64>> = counts.into_iter().collect();
            return pixels(input, out, at, counts.zip(most).and_then(|(counts, most)| raster(&counts, most)));
        }
    }
    Err(Error::Damaged("too many comments"))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use image_origin_container::{Meter, Work};

    fn stripped(file: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        let work = Work::unbounded();
        let meter = Meter::new(file.len() as u64, &work);
        strip(&mut Input::new(Cursor::new(file), &meter)?)?.write_to(Cursor::new(file), &mut out)?;
        Ok(out)
    }

    #[test]
    fn comments_go_and_pixels_stay() {
        let table: [(&[u8], &[u8]); 9] = [
            (b"P1\n# a word\n2 2\n1 0 # two\n0 1\n", b"P1\n\n2 2\n1 0 \n0 1\n"),
            (b"P2 2 1 100 0 50", b"P2 2 1 100 0 50"),
            (b"P3#a\r\n1 1 255 1 2 3\n#end", b"P3\r\n1 1 255 1 2 3\n"),
            (b"P4 9 2\n#\x01\x02#behind", b"P4 9 2\n#\x01\x02#"),
            (b"P5 2 1 255\n\x01\x02behind", b"P5 2 1 255\n\x01\x02"),
            (b"P5\n#a 3 4\n1 1 65535#b\n#\x02", b"P5\n\n1 1 65535\n#\x02"),
            (b"P6 1 2 255 #\x02\x03", b"P6 1 2 255 #\x02\x03"),
            (b"P6\n1 1\n255\n\x01#\x03\n", b"P6\n1 1\n255\n\x01#\x03"),
            (
                b"P7\nWIDTH 1\n# who\nHEIGHT 1\nDEPTH 2\nMAXVAL 255\nTUPLTYPE GRAYSCALE_ALPHA\nENDHDR\n#\x02more",
                b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 2\nMAXVAL 255\nTUPLTYPE GRAYSCALE_ALPHA\nENDHDR\n#\x02",
            ),
        ];
        for (file, expected) in table {
            let shown = String::from_utf8_lossy(file);
            assert_eq!(String::from_utf8_lossy(&stripped(file).unwrap()), String::from_utf8_lossy(expected), "{shown}");
            for end in 2..file.len() {
                let _ = stripped(&file[..end]);
            }
        }
    }

    #[test]
    fn headers_that_do_not_end_are_damage() {
        for file in [b"P6 1 1".to_vec(), b"P7\nWIDTH 1\n".to_vec(), b"P7\nENDHDR\n".to_vec()] {
            assert!(matches!(stripped(&file), Err(Error::Damaged(_))), "{}", String::from_utf8_lossy(&file));
        }
        let huge = b"P6 18446744073709551615 2 255\nx";
        assert!(matches!(stripped(huge), Err(Error::Damaged(_))));
    }
}
