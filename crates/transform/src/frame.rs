//! Framing: rounded corners, and padding that is filled with the picture itself.
//!
//! The input is the 8-bit picture after its effects, and its canvas. The result is the picture with transparent
//! corners, or the complete canvas. Padding of one colour is left to the background, which is applied when the output
//! format is known. Planes of luma and chroma have no alpha, so they are framed together with their background.

use super::corners::{Corners, with_alpha};
use super::effects;
use super::mosaic::Cells;
use super::plan::Canvas;
use super::resize::{blank, resize};
use image_origin_codec::{self as codec, Area, Budget, Cancellation, Channels, Raster};
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

/// Frames upright planes of luma and chroma over an opaque background. Their chroma is aligned with the canvas: its
/// first sample covers the columns and rows of the canvas from `left / 2 * 2` and `top / 2 * 2` on. `background` has the
/// levels of the planes. With [`Extend::Edge`] and [`Extend::Mirror`] there must be no corners, which show the background
/// inside of the padding. `budget` is for all memory, including the planes.
///
/// # Errors
/// As [`framed`].
pub(super) fn framed_planes(
    planes: [Raster; 3],
    canvas: Canvas,
    framing: &Framing,
    background: [u8; 3],
    budget: Budget,
    cancellation: &Cancellation,
) -> Result<[Raster; 3], codec::Error> {
    let half = halved(canvas);
    let [mut luma, blue, red] = planes;
    let corners = framing.radius.map(|radius| Corners::new(radius, luma.width(), luma.height()));
    let shares = chroma_shares(canvas, &luma, corners.as_ref(), budget, cancellation)?;
    let mut held = luma.bytes() + blue.bytes() + red.bytes() + (shares.len() * size_of::<f32>()) as u64;
    let size = (luma.width(), luma.height());
    let mut below = |plane: &Raster, is_luma: bool, level: u8| {
        let budget = budget.beside(held - plane.bytes())?;
        let repeated = |index: fn(i64, usize) -> usize| match is_luma {
            true => repeated(plane, canvas, index, budget, cancellation),
            false => repeated_chroma(plane, canvas, size, index, budget, cancellation),
        };
        let own = if is_luma { canvas } else { half };
        let below = match framing.extend {
            Extend::Color => {
                budget.check_memory(plane.bytes() + u64::from(own.width) * u64::from(own.height))?;
                let mut below = blank(own.width, own.height, Channels::L, false);
                below.samples_mut().fill(level);
                below
            }
            Extend::Edge => repeated(nearest)?,
            Extend::Mirror => repeated(mirrored)?,
            Extend::Blur => blurred(plane, own, budget, cancellation)?,
        };
        held += below.bytes();
        Ok::<_, codec::Error>(below)
    };
    let [of_luma, of_blue, of_red] = background;
    let mut framed = [below(&luma, true, of_luma)?, below(&blue, false, of_blue)?, below(&red, false, of_red)?];
    let (width, stride) = (luma.width() as usize, canvas.width as usize);
    let place @ (left, top) = (canvas.left as usize, canvas.top as usize);
    if let Some(corners) = corners {
        let (below, above) = (framed[0].samples().as_bytes(), luma.samples_mut());
        corners.each(cancellation, |x, y, share| {
            let (below, above) = (below[(top + y) * stride + left + x], &mut above[y * width + x]);
            *above = mixed(below, *above, share);
        })?;
    }
    paste(&mut framed[0], &luma, place);
    let place = (half.left as usize, half.top as usize);
    for (below, above) in framed[1..].iter_mut().zip([blue, red]) {
        if shares.is_empty() { paste(below, &above, place) } else { paste_shares(below, &above, place, &shares) }
    }
    Ok(framed)
}

/// The canvas of the chroma planes.
fn halved(canvas: Canvas) -> Canvas {
    let Canvas { width, height, left, top } = canvas;
    Canvas { width: width.div_ceil(2), height: height.div_ceil(2), left: left / 2, top: top / 2 }
}

/// The fraction of each chroma sample that the picture covers; empty if it covers all of them.
fn chroma_shares(
    canvas: Canvas,
    luma: &Raster,
    corners: Option<&Corners>,
    budget: Budget,
    cancellation: &Cancellation,
) -> Result<Vec<f32>, codec::Error> {
    // The number of columns or rows of the picture, and of the canvas, in each block of two.
    let blocks = |start: u32, length: u32, side: u32| -> Vec<(f32, f32)> {
        let end = start + length;
        let blocks = (start / 2..end.div_ceil(2)).map(|block| (2 * block, (2 * block + 2).min(side)));
        blocks.map(|(from, to)| ((to.min(end) - from.max(start)) as f32, (to - from) as f32)).collect()
    };
    let across = blocks(canvas.left, luma.width(), canvas.width);
    let down = blocks(canvas.top, luma.height(), canvas.height);
    let is_full = |blocks: &[(f32, f32)]| blocks.iter().all(|(covered, all)| covered == all);
    if corners.is_none() && is_full(&across) && is_full(&down) {
        return Ok(Vec::new());
    }
    let samples = across.len() * down.len();
    budget.check_memory((samples * size_of::<f32>()) as u64)?;
    let mut shares = Vec::with_capacity(samples);
    shares.extend(down.iter().flat_map(|(rows, _)| across.iter().map(move |(columns, _)| rows * columns)));
    if let Some(corners) = corners {
        let (left, top) = (canvas.left as usize % 2, canvas.top as usize % 2);
        corners
            .each(cancellation, |x, y, share| shares[(top + y) / 2 * across.len() + (left + x) / 2] -= 1.0 - share)?;
    }
    for (shares, (_, rows)) in shares.chunks_exact_mut(across.len()).zip(&down) {
        shares.iter_mut().zip(&across).for_each(|(share, (_, columns))| *share = (*share / (rows * columns)).max(0.0));
    }
    Ok(shares)
}

/// Blends a plane with another one, with a fraction for each sample.
fn paste_shares(canvas: &mut Raster, plane: &Raster, (left, top): (usize, usize), shares: &[f32]) {
    let (width, stride) = (plane.width() as usize, canvas.width() as usize);
    let rows = canvas.samples_mut().chunks_exact_mut(stride).skip(top);
    let above = plane.samples().as_bytes().chunks_exact(width).zip(shares.chunks_exact(width));
    for (below, (above, shares)) in rows.zip(above) {
        for (below, (above, share)) in below[left..].iter_mut().zip(above.iter().zip(shares)) {
            *below = mixed(*below, *above, *share);
        }
    }
}

#[inline]
fn mixed(below: u8, above: u8, share: f32) -> u8 {
    let (below, above) = (f32::from(below), f32::from(above));
    (below + (above - below) * share + 0.5) as u8
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
    budget.check_memory(raster.bytes() + stride as u64 * u64::from(canvas.height))?;
    let mut out = blank(canvas.width, canvas.height, raster.channels(), false);
    let (left, samples) = (canvas.left as usize, raster.samples().as_bytes());
    for (y, to) in out.samples_mut().chunks_exact_mut(stride).enumerate() {
        cancellation.check()?;
        let from = &samples[index(y as i64 - i64::from(canvas.top), height) * width * count..][..width * count];
        to[left * count..][..width * count].copy_from_slice(from);
        for x in (0..left).chain(left + width..canvas.width as usize) {
            let column = index(x as i64 - left as i64, width) * count;
            to[x * count..][..count].copy_from_slice(&from[column..][..count]);
        }
    }
    Ok(out)
}

/// The same for a chroma plane: each sample is the mean of those that the pixels of its block are selected from.
fn repeated_chroma(
    plane: &Raster,
    canvas: Canvas,
    (width, height): (u32, u32),
    index: fn(i64, usize) -> usize,
    budget: Budget,
    cancellation: &Cancellation,
) -> Result<Raster, codec::Error> {
    let half = halved(canvas);
    let bytes = u64::from(half.width) * u64::from(half.height);
    budget.check_memory(plane.bytes() + bytes + u64::from(half.width) * size_of::<[usize; 2]>() as u64)?;
    let selected = |block: u32, start: u32, length: u32, side: u32| {
        [2 * block, (2 * block + 1).min(side - 1)].map(|at| {
            let pixel = index(i64::from(at) - i64::from(start), length as usize);
            (pixel + start as usize % 2) / 2
        })
    };
    let columns: Vec<_> = (0..half.width).map(|x| selected(x, canvas.left, width, canvas.width)).collect();
    let stride = plane.width() as usize;
    let mut out = blank(half.width, half.height, Channels::L, false);
    for (y, to) in (0..half.height).zip(out.samples_mut().chunks_exact_mut(half.width as usize)) {
        cancellation.check()?;
        let rows = selected(y, canvas.top, height, canvas.height);
        let [upper, lower] = rows.map(|row| &plane.samples().as_bytes()[row * stride..][..stride]);
        for (to, [left, right]) in to.iter_mut().zip(&columns) {
            let sum = [upper[*left], upper[*right], lower[*left], lower[*right]].map(u16::from).iter().sum::<u16>();
            *to = ((sum + 2) / 4) as u8;
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
    use image_origin_codec::Samples;
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
