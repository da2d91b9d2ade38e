//! Names for requests: the caller's own where it gives a usable one, else a random number and a count.

use std::{cell::Cell, sync::Arc};

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

/// 16 random and 8 counted digits. Each thread has its own: what counts here must not wait for other cores.
fn next() -> Arc<str> {
    thread_local!(static NAMES: Cell<(u64, u32)> = Cell::new((rand::random(), 0)));
    let (random, count) = NAMES.get();
    // After 2³² names a thread goes on under another random number.
    NAMES.set(if count == u32::MAX { (rand::random(), 0) } else { (random, count + 1) });
    let mut text = [0_u8; 24];
    write_hex(&mut text[..16], random);
    write_hex(&mut text[16..], count.into());
    std::str::from_utf8(&text).expect("hexadecimal digits").into()
}

fn write_hex(digits: &mut [u8], mut value: u64) {
    for digit in digits.iter_mut().rev() {
        let nibble = (value & 15) as u8;
        *digit = nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
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
            assert!(name.len() == 24 && name.bytes().all(|b| b.is_ascii_hexdigit()), "{name}");
        }
    }

    #[test]
    fn made_up_names_differ() {
        let some = || (0..1_000).map(|_| next()).collect::<Vec<_>>();
        let other = std::thread::spawn(some);
        let names: std::collections::BTreeSet<_> = some().into_iter().chain(other.join().unwrap()).collect();
        assert_eq!(names.len(), 2_000);
    }
}
