//! Which rule decides about a path.
//!
//! A pattern is a path whose segments may hold wildcards and claims: `/users/{sub}/*`, `/press/*.jpg`. The first rule
//! whose pattern matches decides. A path that some other reading of it would bring under a different rule is refused:
//! see [`ViewerPath`].

use crate::config::{Mode, Problems};
use crate::path::{ViewerPath, fold_case, remove_dot_segments};

/// One rule of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) pattern: PathPattern,
    /// Any one of these suffices.
    pub(crate) allow: Vec<Mode>,
    /// Whose JWTs are good here; empty means any configured issuer's.
    pub(crate) issuers: Vec<String>,
    /// Whether answers are private although everybody passes: something in front of this, such as CloudFront's own signed
    /// URLs, decides who does.
    pub(crate) private: bool,
    /// What `Cache-Control` says of answers under this rule.
    pub(crate) times: CacheTimes,
}

impl Rule {
    /// Whether caches that many people share may keep answers.
    pub(crate) fn is_public(&self) -> bool {
        self.allow.contains(&Mode::Public) && !self.private
    }
}

/// The times of a rule, in seconds. Those that are absent are the origin's to tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CacheTimes {
    /// How long browsers may keep an answer, and CloudFront, unless it has a time of its own.
    pub(crate) max_age: Option<u32>,
    /// How long CloudFront may keep an answer.
    pub(crate) s_maxage: Option<u32>,
    /// How long an old answer may be given while a new one is fetched (RFC 5861, section 3).
    pub(crate) stale_while_revalidate: Option<u32>,
    /// How long an old answer may be given when the origin fails (RFC 5861, section 4).
    pub(crate) stale_if_error: Option<u32>,
}

impl CacheTimes {
    /// A year: CloudFront keeps nothing for longer.
    const MAX: u32 = 365 * 24 * 60 * 60;

    pub(crate) fn check(self, field: &str, problems: &mut Problems) {
        let times = [
            ("max_age", self.max_age),
            ("s_maxage", self.s_maxage),
            ("stale_while_revalidate", self.stale_while_revalidate),
            ("stale_if_error", self.stale_if_error),
        ];
        for (name, _) in times.into_iter().filter(|(_, time)| time.is_some_and(|time| time > Self::MAX)) {
            problems.add(format_args!("{field}.{name}"), format_args!("takes 0 to {} seconds", Self::MAX));
        }
    }
}

/// A parsed path template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathPattern {
    text: String,
    segments: Vec<Segment>,
    /// Ends in `/*`: whatever is deeper belongs to it.
    deep: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// Literal text, with `*` for any run of characters.
    Glob { exact: String, folded: String },
    /// A whole segment that must equal a claim.
    Claim(String),
}

/// A claim of the template and the segment it stands against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Capture<'a> {
    pub(crate) claim: &'a str,
    pub(crate) segment: &'a str,
}

#[derive(Clone, Copy)]
enum Reading {
    Plain,
    Loose,
}

/// What the rules say of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selection<'a> {
    /// This rule, by its position, with what its claims stand against in both readings.
    Rule { index: usize, plain: Vec<Capture<'a>>, loose: Vec<Capture<'a>> },
    /// No rule: nobody may.
    None,
    /// Readings of the path fall under different rules.
    Ambiguous,
}

/// Finds the rule for a path.
pub(crate) fn select<'a>(rules: &'a [Rule], path: &'a ViewerPath) -> Selection<'a> {
    let first = |text: &'a str, reading| {
        rules.iter().enumerate().find_map(|(index, rule)| Some((index, rule.pattern.captures(text, reading)?)))
    };
    match (first(&path.plain, Reading::Plain), first(&path.loose, Reading::Loose)) {
        (None, None) => Selection::None,
        (Some((index, plain)), Some((other, loose))) if index == other => Selection::Rule { index, plain, loose },
        _ => Selection::Ambiguous,
    }
}

impl PathPattern {
    /// Reads a template.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let Some(rest) = text.strip_prefix('/') else { return Err("must start with a slash") };
        if text.contains(['%', '\\', '?', '#']) {
            return Err("is written decoded, without % \\ ? #");
        }
        if remove_dot_segments(text) != text || text.contains("//") {
            return Err("has no . or .. and no empty segments");
        }
        let (rest, deep) = match rest.strip_suffix('*') {
            Some(parent) if parent.is_empty() || parent.ends_with('/') => {
                (parent.strip_suffix('/').unwrap_or(""), true)
            }
            _ => (rest, false),
        };
        let segments = if deep && rest.is_empty() {
            Vec::new()
        } else {
            rest.split('/').map(Segment::parse).collect::<Result<_, _>>()?
        };
        Ok(Self { text: text.to_owned(), segments, deep })
    }

    /// The template as it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether the template depends on who asks.
    pub(crate) fn has_claims(&self) -> bool {
        self.segments.iter().any(|segment| matches!(segment, Segment::Claim(_)))
    }

    /// Whether every path that the other template matches is one that this matches. A `false` may be wrong where stars
    /// stand in the middle of both.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let (mine, others) = (self.segments.len(), other.segments.len());
        let long_enough = match (self.deep, other.deep) {
            (false, false) => mine == others,
            (false, true) => false,
            (true, false) => mine < others,
            (true, true) => mine <= others,
        };
        long_enough && self.segments.iter().zip(&other.segments).all(|(segment, other)| segment.covers(other))
    }

    fn captures<'a>(&'a self, path: &'a str, reading: Reading) -> Option<Vec<Capture<'a>>> {
        let mut parts = path.split('/').skip(1);
        let mut captures = Vec::new();
        for segment in &self.segments {
            let part = parts.next()?;
            match segment {
                Segment::Claim(claim) => captures.push(Capture { claim, segment: part }),
                Segment::Glob { exact, folded } => {
                    let pattern = match reading {
                        Reading::Plain => exact,
                        Reading::Loose => folded,
                    };
                    if !glob_matches(pattern, part) {
                        return None;
                    }
                }
            }
        }
        // `/a/*` takes `/a/` and what is deeper, not `/a` itself.
        (parts.next().is_some() == self.deep).then_some(captures)
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(claim) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            if claim.is_empty() || claim.contains(['{', '}', '*']) {
                return Err("has a claim without a proper name");
            }
            return Ok(Self::Claim(claim.to_owned()));
        }
        if text.contains(['{', '}']) {
            return Err("has a claim that is only a part of a segment");
        }
        Ok(Self::Glob { exact: text.to_owned(), folded: fold_case(text) })
    }
}

impl Segment {
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            // The rule is chosen whatever the segment is; whether it equals the claim is judged afterwards.
            (Self::Claim(_), _) => true,
            (Self::Glob { exact, .. }, Self::Claim(_)) => exact == "*",
            // A star of the other's is one more character here, which only a star matches.
            (Self::Glob { exact, .. }, Self::Glob { exact: other, .. }) => glob_matches(exact, other),
        }
    }
}

/// Matches `*` against any run of characters, in linear time but for the number of stars.
fn glob_matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    for piece in pieces {
        let Some(found) = rest.find(piece) else { return false };
        rest = &rest[found + piece.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(patterns: &[&str]) -> Vec<Rule> {
        patterns
            .iter()
            .map(|text| Rule {
                pattern: PathPattern::parse(text).unwrap(),
                allow: vec![Mode::Public],
                issuers: Vec::new(),
                private: false,
                times: CacheTimes::default(),
            })
            .collect()
    }

    #[test]
    fn patterns_match_segments() {
        let table = [
            ("/*", "/", true),
            ("/*", "/a/b/c", true),
            ("/a/*", "/a/", true),
            ("/a/*", "/a/b/c", true),
            ("/a/*", "/a", false),
            ("/a/*", "/ab/c", false),
            ("/a", "/a", true),
            ("/a", "/a/", false),
            ("/", "/", true),
            ("/", "/a", false),
            ("/press/*.jpg", "/press/a.jpg", true),
            ("/press/*.jpg", "/press/a/b.jpg", false),
            ("/a-*-b*c/x", "/a-1-2-b3c/x", true),
            ("/a-*-b*c/x", "/a-b3c/x", false),
            ("/*a/x", "/a/x", true),
            ("/ab*ba", "/aba", false),
            ("/users/{sub}/*", "/users/alice/a/b", true),
            ("/users/{sub}/*", "/users/alice", false),
            ("/ä/*", "/ä/x", true),
        ];
        for (pattern, path, expected) in table {
            let matched = PathPattern::parse(pattern).unwrap().captures(path, Reading::Plain).is_some();
            assert_eq!(matched, expected, "{pattern} against {path}");
        }
    }

    #[test]
    fn bad_patterns_are_refused() {
        for pattern in
            ["", "a", "/a//b", "/a/../b", "/./a", "/a%20b", "/{}/x", "/u-{sub}/x", "/{a*}/x", "/a?b", "/a\\b"]
        {
            assert!(PathPattern::parse(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn every_reading_must_choose_the_same_rule() {
        let rules = rules(&["/users/{sub}/*", "/Team/*", "/pub*/*", "/ΛΟΓΟΣ/*"]);
        let table = [
            ("/users/bob/x", Some(0)),
            ("/Team/x", Some(1)),
            ("/public/x", Some(2)),
            ("/ΛΟΓΟΣ/x", Some(3)),
            // Only a reader that folds them finds these under the first two rules.
            ("/USERS/bob/x", None),
            ("/team/x", None),
            ("//users/bob/x", None),
            ("/public/..%5c../users/bob/x", None),
            ("/public/%252e%252e/users/bob/x", None),
            ("/public/%252e%252e/users/bob/x%25ff/%252e%252e/a", None),
            ("/%2575sers/bob/x", None),
            // Plain to every reader.
            ("/public/%2e%2e/users/bob/x", Some(0)),
            ("/%75sers/bob/x", Some(0)),
            ("/public//x", Some(2)),
            ("/PUBLIC/x", None),
        ];
        for (uri, expected) in table {
            let path = ViewerPath::parse(uri).unwrap();
            match (select(&rules, &path), expected) {
                (Selection::Rule { index, .. }, Some(expected)) => assert_eq!(index, expected, "{uri}"),
                (Selection::Ambiguous, None) => {}
                (selection, expected) => panic!("{uri}: {selection:?}, expected {expected:?}"),
            }
        }
        assert_eq!(select(&rules, &ViewerPath::parse("/elsewhere").unwrap()), Selection::None);
    }
}
