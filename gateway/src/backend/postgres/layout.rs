//! A collection's table as the server has it: which columns there are, of which types, and which indexes.

use std::time::Instant;

use super::{
    attributes::Attribute,
    facts::{self, ColumnFacts, ExtensionFacts, TableFacts},
    ids::IdColumn,
    indexes::{IndexFacts, indexes},
    mapping::EntityTable,
    names::quoted,
    session::Session,
    spaces::Space,
};
use crate::{
    backend::{BackendError, CallContext},
    catalog::CollectionSchema,
};

/// The alias of the table in all statements.
const ALIAS: &str = "t";

/// A collection's table.
#[derive(Debug)]
pub(super) struct Layout {
    /// When it was read.
    pub(super) read_at: Instant,
    /// The table and its alias, as it stands in `FROM`.
    pub(super) from: String,
    /// What the catalogs say of it.
    pub(super) table: TableFacts,
    /// The `vector` extension.
    pub(super) extension: Option<ExtensionFacts>,
    /// Its indexes.
    pub(super) indexes: Vec<IndexFacts>,
    /// The ids.
    pub(super) id: IdColumn,
    /// One an attribute of the schema, or why it cannot be read.
    attributes: Vec<Result<Attribute, String>>,
    /// One a vector of the schema, or why it cannot be read.
    spaces: Vec<Result<Space, String>>,
}

/// Why a table is of no use.
#[derive(Debug)]
pub(super) enum LayoutProblem {
    /// There is no such table, or none that the search path leads to.
    NoTable,
    /// What is wrong with the column of ids.
    Id(String),
}

/// Reads a table's layout.
pub(super) async fn read(
    session: &mut Session,
    ctx: &CallContext,
    schema: &CollectionSchema,
    mapping: &EntityTable,
) -> Result<Result<Layout, LayoutProblem>, BackendError> {
    let Some(table) = facts::table(session, ctx, &mapping.table).await? else {
        return Ok(Err(LayoutProblem::NoTable));
    };
    let extension = facts::extension(session, ctx).await?;
    let indexes = indexes(session, ctx, table.oid).await?;
    Ok(Layout::of(schema, mapping, table, extension, indexes))
}

impl Layout {
    /// Puts together what the catalogs say and what was configured.
    pub(super) fn of(
        schema: &CollectionSchema,
        mapping: &EntityTable,
        table: TableFacts,
        extension: Option<ExtensionFacts>,
        indexes: Vec<IndexFacts>,
    ) -> Result<Self, LayoutProblem> {
        let find = |name: &str| -> Result<(&ColumnFacts, String), String> {
            let facts = table.columns.get(name).ok_or("does not exist")?;
            Ok((facts, format!("{ALIAS}.{}", quoted(name))))
        };
        let id = find(&mapping.id).and_then(|(facts, expression)| IdColumn::of(facts, schema.id_type, expression));
        let id = id.map_err(|problem| LayoutProblem::Id(format!("column {} {problem}", quoted(&mapping.id))))?;
        let attributes = schema.attributes.iter().zip(&mapping.attributes).map(|(attribute, place)| {
            find(&place.column)
                .and_then(|(facts, expression)| Attribute::of(attribute.kind, facts, expression, &place.path))
                .map_err(|problem| format!("column {} {problem}", quoted(&place.column)))
        });
        let attributes = attributes.collect();
        let spaces = schema.vectors.iter().zip(&mapping.vectors).map(|(vector, name)| {
            let Some(extension) = &extension else { return Err("the database has no extension `vector`".into()) };
            find(name)
                .and_then(|(facts, expression)| Space::of(vector, facts, expression, extension, &indexes))
                .map_err(|problem| format!("column {} {problem}", quoted(name)))
        });
        let spaces = spaces.collect();
        let from = format!("{} {ALIAS}", table.quoted);
        Ok(Self { read_at: Instant::now(), from, table, extension, indexes, id, attributes, spaces })
    }

    /// An attribute by its number in the schema.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(super) fn attribute(&self, index: u16) -> Result<&Attribute, String> {
        match self.attributes.get(usize::from(index)) {
            Some(Ok(attribute)) => Ok(attribute),
            Some(Err(problem)) => Err(problem.clone()),
            None => Err("there is no such attribute".into()),
        }
    }

    /// A vector space by its number in the schema.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(super) fn space(&self, index: u16) -> Result<&Space, String> {
        match self.spaces.get(usize::from(index)) {
            Some(Ok(space)) => Ok(space),
            Some(Err(problem)) => Err(problem.clone()),
            None => Err("there is no such vector".into()),
        }
    }

    /// The condition that a row is an entity: it has a usable vector, where the collection has vectors.
    ///
    /// # Errors
    /// Why a vector cannot be read.
    pub(super) fn answerable(&self) -> Result<String, String> {
        if self.spaces.is_empty() {
            return Ok("TRUE".into());
        }
        let usable: Result<Vec<String>, String> =
            (0..self.spaces.len()).map(|space| self.space(space as u16).map(Space::usable)).collect();
        Ok(format!("({})", usable?.join(" OR ")))
    }
}
