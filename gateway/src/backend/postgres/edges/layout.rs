//! The table of edges as the server has it, and the table of the entities beside it.

use crate::{
    backend::{
        BackendError, CallContext,
        postgres::{
            EdgeTable, EntityTable,
            facts::{self, ColumnFacts, ColumnKind, TableFacts},
            ids::IdColumn,
            layout::{self as entities, Layout, LayoutProblem},
            names::{literal, quoted},
            session::Session,
            statement::Statement,
        },
    },
    catalog::CollectionSchema,
    value::{EntityId, IdType},
};

/// The alias of the table in all statements.
pub(in crate::backend::postgres) const ALIAS: &str = "e";

/// A table of edges, and where its nodes are described.
#[derive(Debug)]
pub(in crate::backend::postgres) struct EdgeLayout {
    /// The table and its alias, as it stands in `FROM`.
    pub(super) from: String,
    /// What the catalogs say of it.
    pub(super) table: TableFacts,
    /// Where edges start.
    pub(super) source: IdColumn,
    /// Where they end.
    pub(super) target: IdColumn,
    /// `pg_attribute.attnum` of both.
    pub(super) ends: (i16, i16),
    /// The type.
    pub(super) kind: KindColumn,
    /// The entities' table, where it is in the same database.
    pub(super) nodes: Option<Layout>,
}

/// The column of the type.
#[derive(Debug)]
pub(super) struct KindColumn {
    /// Quoted, with the table's alias.
    pub(super) expression: String,
    /// Equality is of bytes.
    pub(super) deterministic: bool,
    /// One constant an edge type of the schema; `None` where the column cannot hold it, so that there is no such edge.
    pub(super) types: Vec<Option<String>>,
}

/// Why a table is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EdgeProblem {
    /// There is no such table, or none that the search path leads to.
    NoTable,
    /// What is wrong with a column; the configured key comes first.
    Column(&'static str, String),
    /// What is wrong with the table of the entities.
    Nodes(String),
}

impl std::fmt::Display for EdgeProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoTable => f.write_str("the table of edges does not exist"),
            Self::Column(_, problem) | Self::Nodes(problem) => f.write_str(problem),
        }
    }
}

/// Reads both tables' layouts.
pub(super) async fn read(
    session: &mut Session,
    ctx: &CallContext,
    schema: &CollectionSchema,
    mapping: &EdgeTable,
    nodes: Option<&EntityTable>,
) -> Result<Result<EdgeLayout, EdgeProblem>, BackendError> {
    let Some(table) = facts::table(session, ctx, &mapping.table).await? else {
        return Ok(Err(EdgeProblem::NoTable));
    };
    let labels = enum_labels(session, ctx, table.oid, &mapping.kind).await?;
    let nodes = match nodes {
        None => None,
        Some(nodes) => match entities::read(session, ctx, schema, nodes).await? {
            Ok(nodes) => Some(nodes),
            Err(LayoutProblem::NoTable) => {
                return Ok(Err(EdgeProblem::Nodes("the table of the entities does not exist".into())));
            }
            Err(LayoutProblem::Id(problem)) => return Ok(Err(EdgeProblem::Nodes(problem))),
        },
    };
    Ok(EdgeLayout::of(schema, mapping, table, &labels, nodes))
}

impl EdgeLayout {
    fn of(
        schema: &CollectionSchema,
        mapping: &EdgeTable,
        table: TableFacts,
        labels: &[String],
        nodes: Option<Layout>,
    ) -> Result<Self, EdgeProblem> {
        let find = |key, name: &str| -> Result<(&ColumnFacts, String), EdgeProblem> {
            let missing = || EdgeProblem::Column(key, format!("column {} does not exist", quoted(name)));
            Ok((table.columns.get(name).ok_or_else(missing)?, format!("{ALIAS}.{}", quoted(name))))
        };
        let end = |key, name: &str| {
            let (facts, expression) = find(key, name)?;
            let column = IdColumn::of(facts, schema.id_type, expression)
                .map_err(|problem| EdgeProblem::Column(key, format!("column {} {problem}", quoted(name))))?;
            Ok((column, facts.number))
        };
        let (source, first) = end("graph.source", &mapping.source)?;
        let (target, second) = end("graph.target", &mapping.target)?;
        let ends = (first, second);
        let (facts, expression) = find("graph.type", &mapping.kind)?;
        let kind = KindColumn::of(facts, expression, &mapping.types, labels).map_err(|problem| {
            EdgeProblem::Column("graph.type", format!("column {} {problem}", quoted(&mapping.kind)))
        })?;
        Ok(Self { from: format!("{} {ALIAS}", table.quoted), source, target, ends, kind, nodes, table })
    }

    /// The type of the collection's ids.
    pub(super) fn id_type(&self) -> IdType {
        self.source.id_type
    }

    /// The type of an array of ids.
    pub(super) fn array_type(&self) -> &'static str {
        match self.id_type() {
            IdType::Text => "text[]",
            IdType::Integer => "int8[]",
            IdType::Uuid => "uuid[]",
        }
    }

    /// An id on its way to another level: of one type and collation, whatever those of its column.
    pub(super) fn id_of(&self, column: &IdColumn) -> String {
        match self.id_type() {
            // The default collation gives way to that of any column that it is compared with, so that indexes are of use.
            IdType::Text => format!("{} COLLATE \"default\"", column.output()),
            IdType::Integer | IdType::Uuid => column.output(),
        }
    }

    /// An expression for an id on its way, in the language's order.
    pub(super) fn in_order(&self, id: &str) -> String {
        match self.id_type() {
            IdType::Text => format!("{id} COLLATE \"C\""),
            IdType::Integer | IdType::Uuid => id.to_owned(),
        }
    }

    /// Whether a column can hold the id. Nothing else is sent.
    pub(super) fn holds(&self, id: &EntityId) -> bool {
        match (self.id_type(), id) {
            (IdType::Text, EntityId::Text(text)) => !text.contains('\0'),
            (IdType::Integer, EntityId::Integer(_)) | (IdType::Uuid, EntityId::Uuid(_)) => true,
            _ => false,
        }
    }

    /// Binds ids as one array; those that no column can hold are left out.
    pub(super) fn ids(&self, statement: &mut Statement, ids: impl IntoIterator<Item = EntityId>) -> String {
        let (place, _) = self.source.array(statement, ids);
        format!("{place}::{}", self.array_type())
    }
}

impl KindColumn {
    fn of(facts: &ColumnFacts, expression: String, types: &[String], labels: &[String]) -> Result<Self, String> {
        let fits: &dyn Fn(&str) -> bool = match facts.kind {
            ColumnKind::Text | ColumnKind::Varchar => &|_| true,
            ColumnKind::OtherText => &|kind| labels.is_empty() || labels.iter().any(|label| label == kind),
            ColumnKind::Int2 => &|kind| kind.parse::<i16>().is_ok(),
            ColumnKind::Int4 => &|kind| kind.parse::<i32>().is_ok(),
            ColumnKind::Int8 => &|kind| kind.parse::<i64>().is_ok(),
            _ => return Err(format!("is of type {}, which holds no edge types", facts.type_name)),
        };
        let types = types.iter().map(|kind| (fits(kind) && !kind.contains('\0')).then(|| literal(kind))).collect();
        Ok(Self { expression, deterministic: facts.deterministic, types })
    }

    /// The condition that an edge is of one of these types.
    pub(super) fn among(&self, edges: impl IntoIterator<Item = u16>) -> String {
        let mut literals: Vec<&str> =
            edges.into_iter().filter_map(|edge| self.types.get(usize::from(edge))?.as_deref()).collect();
        literals.sort_unstable();
        literals.dedup();
        let column = &self.expression;
        match literals.as_slice() {
            [] => "FALSE".to_owned(),
            literals => {
                let list = literals.join(", ");
                let condition = format!("{column} IN ({list})");
                // The first condition is for the index, the second one compares bytes.
                if self.deterministic {
                    condition
                } else {
                    format!("{condition} AND {column} COLLATE \"C\" IN ({list})")
                }
            }
        }
    }

    /// The place of an edge's type among these, which it is one of; the first where two have the same name.
    pub(super) fn place(&self, edges: &[u16]) -> String {
        let known = edges.iter().map(|edge| self.types.get(usize::from(*edge)).and_then(Option::as_deref));
        let cases: String = (0..)
            .zip(known)
            .filter_map(|(place, literal): (usize, _)| Some(format!(" WHEN {} THEN {place}", literal?)))
            .collect();
        let collation = if self.deterministic { "" } else { " COLLATE \"C\"" };
        if cases.is_empty() { "0".to_owned() } else { format!("CASE {}{collation}{cases} END", self.expression) }
    }
}

/// The values of a column's type, where it is an enumeration.
async fn enum_labels(
    session: &mut Session,
    ctx: &CallContext,
    table: i64,
    column: &str,
) -> Result<Vec<String>, BackendError> {
    let mut statement = Statement::new(
        "SELECT l.enumlabel::text FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_enum l ON l.enumtypid = a.atttypid \
         WHERE a.attrelid = $1::int8::oid AND a.attname = $2",
    );
    statement.argument(table);
    statement.argument(column);
    let rows = session.rows(ctx, &statement).await?;
    let labels = rows.iter().map(|row| sqlx::Row::try_get(row, 0));
    labels.collect::<Result<_, _>>().map_err(|_| session.failed("the catalog of types does not read as expected"))
}
