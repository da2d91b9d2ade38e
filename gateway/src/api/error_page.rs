//! `GET /errors/{code}`: the page that a problem's `type` points to.

use http::HeaderValue;

use super::{
    reply::{self, HttpResponse},
    route::{ERROR_PAGES, nothing_at},
};
use crate::problem::{Code, Problem};

/// The page at a path.
pub(super) fn page(path: &str) -> Result<HttpResponse, Problem> {
    let name = path.strip_prefix(ERROR_PAGES).unwrap_or_default();
    let code = Code::ALL.iter().find(|code| code.as_str() == name).ok_or_else(|| nothing_at(path))?;
    Ok(reply::page(HeaderValue::from_static("text/markdown; charset=utf-8"), markdown(*code)))
}

/// What a code means, in Markdown.
fn markdown(code: Code) -> String {
    format!(
        "# {}\n\n`{}` · status {} · {}\n\n{}\n",
        code.title(),
        code.as_str(),
        code.status(),
        if code.retryable() { "the same request may succeed later" } else { "the same request will fail again" },
        code.explanation(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page_and_nothing_else_has() {
        for code in Code::ALL {
            assert!(page(&format!("/errors/{}", code.as_str())).is_ok(), "{code:?}");
        }
        for other in ["/errors/", "/errors/nope", "/errors/not-found/", "/errors/Not-Found"] {
            assert_eq!(page(other).unwrap_err().code, Code::NotFound, "{other}");
        }
    }

    #[test]
    fn a_page_says_what_to_do() {
        assert_eq!(
            markdown(Code::TooManyRequests),
            "# Too many requests\n\n`too-many-requests` · status 429 · the same request may succeed later\n\n\
             Wait as long as `Retry-After` says.\n"
        );
    }
}
