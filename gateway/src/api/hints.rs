//! Standard request headers as hints. Whatever cannot be read is ignored, as their RFCs ask.

use std::time::Duration;

use http::HeaderValue;

use crate::{
    cache::ETag,
    query::{CacheMode, Priority},
    request::Hints,
};

/// Entity tags that are looked at; a caller holds one body of a query, rarely two.
const MAX_TAGS: usize = 64;

/// Reads one `Priority` line (RFC 9218): the last `u` counts.
pub(super) fn read_priority(line: &HeaderValue, hints: &mut Hints) {
    let Ok(line) = line.to_str() else { return };
    for member in line.split(',') {
        // A member may have parameters of its own, which mean nothing yet.
        let item = member.split(';').next().unwrap_or_default().trim();
        let Some(urgency) = item.strip_prefix("u=") else { continue };
        hints.priority = match urgency {
            "0" | "1" | "2" => Some(Priority::Interactive),
            "3" | "4" => Some(Priority::Normal),
            "5" | "6" | "7" => Some(Priority::Batch),
            _ => hints.priority,
        };
    }
}

/// Reads one `Cache-Control` line (RFC 9111). Of several wishes for the cache the one that trusts it least counts.
pub(super) fn read_cache_control(line: &HeaderValue, hints: &mut Hints) {
    let Ok(line) = line.to_str() else { return };
    for directive in line.split(',') {
        let (name, value) = match directive.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None => (directive.trim(), None),
        };
        let wish = |mode| Some(hints.cache.map_or(mode, |other| trusting_less(mode, other)));
        if name.eq_ignore_ascii_case("no-store") {
            hints.cache = wish(CacheMode::Bypass);
        } else if name.eq_ignore_ascii_case("no-cache") {
            hints.cache = wish(CacheMode::Refresh);
        } else if name.eq_ignore_ascii_case("only-if-cached") {
            hints.cache = wish(CacheMode::Only);
        } else if name.eq_ignore_ascii_case("max-age") {
            let age = value.and_then(delta_seconds).map(Duration::from_secs);
            hints.max_age = match (hints.max_age, age) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
    }
}

fn trusting_less(a: CacheMode, b: CacheMode) -> CacheMode {
    let rank = |mode| match mode {
        CacheMode::Bypass => 0,
        CacheMode::Refresh => 1,
        CacheMode::Only => 2,
        CacheMode::Look => 3,
        CacheMode::Default => 4,
    };
    if rank(a) <= rank(b) { a } else { b }
}

/// A number of seconds, quoted or not; one that is too large counts as 2³¹ (RFC 9111 §1.2.2).
fn delta_seconds(text: &str) -> Option<u64> {
    let digits = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().unwrap_or(u64::MAX).min(1 << 31))
}

/// Reads one `If-None-Match` line (RFC 9110 §13.1.2). Tags that are not of our form can match nothing, so they are left
/// out, and so is `*`: it asks whether there is any answer at all, and there always is.
pub(super) fn read_if_none_match(line: &HeaderValue, hints: &mut Hints) {
    let mut rest = line.as_bytes();
    while let Some(start) = rest.iter().position(|byte| *byte == b'"') {
        let tail = &rest[start + 1..];
        let Some(end) = tail.iter().position(|byte| *byte == b'"') else { return };
        if let Some(tag) = etag(&tail[..end]) {
            if hints.if_none_match.len() == MAX_TAGS {
                return;
            }
            hints.if_none_match.push(tag);
        }
        rest = &tail[end + 1..];
    }
}

/// Reads an opaque tag: 32 lower-case hexadecimal digits, as [`ETag`] prints them.
fn etag(digits: &[u8]) -> Option<ETag> {
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut tag = [0; 16];
    if digits.len() != 32 {
        return None;
    }
    for (byte, pair) in tag.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(ETag(tag))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(reader: fn(&HeaderValue, &mut Hints), lines: &[&str]) -> Hints {
        let mut hints = Hints::default();
        for line in lines {
            reader(&HeaderValue::from_str(line).unwrap(), &mut hints);
        }
        hints
    }

    #[test]
    fn urgency_becomes_a_class() {
        let class = |line| read(read_priority, &[line]).priority;
        for (line, expected) in [
            ("u=0", Some(Priority::Interactive)),
            ("u=2", Some(Priority::Interactive)),
            ("u=3", Some(Priority::Normal)),
            ("i, u=4", Some(Priority::Normal)),
            ("u=5;x=y", Some(Priority::Batch)),
            ("u=7, i", Some(Priority::Batch)),
            ("u=1, u=6", Some(Priority::Batch)),
            ("i", None),
            ("u=8", None),
            ("u=-1", None),
            ("u=\"1\"", None),
            ("u", None),
            ("", None),
            (",,;;==", None),
        ] {
            assert_eq!(class(line), expected, "{line:?}");
        }
    }

    #[test]
    fn cache_directives_become_a_mode_and_an_age() {
        let hints = |lines: &[&str]| {
            let hints = read(read_cache_control, lines);
            (hints.cache, hints.max_age.map(|age| age.as_secs()))
        };
        assert_eq!(hints(&["no-store"]), (Some(CacheMode::Bypass), None));
        assert_eq!(hints(&["No-Cache, max-age=5"]), (Some(CacheMode::Refresh), Some(5)));
        assert_eq!(hints(&["only-if-cached"]), (Some(CacheMode::Only), None));
        assert_eq!(hints(&["only-if-cached", "no-store, no-cache"]), (Some(CacheMode::Bypass), None));
        assert_eq!(hints(&["max-age=\"7\", max-age=9"]), (None, Some(7)));
        assert_eq!(hints(&["max-age=99999999999999999999"]), (None, Some(1 << 31)));
        assert_eq!(hints(&["max-age, max-age=-1, max-age=x, private=\"a\"", "="]), (None, None));
    }

    #[test]
    fn entity_tags_are_read_weak_or_strong() {
        let tag = ETag::of(b"body");
        let tags = |line: &str| read(read_if_none_match, &[line]).if_none_match;
        assert_eq!(tags(&format!("\"{tag}\"")), [tag]);
        assert_eq!(tags(&format!("\"other\" , W/\"{tag}\"")), [tag]);
        for other in ["*", "", "\"", "\"unclosed", &format!("\"{}\"", tag.to_string().to_uppercase())] {
            assert_eq!(tags(other), [], "{other:?}");
        }
        assert_eq!(tags(&format!("\"{tag}\",").repeat(100)).len(), MAX_TAGS);
    }

    proptest! {
        #[test]
        fn no_header_value_makes_a_reader_panic(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(value) = HeaderValue::from_bytes(&line) {
                let mut hints = Hints::default();
                read_priority(&value, &mut hints);
                read_cache_control(&value, &mut hints);
                read_if_none_match(&value, &mut hints);
            }
        }

        #[test]
        fn every_tag_that_is_sent_is_recognised_when_it_comes_back(bytes in any::<[u8; 16]>()) {
            let tag = ETag(bytes);
            prop_assert_eq!(read(read_if_none_match, &[&format!("\"{tag}\"")]).if_none_match, [tag]);
        }
    }
}
