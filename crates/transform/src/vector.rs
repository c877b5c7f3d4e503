//! Drawings (SVG) that stay drawings: sanitised text instead of pixels.
//!
//! A drawing has no pixels to resize: the viewer scales it. So it is sent as it is, unless the request asks for another
//! format, or for something that only pixels can show.

use std::borrow::Cow;
use std::time::Instant;

use super::{Error, Render, Rendered, Stages};
use image_origin_codec::{self as codec, Format, Meter, sniff};
use image_origin_metadata as metadata;
use image_origin_query::{Fit, FormatChoice, Output, TargetBox, Transform};
use image_origin_svg as svg;

/// The drawing, if the original is one that need not be rendered.
pub(super) fn render(render: &Render<'_>, started: Instant) -> Result<Option<Rendered>, Error> {
    let Output { format, max_bytes, .. } = render.transform.output;
    let is_asked = format == Some(FormatChoice::Svg);
    match sniff(render.original) {
        Some(Format::Svg) => {}
        Some(other) if is_asked => return Err(Error::NoDrawing(other)),
        _ => return Ok(None),
    }
    match (is_asked, render.rasterizes) {
        (true, true) => return Err(Error::RasterizedDrawing),
        (true, false) if changes(&render.transform) => return Err(Error::ChangedDrawing),
        (true, false) => {}
        (false, rasterizes) => {
            if rasterizes || !matches!(format, None | Some(FormatChoice::Auto)) || changes(&render.transform) {
                return Ok(None);
            }
        }
    }
    let meter = Meter::new(render.original.len() as u64, &render.cancellation);
    let read = || {
        let text = svg::decode(render.original, &meter)?;
        let sanitized = metadata::sanitize_drawing(&text, render.kept(), &meter)?;
        Ok((sanitized.to_text(&text).into_bytes(), sanitized.size))
    };
    let (bytes, size) = read().map_err(codec::Error::of_drawing)?;
    let length = bytes.len() as u64;
    if let Some(allowed) = max_bytes.map(u64::from).filter(|allowed| length > *allowed) {
        return if is_asked { Err(Error::MaxBytes { smallest: length, allowed }) } else { Ok(None) };
    }
    let (width, height) = size.in_pixels();
    let stages = Stages { decode: started.elapsed(), ..Stages::default() };
    Ok(Some(Rendered { bytes, format: Format::Svg, width, height, likeness: None, stages }))
}

/// The same request with enlarging allowed if the original is a drawing, which has no pixels that could be too few.
pub(super) fn enlarging<'r, 'a>(render: &'r Render<'a>) -> Cow<'r, Render<'a>> {
    if render.transform.enlarge || sniff(render.original) != Some(Format::Svg) {
        return Cow::Borrowed(render);
    }
    Cow::Owned(render.clone().transform(Transform { enlarge: true, ..render.transform.clone() }))
}

/// Whether a transform changes more than the size of a picture: what is in it, or its shape.
fn changes(transform: &Transform) -> bool {
    let usual = Transform::default();
    let keeps_shape = matches!(transform.fit, Fit::Inside | Fit::Outside);
    let both = matches!(transform.target, Some(TargetBox::Both(..)));
    let fit = if keeps_shape || !both && transform.fit != Fit::Fill { usual.fit } else { transform.fit };
    let rest = Transform {
        target: usual.target,
        fit,
        enlarge: usual.enlarge,
        gravity: usual.gravity,
        linear: usual.linear,
        colorspace: usual.colorspace,
        page: usual.page,
        output: usual.output,
        metadata: usual.metadata,
        download: None,
        revision: None,
        framing: image_origin_query::Framing { bounds: usual.framing.bounds, ..transform.framing },
        ..transform.clone()
    };
    rest != usual
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWING: &[u8] =
        b"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 40 20' onload='x()'><!-- a --><path d='M0 0h9v9z'/></svg>";
    const CLEAN: &[u8] = b"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 40 20'><path d='M0 0h9v9z'/></svg>";

    fn run(original: &[u8], query: &str, rasterizes: bool) -> Result<Option<Rendered>, Error> {
        let transform: Transform = query.parse().unwrap();
        let request = Render::new(original).transform(transform).rasterizes(rasterizes);
        render(&request, Instant::now())
    }

    #[test]
    fn drawings_stay_drawings_unless_pixels_are_needed() {
        for query in [
            "w=300",
            "w=300&h=300",
            "h=20&dpr=2",
            "format=auto",
            "format=svg",
            "format=svg&w=9",
            "q=20",
            "w=300&fit=cover",
            "lossless=true",
            "max_w=10",
            "metadata=all&w=10",
            "w=10&gravity=face",
            "max_bytes=1000&w=10",
        ] {
            let rendered = run(DRAWING, query, false).unwrap().unwrap_or_else(|| panic!("{query}"));
            assert_eq!((rendered.format, rendered.width, rendered.height), (Format::Svg, 40, 20), "{query}");
            assert_eq!(String::from_utf8_lossy(&rendered.bytes), String::from_utf8_lossy(CLEAN), "{query}");
        }
        for query in [
            "format=png",
            "w=300&format=webp",
            "w=30&h=30&fit=cover",
            "w=30&h=30&fit=contain",
            "w=30&h=30&fit=fill",
            "w=30&fit=fill",
            "crop=1,1",
            "rotate=90",
            "flip=h",
            "blur=1",
            "bg=red",
            "pad=3",
            "radius=3",
            "ar=1:1",
            "trim=3",
            "grayscale=true",
            "redact=0,0,1,1",
            "overlay=a.png",
            "zoom=2",
            "max_bytes=10",
        ] {
            assert_eq!(run(DRAWING, query, false), Ok(None), "{query}");
        }
        assert_eq!(run(DRAWING, "w=300", true), Ok(None));
    }

    #[test]
    fn svg_is_sent_of_drawings_alone() {
        let jpeg = b"\xff\xd8\xff\xe0";
        assert_eq!(run(jpeg, "w=300", false), Ok(None));
        assert_eq!(run(jpeg, "format=svg", false), Err(Error::NoDrawing(Format::Jpeg)));
        assert_eq!(run(DRAWING, "format=svg&crop=1,1", false), Err(Error::ChangedDrawing));
        assert_eq!(run(DRAWING, "format=svg", true), Err(Error::RasterizedDrawing));
        assert_eq!(run(DRAWING, "format=svg&max_bytes=10", false), Err(Error::MaxBytes { smallest: 87, allowed: 10 }));
        let cut = run(&DRAWING[..60], "w=300", false);
        assert!(matches!(cut, Err(Error::Codec(codec::Error::Damaged { format: Format::Svg, .. }))), "{cut:?}");
    }
}
