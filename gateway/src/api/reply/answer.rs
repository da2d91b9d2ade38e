//! An answer as a response. This is on the path of every hit: one piece of memory for all values, and the header
//! section of the request is used again.

use std::sync::LazyLock;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{self, CACHE_CONTROL, CONTENT_TYPE},
};

use super::{
    HttpResponse, JSON, NO_STORE, REQUEST_ID, assemble, cache_status,
    fields::{Fields, decimal, entity_tag, milliseconds, numbered, strings},
};
use crate::request::{Answer, Step, Timing};

static AGE: HeaderName = header::AGE;
static CACHE_STATUS: HeaderName = header::CACHE_STATUS;
static ETAG: HeaderName = header::ETAG;
static SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
static CACHE_GROUPS: HeaderName = HeaderName::from_static("cache-groups");
/// Ages in seconds.
static AGES: LazyLock<Box<[HeaderValue]>> = LazyLock::new(|| numbered(decimal));
/// Times of answers that were only looked for, in microseconds.
static LOOKUPS: LazyLock<Box<[HeaderValue]>> =
    LazyLock::new(|| numbered(|text, microseconds| write_step(text, Step::Lookup, microseconds)));
/// A caller may keep the answer for itself and has to ask again before it uses it; asking with its entity tag is cheap.
static REVALIDATE: HeaderValue = HeaderValue::from_static("private, no-cache");

/// The response for an answer. `headers` is the memory of the request's header section.
pub(in crate::api) fn answer(
    answer: Answer,
    method: &Method,
    request_id: &str,
    mut headers: HeaderMap,
) -> HttpResponse {
    headers.clear();
    let mut fields = Fields::new();
    match cache_status::ready(&answer.cache) {
        Some(value) => drop(headers.insert(&CACHE_STATUS, value)),
        None => fields.write(&CACHE_STATUS, |text| cache_status::write_all(text, &answer.cache, &answer.far)),
    }
    match looked_for(&answer.timing) {
        Some(value) => drop(headers.insert(&SERVER_TIMING, value)),
        None => fields.write(&SERVER_TIMING, |text| write_timing(text, &answer.timing)),
    }
    if !answer.groups.is_empty() {
        fields.write(&CACHE_GROUPS, |text| strings(text, answer.groups.iter()));
    }
    fields.write(&REQUEST_ID, |text| text.extend_from_slice(request_id.as_bytes()));
    let far_hit = answer.far.iter().flatten().any(|report| report.lookup.is_hit());
    if answer.cache.lookup.is_hit() || far_hit {
        let seconds = answer.age.as_secs();
        match usize::try_from(seconds).ok().and_then(|seconds| AGES.get(seconds)) {
            Some(value) => drop(headers.insert(&AGE, value.clone())),
            None => fields.write(&AGE, |text| decimal(text, seconds)),
        }
    }
    if let Some(tag) = &answer.etag {
        fields.write(&ETAG, |text| entity_tag(text, tag));
    }
    // Nobody may store the answer to a POST that does not say so; the one to a QUERY needs to say how far it may be.
    if *method != Method::POST {
        headers.insert(CACHE_CONTROL, if answer.etag.is_some() { REVALIDATE.clone() } else { NO_STORE.clone() });
    }
    fields.put(&mut headers);
    if answer.not_modified {
        return assemble(StatusCode::NOT_MODIFIED, headers, Bytes::new());
    }
    headers.insert(CONTENT_TYPE, JSON.clone());
    assemble(StatusCode::OK, headers, answer.body)
}

/// The time of an answer that was only looked for, as a value that is there already.
fn looked_for(timing: &Timing) -> Option<HeaderValue> {
    let mut steps = timing.iter();
    let (Some((Step::Lookup, spent)), None) = (steps.next(), steps.next()) else { return None };
    LOOKUPS.get(usize::try_from(spent.as_micros()).ok()?).cloned()
}

fn write_timing(text: &mut Vec<u8>, timing: &Timing) {
    for (place, (step, spent)) in timing.iter().enumerate() {
        if place > 0 {
            text.extend_from_slice(b", ");
        }
        write_step(text, step, u64::try_from(spent.as_micros()).unwrap_or(u64::MAX));
    }
}

fn write_step(text: &mut Vec<u8>, step: Step, microseconds: u64) {
    text.extend_from_slice(step.as_str().as_bytes());
    text.extend_from_slice(b";dur=");
    milliseconds(text, microseconds);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cache::{CacheReport, ETag, Groups, LookupOutcome, Tier};

    fn hit() -> Answer {
        let body = Bytes::from_static(b"{\"items\":[]}");
        let mut timing = Timing::default();
        timing.add(Step::Key, Duration::from_nanos(4_500));
        timing.add(Step::Lookup, Duration::from_micros(12_345));
        Answer {
            etag: Some(ETag::of(&body)),
            body,
            not_modified: false,
            age: Duration::from_millis(3_999),
            cache: CacheReport {
                tier: Tier::L1,
                lookup: LookupOutcome::Hit,
                ttl: Some(57),
                store: None,
                collapsed: false,
            },
            far: [None; 2],
            groups: Groups::from_iter(["packages", "packages/entity/g\"++"]),
            timing,
        }
    }

    fn lines(response: &HttpResponse) -> Vec<String> {
        let mut lines: Vec<_> =
            response.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort_unstable();
        lines
    }

    #[test]
    fn a_hit_says_what_varies_in_its_headers() {
        let mut request_headers = HeaderMap::new();
        request_headers.insert("authorization", HeaderValue::from_static("Bearer secret"));
        let response = answer(hit(), &Method::QUERY, "r-1", request_headers);
        assert_eq!(response.status(), 200);
        let tag = ETag::of(b"{\"items\":[]}");
        assert_eq!(
            lines(&response),
            [
                "age: 3".to_owned(),
                "cache-control: private, no-cache".to_owned(),
                r#"cache-groups: "packages", "packages/entity/g\"++""#.to_owned(),
                "cache-status: forebay-l1; hit; ttl=57".to_owned(),
                "content-type: application/json".to_owned(),
                format!("etag: \"{tag}\""),
                "forebay-request-id: r-1".to_owned(),
                "server-timing: key;dur=0.004, lookup;dur=12.345".to_owned(),
            ]
        );
    }

    #[test]
    fn a_time_that_is_there_already_is_the_one_that_would_be_written() {
        for (microseconds, is_ready) in [(0, true), (7, true), (255, true), (256, false), (1_234_567, false)] {
            let mut timing = Timing::default();
            timing.add(Step::Lookup, Duration::from_nanos(microseconds * 1_000 + 999));
            let value = looked_for(&timing);
            assert_eq!(value.is_some(), is_ready, "{microseconds}");
            let mut text = Vec::new();
            write_timing(&mut text, &timing);
            assert!(value.is_none_or(|value| value.as_bytes() == text));
            timing.add(Step::Wait, Duration::ZERO);
            assert!(looked_for(&timing).is_none(), "there is more to say");
        }
    }

    #[test]
    fn an_age_is_in_whole_seconds_however_old() {
        for seconds in [0, 255, 256, 86_400] {
            let old = Answer { age: Duration::from_millis(seconds * 1_000 + 999), ..hit() };
            let response = answer(old, &Method::POST, "r", HeaderMap::new());
            assert_eq!(response.headers()[&AGE], seconds.to_string());
        }
    }

    #[test]
    fn a_304_has_the_validators_and_neither_body_nor_content_type() {
        let response =
            answer(Answer { not_modified: true, body: Bytes::new(), ..hit() }, &Method::QUERY, "r", HeaderMap::new());
        assert_eq!(response.status(), 304);
        let headers = response.headers();
        assert!(headers.contains_key(&ETAG) && headers.contains_key(CACHE_CONTROL));
        assert!(!headers.contains_key(CONTENT_TYPE));
    }

    #[test]
    fn how_far_an_answer_may_be_stored_is_said_where_it_may_be_at_all() {
        let control = |etag, method| {
            let response = answer(Answer { etag, ..hit() }, &method, "r", HeaderMap::new());
            assert_eq!(response.headers().contains_key(&ETAG), etag.is_some());
            response.headers().get(CACHE_CONTROL).map(|value| value.to_str().unwrap().to_owned())
        };
        let tag = Some(ETag::of(b"x"));
        assert_eq!(control(tag, Method::QUERY).as_deref(), Some("private, no-cache"));
        assert_eq!(control(None, Method::QUERY).as_deref(), Some("no-store"));
        assert_eq!(control(tag, Method::POST), None);
    }
}
