//! Writing header values: all of a response into one piece of memory, of which each value is a part.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::cache::ETag;

/// Longest value of a list that has no natural end, in bytes. Intermediaries limit header sections to 8 KiB and more.
const MAX_LIST_BYTES: usize = 4_096;

/// Header values in the making.
pub(super) struct Fields {
    text: Vec<u8>,
    ends: smallvec::SmallVec<[(&'static HeaderName, usize); 8]>,
}

impl Fields {
    pub(super) fn new() -> Self {
        Self { text: Vec::with_capacity(384), ends: smallvec::SmallVec::new() }
    }

    /// Writes the value of one header.
    pub(super) fn write(&mut self, name: &'static HeaderName, value: impl FnOnce(&mut Vec<u8>)) {
        value(&mut self.text);
        self.ends.push((name, self.text.len()));
    }

    /// Puts all of them into a header section.
    pub(super) fn put(self, headers: &mut HeaderMap) {
        let text = Bytes::from(self.text);
        let mut start = 0;
        for (name, end) in self.ends {
            // The writers write visible ASCII. Were one wrong, the answer would be worth more than the header.
            if let Ok(value) = HeaderValue::from_maybe_shared(text.slice(start..end)) {
                headers.insert(name, value);
            }
            start = end;
        }
    }
}

pub(super) fn decimal(text: &mut Vec<u8>, value: u64) {
    text.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Milliseconds with three places, from microseconds.
pub(super) fn milliseconds(text: &mut Vec<u8>, microseconds: u64) {
    let whole = microseconds / 1_000;
    let rest = (microseconds % 1_000) as u16;
    let places = [b'.', digit(rest / 100), digit(rest / 10 % 10), digit(rest % 10)];
    // A step of a hit takes microseconds.
    if whole == 0 {
        text.push(b'0');
    } else {
        decimal(text, whole);
    }
    text.extend_from_slice(&places);
}

fn digit(value: u16) -> u8 {
    b'0' + value as u8
}

/// A list of strings (RFC 9651). A string holds printable ASCII, so other bytes, and `%` itself, are percent-encoded.
/// The list ends before it grows out of bounds.
pub(super) fn strings<'a>(text: &mut Vec<u8>, items: impl Iterator<Item = &'a str>) {
    let start = text.len();
    for item in items {
        let before = text.len();
        if before > start {
            text.extend_from_slice(b", ");
        }
        text.push(b'"');
        if item.bytes().all(is_plain) {
            text.extend_from_slice(item.as_bytes());
        } else {
            escape(text, item);
        }
        text.push(b'"');
        if text.len() - start > MAX_LIST_BYTES {
            text.truncate(before);
            return;
        }
    }
}

/// Whether a byte stands for itself in a string.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\' | b'%')
}

fn escape(text: &mut Vec<u8>, item: &str) {
    for byte in item.bytes() {
        match byte {
            b'"' | b'\\' => text.extend([b'\\', byte]),
            _ if is_plain(byte) => text.push(byte),
            _ => text.extend([b'%', hex(byte >> 4), hex(byte & 15)]),
        }
    }
}

/// An entity tag with its quotes.
pub(super) fn entity_tag(text: &mut Vec<u8>, tag: &ETag) {
    let mut quoted = [b'"'; 34];
    for (pair, byte) in quoted[1..33].as_chunks_mut().0.iter_mut().zip(tag.0) {
        *pair = [hex(byte >> 4), hex(byte & 15)];
    }
    text.extend_from_slice(&quoted);
}

/// A hexadecimal digit, without a table.
fn hex(nibble: u8) -> u8 {
    nibble + if nibble < 10 { b'0' } else { b'a' - 10 }
}

/// How many numbers have their header values ready.
const READY: u64 = 256;

/// Header values by a number from 0 on, made once and for all: copying one counts no references.
pub(super) fn numbered(value: impl Fn(&mut Vec<u8>, u64)) -> Box<[HeaderValue]> {
    let one = |number| {
        let mut text = Vec::new();
        value(&mut text, number);
        HeaderValue::from_maybe_shared(Bytes::from_static(Vec::leak(text))).expect("the writers write visible ASCII")
    };
    (0..READY).map(one).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(items: &[&str]) -> String {
        let mut text = b"before".to_vec();
        strings(&mut text, items.iter().copied());
        String::from_utf8(text.split_off(6)).unwrap()
    }

    #[test]
    fn strings_are_escaped_and_what_is_not_ascii_is_percent_encoded() {
        assert_eq!(list(&["packages", r#"a "b" \c"#]), r#""packages", "a \"b\" \\c""#);
        assert_eq!(list(&["naïve\r\n100%"]), r#""na%c3%afve%0d%0a100%25""#);
        assert_eq!(list(&[]), "");
    }

    #[test]
    fn a_list_that_is_too_long_loses_whole_items_only() {
        let long = "x".repeat(1_500);
        assert_eq!(list(&[&long, &long, &long]), format!("\"{long}\", \"{long}\""));
    }

    #[test]
    fn milliseconds_have_three_places() {
        let written = |us| {
            let mut text = Vec::new();
            milliseconds(&mut text, us);
            String::from_utf8(text).unwrap()
        };
        assert_eq!(
            [0, 7, 45, 999, 1_000, 61_020].map(written),
            ["0.000", "0.007", "0.045", "0.999", "1.000", "61.020"]
        );
    }

    proptest! {
        #[test]
        fn any_names_make_a_header_value(items in proptest::collection::vec(any::<String>(), 0..8)) {
            static NAME: HeaderName = HeaderName::from_static("cache-groups");
            let mut fields = Fields::new();
            fields.write(&NAME, |text| strings(text, items.iter().map(String::as_str)));
            let mut headers = HeaderMap::new();
            fields.put(&mut headers);
            prop_assert!(headers[&NAME].to_str().is_ok());
        }
    }
}
