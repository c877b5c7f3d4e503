//! From a query string to a [`Transform`], and back to its one canonical text.
//!
//! Comes in: the raw query, percent-encoded, and the presets of the configuration. Goes out: a `Transform` that cannot
//! hold a bad state, or the one parameter that is wrong. Unknown parameters are dropped before anything is parsed, so
//! that `utm_*` and its friends neither break a page nor enter a cache key. Nothing here knows of pixels; of
//! HTTP it knows the `Accept` header, which takes part in the choice of the format.
//!
//! The origin and the functions at the CDN's edge share this crate, so what they take for the same request is the same.

pub mod accept;
mod framing;
mod grammar;
mod ignored;
mod overlay;
mod redaction;
mod transform;
mod values;

use std::collections::BTreeMap;

pub use framing::{Angle, Extend, Framing, Padding, Radius, Ratio};
pub use grammar::{Condition, GRAMMAR, Grammar, Kind, MAX_SIDE, PARAMETERS, Parameter, find};
pub use ignored::{IgnoredName, ignored_names, nearest};
pub use overlay::{Length, Overlay, OverlayKey};
pub use redaction::{Hidden, RedactMode, Redaction};
pub use transform::{Answer, Effects, Output, TargetBox, Transform};
pub use values::{
    Anchor, Color, Colorspace, Crop, Fit, Flip, FormatChoice, Gravity, Hundredths, Metadata, Revision, Share,
};

use grammar::RawParameters;

/// Named sets of parameters; the value is a query text such as `w=200&fit=cover`.
pub type Presets = BTreeMap<String, String>;

/// A known parameter with a value that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid value {value} for `{name}`: expected {allowed}{}", self.hint())]
pub struct BadParameter {
    /// The canonical name of the parameter.
    pub name: &'static str,
    /// What was given, shortened when it is long.
    pub value: String,
    /// What is allowed.
    pub allowed: String,
}

/// Longest part of a bad value that an error repeats.
const SHOWN_VALUE: usize = 80;

/// What programs write where they have no value.
const NO_VALUES: [&str; 5] = ["undefined", "null", "NaN", "None", "nil"];

impl BadParameter {
    /// What to do about a value that nobody meant.
    fn hint(&self) -> String {
        if !NO_VALUES.contains(&self.value.as_str()) {
            return String::new();
        }
        let Self { name, value, .. } = self;
        format!("; {value} is what a program writes for a missing value: omit `{name}` in that case")
    }

    fn new(parameter: &Parameter, value: &str, allowed: String) -> Self {
        let mut shown: String = value.chars().take(SHOWN_VALUE).collect();
        if shown.len() < value.len() {
            shown.push('…');
        }
        Self { name: parameter.name, value: shown, allowed }
    }
}

/// Reads a query string, without its `?`.
///
/// Names are case-sensitive, words among the values are not, and spaces around a value do not count. Of a parameter that is
/// given twice, by its name or an alias, the last one counts.
///
/// # Errors
/// [`BadParameter`] names the first parameter, in the order of the grammar, whose value is not allowed.
pub fn parse(query: &str, presets: &Presets) -> Result<Transform, BadParameter> {
    let raw = RawParameters::read(query);
    let Some(name) = raw.preset().value.map(str::trim) else { return Transform::from_raw(&raw) };
    match presets.get(name) {
        Some(preset) => Transform::from_raw(&raw.or(RawParameters::read(preset))),
        None => Err(raw.preset().bad(allowed_presets(presets))),
    }
}

/// The known pairs of a query, sorted by name, in the form that all ways of writing the same request share: what a cache
/// may take as its key without knowing the presets.
///
/// Without a preset and a bad value, these are the pairs of [`Transform::canonical`]. With one of them, every pair keeps
/// its value as it is written, for the origin to fill in or to refuse.
pub fn canonical_pairs(query: &str) -> Vec<(&'static str, String)> {
    let raw = RawParameters::read(query);
    match Transform::from_raw(&raw) {
        Ok(transform) if raw.preset().value.is_none() => transform.canonical_pairs(),
        _ => raw.into_pairs(),
    }
}

/// The preset that a query names, whether there is one of that name or not.
pub fn preset_name(query: &str) -> Option<String> {
    RawParameters::read(query).preset().value.map(|name| name.trim().to_owned())
}

fn allowed_presets(presets: &Presets) -> String {
    if presets.is_empty() {
        return "the name of a preset, and none is configured".to_owned();
    }
    let names: Vec<_> = presets.keys().map(String::as_str).collect();
    format!("one of {}", names.join(", "))
}

#[cfg(test)]
mod tests;
