//! The statements of searches.

use super::{layout::Layout, spaces::Space, statement::Statement};
use crate::{
    backend::{Access, Hit, Ranking, Search},
    value::EntityId,
};

/// Which rows a page takes.
pub(super) struct Rows<'a> {
    /// The search.
    pub(super) search: &'a Search,
    /// What it gave already.
    pub(super) given: &'a [EntityId],
    /// Rows of the table, about.
    pub(super) table_rows: u64,
}

impl Rows<'_> {
    /// The best `limit` rows in exact order, as (id, key).
    pub(super) fn exact(&self, layout: &Layout, space: u16, vector: &[f32], limit: usize) -> Result<Statement, String> {
        let space = layout.space(space)?;
        let mut statement = Statement::new("SELECT ");
        let query = space.query(&mut statement, vector);
        statement.push(&format!(
            "{}, {} AS k FROM {} WHERE {}",
            layout.id.output(),
            space.key(&query),
            layout.from,
            space.present()
        ));
        self.conditions(layout, &mut statement)?;
        statement.push(&format!(" ORDER BY k, {} LIMIT ", layout.id.ordered()));
        statement.bind(limit_of(limit));
        Ok(statement)
    }

    /// `limit` rows in about the order of their distance, as (id, distance); by a cursor called `hits`, or at once.
    pub(super) fn approximate(
        &self,
        layout: &Layout,
        space: u16,
        vector: &[f32],
        limit: usize,
        cursor: bool,
    ) -> Result<Statement, String> {
        let space = layout.space(space)?;
        let mut statement =
            Statement::new(if cursor { "DECLARE hits NO SCROLL CURSOR FOR SELECT " } else { "SELECT " });
        let distance = space.distance(&space.query(&mut statement, vector));
        statement.push(&format!(
            "{}, {distance} AS d FROM {} WHERE {}",
            layout.id.output(),
            layout.from,
            space.present()
        ));
        self.conditions(layout, &mut statement)?;
        statement.push(" ORDER BY d LIMIT ").bind(limit_of(limit));
        Ok(statement)
    }

    /// The next `limit` entities by id.
    pub(super) fn by_id(&self, layout: &Layout, after: Option<&EntityId>, limit: usize) -> Result<Statement, String> {
        let mut statement = Statement::new(format!("SELECT {} FROM {} WHERE ", layout.id.output(), layout.from));
        statement.push(&layout.answerable()?);
        self.conditions(layout, &mut statement)?;
        let order = layout.id.ordered();
        if let Some(place) = after.and_then(|after| layout.id.argument(&mut statement, after)) {
            statement.push(&format!(" AND {order} > {place}"));
        }
        statement.push(&format!(" ORDER BY {order} LIMIT ")).bind(limit_of(limit));
        Ok(statement)
    }

    /// Appends what must hold of a row besides having a vector.
    fn conditions(&self, layout: &Layout, statement: &mut Statement) -> Result<(), String> {
        let id = &layout.id;
        if !id.not_null {
            statement.push(&format!(" AND {} IS NOT NULL", id.expression));
        }
        for part in self.search.filter.conjuncts() {
            statement.push(" AND ");
            super::filter::condition(layout, statement, part)?;
        }
        if let Some(within) = &self.search.within {
            statement.push(" AND ");
            if self.search.access == Access::IdsThenFilter {
                id.among_of(statement, within.iter(), self.table_rows);
            } else {
                id.among(statement, within.iter());
            }
        }
        if !self.search.excluded.is_empty() || !self.given.is_empty() {
            statement.push(" AND NOT ");
            let left_out = self.search.excluded.iter().chain(self.given).cloned();
            id.among(statement, left_out);
        }
        Ok(())
    }
}

fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Whether an index can give the hits in about the order asked for.
pub(super) fn can_approximate(layout: &Layout, search: &Search) -> Option<u16> {
    let Ranking::Similarity { space, .. } = search.ranking else { return None };
    let approximate = !search.exact && search.access == Access::RankThenFilter && search.within.is_none();
    let has_index = |space: &Space| space.index.is_some();
    (approximate && layout.space(space).is_ok_and(has_index)).then_some(space)
}

/// The order of hits: score descending, then id.
pub(super) fn in_order(a: &Hit, b: &Hit) -> std::cmp::Ordering {
    b.score.total_cmp(&a.score).then_with(|| a.id.cmp(&b.id))
}
