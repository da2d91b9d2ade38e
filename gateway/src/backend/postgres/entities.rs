//! Entities in a table, as a [`VectorStore`].

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use async_trait::async_trait;
use sqlx::{
    Row,
    postgres::{PgArguments, PgRow},
};
use tokio::sync::Mutex;

use super::{
    EntityTable, PgServer,
    cursor::PgCursor,
    filter::condition,
    layout::{self, Layout, LayoutProblem},
    search::Rows,
    spaces::Space,
    statement::Statement,
};
use crate::{
    backend::{
        BackendError, CallContext, Entity, ErrorKind, Finding, Projection, RankedCursor, Ranking, Search,
        VectorCapabilities, VectorStatistics, VectorStore,
    },
    catalog::{CollectionSchema, Metric},
    query::Filter,
    value::EntityId,
};

/// A table whose columns do not fit is looked at again after so long.
const SOON: Duration = Duration::from_secs(1);

/// A collection's entities in a table or view.
///
/// Nothing is asked of the server before the first call. What the table looks like is read once, by [`VectorStore::refresh`], and
/// after an error that says that it has changed.
pub struct PgEntities {
    server: Arc<PgServer>,
    schema: Arc<CollectionSchema>,
    table: EntityTable,
    layout: ArcSwapOption<Layout>,
    /// Held while the layout is read, so that it is read once.
    reading: Mutex<()>,
    pub(super) statistics: ArcSwap<VectorStatistics>,
    /// Cursors outlive the call that opens them.
    itself: Weak<Self>,
}

impl PgEntities {
    /// Entities of a collection. Does not connect.
    pub fn new(server: Arc<PgServer>, schema: Arc<CollectionSchema>, table: EntityTable) -> Arc<Self> {
        let statistics = super::statistics::unknown(&schema);
        Arc::new_cyclic(|itself| Self {
            server,
            schema,
            table,
            layout: ArcSwapOption::empty(),
            reading: Mutex::new(()),
            statistics: ArcSwap::from_pointee(statistics),
            itself: itself.clone(),
        })
    }

    pub(super) fn server(&self) -> &Arc<PgServer> {
        &self.server
    }

    pub(super) fn schema(&self) -> &Arc<CollectionSchema> {
        &self.schema
    }

    pub(super) fn mapping(&self) -> &EntityTable {
        &self.table
    }

    pub(super) fn failed(&self, detail: impl Into<String>) -> BackendError {
        self.server.failed(format!("collection `{}`: {}", self.schema.name, detail.into()))
    }

    /// Rows of the table, as far as is known.
    pub(super) fn expected_rows(&self) -> u64 {
        self.statistics.load().rows
    }

    /// The table as it was last read, or as it is now if it was not.
    pub(super) async fn layout(&self, ctx: &CallContext) -> Result<Arc<Layout>, BackendError> {
        if let Some(layout) = self.layout.load_full() {
            return Ok(layout);
        }
        let reading = tokio::time::timeout_at(ctx.deadline.into(), self.reading.lock()).await;
        let _reading = reading.map_err(|_| self.server.error(ErrorKind::DeadlineExceeded, "the deadline passed"))?;
        match self.layout.load_full() {
            Some(layout) => Ok(layout),
            None => self.read_layout(ctx).await,
        }
    }

    /// Reads what the table looks like now.
    pub(super) async fn read_layout(&self, ctx: &CallContext) -> Result<Arc<Layout>, BackendError> {
        let mut session = self.server.session(ctx, "layout", 0).await?;
        match layout::read(&mut session, ctx, &self.schema, &self.table).await? {
            Ok(layout) => {
                let layout = Arc::new(layout);
                self.layout.store(Some(layout.clone()));
                Ok(layout)
            }
            Err(problem) => {
                self.forget_layout();
                Err(self.failed(match problem {
                    LayoutProblem::NoTable => "its table does not exist".to_owned(),
                    LayoutProblem::Id(problem) => problem,
                }))
            }
        }
    }

    /// The table has changed: the next call reads what it looks like.
    pub(super) fn forget_layout(&self) {
        self.layout.store(None);
    }

    /// Runs one statement, once more if the table has changed since its layout was read.
    pub(super) async fn rows(
        &self,
        ctx: &CallContext,
        kind: &'static str,
        size: usize,
        build: impl Fn(&Layout) -> Result<Statement, String>,
    ) -> Result<(Arc<Layout>, Vec<PgRow>), BackendError> {
        let mut layout = self.layout(ctx).await?;
        let mut retried = false;
        loop {
            let statement = match build(&layout) {
                Ok(statement) => statement,
                // What was wrong with a column may have been mended since.
                Err(_) if !retried && layout.read_at.elapsed() > SOON => {
                    retried = true;
                    layout = self.read_layout(ctx).await?;
                    continue;
                }
                Err(problem) => return Err(self.failed(problem)),
            };
            let mut session = self.server.session(ctx, kind, size).await?;
            match session.rows(ctx, &statement).await {
                Ok(rows) => return Ok((layout, rows)),
                Err(error) if error.schema_changed && !retried => {
                    drop(session);
                    retried = true;
                    layout = self.read_layout(ctx).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The statement of an exact search for so many hits, and its values.
    pub(crate) async fn exact_statement(
        &self,
        ctx: &CallContext,
        search: &Search,
        limit: usize,
    ) -> Result<(String, PgArguments), BackendError> {
        let layout = self.layout(ctx).await?;
        let Ranking::Similarity { space, vector } = &search.ranking else {
            return Err(self.failed("only similarity is searched exactly"));
        };
        let rows = Rows { search, given: &[], table_rows: self.expected_rows() };
        let statement = rows.exact(&layout, *space, vector, limit);
        statement.and_then(|statement| statement.parts()).map_err(|problem| self.failed(problem))
    }

    /// The statement behind [`VectorStore::matching`].
    fn matching_statement(
        &self,
        layout: &Layout,
        ids: &[EntityId],
        filter: &Filter,
        space: Option<u16>,
    ) -> Result<Statement, String> {
        let mut statement = Statement::new(format!("SELECT {} FROM {} WHERE ", layout.id.output(), layout.from));
        layout.id.among_of(&mut statement, ids.iter().cloned(), self.expected_rows());
        let usable = match space {
            Some(space) => layout.space(space)?.usable(),
            None => layout.answerable()?,
        };
        statement.push(" AND ").push(&usable);
        for part in filter.conjuncts() {
            statement.push(" AND ");
            condition(layout, &mut statement, part)?;
        }
        Ok(statement)
    }

    /// The statement behind [`VectorStore::fetch`].
    fn fetch_statement(&self, layout: &Layout, ids: &[EntityId], projection: &Projection) -> Result<Statement, String> {
        let mut statement = Statement::new(format!("SELECT {}", layout.id.output()));
        for attribute in &projection.attributes {
            statement.push(", ").push(&layout.attribute(*attribute)?.output());
        }
        for space in &projection.vectors {
            statement.push(", ").push(&layout.space(*space)?.output());
        }
        statement.push(" FROM ").push(&layout.from).push(" WHERE ");
        layout.id.among_of(&mut statement, ids.iter().cloned(), self.expected_rows());
        Ok(statement)
    }

    /// An entity in a row of [`Self::fetch_statement`].
    fn entity(&self, layout: &Layout, projection: &Projection, row: &PgRow) -> Result<Entity, BackendError> {
        let mut next = 1;
        let mut column = || {
            next += 1;
            next - 1
        };
        let mut entity = Entity { attributes: Vec::new(), vectors: Vec::new() };
        for index in &projection.attributes {
            let attribute = layout.attribute(*index).map_err(|problem| self.failed(problem))?;
            let value = attribute.decode(row, column());
            let name = || &self.schema.attributes[usize::from(*index)].name;
            entity.attributes.push(value.map_err(|_| self.failed(format!("a value of `{}` cannot be read", name())))?);
        }
        for index in &projection.vectors {
            let space = layout.space(*index).map_err(|problem| self.failed(problem))?;
            let value: Result<Option<Vec<f32>>, _> = row.try_get(column());
            let value = value.map_err(|_| self.failed("a vector cannot be read"))?;
            entity.vectors.push(value.filter(|vector| is_usable(space, vector)).map(Arc::from));
        }
        Ok(entity)
    }
}

/// Whether a stored vector takes part in searches.
fn is_usable(space: &Space, vector: &[f32]) -> bool {
    vector.len() == space.dimensions
        && vector.iter().all(|component| component.is_finite())
        && (space.metric != Metric::Cosine || vector.iter().any(|component| *component != 0.0))
}

#[async_trait]
impl VectorStore for PgEntities {
    fn backend(&self) -> &Arc<str> {
        self.server.name()
    }

    fn capabilities(&self) -> VectorCapabilities {
        VectorCapabilities { always_exact: false }
    }

    fn statistics(&self) -> Arc<VectorStatistics> {
        self.statistics.load_full()
    }

    fn is_available(&self) -> bool {
        self.server.pool().is_available()
    }

    fn expected_wait(&self) -> std::time::Duration {
        self.server.pool().expected_wait()
    }

    async fn inspect(&self, ctx: &CallContext) -> Result<Vec<Finding>, BackendError> {
        super::inspect::inspect(self, ctx).await
    }

    async fn refresh(&self) -> Result<(), BackendError> {
        self.learn().await
    }

    async fn search(&self, ctx: &CallContext, search: Search) -> Result<Box<dyn RankedCursor>, BackendError> {
        let mut layout = self.layout(ctx).await?;
        if let Ranking::Similarity { space, vector } = &search.ranking {
            if layout.space(*space).is_err() && layout.read_at.elapsed() > SOON {
                layout = self.read_layout(ctx).await?;
            }
            let space = layout.space(*space).map_err(|problem| self.failed(problem))?;
            if !is_usable(space, vector) {
                return Err(self.failed("the query vector does not fit the space"));
            }
        }
        let itself = self.itself.upgrade().ok_or_else(|| self.failed("the store is closed"))?;
        Ok(Box::new(PgCursor::new(itself, &layout, search)))
    }

    async fn matching(
        &self,
        ctx: &CallContext,
        ids: &[EntityId],
        filter: &Filter,
        space: Option<u16>,
    ) -> Result<Vec<bool>, BackendError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let (layout, rows) =
            self.rows(ctx, "matching", ids.len(), |layout| self.matching_statement(layout, ids, filter, space)).await?;
        let found = rows.iter().map(|row| layout.id.decode(row, 0));
        let found: std::collections::HashSet<EntityId> =
            found.collect::<Result<_, _>>().map_err(|problem| self.failed(problem))?;
        Ok(ids.iter().map(|id| found.contains(id)).collect())
    }

    async fn fetch(
        &self,
        ctx: &CallContext,
        ids: &[EntityId],
        projection: &Projection,
    ) -> Result<Vec<Option<Entity>>, BackendError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let (layout, rows) =
            self.rows(ctx, "fetch", ids.len(), |layout| self.fetch_statement(layout, ids, projection)).await?;
        let mut found = HashMap::with_capacity(rows.len());
        for row in &rows {
            let id = layout.id.decode(row, 0).map_err(|problem| self.failed(problem))?;
            found.insert(id, self.entity(&layout, projection, row)?);
        }
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }
}
