//! The coded images of the primary image: its grid cells, its alpha, and their colour description.
//!
//! Only locations and properties are returned; decoders check the sizes against their budget.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use super::{Location, Meta};
use crate::Error;
use crate::head::slice;
use crate::isobmff::Fields;
use crate::{Exhausted, Meter};

/// The type of the auxiliary image that contains alpha (MIAF, ISO/IEC 23000-22, 7.3.5.2).
pub(super) const ALPHA: &[u8] = b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0";

/// The same in HEVC's own terms (ISO/IEC 23008-12, B.2.5).
const ALPHA_OF_HEVC: &[u8] = b"urn:mpeg:hevc:2015:auxid:1\0";

/// The maximum number of cells. A cell is at least 64 pixels wide and high (MIAF, 7.3.11.4.2), so this exceeds every
/// limit on pixels.
const MAX_CELLS: usize = 1 << 15;

/// How often the cells of a picture may reuse the bytes of the file in total: a grid may show one cell in many places.
const MAX_SHARING: u64 = 16;

/// The primary image.
#[derive(Debug)]
pub struct Picture<'a> {
    /// The colour image.
    pub colour: Coded<'a>,
    /// The alpha image, of the same size.
    pub alpha: Option<Coded<'a>>,
    /// Whether colours are premultiplied with alpha.
    pub is_premultiplied: bool,
    /// The visible area, if it is not the whole image.
    pub clean_aperture: Option<CleanAperture>,
    /// The orientation of that area, as an Exif value.
    pub orientation: u8,
    /// The colour description (`colr` of type `nclx`): primaries, transfer, matrix and range.
    pub nclx: Option<Nclx>,
    /// The ICC profile.
    pub icc: Option<Vec<u8>>,
}

/// A coded image, as a single item or as cells of a grid (ISO/IEC 23008-12, 6.6.2.3).
#[derive(Debug)]
pub struct Coded<'a> {
    file: &'a [u8],
    /// The size according to `ispe` or the grid.
    pub size: Option<(u32, u32)>,
    /// The number of cells in a row.
    pub columns: usize,
    /// The property of the first cell that configures the decoder of HEVC, or nothing.
    configuration: Vec<u8>,
    /// The locations of each cell's data, row by row.
    cells: Vec<Rc<[Range<u64>]>>,
}

/// Code points of ITU-T H.273.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nclx {
    /// `ColourPrimaries`.
    pub primaries: u16,
    /// `TransferCharacteristics`.
    pub transfer: u16,
    /// `MatrixCoefficients`.
    pub matrix: u16,
    /// Whether samples use the full range.
    pub full_range: bool,
}

/// The clean aperture: width, height, and the offset of its centre from that of the image (`clap`, ISO/IEC 14496-12,
/// 12.1.4).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CleanAperture {
    /// Width in pixels.
    pub width: f64,
    /// Height in pixels.
    pub height: f64,
    /// The horizontal offset of its centre from that of the image in pixels, positive to the right.
    pub right: f64,
    /// The vertical offset of its centre from that of the image in pixels, positive downwards.
    pub down: f64,
}

impl<'a> Coded<'a> {
    /// An image that is a single item.
    pub(super) fn single(file: &'a [u8], places: Rc<[Range<u64>]>) -> Self {
        Self { file, size: None, columns: 1, configuration: Vec::new(), cells: vec![places] }
    }

    /// The number of cells, at least one.
    pub fn cell_count(&self) -> usize {
        self.cells.len()
    }

    /// The property that configures the decoder of HEVC for all cells (`hvcC`, ISO/IEC 14496-15, 8.3.2.1); empty if there is
    /// none.
    pub fn configuration(&self) -> &[u8] {
        &self.configuration
    }

    /// Whether the data of a cell reaches or exceeds the end of the file.
    pub fn ends_file(&self, index: usize) -> bool {
        let end = self.file.len() as u64;
        self.cells.get(index).is_none_or(|ranges| ranges.iter().any(|range| range.end >= end))
    }

    /// The memory in bytes that is needed to join the data of a cell: 0 if it is contiguous in the file.
    pub fn joined_len(&self, index: usize) -> u64 {
        match self.cells.get(index).map(AsRef::as_ref) {
            Some([] | [_]) | None => 0,
            Some(ranges) => ranges.iter().map(|range| range.end.saturating_sub(range.start)).sum(),
        }
    }

    /// The data of a cell, joined if it is fragmented.
    pub fn cell(&self, index: usize) -> Cow<'a, [u8]> {
        match self.cells.get(index).map(AsRef::as_ref) {
            Some([range]) => Cow::Borrowed(slice(self.file, range)),
            Some(ranges) => Cow::Owned(ranges.iter().map(|range| slice(self.file, range)).collect::<Vec<_>>().concat()),
            None => Cow::Borrowed(&[]),
        }
    }
}

impl Meta {
    /// Returns the primary image, if it has this type or is a grid of such images.
    pub fn picture<'a>(&self, file: &'a [u8], kind: [u8; 4], meter: &Meter<'_>) -> Result<Picture<'a>, Error> {
        let primary = self.primary.ok_or(Error::Damaged("it names no primary image"))?;
        let items = Items::new(self, meter)?;
        let colour = items.tiling(file, primary, kind)?;
        let alpha = items.alpha(file, &colour, kind)?;
        let is_premultiplied = alpha.as_ref().is_some_and(|alpha| {
            let cells = colour.cells.first().zip(alpha.cells.first());
            self.refers(b"prem", primary, alpha.item)
                || cells.is_some_and(|(colour, alpha)| self.refers(b"prem", *colour, *alpha))
        });
        // Those of a cell count where the grid says nothing.
        let described = [Some(primary), colour.cells.first().copied()];
        let nclx = described.into_iter().flatten().find_map(|id| self.properties_of(id, *b"colr").find_map(Nclx::read));
        Ok(Picture {
            colour: items.coded(file, colour)?,
            alpha: alpha.map(|alpha| items.coded(file, alpha)).transpose()?,
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
    pub fn size_of(&self, id: u32) -> Option<(u32, u32)> {
        let mut fields = Fields(self.properties_of(id, *b"ispe").next()?);
        fields.version()?;
        Some((fields.u32()?, fields.u32()?))
    }
}

/// The items of an image: the image itself, or the cells of a grid.
struct Tiling {
    item: u32,
    size: Option<(u32, u32)>,
    columns: usize,
    /// The items, row by row; at least one.
    cells: Vec<u32>,
}

/// Items by id, since a grid looks up thousands.
struct Items<'m> {
    meta: &'m Meta,
    kinds: HashMap<u32, [u8; 4]>,
    locations: HashMap<u32, &'m Location>,
    meter: &'m Meter<'m>,
}

impl<'m> Items<'m> {
    /// If an id occurs twice, the first entry is used, as everywhere else.
    fn new(meta: &'m Meta, meter: &'m Meter<'_>) -> Result<Self, Exhausted> {
        let (mut kinds, mut locations) = (HashMap::new(), HashMap::new());
        for item in &meta.items {
            meter.entry::<(u32, [u8; 4])>()?;
            kinds.entry(item.id).or_insert(item.kind);
        }
        for location in meta.locations.iter() {
            meter.entry::<(u32, &Location)>()?;
            locations.entry(location.id).or_insert(location);
        }
        Ok(Self { meta, kinds, locations, meter })
    }

    /// The items of an image of this type, or of a grid of such images.
    fn tiling(&self, file: &[u8], id: u32, kind: [u8; 4]) -> Result<Tiling, Error> {
        match self.kinds.get(&id) {
            Some(found) if *found == kind => {
                Ok(Tiling { item: id, size: self.meta.size_of(id), columns: 1, cells: vec![id] })
            }
            Some(b"grid") => self.grid(file, id, kind),
            _ => Err(Error::Damaged("the primary image is of a kind that is not known")),
        }
    }

    /// The alpha of an image, or the alpha of each cell of a grid without one, as written by old versions of libavif.
    fn alpha(&self, file: &[u8], colour: &Tiling, kind: [u8; 4]) -> Result<Option<Tiling>, Error> {
        let alphas = self.alphas()?;
        if let Some(alpha) = alphas.get(&colour.item) {
            return self.tiling(file, *alpha, kind).map(Some);
        }
        let of_cell = |cell: &u32| alphas.get(cell).copied().filter(|alpha| self.kinds.get(alpha) == Some(&kind));
        let cells: Option<Vec<u32>> = colour.cells.iter().map(of_cell).collect();
        Ok(cells.map(|cells| Tiling { cells, ..*colour }))
    }

    /// The auxiliary images (`auxl`, ISO/IEC 23008-12, 6.4.4) that contain the alpha of other images, by the latter.
    fn alphas(&self) -> Result<HashMap<u32, u32>, Exhausted> {
        let (mut alphas, mut known) = (HashMap::new(), HashMap::new());
        for reference in self.meta.references.iter().filter(|reference| &reference.kind == b"auxl") {
            self.meter.steps(1 + reference.to.len() as u64)?;
            let is_alpha = match known.get(&reference.from) {
                Some(is_alpha) => *is_alpha,
                None => self.is_alpha(reference.from)?,
            };
            known.insert(reference.from, is_alpha);
            for image in reference.to.iter().filter(|_| is_alpha) {
                self.meter.entry::<(u32, u32)>()?;
                alphas.entry(*image).or_insert(reference.from);
            }
        }
        Ok(alphas)
    }

    fn is_alpha(&self, id: u32) -> Result<bool, Exhausted> {
        for name in self.meta.properties_of(id, *b"auxC") {
            self.meter.step()?;
            // Version and flags precede the name (6.5.8).
            let is_alpha = |name: &[u8]| [ALPHA, ALPHA_OF_HEVC].iter().any(|alpha| name.starts_with(alpha));
            if name.get(4..).is_some_and(is_alpha) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn grid(&self, file: &[u8], id: u32, kind: [u8; 4]) -> Result<Tiling, Error> {
        let extents = self.extents(id, file.len() as u64)?;
        let [range] = &*extents else { return Err(Error::Damaged("its grid is scattered")) };
        let (rows, columns, width, height) = grid(slice(file, range)).ok_or(Error::Damaged("its grid is cut off"))?;
        let of_grid = self.meta.references.iter().find(|r| &r.kind == b"dimg" && r.from == id);
        let cells = of_grid.map(|r| r.to.as_slice()).unwrap_or_default();
        if cells.len() != rows * columns || cells.len() > MAX_CELLS {
            return Err(Error::Damaged("its grid has another number of cells than it says"));
        }
        if cells.iter().any(|cell| self.kinds.get(cell) != Some(&kind)) {
            return Err(Error::Damaged("its grid has cells of different kinds"));
        }
        self.meter.hold(size_of_val(cells) as u64)?;
        Ok(Tiling { item: id, size: Some((width, height)), columns, cells: cells.to_vec() })
    }

    /// Resolves the locations of an image's items.
    fn coded<'a>(&self, file: &'a [u8], tiling: Tiling) -> Result<Coded<'a>, Error> {
        let configuration = self.configuration(&tiling)?.to_vec();
        let mut places: HashMap<u32, Rc<[Range<u64>]>> = HashMap::new();
        let mut cells = Vec::new();
        for id in tiling.cells {
            self.meter.entry::<Rc<[Range<u64>]>>()?;
            let cell = match places.get(&id) {
                Some(cell) => Rc::clone(cell),
                None => self.extents(id, file.len() as u64)?,
            };
            places.insert(id, Rc::clone(&cell));
            cells.push(cell);
        }
        self.check_sharing(file, cells.iter())?;
        Ok(Coded { file, size: tiling.size, columns: tiling.columns, configuration, cells })
    }

    /// The property that configures the decoder of all cells alike.
    fn configuration(&self, tiling: &Tiling) -> Result<&'m [u8], Error> {
        let of = |cell: &u32| self.meta.properties_of(*cell, *b"hvcC").next().unwrap_or_default();
        let first = tiling.cells.first().map(of).unwrap_or_default();
        self.meter.hold(first.len() as u64)?;
        for cell in &tiling.cells {
            let other = of(cell);
            // The same property as a rule, so that nothing is compared.
            let is_same = std::ptr::eq(other, first);
            self.meter.steps(if is_same { 1 } else { 1 + first.len() as u64 })?;
            if !is_same && other != first {
                return Err(Error::Damaged("its cells are coded in different ways"));
            }
        }
        Ok(first)
    }

    /// The ranges of an item's data in a file of this length.
    fn extents(&self, id: u32, len: u64) -> Result<Rc<[Range<u64>]>, Error> {
        let location = self.locations.get(&id).ok_or(Error::Damaged("the data of an image are nowhere"))?;
        self.meter.hold((location.extents.len() * size_of::<Range<u64>>()) as u64)?;
        self.meter.steps(location.extents.len() as u64)?;
        let extents = self.meta.extents(location).into_iter().map(|range| range.start.min(len)..range.end.min(len));
        Ok(extents.collect())
    }

    /// Rejects cells whose total size is many times that of the file, since each is read separately.
    fn check_sharing<'c>(&self, file: &[u8], cells: impl Iterator<Item = &'c Rc<[Range<u64>]>>) -> Result<(), Error> {
        let mut total = 0_u64;
        for cell in cells {
            self.meter.steps(1 + cell.len() as u64)?;
            let length = cell.iter().map(|range| range.end.saturating_sub(range.start)).sum::<u64>();
            total += length;
            if length > file.len() as u64 || total > file.len() as u64 * MAX_SHARING {
                return Err(Error::Damaged("its cells use the same bytes over and over"));
            }
        }
        Ok(())
    }
}

/// Parses a grid: rows, columns, width and height.
fn grid(payload: &[u8]) -> Option<(usize, usize, u32, u32)> {
    let mut fields = Fields(payload);
    let (_version, flags) = (fields.uint(1)?, fields.uint(1)?);
    let (rows, columns) = (fields.uint(1)? as usize + 1, fields.uint(1)? as usize + 1);
    let len = if flags & 1 == 0 { 2 } else { 4 };
    Some((rows, columns, fields.uint(len)? as u32, fields.uint(len)? as u32))
}

impl Nclx {
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
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
