//! Statements as somebody writes them who knows the tables: a filter as conditions, a walk as common table expressions.

use sqlx::{Arguments as _, postgres::PgArguments};

use crate::{
    bench::stores::{Names, Within},
    catalog::CollectionSchema,
    query::{Comparison, Direction, Field, Filter},
    value::{AttributeType, Literal, Number},
};

/// A statement and its values.
#[derive(Default)]
pub(super) struct Sql {
    pub(super) text: String,
    pub(super) arguments: PgArguments,
}

impl Sql {
    /// Binds a value and returns its place.
    pub(super) fn bind<'q, T>(&mut self, value: T) -> String
    where
        T: sqlx::Encode<'q, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        // Lists of strings, numbers and vectors can always be sent.
        self.arguments.add(value).expect("a plain value can be sent");
        format!("${}", self.arguments.len())
    }
}

/// What the tables are called, and of which types the attributes are.
pub(super) struct Tables<'a> {
    pub(super) schema: &'a CollectionSchema,
    pub(super) names: &'a Names,
}

impl Tables<'_> {
    pub(super) fn entities(&self) -> &str {
        &self.names.entities.table
    }

    pub(super) fn vector(&self) -> &str {
        &self.names.entities.vectors[0]
    }

    /// The conditions of a filter, each preceded by `AND`.
    pub(super) fn and_filter(&self, sql: &mut Sql, filter: &Filter) -> String {
        match filter {
            Filter::Everything => String::new(),
            Filter::And(parts) => parts.iter().map(|part| format!(" AND {}", self.condition(sql, part))).collect(),
            other => format!(" AND {}", self.condition(sql, other)),
        }
    }

    fn condition(&self, sql: &mut Sql, filter: &Filter) -> String {
        let all = |sql: &mut Sql, parts: &[Filter], word: &str| {
            let parts: Vec<String> = parts.iter().map(|part| self.condition(sql, part)).collect();
            format!("({})", parts.join(word))
        };
        match filter {
            Filter::Everything => "true".into(),
            Filter::Nothing => "false".into(),
            Filter::And(parts) => all(sql, parts, " AND "),
            Filter::Or(parts) => all(sql, parts, " OR "),
            // What is missing fails every test, so it passes the opposite.
            Filter::Not(inner) => format!("({}) IS NOT TRUE", self.condition(sql, inner)),
            Filter::Exists(field) => format!("{} IS NOT NULL", self.column(*field).0),
            Filter::In(field, values) => {
                let (column, kind) = self.column(*field);
                let place = bind_list(sql, kind, values);
                match kind {
                    AttributeType::Keywords => format!("{column} && {place}"),
                    _ => format!("{column} = ANY({place})"),
                }
            }
            Filter::Compare(field, comparison, value) => {
                let (column, kind) = self.column(*field);
                let place = bind_one(sql, kind, value);
                let sign = match comparison {
                    Comparison::Less => "<",
                    Comparison::LessOrEqual => "<=",
                    Comparison::Greater => ">",
                    Comparison::GreaterOrEqual => ">=",
                };
                format!("{column} {sign} {place}")
            }
        }
    }

    fn column(&self, field: Field) -> (String, AttributeType) {
        match field {
            Field::Id => (self.names.entities.id.clone(), AttributeType::Keyword),
            Field::Attribute(index) => {
                let index = usize::from(index);
                (self.names.entities.attributes[index].column.clone(), self.schema.attributes[index].kind)
            }
        }
    }

    /// `WITH` and what follows it up to `reach(id)`, the nodes reached: one expression a hop.
    pub(super) fn unrolled(&self, sql: &mut Sql, within: &Within) -> String {
        let (anchors, types) = (sql.bind(&within.anchors), sql.bind(self.types(within)));
        let mut text = format!("WITH h0 AS (SELECT unnest({anchors}) AS id)");
        for hop in 1..=within.walk.hops {
            let steps = self.steps(within, &format!("h{}", hop - 1), &types, "");
            text += &format!(", h{hop} AS MATERIALIZED (SELECT DISTINCT id FROM ({steps}) s)");
        }
        let levels: Vec<String> = (1..=within.walk.hops).map(|hop| format!("SELECT id FROM h{hop}")).collect();
        format!("{text}, reach AS (SELECT id FROM ({}) r WHERE id <> ALL({anchors}))", levels.join(" UNION "))
    }

    /// The same, recursive.
    pub(super) fn recursive(&self, sql: &mut Sql, within: &Within) -> String {
        let (anchors, types) = (sql.bind(&within.anchors), sql.bind(self.types(within)));
        let hops = sql.bind(i32::from(within.walk.hops));
        let steps = self.steps(within, "w", &types, ", w.hop + 1 AS hop");
        // Only one reference to the recursive term is allowed, so both directions go into one lateral step.
        let step = match within.walk.direction {
            Direction::Both => {
                let Names { edges, .. } = self.names;
                let (table, from, to, kind) = (&edges.table, &edges.source, &edges.target, &edges.kind);
                format!(
                    "SELECT s.id, w.hop + 1 FROM w, LATERAL (\
                     SELECT {to} AS id FROM {table} WHERE {from} = w.id AND {kind} = ANY({types}) UNION ALL \
                     SELECT {from} FROM {table} WHERE {to} = w.id AND {kind} = ANY({types})) s WHERE w.hop < {hops}"
                )
            }
            Direction::Out | Direction::In => format!("{steps} AND w.hop < {hops}"),
        };
        format!(
            "WITH RECURSIVE w(id, hop) AS (SELECT unnest({anchors}) COLLATE \"C\", 0 UNION {step}), \
             reach AS (SELECT DISTINCT id FROM w WHERE id <> ALL({anchors}))"
        )
    }

    /// One step from the ids of `before`.
    fn steps(&self, within: &Within, before: &str, types: &str, more: &str) -> String {
        let Names { edges, .. } = self.names;
        let (table, source, target, kind) = (&edges.table, &edges.source, &edges.target, &edges.kind);
        let step = |from: &str, to: &str| {
            format!(
                "SELECT e.{to} AS id{more} FROM {table} e JOIN {before} ON e.{from} = {before}.id WHERE e.{kind} = ANY({types})"
            )
        };
        match within.walk.direction {
            Direction::Out => step(source, target),
            Direction::In => step(target, source),
            Direction::Both => format!("{} UNION ALL {}", step(source, target), step(target, source)),
        }
    }

    fn types(&self, within: &Within) -> Vec<String> {
        within.walk.edges.iter().map(|edge| self.names.edges.types[usize::from(*edge)].clone()).collect()
    }
}

/// Binds the list of values that an attribute of this type may have.
fn bind_list(sql: &mut Sql, kind: AttributeType, values: &[Literal]) -> String {
    match kind {
        AttributeType::Keyword | AttributeType::Text | AttributeType::Keywords => {
            sql.bind(values.iter().map(text).collect::<Vec<String>>())
        }
        AttributeType::Integer if values.iter().all(|value| whole(value).is_some()) => {
            sql.bind(values.iter().filter_map(whole).collect::<Vec<i64>>())
        }
        AttributeType::Integer | AttributeType::Float => sql.bind(values.iter().map(number).collect::<Vec<f64>>()),
        AttributeType::Boolean => {
            sql.bind(values.iter().map(|value| *value == Literal::Boolean(true)).collect::<Vec<bool>>())
        }
        AttributeType::Timestamp => {
            let place = sql.bind(values.iter().map(micros).collect::<Vec<i64>>());
            format!("(SELECT array_agg(timestamptz 'epoch' + m * interval '1 microsecond') FROM unnest({place}) m)")
        }
    }
}

/// Binds one such value.
fn bind_one(sql: &mut Sql, kind: AttributeType, value: &Literal) -> String {
    match kind {
        AttributeType::Keyword | AttributeType::Text | AttributeType::Keywords => sql.bind(text(value)),
        AttributeType::Integer if whole(value).is_some() => sql.bind(whole(value)),
        AttributeType::Integer | AttributeType::Float => sql.bind(number(value)),
        AttributeType::Boolean => sql.bind(*value == Literal::Boolean(true)),
        AttributeType::Timestamp => {
            let place = sql.bind(micros(value));
            format!("(timestamptz 'epoch' + {place} * interval '1 microsecond')")
        }
    }
}

fn text(value: &Literal) -> String {
    match value {
        Literal::Text(text) => text.to_string(),
        Literal::Id(id) => id.to_string(),
        Literal::Number(_) | Literal::Boolean(_) | Literal::Timestamp(_) => String::new(),
    }
}

fn number(value: &Literal) -> f64 {
    if let Literal::Number(number) = value { number.to_f64() } else { f64::NAN }
}

fn whole(value: &Literal) -> Option<i64> {
    match value {
        Literal::Number(Number::Integer(value)) => i64::try_from(*value).ok(),
        _ => None,
    }
}

fn micros(value: &Literal) -> i64 {
    if let Literal::Timestamp(micros) = value { *micros } else { 0 }
}
