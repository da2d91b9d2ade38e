//! `GET /v1/config`: the configuration as it was loaded, without its secrets.

use crate::{
    api::reply::{self, HttpResponse},
    config::Config,
};

/// Stands where a secret was.
const MASK: &str = "(masked)";

pub(super) fn run(config: &Config) -> HttpResponse {
    reply::json(serde_json::to_vec(&masked(config)).expect("a configuration is plain data"))
}

/// A digest is not the token, but a token of little entropy can be found from it.
fn masked(config: &Config) -> Config {
    let mut config = config.clone();
    for principal in &mut config.principals {
        if let Some(digest) = &mut principal.token_sha256 {
            MASK.clone_into(digest);
        }
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::PrincipalConfig, query::Priority};

    #[test]
    fn no_digest_leaves_the_gateway() {
        let digest = "0123456789abcdef".repeat(4);
        let config = Config {
            principals: vec![PrincipalConfig {
                name: "ann".into(),
                token_sha256: Some(digest.clone()),
                token_sha256_file: Some("/run/secrets/ann".into()),
                tenant: None,
                priority_ceiling: Priority::Normal,
                collections: None,
            }],
            ..Config::default()
        };
        let text = serde_json::to_string(&masked(&config)).unwrap();
        assert!(serde_json::to_string(&config).unwrap().contains(&digest), "the test would see one");
        assert!(!text.contains(&digest) && text.contains(MASK) && text.contains("/run/secrets/ann"), "{text}");
    }
}
