//! The state machine without tasks or clocks: a model test over any order of events, and a simulation with a virtual
//! clock and a seed.

mod ailing;
mod crowd;
mod model;
mod simulation;
mod world;
