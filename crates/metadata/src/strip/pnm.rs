//! Netpbm: keeps the header and the pixels, and drops comments, which are separate lines in a PAM and may occur
//! anywhere before the pixels in the other formats (Netpbm's pages on pbm, pgm, ppm and pam). In text formats, comments
//! may also occur between the pixels. Anything after the pixels is dropped: viewers show the first picture only.

use crate::{Error, Piece, Rewrite};
use image_origin_container::Input;
use image_origin_container::MAX_PARTS;

/// The maximum length of a header line of a PAM.
const MAX_LINE: usize = 4096;
/// The known tuple types of a PAM (the page on pam).
const TUPLE_TYPES: [&str; 6] =
    ["BLACKANDWHITE", "BLACKANDWHITE_ALPHA", "GRAYSCALE", "GRAYSCALE_ALPHA", "RGB", "RGB_ALPHA"];

pub(super) fn strip(input: &mut Input<'_>) -> Result<Rewrite, Error> {
    let [_, kind] = input.array::<2>(0)?.ok_or(Error::Damaged("the header"))?;
    let mut out = Rewrite::new(input.len());
    out.copy(0..2);
    match kind {
        b'1'..=b'6' => {
            let count = if matches!(kind, b'1' | b'4') { 2 } else { 3 };
            let mut text = Text { input, out, at: 2 };
            let mut header = Vec::new();
            for _ in 0..count {
                header.push(text.number(usize::MAX)?.ok_or(Error::Damaged("the header"))?);
            }
            let samples = if matches!(kind, b'3' | b'6') { 3 } else { 1 };
            let length = match (kind, header.as_slice()) {
                (b'4', [width, height]) => width.div_ceil(8).checked_mul(*height),
                (b'6' | b'5', [width, height, most]) => raster(&[*width, *height, samples], *most),
                (_, [width, height, ..]) => raster(&[*width, *height, samples], 1),
                _ => None,
            };
            if matches!(kind, b'1'..=b'3') {
                let length = length.ok_or(Error::Damaged("the header"))?;
                // Bits need not be separated by white space.
                let digits = if kind == b'1' { 1 } else { usize::MAX };
                for _ in 0..length {
                    if text.number(digits)?.is_none() {
                        break;
                    }
                }
                return Ok(text.out);
            }
            let Text { at, out: text, .. } = text;
            out = text;
            pixels(input, &mut out, at, length)?;
        }
        _ => lines(input, &mut out)?,
    }
    Ok(out)
}

/// The size of the samples in bytes, the product of `counts`; `None` above `most`.
fn raster(counts: &[u64], most: u64) -> Option<u64> {
    let size = if most > 255 { 2 } else { 1 };
    counts.iter().try_fold(size, |product: u64, count| product.checked_mul(*count))
}

fn pixels(input: &Input<'_>, out: &mut Rewrite, start: u64, length: Option<u64>) -> Result<(), Error> {
    let length = length.ok_or(Error::Damaged("the header"))?;
    out.copy(start..start.saturating_add(length).min(input.len()));
    Ok(())
}

/// A text that is copied without its comments.
struct Text<'i, 'm> {
    input: &'i mut Input<'m>,
    out: Rewrite,
    at: u64,
}

impl Text<'_, '_> {
    /// Copies the next number with at most this many digits, the text before it, and one white space after it. `None`
    /// if there is something else.
    fn number(&mut self, most_digits: usize) -> Result<Option<u64>, Error> {
        let (mut start, mut number, mut digits, mut in_comment) = (self.at, None, 0, false);
        let mut comments = 0;
        loop {
            let piece = self.input.stream(self.at)?;
            if piece.is_empty() {
                break;
            }
            let (mut is_over, mut read) = (false, 0);
            for &byte in piece {
                match byte {
                    b'\n' | b'\r' if in_comment => {
                        (in_comment, start) = (false, self.at + read);
                        if number.is_some() {
                            (is_over, read) = (true, read + 1);
                            break;
                        }
                    }
                    _ if in_comment => {}
                    b'#' => {
                        self.out.copy(start..self.at + read);
                        (in_comment, comments) = (true, comments + 1);
                    }
                    b'0'..=b'9' if digits < most_digits => {
                        let value = u64::from(byte - b'0');
                        number = Some(number.map_or(value, |high: u64| high.saturating_mul(10).saturating_add(value)));
                        digits += 1;
                    }
                    _ if number.is_some() => {
                        // One white space belongs to the number, and binary data may follow immediately.
                        read += u64::from(byte.is_ascii_whitespace());
                        is_over = true;
                        break;
                    }
                    _ if byte.is_ascii_whitespace() => {}
                    _ => {
                        is_over = true;
                        break;
                    }
                }
                read += 1;
            }
            self.at += read;
            if is_over {
                break;
            }
        }
        for _ in 0..comments {
            self.input.entry::<Piece>()?;
        }
        if !in_comment && number.is_some() {
            self.out.copy(start..self.at);
        }
        Ok(number)
    }
}

/// Copies the known header lines of a PAM, and the pixels.
fn lines(input: &mut Input<'_>, out: &mut Rewrite) -> Result<(), Error> {
    let (mut at, mut counts, mut most) = (2, [None; 3], None);
    for _ in 0..MAX_PARTS {
        let window = input.peek(at, MAX_LINE)?;
        let end = window.iter().take(MAX_LINE).position(|byte| *byte == b'\n').ok_or(Error::Damaged("the header"))?;
        let line = String::from_utf8_lossy(&window[..end]).into_owned();
        at += end as u64 + 1;
        let mut words = line.split_ascii_whitespace();
        let name = words.next().unwrap_or_default();
        let word = words.next().unwrap_or_default();
        let value = word.parse().ok();
        match name {
            "WIDTH" => counts[0] = value,
            "HEIGHT" => counts[1] = value,
            "DEPTH" => counts[2] = value,
            "MAXVAL" => most = value,
            "TUPLTYPE" if TUPLE_TYPES.contains(&word) => {
                out.insert(format!("TUPLTYPE {word}\n").as_bytes());
                continue;
            }
            "ENDHDR" => {
                out.insert(b"ENDHDR\n");
                let counts: Option<Vec<u64>> = counts.into_iter().collect();
                return pixels(input, out, at, counts.zip(most).and_then(|(counts, most)| raster(&counts, most)));
            }
            "" if at == 3 => {
                out.insert(b"\n");
                continue;
            }
            _ => continue,
        }
        let value = value.ok_or(Error::Damaged("the header"))?;
        out.insert(format!("{name} {value}\n").as_bytes());
    }
    Err(Error::Damaged("too many comments"))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use image_origin_container::{Cancellation, Meter};

    fn stripped(file: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        let cancellation = Cancellation::unbounded();
        let meter = Meter::new(file.len() as u64, &cancellation);
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
