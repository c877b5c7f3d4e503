//! `q=auto` in a build without the cargo feature `ssimulacra2`: an error that says so.

use std::convert::Infallible;
use std::marker::PhantomData;

use super::Error;
use super::likeness::Likeness;
use image_origin_codec::{self as codec, Budget, Cancellation, EncodeOptions, Encoder, Raster};

/// The result of a search, which does not exist.
pub(super) struct Found {
    pub(super) options: EncodeOptions,
    pub(super) likeness: Likeness,
    pub(super) file: Option<Vec<u8>>,
}

/// A search, which does not exist.
pub(super) struct Search<'a>(Infallible, PhantomData<&'a ()>);

impl Search<'_> {
    pub(super) fn applies(_: &Raster, encoder: &dyn Encoder, options: &EncodeOptions) -> bool {
        encoder.has_quality(options)
    }

    pub(super) fn new(
        _: &Raster,
        _: &'static dyn Encoder,
        _: EncodeOptions,
        _: u8,
        _: Budget,
        _: &Cancellation,
    ) -> Result<Self, Error> {
        let reason = "this build has no q=auto, which takes the cargo feature compare; give q a number or a level";
        Err(codec::Error::Unsupported(reason.to_owned()).into())
    }

    pub(super) fn run(&self) -> Result<Option<Found>, Error> {
        match self.0 {}
    }

    pub(super) fn likeness(&self, _: &EncodeOptions) -> Result<Likeness, Error> {
        match self.0 {}
    }
}
