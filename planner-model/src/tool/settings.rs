//! How models are trained, on the command line.

use std::path::PathBuf;

use crate::train::{DuelSettings, Growth, Settings};

/// Settings of training.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Training {
    /// All chance comes from this
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Trees of each latency forest
    #[arg(long, default_value_t = 64)]
    trees: usize,
    /// Most splits on the way to a leaf
    #[arg(long, default_value_t = 10)]
    depth: u32,
    /// Least rows in a leaf
    #[arg(long, default_value_t = 4)]
    min_leaf: u32,
    /// Choose how trees grow, and what counts as a near-tie, by the regret on held-out queries
    #[arg(long, conflicts_with_all = ["depth", "min_leaf"])]
    grid: bool,
    /// Learn latencies themselves, not their ratio to the analytic cost of the cheapest candidate: better on this machine, worse on
    /// others
    #[arg(long)]
    absolute: bool,
    /// No duel forest: choose by latency alone
    #[arg(long)]
    no_duels: bool,
    /// Threads [default: one for each core]
    #[arg(long)]
    threads: Option<usize>,
    /// Folder for finished forests: training that was interrupted goes on from there
    #[arg(long, value_name = "DIR")]
    checkpoint: Option<PathBuf>,
}

impl Training {
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    pub(super) fn settings(&self) -> Settings {
        let default = Settings::default();
        let growth =
            default.growth.iter().map(|growth| Growth { depth: self.depth, min_leaf: self.min_leaf, ..*growth });
        let settings = Settings {
            seed: self.seed,
            trees: self.trees,
            growth: growth.collect(),
            relative: !self.absolute,
            ignored: if self.absolute { Vec::new() } else { default.ignored.clone() },
            duel: (!self.no_duels).then(DuelSettings::default),
            threads: self.threads.unwrap_or(default.threads),
            checkpoint: self.checkpoint.clone(),
            ..default
        };
        if self.grid { settings.with_grid() } else { settings }
    }
}
