//! The examples of `docs/query-language.md` run, and `docs/errors.md` is what the table of codes says.

use std::path::PathBuf;

use crate::{
    problem::{self, Code},
    query::testing::{packages, understand},
};

fn page(name: &str) -> (PathBuf, String) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    (path, text)
}

/// Fenced blocks with the words behind the fence.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(info), None) => open = Some((info.to_owned(), String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some((_, text))) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

#[test]
fn every_example_of_the_query_language_does_what_the_page_says() {
    let schema = packages();
    let (_, text) = page("query-language.md");
    let (mut good, mut bad) = (0, 0);
    for (info, body) in blocks(&text) {
        match info.split_once(' ') {
            None if info == "json" => {
                let parsed = understand(body.as_bytes(), &schema).unwrap_or_else(|error| panic!("{error:?} in {body}"));
                // The one example of a canonical text is written like one.
                if body.starts_with(r#"{"collection":"packages","vector":"#) {
                    assert_eq!(parsed.query.print(&schema), body.trim_end());
                }
                good += 1;
            }
            Some(("json", expected)) => {
                let code = expected.strip_prefix("error=").expect("json error=<code>");
                let error = understand(body.as_bytes(), &schema).expect_err(&body);
                assert_eq!(error.code.as_str(), code, "{body}");
                bad += 1;
            }
            _ => {}
        }
    }
    assert!(good >= 12 && bad >= 5, "{good} and {bad} examples");
}

#[test]
fn the_page_names_every_field_operator_and_code_of_the_language() {
    let (_, text) = page("query-language.md");
    let fields = "collection vector filter within expand text fusion limit offset score_threshold exact select include \
        options values like combine weight name from label id edges direction hops include_anchors top per_item scores \
        paths vectors priority deadline_ms on_deadline cache max_staleness_ms freshness explain plan $eq $ne $lt $lte \
        $gt $gte $in $nin $all $any $exists $and $or $not";
    for name in fields.split_whitespace() {
        assert!(text.contains(&format!("`{name}`")), "{name}");
    }
    for code in Code::ALL.iter().filter(|code| **code < Code::Unauthorized) {
        assert!(text.contains(code.as_str()), "{}", code.as_str());
    }
}

/// Written anew with `UPDATE_GENERATED=1`.
#[test]
fn the_page_of_errors_is_up_to_date() {
    let (path, text) = page("errors.md");
    let expected = problem::reference();
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, &expected).expect("the page can be written");
        return;
    }
    assert!(
        text == expected,
        "docs/errors.md is out of date: run `UPDATE_GENERATED=1 cargo test -p forebay the_page_of_errors`"
    );
}
