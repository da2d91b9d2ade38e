//! `forebay explain`: the candidate plans of a query, what they were predicted to cost, and which one won.

use serde_json::Value as Json;

use super::{
    Failure, input,
    output::{cell, print, table},
    target::Target,
};

/// Show the plans that a query has, their predicted costs, and the choice
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    target: Target,
    /// The query: JSON, @FILE, or - for standard input
    #[arg(value_name = "QUERY")]
    query: Option<String>,
    /// Run the query too, and show what each operator really did
    #[arg(long)]
    analyze: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let body = input::read(args.query.as_deref())?;
    let response = if args.analyze {
        args.target.post("/v1/query", with_analyze(&body)?.into())?
    } else {
        args.target.post("/v1/explain", body)?
    };
    let answer: Json = serde_json::from_slice(&response.body)
        .map_err(|error| Failure::Other(format!("the answer is not JSON: {error}")))?;
    let plan = &answer["plan"];
    if args.json {
        return print(&format!("{plan:#}\n"));
    }
    print(&render(plan))
}

/// The query with `options.explain` set to `analyze`.
fn with_analyze(body: &[u8]) -> Result<Vec<u8>, Failure> {
    let refuse = |error: String| Failure::Other(format!("the query cannot be explained: {error}"));
    let mut query: Json = serde_json::from_slice(body).map_err(|error| refuse(error.to_string()))?;
    let object = query.as_object_mut().ok_or_else(|| refuse("it is not an object".into()))?;
    let options = object.entry("options").or_insert_with(|| Json::Object(serde_json::Map::new()));
    options
        .as_object_mut()
        .ok_or_else(|| refuse("its options are not an object".into()))?
        .insert("explain".into(), "analyze".into());
    Ok(query.to_string().into_bytes())
}

pub(super) fn render(plan: &Json) -> String {
    let chosen = plan["chosen"].as_str().unwrap_or_default();
    let mut candidates = table(["", "plan", "predicted", "× best", "operators"]);
    // Cheapest first: of several candidates of the chosen kind, the first is the one that runs.
    let mut marked = false;
    for candidate in plan["candidates"].as_array().into_iter().flatten() {
        let kind = candidate["plan"].as_str().unwrap_or_default();
        let mark = kind == chosen && !marked;
        marked |= mark;
        candidates.add_row([
            if mark { "▶" } else { "" }.to_owned(),
            kind.to_owned(),
            time(candidate["predicted_us"].as_f64()),
            candidate["times_best"].as_f64().map_or(String::new(), |times| format!("{times:.2}")),
            candidate["operators"].as_str().unwrap_or_default().to_owned(),
        ]);
    }
    for (kind, why) in plan["not_applicable"].as_object().into_iter().flatten() {
        let why = format!("not applicable: {}", cell(why.as_str().unwrap_or_default()));
        candidates.add_row([String::new(), kind.clone(), "–".into(), String::new(), why]);
    }
    let reason = plan["reason"].as_str().unwrap_or_default();
    let model = plan["model"].as_str().unwrap_or_default();
    let mut text = format!("{}\n{chosen}: {reason} (costs predicted by the {model} model)\n", candidates.trim_fmt());
    let estimates = &plan["estimates"];
    if let (Some(selectivity), Some(reach)) = (estimates["selectivity"][1].as_f64(), estimates["reach"].as_f64()) {
        let percent = selectivity * 100.0;
        text.push_str(&format!("estimated: {percent:.3} % pass the filter, {reach:.0} nodes reached\n"));
    }
    if let Some(operators) = plan["operators"].as_array() {
        let mut ran = table(["operator", "in", "out", "examined", "calls", "time"]);
        for operator in operators {
            let count = |name: &str| operator[name].to_string();
            ran.add_row([
                operator["operator"].as_str().unwrap_or_default().to_owned(),
                count("rows_in"),
                count("rows_out"),
                count("examined"),
                count("calls"),
                time(operator["ms"].as_f64().map(|ms| ms * 1_000.0)),
            ]);
        }
        text.push_str(&ran.trim_fmt());
        text.push('\n');
    }
    text
}

/// Microseconds in the unit that reads best.
fn time(microseconds: Option<f64>) -> String {
    match microseconds {
        None => "–".into(),
        Some(us) if us < 1_000.0 => format!("{us:.1} µs"),
        Some(us) => format!("{:.2} ms", us / 1_000.0),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_report_reads_as_tables() {
        let plan = json!({
            "chosen": "graph-first", "reason": "cheapest", "model": "analytic", "canonical": "{}",
            "estimates": { "rows": 8000.0, "selectivity": [0.01, 0.0125, 0.02], "reach": 120.0, "edges": 300.0, "matches": 2.0 },
            "candidates": [
                { "plan": "graph-first", "operators": "RankExact(Reach)", "predicted_us": 81.5, "times_best": 1.0 },
                { "plan": "vector-first", "operators": "CheckWithin(Ann(rank, first 64), batch 64)", "predicted_us": 1630.0, "times_best": 20.0 },
            ],
            "not_applicable": { "cached-partial": "no leg is cached" },
            "operators": [
                { "operator": "Reach", "rows_in": 0, "rows_out": 118, "examined": 301, "calls": 1, "ms": 0.042 },
            ],
        });
        insta::assert_snapshot!(render(&plan), @r"
             plan             predicted   × best   operators
        ──────────────────────────────────────────────────────────────────────────────────────
         ▶   graph-first      81.5 µs     1.00     RankExact(Reach)
             vector-first     1.63 ms     20.00    CheckWithin(Ann(rank, first 64), batch 64)
             cached-partial   –                    not applicable: no leg is cached
        graph-first: cheapest (costs predicted by the analytic model)
        estimated: 1.250 % pass the filter, 120 nodes reached
         operator   in   out   examined   calls   time
        ──────────────────────────────────────────────────
         Reach      0    118   301        1       42.0 µs
        ");
    }

    #[test]
    fn analyze_is_added_to_the_options_that_are_there() {
        let body = with_analyze(br#"{"collection":"c","options":{"cache":"bypass"}}"#).unwrap();
        let query: Json = serde_json::from_slice(&body).unwrap();
        assert_eq!(query["options"], json!({ "cache": "bypass", "explain": "analyze" }));
        assert!(with_analyze(b"[]").is_err());
        assert!(with_analyze(br#"{"options":1}"#).is_err());
    }
}
