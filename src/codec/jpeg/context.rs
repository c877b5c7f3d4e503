//! What all parts of a decode share, and which way the decoding goes.

use super::bits::Window;
use super::coefficients::Store;
use super::colour::Converter;
use super::frame::{Frame, Process, Scan};
use super::header::Start;
use super::layout::Layout;
use super::output::{Band, Output};
use super::tables::{Quantisation, Tables};
use super::{Error, Image, Options, Warning, scans, sequential};

/// More than the Huffman tables and weights of a scan take.
const TABLE_BYTES: u64 = 256 * 1024;

/// The state of a decode.
pub(super) struct Context<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) frame: Frame,
    pub(super) tables: Tables,
    pub(super) layout: Layout,
    converter: Converter,
    options: &'a Options<'a>,
    warnings: Vec<Warning>,
}

/// Decodes a picture; see [`decode`](super::decode).
pub(super) fn decode(bytes: &[u8], options: &Options<'_>) -> Result<Image, Error> {
    let Start { frame, tables, scan, mut segments } = Start::read(bytes)?;
    frame.check_supported()?;
    let scan = Scan::parse(&frame, scan)?;
    let layout = Layout::new(&frame, options.scale, options.region)?;
    let colour = frame.colour(tables.has_jfif, tables.adobe_transform);
    let is_inverted = tables.adobe_transform.is_some();
    let converter = Converter::new(colour, is_inverted);
    let mut context = Context { bytes, frame, tables, layout, converter, options, warnings: Vec::new() };
    let is_streamed =
        context.frame.process != Process::Progressive && scan.components.len() == context.frame.components.len();
    context.check_memory(is_streamed)?;
    let pixels = if is_streamed {
        sequential::decode(&mut context, &scan, segments.offset())?
    } else {
        scans::decode(&mut context, scan, &mut segments)?
    };
    let Context { layout, mut warnings, .. } = context;
    warnings.sort();
    warnings.dedup();
    Ok(Image {
        width: layout.width,
        height: layout.height,
        area: layout.area,
        format: converter.format(),
        pixels,
        warnings,
    })
}

impl<'a> Context<'a> {
    fn check_memory(&self, is_streamed: bool) -> Result<(), Error> {
        let layout = &self.layout;
        let coefficients = if is_streamed { 0 } else { Store::bytes(layout) };
        let fixed = Window::BYTES as u64 + TABLE_BYTES;
        let needed = Output::bytes(layout, self.converter.format()) + Band::bytes(layout) + coefficients + fixed;
        let limit = self.options.max_bytes;
        if needed > limit { Err(Error::TooLarge { needed, limit }) } else { Ok(()) }
    }

    /// Asks the caller whether to go on.
    pub(super) fn check(&self) -> Result<(), Error> {
        if (self.options.check)().is_break() { Err(Error::Stopped) } else { Ok(()) }
    }

    pub(super) fn warn_if(&mut self, condition: bool, warning: Warning) {
        if condition {
            self.warnings.push(warning);
        }
    }

    /// An empty picture, to be filled from above.
    pub(super) fn output<'l>(&self, layout: &'l Layout) -> Output<'l> {
        Output::new(layout, self.converter, self.options.upsampling)
    }

    /// The quantisation table of a component.
    pub(super) fn quantisation(&self, component: usize) -> Result<Quantisation, Error> {
        let table = usize::from(self.frame.components[component].quantisation);
        self.tables.quantisation[table].ok_or(Error::Damaged("quantisation table missing"))
    }
}
