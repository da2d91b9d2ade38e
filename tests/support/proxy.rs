//! A TCP proxy between the gateway and a server that breaks connections in the ways that networks do.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// What becomes of connections, of those that are open too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing happens to them.
    Pass,
    /// What the server sends is late by so much.
    Delay(Duration),
    /// The server has nothing more to say, but hears everything.
    HalfClose,
    /// They are reset.
    Reset,
    /// They are reset, and nobody listens.
    Refuse,
    /// Nothing arrives, and nobody is told: a cable is out. What was on its way arrives once it is in again.
    BlackHole,
}

impl Fault {
    /// Whether open connections end at once.
    fn resets(self) -> bool {
        matches!(self, Self::Reset | Self::Refuse)
    }
}

/// A proxy in front of one server. It ends with this value, and its connections with it.
pub struct FaultProxy {
    /// The server's URL, with the address of the proxy in it.
    pub url: String,
    fault: watch::Sender<Fault>,
    task: JoinHandle<()>,
}

impl FaultProxy {
    /// One that lets everything pass to the server of this URL.
    pub async fn before(url: &str) -> Self {
        let (_, rest) = url.split_once("://").expect("a URL");
        let authority = rest.split('/').next().expect("there is a first part");
        let server = authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_owned();
        let listener = on_free_port().await;
        let address = listener.local_addr().expect("it is bound");
        let fault = watch::Sender::new(Fault::Pass);
        let url = url.replacen(&server, &address.to_string(), 1);
        let task = tokio::spawn(listen(listener, address, server, fault.subscribe()));
        Self { url, fault, task }
    }

    /// From now on.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A port below those that the system hands out to clients, so that it is free again after the proxy has refused for a
/// while.
async fn on_free_port() -> TcpListener {
    for _ in 0..100 {
        let port = rand::random_range(20_000..30_000);
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)).await {
            return listener;
        }
    }
    panic!("no port of loopback is free");
}

async fn listen(listener: TcpListener, address: SocketAddr, server: String, mut fault: watch::Receiver<Fault>) {
    let mut connections = JoinSet::new();
    let mut listener = Some(listener);
    loop {
        match &listener {
            _ if *fault.borrow_and_update() == Fault::Refuse => {
                listener = None;
                if fault.changed().await.is_err() {
                    return;
                }
            }
            None => listener = Some(TcpListener::bind(address).await.expect("the port was ours")),
            Some(open) => tokio::select! {
                accepted = open.accept() => {
                    let (client, _) = accepted.expect("a connection");
                    connections.spawn(connection(client, server.clone(), fault.clone()));
                }
                changed = fault.changed() => if changed.is_err() { return },
                _ = connections.join_next(), if !connections.is_empty() => {}
            },
        }
    }
}

/// One connection to its end.
async fn connection(mut client: TcpStream, server: String, mut fault: watch::Receiver<Fault>) {
    // Into a black hole nobody connects.
    let reachable = fault.wait_for(|fault| *fault != Fault::BlackHole).await.is_ok_and(|fault| !fault.resets());
    let server = if reachable { TcpStream::connect(server).await.ok() } else { None };
    let Some(mut server) = server else { return reset(client) };
    for stream in [&client, &server] {
        stream.set_nodelay(true).expect("an open socket");
    }
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let forth = pump(from_client, to_server, fault.clone(), false);
    let back = pump(from_server, to_client, fault.clone(), true);
    let sound = tokio::select! {
        ended = async { tokio::try_join!(forth, back) } => ended.is_ok(),
        _ = fault.wait_for(|fault| fault.resets()) => false,
    };
    // What happens at one end happens at the other.
    if !sound {
        reset(client);
        reset(server);
    }
}

/// Ends a connection without a farewell.
fn reset(stream: TcpStream) {
    // Of a connection that is over already there is nothing to reset.
    stream.set_zero_linger().ok();
}

/// Carries what one end says to the other, until one of them ends.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut fault: watch::Receiver<Fault>,
    from_server: bool,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let now = *fault.borrow_and_update();
        match now {
            Fault::HalfClose if from_server => return to.shutdown().await,
            Fault::BlackHole if fault.changed().await.is_err() => return Ok(()),
            Fault::BlackHole => continue,
            _ => {}
        }
        let length = tokio::select! {
            read = from.read(&mut buffer) => read?,
            changed = fault.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return Ok(()),
            },
        };
        if length == 0 {
            return to.shutdown().await;
        }
        if let (Fault::Delay(late), true) = (now, from_server) {
            tokio::time::sleep(late).await;
        }
        to.write_all(&buffer[..length]).await?;
    }
}
