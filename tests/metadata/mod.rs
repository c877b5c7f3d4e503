//! Metadata end to end: files in, reports and stripped files out, and ExifTool as the judge of both.
//!
//! The tests build the small files that they need. Where a folder `../shared/corpus` of real photographs and the
//! `exiftool` program are at hand, they are used as well; a line says so where they are not.
mod browser;
mod exiftool;
mod hostile;
mod samples;
mod schema;
mod strip;
mod transformed;
