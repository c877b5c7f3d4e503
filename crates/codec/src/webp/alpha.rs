//! The alpha chunk of a lossy WebP (RFC 9649, section 2.7.1.2).

use image_origin_vp8::lossless;

use super::damaged;
use crate::{Budget, Cancellation, Error};

/// Decodes the alpha of a picture of this size: a byte for each pixel, which the caller accounts for, and what else the
/// budget allows while it is decoded.
pub(super) fn decode(
    chunk: &[u8],
    width: u32,
    height: u32,
    budget: Budget,
    cancellation: &Cancellation,
) -> Result<Vec<u8>, Error> {
    let Some((&flags, data)) = chunk.split_first() else { return Err(damaged("the alpha chunk is empty")) };
    let (compression, filter, preprocessing, reserved) = (flags & 3, flags >> 2 & 3, flags >> 4 & 3, flags >> 6);
    if preprocessing > 1 || reserved != 0 {
        return Err(damaged("the alpha chunk has unknown flags"));
    }
    let count = width as usize * height as usize;
    let mut plane = match compression {
        0 => data.get(..count).ok_or_else(|| damaged("the alpha chunk is too short"))?.to_vec(),
        1 => decode_lossless(data, width, height, budget, cancellation)?,
        _ => return Err(damaged("the alpha is of unknown compression")),
    };
    unfilter(&mut plane, width as usize, filter);
    Ok(plane)
}

/// Decodes a headerless lossless stream whose green channel is the alpha.
fn decode_lossless(
    data: &[u8],
    width: u32,
    height: u32,
    budget: Budget,
    cancellation: &Cancellation,
) -> Result<Vec<u8>, Error> {
    let check = || cancellation.go_on();
    let options = lossless::DecodeOptions::default().max_bytes(budget.memory).check(&check);
    let plane = lossless::decode_alpha(data, (width, height), &options)?;
    if plane.rows < height as usize {
        return Err(damaged("the alpha ends before the picture does"));
    }
    Ok(plane.samples)
}

/// Reverses the prediction filter: the left value, the value above, or the gradient of both and the value above left is
/// added to each value. The first row uses the left value, the first column the value above.
fn unfilter(plane: &mut [u8], width: usize, filter: u8) {
    if filter == 0 {
        return;
    }
    let mut above: &mut [u8] = &mut [];
    for row in plane.chunks_exact_mut(width) {
        row[0] = row[0].wrapping_add(above.first().copied().unwrap_or(0));
        match filter {
            2 if !above.is_empty() => {
                for (value, above) in row.iter_mut().zip(&*above).skip(1) {
                    *value = value.wrapping_add(*above);
                }
            }
            3 if !above.is_empty() => {
                let mut left = row[0];
                for (value, above) in row[1..].iter_mut().zip(above.windows(2)) {
                    let gradient = i16::from(left) + i16::from(above[1]) - i16::from(above[0]);
                    left = value.wrapping_add(gradient.clamp(0, 255) as u8);
                    *value = left;
                }
            }
            _ => {
                let mut left = row[0];
                for value in &mut row[1..] {
                    left = value.wrapping_add(left);
                    *value = left;
                }
            }
        }
        above = row;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_undone() {
        let table = [
            (0, [1, 2, 3, 4, 5, 6, 7, 8, 9]),
            (1, [1, 3, 6, 5, 10, 16, 12, 20, 29]),
            (2, [1, 3, 6, 5, 8, 12, 12, 16, 21]),
            (3, [1, 3, 6, 5, 12, 21, 12, 27, 45]),
        ];
        for (filter, expected) in table {
            let mut plane = [1, 2, 3, 4, 5, 6, 7, 8, 9];
            unfilter(&mut plane, 3, filter);
            assert_eq!(plane, expected, "filter {filter}");
        }
    }

    #[test]
    fn alpha_may_be_stored_as_it_is() {
        let (cancellation, budget) = (Cancellation::unbounded(), Budget { pixels: 100, memory: 1000 });
        assert_eq!(decode(&[0, 7, 8, 9, 10, 99], 2, 2, budget, &cancellation), Ok(vec![7, 8, 9, 10]));
        assert_eq!(decode(&[4, 7, 8, 9, 10], 2, 2, budget, &cancellation), Ok(vec![7, 15, 16, 26]));
        for broken in
            [&[][..], &[0, 7, 8, 9], &[2, 1, 1, 1, 1], &[0x20, 1, 1, 1, 1], &[0x40, 1, 1, 1, 1], &[1], &[1, 9]]
        {
            assert!(matches!(decode(broken, 2, 2, budget, &cancellation), Err(Error::Damaged { .. })), "{broken:?}");
        }
    }
}
