//! Converts planes of luma and chroma to interleaved grey or RGB samples (ITU-T H.273, 8.3).
//!
//! Rows are converted in floating point: every depth, range and matrix becomes one affine transformation, which is
//! vectorized.

use super::{Description, Planes, Row};
use image_origin_container::heif::Nclx;
use image_origin_kernel::{Kernel, dispatch};

/// The maximum output value for 8-bit samples, and for deeper ones.
const EIGHT: f32 = 255.0;
const SIXTEEN: f32 = 65_535.0;

/// The rows of a matrix with an offset in the last column, from stored to output samples.
type Affine = [[f32; 4]; 3];

/// Converts the rows of one picture.
pub(super) struct Converter<'p> {
    planes: &'p dyn Planes,
    to_rgb: Affine,
    /// The rows that are shown.
    height: usize,
    /// Luma and both chroma components of the row, at the width of luma.
    rows: [Vec<f32>; 3],
    /// A row of chroma at its stored width.
    narrow: Vec<f32>,
}

/// The output samples of a row.
pub(super) enum Out<'o> {
    Eight(&'o mut [u8]),
    Sixteen(&'o mut [u16]),
}

impl<'p> Converter<'p> {
    /// Creates a converter to 8-bit output, or to 16-bit if `is_deep`; `None` for unsupported matrices. What is not shown
    /// of the planes has any colour, which does not reach into what is.
    pub(super) fn new(
        planes: &'p dyn Planes,
        meaning: Nclx,
        is_deep: bool,
        columns: usize,
        rows: usize,
    ) -> Option<Self> {
        let to_rgb = affine(meaning, planes.description(), if is_deep { SIXTEEN } else { EIGHT })?;
        let row = || vec![0.0; columns];
        Some(Self { planes, to_rgb, height: rows, rows: [row(), row(), row()], narrow: row() })
    }

    /// Writes the first samples of `channels`, one for grey and three for colour, for as many pixels of row `y` as fit
    /// into `out`.
    pub(super) fn row(&mut self, y: usize, channels: usize, out: Out<'_>) {
        load(self.planes.row(0, y), 1.0, &mut self.rows[0]);
        if !self.planes.description().is_monochrome {
            self.load_chroma(y);
        }
        let [luma, blue, red] = &self.rows;
        let (rows, to_rgb) = ([luma.as_slice(), blue, red], &self.to_rgb);
        match (out, channels) {
            (Out::Eight(out), 1) => dispatch(Store::<u8, 1> { rows, to_rgb, out }),
            (Out::Eight(out), 2) => dispatch(Store::<u8, 2> { rows, to_rgb, out }),
            (Out::Eight(out), 3) => dispatch(Store::<u8, 3> { rows, to_rgb, out }),
            (Out::Eight(out), _) => dispatch(Store::<u8, 4> { rows, to_rgb, out }),
            (Out::Sixteen(out), 1) => dispatch(Store::<u16, 1> { rows, to_rgb, out }),
            (Out::Sixteen(out), 2) => dispatch(Store::<u16, 2> { rows, to_rgb, out }),
            (Out::Sixteen(out), 3) => dispatch(Store::<u16, 3> { rows, to_rgb, out }),
            (Out::Sixteen(out), _) => dispatch(Store::<u16, 4> { rows, to_rgb, out }),
        }
    }

    /// Subsampled chroma is centred between luma samples: the nearer chroma sample has three times the weight.
    fn load_chroma(&mut self, y: usize) {
        let [halved_columns, halved_rows] = self.planes.description().subsampling;
        let width = self.narrow.len().div_ceil(if halved_columns { 2 } else { 1 });
        let last = self.height.div_ceil(2) - 1;
        for plane in [1, 2] {
            let wide = &mut self.rows[plane];
            let stored = if halved_columns { &mut self.narrow[..width] } else { &mut wide[..] };
            if halved_rows {
                let (near, far) =
                    (y / 2, if y.is_multiple_of(2) { (y / 2).saturating_sub(1) } else { (y / 2 + 1).min(last) });
                load(self.planes.row(plane, near), 0.75, stored);
                add(self.planes.row(plane, far), 0.25, stored);
            } else {
                load(self.planes.row(plane, y), 1.0, stored);
            }
            if halved_columns {
                dispatch(Widen { narrow: &self.narrow[..width], wide });
            }
        }
    }
}

/// Writes alpha after the colours of each pixel.
pub(super) fn write_alpha(planes: &dyn Planes, y: usize, channels: usize, out: Out<'_>) {
    let (max, depth) = (
        match out {
            Out::Eight(_) => EIGHT,
            Out::Sixteen(_) => SIXTEEN,
        },
        planes.description().depth,
    );
    let (zero, span) = luma_range(depth, planes.description().meaning.full_range);
    let alpha = |sample: f32| (sample - zero) * max / span + 0.5;
    let mut row = vec![0.0; planes.description().width as usize];
    load(planes.row(0, y), 1.0, &mut row);
    match out {
        Out::Eight(out) => {
            out.chunks_exact_mut(channels).zip(row).for_each(|(pixel, s)| pixel[channels - 1] = alpha(s) as u8);
        }
        Out::Sixteen(out) => {
            out.chunks_exact_mut(channels).zip(row).for_each(|(pixel, s)| pixel[channels - 1] = alpha(s) as u16);
        }
    }
}

fn load(row: Row<'_>, weight: f32, out: &mut [f32]) {
    match row {
        Row::Eight(row) => out.iter_mut().zip(row).for_each(|(out, s)| *out = f32::from(*s) * weight),
        Row::Sixteen(row) => {
            out.iter_mut().zip(row).for_each(|(out, s)| *out = f32::from(u16::from_ne_bytes(*s)) * weight);
        }
    }
}

fn add(row: Row<'_>, weight: f32, out: &mut [f32]) {
    match row {
        Row::Eight(row) => out.iter_mut().zip(row).for_each(|(out, s)| *out += f32::from(*s) * weight),
        Row::Sixteen(row) => {
            out.iter_mut().zip(row).for_each(|(out, s)| *out += f32::from(u16::from_ne_bytes(*s)) * weight);
        }
    }
}

/// The offset and scale of luma.
fn luma_range(depth: u8, full_range: bool) -> (f32, f32) {
    let unit = f32::from(1u16 << (depth - 8));
    if full_range { (0.0, unit * 256.0 - 1.0) } else { (16.0 * unit, 219.0 * unit) }
}

fn affine(meaning: Nclx, description: &Description, max: f32) -> Option<Affine> {
    let (zero, span) = luma_range(description.depth, meaning.full_range);
    let middle = f32::from(1u16 << (description.depth - 1));
    let chroma_span = if meaning.full_range { span } else { span / 219.0 * 224.0 };
    let matrix = match meaning.matrix {
        _ if description.is_monochrome => [[1.0, 0.0, 0.0]; 3],
        // Green, blue, red.
        0 => {
            let row = |place: usize| {
                let mut row = [0.0, 0.0, 0.0, -zero * max / span];
                row[place] = max / span;
                row
            };
            return Some([row(2), row(0), row(1)]);
        }
        8 => [[1.0, -1.0, 1.0], [1.0, 1.0, 0.0], [1.0, -1.0, -1.0]],
        code => {
            let (red, blue) = luma_weights(code, meaning.primaries)?;
            let green = 1.0 - red - blue;
            let (from_red, from_blue) = (2.0 * (1.0 - red), 2.0 * (1.0 - blue));
            [[1.0, 0.0, from_red], [1.0, -from_blue * blue / green, -from_red * red / green], [1.0, from_blue, 0.0]]
        }
    };
    Some(matrix.map(|[y, u, v]| {
        let [y, u, v] = [y * max / span, u * max / chroma_span, v * max / chroma_span];
        [y, u, v, -y * zero - (u + v) * middle]
    }))
}

/// The weights of red and blue in luma (table 4). Unspecified means ITU-R BT.601, as in JPEG.
fn luma_weights(matrix: u16, primaries: u16) -> Option<(f32, f32)> {
    Some(match (matrix, primaries) {
        (1, _) | (12, 1) => (0.2126, 0.0722),
        (4, _) => (0.3, 0.11),
        (7, _) => (0.212, 0.087),
        (9 | 10, _) | (12, 9) => (0.2627, 0.0593),
        (12, 12) => (0.228_974_6, 0.079_286_9),
        (2 | 5 | 6 | 12, _) => (0.299, 0.114),
        _ => return None,
    })
}

/// Doubles the width of a row.
struct Widen<'r> {
    narrow: &'r [f32],
    wide: &'r mut [f32],
}

impl Kernel for Widen<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { narrow, wide } = self;
        let (Some(first), Some(last)) = (narrow.first(), narrow.last()) else { return };
        let Some((start, rest)) = wide.split_first_mut() else { return };
        *start = *first;
        let pairs = rest.as_chunks_mut::<2>().0.iter_mut();
        for (([left, right], near), far) in pairs.zip(narrow).zip(narrow.iter().skip(1)) {
            *left = 0.75 * near + 0.25 * far;
            *right = 0.25 * near + 0.75 * far;
        }
        if let Some(end) = rest.get_mut(2 * (narrow.len() - 1)) {
            *end = *last;
        }
    }
}

/// Writes pixels of `N` samples, of which the first, or the first three, are grey or colour.
struct Store<'r, T, const N: usize> {
    rows: [&'r [f32]; 3],
    to_rgb: &'r Affine,
    out: &'r mut [T],
}

/// An output sample.
trait Sample: Copy {
    const MAX: f32;

    fn from_bits(bits: u32) -> Self;
}

impl Sample for u8 {
    const MAX: f32 = EIGHT;

    #[inline(always)]
    fn from_bits(bits: u32) -> Self {
        bits as Self
    }
}

impl Sample for u16 {
    const MAX: f32 = SIXTEEN;

    #[inline(always)]
    fn from_bits(bits: u32) -> Self {
        bits as Self
    }
}

/// The pixels that are converted together: too many for the compiler to unroll the loop, which it vectorizes instead.
const TOGETHER: usize = 64;

/// A float of this size has no fraction, and the integer in its lower bits.
const INTEGERS: f32 = 8_388_608.0;

impl<T: Sample, const N: usize> Kernel for Store<'_, T, N> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { rows: [luma, blue, red], to_rgb, out } = self;
        let used = if N < 3 { 1 } else { 3 };
        let rows = luma.chunks(TOGETHER).zip(blue.chunks(TOGETHER)).zip(red.chunks(TOGETHER));
        for (pixels, ((luma, blue), red)) in out.as_chunks_mut::<N>().0.chunks_mut(TOGETHER).zip(rows) {
            let mut planes = [[0; TOGETHER]; 3];
            for (plane, row) in planes.iter_mut().zip(to_rgb).take(used) {
                for (((bits, y), u), v) in plane.iter_mut().zip(luma).zip(blue).zip(red) {
                    let value = row[0] * y + row[1] * u + row[2] * v + row[3];
                    *bits = (value.clamp(0.0, T::MAX) + INTEGERS).to_bits();
                }
            }
            for (i, pixel) in pixels.iter_mut().take(TOGETHER).enumerate() {
                for (sample, plane) in pixel.iter_mut().zip(&planes).take(used) {
                    *sample = T::from_bits(plane[i]);
                }
            }
        }
    }
}
