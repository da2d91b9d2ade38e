//! Vector files: `.npy` arrays whose rows follow the node lines.

use std::collections::HashMap;

use super::{
    LoadError, LoadPlan, LoadReport, Progress, Step,
    nodes::{Nodes, add_vector},
    npy,
    report::Place,
    source::{Taken, total_size},
};

/// Rows between two words to the progress.
const REPORT_EVERY: usize = 1_024;

/// Reads all vector files. Row `i` of the files of one vector belongs to the `i`-th node line; the row of a line that
/// was left out is left out with it.
pub(super) fn read(
    plan: &LoadPlan,
    nodes: &mut Nodes,
    report: &mut LoadReport,
    progress: &mut dyn Progress,
) -> Result<(), LoadError> {
    if plan.vectors.is_empty() {
        return Ok(());
    }
    let taken = Taken::default();
    progress.begin(Step::Vectors, total_size(plan.vectors.iter().map(|(_, source)| source)));
    let mut rows_read: HashMap<&str, usize> = HashMap::new();
    let mut row = Vec::new();
    for (number, (name, source)) in plan.vectors.iter().enumerate() {
        let Some(vector) = plan.schema.vector(name) else { continue };
        let dimensions = plan.schema.vectors[usize::from(vector)].dimensions;
        let failed = |error| LoadError::Npy { source_name: source.to_string(), error };
        let mut rows = npy::Rows::open(source.open(&taken)?).map_err(failed)?;
        if rows.shape()[1] != dimensions {
            let (source_name, shape, vector) = (source.to_string(), rows.shape().to_vec(), name.clone());
            return Err(LoadError::NpyShape { source_name, shape, vector, dimensions });
        }
        let first = rows_read.entry(name).or_default();
        let (rows_here, lines) = (rows.shape()[0], nodes.by_line.len());
        if rows_here > lines - *first {
            let (source_name, rows) = (source.to_string(), first.saturating_add(rows_here));
            return Err(LoadError::MoreVectorsThanNodes { source_name, vector: name.clone(), rows, lines });
        }
        for index in 0.. {
            row.clear();
            if !rows.next_into(&mut row).map_err(failed)? {
                break;
            }
            let place = Place { source: (plan.nodes.len() + number) as u16, line: index as u64 };
            if let Some(node) = nodes.by_line[*first + index] {
                add_vector(plan, nodes, report, place, (node, vector), &row);
            }
            if index % REPORT_EVERY == 0 {
                progress.advance(taken.bytes());
            }
        }
        *first += rows_here;
        report.vector_rows += rows_here as u64;
    }
    progress.end();
    Ok(())
}
