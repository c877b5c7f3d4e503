//! Detects the uniform border that `trim` removes.

use std::ops::Range;

use image_origin_codec::{Area, Raster, Samples};

/// Dust is at most this many pixels ...
const DUST: usize = 5;

/// ... with nothing else within this distance.
const APART: usize = 8;

/// The part of `area` (in pixels of the raster) without its border: rows and columns at its edges in which no sample
/// differs by more than `threshold` from the top left pixel of the area, but for dust. If there is nothing but dust, it
/// is what remains, and if there is nothing but border, all of it.
pub(super) fn inner(raster: &Raster, area: Area, threshold: u8) -> Area {
    let (left, top) = (area.x.round() as usize, area.y.round() as usize);
    let right = ((area.x + area.width).round() as usize).min(raster.width() as usize);
    let bottom = ((area.y + area.height).round() as usize).min(raster.height() as usize);
    let is_border = |x: usize, y: usize| match raster.samples() {
        Samples::U8(samples) => alike(raster, samples, (left, top), (x, y), threshold.into(), u8::MAX.into()),
        Samples::U16(samples) => {
            alike(raster, samples, (left, top), (x, y), u32::from(threshold) * 257, u16::MAX.into())
        }
    };
    let is_dust = |x: usize, y: usize| {
        let around = |at: usize, from: usize, to: usize| at.saturating_sub(APART).max(from)..(at + APART + 1).min(to);
        let pixels = around(y, top, bottom).flat_map(|y| around(x, left, right).map(move |x| (x, y)));
        pixels.filter(|(x, y)| !is_border(*x, *y)).nth(DUST).is_none()
    };
    let whole = (left..right, top..bottom);
    within(whole.clone(), |x, y| is_border(x, y) || is_dust(x, y)).or_else(|| within(whole, is_border)).unwrap_or(area)
}

/// The bounding box of all pixels that are not border.
fn within((columns, rows): (Range<usize>, Range<usize>), is_border: impl Fn(usize, usize) -> bool) -> Option<Area> {
    let row_is_border = |y: &usize| columns.clone().all(|x| is_border(x, *y));
    let first_row = rows.clone().find(|y| !row_is_border(y))?;
    let last_row = (first_row..rows.end).rev().find(|y| !row_is_border(y)).unwrap_or(first_row);
    let column_is_border = |x: &usize| (first_row..=last_row).all(|y| is_border(*x, y));
    let first_column = columns.clone().find(|x| !column_is_border(x)).unwrap_or(columns.start);
    let last_column = (first_column..columns.end).rev().find(|x| !column_is_border(x)).unwrap_or(first_column);
    Some(Area {
        x: first_column as f64,
        y: first_row as f64,
        width: (last_column + 1 - first_column) as f64,
        height: (last_row + 1 - first_row) as f64,
    })
}

/// Whether two pixels differ by at most `threshold`. Two transparent pixels are equal, whatever their colours.
fn alike<T: Copy + Into<u32>>(
    raster: &Raster,
    samples: &[T],
    (left, top): (usize, usize),
    (x, y): (usize, usize),
    threshold: u32,
    most: u32,
) -> bool {
    let count = raster.channels().count();
    let at = |x: usize, y: usize| {
        let start = (y * raster.width() as usize + x) * count;
        &samples[start..start + count]
    };
    let (one, other) = (at(left, top), at(x, y));
    let alpha = |pixel: &[T]| if raster.channels().has_alpha() { pixel[count - 1].into() } else { most };
    if alpha(one) == 0 && alpha(other) == 0 {
        return true;
    }
    one.iter().zip(other).all(|(a, b)| (*a).into().abs_diff((*b).into()) <= threshold)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image_origin_codec::Channels;

    #[test]
    fn the_border_goes_and_the_rest_stays() {
        #[rustfmt::skip]
        let samples = vec![
            9, 9, 9, 9, 9,
            9, 9, 60, 9, 9,
            9, 12, 9, 9, 9,
            9, 9, 9, 9, 9,
        ];
        let raster = Raster::new(5, 4, Channels::L, Samples::U8(samples)).unwrap();
        let whole = Area::whole(5, 4);
        assert_eq!(inner(&raster, whole, 2), Area { x: 1.0, y: 1.0, width: 2.0, height: 2.0 });
        assert_eq!(inner(&raster, whole, 10), Area { x: 2.0, y: 1.0, width: 1.0, height: 1.0 });
        assert_eq!(inner(&raster, whole, 100), whole);
        let part = Area { x: 2.0, y: 0.0, width: 3.0, height: 4.0 };
        assert_eq!(inner(&raster, part, 2), Area { x: 2.0, y: 1.0, width: 1.0, height: 1.0 });
    }

    #[test]
    fn dust_is_border_unless_it_is_near_something() {
        let (width, height) = (80usize, 60usize);
        let mut samples = vec![250u8; width * height];
        // A subject of 20 by 10 pixels.
        (25..35).for_each(|y| samples[y * width + 30..][..20].fill(40));
        let with = |specks: &[(usize, usize)]| {
            let mut samples = samples.clone();
            specks.iter().for_each(|(x, y)| samples[y * width + x] = 0);
            let raster = Raster::new(width as u32, height as u32, Channels::L, Samples::U8(samples)).unwrap();
            inner(&raster, Area::whole(width as u32, height as u32), 10)
        };
        let subject = Area { x: 30.0, y: 25.0, width: 20.0, height: 10.0 };
        assert_eq!(with(&[]), subject);
        assert_eq!(with(&[(3, 2)]), subject);
        assert_eq!(with(&[(3, 2), (4, 2), (3, 3), (4, 3), (79, 59), (40, 5)]), subject);
        // A full stop beside the last letter, and a line of six pixels.
        assert_eq!(with(&[(54, 34)]), Area { width: 25.0, ..subject });
        assert_eq!(with(&[5, 6, 7, 8, 9, 10].map(|x| (x, 30))), Area { x: 5.0, width: 45.0, ..subject });
    }

    #[test]
    fn transparent_colours_do_not_count() {
        let samples = [[1u16, 0], [60_000, 0], [5, 65_535], [7, 0]].concat();
        let raster = Raster::new(4, 1, Channels::La, Samples::U16(samples)).unwrap();
        assert_eq!(inner(&raster, Area::whole(4, 1), 0), Area { x: 2.0, y: 0.0, width: 1.0, height: 1.0 });
    }
}
