//! Every error that a client can see: one table of stable codes, statuses and explanations.
//!
//! The table is what `application/problem+json` bodies (RFC 9457) are made from, what `GET /errors/{code}` serves and
//! what `docs/errors.md` is generated from.

use std::time::Duration;

macro_rules! codes {
    ($($variant:ident $name:literal $status:literal $retryable:literal $title:literal $explanation:literal)*) => {
        /// A stable error code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $title] $variant,)*
        }

        impl Code {
            /// All codes, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code as clients see it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The HTTP status it is sent with.
            pub fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// Whether the same request may succeed later.
            pub fn retryable(self) -> bool {
                match self { $(Self::$variant => $retryable,)* }
            }

            /// A short summary that does not change from case to case.
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// What it means and what to do about it: the documentation page.
            pub fn explanation(self) -> &'static str {
                match self { $(Self::$variant => $explanation,)* }
            }
        }
    };
}

codes! {
    InvalidJson "invalid-json" 400 false "The body is not valid JSON"
        "The body has to be one JSON object in UTF-8 (RFC 8259): no NaN or Infinity, no number outside the range of a double, no trailing text. `pointer` says how far the reader came."
    DuplicateKey "duplicate-key" 400 false "A JSON object names a key twice"
        "Which of the two values counts would be a guess, so neither does."
    TooDeep "too-deep" 400 false "The body is nested too deeply"
        "Objects and arrays may be nested 64 deep, and in a filter `$and`, `$or` and `$not` 24 deep."
    UnknownField "unknown-field" 400 false "A field is not part of the query language"
        "The name is misspelt or stands in the wrong object. Fields that change the answer are at the top level, all others under `options`."
    MissingField "missing-field" 400 false "A required field is missing"
        "`pointer` names the object, `detail` the field."
    WrongType "wrong-type" 400 false "A value has the wrong JSON type or form"
        "`detail` says what was expected: a string, an integer, one of a few words, an RFC 3339 instant, an id of the collection's id type."
    OutOfRange "out-of-range" 400 false "A number is outside its range"
        "`detail` says the range. `limit`, `offset`, `hops` and the lengths of lists have maxima in the configuration of the collection."
    TypeMismatch "type-mismatch" 400 false "An operand does not fit the attribute's type"
        "`detail` says the attribute's type. `null` is never an operand (use `$exists`); ordering operators do not apply to lists and booleans."
    UnknownOperator "unknown-operator" 400 false "A filter uses an operator that does not exist"
        "There are `$eq $ne $lt $lte $gt $gte $in $nin $all $any $exists $and $or $not`."
    UnknownCollection "unknown-collection" 404 false "There is no such collection"
        "Either it is not configured or the credential does not cover it. `GET /v1/collections` lists those that are there."
    UnknownAttribute "unknown-attribute" 400 false "The collection has no such attribute"
        "Attributes are listed by `GET /v1/collections`."
    UnknownVector "unknown-vector" 400 false "The collection has no such vector"
        "Named vectors are listed by `GET /v1/collections`. A collection may also have none."
    UnknownEdge "unknown-edge" 400 false "The collection has no such edge type"
        "Edge types are listed by `GET /v1/collections`. A collection may also have no graph side."
    UnknownLabel "unknown-label" 400 false "The collection has no such node label"
        "Labels are listed by `GET /v1/collections`."
    WrongDimension "wrong-dimension" 400 false "A vector has the wrong number of components"
        "`detail` says how many the collection's vectors have."
    NotFinite "not-finite" 400 false "A vector has a component that is not finite as a 32-bit float"
        "Vectors are stored as 32-bit floats; a component beyond their range would become infinite."
    ZeroVector "zero-vector" 400 false "A zero vector has no direction"
        "Under cosine similarity a query vector must not be all zeros."
    NoGraph "no-graph" 400 false "The collection has no graph side"
        "`within` and `expand` need one."
    TextNotConfigured "text-not-configured" 400 false "The collection has no full-text leg"
        "`text` and `fusion` need one; this version has none yet. `vector.text` is another thing: it ranks by the embedding of a text."
    EmbedderNotConfigured "embedder-not-configured" 400 false "The collection has no embedder"
        "`vector.text` needs one. Send the vector itself as `vector.values`, or configure an embedder."
    FreshnessNotConfigured "freshness-not-configured" 400 false "The collection takes no freshness tokens"
        "A token comes from a write through Forebay; this version has no writes yet. Use `max_staleness_ms` to bound age."
    PlanNotApplicable "plan-not-applicable" 400 false "The plan asked for cannot answer this query"
        "`options.plan` forces a plan; `detail` says why this one does not apply. Leave it out and one that applies is chosen."
    Unauthorized "unauthorized" 401 false "The credential is missing or unknown"
        "Send `Authorization: Bearer <token>` with a configured token."
    Forbidden "forbidden" 403 false "The credential does not allow this"
        "Plans and statistics describe all data, so a credential that is bound to a tenant cannot ask for `explain`. Without any configured principal only loopback is served."
    UnknownEntity "unknown-entity" 404 false "An entity given by `like` does not exist"
        "There is no such entity, or it is not yours."
    NotFound "not-found" 404 false "There is nothing at this address"
        "`GET /openapi.json` lists the endpoints."
    MethodNotAllowed "method-not-allowed" 405 false "The method is not allowed here"
        "`Allow` lists those that are."
    BodyTimeout "body-timeout" 408 true "The body did not arrive in time"
        "The request's body has to arrive within the configured time."
    BodyTruncated "body-truncated" 400 true "The body ended early"
        "The connection ended before the announced length was there."
    BodyTooLarge "body-too-large" 413 false "The body is larger than allowed"
        "The limit is `server.max_body_bytes`."
    UnsupportedMediaType "unsupported-media-type" 415 false "The body is not application/json"
        "Send `Content-Type: application/json`; the character set is UTF-8."
    UnusableVector "unusable-vector" 422 false "An input has no usable vector"
        "The entity given by `like` has no vector, or a zero one under cosine, or the text has no embedding."
    ZeroSum "zero-sum" 422 false "The combined vectors cancel out"
        "The weighted sum of `combine` is the zero vector, which has no direction."
    TooManyRequests "too-many-requests" 429 true "Too many requests"
        "Wait as long as `Retry-After` says."
    HeadersTooLarge "headers-too-large" 431 false "The header section is larger than allowed"
        "The limit is `server.max_header_bytes`."
    Internal "internal" 500 true "Something went wrong in the gateway"
        "This is a defect. The log has the details under the same `request_id`."
    BackendFailed "backend-failed" 502 true "A backend answered with an error"
        "`detail` names the backend."
    BackendUnavailable "backend-unavailable" 503 true "A backend cannot be reached"
        "`detail` names the backend."
    Overloaded "overloaded" 503 true "The gateway is at its limit"
        "Wait as long as `Retry-After` says."
    MemoryShort "memory-short" 503 true "The gateway is short of memory"
        "Until there is room again only batch queries are refused, unless their answers are stored: `Retry-After` says when to try. Others are answered."
    ModelRefused "model-refused" 422 false "The model is not put in place"
        "On the admin listener only. The model in place stays; `detail` says why: the file is off, or the model does worse on the last queries."
    DeadlineExceeded "deadline-exceeded" 504 true "The deadline passed"
        "Ask for less, give more time with `options.deadline_ms`, or take what is there with `on_deadline: \"partial\"`."
    OnlyIfCached "only-if-cached" 504 true "No stored answer would do"
        "`options.cache` is `only` (or `Cache-Control: only-if-cached`), and the cache holds no fresh answer."
}

/// The reference page of all codes, in Markdown.
pub fn reference() -> String {
    let mut page = String::from(
        "# Errors\n\n\
         <!-- Made from the table in gateway/src/problem.rs; a test says how to write it anew. -->\n\n\
         An error is an `application/problem+json` body (RFC 9457). `code` never changes its meaning; `detail` is for\n\
         people and may. `pointer` is an RFC 6901 pointer into the request's body, where there is a place to point to.\n\
         `retryable` says whether the same request may succeed later.\n",
    );
    for code in Code::ALL {
        let retryable = if code.retryable() { "retryable" } else { "not retryable" };
        page.push_str(&format!(
            "\n## {}\n\n{}. Status {}, {retryable}.\n\n{}\n",
            code.as_str(),
            code.title(),
            code.status(),
            code.explanation()
        ));
    }
    page
}

/// An error on its way to a client.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}: {detail}", code.as_str())]
pub struct Problem {
    /// The stable code.
    pub code: Code,
    /// What is wrong in this case.
    pub detail: String,
    /// RFC 6901 pointer into the body, where there is one.
    pub pointer: Option<String>,
    /// When to try again.
    pub retry_after: Option<Duration>,
}

impl Problem {
    /// A problem without a place in the body.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), pointer: None, retry_after: None }
    }
}

impl From<crate::query::QueryError> for Problem {
    fn from(error: crate::query::QueryError) -> Self {
        Self { code: error.code, detail: error.detail, pointer: Some(error.pointer), retry_after: None }
    }
}

impl From<crate::query::JsonError> for Problem {
    fn from(error: crate::query::JsonError) -> Self {
        crate::query::QueryError::from(error).into()
    }
}

impl From<crate::backend::BackendError> for Problem {
    fn from(error: crate::backend::BackendError) -> Self {
        use crate::backend::ErrorKind;
        let (code, retry_after) = match error.kind {
            ErrorKind::DeadlineExceeded => (Code::DeadlineExceeded, None),
            // Whoever would read this is gone; for a waiter it is an overload.
            ErrorKind::Cancelled => (Code::Overloaded, Some(Duration::from_secs(1))),
            ErrorKind::Unavailable => (Code::BackendUnavailable, Some(Duration::from_secs(1))),
            ErrorKind::Refused => (Code::Overloaded, Some(Duration::from_secs(1))),
            ErrorKind::Failed => (Code::BackendFailed, None),
        };
        Self { code, detail: error.to_string(), pointer: None, retry_after: error.retry_after.or(retry_after) }
    }
}
