//! HDR gain maps of JPEGs, as they are read for a transformed picture and written with it.
//!
//! A gain map is a second JPEG in the file, with the gain of each pixel from the base picture to its HDR rendition. Three
//! forms are read: ISO 21496-1, Ultra HDR (Adobe's gain map specification), and Apple's. One is written, with the
//! metadata of the first two, which all viewers of gain maps read.

pub(crate) mod apple;
mod parameters;

use std::io::{self, Cursor};

use crate::Error;
use crate::strip::gain_map::{is_announced, iso_payload, mp_offsets, mp_segment};
use crate::strip::jpeg::image;
use crate::xmp::Xmp;
use image_origin_container::blocks::Blocks;
use image_origin_container::jpeg::{self, Segment};
use image_origin_container::{Cancellation, Exhausted, Input, Meter, from_memory};
pub use parameters::Parameters;
pub(crate) use parameters::{MAX_LEN as MAX_PARAMETERS, payload_len, without_trailing};

/// The version of the metadata that a base picture with a gain map has: all of it is in the map (ISO 21496-1, C.2).
const ISO_VERSION: [u8; 4] = [0; 4];

/// The gain map in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct GainMap {
    /// The offset of its JPEG in the file.
    pub start: usize,
    /// How it is applied.
    pub parameters: Parameters,
    /// The samples' conversion to the samples that the parameters describe, if they differ.
    pub samples: Option<Box<[u8; 256]>>,
}

/// Finds the gain map of a JPEG; `None` if there is none, or none that can be applied. It is only read by its header,
/// so the JPEG itself may turn out to be damaged.
///
/// # Errors
/// [`Exhausted`] if `cancellation` is cancelled, or reading exceeds the budget that follows from the length of the file.
pub fn gain_map(bytes: &[u8], cancellation: &Cancellation) -> Result<Option<GainMap>, Exhausted> {
    let meter = &Meter::new(bytes.len() as u64, cancellation);
    let find = || -> io::Result<Option<GainMap>> {
        let input = &mut Input::new(Cursor::new(bytes), meter)?;
        let header = jpeg::header_segments(input)?;
        let end = header.last().map_or(2, |segment| segment.range.end);
        let is_announced = is_announced(input, &header)?;
        let mut starts = mp_offsets(input, &header)?;
        starts.retain(|start| *start >= end);
        for start in &starts {
            if let Some(found) = at(input, *start, &header, is_announced)? {
                return Ok(Some(found));
            }
        }
        if !is_announced && starts.is_empty() {
            return Ok(None);
        }
        // A directory that is wrong, or was left out by an editor. To find the end of the first image, all of it is read.
        match image(input, 0) {
            Ok(first) => at(input, first.end, &header, is_announced),
            Err(Error::Io(error)) => Err(error),
            Err(Error::Exhausted(exhausted)) => Err(io::Error::other(exhausted)),
            Err(_) => Ok(None),
        }
    };
    Ok(from_memory(find())?.flatten())
}

/// The gain map in the image at `start`, if it is one. `base` is the header of the first image. Only Apple's is not announced
/// there.
fn at(input: &mut Input<'_>, start: u64, base: &[Segment], is_announced: bool) -> io::Result<Option<GainMap>> {
    if input.array::<3>(start)? != Some([0xff, jpeg::SOI, 0xff]) {
        return Ok(None);
    }
    let header = jpeg::header_segments_from(input, start + 2)?;
    let Ok(start) = usize::try_from(start) else { return Ok(None) };
    // A reader that knows both uses the standard's.
    let iso = iso_payload(input, &header)?;
    if let (Some(parameters), true) = (iso.as_deref().and_then(Parameters::from_iso), is_announced) {
        return Ok(Some(GainMap { start, parameters, samples: None }));
    }
    let Some(xmp) = xmp(input, &header)? else { return Ok(None) };
    if let (Some(parameters), true) = (Parameters::from_xmp(&xmp), is_announced) {
        return Ok(Some(GainMap { start, parameters, samples: None }));
    }
    if !apple::is_gain_map(&xmp) {
        return Ok(None);
    }
    let exif = exif(input, base)?;
    let headroom = apple::headroom(&xmp, exif.as_deref());
    Ok(headroom.map(|stops| GainMap {
        start,
        parameters: Parameters::of_log_gain(stops),
        samples: Some(Box::new(apple::log_samples(stops))),
    }))
}

/// The first packet of XMP among these segments.
pub(crate) fn xmp(input: &mut Input<'_>, header: &[Segment]) -> io::Result<Option<Xmp>> {
    for segment in header.iter().filter(|segment| segment.marker == jpeg::APP1) {
        if segment.opens_with(input, jpeg::XMP)? {
            let payload = input.copy(segment.payload.clone(), jpeg::MAX_PAYLOAD)?;
            let packet = payload.strip_prefix(jpeg::XMP).unwrap_or_default().to_vec();
            return Xmp::new(&[packet], input.meter()).map(Some).map_err(io::Error::other);
        }
    }
    Ok(None)
}

/// The Exif block among these segments.
pub(crate) fn exif(input: &mut Input<'_>, header: &[Segment]) -> io::Result<Option<Vec<u8>>> {
    for segment in header.iter().filter(|segment| segment.marker == jpeg::APP1) {
        if segment.opens_with(input, jpeg::EXIF)? {
            let payload = input.copy(segment.payload.clone(), jpeg::MAX_PAYLOAD)?;
            return Ok(payload.strip_prefix(jpeg::EXIF).map(<[u8]>::to_vec));
        }
    }
    Ok(None)
}

/// A gain map that is written with a picture: its JPEG, with the metadata to apply it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Written(Vec<u8>);

impl Written {
    /// Adds the parameters and a profile to an encoded gain map.
    pub(crate) fn new(encoded: &[u8], parameters: &Parameters, icc: Option<Vec<u8>>) -> Self {
        let blocks = Blocks { xmp: Some(parameters.to_xmp()), icc, ..Blocks::default() };
        let mut segments = blocks.jpeg_segments();
        segments.extend(jpeg::segment(jpeg::APP2, &[jpeg::ISO_GAIN_MAP, &parameters.to_iso()]));
        let (first, rest) = encoded.split_at(2.min(encoded.len()));
        Self([first, &segments, rest].concat())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The packet of a base picture, with the properties of `packet` and the announcement of this gain map.
    pub(crate) fn announced(&self, packet: Option<&[u8]>) -> Vec<u8> {
        let announce = |packet: Option<&[u8]>| {
            // Both are written by this program.
            #[allow(clippy::disallowed_methods, reason = "it is our own")]
            let cancellation = Cancellation::unbounded();
            let meter = Meter::new(packet.map_or(0, |packet| packet.len() as u64), &cancellation);
            let packets: Vec<_> = packet.into_iter().map(<[u8]>::to_vec).collect();
            Xmp::new(&packets, &meter).unwrap_or_default().with_gain_map(self.len() as u64)
        };
        let announced = announce(packet);
        // A packet must fit into one segment.
        if announced.len() + jpeg::XMP.len() <= jpeg::MAX_PAYLOAD { announced } else { announce(None) }
    }

    /// Appends this gain map to a base picture. `segments` are inserted at `at`, followed by the directory that leads to
    /// the map.
    pub(crate) fn append(&self, mut base: Vec<u8>, at: usize, mut segments: Vec<u8>) -> Vec<u8> {
        segments.extend(jpeg::segment(jpeg::APP2, &[jpeg::ISO_GAIN_MAP, &ISO_VERSION]));
        let directory = mp_segment(0, 0, 0).len();
        let base_len = (base.len() + segments.len() + directory) as u64;
        segments.extend(mp_segment((at + segments.len()) as u64, base_len, self.len() as u64));
        base.reserve_exact(segments.len() + self.len());
        base.splice(at..at, segments);
        base.extend_from_slice(&self.0);
        base
    }
}
