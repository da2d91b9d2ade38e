//! Servers and networks that fail while two dozen clients ask.

use std::time::Duration;

use crate::{
    crowd::{Asking, Crowd, QUESTIONS, Verdict, ask},
    ground::Ground,
    support::{
        private_server::PrivateServer,
        proxy::{Fault, FaultProxy},
        stores::{Served, Setup, Stores},
    },
    watch::{self, Neo4jView, PostgresView, until, until_whole},
};

/// How long each lasts. Longer than the clients' deadline, so that nobody can wait for the end of it.
const LASTS: Duration = Duration::from_millis(1_600);

const DEADLINE: Duration = Duration::from_millis(1_200);

/// Three times as many as there are connections. Far more would keep a small machine so busy that nobody is answered in time.
const CLIENTS: usize = 24;

/// What happens to a server.
#[derive(Debug, Clone, Copy)]
enum Harm {
    /// Something on the way to it.
    Network(Fault),
    /// It gets no processor time.
    Stopped,
    /// It ends without warning, and is started again.
    Killed,
    /// It is told to end, and is started again.
    Restarted,
}

const HARMS: [Harm; 7] = [
    Harm::Network(Fault::Delay(Duration::from_millis(150))),
    Harm::Network(Fault::HalfClose),
    Harm::Network(Fault::Reset),
    Harm::Network(Fault::Refuse),
    Harm::Network(Fault::BlackHole),
    Harm::Stopped,
    Harm::Killed,
];

impl Harm {
    /// Whether no question that needs the server can be answered meanwhile.
    fn is_total(self) -> bool {
        !matches!(self, Self::Network(Fault::Delay(_)) | Self::Restarted)
    }
}

/// Asks until a row of questions was answered without an error.
async fn until_well(served: &Served) {
    let mut client = served.client();
    let mut well = 0;
    let mut questions = QUESTIONS.iter().cycle();
    let asking = Asking::within(Duration::from_secs(10));
    let ask_one = async || {
        let verdict = ask(&mut client, questions.next().expect("there is no end of them"), asking).await;
        well = if verdict == Verdict::Right { well + 1 } else { 0 };
        well
    };
    until("answers are right again", ask_one, |well| *well >= 10).await;
}

/// A gateway one of whose servers is going to be harmed.
struct Scene<'a> {
    backend: &'static str,
    server: PrivateServer,
    proxy: FaultProxy,
    served: Served,
    /// The servers, without the proxy.
    postgres: &'a str,
    neo4j: &'a str,
}

impl Scene<'_> {
    fn begin(&mut self, harm: Harm) {
        match harm {
            Harm::Network(fault) => self.proxy.set(fault),
            Harm::Stopped => self.server.signal_all("STOP"),
            Harm::Killed => self.server.signal("KILL"),
            Harm::Restarted => self.server.signal("INT"),
        }
    }

    fn end(&mut self, harm: Harm) {
        match harm {
            Harm::Network(_) => self.proxy.set(Fault::Pass),
            Harm::Stopped => self.server.signal_all("CONT"),
            Harm::Killed | Harm::Restarted => tokio::task::block_in_place(|| {
                self.server.wait_for_end();
                self.server.restart();
            }),
        }
    }

    /// Lets this happen to the server while clients ask.
    async fn survives(&mut self, harm: Harm) {
        let crowd = Crowd::start(&self.served, CLIENTS, usize::MAX, Asking::within(DEADLINE));
        let before = until("questions are answered", async || crowd.counts(), |counts| counts.right >= 50).await;
        self.begin(harm);
        tokio::time::sleep(LASTS).await;
        let during = crowd.counts().since(before);
        let breaker = watch::pool(&self.served, self.backend).await["breaker"].clone();
        self.end(harm);

        let ended = crowd.counts();
        until("answers come again", async || crowd.counts().since(ended), |since| since.right >= 50).await;
        let after = crowd.stop().await.since(ended);
        until_well(&self.served).await;
        until_whole(&self.served).await;
        println!("{}, {harm:?}: meanwhile {during:?}, breaker {breaker}; afterwards {after:?}", self.backend);
        assert!(!harm.is_total() || during.errors() > 0, "{harm:?} did no harm: {during:?}");
    }

    /// Whether the servers know the same connections as the pools, and none once the gateway has ended.
    async fn leaves_nothing(self) {
        let (mut pg, neo4j) = (PostgresView::of(self.postgres).await, Neo4jView::of(self.neo4j));
        let known = watch::total(&watch::pool(&self.served, "pg").await);
        until("Postgres has the pool's connections", async || pg.connections("true").await, |seen| *seen == known)
            .await;
        let known = watch::total(&watch::pool(&self.served, "neo4j").await);
        until("Neo4j has the pool's connections", async || neo4j.connections().await, |seen| *seen == known).await;
        assert_eq!(neo4j.transactions().await, 0);
        self.served.stop().await;
        until("Postgres has no connection", async || pg.connections("true").await, |seen| *seen == 0).await;
        until("Neo4j has no connection", async || neo4j.connections().await, |seen| *seen == 0).await;
    }
}

const SETUP: Setup<'_> = Setup {
    postgres: None,
    neo4j: None,
    backend: "",
    pool: "min = 1\nmax = 8",
    breaker: "open_ms = 200\nmax_open_ms = 1000",
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_happens_to_neo4j_every_reply_is_right_or_an_honest_error_in_time() {
    let Some(Ground { postgres, neo4j: server, stores, .. }) = Ground::start().await else { return };
    let (neo4j, postgres_url) = (server.url.clone(), stores.postgres());
    let proxy = FaultProxy::before(&neo4j).await;
    let served = stores.serve_as(&Setup { neo4j: Some(&proxy.url), ..SETUP }).await;
    let mut scene = Scene { backend: "neo4j", server, proxy, served, postgres: &postgres_url, neo4j: &neo4j };
    for harm in HARMS {
        scene.survives(harm).await;
    }
    scene.leaves_nothing().await;
    drop(postgres);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_happens_to_postgres_every_reply_is_right_or_an_honest_error_in_time() {
    let Some(ground) = Ground::shared().await else { return };
    let Some(server) = PrivateServer::postgres() else { return };
    let copy = Stores::on(server.url.clone(), None).await;
    tokio::task::block_in_place(|| copy.load());
    let _turn = ground.turn().await;
    let postgres = copy.postgres();
    let proxy = FaultProxy::before(&postgres).await;
    let served = ground.stores.serve_as(&Setup { postgres: Some(&proxy.url), ..SETUP }).await;
    let mut scene = Scene { backend: "pg", server, proxy, served, postgres: &postgres, neo4j: &ground.neo4j.url };
    for harm in HARMS {
        scene.survives(harm).await;
    }
    // Neo4j does the same when it is told to end, but takes its time.
    scene.survives(Harm::Restarted).await;
    scene.leaves_nothing().await;
}
