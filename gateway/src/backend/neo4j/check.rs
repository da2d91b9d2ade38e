//! Whether a few candidates are reached.
//!
//! Three ways, the same answer: walk from the anchors and keep the candidates among what is reached; walk back from each
//! candidate until the first anchor; or let the server search from both ends of each pair of anchor and candidate. The
//! cheapest by statistics is taken.

use serde::Deserialize;

use super::{
    cypher::Cypher,
    expected::{Expected, Knowledge},
    keys::{self, RawId, RawNode},
    reach::{self, Form},
    starts,
    statement::{Parameters, Statement},
};
use crate::{
    backend::ReachRequest,
    query::{NodeRef, Walk},
    value::EntityId,
};

/// What starting one more walk costs, in edges.
pub(super) const START: f64 = 20.0;

/// What starting one more search from both ends costs, in edges.
const SEARCH: f64 = 60.0;

/// The way that a check goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From the anchors.
    Forth(Form),
    /// From each candidate.
    Back,
    /// From both ends of each pair.
    Between,
}

/// What a check answers, as [`super::reach::Reached`]; `ids` are candidates.
#[derive(Debug, Deserialize)]
pub(super) struct Found {
    pub(super) known: Vec<RawNode>,
    pub(super) starts: Vec<RawNode>,
    pub(super) ids: Vec<RawId>,
}

impl Way {
    /// The cheapest way, and the edges that it is expected to look at.
    pub(super) fn choose(known: &Knowledge, request: &ReachRequest, candidates: &[NodeRef]) -> (Self, f64) {
        let (form, forth) = Form::choose(known, request);
        let back = Expected::new(known, &request.walk, true).apart(candidates) + START * candidates.len() as f64;
        let between = between(known, request, candidates);
        if between < forth.min(back) {
            (Self::Between, between)
        } else if back < forth {
            (Self::Back, back)
        } else {
            (Self::Forth(form), forth)
        }
    }
}

/// Edges of searches from both ends: each walks half of the way.
fn between(known: &Knowledge, request: &ReachRequest, candidates: &[NodeRef]) -> f64 {
    let half = |hops| Walk { hops, ..request.walk.clone() };
    let (longer, shorter) = (half(request.walk.hops.div_ceil(2)), half((request.walk.hops / 2).max(1)));
    let anchors = Expected::new(known, &longer, false).apart(&request.anchors);
    let ends = Expected::new(known, &shorter, true).apart(candidates);
    let pairs = request.anchors.len() as f64 * candidates.len() as f64;
    2.0 * (anchors * candidates.len() as f64 + ends * request.anchors.len() as f64) + SEARCH * pairs
}

/// A statement that answers [`Found`].
pub(super) fn statement(cypher: &Cypher, request: &ReachRequest, way: Way, candidates: &[EntityId]) -> Statement {
    let mut parameters = Parameters::default();
    let list = parameters.add("candidates", keys::parameters(candidates));
    if let Way::Forth(form) = way {
        let wanted = format!("{} IN {list}", cypher.entity_id("m"));
        return reach::statement(cypher, request, form, Some(wanted), parameters);
    }
    let anchors = starts::anchors(cypher, request, &mut parameters);
    let scoped = request.scope.is_some();
    let back = way == Way::Back;
    let arrow = cypher.arrow(&request.walk, back, "", &format!("*1..{}", request.walk.hops));
    let exists = cypher.exists("x", scoped);
    let search = if back {
        // Nodes come in the order of their distance, and the walk ends with the first that will do.
        format!(
            "CALL (c, starts) {{ MATCH p = (c){arrow}(m) WHERE all(x IN nodes(p) WHERE {exists}) \
             WITH DISTINCT m, starts WHERE m IN starts RETURN true AS hit LIMIT 1 }}"
        )
    } else {
        format!(
            "CALL (c, starts) {{ UNWIND starts AS a MATCH p = shortestPath((a){arrow}(c)) \
             WHERE all(x IN nodes(p) WHERE {exists}) RETURN true AS hit LIMIT 1 }}"
        )
    };
    let (candidate, found) = (cypher.entity("c", "i"), cypher.found_exists("c", cypher.entity_label(), scoped));
    let key = cypher.key("a");
    Statement::new(format!(
        "{anchors} CALL (starts) {{ UNWIND {list} AS i MATCH {candidate} WHERE {found} AND NOT c IN starts \
         {search} RETURN collect(DISTINCT i) AS ids }} \
         RETURN known, [a IN starts | {key}] AS starts, ids"
    ))
    .with_all(parameters)
}

/// A statement that only finds the anchors; it answers [`Found`] without ids.
pub(super) fn anchors_only(cypher: &Cypher, request: &ReachRequest) -> Statement {
    let mut parameters = Parameters::default();
    let anchors = starts::anchors(cypher, request, &mut parameters);
    let key = cypher.key("a");
    Statement::new(format!("{anchors} RETURN known, [a IN starts | {key}] AS starts, [] AS ids")).with_all(parameters)
}
