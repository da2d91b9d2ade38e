//! From a configuration to a running gateway: open what it names, build the catalog, reload and stop when the operating
//! system says so. Nothing here answers a query.

mod collection;
mod reload;
mod running;
mod signals;

pub use collection::{check_data, open_catalog, open_collection};
pub use reload::needs_restart;
pub use running::{Running, Source};
pub use signals::{Signal, Signals};
