//! The trained model that predicts: how it comes, how it is judged, how it goes.
//!
//! A file is read, checked and asked its golden vectors (all of that by [`planner_model::Model::decode`]), then held against the
//! model in place on the last runs. One that is off or worse is refused with the reason, and the one in place stays. The one
//! before is kept, one call away.

mod judge;
mod report;
mod source;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod trained;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::SystemTime,
};

use arc_swap::{ArcSwap, Guard};
use planner_model::{LatencyModel, ModelError};

pub use judge::{Score, Verdict, Worse};
pub use report::{ModelReport, ModelsReport, RefusalReport};
pub use source::{ModelSource, SourceError};
pub use trained::Trained;

use super::Experience;

/// The name of no model.
const ANALYTIC: &str = "analytic";

/// What predicts now.
pub struct Current {
    /// The model; `None`: analytic costs alone.
    pub model: Option<Arc<dyn LatencyModel>>,
    /// Its name.
    pub name: Arc<str>,
    /// Counts models.
    pub epoch: u64,
    placed: Placed,
}

/// How a model came into place.
#[derive(Clone)]
struct Placed {
    at: SystemTime,
    origin: Origin,
    trained: Option<Arc<Trained>>,
    verdict: Option<Verdict>,
}

/// Where a model came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// There was none yet.
    Start,
    /// The file that the configuration names.
    File,
    /// The admin listener.
    Admin,
    /// The object store that gateways share.
    Shared,
}

impl Origin {
    /// The word in reports and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::File => "file",
            Self::Admin => "admin",
            Self::Shared => "shared",
        }
    }
}

/// Why a model is not put in place.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refused {
    /// The file is off.
    #[error("the file is refused: {0}")]
    File(#[from] ModelError),
    /// It is another model than its name says.
    #[error("the file holds the model {found}, not {wanted}")]
    OtherName {
        /// What it was called.
        wanted: String,
        /// What it is.
        found: String,
    },
    /// It knows none of the kinds of plan that there are.
    #[error("the model knows none of the gateway's plans")]
    NoPlan,
    /// It predicts worse than the one in place.
    #[error("the model does worse than the one in place: {0}")]
    Worse(#[from] Worse),
    /// There is none to go back to.
    #[error("there is no model before this one")]
    NothingBefore,
}

impl Refused {
    /// The word in metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::OtherName { .. } => "other-name",
            Self::NoPlan => "no-plan",
            Self::Worse(_) => "worse",
            Self::NothingBefore => "nothing-before",
        }
    }
}

/// The model in place, the one before it, and what was refused.
pub struct Models {
    current: ArcSwap<Current>,
    /// Held while a model is judged and put in place, so that they come one after the other.
    shelf: Mutex<Shelf>,
    /// Put in place, refused, gone back to.
    counted: [AtomicU64; 3],
}

#[derive(Default)]
struct Shelf {
    previous: Option<Arc<Current>>,
    refusal: Option<(SystemTime, Origin, Refused)>,
}

impl Default for Models {
    fn default() -> Self {
        Self::fixed(None)
    }
}

impl Models {
    /// A model that is there from the start, or none.
    pub fn fixed(model: Option<Arc<dyn LatencyModel>>) -> Self {
        let name = model.as_ref().map_or(ANALYTIC, |model| model.name()).into();
        let placed = Placed { at: SystemTime::now(), origin: Origin::Start, trained: None, verdict: None };
        let current = Current { model, name, epoch: 0, placed };
        Self { current: ArcSwap::from_pointee(current), shelf: Mutex::default(), counted: Default::default() }
    }

    /// What predicts now.
    pub fn current(&self) -> Guard<Arc<Current>> {
        self.current.load()
    }

    /// Puts the model of a file in place, if it is sound and not worse than the one there. Takes a while: decoding and scoring
    /// want a thread of their own.
    ///
    /// # Errors
    /// Why not. The model in place stays.
    pub fn promote(&self, file: &[u8], origin: Origin, experience: &Experience) -> Result<Arc<Trained>, Refused> {
        self.promote_named(file, None, origin, experience)
    }

    /// The same for a file that says which model it holds.
    fn promote_named(
        &self,
        file: &[u8],
        wanted: Option<&str>,
        origin: Origin,
        experience: &Experience,
    ) -> Result<Arc<Trained>, Refused> {
        let mut shelf = self.lock();
        let judged = Trained::read(file).and_then(|trained| {
            let found = trained.model().id();
            if let Some(wanted) = wanted.filter(|wanted| **wanted != found) {
                return Err(Refused::OtherName { wanted: wanted.to_owned(), found });
            }
            let verdict = judge::judge(&trained, self.current().model.as_deref(), &experience.recent())?;
            Ok((Arc::new(trained), verdict))
        });
        match judged {
            Ok((trained, verdict)) => {
                let placed =
                    Placed { at: SystemTime::now(), origin, trained: Some(trained.clone()), verdict: Some(verdict) };
                let model: Arc<dyn LatencyModel> = trained.clone();
                self.place(&mut shelf, Some(model), placed, experience);
                self.counted[0].fetch_add(1, Relaxed);
                tracing::info!(model = trained.name(), origin = origin.as_str(), %verdict, "another model predicts");
                Ok(trained)
            }
            Err(refused) => {
                self.counted[1].fetch_add(1, Relaxed);
                tracing::warn!(origin = origin.as_str(), reason = %refused, "a model was refused");
                shelf.refusal = Some((SystemTime::now(), origin, refused.clone()));
                Err(refused)
            }
        }
    }

    /// Goes back to the model before this one; the two change places.
    ///
    /// # Errors
    /// There is none.
    pub fn roll_back(&self, experience: &Experience) -> Result<Option<Arc<Trained>>, Refused> {
        let mut shelf = self.lock();
        let previous = shelf.previous.take().ok_or(Refused::NothingBefore)?;
        let placed = Placed { at: SystemTime::now(), ..previous.placed.clone() };
        let trained = placed.trained.clone();
        self.place(&mut shelf, previous.model.clone(), placed, experience);
        self.counted[2].fetch_add(1, Relaxed);
        tracing::info!(model = &*previous.name, "the model before predicts again");
        Ok(trained)
    }

    /// Analytic costs alone predict from now on; the model in place can be brought back.
    fn withdraw(&self, origin: Origin, experience: &Experience) {
        let mut shelf = self.lock();
        if self.current().model.is_some() {
            let placed = Placed { at: SystemTime::now(), origin, trained: None, verdict: None };
            self.place(&mut shelf, None, placed, experience);
            tracing::info!(origin = origin.as_str(), "no model predicts any more");
        }
    }

    /// Whether a file holds the model in place or the one before it.
    pub fn knows(&self, file: &[u8]) -> bool {
        let shelf = self.lock();
        let is_of = |current: &Current| {
            let trained = current.placed.trained.as_ref();
            trained.is_some_and(|trained| file.ends_with(trained.model().checksum()))
        };
        is_of(&self.current()) || shelf.previous.as_ref().is_some_and(|previous| is_of(previous))
    }

    /// The trained model in place.
    pub fn current_trained(&self) -> Option<Arc<Trained>> {
        self.current().placed.trained.clone()
    }

    /// Models put in place, refused, gone back to.
    pub fn counted(&self) -> [u64; 3] {
        self.counted.each_ref().map(|counter| counter.load(Relaxed))
    }

    fn place(&self, shelf: &mut Shelf, model: Option<Arc<dyn LatencyModel>>, placed: Placed, experience: &Experience) {
        let before = self.current.load_full();
        let name = model.as_ref().map_or(ANALYTIC, |model| model.name()).into();
        // Decisions carry the epoch, so all that were made with the model before are dropped.
        self.current.store(Arc::new(Current { model, name, epoch: before.epoch + 1, placed }));
        experience.model_changed();
        shelf.previous = Some(before);
    }

    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
