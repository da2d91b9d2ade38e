//! What the store's work costs as seen from here: a trivial statement, and a step from a hub with and without returning
//! what is there.

use std::time::Instant;

use serde::Deserialize;

use super::{
    Neo4jGraph, check,
    keys::{self, RawId},
    reach::{self, Form, Reached},
    server::Work,
    statement::{Parameters, Statement},
    statistics::Learnt,
};
use crate::{
    backend::{BackendError, CallContext, GraphCosts, ReachRequest},
    query::{Direction, NodeRef, Walk},
    value::{EntityId, IdType},
};

/// Typical of a current server on the same machine.
const TYPICAL: GraphCosts = GraphCosts { call_us: 700.0, edge_ns: 1_000.0, node_ns: 1_000.0, start_ns: 20_000.0 };

/// Degrees of a hub that is large enough to tell its edges from noise, and small enough to be quick.
const LEAST: u64 = 200;
const MOST: u64 = 50_000;

const ROUNDS: usize = 7;

#[derive(Deserialize)]
struct Counted {
    #[serde(rename = "count")]
    _count: u64,
}

#[derive(Deserialize)]
struct Listed {
    #[serde(rename = "ids")]
    _ids: Vec<RawId>,
}

/// Measures; what cannot be measured on this data is typical.
pub(super) async fn costs(graph: &Neo4jGraph, ctx: &CallContext, edges: &[Learnt]) -> Result<GraphCosts, BackendError> {
    let mut costs = TYPICAL;
    let trip_us = median_us::<Counted>(graph, ctx, &Statement::new("RETURN 1 AS count")).await?;
    // A walk costs more than a round trip before its first edge.
    costs.call_us = median_us::<Reached>(graph, ctx, &nowhere(graph, edges.len())).await?.max(trip_us).max(1.0);

    let sides =
        edges.iter().enumerate().flat_map(|(edge, learnt)| [(edge, "->", &learnt.out), (edge, "<-", &learnt.r#in)]);
    let hubs =
        sides.flat_map(|(edge, way, side)| side.hubs.iter().map(move |(node, degree)| (edge, way, node, *degree)));
    let fit = hubs.filter(|(.., node, degree)| node.label == graph.entity && (LEAST..=MOST).contains(degree));
    let Some((edge, way, hub, degree)) = fit.max_by_key(|(.., degree)| *degree) else { return Ok(costs) };
    let counted = median_us::<Counted>(graph, ctx, &step(graph, edge, way, hub, "count(m) AS count")).await?;
    let ids = format!("collect({}) AS ids", graph.cypher.entity_id("m"));
    let listed = median_us::<Listed>(graph, ctx, &step(graph, edge, way, hub, &ids)).await?;
    let each = |us: f64, typical: f64| if us > 0.0 { us * 1e3 / degree as f64 } else { typical / 4.0 };
    costs.edge_ns = each(counted - trip_us, costs.edge_ns);
    costs.node_ns = each(listed - counted, costs.node_ns);
    costs.start_ns = check::START * costs.edge_ns;
    Ok(costs)
}

/// A walk from a node that is most likely not there.
fn nowhere(graph: &Neo4jGraph, edges: usize) -> Statement {
    let id = match graph.schema.id_type {
        IdType::Text => EntityId::Text("\u{1}".into()),
        IdType::Integer => EntityId::Integer(i64::MIN + 1),
        IdType::Uuid => EntityId::Uuid(uuid::Uuid::max()),
    };
    let request = ReachRequest {
        anchors: vec![NodeRef { label: graph.entity, id }],
        walk: Walk { edges: (0..edges as u16).collect(), direction: Direction::Both, hops: 2 },
        include_anchors: false,
        scope: None,
    };
    reach::statement(&graph.cypher, &request, Form::Apart.first(&graph.cypher, &request), None, Parameters::default())
}

/// A statement that takes one step from a node.
fn step(graph: &Neo4jGraph, edge: usize, way: &str, hub: &NodeRef, answer: &str) -> Statement {
    let cypher = &graph.cypher;
    let (node, kind) = (cypher.entity("n", "$id"), cypher.relationship(edge));
    let arrow = if way == "->" { format!("-[:{kind}]->") } else { format!("<-[:{kind}]-") };
    let exists = cypher.exists("m", false);
    let entity = cypher.is_entity("m").map(|entity| format!(" AND {entity}")).unwrap_or_default();
    let text = format!("MATCH {node}{arrow}(m) WHERE {exists}{entity} WITH DISTINCT m RETURN {answer}");
    Statement::new(text).with("id", keys::parameter(&hub.id))
}

async fn median_us<T: serde::de::DeserializeOwned>(
    graph: &Neo4jGraph,
    ctx: &CallContext,
    statement: &Statement,
) -> Result<f64, BackendError> {
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        graph.server.read_one::<T>(ctx, Work { kind: "measure", size: 1 }, statement).await?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[ROUNDS / 2])
}
