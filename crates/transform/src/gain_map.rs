//! The gain map of an HDR photograph, with the geometry of the picture that is made of it.
//!
//! The input is the original and the final plan; the result is a JPEG for `metadata` to write behind the picture. The map
//! is cropped, resized and turned as the picture is, and keeps its resolution relative to it, or half of the picture's.
//! What would need other gains drops it: changed colours, and everything that covers or hides pixels. A map that is
//! damaged, or too large for the limits, leaves the picture without one.

use image_origin_codec::{
    self as codec, Budget, Channels, DecodeOptions, EncodeOptions, Format, Header, Raster, Samples,
};
use image_origin_metadata::{self as metadata, Carried, GainMap};
use image_origin_query::{Effects, Hdr, Transform};

use super::plan::Plan;
use super::{Error, Render, conversion, resize};

/// The range of the quality of an encoded map, which is otherwise its picture's.
const QUALITIES: std::ops::RangeInclusive<u8> = 30..=90;

/// The least resolution of a map relative to its picture, if the original's has as much: a small picture has finer detail
/// for each of its pixels than the original.
const LEAST_RATIO: f64 = 0.5;

/// The largest resolution of a map relative to its picture. Maps have a half to a quarter of it; in edited files they
/// may have more.
const LARGEST_RATIO: u32 = 2;

/// The largest share (1/n) of `max_bytes` that a map may take from its picture.
const SHARE: u64 = 4;

/// Whether a picture of this transform and plan keeps its gain map.
fn is_kept(transform: &Transform, plan: &Plan) -> bool {
    let Transform { hdr, redaction, overlay, effects, .. } = transform;
    let is_uncovered = redaction.is_none() && overlay.is_none() && plan.canvas.is_none() && plan.radius.is_none();
    *hdr == Hdr::Keep && is_uncovered && *effects == Effects::default() && plan.tilt.is_none()
}

/// Adds the gain map of the original to what its picture carries, if it has one that is kept. `format` are the formats of
/// which the picture may get one. `budget` is for memory besides the picture.
///
/// # Errors
/// [`codec::Error::Cancelled`] only.
pub(super) fn carried(
    carried: Carried,
    render: &Render<'_>,
    (header, plan): (Header, &Plan),
    mut formats: impl Iterator<Item = Format>,
    budget: Budget,
) -> Result<Carried, Error> {
    let is_jpeg = header.format == Format::Jpeg && formats.all(|format| format == Format::Jpeg);
    if !is_jpeg || !is_kept(&render.transform, plan) {
        return Ok(carried);
    }
    let found = match metadata::gain_map(render.original, &render.cancellation) {
        Err(exhausted) => Err(exhausted.into()),
        Ok(None) => return Ok(carried),
        Ok(Some(map)) => add(&carried, render, header, plan, &map, budget),
    };
    match found {
        Ok(with_map) => Ok(with_map.unwrap_or(carried)),
        Err(error @ codec::Error::Cancelled(_)) => Err(error.into()),
        Err(error) => {
            tracing::debug!(%error, "a gain map is dropped");
            Ok(carried)
        }
    }
}

/// The same with the map; `None` if that cannot be applied.
fn add(
    carried: &Carried,
    render: &Render<'_>,
    header: Header,
    plan: &Plan,
    map: &GainMap,
    budget: Budget,
) -> Result<Option<Carried>, codec::Error> {
    let cancellation = &render.cancellation;
    let budget = budget.beside(2 * carried.bytes())?;
    // Picture and map together are within the limit of one picture.
    let pixels = budget.pixels.saturating_sub(u64::from(header.width) * u64::from(header.height));
    let budget = Budget { pixels, ..budget };
    let file = render.original.get(map.start..).unwrap_or_default();
    let image = codec::open(file, budget, cancellation)?;
    let Header { format, width, height, channels, .. } = image.header();
    let is_usable = format == Format::Jpeg
        && matches!(channels, Channels::L | Channels::Rgb)
        && width <= header.width.saturating_mul(LARGEST_RATIO)
        && height <= header.height.saturating_mul(LARGEST_RATIO);
    if !is_usable || channels == Channels::Rgb && is_converted(render)? {
        return Ok(None);
    }
    let (across, down) = (f64::from(width) / f64::from(header.width), f64::from(height) / f64::from(header.height));
    let in_map = |area: codec::Area| codec::Area {
        x: area.x * across,
        y: area.y * down,
        width: area.width * across,
        height: area.height * down,
    };
    let (area, field) = (in_map(plan.area), in_map(plan.field));
    let stored = plan.stored_size();
    let side = |pixels: u32, ratio: f64, own: f64| {
        // A map is not enlarged.
        ((f64::from(pixels) * ratio.max(LEAST_RATIO)).min(own).round() as u32).clamp(1, pixels)
    };
    let size @ (out_width, out_height) = (side(stored.0, across, area.width), side(stored.1, down, area.height));
    let scale = (f64::from(out_width) / area.width).max(f64::from(out_height) / area.height).min(1.0);
    let decoded = image.decode(&DecodeOptions { scale, ..DecodeOptions::new(area, budget, cancellation) })?;
    if decoded.flaw.is_some() {
        return Ok(None);
    }
    let (field, area) = (field.in_raster(&decoded.raster, decoded.area), area.in_raster(&decoded.raster, decoded.area));
    let resized = resize::resize_decoded(decoded.raster, (field, area), decoded.blur, size, budget)?;
    budget.check_memory(resized.oriented_memory(plan.orientation))?;
    let upright = with_samples(resized.oriented(plan.orientation), map);
    let encoder = codec::encoder(Format::Jpeg).ok_or(codec::Error::Internal("JPEG has no encoder"))?;
    let asked = render.encode_request().options.quality;
    let quality = asked.clamp(*QUALITIES.start(), *QUALITIES.end());
    let options = EncodeOptions { quality, ..EncodeOptions::DEFAULT };
    let encoded = encoder.encode(&upright, &options, budget.beside(upright.bytes())?, cancellation)?;
    let mut parameters = map.parameters;
    // The primaries make no difference to one gain for all channels.
    parameters.uses_base_colour_space |= channels == Channels::L && !parameters.is_multichannel();
    let icc = decoded.icc.filter(|_| !parameters.uses_base_colour_space);
    let with_map = carried.clone().with_gain_map(&encoded, &parameters, icc);
    let allowed = render.transform.output.max_bytes.map_or(u64::MAX, u64::from);
    Ok(Some(with_map).filter(|with_map| with_map.gain_map_bytes() <= allowed / SHARE))
}

/// Whether the picture gets other primaries, to which gains for each channel do not apply.
fn is_converted(render: &Render<'_>) -> Result<bool, codec::Error> {
    let icc = image_origin_container::icc_profile(render.original, Format::Jpeg, &render.cancellation)?;
    Ok(icc.is_some_and(|icc| !conversion::is_srgb(&icc)))
}

/// The samples that the parameters describe.
fn with_samples(mut raster: Raster, map: &GainMap) -> Raster {
    if let (Some(samples), true) = (&map.samples, matches!(raster.samples(), Samples::U8(_))) {
        raster.samples_mut().iter_mut().for_each(|sample| *sample = samples[usize::from(*sample)]);
    }
    raster
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, Rendered};
    use image_origin_codec::Cancellation;
    use image_origin_container::{jpeg, tiff};
    use image_origin_metadata::GainMapParameters;

    /// A JPEG with a slope that tells every place and orientation apart, or its inverse, which is `255 - grey`.
    fn slope(width: u32, height: u32, channels: Channels, is_inverse: bool) -> Vec<u8> {
        let grey = |x: u32, y: u32| (20 + x * 140 / width + y * 75 / height) as u8;
        let samples = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).flat_map(|(x, y)| {
            let sample = if is_inverse { 255 - grey(x, y) } else { grey(x, y) };
            std::iter::repeat_n(sample, channels.count())
        });
        let raster = Raster::new(width, height, channels, Samples::U8(samples.collect())).unwrap();
        encoded(&raster)
    }

    fn encoded(raster: &Raster) -> Vec<u8> {
        let options = EncodeOptions { quality: 95, ..EncodeOptions::DEFAULT };
        let encoder = codec::encoder(Format::Jpeg).unwrap();
        encoder.encode(raster, &options, Budget::UNLIMITED, &Cancellation::unbounded()).unwrap()
    }

    /// A photograph whose gain map is its inverse.
    fn photograph(map: &[u8], orientation: u8) -> Vec<u8> {
        let base = slope(480, 360, Channels::Rgb, false);
        let exif = jpeg::segment(jpeg::APP1, &[jpeg::EXIF, &tiff::orientation_block(orientation)]);
        let base = [&base[..2], &exif, &base[2..]].concat();
        let carried = Carried::default().with_gain_map(map, &GainMapParameters::of_log_gain(2.5), None);
        metadata::embed(base, Format::Jpeg, &carried, 480, 360)
    }

    fn render(original: &[u8], query: &str) -> Rendered {
        Render::new(original).transform(query.parse().unwrap()).run().unwrap()
    }

    fn found(file: &[u8]) -> Option<GainMap> {
        metadata::gain_map(file, &Cancellation::unbounded()).unwrap()
    }

    fn pixels(file: &[u8]) -> Raster {
        let cancellation = Cancellation::unbounded();
        let image = codec::open(file, Budget::UNLIMITED, &cancellation).unwrap();
        let area = codec::Area::whole(image.header().width, image.header().height);
        let options = DecodeOptions::new(area, Budget::UNLIMITED, &cancellation);
        image.decode(&options).unwrap().raster
    }

    /// The first sample of the pixel at these twenty-fourths of the sides.
    fn sample(raster: &Raster, x: u32, y: u32) -> u8 {
        let (x, y) = (raster.width() * x / 24, raster.height() * y / 24);
        raster.samples().as_bytes()[(y * raster.width() + x) as usize * raster.channels().count()]
    }

    #[test]
    fn a_map_has_the_geometry_of_its_picture() {
        let maps = [
            ("small", slope(120, 90, Channels::L, true)),
            ("large", slope(480, 360, Channels::L, true)),
            ("of colours", slope(240, 180, Channels::Rgb, true)),
        ];
        let queries = [
            "w=240",
            "w=240&rotate=90",
            "h=200&flip=h&format=jpeg",
            "w=200&h=200&fit=cover",
            "w=200&h=100&fit=fill&linear",
            "crop=0.5,0.0,0.5,0.75&w=200&flip=v",
            "crop=0.25,0.333,0.5,0.667&rotate=270",
            "trim=0&w=300",
            "q=95",
            "w=900&enlarge&max_bytes=90000",
        ];
        for (name, map) in &maps {
            for orientation in [1, 2, 6, 8] {
                let original = photograph(map, orientation);
                for query in queries {
                    let rendered = render(&original, query);
                    let what = format!("{name} {orientation} {query}");
                    let map = found(&rendered.bytes).unwrap_or_else(|| panic!("{what}: no map"));
                    assert_eq!(map.parameters, GainMapParameters::of_log_gain(2.5), "{what}");
                    let (picture, map) = (pixels(&rendered.bytes), pixels(&rendered.bytes[map.start..]));
                    assert!(map.width() <= picture.width() && map.height() <= picture.height(), "{what}");
                    for (x, y) in [(3, 4), (9, 12), (15, 20), (21, 4), (21, 20), (3, 20)] {
                        let (sample, gain) = (sample(&picture, x, y), sample(&map, x, y));
                        assert!(sample.abs_diff(255 - gain) < 14, "{what}: {sample} and {gain} at {x} {y}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_map_keeps_its_resolution_or_half_of_the_pictures() {
        let table = [
            ((480, 360), "w=240", (240, 180)),
            ((240, 180), "w=240", (120, 90)),
            ((120, 90), "w=240", (120, 90)),
            ((120, 90), "w=120", (60, 45)),
            ((60, 45), "w=240", (60, 45)),
            ((240, 180), "crop=0,0,240,360&rotate=90", (180, 120)),
            ((1, 1), "w=240", (1, 1)),
        ];
        for ((width, height), query, expected) in table {
            let original = photograph(&slope(width, height, Channels::L, true), 1);
            let bytes = render(&original, query).bytes;
            let map = pixels(&bytes[found(&bytes).unwrap().start..]);
            assert_eq!((map.width(), map.height()), expected, "{width} {query}");
        }
    }

    #[test]
    fn other_colours_covers_and_formats_drop_the_map() {
        let original = photograph(&slope(120, 90, Channels::L, true), 1);
        let queries = [
            "hdr=drop",
            "brightness=1.1",
            "contrast=0.9",
            "saturation=0",
            "gamma=2",
            "grayscale",
            "tint=red",
            "invert",
            "blur=2",
            "sharpen=1",
            "pixelate=4",
            "redact=0,0,20,20",
            "redact=faces",
            "pad=5",
            "radius=4",
            "rotate=10",
            "w=90&h=90&fit=contain",
            "format=png",
            "format=webp",
            "max_bytes=4000",
        ];
        for query in queries {
            let rendered = render(&original, &format!("w=100&{query}"));
            assert!(found(&rendered.bytes).is_none(), "{query}");
            assert!(!rendered.bytes.windows(5).any(|window| window == b"hdrgm"), "{query}");
        }
        let auto = Render::new(&original).transform("w=100&format=auto".parse().unwrap());
        assert!(found(&auto.clone().accept("image/avif").run().unwrap().bytes).is_none());
        assert!(found(&auto.run().unwrap().bytes).is_some());
    }

    #[test]
    fn metadata_and_map_are_kept_together() {
        let map = slope(120, 90, Channels::L, true);
        let original = photograph(&map, 1);
        let packet = b"<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\
            <rdf:Description xmlns:dc=\"http://purl.org/dc/elements/1.1/\" dc:rights=\"Ann\"/></rdf:RDF></x:xmpmeta>";
        let rights = jpeg::segment(jpeg::APP1, &[jpeg::XMP, packet]);
        let insert = |file: &[u8]| [&file[..2], &rights, &file[2..]].concat();
        // Offsets of the directory are relative to itself, so that they still hold.
        for query in ["w=200&metadata=copyright", "w=200&metadata=all"] {
            let bytes = render(&insert(&original), query).bytes;
            assert!(found(&bytes).is_some(), "{query}");
            let has = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
            assert!(has(b"dc:rights") && has(b"hdrgm:Version") && has(b"Item:Semantic=\"GainMap\""), "{query}");
        }
    }

    #[test]
    fn damaged_maps_leave_the_picture_without_one() {
        let map = slope(120, 90, Channels::L, true);
        let original = photograph(&map, 1);
        let base = render(&original, "w=100&hdr=drop").bytes;
        let start = found(&original).unwrap().start;
        let mp = original.windows(4).position(|window| window == b"MPF\0").unwrap() + 4;
        // Entry 2 of the directory is at 66: attributes, length, offset.
        let (count, offset) = (mp + 28, mp + 74);
        let frame = start + original[start..].windows(2).position(|window| window == [0xff, 0xc0]).unwrap();
        let changed = |at: usize, bytes: &[u8]| {
            let mut file = original.clone();
            file[at..at + bytes.len()].copy_from_slice(bytes);
            file
        };
        let far = |value: u32| changed(offset, &value.to_be_bytes());
        // The map is found all the same, as it is in a stripped original.
        let directories = [
            ("beyond the file", far(1 << 30)),
            ("past all offsets", far(u32::MAX)),
            ("the picture itself", far(0)),
            ("within the picture", far(400)),
            ("near the map", far((start - mp) as u32 + 1)),
            ("10,000 entries", changed(count, &[0, 0x02, 0x71, 0x00])),
        ];
        for (name, file) in directories {
            assert!(found(&render(&file, "w=100").bytes).is_some(), "{name}");
        }
        let maps = [
            ("100 megapixels", changed(frame + 5, &[0x27, 0x10, 0x27, 0x10])),
            ("no pixels", changed(frame + 5, &[0, 0, 0, 0])),
            ("twelve bits", changed(frame + 4, &[12])),
            ("cut short", original[..original.len() - 900].to_vec()),
            ("cut in its header", original[..start + 60].to_vec()),
            ("cut to nothing", original[..start].to_vec()),
        ];
        for (name, file) in maps {
            assert!(render(&file, "w=100").bytes == base, "{name}");
        }
    }

    #[test]
    fn a_map_is_dropped_rather_than_the_picture_refused() {
        let original = photograph(&slope(480, 360, Channels::L, true), 1);
        let run = |pixels: u64| {
            let limits = Limits::from(Budget { pixels, memory: 100 << 20 });
            Render::new(&original).transform("w=100".parse().unwrap()).limits(limits).run().unwrap()
        };
        let pixels = 480 * 360;
        assert!(found(&run(2 * pixels).bytes).is_some());
        assert!(found(&run(2 * pixels - 1).bytes).is_none());
        let cancelled = Cancellation::unbounded();
        cancelled.cancel();
        let render = Render::new(&original).cancellation(cancelled);
        let header = Header {
            format: Format::Jpeg,
            width: 480,
            height: 360,
            orientation: codec::Orientation::UPRIGHT,
            channels: Channels::Rgb,
        };
        let stored = crate::Original { width: 480, height: 360, orientation: header.orientation };
        let plan = Plan::new(stored, codec::Area::whole(480, 360), &render.transform, None).unwrap();
        let formats = [Format::Jpeg].into_iter();
        let result = carried(Carried::default(), &render, (header, &plan), formats, Budget::UNLIMITED);
        assert!(matches!(result, Err(Error::Codec(codec::Error::Cancelled(_)))));
    }
}
