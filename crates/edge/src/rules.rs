//! Access rules by path.
//!
//! A pattern is a path whose segments may contain wildcards and claims: `/users/{sub}/*`, `/press/*.jpg`. The first
//! matching rule applies. A path whose readings match different rules is rejected: see [`ViewerPath`].

#[cfg(feature = "functions")]
use std::fmt::Write as _;

use crate::config::{Mode, Problems};
use crate::path::{ViewerPath, fold_case, remove_dot_segments};

/// A rule of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) pattern: PathPattern,
    /// The accepted modes; any one suffices.
    pub(crate) allow: Vec<Mode>,
    /// The accepted issuers of JWTs; empty means all configured issuers.
    pub(crate) issuers: Vec<String>,
    /// Whether responses are private although no authorisation is required, because access is controlled before the
    /// edge, such as by CloudFront's own signed URLs.
    pub(crate) private: bool,
    /// The `Cache-Control` times of responses under this rule.
    pub(crate) times: CacheTimes,
}

impl Rule {
    /// Whether shared caches may store responses.
    pub(crate) fn is_public(&self) -> bool {
        self.allow.contains(&Mode::Public) && !self.private
    }
}

/// The times of a rule in seconds. Absent ones are taken from the origin's response.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CacheTimes {
    /// The lifetime in browsers, and in CloudFront unless it has its own.
    pub(crate) max_age: Option<u32>,
    /// The lifetime in CloudFront.
    pub(crate) s_maxage: Option<u32>,
    /// How long a stale response may be served while a new one is fetched (RFC 5861, section 3).
    pub(crate) stale_while_revalidate: Option<u32>,
    /// How long a stale response may be served if the origin fails (RFC 5861, section 4).
    pub(crate) stale_if_error: Option<u32>,
}

impl CacheTimes {
    /// One year, the maximum lifetime in CloudFront.
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

/// A parsed path pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathPattern {
    text: String,
    segments: Vec<Segment>,
    /// Whether the pattern ends in `/*`, and thus matches deeper paths.
    deep: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// Literal text, in which `*` matches any characters.
    Glob { exact: String, folded: String },
    /// A segment that must equal a claim.
    Claim(String),
}

/// A claim of the pattern, and the segment in its position.
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

/// The rule that matches a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selection<'a> {
    /// The index of the rule, and the segments for its claims in both readings.
    Rule { index: usize, plain: Vec<Capture<'a>>, loose: Vec<Capture<'a>> },
    /// No rule matches, so access is denied.
    None,
    /// The readings of the path match different rules.
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
    /// Parses a pattern.
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

    /// The pattern as written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The names of the claims in the pattern.
    pub(crate) fn claims(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Claim(claim) => Some(claim.as_str()),
            Segment::Glob { .. } => None,
        })
    }

    /// Whether the pattern contains claims.
    pub(crate) fn has_claims(&self) -> bool {
        self.claims().next().is_some()
    }

    /// The template as a regular expression for JavaScript and PCRE, with the claims and the groups that stand against them.
    ///
    /// What `*` has skipped is not looked at again: it stands in a lookahead, which has no second try, and is taken by a
    /// reference. Lower case of it is an expression for lower case, as it has no letters of its own. No path has a NUL.
    #[cfg(feature = "functions")]
    pub(crate) fn expression(&self) -> (String, Vec<(&str, usize)>) {
        let (mut expression, mut claims, mut groups) = (String::from("^"), Vec::new(), 0);
        for segment in &self.segments {
            expression.push('/');
            match segment {
                Segment::Claim(claim) => {
                    groups += 1;
                    claims.push((claim.as_str(), groups));
                    expression.push_str("([^/]*)");
                }
                Segment::Glob { exact, .. } => {
                    let pieces: Vec<String> = exact.split('*').map(escape).collect();
                    expression.push_str(&pieces[0]);
                    for (index, piece) in pieces.iter().enumerate().skip(1) {
                        if index + 1 == pieces.len() {
                            expression.push_str("[^/]*");
                            expression.push_str(piece);
                        } else {
                            groups += 1;
                            let _ = write!(expression, "(?=([^/]*?{piece}))\\{groups}");
                        }
                    }
                }
            }
        }
        expression.push_str(if self.deep { "/[^\\0]*$" } else { "$" });
        (expression, claims)
    }

    /// Whether this pattern matches every path that the other one matches. `false` may be wrong if both contain
    /// wildcards in the middle of a segment.
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
        // `/a/*` matches `/a/` and deeper paths, but not `/a` itself.
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
            // A claim matches any segment; whether it equals the claim is checked later.
            (Self::Claim(_), _) => true,
            (Self::Glob { exact, .. }, Self::Claim(_)) => exact == "*",
            // A `*` in the other pattern is an ordinary character here, which only a `*` matches.
            (Self::Glob { exact, .. }, Self::Glob { exact: other, .. }) => glob_matches(exact, other),
        }
    }
}

/// A text as an expression that matches it.
#[cfg(feature = "functions")]
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        if "$()*+.?[\\]^{|}".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// Matches `*` against any characters, in linear time for a fixed number of wildcards.
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
