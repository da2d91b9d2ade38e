//! A sweep runs plans that are known to be slow, and empties caches. Nobody wants that on a gateway that serves.

use std::net::IpAddr;

use serde_json::Value as Json;

use super::super::client::Client;

/// Why a gateway may be one that others depend on; empty where it certainly is not. It is not if it and its admin listener are
/// on this machine, it has no principals, hence serves callers on this machine only, and shares its cache with nobody.
pub(super) async fn doubts(gateway: &Client, admin: &mut Client) -> Vec<String> {
    let mut doubts = Vec::new();
    for client in [gateway, &*admin] {
        if !is_loopback(client.host()) {
            doubts.push(format!("{} is not this machine", client.host()));
        }
    }
    let config: Option<Json> = match admin.get("/v1/config").await {
        Ok(answer) if answer.status.is_success() => serde_json::from_slice(&answer.body).ok(),
        Ok(_) => None,
        Err(error) => {
            doubts.push(error.to_string());
            None
        }
    };
    doubts
        .extend(config.map_or_else(|| vec!["its configuration is not known".to_owned()], |config| of_config(&config)));
    doubts
}

fn of_config(config: &Json) -> Vec<String> {
    let mut doubts = Vec::new();
    if config["principals"].as_array().is_none_or(|principals| !principals.is_empty()) {
        doubts.push("it has principals".to_owned());
    }
    for (tier, shared) in [("l2", "Redis"), ("l3", "an object store")] {
        if !config["cache"][tier].is_null() {
            doubts.push(format!("it may share {shared} with other gateways"));
        }
    }
    doubts
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_gateway_without_principals_and_shared_tiers_is_nobodys() {
        let own = json!({ "principals": [], "cache": { "l1": {}, "l2": null, "l3": null } });
        assert!(of_config(&own).is_empty());
        let mut other = own.clone();
        other["principals"] = json!([{ "name": "ann" }]);
        assert_eq!(of_config(&other), ["it has principals"]);
        let mut other = own;
        other["cache"]["l2"] = json!({ "url": "redis://h" });
        assert_eq!(of_config(&other).len(), 1);
        assert_eq!(of_config(&json!({})), ["it has principals"]);
    }

    #[test]
    fn loopback_is_known_by_its_addresses() {
        assert!(["127.0.0.1", "::1", "localhost", "127.8.0.1"].into_iter().all(is_loopback));
        assert!(!["10.0.0.1", "example.org", "localhost.example.org", ""].into_iter().any(is_loopback));
    }
}
