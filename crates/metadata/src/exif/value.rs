//! The value of a field as JSON: the plain value if that is sufficient, else an object with `value` and additional
//! members: `text` for enumerations, `exact` for fractions that a number cannot represent, `base64` for bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use exif::{Exif, Field, Tag, Value as Raw};
use serde_json::{Value, json};

use super::{names, text, time};

/// The maximum length of byte arrays that are not encoded in base64.
const MAX_BYTE_ARRAY: usize = 64;

/// The value of a field whose canonical tag is `tag`.
pub(super) fn json(tag: Tag, field: &Field, exif: &Exif) -> Value {
    let raw = &field.value;
    let text = time::of(tag, field, exif).or_else(|| text::of(tag, raw, exif.little_endian()));
    let plain = text.map_or_else(|| plain(tag, raw), Value::String);
    match words(tag, raw) {
        Some(text) => json!({ "value": plain, "text": text }),
        None => plain,
    }
}

/// The words of an enumeration; `None` if the standard defines none for the number.
fn words(tag: Tag, raw: &Raw) -> Option<String> {
    if let Some(words) = names::hemisphere(tag, raw) {
        return Some(words.to_owned());
    }
    if !names::is_enumeration(tag) {
        return None;
    }
    let words = raw.display_as(tag).to_string();
    (!words.starts_with('[')).then(|| words.trim_matches('_').to_owned())
}

fn plain(tag: Tag, raw: &Raw) -> Value {
    match raw {
        Raw::Byte(v) if v.len() > MAX_BYTE_ARRAY => base64(v),
        Raw::Byte(v) => list(v, |&v| v.into()),
        Raw::SByte(v) => list(v, |&v| v.into()),
        Raw::Short(v) => list(v, |&v| v.into()),
        Raw::SShort(v) => list(v, |&v| v.into()),
        Raw::Long(v) => list(v, |&v| v.into()),
        Raw::SLong(v) => list(v, |&v| v.into()),
        Raw::Rational(v) => list(v, |v| rational(v.num.into(), v.denom.into())),
        Raw::SRational(v) => list(v, |v| rational(v.num.into(), v.denom.into())),
        Raw::Float(v) => list(v, |&v| float(v.into())),
        Raw::Double(v) => list(v, |&v| float(v)),
        Raw::Ascii(v) => list(v, |v| text::decode(v).into()),
        Raw::Undefined(v, _) if is_number(tag) => list(v, |&v| v.into()),
        Raw::Undefined(v, _) => base64(v),
        Raw::Unknown(..) => Value::Null,
    }
}

/// A single value is not wrapped in an array.
fn list<T>(values: &[T], json: impl Fn(&T) -> Value) -> Value {
    match values {
        [value] => json(value),
        values => values.iter().map(json).collect(),
    }
}

/// Fields of undefined type that contain small numbers (Exif 3.0, 4.6.6).
fn is_number(tag: Tag) -> bool {
    matches!(tag, Tag::ComponentsConfiguration | Tag::FileSource | Tag::SceneType)
}

fn base64(bytes: &[u8]) -> Value {
    json!({ "base64": STANDARD.encode(bytes) })
}

fn float(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or(Value::Null, Value::Number)
}

/// A fraction as a number, and in its original form if the decimal number is not exact.
fn rational(numerator: i64, denominator: i64) -> Value {
    let exact = || format!("{numerator}/{denominator}");
    if denominator == 0 {
        return json!({ "value": null, "exact": exact() });
    }
    if numerator % denominator == 0 {
        return (numerator / denominator).into();
    }
    let value = numerator as f64 / denominator as f64;
    if is_decimal(numerator.unsigned_abs().into(), denominator.unsigned_abs().into()) {
        float(value)
    } else {
        json!({ "value": value, "exact": exact() })
    }
}

/// Whether the fraction has at most 15 significant decimal digits, which a double represents and prints exactly.
fn is_decimal(numerator: u128, denominator: u128) -> bool {
    let mut scaled = numerator;
    for _ in 0..20 {
        if scaled.is_multiple_of(denominator) {
            return scaled / denominator < 1_000_000_000_000_000;
        }
        scaled *= 10;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_exact_or_say_so() {
        let table = [
            ((72, 1), json!(72)),
            ((144, 2), json!(72)),
            ((1, 40), json!(0.025)),
            ((-4, 3), json!({ "value": -4.0 / 3.0, "exact": "-4/3" })),
            ((1, 60), json!({ "value": 1.0 / 60.0, "exact": "1/60" })),
            ((5, 0), json!({ "value": null, "exact": "5/0" })),
            ((0, 0), json!({ "value": null, "exact": "0/0" })),
            ((4_294_967_295, 4_294_967_294), json!({ "value": 1.0000000002328306, "exact": "4294967295/4294967294" })),
            ((i64::from(i32::MIN), -1), json!(2_147_483_648_i64)),
        ];
        for ((numerator, denominator), expected) in table {
            assert_eq!(rational(numerator, denominator), expected, "{numerator}/{denominator}");
        }
    }
}
