//! SVG, rendered by `resvg` at the size that is needed.
//!
//! What is rendered is the sanitised drawing, so that the renderer sees no external reference, no entity and no nested
//! drawing. It cannot be interrupted: [`image_origin_svg::complexity`] bounds the work before a tree is built, and
//! `estimate.rs` that of painting it before a pixel is painted. Embedded pictures are decoded by the decoders of this
//! crate, within the budget.

mod estimate;
#[cfg(feature = "svg-text")]
mod fonts;
mod pictures;
#[cfg(test)]
mod tests;

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{self, roxmltree};

use super::{
    Budget, Cancellation, Channels, DecodeOptions, Decoded, Decoder, Error, Flaw, Format, Header, Meter, Orientation,
    Raster, Samples,
};
use estimate::Estimate;
#[cfg(feature = "svg-text")]
pub use fonts::{load_svg_fonts, svg_fonts};
use image_origin_svg::{self as svg, Metadata};
use pictures::Pictures;

/// The SVG decoder.
pub(super) struct Svg;

/// The maximum side of a drawing in CSS pixels.
const MAX_SIDE: u32 = 1_000_000;

/// The memory of the trees of a drawing in bytes, for each element and each byte of its text.
const BYTES_PER_ELEMENT: u64 = 4096;
const BYTES_PER_BYTE: u64 = 8;

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
        let rest = rest.beside(complexity.elements * BYTES_PER_ELEMENT + text.len() as u64 * BYTES_PER_BYTE)?;
        let pictures = Pictures::new(rest, options.cancellation);
        let (tree, has_fonts) = {
            let mut options = usvg::Options { image_href_resolver: pictures.resolver(), ..usvg::Options::default() };
            if let Some(size) = usvg::Size::from_wh(header.width as f32, header.height as f32) {
                options.default_size = size;
            }
            #[cfg(feature = "svg-text")]
            let has_fonts = fonts::provide(&mut options);
            #[cfg(not(feature = "svg-text"))]
            let has_fonts = false;
            let limits = roxmltree::ParsingOptions { allow_dtd: false, ..roxmltree::ParsingOptions::default() };
            let document = roxmltree::Document::parse_with_options(&text, limits).map_err(|error| damaged(&error))?;
            (usvg::Tree::from_xmltree(&document, &options).map_err(|error| damaged(&error))?, has_fonts)
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
        let flaw = (complexity.has_text && !has_fonts).then_some(Flaw::TextMissing);
        Ok(Decoded { raster, area, blur: 0.0, icc: None, flaw })
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
