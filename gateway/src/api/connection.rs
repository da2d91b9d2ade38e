//! One connection: from the socket to the handler, and until the server or the client ends it.

use std::{convert::Infallible, future::poll_fn, net::IpAddr, pin::pin, sync::Arc, task::Poll};

use http::Request;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::net::TcpStream;

use super::{
    activity::{Activity, Command},
    auth::Caller,
    reply::HttpResponse,
    socket::Socket,
};
use crate::config::ServerConfig;

/// Requests that one HTTP/2 connection may have open at once.
const MAX_STREAMS: u32 = 256;

/// Answers requests; one for each listener.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. Dropped when the client goes away.
    fn handle(&self, client: &Client, request: Request<Incoming>) -> impl Future<Output = HttpResponse> + Send;
    /// A connection was opened.
    fn opened(&self) {}
    /// A connection was closed.
    fn closed(&self) {}
}

/// The other end of a connection, and what is kept for it. Nothing here is shared with other connections, so the
/// counts of its references are not either.
#[derive(Debug)]
pub struct Client {
    /// Its address.
    pub(super) peer: IpAddr,
    /// Who asked last.
    pub(super) caller: Caller,
    pub(super) activity: Arc<Activity>,
}

impl Client {
    pub(super) fn new(peer: IpAddr, activity: Arc<Activity>) -> Self {
        Self { peer, caller: Caller::default(), activity }
    }
}

/// How HTTP is spoken: HTTP/1.1, or HTTP/2 for those who know that we do.
pub(super) fn protocol(config: &ServerConfig) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // The handler refuses header sections over the configured limit with a problem; hyper's own limit, which closes the
    // connection with an empty 431, is there to bound memory.
    let most = config.max_header_bytes.saturating_mul(4).max(64 << 10);
    builder.http1().header_read_timeout(None).max_buf_size(most);
    builder.http2().max_header_list_size(u32::try_from(most).unwrap_or(u32::MAX)).max_concurrent_streams(MAX_STREAMS);
    builder
}

/// Serves one connection to its end.
pub(super) async fn serve<H: Handler>(
    protocol: &auto::Builder<TokioExecutor>,
    handler: Arc<H>,
    stream: TcpStream,
    client: Client,
) {
    let activity = client.activity.clone();
    let socket = TokioIo::new(Socket::new(stream, activity.clone()));
    // Together, so that a request counts one reference, which is this connection's own.
    let ends = Arc::new((handler, client));
    let answer = service_fn(move |request| {
        let ends = ends.clone();
        async move {
            let (handler, client) = &*ends;
            let _running = client.activity.request();
            Ok::<_, Infallible>(handler.handle(client, request).await)
        }
    });
    let mut connection = pin!(protocol.serve_connection(socket, answer));
    let mut draining = false;
    let ended = poll_fn(|cx| {
        match activity.command(cx.waker()) {
            Command::Serve => {}
            Command::Drain if draining => {}
            Command::Drain => {
                draining = true;
                connection.as_mut().graceful_shutdown();
            }
            Command::Cut => return Poll::Ready(Ok(())),
        }
        connection.as_mut().poll(cx)
    });
    if let Err(error) = ended.await {
        tracing::debug!(error, "a connection ended early");
    }
}
