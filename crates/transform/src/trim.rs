//! Detects the uniform border that `trim` removes.

use image_origin_codec::{Area, Raster, Samples};

/// The part of `area` (in pixels of the raster) without its border: rows and columns at its edges in which no sample
/// differs by more than `threshold` from the top left pixel of the area. If there is nothing but border, all of it.
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
    let row_is_border = |y: &usize| (left..right).all(|x| is_border(x, *y));
    let Some(first_row) = (top..bottom).find(|y| !row_is_border(y)) else { return area };
    let last_row = (first_row..bottom).rev().find(|y| !row_is_border(y)).unwrap_or(first_row);
    let column_is_border = |x: &usize| (first_row..=last_row).all(|y| is_border(*x, y));
    let first_column = (left..right).find(|x| !column_is_border(x)).unwrap_or(left);
    let last_column = (first_column..right).rev().find(|x| !column_is_border(x)).unwrap_or(first_column);
    Area {
        x: first_column as f64,
        y: first_row as f64,
        width: (last_column + 1 - first_column) as f64,
        height: (last_row + 1 - first_row) as f64,
    }
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
    fn transparent_colours_do_not_count() {
        let samples = [[1u16, 0], [60_000, 0], [5, 65_535], [7, 0]].concat();
        let raster = Raster::new(4, 1, Channels::La, Samples::U16(samples)).unwrap();
        assert_eq!(inner(&raster, Area::whole(4, 1), 0), Area { x: 2.0, y: 0.0, width: 1.0, height: 1.0 });
    }
}
