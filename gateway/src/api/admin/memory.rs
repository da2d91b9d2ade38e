//! `GET /memory`: what may be used, what is used, and what was done about it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::api::{
    Service,
    reply::{self, HttpResponse},
};

#[derive(Serialize)]
struct MemoryBody {
    state: &'static str,
    limit_bytes: Option<u64>,
    limit_source: Option<&'static str>,
    usage_bytes: u64,
    shed_bytes: BTreeMap<&'static str, u64>,
    refused_batch: u64,
}

pub(super) fn run(service: &impl Service) -> HttpResponse {
    let now = service.memory();
    let body = MemoryBody {
        state: now.level.as_str(),
        limit_bytes: now.limit.map(|limit| limit.bytes),
        limit_source: now.limit.map(|limit| limit.source.as_str()),
        usage_bytes: now.usage,
        shed_bytes: now.shed.into_iter().collect(),
        refused_batch: now.refused,
    };
    reply::json(serde_json::to_vec(&body).expect("numbers and words"))
}
