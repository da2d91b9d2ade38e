//! `planner-model promote` and `rollback`: which model a gateway predicts with.

use std::path::PathBuf;

use http::Method;
use serde_json::Value as Json;

use super::{
    Failure,
    client::{Answer, Client, ClientError},
    evaluate::read,
    output,
};

/// Let a gateway predict with a model
///
/// The gateway checks it and holds it against the one in place on its last runs; one that is worse is refused, and the one in
/// place stays. Gateways that share an object store take it too.
#[derive(Debug, clap::Args)]
pub(super) struct Promote {
    /// The model
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    #[command(flatten)]
    at: Admin,
}

/// Let a gateway predict with the model before
#[derive(Debug, clap::Args)]
pub(super) struct Rollback {
    #[command(flatten)]
    at: Admin,
}

#[derive(Debug, clap::Args)]
struct Admin {
    /// Address of the gateway's admin listener
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7701")]
    admin_url: String,
}

pub(super) fn promote(args: &Promote) -> Result<(), Failure> {
    // What is no model is refused here, with the same reason.
    let model = read(&args.model)?;
    let bytes = std::fs::read(&args.model).map_err(Failure::of_file(&args.model))?;
    args.at.show(Method::PUT, "/v1/planner/model", bytes, &format!("{} predicts", model.id()))
}

pub(super) fn rollback(args: &Rollback) -> Result<(), Failure> {
    args.at.show(Method::POST, "/v1/planner/model/rollback", Vec::new(), "the model before predicts")
}

impl Admin {
    fn show(&self, method: Method, path: &str, body: Vec<u8>, done: &str) -> Result<(), Failure> {
        let answer = self.ask(method, path, body)?;
        if !answer.status.is_success() {
            return Err(Failure::Other(answer.problem()));
        }
        let body: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
        output::print(&format!("{done}\n{}", described(&body["models"])))
    }

    fn ask(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Answer, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::Other(format!("cannot start: {error}")))?;
        let asked: Result<Answer, ClientError> = runtime.block_on(async {
            let mut client = Client::new(&self.admin_url, None)?;
            let kind = (!body.is_empty()).then_some("application/octet-stream");
            client.send(method, path, kind, body.into()).await
        });
        Ok(asked?)
    }
}

/// The models of a gateway in a few lines; their cards are with their files.
fn described(models: &Json) -> String {
    let word = |model: &Json, name: &str| model[name].as_str().unwrap_or_default().to_owned();
    let mut text = String::new();
    for place in ["current", "previous"] {
        let model = &models[place];
        if model.is_object() {
            let (name, origin, since) = (word(model, "name"), word(model, "origin"), word(model, "since"));
            text += &format!("{place}: {name}, from {origin}, since {since}\n");
        }
    }
    let verdict = word(&models["current"], "verdict");
    if verdict.is_empty() { text } else { text + "judged: " + &verdict + "\n" }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn models_are_described_in_lines_whatever_is_missing() {
        let models = json!({ "current": { "name": "forest a", "origin": "admin", "since": "now", "verdict": "fine" } });
        assert_eq!(described(&models), "current: forest a, from admin, since now\njudged: fine\n");
        assert_eq!(described(&Json::Null), "");
    }
}
