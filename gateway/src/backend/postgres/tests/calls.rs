//! Calls that fail, and what becomes of their connections.

use std::time::{Duration, Instant};

use super::{database, server};
use crate::{
    backend::{CallContext, ErrorKind, embedded::testing::context, postgres::statement::Statement},
    pool::Demand,
};

fn in_time(limit: Duration) -> CallContext {
    CallContext { deadline: Instant::now() + limit, ..context() }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    // Bound and never listened on.
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    drop(socket);
    let server = server(&format!("postgres://somebody:secret@127.0.0.1:{port}/nothing"), 2);
    let error = server.session(&in_time(Duration::from_secs(5)), "test", 0).await.err().expect("nobody answers");
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    assert!(!error.detail.contains("secret"), "{error}");
}

#[tokio::test]
async fn a_statement_past_its_deadline_ends_on_the_server_and_its_connection_is_used_again() {
    let Some(database) = database().await else { return };
    let server = server(&database.url, 1);
    for leave in [false, true] {
        let ctx = in_time(Duration::from_millis(300));
        let mut session = server.session(&ctx, "test", 0).await.unwrap();
        if leave {
            let cancelled = ctx.cancelled.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                cancelled.cancel();
            });
        }
        let error = session.rows(&ctx, &Statement::new("SELECT pg_sleep(60)")).await.unwrap_err().error;
        assert_eq!(error.kind, if leave { ErrorKind::Cancelled } else { ErrorKind::DeadlineExceeded });
        assert!(session.rows(&context(), &Statement::new("SELECT 1")).await.is_err(), "the session is over");
        drop(session);
        // The pool has one connection: it is there again once the statement has ended.
        let mut session = server.session(&in_time(Duration::from_secs(30)), "test", 0).await.unwrap();
        let running = "SELECT count(*) FROM pg_stat_activity \
                       WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep%' AND state = 'active'";
        let rows = session.rows(&context(), &Statement::new(running)).await.unwrap();
        assert_eq!(sqlx::Row::get::<i64, _>(&rows[0], 0), 0);
    }
}

#[tokio::test]
async fn a_failed_statement_leaves_a_connection_that_works_and_names_no_value() {
    let Some(database) = database().await else { return };
    let server = server(&database.url, 1);
    let pid = async || {
        let mut session = server.session(&context(), "test", 0).await.unwrap();
        let rows = session.rows(&context(), &Statement::new("SELECT pg_backend_pid()")).await.unwrap();
        sqlx::Row::get::<i32, _>(&rows[0], 0)
    };
    let before = pid().await;
    let mut session = server.session(&context(), "test", 0).await.unwrap();
    let mut statement = Statement::new("SELECT ");
    statement.bind("a secret").push("::int8");
    let error = session.rows(&context(), &statement).await.unwrap_err().error;
    assert_eq!(error.kind, ErrorKind::Failed);
    assert!(error.detail.starts_with("SQLSTATE 22P02") && !error.detail.contains("secret"), "{error}");
    drop(session);
    // A transaction that nobody ended is rolled back.
    let mut session = server.session(&context(), "test", 0).await.unwrap();
    session.begin(&context(), "DECLARE hits CURSOR FOR SELECT 1").await.unwrap();
    drop(session);
    let mut session = server.session(&context(), "test", 0).await.unwrap();
    assert!(session.simple(&context(), "FETCH 1 FROM hits").await.is_err());
    drop(session);
    assert_eq!(pid().await, before, "one connection served them all");
}

#[tokio::test]
async fn a_connection_that_the_server_ended_is_unavailable_once_and_replaced() {
    let Some(database) = database().await else { return };
    let server = server(&database.url, 1);
    let mut session = server.session(&context(), "test", 0).await.unwrap();
    session.rows(&context(), &Statement::new("SELECT 1")).await.unwrap();
    database
        .execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'forebay' AND datname = current_database()")
        .await;
    let error = session.rows(&context(), &Statement::new("SELECT 1")).await.unwrap_err().error;
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    drop(session);
    let demand = Demand::of(&context(), Duration::from_millis(1));
    server.pool().checkout(&demand).await.expect("another connection").done();
}
