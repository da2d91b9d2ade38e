//! The student: word vectors that imitate all-MiniLM-L6-v2 for short texts about software, offline and in microseconds.
//!
//! A text becomes rows of a table, the vector of each weighted by the square root of how often it came up; the sum has
//! length 1. `examples/packages/student-embedder/README.md` has the exact formula, the files and what to expect of it.

mod tokens;

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;

use super::Embedder;
use crate::{
    backend::{BackendError, CallContext},
    load::npy::{self, Element, NpyError},
};

/// The files of a student make no sense.
#[derive(Debug, thiserror::Error)]
pub enum StudentError {
    /// An array cannot be read.
    #[error("{file}: {error}")]
    Npy {
        /// `vectors` or `scales`.
        file: &'static str,
        /// What is wrong.
        error: NpyError,
    },
    /// The vocabulary makes no sense.
    #[error("vocabulary: {0}")]
    Vocabulary(&'static str),
    /// The three files do not belong together.
    #[error("{words} words, vectors of shape {vectors:?} and scales of shape {scales:?} do not belong together")]
    Shapes {
        /// Lines of the vocabulary.
        words: usize,
        /// Shape of the vectors.
        vectors: Vec<usize>,
        /// Shape of the scales.
        scales: Vec<usize>,
    },
    /// A scale is NaN or infinite.
    #[error("scale {0} is not finite")]
    Scale(usize),
}

/// A table of word vectors and the rule that makes one vector of a text's words.
#[derive(Debug)]
pub struct StudentEmbedder {
    version: Arc<str>,
    name: Arc<str>,
    dimensions: usize,
    /// Row of each word and of each continuation piece (`##…`).
    rows: HashMap<Box<str>, u32>,
    /// One 8-bit integer a component, row after row, as in the file.
    vectors: Bytes,
    /// What a row's integers are multiplied by.
    scales: Vec<f32>,
}

impl StudentEmbedder {
    /// The student that comes with the binary.
    #[cfg(feature = "demo-data")]
    pub fn bundled() -> Self {
        macro_rules! file {
            ($name:literal) => {
                include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/packages/student-embedder/", $name))
            };
        }
        Self::from_bytes(file!("vocab.txt"), &Bytes::from_static(file!("vectors.i8.npy")), file!("scales.f32.npy"))
            .expect("the bundled files are whole; a test reads them")
    }

    /// A student from its files. The vectors are not copied.
    ///
    /// # Errors
    /// The files are malformed or do not belong together.
    pub fn from_bytes(vocabulary: &[u8], vectors: &Bytes, scales: &[u8]) -> Result<Self, StudentError> {
        let version = version(&[vocabulary, vectors, scales]);
        let (vector_header, vector_data) =
            npy::parse(vectors).map_err(|error| StudentError::Npy { file: "vectors", error })?;
        let (scale_header, scale_data) =
            npy::parse(scales).map_err(|error| StudentError::Npy { file: "scales", error })?;
        let rows = read_vocabulary(vocabulary)?;

        let words = rows.len();
        let dimensions = vector_header.shape.get(1).copied().unwrap_or(0);
        let belong_together = vector_header.shape == [words, dimensions]
            && dimensions > 0
            && scale_header.shape == [words]
            && (vector_header.element, scale_header.element) == (Element::I8, Element::F32);
        if !belong_together {
            return Err(StudentError::Shapes { words, vectors: vector_header.shape, scales: scale_header.shape });
        }
        let scales: Vec<f32> = scale_data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        if let Some(row) = scales.iter().position(|scale| !scale.is_finite()) {
            return Err(StudentError::Scale(row));
        }
        let vectors = vectors.slice_ref(vector_data);
        Ok(Self { version, name: "student".into(), dimensions, rows, vectors, scales })
    }

    /// The embedding of a text, of length 1; `None` for a text without a word.
    pub fn embed_text(&self, text: &str) -> Option<Vec<f32>> {
        // Ordered, so that the same words in another order give the same bits.
        let mut rows: Vec<u32> = tokens::rows(text, &self.rows);
        rows.sort_unstable();
        let mut sum = vec![0.0_f64; self.dimensions];
        for repeated in rows.chunk_by(|a, b| a == b) {
            let row = repeated[0] as usize;
            let weight = (repeated.len() as f64).sqrt() * f64::from(self.scales[row]);
            let vector = &self.vectors[row * self.dimensions..(row + 1) * self.dimensions];
            for (sum, component) in sum.iter_mut().zip(vector) {
                *sum += weight * f64::from(*component as i8);
            }
        }
        let length = sum.iter().map(|x| x * x).sum::<f64>().sqrt();
        (length > 0.0).then(|| sum.iter().map(|x| (x / length) as f32).collect())
    }
}

#[async_trait]
impl Embedder for StudentEmbedder {
    fn version(&self) -> &Arc<str> {
        &self.version
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    async fn embed(&self, ctx: &CallContext, texts: &[Arc<str>]) -> Result<Vec<Option<Arc<[f32]>>>, BackendError> {
        let embed = |text: &Arc<str>| {
            ctx.check(&self.name)?;
            Ok(self.embed_text(text).map(Arc::from))
        };
        texts.iter().map(embed).collect()
    }
}

/// A name for exactly these files.
fn version(files: &[&[u8]]) -> Arc<str> {
    let mut hasher = blake3::Hasher::new();
    for file in files {
        hasher.update(&(file.len() as u64).to_le_bytes()).update(file);
    }
    format!("student-{}", &hasher.finalize().to_hex()[..16]).into()
}

fn read_vocabulary(file: &[u8]) -> Result<HashMap<Box<str>, u32>, StudentError> {
    let text = str::from_utf8(file).ok().filter(|text| text.is_ascii());
    let text = text.ok_or(StudentError::Vocabulary("it is not ASCII"))?;
    let text = text.strip_suffix('\n').ok_or(StudentError::Vocabulary("the last line has no end"))?;
    let mut rows = HashMap::new();
    for (row, word) in text.split('\n').enumerate() {
        if rows.insert(word.into(), row as u32).is_some() {
            return Err(StudentError::Vocabulary("a word comes twice"));
        }
    }
    // Whatever a word falls to pieces of, it ends in single characters: with all of them there, splitting never sticks.
    let complete = (b'a'..=b'z').chain(b'0'..=b'9').map(char::from);
    if !complete.into_iter().all(|c| rows.contains_key(&*c.to_string()) && rows.contains_key(&*format!("##{c}"))) {
        return Err(StudentError::Vocabulary("a single character is missing"));
    }
    Ok(rows)
}

#[cfg(all(test, feature = "demo-data"))]
mod tests;
