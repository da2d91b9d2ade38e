//! Filters made ready for one data set: names, types and literals are resolved once, then rows are tested one by one
//! ([`Predicate::test`]) or found by indexes ([`Predicate::rows`]). Both mean what [`Filter::matches`] means.

mod bounds;
mod compile;
mod rows;
mod test;

use std::ops::Range;

use super::Dataset;
use crate::query::Filter;

/// A filter made ready for one data set. Only to be used with that one.
#[derive(Debug)]
pub(super) struct Predicate(Node);

impl Predicate {
    /// Resolves a filter.
    pub(super) fn new(data: &Dataset, filter: &Filter) -> Self {
        Self(compile::compile(data, filter))
    }

    /// Whether every row passes, whatever the data.
    pub(super) fn is_everything(&self) -> bool {
        matches!(self.0, Node::Everything)
    }
}

#[derive(Debug)]
enum Node {
    Everything,
    Nothing,
    Leaf(Leaf),
    Not(Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
}

/// A condition on one column, or on the id. Lists are sorted, distinct and not empty.
#[derive(Debug)]
enum Leaf {
    /// One of these rows.
    Rows(Vec<u32>),
    /// A row from this range.
    RowRange(Range<u32>),
    /// The attribute has a value.
    Present(u16),
    /// The text has one of these codes.
    Codes(u16, Vec<u32>),
    /// The text has a code from this range.
    CodeRange(u16, Range<u32>),
    /// The list has an element with one of these codes.
    Elements(u16, Vec<u32>),
    /// The integer or time is one of these.
    Integers(u16, Vec<i64>),
    /// The integer or time is in this range, ends included.
    IntegerRange(u16, i64, i64),
    /// The double is one of these.
    Floats(u16, Vec<f64>),
    /// The double is in this range, ends included.
    FloatRange(u16, f64, f64),
    /// The boolean is this.
    Boolean(u16, bool),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;
    use crate::backend::embedded::testing::{Size, filter, passes, random};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn rows_by_test_and_by_index_are_those_that_match(
            seed in any::<u64>(), rows in prop_oneof![0_u32..40, 100_u32..300], depth in 0_u32..4
        ) {
            let (schema, parts) = random(seed, Size { rows, edges: 0 });
            let data = Dataset::build(schema, parts).unwrap();
            let mut rng = StdRng::seed_from_u64(seed ^ 1);
            for _ in 0..8 {
                let filter = filter(&mut rng, &data, depth);
                let expected: Vec<u32> = (0..rows).filter(|row| passes(&data, &filter, *row)).collect();
                let predicate = Predicate::new(&data, &filter);
                let tested: Vec<u32> = (0..rows).filter(|row| predicate.test(&data, *row)).collect();
                let found: Vec<u32> = predicate.rows(&data).iter().collect();
                prop_assert_eq!(&tested, &expected, "tested {:?}", &filter);
                prop_assert_eq!(&found, &expected, "by index {:?}", &filter);
                prop_assert!(predicate.at_most(&data) >= expected.len() as u64, "bound of {:?}", &filter);
            }
        }
    }
}
