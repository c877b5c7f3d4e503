//! PNG: decodes every depth and colour type and animations; encodes to the smallest lossless form.

mod chunks;
mod encode;
mod frames;
mod rows;
mod unfilter;

use std::borrow::Cow;
use std::io::ErrorKind;

use self::rows::{Rows, Size};
use super::profile::{self, Chromaticities};
use super::reader::WatchedReader;
use super::shrink::{self, Shrink};
use super::{
    Animation, Area, Budget, Cancellation, Channels, DecodeOptions, Decoded, Decoder, Error, Flaw, Format, Frames,
    Header, MEMORY, MISSING, Orientation, Raster, Samples,
};
use image_origin_container as container;

/// The PNG decoder and encoder.
pub(super) struct Png;

/// The fixed memory of the reader in bytes: the inflate window and input buffers.
const READER: u64 = 192 << 10;

/// A reader of rows.
type Reader<'a> = ::png::Reader<WatchedReader<'a>>;

/// Opens a file that was passed through [`chunks::sanitized`], with the given transformations.
fn open<'a>(
    file: Cow<'a, [u8]>,
    transformations: ::png::Transformations,
    budget: Budget,
    cancellation: &'a Cancellation,
) -> Result<Reader<'a>, Error> {
    let limits = ::png::Limits { bytes: usize::try_from(budget.memory).unwrap_or(usize::MAX) };
    let mut decoder = ::png::Decoder::new_with_limits(WatchedReader::new(file, cancellation), limits);
    // Texts and profiles are read by other crates, which limit their inflated size.
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(transformations);
    decoder.read_info().map_err(|error| match error {
        // The error does not contain the size.
        ::png::DecodingError::LimitsExceeded => {
            Error::TooLarge { what: MEMORY, needs: budget.memory.saturating_add(1), allowed: budget.memory }
        }
        error => map_error(&error, cancellation),
    })
}

/// Converts an error. A cancellation shows up as an I/O error.
fn map_error(error: &::png::DecodingError, cancellation: &Cancellation) -> Error {
    match cancellation.check() {
        Ok(()) => Error::Damaged { format: Format::Png, reason: error.to_string() },
        Err(stopped) => stopped.into(),
    }
}

/// The flaw that an error in reading rows means, unless it is a cancellation.
fn flaw(error: &::png::DecodingError, cancellation: &Cancellation) -> Result<Flaw, Error> {
    cancellation.check()?;
    Ok(match error {
        ::png::DecodingError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => Flaw::CutShort,
        _ => Flaw::Damaged,
    })
}

/// The channels of the output, and whether its samples have 16 bits.
fn layout(reader: &Reader<'_>) -> (Channels, bool) {
    let (color, depth) = reader.output_color_type();
    let channels = match color {
        ::png::ColorType::Grayscale => Channels::L,
        ::png::ColorType::GrayscaleAlpha => Channels::La,
        ::png::ColorType::Rgba => Channels::Rgba,
        ::png::ColorType::Rgb | ::png::ColorType::Indexed => Channels::Rgb,
    };
    (channels, depth == ::png::BitDepth::Sixteen)
}

impl Decoder for Png {
    fn probe(&self, bytes: &[u8], budget: Budget, cancellation: &Cancellation) -> Result<Header, Error> {
        let head = chunks::sanitized(chunks::head(bytes), budget)?;
        let reader = open(head, ::png::Transformations::EXPAND, budget, cancellation)?;
        let (width, height) = reader.info().size();
        budget.check_pixels(width, height)?;
        let orientation = Orientation::from_exif(container::orientation(bytes, Format::Png, cancellation)?);
        Ok(Header { format: Format::Png, width, height, orientation, channels: layout(&reader).0 })
    }

    fn decode(&self, bytes: &[u8], options: &DecodeOptions<'_>) -> Result<Decoded, Error> {
        let file = chunks::sanitized(bytes, options.budget)?;
        let copied = if let Cow::Owned(file) = &file { file.len() as u64 } else { 0 };
        let options = &DecodeOptions { budget: options.budget.beside(copied)?, ..*options };
        let icc = container::icc_profile(bytes, Format::Png, options.cancellation)?.map(Cow::into_owned);
        let picture = Picture { file: &file, icc, options };
        let reader = picture.open()?;
        let (factor, (_, has_sixteen_bits)) = (shrink::factor(options.scale), layout(&reader));
        let mut decoded = match reader.info().interlaced {
            true => picture.interlaced(reader),
            false if factor > 1 && !has_sixteen_bits => picture.smaller(reader, factor),
            false => picture.whole(reader),
        }?;
        decoded.flaw = match decoded.flaw {
            None => frames::animation_flaw(bytes, options.cancellation)?,
            flaw => flaw,
        };
        Ok(decoded)
    }

    fn animation(&self, bytes: &[u8], cancellation: &Cancellation) -> Result<Option<Animation>, Error> {
        frames::animation(bytes, cancellation)
    }

    fn frames<'a>(
        &self,
        bytes: &'a [u8],
        budget: Budget,
        cancellation: &'a Cancellation,
    ) -> Result<Box<dyn Frames + 'a>, Error> {
        Ok(Box::new(frames::PngFrames::open(bytes, budget, cancellation)?))
    }
}

/// A file whose picture is decoded.
struct Picture<'f> {
    file: &'f [u8],
    icc: Option<Vec<u8>>,
    options: &'f DecodeOptions<'f>,
}

impl<'f> Picture<'f> {
    fn open(&self) -> Result<Reader<'f>, Error> {
        open(Cow::Borrowed(self.file), ::png::Transformations::EXPAND, self.options.budget, self.options.cancellation)
    }

    /// Reads the rows of a picture from top to bottom, passes each to `take`, and returns whether all are available.
    /// Missing rows are passed as missing pixels.
    fn rows(&self, reader: &mut Reader<'_>, mut take: impl FnMut(&[u8])) -> Result<Option<Flaw>, Error> {
        let (width, height) = reader.info().size();
        let (length, filling) = (line_length(reader), missing(layout(reader).0));
        let missing = |y: u32, flaw: Flaw, take: &mut dyn FnMut(&[u8])| {
            let row = vec![filling; length];
            (y..height).for_each(|_| take(&row));
            Some(flaw)
        };
        if let Some(pixel) = rows::pixel_bytes(reader.info()) {
            let mut rows = Rows::new(self.file, width, pixel, self.options.cancellation);
            rows.begin(Size { width, height });
            for y in 0..height {
                match rows.next_row()? {
                    Ok(row) => take(row),
                    Err(flaw) if y == 0 => return Err(rows::no_rows(flaw)),
                    Err(flaw) => return Ok(missing(y, flaw, &mut take)),
                }
            }
            return Ok(None);
        }
        let mut row = vec![0; length];
        for y in 0..height {
            match reader.read_row(&mut row) {
                Ok(_) => take(&row),
                Err(error) if y == 0 => return Err(map_error(&error, self.options.cancellation)),
                Err(error) => return Ok(missing(y, flaw(&error, self.options.cancellation)?, &mut take)),
            }
        }
        Ok(None)
    }

    fn whole(self, mut reader: Reader<'_>) -> Result<Decoded, Error> {
        let mut samples = self.zeroed(&reader)?;
        let mut rest = samples.as_bytes_mut();
        let flaw = self.rows(&mut reader, |row| {
            let (this, below) = std::mem::take(&mut rest).split_at_mut(row.len());
            this.copy_from_slice(row);
            rest = below;
        })?;
        self.decoded(&reader, samples, flaw)
    }

    /// A picture that is `factor` times smaller, reduced while the rows are decoded.
    fn smaller(self, mut reader: Reader<'_>, factor: usize) -> Result<Decoded, Error> {
        let (channels, (width, height)) = (layout(&reader).0, reader.info().size());
        self.options.budget.check_memory(Shrink::memory(width, height, channels, factor) + reading(&reader))?;
        let mut shrink = Shrink::new(width, channels, factor);
        let flaw = self.rows(&mut reader, |row| shrink.push(row))?;
        let raster = shrink.finish().ok_or_else(no_pixels)?;
        let square = factor as f64;
        let (width, height) = (f64::from(raster.width()) * square, f64::from(raster.height()) * square);
        let icc = colours(reader.info(), self.icc, is_grey(reader.info()));
        let area = Area { x: 0.0, y: 0.0, width, height };
        Ok(Decoded { raster, area, blur: shrink::blur(factor), icc, flaw })
    }

    /// An interlaced picture of seven passes (section 8.1). If some are missing, the pixels of earlier passes are
    /// enlarged.
    fn interlaced(self, mut reader: Reader<'_>) -> Result<Decoded, Error> {
        let mut samples = self.zeroed(&reader)?;
        let flaw = self.passes(&mut reader, samples.as_bytes_mut(), ::png::expand_interlaced_row)?;
        if flaw.is_some() {
            samples.as_bytes_mut().fill(missing(layout(&reader).0));
            self.passes(&mut self.open()?, samples.as_bytes_mut(), ::png::splat_interlaced_row)?;
        }
        self.decoded(&reader, samples, flaw)
    }

    fn passes(
        &self,
        reader: &mut Reader<'_>,
        out: &mut [u8],
        put: fn(&mut [u8], usize, &[u8], &::png::Adam7Info, u8),
    ) -> Result<Option<Flaw>, Error> {
        let (channels, has_sixteen_bits) = layout(reader);
        let stride = line_length(reader);
        let bits = channels.count() as u8 * if has_sixteen_bits { 16 } else { 8 };
        let (width, height) = reader.info().size();
        if let Some(pixel) = rows::pixel_bytes(reader.info()) {
            let mut rows = Rows::new(self.file, width, pixel, self.options.cancellation);
            let mut is_first = true;
            for (pass, size) in passes(width, height) {
                rows.begin(size);
                for y in 0..size.height {
                    match rows.next_row()? {
                        Ok(row) => put(out, stride, row, &::png::Adam7Info::new(pass, y, width), bits),
                        Err(flaw) if is_first => return Err(rows::no_rows(flaw)),
                        Err(flaw) => return Ok(Some(flaw)),
                    }
                    is_first = false;
                }
            }
            return Ok(None);
        }
        for number in 0..rows_of_passes(width, height) {
            match reader.next_interlaced_row() {
                Ok(Some(row)) => {
                    if let ::png::InterlaceInfo::Adam7(place) = row.interlace() {
                        put(out, stride, row.data(), place, bits);
                    }
                }
                Ok(None) => break,
                Err(error) if number == 0 => return Err(map_error(&error, self.options.cancellation)),
                Err(error) => return flaw(&error, self.options.cancellation).map(Some),
            }
        }
        Ok(None)
    }

    /// Allocates all samples.
    fn zeroed(&self, reader: &Reader<'_>) -> Result<Samples, Error> {
        let (width, height) = reader.info().size();
        let (channels, has_sixteen_bits) = layout(reader);
        let count = u64::from(width) * u64::from(height) * channels.count() as u64;
        self.options.budget.check_memory(count * if has_sixteen_bits { 2 } else { 1 } + reading(reader))?;
        Ok(Samples::zeroed(count as usize, has_sixteen_bits))
    }

    /// The picture from all samples.
    fn decoded(self, reader: &Reader<'_>, mut samples: Samples, flaw: Option<Flaw>) -> Result<Decoded, Error> {
        if let Samples::U16(samples) = &mut samples {
            samples.iter_mut().for_each(|sample| *sample = u16::from_be(*sample));
        }
        let (width, height) = reader.info().size();
        let raster = Raster::new(width, height, layout(reader).0, samples).ok_or_else(no_pixels)?;
        let icc = colours(reader.info(), self.icc, is_grey(reader.info()));
        Ok(Decoded { flaw, ..Decoded::whole(raster, icc) })
    }
}

/// The total number of rows in all passes of a picture. The file may end after them.
fn rows_of_passes(width: u32, height: u32) -> u32 {
    passes(width, height).map(|(_, size)| size.height).sum()
}

/// The numbers of the passes that have pixels, from 1, and their sizes (section 8.1).
fn passes(width: u32, height: u32) -> impl Iterator<Item = (u8, Size)> {
    // The first column and row of each pass, and the steps to the next.
    const PASSES: [[u32; 4]; 7] =
        [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];
    let sizes = PASSES.map(|[left, top, across, down]| Size {
        width: width.saturating_sub(left).div_ceil(across),
        height: height.saturating_sub(top).div_ceil(down),
    });
    (1..).zip(sizes).filter(|(_, size)| size.width > 0 && size.height > 0)
}

fn no_pixels() -> Error {
    Error::Damaged { format: Format::Png, reason: "a side is zero".to_owned() }
}

/// The value of the samples of missing pixels.
fn missing(channels: Channels) -> u8 {
    if channels.has_alpha() { 0 } else { MISSING }
}

/// The memory of reading in bytes besides the picture: rows before and after filtering, and as they are returned.
fn reading(reader: &Reader<'_>) -> u64 {
    let rows = rows::pixel_bytes(reader.info()).map_or(0, |pixel| Rows::memory(reader.info().width, pixel));
    READER + 4 * line_length(reader) as u64 + rows
}

/// The number of bytes in a row of the output.
fn line_length(reader: &Reader<'_>) -> usize {
    reader.output_line_size(reader.info().width).unwrap_or_default()
}

fn is_grey(info: &::png::Info<'_>) -> bool {
    matches!(info.color_type, ::png::ColorType::Grayscale | ::png::ColorType::GrayscaleAlpha)
}

/// The colour profile, from the first that is present of cICP, iCCP (which is `icc`), sRGB and gAMA with cHRM (PNG 3rd
/// edition, 4.3). `grey` is whether the samples are returned as grey.
fn colours(info: &::png::Info<'_>, icc: Option<Vec<u8>>, grey: bool) -> Option<Vec<u8>> {
    if let Some(points) = info.coding_independent_code_points
        && points.is_video_full_range_image
    {
        return profile::from_code_points(points.color_primaries, points.transfer_function, grey);
    }
    if icc.is_some() || info.srgb.is_some() {
        return icc;
    }
    let chromaticities = info.chrm_chunk.map(|chunk| {
        let [white, red, green, blue] =
            [chunk.white, chunk.red, chunk.green, chunk.blue].map(|(x, y)| (x.into_value(), y.into_value()));
        Chromaticities { white, red, green, blue }
    });
    profile::from_gamma(info.gama_chunk?.into_value(), chromaticities, grey)
}

#[cfg(test)]
mod tests {
    use super::super::{EncodeOptions, Encoder as _, Raster, Samples};
    use super::*;

    fn raster(width: u32, channels: Channels, samples: Vec<u8>) -> Raster {
        let height = samples.len() as u32 / channels.count() as u32 / width;
        Raster::new(width, height, channels, Samples::U8(samples)).unwrap()
    }

    #[test]
    fn a_smaller_picture_covers_all_of_the_original() {
        let picture = raster(7, Channels::Rgb, (0..7 * 5 * 3u32).map(|i| (i * 2) as u8).collect());
        let options = EncodeOptions::DEFAULT;
        let cancellation = Cancellation::unbounded();
        let bytes = Png.encode(&picture, &options, Budget::UNLIMITED, &cancellation).unwrap();
        let budget = Budget { pixels: 1 << 20, memory: 1 << 24 };
        let options = DecodeOptions { scale: 0.25, ..DecodeOptions::new(Area::whole(7, 5), budget, &cancellation) };
        let decoded = Png.decode(&bytes, &options).unwrap();
        assert_eq!((decoded.raster.width(), decoded.raster.height()), (4, 3));
        assert_eq!(decoded.area, Area::whole(8, 6));
        assert_eq!(decoded.raster.samples().as_bytes()[..3], [24, 26, 28], "of 0, 6, 42 and 48, and so on");
    }

    /// A chunk (PNG 3rd edition, 5.3).
    fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
        let mut crc = flate2::Crc::new();
        crc.update(name);
        crc.update(data);
        [&(data.len() as u32).to_be_bytes(), name.as_slice(), data, &crc.sum().to_be_bytes()].concat()
    }

    #[test]
    fn the_best_description_of_colours_counts() {
        let numbers = |values: &[u32]| values.iter().flat_map(|value| value.to_be_bytes()).collect::<Vec<_>>();
        let cicp = |points: [u8; 4]| chunk(b"cICP", &points);
        let icc = profile::from_code_points(9, 13, false).unwrap();
        let mut zlib = flate2::write::ZlibEncoder::new(b"x\0\0".to_vec(), flate2::Compression::fast());
        std::io::Write::write_all(&mut zlib, &icc).unwrap();
        let iccp = chunk(b"iCCP", &zlib.finish().unwrap());
        let (srgb, linear) = (chunk(b"sRGB", &[0]), chunk(b"gAMA", &numbers(&[100_000])));
        let wide = chunk(b"cHRM", &numbers(&[31_270, 32_900, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000]));
        let p3 = profile::from_code_points(12, 13, false);
        let table = [
            ("nothing", vec![], None),
            ("primaries alone", vec![wide.clone()], None),
            ("gamma", vec![linear.clone()], profile::from_gamma(1.0, None, false)),
            ("sRGB before gamma", vec![srgb.clone(), linear.clone(), wide.clone()], None),
            ("a profile before sRGB", vec![iccp.clone(), linear.clone()], Some(icc.clone())),
            ("code points before all", vec![cicp([12, 13, 0, 1]), iccp.clone(), linear.clone()], p3),
            ("code points of sRGB", vec![cicp([1, 13, 0, 1]), iccp.clone()], None),
            ("narrow range, which no picture has", vec![cicp([12, 13, 0, 0]), iccp.clone()], Some(icc.clone())),
            ("a matrix, which red, green and blue have not", vec![cicp([12, 13, 1, 1]), iccp], Some(icc)),
        ];
        let same = |one: Option<Vec<u8>>, other: Option<Vec<u8>>| {
            // Profiles name the second in which they were made.
            let without_date = |profile: Vec<u8>| [&profile[..24], &profile[36..]].concat();
            one.map(without_date) == other.map(without_date)
        };
        let cancellation = Cancellation::unbounded();
        let picture = raster(40, Channels::Rgb, (0..40 * 40 * 3u32).map(|i| (i * 7) as u8).collect());
        let options = EncodeOptions::DEFAULT;
        let plain = Png.encode(&picture, &options, Budget::UNLIMITED, &cancellation).unwrap();
        let budget = Budget { pixels: 1 << 20, memory: 1 << 24 };
        for (name, chunks, expected) in table {
            let file = [&plain[..33], &chunks.concat(), &plain[33..]].concat();
            for scale in [1.0, 0.1] {
                let options = DecodeOptions { scale, ..DecodeOptions::new(Area::whole(40, 40), budget, &cancellation) };
                let decoded = Png.decode(&file, &options).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert!(same(decoded.icc, expected.clone()), "{name} at {scale}");
            }
        }
    }
    /// A file of random grey values, in rows that are all of their own.
    fn written(colour: ::png::ColorType, depth: ::png::BitDepth, interlaced: bool) -> Vec<u8> {
        let (width, height) = (19, 23);
        let channels = if colour == ::png::ColorType::Indexed { 1 } else { colour.samples() };
        let bits = depth as usize;
        let random = |index: usize| ((index as u32 + 77).wrapping_mul(2_654_435_761) >> 23) as u8;
        let row = |y: usize, columns: usize| {
            let length = (columns * channels * bits).div_ceil(8);
            std::iter::once(0).chain((0..length).map(move |byte| random(y * 61 + byte))).collect::<Vec<_>>()
        };
        // Start and step of each pass across and down (section 8.1).
        let passes: &[[usize; 4]] = match interlaced {
            true => &[[0, 8, 0, 8], [4, 8, 0, 8], [0, 4, 4, 8], [2, 4, 0, 4], [0, 2, 2, 4], [1, 2, 0, 2], [0, 1, 1, 2]],
            false => &[[0, 1, 0, 1]],
        };
        let mut rows = Vec::new();
        for &[left, across, top, down] in passes {
            (top..height).step_by(down).for_each(|y| rows.extend(row(y + left, (width - left).div_ceil(across))));
        }
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut zlib, &rows).unwrap();
        let sides = [(width as u32).to_be_bytes(), (height as u32).to_be_bytes()].concat();
        let header = [sides.as_slice(), &[depth as u8, colour as u8, 0, 0, interlaced.into()]].concat();
        let palette: Vec<u8> = (0..3 << bits.min(8)).map(|sample| (sample * 7) as u8).collect();
        let mut file = [b"\x89PNG\r\n\x1a\n".as_slice(), &chunk(b"IHDR", &header)].concat();
        if colour == ::png::ColorType::Indexed {
            file.extend(chunk(b"PLTE", &palette));
        }
        file.extend(chunk(b"IDAT", &zlib.finish().unwrap()));
        file.extend(chunk(b"IEND", &[]));
        file
    }

    fn decoded(bytes: &[u8], scale: f64) -> Result<Decoded, Error> {
        let (budget, cancellation) = (Budget { pixels: 1 << 20, memory: 1 << 24 }, Cancellation::unbounded());
        let header = Png.probe(bytes, budget, &cancellation)?;
        let area = Area::whole(header.width, header.height);
        let decoded = Png.decode(bytes, &DecodeOptions { scale, ..DecodeOptions::new(area, budget, &cancellation) })?;
        assert_eq!(decoded.raster.channels(), header.channels);
        Ok(decoded)
    }

    #[test]
    fn what_is_there_of_a_file_is_shown() {
        use ::png::{BitDepth, ColorType};
        let kinds = [
            (ColorType::Grayscale, BitDepth::One),
            (ColorType::Grayscale, BitDepth::Sixteen),
            (ColorType::GrayscaleAlpha, BitDepth::Eight),
            (ColorType::Indexed, BitDepth::Four),
            (ColorType::Rgb, BitDepth::Eight),
            (ColorType::Rgba, BitDepth::Eight),
            (ColorType::Rgba, BitDepth::Sixteen),
        ];
        for ((colour, depth), interlaced) in kinds.into_iter().flat_map(|kind| [(kind, false), (kind, true)]) {
            let name = format!("{colour:?} {depth:?} {interlaced}");
            let bytes = written(colour, depth, interlaced);
            let image = image::load_from_memory_with_format(&bytes, image::ImageFormat::Png).unwrap();
            let whole = decoded(&bytes, 1.0).unwrap();
            assert!(whole.raster.samples().as_bytes() == image.as_bytes() && whole.flaw.is_none(), "{name}");
            // The last checksum and the end are not needed.
            for end in [bytes.len() - 12, bytes.len() - 14, bytes.len() - 16] {
                let picture = decoded(&bytes[..end], 1.0).unwrap();
                assert!(picture.raster == whole.raster && picture.flaw.is_none(), "{name} {end}");
            }
            let line = whole.raster.samples().as_bytes().len() / 23;
            let filling = missing(whole.raster.channels());
            let (mut most, mut refused) = (0, 0);
            for end in (0..bytes.len() - 20).step_by(5) {
                match decoded(&bytes[..end], 1.0) {
                    Ok(part) => {
                        let samples = part.raster.samples().as_bytes();
                        let same = samples.iter().zip(whole.raster.samples().as_bytes());
                        let same = same.take_while(|(one, other)| one == other).count();
                        if !interlaced {
                            assert!(same >= most, "{name} {end}");
                            assert!(samples[same.next_multiple_of(line)..].iter().all(|sample| *sample == filling));
                        }
                        most = most.max(same);
                        assert_eq!(part.flaw, (same < samples.len()).then_some(Flaw::CutShort), "{name} {end}");
                    }
                    Err(Error::Damaged { .. }) => refused = end,
                    Err(error) => panic!("{name} {end}: {error}"),
                }
            }
            assert!(most >= line * 18 || interlaced && most > 0, "{name}: {most} of {}", line * 23);
            assert!(refused < bytes.len() / 2, "{name}: {refused} of {}", bytes.len());
        }
    }

    #[test]
    fn pixels_of_later_passes_are_filled_from_those_before() {
        let bytes = written(::png::ColorType::Rgba, ::png::BitDepth::Eight, true);
        let part = (0..bytes.len()).find_map(|end| decoded(&bytes[..end], 1.0).ok()).unwrap();
        assert_eq!(part.flaw, Some(Flaw::CutShort));
        let rows: Vec<_> = part.raster.samples().as_bytes().as_chunks::<4>().0.chunks(19).collect();
        // The first row of the first pass, of three pixels.
        let expected: Vec<[u8; 4]> = (0..19).map(|x| rows[0][x / 8 * 8]).collect();
        assert!(rows[..8].iter().all(|row| *row == expected) && expected[0] != expected[8]);
        assert!(rows[8..].iter().all(|row| *row == [[0; 4]; 19]));
    }

    #[test]
    fn a_cut_picture_can_be_made_smaller() {
        for (colour, filling) in [(::png::ColorType::Rgb, [MISSING; 4]), (::png::ColorType::Rgba, [0; 4])] {
            let bytes = written(colour, ::png::BitDepth::Eight, false);
            let part = decoded(&bytes[..bytes.len() * 3 / 4], 0.2).unwrap();
            assert_eq!((part.raster.width(), part.raster.height(), part.flaw), (10, 12, Some(Flaw::CutShort)));
            assert!(part.raster.samples().as_bytes().ends_with(&filling));
        }
    }
}
