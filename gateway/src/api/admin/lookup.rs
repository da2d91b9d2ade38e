//! `POST /v1/cache/lookup`: what each tier holds for a query. The body is the query; `?tenant=` asks as that tenant would.
//! Answers are described, never shown.

use std::{borrow::Cow, fmt::Write as _, sync::Arc, time::Duration};

use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde::Serialize;

use crate::{
    api::{
        Service,
        reply::{self, HttpResponse},
    },
    cache::{Sighted, Sighting},
    problem::{Code, Problem},
};

#[derive(Serialize)]
struct LookupBody {
    key: String,
    tiers: Vec<TierBody>,
}

#[derive(Serialize)]
struct TierBody {
    tier: &'static str,
    /// What a query would be told; `not-used` where the collection has no entries in this tier.
    outcome: &'static str,
    reason: &'static str,
    entry: Option<EntryBody>,
}

#[derive(Serialize)]
struct EntryBody {
    age_ms: u64,
    /// `null` where it is not fresh, or it is not known how long it is.
    ttl_ms: Option<u64>,
    bytes: u64,
    cost_ms: f64,
    groups: Vec<String>,
}

pub(super) async fn run(
    service: &impl Service,
    parameters: Option<&str>,
    query: Bytes,
) -> Result<HttpResponse, Problem> {
    let found = service.inspect_cache(query, tenant(parameters)?).await?;
    let mut key = String::with_capacity(2 * found.key.len());
    for byte in found.key {
        write!(key, "{byte:02x}").expect("a string takes everything");
    }
    let body = LookupBody { key, tiers: found.tiers.iter().map(tier).collect() };
    Ok(reply::json(serde_json::to_vec(&body).expect("numbers and words")))
}

fn tenant(parameters: Option<&str>) -> Result<Option<Arc<str>>, Problem> {
    let parameters = parameters.unwrap_or_default();
    if parameters.is_empty() {
        return Ok(None);
    }
    let refused = || Problem::new(Code::WrongType, "the only parameter is tenant=…, percent-encoded UTF-8");
    let value = parameters.strip_prefix("tenant=").filter(|rest| !rest.contains('&')).ok_or_else(refused)?;
    let value: Cow<'_, str> = percent_decode_str(value).decode_utf8().map_err(|_| refused())?;
    Ok(Some(value.into()))
}

fn tier(sighting: &Sighting) -> TierBody {
    let (outcome, reason) = match sighting.outcome {
        Some(outcome) => (outcome.as_str(), outcome.reason()),
        None => ("not-used", "the collection has no entries in this tier"),
    };
    TierBody { tier: sighting.tier.as_str(), outcome, reason, entry: sighting.entry.as_ref().map(entry) }
}

fn entry(entry: &Sighted) -> EntryBody {
    EntryBody {
        age_ms: ms(entry.age),
        ttl_ms: entry.left.map(ms),
        bytes: entry.bytes,
        cost_ms: entry.cost.as_secs_f64() * 1e3,
        groups: entry.groups.iter().map(str::to_owned).collect(),
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_named_by_one_parameter_and_nothing_else_is() {
        assert_eq!(tenant(None).unwrap(), None);
        assert_eq!(tenant(Some("")).unwrap(), None);
        assert_eq!(tenant(Some("tenant=a%20b%26c")).unwrap().as_deref(), Some("a b&c"));
        for wrong in ["tenants=a", "tenant=a&tenant=b", "tenant", "tenant=%ff"] {
            assert_eq!(tenant(Some(wrong)).unwrap_err().code, Code::WrongType, "{wrong}");
        }
    }
}
