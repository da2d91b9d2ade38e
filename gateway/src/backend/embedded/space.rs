//! One vector space: a flat arena of vectors, their norms and codes, and three ever tighter ways to score a row.

use std::sync::Arc;

use numkong::Dot;
use roaring::RoaringBitmap;

use super::{
    Vectors,
    bits::from_ascending,
    codes::{CodedQuery, Codes},
    metric::{norm, score_with_norms},
};
use crate::catalog::{Metric, VectorSchema};

/// Fewer vectors than this are scored as they are: codes would save nothing.
const MIN_CODED: usize = 64;

/// The vectors of one space. A vector's place in the arena is its slot.
#[derive(Debug)]
pub(super) struct VectorSpace {
    metric: Metric,
    dimensions: usize,
    stored: Vectors,
    /// The slot of each row that has one; `None` where each row has its own number's.
    slots: Option<Vec<u32>>,
    norms: Vec<f64>,
    codes: Option<Codes>,
    usable: Arc<RoaringBitmap>,
    /// Bounds, relative to the norms, what rounding may do to any score; see [`VectorSpace::bound`].
    slack: f64,
}

/// A query vector made ready for one space.
#[derive(Debug)]
pub(super) struct SpaceQuery {
    vector: Arc<[f32]>,
    norm: f64,
    coded: Option<CodedQuery>,
}

const NO_SLOT: u32 = u32::MAX;

impl VectorSpace {
    /// Takes over valid vectors of `rows` rows.
    pub(super) fn new(schema: &VectorSchema, stored: Vectors, rows: u32) -> Self {
        let dimensions = schema.dimensions;
        let slots = (stored.rows.len() != rows as usize).then(|| {
            let mut slots = vec![NO_SLOT; rows as usize];
            for (slot, &row) in stored.rows.iter().enumerate() {
                slots[row as usize] = slot as u32;
            }
            slots
        });
        let norms: Vec<f64> = stored.values.chunks_exact(dimensions.max(1)).map(norm).collect();
        let usable = stored.rows.iter().zip(&norms).filter(|(_, norm)| usable(schema.metric, **norm));
        let usable = Arc::new(from_ascending(usable.map(|(row, _)| *row)));
        let codes = if stored.rows.len() < MIN_CODED { None } else { Codes::new(dimensions, &stored.values) };
        // Products of singles are exact in doubles, so n-term sums in any order are off by at most n·2⁻⁵³·|q||x|
        // (Higham, Accuracy and Stability, §3.1); eight times that covers two such sums, the norms and the division.
        let slack = (dimensions + 16) as f64 * 2.0_f64.powi(-50);
        Self { metric: schema.metric, dimensions, stored, slots, norms, codes, usable, slack }
    }

    /// Rows whose vector can be scored.
    pub(super) fn usable(&self) -> &Arc<RoaringBitmap> {
        &self.usable
    }

    /// Number of components.
    pub(super) fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// The plain data.
    pub(super) fn stored(&self) -> &Vectors {
        &self.stored
    }

    /// The vector of a row, if it has a usable one.
    pub(super) fn vector(&self, row: u32) -> Option<&[f32]> {
        let slot = self.slot(row)?;
        usable(self.metric, self.norms[slot]).then(|| self.at(slot))
    }

    /// Makes a query ready; `None` if it cannot be scored here.
    pub(super) fn query(&self, vector: &Arc<[f32]>) -> Option<SpaceQuery> {
        let norm = norm(vector);
        let fits = vector.len() == self.dimensions && norm.is_finite() && usable(self.metric, norm);
        fits.then(|| SpaceQuery {
            vector: vector.clone(),
            norm,
            coded: self.codes.as_ref().map(|_| CodedQuery::new(vector)),
        })
    }

    /// Calls `visit` with each usable row of `rows` (all, if `None`) and an upper bound of its score: the coded one
    /// where there are codes, the near one otherwise. Stops at the first error.
    pub(super) fn scan<E>(
        &self,
        query: &SpaceQuery,
        rows: Option<&RoaringBitmap>,
        mut visit: impl FnMut(u32, f64) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut each = |row: u32, slot: usize| {
            let bound = match (&self.codes, &query.coded) {
                (Some(codes), Some(coded)) => self.bound(query, slot, codes.dot_bound(coded, slot, self.norms[slot])),
                _ => self.near_bound_at(query, slot),
            };
            visit(row, bound)
        };
        match rows {
            None => {
                for (slot, &row) in self.stored.rows.iter().enumerate() {
                    if usable(self.metric, self.norms[slot]) {
                        each(row, slot)?;
                    }
                }
            }
            Some(rows) => {
                for row in rows {
                    if let Some(slot) = self.slot(row).filter(|slot| usable(self.metric, self.norms[*slot])) {
                        each(row, slot)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether [`Self::scan`] gives bounds from codes, which [`Self::near_bound`] tightens.
    pub(super) fn is_coded(&self) -> bool {
        self.codes.is_some()
    }

    /// An upper bound of a usable row's score that is off by rounding only.
    pub(super) fn near_bound(&self, query: &SpaceQuery, row: u32) -> f64 {
        self.near_bound_at(query, self.slot(row).expect("a usable row has a slot"))
    }

    /// The score of a usable row by the definition.
    pub(super) fn score(&self, query: &SpaceQuery, row: u32) -> f64 {
        let slot = self.slot(row).expect("a usable row has a slot");
        score_with_norms(self.metric, &query.vector, query.norm, self.at(slot), self.norms[slot])
    }

    fn near_bound_at(&self, query: &SpaceQuery, slot: usize) -> f64 {
        // The library multiplies and adds singles in double precision in each of its kernels.
        let product = <f32 as Dot>::dot(&query.vector, self.at(slot)).expect("vectors have one length");
        self.bound(query, slot, product)
    }

    /// An upper bound of the score, given one of the inner product up to rounding.
    fn bound(&self, query: &SpaceQuery, slot: usize, product: f64) -> f64 {
        let (q, x) = (query.norm, self.norms[slot]);
        match self.metric {
            Metric::Cosine => product / (q * x) + self.slack,
            Metric::Ip => product + self.slack * (q * x),
            Metric::L2 => {
                let sum = q + x;
                let square = q * q + x * x - 2.0 * product - self.slack * sum * sum;
                0.0 - square.max(0.0).sqrt()
            }
        }
    }

    fn slot(&self, row: u32) -> Option<usize> {
        let slot = match &self.slots {
            None => row,
            Some(slots) => *slots.get(row as usize)?,
        };
        (slot != NO_SLOT && (slot as usize) < self.norms.len()).then_some(slot as usize)
    }

    fn at(&self, slot: usize) -> &[f32] {
        &self.stored.values[slot * self.dimensions..][..self.dimensions]
    }
}

/// Whether a finite vector of this norm has scores.
fn usable(metric: Metric, norm: f64) -> bool {
    metric != Metric::Cosine || norm > 0.0
}
