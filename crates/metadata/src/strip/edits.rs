//! In-place edits, for files that contain absolute offsets: ranges of bytes and their new content.

use std::ops::Range;

use crate::Rewrite;

/// New content for a range of the file, of the same length.
pub(super) enum Edit {
    Bytes(Vec<u8>),
    /// Other parts of the file, padded with zeros to the length of the range, which they never exceed.
    Parts(Rewrite),
    Zeros,
}

/// Applies the edits to the file, truncated to `end`. If edits overlap, the one that begins first takes precedence.
pub(super) fn apply(source_len: u64, end: u64, mut edits: Vec<(Range<u64>, Edit)>) -> Rewrite {
    edits.retain(|(range, _)| range.start < range.end && range.end <= end);
    edits.sort_by_key(|(range, _)| range.start);
    let mut out = Rewrite::new(source_len);
    let mut at = 0;
    for (range, edit) in edits {
        if range.start < at {
            continue;
        }
        out.copy(at..range.start);
        match edit {
            Edit::Bytes(bytes) => out.insert(&bytes),
            Edit::Parts(parts) => {
                let len = parts.len();
                out.append(parts);
                out.zeros((range.end - range.start).saturating_sub(len));
            }
            Edit::Zeros => out.zeros(range.end - range.start),
        }
        at = range.end;
    }
    out.copy(at..end);
    out
}

/// Sorts these ranges and merges overlapping and adjacent ones.
pub(super) fn merged(ranges: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut sorted: Vec<_> = ranges.iter().filter(|range| range.start < range.end).cloned().collect();
    sorted.sort_by_key(|range| range.start);
    let mut out: Vec<Range<u64>> = Vec::new();
    for range in sorted {
        match out.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => out.push(range),
        }
    }
    out
}

/// The parts of `ranges` that are not covered by `holes`, in order.
pub(super) fn without(ranges: &[Range<u64>], holes: &[Range<u64>]) -> Vec<Range<u64>> {
    let holes = merged(holes);
    let mut out = Vec::new();
    for range in merged(ranges) {
        let first = holes.partition_point(|hole| hole.end <= range.start);
        let mut at = range.start;
        for hole in holes.iter().skip(first).take_while(|hole| hole.start < range.end) {
            if hole.start > at {
                out.push(at..hole.start);
            }
            at = hole.end;
        }
        if at < range.end {
            out.push(at..range.end);
        }
    }
    out
}

/// The intersection of two lists of ranges, in order.
pub(super) fn common(a: &[Range<u64>], b: &[Range<u64>]) -> Vec<Range<u64>> {
    without(a, &without(a, b))
}

/// Whether any two of these ranges overlap.
pub(super) fn any_overlap(ranges: &[Range<u64>]) -> bool {
    let mut sorted = ranges.to_vec();
    sorted.sort_by_key(|range| range.start);
    sorted.windows(2).any(|pair| matches!(pair, [a, b] if b.start < a.end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_subtracted_and_intersected() {
        assert_eq!(without(&[0..10, 20..30], &[5..6, 8..22, 29..40]), [0..5, 6..8, 22..29]);
        assert_eq!(without(&[0..10, 2..4, 20..21], &[]), [0..10, 20..21]);
        assert_eq!(without(&[0..10, 12..14], &[0..11, 11..14]), []);
        assert_eq!(common(&[0..10, 20..30], &[5..25, 26..27]), [5..10, 20..25, 26..27]);
        assert_eq!(common(&[0..10, 30..40], &[10..20, 20..30]), []);
    }
}
