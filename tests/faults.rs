//! What goes wrong with servers, networks and clients: every answer is right or an honest error in time, and afterwards
//! nothing is left behind. On servers that only these tests use.

mod support;

#[path = "faults/broken.rs"]
mod broken;
#[path = "faults/crowd.rs"]
mod crowd;
#[path = "faults/crowded.rs"]
mod crowded;
#[path = "faults/ground.rs"]
mod ground;
#[path = "faults/left.rs"]
mod left;
#[path = "faults/spared.rs"]
mod spared;
#[path = "faults/watch.rs"]
mod watch;
