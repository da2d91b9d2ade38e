//! What the head of a request says, read in one pass over its headers.

use http::{
    HeaderMap, HeaderValue, Uri,
    header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, IF_NONE_MATCH},
};

use super::{hints, reply::REQUEST_ID};
use crate::{
    problem::{Code, Problem},
    request::Hints,
};

/// The headers that mean something here. Where one is sent twice, the last counts.
#[derive(Debug, Default)]
pub(super) struct Head<'a> {
    /// Size of the header section as HTTP/1.1 would write it, in bytes.
    pub(super) size: usize,
    pub(super) request_id: Option<&'a HeaderValue>,
    pub(super) authorization: Option<&'a HeaderValue>,
    pub(super) content_type: Option<&'a HeaderValue>,
    pub(super) hints: Hints,
}

impl<'a> Head<'a> {
    pub(super) fn read(uri: &Uri, headers: &'a HeaderMap) -> Self {
        let mut head = Self { size: uri.path().len() + uri.query().map_or(0, str::len), ..Self::default() };
        for (name, value) in headers {
            // A colon, a space and the end of the line.
            head.size += name.as_str().len() + value.len() + 4;
            if name == CONTENT_TYPE {
                head.content_type = Some(value);
            } else if name == AUTHORIZATION {
                head.authorization = Some(value);
            } else if name == CACHE_CONTROL {
                hints::read_cache_control(value, &mut head.hints);
            } else if name == IF_NONE_MATCH {
                hints::read_if_none_match(value, &mut head.hints);
            } else if name == REQUEST_ID {
                head.request_id = Some(value);
            } else if name == "priority" {
                hints::read_priority(value, &mut head.hints);
            }
        }
        head
    }

    /// Refuses a header section over the limit.
    pub(super) fn fits(&self, limit: usize) -> Result<(), Problem> {
        if self.size <= limit {
            return Ok(());
        }
        let detail =
            format!("the header section has {} bytes, {limit} are allowed (server.max_header_bytes)", self.size);
        Err(Problem::new(Code::HeadersTooLarge, detail))
    }

    /// Refuses a body that is not JSON in UTF-8. One that does not say what it is is refused too: a page in a browser
    /// can send such a body to a gateway on loopback without asking, and one that says JSON it cannot.
    pub(super) fn is_json(&self) -> Result<(), Problem> {
        match self.content_type {
            Some(value) if is_json(value) => Ok(()),
            Some(value) => {
                let said = String::from_utf8_lossy(value.as_bytes()).into_owned();
                Err(Problem::new(
                    Code::UnsupportedMediaType,
                    format!("`Content-Type` is {said:?}, not application/json"),
                ))
            }
            None => {
                Err(Problem::new(Code::UnsupportedMediaType, "there is no `Content-Type`, application/json is needed"))
            }
        }
    }
}

fn is_json(value: &HeaderValue) -> bool {
    if value.as_bytes() == b"application/json" {
        return true;
    }
    let Ok(text) = value.to_str() else { return false };
    let mut parts = text.split(';').map(str::trim);
    parts.next().is_some_and(|media| media.eq_ignore_ascii_case("application/json"))
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
                value.trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_recognised_in_its_usual_spellings_and_nothing_else_is() {
        let json = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_str(text).unwrap());
            Head::read(&Uri::from_static("/"), &headers).is_json().is_ok()
        };
        for good in ["application/json", "Application/JSON", "application/json; charset=UTF-8", "application/json;x=y"]
        {
            assert!(json(good), "{good:?}");
        }
        for bad in ["", "text/json", "application/json; charset=latin1", "application/jsonl", "text/plain"] {
            assert!(!json(bad), "{bad:?}");
        }
        assert!(Head::default().is_json().is_err());
    }

    #[test]
    fn the_size_of_a_head_counts_names_and_values() {
        let mut headers = HeaderMap::new();
        headers.append("a", HeaderValue::from_static("12345"));
        headers.append("a", HeaderValue::from_static(""));
        let head = Head::read(&Uri::from_static("/v1/query?x"), &headers);
        assert_eq!(head.size, 9 + 1 + (1 + 5 + 4) + (1 + 4));
        assert!(head.fits(25).is_ok() && head.fits(24).is_err());
    }
}
