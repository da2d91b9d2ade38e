//! From a configuration to a running gateway: open what it names, build the catalog, start the listeners, reload and stop
//! when the operating system says so. Nothing here answers a query.

mod collection;
mod embedder;
mod listeners;
mod reload;
mod running;
mod signals;

pub use collection::{check_data, open_catalog, open_collection};
pub use listeners::{BindError, Listeners, Serving};
pub use reload::needs_restart;
pub use running::{Running, Source};
pub use signals::{Signal, Signals};
