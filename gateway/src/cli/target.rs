//! Options of commands that talk to a running gateway.

use std::path::PathBuf;

use bytes::Bytes;
use http::Method;
use serde_json::Value as Json;

use super::{
    Failure,
    client::{Client, Response},
};

/// Which gateway, and as whom.
#[derive(Debug, clap::Args)]
pub(super) struct Target {
    /// Address of the gateway
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7700")]
    url: String,
    /// File that holds the bearer token
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl Target {
    /// Posts a body and returns a successful answer.
    pub(super) fn post(&self, path: &str, body: Bytes) -> Result<Response, Failure> {
        let token = match &self.token_file {
            None => None,
            Some(file) => {
                let text = std::fs::read_to_string(file)
                    .map_err(|error| Failure::Other(format!("{}: {error}", file.display())))?;
                Some(text.trim().to_owned())
            }
        };
        exchange(&self.url, token.as_deref(), Method::POST, path, body)
    }
}

/// Which gateway, for those who operate it.
#[derive(Debug, clap::Args)]
pub(super) struct AdminTarget {
    /// Address of the gateway's admin listener, which answers on its own machine only
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7701")]
    url: String,
}

impl AdminTarget {
    /// Asks for something.
    pub(super) fn get(&self, path: &str) -> Result<Response, Failure> {
        exchange(&self.url, None, Method::GET, path, Bytes::new())
    }

    /// Posts a body and returns a successful answer.
    pub(super) fn post(&self, path: &str, body: Bytes) -> Result<Response, Failure> {
        exchange(&self.url, None, Method::POST, path, body)
    }
}

/// Sends a request and returns a successful answer; an error document becomes a failure that people can read.
fn exchange(url: &str, token: Option<&str>, method: Method, path: &str, body: Bytes) -> Result<Response, Failure> {
    let mut client = Client::new(url, token)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Other(format!("cannot start: {error}")))?;
    let response = runtime.block_on(client.send(method, path, body))?;
    if response.status.is_success() { Ok(response) } else { Err(refusal(&response)) }
}

/// An `application/problem+json` body in words.
fn refusal(response: &Response) -> Failure {
    let problem: Json = serde_json::from_slice(&response.body).unwrap_or_default();
    let Some(code) = problem["code"].as_str() else {
        return Failure::Other(format!("the gateway answered {}", response.status));
    };
    let detail = problem["detail"].as_str().or(problem["title"].as_str()).unwrap_or_default();
    let place = match problem["pointer"].as_str() {
        Some("") => " (at the whole body)".to_owned(),
        Some(pointer) => format!(" (at {pointer})"),
        None => String::new(),
    };
    Failure::Other(format!("{} {code}: {detail}{place}", response.status.as_u16()))
}
