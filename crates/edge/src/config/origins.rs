//! The origins: which one receives a request, and how the request is signed.

use serde::Deserialize;

use super::Problems;

/// The origins behind the edge.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origins {
    /// The origin that transforms images.
    pub transformer: Target,
    /// The bucket with the originals, for requests that need not pass through the transformer.
    pub storage: Option<Target>,
    /// How images without parameters are served.
    #[serde(default)]
    pub originals: Originals,
    /// The extensions of files that are served unchanged from the storage, in lower case and without a dot. Everything
    /// else goes to the transformer, which recognises images by their content and returns nothing else.
    #[serde(default = "default_files")]
    pub files: Vec<String>,
}

/// The usual files of web pages besides images. SVG is not among them, since the transformer sanitises it. Data formats
/// such as `json`, `csv`, `txt` and `zip` are excluded: a bucket may contain some that are not meant to be public, so an
/// operator has to list them.
const DEFAULT_FILES: &[&str] = &[
    "css", "eot", "htm", "html", "js", "m4a", "m4v", "mjs", "mp3", "mp4", "ogg", "otf", "pdf", "ttf", "vtt", "wasm",
    "webm", "woff", "woff2",
];

/// The extensions of images. [`Originals::Direct`] serves these from the storage; an image with another extension, and
/// SVG, is still served by the transformer.
const IMAGES: &[&str] = &[
    "apng", "avif", "bmp", "cur", "dib", "gif", "heic", "heif", "hif", "ico", "jfif", "jif", "jpe", "jpeg", "jpg",
    "jxl", "pam", "pbm", "pgm", "pjp", "pjpeg", "png", "pnm", "ppm", "qoi", "tif", "tiff", "webp",
];

fn default_files() -> Vec<String> {
    DEFAULT_FILES.iter().map(|ending| (*ending).to_owned()).collect()
}

/// The kind of a file, by the extension in its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// An image extension.
    Image,
    /// One of the extensions in [`Origins::files`].
    File,
    /// Another extension, or none.
    Unknown,
}

/// How an image without parameters is served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Originals {
    /// By the transformer, which removes the metadata: photographs contain the location where they were taken.
    #[default]
    Strip,
    /// Unchanged from the bucket.
    Direct,
}

/// An origin.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The service that verifies the signature.
    pub service: Service,
    /// The DNS name. If the transformer has none, it is the origin that the distribution names: the name of a function
    /// URL is known only after deployment, but this configuration is packaged before.
    #[serde(default)]
    pub domain: String,
    /// The region for the signature, if the service requires one.
    #[serde(default)]
    pub region: String,
    /// A prefix of every path, such as `/originals`.
    #[serde(default)]
    pub path: String,
    /// How long CloudFront waits for a response.
    #[serde(default = "default_read_timeout")]
    pub read_timeout_seconds: u32,
}

/// The service for which a request is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    /// A Lambda function URL with `AWS_IAM`.
    Lambda,
    /// An S3 Object Lambda access point.
    S3ObjectLambda,
    /// A bucket.
    S3,
    /// No signature: a server that is protected by other means, or a public bucket.
    None,
}

fn default_read_timeout() -> u32 {
    30
}

impl Origins {
    /// The kind of file, by its extension. An encoded path suffices, since letters are never encoded.
    pub(crate) fn kind(&self, path: &str) -> FileKind {
        let Some(ending) = extension(path) else { return FileKind::Unknown };
        if IMAGES.iter().any(|image| image.eq_ignore_ascii_case(ending)) {
            FileKind::Image
        } else if self.files.iter().any(|file| file.eq_ignore_ascii_case(ending)) {
            FileKind::File
        } else {
            FileKind::Unknown
        }
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        self.transformer.check("origins.transformer", problems);
        if !self.transformer.domain.is_empty() {
            self.transformer.check_domain("origins.transformer", problems);
        }
        if self.transformer.service == Service::S3 {
            problems.add(
                "origins.transformer.service",
                "takes lambda, s3-object-lambda or none; a bucket transforms nothing",
            );
        }
        if let Some(storage) = &self.storage {
            storage.check("origins.storage", problems);
            storage.check_domain("origins.storage", problems);
            if !matches!(storage.service, Service::S3 | Service::None) {
                problems.add("origins.storage.service", "takes s3 or none");
            }
        } else if self.originals == Originals::Direct {
            problems.add("origins.originals", "`direct` needs origins.storage");
        }
        for (index, ending) in self.files.iter().enumerate() {
            let field = format!("origins.files[{index}]");
            if ending.is_empty() || !ending.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
                problems.add(
                    field,
                    format_args!("`{ending}` is not an ending such as \"pdf\", in lower case, without a dot"),
                );
            } else if IMAGES.contains(&ending.as_str()) {
                problems.add(field, format_args!("`{ending}` is an image's, of which `originals` decides"));
            }
        }
    }
}

impl Target {
    fn check_domain(&self, field: &str, problems: &mut Problems) {
        let dns = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-';
        // CloudFront rejects IP addresses and non-canonical names as origins.
        if self.domain.is_empty()
            || self.domain.len() > 253
            || !self.domain.chars().all(dns)
            || self.domain.split('.').any(|label| label.is_empty() || label.starts_with('-') || label.ends_with('-'))
            || self.domain.chars().all(|c| c == '.' || c.is_ascii_digit())
        {
            problems.add(format_args!("{field}.domain"), "is no DNS name in lower case, without port and scheme");
        }
    }

    fn check(&self, field: &str, problems: &mut Problems) {
        if self.service != Service::None && self.region.is_empty() {
            problems.add(format_args!("{field}.region"), "is needed for the signature");
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
        let in_form = self.path.is_empty() || (self.path.starts_with('/') && !self.path.ends_with('/'));
        if !in_form
            || self.path.len() > 255
            || !self.path.chars().all(plain)
            || self.path.contains("//")
            || has_dots(&self.path)
        {
            problems.add(
                format_args!("{field}.path"),
                "starts with a slash, ends without one and has only letters, digits and - . _ ~ in its segments",
            );
        }
        if !(4..=60).contains(&self.read_timeout_seconds) {
            problems.add(format_args!("{field}.read_timeout_seconds"), "takes 4 to 60");
        }
    }
}

fn has_dots(path: &str) -> bool {
    path.split('/').any(|segment| segment == "." || segment == "..")
}

/// The extension of the last segment, if a name precedes it.
fn extension(path: &str) -> Option<&str> {
    let name = path.rsplit('/').next()?;
    let (stem, extension) = name.rsplit_once('.')?;
    (!stem.is_empty() && !extension.is_empty()).then_some(extension)
}
