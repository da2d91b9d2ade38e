//! Metrics of planning: choices, duels, drift, models, the query log.

use super::page::{Family, Labels};
use crate::{
    execute::Surprise,
    planner::{
        Choice,
        experience::{DUELS, DuelRefusal, PlannerNow, SOURCES},
    },
};

fn row(label: &'static str, words: impl IntoIterator<Item = &'static str>, counts: &[u64]) -> Vec<(Labels, u64)> {
    words.into_iter().zip(counts).map(|(word, count)| (vec![(label, word.into())], *count)).collect()
}

pub(super) fn families(now: &PlannerNow) -> Vec<Family> {
    let counters = &now.counters;
    let seconds = ["caller", "duel"].into_iter().zip(counters.spent_seconds);
    vec![
        Family::counter(
            "planner_choice",
            "Runs for callers by why their plan was chosen.",
            row("reason", Choice::ALL.map(Choice::as_str), &counters.choices),
        ),
        Family::counter(
            "planner_prediction",
            "Runs for callers by where the prediction of their plan came from.",
            row("source", SOURCES, &counters.sources),
        ),
        Family::counter(
            "planner_replan",
            "Runs that went on with another plan, by what was otherwise than estimated.",
            row("surprise", Surprise::ALL.map(Surprise::as_str), &counters.replanned),
        ),
        Family::counter(
            "planner_duel",
            "Duels by how they ended for the chosen plan.",
            row("outcome", DUELS, &counters.duels),
        ),
        Family::counter(
            "planner_duel_refused",
            "Duels that were due and not held.",
            row("reason", DuelRefusal::ALL.map(DuelRefusal::as_str), &counters.refusals),
        ),
        Family::sums(
            "planner_ranked",
            "Time of the ranked parts of runs, for callers and in duels.",
            seconds.map(|(who, seconds)| (vec![("for", who.into())], seconds)).collect(),
        ),
        Family::ratio(
            "planner_regret",
            "Geometric mean of the chosen plan's latency over that of the faster one of each duel.",
            counters.regret,
        ),
        Family::gauge(
            "planner_drifting",
            None,
            "Plans and legs whose latencies are not what was expected.",
            counters.alarms,
        ),
        Family::gauge(
            "planner_fallen_back",
            None,
            "Shapes of queries that are planned without the model, since duels show it to be worse.",
            counters.fallen,
        ),
        Family::gauge("planner_model", None, "1 where a trained model predicts.", u64::from(now.has_model)),
        Family::counter(
            "planner_model_change",
            "Models put in place, refused, gone back to.",
            row("change", ["promoted", "refused", "rolled-back"], &now.models),
        ),
        Family::counter(
            "planner_log_record",
            "Records of the query log: written, lost because the thread that writes was behind, failed to be written.",
            row("outcome", ["written", "lost", "failed"], &counters.logged),
        ),
    ]
}
