//! PNG chunks (PNG 3rd edition, section 5).

mod frames;

pub use frames::{CONTROL_LEN, Control, Part, Role, Sequence};

use std::io;
use std::ops::Range;

use super::MAX_PARTS;
use crate::inflate::inflate;
use crate::input::Input;
use crate::{Exhausted, Meter};

/// The length of the signature before the first chunk.
pub const SIGNATURE_LEN: u64 = 8;

/// The location of a chunk in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The type, four letters.
    pub name: [u8; 4],
    /// Length, name, data and CRC.
    pub range: Range<u64>,
    /// The data only.
    pub data: Range<u64>,
    /// The length of the data according to the chunk.
    pub length: u32,
    /// Whether the file ends within the chunk.
    pub cut: bool,
}

impl Chunk {
    /// Parses length and name, located at `at` in a file of `len` bytes. A length beyond the standard's limit (section
    /// 7.1) extends to the end of the file, as in the `png` crate.
    fn new([l0, l1, l2, l3, name @ ..]: [u8; 8], at: u64, len: u64) -> Self {
        let length = u32::from_be_bytes([l0, l1, l2, l3]);
        let data = at + 8;
        let data_end = data + u64::from(length);
        let end = data_end + 4;
        Self { name, range: at..end.min(len), data: data..data_end.min(len), length, cut: end > len }
    }

    /// Whether the file ends within the data.
    pub const fn lacks_data(&self) -> bool {
        self.data.end - self.data.start < self.length as u64
    }
}

/// Parses the chunk at `at`; `None` if no complete chunk header is left (section 5.3).
///
/// # Errors
/// The errors of `input`.
pub fn next_chunk(input: &mut Input<'_>, at: u64) -> io::Result<Option<Chunk>> {
    let len = input.len();
    Ok(input.array::<8>(at)?.map(|head| Chunk::new(head, at, len)))
}

/// Iterates over the chunks of a file in memory up to IEND, without the limit on their number that [`chunks`] has.
pub fn chunks_of(file: &[u8]) -> impl Iterator<Item = Chunk> {
    let mut next = Some(SIGNATURE_LEN);
    std::iter::from_fn(move || {
        let at = next?;
        let head = file.get(usize::try_from(at).ok()?..)?.first_chunk()?;
        let chunk = Chunk::new(*head, at, file.len() as u64);
        next = (&chunk.name != b"IEND").then_some(chunk.range.end);
        Some(chunk)
    })
}

/// Whether a chunk is complete and its CRC matches (section 5.3). Decoders skip other ancillary chunks.
///
/// # Errors
/// The errors of `input`.
pub fn is_sound(input: &mut Input<'_>, chunk: &Chunk) -> io::Result<bool> {
    if chunk.cut {
        return Ok(false);
    }
    let sum = checksum(input, chunk.name, &[], chunk.data.clone())?;
    Ok(input.array::<4>(chunk.data.end)? == Some(sum))
}

/// Computes the CRC of a chunk whose data is `first` followed by these bytes of the file.
///
/// # Errors
/// The errors of `input`.
pub fn checksum(input: &mut Input<'_>, name: [u8; 4], first: &[u8], rest: Range<u64>) -> io::Result<[u8; 4]> {
    let mut crc = flate2::Crc::new();
    crc.update(&name);
    crc.update(first);
    let mut at = rest.start;
    while at < rest.end {
        let bytes = input.stream(at)?;
        let len = bytes.len().min(usize::try_from(rest.end - at).unwrap_or(usize::MAX));
        if len == 0 {
            break;
        }
        crc.update(bytes.get(..len).unwrap_or_default());
        at += len as u64;
    }
    Ok(crc.sum().to_be_bytes())
}

/// Reads the chunks up to IEND, after which the file ends.
pub fn chunks(input: &mut Input<'_>) -> io::Result<Vec<Chunk>> {
    let mut chunks = Vec::new();
    let mut at = SIGNATURE_LEN;
    while let Some(chunk) = next_chunk(input, at)? {
        at = chunk.range.end;
        let last = &chunk.name == b"IEND";
        input.entry::<Chunk>()?;
        chunks.push(chunk);
        if last || chunks.len() > MAX_PARTS {
            break;
        }
    }
    Ok(chunks)
}

/// Reads the chunks before the image data.
pub fn header_chunks(input: &mut Input<'_>) -> io::Result<Vec<Chunk>> {
    let mut chunks = Vec::new();
    let mut at = SIGNATURE_LEN;
    while let Some(chunk) = next_chunk(input, at)? {
        at = chunk.range.end;
        if matches!(&chunk.name, b"IDAT" | b"IEND") || chunks.len() == MAX_PARTS {
            break;
        }
        input.entry::<Chunk>()?;
        chunks.push(chunk);
    }
    Ok(chunks)
}

/// The content of a text chunk.
pub struct Text {
    /// The keyword, 1 to 79 bytes of Latin-1.
    pub keyword: Vec<u8>,
    /// The text, not decoded: Latin-1 or UTF-8.
    pub text: Vec<u8>,
}

/// Parses a tEXt, zTXt or iTXt chunk (section 11.3.3) and inflates its text, without decoding it; `None` if the chunk
/// is damaged, or if the text inflates to more than `max_bytes`.
pub fn text(name: [u8; 4], data: &[u8], max_bytes: usize, meter: &Meter<'_>) -> Result<Option<Text>, Exhausted> {
    let Some(keyword_end) = data.iter().take(80).position(|&b| b == 0) else { return Ok(None) };
    let (keyword, rest) = (&data[..keyword_end], &data[keyword_end + 1..]);
    let text = match (&name, rest) {
        (b"tEXt", text) => Some(text.to_vec()),
        (b"zTXt", [0, compressed @ ..]) => inflate(compressed, max_bytes, meter)?,
        (b"iTXt", [compressed, _method, rest @ ..]) => {
            // Language tag and translated keyword, each terminated by a zero, precede the text.
            match (*compressed, rest.splitn(3, |&b| b == 0).nth(2)) {
                (0, text) => text.map(<[u8]>::to_vec),
                (_, Some(text)) => inflate(text, max_bytes, meter)?,
                (_, None) => None,
            }
        }
        _ => None,
    };
    Ok(text.map(|text| Text { keyword: keyword.to_vec(), text }))
}

/// Decodes a raw profile, ImageMagick's representation of a profile in a text chunk: its name, its decimal length, and
/// hexadecimal digits, each on separate lines. Anything after the last digit is ignored.
pub fn raw_profile(text: &[u8]) -> Option<Vec<u8>> {
    let mut lines = text.trim_ascii_start().splitn(3, |&b| b == b'\n');
    let (_name, length, digits) = (lines.next()?, lines.next()?, lines.next()?);
    let length: usize = std::str::from_utf8(length.trim_ascii()).ok()?.parse().ok()?;
    let mut nibbles = digits.iter().filter(|b| !b.is_ascii_whitespace()).map(|&b| char::from(b).to_digit(16));
    let mut profile = Vec::new();
    while profile.len() < length {
        let (high, low) = (nibbles.next()??, nibbles.next()??);
        profile.push((high * 16 + low) as u8);
    }
    Some(profile)
}

/// Serializes a chunk with its CRC (section 5.3).
pub fn chunk(name: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut out = (data.len() as u32).to_be_bytes().to_vec();
    out.extend(name);
    out.extend_from_slice(data);
    let mut crc = flate2::Crc::new();
    crc.update(&name);
    crc.update(data);
    out.extend(crc.sum().to_be_bytes());
    out
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::Cancellation;

    /// Decoders read chunks from memory, and metadata is read through a window: both must find the same chunks.
    #[test]
    fn chunks_in_memory_are_those_behind_a_window() {
        let file = b"\x89PNG\r\n\x1a\n\0\0\0\x01IHDRx\0\0\0\0\0\0\0\x02IDATab\0\0\0\0\0\0\0\0IEND\0\0\0\0\0\0\0\0IDAT";
        let mut changed: Vec<Vec<u8>> = (0..=file.len()).map(|end| file[..end].to_vec()).collect();
        for at in 0..file.len() {
            for byte in [0, 1, 2, 0x7f, 0x80, 0xff] {
                changed.push(file.to_vec());
                changed.last_mut().unwrap()[at] = byte;
            }
        }
        let cancellation = Cancellation::unbounded();
        for file in changed {
            let meter = Meter::new(file.len() as u64, &cancellation);
            let windowed = Input::new(Cursor::new(&file), &meter).and_then(|mut input| chunks(&mut input)).unwrap();
            assert_eq!(chunks_of(&file).collect::<Vec<_>>(), windowed, "{file:?}");
        }
    }
}
