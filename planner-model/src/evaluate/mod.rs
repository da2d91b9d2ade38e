//! What choosing costs: regret of a way to choose, beside others, on queries whose candidates all ran.
//!
//! - [`Case`]: a query with the median latency of each of its candidates;
//! - [`Serving`]: what a trained model predicts and chooses, as the gateway does it;
//! - [`baselines`]: fixed plans, the analytic model, rules of other systems, a tuned rule, chance, the oracle;
//! - [`summarise`]: regret in numbers, with intervals from resampled queries;
//! - [`crossfit`](cross::crossfit): models that never saw what they are judged on;
//! - [`errors`]: how far predictions are off, and whether quantiles cover what they should;
//! - [`slices`]: where it is won and lost.

pub mod baselines;
mod bootstrap;
mod case;
pub mod cross;
pub mod errors;
pub mod importance;
mod metrics;
mod noise;
mod serving;
pub mod slices;

#[cfg(test)]
mod tests;

pub use bootstrap::{Interval, Resamples};
pub use case::{Case, cases};
pub use metrics::{Outcomes, SLOWER, Summary, difference, summarise};
pub use noise::split_half;
pub use serving::{Said, Served, Serving, Silent};
