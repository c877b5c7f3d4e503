//! Serialization of the AVIF container (ISO/IEC 14496-12, ISO/IEC 23008-12, AVIF 1.1).

use image_origin_container::isobmff::write_box;

/// An encoded image: a single stream, or a grid of cells.
pub(super) struct Image {
    pub(super) size: [u32; 2],
    pub(super) cell: [u32; 2],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) is_grey: bool,
    /// Code points of primaries, transfer function and matrix (ITU-T H.273).
    pub(super) colour: [u8; 3],
    /// The content of `av1C`.
    pub(super) configuration: [u8; 4],
    /// The streams of the cells, row by row.
    pub(super) streams: Vec<Vec<u8>>,
}

/// A file under construction, with the location of each item's data for `iloc`.
#[derive(Default)]
struct File<'i> {
    entries: Vec<u8>,
    references: Vec<u8>,
    properties: Vec<u8>,
    property_count: u8,
    associations: Vec<u8>,
    data: Vec<&'i [u8]>,
}

/// The flag of an essential property (8.11.14).
const ESSENTIAL: u8 = 0x80;

/// An upper bound of the size of the boxes in bytes, for each stream and for the rest.
pub(super) const BOXES: u64 = 2 << 10;

/// Serializes the file.
pub(super) fn file(colour: &Image, alpha: Option<&Image>) -> Vec<u8> {
    let (colour_grid, alpha_grid) = (colour.grid(), alpha.and_then(Image::grid));
    let mut file = File::default();
    let [primaries, transfer, matrix] = colour.colour;
    let nclx = [&b"nclx"[..], &[0, primaries, 0, transfer, 0, matrix, 0x80]].concat();
    let nclx = file.property(*b"colr", &nclx);
    let primary = file.image(colour, colour_grid.as_deref(), &[nclx]);
    if let Some(alpha) = alpha {
        let kind = file.property(*b"auxC", b"\0\0\0\0urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0");
        let id = file.image(alpha, alpha_grid.as_deref(), &[kind]);
        file.refer(*b"auxl", id, &[primary]);
    }
    file.finish(primary)
}

impl Image {
    /// The total length of the streams in bytes.
    pub(super) fn length(&self) -> u64 {
        self.streams.iter().map(|stream| stream.len() as u64).sum()
    }

    /// The data of a grid item; `None` for a single image.
    fn grid(&self) -> Option<Vec<u8>> {
        let [rows, columns] = [self.rows, self.columns].map(|count| (count - 1) as u8);
        let size = self.size.map(u32::to_be_bytes);
        (self.streams.len() > 1).then(|| [&[0, 1, rows, columns], &size[0][..], &size[1]].concat())
    }
}

impl<'i> File<'i> {
    /// Adds the items of an image, and returns the id of the one that represents it.
    fn image(&mut self, image: &'i Image, grid: Option<&'i [u8]>, more: &[u8]) -> u16 {
        let configuration = self.property(*b"av1C", &image.configuration) | ESSENTIAL;
        // The bit depth of each channel (ISO/IEC 23008-12, 6.5.6).
        let depths: &[u8] = if image.is_grey { &[0, 0, 0, 0, 1, 8] } else { &[0, 0, 0, 0, 3, 8, 8, 8] };
        let depths = self.property(*b"pixi", depths);
        let size = self.size(image.size);
        let Some(grid) = grid else {
            let stream = image.streams.first().map(Vec::as_slice).unwrap_or_default();
            return self.item(*b"av01", stream, &[&[size, depths, configuration], more].concat());
        };
        let whole = self.item(*b"grid", grid, &[&[size, depths], more].concat());
        let cell = self.size(image.cell);
        let cells = image.streams.iter().map(|stream| self.item(*b"av01", stream, &[cell, depths, configuration]));
        let cells: Vec<u16> = cells.collect();
        self.refer(*b"dimg", whole, &cells);
        whole
    }

    fn size(&mut self, size: [u32; 2]) -> u8 {
        let [width, height] = size.map(u32::to_be_bytes);
        self.property(*b"ispe", &[[0; 4], width, height].concat())
    }

    /// Adds a property and returns its index.
    fn property(&mut self, kind: [u8; 4], payload: &[u8]) -> u8 {
        self.properties.extend(write_box(kind, payload));
        self.property_count += 1;
        self.property_count
    }

    fn item(&mut self, kind: [u8; 4], data: &'i [u8], properties: &[u8]) -> u16 {
        self.data.push(data);
        let id = self.data.len() as u16;
        // Version 2, the id, no protection, the type, no name. Cells are hidden.
        let hidden = u8::from(id > 1);
        self.entries
            .extend(write_box(*b"infe", &[&[2, 0, 0, hidden][..], &id.to_be_bytes(), &[0, 0], &kind, &[0]].concat()));
        self.associations.extend(id.to_be_bytes());
        self.associations.push(properties.len() as u8);
        self.associations.extend(properties);
        id
    }

    fn refer(&mut self, kind: [u8; 4], from: u16, to: &[u16]) {
        let ids = [&[from, to.len() as u16], to].concat();
        self.references.extend(write_box(kind, &ids.into_iter().flat_map(u16::to_be_bytes).collect::<Vec<_>>()));
    }

    fn finish(self, primary: u16) -> Vec<u8> {
        let brands = write_box(*b"ftyp", b"avif\0\0\0\0avifmif1miaf");
        // The length of the box does not depend on the offset of the data.
        let data_at = brands.len() + self.meta(primary, 0).len() + 8;
        let meta = self.meta(primary, data_at);
        let length: usize = self.data.iter().map(|data| data.len()).sum();
        let mut out = Vec::with_capacity(data_at + length);
        out.extend(brands);
        out.extend(meta);
        out.extend(((8 + length) as u32).to_be_bytes());
        out.extend(b"mdat");
        self.data.iter().for_each(|data| out.extend_from_slice(data));
        out
    }

    fn meta(&self, primary: u16, data_at: usize) -> Vec<u8> {
        let count = (self.data.len() as u16).to_be_bytes();
        let handler = write_box(*b"hdlr", b"\0\0\0\0\0\0\0\0pict\0\0\0\0\0\0\0\0\0\0\0\0\0");
        let primary = write_box(*b"pitm", &[&[0; 4][..], &primary.to_be_bytes()].concat());
        let places = write_box(*b"iloc", &self.places(data_at));
        let items = write_box(*b"iinf", &[&[0; 4][..], &count, &self.entries].concat());
        let references = match self.references.is_empty() {
            true => Vec::new(),
            false => write_box(*b"iref", &[&[0; 4][..], &self.references].concat()),
        };
        let properties = write_box(*b"ipco", &self.properties);
        let count = u32::from(u16::from_be_bytes(count)).to_be_bytes();
        let associations = write_box(*b"ipma", &[&[0; 4][..], &count, &self.associations].concat());
        let properties = write_box(*b"iprp", &[properties, associations].concat());
        write_box(*b"meta", &[&[0; 4][..], &handler, &primary, &places, &items, &references, &properties].concat())
    }

    /// The location of each item's data (8.11.3): version 0, offsets and lengths of 4 bytes, one extent each.
    fn places(&self, mut data_at: usize) -> Vec<u8> {
        let mut out = vec![0, 0, 0, 0, 0x44, 0];
        out.extend((self.data.len() as u16).to_be_bytes());
        for (id, data) in (1u16..).zip(&self.data) {
            out.extend([id, 0, 1].map(u16::to_be_bytes).concat());
            out.extend([data_at as u32, data.len() as u32].map(u32::to_be_bytes).concat());
            data_at += data.len();
        }
        out
    }
}
