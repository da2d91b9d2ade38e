//! From a configuration to a running gateway: open what it names, build the catalog, start the listeners, reload and stop
//! when the operating system says so. Nothing here answers a query.

mod collection;
mod data;
mod embedder;
mod fill;
mod listeners;
mod mapping;
mod planning;
mod reload;
mod running;
mod servers;
mod signals;
mod tier_survey;
mod tiers;
mod warm_up;

pub use collection::{Survey, open_catalog, open_collection, survey};
pub use fill::Filling;
pub use listeners::{BindError, Listeners, Serving};
pub use reload::needs_restart;
pub use running::{Running, Source};
pub use servers::Servers;
pub use signals::{Signal, Signals};
pub use tiers::OpenTiers;
pub use warm_up::warm_up;
