//! Decodes one AV1 picture to planes.

use image_origin_av1::decode::{self, Decoder, Picture, Sequence};
use image_origin_container::heif::Nclx;

use super::damaged;
use crate::heif::{self, Description, Row};
use crate::{Budget, Cancellation, Error};

/// A decoded picture.
pub(super) struct Planes {
    picture: Picture,
    description: Description,
}

/// The decoder of a stream, whose picture is of the size in its sequence header.
pub(super) fn decoder<'a>(data: &'a [u8], cancellation: &Cancellation) -> Result<Decoder<'a>, Error> {
    let decoder = Decoder::new(data, &|| cancellation.go_on())?;
    let Sequence { width, height, .. } = *decoder.sequence();
    if decoder.size() == [width, height] {
        Ok(decoder)
    } else {
        Err(damaged("its picture is of another size than its header"))
    }
}

/// What the sequence header of a stream says of its pictures.
pub(super) fn describe(data: &[u8]) -> Result<Description, Error> {
    Ok(description(&Sequence::of_stream(data)?))
}

fn description(sequence: &Sequence) -> Description {
    let Sequence { width, height, depth, is_monochrome, subsampling, colour, full_range, .. } = *sequence;
    let [primaries, transfer, matrix] = [colour.primaries, colour.transfer, colour.matrix].map(u16::from);
    let meaning = Nclx { primaries, transfer, matrix, full_range };
    Description { width, height, depth, is_monochrome, subsampling, meaning }
}

/// Decodes the picture of a stream. Without `filtered`, the in-loop filters are left out.
pub(super) fn decode(
    data: &[u8],
    filtered: bool,
    budget: Budget,
    cancellation: &Cancellation,
) -> Result<Planes, Error> {
    let decoder = decoder(data, cancellation)?;
    let [width, height] = decoder.size();
    budget.check_pixels(width, height)?;
    let check = || cancellation.go_on();
    let options = decode::DecodeOptions::default().filtered(filtered).max_bytes(budget.memory).check(&check);
    Ok(Planes { picture: decoder.decode(&options)?, description: description(decoder.sequence()) })
}

impl heif::Planes for Planes {
    fn description(&self) -> &Description {
        &self.description
    }

    fn row(&self, plane: usize, y: usize) -> Row<'_> {
        match self.picture.row(plane, y) {
            decode::Row::Eight(samples) => Row::Eight(samples),
            decode::Row::Sixteen(samples) => Row::Sixteen(bytemuck::cast_slice(samples)),
        }
    }
}
