//! `GET /metrics`: everything that is counted, for Prometheus.

use http::HeaderValue;

use crate::{
    api::{
        Service,
        reply::{self, HttpResponse},
    },
    telemetry::METRICS_CONTENT_TYPE,
};

pub(super) fn run(service: &impl Service) -> HttpResponse {
    let (cache, memory, planner) = (service.cache_statistics(), service.memory(), service.planning().now());
    let page = service.metrics().page(&cache, service.pools(), &memory, &planner);
    reply::page(HeaderValue::from_static(METRICS_CONTENT_TYPE), page)
}
