//! Models that gateways share: a file a model in the object store of tier 3, and the name of the one that is to predict.
//!
//! | name | holds |
//! |---|---|
//! | `models/<id>.forebay-model` | a model file, by its name |
//! | `models/current` | the name of the one that is to predict, or `analytic` |
//!
//! A gateway that gets a model from an operator puts it in place and leaves it here; the others find it when they look. Each
//! judges it by its own runs and may refuse it.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use object_store::{Error, ObjectStore, ObjectStoreExt as _, path::Path};
use planner_model::{EXTENSION, MAX_BYTES};

use super::{ANALYTIC, Models, Origin, Trained};
use crate::planner::Experience;

/// Longest name of a model.
const LONGEST_NAME: u64 = 64;

/// Why the store is of no use.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It cannot be asked.
    #[error("the object store: {0}")]
    Store(#[from] Error),
    /// What is written there is no name.
    #[error("models/current does not hold the name of a model")]
    Name,
    /// The file is too large.
    #[error("{0} is larger than any model")]
    TooLarge(Path),
}

/// The models of an object store.
pub struct ModelSource {
    store: Arc<dyn ObjectStore>,
    /// The name that was found or left last, whatever came of it: a refused model is not judged again and again.
    seen: Mutex<Option<String>>,
}

fn current() -> Path {
    Path::from("models/current")
}

fn file(id: &str) -> Path {
    Path::from(format!("models/{id}.{EXTENSION}"))
}

impl ModelSource {
    /// The models in this store.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, seen: Mutex::default() }
    }

    /// Leaves a model for the others, or that there is none.
    ///
    /// # Errors
    /// The store cannot be written to.
    pub async fn publish(&self, model: Option<(&Trained, Bytes)>) -> Result<(), SourceError> {
        let name = model.as_ref().map_or_else(|| ANALYTIC.to_owned(), |(trained, _)| trained.model().id());
        if let Some((_, bytes)) = model {
            self.store.put(&file(&name), bytes.into()).await?;
        }
        self.store.put(&current(), Bytes::from(name.clone()).into()).await?;
        self.saw(name);
        Ok(())
    }

    /// Puts in place what another gateway left, if it is new. Says whether anything was there to judge.
    ///
    /// # Errors
    /// The store cannot be asked, or what it holds is off.
    pub async fn look(&self, models: &Arc<Models>, experience: &Arc<Experience>) -> Result<bool, SourceError> {
        let name = match self.store.get(&current()).await {
            Ok(object) if object.meta.size > LONGEST_NAME => return Err(SourceError::Name),
            Ok(object) => object.bytes().await?,
            Err(Error::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let name = std::str::from_utf8(&name).map_err(|_| SourceError::Name)?.trim().to_owned();
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if !is_name {
            return Err(SourceError::Name);
        }
        if self.seen.lock().unwrap_or_else(PoisonError::into_inner).as_ref() == Some(&name) {
            return Ok(false);
        }
        if name == ANALYTIC {
            models.withdraw(Origin::Shared, experience);
            self.saw(name);
            return Ok(true);
        }
        if models.current_trained().is_some_and(|trained| trained.model().id() == name) {
            self.saw(name);
            return Ok(false);
        }
        let object = self.store.get(&file(&name)).await?;
        if object.meta.size > MAX_BYTES as u64 {
            return Err(SourceError::TooLarge(file(&name)));
        }
        let bytes = object.bytes().await?;
        let (models, experience, wanted) = (models.clone(), experience.clone(), name.clone());
        let placed = tokio::task::spawn_blocking(move || {
            // A refusal is logged, counted and shown where models are.
            models.promote_named(&bytes, Some(&wanted), Origin::Shared, &experience)
        });
        let _ = placed.await;
        self.saw(name);
        Ok(true)
    }

    fn saw(&self, name: String) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(name);
    }
}
