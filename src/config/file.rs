//! Configuration files in TOML.

use std::path::Path;

use super::{ConfigError, Layer, bad};
use crate::text_file;

impl Layer {
    /// Parses a TOML file.
    ///
    /// # Errors
    /// [`ConfigError`], which names the file.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let failed = |reason: String| ConfigError::File { path: path.display().to_string(), reason };
        let text = text_file::read(path).map_err(|error| failed(error.to_string()))?;
        Self::from_toml(&text).map_err(|error| failed(error.to_string().trim_end().to_owned()))
    }

    pub(super) fn from_toml(text: &str) -> Result<Self, TomlError> {
        let mut layer = Self::default();
        for (name, value) in toml::from_str::<toml::Table>(text)? {
            match value {
                toml::Value::Table(presets) if name == "presets" => {
                    for (name, value) in presets {
                        let text = written(&format!("presets.{name}"), value)?;
                        layer.presets.insert(name, text);
                    }
                }
                toml::Value::String(place) if name == "source" => layer.source = Some(place),
                value if name == "source" => {
                    return Err(bad(
                        &name,
                        written(&name, value)?,
                        "expected a folder, s3://BUCKET/PREFIX or https://HOST/PATH/",
                    )
                    .into());
                }
                toml::Value::Array(sources) if name == "sources" => {
                    for source in sources {
                        let toml::Value::Table(source) = source else { return Err(bad_sources().into()) };
                        layer.sources.push(source);
                    }
                }
                _ if name == "sources" => return Err(bad_sources().into()),
                value if name == "presets" => {
                    return Err(bad(&name, written(&name, value)?, "expected a table of names and queries").into());
                }
                value => layer.set(&name, &written(&name, value)?)?,
            }
        }
        Ok(layer)
    }
}

/// The error of a TOML file.
#[derive(Debug, thiserror::Error)]
pub(super) enum TomlError {
    #[error(transparent)]
    Syntax(#[from] toml::de::Error),
    #[error(transparent)]
    Setting(#[from] ConfigError),
}

fn bad_sources() -> ConfigError {
    bad("sources", "without tables", "expected tables that each begin with [[sources]]")
}

/// Converts a TOML value to the text that a flag would have; a number needs no quotes.
pub(super) fn written(name: &str, value: toml::Value) -> Result<String, ConfigError> {
    match value {
        toml::Value::String(text) => Ok(text),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Float(number) => Ok(number.to_string()),
        toml::Value::Boolean(switch) => Ok(switch.to_string()),
        toml::Value::Datetime(date) => Ok(date.to_string()),
        toml::Value::Array(_) => Err(bad(name, "a list", "expected a number or a string")),
        toml::Value::Table(_) => Err(bad(name, "a table", "expected a number or a string")),
    }
}
