//! `/v1/explain`, and the plan in answers that ask for it.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::{
    Reply, Step,
    life::{Life, Understood},
    plan::Prepared,
    shape,
};
use crate::planner::{PlanReport, RegretReport};

impl Life<'_> {
    /// `/v1/explain`: the plan, and what the cache would have said; nothing is run but what planning needs, and no
    /// tier is any different afterwards.
    pub(super) async fn explain(&mut self, understood: &Understood) -> Reply {
        let token = CancellationToken::new();
        let _cancel = token.clone().drop_guard();
        let options = &understood.options;
        let ctx = self.context(options, self.priority(options).into(), token);
        // A plan is asked for, no answer: this look is a bypass, and the report says so.
        let _ = self.lookup(&understood.key, options, Instant::now());
        let prepared = self.plan(understood, &ctx).await?;
        let started = Instant::now();
        let (sought, policy) = (understood.sought(understood.key), &understood.collection.cache);
        let outcomes = self.state.tiers.told(&sought, policy, self.most_stale(options)).await;
        let report = self.plan_report(understood, &prepared);
        let body = shape::explanation(report, &outcomes)?;
        self.spent(Step::Shape, started);
        Ok(self.answer(body.into(), None, Duration::ZERO, understood.groups()))
    }

    pub(super) fn plan_report(&self, understood: &Understood, prepared: &Prepared) -> PlanReport {
        let mut cached = Vec::new();
        cached.extend(prepared.held.reach.as_ref().map(|_| "reach"));
        cached.extend(prepared.held.list.as_ref().map(|_| "list"));
        let canonical = understood.query.print(&understood.collection.schema);
        let regret = self.state.planning.experience().regret(prepared.planned.template.id);
        let regret = regret.map(|(duels, regret)| RegretReport { duels, regret });
        PlanReport::new(&prepared.planned, canonical, regret, cached)
    }
}
