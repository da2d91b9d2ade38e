//! Stores behind servers learn about their data once before a gateway calls itself ready.

use std::{future::Future, sync::Arc, time::Duration};

use crate::{
    api::admin::Readiness,
    backend::{BackendError, GraphStore, VectorStore},
    catalog::Catalog,
};

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
            let store: Arc<dyn VectorStore> = collection.entities.clone();
            let what = format!("{name}: entities in backend {}", store.backend());
            learn(what, readiness, move || {
                let store = store.clone();
                async move { store.refresh().await }
            });
        }
        if let Some(graph) = collection.graph.as_ref().filter(|graph| graph.statistics().epoch == 0) {
            let store: Arc<dyn GraphStore> = graph.clone();
            let what = format!("{name}: graph in backend {}", store.backend());
            learn(what, readiness, move || {
                let store = store.clone();
                async move { store.refresh().await }
            });
        }
    }
}

fn learn<F, R>(what: String, readiness: Option<&Arc<Readiness>>, refresh: F)
where
    F: Fn() -> R + Send + 'static,
    R: Future<Output = Result<(), BackendError>> + Send,
{
    let blocker = readiness.map(|readiness| readiness.block(what.clone()));
    tokio::spawn(async move {
        let _blocker = blocker;
        let mut pause = FIRST_PAUSE;
        while let Err(error) = refresh().await {
            tracing::warn!(store = what.as_str(), %error, "not reached yet");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    });
}
