//! `GET /v1/planner`: models, and what runs taught. `PUT /v1/planner/model`: another model. `POST /v1/planner/model/rollback`: the
//! one before.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use crate::{
    api::{
        Service,
        reply::{self, HttpResponse},
    },
    planner::{
        experience::ExperienceReport,
        models::{ModelsReport, Origin, Refused, Trained},
    },
    problem::{Code, Problem},
    request::Planning,
};

#[derive(Serialize)]
struct PlannerBody {
    models: ModelsReport,
    /// Whether gateways share models in an object store.
    shared: bool,
    /// Whether there is a query log.
    logs: bool,
    #[serde(flatten)]
    experience: ExperienceReport,
}

pub(super) fn show(service: &impl Service) -> HttpResponse {
    shown(&service.planning())
}

pub(super) async fn put(service: &impl Service, file: Bytes) -> Result<HttpResponse, Problem> {
    let planning = service.planning();
    let (judging, judged) = (planning.clone(), file.clone());
    // Reading and judging keeps no connection waiting.
    let placed =
        tokio::task::spawn_blocking(move || judging.models().promote(&judged, Origin::Admin, judging.experience()));
    let trained = placed.await.map_err(|_| Problem::new(Code::Internal, "see the gateway's log"))?.map_err(refused)?;
    publish(&planning, Some((&trained, file))).await?;
    Ok(shown(&planning))
}

pub(super) async fn roll_back(service: &impl Service) -> Result<HttpResponse, Problem> {
    let planning = service.planning();
    let trained = planning.models().roll_back(planning.experience()).map_err(refused)?;
    let file = trained.as_ref().map(|trained| trained.model().encode()).transpose().map_err(|error| {
        Problem::new(Code::Internal, format!("the model before predicts again, but cannot be shared: {error}"))
    })?;
    let model = trained.as_deref().zip(file.map(Bytes::from));
    publish(&planning, model).await?;
    Ok(shown(&planning))
}

fn shown(planning: &Arc<Planning>) -> HttpResponse {
    let body = PlannerBody {
        models: planning.models().report(),
        shared: planning.shared().is_some(),
        logs: planning.notebook().logs(),
        experience: planning.experience().report(),
    };
    reply::json(serde_json::to_vec(&body).expect("numbers and words"))
}

fn refused(refused: Refused) -> Problem {
    Problem::new(Code::ModelRefused, refused.to_string())
}

/// Leaves the model for other gateways, where there is a place for that.
async fn publish(planning: &Planning, model: Option<(&Trained, Bytes)>) -> Result<(), Problem> {
    let Some(shared) = planning.shared() else { return Ok(()) };
    shared.publish(model).await.map_err(|error| {
        let detail = format!("the model predicts on this gateway, but the others could not be told: {error}");
        Problem::new(Code::BackendUnavailable, detail)
    })
}
