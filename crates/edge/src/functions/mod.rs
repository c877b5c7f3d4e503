//! The viewer functions for CloudFront Functions: the same decisions as [`viewer_request`](crate::viewer_request()), in
//! the JavaScript of the runtime `cloudfront-js-2.0`.
//!
//! Lambda@Edge costs six times as much per request and starts in milliseconds; CloudFront Functions start in less, and
//! are limited to 10 kB of JavaScript without network access. So these are generated: the parameters, colours and
//! problems come from the tables of the native functions, and the decisions in `fixtures/edge/` are compared with those
//! of both. Rules and keys are in a KeyValueStore ([`Store`]), so that changing them needs no deployment.

mod minify;
mod store;

use std::fmt::Write as _;

use image_origin_query::{GRAMMAR, Kind, MAX_SIDE, PARAMETERS, Parameter, Transform, find};

pub use store::{MAX_VALUE, Store, StoreError, store, unsupported};

use crate::viewer_request::OPERATORS_PATHS;

/// The maximum size of a function in bytes.
pub const MAX_FUNCTION: usize = 10_240;

const SHARED: &str = include_str!("shared.js");
const VIEWER_REQUEST: &str = include_str!("viewer_request.js");
const VIEWER_RESPONSE: &str = include_str!("viewer_response.js");

/// The source of the viewer-request function.
#[must_use]
pub fn viewer_request() -> String {
    // The code supports the order of two types only.
    let [first, second] = GRAMMAR.negotiable_types;
    let source = [SHARED, VIEWER_REQUEST].concat();
    let source = source
        .replace("__COLORED__", &json(&colored()))
        .replace("__FIRST__", first)
        .replace("__SECOND__", second)
        .replace("__MAX_SIDE__", &MAX_SIDE.to_string())
        .replace("MISSING", "0")
        .replace("INVALID", "1")
        .replace("EXPIRED", "2")
        .replace("FORBIDDEN", "3")
        .replace("ALLOWED", "4")
        .replace("SHARE", "10000")
        .replace("__SCALED__", &scaled().join(" "))
        .replace("__PLACES__", &places())
        .replace("__PARAMETERS__", &parameters())
        .replace("__ALIASES__", &aliases())
        .replace("__OPERATORS__", &json(&OPERATORS_PATHS))
        .replace("__LABEL__", crate::auth::SIGNED_URL_LABEL)
        .replace("__NEGOTIATED__", &negotiated());
    minify::minify(&source)
}

/// The source of the viewer-response function.
#[must_use]
pub fn viewer_response() -> String {
    minify::minify(&[SHARED, VIEWER_RESPONSE].concat())
}

/// The arguments of each parameter's parser, and its default value.
fn parameters() -> String {
    let mut rows = String::from("{");
    for parameter in PARAMETERS {
        let (reader, more) = match parameter.kind {
            Kind::Integer { min, max } => ("number", format!("0,{min},{}", short(max))),
            Kind::Number { min, max } => ("number", format!("2,{},{}", min.hundredths(), short(max.hundredths()))),
            Kind::Angle { .. } => ("angle", String::new()),
            Kind::Bool => ("bool", String::new()),
            Kind::Choice { values } => ("choice", format!("'{}'", values.join(" "))),
            Kind::Color { alpha } => ("color", if alpha { "1".to_owned() } else { String::new() }),
            // A text has its own parser, by its name.
            Kind::Text { form } if form.starts_with("a whole number") => ("length", smallest(parameter)),
            Kind::Text { form } if parameter.name.ends_with("gravity") => ("gravity", words(form)),
            Kind::Text { form } => (parameter.name, words(form)),
        };
        let default = match default(parameter) {
            None => String::new(),
            Some("false") => "OFF".to_owned(),
            Some(number) if number.parse::<u32>().is_ok() => number.to_owned(),
            Some(text) => format!("'{text}'"),
        };
        let row = [reader, &default, &more].join(",");
        let _ = write!(rows, "{}:[{}],", parameter.name, row.trim_end_matches(','));
    }
    rows.push('}');
    // Two parameters have these keywords.
    rows.replace(&format!("'{}", places()), "PLACES+'").replace("PLACES+''", "PLACES")
}

/// The keywords of gravities that do not depend on the content.
fn places() -> String {
    find("overlay_gravity").map_or_else(String::new, |parameter| match parameter.kind {
        Kind::Text { form } => words(form).trim_matches('\'').to_owned(),
        _ => String::new(),
    })
}

/// The shortest JavaScript literal of a number.
fn short(number: u32) -> String {
    let digits = number.to_string();
    let zeros = digits.len() - digits.trim_end_matches('0').len();
    if zeros > 2 { format!("{}e{zeros}", &digits[..digits.len() - zeros]) } else { digits }
}

/// The minimum of a length in pixels: 1 if it must be positive, else 0.
fn smallest(parameter: &Parameter) -> String {
    let zero: Result<Transform, _> = format!("overlay=a&{}=0", parameter.name).parse();
    u8::from(zero.is_err()).to_string()
}

/// The parameters in CSS pixels, which `dpr` multiplies.
fn scaled() -> Vec<&'static str> {
    let is_doubled = |parameter: &&Parameter| {
        let pairs = image_origin_query::canonical_pairs(&format!("overlay=a&dpr=2&{}=10", parameter.name));
        pairs.contains(&(parameter.name, "20".to_owned()))
    };
    PARAMETERS.iter().filter(is_doubled).map(|parameter| parameter.name).collect()
}

/// The keywords at the start of a text's form, such as `center, north, or X,Y`.
fn words(form: &str) -> String {
    let is_word = |word: &&str| word.bytes().all(|byte| byte.is_ascii_lowercase());
    let words: Vec<&str> = form.split(", ").take_while(is_word).collect();
    if words.len() < 2 { String::new() } else { format!("'{}'", words.join(" ")) }
}

/// The default value of a parameter, if it has one.
fn default(parameter: &Parameter) -> Option<&'static str> {
    let is_nothing =
        |text: &&str| image_origin_query::canonical_pairs(&format!("{}={text}", parameter.name)).is_empty();
    [parameter.default, ""].into_iter().find(is_nothing)
}

fn aliases() -> String {
    let mut rows = String::from("{");
    for parameter in PARAMETERS {
        for alias in parameter.aliases {
            let _ = write!(rows, "{alias}:'{}',", parameter.name);
        }
    }
    rows.push('}');
    rows
}

/// The parameters whose values may be colour names.
fn colored() -> Vec<&'static str> {
    let is_colored = |parameter: &&Parameter| match parameter.kind {
        Kind::Color { .. } => true,
        Kind::Text { form } => form.contains("CSS colour name"),
        _ => false,
    };
    PARAMETERS.iter().filter(is_colored).map(|parameter| parameter.name).collect()
}

/// An expression for the query parameters that make a response depend on `Accept`.
fn negotiated() -> String {
    let pair =
        |condition: &image_origin_query::Condition| format!("{}={}", condition.name, condition.value.unwrap_or(".*"));
    GRAMMAR.negotiated_by.iter().map(pair).collect::<Vec<_>>().join("|")
}

fn json(texts: &[&str]) -> String {
    format!("['{}']", texts.join("','"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_has_a_reader() {
        let rows = parameters();
        for parameter in PARAMETERS {
            let row = rows.split_once(&format!("{}:[", parameter.name)).map(|(_, row)| row).unwrap();
            let reader = row.split([',', ']']).next().unwrap();
            assert!(
                VIEWER_REQUEST.contains(&format!("\nconst {reader} = (")),
                "viewer_request.js needs `const {reader} = (text) =>`, which reads the canonical text of `{}`",
                parameter.name
            );
        }
    }

    #[test]
    fn functions_are_small_enough() {
        for (name, function) in [("viewer-request", viewer_request()), ("viewer-response", viewer_response())] {
            assert!(function.len() <= MAX_FUNCTION, "{name} has {} bytes", function.len());
            assert!(!function.contains("__"), "{name} has a place that nothing was put into");
        }
    }
}
