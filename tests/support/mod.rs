//! What several suites need: the packages collection behind real listeners, and a client.

#![allow(dead_code, unreachable_pub, reason = "each suite uses its part")]

pub mod private_server;
pub mod proxy;
#[path = "../../gateway/src/backend/testing_servers.rs"]
pub mod servers;
pub mod small_disk;
pub mod stores;

use std::sync::Arc;

use forebay::{
    api::Authenticator,
    assemble::{Listeners, Serving},
    backend::embedded::{Dataset, EmbeddedStore},
    catalog::{Catalog, Collection},
    cli::client::{Client, Response},
    config::Config,
    demo_data,
    load::Silent,
    request::Gateway,
};
use http::Method;
use serde_json::Value;

/// A running gateway over the packages.
pub struct Packages {
    pub gateway: Arc<Gateway>,
    pub dataset: Arc<Dataset>,
    pub url: String,
    pub admin: String,
    serving: Serving,
}

impl Packages {
    /// Starts one on free ports of loopback.
    pub async fn start() -> Self {
        let mut config = Config::default();
        config.server.listen.set_port(0);
        config.admin.listen.set_port(0);
        Self::start_with(config).await
    }

    /// Starts one with this configuration's listeners and cache, for whoever asks from loopback.
    pub async fn start_with(config: Config) -> Self {
        let (schema, parts, _) = demo_data::packages(&mut Silent).expect("the bundled data is sound");
        let dataset = Arc::new(Dataset::build(Arc::new(schema), parts).expect("the bundled data is valid"));
        let store = EmbeddedStore::new("demo".into(), dataset.clone());
        let collection =
            Collection::new(dataset.schema().clone(), store.clone(), Some(store), Some(demo_data::embedder()));
        let catalog = Catalog::new([collection]);
        let gateway = Arc::new(Gateway::new(catalog, &config.server, &config.cache, None, Arc::default()));
        let listeners = Listeners::bind(&config).await.expect("free ports of loopback");
        let url = format!("http://{}", listeners.query_address());
        let admin = format!("http://{}", listeners.admin_address());
        let authenticator = Authenticator::new([]);
        let serving = listeners.serve(&gateway, authenticator, &config);
        Self { gateway, dataset, url, admin, serving }
    }

    /// A client with a connection of its own.
    pub fn client(&self) -> Client {
        Client::new(&self.url, None).expect("a sound address")
    }

    /// Drains and ends.
    pub async fn stop(self) {
        self.serving.drain().await;
    }
}

/// Posts a query.
pub async fn post(client: &mut Client, path: &str, body: &Value) -> Response {
    client.send(Method::POST, path, body.to_string().into()).await.expect("the gateway answers")
}

/// A body as JSON.
pub fn json(response: &Response) -> Value {
    serde_json::from_slice(&response.body).expect("a body of JSON")
}

/// The ids of an answer, in order.
pub fn ids(answer: &Value) -> Vec<&str> {
    let items = answer["items"].as_array().unwrap_or_else(|| panic!("no items in {answer}"));
    items.iter().map(|item| item["id"].as_str().expect("ids are strings")).collect()
}
