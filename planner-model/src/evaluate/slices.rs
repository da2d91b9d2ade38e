//! Parts of the cases.

use std::collections::BTreeMap;

use super::{Case, Outcomes};
use crate::Feature;

/// By what cases are parted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The query's template.
    Template,
    /// Decade of the selectivity, and decade of the reach.
    Cell,
    /// What the cache held.
    Cache,
    /// The plan that was best.
    Best,
}

impl By {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Cache, Self::Best, Self::Cell, Self::Template];

    /// The name in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Template => "template",
            Self::Cell => "selectivity × reach",
            Self::Cache => "cache",
            Self::Best => "best plan",
        }
    }
}

/// The decade of the estimated selectivity (-4 to 0; 1 without a filter that says anything) and of the estimated reach
/// (0 to 6; -1 without a walk).
pub fn cell(case: &Case<'_>) -> (i32, i32) {
    let selectivity = case.shared(Feature::Selectivity);
    let walks = case.shared(Feature::Hops) > 0.0;
    let reach = if walks { (case.shared(Feature::Reach).floor() as i32).clamp(0, 6) } else { -1 };
    (if selectivity > -1e-6 { 1 } else { (selectivity.floor() as i32).clamp(-4, -1) }, reach)
}

/// The part that a case is in.
pub fn part(case: &Case<'_>, plans: &[String], by: By) -> String {
    match by {
        By::Template => case.group.template.to_string(),
        By::Cell => {
            let (selectivity, reach) = cell(case);
            let selectivity =
                if selectivity > 0 { "no filter".to_owned() } else { format!("passes from 1e{selectivity}") };
            let reach = if reach < 0 { "no walk".to_owned() } else { format!("reach from 1e{reach}") };
            format!("{selectivity}, {reach}")
        }
        By::Cache => match (case.group.cache.reach, case.group.cache.list) {
            (false, false) => "nothing",
            (true, false) => "reach",
            (false, true) => "list",
            (true, true) => "reach and list",
        }
        .to_owned(),
        By::Best => plans[case.candidates[case.best].plan].clone(),
    }
}

/// One part.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Slice {
    /// Its name.
    pub name: String,
    /// Cases.
    pub cases: usize,
    /// Geometric mean of the regret, for each of the ways.
    pub regret: Vec<f64>,
}

/// Regret of several ways to choose, part by part, the largest first.
pub fn slices(cases: &[Case<'_>], plans: &[String], by: By, ways: &[&Outcomes]) -> Vec<Slice> {
    let mut parts: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (place, case) in cases.iter().enumerate() {
        parts.entry(part(case, plans, by)).or_default().push(place);
    }
    let of = |(name, places): (String, Vec<usize>)| {
        let mean = |way: &&Outcomes| {
            (places.iter().map(|&place| way.regret[place].ln()).sum::<f64>() / places.len() as f64).exp()
        };
        Slice { name, cases: places.len(), regret: ways.iter().map(mean).collect() }
    };
    let mut slices: Vec<Slice> = parts.into_iter().map(of).collect();
    slices.sort_by(|a, b| b.cases.cmp(&a.cases).then(a.name.cmp(&b.name)));
    slices
}
