//! Errors of parsing, in the words of whoever wrote the document: the path of the field, what it takes and what it has.
//!
//! Texts of the document are not repeated, since a secret may stand in the wrong place.

use serde::de::Deserializer;

use super::ConfigError;

/// Parses a document; the error names the field.
pub(super) fn parse<'de, T, D>(document: D) -> Result<T, ConfigError>
where
    T: serde::Deserialize<'de>,
    D: Deserializer<'de>,
    D::Error: std::fmt::Display,
{
    serde_path_to_error::deserialize(document).map_err(|error| {
        let path = error.path().to_string();
        let message = explain(&error.inner().to_string());
        ConfigError(if path == "." { message } else { format!("{path}: {message}") })
    })
}

/// Translates a message of serde.
fn explain(message: &str) -> String {
    // A position in a document that has the path of the field says nothing new; one of a syntax error does.
    let is_syntax = !STARTS.iter().any(|(start, _)| message.starts_with(start));
    let message = match message.rsplit_once(" at line ") {
        Some((text, _)) if !is_syntax => text,
        _ => message,
    };
    for kind in ["invalid type: ", "invalid value: ", "invalid length "] {
        if let Some((found, expected)) = message.strip_prefix(kind).and_then(|rest| rest.rsplit_once(", expected ")) {
            return format!("expected {}, found {}", type_name(expected), value_name(found));
        }
    }
    for (start, translation) in STARTS {
        if let Some(rest) = message.strip_prefix(start) {
            return format!("{translation}{rest}");
        }
    }
    message.to_owned()
}

/// How messages about fields begin, and what is said instead.
const STARTS: [(&str, &str); 7] = [
    ("invalid type: ", ""),
    ("invalid value: ", ""),
    ("invalid length ", ""),
    ("unknown field ", "unknown setting "),
    ("unknown variant ", "unknown value "),
    ("missing field ", "missing "),
    ("duplicate field ", "repeated "),
];

/// What a field takes.
fn type_name(expected: &str) -> &str {
    match expected {
        "a boolean" => "true or false",
        "a map" => "a table",
        "a sequence" => "a list",
        "a string" | "string or map" => "a text",
        "f32" | "f64" => "a number",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number that is not negative, and not too large",
        other if other.starts_with("struct ") => "a table",
        other => other,
    }
}

/// What a field has.
fn value_name(found: &str) -> String {
    match found {
        "map" => "a table".to_owned(),
        "sequence" => "a list".to_owned(),
        "null" | "unit value" | "Option value" => "nothing".to_owned(),
        text if text.starts_with("string ") => "a text".to_owned(),
        number => match number.split_once('`') {
            Some((_, number)) => number.trim_end_matches('`').to_owned(),
            None => number.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::keys::Keys;

    #[test]
    fn no_message_has_words_of_the_implementation() {
        let origins = r#""origins": {"transformer": {"service": "none", "domain": "a.example"}}"#;
        let table = [
            (r#""rules": 3"#, "rules: expected a list, found 3"),
            (r#""rules": [3]"#, "rules[0]: expected a table, found 3"),
            (r#""rules": [{"path": ["a"], "allow": []}]"#, "rules[0].path: expected a text, found a list"),
            (r#""rules": [{"path": "/*", "allow": "public"}]"#, "rules[0].allow: expected a list, found a text"),
            (
                r#""rules": [{"path": "/*", "allow": [{"a": 1}]}]"#,
                "rules[0].allow[0]: unknown value `a`, expected one of `public`",
            ),
            (
                r#""rules": [{"path": "/*", "allow": ["publik"]}]"#,
                "rules[0].allow[0]: unknown value `publik`, expected one of `public`",
            ),
            (
                r#""rules": [{"path": "/*", "allow": ["public"], "if": 1}]"#,
                "rules[0].if: unknown setting `if`, expected one of `path`",
            ),
            (
                r#""rules": [{"path": "/*", "allow": ["public"], "max_age": -1}]"#,
                "rules[0].max_age: expected a whole number that is not negative, and not too large, found -1",
            ),
            (
                r#""rules": [{"path": "/*", "allow": ["public"], "max_age": 1.5}]"#,
                "rules[0].max_age: expected a whole number that is not negative, and not too large, found 1.5",
            ),
            (
                r#""rules": [{"path": "/*", "allow": ["public"], "private": "yes"}]"#,
                "rules[0].private: expected true or false, found a text",
            ),
            (r#""rules": [{"allow": ["public"]}]"#, "rules[0]: missing `path`"),
            (
                r#""rules": [{"path": "/*", "allow": ["public"], "limits": {"dprs": ["x"]}}]"#,
                "rules[0].limits.dprs[0]: expected a number, found a text",
            ),
            (r#""rules": [{"path": "/*", "allow": []}]"#, "rules[0].allow: name at least one of"),
        ];
        for (text, expected) in table {
            let error = Config::from_json(&format!("{{{text}, {origins}}}")).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
            for word in ["struct", "invalid type", "variant", "u32", "map", "sequence", "line 1"] {
                assert!(!error.contains(word), "{word}: {error}");
            }
        }
        let secret = "a phrase that is nobody's business";
        let table = [
            (format!(r#"{{"tokens": "{secret}"}}"#), "tokens: expected a list, found a text"),
            (
                format!(r#"{{"tokens": [{{"name": "a", "sekret": "{secret}"}}]}}"#),
                "tokens[0].sekret: unknown setting `sekret`",
            ),
            ("{\"tokens\": [\n".to_owned(), "tokens: EOF while parsing a list at line 2 column 0"),
        ];
        for (text, expected) in table {
            let error = Keys::from_json(&text).unwrap_err().to_string();
            assert!(error.starts_with(expected) && !error.contains(secret), "{text}: {error}");
        }
        assert!(Keys::from_json("{} {}").is_err());
    }
}
