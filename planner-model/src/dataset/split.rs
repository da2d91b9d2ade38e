//! What is held out. Chance comes from hashes of names, so that a split does not depend on the order of the log, and more
//! data does not move what was there.

use std::collections::{BTreeMap, HashSet};

use super::{Dataset, Group};
use crate::Feature;

/// What is never seen in training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Holdout {
    /// Queries, whichever.
    Random,
    /// Whole templates.
    Templates,
    /// Whole cells of selectivity × hops.
    Cells,
    /// The last quarter by time, without queries that came before.
    Time,
}

impl Holdout {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Random, Self::Templates, Self::Cells, Self::Time];

    /// The name in commands and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Templates => "templates",
            Self::Cells => "cells",
            Self::Time => "time",
        }
    }
}

/// Groups by their index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fold {
    /// To train on.
    pub train: Vec<usize>,
    /// Held out.
    pub test: Vec<usize>,
}

/// The decade of the estimated selectivity, from -5 to 0, and the hops.
pub fn cell(group: &Group) -> (i32, u32) {
    let decade = group.shared(Feature::Selectivity).ceil().clamp(-5.0, 0.0) as i32;
    (decade, group.shared(Feature::Hops).clamp(0.0, 100.0) as u32)
}

/// `count` folds, each group in the test of exactly one; for [`Holdout::Time`] one fold. Folds without a test are left out.
pub fn folds(dataset: &Dataset, holdout: Holdout, count: usize, seed: u64) -> Vec<Fold> {
    let count = count.max(2);
    let all = || dataset.groups.iter().enumerate();
    if holdout == Holdout::Time {
        return by_time(dataset);
    }
    let unit = |group: &Group| match holdout {
        Holdout::Random | Holdout::Time => group.query.to_string(),
        Holdout::Templates => group.template.to_string(),
        Holdout::Cells => format!("{:?}", cell(group)),
    };
    let mut units: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    all().for_each(|(index, group)| units.entry(unit(group)).or_default().push(index));

    // The largest first, each to the fold with the least: templates differ a lot in size.
    let mut units: Vec<(String, Vec<usize>)> = units.into_iter().collect();
    units.sort_by(|(a, of_a), (b, of_b)| {
        of_b.len().cmp(&of_a.len()).then(share(a, seed).total_cmp(&share(b, seed))).then(a.cmp(b))
    });
    let mut tests = vec![Vec::new(); count];
    for (_, groups) in units {
        let least = (0..count).min_by_key(|&fold| tests[fold].len()).unwrap_or(0);
        tests[least].extend(groups);
    }
    let mut place = vec![0; dataset.groups.len()];
    for (fold, test) in tests.iter_mut().enumerate() {
        test.sort_unstable();
        test.iter().for_each(|&index| place[index] = fold);
    }
    let of = |(fold, test): (usize, Vec<usize>)| Fold {
        train: (0..place.len()).filter(|&index| place[index] != fold).collect(),
        test,
    };
    tests.into_iter().enumerate().map(of).filter(|fold| !fold.test.is_empty() && !fold.train.is_empty()).collect()
}

fn by_time(dataset: &Dataset) -> Vec<Fold> {
    // Groups are in order of time.
    let cut = dataset.groups.len() * 3 / 4;
    let before: HashSet<&str> = dataset.groups[..cut].iter().map(|group| &*group.query).collect();
    let is_new = |index: &usize| !before.contains(&*dataset.groups[*index].query);
    let fold = Fold { train: (0..cut).collect(), test: (cut..dataset.groups.len()).filter(is_new).collect() };
    if fold.train.is_empty() || fold.test.is_empty() { Vec::new() } else { vec![fold] }
}

/// A number in 0..1 that depends on the name and the seed only.
pub(crate) fn share(name: &str, seed: u64) -> f64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes()).update(name.as_bytes());
    let first = hasher.finalize().as_bytes().first_chunk::<8>().map_or(0, |chunk| u64::from_le_bytes(*chunk));
    (first >> 11) as f64 / (1_u64 << 53) as f64
}
