//! What stops a load as a whole.

use std::{io, sync::Arc};

use super::{LoadReport, npy::NpyError};

/// Why nothing was loaded. A record that is wrong is no error: it is counted in the report.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// An input cannot be opened or read.
    #[error("{source_name}: {error}")]
    Read {
        /// Which input.
        source_name: String,
        /// What the operating system or the decompressor says.
        error: io::Error,
    },
    /// A vector file is no array of vectors of this collection.
    #[error("{source_name}: {error}")]
    Npy {
        /// Which input.
        source_name: String,
        /// What is wrong with it.
        error: NpyError,
    },
    /// A vector file has vectors of another length.
    #[error(
        "{source_name}: the shape is {shape:?}, but vector `{vector}` has {dimensions} components: [rows, {dimensions}] is expected"
    )]
    NpyShape {
        /// Which input.
        source_name: String,
        /// The shape in the file.
        shape: Vec<usize>,
        /// The vector's name.
        vector: String,
        /// Its number of components.
        dimensions: usize,
    },
    /// A vector file has more rows than there are node lines.
    #[error("{source_name}: vector `{vector}` has {rows} rows but there are only {lines} node lines")]
    MoreVectorsThanNodes {
        /// Which input.
        source_name: String,
        /// The vector's name.
        vector: String,
        /// Rows of this and earlier files of the vector.
        rows: usize,
        /// Node lines read.
        lines: usize,
    },
    /// An edge file has no usable header.
    #[error(
        "{source_name}: a header with `src`, `dst` and `type` is expected (CSV), or lines of JSON objects; found {found}"
    )]
    EdgeHeader {
        /// Which input.
        source_name: String,
        /// The columns that are there.
        found: String,
    },
    /// A rename leads to an attribute that does not exist.
    #[error("a field is renamed to `{attribute}`, but collection `{collection}` has no such attribute")]
    UnknownRename {
        /// The target.
        attribute: String,
        /// The collection.
        collection: Arc<str>,
    },
    /// A vector file is given for a vector that does not exist.
    #[error("collection `{collection}` has no vector `{vector}`")]
    UnknownVectorName {
        /// The name.
        vector: String,
        /// The collection.
        collection: Arc<str>,
    },
    /// Edges are given for a collection without a graph side.
    #[error("collection `{collection}` has no graph side, so it takes no edges")]
    NoGraph {
        /// The collection.
        collection: Arc<str>,
    },
    /// Standard input can be read once.
    #[error("standard input (`-`) is given more than once")]
    StandardInputTwice,
    /// More than 32-bit row numbers can count.
    #[error("too large for an embedded store: {what} are more than 32-bit numbers can count")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
    },
    /// A strict load had to leave something out.
    #[error("refused: {} records, fields or edges would have been left out", .0.left_out())]
    Refused(Box<LoadReport>),
}
