//! Against a real server. Every test has labels and relationship types of its own, with a random suffix, and removes them.

mod equivalence;

mod world;
