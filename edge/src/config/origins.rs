//! Where requests go, and how they are signed on the way.

use serde::Deserialize;

use super::Problems;

/// The origins behind the edge.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origins {
    /// What transforms images.
    pub transformer: Target,
    /// The bucket with the originals, for what need not pass through the transformer.
    pub storage: Option<Target>,
    /// What happens to an image without parameters.
    #[serde(default)]
    pub originals: Originals,
}

/// The way of an image that is asked for without parameters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Originals {
    /// Through the transformer, which takes the metadata out: a camera's pictures tell where they were taken.
    #[default]
    Strip,
    /// From the bucket as it is.
    Direct,
}

/// One origin.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Whose signature it takes.
    pub service: Service,
    /// Its DNS name. If the transformer has none here, it is the origin that the distribution itself names: a function
    /// URL is known only once it is deployed, and this configuration is packaged before.
    #[serde(default)]
    pub domain: String,
    /// Its region, where it takes a signature.
    #[serde(default)]
    pub region: String,
    /// A prefix of every path, such as `/originals`.
    #[serde(default)]
    pub path: String,
    /// How long CloudFront waits for an answer.
    #[serde(default = "default_read_timeout")]
    pub read_timeout_seconds: u32,
}

/// The service that a request is signed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    /// A Lambda function URL with `AWS_IAM`.
    Lambda,
    /// An S3 Object Lambda access point.
    S3ObjectLambda,
    /// A bucket.
    S3,
    /// No signature: a server that is protected in another way, or a public bucket.
    None,
}

fn default_read_timeout() -> u32 {
    30
}

impl Origins {
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
    }
}

impl Target {
    fn check_domain(&self, field: &str, problems: &mut Problems) {
        let dns = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-';
        // CloudFront refuses addresses as origins, and names in another form.
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
