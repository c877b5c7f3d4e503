//! The picture of a HEIF file (ISO/IEC 23008-12) of any codec: the cells of a grid, alpha as a separate picture, the clean
//! aperture, and colours.
//!
//! The container is parsed by `image-origin-container`. Codecs parse the headers of coded pictures; these are checked
//! against the budget before a decoder sees them. Cells are decoded one after the other, and cancellation is checked
//! in between at least. Pictures of 8 bits are decoded to 8 bits, deeper ones to 16 bits.

mod colour;

use std::borrow::Cow;

use colour::{Converter, Out};
use image_origin_container::heif::{self, CleanAperture, Coded, Nclx, Picture};

use super::{
    Area, Budget, Cancellation, Channels, DecodeOptions, Decoded, Error, Flaw, Format, Header, MISSING, Orientation,
    Raster, Samples, profile,
};

/// The scale up to which in-loop filters do not show, see `crates/codec/NOTES.md`.
const UNFILTERED_SCALE: f64 = 0.25;

/// A video codec whose intra pictures a HEIF file holds.
pub(super) trait Codec {
    /// The format of files with this codec.
    const FORMAT: Format;
    /// The type of its items.
    const ITEM: [u8; 4];
    /// The parsed headers of a coded picture.
    type Stream;

    /// The colour description; that of the container takes precedence (MIAF, ISO/IEC 23000-22, 7.3.6.4).
    fn meaning(of_container: Option<Nclx>, of_stream: Nclx) -> Nclx {
        of_container.unwrap_or(of_stream)
    }

    /// What the headers say of a picture. `configuration` is the property that the item has for its decoder, or empty.
    fn describe(data: &[u8], configuration: &[u8]) -> Result<Description, Error>;

    /// Parses everything that is needed before decoding.
    fn read(data: &[u8], configuration: &[u8], cancellation: &Cancellation) -> Result<Self::Stream, Error>;

    /// The maximum memory in bytes for decoding a stream of this length, including the planes.
    fn memory(stream: &Self::Stream, length: usize) -> u64;

    /// Decodes a picture, within the budget. Without `filtered`, the in-loop filters may be left out.
    fn decode(
        data: &[u8],
        stream: &Self::Stream,
        filtered: bool,
        budget: Budget,
        cancellation: &Cancellation,
    ) -> Result<Box<dyn Planes>, Error>;
}

/// What is known of a coded picture before it is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Description {
    pub(super) width: u32,
    pub(super) height: u32,
    /// The bits of a sample, in `8..=16`.
    pub(super) depth: u8,
    pub(super) is_monochrome: bool,
    /// Whether chroma has half of luma's columns, and half of its rows.
    pub(super) subsampling: [bool; 2],
    /// The colour description in the stream.
    pub(super) meaning: Nclx,
}

/// A decoded picture.
pub(super) trait Planes {
    /// What its headers said.
    fn description(&self) -> &Description;

    /// A row of luma (0) or chroma (1 and 2).
    fn row(&self, plane: usize, y: usize) -> Row<'_>;
}

/// The samples of one row of one plane.
pub(super) enum Row<'a> {
    Eight(&'a [u8]),
    /// 16-bit samples in native byte order.
    Sixteen(&'a [[u8; 2]]),
}

fn damaged<C: Codec>(reason: impl Into<String>) -> Error {
    Error::Damaged { format: C::FORMAT, reason: reason.into() }
}

/// Reads the headers of a file.
pub(super) fn probe<C: Codec>(bytes: &[u8], budget: Budget, cancellation: &Cancellation) -> Result<Header, Error> {
    let opened = Opened::new::<C>(bytes, budget, cancellation)?;
    Ok(Header {
        format: C::FORMAT,
        width: opened.shown.width as u32,
        height: opened.shown.height as u32,
        orientation: Orientation::from_exif(opened.picture.orientation),
        channels: opened.channels(),
    })
}

/// Decodes the picture of a file.
pub(super) fn decode<C: Codec>(bytes: &[u8], options: &DecodeOptions<'_>) -> Result<Decoded, Error> {
    let opened = Opened::new::<C>(bytes, options.budget, options.cancellation)?;
    let meaning = C::meaning(opened.picture.nclx, opened.description.meaning);
    let mut canvas = Canvas::<C>::new(&opened, options)?;
    let mut flaw = canvas.draw(&opened.picture.colour, Layer::Colour(meaning))?;
    if let Some(alpha) = &opened.picture.alpha {
        flaw = flaw.or(canvas.draw(alpha, Layer::Alpha)?);
    }
    if opened.picture.is_premultiplied {
        canvas.divide_by_alpha();
    }
    let raster = canvas.finish(opened.shown)?;
    let icc = opened.picture.icc.clone().or_else(|| of_code_points(meaning, opened.description.is_monochrome));
    Ok(Decoded { flaw, ..Decoded::whole(raster, icc) })
}

/// The parsed headers of a file.
struct Opened<'a> {
    picture: Picture<'a>,
    /// The description of the first cell.
    description: Description,
    /// The size of the picture before the clean aperture is applied.
    width: u32,
    height: u32,
    /// The visible area.
    shown: Area,
}

impl<'a> Opened<'a> {
    fn new<C: Codec>(bytes: &'a [u8], budget: Budget, cancellation: &Cancellation) -> Result<Self, Error> {
        let picture =
            heif::picture(bytes, C::ITEM, cancellation).map_err(|error| Error::of_container(C::FORMAT, error))?;
        if let Some((width, height)) = picture.colour.size {
            budget.check_pixels(width, height)?;
        }
        let description = C::describe(&cell(&picture.colour, 0, budget)?.0, picture.colour.configuration())?;
        // Coded pictures consist of blocks, and need not say how much of the last ones is shown.
        let coded = (description.width, description.height);
        let (width, height) = match picture.colour.size {
            Some(size) if picture.colour.cell_count() > 1 => size,
            Some((width, height)) if width > 0 && height > 0 => (width.min(coded.0), height.min(coded.1)),
            _ => coded,
        };
        budget.check_pixels(width, height)?;
        if width == 0 || height == 0 {
            return Err(damaged::<C>("a side is zero"));
        }
        let shown = picture.clean_aperture.and_then(|clean| aperture(clean, width, height));
        let shown = shown.unwrap_or_else(|| Area::whole(width, height));
        Ok(Self { picture, description, width, height, shown })
    }

    fn channels(&self) -> Channels {
        match (self.description.is_monochrome, self.picture.alpha.is_some()) {
            (true, false) => Channels::L,
            (true, true) => Channels::La,
            (false, false) => Channels::Rgb,
            (false, true) => Channels::Rgba,
        }
    }
}

/// The data of a cell, and the remaining budget.
fn cell<'a>(coded: &Coded<'a>, index: usize, budget: Budget) -> Result<(Cow<'a, [u8]>, Budget), Error> {
    let budget = budget.beside(coded.joined_len(index))?;
    Ok((coded.cell(index), budget))
}

/// The clean aperture in whole pixels within the picture; `None` if it is empty.
fn aperture(clean: CleanAperture, width: u32, height: u32) -> Option<Area> {
    let CleanAperture { width: columns, height: rows, right, down } = clean;
    let (x, y) = (f64::from(width) / 2.0 + right - columns / 2.0, f64::from(height) / 2.0 + down - rows / 2.0);
    let (x, y, columns, rows) = (x.round(), y.round(), columns.round(), rows.round());
    let lies_inside = x >= 0.0
        && y >= 0.0
        && columns >= 1.0
        && rows >= 1.0
        && x + columns <= f64::from(width)
        && y + rows <= f64::from(height);
    lies_inside.then_some(Area { x, y, width: columns, height: rows })
}

/// The ICC profile for the code points, if they differ from sRGB.
fn of_code_points(meaning: Nclx, is_grey: bool) -> Option<Vec<u8>> {
    let [primaries, transfer] = [meaning.primaries, meaning.transfer].map(|code| u8::try_from(code).ok());
    profile::from_code_points(primaries?, transfer?, is_grey)
}

/// The samples of the canvas that a picture provides.
#[derive(Clone, Copy)]
enum Layer {
    Colour(Nclx),
    Alpha,
}

/// The pixels of all cells.
struct Canvas<'n, C: Codec> {
    width: u32,
    height: u32,
    channels: Channels,
    samples: Samples,
    /// The stream of the first cell, until it is drawn.
    first: Option<C::Stream>,
    /// Whether the in-loop filters matter at the size that is needed.
    filtered: bool,
    /// The remaining budget for the decoder.
    budget: Budget,
    cancellation: &'n Cancellation,
}

impl<'n, C: Codec> Canvas<'n, C> {
    fn new(opened: &Opened<'_>, options: &DecodeOptions<'n>) -> Result<Self, Error> {
        let (width, height, channels) = (opened.width, opened.height, opened.channels());
        let is_deep = opened.description.depth > 8;
        let count = u64::from(width) * u64::from(height) * channels.count() as u64;
        let bytes = count * if is_deep { 2 } else { 1 };
        // Applying the clean aperture makes a copy.
        let copies = if opened.shown == Area::whole(width, height) { 1 } else { 2 };
        let budget = options.budget.beside(bytes * copies)?;
        let (first, beside) = cell(&opened.picture.colour, 0, budget)?;
        let stream = C::read(&first, opened.picture.colour.configuration(), options.cancellation)?;
        beside.check_memory(C::memory(&stream, first.len()))?;
        drop(first);
        let mut samples = Samples::zeroed(count as usize, is_deep);
        if !channels.has_alpha() && opened.picture.colour.cell_count() > 1 {
            // Undrawn samples are missing.
            samples.as_bytes_mut().fill(MISSING);
        }
        let (filtered, cancellation) = (options.scale > UNFILTERED_SCALE, options.cancellation);
        Ok(Self { width, height, channels, samples, first: Some(stream), filtered, budget, cancellation })
    }

    /// Decodes the cells one after the other and draws them. Damaged cells of a grid are skipped, as long as one cell
    /// is intact.
    fn draw(&mut self, coded: &Coded<'_>, layer: Layer) -> Result<Option<Flaw>, Error> {
        let (mut cell_size, mut flaw, mut first_error) = (None, None, None);
        for index in 0..coded.cell_count() {
            self.cancellation.check()?;
            let (data, budget) = cell(coded, index, self.budget)?;
            let read = || C::read(&data, coded.configuration(), self.cancellation);
            let stream = self.first.take().map_or_else(read, Ok);
            let decoded = stream.and_then(|stream| C::decode(&data, &stream, self.filtered, budget, self.cancellation));
            let planes = match decoded {
                Ok(planes) => planes,
                Err(error @ Error::Damaged { .. }) => {
                    flaw.get_or_insert(if coded.ends_file(index) { Flaw::CutShort } else { Flaw::Damaged });
                    first_error.get_or_insert(error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let Description { width, height, .. } = *planes.description();
            let rows = coded.cell_count() / coded.columns;
            let covers = u64::from(width) * coded.columns as u64 >= u64::from(self.width)
                && u64::from(height) * rows as u64 >= u64::from(self.height);
            if *cell_size.get_or_insert((width, height)) != (width, height) || !covers {
                return Err(damaged::<C>("its parts are of sizes that do not fit"));
            }
            let place = ((index % coded.columns) as u32, (index / coded.columns) as u32);
            let (Some(x), Some(y)) = (place.0.checked_mul(width), place.1.checked_mul(height)) else { continue };
            self.convert(planes.as_ref(), layer, x, y)?;
        }
        match first_error {
            Some(error) if cell_size.is_none() => Err(error),
            _ => Ok(flaw),
        }
    }

    /// Converts a decoded cell to the canvas, clipped at its edges.
    fn convert(&mut self, planes: &dyn Planes, layer: Layer, x: u32, y: u32) -> Result<(), Error> {
        let (width, count) = (self.width as usize, self.channels.count());
        if x >= self.width {
            return Ok(());
        }
        let columns = planes.description().width.min(self.width - x) as usize;
        let rows = planes.description().height.min(self.height.saturating_sub(y)) as usize;
        let is_deep = matches!(self.samples, Samples::U16(_));
        let mut converter = match layer {
            Layer::Colour(meaning) => {
                let is_grey = matches!(self.channels, Channels::L | Channels::La);
                if planes.description().is_monochrome != is_grey {
                    return Err(damaged::<C>("its parts are of different kinds"));
                }
                let unknown = || Error::Unsupported(format!("the {} has a colour matrix that is not read", C::FORMAT));
                Some(Converter::new(planes, meaning, is_deep, columns, rows).ok_or_else(unknown)?)
            }
            Layer::Alpha => None,
        };
        for row in 0..rows {
            self.cancellation.check()?;
            let start = ((y as usize + row) * width + x as usize) * count;
            let place = start..start + columns * count;
            let out = match &mut self.samples {
                Samples::U8(samples) => Out::Eight(&mut samples[place]),
                Samples::U16(samples) => Out::Sixteen(&mut samples[place]),
            };
            match &mut converter {
                Some(converter) => converter.row(row, count, out),
                None => colour::write_alpha(planes, row, count, out),
            }
        }
        Ok(())
    }

    /// Converts premultiplied to straight alpha.
    fn divide_by_alpha(&mut self) {
        let count = self.channels.count();
        match &mut self.samples {
            Samples::U8(samples) => {
                for pixel in samples.chunks_exact_mut(count) {
                    let Some((alpha, colours)) = pixel.split_last_mut() else { continue };
                    let alpha = u32::from(*alpha).max(1);
                    colours.iter_mut().for_each(|c| *c = ((u32::from(*c) * 255 + alpha / 2) / alpha).min(255) as u8);
                }
            }
            Samples::U16(samples) => {
                for pixel in samples.chunks_exact_mut(count) {
                    let Some((alpha, colours)) = pixel.split_last_mut() else { continue };
                    let alpha = u64::from(*alpha).max(1);
                    let straight = |c: u16| ((u64::from(c) * 65_535 + alpha / 2) / alpha).min(65_535) as u16;
                    colours.iter_mut().for_each(|c| *c = straight(*c));
                }
            }
        }
    }

    /// Crops the canvas to the visible area.
    fn finish(self, shown: Area) -> Result<Raster, Error> {
        let Self { width, height, channels, samples, .. } = self;
        let raster = Raster::new(width, height, channels, samples).ok_or_else(|| damaged::<C>("a side is zero"))?;
        Ok(if shown == Area::whole(width, height) { raster } else { raster.cut(shown) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::avif::Avif;

    #[test]
    fn apertures_lie_inside() {
        let clean = |width, height, right, down| CleanAperture { width, height, right, down };
        assert_eq!(
            aperture(clean(10.0, 8.0, 0.0, 0.0), 20, 20),
            Some(Area { x: 5.0, y: 6.0, width: 10.0, height: 8.0 })
        );
        assert_eq!(
            aperture(clean(10.0, 8.0, 5.0, -6.0), 20, 20),
            Some(Area { x: 10.0, y: 0.0, width: 10.0, height: 8.0 })
        );
        for outside in [
            clean(21.0, 8.0, 0.0, 0.0),
            clean(10.0, 8.0, 6.0, 0.0),
            clean(0.0, 8.0, 0.0, 0.0),
            clean(f64::NAN, 8.0, 0.0, 0.0),
        ] {
            assert_eq!(aperture(outside, 20, 20), None);
        }
    }

    #[test]
    fn premultiplied_colours_are_divided() {
        let mut canvas = Canvas::<Avif> {
            width: 2,
            height: 1,
            channels: Channels::Rgba,
            samples: Samples::U8(vec![100, 50, 0, 128, 9, 9, 9, 0]),
            filtered: true,
            first: None,
            budget: Budget::UNLIMITED,
            cancellation: &Cancellation::unbounded(),
        };
        canvas.divide_by_alpha();
        assert_eq!(canvas.samples.as_bytes()[..4], [199, 100, 0, 128]);
    }

    /// Grey, with one chroma sample of colour behind the columns and rows that are shown.
    struct Padded(Description);

    impl Planes for Padded {
        fn description(&self) -> &Description {
            &self.0
        }

        fn row(&self, plane: usize, y: usize) -> Row<'_> {
            const GREY: [u8; 8] = [128; 8];
            const PADDED: [u8; 4] = [128, 128, 0, 0];
            match plane {
                0 => Row::Eight(&GREY),
                _ if y < 2 => Row::Eight(&PADDED),
                _ => Row::Eight(&[0; 4]),
            }
        }
    }

    #[test]
    fn what_is_not_shown_does_not_reach_into_what_is() {
        let meaning = Nclx { primaries: 1, transfer: 13, matrix: 6, full_range: true };
        let subsampling = [true, true];
        let planes = Padded(Description { width: 8, height: 8, depth: 8, is_monochrome: false, subsampling, meaning });
        let cancellation = Cancellation::unbounded();
        let mut canvas = Canvas::<Avif> {
            width: 4,
            height: 4,
            channels: Channels::Rgb,
            samples: Samples::U8(vec![0; 4 * 4 * 3]),
            filtered: true,
            first: None,
            budget: Budget::UNLIMITED,
            cancellation: &cancellation,
        };
        canvas.convert(&planes, Layer::Colour(meaning), 0, 0).unwrap();
        assert_eq!(canvas.samples.as_bytes(), [128; 4 * 4 * 3]);
    }
}
