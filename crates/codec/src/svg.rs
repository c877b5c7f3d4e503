//! SVG, rendered by `resvg` at the size that is needed.
//!
//! What is rendered is the sanitised drawing, so that the renderer sees no external reference, no entity and no nested
//! drawing. It cannot be interrupted: [`image_origin_svg::complexity`] bounds the work before a tree is built, and
//! `estimate.rs` that of painting it before a pixel is painted. Embedded pictures are decoded by the decoders of this
//! crate, within the budget.

mod estimate;
mod pictures;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{self, fontdb, roxmltree};

use super::{
    Budget, Cancellation, Channels, DecodeOptions, Decoded, Decoder, Error, Flaw, Format, Header, Meter, Orientation,
    Raster, Samples,
};
use estimate::Estimate;
use image_origin_svg::{self as svg, Metadata};
use pictures::Pictures;

/// The SVG decoder.
pub(super) struct Svg;

/// The maximum side of a drawing in CSS pixels.
const MAX_SIDE: u32 = 1_000_000;

/// The memory of the trees of a drawing in bytes, for each element and each byte of its text.
const BYTES_PER_ELEMENT: u64 = 4096;
const BYTES_PER_BYTE: u64 = 8;

/// The maximum length of all fonts in bytes, which stay in memory.
const MAX_FONTS: u64 = 64 << 20;
/// The maximum depth of folders of fonts.
const MAX_FOLDERS: usize = 4;

static FONTS: OnceLock<Arc<fontdb::Database>> = OnceLock::new();

/// Loads the fonts (TrueType, OpenType, and collections of them) in a folder and the folders in it, for all drawings of
/// this process. Returns the number of faces. Only the first call has an effect.
///
/// # Errors
/// The errors of reading, and an error if there is no font, or if they have more than 64 MiB.
pub fn load_svg_fonts(folder: &Path) -> io::Result<usize> {
    let mut fonts = fontdb::Database::new();
    let mut length = 0;
    load_folder(folder, MAX_FOLDERS, &mut fonts, &mut length)?;
    let names: Vec<String> = fonts.faces().flat_map(|face| &face.families).map(|(name, _)| name.clone()).collect();
    let Some(first) = names.first() else { return Err(io::Error::other("there are no fonts in it")) };
    // What a drawing asks for and is not there is drawn in the first of these that is.
    let pick = |wanted: &[&str]| {
        let found = wanted.iter().find(|wanted| names.iter().any(|name| name == *wanted));
        found.map_or_else(|| first.clone(), |name| (*name).to_owned())
    };
    fonts.set_serif_family(pick(&[
        "Times New Roman",
        "Liberation Serif",
        "Noto Serif",
        "DejaVu Serif",
        "Noto Sans",
        "DejaVu Sans",
    ]));
    fonts.set_sans_serif_family(pick(&[
        "Arial",
        "Helvetica",
        "Liberation Sans",
        "Noto Sans",
        "Inter",
        "Roboto",
        "DejaVu Sans",
    ]));
    fonts.set_monospace_family(pick(&["Courier New", "Liberation Mono", "Noto Sans Mono", "DejaVu Sans Mono"]));
    fonts.set_cursive_family(pick(&["Comic Sans MS", "Comic Neue"]));
    fonts.set_fantasy_family(pick(&["Impact"]));
    let count = fonts.len();
    let _ = FONTS.set(Arc::new(fonts));
    Ok(count)
}

fn load_folder(folder: &Path, depth: usize, fonts: &mut fontdb::Database, length: &mut u64) -> io::Result<()> {
    let mut entries = std::fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let metadata = path.metadata()?;
        if metadata.is_dir() {
            if depth > 0 {
                load_folder(&path, depth - 1, fonts, length)?;
            }
            continue;
        }
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
        if !matches!(ending.as_str(), "ttf" | "otf" | "ttc" | "otc") {
            continue;
        }
        *length += metadata.len();
        if *length > MAX_FONTS {
            return Err(io::Error::other("the fonts in it have more than 64 MiB"));
        }
        fonts.load_font_data(std::fs::read(&path)?);
    }
    Ok(())
}

impl Decoder for Svg {
    fn probe(&self, bytes: &[u8], _budget: Budget, cancellation: &Cancellation) -> Result<Header, Error> {
        let meter = Meter::new(bytes.len() as u64, cancellation);
        let text = svg::decode(bytes, &meter).map_err(Error::of_drawing)?;
        // The number of pixels depends on the size at which it is rendered.
        header(svg::size(&text, &meter).map_err(Error::of_drawing)?)
    }

    fn decode(&self, bytes: &[u8], options: &DecodeOptions<'_>) -> Result<Decoded, Error> {
        let meter = Meter::new(bytes.len() as u64, options.cancellation);
        let text = svg::decode(bytes, &meter).map_err(Error::of_drawing)?;
        svg::check_tags(&text, &meter).map_err(Error::of_drawing)?;
        let sanitized = svg::sanitize(&text, Metadata::None, &meter).map_err(Error::of_drawing)?;
        let header = header(sanitized.size)?;
        let area = options.area;
        let side = |length: f64| (length * options.scale).round().clamp(1.0, f64::from(u32::MAX)) as u32;
        let (width, height) = (side(area.width), side(area.height));
        options.budget.check_pixels(width, height)?;
        // The pixels are painted and then converted in place.
        let pixels = u64::from(width) * u64::from(height) * 4;
        let rest = options.budget.beside(pixels)?;
        let text = sanitized.to_text(&text);
        let complexity = svg::complexity(&text, &meter).map_err(Error::of_drawing)?;
        let fonts = FONTS.get();
        let rest = rest.beside(complexity.elements * BYTES_PER_ELEMENT + text.len() as u64 * BYTES_PER_BYTE)?;
        let pictures = Pictures::new(rest, options.cancellation);
        let tree = {
            let mut options = usvg::Options {
                image_href_resolver: pictures.resolver(),
                fontdb: fonts.cloned().unwrap_or_default(),
                ..usvg::Options::default()
            };
            if let Some(size) = usvg::Size::from_wh(header.width as f32, header.height as f32) {
                options.default_size = size;
            }
            let limits = roxmltree::ParsingOptions { allow_dtd: false, ..roxmltree::ParsingOptions::default() };
            let document = roxmltree::Document::parse_with_options(&text, limits).map_err(|error| damaged(&error))?;
            usvg::Tree::from_xmltree(&document, &options).map_err(|error| damaged(&error))?
        };
        let rest = pictures.finish()?;
        options.cancellation.check()?;
        // From the tree's units to pixels of the stored picture, and to those of the area.
        let across = f64::from(header.width) / f64::from(tree.size().width());
        let down = f64::from(header.height) / f64::from(tree.size().height());
        let (x, y) = (f64::from(width) / area.width, f64::from(height) / area.height);
        let transform = Transform::from_row(
            (across * x) as f32,
            0.0,
            0.0,
            (down * y) as f32,
            (-area.x * x) as f32,
            (-area.y * y) as f32,
        );
        Estimate::of(tree.root(), transform, (width, height), options.cancellation)?.check(pixels, rest)?;
        let mut pixmap = Pixmap::new(width, height).ok_or(Error::Internal("a drawing has no pixels"))?;
        resvg::render(&tree, transform, &mut pixmap.as_mut());
        options.cancellation.check()?;
        let mut samples = pixmap.take();
        straighten(&mut samples);
        let raster = Raster::new(width, height, Channels::Rgba, Samples::U8(samples));
        let raster = raster.ok_or(Error::Internal("a drawing has other pixels than its size needs"))?;
        let flaw = (complexity.has_text && fonts.is_none()).then_some(Flaw::TextMissing);
        Ok(Decoded { raster, area, icc: None, flaw })
    }
}

fn header(size: svg::Size) -> Result<Header, Error> {
    let (width, height) = size.in_pixels();
    super::check_sides([width, height], "a side of the drawing in pixels", MAX_SIDE)?;
    Ok(Header { format: Format::Svg, width, height, orientation: Orientation::UPRIGHT, channels: Channels::Rgba })
}

fn damaged(error: &dyn std::fmt::Display) -> Error {
    Error::Damaged { format: Format::Svg, reason: error.to_string() }
}

/// Converts premultiplied alpha to straight alpha.
fn straighten(samples: &mut [u8]) {
    for pixel in samples.as_chunks_mut::<4>().0 {
        let alpha = u32::from(pixel[3]);
        if !matches!(alpha, 0 | 255) {
            for sample in &mut pixel[..3] {
                *sample = ((u32::from(*sample) * 255 + alpha / 2) / alpha).min(255) as u8;
            }
        }
    }
}
