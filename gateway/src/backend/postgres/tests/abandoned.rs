//! Connections that are closed in the middle of a statement.

use std::time::Duration;

use sqlx::{Executor as _, postgres::PgConnection};

use super::{database, server};
use crate::{backend::postgres::testing::count, pool::Connector as _};

const SLEEPING: &str = "SELECT count(*) FROM pg_stat_activity \
                        WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep%'";

async fn until_sleeping(observer: &mut PgConnection, number: i64) {
    let waiting = async {
        while count(observer, SLEEPING).await != number {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(40), waiting).await;
    in_time.unwrap_or_else(|_| panic!("there are never {number}"));
}

#[tokio::test]
async fn a_statement_whose_connection_was_closed_ends_on_the_server() {
    let Some(database) = database().await else { return };
    let server = server(&database.url, 1);
    let mut observer = database.connect().await;
    let mut link = server.pool().connector().connect().await.unwrap();
    let sleeping = tokio::spawn(async move { link.connection.execute("SELECT pg_sleep(300)").await.map(drop) });
    until_sleeping(&mut observer, 1).await;
    sleeping.abort();
    until_sleeping(&mut observer, 0).await;
    drop(observer);
    database.remove().await;
}
