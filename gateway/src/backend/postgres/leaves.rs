//! The leaves of a filter: one attribute against literals. Each writes a condition that is true where the value passes, and
//! false or NULL where it does not.

use super::{
    attributes::{Attribute, Form, decimal_as_double, decimal_is_integer, real_is_integer},
    instants::{Instant, Place, place},
    numbers::{Bound, double, double_bound, integer, integer_bound, operator},
    statement::Statement,
};
use crate::{
    query::Comparison::{self, Greater, GreaterOrEqual, Less, LessOrEqual},
    value::{AttributeType, Literal, Number},
};

/// Appends that the value is one of these, or that the list contains one of these (all of these).
pub(super) fn among<'a>(attribute: &Attribute, statement: &mut Statement, values: &'a [Literal], all: bool) {
    let texts = || -> Vec<&str> {
        let text = |value: &'a Literal| if let Literal::Text(text) = value { Some(&**text) } else { None };
        values.iter().filter_map(text).filter(|text| !text.contains('\0')).collect()
    };
    let numbers = || values.iter().filter_map(|value| if let Literal::Number(x) = value { Some(*x) } else { None });
    match &attribute.form {
        Form::Text { expression, guard, deterministic, .. } => {
            let texts = texts();
            if texts.is_empty() {
                statement.push("FALSE");
                return;
            }
            let place = statement.argument(&texts);
            let equal = format!("{expression} = ANY({place})");
            let parts = [
                guard.clone(),
                Some(equal),
                // The first equality is for the index, this one compares bytes.
                (!deterministic).then(|| format!("{expression} COLLATE \"C\" = ANY({place})")),
            ];
            conjunction(statement, parts);
        }
        Form::Uuid(expression) => {
            // Only the one spelling that the column's text has.
            let canonical = |text: &&str| text.parse::<uuid::Uuid>().ok().filter(|uuid| uuid.to_string() == *text);
            equal_any(statement, expression, &texts().iter().filter_map(canonical).collect::<Vec<_>>());
        }
        Form::IntegerText(expression) => {
            let canonical = |text: &&str| text.parse::<i64>().ok().filter(|value| value.to_string() == *text);
            equal_any(statement, expression, &texts().iter().filter_map(canonical).collect::<Vec<_>>());
        }
        Form::Integer(expression) => {
            equal_any(statement, expression, &numbers().filter_map(integer).collect::<Vec<_>>());
        }
        Form::Real(expression) => {
            let keep = |x: &Number| attribute.kind == AttributeType::Float || integer(*x).is_some();
            equal_any(statement, expression, &numbers().filter(keep).filter_map(double).collect::<Vec<f64>>());
        }
        Form::Decimal { expression, .. } if attribute.kind == AttributeType::Integer => {
            let values: Vec<i64> = numbers().filter_map(integer).collect();
            let place = statement.argument(&values);
            statement.push(&format!("{expression} = ANY({place}::numeric[])"));
        }
        Form::Decimal { expression, is_column } => {
            let values: Vec<f64> = numbers().filter_map(double).collect();
            if *is_column && let Some((low, high)) = values.iter().copied().fold(None, widen) {
                // Rounding to doubles hides the column from its index; the range around the values does not.
                near(statement, expression, low, high);
                statement.push(" AND ");
            }
            equal_any(statement, &decimal_as_double(expression), &values);
        }
        Form::Boolean(expression) => {
            let has = |wanted| values.contains(&Literal::Boolean(wanted));
            let text = match (has(true), has(false)) {
                (true, true) => format!("{expression} IS NOT NULL"),
                (true, false) => expression.clone(),
                (false, true) => format!("NOT {expression}"),
                (false, false) => "FALSE".to_owned(),
            };
            statement.push(&text);
        }
        Form::Instant { expression, zoned, .. } => {
            let micros = values.iter().filter_map(|value| match value {
                Literal::Timestamp(micros) => match place(*micros) {
                    Place::At(at) => Some(at),
                    Place::Before | Place::After => None,
                },
                _ => None,
            });
            if *zoned {
                equal_any(statement, expression, &micros.map(Instant::<true>::at).collect::<Vec<_>>());
            } else {
                equal_any(statement, expression, &micros.map(Instant::<false>::at).collect::<Vec<_>>());
            }
        }
        Form::List { expression, type_name, deterministic } => {
            let texts = texts();
            if texts.is_empty() || (all && texts.len() < values.len()) {
                statement.push("FALSE");
                return;
            }
            let place = statement.argument(&texts);
            let contains = if all { "@>" } else { "&&" };
            let parts = [
                Some(format!("{expression} {contains} {place}::{type_name}")),
                (!deterministic).then(|| format!("({expression} COLLATE \"C\") {contains} {place}::{type_name}")),
            ];
            conjunction(statement, parts);
        }
        Form::JsonList { expression, guard } => {
            let texts = texts();
            if texts.is_empty() || (all && texts.len() < values.len()) {
                statement.push("FALSE");
                return;
            }
            let place = statement.argument(&texts);
            let contains = if all { "?&" } else { "?|" };
            conjunction(statement, [Some(guard.clone()), Some(format!("{expression} {contains} {place}"))]);
        }
    }
}

/// Appends that the value compares like this with the operand.
pub(super) fn compare(attribute: &Attribute, statement: &mut Statement, comparison: Comparison, operand: &Literal) {
    match (&attribute.form, operand) {
        (Form::Text { expression, guard, by_bytes, .. }, Literal::Text(text)) => {
            let column = if *by_bytes { expression.clone() } else { format!("{expression} COLLATE \"C\"") };
            if let Some(guard) = guard {
                statement.push(&format!("{guard} AND "));
            }
            compare_text(&column, statement, comparison, text);
        }
        (Form::Uuid(expression) | Form::IntegerText(expression), Literal::Text(text)) => {
            compare_text(&format!("{expression}::text COLLATE \"C\""), statement, comparison, text);
        }
        (Form::Integer(expression), Literal::Number(number)) => {
            bounded(statement, expression, integer_bound(comparison, *number), None);
        }
        (Form::Real(expression), Literal::Number(number)) => {
            let (comparison, value) = double_bound(comparison, *number);
            let guard = match (attribute.kind, comparison) {
                (AttributeType::Integer, _) => Some(real_is_integer(expression)),
                // NaN orders after everything else on the server.
                (_, Greater | GreaterOrEqual) => Some(format!("{expression} <= 'Infinity'")),
                (_, Less | LessOrEqual) => None,
            };
            bounded(statement, expression, Bound::Than(comparison, value), guard);
        }
        (Form::Decimal { expression, .. }, Literal::Number(number)) if attribute.kind == AttributeType::Integer => {
            let guard = Some(decimal_is_integer(expression));
            bounded(statement, expression, integer_bound(comparison, *number), guard);
        }
        (Form::Decimal { expression, is_column }, Literal::Number(number)) => {
            let (comparison, value) = double_bound(comparison, *number);
            if *is_column {
                // As in `among`: the index finds a range that is a little wider.
                let (low, high) = match comparison {
                    Less | LessOrEqual => (f64::NEG_INFINITY, value.next_up()),
                    Greater | GreaterOrEqual => (value.next_down(), f64::INFINITY),
                };
                near(statement, expression, low, high);
                statement.push(" AND ");
            }
            bounded(statement, &decimal_as_double(expression), Bound::Than(comparison, value), None);
        }
        (Form::Boolean(expression), Literal::Boolean(value)) => {
            bounded(statement, expression, Bound::Than(comparison, *value), None);
        }
        (Form::Instant { expression, zoned, .. }, Literal::Timestamp(micros)) => {
            let finite = match comparison {
                Less | LessOrEqual => format!("{expression} > '-infinity'"),
                Greater | GreaterOrEqual => format!("{expression} < 'infinity'"),
            };
            match (place(*micros), zoned) {
                (Place::At(at), true) => {
                    bounded(statement, expression, Bound::Than(comparison, Instant::<true>::at(at)), Some(finite));
                }
                (Place::At(at), false) => {
                    bounded(statement, expression, Bound::Than(comparison, Instant::<false>::at(at)), Some(finite));
                }
                (Place::Before, _) if comparison.accepts(std::cmp::Ordering::Greater) => exists(attribute, statement),
                (Place::After, _) if comparison.accepts(std::cmp::Ordering::Less) => exists(attribute, statement),
                _ => {
                    statement.push("FALSE");
                }
            }
        }
        // Lists have no order, and a literal of another type compares with nothing.
        _ => {
            statement.push("FALSE");
        }
    }
}

/// Appends that there is a value.
pub(super) fn exists(attribute: &Attribute, statement: &mut Statement) {
    let condition = match (&attribute.form, attribute.kind) {
        (Form::Text { guard: Some(guard), .. } | Form::JsonList { guard, .. }, _) => guard.clone(),
        (Form::Real(expression), AttributeType::Integer) => real_is_integer(expression),
        (Form::Real(expression), _) => format!("{expression} <= 'Infinity'"),
        (Form::Decimal { expression, .. }, AttributeType::Integer) => decimal_is_integer(expression),
        (Form::Decimal { expression, .. }, _) => format!("{expression} <> 'NaN'"),
        (Form::Instant { expression, is_date: true, .. }, _) => {
            format!("({expression} > '-infinity' AND {expression} < '294277-01-01')")
        }
        (Form::Instant { expression, .. }, _) => format!("({expression} > '-infinity' AND {expression} < 'infinity')"),
        (
            Form::Text { expression, guard: None, .. }
            | Form::Uuid(expression)
            | Form::IntegerText(expression)
            | Form::Integer(expression)
            | Form::Boolean(expression)
            | Form::List { expression, .. },
            _,
        ) => format!("{expression} IS NOT NULL"),
    };
    statement.push(&condition);
}

/// Texts on the server hold no NUL, so what comes after one in the operand does not matter.
pub(super) fn compare_text(column: &str, statement: &mut Statement, comparison: Comparison, operand: &str) {
    let (comparison, operand) = match (operand.split_once('\0'), comparison) {
        (None, comparison) => (comparison, operand),
        (Some((before, _)), Less | LessOrEqual) => (LessOrEqual, before),
        (Some((before, _)), Greater | GreaterOrEqual) => (Greater, before),
    };
    bounded(statement, column, Bound::Than(comparison, operand), None);
}

/// Appends that the column lies where the bound says.
fn bounded<'q, T>(statement: &mut Statement, column: &str, bound: Bound<T>, guard: Option<String>)
where
    T: sqlx::Encode<'q, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    match bound {
        Bound::Never => {
            statement.push("FALSE");
        }
        Bound::Always => conjunction(statement, [Some(format!("{column} IS NOT NULL")), guard]),
        Bound::Than(comparison, value) => {
            let place = statement.argument(value);
            conjunction(statement, [Some(format!("{column} {} {place}", operator(comparison))), guard]);
        }
    }
}

/// Appends that the column equals one of the values.
fn equal_any<T>(statement: &mut Statement, column: &str, values: &Vec<T>)
where
    for<'q> &'q Vec<T>: sqlx::Encode<'q, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    if values.is_empty() {
        statement.push("FALSE");
    } else {
        let place = statement.argument(values);
        statement.push(&format!("{column} = ANY({place})"));
    }
}

/// Appends a wider range of a `numeric` than the doubles between these round from.
fn near(statement: &mut Statement, column: &str, low: f64, high: f64) {
    let limit = |statement: &mut Statement, comparison, value: f64| {
        value.is_finite().then(|| {
            let place = statement.argument(format!("{value:e}"));
            format!("{column} {comparison} {place}::numeric")
        })
    };
    let parts = [limit(statement, ">=", low), limit(statement, "<=", high)];
    if parts.iter().all(Option::is_none) {
        statement.push("TRUE");
    } else {
        conjunction(statement, parts);
    }
}

fn widen(range: Option<(f64, f64)>, value: f64) -> Option<(f64, f64)> {
    let (low, high) = range.unwrap_or((f64::INFINITY, f64::NEG_INFINITY));
    Some((low.min(value.next_down()), high.max(value.next_up())))
}

fn conjunction(statement: &mut Statement, parts: impl IntoIterator<Item = Option<String>>) {
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.len() == 1 {
        statement.push(&parts[0]);
    } else {
        statement.push("(").push(&parts.join(" AND ")).push(")");
    }
}
