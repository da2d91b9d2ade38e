//! `forebay bench pool`: few interactive queries beside a crowd of batch clients, through a pool that serves whoever came
//! first and through ours.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::postgres::PgPoolOptions;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    BenchError, Effort, Figure, Goal, Report, ServerAddresses,
    timing::{Samples, order},
};
use crate::{
    backend::{
        CallContext,
        postgres::{PgOptions, PgServer, statement::Statement},
    },
    config::{BreakerConfig, PoolConfig},
    pool::Settings,
    query::Priority,
};

/// Connections of each pool.
const SLOTS: usize = 30;
/// Connections that batch leaves free in ours.
const RESERVE: usize = 1;
/// Clients that ask again as soon as they are answered.
const BATCH_CLIENTS: usize = 500;
/// What they ask.
const BATCH_STATEMENT: &str = "SELECT pg_sleep(0.05)";
/// Time between two interactive queries.
const INTERACTIVE_EVERY: Duration = Duration::from_millis(50);
const INTERACTIVE_STATEMENT: &str = "SELECT 1";
/// Turns of each pool.
const ROUNDS: usize = 4;
/// Length of a turn, and of the time before it that does not count.
const TURN: Duration = Duration::from_secs(12);
const WARM_UP: Duration = Duration::from_secs(3);
/// Interactive waits should be this part of those of the FIFO pool, and batch should lose no more than this.
const WAIT_GOAL: f64 = 0.01;
const THROUGHPUT_GOAL: f64 = 0.95;

/// Waits of interactive queries and throughput of batch, in a FIFO pool and in ours.
///
/// # Errors
/// When the server cannot be reached, or has too few connections.
pub fn pool(addresses: &ServerAddresses, effort: Effort) -> Result<Report, BenchError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| BenchError::Io("cannot start", error))?;
    let rounds = effort.of(ROUNDS, 1);
    let (warm_up, turn) = match effort {
        Effort::Full => (WARM_UP, TURN),
        Effort::Quick => (WARM_UP / 6, TURN / 12),
    };
    runtime.block_on(async {
        let mut all = [Taken::default(), Taken::default()];
        for round in 0..rounds {
            for side in order(round, all.len()) {
                let pool = match side {
                    0 => AnyPool::fifo(&addresses.postgres).await?,
                    _ => AnyPool::ours(&addresses.postgres)?,
                };
                let taken = take_turn(pool, warm_up, turn).await?;
                all[side].waits_ms.extend(taken.waits_ms.all());
                all[side].batch_rate.extend(taken.batch_rate.all());
            }
        }
        Ok(report(&all, rounds, turn))
    })
}

/// What was measured of one pool.
#[derive(Default)]
struct Taken {
    /// Waits of interactive queries for a connection, in milliseconds.
    waits_ms: Samples,
    /// Batch statements a second, one figure a turn.
    batch_rate: Samples,
}

/// One of the two pools.
enum AnyPool {
    /// sqlx's own: one queue, first come, first served.
    Fifo(sqlx::PgPool),
    Ours(Arc<PgServer>),
}

impl AnyPool {
    async fn fifo(url: &str) -> Result<Self, BenchError> {
        let options = PgPoolOptions::new()
            .max_connections(SLOTS as u32)
            .acquire_timeout(Duration::from_secs(60))
            // A round trip that ours does not make either.
            .test_before_acquire(false);
        options.connect(url).await.map(Self::Fifo).map_err(failed)
    }

    fn ours(url: &str) -> Result<Self, BenchError> {
        let config = PoolConfig { max: SLOTS, reserve: RESERVE, ..PoolConfig::default() };
        let pool = Settings::from((&config, &BreakerConfig::default()));
        let options = PgOptions { url: url.to_owned(), statement_timeout: Duration::from_secs(30), pool };
        PgServer::new("postgres".into(), options).map(Self::Ours).map_err(BenchError::Other)
    }

    /// Runs a statement; returns how long it waited for a connection.
    async fn run(&self, priority: Priority, statement: &'static str) -> Result<Duration, BenchError> {
        let asked = Instant::now();
        match self {
            Self::Fifo(pool) => {
                let mut connection = pool.acquire().await.map_err(failed)?;
                let waited = asked.elapsed();
                sqlx::query(statement).fetch_all(&mut *connection).await.map_err(failed)?;
                Ok(waited)
            }
            Self::Ours(server) => {
                let ctx = CallContext {
                    priority: priority.into(),
                    tenant: None,
                    deadline: asked + Duration::from_secs(60),
                    cancelled: CancellationToken::new(),
                    request_id: "bench".into(),
                };
                let kind = if priority == Priority::Batch { "batch" } else { "interactive" };
                let mut session = server.session(&ctx, kind, 1).await?;
                let waited = asked.elapsed();
                let ran = session.rows(&ctx, &Statement::new(statement)).await;
                ran.map(|_| waited).map_err(|error| BenchError::Backend(error.into()))
            }
        }
    }

    async fn close(&self) {
        match self {
            Self::Fifo(pool) => pool.close().await,
            Self::Ours(server) => server.pool().close(),
        }
    }
}

fn failed(error: sqlx::Error) -> BenchError {
    BenchError::Other(format!("Postgres: {error}"))
}

/// The crowd and the interactive queries for some time.
async fn take_turn(pool: AnyPool, warm_up: Duration, turn: Duration) -> Result<Taken, BenchError> {
    let pool = Arc::new(pool);
    let (done, stop) = (Arc::new(AtomicU64::new(0)), CancellationToken::new());
    let mut crowd: JoinSet<Result<(), BenchError>> = JoinSet::new();
    for _ in 0..BATCH_CLIENTS {
        let (pool, done, stop) = (pool.clone(), done.clone(), stop.clone());
        crowd.spawn(async move {
            while !stop.is_cancelled() {
                pool.run(Priority::Batch, BATCH_STATEMENT).await?;
                done.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
    }
    tokio::time::sleep(warm_up).await;

    let (before, began) = (done.load(Ordering::Relaxed), Instant::now());
    let mut asked: JoinSet<Result<Duration, BenchError>> = JoinSet::new();
    let mut clock = tokio::time::interval(INTERACTIVE_EVERY);
    while began.elapsed() < turn {
        clock.tick().await;
        let pool = pool.clone();
        asked.spawn(async move { pool.run(Priority::Interactive, INTERACTIVE_STATEMENT).await });
    }
    let rate = (done.load(Ordering::Relaxed) - before) as f64 / began.elapsed().as_secs_f64();
    let mut taken = Taken::default();
    taken.batch_rate.push(rate);
    // All that was asked within the turn counts, however long it waits.
    while let Some(waited) = asked.join_next().await {
        let waited = waited.map_err(|error| BenchError::Other(error.to_string()))??;
        taken.waits_ms.push(waited.as_secs_f64() * 1e3);
    }
    stop.cancel();
    while let Some(ended) = crowd.join_next().await {
        ended.map_err(|error| BenchError::Other(error.to_string()))??;
    }
    pool.close().await;
    Ok(taken)
}

fn report([fifo, ours]: &[Taken; 2], rounds: usize, turn: Duration) -> Report {
    let mut report = Report::default();
    for (name, share, goal) in [("p50", 0.5, None), ("p99", 0.99, Some(WAIT_GOAL))] {
        let base = fifo.waits_ms.percentile(share);
        report.add(Figure::new(format!("pool/interactive wait, FIFO, {name}"), base, "ms"));
        let figure = Figure::new(format!("pool/interactive wait, ours, {name}"), ours.waits_ms.percentile(share), "ms");
        let figure = figure.against(base);
        report.add(match goal {
            Some(goal) => figure.goal(Goal::RatioAtMost(goal)),
            None => figure,
        });
    }
    let base = fifo.batch_rate.median();
    report.add(Figure::new("pool/batch, FIFO", base, "statements/s"));
    let figure = Figure::new("pool/batch, ours", ours.batch_rate.median(), "statements/s").against(base);
    report.add(figure.goal(Goal::RatioAtLeast(THROUGHPUT_GOAL)));
    report.note(format!(
        "{SLOTS} connections, {BATCH_CLIENTS} batch clients whose statements take 50 ms, an interactive query every {} ms; \
         {rounds} alternating turns of {} s a pool, {} and {} interactive queries. FIFO is sqlx's own pool; in ours batch \
         leaves {RESERVE} connection free.",
        INTERACTIVE_EVERY.as_millis(),
        turn.as_secs(),
        fifo.waits_ms.len(),
        ours.waits_ms.len(),
    ));
    report
}
