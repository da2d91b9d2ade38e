//! `POST /v1/cache/purge`: makes stored answers unusable, all of them or those that depend on certain data.

use serde::{Deserialize, Serialize};
use serde_json::error::Category;

use crate::{
    api::{
        Service,
        reply::{self, HttpResponse},
    },
    problem::{Code, Problem},
    request::Purge,
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
}

pub(super) fn run(service: &impl Service, body: &[u8]) -> Result<HttpResponse, Problem> {
    let what = read(body)?;
    let bumped = service.purge(&what);
    match &what {
        Purge::All => tracing::info!(bumped, "the cache was purged"),
        Purge::Tags(tags) => tracing::info!(bumped, tags = tags.len(), "tags were purged"),
    }
    Ok(reply::json(serde_json::to_vec(&PurgedBody { bumped }).expect("a number")))
}

fn read(body: &[u8]) -> Result<Purge, Problem> {
    let request: PurgeRequest = serde_json::from_slice(body).map_err(|error| {
        let code = if error.classify() == Category::Data { Code::WrongType } else { Code::InvalidJson };
        Problem::new(code, error.to_string())
    })?;
    match request {
        PurgeRequest { all: Some(true), tags: None } => Ok(Purge::All),
        PurgeRequest { all: None, tags: Some(tags) } => Ok(Purge::Tags(tags)),
        _ => Err(Problem::new(Code::MissingField, r#"one of {"all": true} and {"tags": ["…"]} is needed"#)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purge_says_exactly_what_it_is_aimed_at() {
        assert_eq!(read(br#"{"all": true}"#).unwrap(), Purge::All);
        assert_eq!(read(br#"{"tags": ["a", "b"]}"#).unwrap(), Purge::Tags(vec!["a".into(), "b".into()]));
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
