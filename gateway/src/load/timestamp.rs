//! Instants as data states them: the form that queries take, but with as fine a fraction as it likes.

use std::borrow::Cow;

use crate::query::instant;

/// Digits of a second's fraction that count.
const DIGITS: usize = 6;

/// Microseconds since the Unix epoch of an RFC 3339 instant, finer digits cut off. `None` if it is none; a time without
/// an offset is none.
pub(super) fn parse(text: &str) -> Option<i64> {
    instant::parse(&without_finer_digits(text)).ok()
}

fn without_finer_digits(text: &str) -> Cow<'_, str> {
    let Some((whole, rest)) = text.split_once('.') else { return text.into() };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    if digits <= DIGITS {
        return text.into();
    }
    format!("{whole}.{}{}", &rest[..DIGITS], &rest[digits..]).into()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn an_instant_is_the_same_in_every_offset() {
        let expected = Some(1_700_000_000_123_456);
        for text in [
            "2023-11-14T22:13:20.123456Z",
            "2023-11-14T23:13:20.123456+01:00",
            "2023-11-14t22:13:20.123456789z",
            "2023-11-14 22:13:20.123456Z",
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
        assert_eq!(parse("1969-12-31T23:59:59.9999999Z"), Some(-1));
    }

    #[test]
    fn what_is_not_rfc_3339_is_no_instant() {
        for text in [
            "",
            "2023-11-14",
            "2023-11-14T22:13:20",
            "20231114T221320Z",
            "2023-11-14T22:13:20Z[UTC]",
            "2023-02-30T00:00:00Z",
            "1700000000",
            "2023-11-14T22:13:20ZZ",
            "2016-12-31T23:59:60Z",
            "1.2345678",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
