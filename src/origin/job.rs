//! What is done with the bytes of an original on a worker thread.

use bytes::Bytes;

use super::overlays::ReadOverlay;
use super::{Answer, ExposeMetadata, SvgMode};
use crate::codec::{self, Cancellation, Cores, Format};
use crate::error::{Code, Problem};
use crate::query::{Answer as Wanted, Focus, Transform};
use crate::telemetry::Cost;
use crate::transform::{self, Accepted, Render};

/// The problem of a drawing where drawings are refused.
pub(super) fn refused() -> Problem {
    Problem::new(Code::UnsupportedImage, "the original is SVG, which the setting `svg` refuses")
}

/// The part of a request that runs on a worker thread.
pub(super) struct Job {
    pub(super) transform: Transform,
    pub(super) overlay: Option<ReadOverlay>,
    pub(super) accepted: Accepted,
    pub(super) avif_speed: u8,
    pub(super) svg: SvgMode,
    pub(super) limits: transform::Limits,
    pub(super) expose: ExposeMetadata,
    pub(super) keep_marks: bool,
    pub(super) focus: Option<Focus>,
    pub(super) cost: Cost,
    pub(super) cores: Cores,
}

impl Job {
    pub(super) fn run(self, bytes: &Bytes, cancellation: &Cancellation) -> Result<Answer, Problem> {
        if self.svg == SvgMode::Refuse && codec::sniff(bytes) == Some(Format::Svg) {
            return Err(refused());
        }
        let render = Render::new(bytes).focus(self.focus).limits(self.limits).cancellation(cancellation.clone());
        match self.transform.answer {
            Wanted::Picture => {
                let overlay = self.overlay.as_ref().map(ReadOverlay::file);
                let render = render
                    .overlay(overlay)
                    .cores(self.cores)
                    .transform(self.transform)
                    .accepted(self.accepted)
                    .keep_marks(self.keep_marks)
                    .avif_speed(self.avif_speed)
                    .rasterizes(self.svg == SvgMode::Rasterize);
                let rendered = render.run()?;
                let media_type = rendered.format.media_type();
                let pixels = u64::from(rendered.width) * u64::from(rendered.height);
                let cost = Cost { pixels, stages: rendered.stages, ..self.cost };
                let likeness = rendered.likeness;
                Ok(Answer { bytes: rendered.bytes.into(), media_type, likeness, cost })
            }
            Wanted::Info => self.json(&render.inspect()?),
            Wanted::Metadata => {
                let report = transform::report(bytes, cancellation)?;
                self.json(&if self.expose == ExposeMetadata::All { report } else { report.without_location() })
            }
        }
    }

    fn json(&self, value: &impl serde::Serialize) -> Result<Answer, Problem> {
        let bytes = serde_json::to_vec(value).map_err(|error| Problem::new(Code::Internal, error.to_string()))?;
        Ok(Answer { bytes: bytes.into(), media_type: "application/json", likeness: None, cost: self.cost })
    }
}
