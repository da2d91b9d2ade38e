//! The listeners over real connections. What they ask is a double, [`world::Scripted`]; the gateway has tests of its own.

mod admin;
mod connections;
mod document;
mod endpoints;
mod limits;
mod world;
