//! The servers, each on a thread of its own.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, thread::JoinHandle, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{
    super::{BenchError, corpus},
    busy::Busy,
};
use crate::{
    api::{Api, Authenticator, Server},
    config::ServerConfig,
    request::Gateway,
};

/// What a bare server sends.
#[derive(Clone)]
pub(super) enum Answers {
    /// The same to everyone.
    One(Bytes),
    /// What a plain hash table has under the body: the least that a cache can do.
    ByBody(Arc<HashMap<Bytes, Bytes>>),
}

impl Answers {
    fn to(&self, body: &[u8]) -> Bytes {
        match self {
            Self::One(answer) => answer.clone(),
            Self::ByBody(answers) => answers.get(body).cloned().unwrap_or_default(),
        }
    }
}

/// A server that stops when this is dropped.
pub(in crate::bench) struct Running {
    address: SocketAddr,
    busy: Option<Busy>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    pub(in crate::bench) fn address(&self) -> SocketAddr {
        self.address
    }

    /// For how long its thread has had a processor so far, where the system says so.
    pub(super) fn busy(&self) -> Option<Duration> {
        self.busy.as_ref()?.read()
    }

    /// A gateway behind its own listener.
    pub(in crate::bench) fn forebay(gateway: Arc<Gateway>) -> Result<Self, BenchError> {
        let config = ServerConfig::default();
        let authenticator = Authenticator::new([]);
        Self::start("bench-forebay", move |bound, stop| async move {
            let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0)), &config).await?;
            let api = Arc::new(Api::new(gateway, authenticator, &config));
            bound(server.local_addr());
            server.run(api, stop).await;
            Ok(())
        })
    }

    /// The least that a server can do: read the whole body, send bytes that are there.
    pub(super) fn bare(answers: Answers) -> Result<Self, BenchError> {
        Self::start("bench-bare", move |bound, stop| async move {
            let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
            bound(listener.local_addr()?);
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let (stream, _) = accepted?;
                        stream.set_nodelay(true)?;
                        tokio::spawn(serve_bare(stream, answers.clone()));
                    }
                    () = stop.cancelled() => return Ok(()),
                }
            }
        })
    }

    /// Runs `serve` on a new thread until it is told to stop; it says where it listens first.
    fn start<F, S>(name: &str, serve: S) -> Result<Self, BenchError>
    where
        F: Future<Output = std::io::Result<()>>,
        S: FnOnce(Box<dyn FnOnce(SocketAddr) + Send>, CancellationToken) -> F + Send + 'static,
    {
        let (sender, receiver) = std::sync::mpsc::channel();
        let stop = CancellationToken::new();
        let runtime = corpus::runtime()?;
        let stopping = stop.clone();
        let body = move || {
            let (bound, busy) = (sender.clone(), Busy::of_this_thread());
            let tell = Box::new(move |address| drop(bound.send(Ok((address, busy)))));
            if let Err(error) = runtime.block_on(serve(tell, stopping)) {
                // Nobody listens any more once the address is known; a server that breaks later breaks its clients.
                let _ = sender.send(Err(error));
            }
        };
        let failed = |error| BenchError::Io("cannot start a server", error);
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(body).map_err(failed)?;
        let (address, busy) =
            receiver.recv().map_err(|_| BenchError::Other("a server did not start".into()))?.map_err(failed)?;
        Ok(Self { address, busy, stop, thread: Some(thread) })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic of the server has been printed; there is nothing to add.
            let _ = thread.join();
        }
    }
}

async fn serve_bare(stream: TcpStream, answers: Answers) {
    let respond = service_fn(move |request: Request<Incoming>| {
        let answers = answers.clone();
        async move {
            let body = request.into_body().collect().await?.to_bytes();
            let mut response = Response::new(Full::new(answers.to(&body)));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            Ok::<_, hyper::Error>(response)
        }
    });
    // The client goes away at the end of each turn.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), respond).await;
}
