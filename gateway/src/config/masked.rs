//! The configuration as it may be shown.

use serde_json::Value as Json;

use super::Config;

/// Keys whose values are not shown. A digest is no token, but a weak token can be guessed from it;
/// a server's URL may hold a password.
const SECRETS: [&str; 3] = ["token_sha256", "password", "url"];

/// What is shown instead.
const MASK: &str = "********";

impl Config {
    /// The configuration in JSON, without secrets. Keys that were left out are there with their defaults.
    pub fn masked(&self) -> Json {
        let mut json = serde_json::to_value(self).expect("a configuration is plain data");
        mask(&mut json);
        json
    }
}

fn mask(json: &mut Json) {
    match json {
        Json::Object(object) => {
            for (key, value) in object {
                if SECRETS.contains(&key.as_str()) && !value.is_null() {
                    *value = MASK.into();
                } else {
                    mask(value);
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(mask),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}
