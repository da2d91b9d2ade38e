//! Asking a trained model, in the path of every query: nothing here allocates, waits or can panic.
//!
//! - [`forest`]: trees as one flat array, walked sixteen at a time;
//! - [`model`]: what was loaded from a file: a forest per plan with its training ranges and quantile factors;
//! - [`duel`]: the forest that compares two candidates;
//! - [`choose`]: the least predicted latency, and the duels among what is close to it;
//! - [`explain`]: why a prediction is what it is. For people: this one allocates.

pub(crate) mod choose;
pub(crate) mod duel;
pub(crate) mod explain;
pub(crate) mod forest;
pub(crate) mod model;
