//! An error as a response: `application/problem+json` (RFC 9457).

use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};

use super::{HttpResponse, NO_STORE, REQUEST_ID, assemble};
use crate::{
    problem::{Code, Problem},
    request::ProblemBody,
};

/// Seconds after which to try again where the problem does not say.
const DEFAULT_RETRY_SECONDS: u64 = 1;

/// The response for a problem.
pub(in crate::api) fn problem(problem: &Problem, request_id: &str) -> HttpResponse {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CACHE_CONTROL, NO_STORE.clone());
    if let Ok(name) = HeaderValue::from_str(request_id) {
        headers.insert(&REQUEST_ID, name);
    }
    if problem.code == Code::Unauthorized {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if matches!(problem.code.status(), 429 | 503) {
        let wait = problem.retry_after.map_or(DEFAULT_RETRY_SECONDS, |wait| wait.as_secs_f64().ceil() as u64);
        headers.insert(RETRY_AFTER, HeaderValue::from(wait));
    }
    let status = StatusCode::from_u16(problem.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = serde_json::to_vec(&ProblemBody::new(problem, request_id)).expect("a problem is plain data");
    assemble(status, headers, body.into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_code_has_a_status_that_is_an_error() {
        for code in Code::ALL {
            let response = problem(&Problem::new(*code, "x"), "r");
            assert!(response.status().is_client_error() || response.status().is_server_error(), "{code:?}");
            assert_eq!(response.headers().contains_key(RETRY_AFTER), matches!(code.status(), 429 | 503), "{code:?}");
            assert_eq!(response.headers().contains_key(WWW_AUTHENTICATE), code.status() == 401, "{code:?}");
        }
    }

    #[test]
    fn the_wait_is_rounded_up() {
        let overloaded =
            Problem { retry_after: Some(Duration::from_millis(1_200)), ..Problem::new(Code::Overloaded, "x") };
        assert_eq!(problem(&overloaded, "r").headers()[RETRY_AFTER], "2");
    }
}
