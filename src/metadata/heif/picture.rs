//! What has to be decoded to show the primary image: its cells, its alpha, and what its numbers mean.
//!
//! Only places and properties are told here; whoever decodes holds the sizes against its budget.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use super::{Location, Meta};
use crate::metadata::head::slice;
use crate::metadata::isobmff::Fields;

/// The name of the auxiliary image that is alpha (MIAF, ISO/IEC 23000-22, 7.3.5.2).
const ALPHA: &[u8] = b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0";

/// A cell is 64 pixels wide and high at least (MIAF, 7.3.11.4.2), so this is beyond every limit on pixels.
const MAX_CELLS: usize = 1 << 15;

/// The primary image.
#[derive(Debug)]
pub(crate) struct Picture<'a> {
    /// Its colours.
    pub(crate) colour: Coded<'a>,
    /// Its alpha, of the same size.
    pub(crate) alpha: Option<Coded<'a>>,
    /// Whether colours have been multiplied with alpha.
    pub(crate) is_premultiplied: bool,
    /// The area that is shown, if it is not all.
    pub(crate) clean_aperture: Option<CleanAperture>,
    /// How to turn that area upright, as Exif numbers it.
    pub(crate) orientation: u8,
    /// Primaries, transfer, matrix and whether samples use their full range (`colr` of kind `nclx`).
    pub(crate) nclx: Option<Nclx>,
    /// The ICC profile.
    pub(crate) icc: Option<Vec<u8>>,
}

/// One coded image, in one piece or as cells of a grid (ISO/IEC 23008-12, 6.6.2.3).
#[derive(Debug)]
pub(crate) struct Coded<'a> {
    file: &'a [u8],
    /// The size, as `ispe` or the grid tells it.
    pub(crate) size: Option<(u32, u32)>,
    /// Cells in a row.
    pub(crate) columns: usize,
    /// The places of each cell's data, row by row.
    cells: Vec<Vec<Range<u64>>>,
}

/// Code points of ITU-T H.273.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Nclx {
    pub(crate) primaries: u16,
    pub(crate) transfer: u16,
    pub(crate) matrix: u16,
    pub(crate) full_range: bool,
}

/// Width, height, and the distance of the middle from that of the image (`clap`, ISO/IEC 14496-12, 12.1.4), as fractions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CleanAperture {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) right: f64,
    pub(crate) down: f64,
}

impl<'a> Coded<'a> {
    /// How many cells there are; at least one.
    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    /// The data of a cell, joined if it is scattered.
    pub(crate) fn cell(&self, index: usize) -> Cow<'a, [u8]> {
        match self.cells.get(index).map(Vec::as_slice) {
            Some([range]) => Cow::Borrowed(slice(self.file, range)),
            // Extents may overlap, and so claim more than there is.
            Some(ranges) => {
                let bytes = ranges.iter().flat_map(|range| slice(self.file, range));
                Cow::Owned(bytes.take(self.file.len()).copied().collect())
            }
            None => Cow::Borrowed(&[]),
        }
    }
}

impl Meta {
    /// The primary image, if it is of this kind or a grid of such.
    pub(crate) fn picture<'a>(&self, file: &'a [u8], kind: [u8; 4]) -> Result<Picture<'a>, &'static str> {
        let primary = self.primary.ok_or("it names no primary image")?;
        let items = Items::new(self);
        let alpha_item = items.alpha_of(primary);
        let is_premultiplied = alpha_item.is_some_and(|alpha| self.refers(b"prem", primary, alpha));
        let nclx = self.properties_of(primary, *b"colr").find_map(Nclx::read);
        Ok(Picture {
            colour: items.coded(file, primary, kind)?,
            alpha: alpha_item.map(|alpha| items.coded(file, alpha, kind)).transpose()?,
            is_premultiplied,
            clean_aperture: self.properties_of(primary, *b"clap").next().and_then(CleanAperture::read),
            orientation: self.orientation().unwrap_or(1),
            nclx,
            icc: self.icc_profile().map(<[u8]>::to_vec),
        })
    }

    fn refers(&self, kind: &[u8; 4], from: u32, to: u32) -> bool {
        self.references.iter().any(|r| &r.kind == kind && r.from == from && r.to.contains(&to))
    }

    /// The size of an item (`ispe`, ISO/IEC 23008-12, 6.5.3).
    pub(super) fn size_of(&self, id: u32) -> Option<(u32, u32)> {
        let mut fields = Fields(self.properties_of(id, *b"ispe").next()?);
        fields.version()?;
        Some((fields.u32()?, fields.u32()?))
    }
}

/// Items by their ids, since a grid asks for thousands.
struct Items<'m> {
    meta: &'m Meta,
    kinds: HashMap<u32, [u8; 4]>,
    locations: HashMap<u32, &'m Location>,
}

impl<'m> Items<'m> {
    fn new(meta: &'m Meta) -> Self {
        let kinds = meta.items.iter().map(|item| (item.id, item.kind)).collect();
        let locations = meta.locations.iter().map(|location| (location.id, location)).collect();
        Self { meta, kinds, locations }
    }

    /// The auxiliary image (`auxl`, ISO/IEC 23008-12, 6.4.4) of an image that is its alpha.
    fn alpha_of(&self, image: u32) -> Option<u32> {
        let auxiliaries = self.meta.references.iter().filter(|r| &r.kind == b"auxl" && r.to.contains(&image));
        // Version and flags stand before the name (6.5.8).
        let is_alpha = |id: &u32| {
            let mut names = self.meta.properties_of(*id, *b"auxC").filter_map(|bytes| bytes.get(4..));
            names.any(|name| name.starts_with(ALPHA))
        };
        auxiliaries.map(|r| r.from).find(is_alpha)
    }

    fn coded<'a>(&self, file: &'a [u8], id: u32, kind: [u8; 4]) -> Result<Coded<'a>, &'static str> {
        let size = self.meta.size_of(id);
        match self.kinds.get(&id) {
            Some(found) if *found == kind => Ok(Coded { file, size, columns: 1, cells: vec![self.extents(id)?] }),
            Some(b"grid") => self.grid(file, id, kind),
            _ => Err("the primary image is of a kind that is not known"),
        }
    }

    fn grid<'a>(&self, file: &'a [u8], id: u32, kind: [u8; 4]) -> Result<Coded<'a>, &'static str> {
        let [range] = self.extents(id)?.try_into().map_err(|_| "its grid is scattered")?;
        let (rows, columns, width, height) = grid(slice(file, &range)).ok_or("its grid is cut off")?;
        let of_grid = self.meta.references.iter().find(|r| &r.kind == b"dimg" && r.from == id);
        let ids = of_grid.map(|r| r.to.as_slice()).unwrap_or_default();
        if ids.len() != rows * columns || ids.len() > MAX_CELLS {
            return Err("its grid has another number of cells than it says");
        }
        if ids.iter().any(|id| self.kinds.get(id) != Some(&kind)) {
            return Err("its grid has cells of different kinds");
        }
        let cells = ids.iter().map(|id| self.extents(*id)).collect::<Result<_, _>>()?;
        Ok(Coded { file, size: Some((width, height)), columns, cells })
    }

    fn extents(&self, id: u32) -> Result<Vec<Range<u64>>, &'static str> {
        let location = self.locations.get(&id).ok_or("the data of an image are nowhere")?;
        Ok(self.meta.extents(location))
    }
}

/// Rows, columns, width and height.
fn grid(payload: &[u8]) -> Option<(usize, usize, u32, u32)> {
    let mut fields = Fields(payload);
    let (_version, flags) = (fields.uint(1)?, fields.uint(1)?);
    let (rows, columns) = (fields.uint(1)? as usize + 1, fields.uint(1)? as usize + 1);
    let len = if flags & 1 == 0 { 2 } else { 4 };
    Some((rows, columns, fields.uint(len)? as u32, fields.uint(len)? as u32))
}

impl Nclx {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes.strip_prefix(b"nclx")?);
        let (primaries, transfer, matrix) = (fields.u16()?, fields.u16()?, fields.u16()?);
        Some(Self { primaries, transfer, matrix, full_range: fields.uint(1)? & 0x80 != 0 })
    }
}

impl CleanAperture {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let mut fraction = || {
            let (numerator, denominator) = (fields.u32()? as i32, fields.u32()?);
            (denominator != 0).then(|| f64::from(numerator) / f64::from(denominator))
        };
        Some(Self { width: fraction()?, height: fraction()?, right: fraction()?, down: fraction()? })
    }
}
