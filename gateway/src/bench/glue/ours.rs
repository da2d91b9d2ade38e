//! The same questions through Forebay, in process and without any cache.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    backend::{GraphStore, VectorStore, postgres::PgTogether},
    bench::{
        BenchError,
        corpus::incoming,
        stores::{Question, Scratch},
    },
    catalog::{Catalog, Collection, CollectionSchema},
    config::{CacheConfig, ServerConfig},
    planner::PlanKind,
    principal::Principal,
    problem::Code,
    request::Gateway,
    telemetry::Metrics,
};

/// The plans that need no cache.
pub(super) const PLANS: [PlanKind; 4] =
    [PlanKind::VectorFirst, PlanKind::GraphFirst, PlanKind::Parallel, PlanKind::FilteredVector];

/// What a query is asked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Way {
    /// The planner chooses, and nothing is approximate.
    Exact,
    /// The planner chooses, and an approximate index may be used.
    Approximate,
    /// This plan, exactly.
    Plan(PlanKind),
    /// This plan, and an approximate index may be used.
    ApproximatePlan(PlanKind),
}

/// A gateway over one or two stores.
pub(super) struct Ours {
    gateway: Gateway,
    principal: Arc<Principal>,
}

impl Ours {
    /// A gateway over these stores, after they have learnt.
    pub(super) async fn new(
        schema: &Arc<CollectionSchema>,
        entities: Arc<dyn VectorStore>,
        graph: Arc<dyn GraphStore>,
    ) -> Result<Self, BenchError> {
        entities.refresh().await?;
        graph.refresh().await?;
        let collection = Collection::new(schema.clone(), entities, Some(graph), None);
        let (server, cache, metrics) = (ServerConfig::default(), CacheConfig::default(), Arc::<Metrics>::default());
        let gateway = Gateway::new(Catalog::new([collection]), &server, &cache, None, metrics);
        Ok(Self { gateway, principal: Arc::new(Principal::local()) })
    }

    /// The entities in Postgres and the graph in Neo4j; and both in Postgres.
    pub(super) async fn both(scratch: &Scratch, schema: &Arc<CollectionSchema>) -> Result<[Self; 2], BenchError> {
        let server = scratch.postgres()?;
        let bolt = scratch.bolt()?.ok_or_else(|| BenchError::Other("this needs a Neo4j".into()))?;
        let two = Self::new(schema, scratch.entities(&server), scratch.graph(&bolt)).await?;
        let edges = scratch.edges(&server);
        let together = PgTogether::new(scratch.entities(&server), edges.clone());
        let one = Self::new(schema, together, edges).await?;
        Ok([two, one])
    }

    /// The bytes of a question.
    pub(super) fn body(question: &Question, way: Way) -> Bytes {
        Self::body_with(question, way, json!({}))
    }

    fn body_with(question: &Question, way: Way, mut options: Value) -> Bytes {
        let mut body = question.body.clone();
        options["cache"] = json!("bypass");
        options["deadline_ms"] = json!(60_000);
        body["exact"] = json!(!matches!(way, Way::Approximate | Way::ApproximatePlan(_)));
        // The others return ids only, too.
        body["select"] = json!([]);
        if let Way::Plan(kind) | Way::ApproximatePlan(kind) = way {
            options["plan"] = json!(kind.as_str());
        }
        body["options"] = options;
        Bytes::from(body.to_string())
    }

    /// The body of the answer; `None` if the plan does not apply.
    pub(super) async fn answer(&self, body: &Bytes) -> Result<Option<Bytes>, BenchError> {
        match self.gateway.answer(incoming(&self.principal, body.clone())).await {
            Ok(answer) => Ok(Some(answer.body)),
            Err(problem) if problem.code == Code::PlanNotApplicable => Ok(None),
            Err(problem) => Err(BenchError::Query(problem, String::from_utf8_lossy(body).into_owned())),
        }
    }

    /// The plan that the planner picks, and what the planner says of all of them.
    pub(super) async fn picked(&self, question: &Question, way: Way) -> Result<(Option<PlanKind>, Value), BenchError> {
        let body = Self::body_with(question, way, json!({ "explain": "plan" }));
        let answer = self.answer(&body).await?.unwrap_or_default();
        let mut answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        let plan = answer["plan"].take();
        Ok((plan["chosen"].as_str().and_then(PlanKind::parse), plan))
    }
}

/// The ids of an answer.
pub(super) fn ids(answer: &Bytes) -> Vec<String> {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let items = answer["items"].as_array().into_iter().flatten();
    items.filter_map(|item| item["id"].as_str().map(str::to_owned)).collect()
}
