//! What scoring costs.
