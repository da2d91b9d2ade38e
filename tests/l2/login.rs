//! Who may log in, and over what.

use std::io::Write as _;

use forebay::{
    assemble,
    cache::{
        FarTier as _, LookupOutcome, StoreOutcome,
        coherence::{Bump, Coherence as _, RedisCoherence},
        l2::Leased,
    },
    config::{self, L2Config, RedisTopology},
};
use redis::Value;

use super::{ground::*, support::private_server::PrivateServer};

/// A file with a line.
fn file(line: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    writeln!(file, "{line}").expect("it is written");
    file
}

/// The address without the user in it.
fn bare(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").expect("a URL");
    format!("{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, host)| host))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_over_tls_with_the_least_rights_does_everything() {
    let Some(server) = PrivateServer::redis(&["tls", "user=admin:secret"]) else { return };
    let (admins, gateways, wrong) = (file("secret"), file("forebays-own"), file("guessed"));
    let of = |user: &str, password: &tempfile::NamedTempFile| L2Config {
        username: Some(user.to_owned()),
        password_file: Some(password.path().to_owned()),
        ca_file: Some(server.authority()),
        prefix: "shop".into(),
        ..at(vec![bare(&server.url)], RedisTopology::Standalone)
    };
    let admin = of("admin", &admins);
    let book = include_str!("../../docs/redis.md");
    let line = book.lines().find(|line| line.starts_with("ACL SETUSER forebay ")).expect("the book says it");
    let rights: Vec<String> = line.split(' ').map(|word| word.replace("PASSWORD", "forebays-own")).collect();
    let rights: Vec<&[u8]> = rights.iter().map(String::as_bytes).collect();
    let _: Value = ask(&admin, &rights).await;

    let (tier, sought) = (tier(&of("forebay", &gateways)), sought());
    keep(&tier, &sought, "kept").await;
    assert_eq!(get(&tier, &sought).await.as_deref(), Ok("kept"));
    let to_fill = super::ground::sought();
    let Leased::Fill { lease: Some(lease), .. } = lease(&tier, &to_fill, AMPLE).await else { panic!("a lease") };
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    assert_eq!(lease.store(answer("filled")), StoreOutcome::Stored);
    tier.flush().await;
    assert_eq!(get(&tier, &to_fill).await.as_deref(), Ok("filled"));
    drop(super::ground::lease(&tier, &super::ground::sought(), AMPLE).await);
    // The epochs: another gateway hears of a purge, under the same user.
    let [one, other] = std::array::from_fn(|_| RedisCoherence::connect(&of("forebay", &gateways)).expect("settings"));
    for gateway in [&one, &other] {
        let begun = std::time::Instant::now();
        while !gateway.statistics().is_leased {
            assert!(begun.elapsed() < AMPLE, "no lease: {:?}", gateway.statistics());
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
    let bumped = one.bump(&Bump::Tags(vec!["shop".into()])).await.expect("it is counted");
    assert_eq!(bumped.confirmed + bumped.lapsed, 2);
    other.leave().await;
    one.leave().await;
    forebay::cache::l2::probe(&of("forebay", &gateways)).await.expect("what check tries");
    let denied: Vec<Value> = ask(&admin, &[b"ACL", b"LOG"]).await;
    assert!(denied.is_empty(), "{denied:?}");

    let stranger = super::ground::tier(&of("forebay", &wrong));
    assert_eq!(get(&stranger, &sought).await, Err(LookupOutcome::Failed));
    stranger.put(sought.clone(), answer("not theirs"));
    stranger.flush().await;
    assert_eq!(get(&tier, &sought).await.as_deref(), Ok("kept"));
    let distrustful = L2Config { ca_file: None, ..of("forebay", &gateways) };
    assert_eq!(
        get(&super::ground::tier(&distrustful), &sought).await,
        Err(LookupOutcome::Failed),
        "an unknown authority"
    );

    // What `check` says.
    let survey = |password: &tempfile::NamedTempFile| {
        let text = format!(
            "[cache.l2]\nurls = [{:?}]\nusername = \"forebay\"\npassword_file = {:?}\nca_file = {:?}\nprefix = \"shop\"\n",
            bare(&server.url),
            password.path(),
            server.authority()
        );
        let file = file(&text);
        let loaded = config::load_with(Some(file.path()), []).expect("a sound configuration");
        async move { assemble::survey(&loaded).await }
    };
    let found = survey(&gateways).await;
    assert!(found.problems.is_empty(), "{:?}", found.problems);
    let says =
        |what: &str| found.findings.iter().any(|(about, finding)| about == "cache" && finding.text.contains(what));
    assert!(says("takes and gives entries") && says("no maxmemory") && says("can be followed"), "{:?}", found.findings);
    let problems = |survey: assemble::Survey| survey.problems.iter().map(ToString::to_string).collect::<Vec<_>>();
    let denied = problems(survey(&wrong).await);
    assert!(denied.len() == 1 && denied[0].contains("cache.l2"), "{denied:?}");
    let _: Value = ask(&admin, &[b"ACL", b"SETUSER", b"forebay", b"-subscribe"]).await;
    let denied = problems(survey(&gateways).await);
    assert!(denied.len() == 1 && denied[0].contains("epochs cannot be followed"), "{denied:?}");

    // A user who may only read.
    let _: Value = ask(&admin, &[b"ACL", b"SETUSER", b"forebay", b"-set"]).await;
    let reader = super::ground::tier(&of("forebay", &gateways));
    assert_eq!(get(&reader, &sought).await.as_deref(), Ok("kept"));
    let denied = problems(survey(&gateways).await);
    assert!(denied.len() == 1 && denied[0].contains("cache.l2: SET: "), "{denied:?}");
    let none = super::ground::lease(&reader, &super::ground::sought(), AMPLE).await;
    assert!(matches!(none, Leased::Fill { lease: None, .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_with_the_least_rights_does_everything_on_a_cluster() {
    let Some(server) = PrivateServer::redis_cluster(&[]) else { return };
    let password = file("forebays-own");
    let config = L2Config {
        username: Some("forebay".into()),
        password_file: Some(password.path().to_owned()),
        prefix: "shop".into(),
        ..at(server.url.split(',').map(str::to_owned).collect(), RedisTopology::Cluster)
    };
    let book = include_str!("../../docs/redis.md");
    assert!(book.contains("`+cluster|slots` and `+asking` on a Cluster"), "the book says it");
    let line = book.lines().find(|line| line.starts_with("ACL SETUSER forebay ")).expect("the book says it");
    let line = format!("{} +cluster|slots +asking", line.replace("PASSWORD", "forebays-own"));
    let rights: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let nodes: Vec<_> = server.url.split(',').map(|url| at(vec![url.to_owned()], RedisTopology::Standalone)).collect();
    for node in &nodes {
        let _: Value = ask(node, &rights).await;
    }
    let tier = tier(&config);
    for _ in 0..10 {
        let sought = sought();
        keep(&tier, &sought, "kept").await;
        assert_eq!(get(&tier, &sought).await.as_deref(), Ok("kept"));
    }
    let Leased::Fill { lease: Some(lease), .. } = lease(&tier, &sought(), AMPLE).await else { panic!("a lease") };
    drop(lease);
    let survey = {
        let urls: Vec<_> = server.url.split(',').collect();
        let file = file(&format!(
            "[cache.l2]\nurls = {urls:?}\ntopology = \"cluster\"\nusername = \"forebay\"\npassword_file = {:?}\nprefix = \"shop\"\n",
            password.path(),
        ));
        let loaded = config::load_with(Some(file.path()), []).expect("a sound configuration");
        assemble::survey(&loaded).await
    };
    assert!(survey.problems.is_empty(), "{:?}", survey.problems);
    for node in &nodes {
        let denied: Vec<Value> = ask(node, &[b"ACL", b"LOG"]).await;
        assert!(denied.is_empty(), "{denied:?}");
    }
}
