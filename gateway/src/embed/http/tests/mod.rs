//! The embedder against a real HTTP server in this process that plays both protocols and every fault.

mod batches;
#[cfg(feature = "demo-data")]
mod gateway;
#[cfg(feature = "demo-data")]
mod real;
mod replies;
mod retries;
mod server;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use self::server::{DIMENSIONS, Server};
use super::{HttpEmbedder, HttpEmbedderSettings, Protocol};
use crate::{
    backend::{BackendError, CallContext},
    embed::Embedder,
    query::Priority,
};

/// Longer than anything that a test waits for.
const LONG: Duration = Duration::from_secs(60);

fn settings(url: &str) -> HttpEmbedderSettings {
    HttpEmbedderSettings {
        url: url.into(),
        model: "test".into(),
        model_version: None,
        dimensions: DIMENSIONS,
        send_dimensions: false,
        api_key: None,
        normalize: false,
        max_batch: 16,
        batch_wait: Duration::ZERO,
        timeout: LONG,
        max_in_flight: 4,
    }
}

fn openai(settings: HttpEmbedderSettings) -> Arc<HttpEmbedder> {
    HttpEmbedder::new(Protocol::OpenAi, settings).expect("sound settings")
}

/// A call that has this long.
fn within(time: Duration) -> CallContext {
    CallContext {
        priority: Priority::Normal.into(),
        tenant: None,
        deadline: Instant::now() + time,
        cancelled: CancellationToken::new(),
        request_id: "test".into(),
    }
}

/// The vectors of texts, for a caller with much time.
async fn embed(embedder: &HttpEmbedder, texts: &[&str]) -> Result<Vec<Option<Vec<f32>>>, BackendError> {
    embed_for(embedder, &within(LONG), texts).await
}

async fn embed_for(
    embedder: &HttpEmbedder,
    ctx: &CallContext,
    texts: &[&str],
) -> Result<Vec<Option<Vec<f32>>>, BackendError> {
    let texts: Vec<Arc<str>> = texts.iter().map(|text| Arc::from(*text)).collect();
    let vectors = embedder.embed(ctx, &texts).await?;
    Ok(vectors.into_iter().map(|vector| vector.map(|vector| vector.to_vec())).collect())
}
