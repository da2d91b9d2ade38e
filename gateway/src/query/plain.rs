//! A quick way through the usual body, most of which is a vector: its numbers are read by the standard library's parser, straight
//! from the text.
//!
//! It gives the tree that [`super::json`] gives, or nothing: whatever is unusual (an escape in a string, many members in one
//! object, a number beyond 64 bits) or wrong is left to the reader that has words for it.

use super::json::Json;
use crate::value::Number;

/// Members that are compared one by one.
const FEW: usize = 16;

/// Reads a whole body, nested at most so deep.
pub(super) fn read(bytes: &[u8], max_depth: u32) -> Option<Json> {
    let mut reader = Reader { bytes, at: 0 };
    let value = reader.value(max_depth)?;
    reader.space();
    (reader.at == bytes.len()).then_some(value)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Takes this byte, if it is the next after white space.
    fn takes(&mut self, byte: u8) -> bool {
        self.space();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth_left: u32) -> Option<Json> {
        self.space();
        match self.peek()? {
            b'[' => self.array(depth_left.checked_sub(1)?),
            b'{' => self.object(depth_left.checked_sub(1)?),
            b'"' => self.string().map(|text| Json::String(text.to_owned())),
            b't' => self.word("true", Json::Bool(true)),
            b'f' => self.word("false", Json::Bool(false)),
            b'n' => self.word("null", Json::Null),
            _ => self.number().map(Json::Number),
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Option<Json> {
        let found = self.bytes[self.at..].starts_with(word.as_bytes());
        self.at += word.len();
        found.then_some(value)
    }

    fn array(&mut self, depth_left: u32) -> Option<Json> {
        self.at += 1;
        let mut elements = Vec::new();
        if self.takes(b']') {
            return Some(Json::Array(elements));
        }
        loop {
            elements.push(self.value(depth_left)?);
            if !self.takes(b',') {
                return self.takes(b']').then_some(Json::Array(elements));
            }
        }
    }

    fn object(&mut self, depth_left: u32) -> Option<Json> {
        self.at += 1;
        let mut members: Vec<(String, Json)> = Vec::new();
        if self.takes(b'}') {
            return Some(Json::Object(members));
        }
        loop {
            self.space();
            let key = self.string()?;
            if members.len() >= FEW || members.iter().any(|(name, _)| name == key) || !self.takes(b':') {
                return None;
            }
            members.push((key.to_owned(), self.value(depth_left)?));
            if !self.takes(b',') {
                return self.takes(b'}').then_some(Json::Object(members));
            }
        }
    }

    fn string(&mut self) -> Option<&'a str> {
        if self.peek()? != b'"' {
            return None;
        }
        let rest = &self.bytes[self.at + 1..];
        let length = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))?;
        self.at += length + 2;
        if rest[length] == b'"' { std::str::from_utf8(&rest[..length]).ok() } else { None }
    }

    fn number(&mut self) -> Option<Number> {
        let start = self.at;
        let negative = self.peek() == Some(b'-');
        self.at += usize::from(negative);
        let first = self.peek()?;
        let digits = self.digits()?;
        if first == b'0' && digits > 1 {
            return None;
        }
        let mut whole = true;
        if self.peek() == Some(b'.') {
            whole = false;
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            whole = false;
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        let text = std::str::from_utf8(&self.bytes[start..self.at]).ok()?;
        if whole {
            // Longer integers are doubles.
            let value: i128 = text.parse().ok()?;
            let fits = i64::try_from(value).is_ok() || u64::try_from(value).is_ok();
            return fits.then_some(Number::Integer(value));
        }
        let value: f64 = text.parse().ok()?;
        value.is_finite().then(|| Number::from_f64(value))
    }

    /// Takes digits, at least one, and returns how many.
    fn digits(&mut self) -> Option<usize> {
        let count = self.bytes[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        (count > 0).then_some(count)
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::{super::json, *};

    const BODY: &str = r#" {"a": [0.1, -1.5e-3, 12345678901234567890, -7, 0, 1E2, [], {}], "b": {"c": "é x", "d": null},
        "e": [true, false, 0.05483140051364899, 1e-320, -0, 18446744073709551615, -9223372036854775808]} "#;

    #[test]
    fn the_usual_body_is_read_as_the_strict_reader_reads_it() {
        let plain = read(BODY.as_bytes(), 64).expect("nothing in it is unusual");
        assert_eq!(plain, json::strict(BODY.as_bytes(), json::JsonLimits::default()).unwrap());
    }

    #[test]
    fn what_is_read_is_never_anything_but_what_the_strict_reader_reads() {
        let mut rng = StdRng::seed_from_u64(5);
        let alphabet = br#" 019.-+eE"\{}[]:,abtruefalsnul"#;
        let (mut read_too, rounds) = (0, 20_000);
        for _ in 0..rounds {
            let mut body = BODY.as_bytes().to_vec();
            for _ in 0..rng.random_range(1..3) {
                let (at, byte) = (rng.random_range(0..body.len()), alphabet[rng.random_range(0..alphabet.len())]);
                match rng.random_range(0..3) {
                    0 => body[at] = byte,
                    1 => body.insert(at, byte),
                    _ => drop(body.remove(at)),
                }
            }
            for max_depth in [2, 64] {
                let strict = json::strict(&body, json::JsonLimits { max_depth });
                if let Some(plain) = read(&body, max_depth) {
                    assert_eq!(Ok(plain), strict, "{}", String::from_utf8_lossy(&body));
                    read_too += 1;
                }
            }
        }
        assert!(read_too > rounds / 10, "{read_too} of {rounds} were readable");
    }
}
