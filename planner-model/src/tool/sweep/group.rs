//! The candidates of one query under one state of the cache.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::{SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value as Json, json};

use super::{
    super::{
        Failure,
        client::{Answer, Client, ClientError},
    },
    report::{About, Explained, Item, Report, Unusable, Wanted},
    state::State,
};
use crate::record::Record;

/// How often a gateway that is busy or gone is asked again, and after what time first; twice as long each time.
const ATTEMPTS: u32 = 6;
const PAUSE: Duration = Duration::from_millis(250);

/// Scores that are closer than this are a tie, which two stores may order differently.
const TIE: f64 = 1e-6;

/// What is run.
pub(super) struct Task<'a> {
    pub(super) query: &'a Map<String, Json>,
    pub(super) state: State,
    pub(super) repetitions: u32,
    pub(super) deadline_ms: u64,
    pub(super) seed: u64,
}

/// What came of it.
pub(super) struct Swept {
    /// Of all runs, in the order in which they were.
    pub(super) records: Vec<Record>,
    /// Candidates whose items were not those of the first.
    pub(super) disagreed: Vec<String>,
    /// What the query looks like without values.
    pub(super) words: String,
}

/// Why a group is passed over. The sweep goes on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Skip {
    #[error("refused: {0}")]
    Refused(String),
    #[error("the cache held {found} instead")]
    OtherState { found: String },
    #[error("the cache changed in between")]
    Unsteady,
    #[error("a backend failed: {0}")]
    Backend(String),
}

/// Why the sweep stops.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Skip(#[from] Skip),
    #[error(transparent)]
    Stop(#[from] Failure),
}

impl From<ClientError> for Trouble {
    fn from(error: ClientError) -> Self {
        Self::Stop(error.into())
    }
}

impl From<Unusable> for Trouble {
    fn from(error: Unusable) -> Self {
        match error {
            Unusable::Gone => Skip::Unsteady.into(),
            _ => Failure::Data(error.to_string()).into(),
        }
    }
}

/// Names that only the sweep knows.
pub(super) struct Names {
    pub(super) query: String,
    pub(super) template: String,
    pub(super) group: String,
}

impl Task<'_> {
    /// Runs every candidate, one after the other and in another order each time.
    pub(super) async fn run(&self, client: &mut Client, names: impl Fn(&Report) -> Names) -> Result<Swept, Trouble> {
        let plan = self.explain(client).await?;
        let found = plan.cache();
        if found != self.state.wanted() {
            let found = match (found.reach, found.list) {
                (false, false) => "nothing",
                (true, false) => "the reach",
                (false, true) => "a list",
                (true, true) => "the reach and a list",
            };
            return Err(Skip::OtherState { found: found.into() }.into());
        }
        let names = names(&plan);
        let mut wanted = plan.wanted();
        // Chance is the query's own, so that an interrupted sweep ends as another would.
        let seed = blake3::hash(format!("{} {}", self.seed, plan.canonical).as_bytes());
        let mut random = ChaCha8Rng::from_seed(*seed.as_bytes());
        let collection = self.query.get("collection").and_then(Json::as_str).unwrap_or_default();
        let (mut records, mut items, mut disagreed) = (Vec::new(), None, Vec::new());
        for repetition in 0..=self.repetitions {
            wanted.shuffle(&mut random);
            let mut gone = Vec::new();
            for candidate in &wanted {
                let answer = self.ask(client, "/v1/query", &self.forced(candidate)).await?;
                let about = About {
                    collection,
                    query: &names.query,
                    template: &names.template,
                    group: &names.group,
                    repetition,
                    at_ms: now_ms(),
                };
                if answer.code() == "deadline-exceeded" {
                    // It would be cut off again. One run says all that can be known, and is none to warm up.
                    let about = About { repetition: repetition.max(1), ..about };
                    records.push(plan.cut_off(&about, candidate, self.deadline_ms as f64 * 1e3)?);
                    gone.push(candidate.clone());
                    continue;
                }
                let explained = explained(&answer)?;
                if explained.plan.cache() != found {
                    return Err(Skip::Unsteady.into());
                }
                records.push(explained.plan.record(&about, candidate, explained.items.len())?);
                let first = items.get_or_insert_with(|| explained.items.clone());
                if self.is_exact() && !agree(first, &explained.items) {
                    disagreed.push(format!("{} {}", candidate.plan, candidate.variant));
                }
            }
            wanted.retain(|candidate| !gone.contains(candidate));
        }
        disagreed.sort();
        disagreed.dedup();
        Ok(Swept { records, disagreed, words: plan.template })
    }

    fn is_exact(&self) -> bool {
        self.query.get("exact").and_then(Json::as_bool).unwrap_or(false)
    }

    async fn explain(&self, client: &mut Client) -> Result<Report, Trouble> {
        let mut body = Json::Object(self.query.clone());
        body["options"] = json!({ "cache": "look", "explain": "plan", "deadline_ms": self.deadline_ms });
        let answer = self.ask(client, "/v1/explain", &body).await?;
        Ok(explained(&answer)?.plan)
    }

    fn forced(&self, candidate: &Wanted) -> Json {
        let mut body = Json::Object(self.query.clone());
        body["options"] = json!({
            "plan": candidate.plan, "variant": candidate.variant, "cache": "look", "explain": "analyze",
            "deadline_ms": self.deadline_ms,
        });
        body
    }

    /// Asks until the gateway is there and not too busy.
    async fn ask(&self, client: &mut Client, path: &str, body: &Json) -> Result<Answer, Trouble> {
        let mut pause = PAUSE;
        for attempt in 1.. {
            let last = attempt == ATTEMPTS;
            match client.post(path, body).await {
                Ok(answer) if !matches!(answer.status.as_u16(), 429 | 502 | 503) || last => return Ok(answer),
                Err(error) if last => return Err(error.into()),
                Ok(_) | Err(_) => {}
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        unreachable!("the last attempt returns")
    }
}

fn explained(answer: &Answer) -> Result<Explained, Trouble> {
    match answer.status.as_u16() {
        200 => serde_json::from_slice(&answer.body).map_err(|error| {
            Failure::Data(format!("the gateway's explanation cannot be read, it is of another version: {error}")).into()
        }),
        401 | 403 => Err(Failure::Usage(answer.problem()).into()),
        400..500 => Err(Skip::Refused(answer.problem()).into()),
        _ => Err(Skip::Backend(answer.problem()).into()),
    }
}

/// Whether these are the same items, in the same order but for ties.
fn agree(a: &[Item], b: &[Item]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let close = |x: Option<f64>, y: Option<f64>| match (x, y) {
        (Some(x), Some(y)) => (x - y).abs() <= TIE,
        (x, y) => x.is_none() && y.is_none(),
    };
    // Where ids differ, the scores at that place say whether it is a tie.
    a.iter().zip(b).all(|(a, b)| a.id == b.id || (a.score.is_some() && close(a.score, b.score)))
}

pub(super) fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_agree_but_for_ties() {
        let items = |items: &[(&str, f64)]| -> Vec<Item> {
            items.iter().map(|(id, score)| Item { id: (*id).into(), score: Some(*score) }).collect()
        };
        let list = items(&[("a", 0.9), ("b", 0.5), ("c", 0.5)]);
        assert!(agree(&list, &list));
        assert!(agree(&list, &items(&[("a", 0.9), ("c", 0.5), ("b", 0.500_000_1)])));
        assert!(!agree(&list, &items(&[("b", 0.5), ("a", 0.9), ("c", 0.5)])));
        assert!(!agree(&list, &list[..2]));
        let unranked =
            |ids: &[&str]| -> Vec<Item> { ids.iter().map(|id| Item { id: (*id).into(), score: None }).collect() };
        assert!(!agree(&unranked(&["a", "b"]), &unranked(&["b", "a"])));
    }
}
