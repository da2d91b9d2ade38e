//! What goes back: answers, problems and pages as HTTP responses, and the headers that say what varies per serving.

mod answer;
mod cache_status;
mod fields;
mod problem;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body_util::Full;
use hyper::body::Body;

pub(super) use answer::answer;
pub(super) use problem::problem;

/// Every response: its body is there, in one piece, and is sent as it is.
pub type HttpResponse = Response<Full<Bytes>>;

pub(super) static REQUEST_ID: HeaderName = HeaderName::from_static("forebay-request-id");
static JSON: HeaderValue = HeaderValue::from_static("application/json");
static NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// A JSON body that is made for this request.
pub(super) fn json(body: impl Into<Bytes>) -> HttpResponse {
    page(JSON.clone(), body)
}

/// A body that is made for this request.
pub(super) fn page(content_type: HeaderValue, body: impl Into<Bytes>) -> HttpResponse {
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, NO_STORE.clone());
    assemble(StatusCode::OK, headers, body.into())
}

/// No body at all.
pub(super) fn empty(status: StatusCode) -> HttpResponse {
    assemble(status, HeaderMap::new(), Bytes::new())
}

/// What every response has: the request's name, and to `HEAD` a length instead of a body.
pub(super) fn finish(mut response: HttpResponse, request_id: &str, head_only: bool) -> HttpResponse {
    if !response.headers().contains_key(&REQUEST_ID)
        && let Ok(name) = HeaderValue::from_str(request_id)
    {
        response.headers_mut().insert(&REQUEST_ID, name);
    }
    if head_only && response.status() != StatusCode::NO_CONTENT {
        let length = response.body().size_hint().lower();
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
        *response.body_mut() = Full::default();
    }
    response
}

fn assemble(status: StatusCode, headers: HeaderMap, body: Bytes) -> HttpResponse {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
