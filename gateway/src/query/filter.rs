//! Filters: a two-valued predicate over an entity's id and attributes, kept in one normal form.
//!
//! Only the constructors build filters, and they normalise: nested `$and`s and `$or`s are flat, operands sorted and
//! distinct, constants folded, double negations gone. `$ne` is the negation of `$eq`, `$nin` of `$in`, `$all` the
//! conjunction of its elements. A missing value fails every leaf, so `$not $gt` is *not* `$lte` and is never turned
//! into it.

use std::cmp::Ordering;

use crate::value::{AttributeValue, EntityId, Literal};

/// What a leaf looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// The entity's id.
    Id,
    /// An attribute: an index into [`crate::catalog::CollectionSchema::attributes`].
    Attribute(u16),
}

/// An ordering comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Comparison {
    /// `$lt`
    Less,
    /// `$lte`
    LessOrEqual,
    /// `$gt`
    Greater,
    /// `$gte`
    GreaterOrEqual,
}

impl Comparison {
    /// The operator as queries spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Less => "$lt",
            Self::LessOrEqual => "$lte",
            Self::Greater => "$gt",
            Self::GreaterOrEqual => "$gte",
        }
    }

    /// Whether a value that orders like this against the operand passes.
    pub fn accepts(self, ordering: Ordering) -> bool {
        match self {
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

/// A predicate in normal form. Read the variants freely; build them with the constructors.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Filter {
    /// Every entity passes.
    Everything,
    /// No entity passes.
    Nothing,
    /// The value is one of these (for a list: contains one of these). Sorted, distinct, at least one.
    In(Field, Vec<Literal>),
    /// The value compares like this.
    Compare(Field, Comparison, Literal),
    /// The value is there.
    Exists(Field),
    /// The inner predicate fails. Never around a constant or another `Not`.
    Not(Box<Filter>),
    /// All pass. Sorted, distinct, at least two, none of them `And` or a constant.
    And(Vec<Filter>),
    /// One passes. Sorted, distinct, at least two, none of them `Or` or a constant.
    Or(Vec<Filter>),
}

impl Filter {
    /// `$eq`: the value equals, or the list contains, the literal.
    pub fn equals(field: Field, value: Literal) -> Self {
        Self::In(field, vec![value])
    }

    /// `$in` and `$any`. Nothing passes an empty list.
    pub fn one_of(field: Field, mut values: Vec<Literal>) -> Self {
        values.sort_unstable();
        values.dedup();
        if values.is_empty() { Self::Nothing } else { Self::In(field, values) }
    }

    /// `$all`: the list contains every literal. Everything passes an empty list.
    pub fn contains_all(field: Field, values: Vec<Literal>) -> Self {
        Self::and(values.into_iter().map(|value| Self::equals(field, value)))
    }

    /// `$not`, `$ne`, `$nin`, `$exists: false`.
    pub fn negate(inner: Self) -> Self {
        match inner {
            Self::Everything => Self::Nothing,
            Self::Nothing => Self::Everything,
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    /// `$and`. Everything passes an empty one.
    pub fn and(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Self::Everything => {}
                Self::Nothing => return Self::Nothing,
                Self::And(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        Self::collapse(flat, Self::Everything, Self::And)
    }

    /// `$or`. Nothing passes an empty one.
    pub fn or(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Self::Nothing => {}
                Self::Everything => return Self::Everything,
                Self::Or(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        Self::collapse(flat, Self::Nothing, Self::Or)
    }

    fn collapse(mut flat: Vec<Self>, empty: Self, many: fn(Vec<Self>) -> Self) -> Self {
        flat.sort_unstable();
        flat.dedup();
        match flat.len() {
            0 => empty,
            1 => flat.remove(0),
            _ => many(flat),
        }
    }

    /// The parts that must all hold.
    pub fn conjuncts(&self) -> &[Self] {
        match self {
            Self::Everything => &[],
            Self::And(parts) => parts,
            other => std::slice::from_ref(other),
        }
    }

    /// Whether everything that passes `self` provably passes `other`: each conjunct of `other` is one of ours, or
    /// is a wider list or range of the same field. `false` says nothing.
    pub fn implies(&self, other: &Self) -> bool {
        matches!(self, Self::Nothing)
            || other.conjuncts().iter().all(|wanted| self.conjuncts().iter().any(|have| have.implies_leaf(wanted)))
    }

    fn implies_leaf(&self, other: &Self) -> bool {
        if self == other {
            return true;
        }
        match (self, other) {
            (Self::In(a, have), Self::In(b, wanted)) => {
                a == b && have.iter().all(|value| wanted.binary_search(value).is_ok())
            }
            (Self::Compare(a, have, x), Self::Compare(b, wanted, y)) if a == b => {
                use Comparison::{Greater, GreaterOrEqual, Less, LessOrEqual};
                match (have, wanted) {
                    (Less, Less | LessOrEqual) | (LessOrEqual, LessOrEqual) => x <= y,
                    (LessOrEqual, Less) => x < y,
                    (Greater, Greater | GreaterOrEqual) | (GreaterOrEqual, GreaterOrEqual) => x >= y,
                    (GreaterOrEqual, Greater) => x > y,
                    _ => false,
                }
            }
            (Self::In(a, _) | Self::Compare(a, ..), Self::Exists(b)) => a == b,
            _ => false,
        }
    }

    /// Number of operators and leaves.
    pub fn nodes(&self) -> usize {
        match self {
            Self::Not(inner) => 1 + inner.nodes(),
            Self::And(parts) | Self::Or(parts) => 1 + parts.iter().map(Self::nodes).sum::<usize>(),
            _ => 1,
        }
    }

    /// The definition: whether an entity passes, given its id and a look-up of its attributes. Stores may be faster,
    /// never different.
    pub fn matches(&self, id: &EntityId, attribute: &dyn Fn(u16) -> AttributeValue) -> bool {
        match self {
            Self::Everything | Self::Exists(Field::Id) => true,
            Self::In(Field::Id, values) => values.iter().any(|value| matches!(value, Literal::Id(x) if x == id)),
            Self::In(Field::Attribute(index), values) => match attribute(*index) {
                AttributeValue::Keywords(list) => {
                    list.iter().any(|item| values.iter().any(|v| matches!(v, Literal::Text(x) if x == item)))
                }
                value => values.iter().any(|literal| value.compare(literal) == Some(Ordering::Equal)),
            },
            Self::Compare(Field::Id, comparison, Literal::Id(operand)) => comparison.accepts(id.cmp(operand)),
            Self::Nothing | Self::Compare(Field::Id, ..) => false,
            Self::Compare(Field::Attribute(index), comparison, operand) => {
                attribute(*index).compare(operand).is_some_and(|ordering| comparison.accepts(ordering))
            }
            Self::Exists(Field::Attribute(index)) => attribute(*index).exists(),
            Self::Not(inner) => !inner.matches(id, attribute),
            Self::And(parts) => parts.iter().all(|part| part.matches(id, attribute)),
            Self::Or(parts) => parts.iter().any(|part| part.matches(id, attribute)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Number;

    fn number(value: i128) -> Literal {
        Literal::Number(Number::Integer(value))
    }

    #[test]
    fn a_negated_comparison_passes_missing_values() {
        let filter = Filter::negate(Filter::Compare(Field::Attribute(0), Comparison::Greater, number(5)));
        let id = EntityId::Integer(1);
        assert!(filter.matches(&id, &|_| AttributeValue::Null));
        assert!(
            !Filter::Compare(Field::Attribute(0), Comparison::LessOrEqual, number(5))
                .matches(&id, &|_| AttributeValue::Null)
        );
    }

    #[test]
    fn implication_is_only_claimed_where_it_is_provable() {
        let field = Field::Attribute(0);
        let less = |v| Filter::Compare(field, Comparison::Less, number(v));
        let at_most = |v| Filter::Compare(field, Comparison::LessOrEqual, number(v));
        assert!(less(5).implies(&at_most(5)) && !at_most(5).implies(&less(5)) && at_most(4).implies(&less(5)));
        assert!(Filter::and([less(5), Filter::Exists(Field::Attribute(1))]).implies(&less(9)));
        assert!(less(5).implies(&Filter::Everything) && !Filter::Everything.implies(&less(5)));
        assert!(Filter::Nothing.implies(&less(5)));
        assert!(Filter::equals(field, number(1)).implies(&Filter::one_of(field, vec![number(2), number(1)])));
        assert!(!Filter::negate(less(5)).implies(&Filter::Exists(field)), "a negation passes missing values");
    }
}
