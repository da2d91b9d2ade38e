//! The graph side of a collection in Neo4j.
//!
//! What a node is: it has one of the configured labels and, in that label's id property, an id of the collection's type.
//! Nodes without are as if they were not there, and so are relationships to them. A node with several of the labels
//! counts as an entity if it has the entities' label, else by the first of the schema. Nodes with one label and one id are
//! one node as far as a query can tell: an anchor means all of them. UUIDs are strings in the hyphenated spelling in lower
//! case; another spelling among the answers is an error, as nobody could ask for it again.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use arc_swap::ArcSwap;
use async_trait::async_trait;

use super::{
    BoltServer, GraphMapping, check,
    check::{Found, Way},
    cypher::Cypher,
    expected::{Expected, Knowledge},
    keys::{RawId, RawNode},
    nearby::{Edge, Nearby},
    reach::{self, Form, Reached},
    server::Work,
    starts,
    statement::Parameters,
    statistics,
    steps::{self, Fetch, Fetched},
};
use crate::{
    backend::{
        BackendError, CallContext, Checked, ErrorKind, Finding, GraphCapabilities, GraphStatistics, GraphStore, IdSet,
        Neighbour, NodeScope, Path, Reach, ReachRequest,
    },
    catalog::CollectionSchema,
    query::{NodeRef, Walk},
    value::EntityId,
};

/// Most candidates of one check: they are one parameter, and cost about a microsecond each where the walk is from the
/// anchors.
const MAX_CHECK: usize = 2_000;

/// Relations of one collection in a Neo4j database.
pub struct Neo4jGraph {
    pub(super) server: Arc<BoltServer>,
    pub(super) schema: Arc<CollectionSchema>,
    pub(super) mapping: GraphMapping,
    pub(super) cypher: Cypher,
    pub(super) entity: u16,
    pub(super) known: ArcSwap<Knowledge>,
    /// A walk met a node that does not count as one, so walks are tested on their way until the next refresh.
    mixed: AtomicBool,
}

impl Neo4jGraph {
    /// The graph side of a collection. Does not connect; knows nothing of its data before the first
    /// [`GraphStore::refresh`].
    ///
    /// # Panics
    /// The schema has no graph side, or the mapping has not one label and one type for each of the schema's.
    pub fn new(server: Arc<BoltServer>, schema: Arc<CollectionSchema>, mapping: GraphMapping) -> Arc<Self> {
        let graph = schema.graph.as_ref().expect("a graph store is made for a collection with a graph side");
        assert!(
            (mapping.labels.len(), mapping.types.len()) == (graph.labels.len(), graph.edges.len()),
            "a mapping is made from the schema's configuration"
        );
        let cypher = Cypher::new(graph, schema.id_type, &mapping);
        let entity = graph.entity_label;
        Arc::new(Self {
            server,
            cypher,
            entity,
            mapping,
            schema,
            known: ArcSwap::default(),
            mixed: AtomicBool::new(false),
        })
    }

    /// What is there for this collection, for `forebay check`.
    ///
    /// # Errors
    /// The server cannot be asked.
    pub async fn inspect(&self, ctx: &CallContext) -> Result<Vec<Finding>, BackendError> {
        super::inspect::inspect(self, ctx).await
    }

    /// The statement of a walk to everything within reach.
    pub(crate) fn reach_query(&self, request: &ReachRequest) -> neo4rs::Query {
        let (form, _) = Form::choose(&self.known.load(), request);
        let form = form.first(&self.cypher, request);
        reach::statement(&self.cypher, request, form, None, Parameters::default()).plain()
    }

    pub(super) fn entity(&self, id: &EntityId) -> NodeRef {
        NodeRef { label: self.entity, id: id.clone() }
    }

    fn entities(&self, ids: &[EntityId]) -> Vec<NodeRef> {
        ids.iter().map(|id| self.entity(id)).collect()
    }

    /// A scope needs a property to go by; without one, nothing would be kept apart.
    fn may_walk(&self, scope: Option<&NodeScope>) -> Result<(), BackendError> {
        if scope.is_some() && !self.cypher.has_tenants() {
            let detail = "the graph has no property that names tenants, so a tenant cannot be kept to its nodes";
            return Err(BackendError::new(self.server.name(), ErrorKind::Failed, detail));
        }
        Ok(())
    }

    fn id(&self, raw: RawId) -> Result<EntityId, BackendError> {
        raw.read(self.schema.id_type).ok_or_else(|| {
            let detail = format!("a node's id is not a {} in its canonical spelling", self.schema.id_type.as_str());
            BackendError::new(self.server.name(), ErrorKind::Failed, detail)
        })
    }

    pub(super) fn node(&self, (label, id): RawNode) -> Result<NodeRef, BackendError> {
        if usize::from(label) >= self.mapping.labels.len() {
            return Err(self.server.misunderstood());
        }
        Ok(NodeRef { label, id: self.id(id)? })
    }

    fn nodes(&self, raw: Vec<RawNode>) -> Result<Vec<NodeRef>, BackendError> {
        raw.into_iter().map(|node| self.node(node)).collect()
    }

    /// The anchors that are not among those found, in order.
    fn unknown(&self, request: &ReachRequest, known: Vec<RawNode>) -> Result<Vec<NodeRef>, BackendError> {
        let known: HashSet<NodeRef> = self.nodes(known)?.into_iter().collect();
        Ok(request.anchors.iter().filter(|anchor| !known.contains(anchor)).cloned().collect())
    }

    /// The entities among nodes.
    fn entity_ids(&self, nodes: Vec<RawNode>) -> Result<HashSet<EntityId>, BackendError> {
        let nodes = self.nodes(nodes)?;
        Ok(nodes.into_iter().filter(|node| node.label == self.entity).map(|node| node.id).collect())
    }

    /// Fetches edges and puts them together, with the nodes of the anchors.
    async fn nearby(
        &self,
        ctx: &CallContext,
        work: Work,
        begin: &str,
        fetch: &Fetch<'_>,
        parameters: Parameters,
    ) -> Result<(Nearby, Vec<NodeRef>), BackendError> {
        let statement = steps::statement(&self.cypher, begin, fetch, parameters);
        let Fetched { anchors, hops } = self.server.read_one(ctx, work, &statement).await?;
        let anchors = self.nodes(anchors)?;
        let mut edges = Vec::new();
        for (node, name, along, others) in hops.into_iter().flatten() {
            // Of several edge types with one name the first is taken.
            let kind = fetch.walk.edges.iter().find(|edge| self.mapping.types[usize::from(**edge)] == name);
            let kind = *kind.ok_or_else(|| self.server.misunderstood())?;
            let node = self.node(node)?;
            for other in others {
                let other = self.node(other)?;
                let (from, to) = if fetch.reversed { (other, node.clone()) } else { (node.clone(), other) };
                edges.push(Edge { from, to, kind, along });
            }
        }
        Ok((Nearby::new(edges, &anchors), anchors))
    }
}

#[async_trait]
impl GraphStore for Neo4jGraph {
    fn backend(&self) -> &Arc<str> {
        self.server.name()
    }

    fn is_available(&self) -> bool {
        self.server.pool().is_available()
    }

    fn expected_wait(&self) -> std::time::Duration {
        self.server.pool().expected_wait()
    }

    async fn inspect(&self, ctx: &CallContext) -> Result<Vec<Finding>, BackendError> {
        Neo4jGraph::inspect(self, ctx).await
    }

    fn capabilities(&self) -> GraphCapabilities {
        GraphCapabilities { max_check: MAX_CHECK }
    }

    fn statistics(&self) -> Arc<GraphStatistics> {
        self.known.load().statistics.clone()
    }

    async fn refresh(&self) -> Result<(), BackendError> {
        let epoch = self.known.load().statistics.epoch + 1;
        self.known.store(Arc::new(statistics::learn(self, epoch).await?));
        self.mixed.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// The server does not say how many edges it looked at: `examined` is one for each node reached, which is the least.
    async fn reach(&self, ctx: &CallContext, request: &ReachRequest) -> Result<Reach, BackendError> {
        self.may_walk(request.scope.as_ref())?;
        let (form, edges) = Form::choose(&self.known.load(), request);
        let statement = |form| reach::statement(&self.cypher, request, form, None, Parameters::default());
        let work = Work { kind: "reach", size: edges as usize };
        let mixed = self.mixed.load(Ordering::Relaxed);
        let first = if mixed { form } else { form.first(&self.cypher, request) };
        let mut reached: Reached = self.server.read_one(ctx, work, &statement(first)).await?;
        if !reached.is_sound() {
            self.mixed.store(true, Ordering::Relaxed);
            reached = self.server.read_one(ctx, work, &statement(form)).await?;
        }
        let Reached { known, starts, ids, .. } = reached;
        let anchors = self.entity_ids(starts)?;
        let mut reached = Vec::with_capacity(ids.len() + anchors.len());
        for id in ids {
            let id = self.id(id)?;
            if !anchors.contains(&id) {
                reached.push(id);
            }
        }
        let examined = reached.len() as u64;
        if request.include_anchors {
            reached.extend(anchors);
        }
        Ok(Reach { ids: IdSet::from_ids(reached), unknown: self.unknown(request, known)?, examined })
    }

    /// As for `reach`, `examined` is what is known to have been the least.
    async fn check(
        &self,
        ctx: &CallContext,
        request: &ReachRequest,
        candidates: &[EntityId],
    ) -> Result<Checked, BackendError> {
        self.may_walk(request.scope.as_ref())?;
        let (statement, edges) = if candidates.is_empty() {
            (check::anchors_only(&self.cypher, request), 0.0)
        } else {
            let (way, edges) = Way::choose(&self.known.load(), request, &self.entities(candidates));
            (check::statement(&self.cypher, request, way, candidates), edges)
        };
        let work = Work { kind: "check", size: edges as usize };
        let Found { known, starts, ids } = self.server.read_one(ctx, work, &statement).await?;
        let anchors = self.entity_ids(starts)?;
        let found = ids.into_iter().map(|id| self.id(id)).collect::<Result<HashSet<EntityId>, _>>()?;
        let within = |id: &EntityId| if anchors.contains(id) { request.include_anchors } else { found.contains(id) };
        Ok(Checked {
            within: candidates.iter().map(within).collect(),
            unknown: self.unknown(request, known)?,
            examined: found.len() as u64,
        })
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
        self.may_walk(scope)?;
        if ids.is_empty() || per_item == 0 {
            return Ok(vec![Vec::new(); ids.len()]);
        }
        let nodes = self.entities(ids);
        let edges = Expected::new(&self.known.load(), walk, false).together(&nodes);
        let mut parameters = Parameters::default();
        let begin = starts::entities(&self.cypher, ids, scope, &mut parameters);
        let begin = format!("{begin} WITH starts, [] AS anchors");
        let onward = nodes.iter().all(|node| *node == nodes[0]);
        let fetch = Fetch { walk, reversed: false, scoped: scope.is_some(), onward, enough: Some(per_item) };
        let work = Work { kind: "expand", size: edges as usize };
        let (nearby, _) = self.nearby(ctx, work, &begin, &fetch, parameters).await?;
        Ok(nodes.iter().map(|node| nearby.neighbourhood(node, walk.hops, per_item, paths)).collect())
    }

    async fn paths(
        &self,
        ctx: &CallContext,
        request: &ReachRequest,
        targets: &[EntityId],
    ) -> Result<Vec<Option<Path>>, BackendError> {
        let ReachRequest { anchors, walk, scope, .. } = request;
        self.may_walk(scope.as_ref())?;
        if targets.is_empty() || anchors.is_empty() {
            return Ok(vec![None; targets.len()]);
        }
        let nodes = self.entities(targets);
        let known = self.known.load_full();
        let forth = Expected::new(&known, walk, false).together(anchors);
        let back = Expected::new(&known, walk, true).together(&nodes);
        let reversed = back < forth;

        let mut parameters = Parameters::default();
        let found = starts::anchors(&self.cypher, request, &mut parameters);
        let key = self.cypher.key("a");
        let mut begin = format!("{found} WITH starts, [a IN starts | {key}] AS anchors");
        if reversed {
            let targets = starts::entities(&self.cypher, targets, scope.as_ref(), &mut parameters);
            begin = format!("{begin} CALL () {{ {targets} RETURN starts AS targets }} WITH anchors, targets AS starts");
        }
        let fetch = Fetch { walk, reversed, scoped: scope.is_some(), onward: !reversed, enough: None };
        let work = Work { kind: "paths", size: forth.min(back) as usize };
        let (nearby, anchors) = self.nearby(ctx, work, &begin, &fetch, parameters).await?;
        Ok(nearby.paths(&anchors, &nodes, walk.hops))
    }
}
