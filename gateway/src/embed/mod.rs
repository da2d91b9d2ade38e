//! Embedders: text to vector. One trait; the small offline student of the demo, and servers over HTTP.

pub mod http;
mod student;

use std::sync::Arc;

use async_trait::async_trait;
pub use http::{HttpEmbedder, HttpEmbedderError, HttpEmbedderSettings};
pub use student::{StudentEmbedder, StudentError};

use crate::backend::{BackendError, CallContext};

/// Turns texts into vectors.
#[async_trait]
pub trait Embedder: Send + Sync + 'static {
    /// The version of the model: part of every cache key that depends on a text.
    fn version(&self) -> &Arc<str>;

    /// Components of each vector.
    fn dimensions(&self) -> usize;

    /// One vector a text, in order; `None` for a text that has no embedding.
    async fn embed(&self, ctx: &CallContext, texts: &[Arc<str>]) -> Result<Vec<Option<Arc<[f32]>>>, BackendError>;

    /// Whether it answers as it should, with vectors of [`dimensions`](Self::dimensions) components.
    async fn probe(&self, ctx: &CallContext) -> Result<(), BackendError> {
        let _ = ctx;
        Ok(())
    }
}
