//! The model: levels of classifiers, each of which filters the windows that the previous one accepted.
//!
//! All numbers are 32-bit little-endian. A level consists of branches; a branch consists of stages, and lists the
//! branches of the previous level whose windows it takes.

use std::sync::LazyLock;

use crate::boosted::Boosted;
use crate::network::{Layer, Network};

pub(crate) static BYTES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/faces.bin"));

/// The parsed model, which is loaded once.
pub(crate) fn shared() -> Option<&'static Model> {
    static MODEL: LazyLock<Option<Model>> = LazyLock::new(|| Model::read(BYTES));
    MODEL.as_ref()
}

pub(crate) struct Model {
    /// The levels, from the coarsest to the finest.
    pub(crate) levels: Vec<Vec<Branch>>,
}

pub(crate) struct Branch {
    pub(crate) stages: Vec<Classifier>,
    /// The branches of the previous level; the first one is also the index of the output.
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
                // The first level has no sources, which is encoded as a negative number.
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

/// The rest of the file.
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

    /// Reads a number that is not negative.
    fn count(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    fn repeated<T>(&mut self, count: usize, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        (0..count).map(|_| read(self)).collect()
    }

    /// Reads a number, and that many elements.
    fn list<T>(&mut self, read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.count()?;
        self.repeated(count, read)
    }

    /// Reads indices, which start at 1 in the file.
    fn list_of_indexes(&mut self) -> Option<Vec<usize>> {
        self.list(|reader| reader.count()?.checked_sub(1))
    }
}
