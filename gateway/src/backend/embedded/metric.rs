//! What a score is. Every plan, every page and the naive reference get their scores from here, so they agree to the
//! last bit.

use crate::catalog::Metric;

/// The score of a stored vector `x` for a query vector `q` of the same length, higher is better: sums in double
/// precision over the components in their order. `cosine` is `q·x / (|q| |x|)` kept within −1..=1 (NaN for a zero
/// vector, which has no score), `ip` is `q·x`, `l2` is `−√Σ(qᵢ − xᵢ)²`. Never `−0`.
pub fn score(metric: Metric, q: &[f32], x: &[f32]) -> f64 {
    debug_assert_eq!(q.len(), x.len());
    match metric {
        Metric::Cosine => score_with_norms(metric, q, norm(q), x, norm(x)),
        Metric::Ip | Metric::L2 => score_with_norms(metric, q, 0.0, x, 0.0),
    }
}

/// [`score`] where the norms, as [`norm`] gives them, are at hand. Only cosine uses them.
pub(super) fn score_with_norms(metric: Metric, q: &[f32], q_norm: f64, x: &[f32], x_norm: f64) -> f64 {
    let score = match metric {
        Metric::Cosine => (dot(q, x) / (q_norm * x_norm)).clamp(-1.0, 1.0),
        Metric::Ip => dot(q, x),
        Metric::L2 => {
            let mut sum = 0.0;
            for (a, b) in q.iter().zip(x) {
                let difference = f64::from(*a) - f64::from(*b);
                sum += difference * difference;
            }
            -sum.sqrt()
        }
    };
    score + 0.0
}

/// The Euclidean norm. Squares of `f32` neither overflow nor vanish in double precision, so it is 0 for zero vectors only.
pub(super) fn norm(x: &[f32]) -> f64 {
    dot(x, x).sqrt()
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    let mut sum = 0.0;
    for (a, b) in a.iter().zip(b) {
        sum += f64::from(*a) * f64::from(*b);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_higher_for_nearer_vectors_under_every_metric() {
        let (q, near, far) = ([1.0, 0.0], [0.9, 0.1], [-1.0, 0.5]);
        for metric in [Metric::Cosine, Metric::Ip, Metric::L2] {
            assert!(score(metric, &q, &near) > score(metric, &q, &far), "{metric:?}");
        }
    }

    #[test]
    fn a_vector_scores_one_with_itself_under_cosine_and_zero_under_l2() {
        let x = [0.3, -4.0, 1e-30, 2e10];
        assert_eq!(score(Metric::Cosine, &x, &x), 1.0);
        assert_eq!(score(Metric::L2, &x, &x).to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn the_smallest_vector_is_not_zero() {
        assert!(norm(&[f32::from_bits(1)]) > 0.0);
    }
}
