//! Instants as data states them.

/// Microseconds since the Unix epoch of an RFC 3339 instant, digits below a microsecond cut off (towards the past).
/// `None` if it is none; a time without an offset is none.
pub(super) fn parse(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    // jiff reads more of ISO 8601 than RFC 3339 has; the separators tell them apart.
    let is_rfc_3339 = bytes.len() >= 20
        && bytes[4] == b'-'
        && bytes[7] == b'-'
        && matches!(bytes[10], b'T' | b't' | b' ')
        && bytes[13] == b':'
        && bytes[16] == b':'
        && !bytes.contains(&b'[');
    let instant: jiff::Timestamp = if is_rfc_3339 { text.parse().ok()? } else { return None };
    i64::try_from(instant.as_nanosecond().div_euclid(1_000)).ok()
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
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
