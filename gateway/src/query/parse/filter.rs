//! `filter`: which entities may answer.
//!
//! Recursion follows the nesting of the JSON, which is bounded before anything gets here.

use std::cell::Cell;

use super::{attribute, literal::Target, node::Node};
use crate::{
    catalog::CollectionSchema,
    problem::Code,
    query::{
        Comparison, Field, Filter, Json, QueryError,
        canonical::required_elements,
        suggest::{hint, quote},
    },
    value::Literal,
};

/// How deep `$and`, `$or` and `$not` may be nested in a filter's normal form. Printed, each takes at most two levels
/// of JSON, so that every canonical query can be read again.
const MAX_NESTING: usize = 24;

/// How many times the conditions of its normal form a filter may be written with. Normalising takes time for each.
const MOST_SPELLING: usize = 16;

const OPERATORS: &[&str] =
    &["$eq", "$ne", "$lt", "$lte", "$gt", "$gte", "$in", "$nin", "$all", "$any", "$exists", "$and", "$or", "$not"];

/// A whole filter. Its bounds are those of the normal form, so that a canonical query is always within them.
pub(super) fn filter(node: &Node<'_>, schema: &CollectionSchema) -> Result<Filter, QueryError> {
    let max = schema.limits.max_filter_nodes as usize;
    let reader = Reader { schema, left: Cell::new(max.saturating_mul(MOST_SPELLING)) };
    let filter = reader.conjunction(node)?;
    let operators = operators(&filter, schema);
    if operators > max {
        let detail = format!("expected a filter of at most {max} operators, found {operators}");
        return Err(node.error(Code::OutOfRange, detail));
    }
    if nesting(&filter) > MAX_NESTING {
        let detail = format!("`$and`, `$or` and `$not` may be nested {MAX_NESTING} deep");
        return Err(node.error(Code::TooDeep, detail));
    }
    Ok(filter)
}

struct Reader<'a> {
    schema: &'a CollectionSchema,
    /// Conditions that may still be read.
    left: Cell<usize>,
}

impl Reader<'_> {
    /// `{"attribute": condition, "$or": […], …}`: all must hold.
    fn conjunction(&self, node: &Node<'_>) -> Result<Filter, QueryError> {
        let mut parts = Vec::new();
        for (key, value) in node.members()? {
            self.count(&value)?;
            parts.push(match key {
                "$and" => Filter::and(self.list(&value)?),
                "$or" => Filter::or(self.list(&value)?),
                "$not" => Filter::negate(self.conjunction(&value)?),
                "id" => self.condition(&value, Target::id(self.schema))?,
                operator if operator.starts_with('$') => return Err(misplaced(&value, operator)),
                name => {
                    let index = attribute(&value, name, self.schema)?;
                    self.condition(&value, Target::attribute(index, self.schema))?
                }
            });
        }
        Ok(Filter::and(parts))
    }

    /// The list of `$and` and `$or`.
    fn list(&self, node: &Node<'_>) -> Result<Vec<Filter>, QueryError> {
        node.elements(u32::MAX)?.iter().map(|element| self.conjunction(&element)).collect()
    }

    /// What stands under an attribute: an operand, or operators that must all hold.
    fn condition(&self, node: &Node<'_>, target: Target<'_>) -> Result<Filter, QueryError> {
        if !matches!(node.json, Json::Object(_)) {
            return Ok(Filter::equals(target.field, target.literal(node)?));
        }
        let mut parts = Vec::new();
        for (operator, operand) in node.members()? {
            parts.push(match (operator, operand.json) {
                ("$not", Json::Object(_)) => {
                    self.count(&operand)?;
                    Filter::negate(self.condition(&operand, target)?)
                }
                ("$not", _) => return Err(operand.wrong_type("an object of operators, such as {\"$gt\": 5}")),
                _ => apply(operator, &operand, target)?,
            });
        }
        Ok(Filter::and(parts))
    }

    fn count(&self, node: &Node<'_>) -> Result<(), QueryError> {
        let left = self.left.get().checked_sub(1);
        self.left.set(left.ok_or_else(|| node.error(Code::OutOfRange, "the filter has far too many conditions"))?);
        Ok(())
    }
}

fn apply(operator: &str, operand: &Node<'_>, target: Target<'_>) -> Result<Filter, QueryError> {
    let field = target.field;
    match operator {
        "$eq" => Ok(Filter::equals(field, target.literal(operand)?)),
        "$ne" => Ok(Filter::negate(Filter::equals(field, target.literal(operand)?))),
        "$lt" => ordering(Comparison::Less, operand, target),
        "$lte" => ordering(Comparison::LessOrEqual, operand, target),
        "$gt" => ordering(Comparison::Greater, operand, target),
        "$gte" => ordering(Comparison::GreaterOrEqual, operand, target),
        "$nin" => Ok(Filter::negate(Filter::one_of(field, operands(operand, target)?))),
        "$any" | "$all" if !target.is_list() => {
            Err(target.mismatch(operand, &format!("`{operator}` applies to lists only; use $in")))
        }
        "$in" | "$any" => Ok(Filter::one_of(field, operands(operand, target)?)),
        "$all" => Ok(Filter::contains_all(field, operands(operand, target)?)),
        "$exists" => Ok(match operand.boolean()? {
            true => exists(field),
            false => Filter::negate(exists(field)),
        }),
        _ => Err(misplaced(operand, operator)),
    }
}

/// Every entity has an id.
fn exists(field: Field) -> Filter {
    match field {
        Field::Id => Filter::Everything,
        Field::Attribute(_) => Filter::Exists(field),
    }
}

fn ordering(comparison: Comparison, operand: &Node<'_>, target: Target<'_>) -> Result<Filter, QueryError> {
    if !target.is_ordered() {
        return Err(target.mismatch(operand, &format!("`{}` does not apply", comparison.as_str())));
    }
    Ok(Filter::Compare(target.field, comparison, target.literal(operand)?))
}

/// The list of `$in`, `$nin`, `$any` and `$all`.
fn operands(node: &Node<'_>, target: Target<'_>) -> Result<Vec<Literal>, QueryError> {
    node.elements(target.max_list)?.iter().map(|element| target.literal(&element)).collect()
}

/// A `$` name, or any name among operators, that means nothing where it stands.
fn misplaced(node: &Node<'_>, name: &str) -> QueryError {
    let detail = match name {
        "$and" | "$or" => format!("`{name}` stands beside attributes, not under one"),
        name if OPERATORS.contains(&name) => format!("`{name}` stands under the name of an attribute"),
        name if name.starts_with('$') => {
            format!("no such operator {}{}", quote(name), hint(name, OPERATORS.iter().copied()))
        }
        name => format!("expected an operator such as $eq, found {}", quote(name)),
    };
    node.error(Code::UnknownOperator, detail)
}

/// The number of operators that a filter's canonical form has.
fn operators(filter: &Filter, schema: &CollectionSchema) -> usize {
    match filter {
        Filter::Not(inner) => 1 + operators(inner, schema),
        Filter::Or(parts) => 1 + parts.iter().map(|part| operators(part, schema)).sum::<usize>(),
        Filter::And(parts) => {
            let (lists, others) = required_elements(parts, schema);
            let connective = usize::from(lists.len() + others.len() > 1);
            connective + lists.len() + others.into_iter().map(|part| operators(part, schema)).sum::<usize>()
        }
        _ => 1,
    }
}

/// How deep the connectives of a normal form are nested.
fn nesting(filter: &Filter) -> usize {
    match filter {
        Filter::Not(inner) => 1 + nesting(inner),
        Filter::And(parts) | Filter::Or(parts) => 1 + parts.iter().map(nesting).max().unwrap_or(0),
        _ => 0,
    }
}
