//! Searches: which rows are candidates, and their pages.

use std::{borrow::Cow, sync::Arc};

use async_trait::async_trait;
use roaring::RoaringBitmap;

use super::{
    Dataset,
    bits::from_ascending,
    predicate::Predicate,
    ranked::Ranked,
    space::SpaceQuery,
    watch::{Watch, run},
};
use crate::backend::{Access, BackendError, CallContext, ErrorKind, Hit, Page, RankedCursor, VectorCosts};

/// A search whose names are resolved and which has not looked at a row yet.
pub(super) struct Prepared {
    /// `None` for a ranking by id.
    pub(super) query: Option<(u16, SpaceQuery)>,
    pub(super) predicate: Predicate,
    pub(super) within: Option<Arc<RoaringBitmap>>,
    pub(super) access: Access,
    pub(super) threshold: Option<f64>,
    /// Sorted.
    pub(super) excluded: Vec<u32>,
}

/// The pages of one search. Nothing is looked at before the first page is asked for.
pub(super) struct EmbeddedCursor {
    backend: Arc<str>,
    data: Arc<Dataset>,
    costs: VectorCosts,
    /// `None` once a page was given up half-way.
    state: Option<State>,
}

enum State {
    Prepared(Box<Prepared>),
    ById { rows: RoaringBitmap, next: u32, sieve: Sieve, examined: u64 },
    Ranked { space: u16, ranked: Box<Ranked>, sieve: Sieve, examined: u64 },
    Exhausted,
}

/// What is tested on rows that come by.
struct Sieve {
    predicate: Option<Predicate>,
    excluded: Vec<u32>,
}

impl Sieve {
    fn passes(&self, data: &Dataset, row: u32) -> bool {
        self.excluded.binary_search(&row).is_err() && self.predicate.as_ref().is_none_or(|p| p.test(data, row))
    }
}

impl EmbeddedCursor {
    pub(super) fn new(backend: &Arc<str>, data: &Arc<Dataset>, costs: VectorCosts, prepared: Prepared) -> Self {
        let state = Some(State::Prepared(Box::new(prepared)));
        Self { backend: backend.clone(), data: data.clone(), costs, state }
    }
}

#[async_trait]
impl RankedCursor for EmbeddedCursor {
    async fn next(&mut self, ctx: &CallContext, n: usize) -> Result<Page, BackendError> {
        let Some(state) = self.state.take() else {
            return Err(BackendError::new(&self.backend, ErrorKind::Failed, "an earlier page was given up"));
        };
        let expected_ns = state.expected_ns(&self.data, &self.costs, n);
        let (data, backend) = (self.data.clone(), self.backend.clone());
        let (state, page) = run(ctx, &self.backend, expected_ns, move |ctx| {
            let mut watch = Watch::new(ctx, &backend);
            let mut state = state.open(&data, &mut watch)?;
            let page = state.page(&data, n, &mut watch)?;
            Ok((state, page))
        })
        .await?;
        self.state = Some(state);
        Ok(page)
    }
}

impl State {
    /// Looks at the candidates, if nobody has yet.
    fn open(self, data: &Dataset, watch: &mut Watch<'_>) -> Result<Self, BackendError> {
        let Self::Prepared(prepared) = self else { return Ok(self) };
        let Prepared { query, predicate, within, access, threshold, excluded } = *prepared;
        let base = query.as_ref().map_or(data.answerable(), |(space, _)| data.usable(*space));
        let (rows, predicate, mut examined) = candidates(data, base, within.as_deref(), access, predicate, watch)?;
        let sieve = Sieve { predicate, excluded };
        let Some((space, query)) = query else {
            // A threshold only says something of similarities; all scores are 0 here.
            if threshold.is_some_and(|threshold| threshold > 0.0) {
                return Ok(Self::Exhausted);
            }
            let rows = rows.unwrap_or(Cow::Borrowed(base)).into_owned();
            return Ok(Self::ById { rows, next: 0, sieve, examined });
        };
        let (ranked, scored) =
            Ranked::scan(&data.spaces()[usize::from(space)], query, rows.as_deref(), threshold, watch)?;
        if access != Access::IdsThenFilter {
            examined += scored;
        }
        Ok(Self::Ranked { space, ranked: Box::new(ranked), sieve, examined })
    }

    fn page(&mut self, data: &Dataset, n: usize, watch: &mut Watch<'_>) -> Result<Page, BackendError> {
        let mut page = Page { hits: Vec::with_capacity(n.min(1_024)), exact: true, ..Page::default() };
        let hit = |row: u32, score| Hit { id: data.id(row).clone(), score };
        match self {
            Self::Prepared(_) => unreachable!("opened before"),
            Self::Exhausted => page.exhausted = true,
            Self::ById { rows, next, sieve, examined } => {
                page.examined = std::mem::take(examined);
                let mut left = rows.range(*next..);
                while page.hits.len() < n {
                    let Some(row) = left.next() else { break };
                    watch.spend(1)?;
                    page.examined += 1;
                    *next = row + 1;
                    if sieve.passes(data, row) {
                        page.hits.push(hit(row, 0.0));
                    }
                }
                page.exhausted = left.next().is_none();
            }
            Self::Ranked { space, ranked, sieve, examined } => {
                let space = &data.spaces()[usize::from(*space)];
                let refined = ranked.refined;
                while page.hits.len() < n {
                    let expected = n - page.hits.len();
                    match ranked.next(space, expected, watch, |row| sieve.passes(data, row))? {
                        Some((row, score)) => page.hits.push(hit(row, score)),
                        None => break,
                    }
                }
                // Rows of the scan were counted as such; a later page looks at some of them again.
                let scanned = std::mem::take(examined);
                page.examined = if scanned > 0 { scanned } else { ranked.refined - refined };
                page.exhausted = ranked.is_exhausted();
            }
        }
        if page.exhausted {
            *self = Self::Exhausted;
        }
        Ok(page)
    }

    /// About how long the next page takes.
    fn expected_ns(&self, data: &Dataset, costs: &VectorCosts, n: usize) -> f64 {
        match self {
            Self::Exhausted => 0.0,
            Self::Prepared(prepared) => {
                let predicate = &prepared.predicate;
                let within = prepared.within.as_ref().map_or(u64::from(data.rows()), |within| within.len());
                let (rows, before) = match prepared.access {
                    Access::RankThenFilter => (within, 0.0),
                    Access::FilterThenRank => {
                        (within.min(predicate.at_most(data)), predicate.work(data) as f64 * costs.index_ns)
                    }
                    Access::IdsThenFilter => (within, within as f64 * (costs.id_ns + costs.test_ns)),
                };
                let row_ns = prepared.query.as_ref().map_or(costs.test_ns, |(space, _)| {
                    let dimensions = data.spaces()[usize::from(*space)].dimensions();
                    costs.score_ns * dimensions as f64 / 64.0 + costs.order_ns + costs.test_ns
                });
                before + rows as f64 * row_ns
            }
            Self::ById { rows, sieve, .. } => {
                let rows = if sieve.predicate.is_some() { rows.len() as f64 } else { n as f64 };
                rows * costs.test_ns
            }
            Self::Ranked { ranked, sieve, .. } => {
                let tested = if sieve.predicate.is_some() { costs.test_ns } else { 0.0 };
                ranked.waiting() as f64 * (costs.order_ns + tested) + n as f64 * 1_000.0
            }
        }
    }
}

type Candidates<'a> = (Option<Cow<'a, RoaringBitmap>>, Option<Predicate>, u64);

/// The rows to rank (`None`: all of `base`), what is still to be tested on them, and the number of rows tested already.
fn candidates<'a>(
    data: &'a Dataset,
    base: &RoaringBitmap,
    within: Option<&RoaringBitmap>,
    access: Access,
    predicate: Predicate,
    watch: &mut Watch<'_>,
) -> Result<Candidates<'a>, BackendError> {
    let inside = || within.map(|within| Cow::Owned(within & base));
    if predicate.is_everything() && access != Access::IdsThenFilter {
        return Ok((inside(), None, 0));
    }
    match access {
        Access::RankThenFilter => Ok((inside(), Some(predicate), 0)),
        Access::FilterThenRank => {
            let mut rows = predicate.rows(data);
            if !rows.is_subset(base) {
                *rows.to_mut() &= base;
            }
            if let Some(within) = within {
                *rows.to_mut() &= within;
            }
            Ok((Some(rows), None, 0))
        }
        Access::IdsThenFilter => {
            let ids = within.unwrap_or(base);
            let mut passing = Vec::new();
            for row in ids {
                watch.spend(1)?;
                if base.contains(row) && predicate.test(data, row) {
                    passing.push(row);
                }
            }
            Ok((Some(Cow::Owned(from_ascending(passing))), None, ids.len()))
        }
    }
}

#[cfg(test)]
mod tests;
