//! `--exit`: every answer of the tour, again under each plan, and the recorded questions, against a naive scan of the same
//! data in this process.

use http::Method;
use serde_json::{Value, json};

use super::{
    super::{Failure, client::Client},
    tour::Answered,
};
use crate::{
    backend::embedded::{Dataset, Parts},
    demo_data,
    planner::PlanKind,
    query::{self, JsonLimits},
    reference::Asked,
};

/// Recorded questions that are asked too.
const RECORDED: usize = 50;

/// Compares everything and says how much that was.
pub(super) async fn all(url: &str, dataset: &Dataset, answers: Vec<Answered>) -> Result<String, Failure> {
    let parts = dataset.to_parts();
    let mut client = Client::new(url, None)?;
    let (mut compared, mut refused) = (0, 0);
    for answer in &answers {
        compare(dataset, &parts, &answer.body, &answer.items)?;
        compared += 1;
    }
    let tour = answers.into_iter().map(|answer| answer.body);
    let recorded = demo_data::queries().into_iter().take(RECORDED).map(|query| query.body());
    for body in tour.chain(recorded) {
        for plan in PlanKind::ALL {
            let mut forced = body.clone();
            forced["options"] = json!({ "plan": plan.as_str() });
            let response = client.send(Method::POST, "/v1/query", forced.to_string().into()).await?;
            let answer: Value = serde_json::from_slice(&response.body).unwrap_or_default();
            if answer["code"] == "plan-not-applicable" {
                refused += 1;
                continue;
            }
            compare(dataset, &parts, &body, &answer["items"])?;
            compared += 1;
        }
    }
    Ok(format!("verified: {compared} answers equal a naive scan ({refused} plans did not apply to their query)\n"))
}

/// An error unless the items are those of a naive scan: the same ids with the same scores in the same order.
fn compare(dataset: &Dataset, parts: &Parts, body: &Value, items: &Value) -> Result<(), Failure> {
    let wrong = |what: String| Failure::Other(format!("{what}\nfor the query {body}"));
    let json = query::read_json(body.to_string().as_bytes(), JsonLimits::default())
        .map_err(|error| wrong(error.to_string()))?;
    let query = query::parse(&json, dataset.schema()).map_err(|error| wrong(error.to_string()))?.query;
    let asked = Asked { schema: dataset.schema(), parts, tenant: None };
    let embedder = demo_data::embedder();
    let expected = asked
        .answer(&query, &|text| embedder.embed_text(text))
        .map_err(|error| wrong(format!("a naive scan fails: {error}")))?;
    let expected: Vec<_> = expected.items.iter().map(|(id, score)| (id.to_string(), *score)).collect();
    let given: Vec<_> = items
        .as_array()
        .into_iter()
        .flatten()
        .map(|item| (item["id"].as_str().unwrap_or_default().to_owned(), item["score"].as_f64().unwrap_or(f64::NAN)))
        .collect();
    if given == expected { Ok(()) } else { Err(wrong(format!("expected {expected:?}\nbut got  {given:?}"))) }
}
