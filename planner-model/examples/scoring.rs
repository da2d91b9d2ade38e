//! Prints what scoring costs on this machine, on forests trained on made-up queries:
//!
//! ```text
//! cargo run --release -p planner-model --features train --example scoring -- [trees] [depth]
//! ```

use std::error::Error;

use planner_model::train::scoring::measure;

fn main() -> Result<(), Box<dyn Error>> {
    let argument = |place| std::env::args().nth(place);
    let trees = argument(1).as_deref().unwrap_or("64").parse()?;
    let depth = argument(2).as_deref().unwrap_or("10").parse()?;
    print!("{}", measure(4000, 20_000, trees, depth)?);
    Ok(())
}
