//! The names in a query that the grammar does not know, with what their authors may have meant.

use std::collections::HashSet;

use super::grammar::PARAMETERS;

/// A name that has no meaning here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoredName {
    /// The name, decoded.
    pub name: String,
    /// A name of the grammar that is so near that this is probably a slip.
    pub meant: Option<&'static str>,
}

/// The names in a query that are ignored, each once, in the order in which they occur. A query may hold thousands, so
/// whoever shows them takes a few: no more is compared than is taken.
pub fn ignored_names(query: &str) -> impl Iterator<Item = IgnoredName> {
    let mut seen = HashSet::new();
    let names = form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name);
    let ignored = names.filter(move |name| super::find(name).is_none() && seen.insert(name.to_string()));
    ignored.map(|name| IgnoredName { meant: meant(&name), name: name.into_owned() })
}

/// Longer names are no slips, and comparing them would take time.
const MAX_NAME: usize = 40;

/// The name of the grammar, or an alias, that may be meant.
fn meant(name: &str) -> Option<&'static str> {
    nearest(name, PARAMETERS.iter().flat_map(|p| std::iter::once(p.name).chain(p.aliases.iter().copied())))
}

/// The known name that a name is a slip for: it differs in case or separators only, or by less than a third of its letters.
pub fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    if name.len() > MAX_NAME {
        return None;
    }
    let plain = |name: &str| name.replace(['-', '_'], "").to_ascii_lowercase();
    let given = plain(name);
    let near = known.map(|known| (distance(given.as_bytes(), plain(known).as_bytes()), known));
    // With less in common, `x` would be taken for `w`. A long name is no excuse for more than three slips.
    let near = near.filter(|(distance, known)| distance * 3 < known.len() && *distance <= 3);
    near.min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

/// The letters to insert, delete, replace or swap with a neighbour to make one text of the other (optimal string
/// alignment).
fn distance(one: &[u8], other: &[u8]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let mut least = (last[j] + usize::from(a != b)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && one[i - 1] == *b {
                least = least.min(before_last[j - 1] + 1);
            }
            row.push(least);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[other.len()]
}
