//! What a stream of queries was made of.

use std::{collections::BTreeMap, fmt};

use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};

use super::class::{Origin, QueryClass};

/// Counts by stratum.
#[derive(Debug, Clone, Default)]
pub struct Mix {
    total: u64,
    /// By stratum, then by value in the order of the report.
    counts: BTreeMap<(usize, usize, String), u64>,
}

const STRATA: [&str; 9] =
    ["clauses", "origin", "vector", "passes filter", "correlation", "anchor", "reached", "hops", "limit"];

impl Mix {
    /// Counts one query.
    pub fn add(&mut self, class: &QueryClass) {
        self.total += 1;
        self.count(0, class.shape as usize, class.shape.as_str());
        match class.origin {
            Origin::Fresh => self.count(1, 0, "new"),
            Origin::Repeat { .. } => self.count(1, 1, "repeated"),
            Origin::DrillDown { by, .. } => self.count(1, 2 + by as usize, by.as_str()),
        }
        if let Some(source) = class.source {
            self.count(2, source as usize, source.as_str());
        }
        if let Some(selectivity) = class.selectivity {
            let (order, label) = decade(selectivity);
            self.count(3, order, label);
        }
        if class.source.is_some() && (class.selectivity.is_some() || class.hops.is_some()) {
            self.count(4, class.correlation as usize, class.correlation.as_str());
        }
        if let Some(anchor) = class.anchor {
            self.count(5, anchor as usize, anchor.as_str());
        }
        if let Some(reach) = class.reach {
            let order = reach.checked_ilog10().map_or(0, |digits| digits as usize + 1);
            let label = match order {
                0 => "none".to_owned(),
                _ => format!("{} to {}", 10_u64.pow(order as u32 - 1), 10_u64.pow(order as u32) - 1),
            };
            self.count(6, order, &label);
        }
        if let (Some(hops), Some(direction)) = (class.hops, class.direction) {
            self.count(7, usize::from(hops) * 3 + direction as usize, &format!("{hops} {}", direction.as_str()));
        }
        let order = class.limit.checked_ilog10().unwrap_or(0) as usize;
        self.count(8, order, &format!("{} to {}", 10_u32.pow(order as u32), 10_u32.pow(order as u32 + 1) - 1));
    }

    fn count(&mut self, stratum: usize, order: usize, label: &str) {
        *self.counts.entry((stratum, order, label.to_owned())).or_default() += 1;
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN);
        table.set_header(["stratum", "value", "queries", "share"]);
        let mut last = usize::MAX;
        for ((stratum, _, label), count) in &self.counts {
            let name = if *stratum == last { "" } else { STRATA[*stratum] };
            last = *stratum;
            let share = format!("{:.1} %", 100.0 * *count as f64 / self.total as f64);
            table.add_row([name, label, &count.to_string(), &share]);
        }
        for column in 2..4 {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        write!(f, "{table}")
    }
}

/// The decade of a share, from below 0.1 % up.
fn decade(share: f64) -> (usize, &'static str) {
    match share {
        share if share < 1e-3 => (0, "below 0.1 %"),
        share if share < 1e-2 => (1, "0.1 to 1 %"),
        share if share < 1e-1 => (2, "1 to 10 %"),
        _ => (3, "10 to 100 %"),
    }
}
