//! A connection to a gateway: HTTP/1.1 without TLS, one request at a time, kept alive.

use std::{io, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header, uri::Authority};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value as Json;
use tokio::net::TcpStream;

/// Longest time to connect, and to wait for an answer. Gateways end queries by their own deadline long before.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(120);

/// Largest answer that is read.
const MOST_BYTES: usize = 64 << 20;

/// One connection.
pub(super) struct Client {
    authority: Authority,
    token: Option<HeaderValue>,
    sender: Option<SendRequest<Full<Bytes>>>,
}

/// An answer, whatever its status.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address is of no gateway.
    #[error("{0} is not of the form http://host:port")]
    Address(String),
    /// The token cannot be sent.
    #[error("the token holds characters that a header cannot carry")]
    Token,
    /// Nobody listens.
    #[error("cannot connect to {0}: {1}")]
    Connect(Authority, io::Error),
    /// The connection broke.
    #[error("{0} did not answer: {1}")]
    Broken(Authority, hyper::Error),
    /// It takes too long.
    #[error("{0} did not answer within {seconds} s", seconds = ANSWER.as_secs())]
    Silent(Authority),
    /// The answer is too long, or broke off.
    #[error("the answer of {0} could not be read: {1}")]
    Body(Authority, Box<dyn std::error::Error + Send + Sync>),
}

impl Client {
    /// A client that connects when it first asks.
    pub(super) fn new(url: &str, token: Option<&str>) -> Result<Self, ClientError> {
        let uri: Option<Uri> = url.parse().ok();
        let plain =
            |uri: &Uri| uri.scheme_str() == Some("http") && matches!(uri.path(), "" | "/") && uri.query().is_none();
        let authority = uri.filter(plain).and_then(|uri| uri.authority().cloned());
        let authority = authority.ok_or_else(|| ClientError::Address(url.to_owned()))?;
        let bearer = |token| HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| ClientError::Token);
        Ok(Self { authority, token: token.map(bearer).transpose()?, sender: None })
    }

    /// Host without port.
    pub(super) fn host(&self) -> &str {
        self.authority.host().trim_start_matches('[').trim_end_matches(']')
    }

    pub(super) async fn get(&mut self, path: &str) -> Result<Answer, ClientError> {
        self.send(Method::GET, path, None, Bytes::new()).await
    }

    pub(super) async fn post(&mut self, path: &str, body: &Json) -> Result<Answer, ClientError> {
        self.send(Method::POST, path, Some("application/json"), body.to_string().into()).await
    }

    /// Sends and reads the whole answer.
    pub(super) async fn send(
        &mut self,
        method: Method,
        path: &str,
        kind: Option<&'static str>,
        body: Bytes,
    ) -> Result<Answer, ClientError> {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, self.authority.as_str());
        if let Some(kind) = kind {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, token);
        }
        let request = request.body(Full::new(body)).expect("path and headers are valid");
        let answer = match tokio::time::timeout(ANSWER, self.exchange(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(ClientError::Silent(self.authority.clone())),
        };
        if answer.is_err() {
            self.sender = None;
        }
        answer
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, ClientError> {
        let authority = self.authority.clone();
        let broken = |error| ClientError::Broken(authority.clone(), error);
        let sender = self.connected().await?;
        let (head, body) = sender.send_request(request).await.map_err(broken)?.into_parts();
        let body = http_body_util::Limited::new(body, MOST_BYTES).collect().await;
        let body = body.map_err(|error| ClientError::Body(authority.clone(), error))?.to_bytes();
        Ok(Answer { status: head.status, body })
    }

    /// The open connection, or a new one where the gateway has closed it.
    async fn connected(&mut self) -> Result<&mut SendRequest<Full<Bytes>>, ClientError> {
        let alive = match &mut self.sender {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        if !alive {
            let at = (self.host().to_owned(), self.authority.port_u16().unwrap_or(80));
            let stream = match tokio::time::timeout(CONNECT, TcpStream::connect(at)).await {
                Ok(stream) => stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream)),
                Err(elapsed) => Err(elapsed.into()),
            };
            let stream = stream.map_err(|error| ClientError::Connect(self.authority.clone(), error))?;
            let shaken = handshake(TokioIo::new(stream)).await;
            let (sender, connection) = shaken.map_err(|error| ClientError::Broken(self.authority.clone(), error))?;
            // It ends with the sender; what breaks it reaches whoever waits for an answer.
            tokio::spawn(connection);
            self.sender = Some(sender);
        }
        Ok(self.sender.as_mut().expect("just made"))
    }
}

impl Answer {
    /// What a `application/problem+json` body says, in one line.
    pub(super) fn problem(&self) -> String {
        let problem: Json = serde_json::from_slice(&self.body).unwrap_or_default();
        let word = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
        match (word("code"), word("detail")) {
            (code, _) if code.is_empty() => format!("the gateway answered {}", self.status),
            (code, detail) => format!("{} {code}: {detail}", self.status.as_u16()),
        }
    }

    /// The `code` of such a body; empty for others.
    pub(super) fn code(&self) -> String {
        let problem: Json = serde_json::from_slice(&self.body).unwrap_or_default();
        problem["code"].as_str().unwrap_or_default().to_owned()
    }
}
