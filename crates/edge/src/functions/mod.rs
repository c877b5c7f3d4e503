//! The viewer functions for CloudFront Functions: the same decisions as [`viewer_request`](crate::viewer_request()), in
//! the JavaScript of the runtime `cloudfront-js-2.0`.
//!
//! Lambda@Edge costs six times as much per request and starts in milliseconds; CloudFront Functions start in less, and
//! are limited to 10 kB of JavaScript without network access. So these are generated: the parameters, colours and
//! problems come from the tables of the native functions, and the decisions in `fixtures/edge/` are compared with those
//! of both. Rules, keys and the grammar are in a KeyValueStore ([`Store`]): changing rules and keys needs no deployment,
//! and the function stays small when the grammar grows.

mod minify;
mod store;

use image_origin_query::{GRAMMAR, Kind, MAX_SIDE, PARAMETERS, Parameter, Transform};
use serde_json::{Map, Value, json};

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
        .replace("__FIRST__", first)
        .replace("__SECOND__", second)
        .replace("__MAX_SIDE__", &MAX_SIDE.to_string())
        .replace("__MAX_PARTS__", &image_origin_query::accept::MAX_PARTS.to_string())
        .replace("MISSING", "0")
        .replace("INVALID", "1")
        .replace("EXPIRED", "2")
        .replace("FORBIDDEN", "3")
        .replace("ALLOWED", "4")
        .replace("SHARE", "10000")
        .replace("__GRAMMAR__", &common_grammar())
        .replace("__OPERATORS__", &literal(&json!(OPERATORS_PATHS)))
        .replace("__LABEL__", crate::auth::SIGNED_URL_LABEL)
        .replace("__NEGOTIATED__", &negotiated());
    minify::minify(&source)
}

/// The source of the viewer-response function.
#[must_use]
pub fn viewer_response() -> String {
    minify::minify(&[SHARED, VIEWER_RESPONSE].concat())
}

/// The parameters that are part of the function. The others are in the KeyValueStore, which is read for queries that name
/// one of them, so a new parameter of a known kind takes no space in the function.
const COMMON: [&str; 10] = ["w", "h", "dpr", "ar", "fit", "crop", "format", "q", "v", "preset"];

/// Names in queries that are no parameters of the grammar, for which the store need not be read.
const CREDENTIALS: [&str; 4] = ["", "token", "expires", "signature"];

/// The grammar, as far as it consists of parameters for which `is_included` is true.
fn grammar(is_included: impl Fn(&str) -> bool) -> Value {
    let included = || PARAMETERS.iter().filter(|parameter| is_included(parameter.name));
    let rows = included().map(|parameter| (parameter.name.to_owned(), row(parameter)));
    let aliases = included()
        .flat_map(|parameter| parameter.aliases.iter().map(|alias| ((*alias).to_owned(), json!(parameter.name))));
    let names = |kind: fn(&Parameter) -> bool| -> Vec<&str> {
        included().filter(|parameter| kind(parameter)).map(|parameter| parameter.name).collect()
    };
    json!({
        "rows": rows.collect::<Map<_, _>>(),
        "aliases": aliases.collect::<Map<_, _>>(),
        "scaled": names(is_scaled),
        "colored": names(is_colored),
    })
}

/// The part of the grammar in the function, as a JavaScript literal.
fn common_grammar() -> String {
    let mut grammar = grammar(|name| COMMON.contains(&name));
    for name in CREDENTIALS {
        grammar["rows"][name] = json!(0);
    }
    literal(&grammar)
}

/// A value as a JavaScript literal, with keys that are identifiers, and holes for nulls.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => format!("'{text}'"),
        Value::Array(items) => format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(",")),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| match name.as_str() {
                "" => format!("'':{}", literal(value)),
                name => format!("{name}:{}", literal(value)),
            };
            format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(","))
        }
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// The letter of a parameter's reader in `viewer_request.js`, its default value, and the arguments of the reader.
fn row(parameter: &Parameter) -> Value {
    let (reader, arguments) = match parameter.kind {
        Kind::Integer { min, max } => ('n', vec![json!(0), json!(min), json!(max)]),
        Kind::Number { min, max } => ('n', vec![json!(2), json!(min.hundredths()), json!(max.hundredths())]),
        Kind::Angle { .. } => ('a', Vec::new()),
        Kind::Bool => ('b', Vec::new()),
        Kind::Choice { values } => ('c', vec![json!(values.join(" "))]),
        Kind::Color { alpha } => ('k', vec![json!(u8::from(alpha))]),
        Kind::Text { form } if form.starts_with("a whole number") => ('l', vec![json!(smallest(parameter))]),
        Kind::Text { form } if parameter.name.ends_with("gravity") => ('g', vec![json!(words(form))]),
        Kind::Text { form } => {
            let known = TEXT_READERS.iter().find(|(name, _)| *name == parameter.name);
            (known.map_or('?', |(_, reader)| *reader), vec![json!(words(form))])
        }
    };
    let default = match default(parameter) {
        Some(number) if number.parse::<u32>().is_ok() => json!(number.parse::<u32>().unwrap_or_default()),
        default => json!(default),
    };
    let mut row: Vec<Value> = [json!(reader), default].into_iter().chain(arguments).collect();
    // Trailing defaults are omitted.
    while row.last().is_some_and(|last| last.is_null() || *last == "") && row.len() > 2
        || row.last() == Some(&Value::Null)
    {
        row.pop();
    }
    Value::from(row)
}

/// The readers of texts, which have a form of their own.
const TEXT_READERS: [(&str, char); 11] = [
    ("ar", 'r'),
    ("crop", 'x'),
    ("download", 'f'),
    ("overlay", 'o'),
    ("pad", 's'),
    ("preset", 'p'),
    ("q", 'q'),
    ("radius", 'd'),
    ("redact", 'h'),
    ("redact_mode", 'm'),
    ("v", 'v'),
];

/// The minimum of a length in pixels: 1 if it must be positive, else 0.
fn smallest(parameter: &Parameter) -> u8 {
    let zero: Result<Transform, _> = format!("overlay=a&{}=0", parameter.name).parse();
    u8::from(zero.is_err())
}

/// Whether a parameter is in CSS pixels, which `dpr` multiplies.
fn is_scaled(parameter: &Parameter) -> bool {
    let pairs = image_origin_query::canonical_pairs(&format!("overlay=a&dpr=2&{}=10", parameter.name));
    pairs.contains(&(parameter.name, "20".to_owned()))
}

/// The keywords at the start of a text's form, such as `center, north, or X,Y`.
fn words(form: &str) -> String {
    let is_word = |word: &&str| word.bytes().all(|byte| byte.is_ascii_lowercase());
    let words: Vec<&str> = form.split(", ").take_while(is_word).collect();
    if words.len() < 2 { String::new() } else { words.join(" ") }
}

/// The default value of a parameter, if it has one.
fn default(parameter: &Parameter) -> Option<&'static str> {
    let is_nothing =
        |text: &&str| image_origin_query::canonical_pairs(&format!("{}={text}", parameter.name)).is_empty();
    [parameter.default, ""].into_iter().find(is_nothing)
}

/// Whether the value of a parameter may be the name of a colour.
fn is_colored(parameter: &Parameter) -> bool {
    match parameter.kind {
        Kind::Color { .. } => true,
        Kind::Text { form } => form.contains("CSS colour name"),
        _ => false,
    }
}

/// An expression for the query parameters that make a response depend on `Accept`.
fn negotiated() -> String {
    let pair =
        |condition: &image_origin_query::Condition| format!("{}={}", condition.name, condition.value.unwrap_or(".*"));
    GRAMMAR.negotiated_by.iter().map(pair).collect::<Vec<_>>().join("|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_has_a_reader() {
        for parameter in PARAMETERS {
            let row = row(parameter);
            let reader = row[0].as_str().unwrap();
            assert!(
                VIEWER_REQUEST.contains(&format!("\n  {reader}: ")),
                "viewer_request.js needs a reader in READERS that returns the canonical text of `{}`, and TEXT_READERS its letter",
                parameter.name
            );
        }
        assert!(COMMON.iter().all(|name| image_origin_query::find(name).is_some()));
    }

    #[test]
    fn functions_are_small_enough() {
        for (name, function) in [("viewer-request", viewer_request()), ("viewer-response", viewer_response())] {
            assert!(function.len() <= MAX_FUNCTION, "{name} has {} bytes", function.len());
            assert!(!function.contains("__"), "{name} has a place that nothing was put into");
        }
    }
}
