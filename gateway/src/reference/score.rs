//! Similarity by its definition.

use crate::catalog::Metric;

/// The score of a stored vector for a query vector of the same length; higher is better. All sums are in f64, in the
/// order of the components. Under cosine neither may be all zero, and rounding never leads out of −1..=1. No score is
/// `−0`, so that equal scores look equal.
pub fn similarity(metric: Metric, query: &[f32], stored: &[f32]) -> f64 {
    let score = match metric {
        Metric::Cosine => (inner_product(query, stored) / (norm(query) * norm(stored))).clamp(-1.0, 1.0),
        Metric::Ip => inner_product(query, stored),
        Metric::L2 => {
            let mut sum = 0.0;
            for (q, x) in query.iter().zip(stored) {
                let difference = f64::from(*q) - f64::from(*x);
                sum += difference * difference;
            }
            -f64::sqrt(sum)
        }
    };
    score + 0.0
}

/// The length of a vector.
pub(super) fn norm(vector: &[f32]) -> f64 {
    inner_product(vector, vector).sqrt()
}

fn inner_product(a: &[f32], b: &[f32]) -> f64 {
    let mut sum = 0.0;
    for (x, y) in a.iter().zip(b) {
        sum += f64::from(*x) * f64::from(*y);
    }
    sum
}
