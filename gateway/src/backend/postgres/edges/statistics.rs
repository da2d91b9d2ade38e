//! What is known of the edges: from the server's own statistics and bounded samples, off the path of queries. `ANALYZE` is never
//! run, and no large table is read through.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use super::{
    PgGraph,
    degrees::{self, Hubs, Sample},
    layout::EdgeLayout,
    measure,
};
use crate::{
    backend::{
        BackendError, CallContext, DegreeStatistics, EdgeStatistics, GraphCosts, GraphStatistics, KnownDegrees,
        KnownEdges, SmallGraph,
        postgres::{EdgeTable, session::Session, statistics::expected_rows_of},
    },
    query::{NodeRef, Priority},
    value::EntityId,
};

/// Nodes, and edges of a type, of tables of which nothing is known.
const UNKNOWN: u64 = 10_000;

/// Edges of a table that is small enough to be read through, so that every edge is known.
const WHOLE: f64 = 100_000.0;

/// Longest time for learning.
const LIMIT: Duration = Duration::from_secs(60);

/// Typical of a server on the same network.
pub(super) const TYPICAL: GraphCosts = GraphCosts { call_us: 300.0, edge_ns: 300.0, node_ns: 300.0, start_ns: 2_000.0 };

/// Before anything was asked.
pub(super) fn unknown(edges: &EdgeTable) -> GraphStatistics {
    let degrees = DegreeStatistics { mean: 4.0, p99: 50.0, max: UNKNOWN, mean_after_step: 10.0, known: None };
    let edge = EdgeStatistics { count: UNKNOWN, out: degrees.clone(), r#in: degrees, turns: None };
    GraphStatistics { nodes: UNKNOWN, edges: vec![edge; edges.types.len()], known: None, costs: TYPICAL, epoch: 0 }
}

/// Reads the tables' layout and the server's statistics again, and looks at samples.
pub(super) async fn learn(graph: &PgGraph) -> Result<(), BackendError> {
    let ctx = CallContext {
        priority: Priority::Batch.into(),
        tenant: None,
        deadline: Instant::now() + LIMIT,
        cancelled: CancellationToken::new(),
        request_id: Arc::from("refresh"),
    };
    let layout = graph.read_layout(&ctx).await?;
    let mut session = graph.server.session(&ctx, "edge-statistics", 0).await?;
    let (counts, nodes) = counts(&mut session, &ctx, &layout).await?;
    let sample = Sample::take(&mut session, &ctx, &layout, counts.iter().sum()).await?;
    let (edges, known) = if counts.iter().sum::<f64>() <= WHOLE {
        let types = degrees::edges(&mut session, &ctx, &layout).await?;
        let node = |id| NodeRef { label: graph.label(), id };
        let types = types.into_iter().map(|edges| edges.into_iter().map(|(a, b)| (node(a), node(b))).collect());
        let small = Arc::new(SmallGraph::new(types));
        (small.statistics(nodes), Some(KnownEdges::new(small)))
    } else {
        (sampled(&mut session, &ctx, &layout, graph.label(), &sample, &counts, nodes).await?, None)
    };
    let costs = measure::costs(&mut session, &ctx, &layout, &sample).await?;
    drop(session);
    graph.statistics.store(Arc::new(GraphStatistics {
        nodes: nodes.round() as u64,
        edges,
        known,
        costs,
        epoch: graph.statistics.load().epoch + 1,
    }));
    Ok(())
}

/// What samples say of each edge type.
async fn sampled(
    session: &mut Session,
    ctx: &CallContext,
    layout: &EdgeLayout,
    label: u16,
    sample: &Sample,
    counts: &[f64],
    nodes: f64,
) -> Result<Vec<EdgeStatistics>, BackendError> {
    let out = direction(session, ctx, layout, sample, true).await?;
    let against = direction(session, ctx, layout, sample, false).await?;
    let edges = counts.iter().enumerate().map(|(edge, count)| {
        let mean = count / nodes.max(1.0);
        // It is the same for both directions, `Σ in(v)·out(v)` over the number of edges: two samples are better than one.
        let after_step = mean_of([out.after_step[edge], against.after_step[edge]]).unwrap_or(mean);
        EdgeStatistics {
            count: count.round() as u64,
            out: out.of_edge(label, edge, mean, after_step),
            r#in: against.of_edge(label, edge, mean, after_step),
            turns: mean_of([out.turned[edge], against.turned[edge]]),
        }
    });
    Ok(edges.collect())
}

/// The mean of what is known.
fn mean_of(values: [Option<f64>; 2]) -> Option<f64> {
    match values {
        [Some(a), Some(b)] => Some((a + b) / 2.0),
        [a, b] => a.or(b),
    }
}

/// Degrees in one direction.
struct Direction {
    /// Of the nodes that have most edges.
    hubs: Arc<Hubs>,
    /// Of some nodes, ascending, by edge type.
    sampled: Vec<Vec<u64>>,
    /// The mean where a step in this direction ends, by edge type; `None` where no edge was seen.
    after_step: Vec<Option<f64>>,
    /// The mean where a step against it ends.
    turned: Vec<Option<f64>>,
}

async fn direction(
    session: &mut Session,
    ctx: &CallContext,
    layout: &EdgeLayout,
    sample: &Sample,
    along: bool,
) -> Result<Direction, BackendError> {
    let types = layout.kind.types.len();
    let hubs = degrees::hubs(session, ctx, layout, along).await?;
    let mut sampled = vec![Vec::new(); types];
    for node in degrees::of(session, ctx, layout, &sample.nodes, along).await? {
        (0..types).for_each(|edge| sampled[edge].push(node[edge]));
    }
    sampled.iter_mut().for_each(|degrees| degrees.sort_unstable());
    // Steps along the edges end at their targets, steps against them at their sources.
    let (ends, starts) = if along { (&sample.targets, &sample.sources) } else { (&sample.sources, &sample.targets) };
    let (mut after_step, mut turned) = (Vec::with_capacity(types), Vec::with_capacity(types));
    for edge in 0..types {
        after_step.push(mean_degree(session, ctx, layout, &hubs, &ends[edge], along, edge).await?);
        turned.push(mean_degree(session, ctx, layout, &hubs, &starts[edge], along, edge).await?);
    }
    Ok(Direction { hubs: Arc::new(hubs), sampled, after_step, turned })
}

/// The mean degree of some nodes, which may repeat.
async fn mean_degree(
    session: &mut Session,
    ctx: &CallContext,
    layout: &EdgeLayout,
    hubs: &Hubs,
    nodes: &[EntityId],
    along: bool,
    edge: usize,
) -> Result<Option<f64>, BackendError> {
    let mut others: Vec<EntityId> = nodes.iter().filter(|node| !hubs.contains_key(*node)).cloned().collect();
    others.sort_unstable();
    others.dedup();
    let degrees = degrees::of(session, ctx, layout, &others, along).await?;
    let degree = |node: &EntityId| match hubs.get(node) {
        Some(degrees) => degrees[edge],
        None => others.binary_search(node).map_or(0, |place| degrees[place][edge]),
    };
    let sum: f64 = nodes.iter().map(|node| degree(node) as f64).sum();
    Ok((!nodes.is_empty()).then(|| sum / nodes.len() as f64))
}

impl Direction {
    fn of_edge(&self, label: u16, edge: usize, mean: f64, mean_after_step: f64) -> DegreeStatistics {
        let sampled = &self.sampled[edge];
        let p99 = sampled.get((sampled.len() * 99).div_ceil(100).saturating_sub(1)).copied().unwrap_or(0);
        let largest_hub = self.hubs.values().map(|degrees| degrees[edge]).max().unwrap_or(0);
        let hubs = self.hubs.clone();
        let known: KnownDegrees = Arc::new(move |node: &NodeRef| {
            let hub = (node.label == label).then(|| hubs.get(&node.id)).flatten();
            hub.map(|degrees| degrees[edge])
        });
        DegreeStatistics {
            mean,
            p99: p99 as f64,
            max: largest_hub.max(sampled.last().copied().unwrap_or(0)),
            mean_after_step,
            known: Some(known),
        }
    }
}

/// Edges of each type, and nodes, as the server guesses.
async fn counts(
    session: &mut Session,
    ctx: &CallContext,
    layout: &EdgeLayout,
) -> Result<(Vec<f64>, f64), BackendError> {
    let mut known: HashMap<String, f64> = HashMap::new();
    let mut counts = Vec::with_capacity(layout.kind.types.len());
    for edge in 0..layout.kind.types.len() as u16 {
        let condition = layout.kind.among([edge]);
        let count = match (layout.kind.types[usize::from(edge)].is_some(), known.get(&condition)) {
            (false, _) => 0.0,
            (true, Some(count)) => *count,
            (true, None) => {
                expected_rows_of(session, ctx, &format!("SELECT 1 FROM {} WHERE {condition}", layout.from)).await?
            }
        };
        known.insert(condition, count);
        counts.push(count);
    }
    let mut nodes: f64 = 0.0;
    if let Some(table) = &layout.nodes {
        nodes = expected_rows_of(session, ctx, &format!("SELECT 1 FROM {}", table.from)).await?;
    }
    for end in [&layout.source, &layout.target] {
        let distinct = format!("SELECT {0} FROM {1} GROUP BY {0}", end.expression, layout.from);
        nodes = nodes.max(expected_rows_of(session, ctx, &distinct).await?);
    }
    Ok((counts, nodes))
}
