//! "Did you mean": the nearest known name.

/// Longest name that is compared with the known ones: the comparison takes quadratic time.
const LONGEST: usize = 64;

/// The known name that is nearest to what was written, if it is near enough to be a slip.
pub(super) fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if written.len() > LONGEST {
        return None;
    }
    known
        .into_iter()
        .filter(|name| name.len() <= LONGEST)
        .map(|name| (strsim::damerau_levenshtein(&written.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= 1 + name.chars().count().max(written.chars().count()) / 4)
        .min()
        .map(|(_, name)| name)
}

/// `; did you mean "…"?`, or nothing.
pub(super) fn hint<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(written, known).map_or_else(String::new, |name| format!("; did you mean \"{name}\"?"))
}

/// A name as messages repeat it: quoted, and cut where it is long.
pub(super) fn quote(name: &str) -> String {
    match name.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("\"{}…\"", name[..end].escape_debug()),
        None => format!("\"{}\"", name.escape_debug()),
    }
}

/// Names as a list in a sentence, quoted.
pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.into_iter().map(quote).collect();
    match names.as_slice() {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["section", "source", "summary"];
        assert_eq!(nearest("secton", known), Some("section"));
        assert_eq!(nearest("Sourcé", known), Some("source"));
        assert_eq!(nearest("ssection", known), Some("section"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest(&"x".repeat(1 << 20), known), None);
    }

    #[test]
    fn messages_do_not_repeat_long_names() {
        assert_eq!(quote("a\"b"), r#""a\"b""#);
        assert!(quote(&"é".repeat(10_000)).len() < 200);
    }
}
