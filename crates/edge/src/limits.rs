//! Limits: the parameters and values that viewers may request, and those that are added to every request.
//!
//! Input: the viewer's query. Output: the query for the origin in canonical form, or the first parameter that is not
//! permitted. Invariant: limits are idempotent. A query that they produced passes them unchanged, so that edge and server
//! may both apply them.

use std::fmt;

use image_origin_query::{
    FormatChoice, Hundredths, Kind, MAX_SIDE, Presets, Quality, canonical_pairs, find, whole_number,
};
use serde::Deserialize;

use crate::config::Problems;
use crate::encoding::encode_component;
use crate::query::{Query, encode};

/// Limits as they are written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawLimits {
    presets_only: bool,
    parameters: Option<Vec<String>>,
    widths: Vec<u32>,
    heights: Vec<u32>,
    qualities: Vec<RawQuality>,
    dprs: Vec<f64>,
    formats: Vec<String>,
    on_other: OnOther,
    max_width: Option<u32>,
    max_height: Option<u32>,
    max_pixels: Option<u32>,
    default_preset: Option<String>,
    force: String,
    lifted_by_signature: bool,
}

/// A value of `q` as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "a whole number or a word of `q`")]
enum RawQuality {
    Number(u32),
    Word(String),
}

/// What becomes of a number that is in no list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OnOther {
    /// It is not permitted.
    #[default]
    Refuse,
    /// The next larger one takes its place, or the largest.
    Snap,
}

/// Valid limits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The parameters that a query may hold, by canonical name; all where this is absent.
    parameters: Option<Vec<&'static str>>,
    /// Numbers that parameters may have, in ascending order; hundredths for `dpr`.
    lists: Vec<(&'static str, Vec<u32>)>,
    /// Words that `q` may have besides the numbers of its list.
    qualities: Vec<Quality>,
    formats: Vec<&'static str>,
    snaps: bool,
    /// The largest values of `max_w`, `max_h` and `max_pixels`.
    bounds: Vec<(&'static str, u32)>,
    /// Presets for queries that name none.
    default_preset: Option<String>,
    /// Presets instead of those that queries name.
    forced_preset: Option<String>,
    /// Parameters that win over those of queries.
    forced: Vec<(&'static str, String)>,
    /// Whether a valid signature of the URL lifts all of this.
    pub(crate) lifted_by_signature: bool,
}

/// A parameter that is not permitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotPermitted {
    pub(crate) name: &'static str,
    /// The value, where that is what is not permitted; the whole parameter is where it is absent.
    pub(crate) value: Option<String>,
    /// What is permitted.
    pub(crate) allowed: String,
}

impl fmt::Display for NotPermitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, allowed } = self;
        match value {
            Some(value) => write!(f, "{name}={value} is not permitted here; permitted are {allowed}"),
            None if allowed.is_empty() => write!(f, "{name} is not permitted here, and no other parameter is"),
            None => write!(f, "{name} is not permitted here; permitted are {allowed}"),
        }
    }
}

/// Decides about a number: itself if it is in the list, or what it snaps to.
fn choose(list: &[u32], number: u32, snaps: bool) -> Option<u32> {
    if list.contains(&number) {
        return Some(number);
    }
    let larger = list.iter().find(|listed| **listed > number).or(list.last()).copied();
    larger.filter(|_| snaps)
}

/// The number that a parameter has, in the unit of its list.
fn number(name: &str, value: &str) -> Option<u32> {
    if name == "dpr" { Hundredths::parse(value.trim()).map(Hundredths::units) } else { whole_number(value.trim()) }
}

/// The other way round.
fn written(name: &str, number: u32) -> String {
    if name == "dpr" { Hundredths::new(number).to_string() } else { number.to_string() }
}

impl Limits {
    /// What goes on of a query.
    pub(crate) fn apply(&self, query: &str) -> Result<Query, NotPermitted> {
        let mut pairs = self.with_forced(query);
        for (name, value) in &pairs {
            if !self.is_own(name, value) && self.parameters.as_ref().is_some_and(|known| !known.contains(name)) {
                let allowed = self.parameters.iter().flatten().copied().collect::<Vec<_>>().join(", ");
                return Err(NotPermitted { name, value: None, allowed });
            }
        }
        // What cannot be read is the origin's to refuse, as it stands: another number in it might make it readable.
        let names_preset = pairs.iter().any(|(name, _)| *name == "preset");
        if !names_preset && image_origin_query::parse(&joined(&pairs), &Presets::new()).is_err() {
            return Ok(Query::parse(&joined(&pairs)));
        }
        self.check_format(&mut pairs)?;
        for (name, list) in &self.lists {
            self.check_number(name, list, &mut pairs)?;
        }
        for (name, most) in &self.bounds {
            match pairs.iter_mut().find(|(known, _)| known == name) {
                // What is no number is the origin's to refuse.
                Some((_, value)) => {
                    if let Some(number) = whole_number(value.trim()) {
                        *value = number.min(*most).to_string();
                    }
                }
                None => pairs.push((name, most.to_string())),
            }
        }
        Ok(Query::parse(&joined(&pairs)))
    }

    /// The pairs of a query with what it does not decide itself.
    fn with_forced(&self, query: &str) -> Vec<(&'static str, String)> {
        let names_none = || image_origin_query::preset_names(query).is_empty();
        let preset = self.forced_preset.as_ref().or(self.default_preset.as_ref().filter(|_| names_none()));
        let pairs = match preset {
            Some(preset) => canonical_pairs(&format!("{query}&preset={}", encode_component(preset))),
            None => canonical_pairs(query),
        };
        if self.forced.is_empty() {
            return pairs;
        }
        let is_sized = self.is_forced("w") || self.is_forced("h");
        // They would make another size of it.
        let is_left = |name: &str| !(self.is_forced(name) || is_sized && matches!(name, "ar" | "dpr"));
        let left = pairs.into_iter().filter(|(name, _)| is_left(name));
        canonical_pairs(&joined(&left.chain(self.forced.iter().cloned()).collect::<Vec<_>>()))
    }

    fn is_forced(&self, name: &str) -> bool {
        self.forced.iter().any(|(forced, _)| *forced == name)
    }

    /// Whether these limits themselves have written this, here or where the request comes from.
    fn is_own(&self, name: &str, value: &str) -> bool {
        let preset = self.forced_preset.as_ref().or(self.default_preset.as_ref());
        self.is_forced(name)
            || name == "preset" && preset.is_some_and(|preset| preset == value)
            || self.bounds.iter().any(|(bound, most)| *bound == name && whole_number(value) == Some(*most))
    }

    fn check_format(&self, pairs: &mut [(&'static str, String)]) -> Result<(), NotPermitted> {
        if self.formats.is_empty() || self.is_forced("format") {
            return Ok(());
        }
        let Some((name, value)) = pairs.iter_mut().find(|(name, _)| *name == "format") else { return Ok(()) };
        let Some(format) = FormatChoice::from_name(value.trim()).map(FormatChoice::name) else { return Ok(()) };
        if !self.formats.contains(&format) {
            return Err(NotPermitted { name, value: Some(format.to_owned()), allowed: self.formats.join(", ") });
        }
        format.clone_into(value);
        Ok(())
    }

    fn check_number(
        &self,
        name: &'static str,
        list: &[u32],
        pairs: &mut [(&'static str, String)],
    ) -> Result<(), NotPermitted> {
        if self.is_forced(name) {
            return Ok(());
        }
        let Some((_, value)) = pairs.iter_mut().find(|(known, _)| *known == name) else { return Ok(()) };
        let refused = |value| {
            let words = self.qualities.iter().filter(|_| name == "q").map(Quality::to_string);
            let allowed = list.iter().map(|number| written(name, *number)).chain(words).collect::<Vec<_>>().join(", ");
            Err(NotPermitted { name, value: Some(value), allowed })
        };
        let Some(asked) = number(name, value) else {
            // A word has no place among the numbers, so there is nothing that it could snap to.
            let Some(word) = Quality::parse(value.trim()).filter(|_| name == "q") else { return Ok(()) };
            if !self.qualities.contains(&word) {
                return refused(word.to_string());
            }
            *value = word.to_string();
            return Ok(());
        };
        let Some(chosen) = choose(list, asked, self.snaps) else { return refused(written(name, asked)) };
        *value = written(name, chosen);
        if name == "w" && chosen != asked {
            self.keep_shape(asked, chosen, pairs);
        }
        Ok(())
    }

    /// Changes the height with the width, unless it goes by a list of its own or is none of the viewer's.
    fn keep_shape(&self, asked: u32, chosen: u32, pairs: &mut [(&'static str, String)]) {
        let is_free = !self.is_forced("h") && self.lists.iter().all(|(name, _)| *name != "h");
        let Some((_, value)) = pairs.iter_mut().find(|(name, _)| *name == "h" && is_free) else { return };
        if let (Some(height), true) = (whole_number(value.trim()), asked > 0) {
            let (twice, asked) = (2 * u64::from(height) * u64::from(chosen), u64::from(asked));
            let height = (twice + asked) / (2 * asked);
            *value = height.clamp(1, MAX_SIDE.into()).to_string();
        }
    }
}

fn joined(pairs: &[(&'static str, String)]) -> String {
    encode(pairs.iter().map(|(name, value)| (*name, value.as_str())))
}

impl RawLimits {
    /// Validates limits. What is wrong is named as part of `field`.
    pub(crate) fn check(self, field: &str, problems: &mut Problems) -> Limits {
        let (mut qualities, mut words) = (Vec::new(), Vec::new());
        for quality in &self.qualities {
            match quality {
                RawQuality::Number(number) => qualities.push(*number),
                RawQuality::Word(word) => match Quality::parse(word.trim()) {
                    Some(Quality::Number(_)) | None => {
                        let problem = format_args!("`{word}` is no word of q; numbers are written without quotes");
                        problems.add(format_args!("{field}.qualities"), problem);
                    }
                    Some(word) if words.contains(&word) => {}
                    Some(word) => words.push(word),
                },
            }
        }
        let has_lists = ![&self.widths, &self.heights, &qualities].iter().all(|list| list.is_empty());
        if self.on_other == OnOther::Snap && !has_lists && self.dprs.is_empty() {
            problems
                .add(format_args!("{field}.on_other"), "there are no widths, heights, qualities or dprs to snap to");
        }
        let mut limits = Limits {
            parameters: self.known_parameters(field, problems),
            snaps: self.on_other == OnOther::Snap,
            lifted_by_signature: self.lifted_by_signature,
            ..Limits::default()
        };
        let hundredths = |ratio: &f64| if (0.0..1e6).contains(ratio) { (ratio * 100.0).round() as u32 } else { 0 };
        let lists = [
            ("dprs", "dpr", self.dprs.iter().map(hundredths).collect()),
            ("widths", "w", self.widths),
            ("heights", "h", self.heights),
            ("qualities", "q", qualities),
        ];
        for (setting, name, mut list) in lists {
            let (min, max) = range(name);
            if list.iter().any(|number| !(min..=max).contains(number)) {
                let allowed = format_args!("takes numbers from {} to {}", written(name, min), written(name, max));
                problems.add(format_args!("{field}.{setting}"), allowed);
            }
            list.sort_unstable();
            list.dedup();
            if !list.is_empty() || name == "q" && !words.is_empty() {
                limits.lists.push((name, list));
            }
        }
        limits.qualities = words;
        for format in &self.formats {
            match FormatChoice::from_name(format) {
                Some(format) => limits.formats.push(format.name()),
                None => {
                    let names = FormatChoice::NAMES.join(", ");
                    problems.add(format_args!("{field}.formats"), format_args!("`{format}` is none of {names}"));
                }
            }
        }
        let bounds = [
            ("max_width", "max_w", self.max_width),
            ("max_height", "max_h", self.max_height),
            ("max_pixels", "max_pixels", self.max_pixels),
        ];
        for (setting, name, most) in bounds {
            let (min, max) = range(name);
            match most {
                Some(most) if (min..=max).contains(&most) => limits.bounds.push((name, most)),
                Some(_) => problems.add(format_args!("{field}.{setting}"), format_args!("takes {min} to {max}")),
                None => {}
            }
        }
        if let Some(preset) = &self.default_preset {
            limits.default_preset = presets(preset);
            if limits.default_preset.is_none() {
                problems.add(
                    format_args!("{field}.default_preset"),
                    "is the name of a preset, or some with commas between",
                );
            }
        }
        if let Err(problem) = limits.force(&self.force) {
            problems.add(format_args!("{field}.force"), problem);
        }
        if limits.forced_preset.is_some() && limits.default_preset.is_some() {
            problems.add(format_args!("{field}.default_preset"), "never counts, since `force` names a preset");
        }
        limits
    }

    /// The parameters that a query may hold.
    fn known_parameters(&self, field: &str, problems: &mut Problems) -> Option<Vec<&'static str>> {
        let mut known: Vec<&'static str> = if self.presets_only { vec!["preset"] } else { Vec::new() };
        for name in self.parameters.iter().flatten() {
            match find(name) {
                Some(parameter) if known.contains(&parameter.name) => {}
                Some(parameter) => known.push(parameter.name),
                None => {
                    problems.add(format_args!("{field}.parameters"), format_args!("there is no parameter `{name}`"));
                }
            }
        }
        (self.presets_only || self.parameters.is_some()).then_some(known)
    }
}

impl Limits {
    /// Takes parameters that win over those of queries.
    fn force(&mut self, text: &str) -> Result<(), String> {
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            let Some(parameter) = find(&name) else { return Err(format!("there is no parameter `{name}`")) };
            match parameter.name {
                "preset" => self.forced_preset = Some(presets(&value).ok_or("preset has no name")?),
                "dpr" | "ar" => {
                    return Err(format!("{name} works on what the URL gives for w and h: force these instead"));
                }
                known => {
                    self.forced.retain(|(earlier, _)| *earlier != known);
                    self.forced.push((known, value.into_owned()));
                }
            }
        }
        image_origin_query::parse(&joined(&self.forced), &Presets::new()).map(drop).map_err(|bad| bad.to_string())
    }

    /// The presets that the limits themselves name.
    pub(crate) fn presets(&self) -> impl Iterator<Item = &str> {
        [&self.default_preset, &self.forced_preset].into_iter().flatten().flat_map(|names| names.split(','))
    }
}

/// Names of presets in the form that queries have in the end.
fn presets(names: &str) -> Option<String> {
    let names = image_origin_query::preset_names(&format!("preset={}", encode_component(names)));
    (!names.is_empty() && !names.iter().any(String::is_empty)).then(|| names.join(","))
}

/// The numbers that a parameter may have, in the unit of its list.
fn range(name: &str) -> (u32, u32) {
    match find(name).map(|parameter| parameter.kind) {
        Some(Kind::Integer { min, max }) => (min, max),
        Some(Kind::Number { min, max }) => (min.units(), max.units()),
        _ if name == "q" => (1, Quality::MAX.into()),
        _ => (0, u32::MAX),
    }
}

#[cfg(test)]
mod tests;
