//! `GET /readyz`: whether queries should be sent here, and if not, what stands in the way.

use http::StatusCode;
use serde::Serialize;

use super::Readiness;
use crate::api::reply::{self, HttpResponse};

#[derive(Serialize)]
struct ReadyBody {
    ready: bool,
    blockers: Vec<String>,
}

pub(super) fn run(readiness: &Readiness) -> HttpResponse {
    let blockers = readiness.blockers();
    let body = ReadyBody { ready: blockers.is_empty(), blockers };
    let mut response = reply::json(serde_json::to_vec(&body).expect("strings"));
    if !body.ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}
