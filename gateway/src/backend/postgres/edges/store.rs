//! The store.

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use async_trait::async_trait;
use sqlx::postgres::PgRow;
use tokio::sync::Mutex;

use super::{
    check,
    estimate::{self, Cut},
    expand::Expansion,
    joined,
    layout::{self, EdgeLayout},
    paths,
    reach::{self, Anchors},
    statistics,
};
use crate::{
    backend::{
        BackendError, CallContext, Checked, ErrorKind, Finding, GraphCapabilities, GraphStatistics, GraphStore,
        Neighbour, NodeScope, Page, Path, Ranking, Reach, ReachRequest, ReachedPage, Search,
        postgres::{EdgeTable, EntityTable, PgServer, statement::Statement},
    },
    catalog::CollectionSchema,
    query::Walk,
    value::EntityId,
};

/// Candidates of one check: they go as one array, and more of them would let a short answer wait for a long one.
const MAX_CHECK: usize = 4_096;

/// A collection's edges in a table or view.
///
/// Nothing is asked of the server before the first call. What the tables look like is read once, by [`GraphStore::refresh`],
/// and after an error that says that they have changed.
pub struct PgGraph {
    pub(super) server: Arc<PgServer>,
    pub(super) schema: Arc<CollectionSchema>,
    pub(super) edges: EdgeTable,
    pub(super) entities: Option<EntityTable>,
    layout: ArcSwapOption<EdgeLayout>,
    /// Held while the layout is read, so that it is read once.
    reading: Mutex<()>,
    pub(super) statistics: ArcSwap<GraphStatistics>,
}

impl PgGraph {
    /// The edges of a collection with one label. Does not connect.
    ///
    /// `entities` is the table of the collection's entities, where it is in the same database: it says which nodes there are
    /// without edges, and whose. A node without a row there belongs to nobody and is shared. Without that table it cannot be
    /// told whose nodes are whose, and a call with a [`NodeScope`] is an error.
    pub fn new(
        server: Arc<PgServer>,
        schema: Arc<CollectionSchema>,
        edges: EdgeTable,
        entities: Option<EntityTable>,
    ) -> Arc<Self> {
        let statistics = ArcSwap::from_pointee(statistics::unknown(&edges));
        let (layout, reading) = (ArcSwapOption::empty(), Mutex::new(()));
        Arc::new(Self { server, schema, edges, entities, layout, reading, statistics })
    }

    pub(super) fn failed(&self, detail: impl Into<String>) -> BackendError {
        self.server.failed(format!("collection `{}`: {}", self.schema.name, detail.into()))
    }

    /// The label of the collection's entities, and of all nodes.
    pub(super) fn label(&self) -> u16 {
        self.schema.graph.as_ref().map_or(0, |graph| graph.entity_label)
    }

    /// The tables as they were last read, or as they are now if they were not.
    pub(super) async fn layout(&self, ctx: &CallContext) -> Result<Arc<EdgeLayout>, BackendError> {
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

    /// Reads what the tables look like now.
    pub(super) async fn read_layout(&self, ctx: &CallContext) -> Result<Arc<EdgeLayout>, BackendError> {
        let mut session = self.server.session(ctx, "edge-layout", 0).await?;
        match layout::read(&mut session, ctx, &self.schema, &self.edges, self.entities.as_ref()).await? {
            Ok(layout) => {
                let layout = Arc::new(layout);
                self.layout.store(Some(layout.clone()));
                Ok(layout)
            }
            Err(problem) => {
                self.layout.store(None);
                Err(self.failed(problem.to_string()))
            }
        }
    }

    /// Runs one statement, once more if a table has changed since its layout was read.
    pub(super) async fn rows(
        &self,
        ctx: &CallContext,
        kind: &'static str,
        edges: f64,
        build: impl Fn(&EdgeLayout) -> Result<Statement, String>,
    ) -> Result<(Arc<EdgeLayout>, Vec<PgRow>), BackendError> {
        let mut layout = self.layout(ctx).await?;
        let mut retried = false;
        loop {
            let statement = build(&layout).map_err(|problem| self.failed(problem))?;
            let mut session = self.server.session(ctx, kind, edges as usize).await?;
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

    /// Runs a statement that gives one row.
    async fn row(
        &self,
        ctx: &CallContext,
        kind: &'static str,
        edges: f64,
        build: impl Fn(&EdgeLayout) -> Result<Statement, String>,
    ) -> Result<(Arc<EdgeLayout>, PgRow), BackendError> {
        let (layout, rows) = self.rows(ctx, kind, edges, build).await?;
        match rows.into_iter().next() {
            Some(row) => Ok((layout, row)),
            None => Err(self.failed("the server's answer is empty")),
        }
    }

    /// The anchors that do not exist, after a statement that begins with those that may not.
    async fn unknown(
        &self,
        ctx: &CallContext,
        layout: &EdgeLayout,
        request: &ReachRequest,
        row: &PgRow,
    ) -> Result<Vec<EntityId>, BackendError> {
        let missing = layout.source.decode_array(row, 0).map_err(|problem| self.failed(problem))?;
        if missing.is_empty() || layout.nodes.is_none() {
            return Ok(missing);
        }
        self.unknown_of(ctx, request, &missing).await
    }

    /// The same after a walk that reached something or not, which may say all.
    async fn unknown_after(
        &self,
        ctx: &CallContext,
        layout: &EdgeLayout,
        request: &ReachRequest,
        row: &PgRow,
        reached: bool,
    ) -> Result<Vec<EntityId>, BackendError> {
        let anchors = Anchors::of(layout, self.label(), request);
        match (anchors.exist_if_reached(request), reached) {
            (false, _) => self.unknown(ctx, layout, request, row).await,
            (true, true) => Ok(Vec::new()),
            (true, false) => self.unknown_of(ctx, request, &anchors.ids).await,
        }
    }

    /// Which of some anchors do not exist.
    async fn unknown_of(
        &self,
        ctx: &CallContext,
        request: &ReachRequest,
        anchors: &[EntityId],
    ) -> Result<Vec<EntityId>, BackendError> {
        let build = |layout: &EdgeLayout| {
            let anchors = Anchors::of(layout, self.label(), request).only(anchors.to_vec());
            reach::unknown_statement(layout, &anchors, request)
        };
        let (layout, row) = self.row(ctx, "unknown", anchors.len() as f64, build).await?;
        layout.source.decode_array(&row, 0).map_err(|problem| self.failed(problem))
    }

    /// The first hits of a search among the nodes that a request reaches, in one statement.
    pub(in crate::backend::postgres) async fn rank_reached(
        &self,
        ctx: &CallContext,
        search: &Search,
        request: &ReachRequest,
        n: usize,
    ) -> Result<ReachedPage, BackendError> {
        let layout = self.layout(ctx).await?;
        let nobody = Anchors::of(&layout, self.label(), request).ids.is_empty();
        // All scores by id are 0, and a threshold only says something of similarities.
        let nothing = matches!(search.ranking, Ranking::ById) && search.threshold.is_some_and(|least| least > 0.0);
        if nobody || nothing {
            let page = Page { exhausted: true, exact: true, ..Page::default() };
            let unknown = self.check(ctx, request, &[]).await?.unknown;
            return Ok(ReachedPage { page, unknown, reached: 0 });
        }
        let edges = self.forward(request).iter().sum();
        let build = |layout: &EdgeLayout| {
            joined::statement(layout, &Anchors::of(layout, self.label(), request), request, search, n)
        };
        let (layout, row) = self.row(ctx, "rank-reached", edges, build).await?;
        let (page, reached) = joined::read(&layout, search, n, &row).map_err(|problem| self.failed(problem))?;
        let unknown = self.unknown_after(ctx, &layout, request, &row, reached > 0).await?;
        let unknown = Anchors::of(&layout, self.label(), request).unknown(unknown);
        Ok(ReachedPage { page, unknown, reached })
    }

    fn forward(&self, request: &ReachRequest) -> Vec<f64> {
        let anchors: Vec<EntityId> = request.anchors.iter().map(|anchor| anchor.id.clone()).collect();
        estimate::levels(&self.statistics.load(), self.label(), &anchors, &request.walk, false)
    }

    fn cut(&self, request: &ReachRequest, targets: &[EntityId]) -> Cut {
        let back = estimate::levels(&self.statistics.load(), self.label(), targets, &request.walk, true);
        Cut::of(&self.forward(request), &back)
    }
}

#[async_trait]
impl GraphStore for PgGraph {
    fn backend(&self) -> &Arc<str> {
        self.server.name()
    }

    fn is_available(&self) -> bool {
        self.server.pool().is_available()
    }

    fn expected_wait(&self) -> std::time::Duration {
        self.server.pool().expected_wait()
    }

    fn capabilities(&self) -> GraphCapabilities {
        GraphCapabilities { max_check: MAX_CHECK }
    }

    fn statistics(&self) -> Arc<GraphStatistics> {
        self.statistics.load_full()
    }

    async fn refresh(&self) -> Result<(), BackendError> {
        statistics::learn(self).await
    }

    async fn inspect(&self, ctx: &CallContext) -> Result<Vec<Finding>, BackendError> {
        super::inspect::inspect(self, ctx).await
    }

    async fn reach(&self, ctx: &CallContext, request: &ReachRequest) -> Result<Reach, BackendError> {
        let layout = self.layout(ctx).await?;
        if Anchors::of(&layout, self.label(), request).ids.is_empty() {
            let ids = crate::backend::IdSet::from_ids(Vec::new());
            return Ok(Reach { ids, unknown: request.anchors.clone(), examined: 0 });
        }
        let edges = self.forward(request).iter().sum();
        let build =
            |layout: &EdgeLayout| reach::statement(layout, &Anchors::of(layout, self.label(), request), request);
        let (layout, row) = self.row(ctx, "reach", edges, build).await?;
        let ids = reach::reached(&layout, request, &row).map_err(|problem| self.failed(problem))?;
        let unknown = self.unknown_after(ctx, &layout, request, &row, !ids.is_empty()).await?;
        Ok(reach::answer(Anchors::of(&layout, self.label(), request), request, unknown, ids))
    }

    async fn check(
        &self,
        ctx: &CallContext,
        request: &ReachRequest,
        candidates: &[EntityId],
    ) -> Result<Checked, BackendError> {
        let layout = self.layout(ctx).await?;
        let mut anchors = Anchors::of(&layout, self.label(), request);
        if anchors.ids.is_empty() {
            let within = vec![false; candidates.len()];
            return Ok(Checked { within, unknown: request.anchors.clone(), examined: 0 });
        }
        if candidates.is_empty() {
            let unknown = self.unknown_of(ctx, request, &anchors.ids).await?;
            return Ok(Checked { within: Vec::new(), unknown: anchors.unknown(unknown), examined: 0 });
        }
        let cut = self.cut(request, candidates);
        let build = |layout: &EdgeLayout| {
            check::statement(layout, &Anchors::of(layout, self.label(), request), request, candidates, &cut)
        };
        let (layout, row) = self.row(ctx, "check", cut.edges, build).await?;
        let unknown = self.unknown(ctx, &layout, request, &row).await?;
        let anchors = Anchors::of(&layout, self.label(), request);
        check::read(&layout, anchors, request, candidates, unknown, &row).map_err(|problem| self.failed(problem))
    }

    async fn expand(
        &self,
        ctx: &CallContext,
        ids: &[EntityId],
        walk: &Walk,
        scope: Option<&NodeScope>,
        per_item: usize,
        paths: bool,
    ) -> Result<Vec<Vec<Neighbour>>, BackendError> {
        let mut all = vec![Vec::new(); ids.len()];
        let layout = self.layout(ctx).await?;
        let (places, sent): (Vec<usize>, Vec<EntityId>) =
            ids.iter().cloned().enumerate().filter(|(_, id)| layout.holds(id)).unzip();
        if sent.is_empty() || per_item == 0 {
            return Ok(all);
        }
        let expansion = Expansion { walk, scope, per_item, paths };
        let edges = estimate::levels(&self.statistics.load(), self.label(), &sent, walk, false).iter().sum();
        let (layout, rows) = self.rows(ctx, "expand", edges, |layout| expansion.statement(layout, &sent)).await?;
        for row in &rows {
            let (place, neighbours) = expansion.read(&layout, &sent, row).map_err(|problem| self.failed(problem))?;
            all[places[place]] = neighbours;
        }
        Ok(all)
    }

    async fn paths(
        &self,
        ctx: &CallContext,
        request: &ReachRequest,
        targets: &[EntityId],
    ) -> Result<Vec<Option<Path>>, BackendError> {
        let layout = self.layout(ctx).await?;
        if targets.is_empty() || Anchors::of(&layout, self.label(), request).ids.is_empty() {
            return Ok(vec![None; targets.len()]);
        }
        let cut = self.cut(request, targets);
        let build = |layout: &EdgeLayout| {
            paths::statement(layout, &Anchors::of(layout, self.label(), request), request, targets, &cut)
        };
        let (layout, row) = self.row(ctx, "paths", cut.edges, build).await?;
        let unknown = self.unknown(ctx, &layout, request, &row).await?;
        let anchors = Anchors::of(&layout, self.label(), request);
        paths::read(&layout, anchors, request, targets, unknown, &row).map_err(|problem| self.failed(problem))
    }
}
