//! Memory that was freed and that the allocator keeps for later goes back to the system.
//!
//! jemalloc does so by itself, but over ten seconds. A control group waits for nobody, so it is told to hurry: pages of an
//! arena whose time of decay is set to zero are given back before the call returns.

use tikv_jemalloc_ctl::{Access as _, AsName as _};

/// Gives back what no allocation uses, in all arenas: some ten milliseconds for some hundred megabytes. In a process with
/// another allocator (a test) it does nothing.
pub(super) fn to_system() {
    let arenas: u32 = b"arenas.narenas\0".name().read().unwrap_or(0);
    for arena in 0..arenas {
        for pages in ["dirty", "muzzy"] {
            let key = format!("arena.{arena}.{pages}_decay_ms\0");
            let decay = key.as_str().name();
            // An arena that nobody has used yet has no such setting.
            if let Ok(usual) = decay.read() {
                let usual: isize = usual;
                decay.write(0_isize).and_then(|()| decay.write(usual)).unwrap_or_else(|error| {
                    tracing::debug!(arena, pages, %error, "the allocator did not give memory back");
                });
            }
        }
    }
}
