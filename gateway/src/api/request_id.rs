//! Names for requests: the caller's own where it gives a usable one, else a random prefix and a counter.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use http::HeaderValue;

/// Longest name that is taken from a caller, in bytes.
const MAX_LEN: usize = 64;

/// The name of a request; `sent` is the caller's `Forebay-Request-Id`.
pub(super) fn name(sent: Option<&HeaderValue>) -> Arc<str> {
    match sent.and_then(usable) {
        Some(own) => own.into(),
        None => next(),
    }
}

/// Visible ASCII only: the name goes into logs and back into a header.
fn usable(sent: &HeaderValue) -> Option<&str> {
    let text = sent.to_str().ok()?;
    (!text.is_empty() && text.len() <= MAX_LEN && text.bytes().all(|byte| byte.is_ascii_graphic())).then_some(text)
}

/// 16 random and 12 counted digits: told apart within a process by the counter, between processes by the prefix.
fn next() -> Arc<str> {
    static PREFIX: OnceLock<u64> = OnceLock::new();
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let prefix = *PREFIX.get_or_init(rand::random);
    let count = COUNTER.fetch_add(1, Relaxed);
    let mut text = [0_u8; 28];
    write_hex(&mut text[..16], prefix);
    write_hex(&mut text[16..], count);
    std::str::from_utf8(&text).expect("hexadecimal digits").into()
}

fn write_hex(digits: &mut [u8], mut value: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(value & 15) as usize];
        value >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usable_name_is_kept_and_any_other_replaced() {
        let named = |text: &'static [u8]| name(Some(&HeaderValue::from_bytes(text).unwrap()));
        assert_eq!(&*named(b"abc-123/4"), "abc-123/4");
        assert_eq!(&*named(&[b'x'; 64]), "x".repeat(64));
        for bad in [&b""[..], b"two words", b"caf\xc3\xa9", b"tab\there", &[b'x'; 65]] {
            let name = named(bad);
            assert!(name.len() == 28 && name.bytes().all(|b| b.is_ascii_hexdigit()), "{name}");
        }
    }

    #[test]
    fn made_up_names_differ() {
        let names: std::collections::BTreeSet<_> = (0..1_000).map(|_| next()).collect();
        assert_eq!(names.len(), 1_000);
    }
}
