//! The directories of an Exif block (Exif 3.0, 4.5 and 4.6): parsed within limits, modified, and serialized.
//!
//! The serialized block is well-formed and no larger than the accepted part of the input, whatever the input claims.

use std::borrow::Cow;

use image_origin_container::tiff::{self, Block, Directory, Field, ORIENTATION, Order};

/// The maximum size of all values of a block in bytes. Fields may share bytes, so the length of the block is no bound.
const MAX_VALUES: usize = 2 << 20;
/// The maximum offset of maker notes whose position is preserved.
const MAX_MAKER_NOTE_OFFSET: usize = 16 << 10;

const BYTE: u16 = 1;
const ASCII: u16 = 2;
const SHORT: u16 = 3;
const LONG: u16 = 4;
const UNDEFINED: u16 = 7;
const IFD: u16 = 13;

const EXIF_POINTER: u16 = 0x8769;
const GPS_POINTER: u16 = 0x8825;
const INTEROP_POINTER: u16 = 0xa005;
const SUB_IFDS: u16 = 0x014a;

const IMAGE_WIDTH: u16 = 0x0100;
const IMAGE_LENGTH: u16 = 0x0101;
const PIXEL_X_DIMENSION: u16 = 0xa002;
const PIXEL_Y_DIMENSION: u16 = 0xa003;
const MAKER_NOTE: u16 = 0x927c;
const ARTIST: u16 = 0x013b;
const COPYRIGHT: u16 = 0x8298;

/// Fields of the first directory of TIFF files that are separate metadata blocks, and are reported as such.
pub(crate) const XMP: u16 = 0x02bc;
pub(crate) const IPTC: u16 = 0x83bb;
pub(crate) const PHOTOSHOP: u16 = 0x8649;
/// Photoshop layers: pixels, not metadata.
const IMAGE_SOURCE_DATA: u16 = 0x935c;

/// The directories of a block, without the pointers between them.
#[derive(Debug, Clone, Default)]
pub(crate) struct ExifBlock<'a> {
    little_endian: bool,
    image: Vec<Field<'a>>,
    photo: Vec<Field<'a>>,
    gps: Vec<Field<'a>>,
    interop: Vec<Field<'a>>,
    thumbnail: Vec<Field<'a>>,
    /// The offset of the maker notes. Some vendors' offsets are relative to the start of the block, so the notes can
    /// only be read at their original position.
    maker_note_at: Option<usize>,
    pub(crate) warnings: Vec<String>,
}

impl<'a> ExifBlock<'a> {
    /// Parses a block. `None` if it has no TIFF header.
    pub(crate) fn read(data: &'a [u8]) -> Option<Self> {
        let block = Block::new(data)?;
        let mut reader = Reader { block, budget: MAX_VALUES, warnings: Vec::new() };
        let (image, next) = reader.directory(block.first);
        let photo = reader.child(&image, EXIF_POINTER);
        // Some writers put a pointer into the wrong one of the two directories.
        let gps = reader.child(holder([&image, &photo], GPS_POINTER), GPS_POINTER);
        let interop = reader.child(holder([&photo, &image], INTEROP_POINTER), INTEROP_POINTER);
        let thumbnail = if next == 0 || next == block.first { Vec::new() } else { reader.directory(next).0 };
        let mut parsed = Self {
            little_endian: block.little_endian,
            maker_note_at: maker_note_offset(data, &photo),
            image,
            photo,
            gps,
            interop,
            thumbnail,
            warnings: reader.warnings,
        };
        parsed.drop_pointers();
        Some(parsed)
    }

    /// Parses a TIFF file: the directories after the first are further pages, and some fields are separate metadata
    /// blocks.
    pub(crate) fn read_tiff_file(data: &'a [u8]) -> Option<Self> {
        let mut parsed = Self::read(data)?;
        parsed.thumbnail.clear();
        let own_block = [XMP, IPTC, PHOTOSHOP, tiff::ICC_PROFILE, IMAGE_SOURCE_DATA];
        parsed.image.retain(|field| !own_block.contains(&field.tag));
        Some(parsed)
    }

    fn drop_pointers(&mut self) {
        let pointers = [EXIF_POINTER, GPS_POINTER, INTEROP_POINTER, SUB_IFDS];
        for directory in self.directories_mut() {
            directory.retain(|field| !pointers.contains(&field.tag));
        }
    }

    fn directories(&self) -> [&Vec<Field<'a>>; 5] {
        [&self.image, &self.photo, &self.gps, &self.interop, &self.thumbnail]
    }

    fn directories_mut(&mut self) -> [&mut Vec<Field<'a>>; 5] {
        [&mut self.image, &mut self.photo, &mut self.gps, &mut self.interop, &mut self.thumbnail]
    }

    /// Keeps only creator and copyright.
    pub(crate) fn keep_rights(&mut self) {
        let mut image = std::mem::take(&mut self.image);
        image.retain(|field| matches!(field.tag, ARTIST | COPYRIGHT) && !field.value.is_empty());
        *self = Self { image, little_endian: self.little_endian, ..Self::default() };
    }

    /// Adapts the block to pixels that were rotated upright and resized, and to a file without a thumbnail.
    pub(crate) fn describe_transformed(&mut self, width: u32, height: u32) {
        self.thumbnail.clear();
        // The pixel layout of a TIFF file (TIFF 6.0, sections 3 to 15) does not apply to another file.
        self.image.retain(|field| !is_layout(field.tag));
        self.set(ORIENTATION, SHORT, 1);
        for (tag, value) in [(IMAGE_WIDTH, width), (IMAGE_LENGTH, height)] {
            if let Some(field) = self.image.iter_mut().find(|field| field.tag == tag) {
                *field = number(tag, LONG, value, self.little_endian);
            }
        }
        for (tag, value) in [(PIXEL_X_DIMENSION, width), (PIXEL_Y_DIMENSION, height)] {
            if let Some(field) = self.photo.iter_mut().find(|field| field.tag == tag) {
                *field = number(tag, LONG, value, self.little_endian);
            }
        }
    }

    /// Sets the orientation, or removes it if it is `None`.
    pub(crate) fn set_orientation(&mut self, orientation: Option<u8>) {
        self.image.retain(|field| field.tag != ORIENTATION);
        if let Some(orientation) = orientation {
            self.image.push(number(ORIENTATION, SHORT, orientation.into(), self.little_endian));
        }
    }

    fn set(&mut self, tag: u16, kind: u16, value: u32) {
        if let Some(field) = self.image.iter_mut().find(|field| field.tag == tag) {
            *field = number(tag, kind, value, self.little_endian);
        }
    }

    pub(crate) fn drop_maker_note(&mut self) {
        self.photo.retain(|field| field.tag != MAKER_NOTE);
        self.maker_note_at = None;
    }

    /// The total number of values of all fields: numbers and null-terminated texts.
    pub(super) fn value_count(&self) -> u64 {
        let count = |field: &Field<'_>| match field.kind {
            ASCII => field.value.iter().filter(|&&byte| byte == 0).count() as u64 + 1,
            BYTE | UNDEFINED => 1,
            _ => field.count.into(),
        };
        self.directories().iter().flat_map(|fields| fields.iter()).map(count).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.directories().iter().all(|fields| fields.is_empty())
    }

    /// Serializes the block: the first directory directly after the header, where simple readers expect it, then the
    /// maker notes at their original offset, then the other directories, each followed by its values.
    pub(crate) fn write(&self) -> Vec<u8> {
        let order = Order { little_endian: self.little_endian };
        let mut out = tiff::header(self.little_endian).to_vec();
        let image_at = out.len();
        let room = tiff::write_directory(&self.image_with([0, 0]), 0, 0, self.little_endian).len();
        out.resize(image_at + room, 0);

        let mut photo = self.photo.clone();
        let note = self.place_maker_note(&mut photo, &mut out);
        photo.extend(note);
        let interop = append(&mut out, &self.interop, order);
        photo.extend(interop.map(|at| number(INTEROP_POINTER, LONG, at, self.little_endian)));
        let exif = append(&mut out, &photo, order);
        let gps = append(&mut out, &self.gps, order);
        let thumbnail = append(&mut out, &self.thumbnail, order);

        let image = self.image_with([exif.unwrap_or(0), gps.unwrap_or(0)]);
        let image = tiff::write_directory(&image, thumbnail.unwrap_or(0), image_at as u32, self.little_endian);
        out.splice(image_at..image_at + room, image);
        out
    }

    /// The first directory with pointers to the existing directories.
    fn image_with(&self, [exif_at, gps_at]: [u32; 2]) -> Vec<Field<'a>> {
        let mut image = self.image.clone();
        if !self.photo.is_empty() || !self.interop.is_empty() {
            image.push(number(EXIF_POINTER, LONG, exif_at, self.little_endian));
        }
        if !self.gps.is_empty() {
            image.push(number(GPS_POINTER, LONG, gps_at, self.little_endian));
        }
        image
    }

    /// Writes the maker notes at their original offset, if that is free, and returns a field that points there, as a
    /// replacement for the one in `photo`.
    fn place_maker_note(&self, photo: &mut Vec<Field<'a>>, out: &mut Vec<u8>) -> Option<Field<'a>> {
        let at = self.maker_note_at.filter(|at| (out.len()..=MAX_MAKER_NOTE_OFFSET).contains(at))?;
        let index = photo.iter().position(|field| field.tag == MAKER_NOTE && field.value.len() > 4)?;
        let note = photo.remove(index);
        out.resize(at, 0);
        out.extend_from_slice(&note.value);
        out.resize(out.len().next_multiple_of(2), 0);
        let pointer = Order { little_endian: self.little_endian }.u32(at as u32).to_vec();
        Some(Field { value: Cow::Owned(pointer), ..note })
    }
}

/// A reader of directories with a budget.
struct Reader<'a> {
    block: Block<'a>,
    budget: usize,
    warnings: Vec<String>,
}

impl<'a> Reader<'a> {
    fn directory(&mut self, offset: u64) -> (Vec<Field<'a>>, u64) {
        let Directory { mut fields, next, warnings } = self.block.directory(offset);
        self.warnings.extend(warnings);
        fields.iter_mut().for_each(|field| self.block.narrow(field));
        fields.retain(|field| match self.budget.checked_sub(field.value.len()) {
            Some(left) => {
                self.budget = left;
                true
            }
            None => {
                self.warnings.push(format!("the value of tag 0x{:04x} is too long to be read", field.tag));
                false
            }
        });
        (fields, next)
    }

    fn child(&mut self, parent: &[Field<'a>], pointer: u16) -> Vec<Field<'a>> {
        let Some(field) = parent.iter().find(|field| field.tag == pointer) else { return Vec::new() };
        match self.block.uint(field).filter(|_| matches!(field.kind, LONG | IFD | 16 | 18)) {
            Some(offset) => self.directory(offset).0,
            None => {
                self.warnings.push(format!("the directory of tag 0x{pointer:04x} cannot be found: wrong type"));
                Vec::new()
            }
        }
    }
}

/// The first of two directories that contains this field, else the first one.
fn holder<'f, 'a>(directories: [&'f [Field<'a>]; 2], tag: u16) -> &'f [Field<'a>] {
    let has_field = |directory: &&[Field<'_>]| directory.iter().any(|field| field.tag == tag);
    directories.into_iter().find(has_field).unwrap_or(directories[0])
}

fn maker_note_offset(data: &[u8], photo: &[Field<'_>]) -> Option<usize> {
    let note = photo.iter().find(|field| field.tag == MAKER_NOTE)?;
    (note.value.as_ptr() as usize).checked_sub(data.as_ptr() as usize)
}

/// Whether a field describes the pixel layout of a TIFF file: compression, strips, tiles, samples, or the JPEG tables
/// of TIFF 6.0.
const fn is_layout(tag: u16) -> bool {
    matches!(
        tag,
        0x00fe | 0x00ff | 0x0102 | 0x0103 | 0x0106 | 0x010a | 0x0111 | 0x0115..=0x0119 | 0x011c | 0x013d
            | 0x0140..=0x0145 | 0x0152..=0x0155 | 0x015b | 0x0200..=0x0209 | 0x0211..=0x0214
    )
}

fn number<'a>(tag: u16, kind: u16, value: u32, little_endian: bool) -> Field<'a> {
    let order = Order { little_endian };
    let value = match (kind, u16::try_from(value)) {
        (SHORT, Ok(short)) => order.u16(short).to_vec(),
        _ => order.u32(value).to_vec(),
    };
    Field { tag, kind: if value.len() == 2 { SHORT } else { LONG }, count: 1, value: Cow::Owned(value) }
}

/// Appends a directory, unless it is empty, and returns its offset.
fn append(out: &mut Vec<u8>, fields: &[Field<'_>], order: Order) -> Option<u32> {
    if fields.is_empty() {
        return None;
    }
    let at = out.len() as u32;
    out.extend(tiff::write_directory(fields, 0, at, order.little_endian));
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(tag: u16, kind: u16, count: u32, value: &[u8]) -> Field<'static> {
        Field { tag, kind, count, value: Cow::Owned(value.to_vec()) }
    }

    /// A block with every directory, and maker notes at a known offset.
    fn sample() -> ExifBlock<'static> {
        ExifBlock {
            little_endian: false,
            image: vec![
                field(ORIENTATION, SHORT, 1, &[0, 6]),
                field(COPYRIGHT, 2, 8, b"(c) Ann\0"),
                field(0x010f, 2, 6, b"Maker\0"),
            ],
            photo: vec![
                field(PIXEL_X_DIMENSION, SHORT, 1, &[16, 0]),
                field(PIXEL_Y_DIMENSION, SHORT, 1, &[12, 0]),
                field(MAKER_NOTE, 7, 10, b"0123456789"),
            ],
            gps: vec![field(1, 2, 2, b"N\0")],
            interop: vec![field(1, 2, 4, b"R98\0")],
            thumbnail: vec![field(0x0103, SHORT, 1, &[0, 6])],
            maker_note_at: Some(300),
            warnings: Vec::new(),
        }
    }

    #[test]
    fn a_written_block_reads_back() {
        let written = sample().write();
        let read = ExifBlock::read(&written).unwrap();
        assert_eq!(read.warnings, Vec::<String>::new());
        assert_eq!((read.image.len(), read.photo.len(), read.gps.len()), (3, 3, 1));
        assert_eq!((read.interop.len(), read.thumbnail.len(), read.maker_note_at), (1, 1, Some(300)));
        assert_eq!(&written[300..310], b"0123456789");
        assert_eq!(read.write(), written);
    }

    #[test]
    fn transformed_pixels_are_described() {
        let mut block = sample();
        block.describe_transformed(100_000, 50);
        let written = block.write();
        let read = ExifBlock::read(&written).unwrap();
        let value = |fields: &[Field<'_>], tag| {
            let field = fields.iter().find(|f| f.tag == tag).unwrap();
            Block::new(&written).unwrap().uint(field).unwrap()
        };
        assert_eq!(value(&read.image, ORIENTATION), 1);
        assert_eq!(value(&read.photo, PIXEL_X_DIMENSION), 100_000);
        assert_eq!(value(&read.photo, PIXEL_Y_DIMENSION), 50);
        assert!(read.thumbnail.is_empty());
    }

    #[test]
    fn rights_are_all_that_is_left() {
        let mut block = sample();
        block.keep_rights();
        let written = block.write();
        let read = ExifBlock::read(&written).unwrap();
        assert_eq!(read.image.iter().map(|f| f.tag).collect::<Vec<_>>(), [COPYRIGHT]);
        assert!(read.photo.is_empty() && read.gps.is_empty() && read.thumbnail.is_empty());
    }

    #[test]
    fn every_truncation_and_every_changed_byte_is_survived() {
        let written = sample().write();
        for end in 0..written.len() {
            let _ = ExifBlock::read(&written[..end]).map(|block| block.write());
        }
        for at in 0..written.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut changed = written.clone();
                changed[at] = value;
                let _ = ExifBlock::read(&changed).map(|block| block.write());
            }
        }
    }

    #[test]
    fn fields_that_share_bytes_do_not_multiply_them() {
        let mut block = b"MM\0\x2a\0\0\0\x08".to_vec();
        block.extend(4000_u16.to_be_bytes());
        for tag in 0..4000_u16 {
            block.extend((tag + 0x1000).to_be_bytes());
            block.extend([0, 2]);
            block.extend(48_000_u32.to_be_bytes());
            block.extend(8_u32.to_be_bytes());
        }
        block.extend([0; 64]);
        let read = ExifBlock::read(&block).unwrap();
        assert!(read.write().len() < MAX_VALUES + 100_000);
        assert!(!read.warnings.is_empty());
    }
}
