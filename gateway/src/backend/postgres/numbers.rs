//! Comparisons of a column with a number of a query, by exact value: which comparison with a value of the column's own type
//! says the same.

use std::cmp::Ordering;

use crate::{
    query::Comparison::{self, Greater, GreaterOrEqual, Less, LessOrEqual},
    value::Number,
};

/// What a comparison of a column comes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Bound<T> {
    /// Each value passes.
    Always,
    /// No value passes.
    Never,
    /// A value passes if it compares like this.
    Than(Comparison, T),
}

impl<T> Bound<T> {
    /// The column's values are all less than the operand.
    pub(super) fn above(comparison: Comparison) -> Self {
        if comparison.accepts(Ordering::Less) { Self::Always } else { Self::Never }
    }

    /// The column's values are all greater than the operand.
    pub(super) fn below(comparison: Comparison) -> Self {
        if comparison.accepts(Ordering::Greater) { Self::Always } else { Self::Never }
    }
}

/// For a column of 64-bit integers.
pub(super) fn integer_bound(comparison: Comparison, operand: Number) -> Bound<i64> {
    match operand {
        Number::Integer(value) => match i64::try_from(value) {
            Ok(value) => Bound::Than(comparison, value),
            Err(_) if value > 0 => Bound::above(comparison),
            Err(_) => Bound::below(comparison),
        },
        // With a fraction it is below 2^53, else far beyond every integer of 64 bits.
        Number::Float(value) if value.abs() < 9.3e18 => match comparison {
            Less | LessOrEqual => Bound::Than(LessOrEqual, value.floor() as i64),
            Greater | GreaterOrEqual => Bound::Than(GreaterOrEqual, value.ceil() as i64),
        },
        Number::Float(value) if value > 0.0 => Bound::above(comparison),
        Number::Float(_) => Bound::below(comparison),
    }
}

/// For a column of doubles.
pub(super) fn double_bound(comparison: Comparison, operand: Number) -> (Comparison, f64) {
    let nearest = operand.to_f64();
    // Between an integer and the nearest double there is no other double.
    let comparison = match (Number::from_f64(nearest).compare(operand), comparison) {
        (Ordering::Equal, comparison) => comparison,
        (Ordering::Greater, Less | LessOrEqual) => Less,
        (Ordering::Greater, Greater | GreaterOrEqual) => GreaterOrEqual,
        (Ordering::Less, Less | LessOrEqual) => LessOrEqual,
        (Ordering::Less, Greater | GreaterOrEqual) => Greater,
    };
    (comparison, nearest)
}

/// The 64-bit integer with this value.
pub(super) fn integer(number: Number) -> Option<i64> {
    match number {
        Number::Integer(value) => i64::try_from(value).ok(),
        Number::Float(_) => None,
    }
}

/// The double with this value.
pub(super) fn double(number: Number) -> Option<f64> {
    let nearest = number.to_f64();
    (Number::from_f64(nearest) == number).then_some(nearest)
}

/// The operator in SQL.
pub(super) fn operator(comparison: Comparison) -> &'static str {
    match comparison {
        Less => "<",
        LessOrEqual => "<=",
        Greater => ">",
        GreaterOrEqual => ">=",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numbers() -> impl Strategy<Value = Number> {
        prop_oneof![
            any::<i64>().prop_map(|value| Number::Integer(value.into())),
            any::<i128>().prop_map(Number::Integer),
            (-3_i128..3, 50_u32..66).prop_map(|(nudge, power)| Number::Integer((1_i128 << power) + nudge)),
            any::<i32>().prop_map(|value| Number::from_f64(f64::from(value) / 4.0)),
            proptest::num::f64::NORMAL.prop_map(Number::from_f64),
        ]
    }

    fn comparisons() -> impl Strategy<Value = Comparison> {
        prop_oneof![Just(Less), Just(LessOrEqual), Just(Greater), Just(GreaterOrEqual)]
    }

    fn passes<T: Copy>(bound: Bound<T>, ordering: impl Fn(T) -> Ordering) -> bool {
        match bound {
            Bound::Always => true,
            Bound::Never => false,
            Bound::Than(comparison, operand) => comparison.accepts(ordering(operand)),
        }
    }

    proptest! {
        #[test]
        fn bounds_say_what_exact_comparison_says(
            comparison in comparisons(), operand in numbers(), value in any::<i64>(), near in -2_i64..3,
            double in prop_oneof![proptest::num::f64::NORMAL, Just(f64::INFINITY), Just(-0.0)],
        ) {
            let near = (operand.to_f64() as i64).saturating_add(near);
            for value in [value, near] {
                let expected = comparison.accepts(Number::Integer(value.into()).compare(operand));
                prop_assert_eq!(passes(integer_bound(comparison, operand), |other| value.cmp(&other)), expected);
                prop_assert_eq!(integer(operand) == Some(value), Number::Integer(value.into()) == operand);
            }
            for value in [double, near as f64, operand.to_f64().next_up(), operand.to_f64().next_down()] {
                let expected = comparison.accepts(Number::from_f64(value).compare(operand));
                let (exact, bound) = double_bound(comparison, operand);
                prop_assert_eq!(exact.accepts(value.partial_cmp(&bound).unwrap()), expected);
                prop_assert_eq!(super::double(operand) == Some(value), Number::from_f64(value) == operand);
            }
        }
    }
}
