//! The pool with its tasks, over a backend made of flags.

mod checkout;
mod doubt;
pub(super) mod fake;
mod parking;
