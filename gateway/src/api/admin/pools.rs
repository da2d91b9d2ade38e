//! `GET /pools`: every pool as it stands. `GET /pools/{name}`: one. `PATCH /pools/{name}`: other bounds while it runs.

use std::{collections::BTreeMap, sync::Arc};

use percent_encoding::percent_decode_str;
use serde::Serialize;

use crate::{
    api::{
        Service,
        reply::{self, HttpResponse},
        route::nothing_at,
    },
    pool::{CLASSES, Counters, RefusalKind, ResizeError, WaitHistogram, Watched},
    problem::{Code, Problem},
    query::{Json, JsonLimits, Priority, QueryError, read_json},
    value::Number,
};

/// Where the pools are, one below by its name.
pub(super) const POOLS: &str = "/pools/";

/// More connections than any one backend would like, so that a slip of a finger is refused.
const MOST: usize = 10_000;

#[derive(Serialize)]
struct PoolsBody {
    pools: Vec<PoolBody>,
}

#[derive(Serialize)]
struct PoolBody {
    name: Arc<str>,
    min: usize,
    max: usize,
    reserve: usize,
    connections: ConnectionsBody,
    waiting: BTreeMap<&'static str, usize>,
    breaker: BreakerBody,
    counters: CountersBody,
}

/// Connections by where they are.
#[derive(Serialize)]
struct ConnectionsBody {
    in_use: usize,
    idle: usize,
    parked: usize,
    connecting: usize,
    preparing: usize,
    in_doubt: usize,
}

#[derive(Serialize)]
struct BreakerBody {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

#[derive(Serialize)]
struct CountersBody {
    grown: u64,
    shrunk: u64,
    retired: u64,
    lost: u64,
    connect_failures: u64,
    cancelled: u64,
    parked: u64,
    reclaimed: u64,
    left: u64,
    refused: BTreeMap<&'static str, u64>,
    granted: BTreeMap<&'static str, u64>,
}

impl PoolBody {
    fn of(pool: &dyn Watched) -> Self {
        let at = pool.snapshot();
        Self {
            name: pool.name().clone(),
            min: at.min,
            max: at.max,
            reserve: at.reserve,
            connections: ConnectionsBody {
                in_use: at.in_use,
                idle: at.idle,
                parked: at.parked,
                connecting: at.connecting,
                preparing: at.preparing,
                in_doubt: at.in_doubt,
            },
            waiting: by_class(at.waiting),
            breaker: BreakerBody { state: at.breaker.as_str(), reason: at.breaker_reason },
            counters: CountersBody::of(&at.counters),
        }
    }
}

impl CountersBody {
    fn of(counters: &Counters) -> Self {
        Self {
            grown: counters.grown,
            shrunk: counters.shrunk,
            retired: counters.retired,
            lost: counters.lost,
            connect_failures: counters.connect_failures,
            cancelled: counters.cancelled,
            parked: counters.parked,
            reclaimed: counters.reclaimed,
            left: counters.left,
            refused: RefusalKind::ALL.map(RefusalKind::as_str).into_iter().zip(counters.refused).collect(),
            granted: by_class(counters.waits.each_ref().map(WaitHistogram::count)),
        }
    }
}

fn by_class<T>(values: [T; 3]) -> BTreeMap<&'static str, T> {
    CLASSES.map(Priority::as_str).into_iter().zip(values).collect()
}

pub(super) fn list(service: &impl Service) -> HttpResponse {
    let pools = service.pools().all().iter().map(|pool| PoolBody::of(&**pool)).collect();
    reply::json(serde_json::to_vec(&PoolsBody { pools }).expect("numbers and words"))
}

pub(super) fn show(service: &impl Service, path: &str) -> Result<HttpResponse, Problem> {
    Ok(shown(&*find(service, path)?))
}

pub(super) fn resize(service: &impl Service, path: &str, body: &[u8]) -> Result<HttpResponse, Problem> {
    let pool = find(service, path)?;
    let asked = read(body)?;
    let now = pool.snapshot();
    let (min, max) = (asked.min.unwrap_or(now.min), asked.max.unwrap_or(now.max));
    pool.resize(min, max).map_err(|error| {
        let pointer = match error {
            ResizeError::MaxIsZero => "/max",
            ResizeError::MinAboveMax { .. } if asked.min.is_some() => "/min",
            ResizeError::MinAboveMax { .. } => "/max",
        };
        QueryError::new(Code::OutOfRange, pointer, error.to_string())
    })?;
    tracing::info!(pool = &**pool.name(), min, max, "the pool has other bounds");
    Ok(shown(&*pool))
}

fn shown(pool: &dyn Watched) -> HttpResponse {
    reply::json(serde_json::to_vec(&PoolBody::of(pool)).expect("numbers and words"))
}

fn find(service: &impl Service, path: &str) -> Result<Arc<dyn Watched>, Problem> {
    let name = percent_decode_str(path.strip_prefix(POOLS).unwrap_or_default()).decode_utf8();
    name.ok().and_then(|name| service.pools().get(&name)).ok_or_else(|| nothing_at(path))
}

/// The bounds that are to change.
#[derive(Debug, PartialEq, Eq)]
struct Bounds {
    min: Option<usize>,
    max: Option<usize>,
}

fn read(body: &[u8]) -> Result<Bounds, Problem> {
    let Json::Object(members) = read_json(body, JsonLimits::default())? else {
        return Err(QueryError::new(Code::WrongType, "", "an object with `min`, `max` or both is needed").into());
    };
    let mut bounds = Bounds { min: None, max: None };
    for (name, value) in &members {
        match &**name {
            "min" => bounds.min = Some(count(value, "/min", 0)?),
            "max" => bounds.max = Some(count(value, "/max", 1)?),
            // A pointer to a name that anybody may have made up would have to be escaped and bounded: the name is enough.
            _ => return Err(QueryError::new(Code::UnknownField, "", "there are only `min` and `max`").into()),
        }
    }
    if members.is_empty() {
        return Err(QueryError::new(Code::MissingField, "", "`min`, `max` or both are needed").into());
    }
    Ok(bounds)
}

fn count(value: &Json, pointer: &str, least: usize) -> Result<usize, Problem> {
    let Json::Number(number) = value else {
        return Err(QueryError::new(Code::WrongType, pointer, "a number of connections is needed").into());
    };
    let whole = match number {
        Number::Integer(whole) => usize::try_from(*whole).ok(),
        Number::Float(_) => None,
    };
    whole.filter(|number| (least..=MOST).contains(number)).ok_or_else(|| {
        QueryError::new(Code::OutOfRange, pointer, format!("an integer from {least} to {MOST} is needed")).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_says_exactly_what_it_changes() {
        assert_eq!(read(br#"{"min": 2, "max": 8}"#).unwrap(), Bounds { min: Some(2), max: Some(8) });
        assert_eq!(read(br#"{"max": 1}"#).unwrap(), Bounds { min: None, max: Some(1) });
        for (body, code, pointer) in [
            ("", Code::InvalidJson, ""),
            ("[]", Code::WrongType, ""),
            ("{}", Code::MissingField, ""),
            (r#"{"max": 1, "max": 2}"#, Code::DuplicateKey, "/max"),
            (r#"{"max": 0}"#, Code::OutOfRange, "/max"),
            (r#"{"max": 10001}"#, Code::OutOfRange, "/max"),
            (r#"{"min": -1}"#, Code::OutOfRange, "/min"),
            (r#"{"min": 1.5}"#, Code::OutOfRange, "/min"),
            (r#"{"min": "2"}"#, Code::WrongType, "/min"),
            (r#"{"min": null}"#, Code::WrongType, "/min"),
            (r#"{"min": 1, "size": 2}"#, Code::UnknownField, ""),
        ] {
            let problem = read(body.as_bytes()).unwrap_err();
            assert_eq!((problem.code, problem.pointer.as_deref()), (code, Some(pointer)), "{body}");
        }
    }
}
