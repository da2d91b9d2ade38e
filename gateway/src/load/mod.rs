//! The loader: files of nodes, vectors and edges become [`Parts`], and everything about them is checked.
//!
//! A [`LoadPlan`] says what to read and how its names map onto the collection. Whatever is wrong with a record is counted
//! in the [`LoadReport`] with its place, and the record, field or edge is left out; only what makes a whole file
//! meaningless is a [`LoadError`]. A strict plan refuses as soon as anything was left out. The room reads bytes and
//! returns columns: it knows no data directory, no terminal and no configuration file.
//!
//! [`source`](Source) opens bytes, `nodes`, `vectors` and `edges` read one kind of file each, `columns` keeps what was
//! read, and `assemble` puts it into the order of the ids.

mod assemble;
mod columns;
mod edges;
mod error;
mod line;
mod lines;
mod nodes;
pub mod npy;
mod plan;
mod progress;
mod report;
mod source;
mod timestamp;
mod vectors;

#[cfg(test)]
mod tests;

pub use error::LoadError;
pub use plan::LoadPlan;
pub use progress::{Progress, Silent, Step};
pub use report::{Example, LoadReport, Problem, ProblemKind, Severity};
pub use source::Source;

use crate::backend::embedded::Parts;

/// What a load made.
#[derive(Debug)]
pub struct LoadOutcome {
    /// The data, ready to be kept or served.
    pub parts: Parts,
    /// What was read, and what was left out.
    pub report: LoadReport,
}

/// Reads everything that the plan names.
///
/// # Errors
/// A file that cannot be read or makes no sense as a whole, a plan that names what the collection does not have, and,
/// under [`LoadPlan::strict`], anything that had to be left out.
pub fn load(plan: &LoadPlan, progress: &mut dyn Progress) -> Result<LoadOutcome, LoadError> {
    let mut report = LoadReport::new(plan);
    let mut nodes = nodes::read(plan, &mut report, progress)?;
    vectors::read(plan, &mut nodes, &mut report, progress)?;

    progress.begin(Step::Order, None);
    let order = assemble::Order::of(&nodes);
    progress.end();

    let edges = edges::read(plan, &nodes, &order, &mut report, progress)?;
    if plan.strict && report.left_out() > 0 {
        return Err(LoadError::Refused(Box::new(report)));
    }

    progress.begin(Step::Assemble, None);
    let parts = assemble::parts(nodes, &order, &edges)?;
    progress.end();
    report.count_kept(&parts);
    Ok(LoadOutcome { parts, report })
}
