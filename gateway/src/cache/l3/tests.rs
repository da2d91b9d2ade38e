//! The tier on stores in memory, in a folder, and broken ones.
