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
    /// Only the edges that lead to nodes met for the first time: enough for the shortest walks from all starts together,
    /// not from each of several.
    pub(super) onward: bool,
    /// A start with so many neighbours after one hop needs no more hops.
    pub(super) enough: Option<usize>,
}

/// A statement that answers [`Fetched`]: `begin` sets `starts` and `anchors`.
pub(super) fn statement(cypher: &Cypher, begin: &str, fetch: &Fetch<'_>, mut parameters: Parameters) -> Statement {
    let Fetch { walk, reversed, scoped, onward, enough } = *fetch;
    let arrow = cypher.arrow(walk, reversed, "r", "");
    let exists = cypher.exists("m", scoped);
    // Whether a step of the walk goes along the edge.
    let along = match walk.direction {
        Direction::Out => "true",
        Direction::In => "false",
        Direction::Both if reversed => "startNode(r) = m",
        Direction::Both => "startNode(r) = n",
    };
    let (from, to) = (cypher.key("n"), cypher.key("x"));
    // `left` holds the nodes of this level and of those before.
    let mut text = format!("{begin} WITH anchors, starts AS level, starts AS left");
    let mut hops: Vec<String> = Vec::new();
    for hop in 1..=walk.hops {
        let kept = hops.iter().fold(String::from("anchors, left"), |kept, hop| kept + ", " + hop);
        text += &format!(
            " CALL (level) {{ UNWIND level AS n MATCH (n){arrow}(m) WHERE {exists} \
             WITH n, type(r) AS t, {along} AS s, collect(DISTINCT m) AS ms \
             RETURN collect([{from}, t, s, ms]) AS groups }}"
        );
        if onward {
            text +=
                &format!(" WITH {kept}, [g IN groups | [g[0], g[1], g[2], [x IN g[3] WHERE NOT x IN left]]] AS groups");
        }
        let name = format!("hop{hop}");
        text += &format!(" WITH {kept}, groups, [g IN groups | [g[0], g[1], g[2], [x IN g[3] | {to}]]] AS {name}");
        if hop < walk.hops {
            let goes_on = match enough.filter(|_| hop == 1) {
                // One more, as a node may be its own neighbour.
                Some(enough) => {
                    let most = parameters.add("most", i64::try_from(enough).unwrap_or(i64::MAX));
                    format!("WITH g[0] AS k, collect(DISTINCT m) AS ms WHERE size(ms) <= {most} UNWIND ms AS m ")
                }
                None => String::new(),
            };
            let onto = kept.replacen("left", "left + level AS left", 1);
            text += &format!(
                " CALL (groups) {{ UNWIND groups AS g UNWIND g[3] AS m {goes_on}RETURN collect(DISTINCT m) AS found }} \
                 WITH {kept}, {name}, [x IN found WHERE NOT x IN left] AS level \
                 WITH {onto}, {name}, level"
            );
        }
        hops.push(name);
    }
    Statement::new(format!("{text} RETURN anchors, [{}] AS hops", hops.join(", "))).with_all(parameters)
}
