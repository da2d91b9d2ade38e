//! The edges around some nodes, fetched in one round trip, from which neighbourhoods and shortest paths are found here.
//!
//! Level by level, each node that is met for the first time is left once, and all edges that it is left by are
//! returned, grouped by node, type and direction. So every shortest walk from any of the starts is among them.

use serde::Deserialize;

use super::{
    cypher::Cypher,
    keys::RawNode,
    statement::{Parameters, Statement},
};
use crate::query::{Direction, Walk};

/// The edges of one node, one type and one direction.
pub(super) type RawEdges = (RawNode, String, bool, Vec<RawNode>);

/// What is fetched.
#[derive(Debug, Deserialize)]
pub(super) struct Fetched {
    /// Nodes of the anchors that were found; none where no anchors were asked about.
    pub(super) anchors: Vec<RawNode>,
    /// Edges by hop. The walk leaves the first node; whether it goes along the edges is the flag.
    pub(super) hops: Vec<Vec<RawEdges>>,
}

/// What to fetch.
pub(super) struct Fetch<'a> {
    pub(super) walk: &'a Walk,
    /// The edges into nodes, back from where walks end.
    pub(super) reversed: bool,
    pub(super) scoped: bool,
    /// A start with so many neighbours after one hop needs no more hops.
    pub(super) enough: Option<usize>,
}

/// A statement that answers [`Fetched`]: `begin` sets `starts` and `anchors`.
pub(super) fn statement(cypher: &Cypher, begin: &str, fetch: &Fetch<'_>, mut parameters: Parameters) -> Statement {
    let Fetch { walk, reversed, scoped, enough } = *fetch;
    let arrow = cypher.arrow(walk, reversed, "r", "");
    let exists = cypher.exists("m", scoped);
    // Whether a step of the walk goes along the edge.
    let along = match walk.direction {
        Direction::Out => "true",
        Direction::In => "false",
        Direction::Both if reversed => "startNode(r) = m",
        Direction::Both => "startNode(r) = n",
    };
    let (n, x) = (cypher.key("n"), cypher.key("x"));
    let mut text = format!("{begin} WITH anchors, starts AS level, starts AS left");
    let mut hops: Vec<String> = Vec::new();
    for hop in 1..=walk.hops {
        let before = hops.iter().map(|hop| format!(", {hop}")).collect::<String>();
        let name = format!("hop{hop}");
        text += &format!(
            " CALL (level) {{ UNWIND level AS n MATCH (n){arrow}(m) WHERE {exists} \
             WITH n, type(r) AS t, {along} AS s, collect(DISTINCT m) AS ms \
             RETURN collect([{n}, t, s, [x IN ms | {x}]]) AS {name}, collect([n, ms]) AS groups }}"
        );
        if hop < walk.hops {
            let goes_on = match enough.filter(|_| hop == 1) {
                // One more, as a node may be its own neighbour.
                Some(enough) => {
                    let most = parameters.add("most", i64::try_from(enough).unwrap_or(i64::MAX));
                    format!(
                        "UNWIND g[1] AS m WITH g[0] AS n, collect(DISTINCT m) AS ms WHERE size(ms) <= {most} UNWIND ms AS m"
                    )
                }
                None => "UNWIND g[1] AS m".into(),
            };
            text += &format!(
                " CALL (groups) {{ UNWIND groups AS g {goes_on} RETURN collect(DISTINCT m) AS found }} \
                 WITH anchors, left{before}, {name}, [x IN found WHERE NOT x IN left] AS level \
                 WITH anchors, left + level AS left{before}, {name}, level"
            );
        }
        hops.push(name);
    }
    Statement::new(format!("{text} RETURN anchors, [{}] AS hops", hops.join(", "))).with_all(parameters)
}
