//! Instants on the wire: RFC 3339 with an offset and at most microseconds.

use jiff::{SignedDuration, civil::DateTime};

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
const EXPECTED: &str = "an RFC 3339 instant with an offset, such as \"2026-11-21T08:30:00Z\"";

/// Microseconds since the Unix epoch. Says what was expected if the text is no such instant.
pub(crate) fn parse(text: &str) -> Result<i64, String> {
    let (local, offset) = split(text).ok_or_else(|| format!("expected {EXPECTED}"))?;
    // jiff checks the calendar; its own `Timestamp` ends some hours before the year 9999 does.
    let local: DateTime = local.parse().map_err(|_| format!("no such date or time: expected {EXPECTED}"))?;
    let nanoseconds = local.duration_since(EPOCH).as_nanos() - i128::from(offset) * 1_000_000_000;
    if nanoseconds % 1_000 != 0 {
        return Err("expected an instant with at most microseconds".to_owned());
    }
    i64::try_from(nanoseconds / 1_000)
        .ok()
        .filter(|&micros| civil(micros).is_some())
        .ok_or_else(|| "expected an instant in the years 0000 to 9999 of UTC".to_owned())
}

/// The one spelling of an instant: UTC, no trailing zeros of a second's fraction. Out of the years that RFC 3339 can
/// write it is the nearest that it can.
pub(super) fn print(micros: i64) -> String {
    let last = DateTime::constant(9999, 12, 31, 23, 59, 59, 999_999_000);
    let first = DateTime::constant(0, 1, 1, 0, 0, 0, 0);
    format!("{}Z", civil(micros).unwrap_or(if micros < 0 { first } else { last }))
}

fn civil(micros: i64) -> Option<DateTime> {
    EPOCH.checked_add(SignedDuration::from_micros(micros)).ok().filter(|local| local.year() >= 0)
}

/// Splits the text into date and time, and the offset in seconds. Only the form of RFC 3339 passes, of which jiff
/// reads more: `YYYY-MM-DDThh:mm:ss`, a fraction of 1 to 9 digits or none, `Z` or `±hh:mm`, no leap second.
fn split(text: &str) -> Option<(&str, i64)> {
    if !text.is_ascii() || text.len() < 20 {
        return None;
    }
    let (whole, rest) = text.split_at(19);
    let fits = |text: &str, form: &str| {
        text.len() == form.len()
            && text.bytes().zip(form.bytes()).all(|(b, f)| match f {
                b'0' => b.is_ascii_digit(),
                b'T' => matches!(b, b'T' | b't' | b' '),
                _ => b == f,
            })
    };
    if !fits(whole, "0000-00-00T00:00:00") || &whole[17..] == "60" {
        return None;
    }
    let fraction = match rest.strip_prefix('.') {
        Some(digits) => 1 + digits.bytes().take_while(u8::is_ascii_digit).count(),
        None => 0,
    };
    if fraction == 1 || fraction > 10 {
        return None;
    }
    let offset = match &rest[fraction..] {
        "Z" | "z" => 0,
        zone if fits(zone, "+00:00") || fits(zone, "-00:00") => {
            let (hours, minutes): (i64, i64) = (zone[1..3].parse().ok()?, zone[4..].parse().ok()?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 3_600 + minutes * 60) * if zone.starts_with('-') { -1 } else { 1 }
        }
        _ => return None,
    };
    Some((&text[..19 + fraction], offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_the_same_in_every_offset() {
        let expected = Ok(1_700_000_000_123_456);
        for text in [
            "2023-11-14T22:13:20.123456Z",
            "2023-11-14t22:13:20.123456000z",
            "2023-11-14 23:13:20.123456+01:00",
            "2023-11-14T20:43:20.123456-01:30",
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_printed_reads_as_the_same_instant() {
        for text in [
            "2023-11-14T22:13:20.1234Z",
            "1969-12-31T23:59:59.999999Z",
            "0000-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999999Z",
            "2024-02-29T00:00:00Z",
        ] {
            assert_eq!(print(parse(text).unwrap()), text);
        }
    }

    #[test]
    fn other_forms_of_time_are_refused() {
        for text in [
            "",
            "2023-11-14",
            "2023-11-14T22:13Z",
            "2023-11-14T22:13:20",
            "20231114T221320Z",
            "2023-11-14T22:13:20Z[UTC]",
            "2023-11-14T22:13:20+01",
            "2023-11-14T22:13:20+24:00",
            "2023-11-14T22:13:20.Z",
            "2023-11-14T22:13:20,5Z",
            "2023-11-14T22:13:20.1234567Z",
            "2023-02-29T00:00:00Z",
            "2023-11-14T24:00:00Z",
            "2016-12-31T23:59:60Z",
            "9999-12-31T23:59:59-01:00",
            "0000-01-01T00:00:00+01:00",
            "２023-11-14T22:13:20Z",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
