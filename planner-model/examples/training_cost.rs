//! Prints what training on many made-up rows takes:
//!
//! ```text
//! cargo run --release -p planner-model --features train --example training_cost -- 1000000
//! ```

use std::error::Error;
use std::time::Instant;

use planner_model::train::{Settings, synthetic, train};

fn main() -> Result<(), Box<dyn Error>> {
    let wanted: u64 = std::env::args().nth(1).as_deref().unwrap_or("1000000").parse()?;
    // A query has 4.3 candidates on average.
    let data = synthetic::observations((wanted as f64 / 4.3).ceil() as u64, 1);
    println!("{} rows, {} MiB before training", data.len(), peak_mib());
    for (what, duel) in [("latency forests", None), ("latency and duel forests", Settings::default().duel)] {
        let settings = Settings { duel, ..Settings::default() };
        let start = Instant::now();
        let model = train(&data, &settings)?.model;
        let seconds = start.elapsed().as_secs_f64();
        let (trees, nodes) = model.size();
        println!(
            "{what}: {seconds:.1} s with {} threads, {} MiB at most, {trees} trees, {nodes} nodes, {} bytes",
            settings.threads,
            peak_mib(),
            model.encode()?.len(),
        );
    }
    Ok(())
}

/// The most memory that this process has had so far; 0 where the system does not say.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}
