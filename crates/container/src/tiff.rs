//! The TIFF structure (TIFF 6.0, section 2; also BigTIFF) of Exif blocks and TIFF files: reading directories with every
//! count and offset checked, and writing a small clean block.
//!
//! Reading is bounded by [`MAX_FIELDS`] and by the length of the block, whatever the input.

use std::borrow::Cow;

/// The maximum number of fields read from a block. A camera writes about a hundred.
pub const MAX_FIELDS: usize = 4096;

/// The tag of the orientation.
pub const ORIENTATION: u16 = 0x0112;
/// The tag of the ICC profile.
pub const ICC_PROFILE: u16 = 0x8773;

const ASCII: u16 = 2;
const SHORT: u16 = 3;
const LONG: u16 = 4;
/// The type of text in UTF-8 (Exif 3.0, 4.6.2).
const UTF_8: u16 = 129;

/// An entry of an image file directory, with its value in the block's byte order.
#[derive(Debug, Clone)]
pub struct Field<'a> {
    /// The tag.
    pub tag: u16,
    /// The type number of the values.
    pub kind: u16,
    /// The number of values.
    pub count: u32,
    /// The concatenated values.
    pub value: Cow<'a, [u8]>,
}

/// A directory and the offset of the next one.
#[derive(Debug, Default)]
pub struct Directory<'a> {
    /// The entries that could be read.
    pub fields: Vec<Field<'a>>,
    /// The offset of the next directory; 0 after the last.
    pub next: u64,
    /// Descriptions of what could not be read.
    pub warnings: Vec<String>,
}

/// A block with a parsed header.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    data: &'a [u8],
    /// Whether the byte order is little-endian.
    pub little_endian: bool,
    /// Whether this is BigTIFF: 8-byte offsets and counts, 20-byte entries.
    big: bool,
    /// The offset of the first directory.
    pub first: u64,
}

/// The size in bytes of a value of this field type (TIFF 6.0, section 2; BigTIFF adds 13 and 16 to 18, Exif 3.0 adds
/// 129).
pub const fn type_size(kind: u16) -> Option<usize> {
    match kind {
        1 | 2 | 6 | 7 | UTF_8 => Some(1),
        3 | 8 => Some(2),
        4 | 9 | 11 | 13 => Some(4),
        5 | 10 | 12 | 16 | 17 | 18 => Some(8),
        _ => None,
    }
}

impl<'a> Block<'a> {
    /// Parses the header. `None` if it is neither TIFF nor BigTIFF.
    pub fn new(data: &'a [u8]) -> Option<Self> {
        let (little_endian, rest) = match data {
            [b'I', b'I', rest @ ..] => (true, rest),
            [b'M', b'M', rest @ ..] => (false, rest),
            _ => return None,
        };
        let mut block = Self { data, little_endian, big: false, first: 0 };
        match block.u16(rest)? {
            42 => block.first = u64::from(block.u32(data.get(4..)?)?),
            43 => {
                block.big = true;
                block.first = block.u64(data.get(8..)?)?;
            }
            _ => return None,
        }
        Some(block)
    }

    /// The length of the block in bytes.
    pub fn byte_count(&self) -> u64 {
        self.data.len() as u64
    }

    /// The first two bytes as a number.
    pub fn u16(&self, bytes: &[u8]) -> Option<u16> {
        let bytes = *bytes.first_chunk()?;
        Some(if self.little_endian { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }

    /// The first four bytes as a number.
    pub fn u32(&self, bytes: &[u8]) -> Option<u32> {
        let bytes = *bytes.first_chunk()?;
        Some(if self.little_endian { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }

    fn u64(&self, bytes: &[u8]) -> Option<u64> {
        let bytes = *bytes.first_chunk()?;
        Some(if self.little_endian { u64::from_le_bytes(bytes) } else { u64::from_be_bytes(bytes) })
    }

    fn tail(&self, offset: u64) -> Option<&'a [u8]> {
        self.data.get(usize::try_from(offset).ok()?..)
    }

    /// The bytes at this offset and length, if they are within the block.
    pub fn slice(&self, offset: u64, len: u64) -> Option<&'a [u8]> {
        self.tail(offset)?.get(..usize::try_from(len).ok()?)
    }

    /// Reads the directory at `offset`. If it is damaged, the readable entries are returned with warnings.
    pub fn directory(&self, offset: u64) -> Directory<'a> {
        let mut directory = Directory::default();
        let entry_len = if self.big { 20 } else { 12 };
        let Some((count, entries)) = self.entry_count(offset) else {
            directory.warnings.push(format!("the directory at offset {offset} lies outside the block"));
            return directory;
        };
        let whole = entries.chunks_exact(entry_len).take(usize::from(count));
        if whole.len() < usize::from(count) {
            directory.warnings.push(format!("the directory at offset {offset} is cut off"));
        } else {
            directory.next = entries.get(usize::from(count) * entry_len..).and_then(|b| self.offset(b)).unwrap_or(0);
        }
        for entry in whole.take(MAX_FIELDS) {
            match self.field(entry) {
                Some(field) => directory.fields.push(field),
                None => directory.warnings.push(self.complaint(entry)),
            }
        }
        directory
    }

    fn entry_count(&self, offset: u64) -> Option<(u16, &'a [u8])> {
        let bytes = self.tail(offset)?;
        if self.big {
            Some((u16::try_from(self.u64(bytes)?).ok()?, bytes.get(8..)?))
        } else {
            Some((self.u16(bytes)?, bytes.get(2..)?))
        }
    }

    fn offset(&self, bytes: &[u8]) -> Option<u64> {
        if self.big { self.u64(bytes) } else { self.u32(bytes).map(u64::from) }
    }

    /// Parses an entry. A value of up to 4 (BigTIFF: 8) bytes is stored in the entry itself, a longer one at the offset
    /// in it.
    fn field(&self, entry: &'a [u8]) -> Option<Field<'a>> {
        let (tag, kind) = (self.u16(entry)?, self.u16(entry.get(2..)?)?);
        let (count, at) =
            if self.big { (self.u64(entry.get(4..)?)?, 12) } else { (self.u32(entry.get(4..)?)?.into(), 8) };
        let len = count.checked_mul(type_size(kind)? as u64)?;
        let inline = entry.get(at..)?;
        let value = match usize::try_from(len).ok().and_then(|len| inline.get(..len)) {
            Some(value) => value,
            None => self.slice(self.offset(inline)?, len)?,
        };
        Some(Field { tag, kind, count: u32::try_from(count).ok()?, value: Cow::Borrowed(value) })
    }

    fn complaint(&self, entry: &[u8]) -> String {
        let tag = self.u16(entry).unwrap_or(0);
        match entry.get(2..).and_then(|b| self.u16(b)).filter(|&kind| type_size(kind).is_none()) {
            Some(kind) => format!("tag 0x{tag:04x} has the unknown type {kind}"),
            None => format!("the value of tag 0x{tag:04x} lies outside the block"),
        }
    }

    /// The first value of the field, if it is an unsigned integer.
    pub fn uint(&self, field: &Field<'_>) -> Option<u64> {
        self.uint_at(field, 0)
    }

    /// The unsigned integer at `index` of the field's values.
    pub fn uint_at(&self, field: &Field<'_>, index: usize) -> Option<u64> {
        let start = index.checked_mul(type_size(field.kind)?)?;
        let value = field.value.get(start..)?;
        match field.kind {
            1 | 7 => value.first().map(|&value| value.into()),
            SHORT => self.u16(value).map(u64::from),
            LONG | 13 => self.u32(value).map(u64::from),
            16 | 18 => self.u64(value),
            _ => None,
        }
    }

    /// The unsigned fraction at `index` of the field's values, unless its denominator is zero.
    pub fn ratio_at(&self, field: &Field<'_>, index: usize) -> Option<f64> {
        const RATIONAL: u16 = 5;
        let value = field.value.get(index.checked_mul(8)?..).filter(|_| field.kind == RATIONAL)?;
        let (numerator, denominator) = (self.u32(value)?, self.u32(value.get(4..)?)?);
        (denominator > 0).then(|| f64::from(numerator) / f64::from(denominator))
    }

    /// Converts offsets and BigTIFF's 8-byte integers to 4-byte integers, which every reader supports, if they fit, and
    /// Exif 3.0's UTF-8 type to ASCII, in which readers expect UTF-8 anyway.
    pub fn narrow(&self, field: &mut Field<'_>) {
        match field.kind {
            13 => return field.kind = LONG,
            UTF_8 => return field.kind = ASCII,
            16 | 18 => {}
            _ => return,
        }
        let order = Order { little_endian: self.little_endian };
        let narrowed: Option<Vec<[u8; 4]>> =
            field.value.chunks_exact(8).map(|v| Some(order.u32(u32::try_from(self.u64(v)?).ok()?))).collect();
        if let Some(values) = narrowed {
            field.kind = LONG;
            field.value = Cow::Owned(values.concat());
        }
    }

    /// The first field with this tag in the first directory.
    pub fn primary(&self, tag: u16) -> Option<Field<'a>> {
        self.directory(self.first).fields.into_iter().find(|field| field.tag == tag)
    }

    /// The orientation (1 to 8) in the first directory; any other value counts as absent.
    pub fn orientation(&self) -> Option<u8> {
        let value = self.uint(&self.primary(ORIENTATION)?)?;
        u8::try_from(value).ok().filter(|v| (1..=8).contains(v))
    }
}

/// Serializes one directory in the given byte order, followed by its values (TIFF 6.0, section 2: entries in ascending
/// order of tags, values at even offsets). `base` is the offset of the directory within its block.
pub fn write_directory(fields: &[Field<'_>], next: u32, base: u32, little_endian: bool) -> Vec<u8> {
    let order = Order { little_endian };
    let mut sorted: Vec<_> = fields.iter().collect();
    sorted.sort_by_key(|field| field.tag);
    sorted.truncate(usize::from(u16::MAX));
    let mut out = Vec::new();
    out.extend(order.u16(sorted.len() as u16));
    let mut values = Vec::new();
    let values_at = base + 2 + sorted.len() as u32 * 12 + 4;
    for field in sorted {
        out.extend(order.u16(field.tag));
        out.extend(order.u16(field.kind));
        out.extend(order.u32(field.count));
        if field.value.len() <= 4 {
            let mut inline = [0; 4];
            inline.iter_mut().zip(field.value.iter()).for_each(|(to, from)| *to = *from);
            out.extend(inline);
        } else {
            out.extend(order.u32(values_at + values.len() as u32));
            values.extend_from_slice(&field.value);
            if values.len() % 2 == 1 {
                values.push(0);
            }
        }
    }
    out.extend(order.u32(next));
    out.extend(values);
    out
}

/// The eight bytes of a classic TIFF header whose first directory follows immediately.
pub fn header(little_endian: bool) -> [u8; 8] {
    if little_endian { *b"II*\0\x08\0\0\0" } else { *b"MM\0*\0\0\0\x08" }
}

/// A block that contains only the orientation, in 26 bytes.
pub fn orientation_block(orientation: u8) -> Vec<u8> {
    let value = Cow::Owned(vec![0, orientation]);
    let mut block = header(false).to_vec();
    block.extend(write_directory(&[Field { tag: ORIENTATION, kind: SHORT, count: 1, value }], 0, 8, false));
    block
}

/// A byte order.
#[derive(Clone, Copy)]
pub struct Order {
    /// Whether the byte order is little-endian.
    pub little_endian: bool,
}

impl Order {
    /// Encodes a 16-bit number.
    pub const fn u16(self, value: u16) -> [u8; 2] {
        if self.little_endian { value.to_le_bytes() } else { value.to_be_bytes() }
    }

    /// Encodes a 32-bit number.
    pub const fn u32(self, value: u32) -> [u8; 4] {
        if self.little_endian { value.to_le_bytes() } else { value.to_be_bytes() }
    }

    /// Encodes a 64-bit number.
    pub const fn u64(self, value: u64) -> [u8; 8] {
        if self.little_endian { value.to_le_bytes() } else { value.to_be_bytes() }
    }

    /// Decodes a number of up to 8 bytes.
    pub fn uint(self, bytes: &[u8]) -> u64 {
        let add = |sum: u64, &byte: &u8| sum << 8 | u64::from(byte);
        if self.little_endian { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_orientation_block_reads_back() {
        for orientation in 1..=8 {
            let block = orientation_block(orientation);
            assert_eq!(block.len(), 26);
            assert_eq!(Block::new(&block).unwrap().orientation(), Some(orientation));
        }
    }

    #[test]
    fn counts_and_offsets_beyond_the_block_are_left_out() {
        let mut block = header(true).to_vec();
        block.extend([2, 0]);
        block.extend([0x0f, 0x01, 5, 0, 0xff, 0xff, 0xff, 0xff, 8, 0, 0, 0]);
        block.extend([0x12, 0x01, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0]);
        block.extend([8, 0, 0, 0]);
        let parsed = Block::new(&block).unwrap();
        let directory = parsed.directory(8);
        assert_eq!((directory.fields.len(), directory.warnings.len(), directory.next), (1, 1, 8));
        assert_eq!(parsed.orientation(), Some(6));
        assert!(!parsed.directory(u64::MAX).warnings.is_empty());
    }

    #[test]
    fn big_tiff_is_read_alike() {
        let mut file = b"MM\0\x2b\0\x08\0\0\0\0\0\0\0\0\0\x10".to_vec();
        file.extend(1_u64.to_be_bytes());
        file.extend([0x01, 0x12, 0, 3]);
        file.extend(1_u64.to_be_bytes());
        file.extend([0, 8, 0, 0, 0, 0, 0, 0]);
        file.extend(0_u64.to_be_bytes());
        assert_eq!(Block::new(&file).unwrap().orientation(), Some(8));
    }
}
