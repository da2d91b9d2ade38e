//! What an embedder over HTTP is made from.

use std::{fmt, time::Duration};

use http::{HeaderValue, Uri, uri::Scheme};

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `/v1/embeddings` as OpenAI defined it and many servers have it.
    OpenAi,
    /// Ollama's `/api/embed`.
    Ollama,
}

impl Protocol {
    /// The word in the configuration, in errors and in the model's version.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Ollama => "ollama",
        }
    }

    /// What is put behind a server's URL.
    pub fn path(self) -> &'static str {
        match self {
            Self::OpenAi => "/v1/embeddings",
            Self::Ollama => "/api/embed",
        }
    }
}

/// Settings of an [`HttpEmbedder`](super::HttpEmbedder).
#[derive(Debug, Clone)]
pub struct HttpEmbedderSettings {
    /// `http://host:port` or `https://…`, with a path before [`Protocol::path`] if it has one.
    pub url: String,
    /// The model's name, sent with each request.
    pub model: String,
    /// Tells one state of the model from another under the same name.
    pub model_version: Option<String>,
    /// Components of each vector.
    pub dimensions: usize,
    /// Whether requests ask for so many components, which only some models know how to make.
    pub send_dimensions: bool,
    /// Sent as `Authorization: Bearer …`.
    pub api_key: Option<ApiKey>,
    /// Whether vectors are scaled to length 1.
    pub normalize: bool,
    /// Most texts in one request.
    pub max_batch: usize,
    /// How long a text may wait for others to share its request.
    pub batch_wait: Duration,
    /// Longest time that one request may take.
    pub timeout: Duration,
    /// Most requests at once.
    pub max_in_flight: usize,
}

/// A secret that no debug output shows.
#[derive(Clone)]
pub struct ApiKey(String);

impl ApiKey {
    /// The key in this text, without the white space around it.
    pub fn new(text: &str) -> Self {
        Self(text.trim().into())
    }

    /// Whether there is no key in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The header that shows it to the server, marked as sensitive; `None` if it has characters that no header can hold.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        let mut header = HeaderValue::from_str(&format!("Bearer {}", self.0)).ok()?;
        header.set_sensitive(true);
        Some(header)
    }

    /// Whether it stands in a text.
    pub(super) fn is_in(&self, text: &str) -> bool {
        text.contains(&self.0)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(********)")
    }
}

/// Why a URL is not where an embedding server can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlProblem {
    /// It cannot be read.
    #[error("expected a URL like http://127.0.0.1:8080 or https://host/path")]
    Malformed,
    /// Neither `http` nor `https`.
    #[error("expected a URL that begins with http:// or https://")]
    Scheme,
    /// User and password in front of the host.
    #[error("the URL must not hold a user or a password; a key is given by `api_key_file`")]
    Credentials,
    /// Something behind a question mark.
    #[error("the URL must not have a query part")]
    Query,
    /// The part that the gateway adds is there already.
    #[error("{0} is put behind the URL, so its own path must not end in a part of that")]
    Path(&'static str),
}

/// Where requests go: a server's URL with the protocol's path behind it.
pub fn endpoint(protocol: Protocol, url: &str) -> Result<Uri, UrlProblem> {
    let uri: Uri = url.parse().map_err(|_| UrlProblem::Malformed)?;
    if url.contains('#') {
        return Err(UrlProblem::Malformed);
    }
    let scheme = uri.scheme().ok_or(UrlProblem::Scheme)?;
    if *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS {
        return Err(UrlProblem::Scheme);
    }
    let authority = uri.authority().filter(|authority| !authority.host().is_empty()).ok_or(UrlProblem::Malformed)?;
    if authority.as_str().contains('@') {
        return Err(UrlProblem::Credentials);
    }
    if uri.query().is_some() {
        return Err(UrlProblem::Query);
    }
    let base = uri.path().trim_end_matches('/');
    let added = protocol.path();
    let first = added[1..].split('/').next().unwrap_or_default();
    if base.ends_with(added) || base.rsplit('/').next() == Some(first) {
        return Err(UrlProblem::Path(added));
    }
    format!("{scheme}://{authority}{base}{added}").parse().map_err(|_| UrlProblem::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocols_path_is_put_behind_the_servers() {
        let at = |protocol, url| endpoint(protocol, url).map(|uri| uri.to_string());
        let expected = "http://127.0.0.1:8080/v1/embeddings";
        assert_eq!(at(Protocol::OpenAi, "http://127.0.0.1:8080").as_deref(), Ok(expected));
        assert_eq!(at(Protocol::OpenAi, "http://127.0.0.1:8080/").as_deref(), Ok(expected));
        assert_eq!(at(Protocol::Ollama, "https://h/ai/").as_deref(), Ok("https://h/ai/api/embed"));
        assert_eq!(at(Protocol::Ollama, "http://[::1]:1").as_deref(), Ok("http://[::1]:1/api/embed"));
    }

    #[test]
    fn a_url_that_cannot_be_meant_is_refused_with_the_reason() {
        let table = [
            ("", UrlProblem::Malformed),
            ("127.0.0.1:8080", UrlProblem::Scheme),
            ("localhost", UrlProblem::Scheme),
            ("http://", UrlProblem::Malformed),
            ("http://a b", UrlProblem::Malformed),
            ("http://h/#x", UrlProblem::Malformed),
            ("unix:///tmp/s", UrlProblem::Malformed),
            ("ftp://h", UrlProblem::Scheme),
            ("https://user:secret@h", UrlProblem::Credentials),
            ("https://h/?key=1", UrlProblem::Query),
            ("https://h/v1", UrlProblem::Path("/v1/embeddings")),
            ("https://h/v1/", UrlProblem::Path("/v1/embeddings")),
            ("https://h/v1/embeddings", UrlProblem::Path("/v1/embeddings")),
        ];
        for (url, problem) in table {
            assert_eq!(endpoint(Protocol::OpenAi, url), Err(problem), "{url}");
        }
    }

    #[test]
    fn debug_output_never_shows_a_key() {
        let key = ApiKey::new(" hunter2\n");
        assert!(!format!("{key:?} {:?}", key.header().unwrap()).contains("hunter2"));
        assert_eq!(key.header().unwrap().to_str().unwrap(), "Bearer hunter2");
        assert!(ApiKey::new("a\nb").header().is_none());
    }
}
