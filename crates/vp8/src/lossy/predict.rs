//! Intra prediction (RFC 6386, section 12).

use super::modes::{BlockMode, Mode};
use super::workspace::{Block, STRIDE};

/// Which neighbours of a macroblock are inside the picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Neighbours {
    pub(super) above: bool,
    pub(super) left: bool,
}

/// Predicts `SIZE` rows of `SIZE` samples, starting at column `START` in row 1 of the workspace (sections 12.2, 12.3).
#[inline(always)]
pub(super) fn predict_whole<const SIZE: usize, const START: usize>(
    plane: &mut [u8],
    mode: Mode,
    neighbours: Neighbours,
) {
    let mut above = [0; SIZE];
    above.copy_from_slice(&plane[START..START + SIZE]);
    let corner = plane[START - 1];
    let rows = plane.as_chunks_mut::<STRIDE>().0.iter_mut().skip(1).take(SIZE);
    match mode {
        Mode::Dc => {
            let left = rows.map(|row| u32::from(row[START - 1])).sum::<u32>();
            let above = above.iter().map(|sample| u32::from(*sample)).sum::<u32>();
            let size = SIZE as u32;
            let dc = match (neighbours.above, neighbours.left) {
                (true, true) => (above + left + size) / (2 * size),
                (true, false) => (above + size / 2) / size,
                (false, true) => (left + size / 2) / size,
                (false, false) => 128,
            };
            for row in plane.as_chunks_mut::<STRIDE>().0.iter_mut().skip(1).take(SIZE) {
                row[START..START + SIZE].fill(dc as u8);
            }
        }
        Mode::Vertical => {
            for row in rows {
                row[START..START + SIZE].copy_from_slice(&above);
            }
        }
        Mode::Horizontal => {
            for row in rows {
                let left = row[START - 1];
                row[START..START + SIZE].fill(left);
            }
        }
        Mode::TrueMotion => {
            for row in rows {
                let delta = i16::from(row[START - 1]) - i16::from(corner);
                for (sample, above) in row[START..START + SIZE].iter_mut().zip(&above) {
                    *sample = (i16::from(*above) + delta).clamp(0, 255) as u8;
                }
            }
        }
    }
}

/// The rounded average of two samples.
#[inline(always)]
const fn mean(a: u8, b: u8) -> u8 {
    (a as u16 + b as u16).div_ceil(2) as u8
}

/// The average of three samples, with double weight for the middle one.
#[inline(always)]
const fn smooth(a: u8, b: u8, c: u8) -> u8 {
    ((a as u16 + 2 * b as u16 + c as u16 + 2) / 4) as u8
}

/// Predicts a 4x4 block (section 12.3).
#[inline(always)]
pub(super) fn predict_block(block: &mut Block, mode: BlockMode) {
    let [x, a, b, c, d, e, f, g, h] = [0, 1, 2, 3, 4, 5, 6, 7, 8].map(|place: usize| block[place]);
    let [i, j, k, l] = [1, 2, 3, 4].map(|row: usize| block[STRIDE * row]);
    let rows = match mode {
        BlockMode::Dc => {
            let sum = [a, b, c, d, i, j, k, l].iter().map(|sample| u16::from(*sample)).sum::<u16>();
            [[((sum + 4) / 8) as u8; 4]; 4]
        }
        BlockMode::TrueMotion => [i, j, k, l].map(|left| {
            let delta = i16::from(left) - i16::from(x);
            [a, b, c, d].map(|above| (i16::from(above) + delta).clamp(0, 255) as u8)
        }),
        BlockMode::Vertical => [[smooth(x, a, b), smooth(a, b, c), smooth(b, c, d), smooth(c, d, e)]; 4],
        BlockMode::Horizontal => {
            [[smooth(x, i, j); 4], [smooth(i, j, k); 4], [smooth(j, k, l); 4], [smooth(k, l, l); 4]]
        }
        BlockMode::LeftDown => diagonals([
            smooth(a, b, c),
            smooth(b, c, d),
            smooth(c, d, e),
            smooth(d, e, f),
            smooth(e, f, g),
            smooth(f, g, h),
            smooth(g, h, h),
        ]),
        BlockMode::RightDown => {
            let [r0, r1, r2, r3] = diagonals([
                smooth(j, k, l),
                smooth(i, j, k),
                smooth(x, i, j),
                smooth(a, x, i),
                smooth(b, a, x),
                smooth(c, b, a),
                smooth(d, c, b),
            ]);
            [r3, r2, r1, r0]
        }
        BlockMode::VerticalRight => {
            let even = [mean(x, a), mean(a, b), mean(b, c), mean(c, d)];
            let odd = [smooth(i, x, a), smooth(x, a, b), smooth(a, b, c), smooth(b, c, d)];
            [even, odd, [smooth(j, i, x), even[0], even[1], even[2]], [smooth(k, j, i), odd[0], odd[1], odd[2]]]
        }
        BlockMode::VerticalLeft => {
            let even = [mean(a, b), mean(b, c), mean(c, d), mean(d, e)];
            let odd = [smooth(a, b, c), smooth(b, c, d), smooth(c, d, e), smooth(d, e, f)];
            [even, odd, [even[1], even[2], even[3], smooth(e, f, g)], [odd[1], odd[2], odd[3], smooth(f, g, h)]]
        }
        BlockMode::HorizontalDown => {
            let s = [smooth(i, x, a), smooth(j, i, x), smooth(k, j, i), smooth(l, k, j)];
            let m = [mean(i, x), mean(j, i), mean(k, j), mean(l, k)];
            [
                [m[0], s[0], smooth(x, a, b), smooth(a, b, c)],
                [m[1], s[1], m[0], s[0]],
                [m[2], s[2], m[1], s[1]],
                [m[3], s[3], m[2], s[2]],
            ]
        }
        BlockMode::HorizontalUp => {
            let (m, s) = ([mean(i, j), mean(j, k), mean(k, l)], [smooth(i, j, k), smooth(j, k, l), smooth(k, l, l)]);
            [[m[0], s[0], m[1], s[1]], [m[1], s[1], m[2], s[2]], [m[2], s[2], l, l], [l; 4]]
        }
    };
    for (y, row) in rows.iter().enumerate() {
        block[STRIDE * (y + 1) + 1..][..4].copy_from_slice(row);
    }
}

/// Four rows, each of which starts one sample later.
#[inline(always)]
fn diagonals(s: [u8; 7]) -> [[u8; 4]; 4] {
    [[s[0], s[1], s[2], s[3]], [s[1], s[2], s[3], s[4]], [s[2], s[3], s[4], s[5]], [s[3], s[4], s[5], s[6]]]
}
