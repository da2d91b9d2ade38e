//! Writes a small model of made-up queries: a seed for fuzzing.
//!
//! ```text
//! cargo run -p planner-model --features train --example small_model -- small.forebay-model
//! ```

use std::error::Error;

use planner_model::train::{DuelSettings, Growth, Settings, synthetic, train};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("a path to write to is missing")?;
    let duel = DuelSettings { trees: 2, depth: 3, queries: 50, ..DuelSettings::default() };
    let growth = vec![Growth { depth: 3, min_leaf: 4, mtry: 10 }];
    let settings = Settings { trees: 2, growth, duel: Some(duel), ..Settings::default() };
    let trained = train(&synthetic::observations(300, 1), &settings)?;
    std::fs::write(path, trained.model.encode()?)?;
    Ok(())
}
