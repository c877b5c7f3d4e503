//! What the encoder and the decoder of palettes have in common: the order of colours, and the length of their differences
//! (5.11.46, 5.11.50).

/// The number of bits of a difference from the last colour, from what is left.
pub(super) fn bits_of(range: u32) -> u32 {
    range.next_power_of_two().trailing_zeros()
}

/// `get_palette_cache`: the colours of the blocks above and to the left, in order.
pub(super) fn of_neighbours<T: Copy + Ord>(above: &[T], left: &[T]) -> Vec<T> {
    let mut colours = [above, left].concat();
    colours.sort_unstable();
    colours.dedup();
    colours
}

/// The colours of the neighbours of a sample, the likeliest first (`get_palette_color_context`, 5.11.50).
#[derive(Debug)]
pub(super) struct Order {
    near: [u8; 3],
    found: usize,
    pub(super) context: usize,
}

impl Order {
    /// The order for a sample after the first, in rows of `stride`.
    pub(super) fn new(indices: &[u8], stride: usize, [x, y]: [usize; 2]) -> Self {
        let at = y * stride + x;
        if x == 0 {
            return Self { near: [indices[at - stride], 0, 0], found: 1, context: 0 };
        }
        if y == 0 {
            return Self { near: [indices[at - 1], 0, 0], found: 1, context: 0 };
        }
        let (left, corner, above) = (indices[at - 1], indices[at - stride - 1], indices[at - stride]);
        let (near, found, context) = match (left == above, left == corner, above == corner) {
            (true, true, _) => ([left, 0, 0], 1, 4),
            (true, false, _) => ([left, corner, 0], 2, 3),
            (false, true, _) => ([left, above, 0], 2, 2),
            (false, _, true) => ([above, left, 0], 2, 2),
            _ => ([left.min(above), left.max(above), corner], 3, 1),
        };
        Self { near, found, context }
    }

    /// The place of a colour: first the near ones, then the others by number.
    pub(super) fn rank(&self, index: u8) -> usize {
        let near = &self.near[..self.found];
        near.iter()
            .position(|near| *near == index)
            .unwrap_or_else(|| usize::from(index) + near.iter().filter(|near| **near > index).count())
    }

    /// The colour at a place: the inverse of [`Self::rank`].
    pub(super) fn colour(&self, rank: usize) -> u8 {
        let near = &self.near[..self.found];
        near.get(rank).copied().unwrap_or_else(|| {
            let mut near = self.near;
            near[..self.found].sort_unstable();
            let other = (rank - self.found) as u8;
            near[..self.found].iter().fold(other, |colour, near| colour + u8::from(*near <= colour))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_has_a_place() {
        for corners in 0..512usize {
            let [corner, above, left] = [0, 3, 6].map(|shift| (corners >> shift & 7) as u8);
            let indices = [corner, above, left, 0];
            for place in [[1, 1], [1, 0], [0, 1]] {
                let order = Order::new(&indices, 2, place);
                for colour in 0..8 {
                    assert_eq!(order.colour(order.rank(colour)), colour, "{indices:?}, {place:?}");
                }
            }
        }
    }
}
