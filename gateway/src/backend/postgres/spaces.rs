//! Vector columns: how a distance and an order are written, and which index goes through them.

use pgvector::{HalfVector, Vector};
use sqlx::{
    Encode, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgTypeInfo, types::Oid},
};

use super::{
    facts::{ColumnFacts, ColumnKind, ExtensionFacts},
    indexes::IndexFacts,
    statement::Statement,
};
use crate::catalog::{Metric, VectorSchema};

/// A vector space as a column.
#[derive(Debug, Clone)]
pub(super) struct Space {
    /// The column, quoted, with its table's alias.
    pub(super) column: String,
    /// The object identifier of `vector` or `halfvec`.
    type_oid: Oid,
    /// It is `halfvec`.
    half: bool,
    /// The extension's schema, quoted.
    schema: String,
    /// How similarity is measured.
    pub(super) metric: Metric,
    /// Number of components.
    pub(super) dimensions: usize,
    /// The column may hold vectors of other lengths.
    mixed: bool,
    /// What goes through it in approximate order.
    pub(super) index: Option<AnnIndex>,
}

/// An index for approximate search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnnIndex {
    /// A navigable graph.
    Hnsw,
    /// Lists around centres.
    IvfFlat {
        /// Number of lists.
        lists: u32,
    },
}

impl Space {
    /// A vector space in a column.
    ///
    /// # Errors
    /// Why the column cannot hold the vectors.
    pub(super) fn of(
        schema: &VectorSchema,
        facts: &ColumnFacts,
        column: String,
        extension: &ExtensionFacts,
        indexes: &[IndexFacts],
    ) -> Result<Self, String> {
        let (name, fixed) = match facts.kind {
            ColumnKind::Vector(fixed) => ("vector", fixed),
            ColumnKind::HalfVector(fixed) => ("halfvec", fixed),
            _ => return Err(format!("is of type {}, which holds no vectors", facts.type_name)),
        };
        if fixed.is_some_and(|fixed| usize::from(fixed) != schema.dimensions) {
            return Err(format!(
                "is of type {}, and the collection's vectors have {} components",
                facts.type_name, schema.dimensions
            ));
        }
        let class = format!("{name}_{}_ops", schema.metric.as_str());
        let usable = |index: &&IndexFacts| {
            index.is_ann()
                && index.valid
                && !index.partial
                && index.class == class
                && index.keys.first() == Some(&facts.number)
        };
        // Without an iterative scan an index brings too few rows under a filter; older versions have none.
        let index = indexes.iter().find(usable).filter(|_| extension.scans_iteratively()).map(|index| {
            if index.method == "hnsw" {
                AnnIndex::Hnsw
            } else {
                AnnIndex::IvfFlat { lists: index.parameter("lists").unwrap_or(100) }
            }
        });
        Ok(Self {
            column,
            type_oid: Oid(facts.type_oid),
            half: matches!(facts.kind, ColumnKind::HalfVector(_)),
            schema: extension.schema.clone(),
            metric: schema.metric,
            dimensions: schema.dimensions,
            mixed: fixed.is_none(),
            index,
        })
    }

    /// Binds a query vector; returns an expression of the column's type.
    ///
    /// It goes as what the column holds: the server would turn an array of floats into a vector each time that it plans, and
    /// the catalogs were asked for the type before, so that the driver need not look it up.
    pub(super) fn query(&self, statement: &mut Statement, vector: &[f32]) -> String {
        let type_oid = self.type_oid;
        if self.half {
            statement.argument(Typed { type_oid, value: HalfVector::from_f32_slice(vector) })
        } else {
            statement.argument(Typed { type_oid, value: Vector::from(vector.to_vec()) })
        }
    }

    /// The distance to a query vector, as an index knows it: ascending is nearer first.
    pub(super) fn distance(&self, query: &str) -> String {
        let operator = match self.metric {
            Metric::Cosine => "<=>",
            Metric::Ip => "<#>",
            Metric::L2 => "<->",
        };
        format!("({} OPERATOR({}.{operator}) {query})", self.column, self.schema)
    }

    /// The negated score. Ascending is best first; NULL and NaN, which no usable vector has, come last. No index knows
    /// this expression, so whatever is ordered by it is exact.
    pub(super) fn key(&self, query: &str) -> String {
        let distance = self.distance(query);
        let key = match self.metric {
            // −(1 − distance), rounded alike.
            Metric::Cosine => format!("({distance} - 1)"),
            Metric::Ip | Metric::L2 => format!("({distance} + 0)"),
        };
        if self.mixed { format!("CASE WHEN {} THEN {key} END", self.fits()) } else { key }
    }

    /// That the vector may have a score: a cheap test; a zero vector under cosine passes it.
    pub(super) fn present(&self) -> String {
        if self.mixed {
            format!("({} IS NOT NULL AND {})", self.column, self.fits())
        } else {
            format!("{} IS NOT NULL", self.column)
        }
    }

    /// That the vector has a score.
    pub(super) fn usable(&self) -> String {
        match self.metric {
            Metric::Cosine => {
                // A vector's distance to itself is NaN just when it is zero.
                let itself = format!("({0} OPERATOR({1}.<=>) {0}) <= 'Infinity'", self.column, self.schema);
                if self.mixed { format!("CASE WHEN {} THEN {itself} END", self.fits()) } else { itself }
            }
            Metric::Ip | Metric::L2 => self.present(),
        }
    }

    /// The vector as an array of floats.
    pub(super) fn output(&self) -> String {
        format!("{}::real[]", self.column)
    }

    fn fits(&self) -> String {
        format!("{}.vector_dims({}) = {}", self.schema, self.column, self.dimensions)
    }
}

/// A value of a type that has no fixed object identifier.
struct Typed<T> {
    type_oid: Oid,
    value: T,
}

impl<T: Type<Postgres>> Type<Postgres> for Typed<T> {
    fn type_info() -> PgTypeInfo {
        T::type_info()
    }
}

impl<'q, T: Encode<'q, Postgres>> Encode<'q, Postgres> for Typed<T> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        self.value.encode_by_ref(buffer)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(PgTypeInfo::with_oid(self.type_oid))
    }
}

/// The score of a key that the server returned; `None` where there is none.
pub(super) fn score(key: Option<f64>) -> Option<f64> {
    // Adding 0 makes −0 of an inner product 0.
    key.map(|key| 0.0 - key).filter(|score| score.is_finite())
}
