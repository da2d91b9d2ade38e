//! Steps along edges as SQL, and the levels of a walk.

use super::layout::EdgeLayout;
use crate::{
    backend::{
        NodeScope,
        postgres::{ids::IdColumn, statement::Statement},
    },
    query::{Direction, Walk},
};

/// The steps of a walk.
#[derive(Clone, Copy)]
pub(super) struct Steps<'a> {
    pub(super) layout: &'a EdgeLayout,
    pub(super) walk: &'a Walk,
}

/// One way to take an edge.
pub(super) struct Way<'a> {
    /// From source to target.
    pub(super) along: bool,
    pub(super) from: &'a IdColumn,
    pub(super) to: &'a IdColumn,
}

/// The nodes that a level is held to: those of the levels `w0` to `w{back}`.
pub(super) struct Held {
    pub(super) back: u8,
    /// Edges are found from these nodes, and not from those of the level before.
    pub(super) leads: bool,
}

/// The nodes that a walk must not touch: those of other tenants.
pub(super) struct Foreign<'a> {
    id: &'a IdColumn,
    from: &'a str,
    condition: String,
}

impl<'a> Steps<'a> {
    /// The ways to take a step, along before against; `backwards` for a walk from where it ends.
    pub(super) fn ways(&self, backwards: bool) -> Vec<Way<'a>> {
        let EdgeLayout { source, target, .. } = self.layout;
        let (out, against) = match self.walk.direction {
            Direction::Out => (true, false),
            Direction::In => (false, true),
            Direction::Both => (true, true),
        };
        let (out, against) = if backwards { (against, out) } else { (out, against) };
        let out = out.then_some(Way { along: true, from: source, to: target });
        let against = against.then_some(Way { along: false, from: target, to: source });
        out.into_iter().chain(against).collect()
    }

    /// The condition on an edge that a step takes, whatever it comes from.
    pub(super) fn takes(&self, to: &IdColumn) -> String {
        let kinds = self.layout.kind.among(self.walk.edges.iter().copied());
        if to.not_null { kinds } else { format!("{kinds} AND {} IS NOT NULL", to.expression) }
    }

    /// A query for the ids (`id`) one step from those of an array. They repeat.
    pub(super) fn after_array(&self, array: &str, backwards: bool) -> String {
        self.each_way(backwards, |Way { from, .. }| among(from, array))
    }

    /// A query for the ids one step from those of a level.
    fn after_level(&self, level: &str, held: Option<&Held>, backwards: bool) -> String {
        let array = self.array(level);
        let Some(held) = held else { return self.after_array(&array, backwards) };
        let (all, nodes) = (held.array(self.layout.array_type()), held.nodes());
        self.each_way(backwards, |Way { from, to, .. }| {
            if held.leads {
                format!("{} AND {}", among(to, &all), self.inside(from, &format!("SELECT unnest(ids) FROM {level}")))
            } else {
                format!("{} AND {}", among(from, &array), self.inside(to, &nodes))
            }
        })
    }

    fn each_way(&self, backwards: bool, condition: impl Fn(&Way<'_>) -> String) -> String {
        let queries = self.ways(backwards).into_iter().map(|way| {
            let id = self.layout.id_of(way.to);
            let (from, takes) = (&self.layout.from, self.takes(way.to));
            format!("SELECT {id} AS id FROM {from} WHERE {} AND {takes}", condition(&way))
        });
        queries.collect::<Vec<_>>().join(" UNION ALL ")
    }

    /// The condition that a column's id is one that a query gives, tested on rows that are found otherwise: an index that was
    /// asked for each pair of two lists would take far too long on older servers.
    pub(super) fn inside(&self, column: &IdColumn, query: &str) -> String {
        format!("({} IN ({query})) IS TRUE", self.layout.id_of(column))
    }

    /// The array of a common table expression.
    pub(super) fn array(&self, table: &str) -> String {
        format!("(SELECT ids FROM {table})::{}", self.layout.array_type())
    }

    /// Common table expressions `{name}1` to `{name}{hops}`: the nodes that are just so many steps from those in `{name}0`.
    /// `held` says which nodes a level is held to.
    pub(super) fn levels(
        &self,
        name: &str,
        hops: u8,
        backwards: bool,
        foreign: Option<&Foreign<'_>>,
        held: impl Fn(u8) -> Option<Held>,
    ) -> String {
        let mut text = String::new();
        for hop in 1..=hops {
            let steps = self.after_level(&format!("{name}{}", hop - 1), held(hop).as_ref(), backwards);
            let seen = union(name, 0..hop);
            let own = not_foreign(foreign);
            text.push_str(&format!(
                ", {name}{hop} AS MATERIALIZED (SELECT array_agg(s.id) AS ids FROM ({steps} EXCEPT ({seen})) s{own})"
            ));
        }
        text
    }

    /// A query for the array of all nodes (`ids`) from one to `hops` steps from those in `{name}0`, given the levels but
    /// the last, which nothing leaves and which needs no place of its own.
    pub(super) fn all_but(&self, name: &str, hops: u8, foreign: Option<&Foreign<'_>>) -> String {
        let last = hops.saturating_sub(1);
        let mut found: Vec<String> =
            (1..=last).map(|hop| format!("SELECT unnest(ids) AS id FROM {name}{hop}")).collect();
        found.push(self.after_level(&format!("{name}{last}"), None, false));
        let (found, own) = (found.join(" UNION ALL "), not_foreign(foreign));
        format!("SELECT array_agg(s.id) AS ids FROM ({found} EXCEPT (SELECT unnest(ids) FROM {name}0)) s{own}")
    }
}

fn not_foreign(foreign: Option<&Foreign<'_>>) -> String {
    foreign.map(|foreign| format!(" WHERE NOT {}", foreign.has("s.id"))).unwrap_or_default()
}

impl Held {
    /// A query for the nodes.
    pub(super) fn nodes(&self) -> String {
        union("w", 0..self.back + 1)
    }

    fn array(&self, array_type: &str) -> String {
        let levels: Vec<String> = (0..=self.back).map(|level| format!("(SELECT ids FROM w{level})")).collect();
        format!("({})::{array_type}", levels.join(" || "))
    }
}

/// A query for all ids of some levels.
pub(super) fn union(name: &str, levels: impl Iterator<Item = u8>) -> String {
    let levels = levels.map(|level| format!("SELECT unnest(ids) FROM {name}{level}"));
    levels.collect::<Vec<_>>().join(" UNION ALL ")
}

/// The condition that a column's id is in an array.
pub(super) fn among(column: &IdColumn, array: &str) -> String {
    let IdColumn { expression, deterministic, .. } = column;
    if *deterministic {
        format!("{expression} = ANY({array})")
    } else {
        // The first condition is for the index, the second one compares bytes.
        format!("{expression} = ANY({array}) AND {expression} COLLATE \"C\" = ANY({array})")
    }
}

/// The condition that a column's id is this one.
pub(super) fn is(column: &IdColumn, id: &str) -> String {
    let IdColumn { expression, deterministic, .. } = column;
    if *deterministic {
        format!("{expression} = {id}")
    } else {
        format!("{expression} = {id} AND {expression} COLLATE \"C\" = {id}")
    }
}

impl<'a> Foreign<'a> {
    /// The nodes outside a scope.
    ///
    /// # Errors
    /// Why it cannot be told whose they are.
    pub(super) fn of(
        layout: &'a EdgeLayout,
        statement: &mut Statement,
        scope: Option<&NodeScope>,
    ) -> Result<Option<Self>, String> {
        let Some(NodeScope { attribute, tenant }) = scope else { return Ok(None) };
        let nodes = layout
            .nodes
            .as_ref()
            .ok_or("the entities are in another database than the edges, so it cannot be told whose nodes are whose")?;
        let owner = nodes.attribute(*attribute)?.output();
        let condition = if tenant.contains('\0') {
            format!("({owner}) IS NOT NULL")
        } else {
            format!("({owner}) COLLATE \"C\" <> {}", statement.argument(&**tenant))
        };
        Ok(Some(Self { id: &nodes.id, from: &nodes.from, condition }))
    }

    /// The condition that an id is one of them.
    pub(super) fn has(&self, id: &str) -> String {
        format!("EXISTS (SELECT 1 FROM {} WHERE {} AND {})", self.from, is(self.id, id), self.condition)
    }
}
