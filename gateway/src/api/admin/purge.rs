//! `POST /v1/cache/purge`: makes stored answers unusable, all of them or those that depend on certain data.

use serde::{Deserialize, Serialize};
use serde_json::error::Category;

use crate::{
    api::{
        Service,
        reply::{self, HttpResponse},
    },
    cache::coherence::{Acknowledged, Bump},
    problem::{Code, Problem},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PurgeRequest {
    #[serde(default)]
    all: Option<bool>,
    #[serde(default)]
    tags: Option<Vec<String>>,
}

#[derive(Serialize)]
struct PurgedBody {
    /// Tags whose epoch was bumped.
    bumped: usize,
    /// Gateways that confirmed it, this one included.
    confirmed: usize,
    /// Gateways that did not, and serve nothing stored until they have heard of it.
    lapsed: usize,
    /// How long that took, in milliseconds.
    waited_ms: u64,
}

pub(super) async fn run(service: &impl Service, body: &[u8]) -> Result<HttpResponse, Problem> {
    let what = read(body)?;
    let Acknowledged { bumped, confirmed, lapsed, waited } = service.purge(&what).await.map_err(|error| {
        let detail = format!("this gateway has forgotten what it had, but others may not: {error}");
        Problem::new(Code::BackendUnavailable, detail)
    })?;
    match &what {
        Bump::All => tracing::info!(bumped, confirmed, lapsed, "the cache was purged"),
        Bump::Tags(tags) => tracing::info!(bumped, confirmed, lapsed, tags = tags.len(), "tags were purged"),
    }
    let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
    let body = PurgedBody { bumped, confirmed, lapsed, waited_ms };
    Ok(reply::json(serde_json::to_vec(&body).expect("numbers")))
}

fn read(body: &[u8]) -> Result<Bump, Problem> {
    let request: PurgeRequest = serde_json::from_slice(body).map_err(|error| {
        let code = if error.classify() == Category::Data { Code::WrongType } else { Code::InvalidJson };
        Problem::new(code, error.to_string())
    })?;
    match request {
        PurgeRequest { all: Some(true), tags: None } => Ok(Bump::All),
        PurgeRequest { all: None, tags: Some(tags) } => Ok(Bump::Tags(tags)),
        _ => Err(Problem::new(Code::MissingField, r#"one of {"all": true} and {"tags": ["…"]} is needed"#)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purge_says_exactly_what_it_is_aimed_at() {
        assert_eq!(read(br#"{"all": true}"#).unwrap(), Bump::All);
        assert_eq!(read(br#"{"tags": ["a", "b"]}"#).unwrap(), Bump::Tags(vec!["a".into(), "b".into()]));
        for (body, code) in [
            ("", Code::InvalidJson),
            ("{", Code::InvalidJson),
            ("{}", Code::MissingField),
            (r#"{"all": false}"#, Code::MissingField),
            (r#"{"all": true, "tags": []}"#, Code::MissingField),
            (r#"{"everything": true}"#, Code::WrongType),
            (r#"{"tags": "a"}"#, Code::WrongType),
        ] {
            assert_eq!(read(body.as_bytes()).unwrap_err().code, code, "{body}");
        }
    }
}
