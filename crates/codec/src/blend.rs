//! Alpha blending: a frame over its canvas, a picture over its background.

/// Blends a pixel over another one (Porter and Duff's "over", straight alpha).
pub fn over(below: &mut [u8; 4], above: [u8; 4]) {
    match (above[3], below[3]) {
        (0, _) => {}
        (255, _) | (_, 0) => *below = above,
        (alpha, under) => {
            let (alpha, under) = (u32::from(alpha), u32::from(under));
            let kept = (under * (255 - alpha) + 127) / 255;
            let total = alpha + kept;
            for (below, above) in below[..3].iter_mut().zip(above) {
                *below = ((u32::from(above) * alpha + u32::from(*below) * kept + total / 2) / total) as u8;
            }
            below[3] = total as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_transparent_pixels_are_mixed() {
        let table = [
            ([0, 0, 0, 0], [255, 0, 0, 255], [255, 0, 0, 255]),
            ([0, 0, 0, 128], [255, 0, 0, 255], [127, 0, 0, 255]),
            ([0, 255, 0, 128], [255, 0, 0, 0], [0, 255, 0, 128]),
            ([0, 0, 255, 255], [255, 0, 0, 255], [0, 0, 255, 255]),
            ([0, 255, 0, 128], [255, 0, 0, 128], [85, 170, 0, 192]),
        ];
        for (above, below, expected) in table {
            let mut pixel = below;
            over(&mut pixel, above);
            assert_eq!(pixel, expected, "{above:?} over {below:?}");
        }
    }
}
