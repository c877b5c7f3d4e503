//! The query grammar of image-origin: converts a query string into a [`Transform`], and back into its canonical text.
//!
//! [`parse`] takes the percent-encoded query and the configured presets, and returns a `Transform`, which is always
//! valid, or the first invalid parameter. Unknown parameters are dropped before parsing, so that `utm_*` and the like
//! neither break a page nor become part of a cache key. This crate knows nothing about pixels, and of HTTP only the
//! `Accept` header, which affects the output format.
//!
//! The origin and the functions at the CDN's edge share this crate, so both interpret a request alike.

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
    Anchor, Color, Colorspace, Crop, Fit, Flip, Focus, FormatChoice, Gravity, Hundredths, Metadata, Revision, Share,
    named_colors,
};

use grammar::RawParameters;

/// Named sets of parameters; the value is a query such as `w=200&fit=cover`.
pub type Presets = BTreeMap<String, String>;

/// The error for a known parameter with an invalid value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid value {value} for `{name}`: expected {allowed}{}", self.hint())]
pub struct BadParameter {
    /// The canonical name of the parameter.
    pub name: &'static str,
    /// The given value, truncated if it is long.
    pub value: String,
    /// The allowed values.
    pub allowed: String,
}

/// The maximum length of a value in an error, in characters.
const SHOWN_VALUE: usize = 80;

/// What programs write for a missing value.
const NO_VALUES: [&str; 5] = ["undefined", "null", "NaN", "None", "nil"];

impl BadParameter {
    /// A hint for values that result from a missing value in a program.
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

/// Parses a query string, without its `?`.
///
/// Names are case-sensitive; keywords among the values are not, and spaces around a value are ignored. If a parameter
/// occurs several times, by its name or an alias, the last value is used.
///
/// # Errors
/// [`BadParameter`] for the first parameter, in the order of the grammar, with an invalid value.
pub fn parse(query: &str, presets: &Presets) -> Result<Transform, BadParameter> {
    let raw = RawParameters::read(query);
    let Some(name) = raw.preset().value.map(str::trim) else { return Transform::from_raw(&raw) };
    match presets.get(name) {
        Some(preset) => Transform::from_raw(&raw.or(RawParameters::read(preset))),
        None => Err(raw.preset().bad(allowed_presets(presets))),
    }
}

/// The known parameters of a query, sorted by name, in a form that equivalent queries share. A cache can use it as a
/// key without knowing the presets.
///
/// Without a preset and an invalid value, these are the pairs of [`Transform::canonical`]. Otherwise every value is
/// kept as written, for the origin to resolve or reject.
pub fn canonical_pairs(query: &str) -> Vec<(&'static str, String)> {
    let raw = RawParameters::read(query);
    match Transform::from_raw(&raw) {
        Ok(transform) if raw.preset().value.is_none() => transform.canonical_pairs(),
        _ => raw.into_pairs(),
    }
}

/// The preset that a query names, whether it exists or not.
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
