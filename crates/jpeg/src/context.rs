//! The state of a decode, and the selection of the decoding path.

use super::bits::Window;
use super::coefficients::Store;
use super::colour::Converter;
use super::frame::{Colour, Frame, Process, Scan};
use super::header::Start;
use super::layout::{Chroma, Layout};
use super::output::{self, Band, Output, Pixels};
use super::segments::Segments;
use super::tables::{Quantisation, Tables};
use super::{DecodeError, DecodeOptions, Image, Permit, Plane, Planes, Warning, scans, sequential};

/// An upper bound for the Huffman tables and weights of a scan in bytes.
const TABLE_BYTES: u64 = 256 * 1024;

/// The state of a decode.
pub(super) struct Context<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) frame: Frame,
    pub(super) tables: Tables,
    options: &'a DecodeOptions<'a>,
    warnings: Vec<Warning>,
    /// The memory in bytes that is needed without a second thread.
    needed: u64,
}

/// Decodes a picture; see [`decode`](super::decode).
pub(super) fn decode(bytes: &[u8], options: &DecodeOptions<'_>) -> Result<Image, DecodeError> {
    let mut job = Job::new(bytes, options)?;
    let layout = Layout::new(&job.context.frame, options.scale, options.region, Chroma::Full)?;
    let converter = Converter::new(job.colour(), options.inks);
    let format = converter.format();
    job.check_memory(&layout, Pixels::bytes(&layout, format))?;
    let mut output = Pixels::new(&layout, converter, options.upsampling);
    let warnings = job.run(&layout, &mut output)?;
    let pixels = output.into_samples();
    let blur = layout.components.first().map_or(0.0, |luma| layout.blur(luma));
    Ok(Image { width: layout.width, height: layout.height, area: layout.area, blur, format, pixels, warnings })
}

/// Decodes luma and chroma; see [`decode_planes`](super::decode_planes).
pub(super) fn decode_planes(bytes: &[u8], options: &DecodeOptions<'_>) -> Result<Option<Planes>, DecodeError> {
    let mut job = Job::new(bytes, options)?;
    let chroma = if options.full_chroma { Chroma::Full } else { Chroma::Half };
    let layout = Layout::new(&job.context.frame, options.scale, options.region, chroma)?;
    if job.colour() != Colour::YCbCr || layout.components.first().is_none_or(|luma| (luma.h, luma.v) != layout.max) {
        return Ok(None);
    }
    job.check_memory(&layout, output::Planes::bytes(&layout))?;
    let mut output = output::Planes::new(&layout);
    let warnings = job.run(&layout, &mut output)?;
    let planes = output.into_samples().into_iter().zip(&layout.components).map(|(samples, component)| Plane {
        width: component.width,
        height: component.height,
        origin: (layout.area.x, layout.area.y),
        pixels_of_sample: layout.pixels_of_sample(component),
        blur: layout.blur(component),
        samples,
    });
    Ok(Some(Planes { planes: planes.collect(), warnings }))
}

/// A decode with parsed headers.
struct Job<'a> {
    context: Context<'a>,
    scan: Scan,
    segments: Segments<'a>,
}

impl<'a> Job<'a> {
    fn new(bytes: &'a [u8], options: &'a DecodeOptions<'a>) -> Result<Self, DecodeError> {
        let Start { frame, tables, scan, segments } = Start::read(bytes)?;
        frame.check_supported()?;
        if options.colour.is_some_and(|colour| colour.components() != frame.components.len()) {
            return Err(DecodeError::Damaged("other components than its container tells"));
        }
        let scan = Scan::parse(&frame, scan)?;
        let context = Context { bytes, frame, tables, options, warnings: Vec::new(), needed: 0 };
        Ok(Self { context, scan, segments })
    }

    fn colour(&self) -> Colour {
        let Context { frame, tables, options, .. } = &self.context;
        options.colour.unwrap_or_else(|| frame.colour(tables.has_jfif, tables.adobe_transform))
    }

    /// Whether the picture can be decoded row by row.
    fn is_streamed(&self) -> bool {
        let frame = &self.context.frame;
        frame.process != Process::Progressive && self.scan.components.len() == frame.components.len()
    }

    fn check_memory(&mut self, layout: &Layout, output: u64) -> Result<(), DecodeError> {
        let coefficients = if self.is_streamed() { 0 } else { Store::bytes(layout) };
        let fixed = Window::BYTES as u64 + TABLE_BYTES;
        let finder = if self.is_streamed() { sequential::finder_bytes(layout, self.context.bytes.len()) } else { 0 };
        let needed = output + Band::bytes(layout) + coefficients + finder + fixed;
        self.context.needed = needed;
        let limit = self.context.options.max_bytes;
        if needed > limit { Err(DecodeError::TooLarge { needed, limit }) } else { Ok(()) }
    }

    /// Decodes the picture; returns the warnings, each kind once.
    fn run(mut self, layout: &Layout, output: &mut impl Output) -> Result<Vec<Warning>, DecodeError> {
        let is_streamed = self.is_streamed();
        let Self { context, scan, segments } = &mut self;
        if is_streamed {
            sequential::decode(context, layout, scan, segments.offset(), output)?;
        } else {
            scans::decode(context, layout, scan.clone(), segments, output)?;
        }
        let mut warnings = self.context.warnings;
        warnings.sort();
        warnings.dedup();
        Ok(warnings)
    }
}

impl<'a> Context<'a> {
    /// Calls the cancellation callback.
    pub(super) fn check(&self) -> Result<(), DecodeError> {
        if (self.options.check)().is_break() { Err(DecodeError::Cancelled) } else { Ok(()) }
    }

    /// Whether there is memory for so many bytes more than the decode takes on one thread.
    pub(super) const fn has_memory_beside(&self, bytes: u64) -> bool {
        self.needed.saturating_add(bytes) <= self.options.max_bytes
    }

    /// A permit for a second thread, if a core is idle.
    pub(super) fn second_core(&self) -> Option<Permit> {
        (self.options.second_core)()
    }

    pub(super) fn warn_if(&mut self, condition: bool, warning: Warning) {
        if condition {
            self.warnings.push(warning);
        }
    }

    /// The quantisation table of a component.
    pub(super) fn quantisation(&self, component: usize) -> Result<Quantisation, DecodeError> {
        let table = usize::from(self.frame.components[component].quantisation);
        self.tables.quantisation[table].ok_or(DecodeError::Damaged("quantisation table missing"))
    }
}
