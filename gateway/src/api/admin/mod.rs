//! The listener for operators, one file a command. Whoever reaches it may purge and sees counts of all data, so it
//! serves loopback only, wherever it is bound.

mod cache;
mod config;
mod livez;
mod lookup;
mod memory;
mod metrics;
mod planner;
mod pools;
mod purge;
mod readiness;
mod readyz;

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Method, Request};
use hyper::body::Incoming;

pub use self::readiness::{Blocker, Readiness};
use super::{
    Service,
    auth::is_loopback,
    body,
    connection::{Client, Handler},
    head::Head,
    reply::{self, HttpResponse},
    request_id,
    route::{Methods, nothing_at},
};
use crate::{
    config::Config,
    problem::{Code, Problem},
};

/// A model file may be long.
const MODEL_TIMEOUT: Duration = Duration::from_secs(60);

/// The endpoints of the admin listener.
pub struct Admin<S> {
    service: Arc<S>,
    readiness: Arc<Readiness>,
    config: Config,
}

/// What operators may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Livez,
    Readyz,
    Metrics,
    Cache,
    Lookup,
    Purge,
    Config,
    Memory,
    Pools,
    Pool,
    Planner,
    Model,
    Rollback,
}

impl Command {
    /// The command at a path, and how it is asked for.
    fn at(path: &str) -> Option<(Self, Methods)> {
        Some(match path {
            "/livez" => (Self::Livez, Methods::Fetch),
            "/readyz" => (Self::Readyz, Methods::Fetch),
            "/metrics" => (Self::Metrics, Methods::Fetch),
            "/v1/cache" => (Self::Cache, Methods::Fetch),
            "/v1/cache/lookup" => (Self::Lookup, Methods::Change),
            "/v1/cache/purge" => (Self::Purge, Methods::Change),
            "/v1/config" => (Self::Config, Methods::Fetch),
            "/memory" => (Self::Memory, Methods::Fetch),
            "/v1/planner" => (Self::Planner, Methods::Fetch),
            "/v1/planner/model" => (Self::Model, Methods::Replace),
            "/v1/planner/model/rollback" => (Self::Rollback, Methods::Change),
            "/pools" => (Self::Pools, Methods::Fetch),
            _ if path.starts_with(pools::POOLS) => (Self::Pool, Methods::Amend),
            _ => return None,
        })
    }
}

impl<S: Service> Admin<S> {
    /// The endpoints of a gateway that runs with `config`.
    pub fn new(service: Arc<S>, readiness: Arc<Readiness>, config: Config) -> Self {
        Self { service, readiness, config }
    }

    async fn respond(
        &self,
        client: &Client,
        request: Request<Incoming>,
        request_id: &str,
    ) -> Result<HttpResponse, Problem> {
        let (parts, body) = request.into_parts();
        if !is_loopback(client.peer) {
            return Err(Problem::new(Code::Forbidden, "the admin listener serves callers on loopback only"));
        }
        let head = Head::read(&parts.uri, &parts.headers);
        head.fits(self.config.server.max_header_bytes)?;
        let path = parts.uri.path();
        let (command, methods) = Command::at(path).ok_or_else(|| nothing_at(path))?;
        if !methods.include(&parts.method) {
            return Ok(methods.refuse(&parts.method, request_id));
        }
        match command {
            Command::Livez => Ok(livez::run()),
            Command::Readyz => Ok(readyz::run(&self.readiness)),
            Command::Metrics => Ok(metrics::run(&*self.service)),
            Command::Cache => Ok(cache::run(&*self.service)),
            Command::Config => Ok(config::run(&self.config)),
            Command::Lookup => {
                let body = self.json(&head, body).await?;
                lookup::run(&*self.service, parts.uri.query(), body).await
            }
            Command::Purge => purge::run(&*self.service, &self.json(&head, body).await?).await,
            Command::Memory => Ok(memory::run(&*self.service)),
            Command::Pools => Ok(pools::list(&*self.service)),
            Command::Pool if parts.method == Method::PATCH => {
                pools::resize(&*self.service, path, &self.json(&head, body).await?)
            }
            Command::Pool => pools::show(&*self.service, path),
            Command::Planner => Ok(planner::show(&*self.service)),
            Command::Model => {
                let time = Duration::from_millis(self.config.server.body_timeout_ms).max(MODEL_TIMEOUT);
                planner::put(&*self.service, body::read(body, planner_model::MAX_BYTES, time).await?).await
            }
            Command::Rollback => planner::roll_back(&*self.service).await,
        }
    }

    /// The body of a command that takes one.
    async fn json(&self, head: &Head<'_>, body: Incoming) -> Result<Bytes, Problem> {
        head.is_json()?;
        let time = Duration::from_millis(self.config.server.body_timeout_ms);
        body::read(body, self.config.server.max_body_bytes, time).await
    }
}

impl<S: Service> Handler for Admin<S> {
    async fn handle(&self, client: &Client, request: Request<Incoming>) -> HttpResponse {
        let request_id = request_id::name(request.headers().get(&reply::REQUEST_ID));
        let head_only = request.method() == Method::HEAD;
        let path = AssertUnwindSafe(self.respond(client, request, &request_id)).catch_unwind();
        let response = match path.await {
            Ok(Ok(response)) => response,
            Ok(Err(problem)) => reply::problem(&problem, &request_id),
            Err(_) => reply::problem(&Problem::new(Code::Internal, "see the gateway's log"), &request_id),
        };
        reply::finish(response, &request_id, head_only)
    }
}
