//! The files that `format=auto` may send, and which of them are encoded.

use super::finish::EncodeRequest;
use super::strips;
use super::{Error, Rendered};
use image_origin_codec::{self as codec, Budget, EncodeOptions, Format};

/// A format, and how it is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) format: Format,
    /// Whether it is encoded losslessly.
    pub(super) is_exact: bool,
    /// Whether every viewer supports the format.
    pub(super) is_universal: bool,
    /// Whether it is only for pictures that no newer format can hold.
    is_last_resort: bool,
}

impl Way {
    pub(super) const JPEG: Self =
        Self { format: Format::Jpeg, is_exact: false, is_universal: true, is_last_resort: false };
    pub(super) const PNG: Self = Self { format: Format::Png, is_exact: true, ..Self::JPEG };
    /// Lossless WebP.
    pub(super) const EXACT: Self =
        Self { format: Format::WebP, is_exact: true, is_universal: false, is_last_resort: false };

    /// A newer format, encoded as requested.
    pub(super) fn newer(format: Format) -> Self {
        Self { format, is_exact: false, ..Self::EXACT }
    }

    /// The only way, as was asked for.
    pub(super) fn asked(format: Format, lossless: bool) -> Self {
        Self { format, is_exact: lossless || format == Format::Png, ..Self::JPEG }
    }

    /// The same, unless a newer format was written.
    pub(super) fn as_last_resort(self) -> Self {
        Self { is_last_resort: true, ..self }
    }

    /// What lengths are compared by.
    fn weight(&self, length: u64) -> u64 {
        length * if self.is_exact { SHARE_OF_EXACT.0 } else { SHARE_OF_EXACT.1 }
    }
}

/// An encoder that `format=auto` may choose, and how it would encode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate<E> {
    pub(super) encoder: E,
    pub(super) way: Way,
}

/// The candidates in the order in which they are tried. One means that nothing is to be compared.
#[derive(Debug, Clone)]
pub(super) struct Candidates<E> {
    pub(super) all: Vec<Candidate<E>>,
    /// The number of pixels.
    pub(super) pixels: u64,
    /// The length of a JPEG in bytes, where none has to be written to know it.
    pub(super) jpeg: Option<u64>,
    /// The length of a lossless file in bytes that was encoded with little effort, where lossy ones are tried first.
    pub(super) exact: Option<u64>,
    /// Whether WebP is tried before AVIF, since the picture is small, or drawn and transparent: containers count.
    pub(super) webp_first: bool,
}

/// The maximum number of pixels of a picture for which all candidates are tried.
pub(super) const SMALL: u64 = 128 * 128;

/// A lossless file is preferred if this share of its length is no more than that of a lossy one.
const SHARE_OF_EXACT: (u64, u64) = (9, 10);

/// The share of the length of a JPEG at which another lossy file is taken for the smallest, without trying the next
/// format.
const CLEARLY_SMALLER: (u64, u64) = (3, 4);

/// A lossless file of at most one byte for this number of pixels is chosen without trying lossy formats.
pub(super) const FEW_PIXELS_A_BYTE: u64 = 64;

/// The length of a lossy WebP up to which AVIF is not tried, in pictures of which both are: AVIF has 250 bytes more than two thirds of
/// that, with a standard deviation of a twentieth, and takes ten times as long. NOTES.md of `image-origin-codec` has the measurements.
const FEW_BYTES: u64 = 1000;

/// The share of the length of a JPEG up to which a lossless file is chosen without trying newer lossy formats.
const SHARE_OF_JPEG: (u64, u64) = (31, 100);

/// The same where JPEG takes so many bytes that newer lossy formats save less of them.
const SHARE_OF_DENSE_JPEG: (u64, u64) = (7, 10);

impl<E> Candidates<E> {
    /// The formats of the candidates.
    pub(super) fn formats(&self) -> impl Iterator<Item = Format> {
        self.all.iter().map(|candidate| candidate.way.format)
    }

    /// Whether the picture has so few pixels that containers count.
    pub(super) fn is_small(&self) -> bool {
        self.pixels <= SMALL
    }

    /// What is left of the candidates for points of light in the dark.
    pub(super) fn for_lights(self) -> Self {
        let mut all = self.all;
        if all.iter().any(|candidate| candidate.way.format == Format::WebP) {
            all.retain(|candidate| candidate.way.format != Format::Avif);
            all.iter_mut().filter(|candidate| candidate.way.is_universal).for_each(|candidate| {
                candidate.way = candidate.way.as_last_resort();
            });
            all.sort_by_key(|candidate| candidate.way.is_last_resort);
        }
        Self { all, ..self }
    }
}

impl<E: Copy> Candidates<E> {
    /// The same candidates with other encoders; `None` if one of them has none.
    pub(super) fn map<F>(&self, other: impl Fn(Format, E) -> Option<F>) -> Option<Candidates<F>> {
        let candidate =
            |&Candidate { encoder, way }: &Candidate<E>| Some(Candidate { encoder: other(way.format, encoder)?, way });
        let all = self.all.iter().map(candidate).collect::<Option<_>>()?;
        let &Self { pixels, jpeg, exact, webp_first, .. } = self;
        Some(Candidates { all, pixels, jpeg, exact, webp_first })
    }

    /// Encodes the smallest file. Since all lossy formats have the same likeness at the same quality, only lengths are
    /// compared; a lossless file may be slightly longer than a lossy one. Candidates that cannot win are not tried.
    pub(super) fn smallest(
        &self,
        request: EncodeRequest,
        budget: Budget,
        write: impl Fn(E, EncodeRequest, Budget) -> Result<Rendered, Error>,
    ) -> Result<Rendered, Error> {
        if let [only] = self.all.as_slice() {
            return write(only.encoder, request, budget);
        }
        let of = |way: Way| EncodeOptions { lossless: way.is_exact, ..request.options };
        let mut best: Option<(Candidate<E>, Rendered)> = None;
        let mut failure = Error::Codec(codec::Error::Unsupported("there is no format to write".to_owned()));
        let mut tried = Vec::with_capacity(self.all.len());
        for candidate @ &Candidate { encoder, way } in &self.all {
            if !self.can_win(way, &tried) {
                continue;
            }
            // With a limit, the format that needs fewer bytes would use them for quality, so the universal one is
            // compared without it.
            let max_bytes = request.max_bytes.filter(|_| !way.is_universal || way.is_exact);
            let rest = budget.beside(best.as_ref().map_or(0, |(_, best)| best.bytes.capacity() as u64))?;
            match write(encoder, EncodeRequest { options: of(way), max_bytes, ..request }, rest) {
                Ok(rendered) => {
                    let length = rendered.bytes.len() as u64;
                    tried.push((way, length));
                    let wins = best.as_ref().is_none_or(|(Candidate { way: best, .. }, shortest)| {
                        let (own, other) = (way.weight(length), best.weight(shortest.bytes.len() as u64));
                        let replaces = own < other || own == other && best.is_universal;
                        replaces && (way.is_universal || !best.is_universal || length <= shortest.bytes.len() as u64)
                    });
                    if wins {
                        best = Some((*candidate, rendered));
                    }
                }
                Err(error @ (Error::MaxBytes { .. } | Error::Codec(codec::Error::TooLarge { .. }))) => {
                    failure = error.or_smaller(failure);
                }
                Err(error) => return Err(error),
            }
        }
        let (Candidate { encoder, way }, rendered) = best.ok_or(failure)?;
        if request.max_bytes.is_none_or(|allowed| rendered.bytes.len() as u64 <= allowed.into()) {
            return Ok(rendered);
        }
        drop(rendered);
        write(encoder, EncodeRequest { options: of(way), ..request }, budget)
    }

    /// Whether a candidate may be the smallest, given what was tried before, with its length in bytes.
    fn can_win(&self, way: Way, tried: &[(Way, u64)]) -> bool {
        if way.is_last_resort || way.format == Format::Png {
            return tried.iter().all(|(way, _)| way.is_universal);
        }
        if way.is_exact {
            let is_longer = |(other, length): &(Way, u64)| {
                other.is_universal || self.exact.is_some_and(|exact| way.weight(exact) < other.weight(*length))
            };
            return tried.iter().all(is_longer);
        }
        if way.is_universal {
            let may_be_shorter = |(way, length): &(Way, u64)| match self.jpeg {
                _ if way.is_universal => true,
                Some(jpeg) => jpeg * SHARE_OF_EXACT.1 < way.weight(*length),
                None => way.format != Format::WebP || way.is_exact || !self.webp_first || *length > FEW_BYTES,
            };
            return tried.iter().all(may_be_shorter);
        }
        let length = |is: fn(&Way) -> bool| tried.iter().find(|(way, _)| is(way)).map(|(way, length)| (way, *length));
        let jpeg = length(|way| way.is_universal && !way.is_exact).map(|(_, length)| length).or(self.jpeg);
        let is_dense = jpeg.is_some_and(|jpeg| strips::is_dense(jpeg, self.pixels)) && self.pixels > SMALL;
        let (share, whole) = if is_dense { SHARE_OF_DENSE_JPEG } else { SHARE_OF_JPEG };
        let is_beaten = tried.iter().filter(|(way, _)| way.is_exact).any(|(_, length)| {
            length * FEW_PIXELS_A_BYTE <= self.pixels || jpeg.is_some_and(|jpeg| length * whole <= jpeg * share)
        });
        if is_beaten {
            return false;
        }
        let newer = length(|way| !way.is_exact && !way.is_universal);
        newer.is_none_or(|(newer, length)| match jpeg {
            _ if self.webp_first => newer.format != Format::WebP || length > FEW_BYTES,
            // Where WebP is preferred, AVIF is for pictures of which it makes more bytes than JPEG.
            _ if newer.format == Format::WebP => jpeg.is_some_and(|jpeg| length > jpeg),
            Some(jpeg) => length * CLEARLY_SMALLER.1 > jpeg * CLEARLY_SMALLER.0,
            None => false,
        })
    }
}

impl Error {
    /// The error that tells more about what would fit: the smaller of two files that are too long.
    fn or_smaller(self, other: Self) -> Self {
        match (&self, &other) {
            (Self::MaxBytes { smallest, .. }, Self::MaxBytes { smallest: least, .. }) if least < smallest => other,
            (Self::Codec(_), Self::MaxBytes { .. }) => other,
            _ => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::Stages;
    use image_origin_query::Quality;

    #[test]
    fn the_smallest_file_is_chosen_and_what_cannot_win_is_not_tried() {
        let (jpeg, png, exact) = (Way::JPEG, Way::PNG, Way::EXACT);
        let [avif, webp] = [Format::Avif, Format::WebP].map(Way::newer);
        let run = |ways: &[(Way, u64)], pixels, webp_first, max_bytes: Option<u32>| {
            let tried = Cell::new(0);
            let candidates = Candidates {
                all: ways.iter().map(|&(way, length)| Candidate { encoder: (length, way.format), way }).collect(),
                pixels,
                jpeg: None,
                exact: None,
                webp_first,
            };
            let write = |(length, format): (u64, Format), request: EncodeRequest, _: Budget| {
                tried.set(tried.get() + 1);
                let allowed = request.max_bytes.map_or(u64::MAX, u64::from);
                if length > allowed {
                    return Err(Error::MaxBytes { smallest: length, allowed });
                }
                let bytes = vec![0; length as usize];
                Ok(Rendered { bytes, format, width: 1, height: 1, likeness: None, stages: Stages::default() })
            };
            let rendered = candidates.smallest(
                EncodeRequest { options: EncodeOptions::DEFAULT, quality: Quality::Number(80), max_bytes },
                Budget::UNLIMITED,
                write,
            );
            (rendered.map(|rendered| (rendered.format, rendered.bytes.len())), tried.get())
        };
        let photo = |sizes: [u64; 3]| run(&[(jpeg, sizes[0]), (avif, sizes[1]), (webp, sizes[2])], 1000, false, None);
        for (sizes, chosen, tried) in [
            ([100, 75, 60], (Format::Avif, 75), 2),
            ([100, 90, 80], (Format::WebP, 80), 3),
            ([100, 80, 80], (Format::Avif, 80), 3),
            ([100, 100, 110], (Format::Avif, 100), 3),
            ([100, 120, 110], (Format::Jpeg, 100), 3),
        ] {
            assert_eq!(photo(sizes), (Ok(chosen), tried), "{sizes:?}");
        }
        // Where WebP is preferred, AVIF is for pictures of which WebP makes more bytes than JPEG.
        assert_eq!(run(&[(jpeg, 100), (webp, 99), (avif, 50)], 1000, false, None), (Ok((Format::WebP, 99)), 2));
        assert_eq!(run(&[(jpeg, 100), (webp, 101), (avif, 50)], 1000, false, None), (Ok((Format::Avif, 50)), 3));
        let drawing = |pixels, sizes: [u64; 5], max_bytes| {
            let ways = [(jpeg, sizes[0]), (png, sizes[1]), (exact, sizes[2]), (avif, sizes[3]), (webp, sizes[4])];
            run(&ways, pixels, true, max_bytes)
        };
        for (pixels, sizes, max_bytes, chosen, tried) in [
            (1000, [400, 300, 200, 210, 220], None, (Format::WebP, 200), 5),
            (1000, [600, 300, 180, 50, 60], None, (Format::WebP, 180), 3),
            (1000, [400, 300, 200, 181, 220], None, (Format::WebP, 200), 5),
            (1000, [400, 300, 200, 179, 220], None, (Format::Avif, 179), 5),
            (1000, [400, 300, 200, 190, 150], None, (Format::WebP, 150), 5),
            (1000, [400, 300, 100, 50, 60], None, (Format::WebP, 100), 3),
            (12_800, [400, 300, 200, 50, 60], None, (Format::WebP, 200), 3),
            (1000, [400, 100, 110, 95, 120], None, (Format::Png, 100), 3),
            (1000, [100, 105, 110, 120, 130], None, (Format::Png, 105), 5),
            (1000, [400, 300, 200, 90, 95], Some(150), (Format::Avif, 90), 5),
        ] {
            assert_eq!(drawing(pixels, sizes, max_bytes), (Ok(chosen), tried), "{sizes:?}");
        }
        // Of small pictures WebP comes first, and AVIF only where its container is of no weight.
        let small = |sizes: [u64; 3]| run(&[(webp, sizes[1]), (jpeg, sizes[0]), (avif, sizes[2])], 1000, true, None);
        assert_eq!(small([1100, 1000, 750]), (Ok((Format::WebP, 1000)), 1));
        assert_eq!(small([1100, 1001, 750]), (Ok((Format::Avif, 750)), 3));
        assert_eq!(small([780, 1001, 790]), (Ok((Format::Jpeg, 780)), 3));
        // PNG is written if nothing newer is.
        let last = [(jpeg, 400), (exact, 200), (avif, 150), (png, 20)];
        assert_eq!(run(&last, 1000, false, None), (Ok((Format::Avif, 150)), 3));
        assert_eq!(run(&[(exact, 7), (png, 3)], 10, false, Some(4)), (Ok((Format::Png, 3)), 2));
        let failed = Error::MaxBytes { smallest: 7, allowed: 4 };
        assert_eq!(run(&[(png, 9), (exact, 7), (avif, 8)], 10, true, Some(4)), (Err(failed), 3));
    }

    #[test]
    fn points_of_light_become_webp_if_that_can_be_written() {
        let candidates = |ways: &[Way]| Candidates {
            all: ways.iter().map(|way| Candidate { encoder: (), way: *way }).collect(),
            pixels: 1000,
            jpeg: None,
            exact: None,
            webp_first: false,
        };
        let [avif, webp] = [Format::Avif, Format::WebP].map(Way::newer);
        let of_lights = candidates(&[Way::JPEG, avif, webp]).for_lights();
        assert_eq!(of_lights.formats().collect::<Vec<_>>(), [Format::WebP, Format::Jpeg]);
        let jpeg = of_lights.all[1].way;
        assert!(!of_lights.can_win(jpeg, &[(webp, 100)]) && of_lights.can_win(jpeg, &[]));
        let without_webp = candidates(&[Way::JPEG, avif]).for_lights();
        assert_eq!(without_webp.formats().collect::<Vec<_>>(), [Format::Jpeg, Format::Avif]);
    }
}
