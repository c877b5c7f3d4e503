//! The model: levels of classifiers, of which each level looks at what the one before let pass.
//!
//! All numbers are of 32 bits, low bytes first. A level is a number of branches; a branch has stages, and names the
//! branches of the level before whose windows it takes.

use std::sync::LazyLock;

use crate::boosted::Boosted;
use crate::network::{Layer, Network};

pub(crate) static BYTES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/faces.bin"));

/// The model as it is used, read once.
pub(crate) fn shared() -> Option<&'static Model> {
    static MODEL: LazyLock<Option<Model>> = LazyLock::new(|| Model::read(BYTES));
    MODEL.as_ref()
}

pub(crate) struct Model {
    /// From the coarsest to the finest.
    pub(crate) levels: Vec<Vec<Branch>>,
}

pub(crate) struct Branch {
    pub(crate) stages: Vec<Classifier>,
    /// Branches of the level before; the first is the place of what this one lets pass.
    pub(crate) sources: Vec<usize>,
}

pub(crate) enum Classifier {
    Boosted(Boosted),
    Network(Network),
}

impl Model {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let levels = reader.list(|reader| {
            reader.list(|reader| {
                let stages = reader.list(Classifier::read)?;
                // The first level has none, and says so with a number below 0.
                let sources = usize::try_from(reader.number()?).unwrap_or(0);
                let sources = reader.repeated(sources, Reader::count)?;
                Some(Branch { stages, sources })
            })
        })?;
        reader.0.is_empty().then_some(Self { levels })
    }
}

impl Classifier {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        match reader.count()? {
            0 => Boosted::read(reader).map(Self::Boosted),
            1 => Network::read(reader).map(Self::Network),
            _ => None,
        }
    }
}

impl Boosted {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (count, bins) = (reader.count()?, reader.count()?);
        let places = reader.repeated(count, |reader| Some((reader.count()?, reader.count()?)))?;
        let thresholds = reader.repeated(count, Reader::float)?;
        let weights = reader.repeated(count, |reader| reader.repeated(bins + 1, Reader::float))?;
        Self::new(places, thresholds, weights)
    }
}

impl Network {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let layers = reader.count()?;
        let features = reader.list_of_indexes()?;
        let threshold = reader.float()?;
        let mut inputs = reader.count()?;
        let layers = reader.repeated(layers.checked_sub(1)?, |reader| {
            let outputs = reader.count()?;
            let weights = reader.repeated(outputs, |reader| reader.repeated(inputs, Reader::float))?;
            let biases = reader.repeated(outputs, Reader::float)?;
            inputs = outputs;
            Some(Layer { weights, biases })
        })?;
        Self::new(features, threshold, layers)
    }
}

/// What is left of the file.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn word(&mut self) -> Option<[u8; 4]> {
        let (word, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*word)
    }

    fn float(&mut self) -> Option<f32> {
        self.word().map(f32::from_le_bytes)
    }

    fn number(&mut self) -> Option<i32> {
        self.word().map(i32::from_le_bytes)
    }

    /// A number that is not negative.
    fn count(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    fn repeated<T>(&mut self, count: usize, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        (0..count).map(|_| read(self)).collect()
    }

    /// A number, and as many of something.
    fn list<T>(&mut self, read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.count()?;
        self.repeated(count, read)
    }

    /// Indexes that count from 1 in the file.
    fn list_of_indexes(&mut self) -> Option<Vec<usize>> {
        self.list(|reader| reader.count()?.checked_sub(1))
    }
}
