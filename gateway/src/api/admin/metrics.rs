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
    let page = service.metrics().page(&service.cache_statistics(), service.pools(), &service.memory());
    reply::page(HeaderValue::from_static(METRICS_CONTENT_TYPE), page)
}
