//! The statements of searches.

use super::{ids::IdColumn, layout::Layout, spaces::Space, statement::Statement};
use crate::{
    backend::{Access, Hit, Ranking, Search},
    value::EntityId,
};

/// A share of the table from which on ids are no longer looked up one by one: below a sixth that is faster than reading
/// the table through, above it is not.
const FEW: u64 = 6;

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

    /// Rows in about the order of their distance, as (id, distance); all of them without a `limit`, for a cursor.
    pub(super) fn approximate(
        &self,
        layout: &Layout,
        space: u16,
        vector: &[f32],
        limit: Option<usize>,
    ) -> Result<Statement, String> {
        let space = layout.space(space)?;
        let mut statement = Statement::new(match limit {
            Some(_) => "SELECT ",
            None => "DECLARE hits NO SCROLL CURSOR FOR SELECT ",
        });
        let distance = space.distance(&space.query(&mut statement, vector));
        statement.push(&format!(
            "{}, {distance} AS d FROM {} WHERE {}",
            layout.id.output(),
            layout.from,
            space.present()
        ));
        self.conditions(layout, &mut statement)?;
        statement.push(" ORDER BY d");
        if let Some(limit) = limit {
            statement.push(" LIMIT ").bind(limit_of(limit));
        }
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
            let (array, count) = id.array(statement, within.iter());
            statement.push(" AND ");
            let one_by_one = self.search.access == Access::IdsThenFilter && count as u64 * FEW < self.table_rows;
            if one_by_one {
                // Of a parameter inside a sub-select the server expects few values, and starts from them.
                id.among_array(statement, &array_of_sub_select(id, &array));
            } else {
                id.among_array(statement, &array);
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

/// The array, as the result of a sub-select.
fn array_of_sub_select(id: &IdColumn, array: &str) -> String {
    let type_name = match id.id_type {
        crate::value::IdType::Text => "text[]",
        crate::value::IdType::Integer => "int8[]",
        crate::value::IdType::Uuid => "uuid[]",
    };
    format!("(SELECT {array})::{type_name}")
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
