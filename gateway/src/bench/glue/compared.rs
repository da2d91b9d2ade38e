//! What was measured, and what follows from it.

use std::{io::Write as _, path::Path};

use serde_json::{Value, json};

use super::{
    Contender,
    ours::{PLANS, Way},
    rivals::Rival,
};
use crate::{
    bench::{
        BenchError,
        stores::{Judged, Question},
        timing::{Samples, q_error},
    },
    planner::PlanKind,
};

/// A question with what every contender made of it.
pub(super) struct Asked {
    pub(super) question: Question,
    /// One a contender; microseconds, one a pass.
    times: Vec<Vec<f64>>,
    judged: Vec<Option<Judged>>,
    /// What the planner picks over two stores and over one, and what it says of the plans.
    pub(super) plans: [(Option<PlanKind>, Value); 2],
}

impl Asked {
    pub(super) fn new(question: Question, contenders: &[Contender]) -> Self {
        let (times, judged) = (vec![Vec::new(); contenders.len()], vec![None; contenders.len()]);
        Self { question, times, judged, plans: Default::default() }
    }

    pub(super) fn took(&mut self, contender: usize, us: f64, ids: &[String]) {
        self.times[contender].push(us);
        let judged = self.question.judge(ids);
        // One wrong answer is enough.
        match &self.judged[contender] {
            Some(before) if judged.right || !before.right => {}
            _ => self.judged[contender] = Some(judged),
        }
    }

    /// How good a contender's answer is; `None` if it gave none.
    pub(super) fn judged(&self, contender: usize) -> Option<Judged> {
        self.judged[contender]
    }

    /// The median time over the passes that `of` says.
    fn time(&self, contender: usize, of: Passes) -> f64 {
        let times = self.times[contender].iter().enumerate();
        times.filter(|(pass, _)| of.has(*pass)).map(|(_, time)| *time).collect::<Samples>().median()
    }

    /// The median time.
    pub(super) fn median(&self, contender: usize) -> f64 {
        self.time(contender, Passes::All)
    }
}

/// Which rivals an answer is measured against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rivals {
    /// Those that are exact by construction.
    Exact,
    /// All whose answer happened to be right.
    Right,
}

/// Some of the passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passes {
    All,
    Even,
    Odd,
}

impl Passes {
    fn has(self, pass: usize) -> bool {
        match self {
            Self::All => true,
            Self::Even => pass.is_multiple_of(2),
            Self::Odd => !pass.is_multiple_of(2),
        }
    }
}

/// Everything.
pub(super) struct Compared {
    pub(super) contenders: Vec<Contender>,
    pub(super) asked: Vec<Asked>,
    pub(super) passes: usize,
    pub(super) entities: usize,
}

impl Compared {
    pub(super) fn place(&self, contender: Contender) -> usize {
        self.contenders.iter().position(|other| *other == contender).expect("all contenders are measured")
    }

    /// The rivals of this kind that gave the right answer to a question. Without a graph both kinds are the same.
    pub(super) fn right_rivals(&self, asked: &Asked, one_store: bool, rivals: Rivals) -> Vec<usize> {
        let takes = |rival: Rival| rivals == Rivals::Right || rival.is_exact();
        let places = self.contenders.iter().enumerate().filter_map(|(place, contender)| match contender {
            Contender::Rival(rival) if rival.is_one_store() == one_store && takes(*rival) => Some(place),
            Contender::Rival(_) | Contender::Ours { .. } => None,
        });
        places.filter(|place| asked.judged(*place).is_some_and(|judged| judged.right)).collect()
    }

    /// The fastest of some contenders.
    pub(super) fn fastest(asked: &Asked, among: &[usize], by: Passes) -> Option<usize> {
        among.iter().copied().min_by(|a, b| asked.time(*a, by).total_cmp(&asked.time(*b, by)))
    }

    /// Forebay over the best of these rivals, for the questions that `of` takes and where both are right.
    pub(super) fn against_best(
        &self,
        one_store: bool,
        way: Way,
        rivals: Rivals,
        of: impl Fn(&Asked) -> bool,
    ) -> Samples {
        let own = self.place(Contender::Ours { one_store, way });
        let asked = self.asked.iter().filter(|asked| of(asked) && asked.judged(own).is_some_and(|judged| judged.right));
        asked
            .filter_map(|asked| {
                let best = Self::fastest(asked, &self.right_rivals(asked, one_store, rivals), Passes::All)?;
                Some(asked.median(own) / asked.median(best))
            })
            .collect()
    }

    /// The same, the rival chosen by every other pass and both judged by the others. Nobody is lucky in advance.
    pub(super) fn against_chosen_before(&self, one_store: bool, way: Way, rivals: Rivals) -> Samples {
        let own = self.place(Contender::Ours { one_store, way });
        let asked = self.asked.iter().filter(|asked| asked.judged(own).is_some_and(|judged| judged.right));
        asked
            .flat_map(move |asked| {
                let rivals = self.right_rivals(asked, one_store, rivals);
                [(Passes::Even, Passes::Odd), (Passes::Odd, Passes::Even)].into_iter().filter_map(move |(by, judge)| {
                    let chosen = Self::fastest(asked, &rivals, by)?;
                    Some(asked.time(own, judge) / asked.time(chosen, judge))
                })
            })
            .filter(|ratio| ratio.is_finite())
            .collect()
    }

    /// What choosing among the rivals by some passes costs in the others: no difference below this means anything.
    pub(super) fn noise(&self, one_store: bool, rivals: Rivals) -> Samples {
        self.asked
            .iter()
            .flat_map(move |asked| {
                let rivals = self.right_rivals(asked, one_store, rivals);
                [(Passes::Even, Passes::Odd), (Passes::Odd, Passes::Even)].into_iter().filter_map(move |(by, judge)| {
                    let chosen = Self::fastest(asked, &rivals, by)?;
                    let best = Self::fastest(asked, &rivals, judge)?;
                    Some(asked.time(chosen, judge) / asked.time(best, judge))
                })
            })
            .filter(|ratio| ratio.is_finite())
            .collect()
    }

    /// The plans that apply to a question, as places of contenders.
    pub(super) fn plans(&self, asked: &Asked, one_store: bool) -> Vec<(PlanKind, usize)> {
        let plans = PLANS.into_iter();
        let places = plans.map(|kind| (kind, self.place(Contender::Ours { one_store, way: Way::Plan(kind) })));
        places.filter(|(_, place)| asked.judged(*place).is_some()).collect()
    }

    /// The picked plan, the fastest plan, and the time of the first over that of the second, by their own measurements.
    pub(super) fn regret(&self, asked: &Asked, one_store: bool) -> Option<(PlanKind, PlanKind, f64)> {
        let plans = self.plans(asked, one_store);
        let picked = asked.plans[usize::from(one_store)].0?;
        let (_, own) = plans.iter().find(|(kind, _)| *kind == picked)?;
        let places: Vec<usize> = plans.iter().map(|(_, place)| *place).collect();
        let fastest = Self::fastest(asked, &places, Passes::All)?;
        let (best, _) = plans.iter().find(|(_, place)| *place == fastest)?;
        (plans.len() > 1).then(|| (picked, *best, asked.median(*own) / asked.median(fastest)))
    }

    /// By how much the planner misjudges what walks reach: the larger of estimate and truth over the smaller one.
    pub(super) fn misjudged_reach(&self, one_store: bool) -> Samples {
        let errors = self.asked.iter().filter_map(|asked| {
            let estimate = asked.plans[usize::from(one_store)].1["estimates"]["reach"].as_f64()?;
            Some(q_error(estimate, asked.question.reached? as f64))
        });
        errors.collect()
    }

    /// One JSON object a question.
    pub(super) fn write_raw(&self, file: &Path) -> Result<(), BenchError> {
        let failed = |error| BenchError::Io("cannot write the measurements", error);
        let mut out = std::io::BufWriter::new(std::fs::File::create(file).map_err(failed)?);
        for asked in &self.asked {
            let mut body = asked.question.body.clone();
            // The vector's numbers are of no use to a reader.
            body["vector"] = json!("…");
            let contenders = self.contenders.iter().enumerate().filter_map(|(place, contender)| {
                let judged = asked.judged(place)?;
                let name = super::tables::name(*contender);
                Some((name, json!({ "us": asked.median(place), "right": judged.right, "recall": judged.recall })))
            });
            let line = json!({
                "body": body,
                "reach": asked.question.class.reach.as_str(),
                "filter": asked.question.class.filter.as_str(),
                "contenders": contenders.collect::<serde_json::Map<String, Value>>(),
                "plan_of_two": asked.plans[0].1,
                "plan_of_one": asked.plans[1].1,
            });
            writeln!(out, "{line}").map_err(failed)?;
        }
        out.flush().map_err(failed)
    }
}
