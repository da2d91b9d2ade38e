//! `GET /livez`: the process runs and answers.

use http::HeaderValue;

use crate::api::reply::{self, HttpResponse};

pub(super) fn run() -> HttpResponse {
    reply::page(HeaderValue::from_static("text/plain; charset=utf-8"), "live\n")
}
