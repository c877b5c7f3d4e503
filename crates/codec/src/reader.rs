//! The adapter for decoders of the `image` crate: they read from a reader that checks the deadline, and their headers
//! are checked against the budget before pixels are allocated.

use std::borrow::Cow;
use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom};

use image::{ColorType, ImageDecoder, ImageError};

use super::{
    Budget, Cancellation, Cancelled, Channels, DecodeOptions, Decoded, Error, Format, Header, Orientation, Raster,
    Samples,
};

/// The number of bytes between two checks of the deadline.
const STRIDE: usize = 16 * 1024;

/// Reads from memory until the work is cancelled: then the next read fails, and the file ends. Otherwise decoders that
/// ignore errors would continue forever.
pub(super) struct WatchedReader<'a> {
    bytes: Cursor<Cow<'a, [u8]>>,
    cancellation: &'a Cancellation,
    has_failed: bool,
}

impl<'a> WatchedReader<'a> {
    pub(super) fn new(bytes: impl Into<Cow<'a, [u8]>>, cancellation: &'a Cancellation) -> Self {
        Self { bytes: Cursor::new(bytes.into()), cancellation, has_failed: false }
    }

    /// Whether there is more to read.
    fn goes_on(&mut self) -> io::Result<bool> {
        if self.has_failed {
            return Ok(false);
        }
        self.cancellation.check().map(|()| true).map_err(|stopped| {
            self.has_failed = true;
            io::Error::other(stopped)
        })
    }
}

impl Read for WatchedReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.goes_on()? { self.bytes.read(buf) } else { Ok(0) }
    }
}

impl BufRead for WatchedReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if !self.goes_on()? {
            return Ok(&[]);
        }
        let rest = self.bytes.fill_buf()?;
        Ok(&rest[..rest.len().min(STRIDE)])
    }

    fn consume(&mut self, amount: usize) {
        self.bytes.consume(amount);
    }
}

impl Seek for WatchedReader<'_> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(position)
    }
}

/// The header of a picture, from an opened decoder.
pub(super) fn header(format: Format, decoder: &mut impl ImageDecoder, budget: Budget) -> Result<Header, Error> {
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(Error::Damaged { format, reason: "a side is zero".to_owned() });
    }
    budget.check_pixels(width, height)?;
    let (channels, _) = layout(decoder.color_type());
    // None of these formats has an orientation.
    Ok(Header { format, width, height, orientation: Orientation::UPRIGHT, channels })
}

/// Decodes the whole picture. `overhead` is the memory of the decoder besides its output, in bytes per pixel.
pub(super) fn read(
    format: Format,
    mut decoder: impl ImageDecoder,
    overhead: u64,
    options: &DecodeOptions<'_>,
) -> Result<Decoded, Error> {
    let (width, height) = decoder.dimensions();
    options.budget.check_memory(decoder.total_bytes() + u64::from(width) * u64::from(height) * overhead)?;
    let (channels, sixteen_bits) = layout(decoder.color_type());
    let icc = decoder.icc_profile().ok().flatten();
    let count = width as usize * height as usize * channels.count();
    let mut samples = Samples::zeroed(count, sixteen_bits);
    decoder.read_image(samples.as_bytes_mut()).map_err(|error| map_error(format, &error, options.cancellation))?;
    let raster = Raster::new(width, height, channels, samples)
        .ok_or_else(|| Error::Damaged { format, reason: "a side is zero".to_owned() })?;
    Ok(Decoded::whole(raster, icc))
}

/// Converts an error. A cancellation shows up as an I/O error; any other error is a property of the file.
pub(super) fn map_error(format: Format, error: &ImageError, cancellation: &Cancellation) -> Error {
    if cancellation.check().is_err() {
        return Error::Cancelled(Cancelled);
    }
    match error {
        // Impossible sizes are a property of the file as well.
        ImageError::Unsupported(error) if error.to_string().ends_with("are too large") => {
            Error::Damaged { format, reason: error.to_string() }
        }
        ImageError::Unsupported(error) => {
            Error::Unsupported(format!("the {format} is of a kind that is not read: {error}"))
        }
        error => Error::Damaged { format, reason: error.to_string() },
    }
}

fn layout(color: ColorType) -> (Channels, bool) {
    match color {
        ColorType::L8 => (Channels::L, false),
        ColorType::L16 => (Channels::L, true),
        ColorType::La8 => (Channels::La, false),
        ColorType::La16 => (Channels::La, true),
        ColorType::Rgb8 => (Channels::Rgb, false),
        ColorType::Rgb16 => (Channels::Rgb, true),
        ColorType::Rgba16 => (Channels::Rgba, true),
        _ => (Channels::Rgba, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoder_that_passes_over_errors_comes_to_an_end() {
        let cancellation = Cancellation::unbounded();
        let mut reader = WatchedReader::new(vec![1; 3 * STRIDE], &cancellation);
        assert_eq!(reader.read(&mut [0; 4]).unwrap(), 4);
        cancellation.cancel();
        assert!(reader.fill_buf().is_err());
        assert_eq!(reader.fill_buf().unwrap(), b"");
        assert_eq!(reader.bytes().filter(Result::is_ok).count(), 0);
    }
}
