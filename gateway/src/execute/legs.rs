//! Legs that several queries of one batch may share: each distinct leg runs once, whoever asks first runs it.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::OnceCell;

use crate::{
    backend::{Access, BackendError, CallContext, Hit, RankedCursor, Reach, Search, VectorStore},
    cache::Digest,
    execute::Trace,
    query::Filter,
};

/// The legs of one request, or of all requests of one batch.
#[derive(Default)]
pub struct LegMemo {
    reaches: Cells<Digest, Timed<Arc<Reach>>>,
    embeddings: Cells<Digest, Timed<Arc<[f32]>>>,
    ranked: Mutex<HashMap<RankedKey, Arc<RankedLeg>>>,
    began: Option<Began>,
}

/// What a leg gave, and what it took by itself: what it would take to make it again.
#[derive(Debug, Clone)]
pub struct Timed<T> {
    /// It.
    pub made: T,
    /// Time in the calls that it was made by.
    pub took: Duration,
}

/// When a batch began. Its legs may have been read any time since, by any of its queries.
#[derive(Debug, Clone, Copy)]
pub struct Began {
    /// When.
    pub at: Instant,
    /// [`Epochs::moves`](crate::cache::Epochs::moves) then.
    pub moves: u64,
}

/// What tells vector legs apart: the query vector, the filter, how they are applied, and whether the search is exact.
type RankedKey = (Digest, Filter, Access, bool);

type Cells<K, V> = Mutex<HashMap<K, Arc<OnceCell<V>>>>;

fn cell<K: Hash + Eq, V>(cells: &Cells<K, V>, key: K) -> Arc<OnceCell<V>> {
    cells.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone()
}

impl LegMemo {
    /// The legs of a batch.
    pub fn of_batch(began: Began) -> Self {
        Self { began: Some(began), ..Self::default() }
    }

    /// When the batch began, if these are the legs of one.
    pub fn began(&self) -> Option<Began> {
        self.began
    }

    /// The place of a graph leg. A failed run leaves it empty for the next one to try.
    pub(super) fn reach(&self, key: Digest) -> Arc<OnceCell<Timed<Arc<Reach>>>> {
        cell(&self.reaches, key)
    }

    /// The place of a text's vector.
    pub fn embedding(&self, key: Digest) -> Arc<OnceCell<Timed<Arc<[f32]>>>> {
        cell(&self.embeddings, key)
    }

    /// The vector leg of a query vector under a filter.
    pub(super) fn ranked(&self, key: Digest, search: Search) -> Arc<RankedLeg> {
        let place = (key, search.filter.clone(), search.access, search.exact);
        let mut ranked = self.ranked.lock().unwrap_or_else(PoisonError::into_inner);
        ranked.entry(place).or_insert_with(|| Arc::new(RankedLeg::new(search))).clone()
    }
}

/// A ranked search and what it has given so far. It can be asked for more, by several queries, without paying twice.
pub(super) struct RankedLeg {
    search: Search,
    state: tokio::sync::Mutex<LegState>,
}

#[derive(Default)]
struct LegState {
    cursor: Option<Box<dyn RankedCursor>>,
    hits: Vec<Hit>,
    exhausted: bool,
    approximate: bool,
    examined: u64,
    calls: u32,
    took: Duration,
}

/// What a leg has, as far as it was asked for.
#[derive(Debug, Clone)]
pub(super) struct Prefix {
    /// Hits from where it was asked on.
    pub hits: Vec<Hit>,
    /// Nothing comes after them.
    pub exhausted: bool,
    /// Nothing is missing down to the last of all hits so far.
    pub exact: bool,
    /// Rows looked at by the leg so far.
    pub examined: u64,
    /// Calls made by the leg so far.
    pub calls: u32,
    /// Time in them.
    pub took: Duration,
}

impl RankedLeg {
    pub(super) fn new(search: Search) -> Self {
        Self { search, state: tokio::sync::Mutex::default() }
    }

    pub(super) fn access(&self) -> Access {
        self.search.access
    }

    /// Hits `from..to`, fewer if there are no more.
    pub(super) async fn take(
        &self,
        store: &Arc<dyn VectorStore>,
        ctx: &CallContext,
        trace: &Trace,
        from: usize,
        to: usize,
    ) -> Result<Prefix, BackendError> {
        let mut state = self.state.lock().await;
        while state.hits.len() < to && !state.exhausted {
            let begun = Instant::now();
            let mut cursor = match state.cursor.take() {
                Some(cursor) => cursor,
                None => {
                    // A caller that failed or left in the middle took the cursor along; a new one begins at the beginning.
                    state.hits.clear();
                    trace.vector_call();
                    state.calls += 1;
                    store.search(ctx, self.search.clone()).await?
                }
            };
            if !state.hits.is_empty() {
                trace.vector_call();
                state.calls += 1;
            }
            let page = cursor.next(ctx, to - state.hits.len()).await?;
            cursor.release().await;
            state.took += begun.elapsed();
            state.exhausted = page.exhausted || page.hits.is_empty();
            state.examined += page.examined;
            // A page speaks for all before it: an exact search may take over from one that was not.
            state.approximate = !page.exact;
            state.hits.extend(page.hits);
            state.cursor = Some(cursor);
        }
        let end = to.min(state.hits.len());
        Ok(Prefix {
            hits: state.hits[from.min(end)..end].to_vec(),
            exhausted: state.exhausted && end == state.hits.len(),
            exact: !state.approximate,
            examined: state.examined,
            calls: state.calls,
            took: state.took,
        })
    }

    /// Everything that the leg has given so far, in order.
    pub(super) async fn so_far(&self) -> Prefix {
        let state = self.state.lock().await;
        let mut hits = state.hits.clone();
        hits.sort_by(Hit::order);
        let (exhausted, exact) = (state.exhausted, !state.approximate);
        Prefix { hits, exhausted, exact, examined: state.examined, calls: state.calls, took: state.took }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{Ranking, embedded::testing};

    #[tokio::test]
    async fn a_leg_whose_caller_left_in_the_middle_goes_on_without_repeating_itself() {
        let store: Arc<dyn VectorStore> = testing::store(7, testing::Size { rows: 60, edges: 0 });
        let search = Search {
            ranking: Ranking::ById,
            filter: Filter::Everything,
            within: None,
            access: Access::FilterThenRank,
            threshold: None,
            excluded: Vec::new(),
            exact: true,
            expected: 4,
            widens: false,
        };
        let (whole, leg, trace) = (RankedLeg::new(search.clone()), RankedLeg::new(search), Trace::default());
        let ctx = testing::context();
        let expected = whole.take(&store, &ctx, &trace, 0, 8).await.unwrap().hits;
        assert_eq!(expected.len(), 8);
        assert_eq!(leg.take(&store, &ctx, &trace, 0, 4).await.unwrap().hits, expected[..4]);
        // What is left when a call is dropped while it waits for its page.
        leg.state.lock().await.cursor = None;
        assert_eq!(leg.take(&store, &ctx, &trace, 4, 8).await.unwrap().hits, expected[4..]);
        assert_eq!(leg.so_far().await.hits, expected);
    }
}
