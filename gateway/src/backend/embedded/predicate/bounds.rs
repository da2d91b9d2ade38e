//! Comparisons with a number as ranges of a column's own type, exactly.

use std::cmp::Ordering;

use crate::{query::Comparison, value::Number};

/// The integers that compare like this with a number: first and last. `None` if there is none.
pub(super) fn integers(comparison: Comparison, operand: Number) -> Option<(i64, i64)> {
    let (below, above) = match operand {
        // A fraction lies between two integers. Huge doubles saturate, which is beyond 64 bits anyway.
        Number::Float(value) if value.fract() != 0.0 => (value.floor() as i128, value.ceil() as i128),
        Number::Float(value) => (value as i128, value as i128),
        Number::Integer(value) => (value, value),
    };
    let (first, last) = match comparison {
        Comparison::Less if below == above => (i128::MIN, below.saturating_sub(1)),
        Comparison::Less | Comparison::LessOrEqual => (i128::MIN, below),
        Comparison::Greater if below == above => (above.saturating_add(1), i128::MAX),
        Comparison::Greater | Comparison::GreaterOrEqual => (above, i128::MAX),
    };
    let (first, last) = (first.max(i64::MIN.into()), last.min(i64::MAX.into()));
    (first <= last).then_some((first as i64, last as i64))
}

/// The integer equal to a number.
pub(super) fn integer(operand: Number) -> Option<i64> {
    match operand {
        Number::Integer(value) => i64::try_from(value).ok(),
        Number::Float(value) => match Number::from_f64(value) {
            Number::Integer(value) => i64::try_from(value).ok(),
            Number::Float(_) => None,
        },
    }
}

/// The doubles that compare like this with a number: least and greatest. `None` if there is none.
pub(super) fn floats(comparison: Comparison, operand: Number) -> Option<(f64, f64)> {
    let (below, above) = neighbours(operand);
    let (least, greatest) = match comparison {
        Comparison::Less => (f64::NEG_INFINITY, down(above)?),
        Comparison::LessOrEqual => (f64::NEG_INFINITY, below),
        Comparison::Greater => (up(below)?, f64::INFINITY),
        Comparison::GreaterOrEqual => (above, f64::INFINITY),
    };
    Some((least, greatest))
}

/// The double equal to a number.
pub(super) fn float(operand: Number) -> Option<f64> {
    let (below, above) = neighbours(operand);
    (below == above).then_some(below)
}

/// The greatest double not above, and the least not below, a number.
fn neighbours(operand: Number) -> (f64, f64) {
    let nearest = operand.to_f64();
    match Number::from_f64(nearest).compare(operand) {
        Ordering::Less => (nearest, nearest.next_up()),
        Ordering::Equal => (nearest, nearest),
        Ordering::Greater => (nearest.next_down(), nearest),
    }
}

/// The double before this one by value, −0 and 0 being one.
fn down(value: f64) -> Option<f64> {
    (value != f64::NEG_INFINITY).then(|| value.next_down())
}

fn up(value: f64) -> Option<f64> {
    (value != f64::INFINITY).then(|| value.next_up())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COMPARISONS: [Comparison; 4] =
        [Comparison::Less, Comparison::LessOrEqual, Comparison::Greater, Comparison::GreaterOrEqual];

    /// Numbers near the places where integers and doubles part.
    fn number() -> impl Strategy<Value = Number> {
        let edges = prop::sample::select(vec![0_i128, 1 << 53, -(1 << 53), 1 << 63, -(1 << 63), i128::MAX, i128::MIN]);
        prop_oneof![
            (edges, -3_i128..3).prop_map(|(edge, offset)| Number::Integer(edge.saturating_add(offset))),
            (-5.0_f64..5.0).prop_map(Number::from_f64),
            any::<f64>().prop_filter("finite", |value| value.is_finite()).prop_map(Number::from_f64),
        ]
    }

    fn double() -> impl Strategy<Value = f64> {
        prop_oneof![
            number().prop_map(Number::to_f64),
            number().prop_map(|n| n.to_f64().next_up()),
            number().prop_map(|n| n.to_f64().next_down()),
            prop::sample::select(vec![0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN]),
        ]
    }

    proptest! {
        #[test]
        fn a_range_of_integers_holds_those_that_compare(operand in number(), value in any::<i64>(), near in -3_i64..3) {
            let close = (operand.to_f64() as i64).saturating_add(near);
            for (comparison, value) in COMPARISONS.into_iter().flat_map(|c| [(c, value), (c, close)]) {
                let expected = comparison.accepts(Number::Integer(value.into()).compare(operand));
                let found = integers(comparison, operand).is_some_and(|(first, last)| (first..=last).contains(&value));
                prop_assert_eq!(found, expected, "{} {:?} {:?}", value, comparison, operand);
                let equal = Number::Integer(value.into()) == operand;
                prop_assert_eq!(integer(operand) == Some(value), equal);
            }
        }

        #[test]
        fn a_range_of_doubles_holds_those_that_compare(operand in number(), other in double(), near in 0..3) {
            let nearest = operand.to_f64();
            let close = [nearest, nearest.next_up(), nearest.next_down()][near as usize];
            for (comparison, value) in COMPARISONS.into_iter().flat_map(|c| [(c, other), (c, close)]) {
                let expected = comparison.accepts(Number::from_f64(value).compare(operand));
                let found = floats(comparison, operand).is_some_and(|(least, most)| least <= value && value <= most);
                prop_assert_eq!(found, expected, "{} {:?} {:?}", value, comparison, operand);
                prop_assert_eq!(float(operand) == Some(value), Number::from_f64(value) == operand);
            }
        }
    }
}
