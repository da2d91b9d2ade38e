//! What the store learns of its data: counts from the count store, degrees from the degrees that nodes keep.
//!
//! Up to [`SCAN`] nodes, every node's degrees are read and the figures are exact; beyond, they are those of a sample of
//! nodes and of the nodes at both ends of a sample of relationships, where hubs are likely to be.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::{
    Neo4jGraph,
    expected::Knowledge,
    keys::RawNode,
    measure,
    server::Work,
    statement::Statement,
    whole::{MOST, QUICK, Whole},
};
use crate::{
    backend::{BackendError, CallContext, DegreeStatistics, EdgeStatistics, GraphStatistics},
    query::{NodeRef, Priority},
};

/// Most nodes of which every one is looked at; about ten microseconds each.
const SCAN: u64 = 200_000;

/// Nodes or relationships of a sample, and how many are gone through to find them.
const SAMPLE: u64 = 20_000;
const SAMPLED_FROM: u64 = 1_000_000;

/// Most nodes of one edge type whose degrees are kept.
const HUBS: i64 = 20_000;

/// A node is a hub from this many times the mean degree on, and from this degree on.
const HUB_FACTOR: f64 = 4.0;
const LEAST_HUB: f64 = 8.0;

/// Longest time for all of it.
const LEARNING: Duration = Duration::from_secs(60);

/// One direction of one edge type.
#[derive(Debug, Default)]
pub(super) struct Side {
    mean: f64,
    p99: f64,
    max: u64,
    after_step: f64,
    pub(super) hubs: HashMap<NodeRef, u64>,
    /// They are all nodes that have any.
    whole: bool,
}

/// One edge type.
#[derive(Debug, Default)]
pub(super) struct Learnt {
    count: u64,
    /// As in [`Knowledge::turns`].
    turns: f64,
    pub(super) out: Side,
    pub(super) r#in: Side,
}

impl Side {
    fn statistics(self) -> DegreeStatistics {
        let Self { mean, p99, max, after_step, hubs, whole } = self;
        let known = move |node: &NodeRef| hubs.get(node).copied().or(whole.then_some(0));
        DegreeStatistics { mean, p99, max, mean_after_step: after_step, known: Some(Arc::new(known)) }
    }
}

/// Learns everything.
pub(super) async fn learn(graph: &Neo4jGraph, epoch: u64) -> Result<Knowledge, BackendError> {
    let ctx = CallContext {
        priority: Priority::Batch.into(),
        tenant: None,
        deadline: Instant::now() + LEARNING,
        cancelled: CancellationToken::new(),
        request_id: "statistics".into(),
    };
    let mut nodes = 0;
    for label in 0..graph.cypher.labels() {
        nodes += label_count(graph, &ctx, label).await?;
    }
    let mut learnt = Vec::new();
    for edge in 0..graph.mapping.types.len() {
        let mut count = 0;
        for label in 0..graph.cypher.labels() {
            count += count_from(graph, &ctx, label, edge).await?;
        }
        learnt.push(if count == 0 || nodes == 0 {
            Learnt::default()
        } else {
            degrees(graph, &ctx, edge, nodes, count).await?
        });
    }
    let whole = relationships(graph, &ctx, epoch, nodes, &learnt).await;
    let known = whole.as_ref().and_then(|whole| whole.edges.clone());
    let costs = measure::costs(graph, &ctx, &learnt).await?;
    let turns = learnt.iter().map(|edge| edge.turns).collect();
    let edges = learnt.into_iter().map(|Learnt { count, turns, out, r#in }| EdgeStatistics {
        count,
        out: out.statistics(),
        r#in: r#in.statistics(),
        turns: Some(turns),
    });
    let statistics = Arc::new(GraphStatistics { nodes, edges: edges.collect(), known, costs, epoch });
    Ok(Knowledge { statistics, turns, whole })
}

/// The relationships, if they are not too many: those read before where nothing has changed. Many are not read the first time,
/// when somebody may wait for the gateway to be ready.
async fn relationships(
    graph: &Neo4jGraph,
    ctx: &CallContext,
    epoch: u64,
    nodes: u64,
    learnt: &[Learnt],
) -> Option<Whole> {
    let counts: Vec<u64> = learnt.iter().map(|edge| edge.count).collect();
    let all: u64 = counts.iter().sum();
    if let Some(held) = graph.known.load().whole.as_ref().filter(|whole| whole.holds(nodes, &counts)) {
        return Some(held.clone());
    }
    if all > MOST || (all > QUICK && epoch <= 1) {
        return None;
    }
    Some(Whole::read(graph, ctx, nodes, counts).await)
}

/// Nodes with a label.
pub(super) async fn label_count(graph: &Neo4jGraph, ctx: &CallContext, label: usize) -> Result<u64, BackendError> {
    count(graph, ctx, format!("MATCH (n:{}) RETURN count(n) AS count", graph.cypher.label(label))).await
}

/// Relationships of a type from nodes with a label: other collections may use the same types.
async fn count_from(graph: &Neo4jGraph, ctx: &CallContext, label: usize, edge: usize) -> Result<u64, BackendError> {
    let (label, kind) = (graph.cypher.label(label), graph.cypher.relationship(edge));
    count(graph, ctx, format!("MATCH (:{label})-[r:{kind}]->() RETURN count(r) AS count")).await
}

/// Relationships of a type, whatever they connect.
pub(super) async fn type_count(graph: &Neo4jGraph, ctx: &CallContext, edge: usize) -> Result<u64, BackendError> {
    count(graph, ctx, format!("MATCH ()-[r:{}]->() RETURN count(r) AS count", graph.cypher.relationship(edge))).await
}

/// A number that the server has at hand.
pub(super) async fn count(graph: &Neo4jGraph, ctx: &CallContext, text: String) -> Result<u64, BackendError> {
    #[derive(Deserialize)]
    struct Counted {
        count: u64,
    }
    let counted: Counted = graph.server.read_one(ctx, Work { kind: "count", size: 1 }, &Statement::new(text)).await?;
    Ok(counted.count)
}

/// Sums over nodes, or over a sample of them.
#[derive(Deserialize)]
struct Summary {
    max_out: Option<u64>,
    max_in: Option<u64>,
    p99_out: Option<f64>,
    p99_in: Option<f64>,
    pairs: f64,
    squares: f64,
}

/// Means over a sample of relationships.
#[derive(Deserialize)]
struct After {
    out: Option<f64>,
    r#in: Option<f64>,
    turns: Option<f64>,
}

#[derive(Deserialize)]
struct Hubs {
    hubs: Vec<(RawNode, u64, u64)>,
}

async fn degrees(
    graph: &Neo4jGraph,
    ctx: &CallContext,
    edge: usize,
    nodes: u64,
    count: u64,
) -> Result<Learnt, BackendError> {
    let kind = graph.cypher.relationship(edge);
    let work = Work { kind: "degrees", size: nodes.min(SCAN) as usize };
    let labels = (0..graph.cypher.labels()).map(|label| graph.cypher.label(label)).collect::<Vec<_>>().join("|");
    let of = |node: &str| format!("COUNT {{ ({node})-[:{kind}]->() }} AS o, COUNT {{ ({node})<-[:{kind}]-() }} AS i");
    let whole = nodes <= SCAN;
    let sampled = |of: u64| format!("LIMIT {SAMPLED_FROM} WHERE rand() < {:e}", share(of));
    let some_nodes = if whole { String::new() } else { format!("WITH n {} ", sampled(nodes)) };
    let some_edges = format!("MATCH (s)-[:{kind}]->(e) WITH s, e {}", sampled(count));

    let summary: Summary = {
        let text = format!(
            "MATCH (n:{labels}) {some_nodes}WITH {} RETURN max(o) AS max_out, max(i) AS max_in, \
             toFloat(percentileDisc(o, 0.99)) AS p99_out, toFloat(percentileDisc(i, 0.99)) AS p99_in, \
             sum(toFloat(o) * i) AS pairs, sum(toFloat(o) * o + toFloat(i) * i) AS squares",
            of("n")
        );
        graph.server.read_one(ctx, work, &Statement::new(text)).await?
    };
    let after = if whole {
        let mean = summary.pairs / count as f64;
        After { out: Some(mean), r#in: Some(mean), turns: Some(summary.squares / count as f64 / 2.0) }
    } else {
        let text = format!(
            "{some_edges} RETURN avg(COUNT {{ (e)-[:{kind}]->() }}) AS out, avg(COUNT {{ (s)<-[:{kind}]-() }}) AS in, \
             avg(COUNT {{ (e)<-[:{kind}]-() }} + COUNT {{ (s)-[:{kind}]->() }}) / 2 AS turns"
        );
        graph.server.read_one(ctx, work, &Statement::new(text)).await?
    };

    let mean = count as f64 / nodes as f64;
    // Of a few nodes everything can be kept.
    let few = nodes <= HUBS as u64;
    let least = if few { 1.0 } else { (HUB_FACTOR * mean).max(LEAST_HUB) };
    let ends = if whole {
        format!("MATCH (n:{labels})")
    } else {
        // Both ends of relationships: the more a node has, the more likely it is there.
        format!("{some_edges} UNWIND [s, e] AS n WITH DISTINCT n WHERE n:{labels}")
    };
    let text = format!(
        "{ends} WITH n, {} WHERE (o >= $least OR i >= $least) AND {} WITH n, o, i ORDER BY o + i DESC LIMIT {HUBS} \
         RETURN collect([{}, o, i]) AS hubs",
        of("n"),
        graph.cypher.exists("n", false),
        graph.cypher.key("n"),
    );
    let Hubs { hubs } = graph.server.read_one(ctx, work, &Statement::new(text).with("least", least)).await?;
    let (mut out, mut r#in) = (HashMap::new(), HashMap::new());
    for (node, degree_out, degree_in) in hubs {
        let node = graph.node(node)?;
        out.insert(node.clone(), degree_out);
        r#in.insert(node, degree_in);
    }
    let side = |hubs: HashMap<NodeRef, u64>, max: Option<u64>, p99: Option<f64>, after: Option<f64>| Side {
        mean,
        p99: p99.unwrap_or(0.0),
        // A sample may have missed the largest.
        max: hubs.values().copied().max().max(max).unwrap_or(0),
        after_step: after.unwrap_or(mean),
        hubs,
        whole: few,
    };
    Ok(Learnt {
        count,
        turns: after.turns.unwrap_or(mean),
        out: side(out, summary.max_out, summary.p99_out, after.out),
        r#in: side(r#in, summary.max_in, summary.p99_in, after.r#in),
    })
}

/// The share of so many that makes a sample.
fn share(of: u64) -> f64 {
    (SAMPLE as f64 / of.clamp(1, SAMPLED_FROM) as f64).min(1.0)
}
