//! Metadata end to end: files in, reports and stripped files out, and ExifTool as the judge of both.
mod browser;
mod cost;
mod damaged;
mod exiftool;
mod hostile;
mod leftovers;
mod marks;
pub(crate) mod samples;
mod schema;
mod strip;
mod transformed;
