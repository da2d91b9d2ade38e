//! All relationships, read page by page: so many nodes with what leads away from them in one short statement each, in the
//! order of ids, so that neither side ever holds the graph as one reply.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use neo4rs::BoltType;
use serde::Deserialize;

use super::{
    Neo4jGraph,
    keys::{RawId, RawNode},
    server::Work,
    statement::Statement,
};
use crate::{
    backend::{BackendError, CallContext, KnownEdges, SmallGraph},
    value::IdType,
};

/// Relationships of a graph that is kept.
pub(super) const MOST: u64 = 2_000_000;

/// Up to so many, reading them takes no longer than learning the rest.
pub(super) const QUICK: u64 = 100_000;

/// Nodes of one page.
const PAGE: i64 = 500;

/// What was read is read again after so long, even if no count has changed.
const HOLDS: Duration = Duration::from_secs(3_600);

/// The relationships, as they were.
#[derive(Debug, Clone)]
pub(super) struct Whole {
    /// `None` where reading failed: it is tried again as if it had been read.
    pub(super) edges: Option<KnownEdges>,
    counts: Vec<u64>,
    nodes: u64,
    read: Instant,
}

impl Whole {
    /// Reads everything.
    pub(super) async fn read(graph: &Neo4jGraph, ctx: &CallContext, nodes: u64, counts: Vec<u64>) -> Self {
        let edges = match all(graph, ctx).await {
            Ok(edges) => Some(edges),
            Err(error) => {
                tracing::info!(backend = &**graph.server.name(), %error, "relationships not read: walks are estimated from means");
                None
            }
        };
        Self { edges, counts, nodes, read: Instant::now() }
    }

    /// Whether the server says nothing that speaks against it.
    pub(super) fn holds(&self, nodes: u64, counts: &[u64]) -> bool {
        self.read.elapsed() < HOLDS && self.nodes == nodes && self.counts == counts
    }
}

/// A node, and where each type of relationship leads from it.
#[derive(Deserialize)]
struct Row {
    id: RawId,
    key: RawNode,
    types: Vec<Vec<RawNode>>,
}

async fn all(graph: &Neo4jGraph, ctx: &CallContext) -> Result<KnownEdges, BackendError> {
    let mut builder = SmallGraph::builder(graph.mapping.types.len());
    for label in 0..graph.cypher.labels() {
        let mut after = None;
        loop {
            let first = after.is_none();
            let statement =
                Statement::new(page(graph, label, first)).with("after", after.unwrap_or_else(|| least(graph)));
            let work = Work { kind: "edges", size: PAGE as usize };
            let rows: Vec<Row> = graph.server.read(ctx, work, &statement).await?;
            let last = rows.last().map(|row| row.id.clone());
            for Row { key, types, .. } in rows {
                // A node with several labels comes with the one that it is known by.
                if usize::from(key.0) != label {
                    continue;
                }
                let source = graph.node(key)?;
                for (edge, targets) in types.into_iter().enumerate() {
                    for target in targets {
                        builder.edge(edge, source.clone(), graph.node(target)?);
                    }
                }
            }
            let Some(last) = last else { break };
            after = Some(match last {
                RawId::Integer(id) => BoltType::from(id),
                RawId::Text(text) => BoltType::from(&*text),
            });
            // Others have work to do on this thread, too.
            tokio::task::yield_now().await;
        }
    }
    Ok(KnownEdges::new(Arc::new(builder.finish())))
}

/// What no id is less than.
fn least(graph: &Neo4jGraph) -> BoltType {
    match graph.schema.id_type {
        IdType::Integer => BoltType::from(i64::MIN),
        IdType::Text | IdType::Uuid => BoltType::from(""),
    }
}

/// The nodes with a label that come after an id. Each list is a column of its own before it is put among the others: nested in
/// another list the server may plan it from the wrong end, once for each node.
fn page(graph: &Neo4jGraph, label: usize, first: bool) -> String {
    let cypher = &graph.cypher;
    let types = 0..graph.mapping.types.len();
    let id = format!("s.{}", cypher.id(label));
    let leads = |edge: usize| {
        let (kind, exists) = (cypher.relationship(edge), cypher.exists("e", false));
        format!("[(s)-[:{kind}]->(e) WHERE {exists} | {}] AS t{edge}", cypher.key("e"))
    };
    format!(
        "MATCH (s:{}) WHERE {id} {} $after AND {} WITH s ORDER BY {id} LIMIT {PAGE} WITH s, {} \
         RETURN {id} AS id, {} AS key, [{}] AS types ORDER BY id",
        cypher.label(label),
        if first { ">=" } else { ">" },
        cypher.found_exists("s", label, false),
        types.clone().map(leads).collect::<Vec<_>>().join(", "),
        cypher.key("s"),
        types.map(|edge| format!("t{edge}")).collect::<Vec<_>>().join(", "),
    )
}
