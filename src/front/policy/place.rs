//! The place of the edge's keys: a file, a parameter of AWS Systems Manager, or the setting itself.

use std::fmt;
use std::path::PathBuf;

/// Where keys are read from.
#[derive(Clone, PartialEq, Eq)]
pub enum KeysPlace {
    /// A file.
    File(PathBuf),
    /// A parameter in the Parameter Store of AWS Systems Manager, by its name or its ARN.
    Parameter(String),
    /// The keys themselves, as JSON.
    Inline(String),
}

impl KeysPlace {
    /// Parses a path, `ssm:NAME`, or JSON.
    ///
    /// # Errors
    /// The expected form.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.trim_start().starts_with('{') {
            return Ok(Self::Inline(text.to_owned()));
        }
        match text.strip_prefix("ssm:") {
            None => Ok(Self::File(text.into())),
            Some(name) if is_parameter(name) => Ok(Self::Parameter(name.to_owned())),
            Some(_) => Err("expected ssm: and the name of a parameter, such as ssm:/image-origin/keys"),
        }
    }
}

/// Whether a text may be the name, the path or the ARN of a parameter, with an optional version or label.
fn is_parameter(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:".contains(&byte);
    !name.is_empty() && name.len() <= 2048 && name.bytes().all(allowed)
}

/// Never shows the keys.
impl fmt::Display for KeysPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Parameter(name) => write!(f, "ssm:{name}"),
            Self::Inline(_) => f.write_str("the keys in `edge_keys`"),
        }
    }
}

impl fmt::Debug for KeysPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_by_its_form() {
        let file = |path: &str| Some(KeysPlace::File(path.into()));
        let parameter = |name: &str| Some(KeysPlace::Parameter(name.to_owned()));
        let table = [
            ("keys.json", file("keys.json")),
            ("/etc/ssm:keys", file("/etc/ssm:keys")),
            ("ssm:/image-origin/keys", parameter("/image-origin/keys")),
            ("ssm:keys:3", parameter("keys:3")),
            (
                "ssm:arn:aws:ssm:eu-west-1:111122223333:parameter/keys",
                parameter("arn:aws:ssm:eu-west-1:111122223333:parameter/keys"),
            ),
            ("ssm:", None),
            ("ssm:a b", None),
            ("ssm:a\"b", None),
        ];
        for (text, expected) in table {
            assert_eq!(KeysPlace::parse(text).ok(), expected, "{text}");
        }
        let inline = KeysPlace::parse(" {\"tokens\": []}").unwrap();
        assert!(matches!(inline, KeysPlace::Inline(_)) && !format!("{inline} {inline:?}").contains("tokens"));
    }
}
