//! Eight-bit codes of vectors, and what they prove about inner products.
//!
//! A row `x` is stored as `scale · codes` plus a remainder whose norm `error` is kept, and so is a query `q`. With
//! `q = s·d + r` and `x = t·c + e`, `q·x = s·t·(d·c) + r·(t·c) + q·e`, and by Cauchy–Schwarz the last two terms are at
//! most `|r|(|x| + |e|) + |q||e|`. So one integer inner product bounds the real one from above, and a search that
//! refines by falling bounds is exact.

use numkong::Dot;

use super::metric::norm;

/// Longest vectors that are coded: the integer sums stay far from overflow in every kernel.
const MAX_DIMENSIONS: usize = 16_384;

/// Covers the rounding of the bound itself.
const SAFETY: f64 = 1.0 + 1e-6;

/// The codes of a matrix of vectors.
#[derive(Debug)]
pub(super) struct Codes {
    dimensions: usize,
    codes: Vec<i8>,
    rows: Vec<RowCode>,
}

/// What is kept of a row besides its codes.
#[derive(Debug, Clone, Copy)]
struct RowCode {
    scale: f32,
    /// Norm of what the codes leave out, rounded up.
    error: f32,
}

/// A coded query.
#[derive(Debug)]
pub(super) struct CodedQuery {
    codes: Vec<i8>,
    scale: f64,
    error: f64,
    norm: f64,
}

impl Codes {
    /// Codes of row-major `values`; `None` where vectors are too long.
    pub(super) fn new(dimensions: usize, values: &[f32]) -> Option<Self> {
        if dimensions == 0 || dimensions > MAX_DIMENSIONS {
            return None;
        }
        let mut codes = Vec::with_capacity(values.len());
        let rows = values.chunks_exact(dimensions).map(|x| encode(x, &mut codes)).collect();
        Some(Self { dimensions, codes, rows })
    }

    /// An upper bound of the inner product of a query with a row of norm `norm`.
    pub(super) fn dot_bound(&self, query: &CodedQuery, row: usize, norm: f64) -> f64 {
        let start = row * self.dimensions;
        let codes = &self.codes[start..start + self.dimensions];
        let product = <i8 as Dot>::dot(&query.codes, codes).expect("codes have one length");
        let RowCode { scale, error } = self.rows[row];
        let error = f64::from(error);
        let unknown = (query.error * (norm + error) + query.norm * error) * SAFETY;
        query.scale * f64::from(scale) * f64::from(product) + unknown
    }
}

impl CodedQuery {
    /// Codes a query.
    pub(super) fn new(vector: &[f32]) -> Self {
        let mut codes = Vec::with_capacity(vector.len());
        let RowCode { scale, error } = encode(vector, &mut codes);
        Self { codes, scale: f64::from(scale), error: f64::from(error), norm: norm(vector) }
    }
}

fn encode(x: &[f32], codes: &mut Vec<i8>) -> RowCode {
    let largest = x.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let scale = largest / 127.0;
    let mut squares = 0.0;
    for &value in x {
        // A scale that vanishes leaves everything to the error.
        let code = if scale > 0.0 { (value / scale).round().clamp(-127.0, 127.0) } else { 0.0 };
        let remainder = f64::from(value) - f64::from(scale) * f64::from(code);
        squares += remainder * remainder;
        codes.push(code as i8);
    }
    RowCode { scale, error: round_up(squares.sqrt() * SAFETY) }
}

/// The smallest single that is not below a double.
fn round_up(value: f64) -> f32 {
    let single = value as f32;
    if f64::from(single) < value { single.next_up() } else { single }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn component() -> impl Strategy<Value = f32> {
        prop_oneof![8 => -1.0_f32..1.0, 1 => -1e30_f32..1e30, 1 => Just(0.0), 1 => Just(f32::MIN_POSITIVE / 8.0)]
    }

    proptest! {
        #[test]
        fn a_bound_is_never_below_the_inner_product_and_not_far_above(
            (q, x) in (1_usize..200).prop_flat_map(|n| {
                (prop::collection::vec(component(), n), prop::collection::vec(component(), n))
            })
        ) {
            let codes = Codes::new(x.len(), &x).unwrap();
            let bound = codes.dot_bound(&CodedQuery::new(&q), 0, norm(&x));
            let exact: f64 = q.iter().zip(&x).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            let rounding = 1e-12 * norm(&q) * norm(&x);
            prop_assert!(bound >= exact - rounding, "{bound} {exact}");
            // Half a step a component, in the query and in the row, twice for both signs. Tiny vectors have no step.
            let most = 4.0 * norm(&q) * norm(&x) * (x.len() as f64).sqrt() / 127.0;
            let tiny = norm(&q).min(norm(&x)) < 1e-30;
            prop_assert!(tiny || bound <= exact + most, "{bound} {exact} {most}");
        }

        #[test]
        fn rounding_up_is_the_least_single_not_below(value in any::<f64>().prop_filter("a number", |v| !v.is_nan())) {
            let single = round_up(value);
            prop_assert!(f64::from(single) >= value);
            prop_assert!(single == f32::NEG_INFINITY || f64::from(single.next_down()) < value);
        }
    }
}
