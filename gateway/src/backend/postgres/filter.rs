//! Filters as conditions, with the meaning of [`Filter::matches`].
//!
//! A leaf is true, or false or NULL; of these only negations must tell false from NULL, so a negation is written
//! `(…) IS NOT TRUE` and everything else stays as indexes like it. A literal that no value of the attribute equals is left
//! out. Texts are compared by bytes whatever the collation of their column.

use super::{
    ids::IdColumn,
    layout::Layout,
    leaves::{among, compare, compare_text, exists},
    numbers::operator,
    statement::Statement,
};
use crate::{
    query::{Comparison, Field, Filter},
    value::{AttributeType, EntityId, IdType, Literal},
};

/// Appends the condition that an entity passes; `Err` names an attribute whose column cannot be read.
pub(super) fn condition(layout: &Layout, statement: &mut Statement, filter: &Filter) -> Result<(), String> {
    match filter {
        Filter::Everything | Filter::Exists(Field::Id) => {
            statement.push("TRUE");
        }
        Filter::Nothing => {
            statement.push("FALSE");
        }
        Filter::Not(inner) => {
            statement.push("(");
            condition(layout, statement, inner)?;
            statement.push(") IS NOT TRUE");
        }
        Filter::And(parts) => all_of(layout, statement, parts)?,
        Filter::Or(parts) => {
            for (i, part) in parts.iter().enumerate() {
                statement.push(if i == 0 { "(" } else { " OR " });
                condition(layout, statement, part)?;
            }
            statement.push(")");
        }
        Filter::In(Field::Id, values) => {
            let ids =
                values.iter().filter_map(|value| if let Literal::Id(id) = value { Some(id.clone()) } else { None });
            layout.id.among(statement, ids);
        }
        Filter::Compare(Field::Id, comparison, operand) => compare_id(&layout.id, statement, *comparison, operand),
        Filter::In(Field::Attribute(index), values) => among(layout.attribute(*index)?, statement, values, false),
        Filter::Compare(Field::Attribute(index), comparison, operand) => {
            compare(layout.attribute(*index)?, statement, *comparison, operand);
        }
        Filter::Exists(Field::Attribute(index)) => exists(layout.attribute(*index)?, statement),
    }
    Ok(())
}

/// A conjunction. The elements that one list must contain become one condition, as `$all` may have thousands.
fn all_of(layout: &Layout, statement: &mut Statement, parts: &[Filter]) -> Result<(), String> {
    let element = |part: &Filter| match part {
        Filter::In(Field::Attribute(index), values) if values.len() == 1 => {
            let attribute = layout.attribute(*index).ok()?;
            (attribute.kind == AttributeType::Keywords).then(|| (*index, values[0].clone()))
        }
        _ => None,
    };
    let mut elements: Vec<(u16, Literal)> = Vec::new();
    let mut first = true;
    let mut separate = |statement: &mut Statement| {
        statement.push(if first { "(" } else { " AND " });
        first = false;
    };
    for part in parts {
        match element(part) {
            Some(found) => elements.push(found),
            None => {
                separate(statement);
                condition(layout, statement, part)?;
            }
        }
    }
    // The parts are sorted, so the elements of one attribute stand together.
    for elements in elements.chunk_by(|a, b| a.0 == b.0) {
        separate(statement);
        let values: Vec<Literal> = elements.iter().map(|(_, value)| value.clone()).collect();
        among(layout.attribute(elements[0].0)?, statement, &values, true);
    }
    statement.push(")");
    Ok(())
}

fn compare_id(id: &IdColumn, statement: &mut Statement, comparison: Comparison, operand: &Literal) {
    let Literal::Id(operand) = operand else {
        statement.push("FALSE");
        return;
    };
    let column = id.ordered();
    if let Some(place) = id.argument(statement, operand) {
        statement.push(&format!("{column} {} {place}", operator(comparison)));
        return;
    }
    if let EntityId::Text(text) = operand
        && id.id_type == IdType::Text
    {
        compare_text(&column, statement, comparison, text);
        return;
    }
    // An id of another type: all ids of this one stand on one side of it.
    let example = match id.id_type {
        IdType::Text => EntityId::Text("".into()),
        IdType::Integer => EntityId::Integer(0),
        IdType::Uuid => EntityId::Uuid(uuid::Uuid::nil()),
    };
    statement.push(if comparison.accepts(example.cmp(operand)) { "TRUE" } else { "FALSE" });
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        backend::postgres::{
            AttributeColumn, EntityTable,
            facts::{ColumnFacts, ColumnKind, TableFacts},
        },
        catalog::{AttributeSchema, CollectionSchema, QueryLimits},
        value::Number,
    };

    const COLUMNS: [(&str, AttributeType, ColumnKind); 4] = [
        ("license", AttributeType::Keyword, ColumnKind::Jsonb),
        ("owner", AttributeType::Keyword, ColumnKind::Text),
        ("size", AttributeType::Integer, ColumnKind::Int4),
        ("tags", AttributeType::Keywords, ColumnKind::VarcharList),
    ];

    fn layout() -> Layout {
        let facts = |kind| ColumnFacts {
            number: 1,
            kind,
            type_oid: 0,
            type_name: String::new(),
            not_null: true,
            by_bytes: false,
            deterministic: true,
        };
        let mut columns: BTreeMap<String, ColumnFacts> =
            COLUMNS.iter().map(|(name, _, kind)| ((*name).to_owned(), facts(*kind))).collect();
        columns.insert("id".into(), facts(ColumnKind::Int8));
        let place = |(name, _, kind): &(&str, AttributeType, ColumnKind)| AttributeColumn {
            column: (*name).to_owned(),
            path: if *kind == ColumnKind::Jsonb { vec!["a".into(), "it's".into()] } else { Vec::new() },
        };
        let attribute =
            |(name, kind, _): &(&str, AttributeType, ColumnKind)| AttributeSchema { name: (*name).into(), kind: *kind };
        let schema = CollectionSchema {
            name: "c".into(),
            id_type: IdType::Integer,
            attributes: COLUMNS.iter().map(attribute).collect(),
            vectors: Vec::new(),
            graph: None,
            tenant_attribute: None,
            embedding_version: None,
            limits: QueryLimits::default(),
        };
        let mapping = EntityTable {
            table: "c".into(),
            id: "id".into(),
            attributes: COLUMNS.iter().map(place).collect(),
            vectors: Vec::new(),
        };
        let table = TableFacts { oid: 1, kind: 'r', quoted: "\"c\"".into(), columns };
        Layout::of(&schema, &mapping, table, None, Vec::new()).expect("the layout is sound")
    }

    fn sql(filter: &Filter) -> String {
        let mut statement = Statement::default();
        condition(&layout(), &mut statement, filter).expect("the columns can be read");
        statement.text().to_owned()
    }

    fn text(field: u16, value: &str) -> Filter {
        Filter::equals(Field::Attribute(field), Literal::Text(value.into()))
    }

    #[test]
    fn values_are_bound_and_conditions_stay_as_indexes_like_them() {
        let below = |x| Filter::Compare(Field::Attribute(2), Comparison::Less, Literal::Number(x));
        assert_eq!(sql(&text(1, "x'; DROP TABLE c; --")), r#"t."owner" = ANY($1)"#);
        assert_eq!(sql(&below(Number::Integer(7))), r#"t."size" < $1"#);
        assert_eq!(sql(&below(Number::Float(0.5))), r#"t."size" <= $1"#);
        assert_eq!(sql(&below(Number::Integer(1 << 70))), r#"t."size" IS NOT NULL"#);
        let both = Filter::and([text(1, "a"), below(Number::Integer(7))]);
        assert_eq!(sql(&both), r#"(t."owner" = ANY($1) AND t."size" < $2)"#);
        assert_eq!(sql(&Filter::negate(both)), r#"((t."owner" = ANY($1) AND t."size" < $2)) IS NOT TRUE"#);
    }

    #[test]
    fn texts_compare_by_bytes_and_json_by_its_type() {
        let after = Filter::Compare(Field::Attribute(1), Comparison::Greater, Literal::Text("a".into()));
        assert_eq!(sql(&after), r#"t."owner" COLLATE "C" > $1"#);
        assert_eq!(
            sql(&text(0, "MIT")),
            r#"(jsonb_typeof((t."license" -> 'a' -> 'it''s')) = 'string' AND (t."license" -> 'a' ->> 'it''s') = ANY($1))"#
        );
    }

    #[test]
    fn all_elements_of_a_list_are_one_condition() {
        let elements = (0..2_000).map(|i| Literal::Text(format!("e{i}").into())).collect();
        let all = Filter::contains_all(Field::Attribute(3), elements);
        assert_eq!(sql(&all), r#"(t."tags" @> $1::varchar[])"#);
        assert_eq!(sql(&text(3, "a")), r#"t."tags" && $1::varchar[]"#);
    }

    #[test]
    fn literals_that_nothing_equals_are_left_out() {
        let number = Literal::Number(Number::Float(0.5));
        assert_eq!(sql(&Filter::equals(Field::Attribute(2), number.clone())), "FALSE");
        assert_eq!(sql(&Filter::equals(Field::Attribute(1), number)), "FALSE");
        assert_eq!(sql(&text(1, "a\0b")), "FALSE");
    }
}
