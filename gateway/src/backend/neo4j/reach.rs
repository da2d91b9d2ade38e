//! Walks in the server, from all anchors to everything that they reach.
//!
//! Two ways, the same answer. [`Form::Apart`] is one variable-length pattern of which only the distinct ends are wanted:
//! the server then walks breadth-first and enters no node twice (`VarLengthExpand(Pruning,BFS)`), but starts afresh from
//! each anchor. [`Form::Together`] goes level by level from all anchors at once and remembers where it has been; it handles
//! lists, which makes each edge about twice as dear.
//!
//! Testing each node on the way takes about a quarter of a walk. Most graphs have no node that fails the test, so a walk is
//! first made without ([`Form::Untested`]): if everything that it met exists, no path led through anything else, and the
//! answer is the same. Only otherwise it is made again, tested.

use serde::Deserialize;

use super::{
    cypher::Cypher,
    expected::{Expected, Knowledge},
    keys::{RawId, RawNode},
    starts,
    statement::{Parameters, Statement},
};
use crate::backend::ReachRequest;

/// How much dearer an edge is when all anchors are walked from together.
const TOGETHER: f64 = 2.0;

/// How the server walks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// From each anchor by itself.
    Apart,
    /// As apart, but only the ends of walks are tested, and all that were met are counted.
    Untested,
    /// From all anchors at once.
    Together,
}

/// What a walk answers.
#[derive(Debug, Deserialize)]
pub(super) struct Reached {
    /// Anchors that were found, as asked for.
    pub(super) known: Vec<RawNode>,
    /// Their nodes.
    pub(super) starts: Vec<RawNode>,
    /// Entities at the end of walks; anchors may be among them.
    pub(super) ids: Vec<RawId>,
    /// Nodes at the end of walks that were not tested on their way.
    #[serde(default)]
    met: Option<u64>,
}

impl Reached {
    /// Whether the walk kept to nodes that exist, so that the answer is right.
    pub(super) fn is_sound(&self) -> bool {
        self.met.is_none_or(|met| met == self.ids.len() as u64)
    }
}

impl Form {
    /// The form to try first: without tests where one label is all there is and nobody's nodes are kept from anybody.
    pub(super) fn first(self, cypher: &Cypher, request: &ReachRequest) -> Self {
        match self {
            Self::Apart if cypher.labels() == 1 && request.scope.is_none() => Self::Untested,
            other => other,
        }
    }

    /// The cheaper way, and the edges that it is expected to look at.
    pub(super) fn choose(known: &Knowledge, request: &ReachRequest) -> (Self, f64) {
        let expected = Expected::new(known, &request.walk, false);
        let (apart, together) = (expected.apart(&request.anchors), expected.together(&request.anchors));
        // A single step has nothing to remember.
        if request.walk.hops == 1 || apart <= TOGETHER * together {
            (Self::Apart, apart)
        } else {
            (Self::Together, TOGETHER * together)
        }
    }
}

/// A statement that answers [`Reached`], with only those ends that pass `wanted`, a condition on `m`.
pub(super) fn statement(
    cypher: &Cypher,
    request: &ReachRequest,
    form: Form,
    wanted: Option<String>,
    mut parameters: Parameters,
) -> Statement {
    let anchors = starts::anchors(cypher, request, &mut parameters);
    let scoped = request.scope.is_some();
    let wanted: Vec<String> = cypher.is_entity("m").into_iter().chain(wanted).collect();
    let wanted = if wanted.is_empty() { String::new() } else { format!(" WHERE {}", wanted.join(" AND ")) };
    let walk = match form {
        Form::Untested => untested(cypher, request),
        Form::Apart => apart(cypher, request, scoped, &wanted),
        Form::Together => together(cypher, request, scoped, &wanted),
    };
    let key = cypher.key("a");
    let met = if form == Form::Untested { ", met" } else { "" };
    Statement::new(format!("{anchors} {walk} RETURN known, [a IN starts | {key}] AS starts, ids{met}"))
        .with_all(parameters)
}

/// The ids of those ends that exist, and the number of all. An id is read once, as that is what takes the time.
fn untested(cypher: &Cypher, request: &ReachRequest) -> String {
    let arrow = cypher.arrow(&request.walk, false, "", &format!("*1..{}", request.walk.hops));
    let (label, id) = (cypher.label(cypher.entity_label()), cypher.entity_id("m"));
    format!(
        "CALL (starts) {{ UNWIND starts AS a MATCH (a){arrow}(m) WITH DISTINCT m \
         WITH CASE WHEN m:{label} THEN {id} END AS i RETURN collect(CASE WHEN i {} THEN i END) AS ids, count(*) AS met }}",
        cypher.is_id(),
    )
}

fn apart(cypher: &Cypher, request: &ReachRequest, scoped: bool, wanted: &str) -> String {
    let arrow = cypher.arrow(&request.walk, false, "", &format!("*1..{}", request.walk.hops));
    // A condition on all nodes of the path is tested at each step, as long as nothing else is asked of the path.
    format!(
        "CALL (starts) {{ UNWIND starts AS a MATCH p = (a){arrow}(m) WHERE all(x IN nodes(p) WHERE {}) \
         WITH DISTINCT m{wanted} RETURN collect({}) AS ids }}",
        cypher.exists("x", scoped),
        cypher.entity_id("m"),
    )
}

fn together(cypher: &Cypher, request: &ReachRequest, scoped: bool, wanted: &str) -> String {
    let arrow = cypher.arrow(&request.walk, false, "", "");
    let exists = cypher.exists("m", scoped);
    let mut text = String::from("WITH known, starts, starts AS level, starts AS seen ");
    for _ in 0..request.walk.hops {
        // Distinct first, then without those seen: rows that carry a list are dear.
        text += &format!(
            "CALL (level) {{ UNWIND level AS n MATCH (n){arrow}(m) WHERE {exists} RETURN collect(DISTINCT m) AS found }} \
             WITH known, starts, seen, [x IN found WHERE NOT x IN seen] AS level \
             WITH known, starts, level, seen + level AS seen "
        );
    }
    format!("{text} WITH known, starts, [m IN seen{wanted} | {}] AS ids", cypher.entity_id("m"))
}
