//! What a pool and its breaker are told.

use std::time::Duration;

use crate::config::{BreakerConfig, PoolConfig};

/// What a pool is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Connections that are kept even when idle.
    pub min: usize,
    /// Most connections.
    pub max: usize,
    /// Connections that batch demands leave free; normal demands leave half of them free, rounded down. At most `max` − 1.
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

impl From<(&PoolConfig, &BreakerConfig)> for Settings {
    fn from((pool, breaker): (&PoolConfig, &BreakerConfig)) -> Self {
        Self {
            min: pool.min.min(pool.max),
            max: pool.max.max(1),
            reserve: pool.reserve,
            max_waiting: pool.max_waiting,
            wait_target: Duration::from_millis(pool.wait_target_ms),
            connect_timeout: Duration::from_millis(pool.connect_timeout_ms),
            max_connecting: pool.max_connecting,
            idle_timeout: Duration::from_millis(pool.idle_timeout_ms),
            max_lifetime: Duration::from_millis(pool.max_lifetime_ms),
            check_after_idle: Duration::from_millis(pool.check_after_idle_ms),
            breaker: breaker.into(),
        }
    }
}

impl From<&BreakerConfig> for BreakerSettings {
    fn from(breaker: &BreakerConfig) -> Self {
        Self {
            min_calls: breaker.min_calls,
            window: Duration::from_millis(breaker.window_ms),
            failure_ratio: f64::from(breaker.failure_percent) / 100.0,
            slow_call: Duration::from_millis(breaker.slow_call_ms),
            slow_ratio: f64::from(breaker.slow_percent) / 100.0,
            open: Duration::from_millis(breaker.open_ms),
            max_open: Duration::from_millis(breaker.max_open_ms),
            probes: breaker.probes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_those_of_the_configuration() {
        let (pool, breaker) = (PoolConfig::default(), BreakerConfig::default());
        let settings = Settings::from((&pool, &breaker));
        assert_eq!((settings.min, settings.max, settings.reserve), (pool.min, pool.max, pool.reserve));
        assert_eq!(settings.idle_timeout, Duration::from_secs(60));
        assert_eq!((settings.breaker.failure_ratio, settings.breaker.slow_ratio), (0.5, 0.8));
        let small = Settings::from((&PoolConfig { min: 9, max: 0, ..pool }, &breaker));
        assert_eq!((small.min, small.max), (0, 1), "a pool without connections serves nobody");
    }
}
