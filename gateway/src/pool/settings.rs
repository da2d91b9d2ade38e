//! What a pool and its breaker are told.

use std::time::Duration;

/// What a pool is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Connections that are kept even when idle.
    pub min: usize,
    /// Most connections.
    pub max: usize,
    /// Connections that only interactive and normal demands may use, and of these as many for interactive ones only.
    pub reserve: usize,
    /// Most demands that wait in each class.
    pub max_waiting: usize,
    /// The pool grows while the predicted wait is longer.
    pub wait_target: Duration,
    /// Longest time for opening a connection.
    pub connect_timeout: Duration,
    /// Most connections being opened at once.
    pub max_connecting: usize,
    /// A connection above `min` that was idle for so long is closed.
    pub idle_timeout: Duration,
    /// A connection is replaced at about this age.
    pub max_lifetime: Duration,
    /// A connection that was idle for so long is checked before it is used.
    pub check_after_idle: Duration,
    /// When to stop asking.
    pub breaker: BreakerSettings,
}

/// What a breaker is told.
#[derive(Debug, Clone, PartialEq)]
pub struct BreakerSettings {
    /// Fewest calls in the window before it is judged.
    pub min_calls: u32,
    /// Length of the window.
    pub window: Duration,
    /// Fraction of failed calls that opens it.
    pub failure_ratio: f64,
    /// A call that takes longer is slow.
    pub slow_call: Duration,
    /// Fraction of slow calls that opens it.
    pub slow_ratio: f64,
    /// Time that it stays open at first; doubled each time that the probes fail.
    pub open: Duration,
    /// Longest time that it stays open.
    pub max_open: Duration,
    /// Probes that have to succeed before it closes.
    pub probes: u32,
}
