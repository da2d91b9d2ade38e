//! What a benchmark found.

use std::path::Path;

use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};
use serde::{Serialize, Serializer};

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// What was measured: `bench/what`.
    pub metric: String,
    /// How much.
    pub value: f64,
    /// Of what: `us`, `requests/s`, `MB`, …
    pub unit: &'static str,
    /// What it is held against, measured in the same run, in the same unit.
    pub baseline: Option<f64>,
    /// `value / baseline`.
    pub ratio: Option<f64>,
    /// What it should be.
    pub goal: Option<Goal>,
}

/// What a figure should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// The ratio is at least this.
    RatioAtLeast(f64),
    /// The ratio is at most this.
    RatioAtMost(f64),
    /// The value is at most this.
    AtMost(f64),
    /// The value is at least this.
    AtLeast(f64),
}

impl std::fmt::Display for Goal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::RatioAtLeast(bound) => write!(f, "ratio >= {bound}"),
            Self::RatioAtMost(bound) => write!(f, "ratio <= {bound}"),
            Self::AtMost(bound) => write!(f, "value <= {bound}"),
            Self::AtLeast(bound) => write!(f, "value >= {bound}"),
        }
    }
}

impl Serialize for Goal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Figure {
    /// A figure that stands alone.
    pub fn new(metric: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { metric: metric.into(), value, unit, baseline: None, ratio: None, goal: None }
    }

    /// Holds it against a baseline.
    pub fn against(mut self, baseline: f64) -> Self {
        self.baseline = Some(baseline);
        self.ratio = Some(self.value / baseline);
        self
    }

    /// States what it should be.
    pub fn goal(mut self, goal: Goal) -> Self {
        self.goal = Some(goal);
        self
    }

    /// Whether the goal is met; `None` without one.
    pub fn met(&self) -> Option<bool> {
        Some(match self.goal? {
            Goal::RatioAtLeast(bound) => self.ratio? >= bound,
            Goal::RatioAtMost(bound) => self.ratio? <= bound,
            Goal::AtMost(bound) => self.value <= bound,
            Goal::AtLeast(bound) => self.value >= bound,
        })
    }
}

/// All figures of a run, and what has to be known to read them.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// In the order of the table.
    pub figures: Vec<Figure>,
    /// One line each.
    pub notes: Vec<String>,
}

impl Report {
    /// Adds a figure.
    pub fn add(&mut self, figure: Figure) {
        self.figures.push(figure);
    }

    /// Adds a line that explains.
    pub fn note(&mut self, line: impl Into<String>) {
        self.notes.push(line.into());
    }

    /// Writes the figures as a JSON array.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_json(&self, file: &Path) -> std::io::Result<()> {
        let mut text = serde_json::to_string_pretty(&self.figures).map_err(std::io::Error::other)?;
        text.push('\n');
        std::fs::write(file, text)
    }
}

impl std::fmt::Display for Report {
    /// A table that can go into a Markdown page as it is, and the notes below.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN);
        table.set_header(["metric", "value", "unit", "baseline", "ratio", "goal", "met"]);
        for figure in &self.figures {
            let number = |value: Option<f64>| value.map(short).unwrap_or_default();
            table.add_row([
                figure.metric.clone(),
                short(figure.value),
                figure.unit.to_owned(),
                number(figure.baseline),
                figure.ratio.map(|ratio| format!("{ratio:.3}")).unwrap_or_default(),
                figure.goal.map(|goal| goal.to_string()).unwrap_or_default(),
                figure.met().map_or("", |met| if met { "yes" } else { "no" }).to_owned(),
            ]);
        }
        for index in [1, 3, 4] {
            if let Some(column) = table.column_mut(index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        write!(f, "{table}")?;
        self.notes.iter().try_for_each(|line| write!(f, "\n{line}"))
    }
}

/// About four significant digits.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 1_000.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_the_documented_json_and_a_table() {
        let mut report = Report::default();
        report
            .add(Figure::new("l1/requests", 95_000.0, "requests/s").against(100_000.0).goal(Goal::RatioAtLeast(0.95)));
        report.add(Figure::new("plan/p99", 30.0, "us").goal(Goal::AtMost(25.0)));
        report.note("a note");
        let json = serde_json::to_value(&report.figures).unwrap();
        assert_eq!(
            json,
            serde_json::json!([
                {"metric": "l1/requests", "value": 95_000.0, "unit": "requests/s", "baseline": 100_000.0, "ratio": 0.95,
                 "goal": "ratio >= 0.95"},
                {"metric": "plan/p99", "value": 30.0, "unit": "us", "baseline": null, "ratio": null, "goal": "value <= 25"},
            ])
        );
        assert_eq!((report.figures[0].met(), report.figures[1].met()), (Some(true), Some(false)));
        let text = report.to_string();
        assert!(text.contains("| l1/requests |") && text.ends_with("a note"), "{text}");
    }
}
