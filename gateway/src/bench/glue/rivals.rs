//! What an application does itself today, with two direct drivers or with one statement.

use std::collections::HashSet;

use super::{
    direct::{Neo4j, Postgres},
    sql::{Sql, Tables},
};
use crate::{
    bench::{
        BenchError,
        stores::{Names, Question, Within},
    },
    catalog::CollectionSchema,
    query::Direction,
};

/// Hits that are fetched before the graph filters them.
const TOP: usize = 50;

/// So many times as many are fetched when too few are left.
const WIDER: usize = 4;

/// Candidates up to which paths are searched pair by pair; beyond, one walk from the anchors is cheaper.
const PAIRS: usize = 100;

/// An approach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Rival {
    /// The nearest 50 from Postgres, of which Neo4j says which are within reach. What most retrievers do.
    Top,
    /// The same, with more and more of them until enough are left.
    Widened,
    /// The reach from Neo4j as one list of ids, which Postgres ranks exactly.
    GraphFirst,
    /// One statement of Postgres: a recursive walk, and its ends ranked exactly.
    Recursive,
    /// One statement of Postgres: a walk of one expression a hop, and its ends ranked exactly.
    Unrolled,
    /// The same, but the server may rank by its vector index and test for reach on the way.
    Free,
}

impl Rival {
    pub(super) const ALL: [Self; 6] =
        [Self::Top, Self::Widened, Self::GraphFirst, Self::Recursive, Self::Unrolled, Self::Free];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Top => "glue: top 50, then graph",
            Self::Widened => "glue: top 50, widened",
            Self::GraphFirst => "glue: graph first",
            Self::Recursive => "one statement, recursive",
            Self::Unrolled => "one statement, unrolled",
            Self::Free => "one statement, planner free",
        }
    }

    /// Whether its answers are right by construction: what is approximate may happen to be right, too.
    pub(super) fn is_exact(self) -> bool {
        matches!(self, Self::GraphFirst | Self::Recursive | Self::Unrolled)
    }

    /// Whether it needs nothing but Postgres.
    pub(super) fn is_one_store(self) -> bool {
        matches!(self, Self::Recursive | Self::Unrolled | Self::Free)
    }
}

/// A client that does all of these.
pub(super) struct Client<'a> {
    pub(super) postgres: Postgres,
    pub(super) neo4j: Neo4j,
    pub(super) schema: &'a CollectionSchema,
    pub(super) names: &'a Names,
}

impl Client<'_> {
    /// The answer that an approach gives.
    pub(super) async fn answer(&mut self, rival: Rival, question: &Question) -> Result<Vec<String>, BenchError> {
        match (rival, &question.within) {
            // Without a graph there are two ways: by the vector index, or exactly.
            (Rival::Top | Rival::Widened | Rival::Free, None) => self.nearest(question, question.limit).await,
            (Rival::GraphFirst | Rival::Recursive | Rival::Unrolled, None) => self.ranked(question, None).await,
            (Rival::Top, Some(within)) => {
                let nearest = self.nearest(question, TOP.max(question.limit)).await?;
                Ok(self.among(within, nearest, question.limit).await?.0)
            }
            (Rival::Widened, Some(within)) => {
                let mut wanted = TOP.max(question.limit);
                loop {
                    let nearest = self.nearest(question, wanted).await?;
                    let all = nearest.len() < wanted;
                    let (found, enough) = self.among(within, nearest, question.limit).await?;
                    if enough || all {
                        return Ok(found);
                    }
                    wanted *= WIDER;
                }
            }
            (Rival::GraphFirst, Some(within)) => {
                let reached = self.reached(within).await?;
                self.ranked(question, Some(reached)).await
            }
            (Rival::Recursive, Some(within)) => {
                let mut sql = Sql::default();
                let reach = self.tables().recursive(&mut sql, within);
                self.walked(question, sql, reach, true).await
            }
            (Rival::Unrolled | Rival::Free, Some(within)) => {
                let mut sql = Sql::default();
                let reach = self.tables().unrolled(&mut sql, within);
                self.walked(question, sql, reach, rival == Rival::Unrolled).await
            }
        }
    }

    fn tables(&self) -> Tables<'_> {
        Tables { schema: self.schema, names: self.names }
    }

    /// The nearest by the vector index.
    async fn nearest(&mut self, question: &Question, limit: usize) -> Result<Vec<String>, BenchError> {
        let mut sql = Sql::default();
        let vector = sql.bind(pgvector::Vector::from(question.vector.to_vec()));
        let tables = self.tables();
        let filter = tables.and_filter(&mut sql, &question.filter);
        let limit = sql.bind(limit as i64);
        let (table, column) = (tables.entities(), tables.vector());
        sql.text = format!(
            "SELECT id FROM {table} WHERE {column} IS NOT NULL{filter} ORDER BY {column} <=> {vector} LIMIT {limit}"
        );
        self.postgres.ids(sql).await
    }

    /// The nearest of those that pass the filter, or of these ids, exactly.
    async fn ranked(&mut self, question: &Question, ids: Option<Vec<String>>) -> Result<Vec<String>, BenchError> {
        let mut sql = Sql::default();
        let vector = sql.bind(pgvector::Vector::from(question.vector.to_vec()));
        let tables = self.tables();
        let among = ids.map(|ids| format!(" AND id = ANY({})", sql.bind(ids))).unwrap_or_default();
        let filter = tables.and_filter(&mut sql, &question.filter);
        let limit = sql.bind(question.limit as i64);
        let (table, column) = (tables.entities(), tables.vector());
        sql.text = format!(
            "WITH c AS MATERIALIZED (SELECT id, {column} <=> {vector} AS d FROM {table} \
             WHERE {column} IS NOT NULL{among}{filter}) SELECT id FROM c ORDER BY d, id LIMIT {limit}"
        );
        self.postgres.ids(sql).await
    }

    /// Walk, filter and rank in one statement; `reach` is its beginning.
    async fn walked(
        &mut self,
        question: &Question,
        mut sql: Sql,
        reach: String,
        exact: bool,
    ) -> Result<Vec<String>, BenchError> {
        let vector = sql.bind(pgvector::Vector::from(question.vector.to_vec()));
        let tables = self.tables();
        let filter = tables.and_filter(&mut sql, &question.filter);
        let limit = sql.bind(question.limit as i64);
        let (table, column) = (tables.entities(), tables.vector());
        let passing = format!("{column} IS NOT NULL AND id IN (SELECT id FROM reach){filter}");
        sql.text = if exact {
            format!(
                "{reach}, c AS MATERIALIZED (SELECT id, {column} <=> {vector} AS d FROM {table} WHERE {passing}) \
                 SELECT id FROM c ORDER BY d, id LIMIT {limit}"
            )
        } else {
            format!("{reach} SELECT id FROM {table} WHERE {passing} ORDER BY {column} <=> {vector} LIMIT {limit}")
        };
        self.postgres.ids(sql).await
    }

    /// The pattern of a walk between two nodes.
    fn arrow(&self, within: &Within) -> String {
        let types = within.walk.edges.iter().map(|edge| format!("`{}`", self.names.graph.types[usize::from(*edge)]));
        let inner = format!("[:{}*1..{}]", types.collect::<Vec<_>>().join("|"), within.walk.hops);
        match within.walk.direction {
            Direction::Out => format!("-{inner}->"),
            Direction::In => format!("<-{inner}-"),
            Direction::Both => format!("-{inner}-"),
        }
    }

    /// All that is within reach.
    async fn reached(&self, within: &Within) -> Result<Vec<String>, BenchError> {
        let (label, arrow) = (&self.names.graph.labels[0].label, self.arrow(within));
        let text = format!(
            "MATCH (a:`{label}`){arrow}(m:`{label}`) WHERE a.id IN $from WITH DISTINCT m WHERE NOT m.id IN $from \
             RETURN collect(m.id) AS ids"
        );
        self.neo4j.ids(text, &[("from", &within.anchors)]).await
    }

    /// The first `limit` of these candidates that are within reach, in their order, and whether there are so many.
    async fn among(
        &self,
        within: &Within,
        candidates: Vec<String>,
        limit: usize,
    ) -> Result<(Vec<String>, bool), BenchError> {
        let (label, arrow) = (&self.names.graph.labels[0].label, self.arrow(within));
        let text = if candidates.len() <= PAIRS {
            format!(
                "UNWIND $ids AS i MATCH (c:`{label}` {{id: i}}) WHERE NOT i IN $from MATCH (a:`{label}`) WHERE a.id IN $from \
                 MATCH p = shortestPath((a){arrow}(c)) RETURN collect(DISTINCT i) AS ids"
            )
        } else {
            format!(
                "MATCH (a:`{label}`){arrow}(m:`{label}`) WHERE a.id IN $from WITH DISTINCT m \
                 WHERE m.id IN $ids AND NOT m.id IN $from RETURN collect(m.id) AS ids"
            )
        };
        let found = self.neo4j.ids(text, &[("from", &within.anchors), ("ids", &candidates)]).await?;
        let found: HashSet<String> = found.into_iter().collect();
        let kept: Vec<String> = candidates.into_iter().filter(|id| found.contains(id)).take(limit).collect();
        let enough = kept.len() == limit;
        Ok((kept, enough))
    }
}
