//! A listener: accepts connections up to a limit, watches them, and lets them end when the gateway stops.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use hyper_util::{rt::TokioExecutor, server::conn::auto};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::MissedTickBehavior,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    activity::{Activity, Command, Watch},
    connection::{self, Client, Handler},
};
use crate::config::ServerConfig;

/// Pause after a failed accept, when the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A bound listener.
pub struct Server {
    listener: TcpListener,
    local_addr: SocketAddr,
    config: ServerConfig,
}

impl Server {
    /// Binds `listen`, with the limits of `config`. Fails if the address is taken or not this machine's.
    pub async fn bind(listen: SocketAddr, config: &ServerConfig) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let local_addr = listener.local_addr()?;
        Ok(Self { listener, local_addr, config: config.clone() })
    }

    /// The address that was bound; where port 0 was asked for, with the port that was picked.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves until `shutdown`; then takes no new connections, lets running requests end for as long as configured, and
    /// closes what is left. Returns how many connections were cut.
    pub async fn run<H: Handler>(self, handler: Arc<H>, shutdown: CancellationToken) -> usize {
        let Self { listener, config, .. } = self;
        let limits = Limits {
            head: Duration::from_millis(config.header_timeout_ms),
            idle: Duration::from_millis(config.idle_timeout_ms),
        };
        let server = Serving {
            protocol: Arc::new(connection::protocol(&config)),
            handler,
            open: Arc::new(Open::default()),
            tasks: TaskTracker::new(),
        };
        let places = Arc::new(Semaphore::new(config.max_connections.min(Semaphore::MAX_PERMITS)));
        let mut sweep = tokio::time::interval(limits.sweep());
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                (stream, peer, place) = accept(&listener, &places) => server.start(stream, peer, place),
                _ = sweep.tick() => server.open.sweep(&limits),
                () = shutdown.cancelled() => break,
            }
        }
        drop(listener);
        server.open.tell_all(Command::Drain);
        server.tasks.close();
        let mut patience = std::pin::pin!(tokio::time::sleep(Duration::from_millis(config.drain_timeout_ms)));
        loop {
            tokio::select! {
                () = server.tasks.wait() => return 0,
                _ = sweep.tick() => server.open.sweep(&limits),
                () = &mut patience => break,
            }
        }
        let cut = server.open.tell_all(Command::Cut);
        server.tasks.wait().await;
        cut
    }
}

/// The next connection, once there is a place for it.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let place = places.clone().acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, place),
            // The client was gone before it was accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// How long a connection may do nothing.
#[derive(Debug, Clone, Copy)]
struct Limits {
    head: Duration,
    idle: Duration,
}

impl Limits {
    /// Time between two looks at all connections: a limit is kept to a quarter of the shorter one.
    fn sweep(&self) -> Duration {
        (self.head.min(self.idle) / 4).clamp(Duration::from_millis(5), Duration::from_secs(5))
    }
}

/// A listener at work.
struct Serving<H> {
    protocol: Arc<auto::Builder<TokioExecutor>>,
    handler: Arc<H>,
    open: Arc<Open>,
    tasks: TaskTracker,
}

impl<H: Handler> Serving<H> {
    fn start(&self, stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit) {
        // Answers are written whole; waiting to fill a packet would only delay them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY was refused");
        }
        let client = Client::new(peer.ip(), Arc::default());
        let entry = Entry::new(self.open.clone(), client.activity.clone(), self.handler.clone());
        let (protocol, handler) = (self.protocol.clone(), self.handler.clone());
        self.tasks.spawn(async move {
            let _held = (entry, place);
            connection::serve(&protocol, handler, stream, client).await;
        });
    }
}

/// The open connections.
#[derive(Default)]
struct Open {
    connections: Mutex<Connections>,
}

#[derive(Default)]
struct Connections {
    next: u64,
    by_number: HashMap<u64, (Arc<Activity>, Watch)>,
}

impl Open {
    fn lock(&self) -> std::sync::MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the connections on which nothing has happened for too long.
    fn sweep(&self, limits: &Limits) {
        let now = Instant::now();
        for (activity, watch) in self.lock().by_number.values_mut() {
            if watch.overdue(activity, now, limits.head, limits.idle) {
                activity.tell_next();
            }
        }
    }

    /// Tells all connections what to do. Returns how many there are.
    fn tell_all(&self, command: Command) -> usize {
        let open = self.lock();
        open.by_number.values().for_each(|(activity, _)| activity.tell(command));
        open.by_number.len()
    }
}

/// A connection's place in the list of open ones.
struct Entry<H: Handler> {
    open: Arc<Open>,
    number: u64,
    handler: Arc<H>,
}

impl<H: Handler> Entry<H> {
    fn new(open: Arc<Open>, activity: Arc<Activity>, handler: Arc<H>) -> Self {
        handler.opened();
        let watch = Watch::new(&activity, Instant::now());
        let number = {
            let mut open = open.lock();
            open.next += 1;
            let number = open.next;
            open.by_number.insert(number, (activity, watch));
            number
        };
        Self { open, number, handler }
    }
}

impl<H: Handler> Drop for Entry<H> {
    fn drop(&mut self) {
        self.open.lock().by_number.remove(&self.number);
        self.handler.closed();
    }
}
