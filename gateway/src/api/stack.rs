//! The query listener: the path of a request through HTTP is [`Api::respond`], one step a line.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, StatusCode, Version, request::Parts};
use hyper::body::{Body, Incoming as IncomingBody};
use tracing::Level;

use super::{
    Service,
    auth::Authenticator,
    body, collections,
    connection::{Client, Handler},
    error_page,
    head::Head,
    openapi,
    reply::{self, HttpResponse},
    request_id,
    route::{Methods, route},
};
use crate::{
    config::ServerConfig,
    problem::{Code, Problem},
    request::{Endpoint, Incoming},
    telemetry::Route,
};

/// The endpoints of the query listener.
pub struct Api<S> {
    service: Arc<S>,
    authenticator: Authenticator,
    max_header_bytes: usize,
    max_body_bytes: usize,
    body_timeout: Duration,
    openapi: Bytes,
}

/// A request before it is understood.
struct Received {
    at: Instant,
    route: Route,
    parts: Parts,
    body: IncomingBody,
}

/// A good end of a request's path.
enum Outcome {
    /// An answer; it names its request itself.
    Answer(HttpResponse),
    /// Anything else.
    Page(HttpResponse),
}

impl<S: Service> Api<S> {
    /// The endpoints of a gateway, for those that `authenticator` knows, within the limits of `config`.
    pub fn new(service: Arc<S>, authenticator: Authenticator, config: &ServerConfig) -> Self {
        Self {
            service,
            authenticator,
            max_header_bytes: config.max_header_bytes,
            max_body_bytes: config.max_body_bytes,
            body_timeout: Duration::from_millis(config.body_timeout_ms),
            openapi: openapi::document().into(),
        }
    }

    /// The path of a request. `unread` becomes false when its body has been read to the end.
    async fn respond(
        &self,
        client: &Client,
        request_id: &Arc<str>,
        received: Received,
        unread: &mut bool,
    ) -> Result<Outcome, Problem> {
        let Received { at, route, parts, body } = received;
        // What do the headers say, and are there too many of them? (431)
        let head = Head::read(&parts.uri, &parts.headers);
        head.fits(self.max_header_bytes)?;
        // Is this peer served at all? Without principals only loopback is. (403)
        self.authenticator.admits(client.peer)?;
        // Is there such an endpoint, and does it have this method? (404, 405)
        let methods = Methods::of(route, parts.uri.path())?;
        if !methods.include(&parts.method) {
            return Ok(Outcome::Page(methods.refuse(&parts.method, request_id)));
        }
        // Pages that anyone may read.
        match route {
            Route::OpenApi => return Ok(Outcome::Page(reply::json(self.openapi.clone()))),
            Route::ErrorPage => return error_page::page(parts.uri.path()).map(Outcome::Page),
            _ => {}
        }
        // Who asks? (401)
        let principal = self.authenticator.caller(&client.caller, client.peer, head.authorization)?;
        if route == Route::Collections {
            let body = collections::body(&self.service.catalog(), &principal);
            return Ok(Outcome::Page(reply::json(body)));
        }
        // Is the body JSON, small enough, and here in time? (415, 413, 408)
        head.is_json()?;
        let hints = head.hints;
        let body = body::read(body, self.max_body_bytes, self.body_timeout).await?;
        *unread = false;
        // Ask the gateway.
        let endpoint = if route == Route::Explain { Endpoint::Explain } else { Endpoint::Query };
        let incoming = Incoming { endpoint, principal, body, hints, received: at, request_id: request_id.clone() };
        if route == Route::Batch {
            return Ok(Outcome::Page(reply::json(self.service.batch(incoming).await?)));
        }
        let answer = self.service.answer(incoming).await?;
        Ok(Outcome::Answer(reply::answer(answer, &parts.method, request_id, parts.headers)))
    }
}

impl<S: Service> Handler for Api<S> {
    /// Names the request, lets it take its path, and turns however that ends into a response.
    async fn handle(&self, client: &Client, request: Request<IncomingBody>) -> HttpResponse {
        let at = Instant::now();
        let (parts, body) = request.into_parts();
        let request_id = request_id::name(parts.headers.get(&reply::REQUEST_ID));
        let route = route(parts.uri.path());
        let head_only = parts.method == http::Method::HEAD;
        // In HTTP/2 a body that is left is the end of its stream only.
        let mut unread = parts.version < Version::HTTP_2 && !body.is_end_stream();
        let received = Received { at, route, parts, body };
        let path = AssertUnwindSafe(self.respond(client, &request_id, received, &mut unread)).catch_unwind();
        let mut response = match path.await {
            Ok(Ok(Outcome::Answer(response))) => response,
            Ok(Ok(Outcome::Page(response))) => reply::finish(response, &request_id, head_only),
            Ok(Err(problem)) => reply::finish(refused(&problem, route, &request_id), &request_id, head_only),
            // The panic itself is on standard error. One query that finds a defect must not take others along.
            Err(_) => refused(&Problem::new(Code::Internal, "see the gateway's log"), route, &request_id),
        };
        if response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            Methods::Ask.advertise(response.headers_mut());
        }
        if unread {
            client.activity.leaves_body();
        }
        self.service.metrics().responded(route, response.status().as_u16());
        if tracing::enabled!(tracing::Level::DEBUG) {
            let status = response.status().as_u16();
            tracing::debug!(%request_id, route = route.as_str(), status, elapsed_us = at.elapsed().as_micros() as u64);
        }
        response
    }

    fn opened(&self) {
        self.service.metrics().connection_opened();
    }

    fn closed(&self) {
        self.service.metrics().connection_closed();
    }
}

/// The response for a problem.
fn refused(problem: &Problem, route: Route, request_id: &str) -> HttpResponse {
    let (code, detail, route) = (problem.code.as_str(), problem.detail.as_str(), route.as_str());
    match news(problem.code) {
        Level::ERROR => tracing::error!(request_id, route, code, detail, "a defect"),
        Level::WARN => tracing::warn!(request_id, route, code, detail, "not answered"),
        _ => tracing::debug!(request_id, route, code, detail, "refused"),
    }
    reply::problem(problem, request_id)
}

/// What one problem is to an operator. Those of the caller's making are no news. Nor is it news that one more request was
/// refused as it should be where there is not enough for all: a line each would bury the others, and they are counted.
fn news(code: Code) -> Level {
    match (code, code.status()) {
        (Code::Overloaded | Code::MemoryShort | Code::OnlyIfCached, _) | (_, ..500) => Level::DEBUG,
        (_, 500) => Level::ERROR,
        (_, 501..) => Level::WARN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_an_operator_has_to_look_into_is_news() {
        let of = |level| Code::ALL.iter().filter(move |code| news(**code) == level).collect::<Vec<_>>();
        assert_eq!(of(Level::ERROR), [&Code::Internal]);
        assert_eq!(of(Level::WARN), [&Code::BackendFailed, &Code::BackendUnavailable, &Code::DeadlineExceeded]);
    }
}
