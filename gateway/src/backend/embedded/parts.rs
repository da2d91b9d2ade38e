//! A data set as plain columns: what the loader makes, what the data directory keeps, and what a store is built from.
//!
//! Row `i` of everything is the node with the `i`-th smallest id, so that comparing row numbers compares ids.

use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::value::EntityId;

/// All data of one collection. [`Parts::validate`] says what must hold; a store is only built from valid parts.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    /// Ids of all nodes, ascending and distinct.
    pub ids: Vec<EntityId>,
    /// One column an attribute of the schema.
    pub columns: Vec<Column>,
    /// One a vector of the schema.
    pub vectors: Vec<Vectors>,
    /// One an edge type of the schema; empty without a graph side.
    pub edges: Vec<Edges>,
}

/// The values of one attribute. `present` holds the rows that have a value; what stands at other rows means nothing.
#[derive(Debug, Clone)]
pub enum Column {
    /// `keyword` and `text`: codes into a sorted dictionary.
    Text {
        /// Distinct values, ascending by bytes.
        dictionary: Vec<Arc<str>>,
        /// One code a row.
        codes: Vec<u32>,
        /// Rows with a value.
        present: RoaringBitmap,
    },
    /// `integer`, and `timestamp` in microseconds since the Unix epoch.
    Integer {
        /// One value a row.
        values: Vec<i64>,
        /// Rows with a value.
        present: RoaringBitmap,
    },
    /// `float`; no NaN at a present row.
    Float {
        /// One value a row.
        values: Vec<f64>,
        /// Rows with a value.
        present: RoaringBitmap,
    },
    /// `boolean`.
    Boolean {
        /// Rows that are true, a subset of `present`.
        truths: RoaringBitmap,
        /// Rows with a value.
        present: RoaringBitmap,
    },
    /// `keywords`: row `i` has `codes[offsets[i]..offsets[i + 1]]`, in the order of the input.
    Keywords {
        /// Distinct elements, ascending by bytes.
        dictionary: Vec<Arc<str>>,
        /// One more than rows, ascending from 0.
        offsets: Vec<u32>,
        /// Codes into the dictionary.
        codes: Vec<u32>,
        /// Rows with a list, empty ones too.
        present: RoaringBitmap,
    },
}

/// The vectors of one space.
#[derive(Debug, Clone, Default)]
pub struct Vectors {
    /// Rows that have one, ascending and distinct.
    pub rows: Vec<u32>,
    /// `rows.len() × dimensions` components, row after row, finite.
    pub values: Vec<f32>,
}

/// The edges of one type: `sources[i] → targets[i]`, ascending by (source, target), distinct.
#[derive(Debug, Clone, Default)]
pub struct Edges {
    /// Row numbers of the sources.
    pub sources: Vec<u32>,
    /// Row numbers of the targets.
    pub targets: Vec<u32>,
}
