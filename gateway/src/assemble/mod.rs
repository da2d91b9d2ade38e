//! From a configuration to a running gateway: open what it names, build the catalog, start the listeners, stop and reload
//! when the operating system says so. Nothing here answers a query.

mod collection;
mod reload;
mod signals;

pub use collection::{Opened, check_data, open_all, open_collection};
pub use reload::needs_restart;
pub use signals::{Signal, Signals};
