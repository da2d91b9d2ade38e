//! Properties of the query language as a whole.

mod bodies;
mod canonical;
mod documentation;
mod meaning;
mod names;
