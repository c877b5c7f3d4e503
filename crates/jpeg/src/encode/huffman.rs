//! Optimal Huffman codes (T.81 K.2 and C).

/// The maximum length of a code.
const LONGEST: usize = 16;

/// A Huffman table as stored in a file, and its codes.
#[derive(Debug, Clone)]
pub(super) struct Codes {
    /// The number of codes of each length from 1 to 16.
    pub(super) counts: [u8; LONGEST],
    /// The symbols in code order.
    pub(super) symbols: Vec<u8>,
}

impl Codes {
    /// The optimal codes for these symbol frequencies. `None` if there are no symbols.
    pub(super) fn fit(frequencies: &[u32]) -> Option<Self> {
        let used = (0..=255).zip(frequencies).filter(|&(_, &frequency)| frequency > 0);
        // The most frequent symbol last.
        let mut symbols: Vec<(u32, u8)> = used.map(|(symbol, &frequency)| (frequency, symbol)).collect();
        symbols.sort_unstable();
        if symbols.is_empty() {
            return None;
        }
        // An additional entry of no weight reserves the code of all ones, which must not be used.
        let weights: Vec<u64> =
            std::iter::once(0).chain(symbols.iter().map(|&(frequency, _)| frequency.into())).collect();
        let mut counts = limit(count_lengths(&weights));
        if let Some(last) = counts.iter_mut().rfind(|count| **count > 0) {
            *last -= 1;
        }
        Some(Self { counts, symbols: symbols.iter().rev().map(|&(_, symbol)| symbol).collect() })
    }

    /// Symbols with their codes and code lengths, shortest first (T.81 C.2).
    pub(super) fn codes(&self) -> impl Iterator<Item = (u8, u32, u32)> {
        let lengths = (1..).zip(self.counts).flat_map(|(length, count)| std::iter::repeat_n(length, count.into()));
        let mut next = (0, 0);
        self.symbols.iter().zip(lengths).map(move |(&symbol, length)| {
            let (code, last) = next;
            let code = code << (length - last);
            next = (code + 1, length);
            (symbol, code, length)
        })
    }
}

/// An upper bound for code lengths: a code of length n has at least the weight of the nth Fibonacci number.
const DEEPEST: usize = 64;

/// The number of codes of each length (less one) in Huffman's algorithm for these weights, which are in ascending
/// order.
fn count_lengths(weights: &[u64]) -> [usize; DEEPEST] {
    // Nodes are created in ascending order, too, so leaves and nodes are two queues.
    let mut nodes: Vec<(u64, usize)> = Vec::with_capacity(weights.len());
    let mut parents = vec![0; weights.len() * 2];
    let (mut leaf, mut node) = (0, 0);
    for made in 0..weights.len().saturating_sub(1) {
        let mut sum = 0;
        for _ in 0..2 {
            let take_leaf = match (weights.get(leaf), nodes.get(node)) {
                (Some(&leaf), Some(&(node, _))) => leaf <= node,
                (leaf, _) => leaf.is_some(),
            };
            if take_leaf {
                sum += weights[leaf];
                parents[leaf] = made;
                leaf += 1;
            } else {
                sum += nodes[node].0;
                parents[weights.len() + node] = made;
                node += 1;
            }
        }
        nodes.push((sum, 0));
    }
    // Depths from the root, which is the last node, downwards.
    for node in (0..nodes.len().saturating_sub(1)).rev() {
        nodes[node].1 = nodes[parents[weights.len() + node]].1 + 1;
    }
    let mut counts = [0; DEEPEST];
    for &parent in &parents[..weights.len()] {
        let depth = nodes.get(parent).map_or(0, |node| node.1);
        counts[depth.min(DEEPEST - 1)] += 1;
    }
    counts
}

/// Shortens codes that are too long (T.81 figure K.3): of two sibling codes, one replaces their common prefix, and the
/// other is appended to a shorter code, next to its previous symbol.
fn limit(mut counts: [usize; DEEPEST]) -> [u8; LONGEST] {
    for length in (LONGEST..DEEPEST).rev() {
        while counts[length] > 0 {
            let Some(shorter) = (0..length - 1).rev().find(|&shorter| counts[shorter] > 0) else { break };
            counts[length] -= 2;
            counts[length - 1] += 1;
            counts[shorter + 1] += 2;
            counts[shorter] -= 1;
        }
    }
    std::array::from_fn(|length| counts[length] as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Code lengths by symbol; checks that codes are prefix-free and leave all ones unused.
    fn lengths(frequencies: &[u32]) -> Vec<u32> {
        let codes = Codes::fit(frequencies).unwrap();
        let mut lengths = vec![0; frequencies.len()];
        let mut ends = 0;
        for (symbol, code, length) in codes.codes() {
            assert!((1..=16).contains(&length));
            assert_eq!(code << (16 - length), ends, "codes follow one another without gaps");
            ends = (code + 1) << (16 - length);
            lengths[usize::from(symbol)] = length;
        }
        assert!(ends < 1 << 16, "the code of all ones is not used");
        lengths
    }

    #[test]
    fn frequent_symbols_have_short_codes() {
        assert!(Codes::fit(&[0; 256]).is_none());
        assert_eq!(lengths(&[0, 0, 9]), [0, 0, 1]);
        assert_eq!(lengths(&[5, 5]), [2, 1]);
        assert_eq!(lengths(&[1, 0, 2, 4, 8]), [4, 0, 3, 2, 1]);
        assert_eq!(lengths(&[1000; 256]).iter().sum::<u32>(), 255 * 8 + 9);
    }

    #[test]
    fn codes_have_at_most_sixteen_bits() {
        let mut fibonacci = vec![1, 1];
        while fibonacci.len() < 46 {
            fibonacci.push(fibonacci[fibonacci.len() - 1] + fibonacci[fibonacci.len() - 2]);
        }
        let lengths = lengths(&fibonacci);
        assert!(lengths.is_sorted_by(|rare, frequent| rare >= frequent));
        assert_eq!((lengths[0], lengths[45]), (16, 1));
    }
}
