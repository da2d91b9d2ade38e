//! Which endpoint a request is for, and with which methods.

use http::{HeaderMap, HeaderValue, Method, StatusCode, header::ALLOW};

use super::reply::{self, HttpResponse};
use crate::{
    problem::{Code, Problem},
    telemetry::Route,
};

/// The endpoint with this path.
pub(super) fn route(path: &str) -> Route {
    match path {
        "/v1/query" => Route::Query,
        "/v1/query/batch" => Route::Batch,
        "/v1/explain" => Route::Explain,
        "/v1/collections" => Route::Collections,
        "/openapi.json" => Route::OpenApi,
        _ if path.starts_with(ERROR_PAGES) => Route::ErrorPage,
        _ => Route::Unknown,
    }
}

/// Where the pages of the error codes are.
pub(super) const ERROR_PAGES: &str = "/errors/";

/// The methods of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Methods {
    /// `POST` and `QUERY` (RFC 10008): the body is the question.
    Ask,
    /// `GET` and `HEAD`.
    Fetch,
    /// `POST`: something changes.
    Change,
    /// `GET` and `HEAD`, and `PATCH`: a part of it changes.
    Amend,
    /// `PUT`: something takes the place of what is there.
    Replace,
}

impl Methods {
    /// The methods of an endpoint of the query listener.
    pub(super) fn of(route: Route, path: &str) -> Result<Self, Problem> {
        match route {
            Route::Query | Route::Batch | Route::Explain => Ok(Self::Ask),
            Route::Collections | Route::OpenApi | Route::ErrorPage => Ok(Self::Fetch),
            Route::Unknown => Err(nothing_at(path)),
        }
    }

    pub(super) fn include(self, method: &Method) -> bool {
        match self {
            Self::Ask => method == Method::POST || method == Method::QUERY,
            Self::Fetch => method == Method::GET || method == Method::HEAD,
            Self::Change => method == Method::POST,
            Self::Amend => method == Method::GET || method == Method::HEAD || method == Method::PATCH,
            Self::Replace => method == Method::PUT,
        }
    }

    fn allow(self) -> &'static str {
        match self {
            Self::Ask => "POST, QUERY, OPTIONS",
            Self::Fetch => "GET, HEAD, OPTIONS",
            Self::Change => "POST, OPTIONS",
            Self::Amend => "GET, HEAD, PATCH, OPTIONS",
            Self::Replace => "PUT, OPTIONS",
        }
    }

    /// The response to a method that is not among these: to `OPTIONS` what it asks for, else `405`.
    pub(super) fn refuse(self, method: &Method, request_id: &str) -> HttpResponse {
        let mut response = if method == Method::OPTIONS {
            reply::empty(StatusCode::NO_CONTENT)
        } else {
            let detail = format!("{method} is not one of {}", self.allow());
            reply::problem(&Problem::new(Code::MethodNotAllowed, detail), request_id)
        };
        self.advertise(response.headers_mut());
        response
    }

    /// Says which methods there are, and what `QUERY` and `PATCH` (RFC 5789) take.
    pub(super) fn advertise(self, headers: &mut HeaderMap) {
        headers.insert(ALLOW, HeaderValue::from_static(self.allow()));
        if self == Self::Ask {
            headers.insert("accept-query", HeaderValue::from_static("application/json"));
        }
        if self == Self::Amend {
            headers.insert("accept-patch", HeaderValue::from_static("application/json"));
        }
    }
}

/// `404`
pub(super) fn nothing_at(path: &str) -> Problem {
    Problem::new(Code::NotFound, format!("there is nothing at {path:?}"))
}
