//! Prints what scoring costs on this machine, on forests trained on made-up queries:
//!
//! ```text
//! cargo run --release -p planner-model --features train --example scoring
//! ```

fn main() -> Result<(), planner_model::train::TrainError> {
    let report = planner_model::train::scoring::measure(4000, 20_000)?;
    print!("{report}");
    Ok(())
}
