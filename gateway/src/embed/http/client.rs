//! One request over HTTP and its reply.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, header, uri::Scheme};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use jiff::{Timestamp, fmt::rfc2822};

use super::fault::{Fault, ReplyProblem};

/// Longest time for opening a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection is kept without being used.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Most of an error's body that is read.
const MAX_ERROR_BYTES: usize = 64 << 10;

/// Sends requests to one address.
pub(super) struct HttpClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    endpoint: Uri,
    authorization: Option<HeaderValue>,
    timeout: Duration,
}

/// What a server sent.
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Bytes,
}

impl HttpClient {
    /// A client that keeps up to `max_idle` connections. Opens none yet.
    ///
    /// # Errors
    /// The endpoint is `https` and the system has no certificates to trust.
    pub(super) fn new(
        endpoint: Uri,
        authorization: Option<HeaderValue>,
        timeout: Duration,
        max_idle: usize,
    ) -> std::io::Result<Self> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(timeout.min(CONNECT_TIMEOUT)));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = HttpsConnectorBuilder::new();
        let builder = if endpoint.scheme() == Some(&Scheme::HTTPS) {
            builder.with_provider_and_native_roots(provider)?
        } else {
            // Never used, so that plain HTTP needs no certificates on the machine.
            let tls = rustls::ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .map_err(std::io::Error::other)?
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth();
            builder.with_tls_config(tls)
        };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(max_idle)
            .build(builder.https_or_http().enable_all_versions().wrap_connector(http));
        Ok(Self { client, endpoint, authorization, timeout })
    }

    /// Posts JSON. The body of a good reply may have `limit` bytes; one of an error is cut off where it is too long.
    pub(super) async fn post(&self, body: Bytes, limit: usize) -> Result<Response, Fault> {
        match tokio::time::timeout(self.timeout, self.exchange(body, limit)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Fault::TimedOut(self.timeout)),
        }
    }

    async fn exchange(&self, body: Bytes, limit: usize) -> Result<Response, Fault> {
        let mut request = Request::post(self.endpoint.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, concat!("forebay/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(body))
            .expect("the endpoint and the headers are sound");
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(header::AUTHORIZATION, authorization.clone());
        }
        let response = self.client.request(request).await.map_err(|error| Fault::Unreachable(root(&error)))?;
        let (head, body) = response.into_parts();
        let limit = if head.status.is_success() { limit } else { MAX_ERROR_BYTES };
        let body = match Limited::new(body, limit).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                if head.status.is_success() {
                    return Err(ReplyProblem::TooLong { limit }.into());
                }
                // The status says enough.
                Bytes::new()
            }
            Err(error) => return Err(Fault::Unreachable(root(&*error))),
        };
        Ok(Response { status: head.status, retry_after: retry_after(&head.headers, Timestamp::now()), body })
    }
}

/// The first cause: `Connection refused (os error 111)` rather than `client error (Connect)`.
fn root(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// `Retry-After`, seconds or a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(date.duration_since(now).try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
        let read = |text| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(text));
            retry_after(&headers, now)
        };
        assert_eq!(read("3"), Some(Duration::from_secs(3)));
        assert_eq!(read("Sat, 21 Nov 2026 08:00:07 GMT"), Some(Duration::from_secs(7)));
        assert_eq!(read("Sat, 21 Nov 2026 07:00:00 GMT"), Some(Duration::ZERO), "it has passed");
        assert_eq!(read("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
