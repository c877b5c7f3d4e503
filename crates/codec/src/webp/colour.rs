//! Converts rows of luma and chroma to RGB with libwebp's arithmetic.

use image_origin_kernel::Kernel;

/// Converts a row of samples of one resolution to pixels of `SIZE` bytes; bytes after blue are not changed.
pub(super) struct Convert<'r, const SIZE: usize> {
    pub(super) luma: &'r [u8],
    pub(super) chroma: [&'r [u8]; 2],
    pub(super) out: &'r mut [u8],
}

impl<const SIZE: usize> Kernel for Convert<'_, SIZE> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { luma, chroma: [u, v], out } = self;
        for (((pixel, y), u), v) in out.as_chunks_mut::<SIZE>().0.iter_mut().zip(luma).zip(u).zip(v) {
            [pixel[0], pixel[1], pixel[2]] = rgb(*y, *u, *v);
        }
    }
}

/// ITU-R BT.601 with luma in `16..=235`, in 14 bits, so that 16-bit integers suffice.
#[inline(always)]
fn rgb(y: u8, u: u8, v: u8) -> [u8; 3] {
    let y = times(y, 19_077);
    [
        (y + times(v, 26_149)).saturating_sub(14_234),
        (y + 8_708).saturating_sub(times(u, 6_419) + times(v, 13_320)),
        (y + times(u, 33_050)).saturating_sub(17_685),
    ]
    .map(|sample| (sample >> 6).min(255) as u8)
}

/// `sample * factor / 256`.
#[inline(always)]
fn times(sample: u8, factor: u16) -> u16 {
    ((u32::from(u16::from(sample) << 8) * u32::from(factor)) >> 16) as u16
}

/// Upsamples two rows of a chroma plane to a row of the picture, which is nearer to one of them. Chroma samples are
/// centred between four pixels, with weights of 9, 3, 3 and 1 sixteenths.
pub(super) struct Upsample<'r> {
    pub(super) near: &'r [u8],
    pub(super) far: &'r [u8],
    pub(super) out: &'r mut [u8],
}

impl Kernel for Upsample<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { near, far, out } = self;
        let column = |near: u8, far: u8| 3 * u16::from(near) + u16::from(far);
        let (Some(last), Some((first, rest))) = (near.len().checked_sub(1), out.split_first_mut()) else { return };
        *first = ((column(near[0], far[0]) + 2) >> 2) as u8;
        for ((pair, near), far) in rest.as_chunks_mut::<2>().0.iter_mut().zip(near.windows(2)).zip(far.windows(2)) {
            let (left, right) = (column(near[0], far[0]), column(near[1], far[1]));
            *pair = [((3 * left + right + 8) >> 4) as u8, ((3 * right + left + 8) >> 4) as u8];
        }
        if let Some(end) = rest.get_mut(2 * last) {
            *end = ((column(near[last], far[last]) + 2) >> 2) as u8;
        }
    }
}
