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
mod quality;
mod redaction;
mod transform;
mod values;

use std::collections::BTreeMap;

pub use framing::{Angle, Bounds, Extend, Framing, Padding, Radius, Ratio};
pub use grammar::{Condition, GRAMMAR, Grammar, Kind, MAX_SIDE, PARAMETERS, Parameter, find};
pub use ignored::{IgnoredName, ignored_names, nearest};
pub use overlay::{Length, Overlay, OverlayKey};
pub use quality::{Level, Quality};
pub use redaction::{Hidden, RedactMode, Redaction};
pub use transform::{Answer, Effects, Output, Palette, Sharpen, TargetBox, Transform};
pub use values::{
    Anchor, Color, Colorspace, Crop, Download, FileName, Fit, Flip, Focus, FormatChoice, Gravity, Hdr, Hundredths,
    Metadata, Revision, Share, named_colors, whole_number,
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
    let mut raw = RawParameters::read(query);
    let Some(names) = raw.preset().value else { return Transform::from_raw(&raw) };
    let named: Option<Vec<&String>> = names_of_presets(names).into_iter().map(|name| presets.get(name)).collect();
    let Some(named) = named.filter(|named| (1..=MAX_PRESETS).contains(&named.len())) else {
        return Err(raw.preset().bad(allowed_presets(presets)));
    };
    // The first that has a value for a parameter is the one that counts.
    for preset in named.into_iter().rev() {
        let preset = RawParameters::read(preset);
        let bounds = [
            tighter(&raw.max_w, &preset.max_w),
            tighter(&raw.max_h, &preset.max_h),
            tighter(&raw.max_pixels, &preset.max_pixels),
        ];
        raw = raw.or(preset);
        let [max_w, max_h, max_pixels] = bounds;
        (raw.max_w, raw.max_h, raw.max_pixels) =
            (max_w.or(raw.max_w), max_h.or(raw.max_h), max_pixels.or(raw.max_pixels));
    }
    Transform::from_raw(&raw)
}

/// Most presets of one query.
pub const MAX_PRESETS: usize = 8;

/// The smaller of two bounds, so that a URL cannot lift those of a preset; none if there are no two.
fn tighter(one: &Option<String>, other: &Option<String>) -> Option<String> {
    let smallest = whole_number(one.as_deref()?.trim())?.min(whole_number(other.as_deref()?.trim())?);
    Some(smallest.to_string())
}

/// The names in a value of `preset`. Of one that is repeated the last one counts, since it wins over what is between. A list
/// of more than [`MAX_PRESETS`], which [`parse`] rejects, is returned as it is.
fn names_of_presets(value: &str) -> Vec<&str> {
    let listed: Vec<&str> = value.split(',').map(str::trim).collect();
    if listed.len() > MAX_PRESETS {
        return listed;
    }
    let is_last = |(index, name): &(usize, &&str)| !listed[index + 1..].contains(name);
    listed.iter().enumerate().filter(is_last).map(|(_, name)| *name).collect()
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
        _ => {
            let preset = raw.preset().value.map(|value| match names_of_presets(value) {
                names if names.len() <= MAX_PRESETS => names.join(","),
                _ => value.to_owned(),
            });
            RawParameters { preset, ..raw }.into_pairs()
        }
    }
}

/// The presets that a query names, whether there are such or not.
pub fn preset_names(query: &str) -> Vec<String> {
    let raw = RawParameters::read(query);
    let names = raw.preset().value.map(names_of_presets).unwrap_or_default();
    names.into_iter().map(str::to_owned).collect()
}

fn allowed_presets(presets: &Presets) -> String {
    if presets.is_empty() {
        return "the name of a preset, and none is configured".to_owned();
    }
    let names: Vec<_> = presets.keys().map(String::as_str).collect();
    match names.as_slice() {
        [only] => format!("one of {only}"),
        several => format!("one of {}, or up to {MAX_PRESETS} of them with commas between", several.join(", ")),
    }
}

#[cfg(test)]
mod tests;
