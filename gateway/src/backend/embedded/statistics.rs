//! What the store knows of its data: distributions of attributes and of degrees. Exact, as everything is in memory.

use std::{collections::HashMap, sync::Arc};

use super::{Column, Dataset, adjacency::Adjacency, index::Index};
use crate::{
    backend::{
        AttributeStatistics, DegreeStatistics, EdgeStatistics, EdgesInMemory, GraphCosts, GraphStatistics, Histogram,
        KnownEdges, VectorCosts, VectorStatistics,
    },
    query::NodeRef,
    value::{AttributeType, Literal, Number},
};

/// As many as Postgres keeps by default.
const MAX_COMMON: usize = 100;
const MAX_BOUNDS: usize = 100;
const MAX_ELEMENTS: usize = 1_000;

/// Everything known of entities.
pub(super) fn vector_statistics(data: &Dataset, costs: VectorCosts, epoch: u64) -> VectorStatistics {
    VectorStatistics {
        rows: u64::from(data.rows()),
        usable: data.spaces().iter().map(|space| space.usable().len()).collect(),
        attributes: (0..data.columns().len()).map(|index| attribute_statistics(data, index as u16)).collect(),
        ann: Vec::new(),
        costs,
        epoch,
    }
}

fn attribute_statistics(data: &Dataset, index: u16) -> AttributeStatistics {
    let rows = f64::from(data.rows()).max(1.0);
    let column = data.column(index);
    let null_fraction = 1.0 - column.present().len() as f64 / rows;
    // Runs of equal values, ascending.
    let runs = runs(data, index);
    let distinct = runs.len() as f64;

    let is_list = matches!(column, Column::Keywords { .. });
    let most = if is_list { MAX_ELEMENTS } else { MAX_COMMON };
    let mut by_count: Vec<usize> = (0..runs.len()).collect();
    by_count.sort_by_key(|run| std::cmp::Reverse(runs[*run].1));
    if runs.len() > most {
        // What is there once is not common; the histogram describes it better.
        by_count.retain(|run| runs[*run].1 > 1);
        by_count.truncate(most);
    }
    by_count.sort_unstable();
    let common: HashMap<Literal, f64> =
        by_count.iter().map(|run| (runs[*run].0.clone(), runs[*run].1 as f64 / rows)).collect();

    let rest: Vec<&(Literal, u64)> =
        runs.iter().enumerate().filter(|(run, _)| by_count.binary_search(run).is_err()).map(|(_, run)| run).collect();
    let histogram = if is_list { None } else { histogram(&rest, rows) };
    AttributeStatistics { null_fraction, distinct, common, histogram }
}

/// The distinct values of a column (of lists: elements), ascending, with the number of rows that have each.
fn runs(data: &Dataset, index: u16) -> Vec<(Literal, u64)> {
    let is_time = data.schema().attributes[usize::from(index)].kind == AttributeType::Timestamp;
    match (data.column(index), data.index(index)) {
        (Column::Text { dictionary, .. } | Column::Keywords { dictionary, .. }, index) => dictionary
            .iter()
            .enumerate()
            .map(|(code, text)| (Literal::Text(text.clone()), index.count(code as u32)))
            .filter(|(_, count)| *count > 0)
            .collect(),
        (Column::Integer { values, .. }, Index::Sorted(order)) => count(order.iter().map(|row| {
            let value = values[*row as usize];
            if is_time { Literal::Timestamp(value) } else { Literal::Number(Number::Integer(value.into())) }
        })),
        (Column::Float { values, .. }, Index::Sorted(order)) => {
            count(order.iter().map(|row| Literal::Number(Number::from_f64(values[*row as usize]))))
        }
        (Column::Boolean { truths, present }, _) => [(false, present.len() - truths.len()), (true, truths.len())]
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(value, count)| (Literal::Boolean(value), count))
            .collect(),
        (Column::Integer { .. } | Column::Float { .. }, _) => Vec::new(),
    }
}

fn count(values: impl Iterator<Item = Literal>) -> Vec<(Literal, u64)> {
    let mut runs: Vec<(Literal, u64)> = Vec::new();
    for value in values {
        match runs.last_mut() {
            Some((last, count)) if *last == value => *count += 1,
            _ => runs.push((value, 1)),
        }
    }
    runs
}

/// Bounds between which lie equal shares of the rows of these runs.
fn histogram(runs: &[&(Literal, u64)], rows: f64) -> Option<Histogram> {
    let covered: u64 = runs.iter().map(|(_, count)| count).sum();
    if covered == 0 {
        return None;
    }
    let steps = (covered - 1).clamp(1, MAX_BOUNDS as u64 - 1);
    let mut bounds = Vec::with_capacity(steps as usize + 1);
    let mut run = 0;
    let mut end = runs[0].1;
    for step in 0..=steps {
        let place = step * (covered - 1) / steps;
        while end <= place {
            run += 1;
            end += runs[run].1;
        }
        bounds.push(runs[run].0.clone());
    }
    Some(Histogram { bounds, fraction: covered as f64 / rows })
}

/// Everything known of relations.
pub(super) fn graph_statistics(data: &Arc<Dataset>, costs: GraphCosts, epoch: u64) -> GraphStatistics {
    let edges = data.edge_types().iter().enumerate().map(|(edge, kind)| EdgeStatistics {
        count: kind.out.len() as u64,
        out: degrees(data, edge, true, &kind.out, kind.after_step),
        r#in: degrees(data, edge, false, &kind.r#in, kind.after_step),
        turns: Some((squares(data, &kind.out) + squares(data, &kind.r#in)) / (2 * kind.out.len()).max(1) as f64),
    });
    let known = Some(KnownEdges::new(data.clone()));
    GraphStatistics { nodes: u64::from(data.rows()), edges: edges.collect(), known, costs, epoch }
}

impl EdgesInMemory for Dataset {
    fn row(&self, node: &NodeRef) -> Option<u32> {
        (node.label == 0).then(|| self.ordinal(&node.id)).flatten()
    }

    fn neighbours(&self, edge: u16, along: bool, row: u32) -> &[u32] {
        self.edge_types().get(usize::from(edge)).map_or(&[], |kind| {
            let adjacency = if along { &kind.out } else { &kind.r#in };
            adjacency.neighbours(row)
        })
    }
}

/// The sum of squared degrees: each of a node's edges can be come by and left by.
fn squares(data: &Dataset, adjacency: &Adjacency) -> f64 {
    (0..data.rows()).map(|row| f64::from(adjacency.degree(row)).powi(2)).sum()
}

fn degrees(data: &Arc<Dataset>, edge: usize, along: bool, adjacency: &Adjacency, after_step: f64) -> DegreeStatistics {
    let mut all: Vec<u32> = (0..data.rows()).map(|row| adjacency.degree(row)).collect();
    all.sort_unstable();
    let p99 = all.get((all.len() * 99).div_ceil(100).saturating_sub(1)).copied().unwrap_or(0);
    let data = data.clone();
    let known = move |node: &NodeRef| {
        let row = (node.label == 0).then(|| data.ordinal(&node.id)).flatten()?;
        let kind = &data.edge_types()[edge];
        Some(u64::from(if along { kind.out.degree(row) } else { kind.r#in.degree(row) }))
    };
    DegreeStatistics {
        mean: adjacency.len() as f64 / (all.len() as f64).max(1.0),
        p99: f64::from(p99),
        max: u64::from(all.last().copied().unwrap_or(0)),
        mean_after_step: after_step,
        known: Some(Arc::new(known)),
    }
}

#[cfg(test)]
mod tests;
