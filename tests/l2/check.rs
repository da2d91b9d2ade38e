//! What `forebay check` says of tiers on servers.

use std::process::Command;

use forebay::config::L2Config;

use super::{ground::*, support::servers};

/// How it ends with a configuration of these lines, and what it prints: of what it found, and of what is wrong.
fn checked(lines: &str) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("secret"), "not really\n").expect("written");
    let file = folder.path().join("forebay.toml");
    std::fs::write(&file, lines).expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_forebay")).args(["check", "--config"]).arg(&file).output();
    let output = output.expect("the binary runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// The lines of a tier in Redis.
fn lines(config: &L2Config) -> String {
    let (urls, topology, prefix) = (&config.urls, format!("{:?}", config.topology).to_lowercase(), &config.prefix);
    let group = config.sentinel_group.iter().map(|group| format!("sentinel_group = {group:?}\n")).collect::<String>();
    format!("[cache.l2]\nurls = {urls:?}\ntopology = {topology:?}\nprefix = {prefix:?}\n{group}")
}

fn is_well(config: &L2Config) {
    let (code, out, err) = checked(&lines(config));
    assert_eq!(code, Some(0), "{out}{err}");
    for what in ["takes and gives entries", "the shared epochs can be followed"] {
        assert!(out.contains(what), "{out}");
    }
}

fn is_wrong(config: &L2Config, why: &str) {
    let (code, out, err) = checked(&lines(config));
    assert!(code == Some(69) && err.contains("cache.l2: ") && err.contains(why), "{code:?}: {out}{err}");
}

#[test]
fn a_group_under_sentinel_is_tried_as_a_gateway_would_use_it() {
    let Some(config) = sentinel() else { return };
    is_well(&config);
    is_wrong(&L2Config { sentinel_group: Some("nobody".into()), ..config.clone() }, "does not know the group `nobody`");
    let nobody = vec!["redis://127.0.0.1:1".to_owned()];
    is_wrong(&L2Config { urls: nobody, ..config }, "cannot be reached");
}

#[test]
fn a_cluster_is_tried_as_a_gateway_would_use_it() {
    let (Some(config), Some(alone)) = (cluster(), standalone()) else { return };
    is_well(&config);
    let mut one_is_gone = config.clone();
    one_is_gone.urls.insert(0, "redis://127.0.0.1:1".to_owned());
    is_well(&one_is_gone);
    is_wrong(&L2Config { urls: vec!["redis://127.0.0.1:1".to_owned()], ..config.clone() }, "cannot be reached");
    is_wrong(&L2Config { urls: alone.urls, ..config }, "cluster support disabled");
}

#[test]
fn a_bucket_is_written_to_and_read_from() {
    let Some(endpoint) = servers::s3() else { return };
    let config = |bucket: &str, endpoint: &str| {
        format!(
            "[cache.l3]\nurl = \"s3://{bucket}/check-{:016x}\"\nendpoint = {endpoint:?}\nregion = \"eu-central-1\"
             access_key_id = \"somebody\"\nsecret_access_key_file = \"secret\"\n",
            rand::random::<u64>()
        )
    };
    let (code, out, err) = checked(&config(servers::S3_BUCKET, &endpoint));
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(
        out.contains(&format!("objects can be written, read and removed in s3://{}/", servers::S3_BUCKET)),
        "{out}"
    );
    assert!(out.contains("advice: l3: without Redis"), "{out}");
    for wrong in [config("no-such-bucket-as-this", &endpoint), config(servers::S3_BUCKET, "http://127.0.0.1:1")] {
        let (code, out, err) = checked(&wrong);
        assert!(code == Some(69) && err.contains("cache.l3: "), "{code:?}: {out}{err}");
    }
}
