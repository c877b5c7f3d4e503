//! AVIF (AV1 Image File Format 1.1): AV1 pictures in an ISO-BMFF container, with alpha as a separate picture.
//!
//! The container is parsed by `image-origin-container`; the headers of the AV1 streams are parsed here and checked
//! against the budget before the decoder sees them. 8-bit pictures are decoded to 8 bits, deeper ones to 16 bits. Both
//! decoder and encoder are written in Rust; NOTES.md explains the choice.

mod colour;
mod decode;
mod encode;
mod source;
mod stream;
mod tiles;
mod write;

use std::borrow::Cow;

use colour::{Converter, Out};
use decode::Planes;
pub(super) use encode::Avif;
pub use encode::{DEFAULT_SPEED, SPEEDS, quantizer};
use stream::{Sequence, Stream};

use super::{
    Area, Budget, Cancellation, Channels, DecodeOptions, Decoded, Decoder, Error, Flaw, Format, Header, MISSING, Meter,
    Orientation, Raster, Samples, profile,
};
use image_origin_container::heif::{self, CleanAperture, Coded, Nclx, Picture};

fn damaged(reason: impl Into<String>) -> Error {
    Error::Damaged { format: Format::Avif, reason: reason.into() }
}

/// The scale up to which the in-loop filters do not show, see `crates/codec/NOTES.md`.
const UNFILTERED_SCALE: f64 = 0.25;

/// The parsed headers of a file.
struct Opened<'a> {
    picture: Picture<'a>,
    /// The sequence header of the first cell.
    sequence: Sequence,
    /// The size of the picture before the clean aperture is applied.
    width: u32,
    height: u32,
    /// The visible area.
    shown: Area,
}

impl<'a> Opened<'a> {
    fn new(bytes: &'a [u8], budget: Budget, cancellation: &Cancellation) -> Result<Self, Error> {
        let picture =
            heif::picture(bytes, *b"av01", cancellation).map_err(|error| Error::of_container(Format::Avif, error))?;
        if let Some((width, height)) = picture.colour.size {
            budget.check_pixels(width, height)?;
        }
        let sequence = Sequence::read(&cell(&picture.colour, 0, budget)?.0).map_err(damaged)?;
        let (width, height) = match picture.colour.size {
            Some(size) if picture.colour.cell_count() > 1 => size,
            _ => (sequence.width, sequence.height),
        };
        budget.check_pixels(width, height)?;
        if width == 0 || height == 0 {
            return Err(damaged("a side is zero"));
        }
        let shown = picture.clean_aperture.and_then(|clean| aperture(clean, width, height));
        let shown = shown.unwrap_or_else(|| Area::whole(width, height));
        Ok(Self { picture, sequence, width, height, shown })
    }

    fn channels(&self) -> Channels {
        match (self.sequence.is_monochrome, self.picture.alpha.is_some()) {
            (true, false) => Channels::L,
            (true, true) => Channels::La,
            (false, false) => Channels::Rgb,
            (false, true) => Channels::Rgba,
        }
    }

    /// The colour description; that of the container takes precedence (MIAF, ISO/IEC 23000-22, 7.3.6.4).
    fn meaning(&self) -> Nclx {
        let Sequence { primaries, transfer, matrix, full_range, .. } = self.sequence;
        let of_stream =
            Nclx { primaries: primaries.into(), transfer: transfer.into(), matrix: matrix.into(), full_range };
        self.picture.nclx.unwrap_or(of_stream)
    }
}

/// The data of a cell, and the remaining budget.
fn cell<'a>(coded: &Coded<'a>, index: usize, budget: Budget) -> Result<(Cow<'a, [u8]>, Budget), Error> {
    let budget = budget.beside(coded.joined_len(index))?;
    Ok((coded.cell(index), budget))
}

/// Parses the units of a cell's data.
fn read_stream(data: &[u8], cancellation: &Cancellation) -> Result<Stream, Error> {
    Stream::read(data, &Meter::new(data.len() as u64, cancellation))
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

impl Decoder for Avif {
    fn probe(&self, bytes: &[u8], budget: Budget, cancellation: &Cancellation) -> Result<Header, Error> {
        let opened = Opened::new(bytes, budget, cancellation)?;
        Ok(Header {
            format: Format::Avif,
            width: opened.shown.width as u32,
            height: opened.shown.height as u32,
            orientation: Orientation::from_exif(opened.picture.orientation),
            channels: opened.channels(),
        })
    }

    fn decode(&self, bytes: &[u8], options: &DecodeOptions<'_>) -> Result<Decoded, Error> {
        let opened = Opened::new(bytes, options.budget, options.cancellation)?;
        let mut canvas = Canvas::new(&opened, options)?;
        let mut flaw = canvas.draw(&opened.picture.colour, Layer::Colour(opened.meaning()))?;
        if let Some(alpha) = &opened.picture.alpha {
            flaw = flaw.or(canvas.draw(alpha, Layer::Alpha)?);
        }
        if opened.picture.is_premultiplied {
            canvas.divide_by_alpha();
        }
        let raster = canvas.finish(opened.shown)?;
        let icc = opened.picture.icc.clone().or_else(|| profile(opened.meaning(), opened.sequence.is_monochrome));
        Ok(Decoded { flaw, ..Decoded::whole(raster, icc) })
    }
}

/// The ICC profile for the code points, if they differ from sRGB.
fn profile(meaning: Nclx, is_grey: bool) -> Option<Vec<u8>> {
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
struct Canvas<'n> {
    width: u32,
    height: u32,
    channels: Channels,
    samples: Samples,
    /// The stream of the first cell, until it is drawn.
    first: Option<Stream>,
    /// Whether the in-loop filters matter at the size that is needed.
    filtered: bool,
    /// The remaining budget for the decoder.
    budget: Budget,
    cancellation: &'n Cancellation,
}

impl<'n> Canvas<'n> {
    fn new(opened: &Opened<'_>, options: &DecodeOptions<'n>) -> Result<Self, Error> {
        let (width, height, channels) = (opened.width, opened.height, opened.channels());
        let is_deep = opened.sequence.depth > 8;
        let count = u64::from(width) * u64::from(height) * channels.count() as u64;
        let bytes = count * if is_deep { 2 } else { 1 };
        // Applying the clean aperture makes a copy.
        let copies = if opened.shown == Area::whole(width, height) { 1 } else { 2 };
        let budget = options.budget.beside(bytes * copies)?;
        let (first, beside) = cell(&opened.picture.colour, 0, budget)?;
        let stream = read_stream(&first, options.cancellation)?;
        beside.check_memory(decode::memory(&stream, first.len()))?;
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
            let stream = self.first.take().map_or_else(|| read_stream(&data, self.cancellation), Ok);
            let planes = match stream.and_then(|stream| Self::decode(&data, &stream, self.filtered, budget)) {
                Ok(planes) => planes,
                Err(error @ Error::Damaged { .. }) => {
                    flaw.get_or_insert(if coded.ends_file(index) { Flaw::CutShort } else { Flaw::Damaged });
                    first_error.get_or_insert(error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let Sequence { width, height, .. } = *planes.sequence();
            let rows = coded.cell_count() / coded.columns;
            let covers = u64::from(width) * coded.columns as u64 >= u64::from(self.width)
                && u64::from(height) * rows as u64 >= u64::from(self.height);
            if *cell_size.get_or_insert((width, height)) != (width, height) || !covers {
                return Err(damaged("its parts are of sizes that do not fit"));
            }
            let place = ((index % coded.columns) as u32, (index / coded.columns) as u32);
            let (Some(x), Some(y)) = (place.0.checked_mul(width), place.1.checked_mul(height)) else { continue };
            self.convert(&planes, layer, x, y)?;
        }
        match first_error {
            Some(error) if cell_size.is_none() => Err(error),
            _ => Ok(flaw),
        }
    }

    fn decode(data: &[u8], stream: &Stream, filtered: bool, budget: Budget) -> Result<Planes, Error> {
        stream.check().map_err(damaged)?;
        let sequence = stream.sequence;
        // Each frame is decoded without interruption, whether it is shown or not.
        budget.check_pixels(sequence.width, sequence.height.saturating_mul(stream.frames()))?;
        budget.check_memory(decode::memory(stream, data.len()))?;
        // Filters also change what later frames refer to.
        decode::decode(data, sequence, filtered || stream.frames() > 1).map_err(damaged)
    }

    /// Converts a decoded cell to the canvas, clipped at its edges.
    fn convert(&mut self, planes: &Planes, layer: Layer, x: u32, y: u32) -> Result<(), Error> {
        let (width, count) = (self.width as usize, self.channels.count());
        if x >= self.width {
            return Ok(());
        }
        let columns = planes.sequence().width.min(self.width - x) as usize;
        let is_deep = matches!(self.samples, Samples::U16(_));
        let mut converter = match layer {
            Layer::Colour(meaning) => {
                let is_grey = matches!(self.channels, Channels::L | Channels::La);
                if planes.sequence().is_monochrome != is_grey {
                    return Err(damaged("its parts are of different kinds"));
                }
                let unknown = || Error::Unsupported("the avif has a colour matrix that is not read".to_owned());
                Some(Converter::new(planes, meaning, is_deep).ok_or_else(unknown)?)
            }
            Layer::Alpha => None,
        };
        for row in 0..planes.sequence().height.min(self.height.saturating_sub(y)) as usize {
            self.cancellation.check()?;
            let start = ((y as usize + row) * width + x as usize) * count;
            let place = start..start + columns * count;
            let out = match &mut self.samples {
                Samples::U8(samples) => Out::Eight(&mut samples[place]),
                Samples::U16(samples) => Out::Sixteen(&mut samples[place]),
            };
            match &mut converter {
                Some(converter) => converter.row(row, count, out),
                None => colour::write_alpha(planes, row, planes.sequence().full_range, count, out),
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
        let (samples, width, height) = if shown == Area::whole(width, height) {
            (samples, width, height)
        } else {
            let samples = match &samples {
                Samples::U8(samples) => Samples::U8(cut(samples, width, channels, shown)),
                Samples::U16(samples) => Samples::U16(cut(samples, width, channels, shown)),
            };
            (samples, shown.width as u32, shown.height as u32)
        };
        Raster::new(width, height, channels, samples).ok_or_else(|| damaged("a side is zero"))
    }
}

fn cut<T: Copy>(samples: &[T], width: u32, channels: Channels, area: Area) -> Vec<T> {
    let count = channels.count();
    let columns = area.x as usize * count..(area.x + area.width) as usize * count;
    let rows = samples.chunks_exact(width as usize * count).skip(area.y as usize).take(area.height as usize);
    rows.flat_map(|row| row.get(columns.clone()).unwrap_or_default()).copied().collect()
}

#[cfg(test)]
mod tests;
