//! Servers and networks that fail while fifty clients ask.

use std::time::Duration;

use crate::{
    crowd::{Asking, Crowd, QUESTIONS, Verdict, ask},
    ground::Ground,
    support::{
        private_server::PrivateServer,
        proxy::{Fault, FaultProxy},
        stores::{Served, Setup},
    },
    watch::{self, Neo4jView, PostgresView, until, until_whole},
};

/// How long each lasts. Longer than the clients' deadline, so that nobody can wait for the end of it.
const LASTS: Duration = Duration::from_millis(2_000);

const DEADLINE: Duration = Duration::from_millis(1_500);

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

const HARMS: [Harm; 9] = [
    Harm::Network(Fault::Delay(Duration::from_millis(30))),
    Harm::Network(Fault::Delay(Duration::from_millis(700))),
    Harm::Network(Fault::HalfClose),
    Harm::Network(Fault::Reset),
    Harm::Network(Fault::Refuse),
    Harm::Network(Fault::BlackHole),
    Harm::Stopped,
    Harm::Killed,
    Harm::Restarted,
];

impl Harm {
    /// Whether no question that needs the server can be answered meanwhile.
    fn is_total(self) -> bool {
        !matches!(self, Self::Network(Fault::Delay(_)) | Self::Restarted)
    }

    fn begin(self, server: &PrivateServer, proxy: &FaultProxy, farewell: &str) {
        match self {
            Self::Network(fault) => proxy.set(fault),
            Self::Stopped => server.signal_all("STOP"),
            Self::Killed => server.signal("KILL"),
            Self::Restarted => server.signal(farewell),
        }
    }

    fn end(self, server: &mut PrivateServer, proxy: &FaultProxy) {
        match self {
            Self::Network(_) => proxy.set(Fault::Pass),
            Self::Stopped => server.signal_all("CONT"),
            Self::Killed | Self::Restarted => tokio::task::block_in_place(|| {
                server.wait_for_end();
                server.restart();
            }),
        }
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
    until("answers are right again", ask_one, |well| *well >= 20).await;
}

/// Lets all this happen to one backend while clients ask.
async fn survives(harmed: &str) {
    let Some(mut ground) = Ground::start().await else { return };
    let in_postgres = harmed == "pg";
    let url = if in_postgres { &ground.postgres.url } else { &ground.neo4j.url };
    let proxy = FaultProxy::before(url).await;
    let address = Some(proxy.address);
    let (postgres, neo4j) = if in_postgres { (address, None) } else { (None, address) };
    let (pool, breaker) = ("min = 1\nmax = 8", "open_ms = 200\nmax_open_ms = 1000");
    let served = ground.stores.serve_as(&Setup { postgres, neo4j, pool, breaker }).await;
    for harm in HARMS {
        let crowd = Crowd::start(&served, 50, usize::MAX, Asking::within(DEADLINE));
        let before = until("questions are answered", async || crowd.counts(), |counts| counts.right >= 50).await;

        let server = if in_postgres { &mut ground.postgres } else { &mut ground.neo4j };
        harm.begin(server, &proxy, if in_postgres { "INT" } else { "TERM" });
        tokio::time::sleep(LASTS).await;
        let during = crowd.counts().since(before);
        let state = watch::pool(&served, harmed).await;
        harm.end(server, &proxy);

        let ended = crowd.counts();
        until("answers come again", async || crowd.counts().since(ended), |since| since.right >= 50).await;
        let after = crowd.stop().await.since(ended);
        until_well(&served).await;
        until_whole(&served).await;
        println!("{harmed}, {harm:?}: meanwhile {during:?}, breaker {}; afterwards {after:?}", state["breaker"]);
        assert!(!harm.is_total() || during.errors() > 0, "{harm:?} did no harm: {during:?}");
    }

    let mut in_pg = PostgresView::of(&ground.stores.postgres()).await;
    let in_neo4j = Neo4jView::of(&ground.neo4j.url);
    let known = watch::total(&watch::pool(&served, "pg").await);
    until("Postgres has the pool's connections", async || in_pg.connections("true").await, |seen| *seen == known).await;
    let known = watch::total(&watch::pool(&served, "neo4j").await);
    until("Neo4j has the pool's connections", async || in_neo4j.connections().await, |seen| *seen == known).await;
    assert_eq!(in_neo4j.transactions().await, 0);
    served.stop().await;
    until("Postgres has no connection", async || in_pg.connections("true").await, |seen| *seen == 0).await;
    until("Neo4j has no connection", async || in_neo4j.connections().await, |seen| *seen == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_happens_to_postgres_every_reply_is_right_or_an_honest_error_in_time() {
    survives("pg").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_happens_to_neo4j_every_reply_is_right_or_an_honest_error_in_time() {
    survives("neo4j").await;
}
