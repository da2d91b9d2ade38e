//! Stores behind servers learn about their data once before a gateway calls itself ready.

use std::{future::Future, sync::Arc, time::Duration};

use crate::{api::admin::Readiness, backend::BackendError, catalog::Catalog};

/// Time between the first two attempts; doubled after each.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Longest time between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Lets every store that has not learnt yet do so, in the background, again and again until its server answers. Each
/// stands in the way of `readiness` meanwhile. Queries are answered as soon as the servers answer.
pub fn warm_up(catalog: &Catalog, readiness: Option<&Arc<Readiness>>) {
    for collection in catalog.iter() {
        let name = &collection.schema.name;
        if collection.entities.statistics().epoch == 0 {
            let store = Arc::downgrade(&collection.entities);
            let what = format!("{name}: entities in backend {}", collection.entities.backend());
            learn(what, readiness, move || {
                let store = store.upgrade();
                async move { Some(store?.refresh().await) }
            });
        }
        if let Some(graph) = collection.graph.as_ref().filter(|graph| graph.statistics().epoch == 0) {
            let store = Arc::downgrade(graph);
            let what = format!("{name}: graph in backend {}", graph.backend());
            learn(what, readiness, move || {
                let store = store.upgrade();
                async move { Some(store?.refresh().await) }
            });
        }
    }
}

fn learn<F, R>(what: String, readiness: Option<&Arc<Readiness>>, refresh: F)
where
    F: Fn() -> R + Send + 'static,
    R: Future<Output = Option<Result<(), BackendError>>> + Send,
{
    let blocker = readiness.map(|readiness| readiness.block(what.clone()));
    tokio::spawn(async move {
        let _blocker = blocker;
        let mut pause = FIRST_PAUSE;
        // Nothing is learnt any more by a store that nobody has: its catalog was replaced meanwhile.
        while let Some(Err(error)) = refresh().await {
            tracing::warn!(store = what.as_str(), %error, "not reached yet");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    });
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;
    use crate::backend::ErrorKind;

    #[tokio::test]
    async fn a_store_whose_server_does_not_answer_is_let_go_with_its_catalog() {
        let (store, readiness) = (Arc::new(AtomicUsize::new(0)), Arc::new(Readiness::default()));
        let known = Arc::downgrade(&store);
        learn("a store".into(), Some(&readiness), move || {
            let store = known.upgrade();
            async move {
                store?.fetch_add(1, SeqCst);
                Some(Err(BackendError::new(&"pg".into(), ErrorKind::Unavailable, "nobody answers")))
            }
        });
        let in_time = tokio::time::timeout(Duration::from_secs(30), async {
            while store.load(SeqCst) < 2 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert_eq!(readiness.blockers().len(), 1);
            drop(store);
            while !readiness.blockers().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        in_time.await.expect("it tries again, and stops when the store is gone");
    }
}
