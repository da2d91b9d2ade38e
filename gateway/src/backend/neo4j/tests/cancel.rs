//! Whoever goes away, the server stops working for them.

use std::time::{Duration, Instant};

use serde::Deserialize;

use super::world::{own, server_with, with_server};
use crate::{
    backend::{
        BackendError, CallContext, ErrorKind,
        embedded::testing::context,
        neo4j::{BoltServer, server::Work, statement::Statement},
    },
    pool::{BreakerState, Connector},
};

const WORK: Work = Work { kind: "test", size: 1 };

#[derive(Debug, Deserialize)]
struct Number {
    #[serde(rename = "n")]
    n: u64,
}

/// A statement that takes minutes, with a word by which it is found.
fn endless(word: &str) -> Statement {
    Statement::new(format!(
        "/* {word} */ UNWIND range(1, 100000000000) AS i WITH i WHERE i % 7 = 0 RETURN count(i) AS n"
    ))
}

async fn running(server: &BoltServer, word: &str) -> u64 {
    let text = "SHOW TRANSACTIONS YIELD currentQuery \
                WHERE currentQuery CONTAINS $word AND NOT currentQuery CONTAINS 'SHOW TRANSACTIONS' \
                RETURN count(*) AS n";
    let number: Number = server.read_one(&context(), WORK, &Statement::new(text).with("word", word)).await.unwrap();
    number.n
}

/// Waits until so many are running; a bound far above what it takes.
async fn wait_for(server: &BoltServer, word: &str, count: u64) {
    let start = Instant::now();
    while running(server, word).await != count {
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "{} are running instead of {count}",
            running(server, word).await
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn ask(server: &BoltServer, ctx: &CallContext, word: &str) -> Result<Number, BackendError> {
    server.read_one(ctx, WORK, &endless(word)).await
}

#[test]
fn a_statement_ends_on_the_server_when_its_caller_goes_away() {
    with_server(|server| async move {
        let word = own("dropped");
        let (asker, context, name) = (server.clone(), context(), word.clone());
        let task = tokio::spawn(async move { ask(&asker, &context, &name).await });
        wait_for(&server, &word, 1).await;
        task.abort();
        assert!(task.await.is_err_and(|error| error.is_cancelled()));
        wait_for(&server, &word, 0).await;
    });
}

#[test]
fn a_statement_ends_on_the_server_when_nobody_waits_any_more() {
    with_server(|server| async move {
        let word = own("cancelled");
        let (asker, context, name) = (server.clone(), context(), word.clone());
        let cancelled = context.cancelled.clone();
        let task = tokio::spawn(async move { ask(&asker, &context, &name).await });
        wait_for(&server, &word, 1).await;
        cancelled.cancel();
        assert_eq!(task.await.unwrap().unwrap_err().kind, ErrorKind::Cancelled);
        wait_for(&server, &word, 0).await;
    });
}

#[test]
fn a_statement_ends_on_the_server_at_the_deadline() {
    with_server(|server| async move {
        let word = own("late");
        let context = CallContext { deadline: Instant::now() + Duration::from_millis(500), ..context() };
        let error = ask(&server, &context, &word).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::DeadlineExceeded, "{error}");
        wait_for(&server, &word, 0).await;
    });
}

#[test]
fn the_server_itself_ends_a_statement_that_takes_too_long() {
    let Some(server) = server_with(|options| options.statement_timeout = Duration::from_millis(300)) else { return };
    tokio::runtime::Runtime::new().unwrap().block_on(async move {
        let error = ask(&server, &context(), &own("long")).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::DeadlineExceeded, "{error}");
        assert!(error.detail.contains("TransactionTimedOut"), "{error}");
        // The connection answered, and goes on.
        assert_eq!(running(&server, "no such statement").await, 0);
    });
}

#[test]
fn a_connection_whose_statement_was_ended_from_outside_is_as_good_as_before() {
    with_server(|server| async move {
        let connector = server.pool().connector();
        let mut connection = connector.connect().await.unwrap();
        let kill = connector.kill_handle(&connection);
        let word = own("killed");
        {
            let endless = endless(&word);
            let statement = connection.execute(&endless, super::super::connection::Mode::Read, Duration::from_secs(60));
            tokio::select! {
                _ = statement => panic!("it takes minutes"),
                () = wait_for(&server, &word, 1) => {}
            }
        }
        connector.kill(&kill).await.unwrap();
        connector.check(&mut connection).await.unwrap();
        assert_eq!(running(&server, &word).await, 0);
        connector.reset(&mut connection).await.unwrap();
        // Nothing runs, so there is nothing to end, which is no error.
        connector.kill(&kill).await.unwrap();
        connector.check(&mut connection).await.unwrap();
    });
}

#[test]
fn a_server_that_answers_that_it_cannot_serve_is_a_failure_for_the_breaker() {
    let Some(server) = server_with(|options| options.pool.breaker.min_calls = 1) else { return };
    with_server(|operator| async move {
        let word = own("ended");
        let (asker, name) = (server.clone(), word.clone());
        let task = tokio::spawn(async move { ask(&asker, &context(), &name).await });
        wait_for(&operator, &word, 1).await;
        let text = "SHOW TRANSACTIONS YIELD transactionId AS t, currentQuery \
                    WHERE currentQuery CONTAINS $word AND NOT currentQuery CONTAINS 'SHOW TRANSACTIONS' \
                    TERMINATE TRANSACTIONS t YIELD message RETURN count(*) AS n";
        let statement = Statement::new(text).with("word", &*word);
        let ended: Number = operator.read_one(&context(), WORK, &statement).await.unwrap();
        assert_eq!(ended.n, 1);
        assert_eq!(task.await.unwrap().unwrap_err().kind, ErrorKind::Unavailable);
        assert_eq!(server.pool().snapshot().breaker, BreakerState::Open);
    });
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = super::world::server_at(format!("bolt://{nobody}"), |_| {});
    let error = ask(&server, &context(), "nobody").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
}
