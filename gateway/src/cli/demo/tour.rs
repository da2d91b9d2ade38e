//! The tour: one hybrid query over HTTP, its plan and rivals, the same again from L1, and a question that reuses a leg.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use super::super::{
    Failure,
    client::{Client, Response},
    explain,
    output::print,
    query,
};

/// A query that was asked, and the items that came back.
pub(super) struct Answered {
    pub body: Value,
    pub items: Value,
}

/// "Image viewers that need GTK, directly or through one other package", as a person would write it.
const FIRST: &str = r#"{
  "collection": "packages",
  "vector": { "text": "simple photo viewer" },
  "filter": { "tags": "use::viewing", "installed_size_kb": { "$lt": 20000 } },
  "within": { "from": ["libgtk-3-0"], "edges": ["depends"], "direction": "in", "hops": 2 },
  "limit": 5, "select": ["section", "installed_size_kb", "summary"]
}"#;

fn first() -> Value {
    serde_json::from_str(FIRST).expect("the query is JSON")
}

/// Another question about the same neighbourhood.
fn second() -> Value {
    let mut body = first();
    body["vector"] = json!({ "combine": [
        { "text": "music player", "weight": 1.0 },
        { "like": "totem", "weight": -0.5 },
    ]});
    body["filter"] = json!({ "section": { "$in": ["sound", "video", "gnome"] } });
    body
}

/// Asks over HTTP as any client would, and shows what comes back.
pub(super) async fn walk(url: &str, admin: &str) -> Result<Vec<Answered>, Failure> {
    let mut tourist = Tourist { client: Client::new(url, None)?, answers: Vec::new() };

    print("A hybrid query: like a text, with these attributes, within two steps of a package. Paste it:\n\n")?;
    print(&format!("curl -s {url}/v1/query -H 'content-type: application/json' -d '{FIRST}'\n\n"))?;
    let plan = tourist.ask("/v1/explain", &first()).await?;
    let cold = tourist.answer(first()).await?;
    print(&format!("{}\n", query::render(&cold.body, &cold.response)))?;

    print("The plan that was picked, and its rivals with the costs that were predicted for them:\n\n")?;
    print(&format!("{}\n", explain::render(&plan.body["plan"])))?;

    let warm = tourist.answer(first()).await?;
    let status = warm.response.headers.get("cache-status").and_then(|value| value.to_str().ok()).unwrap_or("");
    print(&format!(
        "The same query again: {} instead of {} (cache-status: {status})\n\n",
        millis(warm.took),
        millis(cold.took),
    ))?;

    print(
        "Another question about the same neighbourhood, \"more like this, less like that\". The walk is still cached:\n\n",
    )?;
    let plan = tourist.ask("/v1/explain", &second()).await?;
    let drilled = tourist.answer(second()).await?;
    print(&format!("{}\n", query::render(&drilled.body, &drilled.response)))?;
    print(&format!("{}\n", explain::render(&plan.body["plan"])))?;
    print(&format!("More: curl -s {url}/v1/collections · {url}/openapi.json · {admin}/metrics\n"))?;
    Ok(tourist.answers)
}

fn millis(took: Duration) -> String {
    format!("{:.2} ms", took.as_secs_f64() * 1e3)
}

struct Tourist {
    client: Client,
    answers: Vec<Answered>,
}

struct Told {
    body: Value,
    response: Response,
    took: Duration,
}

impl Tourist {
    async fn answer(&mut self, body: Value) -> Result<Told, Failure> {
        let told = self.ask("/v1/query", &body).await?;
        self.answers.push(Answered { body, items: told.body["items"].clone() });
        Ok(told)
    }

    async fn ask(&mut self, path: &str, body: &Value) -> Result<Told, Failure> {
        let started = Instant::now();
        let response = self.client.send(Method::POST, path, body.to_string().into()).await?;
        let took = started.elapsed();
        let body: Value = serde_json::from_slice(&response.body)
            .map_err(|error| Failure::Other(format!("{path} answered something that is not JSON: {error}")))?;
        if !response.status.is_success() {
            return Err(Failure::Other(format!("{path} answered {}: {body}", response.status)));
        }
        Ok(Told { body, response, took })
    }
}
