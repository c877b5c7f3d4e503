//! Where the originals of a server are: in one place, which the command line, a variable or the configuration file names,
//! or in several, which only the file describes.

use std::path::PathBuf;

use image_origin::config::Settings;
use image_origin::source::{self, OpenError, RouteSettings, SourceSettings, Sources};
use percent_encoding::utf8_percent_encode;

use super::{Failure, IN_PATH};

/// Where the originals are.
#[derive(Debug, Clone)]
pub(super) enum Originals {
    /// A folder, a bucket or a web server, with its settings.
    One(String, Box<SourceSettings>),
    /// Several, each for a part of the requests.
    Several(Vec<RouteSettings>),
}

impl Originals {
    /// The originals that an argument or variable names, or else the settings; `None` if neither does.
    pub(super) fn of(argument: Option<String>, settings: &Settings) -> Result<Option<Self>, Failure> {
        let place = argument.or_else(|| settings.place.clone());
        match (place, settings.sources.as_slice()) {
            (None, []) => Ok(None),
            (Some(place), []) => Ok(Some(Self::One(place, Box::new(settings.source.clone())))),
            (None, sources) => Ok(Some(Self::Several(sources.to_vec()))),
            (Some(place), _) => Err(Failure::usage(format!(
                "the source {} is named beside the [[sources]] of the configuration file: omit one of them",
                source::redacted(&place)
            ))),
        }
    }

    /// Checks the place, as far as that is possible without the file system and the network; the configuration file's own
    /// have been checked with it.
    pub(super) fn check(&self) -> Result<(), Failure> {
        match self {
            Self::One(place, store) => {
                source::check_place(place, store).map_err(|error| Failure::usage(error.to_string()))
            }
            Self::Several(_) => Ok(()),
        }
    }

    /// Opens all of them.
    pub(super) fn open(&self) -> Result<Sources, OpenError> {
        match self {
            Self::One(place, settings) => source::open(place, settings).map(Sources::from),
            Self::Several(sources) => Sources::open(sources),
        }
    }

    /// A description for messages, which names no bucket.
    pub(super) fn description(&self) -> String {
        match self {
            Self::One(place, _) => source::redacted(place).to_owned(),
            Self::Several(sources) if sources.len() == 1 => "a source".to_owned(),
            Self::Several(sources) => format!("{} sources", sources.len()),
        }
    }

    /// The folder, if it is a single one.
    pub(super) fn folder(&self) -> Option<PathBuf> {
        match self {
            Self::One(place, _) => {
                Some(PathBuf::from(place.strip_prefix("dir:").unwrap_or(place))).filter(|path| path.is_dir())
            }
            Self::Several(_) => None,
        }
    }

    /// The path of an example image in the folder: one with the stem `photo` if it exists, otherwise the first by name.
    pub(super) fn example(&self) -> Option<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.folder()?)
            .ok()?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| {
                [".jpg", ".jpeg", ".png", ".webp", ".gif"].iter().any(|end| name.to_lowercase().ends_with(end))
            })
            .collect();
        names.sort_by_key(|name| (!name.starts_with("photo."), name.clone()));
        names.first().map(|name| format!("/{}", utf8_percent_encode(name, IN_PATH)))
    }
}
