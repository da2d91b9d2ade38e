//! What a walk reaches.

use sqlx::postgres::PgRow;

use super::{
    layout::EdgeLayout,
    steps::{Foreign, Steps, is},
};
use crate::{
    backend::{
        IdSet, Reach, ReachRequest,
        postgres::{layout::Layout, statement::Statement},
    },
    query::NodeRef,
    value::EntityId,
};

/// The anchors of a request.
pub(super) struct Anchors<'a> {
    all: &'a [NodeRef],
    /// Those that the table could hold, ascending and distinct.
    pub(super) ids: Vec<EntityId>,
}

/// The beginning of every statement about a request: its anchors and whose nodes it may touch.
pub(super) struct Start<'a> {
    pub(super) steps: Steps<'a>,
    pub(super) foreign: Option<Foreign<'a>>,
    /// The bound array of the anchors.
    place: String,
}

impl<'a> Anchors<'a> {
    pub(super) fn of(layout: &EdgeLayout, entity_label: u16, request: &'a ReachRequest) -> Self {
        let known = request.anchors.iter().filter(|anchor| anchor.label == entity_label && layout.holds(&anchor.id));
        let mut ids: Vec<EntityId> = known.map(|anchor| anchor.id.clone()).collect();
        ids.sort_unstable();
        ids.dedup();
        Self { all: &request.anchors, ids }
    }

    /// Whether the anchors exist if anything is reached: one that has an edge does.
    pub(super) fn exist_if_reached(&self, request: &ReachRequest) -> bool {
        self.ids.len() == 1 && !request.include_anchors
    }

    /// Of the anchors only these.
    pub(super) fn only(self, ids: Vec<EntityId>) -> Self {
        Self { ids, ..self }
    }

    /// The anchors that are unknown, in order, given those that the server does not know; what is left in `ids` is known.
    pub(super) fn unknown(&mut self, mut reported: Vec<EntityId>) -> Vec<NodeRef> {
        reported.sort_unstable();
        self.ids.retain(|id| reported.binary_search(id).is_err());
        let is_known = |anchor: &&NodeRef| self.ids.binary_search(&anchor.id).is_ok();
        self.all.iter().filter(|anchor| !is_known(anchor)).cloned().collect()
    }
}

impl<'a> Start<'a> {
    /// Binds the anchors and the tenant.
    ///
    /// # Errors
    /// Why it cannot be told whose nodes are whose.
    pub(super) fn new(
        layout: &'a EdgeLayout,
        statement: &mut Statement,
        anchors: &Anchors<'_>,
        request: &'a ReachRequest,
    ) -> Result<Self, String> {
        let place = layout.ids(statement, anchors.ids.iter().cloned());
        let foreign = Foreign::of(layout, statement, request.scope.as_ref())?;
        Ok(Self { steps: Steps { layout, walk: &request.walk }, foreign, place })
    }

    /// `l0`: the anchors that may be touched, in order.
    pub(super) fn anchors(&self) -> String {
        let place = &self.place;
        match &self.foreign {
            None => format!("l0 AS MATERIALIZED (SELECT {place} AS ids)"),
            Some(foreign) => format!(
                "l0 AS MATERIALIZED (SELECT array_agg(a.id ORDER BY a.n) AS ids \
                 FROM unnest({place}) WITH ORDINALITY AS a(id, n) WHERE NOT {})",
                foreign.has("a.id")
            ),
        }
    }

    /// A query for the array of anchors that may not exist: where there is a table of entities, those that are not in it, which
    /// is as good as always none. Of these, [`Self::unknown`] tells.
    pub(super) fn missing(&self) -> String {
        match &self.steps.layout.nodes {
            Some(nodes) => self.anchors_but(&[in_table(nodes)]),
            None => self.unknown(),
        }
    }

    /// The same; nothing where the answer says it by itself, see [`Anchors::exist_if_reached`].
    pub(super) fn missing_if(&self, anchors: &Anchors<'_>, request: &ReachRequest) -> String {
        match anchors.exist_if_reached(request) {
            true => format!("SELECT NULL::{}", self.steps.layout.array_type()),
            false => self.missing(),
        }
    }

    /// A query for the array of anchors that do not exist.
    pub(super) fn unknown(&self) -> String {
        let layout = self.steps.layout;
        let kinds = layout.kind.among(0..layout.kind.types.len() as u16);
        let mut exists: Vec<String> = layout.nodes.iter().map(in_table).collect();
        for (end, other) in [(&layout.source, &layout.target), (&layout.target, &layout.source)] {
            let complete =
                if other.not_null { String::new() } else { format!(" AND {} IS NOT NULL", other.expression) };
            exists.push(format!(
                "EXISTS (SELECT 1 FROM {} WHERE {} AND {kinds}{complete})",
                layout.from,
                is(end, "a.id")
            ));
        }
        self.anchors_but(&exists)
    }

    /// A query for the array of anchors of which none of these conditions holds, and of those outside the scope.
    fn anchors_but(&self, exists: &[String]) -> String {
        let foreign = self.foreign.as_ref().map(|foreign| format!(" OR {}", foreign.has("a.id"))).unwrap_or_default();
        let exists = exists.join(" OR ");
        format!("SELECT array_agg(a.id) FROM unnest({}) AS a(id) WHERE NOT ({exists}){foreign}", self.place)
    }
}

/// The condition that an anchor has a row in the table of the entities.
fn in_table(nodes: &Layout) -> String {
    format!("EXISTS (SELECT 1 FROM {} WHERE {})", nodes.from, is(&nodes.id, "a.id"))
}

/// A statement for those of some anchors that do not exist.
pub(super) fn unknown_statement(
    layout: &EdgeLayout,
    anchors: &Anchors<'_>,
    request: &ReachRequest,
) -> Result<Statement, String> {
    let mut statement = Statement::new("");
    let unknown = Start::new(layout, &mut statement, anchors, request)?.unknown();
    statement.push(&unknown);
    Ok(statement)
}

/// The statement: the anchors that may not exist, then an array for each level.
pub(super) fn statement(
    layout: &EdgeLayout,
    anchors: &Anchors<'_>,
    request: &ReachRequest,
) -> Result<Statement, String> {
    let mut statement = Statement::new("WITH ");
    let start = Start::new(layout, &mut statement, anchors, request)?;
    let hops = request.walk.hops;
    statement.push(&start.anchors());
    statement.push(&start.steps.levels("l", hops, false, start.foreign.as_ref(), |_| None));
    statement.push(&format!(" SELECT ({})", start.missing_if(anchors, request)));
    for hop in 1..=hops {
        statement.push(&format!(", (SELECT ids FROM l{hop})"));
    }
    Ok(statement)
}

/// The nodes that are reached, without anchors, in the statement's row.
///
/// # Errors
/// What is there instead.
pub(super) fn reached(layout: &EdgeLayout, request: &ReachRequest, row: &PgRow) -> Result<Vec<EntityId>, String> {
    let mut ids = Vec::new();
    for hop in 1..=usize::from(request.walk.hops) {
        ids.append(&mut layout.source.decode_array(row, hop)?);
    }
    Ok(ids)
}

/// The answer, given what is reached and the anchors that do not exist.
pub(super) fn answer(
    mut anchors: Anchors<'_>,
    request: &ReachRequest,
    unknown: Vec<EntityId>,
    mut ids: Vec<EntityId>,
) -> Reach {
    let unknown = anchors.unknown(unknown);
    let examined = ids.len() as u64;
    if request.include_anchors {
        ids.append(&mut anchors.ids);
    }
    Reach { ids: IdSet::from_ids(ids), unknown, examined }
}
