//! Unknown names in a query, with suggestions.

use std::collections::HashSet;

use super::grammar::PARAMETERS;

/// An unknown parameter name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoredName {
    /// The name, decoded.
    pub name: String,
    /// The known name that was probably meant.
    pub meant: Option<&'static str>,
}

/// Iterates over the unknown names in a query, each once, in order of occurrence. A query may contain thousands, so a
/// caller that displays them should take a few: suggestions are computed lazily.
pub fn ignored_names(query: &str) -> impl Iterator<Item = IgnoredName> {
    let mut seen = HashSet::new();
    let names = form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name);
    let ignored = names.filter(move |name| super::find(name).is_none() && seen.insert(name.to_string()));
    ignored.map(|name| IgnoredName { meant: meant(&name), name: name.into_owned() })
}

/// The maximum length of a name for which a suggestion is computed, which bounds its cost.
const MAX_NAME: usize = 40;

/// The name or alias in the grammar that was probably meant.
fn meant(name: &str) -> Option<&'static str> {
    nearest(name, PARAMETERS.iter().flat_map(|p| std::iter::once(p.name).chain(p.aliases.iter().copied())))
}

/// The known name that is most similar: it differs only in case or separators, or by less than a third of its letters.
pub fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    if name.len() > MAX_NAME {
        return None;
    }
    let plain = |name: &str| name.replace(['-', '_'], "").to_ascii_lowercase();
    let given = plain(name);
    let near = known.map(|known| (distance(given.as_bytes(), plain(known).as_bytes()), known));
    // With a looser bound `x` would suggest `w`. Even in a long name, at most three letters may differ.
    let near = near.filter(|(distance, known)| distance * 3 < known.len() && *distance <= 3);
    near.min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

/// The optimal string alignment distance: the number of insertions, deletions, substitutions and transpositions of
/// adjacent letters.
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
