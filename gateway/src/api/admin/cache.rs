//! `GET /v1/cache`: the cache in numbers.

use serde::Serialize;

use crate::api::{
    Service,
    reply::{self, HttpResponse},
};

#[derive(Serialize)]
struct CacheBody {
    entries: u64,
    bytes: u64,
    max_bytes: u64,
}

pub(super) fn run(service: &impl Service) -> HttpResponse {
    let now = service.cache_statistics();
    let body = CacheBody { entries: now.entries, bytes: now.bytes, max_bytes: now.max_bytes };
    reply::json(serde_json::to_vec(&body).expect("numbers"))
}
