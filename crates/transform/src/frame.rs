//! Framing: rounded corners, and padding that is filled with the picture itself.
//!
//! The input is the 8-bit picture after its effects, and its canvas. The result is the picture with transparent
//! corners, or the complete canvas. Padding of one colour is left to the background, which is applied when the output
//! format is known.

use super::corners::{Corners, with_alpha};
use super::effects;
use super::mosaic::Cells;
use super::plan::Canvas;
use super::resize::{blank, resize};
use image_origin_codec::{self as codec, Area, Budget, Cancellation, Raster};
use image_origin_query::{Extend, Framing};

/// The longest side of the copy that is blurred for `extend=blur`.
const BLURRED_SIDE: f64 = 64.0;

/// The sigma of that blur as a fraction of the copy's longest side.
const BLUR: f64 = 0.03;

/// Frames a picture, and returns the canvas if the background remains to be filled. `budget` is for all memory,
/// including the picture.
///
/// # Errors
/// [`codec::Error::Cancelled`] between rows, and [`codec::Error::TooLarge`] before anything is allocated.
pub(super) fn framed(
    mut raster: Raster,
    canvas: Option<Canvas>,
    framing: &Framing,
    budget: Budget,
    cancellation: &Cancellation,
) -> Result<(Raster, Option<Canvas>), codec::Error> {
    let corners = framing.radius.map(|radius| Corners::new(radius, raster.width(), raster.height()));
    let Some(canvas) = canvas.filter(|_| framing.extend != Extend::Color) else {
        if let Some(corners) = corners {
            raster = with_alpha(raster, budget)?;
            corners.cut(&mut raster, (0, 0), cancellation)?;
        }
        return Ok((raster, canvas));
    };
    let place = (canvas.left as usize, canvas.top as usize);
    let repeated = |index: fn(i64, usize) -> usize| repeated(&raster, canvas, index, budget, cancellation);
    let mut filled = match framing.extend {
        Extend::Edge => repeated(nearest)?,
        Extend::Mirror => repeated(mirrored)?,
        Extend::Color | Extend::Blur => {
            let mut backdrop = blurred(&raster, canvas, budget, cancellation)?;
            if let Some(corners) = corners {
                raster = with_alpha(raster, budget.beside(backdrop.bytes())?)?;
                corners.cut(&mut raster, (0, 0), cancellation)?;
            }
            paste(&mut backdrop, &raster, place);
            return Ok((backdrop, None));
        }
    };
    drop(raster);
    if let Some(corners) = corners {
        filled = with_alpha(filled, budget)?;
        corners.cut(&mut filled, place, cancellation)?;
    }
    Ok((filled, None))
}

/// The index of the pixel nearest to a position in a row or column of `length` pixels.
fn nearest(at: i64, length: usize) -> usize {
    at.clamp(0, length as i64 - 1) as usize
}

/// The index of the pixel at a position if the row or column is mirrored at both ends.
fn mirrored(at: i64, length: usize) -> usize {
    let at = at.rem_euclid(2 * length as i64) as usize;
    if at < length { at } else { 2 * length - 1 - at }
}

/// Fills the canvas with pixels of the picture, selected by `index`.
fn repeated(
    raster: &Raster,
    canvas: Canvas,
    index: fn(i64, usize) -> usize,
    budget: Budget,
    cancellation: &Cancellation,
) -> Result<Raster, codec::Error> {
    let (width, height, count) = (raster.width() as usize, raster.height() as usize, raster.channels().count());
    let stride = canvas.width as usize * count;
    let indexes = u64::from(canvas.width) * size_of::<usize>() as u64;
    budget.check_memory(raster.bytes() + stride as u64 * u64::from(canvas.height) + indexes)?;
    let mut out = blank(canvas.width, canvas.height, raster.channels(), false);
    let columns: Vec<usize> =
        (0..i64::from(canvas.width)).map(|x| index(x - i64::from(canvas.left), width) * count).collect();
    let samples = raster.samples().as_bytes();
    for (y, to) in out.samples_mut().chunks_exact_mut(stride).enumerate() {
        cancellation.check()?;
        let from = &samples[index(y as i64 - i64::from(canvas.top), height) * width * count..][..width * count];
        for (to, column) in to.chunks_exact_mut(count).zip(&columns) {
            to.copy_from_slice(&from[*column..*column + count]);
        }
    }
    Ok(out)
}

/// A canvas covered by the blurred centre of the picture.
fn blurred(
    raster: &Raster,
    canvas: Canvas,
    budget: Budget,
    cancellation: &Cancellation,
) -> Result<Raster, codec::Error> {
    let (width, height) = (f64::from(raster.width()), f64::from(raster.height()));
    let ratio = f64::from(canvas.width) / f64::from(canvas.height);
    let (across, down) = (width.min(height * ratio).max(1.0), height.min(width / ratio).max(1.0));
    let middle = |side: f64, length: f64| {
        let (side, length) = (side as usize, length.round() as usize);
        (side - length) / 2..(side - length) / 2 + length
    };
    let shrink = (across.max(down) / BLURRED_SIDE).max(1.0);
    let count = |length: f64| (length / shrink).round().max(1.0);
    let (columns, rows) = (count(across), count(down));
    let cells = Cells::even(middle(width, across), middle(height, down), columns as usize, rows as usize);
    let budget = budget.beside(raster.bytes())?;
    budget.check_memory(cells.memory(raster))?;
    let small = effects::blur(cells.means(raster, cancellation)?, columns.max(rows) * BLUR, budget, cancellation)?;
    let all = Area::whole(small.width(), small.height());
    resize(small, all, all, canvas.width, canvas.height, budget)
}

/// Copies a picture onto another one with the same colour channels.
fn paste(canvas: &mut Raster, raster: &Raster, (left, top): (usize, usize)) {
    let (from, to) = (raster.channels(), canvas.channels());
    let (length, stride) = (raster.width() as usize * from.count(), canvas.width() as usize * to.count());
    let rows = canvas.samples_mut().chunks_exact_mut(stride).skip(top);
    for (below, above) in rows.zip(raster.samples().as_bytes().chunks_exact(length)) {
        let below = &mut below[left * to.count()..][..raster.width() as usize * to.count()];
        if !from.has_alpha() {
            below.copy_from_slice(above);
            continue;
        }
        for (below, above) in below.chunks_exact_mut(to.count()).zip(above.chunks_exact(from.count())) {
            let mut pixel = rgba(below, to.has_alpha());
            codec::over(&mut pixel, rgba(above, true));
            let colours = to.count() - usize::from(to.has_alpha());
            below[..colours].copy_from_slice(&pixel[..colours]);
            if to.has_alpha() {
                below[colours] = pixel[3];
            }
        }
    }
}

/// A pixel with its colour channels and alpha as RGBA.
fn rgba(pixel: &[u8], has_alpha: bool) -> [u8; 4] {
    let (colours, alpha) = if has_alpha { pixel.split_at(pixel.len() - 1) } else { (pixel, &[255][..]) };
    let mut rgba = [0, 0, 0, alpha[0]];
    rgba[..colours.len()].copy_from_slice(colours);
    rgba
}

#[cfg(test)]
mod tests {
    use super::*;
    use image_origin_codec::{Channels, Samples};
    use image_origin_query::Transform;

    fn framed(raster: Raster, canvas: Canvas, query: &str) -> Raster {
        let framing = query.parse::<Transform>().unwrap().framing;
        let (framed, rest) =
            super::framed(raster, Some(canvas), &framing, Budget::UNLIMITED, &Cancellation::unbounded()).unwrap();
        assert_eq!(rest, None);
        assert_eq!((framed.width(), framed.height()), (canvas.width, canvas.height));
        framed
    }

    #[test]
    fn padding_is_made_of_the_picture() {
        let row = || Raster::new(3, 1, Channels::L, Samples::U8(vec![1, 2, 3])).unwrap();
        let canvas = Canvas { width: 12, height: 1, left: 4, top: 0 };
        let table = [
            ("extend=edge", vec![1, 1, 1, 1, 1, 2, 3, 3, 3, 3, 3, 3]),
            ("extend=mirror", vec![3, 3, 2, 1, 1, 2, 3, 3, 2, 1, 1, 2]),
        ];
        for (query, expected) in table {
            assert_eq!(framed(row(), canvas, query).into_samples(), Samples::U8(expected), "{query}");
        }
    }

    #[test]
    fn a_blurred_copy_covers_the_canvas_and_the_picture_lies_on_it() {
        let samples: Vec<u8> = (0..40 * 20u32).map(|i| if i % 40 < 20 { 0 } else { 200 }).collect();
        let picture = Raster::new(40, 20, Channels::L, Samples::U8(samples)).unwrap();
        let canvas = Canvas { width: 40, height: 60, left: 0, top: 20 };
        let out = framed(picture.clone(), canvas, "extend=blur");
        let bytes = out.samples().as_bytes();
        assert_eq!(&bytes[800..1600], picture.samples().as_bytes());
        let top = &bytes[..40];
        assert!(top[0] < 20 && top[39] > 180 && (10..190).contains(&top[19].midpoint(top[20])), "{top:?}");
        let round = framed(picture, canvas, "extend=blur&radius=max");
        assert_eq!(round.channels(), Channels::L, "what shows under the corners is opaque");
        assert!(round.samples().as_bytes()[20 * 40 + 39] < 205);
    }

    #[test]
    fn corners_of_what_repeats_are_cut() {
        let picture = Raster::new(8, 8, Channels::Rgb, Samples::U8(vec![90; 192])).unwrap();
        let canvas = Canvas { width: 12, height: 12, left: 2, top: 2 };
        let out = framed(picture, canvas, "extend=edge&radius=4");
        let pixels = out.samples().as_bytes().as_chunks::<4>().0;
        assert_eq!((pixels[0], pixels[2 * 12 + 2], pixels[6 * 12 + 6]), ([90, 90, 90, 255], [0; 4], [90, 90, 90, 255]));
    }
}
