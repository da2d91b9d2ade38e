//! Each kind of problem, and what is kept beside it.

mod inputs;
mod kept;
mod problems;
