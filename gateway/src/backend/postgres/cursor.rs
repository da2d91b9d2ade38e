//! The pages of one search.
//!
//! An exact search that is likely to be asked for more fetches more than asked and keeps it: the order of a few thousand
//! more rows costs next to nothing beside their scores, and no connection is held meanwhile. An approximate one holds a
//! cursor of the server, which goes on through the index where it stopped; its connection is parked between pages, and if
//! somebody takes it, the search begins again and leaves out what it gave. Where the index gives no more, an exact search
//! follows: only that can say that there is nothing left.

use std::{collections::VecDeque, sync::Arc};

use async_trait::async_trait;
use sqlx::{Row, postgres::PgRow};

use super::{
    PgEntities,
    layout::Layout,
    search::{Rows, can_approximate, in_order},
    session::{AnnParameters, ParkedSession, Session},
    spaces::{AnnIndex, score},
};
use crate::{
    backend::{Access, BackendError, CallContext, Hit, Page, RankedCursor, Ranking, Search},
    catalog::Metric,
    value::EntityId,
};

/// So many times what was asked for is fetched by an exact search that is likely to be asked for more.
pub(super) const AHEAD: usize = 8;

/// Most rows fetched ahead.
const MOST_AHEAD: usize = 16_384;

/// The server's cursor goes so many times as far as the first page.
const STRETCH: usize = 4;

pub(super) struct PgCursor {
    store: Arc<PgEntities>,
    search: Search,
    /// Everything given so far.
    given: Vec<EntityId>,
    /// The last in order of all hits that came from an index: what an exact search would have given may be missing before it.
    last_approximate: Option<Hit>,
    state: State,
}

enum State {
    /// By id, after this one.
    ById { after: Option<EntityId> },
    /// In exact order: what was fetched and not given, and whether that is all.
    Exact { kept: VecDeque<Hit>, complete: bool },
    /// In about the right order.
    Approximate { space: u16, open: Open },
    /// Nothing is left.
    Exhausted,
    /// A page was given up half-way.
    GivenUp,
}

/// The server's cursor, and how many rows it has left at most.
enum Open {
    Not,
    Held(Box<Session>, usize),
    Parked(Box<ParkedSession>, usize),
}

impl PgCursor {
    pub(super) fn new(store: Arc<PgEntities>, layout: &Layout, search: Search) -> Self {
        let state = match (&search.ranking, can_approximate(layout, &search)) {
            // All scores are 0, and a threshold only says something of similarities.
            (Ranking::ById, _) if search.threshold.is_some_and(|threshold| threshold > 0.0) => State::Exhausted,
            (Ranking::ById, _) => State::ById { after: None },
            (Ranking::Similarity { .. }, None) => State::Exact { kept: VecDeque::new(), complete: false },
            (Ranking::Similarity { .. }, Some(space)) => State::Approximate { space, open: Open::Not },
        };
        Self { store, search, given: Vec::new(), last_approximate: None, state }
    }

    fn vector(&self) -> (u16, &[f32]) {
        match &self.search.ranking {
            Ranking::Similarity { space, vector } => (*space, vector),
            Ranking::ById => (0, &[]),
        }
    }

    fn rows(&self) -> Rows<'_> {
        Rows { search: &self.search, given: &self.given, table_rows: self.store.expected_rows() }
    }

    async fn page_by_id(
        &mut self,
        ctx: &CallContext,
        n: usize,
        after: Option<EntityId>,
    ) -> Result<(Page, State), BackendError> {
        let (layout, rows) =
            self.store.rows(ctx, "by-id", n, |layout| self.rows().by_id(layout, after.as_ref(), n)).await?;
        let ids = rows.iter().map(|row| layout.id.decode(row, 0));
        let ids: Vec<EntityId> = ids.collect::<Result<_, _>>().map_err(|problem| self.store.failed(problem))?;
        let exhausted = ids.len() < n;
        let after = ids.last().cloned().or(after);
        let hits: Vec<Hit> = ids.into_iter().map(|id| Hit { id, score: 0.0 }).collect();
        let page = Page { examined: hits.len() as u64, hits, exhausted, exact: true };
        Ok((page, if exhausted { State::Exhausted } else { State::ById { after } }))
    }

    /// The next hits in exact order.
    async fn page_exact(
        &mut self,
        ctx: &CallContext,
        n: usize,
        mut kept: VecDeque<Hit>,
        mut complete: bool,
    ) -> Result<(Page, State), BackendError> {
        let mut examined = 0;
        if kept.len() < n && !complete {
            // What is kept was not given yet, and comes again.
            let so_far = self.given.len();
            let ahead = self.search.widens || so_far > 0;
            let wanted = if ahead { n.max(n.max(so_far).saturating_mul(AHEAD).min(MOST_AHEAD)) } else { n };
            let (space, vector) = self.vector();
            let (layout, rows) = self
                .store
                .rows(ctx, kind_of(&self.search), self.size(), |layout| {
                    self.rows().exact(layout, space, vector, wanted)
                })
                .await?;
            kept.clear();
            complete = rows.len() < wanted;
            for row in &rows {
                let key: Option<f64> = row.try_get(1).map_err(|_| self.store.failed("a score is not a number"))?;
                // The order is exact: what follows a row without a score, or with too low a one, is no better.
                match score(key) {
                    Some(score) if self.search.threshold.is_none_or(|least| score >= least) => {
                        let id = layout.id.decode(row, 0).map_err(|problem| self.store.failed(problem))?;
                        kept.push_back(Hit { id, score });
                    }
                    _ => {
                        complete = true;
                        break;
                    }
                }
            }
            examined = match &self.search.within {
                Some(within) if self.search.access == Access::IdsThenFilter => within.len() as u64,
                _ => rows.len() as u64,
            };
        }
        let hits: Vec<Hit> = kept.drain(..n.min(kept.len())).collect();
        self.given.extend(hits.iter().map(|hit| hit.id.clone()));
        let exhausted = complete && kept.is_empty();
        // Before a hit of an index there may be others that the index did not find.
        let exact = exhausted
            || match (&self.last_approximate, hits.last()) {
                (None, _) => true,
                (Some(approximate), Some(last)) => in_order(approximate, last).is_lt(),
                (Some(_), None) => false,
            };
        let page = Page { hits, exhausted, exact, examined };
        Ok((page, if exhausted { State::Exhausted } else { State::Exact { kept, complete } }))
    }

    /// The next hits that the index gives; if it gives no more, exact ones after them.
    async fn page_approximate(
        &mut self,
        ctx: &CallContext,
        n: usize,
        space: u16,
        open: Open,
    ) -> Result<(Page, State), BackendError> {
        let (layout, rows, open) = if self.search.widens {
            self.fetch(ctx, n, space, open).await?
        } else {
            let (layout, rows) = self.first_rows(ctx, n, space).await?;
            (layout, rows, Open::Not)
        };
        let metric = layout.space(space).map_err(|problem| self.store.failed(problem))?.metric;
        let mut hits = Vec::with_capacity(rows.len());
        for row in &rows {
            let distance: Option<f64> = row.try_get(1).map_err(|_| self.store.failed("a distance is not a number"))?;
            let key = distance.map(|distance| if metric == Metric::Cosine { distance - 1.0 } else { distance });
            if let Some(score) = score(key).filter(|score| self.search.threshold.is_none_or(|least| *score >= least)) {
                hits.push(Hit { id: layout.id.decode(row, 0).map_err(|problem| self.store.failed(problem))?, score });
            }
        }
        hits.sort_by(in_order);
        self.given.extend(hits.iter().map(|hit| hit.id.clone()));
        if let Some(last) = hits.last()
            && self.last_approximate.as_ref().is_none_or(|before| in_order(before, last).is_lt())
        {
            self.last_approximate = Some(last.clone());
        }
        let examined = rows.len() as u64;
        if hits.len() == n {
            return Ok((Page { hits, exhausted: false, exact: false, examined }, State::Approximate { space, open }));
        }
        // The index gave what it had, or came to its limits.
        drop(open);
        let (mut page, state) = self.page_exact(ctx, n - hits.len(), VecDeque::new(), false).await?;
        page.hits.extend(hits);
        page.hits.sort_by(in_order);
        page.examined += examined;
        Ok((page, state))
    }

    /// Rows of the index in one statement.
    async fn first_rows(
        &self,
        ctx: &CallContext,
        n: usize,
        space: u16,
    ) -> Result<(Arc<Layout>, Vec<PgRow>), BackendError> {
        let mut layout = self.store.layout(ctx).await?;
        let mut retried = false;
        loop {
            let (_, vector) = self.vector();
            let statement = self
                .rows()
                .approximate(&layout, space, vector, n, false)
                .map_err(|problem| self.store.failed(problem))?;
            let mut session = self.store.server().session(ctx, "approximate", n).await?;
            let ran = async {
                session.set_ann(ctx, parameters(&layout, space, n.max(self.least()))).await?;
                session.rows(ctx, &statement).await
            };
            match ran.await {
                Ok(rows) => return Ok((layout, rows)),
                Err(error) if error.schema_changed && !retried => {
                    drop(session);
                    retried = true;
                    layout = self.store.read_layout(ctx).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Rows of the server's cursor, which is opened if it is not open.
    async fn fetch(
        &self,
        ctx: &CallContext,
        n: usize,
        space: u16,
        open: Open,
    ) -> Result<(Arc<Layout>, Vec<PgRow>, Open), BackendError> {
        let layout = self.store.layout(ctx).await?;
        let held = match open {
            Open::Held(session, left) => Some((session, left)),
            Open::Parked(parked, left) => parked.resume().map(|session| (Box::new(session), left)),
            Open::Not => None,
        };
        let (mut session, left) = match held {
            Some((session, left)) if left >= n => (session, left),
            held => {
                // Rolled back, if it was open.
                drop(held);
                let limit = n.max(self.search.expected).max(self.given.len()).saturating_mul(STRETCH);
                (Box::new(self.open(ctx, &layout, space, n, limit).await?), limit)
            }
        };
        let rows = session.simple(ctx, &format!("FETCH {n} FROM hits")).await?;
        let left = left.saturating_sub(rows.len());
        Ok((layout, rows, Open::Held(session, left)))
    }

    /// Opens the server's cursor. It ends after `limit` rows: that tells the server how far it will have to go, and so
    /// whether the index or the filter is the shorter way.
    async fn open(
        &self,
        ctx: &CallContext,
        layout: &Layout,
        space: u16,
        n: usize,
        limit: usize,
    ) -> Result<Session, BackendError> {
        let (_, vector) = self.vector();
        let declare = self.rows().approximate(layout, space, vector, limit, true);
        let declare = declare.map_err(|problem| self.store.failed(problem))?;
        let mut session = self.store.server().session(ctx, "cursor", n).await?;
        let expected = self.search.expected.max(n).max(self.least());
        session.set_ann(ctx, parameters(layout, space, expected)).await?;
        // By default the server expects that a tenth of the rows are fetched, and makes a start that is too slow to go on.
        let share = 1.0 / STRETCH as f64;
        session.begin(ctx, &format!("SET LOCAL cursor_tuple_fraction = {share}")).await?;
        if let Err(error) = session.rows(ctx, &declare).await {
            if error.schema_changed {
                self.store.forget_layout();
            }
            return Err(error.into());
        }
        Ok(session)
    }

    /// Fewest hits that the index is asked for. Under a filter few of the first candidates pass, and more of them make it
    /// likelier that these are the best (60,000 rows, 5 % pass, the first ten: recall 0.96 of 100 candidates, 0.97 of 250 in
    /// less time).
    fn least(&self) -> usize {
        if self.search.filter.conjuncts().is_empty() { 1 } else { 250 }
    }

    /// What the time of an exact search grows with.
    fn size(&self) -> usize {
        match &self.search.within {
            Some(within) => within.len(),
            None => self.store.expected_rows() as usize,
        }
    }
}

fn kind_of(search: &Search) -> &'static str {
    match (&search.within, search.filter.conjuncts().is_empty()) {
        (Some(_), _) => "exact-within",
        (None, true) => "exact",
        (None, false) => "exact-filtered",
    }
}

/// The parameters of an approximate search that is likely to give so many hits. In few steps, so that connections seldom
/// need other ones than they have.
pub(super) fn parameters(layout: &Layout, space: u16, expected: usize) -> AnnParameters {
    const STEPS: [u32; 7] = [100, 160, 250, 400, 600, 800, 1_000];
    let ef_search = STEPS.into_iter().find(|step| *step as usize >= expected).unwrap_or(1_000);
    let probes = match layout.space(space).ok().and_then(|space| space.index) {
        Some(AnnIndex::IvfFlat { lists }) => (f64::from(lists).sqrt().ceil() as u32).max(1),
        _ => 1,
    };
    AnnParameters { ef_search, probes }
}

#[async_trait]
impl RankedCursor for PgCursor {
    async fn next(&mut self, ctx: &CallContext, n: usize) -> Result<Page, BackendError> {
        if n == 0 {
            return Ok(Page { exact: true, exhausted: matches!(self.state, State::Exhausted), ..Page::default() });
        }
        let (page, state) = match std::mem::replace(&mut self.state, State::GivenUp) {
            State::GivenUp => return Err(self.store.failed("an earlier page was given up")),
            State::Exhausted => (Page { exhausted: true, exact: true, ..Page::default() }, State::Exhausted),
            State::ById { after } => self.page_by_id(ctx, n, after).await?,
            State::Approximate { space, open } => self.page_approximate(ctx, n, space, open).await?,
            State::Exact { kept, complete } => self.page_exact(ctx, n, kept, complete).await?,
        };
        self.state = state;
        Ok(page)
    }

    async fn release(&mut self) {
        if let State::Approximate { open, .. } = &mut self.state
            && let Open::Held(session, left) = std::mem::replace(open, Open::Not)
        {
            *open = Open::Parked(Box::new(session.park()), left);
        }
    }
}
