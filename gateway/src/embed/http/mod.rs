//! Embedders over HTTP: OpenAI-compatible servers and Ollama.
//!
//! The way of a text: `queue` gathers the texts of many callers and sends each once (`slot` is one of them), `blame` finds
//! those that the server rejects, `exchange` repeats what may pass within a `budget`, `client` sends one request, `wire`
//! knows the two protocols, `vectors` says which vectors are accepted. What goes wrong is a `fault`; a server's own
//! `message` is passed on only as far as it gives nothing away. Texts and keys are never logged.

mod blame;
mod budget;
mod client;
mod exchange;
mod fault;
mod message;
mod queue;
mod settings;
mod slot;
mod vectors;
mod wire;

#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

use async_trait::async_trait;
pub use settings::{ApiKey, HttpEmbedderSettings, Protocol, UrlProblem, endpoint};

use self::{
    budget::RetryBudget,
    client::HttpClient,
    exchange::Exchange,
    queue::{Queue, State},
    vectors::Wanted,
    wire::Form,
};
use super::Embedder;
use crate::backend::{BackendError, CallContext, ErrorKind};

/// Why an embedder cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum HttpEmbedderError {
    /// The URL is none that a server can have.
    #[error("url: {0}")]
    Url(#[from] UrlProblem),
    /// A key that no header can hold.
    #[error("the key has characters that cannot be sent")]
    Key,
    /// The system's certificates cannot be read.
    #[error("no certificates to trust were found on this machine: {0}")]
    Certificates(#[source] std::io::Error),
}

/// Vectors from an embedding server.
pub struct HttpEmbedder {
    version: Arc<str>,
    queue: Arc<Queue>,
}

impl HttpEmbedder {
    /// An embedder that has not connected yet.
    ///
    /// # Errors
    /// The URL or the key cannot be used, or there are no certificates for `https`.
    pub fn new(protocol: Protocol, settings: HttpEmbedderSettings) -> Result<Arc<Self>, HttpEmbedderError> {
        let endpoint = endpoint(protocol, &settings.url)?;
        let authorization = match &settings.api_key {
            Some(key) => Some(key.header().ok_or(HttpEmbedderError::Key)?),
            None => None,
        };
        let client = HttpClient::new(endpoint, authorization, settings.timeout, settings.max_in_flight)
            .map_err(HttpEmbedderError::Certificates)?;
        let version = version(protocol, &settings);
        let exchange = Exchange {
            client,
            wanted: Wanted { dimensions: settings.dimensions, normalize: settings.normalize },
            key: settings.api_key,
            budget: RetryBudget::new(Instant::now()),
            form: Form {
                protocol,
                dimensions: settings.send_dimensions.then_some(settings.dimensions),
                model: settings.model,
            },
        };
        let queue = Queue {
            name: protocol.as_str().into(),
            exchange,
            max_batch: settings.max_batch.max(1),
            batch_wait: settings.batch_wait,
            max_in_flight: settings.max_in_flight.max(1),
            state: Mutex::new(State::default()),
        };
        Ok(Arc::new(Self { version, queue: Arc::new(queue) }))
    }
}

/// Whatever the vectors depend on. Not the address: gateways that reach the same model by different ways share vectors.
fn version(protocol: Protocol, settings: &HttpEmbedderSettings) -> Arc<str> {
    let HttpEmbedderSettings { model, model_version, dimensions, send_dimensions, normalize, .. } = settings;
    let model_version = model_version.as_deref().unwrap_or_default();
    let asked = if *send_dimensions { "asked" } else { "own" };
    let length = if *normalize { "unit" } else { "any" };
    // Quoted, so that no two models with their versions read alike.
    format!("{} {model:?} {model_version:?} {dimensions} {asked} {length}", protocol.as_str()).into()
}

#[async_trait]
impl Embedder for HttpEmbedder {
    fn version(&self) -> &Arc<str> {
        &self.version
    }

    fn dimensions(&self) -> usize {
        self.queue.exchange.wanted.dimensions
    }

    async fn embed(&self, ctx: &CallContext, texts: &[Arc<str>]) -> Result<Vec<Option<Arc<[f32]>>>, BackendError> {
        self.queue.embed(ctx, texts).await?.into_iter().collect()
    }

    async fn probe(&self, ctx: &CallContext) -> Result<(), BackendError> {
        let name = &self.queue.name;
        ctx.check(name)?;
        match tokio::time::timeout_at(ctx.deadline.into(), self.queue.exchange.plain_word()).await {
            Ok(outcome) => outcome.map_err(|fault| fault.seen_by_callers(name)),
            Err(_) => Err(BackendError::new(name, ErrorKind::DeadlineExceeded, "the deadline passed")),
        }
    }
}
