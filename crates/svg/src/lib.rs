//! SVG originals: reading them strictly, removing whatever is not part of a still drawing, and their size.
//!
//! [`decode`] converts a file to UTF-8. [`sanitize`] lists the parts of that text that stay: elements and attributes of
//! an allow-list, references to the drawing's own elements, and embedded pictures, which [`sanitize_with`] lets a caller
//! rewrite. Scripts, event handlers, foreign
//! elements, external references, comments, processing instructions, the document type and the metadata of editors are
//! left out; the rest is kept byte for byte. A file that is not well-formed is refused, so that every XML parser
//! understands the result alike.
//!
//! ```
//! use image_origin_container::{Cancellation, Meter};
//! use image_origin_svg::{Metadata, decode, sanitize};
//!
//! let file = br#"<svg xmlns="http://www.w3.org/2000/svg" onload="x()"><script>y()</script><path d="M0 0h9v9z"/></svg>"#;
//! # #[allow(clippy::disallowed_methods)]
//! let cancellation = Cancellation::unbounded();
//! let meter = Meter::new(file.len() as u64, &cancellation);
//! let text = decode(file, &meter)?;
//! let clean = sanitize(&text, Metadata::None, &meter)?.to_text(&text);
//! assert_eq!(clean, r#"<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0h9v9z"/></svg>"#);
//! # Ok::<(), image_origin_svg::Error>(())
//! ```

// Tests have no caller that could pass a `Cancellation`.
#![cfg_attr(test, allow(clippy::disallowed_methods))]

mod complexity;
mod css;
mod encoding;
mod names;
mod sanitize;
mod size;
mod url;
mod xml;

pub use complexity::{Complexity, check_tags, complexity};
pub use encoding::{MAX_LEN, decode};
pub use sanitize::{Metadata, Part, Picture, PictureFilter, Sanitized, sanitize, sanitize_with};
pub use size::{Size, size};

use image_origin_container::Exhausted;

/// Why a drawing is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is not well-formed XML (XML 1.0, fifth edition; Namespaces in XML 1.0), or no SVG.
    #[error("{reason} (line {line}, column {column})")]
    NotWellFormed {
        /// The violated rule.
        reason: &'static str,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
    },
    /// The text is in an encoding that is not read.
    #[error("the encoding is not UTF-8, UTF-16, US-ASCII, ISO-8859-1 or windows-1252")]
    Encoding,
    /// The bytes are not valid in the encoding of the text.
    #[error("the text is not valid {0}")]
    Undecodable(&'static str),
    /// A count exceeds what is allowed.
    #[error("{what} exceeds {allowed}")]
    TooMuch {
        /// What is counted.
        what: &'static str,
        /// The limit.
        allowed: usize,
    },
    /// The work was cancelled, or exceeded the budget that follows from the length of the file.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
}
