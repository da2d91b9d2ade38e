//! Names in SQL text.

/// An identifier in quotes.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The parts of `schema.table`: dots inside double quotes do not separate.
pub(super) fn split(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut inside = false;
    for c in name.chars() {
        match c {
            '"' => inside = !inside,
            '.' if !inside => parts.push(String::new()),
            c => parts.last_mut().expect("there is always one").push(c),
        }
    }
    parts
}

/// A table's name in quotes.
pub(super) fn table(name: &str) -> String {
    split(name).iter().map(|part| quoted(part)).collect::<Vec<_>>().join(".")
}

/// A text literal.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
