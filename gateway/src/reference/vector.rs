//! From what a query says about its vector to the vector.

use super::{Asked, score::norm};
use crate::{
    catalog::Metric,
    query::{VectorClause, VectorInput, VectorTerm},
    value::EntityId,
};

/// Turns a text into a vector; `None` for a text that has no embedding.
pub type Embed<'a> = dyn Fn(&str) -> Option<Vec<f32>> + 'a;

/// Why a query has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unanswerable {
    /// There is no such entity, or it is another tenant's.
    #[error("there is no entity {0}")]
    UnknownEntity(EntityId),
    /// The entity has no vector, or one without direction under cosine; or the text has none.
    #[error("an input has no usable vector")]
    UnusableVector,
    /// The inputs of `combine` cancel out.
    #[error("the combined vectors cancel out")]
    ZeroSum,
    /// The inputs of `combine` add up to more than a 32-bit float holds.
    #[error("the combined vectors are too large")]
    NotFinite,
}

/// The entities that a query vector is made from.
pub(super) fn liked(clause: &VectorClause) -> Vec<EntityId> {
    let like = |term: &VectorTerm| match term {
        VectorTerm::Like(id) => Some(id.clone()),
        _ => None,
    };
    match &clause.input {
        VectorInput::Single(term) => like(term).into_iter().collect(),
        VectorInput::Combine(terms) => terms.iter().filter_map(|(term, _)| like(term)).collect(),
    }
}

impl Asked<'_> {
    /// The vector that ranks.
    ///
    /// # Errors
    /// See [`Unanswerable`].
    pub fn query_vector(&self, clause: &VectorClause, embed: &Embed<'_>) -> Result<Vec<f32>, Unanswerable> {
        let terms = match &clause.input {
            VectorInput::Single(term) => return self.term(clause.space, term, embed),
            VectorInput::Combine(terms) => terms,
        };
        let space = self.space(clause.space);
        let mut sum = vec![0.0_f64; space.dimensions];
        for (term, weight) in terms {
            let vector = self.term(clause.space, term, embed)?;
            let length = if space.metric == Metric::Cosine { norm(&vector) } else { 1.0 };
            for (total, component) in sum.iter_mut().zip(&vector) {
                *total += weight * (f64::from(*component) / length);
            }
        }
        let vector: Vec<f32> = sum.into_iter().map(|total| total as f32).collect();
        if vector.iter().any(|component| !component.is_finite()) {
            return Err(Unanswerable::NotFinite);
        }
        if vector.iter().all(|component| *component == 0.0) {
            return Err(Unanswerable::ZeroSum);
        }
        Ok(vector)
    }

    fn term(&self, space: u16, term: &VectorTerm, embed: &Embed<'_>) -> Result<Vec<f32>, Unanswerable> {
        match term {
            VectorTerm::Values(values) => Ok(values.to_vec()),
            VectorTerm::Like(id) => {
                let row = self.row(id).filter(|row| self.is_own(*row));
                let row = row.ok_or_else(|| Unanswerable::UnknownEntity(id.clone()))?;
                self.usable_vector(space, row).map(<[f32]>::to_vec).ok_or(Unanswerable::UnusableVector)
            }
            VectorTerm::Text(text) => {
                let vector = embed(text).ok_or(Unanswerable::UnusableVector)?;
                let has_direction = vector.iter().any(|component| *component != 0.0);
                let usable = has_direction || self.space(space).metric != Metric::Cosine;
                if usable { Ok(vector) } else { Err(Unanswerable::UnusableVector) }
            }
        }
    }
}
