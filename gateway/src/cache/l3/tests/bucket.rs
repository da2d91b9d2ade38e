//! The tier in a bucket of a server that speaks S3.

use super::*;
use crate::backend::testing_servers;

/// A folder of a bucket behind an endpoint.
pub(super) fn config(endpoint: &str, prefix: &str, secrets: &Path) -> L3Config {
    std::fs::write(secrets.join("secret"), "not really\n").unwrap();
    L3Config {
        url: Some(format!("s3://{}/{prefix}", testing_servers::S3_BUCKET)),
        endpoint: Some(endpoint.to_owned()),
        region: Some("eu-central-1".into()),
        access_key_id: Some("somebody".into()),
        secret_access_key_file: Some("secret".into()),
        ..super::config()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_share_a_bucket() {
    let Some(endpoint) = testing_servers::s3() else { return };
    let directory = tempfile::tempdir().unwrap();
    let prefix = format!("l3-{:016x}/below", rand::random::<u64>());
    let config = L3Config { max_bytes: 100_000, ..config(&endpoint, &prefix, directory.path()) };
    let open = || L3::open(&config, directory.path(), clock()).unwrap();
    let (first, second) = (open(), open());
    assert_eq!(outcome(&first, 1).await, Some(LookupOutcome::Miss));
    put_all(&first, [(1, answer(text(1), 500)), (2, answer(noise(2, 40_000), 500))]).await;
    assert_eq!(body_of(&get(&second, 1).await.unwrap()), text(1).as_bytes());
    assert!(body_of(&get(&second, 2).await.unwrap()) == noise(2, 40_000));
    assert_eq!(second.statistics().held.unwrap().0, 2, "what was read is known to be there");

    let late = open();
    until("what others wrote is listed", async || late.statistics().held.unwrap().0 == 2).await;
    put_all(&late, (3..13).map(|i| (i, answer(noise(i, 20_000), 5)))).await;
    assert!(late.statistics().held.unwrap().1 <= 100_000 && late.statistics().evicted > 0);
    assert_eq!(names(&*late.inner.store, "v1").await.len() as u64, late.statistics().held.unwrap().0);

    store_is_emptied(&*late.inner.store).await;
    assert_eq!(outcome(&first, 1).await, Some(LookupOutcome::Miss));
}

async fn store_is_emptied(store: &dyn ObjectStore) {
    let all: Vec<_> = store.list(None).try_collect().await.unwrap();
    for object in all {
        store.delete(&object.location).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_not_there_is_a_failure() {
    let Some(endpoint) = testing_servers::s3() else { return };
    let directory = tempfile::tempdir().unwrap();
    let config =
        L3Config { url: Some("s3://no-such-bucket-as-this".into()), ..config(&endpoint, "", directory.path()) };
    let l3 = L3::open(&config, directory.path(), clock()).unwrap();
    put_all(&l3, [(1, answer(text(1), 5))]).await;
    assert_eq!((l3.statistics().failed, l3.statistics().written), (1, 0));
    assert!(matches!(outcome(&l3, 1).await, Some(LookupOutcome::Failed | LookupOutcome::Miss)));
}
