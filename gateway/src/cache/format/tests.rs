//! The format on its own.
