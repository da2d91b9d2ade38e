//! `GET /v1/config`: the configuration as it was loaded, without its secrets.

use crate::{
    api::reply::{self, HttpResponse},
    config::Config,
};

pub(super) fn run(config: &Config) -> HttpResponse {
    reply::json(config.masked().to_string())
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::{config::PrincipalConfig, query::Priority};

    #[tokio::test]
    async fn no_digest_leaves_the_gateway() {
        let digest = "0123456789abcdef".repeat(4);
        let config = Config {
            principals: vec![PrincipalConfig {
                name: "ann".into(),
                token_sha256: Some(digest.clone()),
                token_sha256_file: None,
                tenant: None,
                priority_ceiling: Priority::Normal,
                collections: None,
            }],
            ..Config::default()
        };
        let body = run(&config).into_body().collect().await.unwrap().to_bytes();
        let text = std::str::from_utf8(&body).unwrap();
        assert!(serde_json::to_string(&config).unwrap().contains(&digest), "the test would see one");
        assert!(!text.contains(&digest) && text.contains("ann"), "{text}");
    }
}
