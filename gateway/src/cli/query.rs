//! `forebay query`: one query to a running gateway.

use std::io::IsTerminal as _;

use serde_json::Value as Json;

use super::{
    Failure,
    client::Response,
    input,
    output::{cell, print, print_bytes, table},
    target::Target,
};

/// Send a query to a running gateway
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    target: Target,
    /// The query: JSON, @FILE, or - for standard input
    #[arg(value_name = "QUERY")]
    query: Option<String>,
    /// Print the answer as it was sent (the default when standard output is not a terminal)
    #[arg(long, conflicts_with = "table")]
    json: bool,
    /// Print a table (the default on a terminal)
    #[arg(long)]
    table: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let response = args.target.post("/v1/query", input::read(args.query.as_deref())?)?;
    if args.table || (!args.json && std::io::stdout().is_terminal()) {
        let body: Json = serde_json::from_slice(&response.body)
            .map_err(|error| Failure::Other(format!("the answer is not JSON: {error}")))?;
        print(&render(&body, &response))
    } else {
        print_bytes(&response.body)?;
        print("\n")
    }
}

pub(super) fn render(body: &Json, response: &Response) -> String {
    let empty = Vec::new();
    let items = body["items"].as_array().unwrap_or(&empty);
    let attributes: Vec<&str> = items
        .first()
        .and_then(|item| item["attributes"].as_object())
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect();
    let scored = items.iter().any(|item| item["score"].is_number());
    let header = ["#", "id"].into_iter().chain(scored.then_some("score")).chain(attributes.iter().copied());
    let mut rows = table(header);
    for (index, item) in items.iter().enumerate() {
        let score = scored.then(|| item["score"].as_f64().map_or(String::new(), |score| format!("{score:.4}")));
        let values = attributes.iter().map(|name| shown(&item["attributes"][name]));
        rows.add_row([(index + 1).to_string(), shown(&item["id"])].into_iter().chain(score).chain(values));
    }
    let mut text = if items.is_empty() { String::new() } else { format!("{}\n", rows.trim_fmt()) };
    for warning in body["warnings"].as_array().into_iter().flatten() {
        text.push_str(&format!("warning: {}\n", cell(warning["message"].as_str().unwrap_or_default())));
    }
    let count = items.len();
    text.push_str(&format!("{count} item{}", if count == 1 { "" } else { "s" }));
    if body["partial"] == true {
        text.push_str(", partial");
    }
    for name in ["cache-status", "server-timing"] {
        if let Some(value) = response.headers.get(name).and_then(|value| value.to_str().ok()) {
            text.push_str(&format!(" · {name}: {value}"));
        }
    }
    text.push('\n');
    text
}

/// A value as a cell shows it.
fn shown(value: &Json) -> String {
    match value {
        Json::Null => "–".into(),
        Json::String(text) => cell(text),
        Json::Array(items) => {
            cell(&items.iter().map(|item| item.as_str().unwrap_or("…")).collect::<Vec<_>>().join(", "))
        }
        other => cell(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_reads_as_a_table() {
        let body = json!({
            "items": [
                { "id": "gimp", "score": 0.81234, "attributes": { "section": "graphics", "tags": ["a", "b"] } },
                { "id": "inkscape", "score": 0.5, "attributes": { "section": null, "tags": [] } },
            ],
            "partial": true,
            "warnings": [{ "code": "unknown-anchor", "message": "the graph does not know `x`" }],
        });
        let mut headers = HeaderMap::new();
        headers.insert("cache-status", "forebay-l1; hit".parse().unwrap());
        let response = Response { status: StatusCode::OK, headers, body: Default::default() };
        insta::assert_snapshot!(render(&body, &response), @r"
         #   id         score    section    tags
        ─────────────────────────────────────────
         1   gimp       0.8123   graphics   a, b
         2   inkscape   0.5000   –
        warning: the graph does not know `x`
        2 items, partial · cache-status: forebay-l1; hit
        ");
    }
}
