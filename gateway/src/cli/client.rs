//! A small HTTP/1.1 client for a running gateway: one connection, kept alive, plain `http` only.
//!
//! Commands use one; a bench opens as many as it wants connections.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header, uri::Authority};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Longest time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A client of one gateway.
#[derive(Debug)]
pub struct Client {
    authority: Authority,
    authorization: Option<HeaderValue>,
    connection: Option<SendRequest<Full<Bytes>>>,
}

/// What the gateway answered.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address cannot be used.
    #[error("{url} is not a usable address: {reason}")]
    Url {
        /// As it was given.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The token cannot be sent.
    #[error("the token holds characters that a header cannot carry")]
    Token,
    /// Nobody listens.
    #[error("cannot connect to {authority}: {source}")]
    Connect {
        /// Host and port.
        authority: Authority,
        /// Why.
        source: std::io::Error,
    },
    /// The connection broke.
    #[error("{authority} did not answer: {source}")]
    Exchange {
        /// Host and port.
        authority: Authority,
        /// Why.
        source: hyper::Error,
    },
}

impl Client {
    /// A client of the gateway at this address, `http://host:port`. It connects when it first sends.
    pub fn new(url: &str, token: Option<&str>) -> Result<Self, ClientError> {
        let unusable = |reason| ClientError::Url { url: url.to_owned(), reason };
        let uri: Uri = url.parse().map_err(|_| unusable("it does not have the form http://host:port"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(unusable("only http is spoken, put a TLS proxy in front")),
            _ => return Err(unusable("it does not have the form http://host:port")),
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(unusable("paths are chosen by the command"));
        }
        let authority = uri.authority().cloned().ok_or_else(|| unusable("it names no host"))?;
        let authorization = token
            .map(|token| {
                let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| ClientError::Token)?;
                value.set_sensitive(true);
                Ok(value)
            })
            .transpose()?;
        Ok(Self { authority, authorization, connection: None })
    }

    /// Sends a request with a JSON body, or without one where `body` is empty, and reads the whole answer.
    pub async fn send(&mut self, method: Method, path: &str, body: Bytes) -> Result<Response, ClientError> {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, self.authority.as_str());
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(Full::new(body)).expect("path and headers are valid");
        let authority = self.authority.clone();
        let broken = |source| ClientError::Exchange { authority, source };
        match self.exchange(request).await? {
            Ok(response) => Ok(response),
            Err(source) => {
                self.connection = None;
                Err(broken(source))
            }
        }
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Result<Response, hyper::Error>, ClientError> {
        let connection = self.connect().await?;
        let answer = async {
            let (head, body) = connection.send_request(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok(Response { status: head.status, headers: head.headers, body })
        };
        Ok(answer.await)
    }

    /// The open connection, or a new one where the gateway has closed it in the meantime.
    async fn connect(&mut self) -> Result<&mut SendRequest<Full<Bytes>>, ClientError> {
        let usable = match &mut self.connection {
            Some(connection) => connection.ready().await.is_ok(),
            None => false,
        };
        if !usable {
            let stream = self
                .dial()
                .await
                .map_err(|source| ClientError::Connect { authority: self.authority.clone(), source })?;
            let (sender, connection) = handshake(TokioIo::new(stream))
                .await
                .map_err(|source| ClientError::Exchange { authority: self.authority.clone(), source })?;
            // It ends with the sender; what breaks it is reported to whoever waits for an answer.
            tokio::spawn(connection);
            self.connection = Some(sender);
        }
        Ok(self.connection.as_mut().expect("just made"))
    }

    async fn dial(&self) -> std::io::Result<TcpStream> {
        let host = self.authority.host().trim_start_matches('[').trim_end_matches(']');
        let port = self.authority.port_u16().unwrap_or(80);
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect((host, port))).await??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    #[test]
    fn only_plain_addresses_of_a_host_are_accepted() {
        assert!(Client::new("http://127.0.0.1:7700", None).is_ok());
        assert!(Client::new("http://[::1]:7700/", Some("secret")).is_ok());
        for (url, reason) in [
            ("https://h:1", "TLS proxy"),
            ("h:1", "http://host:port"),
            ("http://h:1/v1", "chosen by the command"),
            ("", "http://host:port"),
        ] {
            let error = Client::new(url, None).unwrap_err().to_string();
            assert!(error.contains(reason), "{url}: {error}");
        }
        assert!(matches!(Client::new("http://h:1", Some("a\nb")), Err(ClientError::Token)));
    }

    #[tokio::test]
    async fn a_connection_is_kept_and_replaced_when_the_gateway_closed_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let mut seen = Vec::new();
            for requests in [2, 1] {
                let (mut stream, _) = listener.accept().await.unwrap();
                for _ in 0..requests {
                    let mut head = vec![0; 4096];
                    let length = stream.read(&mut head).await.unwrap();
                    seen.push(String::from_utf8_lossy(&head[..length]).to_lowercase());
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
                }
            }
            seen
        });
        let mut client = Client::new(&url, Some("secret")).unwrap();
        for _ in 0..3 {
            let response = client.send(Method::POST, "/v1/query", Bytes::from_static(b"{}")).await.unwrap();
            assert_eq!((response.status, &response.body[..]), (StatusCode::OK, &b"{}"[..]));
            // Gives the closing of the connection time to arrive; without it the send would fail, not hang.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let seen = server.await.unwrap();
        assert_eq!(seen.len(), 3);
        assert!(seen[0].contains("authorization: bearer secret") && seen[0].contains("content-type: application/json"));
    }
}
