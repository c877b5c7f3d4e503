//! Pictures embedded in a drawing: decoded by the decoders of this crate, and handed to the renderer as PNG, so that it
//! reads no bytes of the upload.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use resvg::usvg::{ImageHrefResolver, ImageKind};

use crate::{Budget, Cancellation, Channels, DecodeOptions, Error, Format, Raster, Samples, open};

/// The embedded pictures of one drawing.
pub(super) struct Pictures<'a> {
    cancellation: &'a Cancellation,
    state: Mutex<State>,
}

struct State {
    /// What is left for further pictures.
    budget: Budget,
    /// Pictures by the hash of their file; `None` for those that cannot be decoded.
    known: HashMap<u64, Option<Arc<Vec<u8>>>>,
    /// The error that ends rendering.
    failure: Option<Error>,
}

impl<'a> Pictures<'a> {
    pub(super) fn new(budget: Budget, cancellation: &'a Cancellation) -> Self {
        Self { cancellation, state: Mutex::new(State { budget, known: HashMap::new(), failure: None }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The function by which the renderer finds pictures. Those that are not embedded do not exist.
    pub(super) fn resolver(&self) -> ImageHrefResolver<'_> {
        ImageHrefResolver {
            resolve_data: Box::new(|_, bytes, _| self.picture(&bytes).map(ImageKind::PNG)),
            resolve_string: Box::new(|_, _| None),
        }
    }

    /// The budget that is left.
    ///
    /// # Errors
    /// The error that ended the decoding of a picture, unless the picture is damaged.
    pub(super) fn finish(self) -> Result<Budget, Error> {
        let State { budget, failure, .. } = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        failure.map_or(Ok(budget), Err)
    }

    fn picture(&self, bytes: &[u8]) -> Option<Arc<Vec<u8>>> {
        let mut state = self.state();
        if state.failure.is_some() {
            return None;
        }
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let hash = hasher.finish();
        if let Some(known) = state.known.get(&hash) {
            return known.clone();
        }
        let picture = match decoded(bytes, state.budget, self.cancellation) {
            Ok((raster, png)) => {
                let pixels = u64::from(raster.width()) * u64::from(raster.height());
                let left = state.budget.beside(png.len() as u64);
                state.budget.pixels = state.budget.pixels.saturating_sub(pixels);
                match left {
                    Ok(left) => state.budget.memory = left.memory,
                    Err(error) => state.failure = Some(error),
                }
                Some(Arc::new(png))
            }
            // A drawing without a picture in it is shown as browsers show it.
            Err(Error::Damaged { .. } | Error::Unsupported(_)) => None,
            Err(error) => {
                state.failure = Some(error);
                None
            }
        };
        state.known.insert(hash, picture.clone());
        picture
    }
}

/// Decodes a picture, and encodes it as PNG without compression.
fn decoded(bytes: &[u8], budget: Budget, cancellation: &Cancellation) -> Result<(Raster, Vec<u8>), Error> {
    match crate::sniff(bytes) {
        Some(Format::Png | Format::Jpeg | Format::Gif | Format::WebP) => {}
        _ => return Err(Error::Unsupported("the embedded picture is in a format that is not read".to_owned())),
    }
    let image = open(bytes, budget, cancellation)?;
    let header = image.header();
    let options = DecodeOptions::new(image.area(), budget, cancellation);
    let raster = image.decode(&options)?.raster;
    // Turning and writing take another copy each.
    let rest = budget.beside(2 * raster.bytes())?;
    let raster = raster.oriented(header.orientation);
    let (color, length) = match raster.channels() {
        Channels::L => (png::ColorType::Grayscale, 1),
        Channels::La => (png::ColorType::GrayscaleAlpha, 2),
        Channels::Rgb => (png::ColorType::Rgb, 3),
        Channels::Rgba => (png::ColorType::Rgba, 4),
        Channels::Cmyk => return Err(Error::Unsupported("the embedded picture is in CMYK".to_owned())),
    };
    let samples = match raster.samples() {
        Samples::U8(samples) => samples.clone(),
        Samples::U16(samples) => samples.iter().map(|sample| (sample >> 8) as u8).collect(),
    };
    rest.check_memory(u64::from(raster.width()) * u64::from(raster.height()) * length)?;
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, raster.width(), raster.height());
    encoder.set_color(color);
    encoder.set_compression(png::Compression::NoCompression);
    encoder.set_filter(png::Filter::NoFilter);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&samples));
    written.map_err(|_| Error::Internal("an embedded picture cannot be written"))?;
    Ok((raster, png))
}
